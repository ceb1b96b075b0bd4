"""What a cluster of three Elasticsearch nodes does to Sentinel when it breaks, fault by fault, and how fast it is fed.

    python -m tests.bench.cluster                            # every fault, then the speed
    python -m tests.bench.cluster "master killed" speed      # some of it

Every fault happens to real nodes while a real `sentinel run` with all its entrances is under load. One line each: ids
sent, acknowledged, found in the store afterwards, found twice; events that a rule asks for and how many of them its
alerts count; seconds from the fault, or from its end where nothing heals it but its end, until what arrives is stored
and judged within ten seconds again (0: always); and what `sentinel health` said meanwhile. A disk that fills up
wants root (a small tmpfs). `speed`: documents a second into one node and into three, each as a share of raw bulk of the
same bytes to the same nodes in the same run: of the store (see `bulk.py`), and of a whole Sentinel, from its socket on.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from uuid import uuid4

from sentinel import health, status
from sentinel.app import App
from sentinel.beat import last_beat
from sentinel.config import load
from sentinel.core.errors import SentinelError
from sentinel.core.ports import Span
from sentinel.respond.language import EARLIEST
from tests import shared
from tests.bench import bulk
from tests.elastic.cluster import Cluster, Node, one_node, three_nodes
from tests.faults.judge import Verdict
from tests.faults.oracle import Oracle
from tests.faults.trial import SPOOL, Trial

RULE = """\
title: A line of the load that comes up often
id: 3b0a3a0e-58a4-4b5f-9a53-6a4f2f5f0c11
status: stable
logsource: {product: linux}
detection: {load: {process.name: load, message|contains: 'Grüße'}, condition: load}
level: low
sentinel: {fold_by: [host.name]}
"""
RULE_ID = "3b0a3a0e-58a4-4b5f-9a53-6a4f2f5f0c11"
BATCH, PAUSE_SECONDS = 10, 0.5
LOAD_SECONDS = 8.0
LASTING_SECONDS = 45.0
"""So long a fault lasts that does not heal by itself."""
NORMAL = timedelta(seconds=10)
NORMAL_SECONDS_MAX = 300.0
CALM_SECONDS = 15.0
"""So long it has to stay normal."""
SPEED_DOCUMENTS = 60_000
SPEED_ROUNDS = 3


@dataclass
class Case:
    """A Sentinel that stores into the cluster, and what it said while it was watched."""

    cluster: Cluster
    trial: Trial
    prefix: str
    said: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Look from outside, as an operator does."""
        self.app = App(load(self.trial.running.config))

    def watch(self, seconds: float) -> None:
        """Hear what `sentinel health` says for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(SentinelError):
                self.said.update(one.text for one in health.look(self.app).problems if one.what == "store")
            time.sleep(1)

    def normal(self) -> bool:
        """Say whether what arrives is stored and judged soon."""
        with suppress(SentinelError):
            found = status.look(self.app)
            return found.running and found.store_lag <= NORMAL and found.detect_lag <= NORMAL
        return False

    def seconds_until_normal(self, since: float) -> float:
        """Wait until it stays normal, and return when it began to, 0 if it always was; raises TimeoutError."""
        calm, found = time.monotonic(), 0.0
        while time.monotonic() - calm < CALM_SECONDS:
            if not self.normal():
                calm = time.monotonic()
                found = calm - since
            if found > NORMAL_SECONDS_MAX:
                raise TimeoutError(f"not normal after {NORMAL_SECONDS_MAX:g} s")
            self.watch(0.5)
        return found

    def index_node(self) -> Node:
        """Return the node with the first part of what arrives today."""
        rows = self.cluster.ask(f"_cat/shards/{self.prefix}-events-*?format=json&h=prirep,node")
        names = [row["node"] for row in rows if row["prirep"] == "p"]
        return next(node for node in self.cluster.nodes if node.name in names)

    def alerts(self) -> tuple[int, int]:
        """Return how many stored events the rule asks for, and how many of them its alerts count."""
        rule = next(one for one in self.app.rules.detections if one.id == RULE_ID)
        ever = Span(EARLIEST, self.app.clock.now() + timedelta(days=1), "ingested")
        with self.app.reading() as store, self.app.book() as book:
            asked = sum(number for _, number in store.tally(rule.where, ever, ["event.dataset"], 10))
            counted = sum(one.count for one in book.alerts(limit=10_000) if one.rule_id == RULE_ID)
        return asked, counted


Fault = Callable[[Case], float]
"""Makes trouble; returns since when it counts until all is normal again (monotonic)."""


def master_killed(case: Case) -> float:
    """Kill the elected master; nobody brings it back before all is normal."""
    begun = time.monotonic()
    case.cluster.kill(case.cluster.master())
    return begun


def node_lost(case: Case) -> float:
    """Kill the node with the first part of today's index, which is not the master; another takes over."""
    node = case.index_node()
    begun = time.monotonic()
    case.cluster.kill(node)
    return begun


