"""Reads Cowrie (text and JSON), Endlessh, sshesame and OpenCanary: whoever speaks to them is the source.

A login that a honeypot accepts is no login; its outcome is what the honeypot said. Passwords are left out.
"""

import re
from collections.abc import Iterator

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    common,
    document,
    names,
    prose,
    stamps,
    structured,
    syslog,
    text,
    when,
)
from sentinel.pack.forms import what

MESSAGE_MAX = 4_096
_IP = r"[0-9A-Fa-f:.]{2,45}"
_TARPIT = re.compile(
    r"(?:\d{1,10} \S{1,80}\] )?(?P<verb>ACCEPT|CLOSE) host=(?P<ip>\S{2,50}) port=(?P<port>\d{1,5})"
    r"(?P<rest>(?: \w{1,10}=\S{1,40}){0,10})"
)
_COWRIE = re.compile(
    rf"\[(?P<part>[^\]]{{1,200}}?)(?:,(?P<number>\d{{1,12}}),(?P<ip>{_IP}))?\] (?P<said>.*)", re.DOTALL
)
_SSHESAME = re.compile(
    rf"\[(?P<ip>\[?{_IP}\]?):(?P<port>\d{{1,5}})\] (?:\[channel (?P<channel>\d{{1,9}})\] )?(?P<said>.*)", re.DOTALL
)
_OPENED = what("connection", "network", "connection start")
_CLOSED = what("disconnection", "network", "connection end")
_COMMAND = what("command", "process", "start")
_FAILED, _WORKED = (what("login", "authentication", "start", outcome) for outcome in ("failure", "success"))
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form, re.DOTALL), said)
    for form, said in (
        ((rf"New connection: (?P<ip>\[?{_IP}\]?):(?P<port>\d{{1,5}}) \((?P<to>\[?{_IP}\]?):(?P<tport>\d{{1,5}})\)"
          r" \[session: (?P<session>\w{1,40})\]"), _OPENED),
        (r"login attempt \[(?:b')?(?P<user>.{0,256}?)'?/(?:b')?.{0,256}\] failed", _FAILED),
        (r"login attempt \[(?:b')?(?P<user>.{0,256}?)'?/(?:b')?.{0,256}\] succeeded", _WORKED),
        (r"(?:CMD|Command found|INPUT): (?P<command>.{1,2000})", _COMMAND),
        (r"Remote SSH version: (?:b')?(?P<agent>.{1,256}?)'?", _OPENED),
        (r"Connection lost after .*|[Cc]onnection (?:lost|closed).*", _CLOSED),
        (r"authentication for user \"(?P<user>.{0,256}?)\" (?:without credentials|with .{0,600}) accepted", _WORKED),
        (r"authentication for user \"(?P<user>.{0,256}?)\" (?:without credentials|with .{0,600}) rejected", _FAILED),
        (r"connection with client version \"(?P<agent>.{1,256})\" established", _OPENED),
        (r"command \"(?P<command>.{1,2000})\" requested", _COMMAND),
        (r"input: \"(?P<input>.{0,2000})\"", what("input", "process", "info")),
        (r".{1,80} requested.*|.{0,40}closed.*", what("channel", "network", "protocol")),
    )
)  # fmt: skip
_EVENTS = {
    "session.connect": _OPENED, "session.closed": _CLOSED, "login.failed": _FAILED, "login.success": _WORKED,
    "command.input": _COMMAND, "command.failed": _COMMAND | {"event.outcome": "failure"},
    "session.file_download": what("download", "file", "creation"),
    "session.file_upload": what("upload", "file", "creation"),
    "direct-tcpip.request": what("forwarding", "network", "protocol"),
}  # fmt: skip

_PROBED = ("network", "info", None)
_CANARY: dict[str, tuple[str, str, str, str | None]] = {
    code: (action, *(("authentication", "start", "failure") if action.endswith("login") else _PROBED))
    for code, action in (
        ("2000", "ftp.login"), ("3000", "http.request"), ("3001", "http.login"), ("4000", "ssh.connection"),
        ("4001", "ssh.version"), ("4002", "ssh.login"), ("5000", "smb.file-opened"), ("5001", "portscan.syn"),
        ("5002", "portscan.os"), ("5003", "portscan.null"), ("5004", "portscan.xmas"), ("5005", "portscan.fin"),
        ("6001", "telnet.login"), ("7001", "http-proxy.login"), ("8001", "mysql.login"), ("9001", "mssql.login"),
        ("9002", "mssql.windows-login"), ("10001", "tftp.request"), ("11001", "ntp.monlist"), ("12001", "vnc.login"),
        ("13001", "snmp.request"), ("14001", "rdp.connection"), ("15001", "sip.request"), ("16001", "git.clone"),
        ("17001", "redis.command"), ("18001", "tcp-banner.connection"),
    )
}  # fmt: skip
"""https://github.com/thinkst/opencanary/blob/master/opencanary/logger.py."""


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.priority is None and line.app is None:
        line = syslog.Syslog(text.decode(raw.body).rstrip("\r\n"))
    fields = syslog.fields(line)
    fields["observer.type"] = "honeypot"
    message = line.message[:MESSAGE_MAX].strip()
    if line.message.startswith("{"):
        fields.pop("message", None)
        said = structured.json_object(line.message)
        if "logtype" in said and "node_id" in said:
            _canary(said, fields)
        else:
            _object(said, fields, raw)
        yield fields
        return
    stamp = stamps.find(message, raw.received, raw.zone, 1)
    if stamp is not None:
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip()
    if not (_tarpit(message, fields) or _talk(message, fields)) and line.app is None:
        raise ParseError("no line of a honeypot that is known")
    yield fields


