"""The stage at work: has stretches of the spool read, stores them in order, and only then lets the spool forget them.

Whatever a stretch meets, it is either stored as a whole or stored again: ids come from the records, so a second time
stores nothing twice.
"""

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from time import monotonic
from types import MappingProxyType
from typing import Protocol

from sentinel.core.errors import SpoolError, StoreError
from sentinel.core.event import arrival, record_of
from sentinel.core.ports import Clock, Form, Rejected, Spool, Store
from sentinel.core.room import no_room
from sentinel.core.source import Ledger
from sentinel.parse.booking import Booking, Losses, none_lost
from sentinel.parse.prepare import Count, Place, Prepared, Stretch, letters

BATCH_MAX = 1_000
WAIT_SECONDS = 0.5
RETRY_FIRST = timedelta(milliseconds=100)
RETRY_MAX = timedelta(seconds=30)
ROOM_MAX = timedelta(seconds=2)
"""The longest pause while a disk is full: it is asked at no cost, and goes on as soon as there is room."""
TELL_AGAIN_SECONDS = 300.0
ENTER_SECONDS = 1.0
"""So often the books are written, and with them how far the records have been dealt with."""
BEAT_SECONDS = 10.0
"""So often the books are told that nothing has come."""

TOGETHER_MAX = 4
"""So many stretches are stored at once if they are ready: a store that is far away takes them side by side."""
OWN_READ = 5_000
PROBLEMS_MAX = 1_000

_log = logging.getLogger(__name__)


class Preparing(Protocol):
    """Where stretches are prepared, in the order in which they were asked for."""

    @property
    def wants(self) -> bool:
        """Say whether one more stretch may be asked for."""

    def ask(self, stretch: Stretch, /) -> None:
        """Have a stretch prepared."""

    @property
    def ready(self) -> bool:
        """Say whether `take` would return something without waiting."""

    def take(self) -> Prepared | None:
        """Return what is next in order, None if nothing has been asked for; raises SpoolError, and may be asked again.

        It may be only the beginning of the stretch asked for; the rest follows.
        """


