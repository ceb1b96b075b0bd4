"""Syslog over TCP (RFC 6587, both framings on one port) and over TLS (RFC 5425); neither has an acknowledgement.

A crash loses what is in socket buffers and the open batch; an orderly stop loses nothing that has reached this host.
Memory is bounded: by pausing every sender while the sink is behind, by a limit on connections, and by one on the
unfinished messages of all of them together.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from sentinel.collect.framing import Framing
from sentinel.collect.lines import Line
from sentinel.collect.link import Link
from sentinel.collect.listening import Limits, Listener, Traffic
from sentinel.collect.refusals import Refusals
from sentinel.collect.tls import Tls
from sentinel.core.errors import SpoolFullError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

BATCH_MAX = 1000


@dataclass(slots=True)
class Counters(Traffic):
    """What became of the messages: received = written + those still waiting + `dropped_overflow`.

    Dropped is what a full spool had no room for at an orderly end; `cut` messages were too long.

    Connections are ended for `bad_count`, `count_too_large`, `partial_memory`; `blank` are messages of no bytes.
    """

    received: int = 0
    written: int = 0
    blank: int = 0
    cut: int = 0
    dropped_overflow: int = 0
    unfinished: int = 0


class SyslogTcp:
    """The TCP or TLS entrance. `port` 0 takes any free one."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 514,
        limits: Limits | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self.limits = limits or Limits()
        self.via = "syslog-tcp" if tls is None else "syslog-tls"
        self.paused = False
        self._clock = clock
        self._listener = Listener(
            host,
            port,
            self._session,
            counters=self.counters,
            limits=self.limits,
            tls=tls,
            refusals=None if tls is None else Refusals(name, clock),
        )
        self._queue: deque[Raw] = deque()
        self._queued_bytes = 0
        self._partial_bytes = 0
        self._wake = asyncio.Event()
        self._finished = False

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return self._listener.port

    @property
    def queued(self) -> int:
        """How many records wait for the sink."""
        return len(self._queue)

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled, then write whatever has reached this host, unfinished messages included."""
        self._finished = False
        self._listener.open(sink)
        writer = asyncio.create_task(self._write(sink))
        self.ready.set()
        try:
            await asyncio.wait({writer})
        finally:
            self.ready.clear()
            await self._listener.close(drain=True)
            self._finished = True
            self._wake.set()
            await writer

    def _session(self, link: Link) -> "_Session":
        if self.paused:
            link.pause()
        return _Session(self, link)

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
            try:
                await sink.write(batch)
            except SpoolFullError as error:  # the end has come, and there is no room
                self.counters.written += error.written
                self.counters.dropped_overflow += len(batch) - error.written
            else:
                self.counters.written += len(batch)
            self._queued_bytes -= sum(len(raw.body) for raw in batch)
            if self.paused and self._queued_bytes <= self.limits.queue_bytes // 2:
                self.paused = False
                for link in list(self._listener.links):
                    link.resume()

    def take(self, lines: Iterable[Line], origin: Origin) -> None:
        """Queue messages for the sink; pause every sender if the queue has become too long."""
        received, name, counters, size = self._clock.now(), self.name, self.counters, 0
        for body, _, note, _ in lines:
            if not body:
                counters.blank += 1
                continue
            size += len(body)
            counters.received += 1
            if note:
                counters.cut += note.startswith("cut:")
                counters.unfinished += note.endswith("unfinished")
                noted = Origin(origin.via, origin.peer, note=note, identity=origin.identity)
                self._queue.append(Raw(body, name, received, noted))
            else:
                self._queue.append(Raw(body, name, received, origin))
        self._queued_bytes += size
        self._wake.set()
        if self._queued_bytes > self.limits.queue_bytes and not self.paused:
            self.paused = True
            for link in self._listener.links:
                link.pause()

    def holds(self, change: int) -> bool:
        """Account for a change of the bytes in unfinished messages; say whether there is still room for them."""
        self._partial_bytes += change
        return change <= 0 or self._partial_bytes <= self.limits.partial_bytes


class _Session:
    def __init__(self, entrance: SyslogTcp, link: Link) -> None:
        self._entrance, self._link = entrance, link
        self._framing = Framing()
        self._origin = Origin(entrance.via, link.peer, identity=link.identity)

    def received(self, data: bytes, /) -> None:
        framing, entrance = self._framing, self._entrance
        before = framing.held
        lines = framing.feed(data)
        if lines:
            entrance.take(lines, self._origin)
        if framing.broken:
            entrance.holds(-before)
            self._link.abort(framing.broken)
        elif not entrance.holds(framing.held - before):
            self._finish()
            self._link.abort("partial_memory")

    def ended(self) -> None:
        self._finish()
        self._link.close()

    def _finish(self) -> None:
        before = self._framing.held
        self._entrance.take(self._framing.end(), self._origin)
        self._entrance.holds(-before)
