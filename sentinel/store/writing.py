"""The writing side: events into hot segments, each id once a day; old segments away.

An event is kept once its line has been written and synced; what was written and not kept is cut off again.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Lock
from typing import NoReturn

from sentinel.core.durable import sync_folder, write_file
from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.kill import point
from sentinel.core.lock import HeldLock
from sentinel.core.ports import Appended
from sentinel.store.amending import Amendment
from sentinel.store.codec import Encoder, day_of, micros
from sentinel.store.engine import Engine, EngineError, Problem, select
from sentinel.store.forming import Block
from sentinel.store.hot import HotFile, recovered
from sentinel.store.ids import DayIds, Sidecar, key_of, pack
from sentinel.store.sealer import Sealer
from sentinel.store.sealing import literal
from sentinel.store.segments import Segment, day_number, hot_name, ids_name, listing, parse_name

OPEN_DAYS_MAX = 2


@dataclass(slots=True)
class _Day:
    """What the writer knows of one day of arrival."""

    hot: HotFile | None = None
    waiting: list[HotFile] = field(default_factory=list)
    sealed: DayIds | None = None

    def known(self, keys: set[int]) -> set[int]:
        """Return those of `keys` that the day has."""
        found: set[int] = set()
        for hot in (*self.waiting, *([self.hot] if self.hot is not None else [])):
            if not hot.keys.isdisjoint(keys):
                found |= hot.keys & keys
        if self.sealed is not None:
            found.update(key for key in keys if key in self.sealed)
        return found


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
        self._lock = HeldLock(
            folder / "writer.lock",
            f"{folder} is written by {{holder}} already; stop that process, or open the store for reading only",
        )
        try:
            waiting = self._recover()
        except BaseException:
            self._lock.release()
            raise
        self._sealer = Sealer(folder, engine, self._sealed, report)
        for hot in waiting:
            self._sealer.put(hot)

    # -- appending

    def keep(self, blocks: Sequence[Block]) -> Appended:
        """Keep blocks durably, each of another day; see `Store.keep`."""
        with self._append_lock:
            self._usable()
            known: list[int] = []
            new: list[tuple[HotFile, Block]] = []
            for block in blocks:
                day, hot = self._open(block.day)
                left = _unknown(block, day, known)
                if left is not None:
                    new.append((hot, left))
            self._write(new)
            return Appended(sum(len(block.keys) for _, block in new), tuple(known))

    def _write(self, new: list[tuple[HotFile, Block]]) -> None:
        point("store.before_write")
        try:
            for hot, block in new:
                hot.write(block.data)
            point("store.after_write")
            for hot, _ in new:
                hot.sync()
        except OSError as error:
            self._undo([hot for hot, _ in new], error)
        point("store.after_sync")
        for hot, block in new:
            hot.keep(block)
        self._rotate()

    def _undo(self, hots: list[HotFile], error: OSError) -> NoReturn:
        try:
            for hot in hots:
                hot.undo()
        except OSError as again:
            self._broken = f"the disk below {self._folder} refuses ({again}); mend it and open the store anew"
        if any(hot.unsure for hot in hots):
            # after a failed fsync nobody knows what is on the disk: it has to be read again
            self._broken = f"the disk below {self._folder} failed to sync ({error}); mend it and open the store anew"
        raise StoreError(f"the store below {self._folder} takes nothing now: {error}") from error

    def _open(self, number: int) -> tuple[_Day, HotFile]:
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _Day()
        try:
            if day.sealed is None:
                with self._sealer.lock:  # what is sealed meanwhile would be missed
                    day.sealed = self._ids_of(number)
            if day.hot is None:
                self._number += 1
                day.hot = HotFile(self._folder / hot_name(number, self._number), number, self._number)
                sync_folder(self._folder)
        except OSError as error:
            raise StoreError(f"the store below {self._folder} takes nothing now: {error}") from error
        return day, day.hot

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

    # -- amending

    def amend(self, gone: Sequence[Event], new: Sequence[Event]) -> None:
        """Let `new` be there instead of `gone`; see `Store.amend`."""
        days = {day_of(micros(event.ingested)) for event in (*gone, *new)}
        self._seal_days(days)
        try:
            for number in sorted(days):
                mine = [[one for one in some if day_of(micros(one.ingested)) == number] for some in (gone, new)]
                self._amend_day(number, Amendment.of(*mine))
        except (OSError, EngineError, ValueError) as error:
            raise StoreError(f"the store below {self._folder} cannot be amended now: {error}") from error

    def _seal_days(self, days: set[int]) -> None:
        with self._append_lock:
            self._usable()
            for number in days & self._days.keys():
                hot = self._days[number].hot
                if hot is not None and hot.count:
                    self._detach(hot)
        self._sealer.wait()

    def _amend_day(self, number: int, amendment: Amendment) -> None:
        for one in listing(self._folder):
            if one.day != number or one.extent is None or not self._holds_some(one, one.extent.count, amendment.gone):
                continue
            with self._append_lock, self._sealer.lock:
                hot = amendment.rewritten(self._folder, self._engine, one)
                if hot is None:
                    continue
                point("store.amend_written")
                if hot.count:
                    self._sealer.replace(hot, one.name)
                else:
                    (self._folder / one.name).unlink()
                    (self._folder / ids_name(one.day, one.number)).unlink(missing_ok=True)
                    hot.path.unlink()
                    sync_folder(self._folder)
                if number in self._days:
                    self._days[number].sealed = None  # read again when it is asked for

    def _holds_some(self, segment: Segment, count: int, keys: set[int]) -> bool:
        try:
            known = Sidecar(self._folder / ids_name(segment.day, segment.number), count)
        except (OSError, ValueError):
            return True
        return any(key in known for key in keys)

    def _usable(self) -> None:
        if self._broken:
            raise StoreError(self._broken)

    # -- retention

    def remove(self, day: date, ids: Iterable[str]) -> None:
        """Remove the events with these ids that arrived on `day`; what else there is of the day stays."""
        keys, number = {key_of(one) for one in ids}, day_number(day)
        self._seal_days({number})
        try:
            for one in listing(self._folder):
                if one.day == number and one.extent is not None and keys.issuperset(self._ids_in(one) or (None,)):
                    self._unlink(one)
            self._amend_day(number, Amendment(keys, []))
        except (OSError, EngineError) as error:
            raise StoreError(f"nothing can be removed below {self._folder} now: {error}") from error

    def _unlink(self, segment: Segment) -> None:
        with self._append_lock, self._sealer.lock:
            # the NDJSON of a segment sealed a moment ago would take its place again
            (self._folder / hot_name(segment.day, segment.number)).unlink(missing_ok=True)
            point("store.drop_half")
            (self._folder / segment.name).unlink(missing_ok=True)
            (self._folder / ids_name(segment.day, segment.number)).unlink(missing_ok=True)
            sync_folder(self._folder)
            known = self._days.get(segment.day)
            if known is not None:
                known.sealed = None  # read again when it is asked for

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
        self._remove_old(segments)
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

    def _remove_old(self, segments: Sequence[Segment]) -> None:
        # of two sealed files of one number one was to take the other's place
        stay = {one.name for one in segments}
        for path in self._folder.glob("*.parquet"):
            if path.name not in stay and parse_name(path.name) is not None:
                path.unlink()

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


def _unknown(block: Block, day: _Day, known: list[int]) -> Block | None:
    """Return what of `block` the day lacks, None if that is nothing; the sequences of the rest are added to `known`."""
    keys = set(block.keys)
    seen = day.known(keys)
    if not seen and len(keys) == len(block.keys):
        return block
    positions: list[int] = []
    for at, key in enumerate(block.keys):
        if key in seen:
            known.append(block.seqs[at])
        else:
            seen.add(key)
            positions.append(at)
    return block.only(positions) if positions else None
