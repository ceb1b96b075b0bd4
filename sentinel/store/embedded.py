"""The embedded store: NDJSON that grows, Parquet that stays, DuckDB in memory to read both.

Everything lies in one folder (`segments.py` says what the files are called). There is no list of segments beside the
files: names and the files' own metadata say all there is to know, so nothing can disagree with them. One process
writes, held apart by a lock; any number read, without a lock and without asking the writer.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import finalize

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Formed, Kept, Plan, Removed, Span
from sentinel.core.retention import Retention
from sentinel.core.where import Where
from sentinel.store.catalogue import Catalogue
from sentinel.store.engine import Problem, Row
from sentinel.store.following import Follower
from sentinel.store.forming import Blocks, Former
from sentinel.store.reading import Reader
from sentinel.store.receipt import removed
from sentinel.store.segments import day_of_number, listing
from sentinel.store.writing import Writer

if TYPE_CHECKING:
    from sentinel.store.duck import DuckEngine

MEMORY_BYTES = 144 << 20
_PROBLEMS_MAX = 1000


class LateEngine:
    """The engine, loaded and opened by the first statement: for what is in no sealed segment none is needed."""

    def __init__(self, scratch: Path, memory_bytes: int) -> None:
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._lock = Lock()
        self._made: DuckEngine | None = None
        self._closed = False

    def _engine(self) -> "DuckEngine":
        with self._lock:
            if self._closed:
                raise StoreError("the store has been closed")
            if self._made is None:
                from sentinel.store.duck import DuckEngine  # noqa: PLC0415  DuckDB takes longer than a short question

                self._made = DuckEngine(self._scratch, self._memory_bytes)
            return self._made

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return all rows."""
        return self._engine().rows(sql, parameters)

    def write(self, sql: str) -> None:
        """Run a statement that writes a file."""
        self._engine().write(sql)

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Yield the rows without holding all of them."""
        yield from self._engine().stream(sql, parameters)

    def regex_ok(self, regex: str) -> bool:
        """Say whether the engine understands the expression."""
        return self._engine().regex_ok(regex)

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._closed = True
            if self._made is not None:
                self._made.close()


class EmbeddedStore:
    """A store in the folder `path`.

    `readonly` stores need no lock and may be many; without it StoreBusyError names the process that writes already.
    A segment is sealed when it has `segment_events` events or `segment_bytes` bytes. A disk that is fuller than
    `disk_percent` is a trouble.
    """

    def __init__(  # noqa: PLR0913  one argument for each thing a city or a test may decide
        self,
        path: Path,
        *,
        readonly: bool = False,
        segment_events: int = 20_000,
        segment_bytes: int = 24 << 20,
        memory_bytes: int = MEMORY_BYTES,
        retention: Retention | None = None,
        disk_percent: float = 85.0,
    ) -> None:
        self._path = path
        self._retention = retention or Retention()
        self._disk_percent = disk_percent
        self._problems = Problems()
        self._engine = LateEngine(path / "scratch", memory_bytes)
        catalogue = Catalogue(path, self._engine, self._problems.add)
        self._catalogue = catalogue
        self._follower = Follower(catalogue)
        self._reader = Reader(catalogue, self._follower.lowest)
        self._form = Former()
        self._writer: Writer | None = None
        if not readonly:
            try:
                self._writer = Writer(
                    path, self._engine, catalogue.damage, self._problems.add, (segment_events, segment_bytes)
                )
            except BaseException:
                self._engine.close()
                raise
            self._problems.quarantine = self._writer.quarantine
        # a process that ends without closing: DuckDB would complain at length on stderr
        self._finish = finalize(self, _finished, self._writer, self._engine)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found damaged since this store was opened; damaged files lie in `quarantine/`."""
        return self._problems.known()

    def keep(self, *formed: Formed) -> Appended:
        """Keep events durably; see `Store.keep`."""
        stored = 0
        known: tuple[int, ...] = ()
        for one in formed:
            if not isinstance(one, Blocks):
                raise TypeError(f"{type(one).__name__} is no form of the embedded store")
            kept = self._writing().keep(one.days)
            stored, known = stored + kept.stored, known + kept.known
        return Appended(stored, known)

    def append(self, events: Sequence[Event], /) -> Appended:
        """Form events and keep them; see `Store.append`."""
        formed = self._form(events)
        return replace(self.keep(formed), rejected=tuple(formed.rejected))

    def amend(self, gone: Sequence[Event], new: Sequence[Event], /) -> None:
        """Let `new` be there instead of `gone`; see `Store.amend`."""
        self._writing().amend(gone, new)

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Return up to `limit` events for which `where` holds; see `Store.search`."""
        return self._reader.search(where, span, limit)

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count events by values; see `Store.tally`."""
        return self._reader.tally(where, span, by, limit)

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        """Count events along time; see `Store.spread`."""
        return self._reader.spread(where, span, width)

    def plan(self, where: Where, span: Span) -> Plan:
        """Say what is run; see `Store.plan`."""
        return self._reader.plan(where, span)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Read on in order of arrival; see `Store.since`."""
        return self._follower.since(cursor, until, limit)

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""
        return self._follower.newest()

    def seal(self) -> None:
        """Seal what is hot and wait until all of it is sealed; raises StoreError if that fails."""
        self._writing().seal()

    def verify(self) -> tuple[Problem, ...]:
        """Compare all that is sealed with its checksums, set apart what is damaged; return all problems known.

        Reads every byte: for once a day, or on an operator's word.
        """
        self._catalogue.verify()
        return self.problems

    def kept(self) -> list[Kept]:
        """Return by class and day what there may be events of; see `Archive.kept`."""
        days = sorted({day_of_number(one.day) for one in listing(self._path)})
        return [Kept(name, day) for day in days for name in self._retention.on(day)]

    def drop(self, kept: Kept, first: Callable[[Removed], None] = lambda _: None) -> Removed:
        """Remove what is kept of a class and day; see `Archive.drop`."""
        writer, where = self._writing(), self._retention.on(kept.day).get(kept.name)
        begin = datetime.combine(kept.day, time(), UTC)
        span = Span(begin, begin + timedelta(days=1), "ingested")
        there = [] if where is None else [ident for *_, ident in self._reader.arrived(where, span)]
        what = removed(there)
        if there:
            first(what)
            writer.remove(kept.day, there)
        return what

    def troubles(self) -> list[str]:
        """Return what is wrong with the disk; see `Archive.troubles`."""
        room = shutil.disk_usage(self._path)
        percent = 100 * room.used / (room.used + room.free)
        if percent <= self._disk_percent:
            return []
        full = f"the disk below {self._path} is more than {self._disk_percent:g} % full"
        return [f"{full}; make room, move `data` to a larger disk, or let retention keep fewer days"]

    def give_up(self) -> None:
        """Go on: nothing here waits for another machine."""

    def close(self) -> None:
        """Finish sealing, let go of the lock; what is hot stays hot."""
        self._finish()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreError("this store was opened for reading only")
        return self._writer


def _finished(writer: Writer | None, engine: LateEngine) -> None:
    if writer is not None:
        writer.close()
    engine.close()


class Problems:
    """Collects what is found damaged; a damaged sealed segment is set apart by who may do so, the writer."""

    def __init__(self) -> None:
        self.quarantine: Callable[[str], None] | None = None
        self._known: dict[Problem, None] = {}
        self._lock = Lock()

    def add(self, problem: Problem) -> None:
        """Note a problem, once."""
        with self._lock:
            if len(self._known) < _PROBLEMS_MAX:
                self._known[problem] = None
        if self.quarantine is not None and problem.damaged:
            self.quarantine(problem.path)

    def known(self) -> tuple[Problem, ...]:
        """Return what has been noted, oldest first."""
        with self._lock:
            return tuple(self._known)
