"""The two headers of syslog, RFC 3164 as devices really write it and RFC 5424."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Raw
from sentinel.pack import when
from sentinel.pack.text import decode, number

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "security", "console", "solaris-cron", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")

_PRI = re.compile(r"<(\d{1,3})>")
_BSD = re.compile(r"([A-Za-zä]{3}\s+\d{1,2}(?:\s+\d{4})?\s+\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?):?\s+")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?):?\s+")
_TAG = re.compile(r"([^\s:\[\]={\"]{1,128})(?:\[([^\]\s]{1,128})\])?:(?:\s|$)|([^\s:\[\]={\"]{1,128})\[(\d{1,10})\]\s")
_NO_HOST = re.compile(r"[=|,;]")
_5424 = re.compile(r"(\d{1,2}) (\S+) (\S{1,255}) (\S{1,128}) (\S{1,128}) (\S{1,64}) (?=\[|-)")
_SD = re.compile(r'\[([^ =\]"]{1,64})((?: [^ =\]"]{1,64}="(?:[^"\\\]]|\\.)*")*)\]')
_PARAM = re.compile(r' ([^ =\]"]+)="((?:[^"\\\]]|\\.)*)"')
_ESCAPE = re.compile(r'\\(["\\\]])')


class Syslog(NamedTuple):
    """One line taken apart; what the header does not say is None. `timestamp` is aware, UTC."""

    message: str
    priority: int | None = None
    timestamp: datetime | None = None
    host: str | None = None
    app: str | None = None
    pid: str | None = None
    msgid: str | None = None
    data: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    version: int | None = None


_PRIORITIES: tuple[Fields, ...] = tuple(
    {
        "log.syslog.priority": priority,
        "log.syslog.facility.code": priority >> 3,
        "log.syslog.facility.name": FACILITIES[priority >> 3],
        "log.syslog.severity.code": priority & 7,
        "log.syslog.severity.name": SEVERITIES[priority & 7],
    }
    for priority in range(192)
)
_iso = lru_cache(maxsize=256)(when.iso)
_last: tuple[Raw, Syslog] | None = None


def read(raw: Raw) -> Syslog:
    """Return the record's header and message; never fails: a line without a header is all message."""
    global _last  # noqa: PLW0603  routing and the pack read the same record one after the other
    last = _last
    if last is not None and last[0] is raw:
        return last[1]
    line = parse(decode(raw.body), raw.received, raw.zone)
    _last = (raw, line)
    return line


def parse(text: str, received: datetime, zone: str = "UTC") -> Syslog:
    """Take one line apart; `received` and `zone` complete times without a year or a zone."""
    text = text.rstrip("\r\n\0")
    priority = None
    pri = _PRI.match(text)
    if pri:
        priority = int(pri[1])
        if priority <= 191:
            text = text[pri.end() :]
        else:
            priority = None
    if priority is not None and text[:2] == "1 ":
        modern = _modern(text, priority)
        if modern is not None:
            return modern
    return _classic(text, priority, received, zone)


def _modern(text: str, priority: int) -> Syslog | None:
    head = _5424.match(text)
    if head is None:
        return None
    version, stamp, host, app, pid, msgid = head.groups()
    at = head.end()
    data: dict[str, dict[str, str]] = {}
    if text[at : at + 1] == "-":
        at += 1
    else:
        while element := _SD.match(text, at):
            data[element[1]] = {name: _ESCAPE.sub(r"\1", value) for name, value in _PARAM.findall(element[2])}
            at = element.end()
    try:
        timestamp = None if stamp == "-" else when.rfc3339(stamp)
    except ParseError:
        timestamp = None
    nil = {"-": None}
    return Syslog(
        message=text[at:].removeprefix(" ").removeprefix("\ufeff"),
        priority=priority,
        timestamp=timestamp,
        host=nil.get(host, host),
        app=nil.get(app, app),
        pid=nil.get(pid, pid),
        msgid=nil.get(msgid, msgid),
        data=data,
        version=int(version),
    )


def _classic(text: str, priority: int | None, received: datetime, zone: str) -> Syslog:
    stamp = _BSD.match(text) or _ISO.match(text)
    timestamp = None
    host = None
    rest = text
    if stamp:
        try:
            written = stamp[1]
            by_iso = written[0].isdecimal()
            timestamp = when.rfc3339(written.replace(",", "."), zone) if by_iso else when.bsd(written, received, zone)
        except ParseError:
            stamp = None
    if stamp:
        rest = text[stamp.end() :]
        word, blank, after = rest.partition(" ")
        # a host is one word that is not itself a tag; devices that leave it out begin with `tag:`, `CEF:0|` or columns
        if blank and word and not word.endswith(":") and not _NO_HOST.search(word) and not _TAG.match(word + " "):
            host, rest = word, after.lstrip(" ")
    elif priority is None:
        return Syslog(message=text)
    tag = _TAG.match(rest)
    app = pid = None
    if tag:
        app, pid = tag[1] or tag[3], tag[2] or tag[4]
        rest = rest[tag.end() :]
    return Syslog(message=rest, priority=priority, timestamp=timestamp, host=host, app=app, pid=pid)


def fields(line: Syslog) -> Fields:
    """Return what the header says in ECS: `@timestamp`, `host.name`, `process.*`, `log.syslog.*`, `message`."""
    found: Fields = {"message": line.message} if line.message else {}
    if line.timestamp is not None:
        found["@timestamp"] = _iso(line.timestamp)
    if line.host is not None:
        found["host.name"] = line.host
        found["log.syslog.hostname"] = line.host
    if line.app is not None:
        found["process.name"] = line.app
        found["log.syslog.appname"] = line.app
    if line.pid is not None:
        found["log.syslog.procid"] = line.pid
        pid = number(line.pid)
        if pid is not None and pid >= 0:
            found["process.pid"] = pid
    if line.msgid is not None:
        found["log.syslog.msgid"] = line.msgid
    if line.priority is not None:
        found.update(_PRIORITIES[line.priority])
    return found


def observed(line: Syslog) -> Fields:
    """Return what the header says if the sender is a device that watches others: its name is `observer.name`."""
    found: Fields = {}
    if line.timestamp is not None:
        found["@timestamp"] = _iso(line.timestamp)
    if line.host is not None:
        found["observer.name"] = found["log.syslog.hostname"] = line.host
    if line.priority is not None:
        found.update(_PRIORITIES[line.priority])
    return found
