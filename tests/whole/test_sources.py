"""Sources on a real Sentinel: one falls silent and speaks again; the books balance whatever is killed when."""

import json
import os
import random
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from sentinel.app import App
from sentinel.config import load
from sentinel.core.ports import Span
from sentinel.core.where import Exists
from sentinel.respond.language import EARLIEST
from sentinel.testing.balance import balanced

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
SILENT = "A source has fallen silent"
POINTS = ("sources.before_commit:2", "sources.after_commit:2", "")
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Sender:
    """Sends a line every tenth of a second until it is stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        """Fall silent."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self._stop.wait(0.1):
                sender.sendto(b"<13>Nov 23 09:00:00 fw1 cron: tick", ("127.0.0.1", self._port))


def silences(city: "Running", state: str) -> list[dict[str, Any]]:
    found = city.json("alerts", "list", "--state", state)
    return [alert for alert in found if alert["title"] == SILENT]


def test_a_sender_that_falls_silent_raises_one_alert_and_clears_it(city: "Running", patiently: Patiently) -> None:
    city.config.write_text(city.config.read_text() + "[silence]\nminutes = 0.06\n")
    city.start()
    with Sender(city.ports["udp"]):
        heard = patiently(lambda: [one for one in city.json("sources") if one["records"] > 50])
        assert not silences(city, "new")
    (fw1,) = heard
    assert (fw1["host"], fw1["peer"], fw1["loss_class"]) == ("fw1", "127.0.0.1", "best effort")
    assert fw1["silent_after_seconds"] == pytest.approx(3.6)
    (alert,) = patiently(lambda: silences(city, "new"))
    assert alert["count"] == 1
    (silent,) = [_json(line) for line in city.sentinel("sources", "--json", code=1).stdout.splitlines()]
    assert silent["silent_since"]
    status = _json(city.sentinel("status", "--json", code=1).stdout)
    assert (status["balanced"], status["running"], len(status["silent"])) == (True, True, 1)
    with Sender(city.ports["udp"]):
        (closed,) = patiently(lambda: silences(city, "closed"))
        assert closed["id"] == alert["id"]
        assert not silences(city, "new")
    city.stop()
    assert not city.json("status")[0]["running"]


def _json(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def unbalanced(city: "Running") -> list[str]:
    app = App(load(city.config))
    with app.books() as books, app.spool() as spool, app.reading() as store:
        return balanced(books, spool, store)


def stored(city: "Running") -> int:
    app = App(load(city.config))
    with app.reading() as store:
        span = Span(EARLIEST, app.clock.now() + app.margin, "ingested")
        return sum(number for _, number in store.tally(Exists("event.id"), span, (), 1))


def send(city: "Running", first: int) -> int:
    """Send good, unreadable and repeated lines over UDP and TCP; return how many."""
    good = [f"<13>Nov 23 09:00:00 pc{at % 7} load: number={first + at}" for at in range(1500)]
    lines = [*good, *["<13>Nov 23 09:00:00 pc1 load: the same"] * 300, *["   "] * 200]
    city.tcp(*lines)
    for at in range(0, 400, 20):
        city.udp(*lines[at : at + 20], "   ")
        time.sleep(0.005)
    return len(lines)


@pytest.mark.kill
@pytest.mark.parametrize("point", POINTS, ids=["before", "after", "anywhere"])
def test_the_books_balance_after_kill_9(city: "Running", patiently: Patiently, point: str) -> None:
    chance = random.Random(int(os.environ.get("SENTINEL_KILL_SEED", "7")))  # noqa: S311  repeatable on purpose
    if point:
        city.environment["SENTINEL_KILL_AT"] = point
    city.start()
    process = city.process
    assert process is not None
    try:
        for turn in range(3):
            send(city, turn * 10_000)
    except OSError:
        assert point, "nobody killed it"
    if point:
        patiently(lambda: process.poll() is not None)
    else:
        time.sleep(chance.uniform(0.1, 1.5))
    assert city.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not unbalanced(city), "while it is down"
    city.environment.clear()
    city.start()
    send(city, 90_000)
    patiently(lambda: city.json("status")[0]["in_spool"] == 0)
    city.stop()
    assert not unbalanced(city)
    (status,) = city.json("status")
    assert status["balanced"]
    assert status["stored"] + status["deadletter"] == stored(city) > 2000
    assert status["deadletter"] >= 200
    assert status["duplicate"] == 0, "what was stored before the kill is no duplicate"


def test_what_comes_twice_is_booked_as_known_before(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.tcp(*(f"<13>Nov 23 09:00:00 pc1 load: number={at}" for at in range(50)), "   ")
    patiently(lambda: city.json("status")[0]["in_spool"] == 0 and city.json("status")[0]["received"] == 51)
    records = city.folder / "records.jsonl"
    records.write_bytes(city.sentinel("spool", "cat", "--json").stdout)
    city.sentinel("replay", str(records))
    status = patiently(lambda: [one for one in city.json("status") if one["received"] == 102 and not one["in_spool"]])
    assert (status[0]["stored"], status[0]["deadletter"], status[0]["duplicate"]) == (50, 1, 51)
    city.stop()
    assert not unbalanced(city)


def test_what_an_entrance_lost_is_in_the_books_and_in_the_metrics(city: "Running", patiently: Patiently) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    city.config.write_text(city.config.read_text() + f"[metrics]\nport = {port}\n[silence]\nminutes = 0.05\n")
    city.start()
    city.udp("<13>Nov 23 09:00:00 pc1 load: one", "\n", "\n")

    def figures() -> str:
        with _NO_PROXY.open(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    filtered = 'sentinel_events_total{outcome="filtered",reason="blank",source="city"} 2.0'
    text = patiently(lambda: found if filtered in (found := figures()) else "")
    assert 'sentinel_events_total{outcome="stored",reason="",source="city"} 1.0' in text
    assert 'sentinel_events_received_total{source="city"} 3.0' in text
    for name in (
        "spool_bytes",
        "spool_oldest_seconds",
        "detect_lag_seconds",
        'source_last_seen_seconds{source="city"}',
    ):
        assert f"sentinel_{name} " in text
    assert "sentinel_books_unbalanced 0.0" in text


def test_a_port_for_metrics_that_is_taken_stops_nothing(city: "Running") -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        city.config.write_text(city.config.read_text() + f"[metrics]\nport = {taken.getsockname()[1]}\n")
        city.start()
    assert any("no metrics" in line for line in city.said)