def node_frozen(case: Case) -> float:
    """Stop the node with the first part of today's index where it is: its connections stay."""
    node = case.index_node()
    begun = time.monotonic()
    case.cluster.freeze(node)
    return begun


def two_lost(case: Case) -> float:
    """Kill two of three: those that are left have no master, until one is back."""
    first, second = case.cluster.nodes[:2]
    case.cluster.kill(first)
    case.cluster.kill(second)
    case.watch(LASTING_SECONDS)
    case.cluster.start([first])
    return time.monotonic()


def all_lost(case: Case) -> float:
    """Kill every node, and start them all again (F09)."""
    for node in case.cluster.nodes:
        case.cluster.kill(node)
    case.watch(LASTING_SECONDS)
    case.cluster.start(case.cluster.nodes)
    return time.monotonic()


def red_index(case: Case) -> float:
    """Kill the only node with a part of today's index, of which there is no copy; start it again."""
    node = case.index_node()
    case.cluster.kill(node)
    case.watch(LASTING_SECONDS)
    case.cluster.start([node])
    return time.monotonic()


def disk_full(case: Case) -> float:
    """Fill the disk of one node beyond the flood stage; make room again."""
    node = case.cluster.small_disk
    if node is None:
        raise SkippedError("only root may mount a small disk")
    filling = case.cluster.fill(node)
    case.watch(LASTING_SECONDS)
    filling.unlink()
    return time.monotonic()


def sentinel_killed(case: Case) -> float:
    """Kill the master, then Sentinel over what it cannot store, and start Sentinel again (F02, F12)."""
    case.cluster.kill(case.cluster.master())
    case.trial.kill()
    case.trial.start()
    return time.monotonic()


def judge_killed(case: Case) -> float:
    """Kill the process that judges, again and again, while the master is lost (F28)."""
    begun = time.monotonic()
    case.cluster.kill(case.cluster.master())
    for _ in range(3):
        beat = last_beat(case.app.config.beat_file)
        if beat is not None:
            os.kill(beat.pid, signal.SIGKILL)
        case.watch(3)
    return begun


def ended_in_order(case: Case) -> float:
    """End Sentinel in order while there is no master, and start it again before there is one (F30)."""
    first, second = case.cluster.nodes[:2]
    case.cluster.kill(first)
    case.cluster.kill(second)
    case.watch(5)
    if case.trial.running.stop():
        raise SystemExit("Sentinel did not end in order")
    case.trial.start()
    case.watch(5)
    case.cluster.start([first, second])
    return time.monotonic()


class SkippedError(Exception):
    """This cannot be done here."""


FAULTS: dict[str, tuple[Fault, int]] = {
    "master killed": (master_killed, 1),
    "node lost": (node_lost, 1),
    "node frozen": (node_frozen, 1),
    "no master": (two_lost, 2),
    "all nodes lost": (all_lost, 1),
    "red index": (red_index, 0),
    "disk full": (disk_full, 2),
    "Sentinel killed": (sentinel_killed, 1),
    "judge killed": (judge_killed, 1),
    "orderly end": (ended_in_order, 2),
}
"""Each with the number of copies of today's index."""


@dataclass(frozen=True)
class Row:
    """What became of one fault."""

    fault: str
    verdict: Verdict
    alerts: tuple[int, int]
    seconds: float
    said: tuple[str, ...]

    @property
    def wrong(self) -> list[str]:
        """What must not be."""
        asked, counted = self.alerts
        missed = [f"alerts count {counted:,} of {asked:,} events"] if asked != counted or not asked else []
        return [*self.verdict.complaints, *missed]


@contextmanager
def tried(cluster: Cluster, replicas: int) -> Iterator[Case]:
    """Have a Sentinel that stores into the cluster."""
    folder, prefix = Path(tempfile.mkdtemp(prefix="sentinel-case-")), f"bench-{uuid4().hex[:8]}"
    urls = [node.url for node in cluster.nodes]
    store = (
        f'[store]\nkind = "elasticsearch"\nurl = "{urls[0]}"\nother_urls = {urls[1:]}\nprefix = "{prefix}"\n'
        f"replicas = {replicas}\ntimeout_seconds = 10\n"
    )
    (folder / "rules").mkdir(mode=0o755)
    (folder / "rules/load.yml").write_text(RULE)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        trial = Trial(folder, stack.enter_context(Oracle(folder / "oracle.db")), SPOOL + store)
        stack.callback(trial.running.stop, signal.SIGKILL)
        yield Case(cluster, trial, prefix)


