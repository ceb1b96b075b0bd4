"""Windows event logs for tests: one event in every wrapping that collectors send, the binary one (.evtx) among them.

Written from https://github.com/libyal/libevtx/blob/main/documentation/Windows%20XML%20Event%20Log%20(EVTX).asciidoc:
chunks of 64 KiB, binary XML, one template a shape of event and chunk, as Windows writes them.
"""

import json
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr
from zlib import crc32
from zoneinfo import ZoneInfo

NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
CHUNK = 65_536
_HEADER = 512
_STRING, _BYTE, _WORD, _NUMBER, _LONG, _GUID, _TIME, _SID, _HEX = 0x01, 0x04, 0x06, 0x08, 0x0A, 0x0F, 0x11, 0x13, 0x15
_SYSTEM: tuple[tuple[str, dict[str, str]], ...] = (
    ("Provider", {"Name": "Provider", "Guid": "Guid"}), ("EventID", {}), ("Version", {}), ("Level", {}), ("Task", {}),
    ("Opcode", {}), ("Keywords", {}), ("TimeCreated", {"SystemTime": "TimeCreated"}), ("EventRecordID", {}),
    ("Correlation", {}), ("Execution", {"ProcessID": "ProcessID", "ThreadID": "ThreadID"}), ("Channel", {}),
    ("Computer", {}), ("Security", {"UserID": "UserID"}),
)  # fmt: skip
"""What stands below System, in order; attributes and the values that fill them."""
_1601 = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Happened:
    """One event as Windows knows it; `message` is the rendered text, in the language of the machine."""

    code: int
    provider: str
    guid: str
    channel: str
    keywords: int
    task: int
    time: datetime
    data: dict[str, str]
    message: str
    record: int = 4711
    version: int = 0
    level: int = 0
    opcode: int = 0
    pid: int = 652
    thread: int = 700
    computer: str = "DC01.stadt.example"
    sid: str = ""
    audit: str = ""

    @property
    def ticks(self) -> int:
        """Return the time as FILETIME."""
        return (self.time - _1601) // timedelta(microseconds=1) * 10


# ------------------------------------------------------------------ the binary log


@dataclass
class _Chunk:
    """64 KiB of an event log under way."""

    first: int
    body: bytearray = field(default_factory=lambda: bytearray(_HEADER))
    templates: dict[tuple[object, ...], int] = field(default_factory=dict)
    count: int = 0
    last: int = 0

    def add(self, number: int, one: Happened) -> bool:
        """Append one record; say whether there was room."""
        before, known = len(self.body), dict(self.templates)
        self.body += struct.pack("<IIQQ", 0x2A2A, 0, number, one.ticks)
        self._event(one)
        self.body += bytes(-(len(self.body) + 4) % 8)
        size = len(self.body) + 4 - before
        self.body += struct.pack("<I", size)
        struct.pack_into("<I", self.body, before + 4, size)
        if len(self.body) > CHUNK:
            del self.body[before:]
            self.templates = known
            return False
        self.last, self.count = before, self.count + 1
        return True

    def _event(self, one: Happened) -> None:
        values = list(_values(one))
        shape = (one.code, one.provider, *(name for name, _, _ in values))
        self.body += b"\x0f\1\1\0\x0c\1" + struct.pack("<I", one.code)
        known = self.templates.get(shape)
        if known is None:
            self.templates[shape] = len(self.body) + 4
            self.body += struct.pack("<I", len(self.body) + 4)
            self._template(one, values)
        else:
            self.body += struct.pack("<I", known)
        self.body += struct.pack("<I", len(values))
        self.body += b"".join(struct.pack("<HBB", len(value), kind, 0) for _, kind, value in values)
        self.body += b"".join(value for _, _, value in values) + b"\0"

    def _template(self, one: Happened, values: list[tuple[str, int, bytes]]) -> None:
        start = len(self.body)
        self.body += struct.pack("<I", 0) + UUID(int=one.code).bytes_le + struct.pack("<I", 0) + b"\x0f\1\1\0"
        place = {name: (number, kind) for number, (name, kind, _) in enumerate(values)}

        def system() -> None:
            for name, told in _SYSTEM:
                there = {key: place[value] for key, value in told.items() if value in place}
                text = partial(self._placed, *place[name]) if name in place and not told else None
                self._element(name, {}, there, text)

        def data() -> None:
            for name in one.data:
                self._element("Data", {"Name": name}, {}, partial(self._placed, *place[f"={name}"]))

        def inside() -> None:
            self._element("System", {}, {}, system)
            self._element("EventData", {}, {}, data)

        self._element("Event", {"xmlns": NAMESPACE}, {}, inside)
        self.body += b"\0"
        struct.pack_into("<I", self.body, start + 20, len(self.body) - start - 24)

    def _element(
        self,
        name: str,
        fixed: dict[str, str],
        placed: dict[str, tuple[int, int]],
        inside: Callable[[], None] | None = None,
    ) -> None:
        several = len(fixed) + len(placed)
        self.body += struct.pack("<BH", 0x41 if several else 0x01, 0xFFFF)
        at = len(self.body)
        self.body += bytes(4)
        self._name(name)
        if several:
            listed = len(self.body)
            self.body += bytes(4)
            attributes: list[tuple[str, str | tuple[int, int]]] = [*fixed.items(), *placed.items()]
            for number, (key, said) in enumerate(attributes, start=1):
                self.body.append(0x46 if number < several else 0x06)
                self._name(key)
                if isinstance(said, str):
                    self.body += b"\5\1" + struct.pack("<H", len(said)) + said.encode("utf-16-le")
                else:
                    self._placed(*said)
            struct.pack_into("<I", self.body, listed, len(self.body) - listed - 4)
        if inside is None:
            self.body += b"\3"
        else:
            self.body += b"\2"
            inside()
            self.body += b"\4"
        struct.pack_into("<I", self.body, at, len(self.body) - at - 4)

    def _placed(self, number: int, kind: int) -> None:
        self.body += struct.pack("<BHB", 0x0E, number, kind)

    def _name(self, name: str) -> None:
        # the name stands right behind the reference to it
        digest = 0
        for letter in name:
            digest = (digest * 65_599 + ord(letter)) & 0xFFFFFFFF
        self.body += struct.pack("<IIHH", len(self.body) + 4, 0, digest & 0xFFFF, len(name))
        self.body += name.encode("utf-16-le") + b"\0\0"

    def whole(self) -> bytes:
        """Return the chunk with its header."""
        end = len(self.body)
        data = bytearray(self.body) + bytes(CHUNK - end)
        first, last = self.first, self.first + self.count - 1
        head = struct.pack("<8sQQQQIIII", b"ElfChnk\0", first, last, first, last, 128, self.last, end, 0)
        data[: len(head)] = head
        struct.pack_into("<I", data, 52, crc32(data[_HEADER:end]))
        struct.pack_into("<I", data, 124, crc32(bytes(data[:120]) + bytes(data[128:_HEADER])))
        return bytes(data)


