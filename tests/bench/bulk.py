"""How many documents a second the store brings into Elasticsearch, and how many the same bytes make by themselves.

    python tests/bench/bulk.py --url http://127.0.0.1:9200 -n 100000

Both send what is already formed, in batches of 2,000 documents as the pipeline does, to new indices with the same
template on the same node, turn and turn about. `raw` is urllib with as many requests under way as the store has, and
reads nothing of the answer but its status. One JSON line: documents a second of each
(median), their ratio, and processor seconds of this process a million documents; of the server nothing is known here.
"""

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from statistics import median
from uuid import uuid4

from sentinel.core.clock import iso
from sentinel.core.event import Event, Fields
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import REQUEST_BYTES_MAX, Former, Lines, requests

BATCH = 2_000
SENDERS = 2
CHECKED_MAX = 100_000
"""So many are counted one by one; of more only the last is looked for."""
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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


def raw(url: str, formed: Sequence[Lines]) -> None:
    """Send the requests that the store would send."""

    def post(data: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310  the node given
            f"{url}/_bulk?filter_path=errors", data, {"Content-Type": "application/x-ndjson"}
        )
        with _NO_PROXY.open(request, timeout=60) as answer:
            answer.read()

    with ThreadPoolExecutor(SENDERS) as pool:
        for one in formed:
            under_way = requests(one.lines, REQUEST_BYTES_MAX)
            list(pool.map(post, [b"".join(line.data for line in batch) for batch in under_way]))


def measured(work: Callable[[], None], number: int) -> tuple[float, float]:
    """Return documents a second and processor seconds a million documents."""
    wall, used = time.perf_counter(), time.process_time()
    work()
    return number / (time.perf_counter() - wall), (time.process_time() - used) / number * 1_000_000


def once(url: str, number: int, kind: str) -> tuple[float, float]:
    """Measure one way into indices of its own; ends the program if not all of it is there afterwards."""
    prefix = f"bench-{uuid4().hex[:8]}"
    store = ElasticStore(url, prefix=prefix)
    store.setup()
    formed = batches(prefix, number)

    def keep() -> None:
        for one in formed:
            store.keep(one)

    told = measured(keep if kind == "store" else lambda: raw(url, formed), number)
    stored = len(store.since(0, number, number)) if number <= CHECKED_MAX else store.newest()
    store.forget()
    store.close()
    if stored != number:
        sys.exit(f"{kind}: {stored} of {number} are there")
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--url", required=True)
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"raw": [], "store": []}
    for _ in range(given.rounds):
        for kind, rows in found.items():
            rows.append(once(given.url, given.n, kind))
    speeds = {kind: median(speed for speed, _ in rows) for kind, rows in found.items()}
    used = {f"{kind}_cpu_seconds": round(median(cpu for _, cpu in rows), 1) for kind, rows in found.items()}
    told = {f"{kind}_per_second": round(speed) for kind, speed in speeds.items()}
    sys.stdout.write(json.dumps({**told, "ratio": round(speeds["store"] / speeds["raw"], 2), **used}) + "\n")


if __name__ == "__main__":
    main()