def _tarpit(message: str, fields: Fields) -> bool:
    found = _TARPIT.fullmatch(message)
    if found is None:
        return False
    fields.update(_OPENED if found["verb"] == "ACCEPT" else _CLOSED)
    text.put(fields, [("source.ip", text.address(found["ip"])), ("source.port", text.port(found["port"]) or None)])
    rest = dict(pair.split("=", 1) for pair in found["rest"].split())
    sent, seconds = text.number(rest.get("bytes")), rest.get("time", "")
    text.put(fields, [("destination.bytes", sent)])
    if seconds.replace(".", "", 1).isdecimal() and len(seconds) < 12:
        fields["event.duration"] = round(float(seconds) * 1_000_000_000)
    return True


def _talk(message: str, fields: Fields) -> bool:
    head = _SSHESAME.fullmatch(message) or _COWRIE.fullmatch(message)
    if head is None:
        return False
    parts = head.groupdict()
    _source(fields, parts)
    for form, said in _FORMS:
        found = form.fullmatch(head["said"].strip())
        if found:
            fields.update(said)
            inner = found.groupdict()
            _source(fields, inner)
            text.put(fields, [
                ("user.name", inner.get("user")), ("process.command_line", inner.get("command")),
                ("user_agent.original", inner.get("agent")), ("honeypot.session", inner.get("session")),
                ("honeypot.input", inner.get("input")), ("destination.ip", text.address(inner.get("to"))),
                ("destination.port", text.port(inner.get("tport")) or None),
            ])  # fmt: skip
            break
    return True


def _source(fields: Fields, parts: dict[str, str | None]) -> None:
    text.put(
        fields, [("source.ip", text.address(parts.get("ip"))), ("source.port", text.port(parts.get("port")) or None)]
    )


def _object(said: dict[str, object], fields: Fields, raw: Raw) -> None:
    flat = document.flat(said)
    kind = str(flat.get("eventid", "")).removeprefix("cowrie.")
    for name, place in (
        ("shasum", "file.hash.sha256"),
        ("input", "process.command_line"),
        ("version", "user_agent.original"),
    ):
        value = flat.pop(name, None) if name in flat and kind else None
        text.put(fields, [(place, str(value) if value else None)])
    if kind and isinstance(url := flat.pop("url", None), str):
        names.url(fields, url)
    common.read(flat, fields, raw.received, raw.zone)
    fields.update(_EVENTS.get(kind, {}))
    if kind:
        fields["event.action"] = f"cowrie.{kind}"
    elif isinstance(message := fields.get("message"), str):
        prose.sentence(message, fields, raw.received, raw.zone)


def _canary(said: dict[str, object], fields: Fields) -> None:
    flat = {name: str(value) for name, value in document.flat(said).items() if not isinstance(value, tuple)}
    code = flat.get("logtype", "")
    fields.update(what(*_CANARY.get(code, (f"opencanary.{code}", *_PROBED))))
    utc = flat.get("utc_time") or flat.get("local_time")  # the older name, and in UTC all the same
    text.put(fields, (
        ("@timestamp", when.iso(when.rfc3339(utc)) if utc else None), ("event.code", code),
        ("event.provider", "opencanary"), ("host.name", flat.get("node_id")),
        ("source.ip", text.address(flat.get("src_host"))), ("source.port", text.port(flat.get("src_port")) or None),
        ("destination.ip", text.address(flat.get("dst_host"))),
        ("destination.port", text.port(flat.get("dst_port")) or None),
        ("user.name", flat.get("logdata.USERNAME")), ("user_agent.original", flat.get("logdata.USERAGENT")),
        ("url.path", flat.get("logdata.PATH")), ("file.path", flat.get("logdata.FILENAME")),
        ("process.command_line", flat.get("logdata.CMD")),
    ))  # fmt: skip
