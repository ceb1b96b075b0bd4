"""Reads osquery's logs: differential results (one row or a batch), snapshots (a row is an event), status lines.

A query's name is its author's, so what a row is about is told by its columns, as osquery's tables have them
(https://osquery.io/schema). Rows of event tables tell what happened; a row of any other query tells what is so, or
that it began (`added`) or ceased (`removed`) to be so.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from sentinel.pack import Fields, ParseError, Raw, document, mapping, names, structured, syslog, text, when

ROWS_MAX = 1_000
_GLOG = re.compile(
    r"(?P<level>[IWEF])(?P<month>\d\d)(?P<day>\d\d) (?P<clock>\d\d:\d\d:\d\d\.\d{6}) +(?P<thread>\d{1,10})"
    r" (?P<file>[\w./-]{1,100}):(?P<line>\d{1,6})\] (?P<said>.*)",
    re.DOTALL,
)
_LEVELS = {"0": "info", "1": "warning", "2": "error", "3": "fatal", "I": "info", "W": "warning", "E": "error"}
_PROCESS = mapping.setters({
    "pid": "process.pid", "path": "process.executable", "cmdline": "process.command_line",
    "cwd": "process.working_directory",
    "parent": "process.parent.pid", "ppid": "process.parent.pid", "md5": "process.hash.md5",
    "sha1": "process.hash.sha1", "sha256": "process.hash.sha256", "parent_path": "process.parent.executable",
    "parent_cmdline": "process.parent.command_line", "exit_code": "process.exit_code",
})  # fmt: skip
_FILE = mapping.setters({
    "target_path": "file.path", "path": "file.path", "md5": "file.hash.md5", "sha1": "file.hash.sha1",
    "sha256": "file.hash.sha256", "size": "file.size", "inode": "file.inode",
})  # fmt: skip
_PEOPLE = mapping.setters({
    "username": "account user", "user": "account user", "uid": "user.id", "gid": "user.group.id",
    "euid": "user.effective.id",
})  # fmt: skip
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp"}
# what a table tells of whose rows are neither sockets, files nor processes, by a column that only such a table has
_TABLES = (
    ("service_type start_type|unit_path|sub_state", "configuration"), ("vendor_id model_id|usb_address", "host"),
    ("tty|logon_type|last_login|tty pid", "session"), ("username shell|uid_signed|password_status", "iam"),
    ("groupname|gid_signed", "iam"), ("authority|not_valid_after|ca self_signed", "configuration"),
    ("install_location|bundle_identifier|package_id|source version|identifier version", "package"),
    ("key value|data type key|sid key", "registry"), ("denylisted", "configuration"),
    ("command event minute|next_run_time", "configuration"),
    ("chain policy target|interface mac|address mask", "network"),
    ("kernel_version|major minor build|uptime total_seconds|cpu_brand", "host"), ("matches", "malware"),
)  # fmt: skip
_SIGNS = tuple((frozenset(one.split()), category) for signs, category in _TABLES for one in signs.split("|"))
_CHANGES = {"added": "creation", "removed": "deletion"}
_FILE_ACTIONS = {
    "CREATED": "creation", "MOVED_TO": "creation", "UPDATED": "change", "ATTRIBUTES_MODIFIED": "change",
    "DELETED": "deletion", "MOVED_FROM": "deletion", "ACCESSED": "access", "OPENED": "access",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line: JSON with or without a syslog header, or the daemon's own log."""
    line = syslog.read(raw)
    at = line.message.find("{")
    if at < 0 or line.message[:at].strip():
        yield _glog(line, raw)
        return
    said = structured.json_object(line.message[at:])
    base = _base(said, line)
    rows = list(_rows(said))
    if {"s", "f", "m", "u"} <= said.keys():  # the daemon's own log over Kafka, Kinesis or syslog: one letter a name
        short = {"severity": "s", "filename": "f", "line": "i", "message": "m", "unixTime": "u", "hostIdentifier": "h"}
        said = {name: said.get(letter) for name, letter in short.items()}
        base = _base(said, line)
    if not rows and "message" not in said and "line" not in said:
        raise ParseError("JSON that is no result of osquery")
    if not rows:
        text.put(base, (
            ("message", _text(said.get("message"))), ("log.level", _LEVELS.get(_text(said.get("severity")))),
            ("log.origin.file.name", _text(said.get("filename"))), ("event.dataset", "osquery.status"),
            ("log.origin.file.line", text.number(_text(said.get("line")))),
        ))  # fmt: skip
        yield base
    for action, row in rows:
        yield base | _row(row, action)


