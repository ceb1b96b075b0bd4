"""What Cisco's ASA, FTD, PIX and FWSM write to syslog: `%ASA-6-302013: Built inbound TCP connection …`.

`messages.toml` has the forms and meanings of messages by their number. Who started a connection is the source: of
`Built outbound` it is the second end. A teardown names no direction: only a port of a well-known service against one
of none tells the ends apart there, else they stay in the order of the line.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sentinel.pack import Fields, ParseError, Raw, forms, kv, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "messages.toml").read_text("utf-8"))
MESSAGE_MAX = 4_096
MARK = re.compile(
    r"%?\b(?P<product>ASA|FTD|PIX|FWSM|NGIPS)-{1,2}(?:(?P<class>[a-z][a-z0-9_-]{0,31})-)?(?P<level>[0-7])-"
    r"(?P<number>\d{6,7})(?:: ?| |$)"
)
STAMP = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)|"
    r"(?P<bsd>[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: (?P<zone>[A-Z]{1,5})\b)?"
)
ENDS = ("src", "dst", "a", "b", "faddr", "gaddr", "laddr", "nat")
HOLES = {**TABLES["holes"], **dict.fromkeys(ENDS, TABLES["holes"]["end"])}
FORMS = forms.table(TABLES["forms"], HOLES)
GROUPS = tuple(forms.compiled(form, HOLES) for form in TABLES["groups"].values())
MEANINGS = {number: (row + "||||").split("|")[:5] for number, row in TABLES["meanings"].items()}
NUMBERLESS = tuple((number, known) for number, known in FORMS.items() if len(number) > 3)
SCANS = tuple(forms.compiled(scan, HOLES) for scan in TABLES["scans"]["of"])
PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z0-9_]{1,40}|Prefilter Policy|Tunnel or Prefilter Rule): ")
FTD = mapping.setters(TABLES["ftd"])
OURS = TABLES["ours"]
PROGRAM = re.compile(r"(?:^| )([A-Za-z][\w.-]{0,63})\[(\d{1,10})\]$")
NAME = re.compile(r"(?=[0-9._-]{0,255}[A-Za-z])[A-Za-z0-9][\w-]*(?:\.[\w-]+)*")
NOBODY = frozenset({"", "unknown", "*", "*****", "n/a", "no authentication required", "unauthenticated", "(null)"})
ADDRESS = re.compile(r"(?<![\w.:/])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]{0,3}\w)")
DENIED = re.compile(
    r"(?i)\b(?:dropp(?:ed|ing)|deny|denied|discard(?:ed|ing)?|to (?:drop|reset)|prevented|reset connection|rejected"
    r"|terminating (?:tcp|connection)|not (?:accepted|allowed)|refused)\b"
)
PROTOCOLS = frozenset(mapping.TRANSPORTS.values()) | {"icmp6", "icmpv6"}


class End(NamedTuple):
    r"""One end of a connection: `outside:192.0.2.1/80 (198.51.100.1/8080)(LOCAL\user)` taken apart."""

    interface: str = ""
    address: str | None = None
    name: str = ""
    port: int | None = None
    nat: str | None = None
    nat_port: int | None = None
    user: str = ""
    service: str = ""


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one message."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    mark = MARK.search(whole[:512])
    line = syslog.read(raw)
    found: Fields = {"event.kind": "event", "observer.vendor": "Cisco", "observer.type": "firewall"}
    found |= {"observer.product": mark["product"] if mark else "ASA"}
    if line.priority is not None:
        found |= syslog.observed(syslog.Syslog("", line.priority))
    if mark is None:
        message, number = line.message, ""
        found |= syslog.observed(line)
    else:
        message, number = whole[mark.end() :].strip(), mark["number"]
        found |= {"event.code": number, "event.severity": int(mark["level"])}
        found["log.level"] = syslog.SEVERITIES[int(mark["level"])]
        text.put(found, (("cisco.asa.class", mark["class"]),))
        _head(found, whole[: mark.start()], line, raw)
    text.put(found, (("message", message),))
    number = _read(found, number, message[:MESSAGE_MAX], raw)
    if not number and line.priority is None and line.timestamp is None:
        raise ParseError("no message of an ASA: no %ASA-level-number and none of its forms")
    yield found


def _head(found: Fields, head: str, line: syslog.Syslog, raw: Raw) -> None:
    """Set time and name of the device: what stands nearest to the mark is its own, the rest is a relay's."""
    stamps = list(STAMP.finditer(head[:400]))
    moment = line.timestamp
    host = ""
    if stamps:
        last = stamps[-1]
        zone = when.named(last["zone"] or "")
        host = head[last.end() if zone or not last["zone"] else last.start("zone") :].strip(" :,*.")
        if not host and len(stamps) > 1:
            host = head[stamps[-2].end() : last.start()].strip(" :,*.").partition(" ")[0]
        with suppress(ParseError):
            moment = _moment(last, zone, raw)
    if moment is not None:
        found["@timestamp"] = when.iso(moment)
    if program := PROGRAM.search(host):
        found["process.name"], found["process.pid"] = program[1], int(program[2])
    words = (host or (line.host or "" if not stamps else "")).split()
    if words and (name := words[0].strip(":,\"'")) and not name.startswith("%"):
        found["observer.name"] = found["log.syslog.hostname"] = name


