"""pfSense's and OPNsense's filterlog, column by column, and what the other daemons of the firewall say about users.

filterlog's columns: https://docs.netgate.com/pfsense/en/latest/monitoring/logs/raw-filter-format.html; OPNsense
writes the same with the rule's id (32 hex digits or a UUID) as tracker. Fields of one protocol only are `pfsense.*`.
"""

import re
from collections.abc import Iterable

from sentinel.pack import Fields, ParseError, Raw, mapping, names, syslog, text, when

TRANSPORTS = {**mapping.TRANSPORTS, "112": "carp"}
VERDICTS = {
    "pass": ("allowed", "success"), "block": ("denied", "success"), "reject": ("denied", "success"),
    "unkn": ("info", "unknown"), "match": ("info", "success"), "nat": ("info", "success"), "rdr": ("info", "success"),
}  # fmt: skip
DIRECTIONS = {"in": "inbound", "out": "outbound"}
PORTED = frozenset({"tcp", "udp", "sctp", "udplite"})
IPV4 = ("tos", "ecn", "ttl", "id", "offset", "flags")
CARP = ("type", "ttl", "vhid", "version", "advskew", "advbase")
TCP = ("flags", "seq", "ack", "window", "urg", "options")
ICMP = {
    "request": ("id", "seq"), "reply": ("id", "seq"), "unreachproto": ("dst_ip", "unreachable_protocol"),
    "unreachport": ("dst_ip", "unreachable_protocol", "unreachable_port"), "needfrag": ("dst_ip", "mtu"),
    "tstamp": ("id", "seq"), "tstampreply": ("id", "seq", "otime", "rtime", "ttime"),
}  # fmt: skip
LABEL = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# Greedy up to the last ` from `: what an attacker types as user name stands before it.
GUI = re.compile(
    r"(?:(?P<page>/[^\s:]{0,200}): )?(?P<what>(?:Web GUI |webConfigurator )?(?P<kind>"
    r"authentication error|successful login|session timed out|user logged out)) for (?:user )?'(?P<user>.{0,512})'"
    r" from:? ?(?P<address>[0-9A-Fa-f.:]{2,64})(?:%\S+)?(?: \([^()]*\))?\s*",
    re.DOTALL | re.IGNORECASE,
)
GUI_ACTIONS = {
    "authentication error": ("start", "failure"), "successful login": ("start", "success"),
    "session timed out": ("end", "success"), "user logged out": ("end", "success"),
}  # fmt: skip
AUTH = re.compile(r"user (?P<user>.{1,256}) (authenticated successfully|could not authenticate) for \S+( .*)?")
CHANGE = re.compile(r"user (?P<user>\S+?)@(?P<address>[0-9A-Fa-f.:]+) changed configuration to (?P<file>\S+)( .*)?")


