"""Syslog over TCP (RFC 6587, both framings on one port); plain TCP has no acknowledgement.

A crash loses what is in socket buffers and the open batch; an orderly stop loses nothing that has reached this host.
Memory is bounded: by pausing every sender while the sink is behind, by a limit on connections, and by one on the
unfinished messages of all of them together.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import cast

from sentinel.collect.framing import Framing
from sentinel.collect.lines import Line
from sentinel.collect.sockets import bound, host_of, peer_text
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

BATCH_MAX = 1000
BACKLOG = 512
RECEIVE_BYTES = 256 * 1024
_STOP_SECONDS_MAX = 5.0
_RETRY_SECONDS = 1.0
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 300), (socket.TCP_KEEPINTVL, 60), (socket.TCP_KEEPCNT, 5))
"""A sender that vanished without a word frees its place after ten minutes; one with nothing to say may stay."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one port may hold: connections in all and per sender's address, records and bytes waiting for the sink.

    `queue_bytes` is when every sender is paused; `partial_bytes` bounds the unfinished messages of all connections.
    """

    connections: int = 4096
    per_address: int = 1024
    queue_bytes: int = 8 * 1024 * 1024
    partial_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class Counters:
    """What became of the messages: received = written + those still waiting; `cut` of them were too long.

    `refused` counts connections that were not accepted (`too_many`, `too_many_from_address`) or had to wait for it
    (`no_resources`), `closed` those that were ended by us and why (`bad_count`, `count_too_large`,
    `partial_memory`); `blank` are messages of no bytes.
    """

    received: int = 0
    written: int = 0
    blank: int = 0
    cut: int = 0
    unfinished: int = 0
    connections: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)


class SyslogTcp:
    """The TCP entrance. `port` 0 takes any free one."""

    def __init__(
        self, name: str, clock: Clock, *, host: str = "127.0.0.1", port: int = 514, limits: Limits | None = None
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self.limits = limits or Limits()
        self._clock = clock
        self._asked = (host, port)
        self._socket: socket.socket | None = None
        self._open: dict[_Connection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._queue: deque[Raw] = deque()
        self._queued_bytes = 0
        self._partial_bytes = 0
        self.paused = False
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._greeting: set[asyncio.Task[None]] = set()
        self._finished = False

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def queued(self) -> int:
        """How many records wait for the sink."""
        return len(self._queue)

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled, then write whatever has reached this host, unfinished messages included."""
        loop = asyncio.get_running_loop()
        self._finished = False
        self._socket = sock = bound(*self._asked, kind=socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003  the signature is Python's
        sock.listen(BACKLOG)
        loop.add_reader(sock, self._accept, loop, sock)
        writer = asyncio.create_task(self._write(sink))
        self.ready.set()
        try:
            await asyncio.wait({writer})
        finally:
            self.ready.clear()
            loop.remove_reader(sock)
            self._accept(loop, sock)  # senders to whom the loop had not yet come round
            self._socket = None
            sock.close()
            await asyncio.gather(*self._greeting, return_exceptions=True)
            until = monotonic() + _STOP_SECONDS_MAX
            for connection in list(self._open):
                connection.drain(until)
            self._finished = True
            self._wake.set()
            await self._empty.wait()
            await writer

    def _accept(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                peer, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptors or no memory left: those waiting are let in later
                self.counters.refused["no_resources"] += 1
                loop.remove_reader(sock)
                loop.call_later(_RETRY_SECONDS, self._accept_again, loop, sock)
                return
            host = host_of(address)
            if not self._admits(host):
                peer.close()
                continue
            self._empty.clear()
            self._addresses[host] += 1
            connection = _Connection(self, host, peer_text(address))
            self._open[connection] = None
            self.counters.connections = len(self._open)
            greeting = loop.create_task(self._greet(loop, connection, peer))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, loop: asyncio.AbstractEventLoop, connection: "_Connection", peer: socket.socket) -> None:
        try:
            peer.setblocking(False)  # noqa: FBT003  the signature is Python's
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                peer.setsockopt(socket.IPPROTO_TCP, option, value)
            await loop.connect_accepted_socket(lambda: connection, peer)
        except OSError:  # gone again
            peer.close()
            self.closed(connection)

    def _accept_again(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        if self._socket is sock:
            loop.add_reader(sock, self._accept, loop, sock)

    async def _write(self, sink: Sink) -> None:
        queue = self._queue
        while True:
            if not queue:
                if self._finished:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [queue.popleft() for _ in range(min(BATCH_MAX, len(queue)))]
            await sink.write(batch)
            self.counters.written += len(batch)
            self._queued_bytes -= sum(len(raw.body) for raw in batch)
            if self.paused and self._queued_bytes <= self.limits.queue_bytes // 2:
                self.paused = False
                for connection in self._open:
                    connection.resume()

    def _admits(self, host: str) -> bool:
        if len(self._open) >= self.limits.connections:
            self.counters.refused["too_many"] += 1
            return False
        if self._addresses[host] >= self.limits.per_address:
            self.counters.refused["too_many_from_address"] += 1
            return False
        return True

    def closed(self, connection: "_Connection") -> None:
        """Forget a connection."""
        if connection not in self._open:
            return
        del self._open[connection]
        self._addresses[connection.host] -= 1
        if not self._addresses[connection.host]:
            del self._addresses[connection.host]
        self.counters.connections = len(self._open)
        if not self._open:
            self._empty.set()

    def take(self, lines: Iterable[Line], origin: Origin) -> None:
        """Queue messages for the sink; pause every sender if the queue has become too long."""
        received, name, counters, size = self._clock.now(), self.name, self.counters, 0
        for body, _, note in lines:
            if not body:
                counters.blank += 1
                continue
            size += len(body)
            counters.received += 1
            if note:
                counters.cut += note.startswith("cut:")
                counters.unfinished += note.endswith("unfinished")
                self._queue.append(Raw(body, name, received, Origin(origin.via, origin.peer, note=note)))
            else:
                self._queue.append(Raw(body, name, received, origin))
        self._queued_bytes += size
        self._wake.set()
        if self._queued_bytes > self.limits.queue_bytes and not self.paused:
            self.paused = True
            for connection in self._open:
                connection.pause()

    def holds(self, change: int) -> bool:
        """Account for a change of the bytes in unfinished messages; say whether there is still room for them."""
        self._partial_bytes += change
        return change <= 0 or self._partial_bytes <= self.limits.partial_bytes


class _Connection(asyncio.Protocol):
    def __init__(self, entrance: SyslogTcp, host: str, peer: str) -> None:
        self.host = host
        self._entrance = entrance
        self._framing = Framing()
        self._origin = Origin("syslog-tcp", peer)
        self._transport: asyncio.Transport | None = None
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._entrance.paused:
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        framing, entrance = self._framing, self._entrance
        before = framing.held
        lines = framing.feed(data)
        if lines:
            entrance.take(lines, self._origin)
        if framing.broken:
            entrance.holds(-before)
            self._give_up(framing.broken)
        elif not entrance.holds(framing.held - before):
            self.finish()
            self._give_up("partial_memory")

    def _give_up(self, reason: str) -> None:
        self._finished = True
        self._entrance.counters.closed[reason] += 1
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Hand over the unfinished message; nothing follows."""
        if not self._finished:
            self._finished = True
            before = self._framing.held
            self._entrance.take(self._framing.end(), self._origin)
            self._entrance.holds(-before)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.finish()
        self._entrance.closed(self)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def drain(self, until: float) -> None:
        """Take what the kernel still holds for this connection (until that time, monotonic), and end it."""
        transport = self._transport
        if transport is None:
            return
        self.pause()
        shown: socket.socket = transport.get_extra_info("socket")
        with suppress(OSError), socket.fromfd(shown.fileno(), shown.family, shown.type) as sock:
            sock.setblocking(False)  # noqa: FBT003  the signature is Python's
            while not self._finished and monotonic() < until:
                data = sock.recv(RECEIVE_BYTES)
                if not data:
                    break
                self.data_received(data)
        self.finish()
        transport.abort()
