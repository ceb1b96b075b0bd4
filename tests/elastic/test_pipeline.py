"""From the spool into a real Elasticsearch that fails in between: each event once, and booked as what it is."""

import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreError
from sentinel.core.event import Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.pipeline import Pipeline
from sentinel.parse.prepare import Preparer
from sentinel.parse.record import Reader
from sentinel.parse.route import Router
from sentinel.sources.book import SourceBook
from sentinel.spool.disk import DiskSpool
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Former, Patience
from sentinel.testing.preparing import Here
from tests.elastic.gate import Gate, Passage

pytestmark = pytest.mark.elastic
EVENING = datetime(2026, 11, 23, 23, 59, 59, 900_000, tzinfo=UTC)
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Town:
    """A spool, books and a clock; pipelines into a store are begun as a process begins them."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.clock = ManualClock(EVENING)
        self.spool = DiskSpool(folder / "spool", self.clock, ballast_bytes=0)
        self.books = SourceBook(folder / "sources.db", self.clock, writer=True)
        packs = folder / "packs"
        packs.mkdir()
        self._reader = Reader(Router(load([packs])))
        self._form = Former(prefix)

    def receive(self, *hosts: str) -> None:
        """Let a line of each of these hosts come in."""
        origin, now = Origin("syslog-tcp", "192.0.2.7:514"), self.clock.now()
        self.spool.put([Raw(f"<13>Nov 23 23:59:59 {host} load: x".encode(), "city", now, origin) for host in hosts])

    def begin(self, store: ElasticStore) -> Pipeline:
        """Begin a pipeline, as a process does that was started again."""
        here = Here(Preparer(self.spool, self._reader, self._form))
        return Pipeline(self.spool, store, here, self._form, self.clock, self.books, enter_seconds=0)

    def booked(self) -> dict[str, int]:
        """Return what became of the records, by the books."""
        _, tally = self.books.accounts()
        found: dict[str, int] = {}
        for account, number in tally.items():
            found[account.outcome] = found.get(account.outcome, 0) + number
        return {name: number for name, number in found.items() if number}


@pytest.fixture
def town(tmp_path: Path, elastic_prefix: str) -> Iterator[Town]:
    made = Town(tmp_path, elastic_prefix)
    yield made
    made.spool.close()
    made.books.__exit__()


def lost_answer(passage: Passage) -> None:
    """Let the node do the work and the client hear nothing of it."""
    passage.forward()
    passage.close_connection = True
    passage.connection.shutdown(socket.SHUT_RDWR)


def test_an_answer_lost_within_one_attempt_is_booked_as_stored(
    town: Town, gate: Gate, behind: ElasticStore, pauses: list[float]
) -> None:
    pipeline = town.begin(behind)
    town.receive(*["pc1"] * 100)
    gate.faults = [lost_answer]
    assert pipeline.step() == 100
    assert gate.happened == len(pauses) == 1
    assert len(behind.since(0, 1 << 40, 1000)) == 100
    assert town.booked() == {"received": 100, "stored": 100}


def test_a_batch_sent_again_after_midnight_by_the_next_process_is_there_once(
    town: Town, gate: Gate, opened: Callable[..., ElasticStore], store: ElasticStore
) -> None:
    town.receive(*["pc1"] * 100)
    gate.faults = [lost_answer]
    first = town.begin(opened(gate.url, patience=Patience(attempts=1)))
    with pytest.raises(StoreError):
        first.step()
    assert gate.happened == 1
    town.clock.advance(timedelta(hours=3))
    assert town.begin(store).step() == 100
    assert len(store.since(0, 1 << 40, 1000)) == 100
    assert [one.day.isoformat() for one in store.kept()] == ["2026-11-23"]
    assert town.booked() == {"received": 100, "stored": 100}


def test_one_document_that_the_server_refuses_is_a_dead_letter_and_its_499_neighbours_are_stored(
    town: Town, store: ElasticStore, elastic_url: str, elastic_prefix: str
) -> None:
    store.setup()
    index = f"{elastic_prefix}-events-standard-2026.11.23"
    mapping = {"mappings": {"properties": {"host.name": {"type": "long"}}}}  # by whomever
    request = urllib.request.Request(  # noqa: S310  the node's own address
        f"{elastic_url}/{index}", json.dumps(mapping).encode(), {"Content-Type": "application/json"}, method="PUT"
    )
    _NO_PROXY.open(request, timeout=30).close()
    town.receive(*["1"] * 250, "pc1", *["1"] * 249)
    assert town.begin(store).step() == 500
    events = store.since(0, 1 << 40, 1000)
    (letter,) = [event for event in events if event.fields["event.kind"] == "pipeline_error"]
    assert "failed to parse field [host.name] of type [long]" in str(letter.fields["error.message"])
    assert "pc1" in str(letter.fields["event.original"])
    assert len(events) == 500
    assert town.booked() == {"received": 500, "stored": 499, "deadletter": 1}
