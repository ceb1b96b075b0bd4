"""What a text must be like, as functions of it: wildcard patterns, and items with all that they are made of."""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cache, partial

from sentinel.core.regex import compile_regex
from sentinel.core.where import AllOf, AnyOf, Exists, Is, Like, Where, holds, plain
from sentinel.core.wildcard import escaped, fold, like, tokens
from sentinel.detect.occurring import any_of

MANY = 8
"""More literals than this are looked for together rather than one by one."""

Fits = Callable[[str], bool]
"""Says whether a pattern fits a text, which is folded already unless the pattern is cased."""
Asks = Callable[[str, str], bool]
"""Says what `holds` says of an item, given a text and the same folded."""


class Wild(Enum):
    """What stands for other text in a pattern."""

    MANY = "*"
    ONE = "?"


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


def shape(parts: Sequence[str | Wild]) -> Fits:
    """Return the function of a pattern's `pieces`."""
    match parts:
        case []:
            return lambda text: not text
        case [str(whole)]:
            return lambda text: text == whole
        case [Wild.MANY, str(inside), Wild.MANY]:
            return lambda text: inside in text
        case [str(begin), Wild.MANY]:
            return lambda text: text.startswith(begin)
        case [Wild.MANY, str(end)]:
            return lambda text: text.endswith(end)
        case [Wild.MANY]:
            return lambda _: True
        case _ if all(isinstance(one, Wild) for one in parts):
            return partial(like, pattern="".join(one.value for one in parts if isinstance(one, Wild)), cased=True)
        case _ if Wild.ONE in parts:
            return _regular(parts)
        case _:
            texts = [one for one in parts if isinstance(one, str)]
            head = texts.pop(0) if isinstance(parts[0], str) else ""
            tail = texts.pop() if isinstance(parts[-1], str) else ""
            return partial(_in_order, head, tuple(texts), tail)


def _regular(parts: Sequence[str | Wild]) -> Fits:
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


def asking(where: Where, field: str) -> Asks:
    """Return the function of an item on `field`; it raises what `holds` raises."""
    match where:
        case AllOf(items):
            return _every(*_apart(items, field))
        case AnyOf(items):
            return _some(*_apart(items, field))
        case Like(_, pattern, True):
            fits = shape(pieces(pattern, cased=True))
            return lambda text, _: fits(text)
        case Like(_, pattern):
            fits = shape(pieces(pattern, cased=False))
            return lambda _, folded: fits(folded)
        case Is(_, value, cased) if value is not None:
            whole = plain(value) if cased else fold(plain(value))
            return (lambda text, _: text == whole) if cased else (lambda _, folded: folded == whole)
        case Exists():
            return lambda *_: True
        case _:
            return lambda text, _: holds(where, {field: text})


def _apart(items: Iterable[Where], field: str) -> tuple[tuple[str, ...], tuple[Asks, ...]]:
    # literals that are asked for anywhere in the folded text, as most are; and all else
    literals: list[str] = []
    tests: list[Asks] = []
    for item in items:
        match item:
            case Like(_, pattern, False):
                match pieces(pattern, cased=False):
                    case [Wild.MANY, str(literal), Wild.MANY]:
                        literals.append(literal)
                    case parts:
                        tests.append(_folded(shape(parts)))
            case _:
                tests.append(asking(item, field))
    return tuple(literals), tuple(tests)


def _folded(fits: Fits) -> Asks:
    return lambda _, folded: fits(folded)


def _every(literals: Sequence[str], tests: Sequence[Asks]) -> Asks:
    def every(text: str, folded: str) -> bool:
        for literal in literals:
            if literal not in folded:
                return False
        for test in tests:  # noqa: SIM110  as above
            if not test(text, folded):
                return False
        return True

    return every


def _some(literals: Sequence[str], tests: Sequence[Asks]) -> Asks:
    if len(literals) > MANY:
        return _some((), (_one_of(literals), *tests))

    def some(text: str, folded: str) -> bool:
        for literal in literals:
            if literal in folded:
                return True
        for test in tests:  # noqa: SIM110  as above
            if test(text, folded):
                return True
        return False

    return some


def _one_of(literals: Sequence[str]) -> Asks:
    @cache
    def find() -> Callable[[bytes], object]:  # most are never asked
        return any_of(literals)

    return lambda _, folded: bool(find()(folded.encode("utf-8", "surrogatepass")))
