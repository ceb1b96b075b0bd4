r"""Lines of `key=value key="value with \"quotes\""`, as firewalls write them."""

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Generic, TypeVar

T = TypeVar("T")

# what looks like a pair and is none (`a=b"`) is passed over as a whole: tried again from each sign of its middle, a
# stranger's `a=a=a=…"` would cost seconds. `(?>…)`: a possessive `(?:…)*+` is misread by Python before 3.11.5
_NAME = r"(?<![\w=])[A-Za-z_][\w.\-/]{0,127}+"
_PAIR = re.compile(rf'({_NAME})=(?:"((?>(?:[^"\\]|\\.)*))"|([^\s"]*+))(?=[\s,;]|$)|{_NAME}=[^\s"]*+"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])')

_KEY = r"[A-Za-z_][\w.\-/]{0,127}="
_LOOSE = re.compile(
    rf"(?:^|(?<=[\s,;|\]]))({_KEY})"
    rf'(?:"([^"\\]*(?:(?:\\.|"(?![\s,;]{{1,3}}{_KEY}|[\s,;]{{0,3}}$))[^"\\]*)*)(?:"|\\?$)|(\S*(?:\s(?!\s{{0,2}}{_KEY})\S*)*))',
    re.DOTALL,
)

PAIRS_MAX = 512


def pairs(text: str) -> dict[str, str]:
    """Return every pair of `text`; of a name given twice the first counts, so that nothing can be overwritten later.

    A value is either in double quotes, with a backslash before a quote or a backslash inside, or runs to the next
    white space. Text that is no pair is passed over.
    """
    found: dict[str, str] = {}
    for name, quoted, bare in _PAIR.findall(text):
        if name and name not in found:
            found[name] = _ESCAPE.sub(r"\1", quoted) if quoted else bare
            if len(found) >= PAIRS_MAX:
                break
    return found


def loose(text: str) -> dict[str, str]:
    """Return the pairs of a device that quotes carelessly; the first of a name counts.

    A value in quotes ends at the quote behind which a new name or the end comes, or runs to the end; one without
    quotes ends where the next name begins, so it may hold blanks.
    """
    found: dict[str, str] = {}
    for one in _LOOSE.finditer(text):
        name, quoted, bare = one[1][:-1], one[2], one[3]
        if name not in found:
            found[name] = (bare.rstrip(" ,;") if quoted is None else _ESCAPE.sub(r"\1", quoted)).strip()
            if len(found) >= PAIRS_MAX:
                break
    return found


def cut(text: str, name: re.Pattern[str]) -> dict[str, str]:
    """Return the pairs of a text whose values end where the next name begins, stripped; the first of a name counts.

    `name` matches a name with its sign, what sets pairs apart before it included; its first group is the name.
    """
    found: dict[str, str] = {}
    last: re.Match[str] | None = None
    for one in name.finditer(text):
        if last is not None:
            found.setdefault(last[1], text[last.end() : one.start()].strip())
            if len(found) >= PAIRS_MAX:
                return found
        last = one
    if last is not None:
        found.setdefault(last[1], text[last.end() :].strip())
    return found


_AROUND = re.compile(r"[\s,]*")
_LEARNED_AFTER = 8
_LAYOUTS_MAX = 8
_SEEN_MAX = 512

Match = Callable[[str], "re.Match[str] | None"]


class Layouts(Generic[T]):
    r"""Remembers how lines of pairs are laid out: nearly every line has the keys of earlier ones, in their order.

    Such a line is read by one expression made of its layout, five times as fast as pair by pair, to the same values.
    `pair` has the groups name, value in quotes, bare value; a quoted value must be all `[^"]`, a bare one `[^\s,"]`.
    `plan` is told the names of a new layout, and what it makes of them is given out with every line's values.
    """

    def __init__(self, pair: re.Pattern[str], plan: Callable[[tuple[str, ...]], T]) -> None:
        self._pair = pair
        self._plan = plan
        self._seen: dict[tuple[tuple[str, bool], ...], int] = {}
        # by the number of `=` in a line
        self._known: dict[int, list[tuple[Match, T]]] = {}

    def read(self, line: str) -> tuple[T, tuple[str, ...]] | None:
        """Return what was planned for the line's layout, and its values; None if the layout is not known (yet)."""
        known = self._known.setdefault(line.count("="), [])
        for fullmatch, planned in known:
            found = fullmatch(line)
            if found is not None:
                return planned, found.groups()
        self._look(line, known)
        return None

    def _look(self, line: str, known: list[tuple[Match, T]]) -> None:
        # making an expression takes milliseconds, so a layout has to come again and again first
        pairs = list(self._pair.finditer(line))
        layout = tuple((one[1], one[2] is not None) for one in pairs)
        names = tuple(map(itemgetter(0), layout))
        if not 0 < len(set(names)) == len(names) <= PAIRS_MAX:
            return
        times = self._seen[layout] = self._seen.get(layout, 0) + 1
        if len(self._seen) > _SEEN_MAX:
            self._seen.clear()
        if times != _LEARNED_AFTER:
            return
        at, form = 0, ""
        for name, one in zip(names, pairs, strict=True):
            form += (
                re.escape(line[at : one.start(1)])
                + re.escape(name)
                + ('="([^"]*)"' if one[2] is not None else '=([^\\s,"]*)')
            )
            around, at = line[at : one.start(1)], one.end()
            if not _AROUND.fullmatch(around):
                return
        if _AROUND.fullmatch(line[at:]):
            known.insert(0, (re.compile(form + re.escape(line[at:])).fullmatch, self._plan(names)))
            del known[_LAYOUTS_MAX:]
