"""What the tests of the embedded store share: events as the pipeline makes them, and a writer of its own process."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from os import environ
from pathlib import Path

import pytest

from sentinel.core.clock import iso
from sentinel.core.event import Event, Value

START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)

_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[5])
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from sentinel.core.event import Event
from sentinel.store.embedded import EmbeddedStore

folder, first, last, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
start = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
store = EmbeddedStore(folder, segment_events=100)

def event(number):
    moment = start + timedelta(seconds=number)
    ident = blake2b(b"%d" % number, digest_size=16).hexdigest()
    return Event(ident, number, moment, moment, {"message": f"line {number} of J\\u00fcrgen", "user.name": "anna"})

for at in range(first, last, batch):
    store.append([event(number) for number in range(at, min(at + batch, last))])
    print(min(at + batch, last) - 1, flush=True)
store.seal()
store.close()
print("done", flush=True)
"""


@pytest.fixture
def make() -> Callable[..., Event]:
    """Return what makes an event: `make(number, {field: value}, …)`."""

    def maker(
        number: int,
        fields: Mapping[str, Value] | None = None,
        *,
        timestamp: datetime | None = None,
        ingested: datetime | None = None,
    ) -> Event:
        moment = START + timedelta(seconds=number)
        ident = blake2b(b"%d" % number, digest_size=16).hexdigest()
        whole: dict[str, Value] = {"@timestamp": iso(timestamp or moment), "event.id": ident, **(fields or {})}
        return Event(ident, number, timestamp or moment, ingested or moment, whole)

    return maker


@pytest.fixture
def writer() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts a process that appends events `first` to `last - 1` and prints what was acknowledged."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, first: int, last: int, *, batch: int = 10, kill_at: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _WRITER, str(folder), str(first), str(last), str(batch)]
        process = subprocess.Popen(
            [*command, str(Path(__file__).parents[2])],
            stdout=subprocess.PIPE,
            text=True,
            env={**environ, "SENTINEL_KILL_AT": kill_at},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
