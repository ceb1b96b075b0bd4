"""How fast Elasticsearch takes documents sent by themselves: the measure of the store and of a whole run."""

import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import orjson

from sentinel.core.errors import SentinelError
from sentinel.core.event import Entry, Event
from sentinel.store.es_bulk import Former, Line, requests
from sentinel.testing.bench import BATCH, NO_PROXY, PREFIX, Figure, Node, Progress, entries, ingest, served_each

REQUEST_BYTES = 1 << 20
SENDERS = 2
"""So many requests are under way at once, as many as the store has."""
_RAW = f"{PREFIX}-raw"


def sent(urls: Sequence[str], lines: Iterable[Line]) -> None:
    """Send lines in requests of one size, to one node after the other; of an answer only the status is read."""
    nodes = cycle(urls)

    def post(data: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310  the node given
            f"{next(nodes)}/_bulk?filter_path=errors", data, {"Content-Type": "application/x-ndjson"}
        )
        with NO_PROXY.open(request, timeout=60) as answer:
            answer.read()

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(post, [b"".join(line.data for line in batch) for batch in requests(lines, REQUEST_BYTES)]))


def number(url: str, prefix: str) -> int:
    """Return how many documents the event indices of `prefix` have."""
    with NO_PROXY.open(f"{url}/{prefix}-events-*/_refresh", b"", timeout=60) as answer:
        answer.read()
    with NO_PROXY.open(f"{url}/{prefix}-events-*/_count", timeout=60) as answer:
        return int(orjson.loads(answer.read())["count"])


class Bulk:
    """The documents that lines become, to be sent to `node` by themselves."""

    def __init__(self, lines: Sequence[bytes], node: Node, read: Callable[[Entry], list[Event]]) -> None:
        self._node = node
        former = Former(_RAW)
        events = [event for entry in entries(lines) for event in read(entry)]
        self._lines = [line for at in range(0, len(events), BATCH) for line in former(events[at : at + BATCH]).lines]

    def measured(self) -> Figure:
        """Send all of them to indices of their own; raises SentinelError if they are not all there afterwards."""
        with self._node.emptied(_RAW) as store:
            assert store is not None  # noqa: S101  it is Elasticsearch
            store.setup()
            served, used, begin = self._node.server_seconds(), time.process_time(), time.perf_counter()
            sent(self._node.urls, self._lines)
            seconds, used = time.perf_counter() - begin, time.process_time() - used
            served = self._node.server_seconds() - served
            there = number(self._node.urls[0], _RAW)
        if there != len(self._lines):
            raise SentinelError(f"raw bulk: {there:,} of {len(self._lines):,} documents are there")
        notes = {"server": served_each(served, there)}
        return Figure("raw bulk of the same documents", there, seconds, cpu_seconds=used, notes=notes)


def beside(
    lines: Sequence[bytes], node: Node, progress: Progress, read: Callable[[Entry], list[Event]]
) -> tuple[Figure, Figure]:
    """Measure a whole `sentinel run` into Elasticsearch, and the same documents sent by themselves before and after.

    The faster of the two is the reference. A server has to have been at work for a while before it is as fast as it is.
    """
    bulk = Bulk(lines, node, read)
    before = bulk.measured()
    whole = ingest(lines, node, progress)
    return whole, max(before, bulk.measured(), key=lambda one: one.rate)
