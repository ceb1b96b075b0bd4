"""Answers that are given when the records they are about are on disk: what every acknowledging protocol needs."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sentinel.collect.link import Link, Session
from sentinel.collect.listening import Limits, Listener, Traffic
from sentinel.collect.refusals import Refusals
from sentinel.collect.tls import Tls
from sentinel.core.errors import SpoolError
from sentinel.core.event import Origin, Raw
from sentinel.core.kill import point
from sentinel.core.ports import Clock, Sink

_RECORD_BYTES = 400
"""What a record costs in memory beside its body."""


@dataclass(slots=True)
class Counters(Traffic):
    """Received = written + those still waiting; a sender that was not answered sends again."""

    received: int = 0
    written: int = 0


class Room:
    """The memory for records that wait for the sink; when it is used up the senders on `links` are paused."""

    def __init__(self, links: Callable[[], Iterable[Link]], bytes_max: int) -> None:
        self.full = False
        self._links, self._bytes_max = links, bytes_max
        self._bytes = 0

    def take(self, size: int) -> None:
        """Use `size` bytes; what has been read is always taken, but perhaps nothing more is read."""
        self._bytes += size
        if self._bytes > self._bytes_max and not self.full:
            self.full = True
            for link in self._links():
                link.pause()

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self._bytes -= size
        if self.full and self._bytes <= self._bytes_max // 2:
            self.full = False
            for link in list(self._links()):
                link.resume()


class Delivery:
    """One connection's records on their way to the sink, in order; each answer is sent once its records are durable.

    Several connections may share a `room`; else while more than `bytes_max` wait the sender is paused. What had been
    received when the connection went is written all the same: its sender may send it again, and never loses it.
    `failed` hears of it when the sink takes nothing more, for good.
    """

    def __init__(
        self,
        link: Link,
        sink: Sink,
        counters: Counters,
        *,
        bytes_max: int = 4 << 20,
        room: Room | None = None,
        failed: Callable[[SpoolError], None],
    ) -> None:
        self._link, self._sink, self._counters = link, sink, counters
        self._room = room or Room(lambda: (link,), bytes_max)
        self._failed = failed
        self._waiting: deque[tuple[Sequence[Raw], Callable[[], None], int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def idle(self) -> bool:
        """Say whether everything has been answered."""
        return self._task is None

    def add(self, raws: Sequence[Raw], answer: Callable[[], None]) -> None:
        """Write `raws` (perhaps none) behind what was added before, then call `answer`."""
        size = sum([len(raw.body) for raw in raws]) + _RECORD_BYTES * len(raws)
        self._waiting.append((raws, answer, size))
        self._counters.received += len(raws)
        self._room.take(size)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    def close(self) -> None:
        """Close the link once everything has been answered."""
        self._closing = True
        if self._task is None:
            self._link.close()

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = list(self._waiting)
                self._waiting.clear()
                raws = [raw for some, _, _ in batch for raw in some]
                if raws:
                    await self._sink.write(raws)
                point("collect.durable")
                self._counters.written += len(raws)
                for _, answer, _ in batch:
                    answer()
                self._room.give(sum([size for _, _, size in batch]))
        except SpoolError as error:
            self._link.abort("spool_failed")
            self._failed(error)
        finally:
            self._task = None
        if self._closing:
            self._link.close()


class AcknowledgedEntrance(ABC):
    """A port whose protocol tells the sender when a record is on disk. `port` 0 takes any free one."""

    via: str

    def __init__(  # noqa: PLR0913  plain arguments, so that the wiring can name them
        self,
        name: str,
        clock: Clock,
        *,
        host: str,
        port: int,
        counters: Counters,
        limits: Limits | None,
        tls: Tls | None,
    ) -> None:
        self.name, self.clock = name, clock
        self.ready = asyncio.Event()
        self.limits = limits or Limits()
        self._listener = Listener(
            host,
            port,
            self._begun,
            counters=counters,
            limits=self.limits,
            tls=tls,
            refusals=None if tls is None else Refusals(name, clock),
        )
        self._room = Room(lambda: self._listener.links, self.limits.queue_bytes)
        self._partial_bytes = 0
        self._sink: Sink | None = None
        self._failure: asyncio.Future[None] | None = None

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return self._listener.port

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled, then write and answer what has reached this host; raises SpoolError."""
        self._sink = sink
        self._failure = asyncio.get_running_loop().create_future()
        self._listener.open(sink)
        self.ready.set()
        try:
            await asyncio.wait({self._failure})
        finally:
            self.ready.clear()
            await self._listener.close(drain=not self._failure.done())
            if self._failure.done():
                self._failure.result()

    def _begun(self, link: Link) -> Session:
        if self._room.full:
            link.pause()
        return self.session(link)

    @abstractmethod
    def session(self, link: Link) -> Session:
        """Return what speaks the protocol on `link`."""

    def delivery(self, link: Link, counters: Counters) -> Delivery:
        """Return the way of one connection's records to the sink of the present run."""
        if self._sink is None:
            raise RuntimeError("a connection before the entrance runs")
        return Delivery(link, self._sink, counters, room=self._room, failed=self._fail)

    def _fail(self, error: SpoolError) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def holds(self, change: int) -> bool:
        """Account for a change of the bytes in unfinished messages; say whether there is still room for them."""
        self._partial_bytes += change
        return change <= 0 or self._partial_bytes <= self.limits.partial_bytes


class AcknowledgedSession:
    """What the sessions of such an entrance share: records go out in order, memory is given back however it ends."""

    def __init__(self, entrance: AcknowledgedEntrance, link: Link, counters: Counters) -> None:
        self.link = link
        self.delivery = entrance.delivery(link, counters)
        self.origin = Origin(entrance.via, link.peer, identity=link.identity)
        self._holds = entrance.holds
        self._held = 0

    def account(self, held: int) -> bool:
        """Note how many bytes of unfinished messages are in memory; say whether there is room for them."""
        change, self._held = held - self._held, held
        return self._holds(change)

    def send(self, data: bytes) -> None:
        """Send an answer; a client that does not read its answers is cut off."""
        self.link.send(data)
        if not self.link.open:
            self.account(0)
