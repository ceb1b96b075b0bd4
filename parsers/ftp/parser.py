"""Reads ProFTPD (`server (client[ip]): USER x …`), Pure-FTPd (`(user@ip) [LEVEL] …`), vsftpd, xferlog.

The address stands where the server itself writes it, before any name that a stranger chose; vsftpd writes the name
first (`[user] OK LOGIN: Client "ip"`), so a line in which `Client "` stands twice says nothing.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, names, stamps, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 4_096
_PROFTPD = re.compile(
    r"(?P<server>\S{1,255}) \((?P<name>\S{1,255})\[(?P<ip>[0-9A-Fa-f:.]{2,45})\]\)(?: -|:)? (?P<said>.*)", re.DOTALL
)
_PURE = re.compile(
    r"\((?P<user>[^()]{1,256}?)@(?P<ip>[^()\s]{2,255})\) \[(?P<level>[A-Z]{3,10})\] (?P<said>.*)", re.DOTALL
)
_VSFTPD = re.compile(
    r"(?:\[pid \d{1,10}\] )?(?:\[(?P<user>[^\]]{0,256})\] )?(?P<what>CONNECT|(?:OK|FAIL) [A-Z]{3,10}|FTP \w{7,8}|DEBUG)"
    r": Client \"(?P<ip>[0-9A-Fa-f:.]{2,45})\"(?:, (?P<said>.*))?",
    re.DOTALL,
)
_PID = re.compile(r"\[pid (\d{1,10})\]")
_XFER = re.compile(
    r"(?P<seconds>\d{1,9}) (?P<host>\S{1,255}) (?P<size>\d{1,18}) (?P<path>.{1,2000}) [ab] [CUT_] (?P<way>[iod]) [agr]"
    r" (?P<user>\S{1,256}) \S{1,40} [01] \S{1,256} (?P<status>[ci])\s*",
    re.DOTALL,
)
_FAILED = what("login", "authentication", "start", "failure")
_LOGIN = what("login", "authentication", "start", "success")
_LEFT = what("logout", "session", "end", "success")
_OPENED = what("connection", "network", "connection start")
_CLOSED = what("disconnection", "network", "connection end")
_GOT = what("download", "file", "access", "success")
_PUT = what("upload", "file", "creation", "success")
_DELETED = what("delete", "file", "deletion", "success")
_FORMS: dict[str, tuple[tuple[re.Pattern[str], Fields], ...]] = {
    name: tuple((re.compile(form, re.DOTALL), said) for form, said in forms)
    for name, forms in {
        "proftpd": (
            (r"(?:FTP|SSH2|SFTP) session opened\.", _OPENED),
            (r"(?:FTP|SSH2|SFTP) session closed\.", _CLOSED),
            (r"(?:USER|ANON) (?P<user>.{1,256}?): Login successful\.?", _LOGIN),
            (r"(?:USER|ANON) (?P<user>.{1,256}) \(Login failed\): (?P<reason>.{1,300})", _FAILED),
            ((r"USER (?P<user>.{1,256}): (?P<reason>no such user found) from .{1,300} to (?P<to>[0-9A-Fa-f:.]{2,45}?)"
              r":(?P<port>\d{1,5})"), _FAILED),
            (r"USER (?P<user>.{1,256}): (?P<reason>no such user found).*", _FAILED),
            (r"SECURITY VIOLATION: (?P<reason>[Rr]oot login attempted\.?)", _FAILED | {"user.name": "root"}),
            (r"(?P<reason>Maximum login attempts .*)", _FAILED),
            (r"(?P<reason>(?:FTP )?(?:login|session|no transfer|idle) ?timeout.*|Login timeout exceeded.*)", _CLOSED),
        ),
        "pure": (
            (r"New connection from .*", _OPENED),
            (r"Authentication failed for user \[(?P<user>.{0,256})\]", _FAILED),
            (r"(?P<user>.{1,256}) is now logged in", _LOGIN),
            (r"(?P<path>/.{1,2000}) uploaded +\((?P<size>\d{1,18}) bytes.*\)", _PUT),
            (r"(?P<path>/.{1,2000}) downloaded +\((?P<size>\d{1,18}) bytes.*\)", _GOT),
            (r"Deleted (?P<path>.{1,2000})", _DELETED),
            (r"Logout\.?.*", _LEFT),
        ),
        "vsftpd": (
            (r"\"(?P<path>[^\"]{1,2000})\"(?:, (?P<size>\d{1,18}) bytes)?.*", {}),
        ),
    }.items()
}  # fmt: skip
_VERBS = {
    "CONNECT": _OPENED, "OK LOGIN": _LOGIN, "FAIL LOGIN": _FAILED, "OK UPLOAD": _PUT, "OK DOWNLOAD": _GOT,
    "OK DELETE": _DELETED, "OK RENAME": what("rename", "file", "change", "success"),
    "OK MKDIR": what("mkdir", "file", "creation", "success"),
    "OK RMDIR": what("rmdir", "file", "deletion", "success"),
    "OK CHMOD": what("chmod", "file", "change", "success"), "FAIL UPLOAD": _PUT | {"event.outcome": "failure"},
    "FAIL DOWNLOAD": _GOT | {"event.outcome": "failure"}, "FAIL DELETE": _DELETED | {"event.outcome": "failure"},
    "FTP command": what("command", "network", "protocol"), "FTP response": what("response", "network", "protocol"),
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.app is None and line.priority is None:
        line = syslog.Syslog(text.decode(raw.body).rstrip("\r\n"))
    fields = syslog.fields(line)
    message = line.message[:MESSAGE_MAX].strip()
    if line.timestamp is None and (stamp := stamps.find(message, raw.received, raw.zone, 1)):
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip(" ]")
    if pid := _PID.match(message):
        fields["process.pid"] = int(pid[1])
    fields["network.protocol"] = "ftp"
    known = (
        _proftpd(message, fields) or _pure(message, fields) or _vsftpd(message, fields) or _transfer(message, fields)
    )
    if not known and line.app is None:
        raise ParseError("no line of an FTP server that is known")
    yield fields


def _proftpd(message: str, fields: Fields) -> bool:
    head = _PROFTPD.fullmatch(message)
    if head is None:
        return False
    _client(fields, head["ip"], head["name"])
    fields["ftp.server"] = head["server"]
    return _said("proftpd", head["said"], fields)


def _pure(message: str, fields: Fields) -> bool:
    head = _PURE.fullmatch(message)
    if head is None:
        return False
    _client(fields, head["ip"], head["ip"])
    if head["user"] != "?":
        names.account(fields, "user", head["user"])
    fields["log.level"] = head["level"].lower()
    return _said("pure", head["said"], fields)


def _vsftpd(message: str, fields: Fields) -> bool:
    head = _VSFTPD.fullmatch(message)
    if head is None:
        return False
    if message.count(': Client "') > 1:
        return True
    _client(fields, head["ip"], "")
    if head["user"]:
        names.account(fields, "user", head["user"])
    fields.update(_VERBS.get(head["what"], {}))
    said = (head["said"] or "").strip('"')
    if head["what"].startswith("FTP"):
        text.put(fields, [("ftp.said", said)])
        code = said[:3] if head["what"] == "FTP response" else ""
        fields.update({"530": _FAILED, "230": _LOGIN}.get(code, {}))
        if code == "530":
            text.put(fields, [("event.reason", said[4:])])
        return True
    return _said("vsftpd", head["said"] or "", fields)


def _transfer(message: str, fields: Fields) -> bool:
    found = _XFER.fullmatch(message)
    if found is None:
        return False
    _client(fields, found["host"], found["host"])
    fields.update({"i": _PUT, "o": _GOT, "d": _DELETED}[found["way"]])
    fields["event.outcome"] = "success" if found["status"] == "c" else "failure"
    fields["event.duration"] = int(found["seconds"]) * 1_000_000_000
    names.account(fields, "user", found["user"])
    fields["file.path"], fields["file.size"] = found["path"], int(found["size"])
    names.file(fields)
    return True


def _client(fields: Fields, address: str, name: str) -> None:
    known = text.address(address)
    if known is not None:
        fields["source.ip"] = known
    elif name:
        fields["source.domain"] = name


def _said(server: str, said: str, fields: Fields) -> bool:
    for form, meaning in _FORMS[server]:
        found = form.fullmatch(said.strip())
        if found:
            fields.update(meaning)
            parts = found.groupdict()
            if user := parts.get("user"):
                names.account(fields, "user", user)
            text.put(fields, [
                ("event.reason", parts.get("reason")), ("file.path", parts.get("path")),
                ("file.size", text.number(parts.get("size"))), ("destination.ip", text.address(parts.get("to"))),
                ("destination.port", text.port(parts.get("port")) or None),
            ])  # fmt: skip
            names.file(fields)
            break
    return True