def _values(one: Happened) -> Iterable[tuple[str, int, bytes]]:
    yield "Provider", _STRING, one.provider.encode("utf-16-le")
    yield "Guid", _GUID, UUID(one.guid).bytes_le
    yield "EventID", _WORD, struct.pack("<H", one.code)
    for name, small in (("Version", one.version), ("Level", one.level), ("Opcode", one.opcode)):
        yield name, _BYTE, struct.pack("<B", small)
    yield "Task", _WORD, struct.pack("<H", one.task)
    yield "Keywords", _HEX, struct.pack("<Q", one.keywords)
    yield "TimeCreated", _TIME, struct.pack("<Q", one.ticks)
    yield "EventRecordID", _LONG, struct.pack("<Q", one.record)
    yield "ProcessID", _NUMBER, struct.pack("<I", one.pid)
    yield "ThreadID", _NUMBER, struct.pack("<I", one.thread)
    if one.sid:
        yield "UserID", _SID, _sid(one.sid)
    yield "Channel", _STRING, one.channel.encode("utf-16-le")
    yield "Computer", _STRING, one.computer.encode("utf-16-le")
    for name, value in one.data.items():
        yield f"={name}", _STRING, value.encode("utf-16-le")


def _sid(said: str) -> bytes:
    revision, authority, *parts = map(int, said.split("-")[1:])
    return (
        struct.pack("<BB", revision, len(parts)) + authority.to_bytes(6, "big") + struct.pack(f"<{len(parts)}I", *parts)
    )


def write_evtx(path: Path, events: Iterable[Happened]) -> int:
    """Write an event log as Windows would; return how many records it holds."""
    chunks = [_Chunk(1)]
    number = 0
    for number, one in enumerate(events, start=1):
        if not chunks[-1].add(number, one):
            chunks.append(_Chunk(number))
            assert chunks[-1].add(number, one), "an event larger than a chunk"
    head = bytearray(4096)
    struct.pack_into("<8sQQQIHHHH", head, 0, b"ElfFile\0", 0, len(chunks) - 1, number + 1, 128, 1, 3, 4096, len(chunks))
    struct.pack_into("<I", head, 124, crc32(head[:120]))
    path.write_bytes(bytes(head) + b"".join(chunk.whole() for chunk in chunks))
    return number


# ------------------------------------------------------------------ as text


def xml(one: Happened, *, rendered: bool = True) -> str:
    """Return the event as `wevtutil` and Windows event forwarding render it."""
    stamp = f"{one.time:%Y-%m-%dT%H:%M:%S.%f}000Z"
    data = "".join(f"<Data Name={quoteattr(name)}>{escape(value)}</Data>" for name, value in one.data.items())
    security = f"<Security UserID='{one.sid}'/>" if one.sid else "<Security/>"
    message = f"<RenderingInfo Culture='de-DE'><Message>{escape(one.message)}</Message></RenderingInfo>"
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{one.provider}' Guid='{{{one.guid}}}'/>"
        f"<EventID>{one.code}</EventID><Version>{one.version}</Version><Level>{one.level}</Level>"
        f"<Task>{one.task}</Task><Opcode>{one.opcode}</Opcode><Keywords>0x{one.keywords:016x}</Keywords>"
        f"<TimeCreated SystemTime='{stamp}'/><EventRecordID>{one.record}</EventRecordID><Correlation/>"
        f"<Execution ProcessID='{one.pid}' ThreadID='{one.thread}'/><Channel>{one.channel}</Channel>"
        f"<Computer>{one.computer}</Computer>{security}</System><EventData>{data}</EventData>"
        f"{message if rendered else ''}</Event>"
    )


