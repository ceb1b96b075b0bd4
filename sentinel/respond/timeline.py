"""What happened around something: events of all sources in one order, alerts between them, and gaps as gaps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from sentinel.core.detection import Level
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.where import AnyOf, Is, Where, values
from sentinel.respond.language import Question

AROUND = timedelta(minutes=30)
EVENTS_MAX = 2_000
GAP_MIN = timedelta(minutes=10)
GAP_TIMES = 20
"""A gap is as many times the usual distance between two events, and GAP_MIN at least."""
STEPS_MIN = 10
"""Of fewer events nothing is usual."""
ENTITIES = ("host.name", "user.name", "source.ip")


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that was raised: about a fault, an attack, a sender that fell silent."""

    at: datetime
    level: Level
    text: str
    go: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which nothing was found."""

    start: datetime
    end: datetime


Entry = Event | Told | Gap


@dataclass(frozen=True, slots=True)
class Course:
    """Entries in the order in which they happened; `cut`: there are more events before the first."""

    question: Question
    entries: tuple[Entry, ...]
    cut: bool


def around(event: Event, width: timedelta = AROUND) -> Question:
    """Return the question for what the host, the user and the address of an event did around it."""
    parts = [Is(name, value) for name in ENTITIES for value in values(event.fields.get(name))]
    where: Where = AnyOf(tuple(parts)) if parts else Is("event.id", event.id)
    return Question(where, Span(event.timestamp - width, event.timestamp + width), spoken=True)


def course(store: Store, question: Question, told: Iterable[Told] = ()) -> Course:
    """Return what a question finds as a course of time, with what else is `told` of that time in its place."""
    found = store.search(question.where, question.span, EVENTS_MAX + 1)
    cut = len(found) > EVENTS_MAX
    found = found[:EVENTS_MAX]
    start = found[-1].timestamp if cut else question.span.start
    span = replace(question.span, start=start)
    within = [one for one in told if span.start <= one.at < span.end]
    return Course(question, tuple(_merged([*reversed(found)], within)), cut)


def moment_of(entry: Entry) -> datetime:
    """Return when an entry happened; a gap when it began."""
    match entry:
        case Event():
            return entry.timestamp
        case Told():
            return entry.at
        case Gap():
            return entry.start


def _merged(events: Sequence[Event], told: Sequence[Told]) -> Iterator[Entry]:
    least = _gap(events)
    before: datetime | None = None
    entries: list[Event | Told] = sorted([*events, *told], key=moment_of)
    for one in entries:
        at = moment_of(one)
        if before is not None and at - before >= least:
            yield Gap(before, at)
        yield one
        before = at


def _gap(events: Sequence[Event]) -> timedelta:
    steps = [(after.timestamp - one.timestamp).total_seconds() for one, after in pairwise(events)]
    return max(GAP_MIN, timedelta(seconds=GAP_TIMES * median(steps))) if len(steps) >= STEPS_MIN else GAP_MIN
