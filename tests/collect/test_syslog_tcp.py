"""Syslog over TCP: both framings, back pressure, hostile and slow senders, and a stop that loses nothing."""

import asyncio
import gc
import resource
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.listening import Limits
from sentinel.collect.syslog_tcp import SyslogTcp
from sentinel.core.clock import ManualClock
from sentinel.core.errors import SpoolError

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Until

MB = 1024 * 1024


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def send(port: int, data: bytes) -> None:
    _, writer = await connected(port)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def test_both_framings_share_a_port(sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until") -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            await send(tcp.port, b"<13>line one\n\n2 lines\r\n<13>unfinished")
            await send(tcp.port, b"11 <13>a\n<13>b7 <13>end")
            await until(lambda: tcp.counters.written == 5)
        assert tcp.counters.blank == 1

    asyncio.run(scenario())
    kept = {(raw.body, raw.origin.note) for raw in sink.raws()}
    assert kept == {
        (b"<13>line one", ""), (b"2 lines", ""), (b"<13>unfinished", "unfinished"),
        (b"<13>a\n<13>b", ""), (b"<13>end", ""),
    }  # fmt: skip
    assert {raw.origin.via for raw in sink.raws()} == {"syslog-tcp"}
    assert all(raw.origin.peer.startswith("127.0.0.1:") and not raw.origin.position for raw in sink.raws())


def test_a_thousand_identical_lines_are_a_thousand_events(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            await send(tcp.port, b"<13>same\n" * 1000)
            await until(lambda: tcp.counters.written == 1000)

    asyncio.run(scenario())
    assert len(set(sink.ids())) == 1000


def test_a_count_that_cannot_be_closes_the_connection_and_keeps_what_came_before(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> SyslogTcp:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            for bad in (b"0 <13>", b"-1 <13>", b"123456789012 <13>", b"999999999 <13>"):
                for start in (b"", b"5 <13>a"):
                    reader, writer = await connected(tcp.port)
                    writer.write(start + bad + b"x" * 100)
                    with suppress(ConnectionResetError):
                        assert await reader.read(1) == b""
                    writer.close()
            await send(tcp.port, b"<13>still here\n")
            await until(lambda: tcp.counters.written == 5)
        return tcp

    tcp = asyncio.run(scenario())
    assert tcp.counters.closed == {"bad_count": 4, "count_too_large": 4}
    assert sorted(sink.bodies()) == [b"<13>a"] * 4 + [b"<13>still here"]


def test_long_messages_are_cut_and_cost_little_memory(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    ten = b"<13>" + bytes(range(11, 256)) * (10 * MB // 245)
    piece = b"y" * MB

    async def scenario() -> int:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            await send(tcp.port, b"<13>warm\n")
            await until(lambda: tcp.counters.written == 1)
            gc.collect()
            before = resident()
            await send(tcp.port, ten + b"\n<13>after\n")
            await until(lambda: tcp.counters.written == 3)
            _, writer = await connected(tcp.port)
            grown = 0
            for _ in range(100):
                writer.write(piece)
                await writer.drain()
                grown = max(grown, resident() - before)
            writer.write(b"\n<13>end\n")
            writer.close()
            await writer.wait_closed()
            await until(lambda: tcp.counters.written == 5)
        assert tcp.counters.cut == 2
        return grown

    grown = asyncio.run(scenario())
    first, _, *rest = sorted(sink.raws(), key=lambda raw: -len(raw.body))
    assert {len(raw.body) for raw in sink.raws()[1:]} == {MESSAGE_MAX, 9, 7}
    notes = {raw.origin.note for raw in sink.raws() if raw.origin.note}
    assert notes == {
        f"cut:{len(ten)}:sha256={sha256(ten).hexdigest()}",
        f"cut:{100 * MB}:sha256={sha256(piece * 100).hexdigest()}",
    }
    assert len(first.body) == MESSAGE_MAX
    assert [raw.body for raw in rest] == [b"<13>after", b"<13>warm", b"<13>end"]
    assert grown <= 40 * MB


def test_two_hundred_slow_senders_neither_cost_much_nor_hold_up_a_good_one(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> int:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            await send(tcp.port, b"<13>warm\n")
            await until(lambda: tcp.counters.written == 1)
            gc.collect()
            before = resident()
            slow = [(await connected(tcp.port))[1] for _ in range(200)]
            for byte in b"<13>slow":
                for writer in slow:
                    writer.write(bytes([byte]))
                await asyncio.sleep(0.01)
            await send(tcp.port, b"".join(b"<13>good %d\n" % number for number in range(1000)))
            await until(lambda: tcp.counters.written == 1001)
            assert tcp.counters.connections >= 200
            grown = resident() - before
            for writer in slow:
                writer.write(b"\n")
                writer.close()
            await until(lambda: tcp.counters.written == 1201 and tcp.counters.connections == 0)
        return grown

    assert asyncio.run(scenario()) < 50 * MB
    assert sink.bodies().count(b"<13>slow") == 200


def test_connections_are_limited_in_all_and_per_address(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0, limits=Limits(connections=8, per_address=5))
        async with running(tcp, sink):
            writers = [(await connected(tcp.port))[1] for _ in range(7)]
            await until(lambda: tcp.counters.refused["too_many_from_address"] == 2)
            assert tcp.counters.connections == 5
            for writer in writers:
                writer.close()
            await until(lambda: tcp.counters.connections == 0)
            await send(tcp.port, b"<13>room again\n")
            await until(lambda: tcp.counters.written == 1)

    asyncio.run(scenario())


def test_unfinished_messages_of_all_senders_together_are_bounded(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> SyslogTcp:
        tcp = SyslogTcp("net", clock, port=0, limits=Limits(partial_bytes=MB))
        async with running(tcp, sink):
            writers = [(await connected(tcp.port))[1] for _ in range(8)]
            for writer in writers:
                writer.write(b"<13>" + b"z" * 200_000)
            await until(lambda: tcp.counters.closed["partial_memory"] >= 2)
            for writer in writers:
                writer.close()
            await until(lambda: tcp.counters.connections == 0)
        assert tcp._partial_bytes == 0
        return tcp

    tcp = asyncio.run(scenario())
    assert len(sink.raws()) == 8
    assert tcp.counters.unfinished == 8


def test_a_stalled_sink_makes_senders_wait_and_nothing_is_lost(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    total, text = 20_000, b"w" * 1000

    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0, limits=Limits(queue_bytes=MB))
        sink.open.clear()
        async with running(tcp, sink):
            sending = asyncio.create_task(send(tcp.port, b"".join(b"<13>%d %s\n" % (n, text) for n in range(total))))
            await until(lambda: tcp.paused)
            late = asyncio.create_task(send(tcp.port, b"<13>late\n"))
            for _ in range(20):
                await asyncio.sleep(0.005)
                assert tcp._queued_bytes < 2 * MB
            assert not sending.done()
            sink.open.set()
            await asyncio.gather(sending, late)
            await until(lambda: tcp.counters.written == total + 1)
            assert not tcp.paused

    asyncio.run(scenario())
    kept = [body for body in sink.bodies() if body != b"<13>late"]
    assert kept == [b"<13>%d %s" % (n, text) for n in range(total)]


def test_a_stop_writes_everything_that_had_reached_this_host(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0)
        sink.open.clear()
        async with running(tcp, sink):
            spoken = [socket.create_connection(("127.0.0.1", tcp.port)) for _ in range(20)]
            for number, sock in enumerate(spoken):
                sock.sendall(b"".join(b"<13>%d.%d\n" % (number, line) for line in range(500)) + b"<13>rest")
            await until(lambda: tcp.counters.connections == 20)
            for number in range(20, 40):  # the loop does not get to see these before it is stopped
                sock = socket.create_connection(("127.0.0.1", tcp.port))
                sock.sendall(b"".join(b"<13>%d.%d\n" % (number, line) for line in range(500)) + b"<13>rest")
                spoken.append(sock)
            for sock in spoken[::2]:
                sock.close()
            sink.open.set()
        for sock in spoken:
            sock.close()
        assert tcp.counters.received == tcp.counters.written
        assert tcp.counters.connections == 0

    asyncio.run(scenario())
    wanted = [b"<13>%d.%d" % (number, line) for number in range(40) for line in range(500)] + [b"<13>rest"] * 40
    assert sorted(sink.bodies()) == sorted(wanted)


def test_a_sink_that_fails_ends_the_entrance_with_its_error(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0)
        sink.failure = SpoolError("the disk is gone")
        async with running(tcp, sink) as task:
            await send(tcp.port, b"<13>x\n")
            await until(task.done)

    with pytest.raises(SpoolError, match="gone"):
        asyncio.run(scenario())


def test_without_file_descriptors_new_senders_wait_and_are_let_in_later(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        tcp = SyslogTcp("net", clock, port=0)
        async with running(tcp, sink):
            sender = socket.create_connection(("127.0.0.1", tcp.port))
            await until(lambda: tcp.counters.connections == 1)
            late = socket.socket()
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 1, hard))
            try:
                late.connect(("127.0.0.1", tcp.port))
                await until(lambda: tcp.counters.refused["no_resources"] >= 1)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            sender.sendall(b"<13>kept\n")
            late.sendall(b"<13>late\n")
            await until(lambda: tcp.counters.written == 2)
            sender.close()
            late.close()

    asyncio.run(scenario())
    assert sorted(sink.bodies()) == [b"<13>kept", b"<13>late"]
