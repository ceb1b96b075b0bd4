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
from weakref import finalize

import duckdb

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Formed, Kept, Plan, Removed, Span
from sentinel.core.retention import Retention
from sentinel.core.where import Where
from sentinel.store.catalogue import Catalogue
from sentinel.store.engine import EngineError, Problem, Row
from sentinel.store.following import Follower
from sentinel.store.forming import Blocks, Former
from sentinel.store.reading import Reader
from sentinel.store.receipt import removed
from sentinel.store.segments import day_of_number, listing
from sentinel.store.writing import Writer

MEMORY_BYTES = 144 << 20
_WIDE = 4
"""So much more memory the widest segments are given while they are sealed."""
_FETCH = 2048
_TOO_LARGE = "the question needs more memory than the store may use; ask for a shorter span"
_PROBLEMS_MAX = 1000


class DuckEngine:
    """DuckDB in memory: two threads, bounded memory, no extensions from elsewhere."""

    def __init__(self, scratch: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "threads": 2,
            "memory_limit": f"{memory_bytes >> 20}MiB",
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
        self._memory_bytes = memory_bytes
        self._lock = Lock()
        self._narrow = Lock()
        self._open: list[duckdb.DuckDBPyConnection] = [duckdb.connect(config=self._config)]
        self._understood: dict[str, bool] = {}

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return all rows."""
        return list(self.stream(sql, parameters or {}))

    def write(self, sql: str) -> None:
        """Run a statement that writes a file: with one thread, for it is in no hurry and others need the memory.

        The engine works on 2048 lines at a time; if they are so long that its memory does not do, it gets more once.
        """
        try:
            list(self._alone(sql, {}))
        except StoreError:
            list(self._attempt(f"SET memory_limit = '{_WIDE * self._memory_bytes >> 20}MiB'", {}))
            try:
                list(self._alone(sql, {}))
            finally:
                list(self._attempt(f"SET memory_limit = '{self._memory_bytes >> 20}MiB'", {}))

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Yield the rows without holding all of them."""
        yielded = False
        try:
            for row in self._attempt(sql, parameters):
                yielded = True
                yield row
        except duckdb.OutOfMemoryException as error:
            if yielded:
                raise StoreError(_TOO_LARGE) from error
            yield from self._alone(sql, parameters)

    def _attempt(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        cursor = self._cursor()
        try:
            cursor.execute(sql, dict(parameters))
            while rows := cursor.fetchmany(_FETCH):
                yield from rows
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.FatalException, duckdb.InternalException) as error:
            self._reopen()
            raise EngineError(str(error)) from error
        except (duckdb.Error, RuntimeError) as error:  # its bindings raise RuntimeError now and then
            raise EngineError(str(error)) from error
        finally:
            cursor.close()

    def _alone(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Ask again with one thread, which halves what the readers of files hold."""
        with self._narrow:
            list(self._attempt("SET threads = 1", {}))
            try:
                yield from self._attempt(sql, parameters)
            except duckdb.OutOfMemoryException as error:
                raise StoreError(_TOO_LARGE) from error
            finally:
                list(self._attempt("SET threads = 2", {}))

    def regex_ok(self, regex: str) -> bool:
        """Say whether DuckDB's RE2 understands the expression."""
        known = self._understood.get(regex)
        if known is None:
            try:
                self.rows("SELECT regexp_matches('', $regex)", {"regex": regex})
                known = True
            except EngineError:
                known = False
            if len(self._understood) > 10_000:
                self._understood.clear()
            self._understood[regex] = known
        return known

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            _close_all(self._open)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if not self._open:
                raise StoreError("the store has been closed")
            return self._open[0].cursor()

    def _reopen(self) -> None:
        # after such an error DuckDB refuses every further statement; it holds nothing that would be lost
        with self._lock:
            if self._open:
                _close_all(self._open)
                self._open.append(duckdb.connect(config=self._config))


def _close_all(connections: list[duckdb.DuckDBPyConnection]) -> None:
    while connections:
        connections.pop().close()


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
        self._engine = DuckEngine(path / "scratch", memory_bytes)
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

    def keep(self, formed: Formed, /) -> Appended:
        """Keep events durably; see `Store.keep`."""
        if not isinstance(formed, Blocks):
            raise TypeError(f"{type(formed).__name__} is no form of the embedded store")
        return self._writing().keep(formed.days)

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


def _finished(writer: Writer | None, engine: DuckEngine) -> None:
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
