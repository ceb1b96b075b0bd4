"""NetFlow v5, v9 (RFC 3954) and IPFIX (RFC 7011) as bytes: headers, sets, templates, and records read by a template.

Pure: no sockets, no state. What is malformed raises MalformedError and has cost no more than its own bytes.
"""

from collections.abc import Iterator
from functools import cached_property
from struct import Struct
from typing import NamedTuple

from sentinel.collect.netflow_fields import VARIABLE, Element, Read, element
from sentinel.core.errors import ParseError

V5, V9, IPFIX = 5, 9, 10
FIELDS_MAX = 512
"""A template of more fields is refused; the longest in use have about 60."""

TEMPLATES_MAX = 256
"""So many templates are read of one datagram."""

RECORDS_MAX = 4096
"""So many records are read of one datagram: 65,535 bytes hold as many of 16."""

_V5_HEAD = Struct("!HHIIIIBBH")
_V9_HEAD = Struct("!HHIIII")
_IPFIX_HEAD = Struct("!HHIII")
_PAIR = Struct("!HH")
_TRIPLE = Struct("!HHH")
_ENTERPRISE = Struct("!HHI")
# the fields of a v5 flow by their IPFIX numbers (Cisco, "NetFlow Export Datagram Format"); 210 is padding
_V5_FIELDS = (
    (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (210, 1), (6, 1),
    (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (210, 2),
)  # fmt: skip

Value = int | float | str | bool
Record = dict[str, Value]


class MalformedError(ParseError):
    """Bytes that are no NetFlow, or not any more from some place on."""


class Header(NamedTuple):
    """What a datagram says of itself: times in ms, `uptime` None where there is none (IPFIX).

    `domain` is v9's source id, IPFIX's observation domain, v5's engine (type × 256 + id). `sequence` counts flows in
    v5, datagrams in v9, data records in IPFIX: those before this datagram. `sampling` is v5's interval, 0 if unknown,
    and algorithm. `body` is where the sets or flows begin, `end` where they end.
    """

    version: int
    domain: int
    sequence: int
    exported: int
    uptime: int | None
    sampling: tuple[int, int]
    body: int
    end: int


class Template:
    """How records of one kind lie in a set; `spec` is its fields' part of the template record, `scopes` come first."""

    def __init__(self, version: int, spec: bytes, scopes: int = 0, *, options: bool = False) -> None:
        self.version, self.spec, self.scopes, self.options = version, spec, scopes, options

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The fields; a name that occurs again is numbered."""
        found: list[Element] = []
        seen: dict[str, int] = {}
        at = 0
        while at < len(self.spec):
            number, length = _PAIR.unpack_from(self.spec, at)
            enterprise = 0
            if self.version == IPFIX and number & 0x8000:
                number, length, enterprise = _ENTERPRISE.unpack_from(self.spec, at)
                at += 4
            at += 4
            one = element(
                self.version,
                number & 0x7FFF if enterprise else number,
                length,
                enterprise,
                scope=len(found) < self.scopes,
            )
            if one.name is not None:
                count = seen[one.name] = seen.get(one.name, 0) + 1
                if count > 1:
                    one = one._replace(name=f"{one.name}#{count}")
            found.append(one)
        return tuple(found)

    @cached_property
    def smallest(self) -> int:
        """The bytes of a record at least."""
        return sum(1 if one.length == VARIABLE else one.length for one in self.elements)

    @cached_property
    def _fixed(self) -> "_Fixed | None":
        return None if any(one.length == VARIABLE for one in self.elements) else _Fixed(self.elements)

    def records(self, data: bytes, start: int, end: int, most: int) -> Iterator[Record]:
        """Yield up to `most` records of a data set; what is left over is padding. Raises MalformedError."""
        if end - start < self.smallest:
            raise MalformedError("a data set shorter than its record")
        if self._fixed is not None:
            size = self._fixed.layout.size
            count = min(most, (end - start) // size)
            yield from self._fixed.read(data[start : start + count * size])
            return
        while most and end - start >= self.smallest:
            record, start = self._variable(data, start, end)
            yield record
            most -= 1

    def _variable(self, data: bytes, at: int, end: int) -> tuple[Record, int]:
        record: Record = {}
        for name, length, read in self.elements:
            if length == VARIABLE:
                if at >= end:
                    raise MalformedError("a record longer than its set")
                length = data[at]  # noqa: PLW2901  the record says it
                at += 1
                if length == 255:
                    length = int.from_bytes(data[at : at + 2], "big")  # noqa: PLW2901  as above
                    at += 2
            if at + length > end:
                raise MalformedError("a record longer than its set")
            if name is not None:
                value = data[at : at + length]
                record[name] = int.from_bytes(value, "big") if read is None else read(value)
            at += length
        return record, at


class _Fixed:
    """Reads records that are all of one length, many at once."""

    def __init__(self, elements: tuple[Element, ...]) -> None:
        layout = ["!"]
        self.names: list[str] = []
        self.conversions: list[tuple[int, Read]] = []
        for name, length, read in elements:
            if name is None:
                layout.append(f"{length}x")
                continue
            if read is None:
                layout.append({1: "B", 2: "H", 4: "I", 8: "Q"}[length])
            else:
                layout.append(f"{length}s")
                self.conversions.append((len(self.names), read))
            self.names.append(name)
        self.layout = Struct("".join(layout))

    def read(self, data: bytes) -> Iterator[Record]:
        """Yield the records of whole lengths."""
        names, conversions = self.names, self.conversions
        for row in self.layout.iter_unpack(data):
            values = list(row)
            for at, read in conversions:
                values[at] = read(values[at])
            yield dict(zip(names, values, strict=True))


V5_TEMPLATE = Template(V5, b"".join(_PAIR.pack(*field) for field in _V5_FIELDS))


def header(data: bytes) -> Header:
    """Return the header of a datagram; raises MalformedError."""
    size = len(data)
    version = int.from_bytes(data[:2], "big")
    if version == V9 and size >= _V9_HEAD.size:
        _, _, uptime, seconds, sequence, domain = _V9_HEAD.unpack_from(data)
        return Header(V9, domain, sequence, seconds * 1000, uptime, (0, 0), _V9_HEAD.size, size)
    if version == IPFIX and size >= _IPFIX_HEAD.size:
        _, length, seconds, sequence, domain = _IPFIX_HEAD.unpack_from(data)
        if not _IPFIX_HEAD.size <= length <= size:
            raise MalformedError("an IPFIX message of another length than it says")
        return Header(IPFIX, domain, sequence, seconds * 1000, None, (0, 0), _IPFIX_HEAD.size, length)
    if version == V5 and size >= _V5_HEAD.size:
        _, count, uptime, seconds, nanos, sequence, kind, engine, sampling = _V5_HEAD.unpack_from(data)
        end = _V5_HEAD.size + count * V5_TEMPLATE.smallest
        if end > size:
            raise MalformedError("a v5 datagram of fewer flows than it says")
        exported = seconds * 1000 + nanos // 1_000_000
        how = (sampling & 0x3FFF, sampling >> 14)
        return Header(V5, kind << 8 | engine, sequence, exported, uptime, how, _V5_HEAD.size, end)
    raise MalformedError("no NetFlow v5, v9 or IPFIX")


def sets(data: bytes, head: Header) -> Iterator[tuple[int, int, int]]:
    """Yield id, start and end of what each set of a v9 or IPFIX datagram holds; raises MalformedError."""
    at = head.body
    while head.end - at >= 4:
        number, length = _PAIR.unpack_from(data, at)
        if length < 4 or at + length > head.end:
            if not any(data[at : head.end]):
                return  # padding of zeros behind the last set
            raise MalformedError("a set of another length than it says")
        yield number, at + 4, at + length
        at += length


def templates(data: bytes, version: int, number: int, start: int, end: int) -> Iterator[tuple[int, Template | None]]:
    """Yield the templates of a template set by id, None for one that is withdrawn; raises MalformedError."""
    options = number in {1, 3}
    for _ in range(TEMPLATES_MAX):
        if end - start < 4:
            return
        name, first = _PAIR.unpack_from(data, start)
        if not name and not first:
            return  # padding
        if first == 0 and version == IPFIX:
            start += 4
            yield name, None
            continue
        if name < 256:
            raise MalformedError("a template with the id of a set")
        start += 4
        scopes, count = 0, first
        if options:
            if end - start < 2:
                raise MalformedError("a template longer than its set")
            second = int.from_bytes(data[start : start + 2], "big")
            start += 2
            # IPFIX: fields, of which scopes; v9: bytes of the scopes' fields, bytes of the others
            scopes, count = (second, first) if version == IPFIX else (first // 4, (first + second) // 4)
        size = _spec_size(data, version, start, end, count)
        template = Template(version, data[start : start + size], scopes, options=options)
        start += size
        if not template.smallest:
            raise MalformedError("a template of records without a byte")
        yield name, template
    raise MalformedError(f"more than {TEMPLATES_MAX} templates in one set")


def _spec_size(data: bytes, version: int, start: int, end: int, count: int) -> int:
    if not 0 < count <= FIELDS_MAX:
        raise MalformedError(f"a template of {count} fields")
    at = start
    for _ in range(count):
        at += 8 if version == IPFIX and at < end and data[at] & 0x80 else 4
        if at > end:
            raise MalformedError("a template longer than its set")
    return at - start
