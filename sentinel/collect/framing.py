"""Syslog over a byte stream, both framings of RFC 6587: `<count> <message>`, or one message a line.

A connection's first bytes fix its framing for good: a number, a blank and `<` mean counted frames, anything else
means lines. So a line that begins with digits is a line, a line feed inside a counted frame belongs to the message,
and nobody can change over in the middle to smuggle a message in.
"""

import re

from sentinel.collect.lines import MESSAGE_MAX, Growing, Line, Lines, joined

COUNT_MAX = 10 * 1024 * 1024
"""A frame that announces more ends the connection."""
_DIGITS_MAX = len(str(COUNT_MAX))
_COUNTED = re.compile(rb"(-?\d{1,20}) <")
_UNDECIDED = re.compile(rb"-?\d{0,20}|-?\d{1,20} ")
_ENDS = b"\r\n\0"


class Framing:
    """One connection's bytes to messages.

    `broken` says why no message can follow any more (empty while all is well): `bad_count`, `count_too_large`.
    """

    __slots__ = ("_cutter", "_start", "broken", "counted")

    def __init__(self) -> None:
        self._start = b""
        self._cutter: Lines | _Counted | None = None
        self.broken = ""
        self.counted = False

    @property
    def held(self) -> int:
        """How many bytes of an unfinished message are kept in memory."""
        return len(self._start) if self._cutter is None else self._cutter.held

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the messages it completes, empty ones included."""
        if self.broken:
            return []
        cutter = self._cutter
        if cutter is None:
            data = self._start + data
            if _UNDECIDED.fullmatch(data):
                self._start = data
                return []
            cutter = self._decide(data)
            if cutter is None:
                return []
        lines = cutter.feed(data)
        if isinstance(cutter, _Counted):
            self.broken = cutter.broken
        return lines

    def end(self) -> list[Line]:
        """Return the unfinished message, if any, noted as `unfinished`; the stream is over."""
        if self.broken:
            return []
        if self._cutter is None:
            self._cutter = Lines()
            self._cutter.feed(self._start)
        return self._cutter.end()

    def _decide(self, data: bytes) -> "Lines | _Counted | None":
        self._start = b""
        number = _COUNTED.match(data)
        if number is None:
            self._cutter = Lines()
        else:
            self.broken = _fault(number[1])
            if self.broken:
                return None
            self._cutter = _Counted()
            self.counted = True
        return self._cutter


def _fault(digits: bytes) -> str:
    # RFC 6587: MSG-LEN = NONZERO-DIGIT *DIGIT
    if not digits.isdigit() or digits.startswith(b"0"):
        return "bad_count"
    return "count_too_large" if len(digits) > _DIGITS_MAX or int(digits) > COUNT_MAX else ""


class _Counted:
    __slots__ = ("_growing", "_head", "_missing", "_size", "broken")

    def __init__(self) -> None:
        self._head = b""
        self._growing = Growing()
        self._missing = 0
        self._size = 0
        self.broken = ""

    @property
    def held(self) -> int:
        return self._growing.held + len(self._head)

    def feed(self, data: bytes, /) -> list[Line]:
        lines: list[Line] = []
        at = 0
        if self._missing:
            at = min(self._missing, len(data))
            self._growing.add(data[:at])
            self._missing -= at
            if self._missing:
                return lines
            lines.append(self._frame())
        elif self._head:
            data = self._head + data
            self._head = b""
        while at < len(data) and not self.broken:
            at = self._next(data, at, lines)
        return lines

    def _next(self, data: bytes, at: int, lines: list[Line]) -> int:
        """Read one frame, or the part of it that is there, from `at`; return where the next one begins."""
        if data[at] == 10:  # senders that end a counted frame with a line feed they did not count
            return at + 1
        blank = data.find(b" ", at, at + _DIGITS_MAX + 1)
        digits = data[at : blank if blank >= 0 else at + _DIGITS_MAX + 1]
        self.broken = _fault(digits)
        if self.broken:
            return len(data)
        if blank < 0:
            self._head = digits
            return len(data)
        start, count = blank + 1, int(digits)
        self._size = start - at + count
        if count <= MESSAGE_MAX and start + count <= len(data):
            lines.append(Line(data[start : start + count].rstrip(_ENDS), self._size))
            return start + count
        self._growing.add(data[start : start + count])
        self._missing = start + count - len(data)
        if self._missing > 0:
            return len(data)
        self._missing = 0
        lines.append(self._frame())
        return start + count

    def _frame(self) -> Line:
        body, note = self._growing.take()
        return Line(body if note else body.rstrip(_ENDS), self._size, note)

    def end(self) -> list[Line]:
        if not self._missing:
            return []
        self._missing = 0
        frame = self._frame()
        return [frame._replace(note=joined(frame.note, "unfinished"))] if frame.body else []
