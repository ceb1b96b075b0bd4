"""Bytes to messages, whatever pieces they come in: cut at line ends, bounded in memory, the same for any pieces.

A message of more than MESSAGE_MAX bytes is cut there; the rest is read, counted and hashed but not kept, and the
note of the record says so: `cut:<length>:sha256=<hex>`, length and hash being those of the whole message as it
came (without its line end, but with a carriage return before it).
"""

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hashlib import _Hash

MESSAGE_MAX = 256 * 1024
UTF16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
UTF16_MAX = MESSAGE_MAX // 3 * 2
"""Two bytes of UTF-16 become at most three of UTF-8, so that a body never exceeds MESSAGE_MAX."""


class Line(NamedTuple):
    """One message: its text without the line end, the bytes it took with it, and what had to be done to it.

    `parts` are the lines of a message that spans several (see `records`).
    """

    body: bytes
    size: int
    note: str = ""
    parts: tuple["Line", ...] = ()


class Cutter(Protocol):
    """Cuts a stream of bytes into messages; the pieces in which the stream is fed make no difference."""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished message are kept in memory."""

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the messages it completes. Empty ones are returned too."""

    def end(self) -> list[Line]:
        """Return the unfinished message, if any, noted as `unfinished`; the stream is over."""


class Growing:
    """A message of which a part has arrived: keeps the first `limit` bytes, counts and hashes all."""

    __slots__ = ("_hash", "_head", "_limit", "length")

    def __init__(self, limit: int = MESSAGE_MAX) -> None:
        self._limit = limit
        self._head = bytearray()
        self._hash: _Hash | None = None
        self.length = 0

    @property
    def held(self) -> int:
        """How many bytes are in memory."""
        return len(self._head)

    def add(self, piece: bytes) -> None:
        """Add what comes next."""
        self.length += len(piece)
        if self._hash is None:
            if self.length <= self._limit:
                self._head += piece
                return
            self._hash = sha256(self._head)
        self._hash.update(piece)
        room = self._limit - len(self._head)
        if room > 0:
            self._head += piece[:room]

    def take(self) -> tuple[bytes, str]:
        """Return the message (cut to the limit) and its note, and begin the next."""
        body, note = bytes(self._head), ""
        if self._hash is not None:
            note = f"cut:{self.length}:sha256={self._hash.hexdigest()}"
            self._hash = None
        self._head = bytearray()
        self.length = 0
        return body, note


def joined(*notes: str) -> str:
    """Return the notes that say something, with a blank between them."""
    return " ".join(note for note in notes if note)


class Lines:
    """Cuts at LF, or CR LF; bytes are not looked at otherwise."""

    __slots__ = ("_growing", "_limit")

    def __init__(self, limit: int = MESSAGE_MAX) -> None:
        self._limit = limit
        self._growing = Growing(limit)

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line are kept in memory."""
        return self._growing.held

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the lines it completes."""
        last = data.rfind(b"\n")
        if last < 0:
            self._growing.add(data)
            return []
        lines: list[Line] = []
        start = 0
        if self._growing.length:
            start = data.index(b"\n") + 1
            self._growing.add(data[: start - 1])
            lines.append(self._grown(1))
        if start <= last:
            whole = data[start:last]
            if len(whole) <= self._limit:
                lines += [Line(body.removesuffix(b"\r"), len(body) + 1) for body in whole.split(b"\n")]
            else:
                lines += [self._line(body) for body in whole.split(b"\n")]
        if last + 1 < len(data):
            self._growing.add(data[last + 1 :])
        return lines

    def end(self) -> list[Line]:
        """Return the unfinished line, if any."""
        if not self._growing.length:
            return []
        line = self._grown(0)
        return [line._replace(note=joined(line.note, "unfinished"))]

    def _line(self, body: bytes) -> Line:
        if len(body) <= self._limit:
            return Line(body.removesuffix(b"\r"), len(body) + 1)
        self._growing.add(body)
        return self._grown(1)

    def _grown(self, delimiter: int) -> Line:
        size = self._growing.length + delimiter
        body, note = self._growing.take()
        return Line(body if note else body.removesuffix(b"\r"), size, note)


class Utf16Lines:
    """Cuts UTF-16 at U+000A and turns every line into UTF-8, noted as `utf-16`; the mark is no part of a line.

    A line that is no valid UTF-16 keeps its bytes, behind the mark that says what they were meant to be.
    """

    __slots__ = ("_growing", "_mark", "_newline", "_rest", "_return", "_start")

    def __init__(self, mark: bytes, *, at_start: bool = True, limit: int = UTF16_MAX) -> None:
        self._mark = mark
        self._newline = "\n".encode(UTF16_MARKS[mark])
        self._return = "\r".encode(UTF16_MARKS[mark])
        self._growing = Growing(limit)
        self._rest = bytearray()
        self._start = at_start

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line are kept in memory."""
        return self._growing.held + len(self._rest)

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the lines it completes."""
        rest = self._rest
        rest += data
        lines: list[Line] = []
        start = at = 0
        while (at := rest.find(self._newline, at)) >= 0:
            if at % 2:  # the second half of one character and the first of the next
                at += 1
                continue
            self._growing.add(bytes(rest[start:at]))
            lines.append(self._line(2))
            start = at = at + 2
        whole = len(rest) - len(rest) % 2
        self._growing.add(bytes(rest[start:whole]))
        del rest[:whole]
        return lines

    def end(self) -> list[Line]:
        """Return the unfinished line, if any."""
        self._growing.add(bytes(self._rest))
        self._rest.clear()
        if not self._growing.length:
            return []
        line = self._line(0)
        return [line._replace(note=joined(line.note, "unfinished"))]

    def _line(self, delimiter: int) -> Line:
        size = self._growing.length + delimiter
        body, note = self._growing.take()
        if self._start:
            self._start = False
            body = body.removeprefix(self._mark)
        if not note:
            body = body.removesuffix(self._return)
        coding = UTF16_MARKS[self._mark]
        try:
            text = body.decode(coding)
        except UnicodeDecodeError as error:
            if not note or error.end < len(body):
                return Line(self._mark + body, size, joined(note, "utf-16", "decode_error"))
            text = body[: error.start].decode(coding)  # cut between the two halves of a character
        return Line(text.encode(), size, joined(note, "utf-16"))


class RecodedLines:
    """Cuts at LF, and turns every line of a single-byte encoding into UTF-8, noted with the encoding's name.

    A line that holds a byte which the encoding does not know keeps its bytes.
    """

    __slots__ = ("_coding", "_lines")

    def __init__(self, coding: str, limit: int = MESSAGE_MAX // 3) -> None:
        self._coding = coding
        self._lines = Lines(limit)  # one byte becomes at most three, so that a body never exceeds MESSAGE_MAX

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line are kept in memory."""
        return self._lines.held

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the lines it completes."""
        return [line if line.body.isascii() else self._recoded(line) for line in self._lines.feed(data)]

    def end(self) -> list[Line]:
        """Return the unfinished line, if any."""
        return [self._recoded(line) for line in self._lines.end()]

    def _recoded(self, line: Line) -> Line:
        try:
            text = line.body.decode(self._coding)
        except UnicodeDecodeError:
            return line._replace(note=joined(line.note, self._coding, "decode_error"))
        return Line(text.encode(), line.size, joined(line.note, self._coding))
