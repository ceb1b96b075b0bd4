"""Windows events out of every usual wrapping, as one plain record: what the system says, and the event's own data.

Read are the JSON of EVTX files (the `evtx` library, also with separate attributes), rendered or forwarded XML,
Winlogbeat (6 to 9), NXLog, Fluent Bit, Wazuh and other flat JSON, Snare's tabs, NXLog's RFC 5424 elements and plain
`provider: id: message` text; each of them by itself or behind a syslog header.
Format of an event: https://learn.microsoft.com/windows/win32/wes/eventschema-schema
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sentinel.core.errors import ParseError
from sentinel.core.event import Raw
from sentinel.pack import syslog, text, when, wintext, wintime, winwords
from sentinel.pack.structured import Node, json_object, xml_nodes

DATA_MAX = 256
"""One event brings at most this many values of its own."""
NAME_MAX = 80
EVENTS_MAX = 1024

_NAME = re.compile(r"[^\w\-]+")
_EVTSYS = re.compile(r"(\d{1,5}): ")


@dataclass(slots=True)
class Record:
    """One event.

    `system` holds what is known of: code, provider, guid, channel, computer, record, level, keywords, task, opcode,
    version, pid, thread, activity, related, sid, user, domain, message. `data` is EventData or UserData; names are
    free of blanks and punctuation, values without a name are `param1`, `param2` ….
    """

    system: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    time: datetime | None = None
    header: syslog.Syslog | None = None


def read(raw: Raw) -> Iterable[Record]:
    """Return the events of one raw record; raises ParseError if it holds none."""
    body = raw.body.lstrip()
    if body[:1] == b"{":
        return _from_json(json_object(text.decode(body)), raw)
    whole = text.decode(raw.body).lstrip("\ufeff \t\r\n")
    if whole[:1] == "{":
        return _from_json(json_object(whole), raw)
    if whole[:6] in {"<Event", "<?xml "}:
        return _from_xml(whole, raw)
    return _from_syslog(syslog.read(raw), raw)


def _from_syslog(line: syslog.Syslog, raw: Raw) -> Iterable[Record]:
    message = line.message.lstrip("\ufeff ")
    found: Iterable[Record]
    if "MSWinEventLog" in message or "MSWinEventLog" in (line.app or ""):
        found = [_snare(message, raw)]
    elif (at := message.find("{")) >= 0 and (at == 0 or message[:at].rstrip(" :@").lower() in {"", "cee"}):
        found = _from_json(json_object(message[at:]), raw)
    elif message.startswith(("<Event", "<?xml ")):
        found = _from_xml(message, raw)
    elif named := next((pairs for pairs in line.data.values() if "EventID" in pairs), None):
        found = _from_json({**named, "Message": message}, raw)
    elif plain := _EVTSYS.match(message):
        system = {"code": plain[1], "provider": line.app or "", "message": message[plain.end() :]}
        found = [Record({name: value for name, value in system.items() if value})]
    else:
        raise ParseError("no Windows event")
    return [_under(record, line) for record in found]


def _snare(message: str, raw: Raw) -> Record:
    system, stamp = wintext.snare(message)
    if winwords.audited(system.get("keywords", "")) is None and "keywords" in system:
        system["level"] = system.pop("keywords")  # the column holds either
    return Record(system, time=when.bsd(stamp, raw.received, raw.zone) if stamp else None)


def _under(record: Record, line: syslog.Syslog) -> Record:
    record.header = line
    if record.time is None:
        record.time = line.timestamp
    if line.host:
        record.system.setdefault("computer", line.host)
    return record


# ------------------------------------------------------------------ JSON


def _from_json(found: dict[str, object], raw: Raw) -> Iterable[Record]:
    event = found.get("Event")
    inner = event if isinstance(event, dict) else found
    if isinstance(inner.get("System"), dict):
        return [_evtx(inner)]
    if isinstance(found.get("data"), str) and "event_record_id" in found:  # a whole record of the evtx library
        return _from_json(json_object(str(found["data"])), raw)
    win = found.get("win")
    if not isinstance(win, dict) and isinstance(data := found.get("data"), dict):
        win = data.get("win")
    if isinstance(win, dict):
        return [_wazuh(win, raw)]
    winlog = found.get("winlog")
    if isinstance(winlog, dict):
        return [_winlogbeat(found, winlog, raw)]
    return [_flat(found, raw)]


def _text(value: object) -> str:
    """Return a JSON value as the text an event would show; an empty one if there is nothing."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        if "#text" in value:
            return _text(value["#text"])
        return ", ".join(f"{name}={said}" for name, one in value.items() if (said := _text(one)) and name[:1] != "#")
    return str(value)


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _evtx(event: dict[str, object]) -> Record:
    system = _table(event["System"])

    def attribute(name: str, key: str) -> str:
        node = _table(system.get(name))
        for place in (_table(node.get("#attributes")), _table(system.get(f"{name}_attributes")), node):
            for spelling in (key, f"@{key}"):
                if spelling in place:
                    return _text(place[spelling])
        return ""

    said = {
        "code": _text(system.get("EventID")),
        "provider": attribute("Provider", "Name") or attribute("Provider", "EventSourceName"),
        "guid": attribute("Provider", "Guid"),
        "channel": _text(system.get("Channel")),
        "computer": _text(system.get("Computer")),
        "record": _text(system.get("EventRecordID")),
        "level": _text(system.get("Level")),
        "keywords": _text(system.get("Keywords")),
        "task": _text(system.get("Task")),
        "opcode": _text(system.get("Opcode")),
        "version": _text(system.get("Version")),
        "pid": attribute("Execution", "ProcessID"),
        "thread": attribute("Execution", "ThreadID"),
        "activity": attribute("Correlation", "ActivityID"),
        "related": attribute("Correlation", "RelatedActivityID"),
        "sid": attribute("Security", "UserID"),
    }
    rendered = _table(event.get("RenderingInfo"))
    said["message"] = _text(rendered.get("Message"))
    record = Record({name: value for name, value in said.items() if value})
    record.time = wintime.moment(attribute("TimeCreated", "SystemTime"), "UTC")
    for part in ("EventData", "UserData", "ProcessingErrorData", "DebugData"):
        if (inside := event.get(part)) is not None:  # one that is not there has no value without a name either
            _gather(inside, record.data)
    return record


