"""Receiving datagrams: what every entrance over UDP has in common; best effort, but each loss on this host is counted.

A thread does nothing but receive and append to a bounded queue; a task drains the queue into the sink. What the
queue cannot take while the sink is slow is dropped, newest first; what the kernel could not keep is read from
`/proc/net/udp{,6}`.
"""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
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


class UdpEntrance(ABC):
    """A UDP port. `port` 0 takes any free one; `reuse_port` lets several processes share it.

    `receive_buffer_bytes` is what the kernel is asked for; what it gave is in `kernel_buffer_bytes` (without
    CAP_NET_ADMIN it gives at most net.core.rmem_max).
    """

    counters: Counters

    def __init__(  # noqa: PLR0913  plain arguments, so that app.py can wire them
        self,
        name: str,
        clock: Clock,
        *,
        host: str,
        port: int,
        reuse_port: bool = False,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.kernel_buffer_bytes = 0
        self._clock = clock
        self._asked = (host, port)
        self._reuse_port = reuse_port
        self._buffer = receive_buffer_bytes
        self._queue: deque[Datagram] = deque()
        self._queue_max = queue_max
        self._bytes_in = 0  # written by the thread only
        self._bytes_out = 0  # written by the task only
        self._socket: socket.socket | None = None
        self._wake = asyncio.Event()
        self._idle = False
        self._stopping = False
        self._finished = False
        self._ended = asyncio.Event()
        self._failure: OSError | None = None
        self._dropped_before = 0

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def queued(self) -> int:
        """How many datagrams wait for the sink."""
        return len(self._queue)

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled, then write what the queue and the kernel's buffer still hold."""
        self._stopping = self._finished = False
        self._ended.clear()
        self._dropped_before = self.counters.dropped_kernel
        self._socket = sock = self._open()
        loop = asyncio.get_running_loop()
        thread = Thread(target=self._receive, args=(sock, loop), name=f"{self.name}-receive", daemon=True)
        thread.start()
        self.ready.set()
        writer = asyncio.create_task(self._drain(sink))
        try:
            while not writer.done() and not self._ended.is_set():
                await asyncio.wait({writer}, timeout=1.0)
                self._count_kernel_drops(sock)
        finally:
            self._stopping = True
            await self._ended.wait()
            self._count_kernel_drops(sock)
            self.ready.clear()
            self._socket = None
            sock.close()
            self._finished = True
            self._wake.set()
            await writer
        if self._failure is not None:
            raise self._failure

    def _open(self) -> socket.socket:
        sock = bound(*self._asked, kind=socket.SOCK_DGRAM, reuse_port=self._reuse_port)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        self.kernel_buffer_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        # a time limit of the kernel's costs nothing a datagram; one of Python's is a poll() before each
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)
        return sock

    def _receive(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while not self._stopping:
                with suppress(BlockingIOError):  # nothing came within a tick
                    self._receive_while(lambda: not self._stopping, sock, 0, loop)
            until = monotonic() + _DRAIN_SECONDS_MAX  # what the kernel's buffer still holds, but no flood for ever
            with suppress(BlockingIOError):
                self._receive_while(lambda: monotonic() < until, sock, socket.MSG_DONTWAIT, loop)
        except OSError as error:
            self._failure = error
        finally:
            loop.call_soon_threadsafe(self._ended.set)

    def _receive_while(
        self, wanted: Callable[[], bool], sock: socket.socket, flags: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        buffer = bytearray(DATAGRAM_MAX)
        view = memoryview(buffer)
        queue, counters, now = self._queue, self.counters, self._clock.now
        while wanted():
            size, peer = sock.recvfrom_into(buffer, 0, flags)
            counters.received += 1
            if len(queue) >= self._queue_max or self._bytes_in - self._bytes_out >= QUEUE_BYTES_MAX:
                counters.dropped_overflow += 1
            else:
                self._bytes_in += size
                queue.append(Datagram(bytes(view[:size]), peer, now()))
            if self._idle:
                self._idle = False
                loop.call_soon_threadsafe(self._wake.set)

    async def _drain(self, sink: Sink) -> None:
        counters = self.counters
        while True:
            batch = self._batch()
            if batch:
                try:
                    await sink.write(batch)
                except SpoolFullError as error:  # the end has come, and there is no room
                    counters.written += error.written
                    counters.dropped_overflow += len(batch) - error.written
                else:
                    counters.written += len(batch)
            elif self._queue:  # a flood of what holds no record must not keep the loop from the other entrances
                await asyncio.sleep(0)
            else:
                if self._finished:
                    return
                self._wake.clear()
                self._idle = True
                if not self._queue:
                    await self._wake.wait()
                self._idle = False

    def _taken(self) -> Iterator[Datagram]:
        """Yield up to BATCH_MAX datagrams, each taken off the queue."""
        queue = self._queue
        for _ in range(min(BATCH_MAX, len(queue))):
            datagram = queue.popleft()
            self._bytes_out += len(datagram.data)
            yield datagram

    @abstractmethod
    def _batch(self) -> Sequence[Raw]:
        """Return the records of some of the datagrams that `_taken` yields; none if they held none."""

    def _count_kernel_drops(self, sock: socket.socket) -> None:
        with suppress(OSError):  # no descriptor to look with: the kernel goes on counting
            self.counters.dropped_kernel = self._dropped_before + kernel_drops(fstat(sock.fileno()).st_ino)


def kernel_drops(inode: int) -> int:
    """Return how many datagrams the kernel has dropped for the UDP socket with that inode; 0 if it is unknown."""
    wanted = str(inode)
    return next((int(row[-1]) for row in _udp_rows() if row[9] == wanted), 0)


def _udp_rows() -> Iterator[list[str]]:
    # sl local remote st queues timer retransmits uid timeout inode ref pointer drops
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with suppress(FileNotFoundError):
            for text in Path(table).read_text("ascii").splitlines()[1:]:
                row = text.split()
                if len(row) >= 13:
                    yield row
