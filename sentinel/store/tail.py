"""Reading a hot segment on from where one stopped.

The file grows only at its end, and a line counts once its newline is there. What has been seen is remembered in blocks
(where they lie, which sequences they hold), so that a reader who follows the writer parses nothing twice.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sentinel.core.event import Event
from sentinel.store.codec import decode

BLOCK_BYTES = 64 << 10
_READ_BYTES = 1 << 20
_LINE_START = b'{"seq":'


@dataclass(slots=True)
class _Block:
    start: int
    end: int
    low: int
    high: int
    rising: bool


class Tail:
    """One hot segment as its reader knows it; FileNotFoundError says that it has been sealed or dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._inode = 0
        self._end = 0
        self._blocks: list[_Block] = []

    def newest(self) -> int:
        """Return the highest sequence in the segment, 0 if it is empty."""
        with self._lock, self._path.open("rb") as file:
            self._catch_up(file.fileno())
            return max((block.high for block in self._blocks), default=0)

    def lowest(self) -> int:
        """Return the lowest sequence in the segment, 0 if it is empty."""
        with self._lock, self._path.open("rb") as file:
            self._catch_up(file.fileno())
            return min((block.low for block in self._blocks), default=0)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the first `limit` events with `cursor < seq <= until`, in order."""
        found: list[Event] = []
        with self._lock, self._path.open("rb") as file:
            self._catch_up(file.fileno())
            wanted = [block for block in self._blocks if block.high > cursor and block.low <= until]
            wanted.sort(key=lambda block: block.low)
            for block in wanted:
                if len(found) >= limit and block.low > found[limit - 1].seq:
                    break
                found += _events(file.fileno(), block, cursor, until, limit)
                if len(found) > limit:
                    found = sorted(found, key=_seq)[:limit]
        return sorted(found, key=_seq)[:limit]

    def _catch_up(self, handle: int) -> None:
        now = os.fstat(handle)
        if now.st_ino != self._inode or now.st_size < self._end:
            self._inode, self._end, self._blocks = now.st_ino, 0, []
        while self._end < now.st_size:
            chunk = os.pread(handle, min(_READ_BYTES, now.st_size - self._end), self._end)
            whole = chunk.rfind(b"\n") + 1
            size = _READ_BYTES
            while not whole and size < now.st_size - self._end:  # one line longer than what was read
                size *= 2
                chunk = os.pread(handle, size, self._end)
                whole = chunk.rfind(b"\n") + 1
            if not whole:
                break
            self._index(chunk[:whole])

    def _index(self, lines: bytes) -> None:
        for line in lines.splitlines(keepends=True):
            start, self._end = self._end, self._end + len(line)
            seq = _seq_in(line)
            if seq is None:
                continue
            last = self._blocks[-1] if self._blocks else None
            if last is not None and start - last.start < BLOCK_BYTES:
                last.rising = last.rising and seq > last.high
                last.low, last.high, last.end = min(seq, last.low), max(seq, last.high), self._end
            else:
                self._blocks.append(_Block(start, self._end, seq, seq, rising=True))


def _seq(event: Event) -> int:
    return event.seq


def _seq_in(line: bytes) -> int | None:
    stop = line.find(b",", 7, 30)
    digits = line[7:stop]
    return int(digits) if stop > 0 and line.startswith(_LINE_START) and digits.isdigit() else None


def _events(handle: int, block: _Block, cursor: int, until: int, limit: int) -> list[Event]:
    found: list[Event] = []
    for line in os.pread(handle, block.end - block.start, block.start).split(b"\n"):
        seq = _seq_in(line)
        if seq is None or not cursor < seq <= until:
            continue
        if block.rising and len(found) >= limit:
            break
        try:
            found.append(decode(line))
        except (ValueError, KeyError, TypeError):
            continue  # damage: the writer sets it apart and reports it when it opens the store
    return found
