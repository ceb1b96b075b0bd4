"""Lumberjack with a sender written from its published description: windows, resends, patience, and what is refused."""

import asyncio
import socket
import ssl
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import pack, unpack
from typing import TYPE_CHECKING, Self

import orjson
import pytest
import trustme

from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.listening import Limits
from sentinel.collect.lumberjack import Lumberjack, position
from sentinel.collect.tls import Tls, TlsFiles
from sentinel.core.clock import ManualClock
from sentinel.core.errors import SpoolError
from sentinel.core.event import Raw, event_id
from sentinel.spool.disk import DiskSpool

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Server, Until

ROOT = Path(__file__).resolve().parents[2]
AGENT = "0b3ec0de-0000-4000-8000-000000000001"


def event(number: int, **more: object) -> bytes:
    """Return an event as Filebeat sends it."""
    return orjson.dumps(
        {
            "@timestamp": "2026-11-23T08:15:00.000Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.15.0"},
            "agent": {"id": AGENT, "type": "filebeat"},
            "log": {"offset": number * 80, "file": {"path": "/var/log/auth.log"}},
            "message": f"line {number}",
            **more,
        }
    )


def frames(bodies: Sequence[bytes]) -> bytes:
    return b"".join(pack(">2sII", b"2J", seq, len(body)) + body for seq, body in enumerate(bodies, start=1))


def window(bodies: Sequence[bytes], level: int = 3) -> bytes:
    """Return a whole window as Beats send it, compressed unless `level` is 0."""
    inner = frames(bodies)
    if level:
        packed = zlib.compress(inner, level)
        inner = pack(">2sI", b"2C", len(packed)) + packed
    return pack(">2sI", b"2W", len(bodies)) + inner


