"""Measures Sentinel on this machine: each figure beside a named reference taken in the same run.

Nothing here asserts a speed: figures depend on the machine, ratios carry over.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

import orjson

from sentinel.core.clock import SystemClock
from sentinel.core.errors import SentinelError
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.testing.city import RATE, City

if TYPE_CHECKING:
    from sentinel.store.elastic import ElasticStore

BATCH = 1000
PREFIX = "sentinel-bench"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Look = Callable[[bool], tuple[int, int]]
Progress = Callable[[Path], contextlib.AbstractContextManager[Look]]
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
SCALE = 0.2
"""How much of the model city is seen."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: `count` things in `seconds`; `laps` are what single steps took, in seconds."""

    name: str
    count: int
    seconds: float
    laps: tuple[float, ...] = ()
    cpu_seconds: float | None = None
    rss_bytes: int | None = None
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds if self.seconds else 0.0

    def percentile(self, percent: int) -> float | None:
        """Return the lap that `percent` of all laps do not exceed, None without laps."""
        if len(self.laps) < 2:
            return None
        return quantiles(self.laps, n=100, method="inclusive")[percent - 1]


def city_lines(count: int, seed: int) -> list[bytes]:
    """Return `count` lines of the model city."""
    return [line.body for line in islice(City(seed, SCALE, busy=True).lines(START), count)]


def city_entries(count: int, seed: int) -> list[Entry]:
    """Return `count` lines of the model city as spool entries."""
    return entries(city_lines(count, seed))


def entries(lines: Sequence[bytes]) -> list[Entry]:
    """Return lines as the spool's entries."""
    return [
        Entry(seq, START, Raw(line, "bench", START, Origin("syslog-tcp", "192.0.2.1:514")))
        for seq, line in enumerate(lines, start=1)
    ]


def timed(name: str, batches: Sequence[Sequence[object]], work: Callable[[Sequence[object]], object]) -> Figure:
    """Run `work` over every batch; a lap is one batch."""
    laps = []
    cpu = time.process_time()
    for batch in batches:
        begin = time.perf_counter()
        work(batch)
        laps.append(time.perf_counter() - begin)
    used = time.process_time() - cpu
    return Figure(name, sum(map(len, batches)), sum(laps), tuple(laps), used, peak_rss())


def batched(things: Sequence[object], size: int = BATCH) -> list[Sequence[object]]:
    """Return `things` in runs of `size`."""
    return [things[at : at + size] for at in range(0, len(things), size)]


