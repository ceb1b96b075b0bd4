"""RELP: the protocol to the letter, and Debian's rsyslog as its sender while the receiver is killed again and again."""

import asyncio
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import trustme

from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.relp import Relp
from sentinel.collect.relp_frames import TXNR_MAX, Frame, Frames, after, frame
from sentinel.core.clock import ManualClock
from sentinel.spool.disk import DiskSpool

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Server, Until

OFFERS = b"relp_version=0\nrelp_software=test\ncommands=syslog"
GOODBYE = Frame(0, b"serverclose", b"")


class Sender:
    """A sender that has opened a session."""

    def __init__(self, port: int, *, opened: bool = True, first: int = 1) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.txnr = first
        self._frames = Frames()
        self._waiting: list[Frame] = []
        if opened:
            self.send(b"open", OFFERS)
            assert self.answer().data.startswith(b"200 OK\nrelp_version=0\nrelp_software=")

    def __enter__(self) -> Self:
        """Return the sender."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cut the connection."""
        self.sock.close()

    def send(self, command: bytes, data: bytes = b"") -> None:
        self.sock.sendall(frame(self.txnr, command, data))
        self.txnr = after(self.txnr)

    def answer(self) -> Frame:
        """Return the next answer; a command of no letters says that the other side has ended the connection."""
        while not self._waiting:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return Frame(-1, b"", b"")
            self._waiting = self._frames.feed(data)
        return self._waiting.pop(0)


