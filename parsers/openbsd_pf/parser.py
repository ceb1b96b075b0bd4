"""pf of OpenBSD and FreeBSD: what `tcpdump -n -e -ttt -r /var/log/pflog` prints, also sent on by logger(1).

The line is `time rule number/subrule(reason): action direction on interface: packet`; the packet is tcpdump's.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, mapping, stamps, syslog, text, when

RULE = re.compile(
    r"\brule (?P<rule>def|\d{1,10}(?:\.\.\d{1,10})?)(?:\.(?P<anchor>[^\s/(]{1,128}))?/(?P<sub>\d{1,10})?"
    r"\((?P<reason>[a-z\-]{3,20})\):?"
    r"(?: \[uid (?P<uid>\d{1,10})(?:, pid (?P<pid>\d{1,10}))?\])?:? (?P<action>pass|block|match|scrub|nat|rdr|binat"
    r"|synproxy drop)"
    r" (?P<way>in|out) on (?P<interface>[\w.\-]{1,32}): "
)
V4, V6 = r"\d{1,3}(?:\.\d{1,3}){3}", r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}?"
PACKET = re.compile(
    rf"(?P<s>{V4}|{V6})(?:%\w{{1,16}})?(?:\.(?P<p>\d{{1,5}}))? > "
    rf"(?P<d>{V4}|{V6})(?:%\w{{1,16}})?(?:\.(?P<q>\d{{1,5}}))?:(?: |$)(?P<rest>.*)",
    re.DOTALL,
)
PROTO = re.compile(
    r"\bproto:? (?:[A-Za-z0-9\-]{1,16} )?\(?(?P<number>\d{1,3})\)?"
    r"|\bnext-header [A-Za-z0-9\-]{1,16} \((?P<next>\d{1,3})\)"
)
TCP = re.compile(r"Flags \[|(?:[SFPRWE]{1,6}|\.) (?:\[[^\]]{1,40}\] )?(?:\d{1,10}:\d{1,10}\(|ack )|(?:tcp|TCP)\b")
UDP = re.compile(r"(?:\[[^\]]{1,40}\] )?(?:udp|UDP)\b|\d{1,5}[+*\-%|]{0,4} (?:\[[^\]]{1,40}\] )?[A-Z0-9]{1,10}\? ")
ICMP = re.compile(r"(?:icmp|ICMP)(?P<six>6)?\b")
OTHER = re.compile(r"(?P<name>ESP|esp|AH|GRE|gre|igmp|carp|CARPv2|VRRP|OSPF)\b")
QUESTION = re.compile(r"\d{1,5}[+*\-%|]{0,4} (?:\[[^\]]{1,40}\] )?(?P<type>[A-Z0-9]{1,10})\? (?P<name>[^\s,]{1,253})")
LENGTH = re.compile(
    r"\blength[: ](?P<bytes>\d{1,8})(?=[,)\s]|$)|\(ttl \d{1,3}, id \d{1,5}, len (?P<len>\d{1,8})"
    r"|\blen (?P<all>\d{1,8})\)"
)
VERDICTS = {
    "pass": "allowed", "block": "denied", "synproxy drop": "denied", "match": "", "scrub": "", "nat": "", "rdr": "",
    "binat": "",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    rule = RULE.search(whole, 0, 1024)
    if rule is None:
        raise ParseError("no packet of pf: no `rule n/n(reason): action way on interface:`")
    found: Fields = {"event.kind": "event", "observer.type": "firewall", "observer.product": "pf"}
    found |= syslog.observed(line)
    if line.host == "rule":  # no host stands before tcpdump's line
        del found["observer.name"], found["log.syslog.hostname"]
    before = whole[: rule.start()]
    stamp = stamps.find(before[-28:].lstrip(), raw.received, raw.zone, 32)
    if stamp is not None:
        found["@timestamp"] = when.iso(stamp.moment)
    way, action = rule["way"], rule["action"]
    place = "ingress" if way == "in" else "egress"
    text.put(found, (
        ("event.action", action), ("event.reason", rule["reason"]), ("rule.id", rule["rule"]),
        ("rule.ruleset", rule["anchor"]),
        ("network.direction", f"{way}bound"), (f"observer.{place}.interface.name", rule["interface"]),
        ("pf.subrule", rule["sub"]), ("pf.uid", rule["uid"]), ("pf.pid", rule["pid"]),
    ))  # fmt: skip
    result = VERDICTS[action]
    found["event.category"] = ("network",)
    found["event.type"] = ("connection", result) if result else ("connection",)
    found["event.outcome"] = "success"
    _packet(found, whole[rule.end() : rule.end() + 4096])
    yield found


def _packet(found: Fields, said: str) -> None:
    packet = PACKET.search(said)
    if packet is None:
        return
    source, target = text.address(packet["s"]), text.address(packet["d"])
    rest = packet["rest"]
    text.put(found, (
        ("source.ip", source), ("source.port", (text.port(packet["p"]) or None) if source else None),
        ("destination.ip", target), ("destination.port", (text.port(packet["q"]) or None) if target else None),
        ("network.type", None if source is None else "ipv6" if ":" in source else "ipv4"),
    ))  # fmt: skip
    named, other = PROTO.search(said, 0, packet.start()), OTHER.match(rest)
    if named is not None:
        mapping.protocol(found, named["number"] or named["next"])
    elif TCP.match(rest):
        mapping.protocol(found, "tcp")
    elif (icmp := ICMP.match(rest)) is not None:
        mapping.protocol(found, "ipv6-icmp" if icmp["six"] or ":" in (source or "") else "icmp")
    elif UDP.match(rest):
        mapping.protocol(found, "udp")
    elif other is not None:
        mapping.protocol(found, other["name"].lower().removesuffix("v2"))
    if "53" in {packet["p"], packet["q"]} and (asked := QUESTION.match(rest)) is not None:
        found |= {
            "dns.question.type": asked["type"],
            "dns.question.name": asked["name"].rstrip("."),
            "network.protocol": "dns",
        }
    size = LENGTH.search(said, 0, packet.start()) or LENGTH.search(rest, 0, 1024)
    if size is not None and (size["len"] or size["all"] or size.start() < packet.start()):
        found["network.bytes"] = int(size["len"] or size["all"] or size["bytes"])
