"""The writing side: events into hot segments, each id once a day; old segments away.

An event is kept once its line has been written and synced; what was written and not kept is cut off again.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NoReturn

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.kill import point
from sentinel.core.ports import Appended, Rejected
from sentinel.store.codec import Census, Encoder, day_of, micros
from sentinel.store.engine import Engine, EngineError, Problem, select
from sentinel.store.hot import HotFile, recovered
from sentinel.store.ids import DayIds, Sidecar, key_of, pack
from sentinel.store.lock import WriterLock
from sentinel.store.sealer import Sealer, write_file
from sentinel.store.sealing import literal
from sentinel.store.segments import Extent, Segment, day_number, hot_name, ids_name, listing, sync_folder

OPEN_DAYS_MAX = 2


@dataclass(slots=True)
class _Day:
    """What the writer knows of one day of arrival."""

    hot: HotFile | None = None
    waiting: list[HotFile] = field(default_factory=list)
    sealed: DayIds | None = None

    def knows(self, key: int) -> bool:
        if self.hot is not None and key in self.hot.keys:
            return True
        if self.waiting and any(key in hot.keys for hot in self.waiting):
            return True
        return self.sealed is not None and key in self.sealed


@dataclass(slots=True)
class _Batch:
    """What one call appends to one day."""

    day: _Day
    hot: HotFile
    keys: set[int] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)

    def extent(self) -> tuple[Extent, bool]:
        """Return what the batch spans, and whether its sequences rise."""
        seqs, times, arrivals = zip(*self.places, strict=True)
        extent = Extent((min(seqs), max(seqs)), len(seqs), (min(times), max(times)), (min(arrivals), max(arrivals)))
        return extent, all(one < two for one, two in pairwise(seqs))


class Writer:
    """The one process that writes; `limits` are events and bytes of a segment."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        damage: Callable[[Segment], str],
        report: Callable[[Problem], None],
        limits: tuple[int, int],
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._damage = damage
        self._report = report
        self._events_max, self._bytes_max = limits
        self._encoder = Encoder()
        self._days: dict[int, _Day] = {}
        self._number = 0
        self._append_lock = Lock()
        self._broken = ""
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._lock = WriterLock(folder / "writer.lock")
        try:
            waiting = self._recover()
        except BaseException:
            self._lock.release()
            raise
        self._sealer = Sealer(folder, engine, self._sealed, report)
        for hot in waiting:
            self._sealer.put(hot)

    # -- appending

    def append(self, events: Sequence[Event]) -> Appended:
        """Keep `events` durably; see `Store.append`."""
        with self._append_lock:
            if self._broken:
                raise StoreError(self._broken)
            duplicates = 0
            rejected: list[Rejected] = []
            batches: dict[int, _Batch] = {}
            encode = self._encoder.encode
            for event in events:
                try:
                    ts, ingested = micros(event.timestamp), micros(event.ingested)
                    number = day_of(ingested)
                    batch = batches.get(number)
                    if batch is None:
                        batch = batches[number] = self._batch(number)
                    key = key_of(event.id)
                    if key in batch.keys or batch.day.knows(key):
                        duplicates += 1
                        continue
                    line = encode(event, ts, ingested, batch.hot.census)
                except (ValueError, TypeError) as error:
                    rejected.append(Rejected(event, str(error)))
                    continue
                batch.keys.add(key)
                batch.lines.append(line)
                batch.places.append((event.seq, ts, ingested))
            stored = self._keep(batches)
            return Appended(stored, duplicates, tuple(rejected))

    def _keep(self, batches: dict[int, _Batch]) -> int:
        filled = [batch for batch in batches.values() if batch.lines]
        point("store.before_write")
        try:
            for batch in filled:
                batch.hot.write(b"".join(batch.lines))
            point("store.after_write")
            for batch in filled:
                batch.hot.sync()
        except OSError as error:
            self._undo(filled, error)
        point("store.after_sync")
        for batch in filled:
            batch.hot.keep(batch.keys, batch.extent())
        self._rotate()
        return sum(len(batch.lines) for batch in filled)

    def _undo(self, filled: list[_Batch], error: OSError) -> NoReturn:
        try:
            for batch in filled:
                batch.hot.undo()
        except OSError as again:
            self._broken = f"the disk below {self._folder} refuses ({again}); mend it and open the store anew"
        if any(batch.hot.unsure for batch in filled):
            # after a failed fsync nobody knows what is on the disk: it has to be read again
            self._broken = f"the disk below {self._folder} failed to sync ({error}); mend it and open the store anew"
        raise StoreError(f"the store below {self._folder} takes nothing now: {error}") from error

    def _batch(self, number: int) -> _Batch:
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _Day()
        if day.sealed is None:
            with self._sealer.lock:  # what is sealed meanwhile would be missed
                day.sealed = self._ids_of(number)
        if day.hot is None:
            self._number += 1
            try:
                day.hot = HotFile(self._folder / hot_name(number, self._number), number, self._number, Census())
                sync_folder(self._folder)
            except OSError as error:
                raise StoreError(f"the store below {self._folder} takes nothing now: {error}") from error
        return _Batch(day, day.hot)

    def _rotate(self) -> None:
        hots = sorted((day.hot for day in self._days.values() if day.hot is not None), key=lambda hot: hot.touched)
        for at, hot in enumerate(hots):
            full = hot.count >= self._events_max or hot.size >= self._bytes_max
            if hot.count and (full or at < len(hots) - OPEN_DAYS_MAX):
                self._detach(hot)
        self._sealer.hold_back()

    def _detach(self, hot: HotFile) -> None:
        day = self._days[hot.day]
        hot.close()
        day.waiting.append(hot)
        day.hot = None
        self._sealer.put(hot)

    # -- sealing

    def seal(self) -> None:
        """Seal what is hot and wait until all of it is sealed; raises StoreError if that fails."""
        with self._append_lock:
            for day in list(self._days.values()):
                if day.hot is not None and day.hot.count:
                    self._detach(day.hot)
        self._sealer.wait()

    def _sealed(self, hot: HotFile) -> None:
        day = self._days[hot.day]
        if day.sealed is not None:
            day.sealed.add(Sidecar(self._folder / ids_name(hot.day, hot.number), hot.count))
        day.waiting = [one for one in day.waiting if one is not hot]

    # -- retention

    def drop_before(self, day: date) -> list[str]:
        """Remove everything that arrived before `day`; return the names of the files removed."""
        limit = day_number(day)
        removed: list[str] = []
        with self._append_lock, self._sealer.lock:
            for one in listing(self._folder):
                if one.day >= limit:
                    continue
                # the NDJSON of a segment sealed a moment ago would take its place again
                (self._folder / hot_name(one.day, one.number)).unlink(missing_ok=True)
                point("store.drop_half")
                (self._folder / one.name).unlink(missing_ok=True)
                (self._folder / ids_name(one.day, one.number)).unlink(missing_ok=True)
                removed.append(one.name)
            for number in [number for number in self._days if number < limit]:
                gone = self._days.pop(number)
                if gone.hot is not None:
                    gone.hot.close()
            sync_folder(self._folder)
        return removed

    def quarantine(self, name: str) -> None:
        """Set a damaged file apart."""
        target = self._folder / "quarantine"
        with suppress(OSError):
            target.mkdir(exist_ok=True, mode=0o750)
            (self._folder / name).rename(target / name)
            sync_folder(self._folder)

    def close(self) -> None:
        """Finish sealing and let go of the lock."""
        self._sealer.close()
        with self._append_lock:
            self._broken = "the store has been closed"
            for day in self._days.values():
                if day.hot is not None:
                    day.hot.close()
                    if not day.hot.count:
                        day.hot.path.unlink(missing_ok=True)
        self._lock.release()

    # -- opening

    def _recover(self) -> list[HotFile]:
        for path in self._folder.glob("*.tmp"):
            path.unlink()
        segments = listing(self._folder)
        self._number = max((one.number for one in segments), default=0)
        for one in segments:
            if one.extent is not None:
                (self._folder / hot_name(one.day, one.number)).unlink(missing_ok=True)
        wanted = {ids_name(one.day, one.number) for one in segments if one.extent is not None}
        for path in self._folder.glob("*.ids"):
            if path.name not in wanted:
                path.unlink()
        newest = {one.day: one.number for one in segments if one.extent is None}
        stay = {(day, newest[day]) for day in sorted(newest)[-OPEN_DAYS_MAX:]}
        waiting = []
        for one in segments:
            if one.extent is None:
                hot = self._taken_up(one, stays=(one.day, one.number) in stay)
                waiting += [hot] if hot is not None else []
        return waiting

    def _taken_up(self, segment: Segment, *, stays: bool) -> HotFile | None:
        hot, problems = recovered(self._folder, segment, self._encoder)
        for problem in problems:
            self._report(problem)
        if not hot.count:
            hot.close()
            hot.path.unlink()
            return None
        day = self._days.setdefault(segment.day, _Day())
        if stays:
            day.hot = hot
            return None
        hot.close()
        day.waiting.append(hot)
        return hot

    def _ids_of(self, number: int) -> DayIds:
        known = DayIds()
        for one in listing(self._folder):
            if one.day != number or one.extent is None:
                continue
            path = self._folder / ids_name(one.day, one.number)
            try:
                sidecar = Sidecar(path, one.extent.count)
            except (OSError, ValueError):
                keys = self._ids_in(one)
                if keys is None:
                    continue
                write_file(path, pack(keys))
                sidecar = Sidecar(path, one.extent.count)
            known.add(sidecar)
        return known

    def _ids_in(self, segment: Segment) -> list[int] | None:
        path = self._folder / segment.name
        try:
            rows = self._engine.rows(select('"#id"', f"read_parquet([{literal(str(path))}])"))
        except EngineError:
            self._report(Problem(segment.name, self._damage(segment), damaged=True))
            self.quarantine(segment.name)
            return None
        return [key_of(row[0]) for row in rows]
