"""kill -9 at random moments under load: what the spool had, the store gets, and nothing twice."""

import os
import random
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel.app import App
from sentinel.config import load
from sentinel.core.ports import Span
from sentinel.core.where import Is
from sentinel.respond.language import EARLIEST

if TYPE_CHECKING:
    from tests.running import Running

ROUNDS = int(os.environ.get("SENTINEL_KILL_ROUNDS", "4"))
NUMBER = re.compile(r"number=(\d+)")


class Sender:
    """Sends numbered lines over TCP as long as somebody listens; never sends a number twice."""

    def __init__(self) -> None:
        self.next = 0

    def send(self, port: int, stop: threading.Event) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                while not stop.is_set():
                    lines = [f"<13>Nov 23 09:00:00 pc1 load: number={self.next + at}" for at in range(50)]
                    self.next += 50
                    connection.sendall("".join(f"{line}\n" for line in lines).encode())
                    time.sleep(0.002)
        except OSError:
            return


@pytest.fixture(params=["embedded", "elastic"])
def store_table(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        return ""
    url, prefix = request.getfixturevalue("elastic_url"), request.getfixturevalue("elastic_prefix")
    return f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\n'


def in_spool(config: Path) -> set[int]:
    found: set[int] = set()
    with App(load(config)).spool() as spool:
        at = 0
        while entries := spool.read(at, 2000):
            at = entries[-1].seq
            found |= {int(number[1]) for entry in entries if (number := NUMBER.search(entry.raw.body.decode()))}
    return found


def stored(config: Path) -> Iterator[int]:
    app = App(load(config))
    span = Span(EARLIEST, app.clock.now() + app.margin, "ingested")
    with app.reading() as store:
        for event in store.search(Is("process.name", "load"), span, 1_000_000):
            number = NUMBER.search(str(event.fields["message"]))
            assert number
            yield int(number[1])


def test_kill_at_random_moments_loses_and_doubles_nothing(
    city: "Running", store_table: str, patiently: Callable[..., Any]
) -> None:
    city.config.write_text(city.config.read_text() + store_table)
    chance = random.Random(int(os.environ.get("SENTINEL_KILL_SEED", "7")))  # noqa: S311  repeatable on purpose
    sender = Sender()
    durable: set[int] = set()
    killed = 0
    for _ in range(ROUNDS):
        city.start()
        stop = threading.Event()
        sending = threading.Thread(target=sender.send, args=(city.ports["tcp"], stop))
        sending.start()
        time.sleep(chance.uniform(0.05, 1.2))
        assert city.stop(signal.SIGKILL) == -signal.SIGKILL
        killed += 1
        stop.set()
        sending.join()
        durable |= in_spool(city.config)
    assert killed == ROUNDS
    assert durable, "nothing was ever accepted: the test would prove nothing"
    city.start()
    patiently(lambda: durable <= set(stored(city.config)), 120.0)
    counts = Counter(stored(city.config))
    assert set(counts.values()) == {1}
    assert max(counts) < sender.next
    city.tcp("<13>Nov 23 09:00:00 pc1 load: number=999999999")
    patiently(lambda: 999_999_999 in set(stored(city.config)))
