"""The store's SQL engine: DuckDB, which nothing else here imports."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

import duckdb

from sentinel.core.errors import StoreError
from sentinel.store.engine import EngineError, Row

_WIDE = 4
"""So much more memory the widest segments are given while they are sealed."""
_FETCH = 2048
_TOO_LARGE = "the question needs more memory than the store may use; ask for a shorter span"


class DuckEngine:
    """DuckDB in memory: two threads, bounded memory, no extensions from elsewhere."""

    def __init__(self, scratch: Path, memory_bytes: int) -> None:
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
