"""What a detection says, and how a detection looks: a function from records to findings that remembers a bounded past.

A family of detections is a module in `sentinel/sense/detections/`; `load` finds them there. Each has

    class Settings:  a frozen dataclass, every number of it with its meaning in the docstring
    def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]

and the operator's numbers come from `[sense.detections.<module>]` in sentinel.toml.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from sentinel.core.calendar import Calendar
from sentinel.core.event import Scalar
from sentinel.sense.records import SECOND, Record
from sentinel.sense.segments import Segments

__all__ = [
    "CRITICAL", "HIGH", "INFO", "LOW", "MEDIUM", "CalendarOf", "Detector", "Finding", "Folding", "Learner", "Prompt",
    "Scene", "Watching", "about", "bounded", "no_calendar",
]  # fmt: skip

INFO, LOW, MEDIUM, HIGH, CRITICAL = 10, 21, 47, 73, 99
"""`severity`, on the scale of Elastic's risk scores."""

_HOUR = 3_600 * SECOND
CalendarOf = Callable[[str], Calendar | None]


def no_calendar(_address: str) -> Calendar | None:
    """Return None: nobody has said when a place is open."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something was found, about `src` (and `dst`, a port, a name), between `start` and `end` (ns since 1970).

    `kind` is a dotted name (`scan.vertical`), `technique` an ATT&CK id (`T1046`). `explanation` is the sentence for
    the alert: the numbers that made it, against the limit or what is normal here. `numbers` holds the same numbers for
    machines, `examples` a few of what was seen. `name` is what it is about beside addresses (a domain, a user, a
    share). A later finding with the same `key` and more in it takes the earlier one's place.
    """

    kind: str
    start: int
    end: int
    explanation: str
    severity: int = MEDIUM
    technique: str = ""
    src: str = ""
    dst: str = ""
    dport: int = 0
    proto: int = 0
    vlan: int = 0
    name: str = ""
    count: int = 1
    numbers: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    examples: tuple[str, ...] = ()
    community_id: str = ""
    src_segment: str = ""
    dst_segment: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, str, int]:
        """What makes it the same finding: kind, ends, port, name and the hour of capture time in which it began."""
        return (self.kind, self.src, self.dst, self.dport, self.name, self.start // _HOUR)


def about(  # noqa: PLR0913  what a finding of one record is made of
    kind: str, record: Record, told: str, severity: int, technique: str, *, name: str = "", count: int = 1
) -> Finding:
    """Return a finding that one record makes by itself."""
    return Finding(
        kind=kind,
        start=record.time,
        end=record.time,
        explanation=told,
        severity=severity,
        technique=technique,
        src=record.src,
        dst=record.dst,
        dport=record.dport,
        proto=record.proto,
        vlan=record.vlan,
        name=name,
        count=count,
        community_id=record.community_id,
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """What a detection may know of the place: its segments (empty without a policy), the calendar of an address."""

    segments: Segments = field(default_factory=Segments)
    calendar_of: CalendarOf = no_calendar


class Detector(Protocol):
    """Takes records in the order of the capture and says what it finds, at the latest when it is closed.

    It is shown the types of records that the annotation of `take` names, and exactly those: who takes `Flow` is shown
    no `OpenFlow`; who takes `Record` is shown all. Pure but for its own bounded memory: no clock but the records'
    times, no chance, no files, and what it finds in a capture does not depend on how fast it is read. A finding is told
    as soon as it is one, and may be told again with greater numbers; `Folding` keeps the alerts few.
    """

    def take(self, record: Any, /) -> Iterable[Finding]:  # noqa: ANN401  each takes the types its own annotation names
        """Take one record into account; return what is found by it."""
        ...

    def close(self) -> Iterable[Finding]:
        """Return what is left to be told at the end of a capture."""
        ...


def bounded(held: OrderedDict[Any, Any], most: int) -> None:
    """Let go of what came first, or was moved to the end longest ago, if there is more than `most`."""
    if len(held) > most:
        held.popitem(last=False)


class Prompt:
    """A detector that tells everything as soon as it is found: at the end of a capture nothing is left."""

    def close(self) -> Iterable[Finding]:
        """Return nothing."""
        return ()


@runtime_checkable
class Learner(Detector, Protocol):
    """A detection that learns first what is normal, and keeps it over a restart.

    During the time of learning records go to `learn` (those of the types that its annotation names) instead of `take`,
    and nothing is found; but one with `finds_while_learning` set is asked as always on an interface, and learns as it
    goes.
    """

    def learn(self, record: Any, /) -> None:  # noqa: ANN401  each takes the types its own annotation names
        """Take a record for normal."""
        ...

    def memory(self) -> object:
        """Return what was learned, as JSON has it (dict, list, str, int, float, bool, None)."""
        ...

    def recall(self, memory: object, /) -> None:
        """Take up what `memory` returned once; what cannot be understood is refused with ValueError."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A detection that knows how far it has come with each host."""

    def standing(self) -> Mapping[str, int]:
        """Return how many `hosts` are watched, and of how many enough is `known`."""
        ...


class Folding:
    """Lets the first of equal findings pass at once and keeps the latest of them for the end of its hour.

    At most `held_max` are held; beyond that the oldest is let go early.
    """

    def __init__(self, segments: Segments, held_max: int = 20_000) -> None:
        self._segments = segments
        self._max = held_max
        # the latest of each, and whether it has been told already
        self._held: OrderedDict[tuple[str, str, str, int, str, int], tuple[Finding, bool]] = OrderedDict()

    def __call__(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Return what is to be told now."""
        for found in findings:
            key, placed = found.key, self._placed(found)
            known = self._held.get(key)
            if known is None:
                if len(self._held) >= self._max:
                    yield from self._let_go(self._held.popitem(last=False)[1])
                self._held[key] = (placed, True)
                yield placed
            elif known[0] != placed:
                begun = known[0].start
                self._held[key] = (replace(placed, start=begun) if begun < placed.start else placed, False)

    def until(self, now: int) -> list[Finding]:
        """Return the latest of those whose hour is over at `now`, if they have grown since they were told."""
        hour, over = now // _HOUR, list[Finding]()
        while self._held and next(iter(self._held))[-1] < hour:
            over += self._let_go(self._held.popitem(last=False)[1])
        return over

    def close(self) -> Iterator[Finding]:
        """Return the latest of all that have grown since they were told."""
        held = [*self._held.values()]
        self._held.clear()
        for one in held:
            yield from self._let_go(one)

    @staticmethod
    def _let_go(held: tuple[Finding, bool]) -> Sequence[Finding]:
        return () if held[1] else (held[0],)

    def _placed(self, found: Finding) -> Finding:
        src, dst = self._segments.of(found.src), self._segments.of(found.dst)
        return replace(found, src_segment=src, dst_segment=dst) if src or dst else found
