"""What Linux' netfilter logs of a packet: `PREFIX IN=eth0 OUT= MAC=… SRC=192.0.2.1 DST=… PROTO=TCP SPT=… DPT=… SYN`.

https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/nf_log_syslog.c; the prefix is
the administrator's or the firewall tool's, and the only place where a verdict can stand.
"""

import re
from collections.abc import Mapping

from sentinel.core.event import Fields
from sentinel.pack import mapping, text, verdict

PAIRS_MAX = 128

_START = re.compile(r"(?<![A-Za-z0-9_])(?:IN=[^\s=]{0,64} |MACSRC=|SRC=|ARP HTYPE=)")
_UPTIME = re.compile(r"\s*\[ *(\d{1,10}\.\d{3,6})\]\s*")
_VERB = re.compile(
    r"(?<![a-z])(drop(?:ped)?|den(?:y|ied)|block(?:ed)?|reject(?:ed)?|accept(?:ed)?|allow(?:ed)?|pass(?:ed)?|"
    r"permit(?:ted)?|discard(?:ed)?)(?![a-z])",
    re.IGNORECASE,
)
_VYATTA = re.compile(
    r"\[?(?P<set>[A-Za-z][\w.-]{0,62}?)-"
    r"(?:(?P<rule>\d+|default)-(?P<verb>[ADR])|(?P<verb2>[ADR])-(?P<rule2>\d+))(?!\w)"
)
_DESCRIBED = re.compile(r'DESCR="([^"]{1,128})"')
_VERBS = {"A": "accept", "D": "drop", "R": "reject"}
_BRIDGED = (
    ("MAC source = ", "MACSRC="), ("MAC dest = ", "MACDST="), ("ARP MAC SRC=", "ARPSRC="), ("ARP MAC DST=", "ARPDST="),
    ("ARP IP SRC=", "SRC="), ("ARP IP DST=", "DST="), ("IP proto=", "PROTO="),
)  # fmt: skip
"""What ebtables calls the same things (net/bridge/netfilter/ebt_log.c)."""
_FLAGS = frozenset({"SYN", "ACK", "FIN", "RST", "PSH", "URG", "ECE", "CWR"})
_FIELDS = mapping.setters({
    "SRC": "source.ip", "DST": "destination.ip", "SPT": "source.port", "DPT": "destination.port", "PROTO": "protocol",
    "IN": "observer.ingress.interface.name", "OUT": "observer.egress.interface.name", "LEN": "network.bytes",
    "MACSRC": "source.mac", "MACDST": "destination.mac", "IPSRC": "source.ip", "IPDST": "destination.ip",
    "UID": "user.id",
})  # fmt: skip
_OURS = {
    "TTL": "ttl", "HOPLIMIT": "ttl", "TOS": "tos", "TC": "traffic_class", "PREC": "precedence", "ID": "ip_id",
    "FLOWLBL": "flow_label", "TYPE": "icmp_type", "CODE": "icmp_code", "SEQ": "sequence", "ACK": "acknowledgement",
    "WINDOW": "window", "URGP": "urgent", "MARK": "mark", "GID": "gid", "SPI": "spi", "PHYSIN": "physical_in",
    "PHYSOUT": "physical_out", "MTU": "mtu", "GATEWAY": "gateway", "OPCODE": "arp_opcode", "FRAG": "fragment",
}  # fmt: skip


def read(message: str) -> Fields | None:
    """Return what a line says about a packet, `netfilter.*` included; None if it is about none.

    Of a packet within an ICMP error (in brackets) the ends are `netfilter.inner_*`: they are another packet's.
    """
    if "MAC source = " in message:
        for theirs, ours in _BRIDGED:
            message = message.replace(theirs, ours, 1)
    start = _START.search(message)
    if start is None:
        return None
    pairs, flags, inner = _pairs(message[start.start() :])
    if not pairs.keys() & {"SRC", "DST", "IPSRC", "MACSRC"}:
        return None
    found: Fields = {"event.kind": "event", "event.category": ("network",)}
    for name, value in pairs.items():
        if (setter := _FIELDS.get(name)) is not None:
            setter(found, value)
        elif value and name in _OURS:
            found[f"netfilter.{_OURS[name]}"] = value
    _macs(found, pairs.get("MAC", ""))
    for name, value in inner.items():
        if name in {"SRC", "DST", "PROTO", "SPT", "DPT"} and value:
            found[f"netfilter.inner_{name.lower()}"] = value
    way = {(True, False): "inbound", (False, True): "outbound"}.get((bool(pairs.get("IN")), bool(pairs.get("OUT"))))
    kind = ("ipv6" if ":" in str(found["source.ip"]) else "ipv4") if "source.ip" in found else None
    text.put(
        found,
        (
            ("network.direction", way),
            ("network.type", kind),
            ("netfilter.tcp_flags", " ".join(flags) if found.get("network.transport") == "tcp" else None),
        ),
    )
    _prefix(found, message[: start.start()])
    return found


def _pairs(body: str) -> tuple[dict[str, str], list[str], Mapping[str, str]]:
    inner: Mapping[str, str] = {}
    opened = body.find("[SRC=")
    if opened >= 0:
        closed = body.find("]", opened)
        closed = closed if closed >= 0 else len(body)
        inner = _pairs(body[opened + 1 : closed].replace("[", " "))[0]
        body = body[:opened] + body[closed + 1 :]
    pairs: dict[str, str] = {}
    flags: list[str] = []
    for word in body.split()[:PAIRS_MAX]:
        name, sign, value = word.partition("=")
        if sign:
            pairs.setdefault(name, value.rstrip(","))
        elif word in _FLAGS and word not in flags:
            flags.append(word)
    return pairs, flags, inner


def _macs(found: Fields, written: str) -> None:
    """Read an Ethernet header: destination, source, type."""
    octets = written.split(":")
    if len(octets) == 14:
        for name, part in (("destination.mac", octets[:6]), ("source.mac", octets[6:12])):
            text.put(found, ((name, text.mac(":".join(part))),))


def _prefix(found: Fields, prefix: str) -> None:
    if uptime := _UPTIME.match(prefix):
        found["netfilter.uptime"] = uptime[1]
        prefix = prefix[uptime.end() :]
    prefix = prefix.strip()[:256]
    verbs = _VERB.findall(prefix)
    verb = verbs[-1].lower() if verbs else ""
    label = prefix.strip(" :-[]\"'")
    if rule := _VYATTA.match(prefix):
        described = _DESCRIBED.search(prefix)
        label = described[1] if described else rule[0].strip("[]")
        verb = _VERBS[rule["verb"] or rule["verb2"]]
        found["rule.ruleset"], found["rule.id"] = rule["set"], rule["rule"] or rule["rule2"]
    if prefix:
        found["netfilter.prefix"] = prefix
    what = verdict.of(verb)
    found["event.type"] = ("connection", what) if what else ("connection",)
    text.put(found, (("rule.name", label), ("event.action", verb), ("event.outcome", "success" if what else None)))
