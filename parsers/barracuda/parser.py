"""Barracuda: CloudGen Firewall's activity log, the Web Application Firewall, the Email Security Gateway and its cloud.

Columns: CloudGen "Available Log Files and Structure"; WAF "Exporting Log Formats"; ESG "Mail Syslog". Times of the WAF
carry their zone; the gateway gives seconds since 1970.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from sentinel.pack import Fields, ParseError, Raw, mapping, names, prose, structured, syslog, text, verdict, when

ACTIVITY = (
    "type", "proto", "srcIF", "srcIP", "srcPort", "srcMAC", "dstIP", "dstPort", "dstService", "dstIF", "rule", "info",
    "srcNAT", "dstNAT", "duration", "count", "receivedBytes", "sentBytes", "receivedPackets", "sentPackets", "user",
    "protocol", "application", "target", "content", "urlcat",
)  # fmt: skip
FIREWALL = mapping.setters({
    "srcIF": "observer.ingress.interface.name", "srcIP": "source.ip", "srcPort": "source.port", "srcMAC": "source.mac",
    "dstIP": "destination.ip", "dstPort": "destination.port", "dstService": "network.protocol", "proto": "protocol",
    "dstIF": "observer.egress.interface.name", "rule": "rule.name", "info": "event.reason", "srcNAT": "source.nat.ip",
    "dstNAT": "destination.nat.ip", "receivedBytes": "destination.bytes", "sentBytes": "source.bytes",
    "receivedPackets": "destination.packets", "sentPackets": "source.packets", "duration": "nothing",
    "user": "account user", "application": "network.application", "target": "url.domain", "count": "nothing",
})  # fmt: skip
DID = re.compile(
    r"(?:^|[\s:])(?P<action>(?:Session |Local)?(?:Allow|Detect|Block|Deny|Drop|Remove|Fail|Scan|Rule|ARP|Reject"
    r"|Terminate)):? "
    r"(?=type=|(?:FWD|LIN|LOUT|LB|PROXY|IFWD|LFWD|TAP)\|)"
)
BOX = re.compile(r"(?P<level>Info|Notice|Warning|Error|Security|Alert|Fatal) +(?P<box>\S{1,64}) *$")
DAY = re.compile(r"(?P<day>\d{4} \d\d \d\d) (?P<clock>\d\d:\d\d:\d\d)(?: (?P<zone>[+-]\d\d:\d\d))?")
WAF = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) (?P<zone>[+-]\d{4}) {1,4}"
    r"(?P<unit>\S{1,128}) (?P<kind>WF|TR|NF|AUDIT|SYS) "
)
WORD = re.compile(r'"((?:[^"\\]|\\.)*+)"|\[((?:[^\]"]|"[^"]*+")*+)\]|(\S+)')
WF = ("log.level", "barracuda.attack", "source.ip", "source.port", "destination.ip", "destination.port", "rule.id",
      "barracuda.rule_type", "event.action", "barracuda.follow_up", "barracuda.details", "http.request.method",
      "url", "version", "barracuda.session", "user_agent.original", "nothing", "nothing", "user",
      "http.request.referrer", "barracuda.attack_id", "barracuda.attack_group")  # fmt: skip
TR = ("destination.ip", "destination.port", "source.ip", "source.port", "user", "nothing", "http.request.method",
      "nothing", "host", "version", "http.response.status_code", "http.response.bytes", "http.request.bytes",
      "barracuda.cache_hit", "taken", "barracuda.server.ip", "barracuda.server.port", "nothing", "barracuda.session",
      "barracuda.response_type", "rule.name", "barracuda.protected", "barracuda.matched", "url", "query",
      "http.request.referrer", "nothing", "user_agent.original", "nothing", "nothing", "user")  # fmt: skip
NF = ("log.level", "protocol", "source.ip", "source.port", "destination.ip", "destination.port", "event.action",
      "rule.name", "message")  # fmt: skip
AUDIT = ("user", "barracuda.client_type", "source.ip", "source.port", "event.action", "barracuda.transaction_id",
         "barracuda.command", "barracuda.change", "barracuda.object_type", "barracuda.object", "barracuda.variable",
         "barracuda.old", "barracuda.new")  # fmt: skip
SYS = ("barracuda.module", "log.level", "event.code", "message")
COLUMNS = {"WF": WF, "TR": TR, "NF": NF, "AUDIT": AUDIT, "SYS": SYS}
SETTERS = mapping.setters({name: name for kind in COLUMNS.values() for name in kind} | {"user": "account user"})
APART = frozenset({"url", "host", "query", "taken", "version"})
LEVELS = {
    "EMER": "emergency", "ALER": "alert", "CRIT": "critical", "ERRO": "error", "WARN": "warning", "NOTI": "notice",
    "INFO": "informational", "DEBU": "debug",
}  # fmt: skip
GATEWAY = re.compile(
    r"(?:(?P<host>[^\s\[\]]{1,255})\[(?P<ip>[0-9A-Fa-f.:]{2,45})\]|(?P<bare>[0-9A-Fa-f.:]{2,45})) (?P<id>\S{1,128})"
    r" (?P<start>\d{1,10}) (?P<end>\d{1,10}) (?P<service>RECV|SCAN|SEND) (?P<rest>.*)",
    re.DOTALL,
)
ACTIONS = {
    "0": "allowed", "1": "aborted", "2": "blocked", "3": "quarantined", "4": "tagged", "5": "deferred",
    "6": "quarantined per user", "7": "whitelisted", "8": "encrypted", "9": "redirected", "10": "attachments stubbed",
}  # fmt: skip
REASONS = {
    "1": "virus", "2": "banned attachment", "3": "RBL match", "4": "rate control", "5": "too many messages in session",
    "6": "timeout exceeded", "7": "no such domain", "8": "no such user", "9": "subject filter match",
}  # fmt: skip
BOXES = (
    ("auth", "event|authentication|info"), ("ssh", "event|authentication|info"), ("config", "event|configuration|info"),
    ("admin", "event|configuration|info"), ("vpn", "event|network session|info"), ("dhcp", "event|network|info"),
    ("dns", "event|network|info"), ("network", "event|network|info"), ("ospf", "event|network|info"),
    ("http", "event|network web|info"), ("firewall", "event|network|info"), ("", "event|host|info"),
)  # fmt: skip
SENT = {"1": "delivered", "2": "rejected", "3": "deferred", "4": "expired"}
SUBJECT = re.compile(r"(?:^| )SUBJ:(.*)", re.DOTALL)
SIZE = re.compile(r"(?:^| )SZ:(\d{1,12})(?= |$)")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    found: Fields = {"event.kind": "event", "observer.vendor": "Barracuda"} | syslog.observed(line)
    if (waf := WAF.search(whole, 0, 512)) is not None:
        _waf(found, waf, whole[waf.end() :])
    elif (mail := GATEWAY.match(line.message)) is not None:
        _mail(found, mail, line)
    elif (did := DID.search(whole, 0, 1024)) is not None:
        _activity(found, did, whole, raw)
    elif (begin := line.message.find('{"')) >= 0 and '"env_from"' in line.message:
        _cloud(found, structured.json_object(line.message[begin:]))
    elif line.app is not None and line.host is not None:
        found |= {"observer.type": "firewall", "observer.product": "CloudGen Firewall"}
        text.put(found, (("message", line.message), ("process.name", line.app), ("process.pid", text.number(line.pid))))
        prose.sentence(line.message, found, raw.received, raw.zone)
        row = next(row for part, row in BOXES if part in line.app.lower())
        if "event.category" not in found:
            verdict.says(found, f"{row}|{verdict.told(line.message[:256]) or ''}")
    else:
        raise ParseError("no Barracuda: neither a firewall's activity nor a WAF's columns nor a mail gateway's")
    yield found


def _activity(found: Fields, did: re.Match[str], whole: str, raw: Raw) -> None:
    found |= {"observer.type": "firewall", "observer.product": "CloudGen Firewall"}
    columns = whole[did.end() :].strip().split("|")[:64]
    if columns[0].startswith("type="):
        said = {name: value for name, sign, value in (one.partition("=") for one in reversed(columns)) if sign}
    else:
        said = dict(zip(ACTIVITY, columns, strict=False))
    mapping.fill(found, said, FIREWALL, "barracuda.")
    before = whole[: did.start("action")].rstrip()[-256:]
    if (box := BOX.search(before)) is not None:
        found["log.level"] = box["level"].lower()
        found.setdefault("observer.name", box["box"])
    if (day := DAY.search(before)) is not None:
        try:
            written = f"{day['day'].replace(' ', '-')}T{day['clock']}{day['zone'] or ''}"
            found["@timestamp"] = when.iso(when.rfc3339(written, raw.zone))
        except ParseError:
            pass  # the header's time, or when it was received, must do
    milliseconds = said.get("duration", "")
    if milliseconds.isdecimal() and len(milliseconds) < 14:
        found["event.duration"] = int(milliseconds) * 1_000_000
    for side in ("source", "destination"):
        if "icmp" in str(found.get("network.transport")):
            found.pop(f"{side}.port", None)
        if f"{side}.nat.ip" in found and found[f"{side}.nat.ip"] in {found.get(f"{side}.ip"), "0.0.0.0"}:  # noqa: S104  no translation
            del found[f"{side}.nat.ip"]
    action = did["action"].lower().removeprefix("session ")
    found["event.action"] = action
    plain = action.removeprefix("local")
    result = "allowed" if plain in {"remove", "scan"} else "denied" if plain == "fail" else verdict.of(plain) or ""
    phase = "end" if plain in {"remove", "terminate"} else "start" if plain == "allow" else ""
    verdict.says(found, f"event|network|connection {phase} {result}|{'success' if result else ''}")


def _words(said: str, most: int) -> list[str]:
    return [quoted or details or bare for quoted, details, bare in WORD.findall(said[:32_768])[:most]]


def _waf(found: Fields, head: re.Match[str], rest: str) -> None:
    found |= {"observer.type": "waf", "observer.product": "Web Application Firewall", "observer.name": head["unit"]}
    with suppress(ParseError):  # then the header's time, or when it was received, must do
        found["@timestamp"] = when.iso(when.rfc3339(f"{head['time']}{head['zone']}"))
    kind = head["kind"]
    columns = COLUMNS[kind]
    said: dict[str, str] = {}
    for name, value in zip(columns, _words(rest, 64), strict=False):
        if value not in text.NOTHING and value != '""':
            said.setdefault(name, value)
    if kind in {"NF", "SYS"}:  # the last column is a sentence
        words = rest.split(" ", len(columns) - 1)
        if len(words) == len(columns):
            said["message"] = words[-1]
    mapping.fill(found, {name: value for name, value in said.items() if name not in APART}, SETTERS, "barracuda.")
    if "log.level" in found:
        found["log.level"] = LEVELS.get(str(found["log.level"]), str(found["log.level"]).lower())
    _web(found, said)
    _waf_meaning(found, kind)


def _web(found: Fields, said: Mapping[str, str]) -> None:
    url, host = said.get("url", ""), said.get("host", "")
    if url and not url.startswith("/") and "://" not in url[:12]:  # `www.example.org/path`
        host, slash, path = url.partition("/")
        url = slash + path
    if url:
        names.url(found, url)
    text.put(found, (
        ("url.domain", host.rpartition(":")[0] if host.count(":") == 1 else host), ("url.query", said.get("query")),
        ("http.version", said.get("version", "").upper().removeprefix("HTTP/")),
    ))  # fmt: skip
    taken = said.get("taken", "")
    if taken.isdecimal() and len(taken) < 12:
        found["event.duration"] = int(taken) * 1_000_000


def _waf_meaning(found: Fields, kind: str) -> None:
    action = str(found.get("event.action", "")).lower()
    if kind == "WF":
        result = verdict.of(action) or (
            "allowed" if action in {"log", "none"} else "denied" if action == "deny" else ""
        )
        attack = found.get("barracuda.attack")
        text.put(found, (("rule.name", attack), ("message", attack)))
        verdict.says(found, f"alert|web intrusion_detection network|info {result}|{'success' if result else ''}")
    elif kind == "TR":
        status = found.get("http.response.status_code", 0)
        outcome = "" if not status else "failure" if int(status) >= 400 else "success"
        verdict.says(found, f"event|web|access|{outcome}")
    elif kind == "NF":
        result = verdict.of(action) or ""
        verdict.says(found, f"event|network|connection {result}|{'success' if result else ''}")
    elif kind == "AUDIT":
        told = f"{action} {found.get('barracuda.command', '')}".lower()
        if "login" in told or "logout" in told:
            failed = "unsuccess" in told or "fail" in told
            phase = "end" if "logout" in told else "start"
            verdict.says(found, f"event|authentication|{phase}|{'failure' if failed else 'success'}")
        else:
            verdict.says(found, "event|configuration|change")
    else:
        verdict.says(found, "event|host|info")
    if "event.action" in found:
        found["event.action"] = action


def _mail(found: Fields, mail: re.Match[str], line: syslog.Syslog) -> None:
    found |= {"observer.type": "email", "observer.product": "Email Security Gateway", "email.local_id": mail["id"]}
    address = text.address(mail["ip"] or mail["bare"])
    if "@timestamp" not in found:
        found["@timestamp"] = when.iso(when.epoch(mail["end"]))
    service, rest = mail["service"], mail["rest"]
    sending = service == "SEND"
    host = mail["host"] if mail["host"] not in {None, "UNKNOWN"} and text.address(mail["host"]) is None else None
    side = "destination" if sending else "source"
    text.put(found, (
        (f"{side}.ip", None if address == "127.0.0.1" and sending else address), (f"{side}.domain", host),
        ("process.name", line.app), ("process.pid", text.number(line.pid)), ("barracuda.service", service),
        ("event.start", when.iso(when.epoch(mail["start"])) if int(mail["start"]) else None),
    ))  # fmt: skip
    subject, size = SUBJECT.search(rest), SIZE.search(rest)
    words = (rest[: size.start()] if size else rest[: subject.start()] if subject else rest).split(" ")
    text.put(
        found,
        (("email.subject", text.given(subject[1]) if subject else None), ("barracuda.size", size[1] if size else None)),
    )
    if sending:
        _named(found, words, ("encrypted", "action", "queue_id", "response"), SENT)
        text.put(found, (("barracuda.response", " ".join(words[3:])),))
    else:
        columns = ("sender", "recipient", "score", "action", "reason", "extra")
        columns = ("encrypted", *columns) if service == "SCAN" else (*columns[:2], *columns[3:])
        _named(found, words, columns, ACTIONS)
    row = "event|email|info"
    if found.get("barracuda.reason") in {"1", "virus"} and not sending:  # reason 1: a virus
        row = "alert|malware email|info"
    verdict.says(found, row)


def _named(found: Fields, words: Sequence[str], columns: Sequence[str], actions: Mapping[str, str]) -> None:
    said = {name: value for name, value in zip(columns, words, strict=False) if value not in text.NOTHING}
    text.put(found, (
        ("email.from.address", (said["sender"],) if "@" in said.get("sender", "") else None),
        ("email.to.address", tuple(one for one in said.get("recipient", "").split(",")[:256] if "@" in one)),
        ("event.action", actions.get(said.get("action", ""))),
        ("event.reason", REASONS.get(said.get("reason", "")) if "sender" in said else None),
    ))  # fmt: skip
    for name in ("score", "reason", "extra", "queue_id", "encrypted"):
        text.put(found, ((f"barracuda.{name}", said.get(name)),))


def _cloud(found: Fields, said: Mapping[str, object]) -> None:
    found |= {"observer.type": "email", "observer.product": "Email Gateway Defense"}
    told = {
        name: str(value)
        for name, value in said.items()
        if isinstance(value, str | int) and str(value) not in text.NOTHING
    }
    recipients = said.get("recipients")
    one = [entry for entry in recipients if isinstance(entry, dict)] if isinstance(recipients, list) else []
    addresses = tuple(
        str(entry["email"]) for entry in one[:256] if isinstance(entry.get("email"), str) and entry["email"]
    )
    first = {name: str(value) for name, value in (one[0] if one else {}).items() if isinstance(value, str) and value}
    try:
        if "timestamp" in told:
            found["@timestamp"] = when.iso(when.rfc3339(told["timestamp"]))
    except ParseError:
        pass  # when it was received must do
    text.put(found, (
        ("email.local_id", told.get("message_id")), ("source.ip", text.address(told.get("src_ip"))),
        ("email.from.address", (told["env_from"],) if "env_from" in told else None), ("email.to.address", addresses),
        ("email.subject", told.get("subject")),
        ("event.action", first.get("action", "").lower()), ("event.reason", first.get("reason")),
        ("barracuda.hdr_from", told.get("hdr_from")), ("barracuda.account_id", told.get("account_id")),
        ("barracuda.taxonomy", first.get("taxonomy")), ("barracuda.delivered", first.get("delivered")),
    ))  # fmt: skip
    infected = "virus" in first.get("reason", "").lower() or "virus" in first.get("taxonomy", "").lower()
    verdict.says(found, "alert|malware email|info" if infected else "event|email|info")