def _glog(line: syslog.Syslog, raw: Raw) -> Fields:
    found = _GLOG.fullmatch(line.message[:4096])
    fields = syslog.fields(line)
    if found is None and line.app is None:
        raise ParseError("neither JSON nor a line of osquery's own log")
    fields |= {"event.kind": "event", "event.dataset": "osquery.status"}
    month = int(found["month"]) if found else 0
    if found is not None and 1 <= month <= 12:
        name = next(name for name, number in when.MONTHS.items() if number == month)
        stamp = when.bsd(f"{name} {found['day']} {found['clock']}", raw.received, raw.zone)
        text.put(fields, (
            ("@timestamp", when.iso(stamp)), ("log.level", _LEVELS.get(found["level"], "fatal")),
            ("message", found["said"]),
            ("log.origin.file.name", found["file"]), ("log.origin.file.line", int(found["line"])),
        ))  # fmt: skip
    return fields


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _base(said: Mapping[str, object], line: syslog.Syslog) -> Fields:
    fields = syslog.fields(line)
    for name in ("message", "process.name", "process.pid"):  # the daemon's own, not what the row is about
        fields.pop(name, None)
    decorations = _table(said.get("decorations"))
    host = _text(decorations.get("hostname")) or _text(said.get("hostIdentifier"))
    moment = _text(said.get("unixTime"))
    if moment.isdecimal():
        fields["@timestamp"] = when.iso(when.epoch(moment))
    fields |= document.below("osquery.decorations", decorations)
    return text.put(fields, (
        ("event.kind", "event"), ("host.name", host), ("host.id", _text(decorations.get("host_uuid"))),
        ("osquery.query", _text(said.get("name"))), ("osquery.epoch", _text(said.get("epoch"))),
        ("osquery.counter", _text(said.get("counter"))), ("observer.version", _text(said.get("version"))),
        ("observer.product", "osquery"), ("observer.type", "endpoint"),
    ))  # fmt: skip


def _rows(said: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    batch = _table(said.get("diffResults"))
    several = ((action, batch.get(action)) for action in ("added", "removed"))
    count = 0
    for action, rows in chain([("snapshot", said.get("snapshot"))], several):
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and count < ROWS_MAX:
                count += 1
                yield action, row
    columns = said.get("columns")
    if isinstance(columns, dict):
        yield _text(said.get("action")) or "added", columns


def _row(row: Mapping[str, object], action: str) -> Fields:
    """Return what one row says, its columns kept as `osquery.columns.*`."""
    found: Fields = {"event.action": action} | document.below("osquery.columns", row)
    if action == "snapshot":
        found["event.kind"] = "state"
    columns = {name: said for name, value in row.items() if (said := _text(value))}
    if "remote_address" in columns or "local_address" in columns:
        _socket(found, columns)
    elif "target_path" in columns:
        _set(found, columns, _FILE)
        kind = _FILE_ACTIONS.get(columns.get("action", ""))
        found["event.category"], found["event.type"] = ("file",), (kind or "info",)
        found["event.action"] = columns.get("action", action)
    elif "cmdline" in columns or ("pid" in columns and "path" in columns):
        _set(found, columns, _PROCESS)
        began = "time" in columns and "parent" in columns and "start_time" not in columns  # process_events
        found["event.category"], found["event.type"] = ("process",), ("start" if began else "info",)
    elif "path" in columns:
        _set(found, columns, _FILE)
        found["event.category"], found["event.type"] = ("file",), ("info",)
    else:
        _set(found, columns, {"pid": _PROCESS["pid"]})
        if category := next((category for signs, category in _SIGNS if signs <= row.keys()), None):
            found["event.category"], found["event.type"] = (category,), (_kind(category, action),)
    if columns.get("matches"):  # YARA
        found["event.kind"], found["event.category"] = "alert", ("malware", "file")
        found["rule.name"] = columns["matches"]
    _set(found, columns, _PEOPLE)
    text.put(found, (("source.ip", text.address(columns.get("host", ""))),) if "tty" in columns else ())
    names.executables(found)
    names.file(found)
    return found


def _kind(category: str, action: str) -> str:
    """Return what a row of a table that was added or is gone says; of a session that it began or ended."""
    if category == "session" and action in _CHANGES:
        return "start" if action == "added" else "end"
    return _CHANGES.get(action, "info") if category != "malware" else "info"


def _set(found: Fields, columns: Mapping[str, str], table: Mapping[str, mapping.Setter]) -> None:
    for name, value in columns.items():
        if name in table and value:
            table[name](found, value)


def _socket(found: Fields, columns: Mapping[str, str]) -> None:
    """Read a socket: whoever accepted a connection did not start it."""
    _set(found, columns, {name: _PROCESS[name] for name in ("pid", "path", "cmdline")})
    action = columns.get("action", "")
    near, far = ("destination", "source") if action == "accept" else ("source", "destination")
    for side, end in ((near, "local"), (far, "remote")):
        address = text.address(columns.get(f"{end}_address"))
        if address is not None and address not in {"0.0.0.0", "::"}:  # noqa: S104  what a row says, bound by nobody
            text.put(found, ((f"{side}.ip", address), (f"{side}.port", text.port(columns.get(f"{end}_port")) or None)))
    found["event.category"], found["event.type"] = ("network",), ("connection", *(("start",) if action else ()))
    if action:
        found["event.action"] = action
    text.put(found, (("network.transport", _PROTOCOLS.get(columns.get("protocol", ""))),))
