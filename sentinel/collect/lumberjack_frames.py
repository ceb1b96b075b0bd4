"""Lumberjack version 2, the protocol of Beats: bytes to frames, and the answers.

A frame begins with its version `2` and its kind: `W` how many events the sender sends before it waits, `J` an event
as JSON with its number, `C` frames compressed with zlib, `A` the answer: every event up to this number has arrived.
Numbers are 32 bits, most significant byte first.
https://github.com/elastic/logstash-input-beats/blob/main/PROTOCOL.md, https://github.com/elastic/go-lumber
"""

import zlib
from struct import Struct
from typing import NamedTuple

from sentinel.collect.lines import MESSAGE_MAX, Growing

WINDOW_MAX = 65_536
"""Events that a sender may have on the way without an answer; Beats send 2048 at once."""
UNANSWERED_BYTES_MAX = 64 << 20
FRAME_MAX = 16 << 20
"""Bytes of an event, or of a compressed frame as it came; of an event only the first MESSAGE_MAX are kept."""
INFLATED_MAX = 64 << 20
INFLATED_FREE = 8 << 20
RATIO_MAX = 100
"""A compressed frame may become so many times as long, beyond INFLATED_FREE: logs that repeat do reach it."""

_PIECE = 256 * 1024
_EVENT = Struct(">2sII")
_NUMBER = Struct(">2sI")


class Window(NamedTuple):
    """The sender waits for an answer after `size` events."""

    size: int


class Sent(NamedTuple):
    """An event: its number, its JSON as it came, and what had to be done to it."""

    seq: int
    body: bytes
    note: str = ""


Frame = Window | Sent


def answer(seq: int) -> bytes:
    """Return the frame that says: every event up to number `seq` is on disk; 0: none yet, but we are alive."""
    return _NUMBER.pack(b"2A", seq)


class Frames:
    """One connection's bytes to frames; in which pieces they come makes no difference.

    `broken` says why nothing can follow (empty while all is well): `version`, `frame_kind`, `window`,
    `frame_too_large`, `nested`, `compression`, `ratio`, `unanswered`. Events count as unanswered until `answered` is
    told; this bounds what one piece of bytes may become in memory.
    """

    __slots__ = ("_cutter", "_unanswered")

    def __init__(self) -> None:
        self._unanswered = _Unanswered()
        self._cutter = _Cutter(self._unanswered, inside=False)

    @property
    def broken(self) -> str:
        """Why nothing can follow."""
        return self._cutter.broken

    @property
    def held(self) -> int:
        """How many bytes of unfinished frames are in memory."""
        return self._cutter.held

    def feed(self, data: bytes, /) -> list[Frame]:
        """Take the next piece; return the frames it completes."""
        frames: list[Frame] = []
        if not self._cutter.broken:
            self._cutter.feed(data, frames)
        return frames

    def answered(self, events: int, size: int) -> None:
        """Note that `events` with bodies of `size` bytes in all have gone their way."""
        self._unanswered.events -= events
        self._unanswered.size -= size


class _Unanswered:
    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events = self.size = 0

    def add(self, size: int) -> bool:
        """Count an event; say whether it is one too many."""
        self.events += 1
        self.size += size
        return self.events > WINDOW_MAX or self.size > UNANSWERED_BYTES_MAX


