"""Writes Windows event log files (.evtx) of one's own making, so that tests and the demo need nobody else's.

The format: "EVTX format specification" by Joachim Metz (libevtx). A file is a header and chunks of 64 KiB; a record's
XML is binary, here with every element spelled out, without the templates Windows uses to save space.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

CHUNK_BYTES = 65_536
_CHUNK_HEADER = 512
_FILE_HEADER = 4096
_NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
_1601 = datetime(1601, 1, 1, tzinfo=UTC)
_OPEN, _OPEN_WITH_ATTRIBUTES, _CLOSE_START, _CLOSE_EMPTY, _END = 0x01, 0x41, 0x02, 0x03, 0x04
_VALUE, _ATTRIBUTE, _MORE_ATTRIBUTES, _FRAGMENT, _END_OF_XML = 0x05, 0x06, 0x46, 0x0F, 0x00
_STRING, _UINT64 = 0x01, 0x0A


@dataclass(frozen=True, slots=True)
class WindowsEvent:
    """One event: what its System part says, and the named values of its EventData."""

    provider: str
    event_id: int
    channel: str
    computer: str
    record_id: int
    time: datetime
    data: Mapping[str, str | int] = field(default_factory=dict)
    level: int = 0
    task: int = 0
    keywords: str = "0x8020000000000000"
    process_id: int = 4
    thread_id: int = 8


class _Xml:
    """Binary XML at a place in a chunk: a name stands where it is used, and is pointed to from the chunk's start."""

    def __init__(self, place: int) -> None:
        self._place = place
        self.out = bytearray(bytes((_FRAGMENT, 1, 1, 0)))

    def element(
        self, name: str, content: "Sequence[_Node] | str | int", attributes: Mapping[str, str | int] | None = None
    ) -> None:
        """Write one element with text or elements inside."""
        self.out.append(_OPEN_WITH_ATTRIBUTES if attributes else _OPEN)
        size_at = len(self.out)
        self.out += bytes(4)
        self._name(name)
        if attributes:
            self._attributes(attributes)
        if content or content == 0:
            self.out.append(_CLOSE_START)
            if isinstance(content, str | int):
                self._value(content)
            else:
                for node in content:
                    self.element(node.name, node.content, node.attributes)
            self.out.append(_END)
        else:
            self.out.append(_CLOSE_EMPTY)
        struct.pack_into("<I", self.out, size_at, len(self.out) - size_at - 4)

    def _attributes(self, attributes: Mapping[str, str | int]) -> None:
        size_at = len(self.out)
        self.out += bytes(4)
        for left, (name, value) in zip(range(len(attributes) - 1, -1, -1), attributes.items(), strict=True):
            self.out.append(_MORE_ATTRIBUTES if left else _ATTRIBUTE)
            self._name(name)
            self._value(value)
        struct.pack_into("<I", self.out, size_at, len(self.out) - size_at - 4)

    def _name(self, name: str) -> None:
        self.out += struct.pack("<I", self._place + len(self.out) + 4)
        text = name.encode("utf-16-le")
        self.out += struct.pack("<IHH", 0, _hash(name), len(text) // 2) + text + b"\0\0"

    def _value(self, value: str | int) -> None:
        if isinstance(value, int):
            self.out += struct.pack("<BBQ", _VALUE, _UINT64, value)
            return
        text = value.encode("utf-16-le")
        self.out += struct.pack("<BBH", _VALUE, _STRING, len(text) // 2) + text


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    content: "Sequence[_Node] | str | int" = ""
    attributes: Mapping[str, str | int] | None = None


def _hash(name: str) -> int:
    value = 0
    for char in name:
        value = (value * 65_599 + ord(char)) & 0xFFFF_FFFF
    return value & 0xFFFF


def _document(event: WindowsEvent) -> _Node:
    stamp = event.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    system = (
        _Node("Provider", "", {"Name": event.provider}),
        _Node("EventID", event.event_id),
        _Node("Version", 0),
        _Node("Level", event.level),
        _Node("Task", event.task),
        _Node("Opcode", 0),
        _Node("Keywords", event.keywords),
        _Node("TimeCreated", "", {"SystemTime": stamp}),
        _Node("EventRecordID", event.record_id),
        _Node("Correlation"),
        _Node("Execution", "", {"ProcessID": event.process_id, "ThreadID": event.thread_id}),
        _Node("Channel", event.channel),
        _Node("Computer", event.computer),
        _Node("Security"),
    )
    data = tuple(_Node("Data", value, {"Name": name}) for name, value in event.data.items())
    return _Node("Event", (_Node("System", system), _Node("EventData", data)), {"xmlns": _NAMESPACE})


def _record(event: WindowsEvent, number: int, place: int) -> bytes:
    document = _document(event)
    xml = _Xml(place + 24)
    xml.element(document.name, document.content, document.attributes)
    xml.out.append(_END_OF_XML)
    xml.out += bytes((4 - len(xml.out)) % 8)  # the record's end, after four bytes of size, is a multiple of eight
    ticks = (event.time - _1601) // timedelta(microseconds=1) * 10
    size = 24 + len(xml.out) + 4
    return struct.pack("<4sIQQ", b"**\0\0", size, number, ticks) + xml.out + struct.pack("<I", size)


def _chunks(events: Sequence[WindowsEvent]) -> Iterator[tuple[bytes, int, int]]:
    # (records, number of the first, number of the last) of each chunk
    body, first = b"", 1
    for number, event in enumerate(events, start=1):
        record = _record(event, number, _CHUNK_HEADER + len(body))
        if body and len(body) + len(record) > CHUNK_BYTES - _CHUNK_HEADER:
            yield body, first, number - 1
            body, first = b"", number
            record = _record(event, number, _CHUNK_HEADER)
        if len(record) > CHUNK_BYTES - _CHUNK_HEADER:
            message = f"event {number} does not fit into a chunk of 64 KiB"
            raise ValueError(message)
        body += record
    yield body, first, len(events)


def _chunk(body: bytes, first: int, last: int) -> bytes:
    last_at = _CHUNK_HEADER
    at = 0
    while at < len(body):
        last_at = _CHUNK_HEADER + at
        at += int.from_bytes(body[at + 4 : at + 8], "little")
    head = struct.pack(
        "<8sQQQQIIII", b"ElfChnk\0", first, last, first, last, 128, last_at, _CHUNK_HEADER + len(body), crc32(body)
    )
    head += bytes(120 - len(head))
    tables = bytes(_CHUNK_HEADER - 128)  # of strings and templates: ways to find them sooner, empty here
    head += struct.pack("<II", 1, crc32(tables, crc32(head)))
    return (head + tables + body).ljust(CHUNK_BYTES, b"\0")


def evtx_bytes(events: Sequence[WindowsEvent]) -> bytes:
    """Return the content of an .evtx file that holds `events`; raises ValueError if one is larger than a chunk."""
    chunks = [_chunk(*chunk) for chunk in _chunks(events)]
    head = struct.pack(
        "<8sQQQIHHHH", b"ElfFile\0", 0, len(chunks) - 1, len(events) + 1, 128, 1, 3, _FILE_HEADER, len(chunks)
    )
    head += bytes(120 - len(head))
    return (head + struct.pack("<II", 0, crc32(head))).ljust(_FILE_HEADER, b"\0") + b"".join(chunks)


def write_evtx(path: Path, events: Sequence[WindowsEvent]) -> None:
    """Write `events` to `path` as an .evtx file."""
    path.write_bytes(evtx_bytes(events))
