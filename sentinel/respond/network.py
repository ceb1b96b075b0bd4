"""Which segments of the inventory speak to which: events between each two, and findings of the sensor about them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sentinel.core.event import Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, Exists, Is, Like, Where, plain, values
from sentinel.core.wildcard import escaped

SOURCE = "sentinel.source_asset.segment"
DESTINATION = "sentinel.destination_asset.segment"
PAIRS_MAX = 20_000
FINDING = "sensor.finding"
_ENDS = AllOf((Exists("source.ip"), Exists("destination.ip")))
_FOUND = (Is("event.dataset", FINDING), Exists("source.ip"))
_NUMBERED = re.compile(r"^(.*?)[-_ ]?\d+$")

Pair = tuple[str, str]
"""From and to; "" is what the inventory does not know: the Internet, as a rule."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many events there were between two segments, and how many findings about them."""

    events: int = 0
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Traffic by pairs of segments, those with findings first, then the busiest."""

    span: Span
    pairs: Mapping[Pair, Traffic]

    def names(self) -> list[str]:
        """Return the segments, the busiest first; what the inventory does not know last."""
        busy: Counter[str] = Counter()
        for pair, traffic in self.pairs.items():
            for name in pair:
                busy[name] += traffic.events + traffic.findings
        return sorted(busy, key=lambda name: (not name, -busy[name], name))

    def folded(self) -> "Matrix":
        """Return it with segments that differ in a number (school-01, school-02) as one: `school-*`."""
        alike = Counter(family(name) for name in self.names())
        folded: dict[Pair, Traffic] = {}
        for (source, destination), traffic in self.pairs.items():
            ends = tuple(family(name) if alike[family(name)] > 1 else name for name in (source, destination))
            there = folded.get((ends[0], ends[1]), Traffic())
            folded[ends[0], ends[1]] = Traffic(there.events + traffic.events, there.findings + traffic.findings)
        return Matrix(self.span, _ordered(folded))


def family(name: str) -> str:
    """Return what a segment's name is without its number, with a star for it; a name without one as it is."""
    found = _NUMBERED.match(name)
    return f"{found[1]}-*" if found and found[1] else name


def matrix(store: Store, span: Span) -> Matrix:
    """Return who spoke to whom; raises StoreError."""
    pairs: dict[Pair, Traffic] = {}
    for pair, number in _counted(store, _ENDS, span).items():
        pairs[pair] = Traffic(number)
    for pair, number in _counted(store, AllOf(_FOUND), span).items():
        there = pairs.get(pair, Traffic())
        pairs[pair] = Traffic(there.events, there.findings + number)
    return Matrix(span, _ordered(pairs))


def between(pair: Pair, *, findings: bool = False) -> Where:
    """Return what asks for the events between two segments, or for the findings about them."""
    ends = (_end(SOURCE, pair[0]), _end(DESTINATION, pair[1]))
    return AllOf((*(_FOUND if findings else _ENDS.items), *ends))


def _end(field: str, name: str) -> Where:
    if name.endswith("*"):
        return Like(field, escaped(name.removesuffix("-*")) + "*")
    return Is(field, name or None)


def _counted(store: Store, where: Where, span: Span) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for key, number in store.tally(where, span, (SOURCE, DESTINATION), PAIRS_MAX):
        counts[_name(key, 0), _name(key, 1)] += number
    return counts


def _name(key: Sequence[Value | None], at: int) -> str:
    return ", ".join(map(plain, values(key[at])))


def _ordered(pairs: Mapping[Pair, Traffic]) -> dict[Pair, Traffic]:
    return dict(sorted(pairs.items(), key=lambda one: (-one[1].findings, -one[1].events, one[0])))
