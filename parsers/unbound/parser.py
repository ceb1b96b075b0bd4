r"""Reads Unbound's log: log-queries, log-replies, log-local-actions, log-servfail, RPZ, and what it says of itself.

https://unbound.docs.nlnetlabs.nl/en/latest/manpages/unbound.conf.html; `[1795418100] unbound[812:0] info: …` in a file
(log-time-ascii: `Nov 23 08:15:00`, local), the same without the time in syslog. Names have no blanks: what is odd in
them is written as `\032`.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, dnslog, syslog, text, weblog, when

MESSAGE_MAX = 8_192
_HEAD = re.compile(
    r"(?:\[(?P<epoch>\d{9,11}(?:\.\d{1,6})?)\]|(?P<ascii>\w{3} +\d{1,2} \d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\S{8,20})) (?:\S+ )?"
    r"unbound\[(?P<pid>\d{1,10})(?::(?P<thread>[0-9a-f]{1,8}))?\]:? (?P<message>.*)",
    re.DOTALL,
)
_LEVEL = re.compile(r"(?:\[(?P<pid>\d{1,10}):(?P<thread>[0-9a-f]{1,8})\] )?(?P<level>info|notice|warning|error|debug|"
                    r"fatal error|critical|verbose|query|reply): ")  # fmt: skip
_NAME = r"\S{1,1100}"
_IP = r"[0-9A-Fa-f.:%]{2,64}"
_QUERY = re.compile(
    rf"(?P<ip>{_IP}) (?P<name>{_NAME}) (?P<type>\w{{1,12}}) (?P<class>IN|CH|HS|ANY|CLASS\d+)"
    r"(?: (?P<code>[A-Z]{5,9}|RCODE\d+|-) (?P<taken>[\d.]{1,20}|-) (?P<cached>[01-]) (?P<size>\d{1,6}|-)(?: .*)?)?"
)
_LOCAL = re.compile(
    rf"(?:(?P<tag>\[[^\]]{{0,80}}\]) )?(?P<zone>{_NAME}) (?P<action>[a-z_]+) (?P<ip>{_IP})@(?P<port>\d{{1,5}}) "
    rf"(?P<name>{_NAME}) (?P<type>\w{{1,12}}) (?P<class>\w{{1,12}})"
)
_RPZ = re.compile(
    rf"(?:rpz: )?applied (?:\[(?P<log>[^\]]{{0,80}})\] )?(?P<zone>{_NAME}) (?P<action>rpz-[\w-]+|[\w-]+) (?P<ip>{_IP})"
    rf"@(?P<port>\d{{1,5}}) (?P<name>{_NAME}) (?P<type>\w{{1,12}}) (?P<class>\w{{1,12}})"
)
_FAILED = re.compile(
    rf"SERVFAIL <(?P<name>{_NAME}) (?P<type>\w{{1,12}}) (?P<class>\w{{1,12}})>: (?P<reason>.*)", re.DOTALL
)
_INVALID = re.compile(
    rf"validation failure <(?P<name>{_NAME}) (?P<type>\w{{1,12}}) (?P<class>\w{{1,12}})>(?:: (?P<reason>.*?)"
    rf"(?: from (?P<server>{_IP})(?:,? .*)?)?)?", re.DOTALL,
)  # fmt: skip
_LIMIT = re.compile(
    rf"(?:ip_)?ratelimit exceeded (?P<ip>{_NAME}) (?P<limit>\d+)"
    rf"(?: query (?P<name>{_NAME}) (?P<type>\w+) (?P<class>\w+)(?: from (?P<from>{_IP}))?)?.*"
)
_CONTROL = re.compile(rf"remote control connection from (?:ip[46] )?(?P<ip>{_IP})(?: port (?P<port>\d{{1,5}}))?")
_COMMAND = re.compile(r"control cmd: {1,4}(?P<command>.{1,200})")
_HANDSHAKE = re.compile(
    r"(?:ssl|TLS|https?|dtls)\b.{0,60}?(?:failed|dropped|closed).{0,80}? "
    rf"ip[46] (?P<ip>{_IP}) port (?P<port>\d{{1,5}})"
)
_WORK = re.compile(
    rf"(?:resolving|response for|processQueryTargets:?|sending query:|priming) (?P<name>{_NAME}) (?P<type>\w{{1,12}}) "
    r"(?P<class>IN|CH|HS|ANY)\.?"
)
_REPLY = re.compile(rf"reply from <(?P<zone>{_NAME})> (?P<server>{_IP})#(?P<port>\d{{1,5}})")
_LIFE = (
    (re.compile(r"start of service \(unbound (?P<version>[^\s)]+)\)\."), "start"),
    (re.compile(r"service stopped \(unbound (?P<version>[^\s)]+)\)\."), "end"),
    (re.compile(r"Restart of unbound (?P<version>\S+)\."), "change"),
)
_BLOCKING = frozenset({
    "always_deny", "always_null", "always_nxdomain", "always_nodata", "always_refuse", "deny", "inform_deny",
    "inform_redirect", "redirect", "refuse", "static",
})  # fmt: skip
_LEVELS = {"query": "info", "reply": "info"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of Unbound's log file or of syslog."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.vendor": "NLnet Labs", "observer.product": "Unbound"}
    fields["observer.type"] = "dns"
    if head := _HEAD.fullmatch(whole):
        if head["epoch"]:
            fields["@timestamp"] = when.iso(when.epoch(head["epoch"]))
        elif head["iso"]:
            fields["@timestamp"] = when.iso(when.rfc3339(head["iso"], raw.zone))
        else:
            fields["@timestamp"] = when.iso(when.bsd(head["ascii"], raw.received, raw.zone))
        fields["process.name"], fields["process.pid"] = "unbound", int(head["pid"])
        text.put(fields, [("unbound.thread", head["thread"])])
        whole = head["message"]
    else:
        line = syslog.read(raw)
        if line.app is None:
            raise ParseError("no line of Unbound")
        fields.update(syslog.fields(line))
        whole = line.message
    _read(whole.strip()[:MESSAGE_MAX], fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    kind = ""
    if level := _LEVEL.match(message):
        kind = level["level"]
        fields["log.level"], message = _LEVELS.get(kind, kind), message[level.end() :]
        text.put(fields, [("unbound.thread", level["thread"])])
        if level["pid"] and "process.pid" not in fields:
            fields["process.pid"] = int(level["pid"])
    if asked := _QUERY.fullmatch(message):
        _query(fields, asked)
    elif local := _LOCAL.fullmatch(message) or _RPZ.fullmatch(message):
        _policy(fields, local)
    elif failed := _FAILED.fullmatch(message):
        dnslog.event(fields, "dns_query_failed", "error")
        dnslog.answered(fields, "SERVFAIL")
        _question(fields, failed)
        fields["event.reason"] = failed["reason"] or "SERVFAIL"
    elif invalid := _INVALID.fullmatch(message):
        dnslog.event(fields, "dnssec_validation", "error", "failure")
        _question(fields, invalid)
        text.put(fields, [("event.reason", invalid["reason"]), ("destination.ip", text.address(invalid["server"]))])
    elif limit := _LIMIT.fullmatch(message):
        dnslog.event(fields, "dns_rate_limited", "denied", "failure")
        _question(fields, limit)
        text.put(fields, [("source.ip", text.address(limit["from"] or limit["ip"])), ("unbound.limit", limit["limit"])])
    elif work := _WORK.fullmatch(message):
        dnslog.event(fields, "dns_resolve", "info")
        _question(fields, work)
    elif reply := _REPLY.fullmatch(message):
        dnslog.event(fields, "dns_reply", "info")
        text.put(fields, [("unbound.zone", reply["zone"].rstrip(".")), ("destination.port", text.port(reply["port"]))])
        text.put(fields, [("destination.ip", text.address(reply["server"]))])
    elif control := _CONTROL.fullmatch(message):
        fields["event.category"], fields["event.type"] = ("network",), ("connection", "start")
        fields["event.action"] = "unbound_control_connection"
        text.put(fields, [("source.ip", text.address(control["ip"])), ("source.port", text.port(control["port"]))])
    elif command := _COMMAND.fullmatch(message):
        fields["event.category"], fields["event.type"] = ("configuration",), ("change",)
        fields["event.action"], fields["unbound.command"] = "unbound_command", command["command"].strip() or "-"
    elif shake := _HANDSHAKE.fullmatch(message):
        dnslog.event(fields, "tls_handshake_failed", "error", "failure")
        text.put(fields, [("source.ip", text.address(shake["ip"])), ("source.port", text.port(shake["port"]))])
    else:
        _life(fields, message)


def _question(fields: Fields, found: re.Match[str]) -> None:
    dnslog.question(fields, found["name"], found["type"], found["class"])


def _query(fields: Fields, found: re.Match[str]) -> None:
    code = found["code"]
    dnslog.event(fields, "dns_response" if code else "dns_query")
    _question(fields, found)
    fields["dns.type"] = "answer" if code else "query"
    text.put(fields, [("source.ip", text.address(found["ip"]))])
    if code and code != "-":
        dnslog.answered(fields, code)
    if code:
        text.put(fields, [
            ("event.duration", weblog.seconds(found["taken"])),
            ("unbound.cached", {"1": "true", "0": "false"}.get(found["cached"])),
            ("destination.bytes", text.number(found["size"])),
        ])  # fmt: skip


def _policy(fields: Fields, found: re.Match[str]) -> None:
    """Read what a local zone or a response policy did to a question."""
    action = found["action"]
    dnslog.event(fields, "dns_local_zone")
    _question(fields, found)
    parts = found.groupdict()
    text.put(fields, [
        ("source.ip", text.address(found["ip"])), ("source.port", text.port(found["port"])),
        ("unbound.action", action), ("unbound.zone", found["zone"].rstrip(".")),
    ])  # fmt: skip
    if action.startswith("rpz-") or "log" in parts:
        fields["event.action"] = "dns_rpz"
        text.put(fields, [("rule.name", found["zone"].rstrip(".")), ("rule.ruleset", parts.get("log"))])
        if action != "rpz-passthru":
            dnslog.blocked(fields)
    elif action in _BLOCKING:
        fields["event.type"] = ("protocol", "denied")


def _life(fields: Fields, message: str) -> None:
    for form, kind in _LIFE:
        if found := form.fullmatch(message):
            fields["event.category"], fields["event.type"] = ("process",), (kind,)
            fields["event.action"], fields["observer.version"] = f"unbound_{kind}", found["version"]
            return
    bad = fields.get("log.level") in {"error", "fatal error", "critical"}
    fields["event.category"], fields["event.type"] = ("network",), ("error",) if bad else ("info",)
    if bad:
        text.put(fields, [("event.reason", message)])