class Beat:
    """A sender."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 10)
        self.sock = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")

    def __enter__(self) -> Self:
        """Return the sender."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cut the connection."""
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self) -> int:
        """Return the next answer's number; -1 if the other side has ended the connection."""
        data = b""
        while len(data) < 6:
            try:
                piece = self.sock.recv(6 - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                return -1
            data += piece
        kind, seq = unpack(">2sI", data)
        assert kind == b"2A"
        return int(seq)

    def answered(self, count: int) -> bool:
        """Wait as Beats do, for the answer to a window of `count` events."""
        seq = 0
        while 0 <= seq < count:
            seq = self.answer()
        assert seq <= count
        return seq == count


def test_windows_are_answered_when_they_are_on_disk(sink: "DiskSink", clock: ManualClock, running: "Running") -> None:
    bodies = [event(number) for number in range(50)]

    def send(port: int) -> None:
        with Beat(port) as beat:
            for level in (0, 3, 9):
                beat.send(window(bodies, level))
                assert beat.answered(50)
                assert len(sink.bodies()) >= 50
            for start in range(0, 50, 10):  # several windows on the way, then their answers in order
                beat.send(window(bodies[start : start + 10], start % 3))
            assert [beat.answer() for _ in range(5)] == [10] * 5
            beat.send(pack(">2sI", b"2W", 100) + frames(bodies[:3]) + window(bodies[:2]))
            assert [beat.answer() for _ in range(2)] == [3, 2]

    async def scenario() -> Lumberjack:
        beats = Lumberjack("beats", clock, port=0)
        async with running(beats, sink):
            await asyncio.to_thread(send, beats.port)
        return beats

    beats = asyncio.run(scenario())
    kept = sink.raws()
    assert [raw.body for raw in kept] == bodies * 4 + bodies[:3] + bodies[:2]
    assert {(raw.origin.via, raw.origin.peer, raw.source) for raw in kept} == {("lumberjack", "127.0.0.1", "beats")}
    assert sink.distinct() == sorted(bodies)  # what is sent again is known by where the Beat read it
    assert (beats.counters.received, beats.counters.written) == (205, 205)


def test_while_the_disk_is_slow_the_sender_is_asked_for_patience(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0, alive_seconds=0.02)
        async with running(beats, sink):
            with Beat(beats.port) as beat:
                beat.send(pack(">2sI", b"2W", 4) + frames([event(1), event(2)]))
                await until(lambda: beats.counters.written == 2)
                sink.open.clear()
                last = frames([b"", b"", event(3), event(4)])[20:]
                beat.send(last)
                said = [await asyncio.to_thread(beat.answer) for _ in range(3)]
                assert said == [2, 2, 2]  # half of the window is on disk
                sink.open.set()
                assert await asyncio.to_thread(beat.answered, 4)
                sink.open.clear()
                beat.send(window([event(5)]))
                assert [await asyncio.to_thread(beat.answer) for _ in range(3)] == [0, 0, 0]
                sink.open.set()
                assert await asyncio.to_thread(beat.answered, 1)
        assert beats.counters.alive >= 6

    asyncio.run(scenario())


def test_a_connection_cut_in_the_middle_loses_nothing_and_its_resend_doubles_nothing(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    bodies = [event(number) for number in range(20)]

    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0)
        async with running(beats, sink):
            for level in (0, 6):
                whole = window(bodies, level)
                with Beat(beats.port) as beat:
                    beat.send(whole[: len(whole) * 2 // 3])
                await until(lambda: not beats.counters.connections)
                with Beat(beats.port) as beat:
                    beat.send(whole)
                    assert await asyncio.to_thread(beat.answered, 20)

    asyncio.run(scenario())
    assert len(sink.bodies()) > 40
    assert sink.distinct() == sorted(bodies)


def test_what_breaks_the_protocol_is_ended_and_counted_and_disturbs_nobody(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    cases = {
        b"1W\0\0\0\1": "version",
        frames([event(1)]): "no_window",
        pack(">2sI", b"2W", 9) + frames([event(1)]) * 2: "sequence",
        pack(">2sI", b"2W", 1 << 31): "window",
        pack(">2sI", b"2W", 1) + pack(">2sI", b"2C", 7) + b"garbage": "compression",
    }

    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0, limits=Limits(partial_bytes=200_000))
        async with running(beats, sink):
            with Beat(beats.port) as good:
                for data, reason in cases.items():
                    with Beat(beats.port) as bad:
                        bad.send(data)
                        assert await asyncio.to_thread(bad.answer) == -1
                    assert beats.counters.closed[reason] == 1, reason
                with Beat(beats.port) as bad:
                    bad.send(pack(">2sI", b"2W", 9) + pack(">2sII", b"2J", 1, 250_000) + bytes(220_000))
                    assert await asyncio.to_thread(bad.answer) == -1
                assert beats.counters.closed["partial_memory"] == 1
                good.send(window([event(7)]))
                assert await asyncio.to_thread(good.answered, 1)

    asyncio.run(scenario())
    assert event(7) in sink.bodies()


def test_a_very_long_event_is_cut_and_an_empty_one_is_answered(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    async def scenario() -> Lumberjack:
        beats = Lumberjack("beats", clock, port=0)
        async with running(beats, sink):
            with Beat(beats.port) as beat:
                beat.send(window([event(1, message="x" * MESSAGE_MAX), b"", event(2)]))
                assert await asyncio.to_thread(beat.answered, 3)
        return beats

    beats = asyncio.run(scenario())
    assert (beats.counters.cut, beats.counters.blank, beats.counters.written) == (1, 1, 2)
    assert sink.raws()[0].origin.note.startswith("cut:")
    assert len(sink.bodies()[0]) == MESSAGE_MAX


def test_when_the_sink_takes_nothing_more_the_entrance_says_so(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0)
        async with running(beats, sink) as task:
            sink.failure = SpoolError("the disk is gone")
            with Beat(beats.port) as beat:
                beat.send(window([event(1)]))
                assert await asyncio.to_thread(beat.answer) == -1
            await task

    with pytest.raises(SpoolError, match="the disk is gone"):
        asyncio.run(scenario())


def test_senders_are_paused_while_much_waits_and_go_on_when_it_is_written(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    text = "y" * 10_000

    def send(port: int) -> None:
        with Beat(port) as beat:
            for _ in range(20):
                beat.send(window([event(number, message=text) for number in range(100)], 0))
            for _ in range(20):
                assert beat.answered(100)

    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0, limits=Limits(queue_bytes=1 << 20))
        async with running(beats, sink):
            sink.open.clear()
            senders = [asyncio.create_task(asyncio.to_thread(send, beats.port)) for _ in range(3)]
            await until(lambda: beats.counters.received > 100)
            await asyncio.sleep(0.2)
            assert beats.counters.received < 300  # of 6000
            sink.open.set()
            await asyncio.gather(*senders)

    asyncio.run(scenario())
    assert len(sink.bodies()) == 6000


def test_over_tls_the_certificate_is_the_identity(
    sink: "DiskSink", clock: ManualClock, running: "Running", tmp_path: Path
) -> None:
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("web1.example.org")
    server.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    client.configure_cert(context)
    tls = Tls(
        TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem", None, ("dns:web1.example.org",))
    )
    seen: list[Raw] = []

    class Noting:
        async def write(self, raws: Sequence[Raw], /) -> int:
            seen.extend(raws)
            return await sink.write(raws)

    def send(port: int) -> None:
        with Beat(port, context) as beat:
            beat.send(window([event(number) for number in range(3000)]))
            assert beat.answered(3000)

    async def scenario() -> None:
        beats = Lumberjack("beats", clock, port=0, tls=tls)
        async with running(beats, Noting()):
            await asyncio.to_thread(send, beats.port)

    asyncio.run(scenario())
    assert {raw.origin.identity for raw in seen} == {"dns:web1.example.org"}
    assert len(sink.bodies()) == 3000


def test_an_event_is_known_again_by_where_it_was_read_and_nothing_else() -> None:
    winlog = {"winlog": {"record_id": 7, "channel": "Security", "computer_name": "dc1.example.org"}}
    told = {
        position(event(1)), position(event(2)), position(event(1, agent={"id": "another"})),
        position(event(1, **{"@timestamp": "2026-11-23T08:15:00.001Z"})), position(event(1, **winlog)),
        position(event(1, **{"@metadata": {"_id": "abc"}})),
    }  # fmt: skip
    assert len(told) == 6
    assert "" not in told
    assert position(event(1)) == position(event(1, host={"name": "web1"}))
    assert {position(body) for body in (b"", b"[]", b"{", b"7", b'{"log":7}', event(1, log={}), b"\xff")} == {""}


@pytest.mark.kill
def test_killed_between_disk_and_answer_what_was_answered_is_stored_once(
    tmp_path: Path, server_at: Callable[[str, Path], "Server"]
) -> None:
    server, left = server_at("beats", tmp_path), [event(number) for number in range(3000)]
    answered: list[bytes] = []
    kills = 0
    for kill_at in ("collect.durable", "spool.after_write:3", "collect.durable:5", "spool.after_fsync:4", ""):
        server.start(kill_at)
        with Beat(server.port) as beat:
            while left:
                batch, alive = left[:100], False
                try:
                    beat.send(window(batch))
                    alive = beat.answered(len(batch))
                except (ConnectionError, BrokenPipeError):
                    alive = False
                if not alive:
                    break
                answered += batch
                del left[: len(batch)]
        kills += bool(left)
        server.stop()
    assert not left
    assert kills == 4
    with DiskSpool(tmp_path / "spool", ballast_bytes=0) as spool:
        entries = spool.read(0, 10_000)
    stored = Counter(entry.raw.body for entry in entries)
    assert set(stored) == set(answered)
    assert len(entries) > 3000  # some came twice,
    assert len({event_id(entry) for entry in entries}) == 3000  # and no store will keep them twice
