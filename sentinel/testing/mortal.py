"""A judge in simulated time: its clock stands still until it is moved, and it may die at any step and begin anew.

For proofs about schedules: the real embedded store, book, ledger and rules of each kind, in one process.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock, iso
from sentinel.core.detection import Correlation, Detection, Finding, Key, Kind, Part
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import AnyOf, Is
from sentinel.detect.ledger import Ledger
from sentinel.detect.runner import Runner, RunReport

if TYPE_CHECKING:
    import sqlite3

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
SPAN = timedelta(minutes=5)
PLACES = ("planning", "before", "within", "after")
"""Where a judge may die: before, in and after the transaction of a batch, or while it plans or reopens windows."""
FAILURE, SCAN, LOGIN, EXPLOIT = (Is("event.action", name) for name in ("failure", "scan", "login", "exploit"))
QUIET = timedelta(hours=1)
_MANY = 1_000_000_000


def _correlation(kind: Kind, count: int, *parts: Part) -> Correlation:
    return Correlation(kind, ("source.ip",), SPAN, "gte", count, parts)


def rules() -> tuple[Detection, ...]:
    """Return a rule of each kind: single, event_count, value_count, temporal, temporal_ordered."""
    steps = tuple(Part(one, ("source.ip",), (), str(one.value)) for one in (SCAN, FAILURE, LOGIN))
    single = Detection("single", "single", "low", EXPLOIT, "1", "single.yml", fold_by=("source.ip",))
    whole = AnyOf((SCAN, FAILURE, LOGIN))
    counted: tuple[tuple[str, Correlation, Is | AnyOf], ...] = (
        ("event_count", _correlation("event_count", 3), FAILURE),
        ("value_count", _correlation("value_count", 3, Part(FAILURE, ("source.ip",), ("user.name",))), FAILURE),
        ("temporal", _correlation("temporal", 3, *steps), whole),
        ("temporal_ordered", _correlation("temporal_ordered", 3, *steps), whole),
    )
    return single, *(
        replace(single, id=name, title=name, path=f"{name}.yml", where=where, correlation=one)
        for name, one, where in counted
    )


def event(number: int, seq: int, at: datetime, arrived: datetime, fields: dict[str, Value]) -> Event:
    """Return event `number`, which happened at `at` and arrives as `seq`; its id is that of its number."""
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    whole: dict[str, Value] = {
        "@timestamp": iso(at),
        "event.id": name,
        "event.sequence": seq,
        "event.ingested": iso(arrived),
        "event.dataset": "model.log",
        **fields,
    }
    return Event(name, seq, at, arrived, whole)


class DeathError(BaseException):
    """The judge has died; nothing may catch it as an error."""


class _Mortal(Book):
    """A book whose process may die over it; the next one finds what is on disk."""

    dies = ""

    def record(
        self,
        findings: Iterable[Finding],
        cursor: int,
        *,
        after: Reached | None = None,
        also: "Callable[[sqlite3.Connection], None]" = lambda _db: None,
    ) -> tuple[str, ...]:
        """Do as a book does, or die."""

        def dying(db: "sqlite3.Connection") -> None:
            also(db)
            if self.dies == "within":
                raise DeathError

        if self.dies == "before":
            raise DeathError
        raised = super().record(findings, cursor, after=after, also=dying)
        if self.dies == "after":
            raise DeathError
        return raised

    @contextmanager
    def writing(self) -> "Iterator[sqlite3.Connection]":
        """Do as a book does, or die when all is written and nothing committed."""
        with super().writing() as db:
            yield db
            if self.dies == "planning":
                raise DeathError


@dataclass(frozen=True)
class Told:
    """What an alert says, but for its id, which tells which of its events came first."""

    rule: str
    key: Key
    first: datetime
    last: datetime
    count: int
    evidence: frozenset[str]


class Judge:
    """The rules `detections` over `store`, the book in `path`; `timer` is how long their work seems to take."""

    def __init__(
        self,
        store: Store,
        path: Path,
        clock: ManualClock,
        detections: Iterable[Detection],
        *,
        quiet: timedelta = QUIET,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        self.store, self.clock = store, clock
        self.detections = tuple(detections)
        self.refused: dict[str, str] = {}
        self._path, self._quiet, self._timer = path, quiet, timer
        self.begin()

    def begin(self) -> None:
        """Begin anew, as a new process: nothing is known but what is on disk."""
        self.book = _Mortal(self._path, self.clock, self._quiet, _MANY)
        self.runner = Runner(
            self.store,
            self.book,
            [one for one in self.detections if one.path not in self.refused],
            self.clock,
            self.store.newest,
            refused=self.refused,
            timer=self._timer,
            listed_max=_MANY,
        )

    def run(self, dies: str = "") -> RunReport | None:
        """Run the rules once; None if the judge died over it, at the place `dies`, and a new one was begun."""
        self.book.dies = dies
        try:
            return self.runner.run()
        except DeathError:
            self.again()
            return None
        finally:
            self.book.dies = ""

    def again(self) -> None:
        """End, and begin anew."""
        self.book.shut()
        self.begin()

    def told(self) -> set[Told]:
        """Return what the alerts say."""
        return {
            Told(one.rule_id, one.key, one.first_seen, one.last_seen, one.count, frozenset(one.evidence))
            for one in self.book.alerts(limit=_MANY)
        }

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.book)


def offline(
    store: Store, path: Path, clock: ManualClock, events: Iterable[Event], quiet: timedelta = QUIET
) -> set[Told]:
    """Return what the alerts say after one pass over all events in the order in which they happened."""
    ordered = sorted(events, key=lambda one: (one.timestamp, one.id))
    renumbered = [event_again(one, seq) for seq, one in enumerate(ordered, start=1)]
    for at in range(0, len(renumbered), 2_000):
        store.append(renumbered[at : at + 2_000])
    judge = Judge(store, path, clock, rules(), quiet=quiet)
    judge.run()
    try:
        return judge.told()
    finally:
        judge.book.shut()


def event_again(one: Event, seq: int) -> Event:
    """Return the same event with another place in the order of arrival."""
    return replace(one, seq=seq, fields={**one.fields, "event.sequence": seq})
