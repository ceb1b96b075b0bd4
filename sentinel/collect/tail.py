"""Reads one file from where its stream stands, plain or gzip, and notices when the file is no longer the same."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sentinel.collect.identity import chained, position
from sentinel.collect.lines import UTF16_MARKS, Cutter, Line, Lines, Utf16Lines
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

    `generation` is asked once, with the chain after a stream's first line; `moment` is when bytes last came.
    """

    def __init__(
        self, stream: Stream, path: Path, source: str, generation: Callable[[Stream], int], moment: datetime
    ) -> None:
        self.stream = stream
        self.stale = False
        self.damaged = ""
        self.at_end = False
        self.moment = moment
        self._source = source
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
        mark = self._head[:2]
        if not self._offset and not self.stream.compressed:
            mark = os.pread(self._file.fileno(), 2, 0)
        if mark in UTF16_MARKS:
            return Utf16Lines(mark, at_start=not self._offset)
        return Lines()

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line have been read."""
        return self._fed - self._offset

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
        self.moment = now
        if len(self._head) < PRINT_BYTES:
            self._head = (self._head + data)[:PRINT_BYTES]
        if not self._offset and not self._fed and data[:2] in UTF16_MARKS:
            self._cutter = Utf16Lines(data[:2])
        around = self._before + data
        base = self._fed - len(self._before)
        self._fed += len(data)
        self._before = around[-PRINT_BYTES:]
        yield from self._batches(self._cutter.feed(data), now, around, base)

    def finish(self, now: datetime) -> Iterator[Batch]:
        """Take the unfinished line as a record; what may follow is another one."""
        if isinstance(self._cutter, Utf16Lines) and self.held % 2 and not self.stream.compressed:
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
            chain = chained(chain, line)
            if not stream.first:
                stream.first = chain.hex()
                stream.generation = self._generation(stream)
            if line.body and offset + line.size > stream.skip_until:
                place = position(chain, offset, stream.generation)
                yield Raw(line.body, source, now, Origin("file", stream.family, place, line.note))
            offset += line.size
        self._chain, self._offset = chain, offset