def _moment(stamp: re.Match[str], zone: str | None, raw: Raw) -> datetime:
    if stamp["iso"]:
        return when.rfc3339(stamp["iso"], raw.zone)
    moment = when.bsd(stamp["bsd"], raw.received, "UTC" if zone else raw.zone)
    return when.offset(moment.replace(tzinfo=None), zone) if zone else moment


def _read(found: Fields, number: str, message: str, raw: Raw) -> str:
    """Set what the message says; returns its number, found out by its form if the line has none."""
    if number.startswith("43000") and ": " in message:
        _firepower(found, number, message, raw)
        return number
    plain = re.sub(r" {2,}", " ", message)
    if number:
        known = FORMS.get(number) or FORMS.get(number[:3]) or ()
        said = forms.read((*known, *GROUPS), plain) or _scanned(found, plain)
    else:
        fitting = ((one, forms.read(known, plain)) for one, known in NUMBERLESS)
        number, said = next(((one, parts) for one, parts in fitting if parts), ("", {}))
    _ends(found, said)
    _said(found, said)
    _meaning(found, number, said, plain)
    if "rest" in said and number[:1] == "7":
        _addresses(found, said["rest"])
        if why := re.search(r"\b[Rr]eason(?: =|:) ?([^.\s](?:.{0,254}[^.\s])?)", said["rest"][:1024]):
            found.setdefault("event.reason", why[1])
    return number


def _scanned(found: Fields, message: str) -> dict[str, str]:
    """Return what stands in most messages, for one without a form of its own; all its addresses are related."""
    text.put(found, (("related.ip", tuple(filter(text.address, ADDRESS.findall(message[:1024])[:16]))),))
    said: dict[str, str] = {}
    for scan in SCANS:
        for one in islice(scan.finditer(message), 8):
            parts = {name: value for name, value in one.groupdict().items() if name not in ENDS or _is_end(value)}
            if parts:
                said = parts | said
                break
    if "src" in said or "b" not in said:
        said.pop("a", None)
    return said


def _is_end(written: str) -> bool:
    end = _end(written)
    return end.address is not None or (end.name != "" and end.port is not None)


def _end(written: str) -> End:
    base, *groups = re.split(r" ?\(", written)
    base = base.rstrip(".,:;")
    interface, port, service = "", None, ""
    front, slash, back = base.partition("/")
    numbered = bool(groups) and groups[0].rstrip(")").isdecimal()
    if slash and (numbered or text.address(back)):  # inside/192.0.2.1(80)
        interface, rest = front, back
        if numbered:
            port = text.port(groups.pop(0).rstrip(")"))
    else:
        rest, _, back = base.rpartition("/") if slash else (base, "", "")
        port = text.port(back)
        service = back if back[:1].isalpha() else ""
    address = text.address(rest)
    if address is None and ":" in rest:
        interface, _, rest = rest.partition(":")
        address = text.address(rest)
        if address is None and rest.count(":") == 1 and (address := text.address(rest.partition(":")[0])):
            port = text.port(rest.partition(":")[2])
    nat, nat_port, user = None, None, ""
    for group in groups:
        inside = group.rstrip(")").strip()
        head, _, tail = inside.partition("/")
        if mapped := text.address(head):
            nat, nat_port = mapped, text.port(tail)
        elif (inside != rest and "\\" in inside) or re.fullmatch(r"(?:user= ?)?[\w.@+-]{2,64}", inside):
            user = user or inside.partition(",")[0].removeprefix("user=").strip()
    name = rest if address is None and NAME.fullmatch(rest) and ("." in rest or interface or port) else ""
    if nat == address and nat_port == port:
        nat, nat_port = None, None
    return End(interface, address, name, port or None, nat, nat_port or None, user if user != "any" else "", service)