def peak_rss() -> int:
    """Return this process's largest resident set so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def parse(count: int, seed: int, read: Callable[[Entry], list[Event]]) -> tuple[Figure, Figure]:
    """Measure raw line to event, beside decoding the same events from JSON with orjson."""
    entries = city_entries(count, seed)
    documents = [orjson.dumps(dict(event.fields)) for entry in entries[: count // 10] for event in read(entry)]

    def work(batch: Sequence[object]) -> None:
        for entry in batch:
            read(entry)  # type: ignore[arg-type]

    def reference(batch: Sequence[object]) -> None:
        for document in batch:
            orjson.loads(document)  # type: ignore[arg-type]

    return timed("parse", batched(entries), work), timed("orjson.loads of the events", batched(documents), reference)


@dataclass(frozen=True, slots=True)
class Node:
    """Where a benched Sentinel keeps its events: the embedded store, or the Elasticsearch nodes at `urls`.

    Without `rules` nothing judges what has been stored while it is measured.
    """

    urls: tuple[str, ...] = ()
    rules: bool = True

    def table(self) -> str:
        """Return the part of the configuration that is about the store and the rules."""
        judging = "" if self.rules else "[detect]\nevery_seconds = 3600\n"
        if not self.urls:
            return '[store]\nkind = "embedded"\n' + judging
        first, *others = self.urls
        where = f'url = "{first}"\nother_urls = {others}\nprefix = "{PREFIX}"\n'
        return f'[store]\nkind = "elasticsearch"\n{where}' + judging

    @contextlib.contextmanager
    def emptied(self, prefix: str = PREFIX) -> Iterator["ElasticStore | None"]:
        """Give the store under `prefix`, empty, and leave nothing of it; the embedded one (None) is always new."""
        if not self.urls:
            yield None
            return
        from sentinel.store.elastic import ElasticStore  # noqa: PLC0415  seconds, and only for this

        store = ElasticStore(self.urls[0], other_urls=self.urls[1:], prefix=prefix)
        try:
            store.forget()
            yield store
            store.forget()
        finally:
            store.close()

    def server_seconds(self) -> float:
        """Return the processor seconds that all Elasticsearch nodes have used; 0 for the embedded store."""
        if not self.urls:
            return 0.0
        with NO_PROXY.open(f"{self.urls[0]}/_nodes/stats/process", timeout=60) as answer:
            nodes = orjson.loads(answer.read())["nodes"].values()
        return sum(int(node["process"]["cpu"]["total_in_millis"]) for node in nodes) / 1000


def served_each(seconds: float, number: int) -> str:
    """Return in words what each of `number` documents took of the server."""
    return f"{seconds / number * 1e6:.0f} µs of processor a document"


def ingest(lines: Sequence[bytes], node: Node, progress: Progress) -> Figure:
    """Measure a whole `sentinel run` in a process of its own: TCP socket to stored event.

    `progress(configuration)` opens a view that says (records spooled, records stored) so far; only if asked to be exact
    does it ask the store, which costs what is being measured (Elasticsearch refreshes).
    """
    count = len(lines)
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        path = _written(lines, Path(folder))
        with node.emptied(), _running(Path(folder), node) as (process, port):
            sender = multiprocessing.get_context("spawn").Process(target=_send, args=(str(path), port))
            with progress(Path(folder) / "sentinel.toml") as look:
                served, begin = node.server_seconds(), time.perf_counter()
                sender.start()
                seen = _watched(look, count, process)
            seconds = seen[-1][0] - begin
            sender.join()
            cpu, each = _usage(process.pid)
            served = node.server_seconds() - served
        laps = tuple(_lags(seen))
        notes = {
            "a lap": "spooled until stored",
            "rss_mb": f"the largest process; all: {' + '.join(f'{rss / 1e6:.0f}' for rss in each)}",
        }
        if node.urls:
            notes["server"] = served_each(served, count)
        return Figure("ingest", count, seconds, laps, cpu, max(each), notes)


def _written(lines: Sequence[bytes], folder: Path) -> Path:
    path = folder / "lines"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@contextlib.contextmanager
def _running(folder: Path, node: Node) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    config = folder / "sentinel.toml"
    entrance = '[[syslog]]\nport = 0\ntransports = ["tcp"]\n[spool]\nballast_bytes = 0\n'
    config.write_text(f'data = "{folder}/data"\n{entrance}{node.table()}', "utf-8")
    sentinel, only = [sys.executable, "-m", "sentinel"], ["--role", "collect"] if node.urls and not node.rules else []
    if not only:  # one that has been at work for a day has its rules proven
        subprocess.run([*sentinel, "rules", "prove", "--config", config], capture_output=True, check=False)  # noqa: S603  our own command
    command = [*sentinel, "run", *only, "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  as above
    try:
        yield process, _port(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        if process.stderr is not None:
            process.stderr.close()


def _port(process: "subprocess.Popen[str]") -> int:
    # the line is part of `sentinel run`'s talk: "listening: syslog tcp 127.0.0.1:40123"
    heard = []
    for line in process.stderr or ():
        heard.append(line)
        if line.startswith("listening: ") and " tcp " in line:
            drain = threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True)
            drain.start()
            return int(line.rsplit(":", 1)[1])
    raise SentinelError("sentinel run ended before it listened:\n" + "".join(heard))


def _send(path: str, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sender, Path(path).open("rb") as lines:
        sender.sendfile(lines)


def _watched(look: Look, count: int, process: "subprocess.Popen[str]") -> list[tuple[float, int, int]]:
    seen: list[tuple[float, int, int]] = []
    quiet = time.monotonic()
    while not seen or seen[-1][2] < count:
        # what costs nothing may be a second old, so the last part of the way is looked at exactly
        near = bool(seen) and seen[-1][2] >= 0.7 * count
        time.sleep(0.25 if near else 0.1)
        spooled, stored = look(near)
        if not seen or (spooled, stored) != seen[-1][1:]:
            quiet = time.monotonic()
        seen.append((time.perf_counter(), spooled, stored))
        if process.poll() is not None or time.monotonic() - quiet > 60:
            raise SentinelError(f"sentinel run stopped at {stored:,} of {count:,} records")
    return seen


def _lags(seen: Sequence[tuple[float, int, int]]) -> Iterator[float]:
    later = iter(seen)
    current = next(later)
    for moment, spooled, _ in seen:
        while current[2] < spooled:
            following = next(later, None)
            if following is None:
                return
            current = following
        yield max(current[0] - moment, 0.0)


def _usage(pid: int) -> tuple[float, list[int]]:
    # CPU seconds of the process and of all that came from it, added up; the largest resident set of each
    each = [_own_usage(one) for one in _family(pid)]
    return sum(cpu for cpu, _ in each), [rss for _, rss in each]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _own_usage(pid: int) -> tuple[float, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return cpu_seconds(pid), peak * 1024


def received(lines: Sequence[bytes]) -> Figure:
    """Measure the reference of `ingest`: lines from a socket into a file, with an fdatasync for every 1000."""
    with (
        tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        port = server.getsockname()[1]
        sender = threading.Thread(target=_send, args=(str(_written(lines, Path(folder))), port))
        begin = time.perf_counter()
        sender.start()
        connection, _ = server.accept()
        pending: list[bytes] = []
        with connection, connection.makefile("rb") as coming, (Path(folder) / "copy").open("wb", buffering=0) as out:
            for line in coming:
                pending.append(line)
                if len(pending) >= BATCH:
                    out.write(b"".join(pending))
                    os.fdatasync(out.fileno())
                    pending.clear()
            out.write(b"".join(pending))
            os.fdatasync(out.fileno())
        sender.join()
    return Figure("socket to file, fdatasync every 1000", len(lines), time.perf_counter() - begin)


def events(count: int, seed: int, read: Callable[[Entry], list[Event]]) -> list[Event]:
    """Return the model city's events, arriving now, spread over the last hour of event time."""
    now = SystemClock().now()
    start = now - timedelta(hours=1)
    city = City(seed, count / 3600 / RATE, busy=True)
    found: list[Event] = []
    for seq, line in enumerate(islice(city.lines(start), count), start=1):
        found.extend(read(Entry(seq, now, Raw(line.body, "bench", now, Origin("syslog-tcp", "192.0.2.1:514")))))
    return found
