"""The writing side: events into hot segments, hot segments into sealed ones, old ones away.

An event is kept once its line has been written and synced. Sealing happens beside, in one thread: the Parquet file is
written aside, synced and renamed, the ids first; only then does the NDJSON go. Whoever is interrupted on the way
leaves either the NDJSON or both, never neither.
"""

import os
import queue
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Lock, Thread

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.kill import point
from sentinel.core.ports import Appended, Rejected
from sentinel.store.codec import Census, Encoder, day_of, micros
from sentinel.store.engine import Engine, EngineError, Problem
from sentinel.store.hot import HotFile, recovered
from sentinel.store.ids import DayIds, Sidecar, key_of, pack
from sentinel.store.lock import WriterLock
from sentinel.store.sealing import copy_sql, literal, plan
from sentinel.store.segments import (
    Extent,
    Segment,
    day_number,
    hot_name,
    ids_name,
    listing,
    sealed_name,
    sync_folder,
)

WAITING_MAX = 4
OPEN_DAYS_MAX = 2
RETRY_SECONDS = 30.0


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
        self._append_lock = Lock()
        self._seal_lock = Lock()
        self._queue: queue.Queue[HotFile | None] = queue.Queue()
        self._failed: list[HotFile] = []
        self._broken = ""
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._lock = WriterLock(folder / "writer.lock")
        try:
            self._recover()
        except BaseException:
            self._lock.release()
            raise
        self._sealer = Thread(target=self._seal_waiting, name="sealer", daemon=True)
        self._sealer.start()

    # -- appending

    def append(self, events: Sequence[Event]) -> Appended:
        """Keep `events` durably; see `Store.append`."""
        with self._append_lock:
            if self._broken:
                raise StoreError(self._broken)
            duplicates = 0
            rejected: list[Rejected] = []
            batches: dict[int, _Batch] = {}
            for event in events:
                try:
                    ts, ingested = micros(event.timestamp), micros(event.ingested)
                    key = key_of(event.id)
                    number = day_of(ingested)
                    batch = batches.get(number)
                    if batch is None:
                        batch = batches[number] = _Batch(self._day(number), self._hot(number))
                    if key in batch.keys or batch.day.knows(key):
                        duplicates += 1
                        continue
                    line = self._encoder.encode(event, ts, ingested, batch.hot.census)
                except (ValueError, TypeError) as error:
                    rejected.append(Rejected(event, str(error)))
                    continue
                batch.add(key, line, event.seq, ts, ingested)
            stored = self._keep(batches)
            return Appended(stored, duplicates, tuple(rejected))

    def _keep(self, batches: "dict[int, _Batch]") -> int:
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
        self._rotate(max(batches, default=0))
        return sum(len(batch.lines) for batch in filled)

    def _undo(self, filled: "list[_Batch]", error: OSError) -> None:
        try:
            for batch in filled:
                batch.hot.undo()
        except OSError as again:
            self._broken = f"the disk below {self._folder} refuses ({again}); mend it and open the store anew"
        if any(batch.hot.unsure for batch in filled):
            # after a failed fsync nobody knows what is on the disk: it has to be read again
            self._broken = f"the disk below {self._folder} failed to sync ({error}); mend it and open the store anew"
        raise StoreError(f"the store below {self._folder} takes nothing now: {error}") from error

    def _day(self, number: int) -> _Day:
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _Day()
        if day.sealed is None:
            day.sealed = self._ids_of(number)
        return day

    def _hot(self, number: int) -> HotFile:
        day = self._days[number]
        if day.hot is None:
            self._number += 1
            day.hot = HotFile(self._folder / hot_name(number, self._number), number, self._number, Census())
            sync_folder(self._folder)
        return day.hot

    def _rotate(self, latest: int) -> None:
        hots = sorted((day.hot for day in self._days.values() if day.hot is not None), key=lambda hot: hot.touched)
        for hot in hots:
            full = hot.count >= self._events_max or hot.size >= self._bytes_max
            if hot.count and (full or (len(hots) > OPEN_DAYS_MAX and hot is hots[0] and hot.day != latest)):
                self._detach(hot)
        while self._queue.qsize() > WAITING_MAX:  # the sealer is behind: memory is bounded by waiting for it
            with self._seal_lock:
                pass

    def _detach(self, hot: HotFile) -> None:
        day = self._days[hot.day]
        hot.close()
        day.waiting.append(hot)
        day.hot = None
        self._queue.put(hot)

    # -- sealing

    def seal(self) -> None:
        """Seal what is hot and wait until all of it is sealed; raises StoreError if that fails."""
        with self._append_lock:
            for day in list(self._days.values()):
                if day.hot is not None and day.hot.count:
                    self._detach(day.hot)
            again, self._failed = self._failed, []
            for hot in again:
                self._queue.put(hot)
        self._queue.join()
        if self._failed:
            raise StoreError(f"{len(self._failed)} segments below {self._folder} cannot be sealed now")

    def _seal_waiting(self) -> None:
        while True:
            try:
                hot = self._queue.get(timeout=RETRY_SECONDS)
            except queue.Empty:
                again, self._failed = self._failed, []
                for hot in again:
                    self._queue.put(hot)
                continue
            if hot is None:
                self._queue.task_done()
                return
            try:
                with self._seal_lock:
                    self._seal(hot)
            except (OSError, EngineError, StoreError, ValueError) as error:
                self._failed.append(hot)
                self._report(Problem(hot.path.name, f"cannot be sealed now: {str(error)[:200]}"))
            finally:
                self._queue.task_done()

    def _seal(self, hot: HotFile) -> None:
        if not hot.path.exists():
            return  # dropped by retention while it waited
        point("store.seal_started")
        aside = self._folder / f"{hot.path.stem}.parquet.tmp"
        ids = self._folder / ids_name(hot.day, hot.number)
        schema = plan(hot.census.fields(), hot.count)
        extent = hot.extent
        try:
            self._engine.rows(copy_sql(str(hot.path), str(aside), schema, sorted_already=hot.rising))
            have = self._engine.rows(
                f'SELECT count(*), min("#seq"), max("#seq") FROM read_parquet([{literal(str(aside))}])'
            )
            if have[0] != (extent.count, *extent.seq):
                raise ValueError(f"{have[0]} events were written, there should be {(extent.count, *extent.seq)}")
            _sync(aside)
            point("store.seal_written")
            _write(ids, pack(hot.keys))
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        point("store.seal_ids")
        aside.rename(self._folder / sealed_name(hot.day, hot.number, extent))
        sync_folder(self._folder)
        point("store.seal_renamed")
        day = self._days[hot.day]
        if day.sealed is not None:
            day.sealed.add(Sidecar(ids, extent.count))
        hot.path.unlink()
        sync_folder(self._folder)
        point("store.seal_removed")
        day.waiting.remove(hot)

    # -- retention

    def drop_before(self, day: date) -> list[str]:
        """Remove everything that arrived before `day`; return the names of the files removed."""
        limit = day_number(day)
        removed: list[str] = []
        with self._append_lock, self._seal_lock:
            for one in listing(self._folder):
                if one.day >= limit:
                    continue
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
        if self._sealer.is_alive():
            self._queue.put(None)
            self._sealer.join()
        with self._append_lock:
            self._broken = "the store has been closed"
            for day in self._days.values():
                if day.hot is not None:
                    day.hot.close()
                    if not day.hot.count:
                        day.hot.path.unlink(missing_ok=True)
        self._lock.release()

    # -- opening

    def _recover(self) -> None:
        for path in self._folder.glob("*.tmp"):
            path.unlink()
        segments = listing(self._folder)
        self._number = max((one.number for one in segments), default=0)
        current = {(one.day, one.number) for one in segments}
        for path in list(self._folder.glob("*.ids")):
            if not any(path.name == ids_name(*one) for one in current):
                path.unlink()
        for one in segments:
            if one.extent is not None:
                (self._folder / hot_name(one.day, one.number)).unlink(missing_ok=True)
        newest: dict[int, int] = {one.day: one.number for one in segments if one.extent is None}
        days = sorted(newest)[-OPEN_DAYS_MAX:]
        for one in segments:
            if one.extent is None:
                self._take_up(one, stays=one.day in days and newest[one.day] == one.number)

    def _take_up(self, segment: Segment, *, stays: bool) -> None:
        hot, problems = recovered(self._folder, segment, self._encoder)
        for problem in problems:
            self._report(problem)
        if not hot.count:
            hot.close()
            hot.path.unlink()
            return
        day = self._days.setdefault(segment.day, _Day())
        if stays:
            day.hot = hot
        else:
            hot.close()
            day.waiting.append(hot)
            self._queue.put(hot)

    def _ids_of(self, number: int) -> DayIds:
        known = DayIds()
        for one in listing(self._folder):
            if one.day != number or one.extent is None:
                continue
            path = self._folder / ids_name(one.day, one.number)
            try:
                sidecar = Sidecar(path, one.extent.count)
            except (OSError, ValueError):
                rows = self._ids_in(one)
                if rows is None:
                    continue
                _write(path, pack(rows))
                sidecar = Sidecar(path, one.extent.count)
            known.add(sidecar)
        return known

    def _ids_in(self, segment: Segment) -> list[int] | None:
        path = self._folder / segment.name
        try:
            return [
                key_of(row[0]) for row in self._engine.rows(f'SELECT "#id" FROM read_parquet([{literal(str(path))}])')
            ]
        except EngineError:
            reason = self._damage(segment)
            self._report(Problem(segment.name, reason))
            self.quarantine(segment.name)
            return None


@dataclass(slots=True)
class _Batch:
    """What one call appends to one day."""

    day: _Day
    hot: HotFile
    keys: set[int] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)

    def add(self, key: int, line: bytes, seq: int, ts: int, ingested: int) -> None:
        self.keys.add(key)
        self.lines.append(line)
        self.seqs.append(seq)
        self.times.append(ts)
        self.arrivals.append(ingested)

    def extent(self) -> tuple[Extent, bool]:
        rising = all(one < two for one, two in zip(self.seqs, self.seqs[1:], strict=False))
        return Extent(_ends(self.seqs), len(self.seqs), _ends(self.times), _ends(self.arrivals)), rising


def _ends(numbers: Iterable[int]) -> tuple[int, int]:
    have = list(numbers)
    return min(have), max(have)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    aside = path.with_suffix(".ids.tmp")
    with aside.open("wb") as file:
        file.write(content)
    _sync(aside)
    aside.rename(path)
