"""Receiving datagrams: what every entrance over UDP has in common; best effort, but each loss on this host is counted.

A port has several sockets (SO_REUSEPORT); the kernel gives all that one sender's port sends to one of them. Each has a
thread that does nothing but receive and append to a bounded queue; a task drains the queues in turn into the sink.
So a flood fills the buffer and the queue of its own socket, and who sends to the others is heard all the same. What a
queue cannot take while the sink is slow is dropped, newest first; what the kernel could not keep is read from
`/proc/net/udp{,6}` for each socket.
"""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from os import fstat
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import NamedTuple

from sentinel.collect.sockets import bound
from sentinel.core.errors import SpoolFullError
from sentinel.core.event import Raw
from sentinel.core.ports import Clock, Sink

BATCH_MAX = 1000
DATAGRAM_MAX = 65_535
QUEUE_MAX = 100_000
QUEUE_BYTES_MAX = 64 * 1024 * 1024
RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024
SOCKETS = 4
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
_TICK = struct.pack("ll", 0, 100_000)
_DRAIN_SECONDS_MAX = 2.0

Address = tuple[str, int]
"""A socket's peer: host and port (and what IPv6 adds to them)."""


class Datagram(NamedTuple):
    """What came, from whom and when."""

    data: bytes
    peer: Address
    received: datetime


@dataclass(slots=True)
class Counters:
    """Datagrams received and lost here, records written.

    `dropped_overflow` were received and the queue was full; `dropped_kernel` are those the kernel could not keep for
    us (read once a second, exact): they were not received.
    """

    received: int = 0
    written: int = 0
    dropped_overflow: int = 0
    dropped_kernel: int = 0


class _Bound:
    """How much may wait in all queues together; half of it is set apart, for each the same, whoever floods."""

    def __init__(self, most: int, queues: int) -> None:
        self.each = most // (2 * queues)
        self._most = most - self.each * (queues - 1)

    def holds(self, own: int, whole: int) -> bool:
        """Say whether a queue that has `own` of the `whole` may have more."""
        return own < self.each or whole < self._most


class _Receiver:
    """One socket of a port, its thread and its queue."""

    def __init__(
        self, sock: socket.socket, clock: Clock, apart: tuple[int, int], room: Callable[["_Receiver"], bool]
    ) -> None:
        self.sock = sock
        self.inode = str(fstat(sock.fileno()).st_ino)
        self.queue: deque[Datagram] = deque()
        self.received = self.overflow = self.dropped = 0
        self.bytes_in = 0  # written by the thread only
        self.bytes_out = 0  # written by the task only
        self.failure: OSError | None = None
        self._clock = clock
        self._apart = apart
        self._room = room

    @property
    def bytes(self) -> int:
        """The bytes that wait."""
        return self.bytes_in - self.bytes_out

    def run(self, stopping: Callable[[], bool], wake: Callable[[], None], ended: Callable[[], None]) -> None:
        """Receive until `stopping`, then what the kernel's buffer still holds; `wake` is called for each datagram."""
        try:
            while not stopping():
                with suppress(BlockingIOError):  # nothing came within a tick
                    self._receive(lambda: not stopping(), 0, wake)
            until = monotonic() + _DRAIN_SECONDS_MAX  # no flood for ever
            with suppress(BlockingIOError):
                self._receive(lambda: monotonic() < until, socket.MSG_DONTWAIT, wake)
        except OSError as error:
            self.failure = error
        finally:
            ended()

    def _receive(self, wanted: Callable[[], bool], flags: int, wake: Callable[[], None]) -> None:
        buffer = bytearray(DATAGRAM_MAX)
        view = memoryview(buffer)
        queue, now, sock, room = self.queue, self._clock.now, self.sock, self._room
        records_apart, bytes_apart = self._apart
        while wanted():
            size, peer = sock.recvfrom_into(buffer, 0, flags)
            self.received += 1
            if (len(queue) < records_apart and self.bytes_in - self.bytes_out < bytes_apart) or room(self):
                self.bytes_in += size
                queue.append(Datagram(bytes(view[:size]), peer, now()))
            else:
                self.overflow += 1
            wake()


