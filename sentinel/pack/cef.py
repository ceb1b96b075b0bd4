r"""CEF, the Common Event Format: `CEF:0|vendor|product|version|signature|name|severity|key=value key=value`.

Read as ArcSight's "Implementing ArcSight Common Event Format" (revision 26) describes it and as devices write it:
inside syslog or alone, values with blanks and unescaped `=`, custom fields with their labels (`cs1Label`).
https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors/pdfdoc/common-event-format-v26/common-event-format-v26.pdf
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import NamedTuple
from zoneinfo import available_timezones

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields
from sentinel.pack import kv, mapping, names, text, when

_START = re.compile(r"(?<![A-Za-z0-9])CEF: ?(\d{1,2})\|")
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
_KEY = re.compile(r"\s([A-Za-z_][\w.\-\[\]]{0,63})=")
_ESCAPE = re.compile(r"\\([\\=|nr\"])")
_ESCAPED = {"n": "\n", "r": "\r"}
_LABELLED = frozenset(
    [f"c{kind}{n}" for kind in "sn" for n in range(1, 7)]
    + [f"{kind}{n}" for kind in ("cfp", "c6a") for n in range(1, 5)]
    + [f"{kind}{n}" for kind in ("flexString", "flexNumber", "flexDate", "deviceCustomDate") for n in (1, 2)]
)
_HEADER = 7
"""So many bars before the extension, the one behind the version included."""
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")

FIELDS = {
    "act": "event.action", "app": "network.protocol", "in": "source.bytes", "out": "destination.bytes",
    "destinationTranslatedAddress": "destination.nat.ip", "destinationTranslatedPort": "destination.nat.port",
    "deviceInboundInterface": "observer.ingress.interface.name", "dhost": "destination.domain",
    "deviceOutboundInterface": "observer.egress.interface.name", "dmac": "destination.mac", "dst": "destination.ip",
    "dntdom": "destination.user.domain", "dpt": "destination.port", "duid": "destination.user.id",
    "duser": "account destination.user", "dvc": "list observer.ip", "dvchost": "observer.name",
    "dvcmac": "list observer.mac", "fname": "file.name", "fsize": "file.size", "filePath": "file.path",
    "fileType": "file.type", "oldFilePath": "file.target_path", "msg": "message", "proto": "protocol",
    "reason": "event.reason", "requestClientApplication": "user_agent.original", "requestMethod": "http.request.method",
    "shost": "source.domain", "smac": "source.mac", "sntdom": "source.user.domain", "spt": "source.port",
    "src": "source.ip", "sourceTranslatedAddress": "source.nat.ip", "sourceTranslatedPort": "source.nat.port",
    "suid": "source.user.id", "suser": "account source.user", "dtz": "event.timezone",
    "c6a2": "source.ip", "c6a3": "destination.ip",
}  # fmt: skip
"""The dictionary's names (and, below, what some write in full) to ECS."""