def parse(raw: Raw) -> Iterable[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    app = (line.app or "").rpartition("/")[2]
    columns = line.message.split(",")
    if app == "filterlog" or (line.app is None and len(columns) >= 9 and columns[6] in VERDICTS):
        return (_filterlog(columns, line, raw),)
    if line.app is None and line.host is None and line.priority is None:
        raise ParseError("neither filterlog's columns nor a syslog header")
    return (_daemon(line),)


def _about(line: syslog.Syslog, vendor: bool) -> Fields:  # noqa: FBT001  the one thing to tell
    found: Fields = {
        "event.kind": "event",
        "observer.vendor": "OPNsense" if vendor else "Netgate",
        "observer.product": "OPNsense" if vendor else "pfSense",
        "observer.type": "firewall",
    }
    if line.timestamp is not None:
        found["@timestamp"] = when.iso(line.timestamp)
    if line.host is not None:
        found["observer.name"] = found["host.name"] = found["log.syslog.hostname"] = line.host
    if line.app is not None:
        found["process.name"] = line.app.rpartition("/")[2] or line.app
    if line.pid is not None and line.pid.isdecimal() and len(line.pid) < 10:
        found["process.pid"] = int(line.pid)
    if line.priority is not None:
        found["log.syslog.priority"] = line.priority
    return found


def _filterlog(columns: list[str], line: syslog.Syslog, raw: Raw) -> Fields:
    if len(columns) < 9 or columns[8] not in {"4", "6"}:
        if len(columns) < 8 or columns[6] not in VERDICTS:
            raise ParseError("filterlog with too few columns")
        columns = [*columns, "", ""]
    number, _, anchor, tracker, interface, reason, action, way, version = columns[:9]
    labelled = LABEL.fullmatch(tracker) is not None
    found = _about(line, labelled or "opnsense" in raw.source.lower() or "opnsense" in (line.host or "").lower())
    verdict, outcome = VERDICTS.get(action, ("info", "unknown"))
    found["event.action"] = action or "unknown"
    found["event.category"] = ("network",)
    found["event.type"] = ("connection", verdict)
    found["event.outcome"] = outcome
    rule = tracker if tracker not in {"", "0"} else number
    if rule:
        found["rule.id"] = rule
    if anchor:
        found["rule.ruleset"] = anchor
    if reason:
        found["event.reason"] = reason
    if way in DIRECTIONS:
        found["network.direction"] = DIRECTIONS[way]
    if interface:
        found["observer.egress.interface.name" if way == "out" else "observer.ingress.interface.name"] = interface
    if number:
        found["pfsense.rule_number"] = number
    if version == "4":
        _ip(found, columns[9:], 7, 6)
    elif version == "6":
        _ip(found, columns[9:], 3, 4)
    return found


def _ip(found: Fields, columns: list[str], name_at: int, number_at: int) -> None:
    """Read the columns after the version: `name_at` and `number_at` are those of the protocol's name and number."""
    start = 9 if name_at == 7 else 6
    found["network.type"] = "ipv4" if name_at == 7 else "ipv6"
    if len(columns) < start + 2:  # cut off: nobody knows how the last column went on
        columns = columns[:-1] + [""] * (start + 3 - len(columns))
    heads = IPV4 if name_at == 7 else ("class", "flow_label", "hop_limit")
    for name, value in zip(heads, columns, strict=False):
        if value:
            found["pfsense." + ("ip_" + name)] = value
    number = columns[number_at]
    transport = TRANSPORTS.get(number) or columns[name_at].lower()
    if transport:
        found["network.transport"] = transport
    if number.isdecimal():
        found["network.iana_number"] = number
    length, source, destination = columns[start - 1 : start + 2]
    if length.isdecimal() and len(length) < 10:
        found["network.bytes"] = int(length)
    sender, receiver = text.address(source), text.address(destination)
    if sender:
        found["source.ip"] = sender
    rest = columns[start + 2 :]
    if receiver and (rest or transport not in PORTED):  # where ports must follow and do not, it may be cut off
        found["destination.ip"] = receiver
    if transport in PORTED:
        _ports(found, rest, transport)
    elif transport in {"icmp", "ipv6-icmp"}:
        _icmp(found, rest)
    elif transport == "carp":
        _named(found, "carp", CARP, rest)
    elif rest and rest[0].startswith("datalength="):
        found["pfsense.data_length"] = rest[0][11:] or "0"


def _ports(found: Fields, rest: list[str], transport: str) -> None:
    if len(rest) < 3:
        return
    source, destination = text.port(rest[0]), text.port(rest[1])
    if source is not None:
        found["source.port"] = source
    if destination is not None:
        found["destination.port"] = destination
    if rest[2]:
        found["pfsense.data_length"] = rest[2]
    if transport == "tcp" and len(rest) > 3:
        _named(found, "tcp", TCP, rest[3:])


def _icmp(found: Fields, rest: list[str]) -> None:
    if not rest or not rest[0]:
        return
    if rest[0].startswith("datalength="):
        found["pfsense.data_length"] = rest[0][11:] or "0"
        return
    kind = rest[0]
    found["pfsense.icmp_type"] = kind
    _named(found, "icmp", ICMP.get(kind, ("description",)), rest[1:])


def _named(found: Fields, prefix: str, keys: tuple[str, ...], values: list[str]) -> None:
    for key, value in zip(keys, values, strict=False):
        if value:
            found[f"pfsense.{prefix}_{key}"] = value


def _daemon(line: syslog.Syslog) -> Fields:
    found = syslog.fields(line) | _about(line, line.app in {"audit", "configd.py", "opnsense"})
    found["observer.type"] = "firewall"
    if login := GUI.fullmatch(line.message):
        phase, outcome = GUI_ACTIONS[login["kind"].lower()]
        found["event.action"] = login["what"].lower()
        text.put(found, (("source.ip", text.address(login["address"])), ("url.path", login["page"])))
        _login(found, login["user"], phase, outcome)
    elif login := AUTH.fullmatch(line.message):
        found["event.action"] = login[2]
        _login(found, login["user"], "start", "success" if login[2].startswith("auth") else "failure")
    elif change := CHANGE.fullmatch(line.message):
        found["event.category"], found["event.type"] = ("configuration",), ("change",)
        found["event.action"], found["user.name"] = "changed configuration", change["user"]
        text.put(found, (("source.ip", text.address(change["address"])), ("file.path", change["file"])))
    return found


def _login(found: Fields, user: str, phase: str, outcome: str) -> None:
    found["event.category"], found["event.type"], found["event.outcome"] = ("authentication",), (phase,), outcome
    names.account(found, "user", user)