class UdpEntrance(ABC):
    """A UDP port of so many `sockets`. `port` 0 takes any free one.

    `receive_buffer_bytes` is what the kernel is asked for, for each socket; what it gave is in `kernel_buffer_bytes`
    (without CAP_NET_ADMIN it gives at most net.core.rmem_max).
    """

    counters: Counters

    def __init__(  # noqa: PLR0913  plain arguments, so that app.py can wire them
        self,
        name: str,
        clock: Clock,
        *,
        host: str,
        port: int,
        sockets: int = SOCKETS,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.kernel_buffer_bytes = 0
        self._clock = clock
        self._asked = (host, port)
        self._buffer = receive_buffer_bytes
        self._records, self._bytes = _Bound(queue_max, sockets), _Bound(QUEUE_BYTES_MAX, sockets)
        self._sockets = sockets
        self._receivers: list[_Receiver] = []
        self._port = 0
        self._wake = asyncio.Event()
        self._idle = False
        self._stopping = False
        self._finished = False
        self._before, self._given_up = Counters(), 0

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return self._port

    @property
    def queued(self) -> int:
        """How many datagrams wait for the sink."""
        return sum([len(one.queue) for one in self._receivers])

    def _room(self, receiver: _Receiver) -> bool:
        held = sum([one.bytes for one in self._receivers])
        return self._records.holds(len(receiver.queue), self.queued) and self._bytes.holds(receiver.bytes, held)

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled, then write what the queues and the kernel's buffers still hold."""
        self._stopping = self._finished = False
        self._before, self._given_up = replace(self.counters), 0
        apart = (self._records.each, self._bytes.each)
        self._receivers = [_Receiver(sock, self._clock, apart, self._room) for sock in self._open()]
        ended = self._begin()
        self.ready.set()
        writer = asyncio.create_task(self._drain(sink))
        try:
            while not writer.done() and not ended.is_set():
                await asyncio.wait({writer}, timeout=1.0)
                self._count()
        finally:
            self._stopping = True
            await ended.wait()
            self._count()
            self.ready.clear()
            self._port = 0
            for one in self._receivers:
                one.sock.close()
            self._finished = True
            self._wake.set()
            await writer
        for one in self._receivers:
            if one.failure is not None:
                raise one.failure

    def _begin(self) -> asyncio.Event:
        """Start a thread for each receiver; returns what is set once all of them, or one by itself, have ended."""
        loop, ended, left = asyncio.get_running_loop(), asyncio.Event(), [*self._receivers]

        def wake() -> None:
            if self._idle:
                self._idle = False
                loop.call_soon_threadsafe(self._wake.set)

        def one_less() -> None:
            left.pop()
            self._stopping = True  # one alone does not end but by an error
            if not left:
                ended.set()

        for number, one in enumerate(self._receivers):
            arguments = (lambda: self._stopping, wake, lambda: loop.call_soon_threadsafe(one_less))
            Thread(target=one.run, args=arguments, name=f"{self.name}-receive-{number}", daemon=True).start()
        return ended

    def _open(self) -> list[socket.socket]:
        host, port = self._asked
        # the first one is bound alone, so that a port of somebody else's is not shared unawares
        opened = [bound(host, port, kind=socket.SOCK_DGRAM)]
        try:
            opened[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._port = int(opened[0].getsockname()[1])
            while len(opened) < self._sockets:
                opened.append(bound(host, self._port, kind=socket.SOCK_DGRAM, reuse_port=True))
            for sock in opened:
                self._prepare(sock)
        except BaseException:
            self._port = 0
            for sock in opened:
                sock.close()
            raise
        return opened

    def _prepare(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        self.kernel_buffer_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        # a time limit of the kernel's costs nothing a datagram; one of Python's is a poll() before each
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)

    async def _drain(self, sink: Sink) -> None:
        counters = self.counters
        while True:
            batch = self._batch()
            if batch:
                try:
                    await sink.write(batch)
                except SpoolFullError as error:  # the end has come, and there is no room
                    counters.written += error.written
                    self._given_up += len(batch) - error.written
                    self._count()
                else:
                    counters.written += len(batch)
            elif self.queued:  # a flood of what holds no record must not keep the loop from the other entrances
                await asyncio.sleep(0)
            else:
                if self._finished:
                    return
                self._wake.clear()
                self._idle = True
                if not self.queued:
                    await self._wake.wait()
                self._idle = False

    def _taken(self) -> Iterator[Datagram]:
        """Yield up to BATCH_MAX datagrams, each taken off its queue; no queue waits for another to be empty."""
        left = BATCH_MAX
        while left and (waiting := [one for one in self._receivers if one.queue]):
            each = max(1, left // len(waiting))
            for one in waiting:
                for _ in range(min(each, len(one.queue), left)):
                    datagram = one.queue.popleft()
                    one.bytes_out += len(datagram.data)
                    left -= 1
                    yield datagram

    @abstractmethod
    def _batch(self) -> Sequence[Raw]:
        """Return the records of some of the datagrams that `_taken` yields; none if they held none."""

    def _count(self) -> None:
        """Count what the receivers and the kernel have counted."""
        counters, before = self.counters, self._before
        counters.received = before.received + sum([one.received for one in self._receivers])
        overflow = sum([one.overflow for one in self._receivers]) + self._given_up
        counters.dropped_overflow = before.dropped_overflow + overflow
        with suppress(OSError):  # no descriptor to look with: the kernel goes on counting
            for one, dropped in zip(self._receivers, kernel_drops([one.inode for one in self._receivers]), strict=True):
                one.dropped = max(one.dropped, dropped)
        counters.dropped_kernel = before.dropped_kernel + sum([one.dropped for one in self._receivers])


def kernel_drops(inodes: Sequence[str]) -> list[int]:
    """Return how many datagrams the kernel has dropped for the UDP sockets with these inodes; 0 if one is gone."""
    dropped = {row[9]: int(row[-1]) for row in _udp_rows()}
    return [dropped.get(inode, 0) for inode in inodes]


def _udp_rows() -> Iterator[list[str]]:
    # sl local remote st queues timer retransmits uid timeout inode ref pointer drops
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with suppress(FileNotFoundError):
            for text in Path(table).read_text("ascii").splitlines()[1:]:
                row = text.split()
                if len(row) >= 13:
                    yield row
