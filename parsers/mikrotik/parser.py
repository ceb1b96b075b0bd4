"""What MikroTik's RouterOS logs: packets of its firewall, and who logs in, changes, connects (topics and message).

A packet's line names its sender first; where a chain translates, both ends before and after stand in parentheses:
`NAT (10.1.1.20:51772->198.51.100.1:51772)->203.0.113.80:443`.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, cef, forms, mapping, names, syslog, text, verdict

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "messages.toml").read_text("utf-8"))
MESSAGE_MAX = 2_048
FORMS = forms.table(TABLES["forms"], TABLES["holes"])
MEANINGS = {name: row.split("|") for name, row in TABLES["meanings"].items()}
TOPICS = re.compile(r"[a-z][a-z0-9!-]{1,24}(?:,[a-z!][a-z0-9!-]{1,24}){1,7}(?=:? )")
LEVELS = frozenset({"info", "error", "warning", "critical", "debug"})
NAMED = re.compile(r"[\w.-]{1,64}: ")
PACKET = re.compile(
    r"(?:(?P<prefix>.{1,128}?)[ :]{1,2})??(?P<chain>[\w.-]{1,64}): in:(?P<in>\(unknown \d+\)|\S{0,64}) "
    r"out:(?P<out>\(unknown \d+\)|[^\s,]{0,64}),? (?P<rest>.*)",
    re.DOTALL,
)
END = r"(?:\[[0-9A-Fa-f.:]{2,45}\]|[0-9.]{7,15}|[0-9A-Fa-f:.]{2,45})(?::\d{1,5})?"
FLOW = re.compile(rf", (?P<src>{END})->(?P<dst>{END})(?=[,\s]|$)")
NAT = re.compile(
    rf"NAT (?:\((?P<src>{END})->(?P<snat>{END})\)|(?P<src2>{END}))->"
    rf"(?:\((?P<dst>{END})->(?P<dnat>{END})\)|(?P<dst2>{END}))(?=[,\s]|$)"
)
PROTO = re.compile(r"\bproto (?P<proto>[\w-]{1,32})(?: \((?P<about>[^()]{0,64})\))?")
OPTION = re.compile(r"\b(src-mac|dst-mac|len|connection-state:|connection-mark:|packet-mark:|ttl|prio) ?([^\s,]{1,64})")
VERB = re.compile(
    r"(?<![a-z])(drop(?:ped)?|den(?:y|ied)|block(?:ed)?|reject(?:ed)?|accept(?:ed)?|allow(?:ed)?|pass(?:ed)?)(?![a-z])",
    re.IGNORECASE,
)
WAYS = {"input": "inbound", "output": "outbound"}
OURS = ("via", "what", "verb", "server", "cache")
CHANGES = {"added": "creation", "removed": "deletion"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    found: Fields = {"event.kind": "event", "observer.vendor": "MikroTik", "observer.product": "RouterOS"}
    found["observer.type"] = "firewall"
    found |= syslog.observed(line)
    message = line.message if line.app is None else f"{line.app}: {line.message}"
    if "CEF:" in message[:64]:
        record = cef.read(message)
        found |= cef.fields(record, raw.received, raw.zone, "mikrotik.")
        message = str(found.get("message", ""))
    topics = TOPICS.match(message)
    packet = PACKET.fullmatch(message[:MESSAGE_MAX]) if topics is None else None
    if topics is None and packet is None and line.host is None and "event.code" not in found:
        raise ParseError("no line of RouterOS: neither topics nor a packet")
    if topics is not None:
        every = topics[0].split(",")
        found["mikrotik.topics"] = tuple(every)
        text.put(found, (("log.level", next((one for one in reversed(every) if one in LEVELS), None)),))
        message = message[topics.end() :].lstrip(" :")
        packet = PACKET.fullmatch(message[:MESSAGE_MAX])
    text.put(found, (("message", message),))
    if packet is not None:
        _packet(found, packet)
    else:
        _event(found, re.sub(r" {2,}", " ", message[:MESSAGE_MAX].strip()))
    yield found


def _packet(found: Fields, packet: re.Match[str]) -> None:
    rest = packet["rest"]
    prefix, chain = (packet["prefix"] or "").strip(" :"), packet["chain"]
    verbs = VERB.findall(prefix)
    what = verdict.of(verbs[-1]) if verbs else None
    found["event.category"], found["event.type"] = ("network",), ("connection", what) if what else ("connection",)
    proto = PROTO.search(rest)
    if proto:
        mapping.protocol(found, proto["proto"].lower())
        about = proto["about"] or ""
        if about.startswith("type "):
            kind, _, code = about[5:].partition(", code ")
            text.put(found, (("mikrotik.icmp_type", kind), ("mikrotik.icmp_code", code)))
        else:
            text.put(found, (("mikrotik.tcp_flags", about),))
    options = {name.rstrip(":"): value for name, value in reversed(OPTION.findall(rest))}
    text.put(
        found,
        (
            ("event.action", verbs[-1].lower() if verbs else None),
            ("event.outcome", "success" if what else None),
            ("rule.name", prefix),
            ("rule.ruleset", chain),
            ("network.direction", WAYS.get(chain)),
            ("network.bytes", text.number(options.get("len"))),
            ("source.mac", text.mac(options.get("src-mac"))),
            ("destination.mac", text.mac(options.get("dst-mac"))),
            ("mikrotik.connection_state", options.get("connection-state")),
            ("mikrotik.connection_mark", options.get("connection-mark")),
            ("mikrotik.packet_mark", options.get("packet-mark")),
            ("observer.ingress.interface.name", "" if packet["in"].startswith("(") else packet["in"]),
            ("observer.egress.interface.name", "" if packet["out"].startswith("(") else packet["out"]),
        ),
    )
    ends = {
        name: value
        for one in (FLOW.search(rest), NAT.search(rest))
        if one
        for name, value in one.groupdict().items()
        if value
    }
    source, destination = ends.get("src") or ends.get("src2"), ends.get("dst") or ends.get("dst2")
    for below, written in (("source", source), ("destination", destination), ("source.nat", ends.get("snat")),
                           ("destination.nat", ends.get("dnat"))):  # fmt: skip
        address, port = _end(written or "")
        text.put(found, ((f"{below}.ip", address), (f"{below}.port", port)))


def _end(written: str) -> tuple[str | None, int | None]:
    """Return address and port of `192.0.2.1:80`, `[2001:db8::1]:80`, `192.0.2.1[500]` or a bare address."""
    if written.endswith("]") and not written.startswith("["):
        address, _, port = written[:-1].partition("[")
    elif written.startswith("["):
        address, _, port = written[1:].partition("]")
    elif written.count(":") == 1:
        address, _, port = written.partition(":")
    else:
        address, port = written, ""
    return text.address(address), text.port(port.lstrip(":")) or None


def _event(found: Fields, message: str) -> None:
    named = NAMED.match(message)
    for one in (message, message[named.end() :] if named else ""):
        for name, known in FORMS.items():
            said = forms.read(known, one)
            if said is not None:
                _said(found, name, said)
                if one is not message and named and "observer.name" not in found:
                    found["observer.name"] = named[0].rstrip(": ")
                return


def _said(found: Fields, name: str, said: dict[str, str]) -> None:
    action, categories, types, outcome = MEANINGS[name]
    kinds = types.split()
    if name == "changed":
        kinds = [CHANGES.get(said["verb"], "change")]
        if said["what"].startswith(("user", "ppp secret", "new user")):
            categories, kinds = f"iam {categories}", ["user", *kinds]
    elif name == "web":
        result = verdict.of(said["action"])
        kinds += [result] if result else []
    if said.get("user"):
        names.account(found, "user", said["user"])
    if "url" in said:
        names.url(found, said["url"])
    source, port = _end(said.get("src", ""))
    if "remote" in said:
        near, far = _end(said.get("local", "")), _end(said["remote"])
        ours = said.get("role") in {"initiate", "I"}
        source, port = near if ours else far
        other, other_port = far if ours else near
        text.put(found, (("destination.ip", other), ("destination.port", other_port)))
    given = text.address(said.get("given"))
    if given:
        found["mikrotik.assigned_ip"] = given
        found["related.ip"] = (given,)
    seconds = text.number(said.get("seconds"))
    text.put(
        found,
        (
            ("event.action", action),
            ("event.outcome", outcome),
            ("event.category", tuple(categories.split())),
            ("event.type", tuple(kinds)),
            ("source.ip", source),
            ("source.port", port),
            ("source.mac", text.mac(said.get("mac") or (said["src"] if text.mac(said.get("src")) else None))),
            ("source.domain", said.get("name")),
            ("source.bytes", text.number(said.get("received"))),
            ("destination.bytes", text.number(said.get("sent"))),
            ("event.duration", seconds * 1_000_000_000 if seconds is not None else None),
            ("event.reason", said.get("reason")),
            ("http.request.method", said.get("method")),
            ("dns.question.name", said.get("question")),
            ("dns.question.type", said.get("type")),
            ("observer.ingress.interface.name", said.get("if")),
        ),
    )
    text.put(found, ((f"mikrotik.{one}", said.get(one)) for one in OURS))
