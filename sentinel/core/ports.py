"""The protocols by which the stages meet; `app.py` decides who stands behind each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

from sentinel.core.errors import UsageError
from sentinel.core.event import Entry, Event, Fields, Raw, Value
from sentinel.core.where import Where


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""


STRETCHES_MAX = 2_000
"""So many counts a question may have as its answer."""

LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of a span that has none."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time `[start, end)`, along when things happened or when they arrived."""

    start: datetime
    end: datetime
    axis: Literal["timestamp", "ingested"] = "timestamp"

    def stretches(self, width: timedelta) -> int:
        """Return into how many stretches of `width` it is cut, the last may be shorter; raises UsageError."""
        number = -((self.start - self.end) // width) if width > timedelta() else 0
        if not 0 < number <= STRETCHES_MAX:
            raise UsageError(f"a span is counted in 1 to {STRETCHES_MAX} stretches, not {number}")
        return number


class Parser(Protocol):
    """A pack's `parse`: one raw record in, flat ECS documents out; raises ParseError."""

    def __call__(self, raw: Raw, /) -> Iterable[Fields]:
        """Read one record."""


class Sink(Protocol):
    """Where collectors put what they received."""

    @property
    def full(self) -> bool:
        """Say whether `write` would wait for room at present."""

    async def write(self, raws: Sequence[Raw], /) -> int:
        """Return the last record's sequence once all of `raws` survive a crash; waits while the spool is full."""


class Collector(Protocol):
    """An entrance."""

    name: str

    @property
    def counters(self) -> object:
        """What it has counted, a dataclass; see `core.source.lost` for the names that the books know."""

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled; whatever was accepted before the cancellation has been written."""


class Spool(Sink, Protocol):
    """Durable, ordered, bounded: the border between the network's pace and ours."""

    def put(self, raws: Sequence[Raw], /) -> int:
        """Do as `write` does, from a thread: blocks until the records survive a crash."""

    def read(self, after: int, limit: int) -> list[Entry]:
        """Return up to `limit` durable records with a sequence above `after`, in order."""

    def wait(self, after: int, timeout_seconds: float) -> bool:
        """Wait until there is a durable record above `after`; False if time ran out first."""

    def commit(self, seq: int) -> None:
        """Remember that every record up to `seq` has been dealt with; they may be reclaimed."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, as far as this process has come upon it."""

    @property
    def last(self) -> int:
        """The sequence of the newest durable record; 0 if there never was one."""

    @property
    def committed(self) -> int:
        """The highest sequence handed to `commit`, by this or an earlier process; 0 if none was."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event the store will never take as it is, by its id and its place in arrival order, and why."""

    id: str
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch: how many are newly stored, which (by `seq`) were there before or are refused for good.

    `unsure`: an answer was lost on the way, so what was there before may have been stored by this very call.
    """

    stored: int
    known: tuple[int, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    unsure: bool = False

    @property
    def duplicates(self) -> int:
        """How many were there before."""
        return len(self.known)


class Formed(Protocol):
    """Events in the form in which a store keeps them: can be made in any process and sent to the one that writes."""

    @property
    def rejected(self) -> Sequence[Rejected]:
        """What no store of this kind will ever keep; all others are in here."""


Form = Callable[[Sequence[Event]], Formed]
"""How a kind of store forms events."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a store runs for a predicate: its query as text, the values bound to it, and what it has to look through.

    `exact`: the query alone decides; otherwise what it finds is read and judged by `holds`.
    """

    query: str
    bound: tuple[tuple[str, str], ...]
    over: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one class and one UTC day of arrival."""

    name: str
    day: date


@dataclass(frozen=True, slots=True)
class Removed:
    """How many events are removed, and the SHA-256 (hexadecimal) of their ids, each with a line feed behind it.

    The ids are in order of arrival: by `event.ingested`, then by `event.sequence`.
    """

    count: int
    sha256: str


class Store(Protocol):
    """Where events are kept and found; usable by several processes at once, one of which writes."""

    def keep(self, *formed: Formed) -> Appended:
        """Keep events durably; one that is already there (same id, same UTC day of `ingested`) changes nothing.

        Raises StoreError if the store cannot take any now; nothing is then half done that a retry does not mend.
        """

    def append(self, events: Sequence[Event], /) -> Appended:
        """Form events and keep them; `rejected` are those that could not be formed too."""

    def amend(self, gone: Sequence[Event], new: Sequence[Event], /) -> None:
        """Let `new` be there instead of `gone`, durably: events of the same records, of the same arrival.

        Done again it changes nothing; whoever reads meanwhile sees one or the other of a segment or a document. Raises
        StoreError if the store cannot do it now: some may then be amended and others not, until it is done again.
        """

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Return up to `limit` events for which `where` holds, latest first (by the span's axis, then `seq`)."""

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count the events for which `where` holds by their values of the fields `by`, most frequent first.

        A key holds each field's whole value as stored (a tuple for several values, None for absent). Ties are in
        the order of the keys' JSON text. `by` may be empty: one row with the number of events.
        """

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        """Count the events for which `where` holds in stretches of `width` along the span's axis, from its beginning.

        There is one count for each of `span.stretches(width)`, which raises UsageError.
        """

    def plan(self, where: Where, span: Span) -> Plan:
        """Return what `search` would run."""

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the first `limit` events with `cursor < seq <= until` in order of `seq`: all stored, none twice."""

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""

    def give_up(self) -> None:
        """Let whoever waits for a server have his StoreError now, from any thread: the end has come."""

    def close(self) -> None:
        """Let go of files and connections; a closed store is not used again."""


class Archive(Store, Protocol):
    """A store that forgets."""

    def kept(self) -> list[Kept]:
        """Return by class and day what there may be events of, the earliest day first."""

    def drop(self, kept: Kept, first: Callable[[Removed], None]) -> Removed:
        """Remove what is kept of a class and day for good and return what that was.

        `first` is told before anything is removed, unless it is nothing; if it raises, all stays. What arrives
        meanwhile stays, or is refused for now and arrives afterwards. Raises StoreError; again removes the rest.
        """

    def troubles(self) -> list[str]:
        """Return what is wrong with where events are kept, a sentence each that says what to do; raises StoreError."""
