"""Reads one file from where its stream stands, plain or gzip, and notices when the file is no longer the same."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sentinel.collect.identity import begun, chained, position
from sentinel.collect.lines import UTF16_MARKS, Cutter, Line
from sentinel.collect.records import Cutting, Records
from sentinel.collect.streams import PRINT_BYTES, Stream
from sentinel.core.event import Origin, Raw

BATCH_MAX = 1000
READ_BYTES = 256 * 1024
_HALF_MARKS = {mark[:1] for mark in UTF16_MARKS}


@dataclass(frozen=True, slots=True)
class Batch:
    """Records, and where their stream stands once they are kept."""

    raws: list[Raw]
    offset: int
    chain: bytes
    tail: bytes


class Tail:
    """An open file and its stream. `stale`: the file's content was replaced; `damaged`: its compression is broken.

    `generation` is asked once, with the chain after a stream's first line; `moment` is when bytes last came, those
    up to the offset `known` having come by then.
    """

    def __init__(  # noqa: PLR0913  plain arguments of the one place that opens files
        self,
        stream: Stream,
        path: Path,
        source: str,
        *,
        cutting: Cutting,
        generation: Callable[[Stream], int],
        moment: datetime,
        known: int = 0,
    ) -> None:
        self.stream = stream
        self.stale = False
        self.damaged = ""
        self.at_end = False
        self.moment = moment
        self._known = known
        self._source = source
        self._cutting = cutting
        self._generation = generation
        self._chain = bytes.fromhex(stream.chain)
        self._offset = stream.offset
        self._fed = stream.offset
        self._file = path.open("rb", buffering=0)
        self._text = gzip.GzipFile(fileobj=self._file)
        self._head = self._skip(self._fed)
        self._cutter = self._fresh_cutter()

    def _skip(self, offset: int) -> bytes:
        # go to the offset; leave what stands just before it in _before, return the first bytes
        if not self.stream.compressed:
            length = min(PRINT_BYTES, offset)
            self._before = os.pread(self._file.fileno(), length, offset - length)
            return os.pread(self._file.fileno(), length, 0)
        head = before = b""
        while offset and (data := self._gunzip(min(READ_BYTES, offset))):
            offset -= len(data)
            head = (head + data)[:PRINT_BYTES] if len(head) < PRINT_BYTES else head
            before = (before + data)[-PRINT_BYTES:]
        self._before = before
        return head

    def _fresh_cutter(self) -> Cutter:
        head = self._head
        if not self._offset and not self.stream.compressed:
            head = os.pread(self._file.fileno(), 2, 0)
        return self._cutting.cutter(head, at_start=not self._offset)

    @property
    def head(self) -> bytes:
        """The first bytes that have been read, PRINT_BYTES at most."""
        return self._head

    @property
    def held(self) -> int:
        """How many bytes of an unfinished record have been read."""
        return self._fed - self._offset

    @property
    def whole(self) -> bool:
        """Say whether what is held are whole lines, which only wait for others of their record."""
        return isinstance(self._cutter, Records) and self._cutter.whole

    def unchanged(self) -> bool:
        """Say whether the bytes just read are still where they were."""
        if self.stream.compressed:
            return True
        length = len(self._before)
        return os.pread(self._file.fileno(), length, self._fed - length) == self._before

    def read(self, now: datetime) -> Iterator[Batch]:
        """Read one block; yield its lines in batches. Afterwards `at_end` says whether there was nothing more."""
        data = self._block()
        self.at_end = not data or (not self._fed and data in _HALF_MARKS)
        if self.at_end:
            return
        if self._fed + len(data) > self._known:
            self.moment = now
        if len(self._head) < PRINT_BYTES:
            self._head = (self._head + data)[:PRINT_BYTES]
        if not self._offset and not self._fed:
            self._cutter = self._cutting.cutter(data)
        around = self._before + data
        base = self._fed - len(self._before)
        self._fed += len(data)
        self._before = around[-PRINT_BYTES:]
        yield from self._batches(self._cutter.feed(data), now, around, base)

    def finish(self, now: datetime) -> Iterator[Batch]:
        """Take what is held as a record; what may follow is another one."""
        if self.held % 2 and self._cutting.wide(self._head) and not self.stream.compressed:
            return
        lines = self._cutter.end()
        around, base = self._before, self._fed - len(self._before)
        yield from self._batches(lines, now, around, base)
        self._cutter = self._fresh_cutter()

    def accept(self, batch: Batch) -> None:
        """Move the stream forward: the batch has been kept."""
        stream = self.stream
        stream.offset, stream.chain = batch.offset, batch.chain.hex()
        stream.printed(self._head[: batch.offset], batch.tail)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _block(self) -> bytes:
        if self.stream.compressed:
            return self._gunzip(READ_BYTES)
        length = len(self._before)
        # one read for old and new bytes, so that the file cannot be replaced between looking and reading
        data = os.pread(self._file.fileno(), length + READ_BYTES, self._fed - length)
        if data[:length] != self._before:
            self.stale = True
            return b""
        return data[length:]

    def _gunzip(self, length: int) -> bytes:
        try:
            return self._text.read1(length)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.damaged = str(error)
            return b""

    def _batches(self, lines: list[Line], now: datetime, around: bytes, base: int) -> Iterator[Batch]:
        for start in range(0, len(lines), BATCH_MAX):
            raws = list(self._raws(lines[start : start + BATCH_MAX], now))
            end = self._offset - base
            yield Batch(raws, self._offset, self._chain, around[max(0, end - PRINT_BYTES) : end])

    def _raws(self, lines: list[Line], now: datetime) -> Iterator[Raw]:
        stream, source, chain, offset = self.stream, self._source, self._chain, self._offset
        for line in lines:
            first = begun(chain, line)
            if not stream.first:
                stream.first = first.hex()
                stream.generation = self._generation(stream)
            if line.body and offset + line.size > stream.skip_until:
                place = position(first, offset, stream.generation)
                yield Raw(line.body, source, now, Origin("file", stream.family, place, line.note))
            chain = chained(chain, line) if line.parts else first
            offset += line.size
        self._chain, self._offset = chain, offset