_LONG = {
    "deviceAction": "act", "applicationProtocol": "app", "bytesIn": "in", "bytesOut": "out",
    "destinationHostName": "dhost", "destinationMacAddress": "dmac", "destinationAddress": "dst",
    "destinationNtDomain": "dntdom", "destinationPort": "dpt", "destinationUserId": "duid",
    "destinationUserName": "duser", "deviceAddress": "dvc", "deviceHostName": "dvchost",
    "deviceMacAddress": "dvcmac", "fileName": "fname", "fileSize": "fsize", "message": "msg",
    "transportProtocol": "proto", "sourceHostName": "shost", "sourceMacAddress": "smac",
    "sourceNtDomain": "sntdom", "sourcePort": "spt", "sourceAddress": "src", "sourceUserId": "suid",
    "sourceUserName": "suser", "deviceReceiptTime": "rt", "startTime": "start", "endTime": "end",
    "requestUrl": "request", "requestURL": "request", "eventOutcome": "outcome", "destinationProcessName": "dproc",
    "sourceProcessName": "sproc", "destinationProcessId": "dpid", "sourceProcessId": "spid",
    "deviceProcessName": "deviceProcessName", "deviceProcessId": "dvcpid", "deviceEventCategory": "cat",
}  # fmt: skip
_LABELS = {
    "rule": "rule.name", "rule name": "rule.name", "rulename": "rule.name", "policy name": "rule.name",
    "rule id": "rule.id", "ruleid": "rule.id", "threat name": "rule.name", "virus name": "rule.name",
    "source ipv6 address": "source.ip", "destination ipv6 address": "destination.ip", "source zone":
    "observer.ingress.zone", "destination zone": "observer.egress.zone", "http status": "http.response.status_code",
    "http response code": "http.response.status_code", "referer": "http.request.referrer",
    "referrer": "http.request.referrer", "user agent": "user_agent.original", "subject": "email.subject",
}  # fmt: skip
_SUCCESS = frozenset({"success", "succeeded", "successful", "true", "ok"})
_FAILURE = frozenset({"failure", "failed", "fail", "false", "error", "unsuccessful"})
_READ_INTO = {
    "request": "url.original", "deviceDirection": "network.direction", "outcome": "event.outcome",
    "sproc": "process.name", "dproc": "process.name", "spid": "process.pid", "dpid": "process.pid",
}  # fmt: skip
_ENDS = (("source.ip", "source.domain"), ("destination.ip", "destination.domain"))
_DIRECTIONS = {"0": "inbound", "1": "outbound"}
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}
_HEAD = ("observer.vendor", "observer.product", "observer.version", "event.code")
_COPIED, _SETTERS = mapping.split(FIELDS)
_LABEL_SETTERS = mapping.setters(_LABELS)


class Cef(NamedTuple):
    """One record; `extension` has the values unescaped, under the short names of the dictionary, labels included."""

    version: str
    vendor: str
    product: str
    device_version: str
    signature: str
    name: str
    severity: str
    extension: Mapping[str, str]


def read(line: str) -> Cef:
    """Take the record in `line` apart, wherever it begins; raises ParseError if there is none or it is cut short."""
    start = _START.search(line, max(0, line.find("CEF:")))
    if start is None:
        raise ParseError("no CEF: nothing begins with CEF:0|")
    parts = line[start.end() :].split("|", _HEADER - 1)
    if len(parts) == _HEADER and "\\" not in "".join(parts[:-1]):
        rest = parts.pop()
        parts = [part.strip() for part in parts]
    else:
        parts, rest = _escaped(line, start.end())
    vendor, product, device_version, signature, name, severity = parts
    return Cef(start[1], vendor, product, device_version, signature, name, severity, pairs(rest))


def _escaped(line: str, at: int) -> tuple[list[str], str]:
    """Return the six parts of a header in which bars may be escaped, or that is cut off, and what follows it."""
    parts: list[str] = []
    for bar in _BAR.finditer(line, at):
        parts.append(_unescaped(line[at : bar.end() - 1]).strip())
        at = bar.end()
        if len(parts) == _HEADER - 1:
            return parts, line[at:]
    if len(parts) < _HEADER - 2:
        raise ParseError("a CEF header with too few parts")
    return [*parts, line[at:].strip()], ""  # cut off, or sent without an extension


def pairs(extension: str) -> dict[str, str]:
    """Return the pairs of an extension; of a name given twice the first counts."""
    cells = _KEY.split(" " + extension, kv.PAIRS_MAX)
    written, values = cells[1::2], [value.strip() for value in cells[2::2]]
    if len(written) == kv.PAIRS_MAX and (more := _KEY.search(cells[-1])):
        values[-1] = cells[-1][: more.start()].strip()
    if '"' in extension:  # some quote what needs no quotes
        values = [
            value[1:-1] if value[:1] == value[-1:] == '"' and value.count('"') == 2 else value for value in values
        ]
    if "\\" in extension:
        values = [_unescaped(value) for value in values]
    known = [_LONG.get(name, name) for name in written]
    found = dict(zip(known, values, strict=True))
    if len(found) < len(known):
        found = {}
        for name, value in zip(known, values, strict=True):
            found.setdefault(name, value)
    return found


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda one: _ESCAPED.get(one[1], one[1]), value) if "\\" in value else value


