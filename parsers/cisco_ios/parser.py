"""What Cisco's IOS, IOS-XE, IOS-XR and NX-OS write: `123: sw1: *Nov 23 08:15:00.123 CET: %SEC-6-IPACCESSLOGP: …`.

`messages.toml` has the forms and meanings of messages by facility and mnemonic. A time with the mark `*` or `.` comes
from a clock that no server has set (cisco.ios.clock); uptimes (`1w2d`) are no time of day.
"""

import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, forms, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "messages.toml").read_text("utf-8"))
MESSAGE_MAX = 4_096
FORMS = forms.table(TABLES["forms"], TABLES["holes"])
SCANS = tuple(forms.compiled(scan, TABLES["holes"]) for scan in TABLES["scans"]["of"])
MEANINGS = {name: (row + "||||").split("|")[:5] for name, row in TABLES["meanings"].items()}
MARK = re.compile(
    r"%(?P<facility>[A-Za-z0-9_+]{1,64}(?:-[A-Z0-9_+]{1,64}){0,3}?)-(?:SLOT\d+-|SP-|STBY-)?(?P<level>[0-7])-"
    r"(?P<mnemonic>[A-Z0-9_]{1,64}) ?:(?: |$)"
)
STAMP = re.compile(
    r"(?P<mark>[*.])?(?:(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)|"
    r"(?:(?P<before>\d{4}) )?(?P<day>[A-Z][a-z]{2} {1,2}\d{1,2})(?: (?P<after>\d{4}))? "
    r"(?P<clock>\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?)(?: (?P<zone>[A-Z]{1,7})(?=[:\s%]))?)"
)
UPTIME = re.compile(r"(?:\d{1,4}[ywdh]){1,3}|\d{1,3}:\d\d:\d\d")
XR = re.compile(r"(?P<program>[A-Za-z][\w.-]{0,63})\[(?P<pid>\d{1,10})\]")
SET = {"*": "never set", ".": "not synchronised"}
OURS = {
    "type": "icmp_type", "code": "icmp_code", "tty": "tty", "line": "line", "via": "configured_from", "state": "state",
    "was": "previous_state", "method": "method", "method2": "method", "session": "session_id", "spi": "spi",
    "process": "process", "zone": "zone_pair", "class": "class", "level": "privilege_level", "state2": "state",
    "code2": "notification", "role": "role",
}  # fmt: skip
ON = re.compile(r"(?:(?:Switch|Chassis) \d+ )?[A-Z]\w{0,7}/\d+: (?P<program>\w{1,64}): ")
ADDRESS = re.compile(r"(?<![\w.:/])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]{0,3}\w)")
PHASES = {"start": "start", "stop": "end", "up": "start", "down": "end"}
FAILED, WORKED = (
    frozenset({"failed", "fail", "server dead", "no-response", "failure"}),
    frozenset({"succeeded", "success"}),
)
NOBODY = frozenset({"", "unknown", "console", "(unknown)", "snmp"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one message."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    line = syslog.read(raw)
    mark = MARK.search(whole[:768])
    if mark is None and line.priority is None and line.timestamp is None:
        raise ParseError("no message of IOS: no %FACILITY-LEVEL-MNEMONIC")
    found: Fields = {"event.kind": "event", "observer.vendor": "Cisco", "observer.type": "network device"}
    found["observer.product"] = "IOS"
    if mark is None:
        found |= syslog.observed(line)
        text.put(found, (("message", line.message),))
        yield found
        return
    if line.priority is not None:
        found |= syslog.observed(syslog.Syslog("", line.priority))
    facility, mnemonic, level = mark["facility"], mark["mnemonic"], int(mark["level"])
    found |= {"event.code": mnemonic, "event.provider": facility, "event.severity": level}
    found["log.level"] = syslog.SEVERITIES[level]
    _head(found, whole[: mark.start()], line, raw)
    message = whole[mark.end() :].strip()
    text.put(found, (("message", message),))
    plain = re.sub(r" {2,}", " ", message[:MESSAGE_MAX])
    if on := ON.match(plain):  # IOS-XE says which process on which board
        found["process.name"], plain = on["program"], plain[on.end() :]
    wanted = _keys(facility, mnemonic)
    said = next((said for one in wanted if (said := forms.read(FORMS.get(one, ()), plain))), None)
    if said is None or set(said) <= {"rest", "program", "pid"}:
        text.put(found, (("related.ip", tuple(filter(text.address, ADDRESS.findall(plain[:1024])[:16]))),))
        said = _scanned(plain) | (said or {})
    _said(found, said)
    _meaning(found, wanted, mnemonic, said)
    yield found


def _keys(facility: str, mnemonic: str) -> list[str]:
    """Return what a message may stand under: from its facility and mnemonic to the first part of the facility.

    XR writes families before it (`ROUTING-BGP`), platforms write parts behind it (`BGP_SESSION`, `MAC_MOVE-SP`).
    """
    parts = facility.split("-")
    ends = [part for part in (*reversed(parts), facility) if part != "SP"]
    families = [word[: at.start()] for word in ends for at in reversed([*re.finditer("_", word)])]
    return [f"{facility}-{mnemonic}", f"{ends[0]}-{mnemonic}", mnemonic, *ends, *families]


def _head(found: Fields, head: str, line: syslog.Syslog, raw: Raw) -> None:
    """Set time, name and number: what stands nearest to the mark is the device's own, the rest a relay's."""
    head = head.rpartition(">")[2][-400:] if line.priority is not None else head[-400:]
    stamps = list(STAMP.finditer(head))
    moment = line.timestamp
    before, after = head, ""
    if stamps:
        own = stamps[-1]
        zone = when.named(own["zone"] or "")
        end = own.start("zone") if own["zone"] and zone is None and not head[own.end() :].startswith(":") else own.end()
        before, after = head[: own.start()], head[end:]
        try:
            moment = _moment(own, zone, raw)
        except ParseError:
            moment = line.timestamp
        text.put(found, (("cisco.ios.clock", SET.get(own["mark"] or "")),))
        if own["before"]:
            found["observer.product"] = "NX-OS"
    elif line.timestamp is None:
        moment = None
    if moment is not None:
        found["@timestamp"] = when.iso(moment)
    if program := XR.search(after):
        found["process.name"], found["process.pid"] = program["program"].rstrip("_"), int(program["pid"])
        after = ""
    earlier = STAMP.sub(" ", before)
    for word in reversed([*re.split(r": |\s", earlier), *re.split(r": |\s", after)]):
        name = word.strip(":,*.<>")
        if name.isdecimal() and "cisco.ios.sequence_number" not in found:
            found["cisco.ios.sequence_number"] = name
        elif "/" in name:
            found["cisco.ios.node"], found["observer.product"] = name.partition(":")[0], "IOS XR"
        elif name and not (name.isdecimal() or UPTIME.fullmatch(name) or name.startswith("%")):
            found.setdefault("observer.name", name)
    if "observer.name" in found:
        found["log.syslog.hostname"] = found["observer.name"]


def _moment(stamp: re.Match[str], zone: str | None, raw: Raw) -> datetime:
    if stamp["iso"]:
        return when.rfc3339(stamp["iso"], raw.zone)
    year = stamp["before"] or stamp["after"]
    written = " ".join(filter(None, (stamp["day"], year, stamp["clock"])))
    moment = when.bsd(written, raw.received, "UTC" if zone else raw.zone)
    return when.offset(moment.replace(tzinfo=None), zone) if zone else moment


def _scanned(message: str) -> dict[str, str]:
    """Return what stands in most messages, for one without a form of its own."""
    said: dict[str, str] = {}
    for scan in SCANS:
        if one := scan.search(message):
            for name, value in one.groupdict().items():
                if value and not (name in {"src", "dst"} and text.address(value.rstrip(".:")) is None):
                    said.setdefault(name, value)
    return said


def _said(found: Fields, said: dict[str, str]) -> None:
    protocol = said.get("proto", "").lower()
    if (
        protocol in mapping.TRANSPORTS.values()
        or protocol in {"icmpv6", "icmp6"}
        or (protocol.isdecimal() and protocol != "0")
    ):
        mapping.protocol(found, protocol)
    if (user := said.get("user", "")).lower() not in NOBODY:
        names.account(found, "user", user)
    if "target" in said:
        names.account(found, "user.target", said["target"])
    if (url := said.get("url", "")) and "://" in url:
        names.url(found, url)
    text.put(
        found,
        (
            ("source.ip", text.address(said.get("src", "").rstrip(".:"))),
            ("destination.ip", text.address(said.get("dst", "").rstrip(".:"))),
            ("source.port", text.port(said.get("sport")) or None),
            ("destination.port", text.port(said.get("dport")) or None),
            ("source.mac", text.mac(said.get("mac", "").replace(".", ""))),
            ("source.domain", said.get("host")),
            ("source.nat.ip", text.address(said.get("nat"))),
            ("source.nat.port", text.port(said.get("natport")) or None),
            ("url.domain", None if "://" in url else url),
            ("network.name", said.get("ssid")),
            ("source.bytes", text.number(said.get("sent"))),
            ("destination.bytes", text.number(said.get("received"))),
            ("network.packets", text.number(said.get("packets"))),
            ("network.vlan.id", said.get("vlan")),
            ("observer.ingress.interface.name", said.get("in", "").rstrip(".:,")),
            ("observer.egress.interface.name", said.get("out", "").rstrip(".:,")),
            ("rule.name", said.get("acl") or said.get("rule")),
            ("rule.id", said.get("ruleid")),
            ("event.reason", said.get("reason")),
            ("process.command_line", said.get("command")),
            ("process.name", said.get("program")),
            ("process.pid", text.number(said.get("pid"))),
        ),
    )
    text.put(found, ((f"cisco.ios.{to}", said.get(name)) for name, to in OURS.items()))


def _meaning(found: Fields, wanted: list[str], mnemonic: str, said: dict[str, str]) -> None:
    action, categories, types, outcome, kind = next(MEANINGS[one] for one in (*wanted, "OTHER") if one in MEANINGS)
    kinds = types.split()
    if outcome == "-":
        outcome = ""
    elif not outcome and not kind:
        outcome = verdict.told(str(found.get("message", ""))[:256]) or ""
    decision = {"permit": "allowed", "den": "denied", "drop": "denied"}
    for word, result in decision.items():
        if said.get("verdict", "").lower().startswith(word):
            kinds.append(result)
    if (phase := PHASES.get(said.get("phase", "").lower())) is not None:
        action, categories, kinds = ("session", "session", []) if action == "command" else (action, categories, kinds)
        kinds.append(phase)
    if action == "vpn-tunnel" and (phase := PHASES.get(said.get("state", "").lower())) is not None:
        kinds, outcome = ["connection", phase], "success"
    result = said.get("result", "").lower()
    if result in FAILED or result in WORKED:
        outcome = "failure" if result in FAILED else "success"
    if (
        mnemonic in {"SYSTEM_MSG", "ERR_GENERAL", "INFO_GENERAL", "INFO_FAILURE"}
        and "source.ip" in found
        and "user.name" in found
    ):
        accepted = str(found.get("message", "")).startswith(("Accepted", "Successfully"))
        action, categories, kinds, outcome = "login", "authentication", ["start"], "success" if accepted else "failure"
    text.put(found, (("event.action", action), ("event.outcome", outcome), ("event.kind", kind)))
    found["event.category"], found["event.type"] = tuple(categories.split()), tuple(dict.fromkeys(kinds))
