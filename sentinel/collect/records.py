"""Records out of the bytes of a file: a line each, several lines joined, each object of JSON or `<Event>` of XML.

A record of several lines ends where the next begins, at its own last line, after a quiet time (whoever reads sees to
that) or at a limit: 256 KiB or LINES_MAX lines. Then it is noted as `split`, and what follows is a record as well: no
line is ever left out. Lines are joined by LF, whatever they ended with; blank ones around a record are no part of it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from sentinel.collect.lines import (
    MESSAGE_MAX,
    UTF16_MARKS,
    UTF16_MAX,
    Cutter,
    Growing,
    Line,
    Lines,
    RecodedLines,
    Utf16Lines,
    joined,
)
from sentinel.core.regex import Pattern, compile_regex

LINES_MAX = 1000
QUIET = timedelta(seconds=5)

JAVA = (
    r"^(?:<\d+>)?\[?(?:\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d|\d\d\.\d\d\.\d{4}|\d\d?[-/ ][A-Z][a-z]{2}[-/ ]\d{4}"
    r"|[A-Z][a-z]{2} \d\d?, \d{4}|\d\d:\d\d:\d\d|\d{10,13}\b)"
    r"|^\[?(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b(?:[^:]|$)|^\{\""
)
"""How a record of Log4j, Logback, Tomcat or java.util.logging begins: a time, a level, or a JSON object."""
INDENTED = r"^\S"

Kind = Literal["lines", "java", "indented", "csv-quoted", "json", "xml-events"]
Encoding = Literal["auto", "latin-1", "iso-8859-15", "cp1252", "cp850", "utf-16-le", "utf-16-be"]

_MARKS = {coding: mark for mark, coding in UTF16_MARKS.items()}
_EVENT = re.compile(rb"<Event[\s>]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_AROUND = re.compile(rb"\xef\xbb\xbf|<\?xml[^>]*\?>|</?Events(?:\s[^>]*)?>")


class Joining(Protocol):
    """Says which lines make one record."""

    def begins(self, line: bytes, /) -> bool:
        """Say whether a record begins with this line."""

    def ends(self, line: bytes, /, *, first: bool) -> bool:
        """Say whether a record ends with this line; asked of each in order, `first` being that of a record."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """A record begins with a line in which `start` is found and ends with one in which `end` is."""

    start: Pattern | None
    end: Pattern | None

    def begins(self, line: bytes, /) -> bool:
        """Say whether `start` is found."""
        return self.start is not None and self.start.search(line.decode("utf-8", "replace")) is not None

    def ends(self, line: bytes, /, *, first: bool) -> bool:
        """Say whether `end` is found."""
        del first
        return self.end is not None and self.end.search(line.decode("utf-8", "replace")) is not None


class Quoted:
    """A record ends at the end of a line that is not within quotes (RFC 4180, 2.6)."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open = False

    def begins(self, line: bytes, /) -> bool:
        """Say no: only the quotes decide."""
        del line
        return False

    def ends(self, line: bytes, /, *, first: bool) -> bool:
        """Say whether all quotes are closed."""
        self._open = (self._open and not first) != bool(line.count(b'"') & 1)
        return not self._open


class Braced:
    """A record is one object of JSON: it ends with the line in which its last brace is closed (RFC 8259)."""

    __slots__ = ("_depth",)

    def __init__(self) -> None:
        self._depth = 0

    def begins(self, line: bytes, /) -> bool:
        """Say whether an object begins at the line's very start: a damaged one before it costs no other."""
        return line.startswith(b"{")

    def ends(self, line: bytes, /, *, first: bool) -> bool:
        """Say whether all braces are closed; text between quotes does not count."""
        bare = _STRING.sub(b"", line)
        self._depth = (0 if first else self._depth) + bare.count(b"{") - bare.count(b"}")
        return self._depth <= 0