class _Cutter:
    """The frames of one level; `inside` a compressed frame another may not begin."""

    __slots__ = ("_growing", "_head", "_inflating", "_inside", "_missing", "_seq", "_unanswered", "broken")

    def __init__(self, unanswered: _Unanswered, *, inside: bool) -> None:
        self._unanswered, self._inside = unanswered, inside
        self._head = b""
        self._growing = Growing()
        self._missing = self._seq = 0
        self._inflating: _Inflating | None = None
        self.broken = ""

    @property
    def held(self) -> int:
        inner = self._inflating.held if self._inflating is not None else 0
        return len(self._head) + self._growing.held + inner

    @property
    def between(self) -> bool:
        """Say whether no frame is unfinished."""
        return not self._head and not self._missing and self._inflating is None

    def feed(self, data: bytes, frames: list[Frame]) -> None:
        at = 0
        if self._head:
            data, self._head = self._head + data, b""
        elif self._missing:
            at = self._grow(data, 0, frames)
        end = len(data)
        add, unpack = self._unanswered.add, _EVENT.unpack_from
        while at < end and not self.broken:
            if self._inflating is not None:
                at = self._inflate(self._inflating, data, at, frames)
                continue
            if end - at >= 10:
                kind, seq, size = unpack(data, at)
                if kind == b"2J" and size <= MESSAGE_MAX and at + 10 + size <= end:
                    if add(size):
                        self.broken = "unanswered"
                        return
                    frames.append(Sent(seq, data[at + 10 : at + 10 + size]))
                    at += 10 + size
                    continue
            at = self._next(data, at, frames)

    def _next(self, data: bytes, at: int, frames: list[Frame]) -> int:
        """Begin the frame at `at`, or keep the part of its head that is there; return where to go on."""
        kind = data[at : at + 2]
        if kind[:1] != b"2":
            self.broken = "version"
        elif kind[1:] and kind[1:] not in b"WJC":
            self.broken = "frame_kind"
        elif kind == b"2C" and self._inside:
            self.broken = "nested"
        head = _EVENT.size if kind == b"2J" else _NUMBER.size
        if self.broken:
            return len(data)
        if len(data) - at < head:
            self._head = data[at:]
            return len(data)
        number = int.from_bytes(data[at + 2 : at + 6], "big")
        size = int.from_bytes(data[at + head - 4 : at + head], "big")
        if kind == b"2W":
            self.broken = "" if 0 < number <= WINDOW_MAX else "window"
            frames.append(Window(number))
        elif size > FRAME_MAX or (kind == b"2C" and not size):
            self.broken = "frame_too_large" if size else "compression"
        elif kind == b"2C":
            self._inflating = _Inflating(size, _Cutter(self._unanswered, inside=True))
        else:
            self._seq, self._missing = number, size
            return self._grow(data, at + head, frames)
        return at + head

    def _grow(self, data: bytes, at: int, frames: list[Frame]) -> int:
        piece = data[at : at + self._missing]
        self._growing.add(piece)
        self._missing -= len(piece)
        if not self._missing:
            body, note = self._growing.take()
            if self._unanswered.add(len(body)):
                self.broken = "unanswered"
            else:
                frames.append(Sent(self._seq, body, note))
        return at + len(piece)

    def _inflate(self, inflating: "_Inflating", data: bytes, at: int, frames: list[Frame]) -> int:
        piece = data[at : at + inflating.missing]
        self.broken = inflating.feed(piece, frames)
        if not inflating.missing:
            self._inflating = None
        return at + len(piece)


class _Inflating:
    """A compressed frame of which a part has arrived; never more than a piece of what it becomes is in memory."""

    __slots__ = ("_cutter", "_room", "_zlib", "missing")

    def __init__(self, size: int, cutter: _Cutter) -> None:
        self.missing = size
        self._cutter = cutter
        self._room = min(INFLATED_MAX, max(INFLATED_FREE, size * RATIO_MAX))
        self._zlib = zlib.decompressobj()

    @property
    def held(self) -> int:
        return self._cutter.held

    def feed(self, piece: bytes, frames: list[Frame]) -> str:
        """Take the next bytes; return what is wrong with them."""
        self.missing -= len(piece)
        more = True
        while more:
            try:
                plain = self._zlib.decompress(piece, _PIECE)
            except zlib.error:
                return "compression"
            self._room -= len(plain)
            if self._room < 0:
                return "ratio"
            self._cutter.feed(plain, frames)
            if self._cutter.broken:
                return self._cutter.broken
            piece = self._zlib.unconsumed_tail
            more = bool(piece) or len(plain) == _PIECE
        ended = self._zlib.eof
        whole = ended and self._cutter.between and not self._zlib.unused_data
        return "compression" if ended != (not self.missing) or (ended and not whole) else ""
