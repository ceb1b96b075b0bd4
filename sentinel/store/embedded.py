"""The embedded store: NDJSON that grows, Parquet that stays, DuckDB in memory to read both.

Everything lies in one folder (`segments.py` says what the files are called). There is no list of segments beside the
files: names and the files' own metadata say all there is to know, so nothing can disagree with them. One process
writes, held apart by a lock; any number read, without a lock and without asking the writer.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from threading import Lock

import duckdb

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Span
from sentinel.core.where import Where
from sentinel.store.catalogue import Catalogue
from sentinel.store.engine import EngineError, Problem, Row
from sentinel.store.following import Follower
from sentinel.store.reading import Reader
from sentinel.store.writing import Writer

MEMORY_BYTES = 144 << 20
_FETCH = 2048
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
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = duckdb.connect(config=self._config)
        self._understood: dict[str, bool] = {}

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return all rows."""
        return list(self.stream(sql, parameters or {}))

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Yield the rows without holding all of them."""
        cursor = self._cursor()
        try:
            cursor.execute(sql, dict(parameters))
            while rows := cursor.fetchmany(_FETCH):
                yield from rows
        except duckdb.OutOfMemoryException as error:
            raise StoreError("the question needs more memory than the store may use; ask for a shorter span") from error
        except (duckdb.FatalException, duckdb.InternalException) as error:
            self._reopen()
            raise EngineError(str(error)) from error
        except (duckdb.Error, RuntimeError) as error:  # its bindings raise RuntimeError now and then
            raise EngineError(str(error)) from error
        finally:
            cursor.close()

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
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                raise StoreError("the store has been closed")
            return self._connection.cursor()

    def _reopen(self) -> None:
        # after such an error DuckDB refuses every further statement; it holds nothing that would be lost
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = duckdb.connect(config=self._config)


class EmbeddedStore:
    """A store in the folder `path`.

    `readonly` stores need no lock and may be many; without it StoreBusyError names the process that writes already.
    A segment is sealed when it has `segment_events` events or `segment_bytes` bytes.
    """

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
        segment_events: int = 50_000,
        segment_bytes: int = 32 << 20,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._problems: list[Problem] = []
        self._engine = DuckEngine(path / "scratch", memory_bytes)
        catalogue = Catalogue(path, self._engine, self._damaged)
        self._reader = Reader(catalogue)
        self._follower = Follower(catalogue)
        self._writer: Writer | None = None
        if not readonly:
            try:
                self._writer = Writer(path, self._engine, catalogue.damage, self._note, (segment_events, segment_bytes))
            except BaseException:
                self._engine.close()
                raise

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found damaged since this store was opened; damaged files lie in `quarantine/`."""
        return tuple(self._problems)

    def append(self, events: Sequence[Event], /) -> Appended:
        """Keep `events` durably; see `Store.append`."""
        return self._writing().append(events)

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Return up to `limit` events for which `where` holds; see `Store.search`."""
        return self._reader.search(where, span, limit)

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count events by values; see `Store.tally`."""
        return self._reader.tally(where, span, by, limit)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Read on in order of arrival; see `Store.since`."""
        return self._follower.since(cursor, until, limit)

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""
        return self._follower.newest()

    def seal(self) -> None:
        """Seal what is hot and wait until all of it is sealed; raises StoreError if that fails."""
        self._writing().seal()

    def drop_before(self, day: date) -> list[str]:
        """Remove everything that arrived before `day` (UTC); return the names of the files removed."""
        return self._writing().drop_before(day)

    def close(self) -> None:
        """Finish sealing, let go of the lock; what is hot stays hot."""
        if self._writer is not None:
            self._writer.close()
        self._engine.close()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreError("this store was opened for reading only")
        return self._writer

    def _note(self, problem: Problem) -> None:
        if problem not in self._problems and len(self._problems) < _PROBLEMS_MAX:
            self._problems.append(problem)

    def _damaged(self, problem: Problem) -> None:
        self._note(problem)
        if self._writer is not None:
            self._writer.quarantine(problem.path)
