"""F16, F17, F18, F19, F20, through the sockets and files of a real `sentinel run`, seen as a user sees it.

What each entrance does byte by byte is proved in tests/collect (test_framing, test_syslog_tcp, test_syslog_tls,
test_files); here it is proved that nothing of it is lost between there and `sentinel query`.
"""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import trustme

from sentinel.collect.lines import MESSAGE_MAX
from tests.faults.memory import MB, resident
from tests.faults.trial import SPOOL, Trial
from tests.running import eventually

GROWTH_MAX = 60 * MB
"""Twenty are promised of the entrance; the whole family of processes also parses meanwhile."""


def connected(trial: Trial, kind: str = "tcp") -> socket.socket:
    return socket.create_connection(("127.0.0.1", trial.running.ports[kind]), 30)


def asked(trial: Trial, question: str, count: int) -> list[dict[str, Any]]:
    """Return what a query finds as soon as it is so many events, however long ago they say they happened."""
    ever = f"{question} last 3650d"
    return eventually(lambda: found if len(found := trial.running.json("query", ever)) == count else [])


def ended(connection: socket.socket) -> bool:
    """Say whether the other side has ended the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_endless_messages_are_cut_and_told_and_cost_little_memory(trial: Trial) -> None:
    trial.start()
    assert trial.running.process is not None
    pid = trial.running.process.pid
    ten = b"<13>1 2026-11-27T08:00:00Z pc1 load - - - ten " + b"x" * (10 * MB)
    trial.running.tcp("<13>1 2026-11-27T08:00:00Z pc1 load - - - warm")
    asked(trial, "process.name:load", 1)
    before, grown = resident(pid), 0
    with connected(trial) as long, connected(trial) as endless:
        long.sendall(ten + b"\n<13>1 2026-11-27T08:00:01Z pc1 load - - - after\n")
        endless.sendall(b"<13>1 2026-11-27T08:00:02Z pc1 load - - - endless ")
        for _ in range(100):
            endless.sendall(b"y" * MB)
            grown = max(grown, resident(pid) - before)
        endless.sendall(b"\n")
        events = asked(trial, "process.name:load", 4)
    assert grown < GROWTH_MAX, f"{grown / MB:.0f} MiB"
    cut = {one["event.original"].split()[7][:7]: one for one in events if "original_cut" in one.get("tags", ())}
    assert set(cut) == {"ten", "endless"}
    assert cut["ten"]["sentinel.origin.note"] == f"cut:{len(ten)}:sha256={sha256(ten).hexdigest()}"
    assert cut["endless"]["sentinel.origin.note"].startswith(f"cut:{100 * MB + 50}:sha256=")
    assert all(len(one["event.original"]) <= MESSAGE_MAX for one in cut.values())


def test_counts_that_cannot_be_end_the_connection_and_are_in_the_status(trial: Trial) -> None:
    trial.start()
    for bad in (b"999999999 ", b"0 ", b"-1 "):
        with connected(trial) as sender:
            sender.sendall(b"34 <13>Nov 27 09:00:00 pc1 load: good" + bad + b"<13>x" * 100)
            assert ended(sender)
    trial.running.tcp("<13>Nov 27 09:00:00 pc1 load: after")
    found = asked(trial, "process.name:load", 4)
    assert sorted(one["message"] for one in found) == ["after", "good", "good", "good"]
    closed = eventually(
        lambda: {
            account["reason"]: account["number"]
            for account in trial.running.json("status")[0]["hours"]
            if account["outcome"] == "closed"
        },
    )
    assert closed == {"bad_count": 2, "count_too_large": 1}


def test_framings_are_not_mixed_up_and_no_message_smuggles_another(trial: Trial) -> None:
    trial.start()
    smuggling = b"<13>Nov 27 09:00:00 pc1 load: outer\n<10>Nov 27 09:00:00 victim sshd[1]: inner"
    with connected(trial) as counted, connected(trial) as lines:
        counted.sendall(b"%d %b" % (len(smuggling), smuggling) * 2)
        lines.sendall(b"34 <13>Nov 27 09:00:00 pc1 load: x\n"[3:])
        lines.sendall(b"<13>Nov 27 09:00:00 pc1 load: 17 <10>Nov 27 09:00:00 pc2 load: y\n17 bottles\n")
    found = asked(trial, "sentinel.source:city", 5)
    assert sorted(one["event.original"] for one in found) == [
        "17 bottles",
        "<13>Nov 27 09:00:00 pc1 load: 17 <10>Nov 27 09:00:00 pc2 load: y",
        *[smuggling.decode()] * 2,
        "<13>Nov 27 09:00:00 pc1 load: x",
    ]
    assert not trial.running.json("query", "host.name:victim last 3650d")


def test_any_bytes_are_kept_and_given_back(trial: Trial) -> None:
    latin = "<13>Nov 27 09:00:00 pc1 load: Straßenbauamt für Grünflächen".encode("latin-1")
    broken = b"<13>Nov 27 09:00:00 pc1 load: \xff\xfe\x80 \x00 nul"
    trial.log.write_bytes("<13>Nov 27 09:00:00 pc1 load: wide ä\r\n".encode("utf-16"))
    trial.start()
    with connected(trial) as sender:
        sender.sendall(latin + b"\r\n" + broken + b"\n<13>Nov 27 09:00:00 pc1 load: unfinished")
    found = {one["event.original"][30:34]: one for one in asked(trial, "process.name:load", 4)}
    assert base64.b64decode(found["Stra"]["sentinel.original_b64"]) == latin
    assert found["wide"]["message"] == "wide ä"
    assert found["unfi"]["sentinel.origin.note"] == "unfinished"
    (odd,) = (one for one in found.values() if one["event.original"].endswith("nul"))
    assert base64.b64decode(odd["sentinel.original_b64"]) == broken


def test_two_hundred_slow_senders_hold_up_nobody(trial: Trial) -> None:
    trial.start()
    assert trial.running.process is not None
    pid = trial.running.process.pid
    trial.producer("relp").once()
    before = resident(pid)
    slow = [connected(trial) for _ in range(200)]
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.5):
            for one in slow:
                one.sendall(b"<")

    trickling = threading.Thread(target=trickle)
    trickling.start()
    waits = []
    try:
        for _ in range(30):
            begun = time.monotonic()
            trial.producer("relp").once()
            waits.append(time.monotonic() - begun)
            time.sleep(0.1)
        grown = resident(pid) - before
    finally:
        stop.set()
        trickling.join()
        for one in slow:
            one.close()
    trial.faults["slow sender"] += len(slow)
    assert grown < GROWTH_MAX, f"{grown / MB:.0f} MiB"
    assert sorted(waits)[len(waits) // 2] < 5.0, "a good sender is answered while the others trickle"
    assert trial.judged().complaints == []


def test_who_speaks_no_tls_or_an_old_one_is_refused_and_it_becomes_an_event(
    trial_with: Callable[[str], Trial],
) -> None:
    trial = trial_with(SPOOL)
    folder, authority = trial.running.folder, trustme.CA()
    server = authority.issue_cert("localhost")
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    table = f'[[syslog]]\nname = "tls"\nport = 0\ntransports = ["tls"]\ntls_cert = "{folder}/cert.pem"\n'
    trial.running.config.write_text(trial.running.config.read_text() + table + f'tls_key = "{folder}/key.pem"\n')
    trial.start()
    with connected(trial, "tls") as plain:
        plain.sendall(b"<13>Nov 27 09:00:00 pc1 load: in the clear\n")
        assert ended(plain)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(old)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with connected(trial, "tls") as sender, pytest.raises(ssl.SSLError):
        old.wrap_socket(sender, server_hostname="localhost")
    good = ssl.create_default_context()
    authority.configure_trust(good)
    with good.wrap_socket(connected(trial, "tls"), server_hostname="localhost") as sender:
        sender.sendall(b"<13>Nov 27 09:00:00 pc1 load: by TLS\n")
    assert [one["message"] for one in asked(trial, "process.name:load", 1)] == ["by TLS"]
    told = asked(trial, "event.outcome:failure", 2)
    assert {one["event.reason"] for one in told} == {"no_tls", "unsupported_protocol"}
