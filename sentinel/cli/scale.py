"""What `sentinel bench scale` wires and shows: stages over a store of its own, and a node where it is Elasticsearch."""

import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

import sentinel
from sentinel.app import App
from sentinel.cli.common import SCHEMA, emit, show, talk
from sentinel.config import load
from sentinel.core.content import content
from sentinel.core.errors import SentinelError, UsageError
from sentinel.processes import settled
from sentinel.testing import sizing
from sentinel.testing.bench import NO_PROXY, PREFIX, Node
from sentinel.testing.bench_detect import own_peak_rss
from sentinel.testing.bench_scale import GROWING, NODE, Cost, Scale, Stages, exponent
from sentinel.ui import tables

RATES = (2_000, 20_000, 200_000)
_HEAP = "4g"


@dataclass(frozen=True, slots=True)
class Beside:
    """The embedded store lives in this process: it has a folder, and no processor seconds of its own."""

    folder: Path

    def cpu_seconds(self) -> float:
        """Return 0: what it takes is this process's."""
        return 0.0

    def settle(self) -> None:
        """Do nothing: it has no log beside its files."""

    def disk_bytes(self) -> int:
        """Return the sizes of its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def heap_bytes(self) -> int:
        """Return the largest resident set of this process so far."""
        return own_peak_rss()


@dataclass(frozen=True, slots=True)
class Served:
    """An Elasticsearch node, which tells of itself."""

    url: str

    def _asked(self, path: str, method: str = "GET") -> Any:  # noqa: ANN401  what JSON gives
        request = urllib.request.Request(f"{self.url}/{path}", method=method)  # noqa: S310  the node given
        with NO_PROXY.open(request, timeout=600) as answer:
            return orjson.loads(answer.read())

    def cpu_seconds(self) -> float:
        """Return the processor seconds of all nodes."""
        return Node((self.url,)).server_seconds()

    def settle(self) -> None:
        """Flush the indices."""
        self._asked(f"{PREFIX}-events-*/_flush", "POST")

    def disk_bytes(self) -> int:
        """Return what the indices have on disk."""
        self.settle()
        told = self._asked(f"{PREFIX}-events-*/_stats/store")
        return int(told["_all"]["total"]["store"]["size_in_bytes"])

    def heap_bytes(self) -> int:
        """Return the heap in use, what could be collected included."""
        nodes = self._asked("_nodes/stats/jvm")["nodes"].values()
        return sum(int(node["jvm"]["mem"]["heap_used_in_bytes"]) for node in nodes)


@contextmanager
def node(url: str) -> Iterator[str]:
    """Give the address of a node: `url`, or one that is started for this from a checkout; raises UsageError."""
    if url:
        yield url.rstrip("/")
        return
    scripts = Path(sentinel.__file__).parents[1] / "deploy" / "elasticsearch"
    if not (scripts / "start").exists():
        raise UsageError("only a checkout can start a node: give one with --elasticsearch URL, or --store embedded")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with TemporaryDirectory(prefix="sentinel-scale-") as name:
        Path(name).chmod(0o755)  # the node is nobody
        heap = os.environ.get("SENTINEL_ELASTICSEARCH_HEAP", _HEAP)
        ways = {**os.environ, "SENTINEL_ELASTICSEARCH_HEAP": heap, "SENTINEL_ELASTICSEARCH_STEADY": "1"}
        begin = [str(scripts / "start"), str(port), f"{name}/node"]
        done = subprocess.run(begin, capture_output=True, text=True, check=False, env=ways)  # noqa: S603  our own script
        if done.returncode:
            raise SentinelError(f"no Elasticsearch could be started:\n{done.stderr}")
        try:
            yield done.stdout.split()[1]
        finally:
            subprocess.run([str(scripts / "stop"), f"{name}/node"], check=False)  # noqa: S603  our own script


def measured(
    sizes: Sequence[int], where: Node, rules: Sequence[Path], more: int, seed: int, query_seconds: float
) -> Iterator[Cost]:
    """Yield what an event costs at each of `sizes`, the smallest first."""
    with TemporaryDirectory(prefix="sentinel-scale-") as name, where.emptied(), ExitStack() as stack:
        config = Path(name) / "sentinel.toml"
        config.write_text(f'data = "{name}/data"\nnode = {NODE}\n[spool]\nballast_bytes = 0\n{where.table()}', "utf-8")
        app = App(load(config))
        store = stack.enter_context(app.writing())
        stages = Stages(
            reader=app.reader,
            form=app.form,
            spool=stack.enter_context(app.spool()),
            store=store,
            books=stack.enter_context(app.books(writer=True)),
            book=stack.enter_context(app.book()),
            past=stack.enter_context(app.past(store)),
            detections=app.rules_in(rules or [content("rules")]).detections,
            meter=Served(where.urls[0]) if where.urls else Beside(app.config.store_dir),
        )
        settled()  # as the processes of `sentinel run`
        scale = Scale(stages, more, seed, query_seconds)
        for size in sorted(sizes):
            yield (cost := scale.measured(size))
            talk(f"{size:,} events: filled in {cost.fill_seconds:,.0f} s, {cost.cycle_seconds:,.1f} s to judge "
                 f"{cost.judged:,} by {len(stages.detections):,} rules; µs an event: parse {cost.parse_us:.0f}, "
                 f"store {cost.store_us:.0f} and {cost.server_store_us:.0f} on the server, "
                 f"judge {cost.judge_us:.0f} and {cost.server_judge_us:.0f}; {cost.bytes_each:.0f} bytes")  # fmt: skip


def told(coming: Iterator[Cost], *, json: bool) -> None:
    """Show what is measured, how it grows, and what rates need if an event costs what it did at the largest size."""
    costs = []
    for one in coming:
        costs.append(one)
        if json:
            emit({"schema": SCHEMA, **asdict(one), **_more(one)})
    grows = {name: exponent([(one.stored, take(one)) for one in costs]) for name, take in GROWING.items()}
    needs = [sizing.need(rate, costs[-1]) for rate in RATES if costs[-1].server_store_us]
    if json:
        emit({"schema": SCHEMA, "exponents": grows})
        emit(*({"schema": SCHEMA, **asdict(one), "detectors": one.detectors} for one in needs))
        return
    rows = [
        (name, *(f"{take(one):,.1f}" for one in costs), "-" if grows[name] is None else f"{grows[name]:.2f}")
        for name, take in GROWING.items()
    ]
    rows += [
        ("bytes an event", *(f"{one.bytes_each:,.0f}" for one in costs), ""),
        ("1,000 rules more, µs", *(f"{one.match_us_1000:,.2f}" for one in costs), ""),
        *((f"cycle: {part}, s", *(f"{one.cycle.get(part, 0):,.2f}" for one in costs), "")
          for part in ("read", "match", "correlate", "write", "other")),
        ("queries made of", *(f"{one.queried:,}" for one in costs), ""),
    ]  # fmt: skip
    show(tables.plain_table(("at so many events", *(f"{one.stored:,}" for one in costs), "grows by the power"), rows))
    if not needs:  # the embedded store is for one machine
        return
    columns = ("events a second", "cores to collect", "detectors", "cores of Elasticsearch", "nodes",
               "shards a day", f"TB for {sizing.DAYS} days")  # fmt: skip
    show(tables.plain_table(columns, [_row(one) for one in needs]))
    talk(
        f"with one copy of each shard, cores half used, nodes of {sizing.CORES} cores and "
        f"{sizing.DISK_BYTES / 1e12:.0f} TB, shards of {sizing.SHARD_BYTES / 1e9:.0f} GB; one detector works at a "
        "time: where more are needed, give each a Sentinel and a part of the senders"
    )


def _more(cost: Cost) -> dict[str, float]:
    return {"cycle_seconds": cost.cycle_seconds, "hunts_p50_ms": cost.hunt_ms(50), "hunts_p95_ms": cost.hunt_ms(95)}


def _row(one: sizing.Need) -> tuple[object, ...]:
    collect, serve = (f"{cores:,.1f}" for cores in (one.collector_cores, one.server_cores))
    return f"{one.rate:,}", collect, one.detectors, serve, one.nodes, one.shards, f"{one.terabytes:,.1f}"