def _gather(part: object, data: dict[str, str], name: str = "") -> None:
    """Put the values below EventData or UserData into `data`, whatever their nesting; the first of a name counts."""
    if isinstance(part, dict):
        named = _table(part.get("#attributes")).get("Name", part.get("@Name"))
        if named is not None and "#text" in part:
            _keep(data, str(named), _text(part["#text"]))
            return
        for key, value in part.items():
            if key == "#text":
                _gather(value, data, name)
            elif not key.startswith(("#", "@")) and not key.endswith("_attributes"):
                _gather(value, data, key)
    elif isinstance(part, list):
        for one in part:
            _gather(one, data, name)
    elif name in {"", "Data", "param", "string"}:
        _unnamed(data, _text(part))
    else:
        _keep(data, name, _text(part))


def _unnamed(data: dict[str, str], value: str) -> None:
    if len(data) < DATA_MAX:
        data[f"param{1 + sum(name.startswith('param') for name in data)}"] = value


def _keep(data: dict[str, str], name: str, value: str) -> None:
    if not name.isidentifier() or len(name) > NAME_MAX:
        name = _NAME.sub("", name)[:NAME_MAX]
    if value and name and name not in data and len(data) < DATA_MAX:
        data[name] = value


_WAZUH = {
    "eventID": "code", "providerName": "provider", "eventSourceName": "provider", "providerGuid": "guid",
    "channel": "channel", "computer": "computer", "eventRecordID": "record", "level": "level", "keywords": "keywords",
    "task": "task", "opcode": "opcode", "version": "version", "processID": "pid", "threadID": "thread",
    "message": "message",
}  # fmt: skip


