r"""Reads BIND's named, with and without the time, category and severity that `print-…` puts before a message.

https://bind9.readthedocs.io/en/latest/reference.html#logging-block-definition-and-usage; messages as in lib/ns and
lib/dns of 9.9 to 9.20. named escapes what is special in a name (`\(`, `\032`), so that a name cannot end the part it
stands in. Times are local, with iso8601-utc they end in Z.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, dnslog, syslog, text, weblog, when

MESSAGE_MAX = 8_192
_TIME = re.compile(
    r"(?:(?P<day>\d{1,2})-(?P<month>\w{3})-(?P<year>\d{4}) (?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,6})?)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)) "
)
_CATEGORIES = frozenset((
    "client", "cname", "config", "database", "default", "delegation-only", "dispatch", "dnssec", "dnstap",
    "edns-disabled", "general", "lame-servers", "network", "notify", "nsid", "queries", "query-errors", "rate-limit",
    "resolver", "responses", "rpz", "rpz-passthru", "security", "serve-stale", "spill", "sslkeylog",
    "trust-anchor-telemetry", "unmatched", "update", "update-security", "xfer-in", "xfer-out", "zoneload",
    "zoneversion", "load-balance", "drop",
))  # fmt: skip
_WORD = re.compile(r"[a-z][a-z-]{2,30}")  # a category of a later version
_LEVEL = re.compile(r"(info|notice|warning|error|critical|fatal|dynamic|debug(?: \d{1,3})?): ")
_CLIENT = re.compile(
    r"client (?:@(?P<object>0x[0-9a-f]{1,16}) )?(?P<ip>[0-9A-Fa-f.:%]{2,64}|[\w.:%]{2,80})#(?P<port>\d{1,5})"
    r"(?:/key (?P<key>\S{1,255}))?(?: \((?P<name>(?:[^()\\]|\\.){0,1100})\))?: (?:view (?P<view>\S{1,64}): )?"
)
_QUERY = re.compile(
    r"(?:query|response): (?P<name>\S+) (?P<class>\S+) (?P<type>\S+)(?: (?P<code>[A-Z]{5,9}))?(?: (?P<flags>[+-]\S*))?"
    r"(?: \(?(?P<local>[0-9A-Fa-f.:%]{2,64})\)?)?(?: \[ECS (?P<ecs>[^\]]{1,64})\])?.*"
)
_N = r"\S{0,1100}"  # named escapes blanks in names, but neither slashes nor quotes
_CLASS = r"(?P<class>\w{1,12})"
_ASK = rf"'(?P<name>{_N})/(?P<type>\w+)/{_CLASS}'"
_SET = rf"'(?P<name>{_N})/{_CLASS}'"
_ZONE = rf"zone (?P<name>{_N})/{_CLASS}(?:/[^\s:]+)?: "
_PEER = r"(?P<server>[0-9A-Fa-f.:%]{2,64})#(?P<port>\d{1,5})"
_FROM = r"(?P<ip>[0-9A-Fa-f.:%]{2,64})#(?P<from>\d{1,5})"
_ALONE = r"(?P<ip>[0-9A-Fa-f.:%]{2,64}?)(?:#(?P<from>\d{1,5}))?"
_WHILE = rf"resolving '(?P<name>{_N}?)/(?P<type>\w+)(?:/{_CLASS})?'"
_CODE = r"\(?(?P<code>[A-Z]{5,9})\)?"
_CHANGED = rf"updating zone '(?P<zone>{_N})/{_CLASS}': (?:adding an RR|deleting an RR|deleting(?: all)? rrsets?) "
_LIMITED = r"(?P<would>would )?(?:rate )?limit (?:drop|slip)(?: \w+)? response to (?P<net>\S+) for (?P<name>\S+) "
_LIMITING = r"(?P<would>would )?(?P<stop>stop )?(?:limit|limiting)(?: \w+)? responses to (?P<net>\S+)"
_MALFORMED = (
    rf"DNS format error from {_PEER} resolving (?P<name>{_N})/(?P<type>\w+)(?: for (?:client )?(?:{_FROM}|\S+))?"
)
_TRIGGER = r"(?P<disabled>disabled )?rpz (?P<trigger>[\w-]+)"


def _forms(*rows: tuple[str, str, str, str]) -> tuple[tuple[re.Pattern[str], str, str, str], ...]:
    return tuple((re.compile(form, re.DOTALL), action, kind, outcome) for form, action, kind, outcome in rows)


# what stands behind `client …: `
_ASKED = _forms(
    (rf"query(?: \(cache\))? {_ASK} denied(?: \((?P<reason>.*)\))?", "dns_query_denied", "denied", "failure"),
    (rf"query(?: \(cache\))? {_ASK} approved", "dns_query_approved", "allowed", "success"),
    (rf"zone transfer {_ASK} denied(?: \((?P<reason>.*)\))?", "zone_transfer_denied", "denied", "failure"),
    (rf"bad zone transfer request: {_SET}: (?P<reason>.*?)(?: {_CODE})?", "zone_transfer_refused", "denied", "failure"),
    (rf"transfer of {_SET}: (?P<type>\w+)(?:-style IXFR)? started.*", "zone_transfer_out", "start", "success"),
    (rf"transfer of {_SET}: (?P<type>\w+)(?:-style IXFR)? ended.*", "zone_transfer_out", "end", "success"),
    (rf"transfer of {_SET}: (?P<reason>.*)", "zone_transfer_out", "info", "failure"),
    (rf"update(?: forwarding)? {_SET} denied.*", "dns_update_denied", "denied", "failure"),
    (rf"update(?: forwarding)? {_SET} approved.*", "dns_update", "allowed", "success"),
    (rf"{_CHANGED}(?:at|from) (?:name )?'(?P<name>{_N})'(?: (?P<type>\w+))?(?: (?P<data>.*))?",
     "dns_update", "info", "success"),
    (rf"updating zone '(?P<zone>{_N})/{_CLASS}': (?P<reason>.*?)(?: {_CODE})?", "dns_update_failed", "info", "failure"),
    (r'signer "(?P<signer>[^"]*)" (?:approved|denied)', "dns_update_signed", "info", ""),
    (rf"received notify for zone '(?P<name>{_N})'.*", "dns_notify", "info", "success"),
    (rf"{_LIMITED}{_CLASS} (?P<type>\w+) .*", "dns_rate_limited", "denied", "failure"),
    (rf"{_TRIGGER} (?P<policy>[\w-]+) rewrite (?P<name>{_N})/(?P<type>\w+)/{_CLASS} via (?P<rule>\S+)",
     "dns_rpz", "", ""),
    (rf"{_TRIGGER}(?: (?P<policy>[\w-]+))? rewrite (?P<name>\S+) via (?P<rule>\S+)", "dns_rpz", "", ""),
    (rf"query failed \((?P<code>[A-Za-z ]+)\) for (?P<name>{_N})/{_CLASS}/(?P<type>\w+)(?: at .*)?",
     "dns_query_failed", "error", "failure"),
    (r"(?:request|message) has invalid signature: (?P<reason>.*)", "dns_signature_invalid", "error", "failure"),
    (r"(?P<reason>(?:message parsing failed|no matching view|error sending response|drop) ?.*)",
     "dns_request_invalid", "error", "failure"),
)  # fmt: skip
# what named says of itself and of other servers
_TOLD = _forms(
    (rf"(?P<reason>(?:unexpected RCODE )?{_CODE}(?: unexpected RCODE)?) {_WHILE}: {_PEER}",
     "dns_resolve", "error", "failure"),
    (rf"(?P<reason>success) {_WHILE}.*", "dns_resolve", "info", "success"),
    (rf"(?P<reason>lame server) resolving '(?P<name>[^']*)'(?: \(in '[^']*'\?\))?: {_PEER}",
     "dns_resolve", "error", "failure"),
    (rf"(?P<reason>[\w /-]{{3,60}}?) {_WHILE}: {_PEER}", "dns_resolve", "error", "failure"),
    (rf"{_MALFORMED}: (?P<reason>.*)", "dns_resolve", "error", "failure"),
    (rf"validating (?:@0x\w+: )?(?P<name>{_N})/(?P<type>\w+): (?P<reason>.*)", "dnssec_validation", "error", "failure"),
    (rf"transfer of {_SET} from {_PEER}: Transfer status: success", "zone_transfer_in", "end", "success"),
    (rf"transfer of {_SET} from {_PEER}: Transfer completed: (?:.{{0,80}}? )?(?P<bytes>\d+) bytes.*",
     "zone_transfer_in", "end", "success"),
    (rf"transfer of {_SET} from {_PEER}: connected using {_FROM}.*", "zone_transfer_in", "start", "success"),
    (rf"transfer of {_SET} from {_PEER}: (?P<reason>.*)", "zone_transfer_in", "info", "failure"),
    (rf"{_ZONE}refused notify from non-(?:master|primary): {_FROM}", "dns_notify_refused", "denied", "failure"),
    (rf"{_ZONE}notify from {_FROM}: (?P<reason>.*)", "dns_notify", "info", "success"),
    (rf"{_ZONE}sending notifies .*", "dns_notify_sent", "info", "success"),
    (rf"{_ZONE}loaded serial (?P<serial>\d+).*", "zone_loaded", "info", "success"),
    (rf"{_ZONE}(?P<reason>(?:loading from|not loaded|has no|zone file|journal|could not|expired).*)", "zone_not_loaded",
     "error", "failure"),
    (r"dns_master_load: (?P<reason>.*)", "zone_not_loaded", "error", "failure"),
    (rf"trust-anchor-telemetry '(?P<name>{_N})/{_CLASS}' from {_ALONE}", "dns_trust_anchor_told", "info", ""),
    (rf"(?P<reason>enforced delegation-only) for '{_N}' \((?P<name>{_N})/(?P<type>\w+)/{_CLASS}\) from {_PEER}",
     "dns_resolve", "denied", "failure"),
    (rf"(?P<name>{_N}) resolver failure, (?P<reason>stale answer used.*)", "dns_stale_answer", "info", ""),
    (rf"(?P<reason>skipping nameserver) '{_N}' because it is a CNAME, while resolving '(?P<name>{_N})/(?P<type>\w+)'",
     "dns_resolve", "info", ""),
    (rf"{_ZONE}(?P<reason>.*)", "zone_message", "info", ""),
    (rf"{_LIMITING}(?: for (?P<name>\S+)(?: {_CLASS} (?P<type>\w+))?)?(?: .*)?",
     "dns_rate_limited", "denied", "failure"),
)  # fmt: skip
# who may not use the channel by which rndc commands
_CHANNEL = re.compile(
    rf"(?:rejected|invalid) command (?:channel message )?from {_FROM}(?:: ?(?P<reason>.*))?", re.DOTALL
)
_LIFE = (
    (re.compile(r"starting BIND (?P<version>\S+).*"), "start"), (re.compile(r"running"), "start"),
    (re.compile(r"shutting down.*|exiting.*|stopping command channel.*"), "end"),
    (re.compile(r"received control channel command '(?P<command>[^']{0,200})'|received SIG\w+ signal.*"), "change"),
    (re.compile(r"reloading (?:configuration|zones) (?:succeeded|failed).*|loading configuration from .*"), "change"),
)  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of named's log files or of syslog."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.vendor": "ISC", "observer.product": "BIND"}
    fields["observer.type"] = "dns"
    if not _TIME.match(whole):
        line = syslog.read(raw)
        fields.update(syslog.fields(line))
        whole = line.message
    if not _read(whole[:MESSAGE_MAX], fields, raw) and "process.name" not in fields and "@timestamp" not in fields:
        raise ParseError("no line of named")
    yield fields


def _read(whole: str, fields: Fields, raw: Raw) -> bool:
    if stamp := _TIME.match(whole):
        if stamp["iso"]:
            fields["@timestamp"] = when.iso(when.rfc3339(stamp["iso"], raw.zone))
        else:
            written = f"{stamp['month']} {stamp['day']} {stamp['year']} {stamp['clock']}"
            fields["@timestamp"] = when.iso(when.bsd(written, raw.received, raw.zone))
        whole = whole[stamp.end() :]
    category, colon, rest = whole.partition(": ")
    if colon and (category in _CATEGORIES or (_WORD.fullmatch(category) and _LEVEL.match(rest))):
        fields["bind.category"], whole = category, rest
    if level := _LEVEL.match(whole):
        fields["log.level"], whole = level[1], whole[level.end() :]
    if client := _CLIENT.match(whole):
        text.put(fields, [
            ("source.ip", text.address(client["ip"])), ("source.port", text.port(client["port"]) or None),
            ("bind.view", client["view"]), ("bind.key", client["key"]),
        ])  # fmt: skip
        _client(fields, whole[client.end() :].strip(), client["name"])
        return True
    return _told(fields, whole.strip()) or "bind.category" in fields or "log.level" in fields


def _client(fields: Fields, message: str, name: str | None) -> None:
    dnslog.event(fields, "dns_message")
    dnslog.question(fields, name)
    if message.startswith(("query: ", "response: ")) and (asked := _QUERY.fullmatch(message)):
        dnslog.question(fields, asked["name"], asked["type"], asked["class"])
        answer = message.startswith("response")
        fields["event.action"], fields["dns.type"] = ("dns_response", "answer") if answer else ("dns_query", "query")
        flags = asked["flags"] or ""
        text.put(fields, [("bind.flags", flags), ("bind.client_subnet", asked["ecs"])])
        if flags:
            fields["network.transport"] = "tcp" if "T" in flags else "udp"
        text.put(fields, [("destination.ip", text.address(asked["local"]))])
        if asked["code"]:
            dnslog.answered(fields, asked["code"])
        return
    for form, action, kind, outcome in _ASKED:
        if found := form.fullmatch(message):
            dnslog.event(fields, action, kind, outcome)
            _fill(fields, found.groupdict())
            return


def _told(fields: Fields, message: str) -> bool:
    if message.startswith("error ("):  # 9.9: `error (network unreachable) resolving …`
        message = message[7:].replace(") resolving", " resolving", 1)
    for form, action, kind, outcome in _TOLD:
        if found := form.fullmatch(message):
            dnslog.event(fields, action, kind, outcome)
            parts = found.groupdict()
            text.put(fields, [
                ("destination.ip", text.address(parts.get("server"))),
                ("destination.port", text.port(parts.get("port")) if parts.get("server") else None),
                ("source.ip", text.address(parts.get("ip"))), ("source.port", text.port(parts.get("from"))),
                ("destination.bytes", text.number(parts.get("bytes"))),
            ])  # fmt: skip
            _fill(fields, parts)
            return True
    if found := _CHANNEL.fullmatch(message):
        fields["event.category"], fields["event.type"] = ("authentication",), ("start",)
        fields["event.action"], fields["event.outcome"] = "named_command_refused", "failure"
        text.put(fields, [("source.ip", text.address(found["ip"])), ("source.port", text.port(found["from"]))])
        text.put(fields, [("event.reason", found["reason"])])
        return True
    for form, kind in _LIFE:
        if found := form.fullmatch(message):
            fields["event.category"], fields["event.type"] = ("process",), (kind,)
            fields["event.action"] = f"named_{kind}"
            parts = found.groupdict()
            text.put(fields, [("observer.version", parts.get("version")), ("bind.command", parts.get("command"))])
            return True
    bad = fields.get("log.level") in {"error", "critical", "fatal"}
    fields["event.category"], fields["event.type"] = ("network",), ("error",) if bad else ("info",)
    if bad:
        text.put(fields, [("event.reason", message)])
    return False


def _fill(fields: Fields, found: dict[str, str | None]) -> None:
    dnslog.question(fields, found.get("name"), found.get("type"), found.get("class"))
    code = (found.get("code") or "").upper()
    if code in dnslog.CODES:
        outcome = fields.get("event.outcome")
        dnslog.answered(fields, code)
        text.put(fields, [("event.outcome", outcome)])  # a code such as NXRRSET may be why a change failed
    net = found.get("net") or ""
    text.put(fields, [
        ("event.reason", found.get("reason")), ("bind.zone", found.get("zone")), ("bind.serial", found.get("serial")),
        ("bind.signer", found.get("signer")), ("bind.update", found.get("data")), ("bind.limited", net),
    ])  # fmt: skip
    if found.get("rule"):
        fields["bind.rpz.trigger"] = found.get("trigger") or ""
        text.put(fields, [("bind.rpz.policy", found.get("policy"))])
        if not found.get("disabled") and found.get("policy") != "PASSTHRU":
            dnslog.blocked(fields)
        text.put(fields, [("rule.name", (found["rule"] or "").rstrip("."))])
    if found.get("would") or found.get("stop"):
        fields["event.type"] = ("protocol", "info")
        fields.pop("event.outcome", None)
    if net and "source.ip" not in fields and net.endswith(("/32", "/128")):
        weblog.client(fields, net.partition("/")[0])
