"""Answers that are given when the records they are about are on disk: what every acknowledging protocol needs."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sentinel.collect.link import Link
from sentinel.collect.listening import Traffic
from sentinel.core.errors import SpoolError
from sentinel.core.event import Raw
from sentinel.core.ports import Sink


@dataclass(slots=True)
class Counters(Traffic):
    """Received = written + those still waiting; a sender that was not answered sends again."""

    received: int = 0
    written: int = 0


class Delivery:
    """One connection's records on their way to the sink, in order; each answer is sent once its records are durable.

    While more than `bytes_max` wait the sender is paused. What had been received when the connection went is
    written all the same: its sender may send it again, and never loses it.
    """

    def __init__(self, link: Link, sink: Sink, counters: Counters, *, bytes_max: int = 4 << 20) -> None:
        self._link, self._sink, self._counters = link, sink, counters
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[Sequence[Raw], Callable[[], None], int]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def idle(self) -> bool:
        """Say whether everything has been answered."""
        return self._task is None

    def add(self, raws: Sequence[Raw], answer: Callable[[], None]) -> None:
        """Write `raws` (perhaps none) behind what was added before, then call `answer`."""
        size = sum(len(raw.body) for raw in raws)
        self._waiting.append((raws, answer, size))
        self._bytes += size
        self._counters.received += len(raws)
        if self._bytes > self._bytes_max:
            self._link.pause()
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
                self._counters.written += len(raws)
                for _, answer, size in batch:
                    self._bytes -= size
                    answer()
                if self._bytes <= self._bytes_max // 2:
                    self._link.resume()
        except SpoolError:
            self._link.abort("spool_failed")
            raise
        finally:
            self._task = None
        if self._closing:
            self._link.close()