def _wazuh(win: dict[str, object], raw: Raw) -> Record:
    record = Record()
    system = _table(win.get("system"))
    for key, value in system.items():
        name = _WAZUH.get(key)
        if name and (said := _text(value).strip('"')):
            record.system.setdefault(name, said)
    record.time = wintime.moment(system.get("systemTime"), raw.zone)
    for part in ("eventdata", "userData"):
        for key, value in _table(win.get(part)).items():
            _keep(record.data, key[:1].upper() + key[1:], _text(value))
    return record


def _winlogbeat(found: dict[str, object], winlog: dict[str, object], raw: Raw) -> Record:
    event, process, user = _table(found.get("event")), _table(winlog.get("process")), _table(winlog.get("user"))
    said = {
        "code": _text(winlog.get("event_id")) or _text(event.get("code")),
        "provider": _text(winlog.get("provider_name")) or _text(event.get("provider")),
        "guid": _text(winlog.get("provider_guid")),
        "channel": _text(winlog.get("channel")),
        "computer": _text(winlog.get("computer_name")) or _text(_table(found.get("host")).get("name")),
        "record": _text(winlog.get("record_id")),
        "level": _text(_table(found.get("log")).get("level")),
        "keywords": _text(winlog.get("keywords")),
        "task": _text(winlog.get("task")),
        "opcode": _text(winlog.get("opcode")),
        "version": _text(winlog.get("version")),
        "pid": _text(process.get("pid")),
        "thread": _text(_table(process.get("thread")).get("id")),
        "activity": _text(winlog.get("activity_id")),
        "related": _text(winlog.get("related_activity_id")),
        "sid": _text(user.get("identifier")),
        "user": _text(user.get("name")),
        "domain": _text(user.get("domain")),
        "message": _text(found.get("message")),
    }
    record = Record({name: value for name, value in said.items() if value})
    record.time = wintime.moment(found.get("@timestamp"), raw.zone)
    for part in ("event_data", "user_data"):
        for key, value in _table(winlog.get(part)).items():
            if key != "xml_name":
                _keep(record.data, key, _text(value))
    return record


_FLAT = {
    "code": ("EventID", "EventId", "event_id", "eventID", "EventCode", "winlog.event_id", "Id", "event.code"),
    "provider": ("SourceName", "ProviderName", "Provider_Name", "source_name", "Provider", "Source", "EventSourceName",
                 "provider_name", "winlog.provider_name"),
    "guid": ("ProviderGuid", "ProviderId", "Guid", "provider_guid"),
    "channel": ("Channel", "LogName", "log_name", "Logfile", "EventLog", "winlog.channel", "channel"),
    "computer": ("Hostname", "Computer", "ComputerName", "computer_name", "MachineName", "winlog.computer_name",
                 "computer", "host_name"),
    "record": ("RecordNumber", "EventRecordID", "RecordId", "record_number", "EventRecordId", "record_id"),
    "level": ("Level", "level", "LevelDisplayName", "EventLevelName", "Severity", "SeverityValue"),
    "keywords": ("Keywords", "keywords", "KeywordsDisplayNames"),
    "task": ("Task", "TaskValue", "task"),
    "opcode": ("OpcodeValue", "Opcode", "opcode"),
    "version": ("Version", "version"),
    "pid": ("ExecutionProcessID", "Execution_ProcessID", "process_id"),
    "thread": ("ExecutionThreadID", "ThreadID", "Execution_ThreadID", "thread_id", "ThreadId"),
    "activity": ("ActivityID", "activity_id", "ActivityId"),
    "related": ("RelatedActivityID",),
    "sid": ("UserID", "UserId", "Security_UserID"),
    "user": ("AccountName",),
    "domain": ("Domain",),
    "message": ("Message", "message", "RenderedDescription", "FormattedMessage", "rendered_message"),
}  # fmt: skip
_PARTS = ("EventData", "event_data", "UserData", "user_data", "StringInserts", "Properties", "Data")
_AROUND = frozenset({
    "EventReceivedTime", "SourceModuleName", "SourceModuleType", "host", "port", "tags", "@version", "AccountType",
    "EventTypeOrignal", "Category", "TaskCategory", "Qualifiers", "type", "agent", "ecs", "input", "beat", "offset",
    "product", "category", "service", "ERROR_EVT_UNRESOLVED", "Sid", "SeverityValue", *wintime.KEYS[:-1], *_PARTS,
})  # fmt: skip
"""What collectors write around an event: neither the system's nor the event's own."""
_KNOWN: dict[str, tuple[str, int]] = dict.fromkeys(_AROUND, ("", 0)) | {
    key: (name, at) for name, keys in _FLAT.items() for at, key in enumerate(keys)
}
"""Of every key that is not the event's own: what it is called in `Record.system` and how good a witness it is."""


