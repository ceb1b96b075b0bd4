"""F24, F25: what comes again is known again where it has an identity, and equal words alone make no duplicate."""

import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sentinel.testing.evtxfile import WindowsEvent, write_evtx
from tests.faults import judge, payload
from tests.faults.producer import Http
from tests.faults.trial import Trial
from tests.running import eventually

SAME = "<13>Nov 27 09:00:00 pc1 load: the very same line"
MANY = 1_000


def settled(trial: Trial, received: int) -> dict[str, Any]:
    """Return what the status says as soon as so many records have been received and dealt with."""

    def look() -> dict[str, Any]:
        (status,) = trial.running.json("status")
        return status if status["received"] >= received and not status["in_spool"] else {}

    status = eventually(look)
    assert status["received"] == received
    assert status["balanced"], status["problems"]
    return status


def test_a_window_of_beats_sent_again_after_a_cut_changes_no_count(trial: Trial) -> None:
    trial.start()
    numbers = trial.oracle.issue(50, "beats")
    window = struct.pack(">2sI", b"2W", len(numbers))
    for at, number in enumerate(numbers, start=1):
        body = payload.beat(number)
        window += struct.pack(">2sII", b"2J", at, len(body)) + body
    for cut in (len(window) * 2 // 3, len(window), len(window)):
        with socket.create_connection(("127.0.0.1", trial.running.ports["beats"])) as beat:
            beat.sendall(window[:cut])
            trial.faults["cut"] += 1
    producer = trial.producer("beats")
    with producer.connected() as connection:
        producer.batch(connection, numbers)
    eventually(lambda: not judge.waiting(trial.running.config))
    (status,) = trial.running.json("status")
    assert status["stored"] == 50
    assert status["duplicate"] == status["received"] - 50 >= 100
    assert trial.judged().complaints == []


def test_what_relp_sends_again_has_no_identity_and_is_stored_as_often_as_it_was_taken(trial: Trial) -> None:
    trial.start()
    numbers = trial.oracle.issue(20, "relp")
    producer = trial.producer("relp")
    for _ in range(2):
        with producer.connected() as connection:
            producer.batch(connection, numbers)
    status = settled(trial, 40)
    assert (status["stored"], status["duplicate"]) == (40, 0)


def test_an_event_log_imported_twice_is_stored_once(trial: Trial) -> None:
    begun = datetime(2026, 11, 27, 8, tzinfo=UTC)
    events = [
        WindowsEvent(
            "Microsoft-Windows-Security-Auditing", 4624, "Security", "dc1.example.org", at,
            begun + timedelta(seconds=at), {"TargetUserName": "anna", "LogonType": 3},
        )
        for at in range(1, 101)
    ]  # fmt: skip
    trial.start()
    for turn, name in enumerate(("first.evtx", "copy.evtx", "first.evtx"), start=1):
        write_evtx(trial.running.folder / name, events)
        trial.running.sentinel("import", str(trial.running.folder / name))
        status = settled(trial, 100 * turn)
        assert (status["stored"], status["duplicate"]) == (100, 100 * (turn - 1))


def test_dead_letters_brought_in_again_stay_as_many_as_they_were(trial: Trial) -> None:
    trial.start()
    trial.running.tcp(*["   "] * 30, SAME)
    assert settled(trial, 31)["deadletter"] == 30
    for turn in (1, 2):
        trial.running.sentinel("deadletter", "replay", "--all")
        status = settled(trial, 31 + 30 * turn)
        assert (status["stored"], status["deadletter"], status["duplicate"]) == (1, 30, 30 * turn)
    assert len(trial.running.json("deadletter", "list")) == 30


def _relp(trial: Trial) -> None:
    frames = b"".join(b"%d syslog %d %b\n" % (at, len(SAME), SAME.encode()) for at in range(2, MANY + 2))
    offers = b"relp_version=0\ncommands=syslog"
    with socket.create_connection(("127.0.0.1", trial.running.ports["relp"]), 60) as sender:
        sender.sendall(b"1 open %d %b\n" % (len(offers), offers) + frames)
        answers = b""
        while answers.count(b"200 OK") <= MANY:
            answers += sender.recv(65536)


def _http(trial: Trial) -> None:
    body = f"{SAME}\n".encode() * MANY
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {Http.token}\r\nContent-Type: text/plain\r\n"
    with socket.create_connection(("127.0.0.1", trial.running.ports["http"]), 60) as sender:
        sender.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert sender.recv(100).startswith(b"HTTP/1.1 200")


def _udp(trial: Trial) -> None:
    for _ in range(MANY // 100):  # no faster than any kernel's buffer can take
        trial.running.udp(*[SAME] * 100)


def _stdin(trial: Trial) -> None:
    trial.running.sentinel("import", "-", given=f"{SAME}\n".encode() * MANY)


ENTRANCES: dict[str, Callable[[Trial], object]] = {
    "udp": _udp,
    "tcp": lambda trial: trial.running.tcp(*[SAME] * MANY),
    "relp": _relp,
    "http": _http,
    "file": lambda trial: trial.log.write_text(f"{SAME}\n" * MANY),
    "stdin": _stdin,
}


def test_a_thousand_equal_lines_in_a_second_are_a_thousand_events_by_every_entrance(trial: Trial) -> None:
    trial.start()
    for turn, send in enumerate(ENTRANCES.values(), start=1):
        send(trial)
        status = settled(trial, MANY * turn)
        assert (status["stored"], status["duplicate"]) == (MANY * turn, 0)
    trial.running.stop()
    events = {
        one["event.id"] for one in trial.running.json("query", "process.name:load last 3650d", "--limit", "100000")
    }
    assert len(events) == MANY * len(ENTRANCES)
