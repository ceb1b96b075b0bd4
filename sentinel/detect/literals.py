"""Many wildcard patterns, one text: which of them fit.

Of every pattern its longest literal is looked for, all in one pass; `text*`, `*text` and `*text*` are decided by where
it stands, any other shape by its function.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sentinel.detect.occurring import any_of, occurrences
from sentinel.detect.shapes import Fits, Wild, pieces, shape

FEW = 64
FOLDING = "ßİŉſǰẖẗẘẙẚẞ\u212aﬀﬁﬂﬃﬄﬅﬆ"
"""All characters beyond ASCII whose folding has ASCII characters in it."""

_folding = any_of(FOLDING)
_PRIVATE = range(0xE000, 0xF900)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class _Uses:
    # the patterns that one literal may decide, by where it has to stand
    inside: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    shaped: list[tuple[int, Fits]] = field(default_factory=list)


class Literals:
    """Patterns, each with its number; `cased` says whether they are compared as they are, or folded."""

    def __init__(self, patterns: Iterable[tuple[int, str]], *, cased: bool) -> None:
        self._cased = cased
        self._equal: dict[str, list[int]] = {}
        self._brief: list[tuple[int, Fits]] = []
        uses: dict[str, _Uses] = {}
        for number, pattern in patterns:
            self._sort(number, pattern, uses)
        self._sole = [one.inside[0] if one == _Uses(one.inside[:1]) else None for one in uses.values()]
        self._uses = tuple(uses.values())
        self._occurrences = occurrences(uses) if uses else None
        self._alien = next(one for one in map(chr, _PRIVATE) if not any(one in literal for literal in uses))
        few = not cased and 0 < len(uses) <= FEW and all(map(str.isascii, uses)) and not self._equal and not self._brief
        self._gate = any_of(uses) if few else None

    @property
    def rare(self) -> bool:
        """Whether `none` can say something: the patterns are few, and each wants ASCII inside the text."""
        return self._gate is not None

    def none(self, text: str) -> bool:
        """Say whether surely no pattern fits `text`, which is not folded; only for patterns that are `rare`."""
        encoded = text.encode("utf-8", "replace")
        if self._gate is None or self._gate(encoded.lower()):
            return False
        return len(encoded) == len(text) or not _folding(encoded)

    def _sort(self, number: int, pattern: str, uses: dict[str, _Uses]) -> None:
        parts = pieces(pattern, cased=self._cased)
        texts = [one for one in parts if isinstance(one, str)]
        if len(texts) == len(parts):
            self._equal.setdefault("".join(texts), []).append(number)
            return
        literal = max(texts, key=len, default="")
        if not literal or (literal.isascii() and len(literal) == 1):  # would be found all the time
            self._brief.append((number, shape(parts)))
            return
        mine = uses.setdefault(literal, _Uses())
        match parts:
            case [Wild.MANY, str(), Wild.MANY]:
                mine.inside.append(number)
            case [str(), Wild.MANY]:
                mine.begins.append(number)
            case [Wild.MANY, str()]:
                mine.ends.append(number)
            case _:
                mine.shaped.append((number, shape(parts)))

    def find(self, text: str, found: set[int]) -> None:
        """Add the numbers of all patterns that the whole of `text` fits; it is folded already unless `cased`."""
        if text in self._equal:
            found.update(self._equal[text])
        for number, fits in self._brief:
            if fits(text):
                found.add(number)
        if self._occurrences is None:
            return
        length = len(text)
        try:
            occurring = self._occurrences(text)
        except UnicodeEncodeError:  # UTF-8 cannot carry surrogates; no literal has any
            occurring = self._occurrences(_SURROGATES.sub(self._alien, text))
        for which, start, end in occurring:
            sole = self._sole[which]
            if sole is not None:  # as most have
                found.add(sole)
                continue
            uses = self._uses[which]
            found.update(uses.inside)
            if end == length:
                found.update(uses.ends)
            if start == 0:
                found.update(uses.begins)
            for number, fits in uses.shaped:
                if number not in found and fits(text):
                    found.add(number)