def _flat(found: Mapping[str, object], raw: Raw) -> Record:
    record = Record()
    system, data = record.system, record.data
    ranks: dict[str, int] = {}
    known = _KNOWN
    for key, value in found.items():
        said = value if isinstance(value, str) else _text(value)
        if not said:
            continue
        place = known.get(key)
        if place is None:
            if key.isidentifier() and len(key) <= NAME_MAX and len(data) < DATA_MAX:
                data[key] = said
            else:
                _keep(data, key, said)
        elif place[0] and place[1] < ranks.get(place[0], 99):
            system[place[0]] = said
            ranks[place[0]] = place[1]
    if "code" not in system:
        raise ParseError("JSON without the number of a Windows event")
    kind = data.get("EventType", "")
    if kind.startswith("AUDIT_") and winwords.audited(system.get("keywords", "")) is None:
        system["keywords"] = kind
    if kind in {"INFO", "ERROR", "WARNING", "VERBOSE", "CRITICAL"} or kind.startswith("AUDIT_"):
        del data["EventType"]
    if "ProcessID" in data and "ThreadID" in found and "pid" not in system:
        system["pid"] = data.pop("ProcessID")
    if system.get("channel", "").lower() == "security" and "user" in system:
        # events of that channel have no user of their own: what NXLog calls so is the event's data
        _keep(data, "AccountName", system.pop("user"))
        if "domain" in system:
            _keep(data, "AccountDomain", system.pop("domain"))
    for part in _PARTS:
        inner = found.get(part)
        if isinstance(inner, str) and inner.lstrip()[:1] == "<":
            for node in xml_nodes(inner):
                _gather_xml(node, data)
        elif inner is not None:
            _gather(inner, data)
    record.time = wintime.of_flat(found, raw.zone)
    return record


# ------------------------------------------------------------------ XML


def _from_xml(whole: str, raw: Raw) -> Iterator[Record]:
    count = 0
    for top in xml_nodes(whole):
        for event in top.all("Event"):
            system = event.get("System")
            if system is not None and count < EVENTS_MAX:
                count += 1
                yield _xml(event, system, raw)
    if not count:
        raise ParseError("XML without a Windows event")


def _xml(event: Node, system: Node, raw: Raw) -> Record:
    shape: dict[str, object] = {
        node.name: {"#attributes": node.attributes, "#text": node.text.strip()} for node in system.inside
    }
    record = _evtx({"System": shape})
    if record.time is None:
        record.time = wintime.moment(system.attributes.get("SystemTime"), raw.zone)
    for part in ("EventData", "UserData", "ProcessingErrorData"):
        inside = event.get(part)
        if inside is not None:
            _gather_xml(inside, record.data)
    rendered = event.get("RenderingInfo")
    for node in rendered.inside if rendered else ():
        if node.name == "Message" and node.text.strip():
            record.system["message"] = node.text.strip()
    return record


def _gather_xml(node: Node, data: dict[str, str]) -> None:
    for one in node.inside:
        if one.inside:
            _gather_xml(one, data)
        elif name := one.attributes.get("Name"):
            _keep(data, name, one.text)
        elif one.name == "Data":
            _unnamed(data, one.text)
        else:
            _keep(data, one.name, one.text)
