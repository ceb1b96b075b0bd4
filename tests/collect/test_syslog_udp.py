"""Syslog over UDP: every datagram is a record or is counted."""

import asyncio
import resource
import socket
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

import pytest

from sentinel.collect.datagrams import Datagram, _Receiver
from sentinel.collect.syslog_udp import SyslogUdp
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConfigError, SpoolError

if TYPE_CHECKING:
    from datetime import datetime

    from sentinel.core.event import Raw
    from tests.collect.conftest import DiskSink, Running, Until


def sender(port: int, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((host, port))
    return sock


def accounted(udp: SyslogUdp) -> int:
    counters = udp.counters
    return counters.written + counters.blank + counters.dropped_overflow + counters.dropped_kernel


def test_a_datagram_is_a_record(sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until") -> None:
    async def scenario() -> int:
        udp = SyslogUdp("net", clock, port=0)
        async with running(udp, sink):
            with sender(udp.port) as sock:
                for body in (b"<13>one\n", b"<13>two\nlines\0", b"<13>\xe4\xf6\xff", b"\n", b""):
                    sock.send(body)
                await until(lambda: udp.counters.written + udp.counters.blank == 5)
                return int(sock.getsockname()[1])

    port = asyncio.run(scenario())
    raws = sink.raws()
    assert [raw.body for raw in raws] == [b"<13>one", b"<13>two\nlines", b"<13>\xe4\xf6\xff"]
    assert {(raw.source, raw.received, raw.origin.via, raw.origin.peer, raw.origin.position) for raw in raws} == {
        ("net", clock.now(), "syslog-udp", f"127.0.0.1:{port}", "")
    }


def test_a_thousand_identical_datagrams_are_a_thousand_events(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        udp = SyslogUdp("net", clock, port=0)
        async with running(udp, sink):
            with sender(udp.port) as sock:
                for _ in range(1000):
                    sock.send(b"<13>same")
            await until(lambda: accounted(udp) == 1000)
        assert udp.counters.dropped_kernel == 0

    asyncio.run(scenario())
    assert len(set(sink.ids())) == 1000


def test_a_stalled_sink_drops_the_newest_and_every_loss_is_counted(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> SyslogUdp:
        udp = SyslogUdp("net", clock, port=0, queue_max=500, sockets=1)
        sink.open.clear()
        async with running(udp, sink):
            with sender(udp.port) as sock:
                sock.send(b"<13>first")
                await until(lambda: udp.counters.received == 1 and udp.queued == 0)  # in the sink's hands
                for number in range(5000):
                    sock.send(b"<13>%d" % number)
                await until(lambda: udp.counters.received + udp.counters.dropped_kernel == 5001)
                sink.open.set()
        return udp

    udp = asyncio.run(scenario())
    assert udp.counters.dropped_kernel == 0
    assert udp.counters.dropped_overflow == 4500
    assert accounted(udp) == 5001
    assert sink.bodies() == [b"<13>first", *(b"<13>%d" % number for number in range(500))]


class Stalling:
    """A clock that the receiving thread has to wait for: the way a starved machine looks to the kernel."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.go = Event()

    def now(self) -> "datetime":
        """Return the clock's time once it may."""
        self.go.wait(60)
        return self.clock.now()


def test_what_the_kernel_drops_is_counted_exactly(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> SyslogUdp:
        stalling = Stalling(clock)
        udp = SyslogUdp("net", stalling, port=0, receive_buffer_bytes=32 * 1024)
        async with running(udp, sink):
            with sender(udp.port) as sock:
                for number in range(20_000):
                    sock.send(b"<13>%d " % number + b"x" * 200)
            await until(lambda: udp.counters.dropped_kernel > 0)
            stalling.go.set()
        return udp

    udp = asyncio.run(scenario())
    assert udp.counters.dropped_kernel > 10_000
    assert udp.counters.dropped_overflow == 0
    assert accounted(udp) == 20_000
    assert len(sink.raws()) == udp.counters.written


def test_a_want_of_descriptors_does_not_end_the_entrance(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        udp = SyslogUdp("net", clock, port=0)
        async with running(udp, sink) as task:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                await asyncio.wait({task}, timeout=1.5)  # it looks at the kernel's count once a second
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert not task.done()

    asyncio.run(scenario())


def test_a_stop_writes_what_is_queued_and_what_the_kernel_holds(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    async def scenario() -> SyslogUdp:
        udp = SyslogUdp("net", clock, port=0)
        async with running(udp, sink):
            with sender(udp.port) as sock:
                for number in range(3000):
                    sock.send(b"<13>%d" % number)
        return udp

    udp = asyncio.run(scenario())
    assert accounted(udp) == 3000
    assert sink.bodies() == [b"<13>%d" % number for number in range(3000)]


def test_ipv4_and_ipv6_come_in_through_one_socket_and_are_named_as_they_are(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> list[str]:
        udp = SyslogUdp("net", clock, host="::", port=0)
        async with running(udp, sink):
            with sender(udp.port) as four, sender(udp.port, "::1") as six:
                four.send(b"<13>four")
                await until(lambda: udp.counters.written == 1)
                six.send(b"<13>six")
                await until(lambda: udp.counters.written == 2)
                return [f"127.0.0.1:{four.getsockname()[1]}", f"[::1]:{six.getsockname()[1]}"]

    peers = asyncio.run(scenario())
    assert [raw.origin.peer for raw in sink.raws()] == peers


def test_a_sink_that_fails_ends_the_entrance_with_its_error(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        udp = SyslogUdp("net", clock, port=0)
        sink.failure = SpoolError("the disk is gone")
        async with running(udp, sink) as task:
            with sender(udp.port) as sock:
                sock.send(b"<13>x")
            await until(task.done)

    with pytest.raises(SpoolError, match="gone"):
        asyncio.run(scenario())


def test_a_port_that_is_taken_is_a_configuration_error(
    sink: "DiskSink", clock: ManualClock, running: "Running"
) -> None:
    async def scenario() -> None:
        first = SyslogUdp("one", clock, port=0)
        async with running(first, sink):
            with pytest.raises(ConfigError, match="taken by another program"):
                await SyslogUdp("two", clock, port=first.port).run(sink)

    asyncio.run(scenario())


def test_a_flood_of_one_sender_leaves_room_for_all_others(
    sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    elsewhere: set[int] = set()

    async def scenario() -> SyslogUdp:
        udp = SyslogUdp("net", clock, port=0, queue_max=800)
        sink.open.clear()
        async with running(udp, sink):
            with sender(udp.port) as flood:
                flood.send(b"<13>first")
                await until(lambda: udp.counters.received == 1 and udp.queued == 0)  # in the sink's hands
                (flooded,) = [one for one in udp._receivers if one.received]
                for number in range(5000):
                    flood.send(b"<13>flood %d" % number)
                await until(lambda: flooded.received == 5001)
                for number in range(60):
                    with sender(udp.port) as other:
                        other.send(b"<13>quiet %d" % number)
                    arrived = 5002 + number
                    await until(partial(lambda wanted: sum(one.received for one in udp._receivers) == wanted, arrived))
                    if flooded.received == 5001 + number - len(elsewhere):
                        elsewhere.add(number)
                sink.open.set()
        return udp

    udp = asyncio.run(scenario())
    assert len(elsewhere) > 20, "the kernel gave all senders the same socket"
    assert {b"<13>quiet %d" % number for number in elsewhere} <= set(sink.bodies())
    assert udp.counters.dropped_kernel == 0
    assert udp.counters.dropped_overflow > 4000
    assert accounted(udp) == 5061


def test_senders_without_number_do_not_fill_the_memory(clock: ManualClock) -> None:
    udp = SyslogUdp("net", clock, port=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        udp._receivers = [_Receiver(sock, clock, (0, 0), lambda _: True)]
    for number in range(10_000):
        udp._receivers[0].queue.append(Datagram(b"<13>x", (f"192.0.2.{number % 256}", number), clock.now()))
    batches: list[list[Raw]] = []
    while udp.queued:
        batches.append(udp._batch())
    assert sum(map(len, batches)) == 10_000
    assert len(udp._origins) <= 4096
