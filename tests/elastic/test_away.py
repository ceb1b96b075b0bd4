"""Elasticsearch is away for a while, or for a whole start: a real Sentinel goes on receiving, and catches up."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.elastic.gate import Gate, Passage
from tests.posting import Poster, lines, status, stored, unbalanced, with_http
from tests.running import Running, eventually

pytestmark = pytest.mark.elastic


class Refused:
    """Nobody listens where Elasticsearch was."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._gate: Gate | None = Gate(node)
        self._port = self._gate.server.server_address[1]
        self.url = self._gate.url

    def away(self) -> None:
        """Be away."""
        assert self._gate is not None
        self._gate.close()
        self._gate = None

    def back(self) -> None:
        """Be there again."""
        if self._gate is None:
            self._gate = Gate(self._node, self._port)

    def close(self) -> None:
        """End."""
        if self._gate is not None:
            self._gate.close()


class Silent:
    """Elasticsearch takes every request and never answers."""

    def __init__(self, node: str) -> None:
        self._gate = Gate(node)
        self._gate.on = ""
        self._back = threading.Event()
        self.url = self._gate.url

    def _swallow(self, passage: Passage) -> None:
        self._back.wait()
        passage.close_connection = True

    def away(self) -> None:
        """Be away."""
        self._back.clear()
        self._gate.always = self._swallow

    def back(self) -> None:
        """Be there again."""
        self._gate.always = None
        self._back.set()

    def close(self) -> None:
        """End."""
        self.back()
        self._gate.close()


@pytest.fixture(params=[Refused, Silent])
def server(request: pytest.FixtureRequest, elastic_url: str) -> Iterator[Refused | Silent]:
    made: Refused | Silent = request.param(elastic_url.removeprefix("http://"))
    yield made
    made.close()


@pytest.fixture
def city(tmp_path: Path, server: Refused | Silent, elastic_prefix: str) -> Iterator[Running]:
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[[syslog]]\nname = "city"\nport = 0\n'
        "[spool]\nballast_bytes = 0\nbytes_max = 1048576\n[detect]\nevery_seconds = 0.5\n"
        f'[store]\nkind = "elasticsearch"\nurl = "{server.url}"\nprefix = "{elastic_prefix}"\n'
        "timeout_seconds = 3\n"
    )
    running = Running(tmp_path, config)
    with_http(running)
    try:
        yield running
    finally:
        server.back()
        running.stop(signal.SIGKILL)


def test_the_spool_grows_to_its_bound_then_senders_wait_and_all_of_it_is_stored_once(
    city: Running, server: Refused | Silent
) -> None:
    city.start()
    with Poster(city) as sender:
        eventually(lambda: len(sender.acknowledged) > 100)
        eventually(lambda: len(stored(city)) > 100)
        server.away()
        eventually(lambda: sender.put_off > 3)
        said = eventually(lambda: [one for one in [status(city)] if "no room" in one["spool_full"]])[0]
        assert said["spool_bytes"] <= 1 << 20
        assert said["in_spool"] > 1000
        server.back()
        before = len(sender.acknowledged)
        eventually(lambda: len(sender.acknowledged) > before + 100)
    eventually(lambda: not status(city)["in_spool"])
    assert city.stop() == 0
    held = stored(city)
    assert len(set(held)) == len(held)
    assert sender.acknowledged <= set(held)
    assert not unbalanced(city)


@pytest.mark.parametrize("server", [Silent], indirect=True)
def test_a_start_while_it_is_away_receives_all_the_same_and_ends_in_order(
    city: Running, server: Refused | Silent
) -> None:
    server.away()
    city.start()
    city.tcp(*(line.decode() for line in lines(0, 100)))
    eventually(lambda: status(city)["in_spool"] == 100)
    eventually(lambda: any("events wait in the spool" in line for line in city.said))
    assert city.stop() == 0, "and ends in order"
    city.start()
    city.tcp(*(line.decode() for line in lines(100, 200)))
    server.back()
    eventually(lambda: stored(city) == list(range(200)))
    assert city.stop() == 0
    assert not unbalanced(city)