def _ends(found: Fields, said: dict[str, str]) -> None:
    ends = {name: _end(said[name]) for name in ENDS if name in said}
    source, destination = ends.get("src"), ends.get("dst")
    ported = said.get("proto", "").lower() not in {"icmp", "icmpv6", "icmp6"}
    if "a" in ends:
        first, second = ends["a"], ends.get("b", End())
        source, destination = (second, first) if _turned(said, first, second) else (first, second)
    elif "faddr" in ends and "laddr" in ends:
        far, near = ends["faddr"], ends["laddr"]
        mapped = ends.get("gaddr", near)
        if mapped.address != near.address or (ported and mapped.port != near.port):
            near = near._replace(nat=mapped.address, nat_port=mapped.port if ported else None)
        inward = said.get("direction") == "in" or ("direction" not in said and far.port and not near.port)
        source, destination = (far, near) if inward else (near, far)
    elif "remote" in said:
        source, destination = (_end(f"{one}:{said[one]}")._replace(interface="") for one in ("remote", "local"))
    if "nat" in ends and source:
        source = source._replace(nat=ends["nat"].address, nat_port=ends["nat"].port)
        text.put(found, (("observer.egress.interface.name", ends["nat"].interface),))
    for side, end, way in (("source", source, "ingress"), ("destination", destination, "egress")):
        if end is not None:
            _put(found, side, end, way, ported=ported)


def _turned(said: dict[str, str], first: End, second: End) -> bool:
    """Say whether the second end started it."""
    if "direction" in said or "peer" in said:
        return said.get("direction") == "out" or said.get("peer") == "server"
    one, other = first.port or 0, second.port or 0
    return 0 < one < 1024 <= other


def _put(found: Fields, side: str, end: End, way: str, *, ported: bool) -> None:
    text.put(
        found,
        (
            (f"{side}.ip", end.address),
            (f"{side}.domain", end.name),
            (f"{side}.port", end.port if ported else None),
            (f"{side}.nat.ip", end.nat),
            (f"{side}.nat.port", end.nat_port if ported else None),
            (f"observer.{way}.interface.name", "" if end.interface.isdecimal() else end.interface),
            ("network.protocol", end.service.lower()),
        ),
    )
    if "\\" in end.user:  # known to be at this address; one without a domain has logged in for the connection
        _account(found, f"{side}.user", end.user)
    if end.user and (side == "source" or "user.name" not in found):
        _account(found, "user", end.user)


def _account(found: Fields, below: str, name: str) -> None:
    if name.lower() not in NOBODY:
        names.account(found, below, name.removeprefix("LOCAL\\"))


def _said(found: Fields, said: dict[str, str]) -> None:
    for name in ("proto", "proto2"):
        protocol = said.get(name, "").lower().removeprefix("protocol").strip(" :")
        if (protocol in PROTOCOLS or protocol.isdecimal()) and "network.transport" not in found:
            mapping.protocol(found, protocol)
    if user := said.get("user") or said.get("user2"):
        _account(found, "user", user.strip("'"))
    if "target" in said:
        _account(found, "user.target", said["target"].strip("'"))
    if "url" in said:
        names.url(found, said["url"])
    if "file" in said:
        path = said["file"]
        text.put(found, (("file.name", text.basename(path)), ("file.path", path if "/" in path else None)))
    mac = said.get("ipmac", "").rpartition("/")
    text.put(
        found,
        (
            ("event.reason", said.get("cause") or said.get("reason")),
            ("rule.name", said.get("acl") or said.get("rulename")),
            ("rule.id", said.get("ruleid")),
            ("process.command_line", said.get("command")),
            ("server.ip", text.address(said.get("server"))),
            ("server.domain", None if text.address(said.get("server")) else said.get("server")),
            ("network.bytes", text.number(said.get("bytes"))),
            ("source.bytes", text.number(said.get("rcv"))),
            ("destination.bytes", text.number(said.get("xmt"))),
            ("source.mac", text.mac(said.get("macs", "").replace(".", "") or mac[2])),
            ("destination.mac", text.mac(said.get("macd"))),
            ("event.duration", _duration(said.get("duration", ""))),
            ("tls.version", said["tls"].partition("v")[2] if "tls" in said else None),
            (f"{said['side']}.domain" if "side" in said else "dns.question.name", said.get("domain")),
        ),
    )
    if "observer.ingress.interface.name" not in found:
        text.put(found, (("observer.ingress.interface.name", said.get("in", "").strip("'\".")),))
    for name, port in (("source.port", "sport"), ("destination.port", "dport")):
        text.put(found, ((name, text.port(said.get(port)) or None),))
    if "source.ip" not in found:
        text.put(found, (("source.ip", text.address(mac[0])),))
    if given := text.address(said.get("assigned", "").rstrip(".")):
        found["cisco.asa.assigned_ip"] = found["related.ip"] = (given,)
    if other := text.address(said.get("far", "").rstrip(".")):
        found["related.ip"] = (other,)
    if said.get("direction", "").lower() in {"in", "out"}:
        found["network.direction"] = said["direction"].lower() + "bound"
    text.put(found, ((f"cisco.asa.{to}", said.get(name)) for name, to in OURS.items()))


