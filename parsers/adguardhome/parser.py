r"""Reads AdGuard Home's query log (querylog.json) and its own log with the logins to its console.

https://github.com/AdguardTeam/AdGuardHome/wiki/Configuration; the reasons are those of internal/filtering: what a list
blocked is denied, what Safe Browsing knew as malware or phishing is an alert.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, dnslog, structured, syslog, text, when

MESSAGE_MAX = 65_536
_OWN = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) (?:(?P<pid>\d{1,10})#(?P<thread>\d{1,10}) )?"
    r"(?:\[(?P<level>\w{4,8})\]|(?P<bare>TRACE|DEBUG|INFO|WARN|ERROR)) (?P<message>.*)",
    re.DOTALL,
)
_LOGIN = re.compile(
    r"(?P<method>[A-Z]{3,8}) (?P<host>\S{1,255}) (?P<path>/\S{0,255}): (?:auth: )?"
    r"(?:from ip (?P<ip>[0-9A-Fa-f.:%]{2,64}): )?(?P<reason>.*)",
    re.DOTALL,
)
_LOGGED_IN = re.compile(
    r"(?:auth: )?user \"(?P<user>.{0,255})\" (?:successfully )?logged in from ip (?P<ip>[0-9A-Fa-f.:%]{2,64}).*"
)
_REASONS = (
    "NotFilteredNotFound", "NotFilteredAllowList", "NotFilteredError", "FilteredBlockList", "FilteredSafeBrowsing",
    "FilteredParental", "FilteredInvalid", "FilteredSafeSearch", "FilteredBlockedService", "Rewritten",
    "RewrittenAutoHosts", "RewrittenRule",
)  # fmt: skip
_CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_TRANSPORTS = {"doh": "https", "dot": "tls", "doq": "quic", "dnscrypt": "dnscrypt"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of either log, bare or in syslog."""
    line = syslog.read(raw)
    fields: Fields = {"event.kind": "event", "observer.vendor": "AdGuard", "observer.product": "AdGuard Home"}
    fields["observer.type"] = "dns"
    fields.update(syslog.fields(line))
    message = line.message.strip()[:MESSAGE_MAX]
    if message.startswith("{"):
        _query(fields, structured.json_object(message), raw.zone)
    elif own := _OWN.fullmatch(message):
        _own(fields, own, raw.zone)
    elif line.app is None:
        raise ParseError("no line of AdGuard Home")
    yield fields


def _query(fields: Fields, found: Mapping[str, object], zone: str) -> None:
    name = found.get("QH")
    if not isinstance(name, str):
        raise ParseError("JSON without a question")
    dnslog.event(fields, "dns_query")
    dnslog.question(fields, name, _text(found.get("QT")), _text(found.get("QC")))
    fields["dns.type"] = "answer"
    if written := _text(found.get("T")):
        fields["@timestamp"] = when.iso(when.rfc3339(written, zone))
    taken = found.get("Elapsed")
    text.put(fields, [
        ("source.ip", text.address(_text(found.get("IP")))), ("adguardhome.client", _text(found.get("CID"))),
        ("adguardhome.upstream", _text(found.get("Upstream"))),
        ("adguardhome.transport", _TRANSPORTS.get(_text(found.get("CP")))),
        ("event.duration", taken if isinstance(taken, int) and 1 < taken < 1 << 62 else None),
        ("adguardhome.cached", "true" if found.get("Cached") is True else None),
    ])  # fmt: skip
    if (code := _code(_text(found.get("Answer")))) is not None:
        dnslog.answered(fields, code)
    result = found.get("Result")
    if isinstance(result, dict):
        _result(fields, result)


def _code(answer: str) -> str | None:
    """Return the response code of a DNS message in base64, None if it is none."""
    try:
        head = b64decode(answer[:8], validate=True)
    except (Error, ValueError):
        return None
    return _CODES[head[3] & 15] if len(head) >= 4 and head[3] & 15 < len(_CODES) else None


def _result(fields: Fields, result: Mapping[str, object]) -> None:
    reason = result.get("Reason")
    number = reason if isinstance(reason, int) and 0 <= reason < len(_REASONS) else 0
    fields["event.reason"] = _REASONS[number]
    if result.get("IsFiltered") is True or 3 <= number <= 8:
        fields["event.action"], fields["event.type"] = "dns_blocked", ("protocol", "denied")
        if number == 4:
            dnslog.blocked(fields)
    rules = result.get("Rules")
    first = rules[0] if isinstance(rules, list) and rules and isinstance(rules[0], dict) else {}
    text.put(fields, [
        ("rule.name", _text(first.get("Text"))), ("rule.ruleset", _text(first.get("FilterListID"))),
        ("adguardhome.service", _text(result.get("ServiceName"))),
    ])  # fmt: skip


def _own(fields: Fields, found: re.Match[str], zone: str) -> None:
    fields["event.dataset"] = "adguardhome.log"
    fields["@timestamp"] = when.iso(when.rfc3339(found["time"].replace("/", "-"), zone))
    level, message = (found["level"] or found["bare"]).lower(), found["message"]
    text.put(fields, [("log.level", level), ("process.pid", text.number(found["pid"]))])
    fields["event.category"], fields["event.type"] = ("process",), ("info",)
    if entered := _LOGGED_IN.fullmatch(message):
        _login(fields, entered["ip"], "success")
        fields.update(text.user(entered["user"]))
    elif login := _LOGIN.fullmatch(message):
        text.put(fields, [("http.request.method", login["method"]), ("url.path", login["path"])])
        text.put(fields, [("event.reason", login["reason"])])
        if login["path"].startswith("/control/login"):
            _login(fields, login["ip"], "failure")
            return
        fields["event.category"], fields["event.type"] = ("web",), ("access",)
        fields["event.outcome"] = "failure" if level == "error" else "unknown"
        text.put(fields, [("source.ip", text.address(login["ip"]))])


def _login(fields: Fields, address: str | None, outcome: str) -> None:
    fields["event.category"], fields["event.type"] = ("authentication",), ("start",)
    fields["event.action"], fields["event.outcome"] = "console_login", outcome
    text.put(fields, [("source.ip", text.address(address))])


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
