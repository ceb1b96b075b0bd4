"""One sender floods a real Sentinel over UDP: what is lost is counted exactly, and the others are heard."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.posting import Poster, status, unbalanced, with_http
from tests.running import eventually

if TYPE_CHECKING:
    from tests.running import Running

FLOOD = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(("127.0.0.1", int(sys.argv[1])))
for number in range(int(sys.argv[2])):
    sender.send(b"<13>Nov 23 09:00:00 flood load: %d" % number)
"""


def flood(city: "Running", count: int) -> None:
    """Send so many datagrams as fast as one process can."""
    subprocess.run([sys.executable, "-c", FLOOD, str(city.ports["udp"]), str(count)], check=True)


@contextmanager
def quiet(city: "Running", sent: list[int]) -> Iterator[None]:
    """Send ten lines a second from eight ports meanwhile, and count them."""
    end = threading.Event()
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]

    def run() -> None:
        while not end.wait(0.1):
            line = b"<13>Nov 23 09:00:00 quiet load: number=%d" % len(sent)
            senders[len(sent) % 8].sendto(line, ("127.0.0.1", city.ports["udp"]))
            sent.append(len(sent))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        for one in senders:
            one.close()


def test_a_flood_over_udp_is_counted_to_the_last_datagram_and_holds_nobody_else_up(city: "Running") -> None:
    with_http(city)
    city.start()
    assert city.process is not None
    sent: list[int] = []
    with quiet(city, sent):
        with Poster(city) as poster:
            eventually(lambda: poster.acknowledged)
            flood(city, 40_000)
            before = len(poster.acknowledged)
            eventually(lambda: len(poster.acknowledged) > before + 100)
        city.process.send_signal(signal.SIGSTOP)  # as on a machine that has something else to do
        flood(city, 60_000)
        time.sleep(1)
        city.process.send_signal(signal.SIGCONT)
        time.sleep(1)
    assert poster.slowest < 10  # of no more than some milliseconds on a machine that has nothing else to do
    eventually(lambda: not status(city)["in_spool"], 180)
    quiet_ones = [one for one in city.json("sources") if one["host"] == "quiet"]
    assert city.stop() == 0
    ends: Counter[str] = Counter()
    for one in status(city)["hours"]:
        ends[one["outcome"]] += one["number"] if one["source"] == "city" else 0
    assert ends["dropped"] > 10_000, "nothing was lost: the test would prove nothing"
    assert ends["stored"] + ends["dropped"] == ends["received"] == 100_000 + len(sent)
    assert sum(one["records"] for one in quiet_ones) >= len(sent) // 2, (
        "who shares the flood's socket may lose as it does"
    )
    said = f"{ends['dropped']:,} datagrams of this source were lost here within 24 h, some perhaps its own"
    assert all(said in one["notes"] for one in quiet_ones)
    assert not unbalanced(city)


def test_what_a_sender_numbered_and_never_came_is_told_of_that_sender(city: "Running") -> None:
    city.start()
    other = '[other@32473 note="a ] in \\"quotes\\""]'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", city.ports["udp"]))
        for number in (1, 2, 3, 6, 7, 9):
            at = f"2026-11-23T09:00:{number:02d}Z"
            sender.send(f'<13>1 {at} relay prog 7 - {other}[meta sequenceId="{number}" sysUpTime="3"] x'.encode())
            sender.send(f'<13>1 {at} liar prog 7 - - said [meta sequenceId="{number * 1000}"] himself'.encode())

    def notes() -> dict[str, str]:
        return {one["host"]: "; ".join(one["notes"]) for one in city.json("sources")}

    eventually(lambda: "3 messages never came within 24 h, by its own numbers" in notes().get("relay", ""))
    assert "never came" not in notes()["liar"]
    assert city.stop() == 0
    assert not unbalanced(city)