def _duration(written: str) -> int | None:
    numbers = re.findall(r"\d{1,6}", written)
    if not 2 < len(numbers) < 5:
        return None
    days = int(numbers[0]) if len(numbers) == 4 else 0
    hours, minutes, seconds = map(int, numbers[-3:])
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000_000


def _addresses(found: Fields, rest: str) -> None:
    """Set the addresses that a VPN client was given."""
    given = re.findall(r"Address <([0-9A-Fa-f.:]{2,45})>", rest[:512], re.IGNORECASE)
    assigned = tuple(one for one in map(text.address, given) if one and one != "::")
    if assigned:
        found["cisco.asa.assigned_ip"] = found["related.ip"] = assigned


def _meaning(found: Fields, number: str, said: dict[str, str], message: str = "") -> None:
    row = next((MEANINGS[number[:size]] for size in (7, 6, 3, 1) if number[:size] in MEANINGS), None)
    if row is None:
        return
    action, categories, types, outcome, kind = row
    result = verdict.of(said.get("verdict", said.get("action", "")).removeprefix("est-"))
    kinds = [*types.split(), *([result] if result and "network" in categories else [])]
    text.put(found, (("event.action", action), ("event.outcome", outcome), ("event.kind", kind)))
    if said.get("state", "").lower() == "failed":
        found["event.outcome"] = "failure"
    elif not outcome and not kind and message:
        if "connection" in kinds and {"source.ip", "destination.ip"} <= found.keys() and DENIED.search(message[:256]):
            kinds = [*(one for one in kinds if one not in {"info", "allowed"}), "denied"]
            found["event.outcome"] = "success"
        else:
            text.put(found, (("event.outcome", verdict.told(message[:256])),))
    text.put(found, (("event.category", tuple(categories.split())), ("event.type", tuple(dict.fromkeys(kinds)))))


def _firepower(found: Fields, number: str, message: str, raw: Raw) -> None:
    """Read `name: value, name: value`; a value may hold commas."""
    said = kv.cut(message, PAIR)
    for name, value in said.items():
        if value.lower() in NOBODY:
            continue
        if (setter := FTD.get(name)) is not None:
            setter(found, value)
        else:
            found[f"cisco.ftd.{name.replace(' ', '_')}"] = value
    _meaning(
        found,
        number,
        {"action": said.get("InlineResult") or said.get("FileAction") or said.get("AccessControlRuleAction", "")},
    )
    if said.get("AccessControlRuleAction"):
        found.setdefault("event.outcome", "success")
    sid = ":".join(filter(None, (said.get("GID"), said.get("SID"))))
    duration = text.number(said.get("ConnectionDuration"))
    address = said.get("URL") or said.get("HTTP_URI") or said.get("URI") or ""
    if address and address not in text.NOTHING:
        names.url(found, address)
    text.put(
        found,
        (
            ("rule.id", sid),
            ("event.duration", duration * 1_000_000_000 if duration is not None and 0 <= duration < 1 << 30 else None),
            ("dns.question.type", TABLES["dns"].get(said.get("DNSRecordType", "").lower())),
            ("dns.response_code", TABLES["dns"].get(said.get("DNSResponseType", "").lower())),
            ("network.protocol", said.get("ApplicationProtocol", "").lower()),
            ("tls.version", said.get("SSLVersion", "").removeprefix("TLSv")),
        ),
    )
    if number == "430001":
        message = said.get("Message", "").strip('"')
        text.put(found, (("rule.ruleset", said.get("IntrusionPolicy")), ("rule.name", message), ("message", message)))
    for side in ("source", "destination"):
        if all(found.get(f"{side}.nat.{part}") == found.get(f"{side}.{part}") for part in ("ip", "port")):
            for part in ("ip", "port"):
                found.pop(f"{side}.nat.{part}", None)
    try:
        begun = when.iso(when.written(said["FirstPacketSecond"], raw.received, "UTC"))
    except (KeyError, ParseError):
        return
    found["event.start"] = begun
    found.setdefault("@timestamp", begun)
