"""The thread that seals: writes the Parquet file aside, syncs and renames it, and only then lets the NDJSON go.

Whoever is interrupted on the way leaves the NDJSON, or both; never neither. What cannot be sealed now (a full disk)
stays hot, is reported, and is tried again.
"""

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

from sentinel.core.durable import sync_file, sync_folder, write_file
from sentinel.core.errors import StoreError
from sentinel.core.kill import point
from sentinel.store.engine import Engine, EngineError, Problem, select
from sentinel.store.hot import HotFile
from sentinel.store.ids import pack
from sentinel.store.sealing import copy_sql, literal, plan
from sentinel.store.segments import Extent, checksum, ids_name, sealed_name

RETRY_SECONDS = 30.0
WAITING_MAX = 3
"""So many segments may wait, in a flood, for a calmer moment; the ids of each take two megabytes of memory."""
NICENESS = 10


class Sealer:
    """Seals hot files below `folder`; `sealed` is called after a segment has its new name and before the old goes."""

    def __init__(
        self, folder: Path, engine: Engine, sealed: Callable[[HotFile], None], report: Callable[[Problem], None]
    ) -> None:
        self.lock = Lock()
        self._folder = folder
        self._engine = engine
        self._sealed = sealed
        self._report = report
        self._queue: queue.Queue[HotFile | None] = queue.Queue()
        self._failed: list[HotFile] = []
        self._thread = Thread(target=self._run, name="sealer", daemon=True)
        self._thread.start()

    def put(self, hot: HotFile) -> None:
        """Have a closed hot file sealed."""
        self._queue.put(hot)

    def hold_back(self) -> None:
        """Wait while more than a few files are waiting, which bounds the memory their ids take."""
        while self._queue.qsize() > WAITING_MAX and self._thread.is_alive():
            with self.lock:
                pass

    def wait(self) -> None:
        """Try again what failed, wait until nothing is waiting; raises StoreError if something is left."""
        self._again()
        self._queue.join()
        if self._failed:
            raise StoreError(
                f"{len(self._failed)} segments below {self._folder} cannot be sealed now; "
                "is the disk full? They stay readable and are tried again"
            )

    def close(self) -> None:
        """Seal what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _again(self) -> None:
        again, self._failed = self._failed, []
        for hot in again:
            self._queue.put(hot)

    def _run(self) -> None:
        # Linux gives each thread a nice value of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while True:
            try:
                hot = self._queue.get(timeout=RETRY_SECONDS)
            except queue.Empty:
                self._again()
                continue
            try:
                if hot is None:
                    return
                with self.lock:
                    self._seal(hot)
            except (OSError, EngineError, StoreError, ValueError) as error:
                if hot is not None:
                    self._failed.append(hot)
                    self._report(Problem(hot.path.name, f"cannot be sealed now: {str(error)[:200]}"))
            finally:
                self._queue.task_done()

    def _seal(self, hot: HotFile) -> None:
        if not hot.path.exists():
            return  # dropped by retention while it waited
        point("store.seal_started")
        self._write(hot)
        point("store.seal_renamed")
        self._sealed(hot)
        hot.path.unlink()
        sync_folder(self._folder)
        point("store.seal_removed")

    def replace(self, hot: HotFile, old: str) -> None:
        """Seal `hot` in the place of the sealed segment called `old`; the caller holds the lock."""
        name = self._write(hot)
        point("store.amend_renamed")
        if name != old:
            (self._folder / old).unlink(missing_ok=True)
        hot.path.unlink()
        sync_folder(self._folder)

    def _write(self, hot: HotFile) -> str:
        aside = self._folder / f"{hot.path.stem}.parquet.tmp"
        extent = hot.extent
        try:
            schema = plan(hot.fields, hot.count)
            self._engine.write(copy_sql(str(hot.path), str(aside), schema, sorted_already=hot.rising))
            self._prove(aside, extent)
            sync_file(aside)
            point("store.seal_written")
            write_file(self._folder / ids_name(hot.day, hot.number), pack(hot.keys))
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        point("store.seal_ids")
        name = sealed_name(hot.day, hot.number, extent, checksum(aside))
        aside.rename(self._folder / name)
        sync_folder(self._folder)
        return name

    def _prove(self, path: Path, extent: Extent) -> None:
        sql = select('count(*), min("#seq"), max("#seq")', f"read_parquet([{literal(str(path))}])")
        have = self._engine.rows(sql)[0]
        if have != (extent.count, *extent.seq):
            raise ValueError(f"{have} events were written, there should be {(extent.count, *extent.seq)}")