def suffered(cluster: Cluster, name: str) -> Row:
    """Have one fault happen under load; returns what became of it."""
    fault, replicas = FAULTS[name]
    with tried(cluster, replicas) as case:
        case.trial.start()
        with case.trial.producing(batch=BATCH, pause=PAUSE_SECONDS):
            case.watch(LOAD_SECONDS)
            case.seconds_until_normal(time.monotonic())
            since = fault(case)
            case.trial.faults[name] += 1
            seconds = case.seconds_until_normal(since)
        cluster.heal()
        verdict = case.trial.judged()
        return Row(name, verdict, case.alerts(), seconds, tuple(case.said))


def speeds(urls: Sequence[str]) -> dict[str, float]:
    """Return documents a second of raw bulk and of the store into these nodes, turn and turn about."""
    found: dict[str, list[float]] = {"raw": [], "store": []}
    for _ in range(SPEED_ROUNDS):
        for kind, rows in found.items():
            rows.append(bulk.once(urls, SPEED_DOCUMENTS, kind, 0)[0])
    return {kind: median(rows) for kind, rows in found.items()}


def end_to_end(urls: Sequence[str]) -> str:
    """Return what `sentinel bench ingest` says of a whole Sentinel into these nodes, without rules."""
    words = [sys.executable, "-m", "sentinel", "bench", "ingest", "-n", str(SPEED_DOCUMENTS), "--no-rules", "--json"]
    for url in urls:
        words += ["--elasticsearch", url]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    whole, raw = map(json.loads, done.stdout.splitlines())
    spent = ", ".join(f"{one['cpu_us_each']:.0f} µs here and {one['notes']['server']}" for one in (whole, raw))
    return f"{whole['per_second']:,.0f} events/s, raw {raw['per_second']:,.0f}: {whole['ratio_to_reference']}; {spent}"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def told(row: Row) -> str:
    """Return a row of the table, and below it what was said and what is wrong."""
    verdict, (asked, counted) = row.verdict, row.alerts
    figures = (verdict.issued, verdict.acked, verdict.stored, len(verdict.lost), len(verdict.doubled), asked, counted)
    head = f"{row.fault:<16}" + "".join(f"{one:>9,}" for one in figures) + f"{row.seconds:>9.1f}"
    said = [f"    said: {text}" for text in row.said]
    return "\n".join([head, *said, *(f"    WRONG: {text}" for text in row.wrong)])


def main(wanted: Sequence[str]) -> int:
    """Measure and print; returns 1 if anything was lost, doubled, missed, or never normal again."""
    names = [name for name in FAULTS if name in wanted or not wanted]
    failed, speed = 0, not wanted or "speed" in wanted
    if speed:  # nodes as they are in earnest, not as small and as quick to begin as can be
        os.environ |= {"SENTINEL_ELASTICSEARCH_HEAP": "2g", "SENTINEL_ELASTICSEARCH_STEADY": "1"} | os.environ
    with ExitStack() as stack:
        cluster = stack.enter_context(three_nodes(small_disk="disk full" in names))
        cluster.watch_disks()
        os.environ["SENTINEL_TEST_ELASTIC_URL"] = cluster.nodes[0].url
        shared.begin()
        stack.callback(shared.end)
        heads = ("sent", "acked", "found", "lost", "doubled", "asked", "alerted", "seconds")
        say(f"{'fault':<16}" + "".join(f"{one:>9}" for one in heads))
        for name in names:
            try:
                row = suffered(cluster, name)
            except SkippedError as error:
                say(f"{name:<16} left out: {error}")
            except (AssertionError, TimeoutError) as error:
                failed = 1
                say(f"{name:<16} WRONG: {error}")
                cluster.heal()
            else:
                failed |= bool(row.wrong)
                say(told(row))
        if speed:
            urls = [node.url for node in cluster.nodes]
            for nodes in (3, 1):
                into = urls if nodes == 3 else [stack.enter_context(one_node())]
                found = speeds(into)
                ratio = found["store"] / found["raw"]
                say(f"nodes: {nodes}; the store {found['store']:,.0f} a second, raw {found['raw']:,.0f}: {ratio:.2f}")
                say(f"nodes: {nodes}; from the socket on {end_to_end(into)}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
