"""Reads Cowrie (text and JSON), Endlessh and sshesame: whoever speaks to them is the source.

A login that a honeypot accepts is no login; its outcome is what the honeypot said.
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
        _object(structured.json_object(line.message), fields, raw)
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
