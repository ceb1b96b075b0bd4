"""Many wildcard patterns, one text: which of them fit, found in one pass (Aho-Corasick).

Of every pattern its longest literal is looked for; `text*`, `*text` and `*text*` are decided by where it stands, any
other shape by `like`. The door to ahocorasick-rs, a wrapper of the Rust library aho-corasick.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, MatchKind

from sentinel.core.regex import compile_regex
from sentinel.core.wildcard import escaped, fold, like, tokens

FEW = 64
SHORT = 256


class Wild(Enum):
    """What stands for other text in a pattern."""

    MANY = "*"
    ONE = "?"


@dataclass(slots=True)
class _Uses:
    # the patterns that one literal may decide, by where it has to stand
    inside: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    shaped: list[tuple[int, Callable[[str], bool]]] = field(default_factory=list)


class Literals:
    """Patterns, each with its number; `cased` says whether they are compared as they are, or folded."""

    def __init__(self, patterns: Iterable[tuple[int, str]], *, cased: bool) -> None:
        self._cased = cased
        self._equal: dict[str, list[int]] = {}
        self._bare: list[tuple[int, str]] = []
        uses: dict[str, _Uses] = {}
        for number, pattern in patterns:
            self._sort(number, pattern, uses)
        self._inside = [tuple(one.inside) for one in uses.values()]
        self._placed = [one if one.begins or one.ends or one.shaped else None for one in uses.values()]
        self._automaton = AhoCorasick(uses, MatchKind.Standard, store_patterns=False) if uses else None
        # a few literals in a long text: whether any is there at all is said five times as fast
        few = [one.encode("utf-8", "replace") for one in uses] if len(uses) <= FEW else []
        self._gate = BytesAhoCorasick(few, MatchKind.LeftmostFirst).find_matches_as_indexes if few else None

    @property
    def rare(self) -> bool:
        """Whether `none` can say something: the patterns are few, and each wants a literal inside the text."""
        return self._gate is not None and not self._equal and not self._bare

    def none(self, text: str) -> bool:
        """Say whether surely no pattern fits `text`, which is ASCII; only for folded patterns that are `rare`."""
        return self._gate is not None and not self._gate(text.encode().lower())

    def _sort(self, number: int, pattern: str, uses: dict[str, _Uses]) -> None:
        parts = pieces(pattern, cased=self._cased)
        texts = [one for one in parts if isinstance(one, str)]
        if len(texts) == len(parts):
            self._equal.setdefault("".join(texts), []).append(number)
            return
        if not texts:
            self._bare.append((number, pattern))
            return
        mine = uses.setdefault(max(texts, key=len), _Uses())
        match parts:
            case [Wild.MANY, str(), Wild.MANY]:
                mine.inside.append(number)
            case [str(), Wild.MANY]:
                mine.begins.append(number)
            case [Wild.MANY, str()]:
                mine.ends.append(number)
            case _:
                mine.shaped.append((number, _shape(parts)))

    def find(self, text: str, found: set[int]) -> None:
        """Add the numbers of all patterns that the whole of `text` fits; it is folded already unless `cased`.

        Raises UnicodeEncodeError for text that UTF-8 cannot carry.
        """
        if text in self._equal:
            found.update(self._equal[text])
        for number, pattern in self._bare:
            if like(text, pattern, cased=True):
                found.add(number)
        if self._automaton is None:
            return
        length = len(text)
        if length > SHORT and self._gate is not None and not self._gate(text.encode()):
            return
        for which, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            found.update(self._inside[which])
            placed = self._placed[which]
            if placed is None:
                continue
            if end == length:
                found.update(placed.ends)
            if start == 0:
                found.update(placed.begins)
            for number, fits in placed.shaped:
                if number not in found and fits(text):
                    found.add(number)


def _shape(parts: Sequence[str | Wild]) -> Callable[[str], bool]:
    if Wild.ONE in parts:
        return _regular(parts)
    texts = [one for one in parts if isinstance(one, str)]
    head = texts.pop(0) if isinstance(parts[0], str) else ""
    tail = texts.pop() if isinstance(parts[-1], str) else ""
    return partial(_in_order, head, tuple(texts), tail)


def _regular(parts: Sequence[str | Wild]) -> Callable[[str], bool]:
    words = {Wild.ONE: ".", Wild.MANY: ".*"}
    try:
        expression = "".join(re.escape(one) if isinstance(one, str) else words[one] for one in parts)
        search = compile_regex(f"\\A{expression}\\z", "s").search
    except ValueError:  # too large for RE2
        pattern = "".join(escaped(one) if isinstance(one, str) else one.value for one in parts)
        return lambda text: like(text, pattern, cased=True)
    return lambda text: search(text) is not None


def _in_order(head: str, middle: Sequence[str], tail: str, text: str) -> bool:
    at, end = len(head), len(text) - len(tail)
    if at > end or not text.startswith(head) or not text.endswith(tail):
        return False
    for one in middle:
        at = text.find(one, at, end)
        if at < 0:
            return False
        at += len(one)
    return True


def pieces(pattern: str, *, cased: bool) -> list[str | Wild]:
    """Return a pattern as literal texts, folded unless `cased`, and what is wild between them."""
    parts: list[str | Wild] = []
    for piece in tokens(pattern):
        if piece in {"*", "?"}:
            parts.append(Wild(piece))
            continue
        literal = piece[1] if piece in {"\0*", "\0?"} else piece
        text = literal if cased else fold(literal)
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)
    return parts
