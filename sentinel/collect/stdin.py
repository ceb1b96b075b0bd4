"""Standard input: one line, one record; the lines have no identity of their own, so what comes twice counts twice."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from io import UnsupportedOperation
from select import select
from typing import BinaryIO

from sentinel.collect.lines import Line, Lines
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

BATCH_MAX = 1000
READ_BYTES = 64 * 1024
_LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Counters:
    """Lines read that were not empty, and those the sink has kept."""

    received: int = 0
    written: int = 0


class StdinCollector:
    """The lines of a binary stream, to its end."""

    def __init__(self, name: str, clock: Clock, stream: BinaryIO) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self._clock = clock
        self._stream = stream
        self._stopped = False

    async def run(self, sink: Sink, /) -> None:
        """Read to the end of the stream, or until cancelled; what was read before that has been written."""
        self._stopped = False
        self.ready.set()
        pump = asyncio.create_task(self._pump(sink))
        try:
            await asyncio.wait({pump})
        finally:
            self._stopped = True
            await pump

    async def _pump(self, sink: Sink) -> None:
        lines = Lines()
        while not self._stopped and (data := await asyncio.to_thread(self._read)):
            await self._hand_over(sink, lines.feed(data))
        await self._hand_over(sink, lines.end())

    async def _hand_over(self, sink: Sink, lines: list[Line]) -> None:
        for batch in self._batches(lines):
            self.counters.received += len(batch)
            await sink.write(batch)
            self.counters.written += len(batch)

    def _batches(self, lines: list[Line]) -> Iterator[list[Raw]]:
        received = self._clock.now()
        raws = [Raw(line.body, self.name, received, Origin("stdin", note=line.note)) for line in lines if line.body]
        for start in range(0, len(raws), BATCH_MAX):
            yield raws[start : start + BATCH_MAX]

    def _read(self) -> bytes:
        # looks before it reads, so that a terminal at which nobody types does not hold up a stop
        try:
            number = self._stream.fileno()
        except (UnsupportedOperation, OSError):
            return self._stream.read(READ_BYTES)
        while not self._stopped:
            if select([number], [], [], _LOOK_SECONDS)[0]:
                read = getattr(self._stream, "read1", self._stream.read)
                data: bytes = read(READ_BYTES)
                return data
        return b""