def test_each_message_is_answered_in_order_when_it_is_on_disk(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> Relp:
        relp = Relp("relp", clock, port=0)
        async with running(relp, sink):
            with await asyncio.to_thread(Sender, relp.port) as sender:
                sink.open.clear()
                for number in range(100):
                    sender.send(b"syslog", b"<13>Nov 23 08:15:00 web1 app: line %d\n" % number)
                await until(lambda: relp.counters.received == 100)
                sender.sock.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    sender.answer()
                sender.sock.settimeout(10)
                sink.open.set()
                said = [await asyncio.to_thread(sender.answer) for _ in range(100)]
                assert said == [Frame(number, b"rsp", b"200 OK") for number in range(2, 102)]
                assert len(sink.bodies()) == 100
                sender.send(b"close")
                assert [await asyncio.to_thread(sender.answer) for _ in range(3)] == [
                    Frame(102, b"rsp", b""), GOODBYE, Frame(-1, b"", b""),
                ]  # fmt: skip
        return relp

    relp = asyncio.run(scenario())
    assert sink.bodies() == [b"<13>Nov 23 08:15:00 web1 app: line %d" % number for number in range(100)]
    assert {raw.origin.via for raw in sink.raws()} == {"syslog-relp"}
    assert not relp.counters.closed


def test_numbers_go_round_and_very_long_messages_are_cut(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    def send(port: int) -> None:
        with Sender(port, first=TXNR_MAX - 1) as sender:
            for size in (0, 5, MESSAGE_MAX + 5):
                sender.send(b"syslog", b"z" * size)
            assert [sender.answer().txnr for _ in range(3)] == [TXNR_MAX, 1, 2]

    async def scenario() -> Relp:
        relp = Relp("relp", clock, port=0)
        async with running(relp, sink):
            await asyncio.to_thread(send, relp.port)
        return relp

    relp = asyncio.run(scenario())
    assert [len(body) for body in sink.bodies()] == [5, MESSAGE_MAX]
    assert sink.raws()[1].origin.note.startswith(f"cut:{MESSAGE_MAX + 5}:sha256=")
    assert (relp.counters.blank, relp.counters.cut) == (1, 1)


def test_what_breaks_the_protocol_is_told_goodbye_and_what_came_before_is_answered(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    cases = {
        b"syslog 3 abc": ("not_open", 500),
        frame(1, b"open", b"relp_version=0\ncommands=other")[2:]: ("offers", 500),
        frame(1, b"open", OFFERS)[2:] + frame(2, b"syslog", b"kept") + frame(4, b"syslog", b"not"): ("sequence", 0),
        frame(1, b"open", OFFERS)[2:] + frame(2, b"syslog", b"kept") + frame(3, b"eventlog", b"x"):
            ("unknown_command", 500),
        frame(1, b"open", OFFERS)[2:] + frame(2, b"syslog", b"kept") + b"3 syslog abc": ("bad_frame", 0),
        frame(1, b"open", OFFERS)[2:] + frame(2, b"syslog", b"kept") + b"3 syslog 99999999 ": ("frame_too_large", 0),
    }  # fmt: skip

    def said(port: int, data: bytes) -> list[Frame]:
        with Sender(port, opened=False) as sender:
            sender.sock.sendall(b"1 " + data + b"\n")
            told = []
            while (answer := sender.answer()).command:
                told.append(answer)
            return told

    async def scenario() -> None:
        relp = Relp("relp", clock, port=0)
        async with running(relp, sink):
            for data, (reason, status) in cases.items():
                told = await asyncio.to_thread(said, relp.port, data)
                assert relp.counters.closed[reason] == 1, reason
                assert told[-1] == GOODBYE
                assert (told[-2].data[:3] == b"500") == (status == 500)
                if b"kept" in data:
                    assert Frame(2, b"rsp", b"200 OK") in told

    asyncio.run(scenario())
    assert sink.bodies() == [b"kept"] * 4


def test_an_orderly_stop_answers_what_has_arrived(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        relp = Relp("relp", clock, port=0)
        async with running(relp, sink):
            sender = await asyncio.to_thread(Sender, relp.port)
            sink.open.clear()
            for number in range(500):
                sender.send(b"syslog", b"line %d" % number)
            await until(lambda: relp.counters.received > 0)
            asyncio.get_running_loop().call_later(0.2, sink.open.set)
        with sender:
            answers = [sender.answer() for _ in range(501)]
        assert [one for one in answers if one.data != b"200 OK"] == [GOODBYE]

    asyncio.run(scenario())
    assert len(sink.bodies()) == 500


RSYSLOG = """
global(workDirectory="%(folder)s/work" maxMessageSize="64k")
module(load="imfile")
module(load="omrelp")
input(type="imfile" file="%(folder)s/lines.log" tag="app:" ruleset="out" reopenOnTruncate="on")
template(name="plain" type="string" string="<13>1 2026-11-23T08:15:00Z web1 app - - - %%msg%%")
ruleset(name="out") {
  action(type="omrelp" target="localhost" port="%(port)d" template="plain" %(tls)s
         queue.type="LinkedList" queue.filename="sentinel" queue.saveOnShutdown="on" queue.size="5000"
         action.resumeRetryCount="-1" action.resumeInterval="1" timeout="5")
}
"""


@contextmanager
def rsyslog(folder: Path, port: int, tls: str = "") -> Iterator[Path]:
    """Run Debian's rsyslog, which sends what is written to the file it yields; print what it had to say."""
    (folder / "work").mkdir(parents=True)
    (folder / "lines.log").touch()
    conf = folder / "rsyslog.conf"
    conf.write_text(RSYSLOG % {"folder": folder, "port": port, "tls": tls}, "utf-8")
    command = ["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(folder / "pid")]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            yield folder / "lines.log"
        finally:
            process.terminate()
            process.wait(30)


def stored(folder: Path) -> Counter[int]:
    with DiskSpool(folder / "spool", ballast_bytes=0) as spool:
        entries = spool.read(0, 1_000_000)
    found = (re.search(rb"number (\d+) ", entry.raw.body) for entry in entries)
    return Counter(int(one[1]) for one in found if one)


def waited(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.seg*")) if folder.is_dir() else 0


@pytest.mark.kill
def test_rsyslog_loses_nothing_while_the_receiver_is_killed_again_and_again(
    tmp_path: Path, server_at: "Callable[[str, Path], Server]"
) -> None:
    server = server_at("relp", tmp_path)
    server.start()
    with rsyslog(tmp_path / "rsyslog", server.port) as lines:
        with lines.open("a", encoding="ascii") as file:
            for part in range(4):
                for number in range(part * 5000, part * 5000 + 5000):
                    file.write(f"number {number} {'x' * 100}\n")
                file.flush()
                grown = size_of(tmp_path / "spool") + 100_000
                waited(lambda grown=grown: size_of(tmp_path / "spool") >= grown)  # type: ignore[misc]  # a default
                server.stop(signal.SIGKILL)
                server.start("collect.durable:3" if part == 1 else "")
                if part == 1:
                    waited(lambda: server.process is not None and server.process.poll() is not None)
                    server.start()
        waited(lambda: len(stored(tmp_path)) == 20_000)
    assert not list((tmp_path / "rsyslog/work").glob("sentinel.*"))  # its queue has drained
    server.stop()
    found = stored(tmp_path)
    assert set(found) == set(range(20_000))
    # what was not answered came again: at most a window for each death, and what of the next rsyslog had begun to send
    assert found.total() - 20_000 <= 5 * 2 * 128


def test_rsyslog_believes_our_certificate(tmp_path: Path, server_at: "Callable[[str, Path], Server]") -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = authority.issue_cert("web1.example.org")  # without one librelp asks for TLS without any certificates
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    tls = (
        f'tls="on" tls.caCert="{tmp_path}/ca.pem" tls.myCert="{tmp_path}/own.pem" tls.myPrivKey="{tmp_path}/own.pem" '
        'tls.authMode="name" tls.permittedPeer="localhost"'
    )
    server = server_at("relp", tmp_path)
    server.start()
    with rsyslog(tmp_path / "rsyslog", server.port, tls) as lines:
        lines.write_text("".join(f"number {number} over TLS\n" for number in range(1000)), "ascii")
        waited(lambda: len(stored(tmp_path)) == 1000)
    server.stop()
    assert stored(tmp_path) == Counter(range(1000))