def fields(record: Cef, received: datetime, zone: str, below: str = "cef.extensions.") -> Fields:
    """Return what a record says in ECS; what the dictionary has no ECS field for is kept under `below`.

    `received` and `zone` complete times without a year or a zone.
    """
    found: Fields = {"event.kind": "event"}
    severity = text.number(record.severity)
    for field, value in zip(_HEAD, record[1:5], strict=True):
        if value:
            found[field] = value
    if severity is not None:
        found["event.severity"] = severity
    if not record.severity.isdecimal() and record.severity:
        found["log.level"] = record.severity.lower()
    said = record.extension
    for name, value in said.items():
        if value in text.NOTHING:
            continue
        if (target := _COPIED.get(name)) is not None:
            found.setdefault(target, value)
        elif (setter := _SETTERS.get(name)) is not None:
            setter(found, value)
        elif name in _LABELLED:
            label = said.get(name + "Label", "").strip()
            known = len(found)
            if (setter := _LABEL_SETTERS.get(label.lower().replace("_", " "))) is not None:
                setter(found, value)
            if len(found) == known:
                _keep(found, below, label or name, value)
        elif not (name.endswith("Label") and name[:-5] in said):
            _keep(found, below, name, value)
    for ip, domain in _ENDS:
        if domain in found and ip not in found and (address := text.address(str(found[domain]))):
            found[ip] = address
            del found[domain]
    _rest(found, said, below)
    _times(found, said, received, zone, below)
    if record.name:
        found.setdefault("message", record.name)
    return found


def _keep(found: Fields, below: str, name: str, value: str) -> None:
    name = _UNFIT.sub("_", name).strip("_")[:64]
    if name:
        found.setdefault(below + name, value)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _rest(found: Fields, said: Mapping[str, str], below: str) -> None:
    outcome = said.get("outcome", "").lower()
    if outcome in _SUCCESS or outcome in _FAILURE:
        found["event.outcome"] = "success" if outcome in _SUCCESS else "failure"
    if (direction := _DIRECTIONS.get(said.get("deviceDirection", ""))) is not None:
        found["network.direction"] = direction
    process, pid = ("sproc", "spid") if "sproc" in said else ("dproc", "dpid")
    if path := said.get(process) or said.get("deviceProcessName"):
        whole = path if "/" in path or "\\" in path else None
        text.put(found, (("process.name", text.basename(path)), ("process.executable", whole)))
    if (number := text.number(said.get(pid) or said.get("dvcpid"))) is not None:
        found["process.pid"] = number
    if (protocol := found.get("network.protocol")) is not None:
        found["network.protocol"] = str(protocol).lower()
    if (request := said.get("request", "")) not in text.NOTHING:
        names.url(found, request)
    digest = said.get("fileHash", "")
    if (kind := _DIGESTS.get(len(digest))) and digest.isalnum():
        found[f"file.hash.{kind}"] = digest.lower()
        found.pop(below + "fileHash", None)
    for name in ("request", "deviceDirection", "outcome", process, pid):
        if name in said and _READ_INTO[name] in found:
            found.pop(below + name, None)
    who = "source" if "source.user.name" in found else "destination"
    if (user := found.get(who + ".user.name")) is not None:
        found["user.name"] = user
    if (domain := found.get(who + ".user.domain")) is not None:
        found["user.domain"] = domain


def _times(found: Fields, said: Mapping[str, str], received: datetime, zone: str, below: str) -> None:
    """Set `@timestamp` (`rt`, else `start`, else `end`), `event.start` and `event.end`."""
    named = said.get("dtz", "")
    if "/" not in named or named not in _zones():  # what is not known is not looked for again and again on disk
        named = zone
    for name, target in (("rt", "@timestamp"), ("start", "event.start"), ("end", "event.end")):
        if name not in said:
            continue
        try:
            moment = when.iso(when.written(said[name], received, named))
        except ParseError:
            continue
        found.pop(below + name, None)
        found[target] = moment
        found.setdefault("@timestamp", moment)