@dataclass(slots=True)
class Pipeline:
    """Carries what `preparing` makes of `spool` to `store`; one thread calls `step` or `run`."""

    spool: Spool
    store: Store
    preparing: Preparing
    form: Form
    clock: Clock
    ledger: Ledger
    chance: Random = field(default_factory=Random)
    retry_first: timedelta = RETRY_FIRST
    retry_max: timedelta = RETRY_MAX
    failures: int = 0
    """Times in a row that the store or the spool refused."""
    trouble: str = ""
    """What it said last; empty while all is well."""
    turns: int = 0
    """Times that `run` has stored something, found nothing to store, or was refused by the store."""
    problems: tuple[str, ...] = ()
    """What the processes that read the spool found wrong with it, PROBLEMS_MAX at most."""
    losses: Losses = none_lost
    may: Callable[[], None] = lambda: None
    """Raises StoreError while nothing may be stored."""
    enter_seconds: float = ENTER_SECONDS
    beat_seconds: float = BEAT_SECONDS
    _counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    _lag: timedelta = timedelta(0)
    _asked: int = -1
    _told: dict[str, float] = field(default_factory=dict)
    _held: list[Prepared] = field(default_factory=list)
    """What the store has not taken yet."""
    _again: bool = False
    """The store may have taken a part of it."""
    _earlier: int = field(init=False)
    """Records up to here may have been stored by an earlier process that did not live to book it."""
    _booking: Booking = field(init=False)
    _done: int = 0
    _entered: float = float("-inf")

    def __post_init__(self) -> None:
        """Begin where the spool and the books stand."""
        self._earlier = self.spool.last
        self.ledger.begin(max(self.spool.last, self.spool.committed), self.spool.committed)
        self._booking = Booking(self.ledger, self.losses)

    @property
    def counts(self) -> Mapping[str, Count]:
        """What became of the records, by source, since this pipeline was made."""
        return MappingProxyType(dict(self._counts))

    @property
    def lag(self) -> timedelta:
        """How long the last record stored had waited in the spool."""
        return self._lag

    def step(self, limit: int = BATCH_MAX) -> int:
        """Deal with what is prepared, in stretches of up to `limit` records; returns how many records.

        Raises StoreError or SpoolError with nothing lost.
        """
        try:
            return self._advance(limit)
        finally:
            if self._patience() <= 0:
                self.settle()

    def settle(self) -> None:
        """Write the books, then let the spool forget what is in them; raises StoreError."""
        now = self.clock.now()
        self._booking.enter(now, caught_up=not self._held and self.spool.last <= self._booking.through)
        self.spool.commit(self._done)
        self._entered = monotonic()

    def _patience(self) -> float:
        # seconds until the books are to be written
        every = self.enter_seconds if self._booking.pending else self.beat_seconds
        return self._entered + every - monotonic()

    def _advance(self, limit: int) -> int:
        self._ask(limit)
        if not self._held:
            self._gather(limit)
        if not self._held:
            return 0
        again, self._again = self._again, True
        kept = self._keep(self._held, again=again)
        held, self._held, self._again = self._held, [], False
        self._done = held[-1].stretch.through
        # counted only now: what fails and is stored again counts once
        for prepared, (counts, letters_known) in zip(held, kept, strict=True):
            self._booking.add(prepared, counts, letters_known)
            for (source, _), count in counts.items():
                self._counts[source].add(count)
            if prepared.written is not None:
                self._lag = self.clock.now() - prepared.written
        return sum(len(prepared.places) for prepared in held)

    def _gather(self, limit: int) -> None:
        while (prepared := self.preparing.take()) is not None:
            self._tell(prepared)
            self._held.append(prepared)
            if len(self._held) >= TOGETHER_MAX or not self.preparing.ready:
                break
        if len(self._held) > 1:  # so that those who prepare work while the store does
            self._ask(limit)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a store that refuses is asked again, ever more patiently, and nothing is lost."""
        while not stop.is_set():
            try:
                worked = self.step()
                if self.failures:
                    _log.info("the store takes events again after %d failures", self.failures)
                self.failures, self.trouble = 0, ""
                if not worked:
                    self.spool.wait(self._asked, max(0.01, min(WAIT_SECONDS, self._patience())))
            except (StoreError, SpoolError) as error:
                self.failures += 1
                self.trouble = str(error)
                pause = min(self.pause(), ROOM_MAX) if no_room(error) else self.pause()
                _log.warning("events wait in the spool (failure %d): %s", self.failures, error)
                stop.wait(pause.total_seconds())
            self.turns += 1
        try:
            self.settle()
        except (StoreError, SpoolError) as error:  # read again at the next start, and booked then
            _log.warning("the books could not be written at the end: %s", error)

    def pause(self) -> timedelta:
        """Return how long to wait before the next attempt: anything up to a bound that doubles with each failure."""
        bound = min(self.retry_first * (1 << min(self.failures, 30)), self.retry_max)
        return bound * self.chance.random()

    def _ask(self, limit: int) -> None:
        self._asked = max(self._asked, self.spool.committed)
        while self.preparing.wants and (last := self.spool.last) > self._asked:
            through = min(self._asked + limit, last)
            if self._asked < self.ledger.through < through:  # a stretch is in the books as a whole, or not at all
                through = self.ledger.through
            self.preparing.ask(Stretch(self._asked, through))
            self._asked = through

    def _tell(self, prepared: Prepared) -> None:
        # every process that parses has the same to say of the same file
        if prepared.problems:
            self.problems = tuple(dict.fromkeys((*self.problems, *prepared.problems)))[:PROBLEMS_MAX]
        now = monotonic()
        for remark in prepared.remarks:
            if remark not in self._told or now - self._told[remark] > TELL_AGAIN_SECONDS:
                _log.warning("%s", remark)
            self._told[remark] = now

    def _keep(self, held: Sequence[Prepared], *, again: bool) -> list[tuple[dict[Place, Count], Mapping[Place, int]]]:
        """Store; return for each what became of the records, and how many of the duplicates are dead letters."""
        self.may()
        whole = self.store.keep(*(one for prepared in held for one in prepared.formed))
        balance = whole.stored
        told: list[tuple[dict[Place, Count], Mapping[Place, int]]] = []
        for prepared in held:
            known = [seq for seq in whole.known if record_of(seq) in prepared.places]
            refused = [one for one in whole.rejected if record_of(one.seq) in prepared.places]
            more, counts, letters_known = self._counted(prepared, known, refused, again=again or whole.unsure)
            balance += more - sum(count.stored for count in counts.values())
            told.append((counts, letters_known))
        if balance:
            _log.error("the books do not balance: the store has %d events more than %s say", balance, told)
        return told

    def _counted(
        self, prepared: Prepared, known: list[int], refused: Sequence[Rejected], *, again: bool
    ) -> tuple[int, dict[Place, Count], Mapping[Place, int]]:
        """Store the letters of what was refused; return how many events more are there, and the counts of a stretch."""
        counts = {place: replace(count) for place, count in prepared.counts.items()}
        unread = set(prepared.letters)
        more = 0
        dropped = prepared.dropped
        if refused:
            instead = letters(refused, self.spool, self.form, prepared.places, counts)
            unread |= {one.seq for one in refused}
            self.may()
            added = self.store.keep(instead)
            again = again or added.unsure
            more += added.stored
            known += added.known
            for one in added.rejected:
                counts[prepared.places[record_of(one.seq)]].dropped += 1
            dropped += [*instead.rejected, *added.rejected]
        if known and (again or prepared.stretch.after < self._earlier):
            own = self._own(prepared.stretch)
            more += sum(seq in own for seq in known)
            known = [seq for seq in known if seq not in own]
        letters_known: Counter[Place] = Counter()
        for seq in known:
            place = prepared.places[record_of(seq)]
            counts[place].duplicates += 1
            letters_known[place] += seq in unread
        for count in counts.values():
            count.stored = count.events - count.duplicates - count.dropped
        for one in dropped:
            _log.error("the store refuses even the dead letter %s: %s", one.id, one.reason)
        return more, counts, letters_known

    def _own(self, stretch: Stretch) -> set[int]:
        """Return the sequences of the stretch's own events in the store: these are no duplicates of other records."""
        found: set[int] = set()
        cursor, until = arrival(stretch.after + 1, 0) - 1, arrival(stretch.through + 1, 0) - 1
        while events := self.store.since(cursor, until, OWN_READ):
            found |= {event.seq for event in events}
            cursor = events[-1].seq
        return found
