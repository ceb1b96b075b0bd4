"""RELP, rsyslog's reliable protocol: bytes to frames, and the answers.

A frame is `txnr command length data` and a line feed: the transaction's number (1 to 999999999, then 1 again), a word
of up to 32 letters, how many bytes of data follow, a blank and those bytes unless there are none.
https://www.rsyslog.com/doc/relp.html, https://github.com/rsyslog/librelp/blob/master/doc/relp.html
"""

import re
from typing import NamedTuple

from sentinel.collect.lines import MESSAGE_MAX, Growing

DATA_MAX = 10 * 1024 * 1024
"""A frame that announces more ends the connection; of a longer message than MESSAGE_MAX the first part is kept."""
TXNR_MAX = 999_999_999

_HEAD = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
_PART = re.compile(rb"[0-9]{0,9}|[0-9]{1,9} [A-Za-z]{0,32}|[0-9]{1,9} [A-Za-z]{1,32} [0-9]{0,9}")
ENDS = b"\r\n\0"
"""What some senders count with a message."""


class Frame(NamedTuple):
    """One command and what had to be done to its data."""

    txnr: int
    command: bytes
    data: bytes
    note: str = ""


def frame(txnr: int, command: bytes, data: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    return b"%d %b %d %b\n" % (txnr, command, len(data), data) if data else b"%d %b 0\n" % (txnr, command)


def after(txnr: int) -> int:
    """Return the number that follows `txnr`."""
    return txnr % TXNR_MAX + 1


class Frames:
    """One connection's bytes to frames; in which pieces they come makes no difference.

    `broken` says why nothing can follow (empty while all is well): `bad_frame`, `frame_too_large`.
    """

    __slots__ = ("_command", "_growing", "_head", "_missing", "_txnr", "broken")

    def __init__(self) -> None:
        self._head = b""
        self._growing = Growing()
        self._txnr, self._command = 0, b""
        self._missing = 0  # of a frame whose head is there: bytes of data and the line feed
        self.broken = ""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame are in memory."""
        return len(self._head) + self._growing.held

    def feed(self, data: bytes, /) -> list[Frame]:
        """Take the next piece; return the frames it completes."""
        frames: list[Frame] = []
        if self.broken:
            return frames
        at = 0
        if self._missing:
            at = self._grow(data, 0, frames)
        elif self._head:
            data, self._head = self._head + data, b""
        end, match = len(data), _HEAD.match
        while at < end and not self.broken:
            head = match(data, at)
            if head is None:
                self._part(data[at : at + 53])
                break
            start = head.end()
            size = int(head[3])
            stop = start + size
            if head[4] == b"\n":
                self.broken = "bad_frame" if size else ""
                stop = start - 1
            if size <= MESSAGE_MAX and stop < end and not self.broken:
                if data[stop] != 10:
                    self.broken = "bad_frame"
                    break
                frames.append(Frame(int(head[1]), head[2], data[start:stop]))
                at = stop + 1
            elif not self.broken:
                at = self._begin(head, size, data, frames)
        return frames

    def _part(self, rest: bytes) -> None:
        """Keep the part of a head, unless it cannot become one."""
        if _PART.fullmatch(rest):
            self._head = rest
        else:
            self.broken = "bad_frame"

    def _begin(self, head: re.Match[bytes], size: int, data: bytes, frames: list[Frame]) -> int:
        if size > DATA_MAX:
            self.broken = "frame_too_large"
            return len(data)
        self._txnr, self._command, self._missing = int(head[1]), head[2], size + 1
        return self._grow(data, head.end(), frames)

    def _grow(self, data: bytes, at: int, frames: list[Frame]) -> int:
        piece = data[at : at + self._missing - 1]
        self._growing.add(piece)
        self._missing -= len(piece)
        at += len(piece)
        if self._missing == 1 and at < len(data):
            self._missing = 0
            body, note = self._growing.take()
            if data[at] != 10:
                self.broken = "bad_frame"
            else:
                frames.append(Frame(self._txnr, self._command, body, note))
            at += 1
        return at
