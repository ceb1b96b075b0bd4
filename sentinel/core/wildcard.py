"""Text as it is compared, and patterns with `*` and `?` over it, in time linear in the text for each run of pattern."""

from functools import lru_cache


def fold(text: str) -> str:
    """Return `text` as it is compared: Unicode full case folding."""
    return text if text.isascii() and text.islower() else text.casefold()


@lru_cache(maxsize=65_536)
def tokens(pattern: str) -> tuple[str, ...]:
    r"""Return a wildcard pattern in pieces: `"*"` and `"?"` are wild, anything else is literal text.

    A literal `*` or `?` (escaped in the pattern) comes back with a NUL before it, so that the two stay apart:
    `tokens(r"a\*b*")` is `("a", "\0*", "b", "*")`.
    """
    pieces: list[str] = []
    text: list[str] = []

    def flush() -> None:
        if text:
            pieces.append("".join(text))
            text.clear()

    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and pattern[at + 1 : at + 2] in {"*", "?", "\\"}:
            at += 1
            if pattern[at] == "\\":
                text.append("\\")
            else:
                flush()
                pieces.append("\0" + pattern[at])
        elif char in "*?":
            flush()
            if not (char == "*" and pieces and pieces[-1] == "*"):
                pieces.append(char)
        else:
            text.append(char)
        at += 1
    flush()
    return tuple(pieces)


def escaped(text: str) -> str:
    """Return the pattern that matches exactly `text`."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


@lru_cache(maxsize=65_536)
def _runs(pattern: str, cased: bool) -> tuple[tuple[str | None, ...], ...]:  # noqa: FBT001  a cache key
    # the pattern cut at each `*`; in a run every item is one character, None for `?`
    runs: list[list[str | None]] = [[]]
    for piece in tokens(pattern):
        if piece == "*":
            runs.append([])
        elif piece == "?":
            runs[-1].append(None)
        else:
            literal = piece[1] if piece in {"\0*", "\0?"} else piece
            runs[-1].extend(literal if cased else fold(literal))
    return tuple(tuple(run) for run in runs)


def like(text: str, pattern: str, *, cased: bool = False) -> bool:
    """Say whether the whole of `text` has the shape `pattern` (see the module's description of `Like`)."""
    runs = _runs(pattern, cased)
    subject = text if cased else fold(text)
    if len(runs) == 1:
        return len(subject) == len(runs[0]) and _fits(subject, 0, runs[0])
    first, *middle, last = runs
    if len(subject) < len(first) + len(last) or not _fits(subject, 0, first):
        return False
    end = len(subject) - len(last)
    if not _fits(subject, end, last):
        return False
    at = len(first)
    for run in middle:
        at = _find(subject, at, end, run)
        if at < 0:
            return False
        at += len(run)
    return True


def _fits(subject: str, at: int, run: tuple[str | None, ...]) -> bool:
    return all(want is None or subject[at + offset] == want for offset, want in enumerate(run))


def _find(subject: str, start: int, end: int, run: tuple[str | None, ...]) -> int:
    if None not in run:
        literal = "".join(piece for piece in run if piece is not None)
        return subject.find(literal, start, end)
    return next((at for at in range(start, end - len(run) + 1) if _fits(subject, at, run)), -1)
