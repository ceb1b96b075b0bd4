"""How many documents a second the store brings into Elasticsearch, and how many the same bytes make by themselves.

    python tests/bench/bulk.py --url http://127.0.0.1:9200 -n 100000 --pid PROCESS_OF_THE_NODE

Both send what is already formed to new indices with the same template on the same node, turn and turn about. The store
is given four stretches of 1,000 documents at once, as the pipeline does when it has much to do; `raw` is urllib with
requests of 1 MiB, as many under way as the store has, and reads nothing of the answer but its status. One JSON line:
documents a second of each (median), their ratio, and processor seconds a million documents, of this process and, with
its number, of the node's. Of a cluster name each node with a --url.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from os import getpid
from statistics import median
from uuid import uuid4

from sentinel.core.clock import iso
from sentinel.core.event import Event, Fields
from sentinel.parse.pipeline import TOGETHER_MAX
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Former, Lines
from sentinel.testing import bench_bulk
from sentinel.testing.bench import cpu_seconds
from sentinel.testing.bench_bulk import sent

BATCH = 1_000
START = datetime(2026, 11, 23, 8, tzinfo=UTC)


def events(number: int) -> Iterator[Event]:
    """Yield events of the shape and size of a login."""
    for at in range(1, number + 1):
        moment, address = START + timedelta(milliseconds=at), f"203.0.113.{at % 250}"
        line = (
            f"<86>Nov 23 08:00:00 srv-{at % 40} sshd[{at}]: Failed password for user{at % 900} from {address} port {at}"
        )
        name = blake2b(b"%d" % at, digest_size=16).hexdigest()
        fields: Fields = {
            "@timestamp": iso(moment), "event.id": name, "event.sequence": at, "event.ingested": iso(moment),
            "event.original": line, "message": line, "event.dataset": "sshd.log", "event.action": "ssh_login",
            "event.outcome": "failure", "user.name": f"user{at % 900}", "source.ip": address,
            "host.name": f"srv-{at % 40}",
        }  # fmt: skip
        yield Event(name, at, moment, moment, fields)


def batches(prefix: str, number: int) -> list[Lines]:
    """Return the events formed for the indices of `prefix`."""
    former, there = Former(prefix), list(events(number))
    return [former(there[begin : begin + BATCH]) for begin in range(0, number, BATCH)]


def measured(work: Callable[[], None], number: int, pid: int) -> tuple[float, float, float]:
    """Return documents a second, and processor seconds a million documents here and of the node."""
    wall, used, served = time.perf_counter(), time.process_time(), cpu_seconds(pid or getpid())
    work()
    spent = time.process_time() - used, cpu_seconds(pid or getpid()) - served
    return number / (time.perf_counter() - wall), *(one / number * 1_000_000 for one in spent)  # type: ignore[return-value]  # mypy loses the length


def once(urls: Sequence[str], number: int, kind: str, pid: int) -> tuple[float, float, float]:
    """Measure one way into indices of its own; ends the program if not all of it is there afterwards."""
    prefix = f"bench-{uuid4().hex[:8]}"
    store = ElasticStore(urls[0], other_urls=urls[1:], prefix=prefix)
    store.setup()
    formed = batches(prefix, number)

    def keep() -> None:
        for at in range(0, len(formed), TOGETHER_MAX):
            store.keep(*formed[at : at + TOGETHER_MAX])

    def raw() -> None:
        sent(urls, (line for one in formed for line in one.lines))

    told = measured(keep if kind == "store" else raw, number, pid)
    stored = bench_bulk.number(urls[0], prefix)
    store.forget()
    store.close()
    if stored != number:
        sys.exit(f"{kind}: {stored} of {number} are there")
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--url", required=True, action="append")
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pid", type=int, default=0, help="the node's process")
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {"raw": [], "store": []}
    for _ in range(given.rounds):
        for kind, rows in found.items():
            rows.append(once(given.url, given.n, kind, given.pid))
    speeds = {kind: median(row[0] for row in rows) for kind, rows in found.items()}
    used = {f"{kind}_cpu_seconds": round(median(row[1] for row in rows), 1) for kind, rows in found.items()}
    if given.pid:
        used |= {f"{kind}_node_cpu_seconds": round(median(row[2] for row in rows), 1) for kind, rows in found.items()}
    told = {f"{kind}_per_second": round(speed) for kind, speed in speeds.items()}
    sys.stdout.write(json.dumps({**told, "ratio": round(speeds["store"] / speeds["raw"], 2), **used}) + "\n")


if __name__ == "__main__":
    main()
