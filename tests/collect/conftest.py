"""A small sink that really keeps what it is given, and ways to start and stop an entrance."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.event import Entry, Origin, Raw, event_id
from sentinel.core.ports import Sink
from tests.collect.following import Follower

MOMENT = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)


class DiskSink:
    """Appends records to a file and syncs it before it says that they are kept; can be stalled or made to fail."""

    full = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.batches = 0
        self._count = 0
        path.touch()

    async def write(self, raws: Sequence[Raw], /) -> int:
        """Keep `raws`."""
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        rows = [
            [b64encode(raw.body).decode(), raw.source, raw.received.isoformat(), *_parts(raw.origin)] for raw in raws
        ]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        self.batches += 1
        self._count += len(raws)
        return self._count

    def raws(self) -> list[Raw]:
        """Return everything kept, read from the disk."""
        rows = [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]
        return [Raw(b64decode(body), src, datetime.fromisoformat(at), Origin(*rest)) for body, src, at, *rest in rows]

    def bodies(self) -> list[bytes]:
        """Return the bodies of everything kept."""
        return [raw.body for raw in self.raws()]

    def ids(self) -> list[str]:
        """Return the id that each record's event would have."""
        return [event_id(Entry(seq, raw.received, raw)) for seq, raw in enumerate(self.raws(), start=1)]

    def distinct(self) -> list[bytes]:
        """Return the bodies that a store would hold: one for each id, sorted."""
        return sorted(dict(zip(self.ids(), self.bodies(), strict=True)).values())


def _parts(origin: Origin) -> tuple[str, ...]:
    return origin.via, origin.peer, origin.position, origin.note


class Entrance:
    """What the tests need of a collector."""

    name: str
    ready: asyncio.Event

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled."""


Running = Callable[..., AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at a quarter past eight."""
    return ManualClock(MOMENT)


@pytest.fixture
def sink(tmp_path: Path) -> DiskSink:
    """Return an empty sink on the disk."""
    return DiskSink(tmp_path / "kept.jsonl")


@pytest.fixture
def running() -> Running:
    """Start an entrance, wait until it is ready, and stop it at the end, orderly."""

    @asynccontextmanager
    async def start(entrance: Entrance, into: Sink) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(entrance.run(into))
        ready = asyncio.create_task(entrance.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        ready.cancel()
        assert entrance.ready.is_set(), task.exception() if task.done() else "not ready"
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return start


Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something is so; fail after a long time."""

    async def wait(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():  # noqa: ASYNC110  the condition is the system's, not ours to signal
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def follow(tmp_path: Path, sink: "DiskSink", clock: ManualClock) -> Iterator[Callable[..., Follower]]:
    made: list[Follower] = []

    def make(*patterns: str) -> Follower:
        made.append(Follower(tmp_path, sink, clock, *patterns))
        return made[-1]

    yield make
    for follower in made:
        follower.stop()


Follow = Callable[..., Follower]


class Server:
    """An entrance with a real spool in a process of its own, killed and begun again at the same port."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder, self.port = kind, folder, 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, kill_at: str = "") -> None:
        """Start it; it dies as if by `kill -9` at the named point."""
        self.stop(signal.SIGKILL)
        command = [sys.executable, str(Path(__file__).with_name("serving.py")), self.kind, str(self.port)]
        environment = os.environ | {"SENTINEL_KILL_AT": kill_at, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen([*command, str(self.folder)], stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, orderly or otherwise, if it has not ended by itself."""
        if self.process is not None and self.process.stdout is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process.stdout.close()
            self.process = None


@pytest.fixture
def server_at() -> Iterator[Callable[[str, Path], Server]]:
    """Return a way to run entrances in processes of their own."""
    made: list[Server] = []

    def server(kind: str, folder: Path) -> Server:
        made.append(Server(kind, folder))
        return made[-1]

    yield server
    for one in made:
        one.stop(signal.SIGKILL)
