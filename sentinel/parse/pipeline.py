"""The stage at work: reads the spool, makes events, stores them, and only then lets the spool forget the records.

Whatever a batch meets, it is either stored as a whole or read again: ids come from the records, so a second reading
stores nothing twice.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from types import MappingProxyType

from sentinel.core.errors import SpoolError, StoreError
from sentinel.core.event import Entry, Event, Fields, arrival, record_of
from sentinel.core.ports import Clock, Rejected, Spool, Store
from sentinel.parse import deadletter
from sentinel.parse.record import Reader

BATCH_MAX = 2_000
WAIT_SECONDS = 0.5
RETRY_FIRST = timedelta(milliseconds=100)
RETRY_MAX = timedelta(seconds=30)
TOGETHER = "*"
"""The source under which a mixed batch is counted when the store does not say whose events it already had."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Count:
    """What became of a source's records.

    `received` records were read from the spool and became `events`, of which `deadletter` are dead letters; the store
    took each newly (`stored`), had it before (`duplicates`) or refused even its dead letter (`dropped`). So
    `events = stored + duplicates + dropped` over all sources.
    """

    received: int = 0
    events: int = 0
    deadletter: int = 0
    stored: int = 0
    duplicates: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    entries: Sequence[Entry]
    events: dict[str, list[Event]]
    """By source."""


@dataclass(slots=True)
class Pipeline:
    """Carries records from `spool` through `reader` to `store`; one thread calls `step` or `run`."""

    spool: Spool
    store: Store
    reader: Reader
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
    _apart: bool = True
    """Append source by source, so that each one's duplicates are known; so after a start and after duplicates."""

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
        entries = self.spool.read(self.spool.committed, limit)
        if not entries:
            return 0
        batch = _Batch(entries, self._read(entries))
        counts: dict[str, Count] = defaultdict(Count)
        for entry in entries:
            counts[entry.raw.source].received += 1
        self._append(batch, counts)
        self.spool.commit(entries[-1].seq)
        # counted only now: a batch that fails and is read again counts once
        for source, count in counts.items():
            _add(self._counts[source], count)
        self._lag = self.clock.now() - entries[-1].written
        return len(entries)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a store that refuses is asked again, ever more patiently, and nothing is lost."""
        while not stop.is_set():
            try:
                worked = self.step()
                if self.failures:
                    _log.info("the store takes events again after %d failures", self.failures)
                self.failures, self.trouble = 0, ""
                if not worked:
                    self.spool.wait(self.spool.committed, WAIT_SECONDS)
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

    def _read(self, entries: Iterable[Entry]) -> dict[str, list[Event]]:
        events: dict[str, list[Event]] = {}
        read = self.reader.read
        for entry in entries:
            events.setdefault(entry.raw.source, []).extend(read(entry))
        return events

    def _append(self, batch: _Batch, counts: dict[str, Count]) -> None:
        for source, events in batch.events.items():
            counts[source].events += len(events)
            counts[source].deadletter += sum(event.fields.get("event.kind") == "pipeline_error" for event in events)
        if self._apart or len(batch.events) == 1:
            doubles = [self._put(batch, source, events, counts) for source, events in batch.events.items()]
            self._apart = any(doubles)
            return
        together = [event for events in batch.events.values() for event in events]
        together.sort(key=lambda event: event.seq)
        appended = self.store.append(together)
        refused = {one.event.id for one in appended.rejected}
        if appended.duplicates:
            self._apart = True
            _add(counts[TOGETHER], Count(stored=appended.stored, duplicates=appended.duplicates))
        else:
            for source, events in batch.events.items():
                counts[source].stored += sum(event.id not in refused for event in events) if refused else len(events)
        self._refused(batch, appended.rejected, counts)

    def _put(self, batch: _Batch, source: str, events: Sequence[Event], counts: dict[str, Count]) -> int:
        appended = self.store.append(events)
        _add(counts[source], Count(stored=appended.stored, duplicates=appended.duplicates))
        self._refused(batch, appended.rejected, counts)
        return appended.duplicates

    def _refused(self, batch: _Batch, rejected: Sequence[Rejected], counts: dict[str, Count]) -> None:
        """Store the dead letters of events that the store will never take."""
        by_source: dict[str, list[Event]] = {}
        for one in rejected:
            source = str(one.event.fields.get("sentinel.source", ""))
            by_source.setdefault(source, []).append(_letter(batch.entries, one))
            if one.event.fields.get("event.kind") != "pipeline_error":
                counts[source].deadletter += 1
        for source, letters in by_source.items():
            appended = self.store.append(letters)
            dropped = len(appended.rejected)
            _add(counts[source], Count(stored=appended.stored, duplicates=appended.duplicates, dropped=dropped))
            for one in appended.rejected:
                _log.error("the store refuses even the dead letter %s: %s", one.event.id, one.reason)


def _letter(entries: Sequence[Entry], rejected: Rejected) -> Event:
    """Return the dead letter of a refused event; of a refused dead letter one that carries only what it must."""
    event = rejected.event
    if event.fields.get("event.kind") != "pipeline_error":
        seq = record_of(event.seq)
        entry = next(one for one in entries if one.seq == seq)
        part = event.seq - arrival(seq, 0)
        return deadletter.letter(entry, "StoreRefused", f"the store refused the event: {rejected.reason}", part=part)
    fields: Fields = {name: event.fields[name] for name in _MUST if name in event.fields}
    fields["error.message"] = f"the store refused the dead letter: {rejected.reason}"[: deadletter.REASON_MAX]
    return Event(event.id, event.seq, event.timestamp, event.ingested, fields)


_MUST = (
    "@timestamp", "ecs.version", "event.id", "event.sequence", "event.created", "event.ingested", "event.kind",
    "event.dataset", "event.module", "event.hash", "sentinel.source", "sentinel.event_id", "error.type",
)  # fmt: skip


def _add(total: Count, more: Count) -> None:
    for name in Count.__slots__:
        setattr(total, name, getattr(total, name) + getattr(more, name))