class Records:
    """Joins the lines that another cutter makes to records."""

    __slots__ = ("_bytes", "_inner", "_joining", "_limit", "_lines_max", "_parts")

    def __init__(
        self, inner: Cutter, joining: Joining, *, limit: int = MESSAGE_MAX, lines_max: int = LINES_MAX
    ) -> None:
        self._inner = inner
        self._joining = joining
        self._limit, self._lines_max = limit, lines_max
        self._parts: list[Line] = []
        self._bytes = 0

    @property
    def held(self) -> int:
        """How many bytes of an unfinished record are kept in memory."""
        return self._bytes + self._inner.held

    @property
    def whole(self) -> bool:
        """Say whether what is held are whole lines: nothing but the next line can say that a record is not over."""
        return bool(self._parts) and not self._inner.held

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the records it completes."""
        return list(self._joined(self._inner.feed(data)))

    def end(self) -> list[Line]:
        """Return the record that is held, if any."""
        records = list(self._joined(self._inner.end()))
        return [*records, self._take()] if self._parts else records

    def _joined(self, lines: Sequence[Line]) -> Iterator[Line]:
        for line in lines:
            if self._parts:
                if self._joining.begins(line.body):
                    yield self._take()
                elif self._over(line):
                    yield self._take("split")
            first = not self._parts
            self._parts.append(line)
            self._bytes += len(line.body) + 1
            if self._joining.ends(line.body, first=first):
                yield self._take()

    def _over(self, line: Line) -> bool:
        # a line that had to be cut stays alone, so that its length and hash are those of the record
        return (
            self._bytes + len(line.body) > self._limit
            or len(self._parts) >= self._lines_max
            or line.note.startswith("cut:")
            or self._parts[-1].note.startswith("cut:")
        )

    def _take(self, note: str = "") -> Line:
        parts, self._parts, self._bytes = tuple(self._parts), [], 0
        body = b"\n".join(part.body for part in parts).strip(b"\n")
        words = dict.fromkeys(word for part in parts for word in part.note.split())
        return Line(body, sum(part.size for part in parts), joined(*words, note), parts if len(parts) > 1 else ())


class XmlEvents:
    """Cuts XML behind every `</Event>`, wherever its lines end; a record is `<Event …>…</Event>`, in UTF-8.

    The declaration and an `<Events>` around them are no part of a record; anything else between two events is one.
    """

    __slots__ = ("_coding", "_end", "_growing", "_rest")

    def __init__(self, coding: str = "") -> None:
        self._coding = coding
        self._end = "</Event>".encode(coding or "ascii")
        self._growing = Growing(MESSAGE_MAX if not coding else UTF16_MAX if self._wide else MESSAGE_MAX // 3)
        self._rest = bytearray()

    @property
    def _wide(self) -> bool:
        return self._coding in _MARKS

    @property
    def held(self) -> int:
        """How many bytes of an unfinished event are kept in memory."""
        return self._growing.held + len(self._rest)

    def feed(self, data: bytes, /) -> list[Line]:
        """Take the next piece; return the events it completes."""
        rest, end, step = self._rest, self._end, 1 + self._wide
        rest += data
        events: list[Line] = []
        start = at = 0
        while (at := rest.find(end, at)) >= 0:
            if at % step:  # the second half of one character and the first of the next
                at += 1
                continue
            at += len(end)
            self._growing.add(bytes(rest[start:at]))
            events += self._events()
            start = at
        done = max(start, len(rest) - len(end) + step)
        done -= done % step
        self._growing.add(bytes(rest[start:done]))
        del rest[:done]
        return events

    def end(self) -> list[Line]:
        """Return what is held, if anything."""
        self._growing.add(bytes(self._rest))
        self._rest.clear()
        if not self._growing.length:
            return []
        *before, last = self._events()
        return [*before, last._replace(note=joined(last.note, "unfinished")) if last.body else last]

    def _events(self) -> list[Line]:
        size = self._growing.length
        body, note = self._growing.take()
        if self._wide or (self._coding and not body.isascii()):
            try:
                body = body.decode(self._coding).encode()
                note = joined(note, "utf-16" if self._wide else self._coding)
            except UnicodeDecodeError:
                note = joined(note, "decode_error")
        found = _EVENT.search(body)
        begin = found.start() if found else len(body)
        before = _AROUND.sub(b"", body[:begin]).strip()
        if found is None:
            return [Line(before, size, note)]
        event = Line(body[begin:], size, note)
        return [Line(before, 0), event] if before else [event]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How the bytes of a source become records: which lines belong together, and what the bytes mean.

    `start` and `end` are regular expressions in RE2's syntax, beside kind `lines` only; `quiet` is after how long a
    record of several lines is over because nothing follows.
    """

    kind: Kind = "lines"
    start: str = ""
    end: str = ""
    encoding: Encoding = "auto"
    quiet: timedelta = QUIET

    def cutter(self, head: bytes, *, at_start: bool = True) -> Cutter:
        """Return a cutter for a file that begins with `head`; its first bytes tell UTF-16."""
        mark = self._mark(head)
        if self.kind == "xml-events":
            return XmlEvents(UTF16_MARKS.get(mark, "") or ("" if self.encoding == "auto" else self.encoding))
        lines: Cutter
        if mark:
            lines = Utf16Lines(mark, at_start=at_start)
        else:
            lines = Lines() if self.encoding == "auto" else RecodedLines(self.encoding)
        joining = self._joining()
        return lines if joining is None else Records(lines, joining)

    def wide(self, head: bytes) -> bool:
        """Say whether the characters of a file that begins with `head` have two bytes."""
        return bool(self._mark(head))

    def _mark(self, head: bytes) -> bytes:
        return head[:2] if head[:2] in UTF16_MARKS else _MARKS.get(self.encoding, b"")

    def _joining(self) -> Joining | None:
        match self.kind:
            case "csv-quoted":
                return Quoted()
            case "json":
                return Braced()
            case "java":
                return Patterns(compile_regex(JAVA), None)
            case "indented":
                return Patterns(compile_regex(INDENTED), None)
            case _ if self.start or self.end:
                start, end = (compile_regex(one) if one else None for one in (self.start, self.end))
                return Patterns(start, end)
            case _:
                return None


LINE_BY_LINE = Cutting()
