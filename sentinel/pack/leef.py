r"""LEEF, QRadar's Log Event Extended Format 1.0 and 2.0: `LEEF:2.0|vendor|product|version|event|^|key=value^key=value`.

https://www.ibm.com/docs/en/dsm?topic=overview-leef-event-components
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields
from sentinel.pack import kv, mapping, names, text, when

PAIRS_MAX = 512

_START = re.compile(r"(?<![A-Za-z0-9])LEEF: ?(\d{1,2}(?:\.\d)?)\|")
_DELIMITER = re.compile(r"(?:0?x)?([0-9A-Fa-f]{1,4})")
_NAME = re.compile(r"[A-Za-z_][\w.\- ]{0,63}")
_KEY = re.compile(r"(?:(?<=\s)|^)([A-Za-z_][\w.\-]{0,63})=")
_BARRED = re.compile(r"\|[A-Za-z]\w{0,63}=")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")

FIELDS = {
    "proto": "protocol", "src": "source.ip", "dst": "destination.ip", "srcPort": "source.port",
    "dstPort": "destination.port", "srcPostNAT": "source.nat.ip", "dstPostNAT": "destination.nat.ip",
    "srcPostNATPort": "source.nat.port", "dstPostNATPort": "destination.nat.port", "srcMAC": "source.mac",
    "dstMAC": "destination.mac", "srcBytes": "source.bytes", "dstBytes": "destination.bytes",
    "srcPackets": "source.packets", "dstPackets": "destination.packets", "totalPackets": "network.packets",
    "usrName": "account user", "accountName": "account user", "domain": "user.domain", "groupID": "user.group.id",
    "role": "list user.roles", "policy": "rule.name", "resource": "host.name", "identHostName": "source.domain",
    "identMAC": "source.mac", "identSrc": "source.ip", "action": "event.action", "reason": "event.reason",
    "msg": "message", "srcName": "source.domain", "dstName": "destination.domain", "fileName": "file.name",
    "filePath": "file.path", "userAgent": "user_agent.original", "method": "http.request.method",
}  # fmt: skip
"""LEEF's predefined names, and a few that everybody uses beside them, to ECS."""

_SETTERS = mapping.setters(FIELDS)


class Leef(NamedTuple):
    """One record taken apart; `event` is what the vendor calls this kind of event."""

    version: str
    vendor: str
    product: str
    device_version: str
    event: str
    attributes: Mapping[str, str]


def read(line: str) -> Leef:
    """Take the record in `line` apart, wherever it begins; raises ParseError if there is none or it is cut short."""
    start = _START.search(line)
    if start is None:
        raise ParseError("no LEEF: nothing begins with LEEF:1.0|")
    parts = line[start.end() :].split("|", 4)
    if len(parts) < 4:
        raise ParseError("a LEEF header with too few parts")
    rest = parts[4] if len(parts) == 5 else ""
    delimiter = "\t"
    if start[1].startswith("2"):
        # the sixth part is not always there, and may be empty
        head, bar, after = rest.partition("|")
        if bar and "=" not in head:
            delimiter, rest = _delimiter(head.strip(" ")), after
    vendor, product, device_version, event = (part.strip() for part in parts[:4])
    return Leef(start[1], vendor, product, device_version, event, pairs(rest, delimiter))


def _delimiter(written: str) -> str:
    code = _DELIMITER.fullmatch(written)
    if code is not None and len(written) > 1 and 0 < (number := int(code[1], 16)) < 0xD800:
        return chr(number)
    return written if len(written) == 1 else "\t"


def pairs(attributes: str, delimiter: str = "\t") -> dict[str, str]:
    """Return the pairs of `attributes`; of a name given twice the first counts.

    What stands between two delimiters without being a pair belongs to the value before it. Lines whose tabs were
    lost on the way (syslog daemons turn them into `#011` or blanks) are read by where the next name begins.
    """
    if delimiter not in attributes and delimiter == "\t":
        if "#011" in attributes:
            delimiter = "#011"
        elif len(_BARRED.findall(attributes)) > 1:  # Palo Alto's LEEF 1.0
            delimiter = "|"
        elif attributes.count("=") > 1:
            return kv.cut(attributes, _KEY)
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for piece in attributes.split(delimiter):
        name, sign, value = piece.partition("=")
        name = name.strip()
        if sign and _NAME.fullmatch(name):
            last = [value.strip()]
            if len(found) < PAIRS_MAX:
                found.setdefault(name, last)
        elif piece.strip():
            last.append(piece.rstrip())
    return {name: delimiter.join(pieces) for name, pieces in found.items()}


def fields(record: Leef, received: datetime, zone: str, below: str = "leef.attributes.") -> Fields:
    """Return what a record says in ECS; attributes without an ECS field are kept under `below`.

    `received` and `zone` complete times without a year or a zone.
    """
    found: Fields = {"event.kind": "event"}
    text.put(
        found,
        (
            ("observer.vendor", record.vendor),
            ("observer.product", record.product),
            ("observer.version", record.device_version),
            ("event.code", record.event),
            ("event.severity", text.number(record.attributes.get("sev"))),
        ),
    )
    said = record.attributes
    for name, value in said.items():
        if value in text.NOTHING or name in {"sev", "devTime", "devTimeFormat"}:
            continue
        if (setter := _SETTERS.get(name)) is not None:
            setter(found, value)
        elif name.lower() == "url":
            names.url(found, value)
        elif kept := _UNFIT.sub("_", name).strip("_"):
            found.setdefault(below + kept, value)
    if (moment := _moment(said, received, zone)) is not None:
        found["@timestamp"] = moment
    for flag, phase in (("isLoginEvent", "start"), ("isLogoutEvent", "end")):
        if said.get(flag, "").lower() == "true":
            found["event.category"], found["event.type"] = ("authentication",), (phase,)
    return found


def _moment(said: Mapping[str, str], received: datetime, zone: str) -> str | None:
    """Return `devTime`; `devTimeFormat` (of Java) is needed only where a date of numbers could be read two ways."""
    written = said.get("devTime", "")
    if said.get("devTimeFormat", "").startswith(("dd/MM/yyyy", "dd-MM-yyyy", "dd.MM.yyyy", "MM/dd/yyyy")) and (
        len(written) > 10 and written[:10].replace(written[2], "").isdecimal()
    ):
        first, second = written[:2], written[3:5]
        day, month = (first, second) if said["devTimeFormat"][0] == "d" else (second, first)
        written = f"{written[6:10]}-{month}-{day}{written[10:]}"
    try:
        return when.iso(when.written(written, received, zone)) if written else None
    except ParseError:
        return None