def winlogbeat(one: Happened) -> str:
    """Return the event as Winlogbeat 8 and 9 write it."""
    winlog = {
        "api": "wineventlog", "channel": one.channel, "computer_name": one.computer, "event_data": one.data,
        "event_id": str(one.code), "opcode": "Info", "process": {"pid": one.pid, "thread": {"id": one.thread}},
        "provider_guid": f"{{{one.guid}}}", "provider_name": one.provider, "record_id": one.record,
        "version": one.version,
    }  # fmt: skip
    if one.audit:
        winlog["keywords"] = [f"Audit {one.audit.capitalize()}"]
    if one.sid:
        winlog["user"] = {"identifier": one.sid, "name": "SYSTEM", "domain": "NT-AUTORITÄT", "type": "User"}
    return json.dumps({
        "@timestamp": f"{one.time:%Y-%m-%dT%H:%M:%S}.{one.time.microsecond // 1000:03}Z",
        "event": {"code": str(one.code), "provider": one.provider, "kind": "event"},
        "host": {"name": "wec01.stadt.example"}, "log": {"level": "information"}, "message": one.message,
        "winlog": winlog,
    }, ensure_ascii=False)  # fmt: skip


def _flat(one: Happened) -> dict[str, object]:
    local = one.time.astimezone(ZoneInfo("Europe/Berlin"))
    told: dict[str, object] = {
        "EventTime": local.isoformat(sep=" ", timespec="microseconds"), "Hostname": one.computer,
        "Keywords": one.keywords - (1 << 64) if one.keywords >> 63 else one.keywords,
        "EventType": f"AUDIT_{one.audit.upper()}" if one.audit else "INFO", "SeverityValue": 2, "Severity": "INFO",
        "EventID": one.code, "SourceName": one.provider, "ProviderGuid": f"{{{one.guid.upper()}}}",
        "Version": one.version, "Task": one.task, "OpcodeValue": one.opcode, "RecordNumber": one.record,
        "ExecutionProcessID": one.pid, "ExecutionThreadID": one.thread, "Channel": one.channel,
    }  # fmt: skip
    if one.sid:
        told |= {"Domain": "NT-AUTORITÄT", "AccountName": "SYSTEM", "UserID": one.sid, "AccountType": "User"}
    return told


def nxlog(one: Happened) -> str:
    """Return the event as NXLog's `to_json()` writes it."""
    around = {"Message": one.message, "SourceModuleName": "in", "SourceModuleType": "im_msvistalog"}
    return json.dumps({**_flat(one), **one.data, **around}, ensure_ascii=False)


def nxlog_5424(one: Happened) -> str:
    """Return the event as NXLog's `to_syslog_ietf()` writes it: all fields as structured data."""

    def quoted(value: object) -> str:
        return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")

    pairs = " ".join(f'{name}="{quoted(value)}"' for name, value in {**_flat(one), **one.data}.items())
    flat = " ".join(one.message.split())
    stamp = f"{one.time:%Y-%m-%dT%H:%M:%S.%f}Z"
    return f"<13>1 {stamp} {one.computer} {one.provider} {one.pid} - [NXLOG@14506 {pairs}] {flat}"


def in_3164(text: str, one: Happened) -> str:
    """Return a text behind the header of a relay, in UTC."""
    return f"<13>{one.time:%b %d %H:%M:%S} wec01 {text}"


def in_5424(text: str, one: Happened) -> str:
    """Return a text behind the newer header of a relay."""
    return f"<13>1 {one.time:%Y-%m-%dT%H:%M:%SZ} wec01 relay - - - {text}"


def snare(one: Happened) -> str:
    """Return the event as Snare and NXLog's `to_syslog_snare()` write it; its own data is only in the message."""
    who = r"NT-AUTORITÄT\SYSTEM" if one.sid else "N/A"
    audit = f"{one.audit.capitalize()} Audit" if one.audit else "Information"
    cells = (
        "MSWinEventLog", "1", one.channel, one.record, f"{one.time:%a %b %d %H:%M:%S %Y}", one.code, one.provider, who,
        "User" if one.sid else "N/A", audit, one.computer, "Kategorie", "", re.sub(r"[\r\n\t]", " ", one.message),
        one.record,
    )  # fmt: skip
    return f"<13>{one.time:%b %d %H:%M:%S} {one.computer} " + "\t".join(map(str, cells))
