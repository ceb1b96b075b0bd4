"""The stage at work: has stretches of the spool read, stores them in order, and only then lets the spool forget them.

Whatever a stretch meets, it is either stored as a whole or stored again: ids come from the records, so a second time
stores nothing twice.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from types import MappingProxyType
from typing import Protocol

from sentinel.core.errors import SpoolError, StoreError
from sentinel.core.event import record_of
from sentinel.core.ports import Clock, Form, Formed, Rejected, Spool, Store
from sentinel.parse.prepare import Count, Prepared, Stretch, letters

BATCH_MAX = 1_000
WAIT_SECONDS = 0.5
RETRY_FIRST = timedelta(milliseconds=100)
RETRY_MAX = timedelta(seconds=30)

_log = logging.getLogger(__name__)


class Preparing(Protocol):
    """Where stretches are prepared, in the order in which they were asked for."""

    @property
    def wants(self) -> bool:
        """Say whether one more stretch may be asked for."""

    def ask(self, stretch: Stretch, /) -> None:
        """Have a stretch prepared."""

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
    chance: Random = field(default_factory=Random)
    retry_first: timedelta = RETRY_FIRST
    retry_max: timedelta = RETRY_MAX
    failures: int = 0
    """Times in a row that the store or the spool refused."""
    trouble: str = ""
    """What it said last; empty while all is well."""
    _counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    _lag: timedelta = timedelta(0)
    _asked: int = -1
    _held: Prepared | None = None
    """What the store has not taken yet."""

    @property
    def counts(self) -> Mapping[str, Count]:
        """What became of the records, by source, since this pipeline was made."""
        return MappingProxyType(dict(self._counts))

    @property
    def lag(self) -> timedelta:
        """How long the last record stored had waited in the spool."""
        return self._lag

    def step(self, limit: int = BATCH_MAX) -> int:
        """Deal with up to `limit` records; returns how many. Raises StoreError or SpoolError with nothing lost."""
        self._ask(limit)
        if self._held is None:
            self._held = self.preparing.take()
        prepared = self._held
        if prepared is None:
            return 0
        counts = self._keep(prepared)
        self.spool.commit(prepared.stretch.through)
        self._held = None
        # counted only now: what fails and is stored again counts once
        for source, count in counts.items():
            self._counts[source].add(count)
        if prepared.written is not None:
            self._lag = self.clock.now() - prepared.written
        return len(prepared.sources)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a store that refuses is asked again, ever more patiently, and nothing is lost."""
        while not stop.is_set():
            try:
                worked = self.step()
                if self.failures:
                    _log.info("the store takes events again after %d failures", self.failures)
                self.failures, self.trouble = 0, ""
                if not worked:
                    self.spool.wait(self._asked, WAIT_SECONDS)
            except (StoreError, SpoolError) as error:
                self.failures += 1
                self.trouble = str(error)
                pause = self.pause()
                _log.warning("events wait in the spool (failure %d): %s", self.failures, error)
                stop.wait(pause.total_seconds())

    def pause(self) -> timedelta:
        """Return how long to wait before the next attempt: anything up to a bound that doubles with each failure."""
        bound = min(self.retry_first * (1 << min(self.failures, 30)), self.retry_max)
        return bound * self.chance.random()

    def _ask(self, limit: int) -> None:
        self._asked = max(self._asked, self.spool.committed)
        while self.preparing.wants and (last := self.spool.last) > self._asked:
            through = min(self._asked + limit, last)
            self.preparing.ask(Stretch(self._asked, through))
            self._asked = through

    def _keep(self, prepared: Prepared) -> dict[str, Count]:
        counts = {source: replace(count) for source, count in prepared.counts.items()}
        stored, known, refused = self._put(prepared.formed)
        dropped = prepared.dropped
        if refused:
            instead = letters(refused, self.spool, self.form, counts)
            more, again, still = self._put([instead])
            stored += more
            known += again
            for one in still:
                counts[prepared.sources[record_of(one.seq)]].dropped += 1
            dropped += [*instead.rejected, *still]
        for seq in known:
            counts[prepared.sources[record_of(seq)]].duplicates += 1
        for count in counts.values():
            count.stored = count.events - count.duplicates - count.dropped
        for one in dropped:
            _log.error("the store refuses even the dead letter %s: %s", one.id, one.reason)
        if stored != sum(count.stored for count in counts.values()):
            _log.error("the books do not balance: the store says %d, there should be %s", stored, counts)
        return counts

    def _put(self, formed: Sequence[Formed]) -> tuple[int, list[int], list[Rejected]]:
        appended = [self.store.keep(one) for one in formed]
        known = [seq for one in appended for seq in one.known]
        rejected = [refused for one in appended for refused in one.rejected]
        return sum(one.stored for one in appended), known, rejected
