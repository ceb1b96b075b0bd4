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
_OUTCOMES = dict.fromkeys(("success", "succeeded", "successful", "true", "ok"), "success") | dict.fromkeys(
    ("failure", "failed", "fail", "false", "error", "unsuccessful"), "failure"
)
_READ_INTO = {
    "request": "url.original", "deviceDirection": "network.direction", "outcome": "event.outcome",
    "sproc": "process.name", "dproc": "process.name", "spid": "process.pid", "dpid": "process.pid",
}  # fmt: skip
_ENDS = (("source.ip", "source.domain"), ("destination.ip", "destination.domain"))
_DIRECTIONS = {"0": "inbound", "1": "outbound"}
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}
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
    written, values = cells[1::2], list(map(str.strip, cells[2::2]))
    if len(written) == kv.PAIRS_MAX and (more := _KEY.search(cells[-1])):
        values[-1] = cells[-1][: more.start()].strip()
    if '"' in extension:  # some quote what needs no quotes
        values = [
            value[1:-1] if value[:1] == value[-1:] == '"' and value.count('"') == 2 else value for value in values
        ]
    if "\\" in extension:
        values = list(map(_unescaped, values))
    found = dict(zip(written, values, strict=True))
    if len(found) < len(written) or not _LONG.keys().isdisjoint(found):
        found = {}
        for name, value in zip(written, values, strict=True):
            found.setdefault(_LONG.get(name, name), value)
    return found


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda one: _ESCAPED.get(one[1], one[1]), value) if "\\" in value else value


def fields(record: Cef, received: datetime, zone: str, below: str = "cef.extensions.") -> Fields:
    """Return what a record says in ECS; what the dictionary has no ECS field for is kept under `below`.

    `received` and `zone` complete times without a year or a zone.
    """
    found: Fields = {"event.kind": "event"}
    _, vendor, product, version, signature, name, severity, said = record
    if vendor:
        found["observer.vendor"] = vendor
    if product:
        found["observer.product"] = product
    if version:
        found["observer.version"] = version
    if signature:
        found["event.code"] = signature
    if severity and (level := text.number(severity)) is not None:
        found["event.severity"] = level
    if severity and not severity.isdecimal():
        found["log.level"] = severity.lower()
    for key, value in said.items():
        if value in text.NOTHING:
            continue
        if (setter := _SETTERS.get(key)) is not None:
            setter(found, value)
        elif (target := _COPIED.get(key)) is not None:
            found.setdefault(target, value)
        elif key in _LABELLED:
            label = said.get(key + "Label", "").strip()
            known = len(found)
            if (setter := _LABEL_SETTERS.get(label.lower().replace("_", " "))) is not None:
                setter(found, value)
            if len(found) == known:
                _keep(found, below, label or key, value)
        elif not (key.endswith("Label") and key[:-5] in said):
            _keep(found, below, key, value)
    for ip, domain in _ENDS:
        if domain in found and ip not in found and (address := text.address(str(found[domain]))):
            found[ip] = address
            del found[domain]
    _rest(found, said, below)
    _times(found, said, received, zone, below)
    if name:
        found.setdefault("message", name)
    return found


def _keep(found: Fields, below: str, name: str, value: str) -> None:
    name = _UNFIT.sub("_", name).strip("_")[:64]
    if name:
        found.setdefault(below + name, value)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _rest(found: Fields, said: Mapping[str, str], below: str) -> None:
    if "outcome" in said and (outcome := said["outcome"].lower()) in _OUTCOMES:
        found["event.outcome"] = _OUTCOMES[outcome]
    if (direction := _DIRECTIONS.get(said.get("deviceDirection", ""))) is not None:
        found["network.direction"] = direction
    process, pid = ("sproc", "spid") if "sproc" in said else ("dproc", "dpid")
    if path := said.get(process) or said.get("deviceProcessName"):
        whole = path if "/" in path or "\\" in path else None
        text.put(found, (("process.name", text.basename(path)), ("process.executable", whole)))
    if (named := said.get(pid) or said.get("dvcpid")) and (number := text.number(named)) is not None:
        found["process.pid"] = number
    if (protocol := found.get("network.protocol")) is not None:
        found["network.protocol"] = str(protocol).lower()
    if (request := said.get("request", "")) not in text.NOTHING:
        names.url(found, request)
    if (digest := said.get("fileHash")) and (kind := _DIGESTS.get(len(digest))) and digest.isalnum():
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
    # what is not known is not looked for again and again on disk
    named = dtz if "/" in (dtz := said.get("dtz", "")) and dtz in _zones() else zone
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
