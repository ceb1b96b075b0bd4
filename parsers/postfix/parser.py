"""Reads what Postfix's programs write to syslog (postscreen(8), smtpd(8), cleanup(8), qmgr(8), smtp(8), bounce(8) …).

What a stranger chose (addresses, HELO, headers, the other server's answer) may imitate Postfix: pairs are read from
the front up to the first text in parentheses, the envelope behind a verdict only if it reaches to the end of the line.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, maillog, syslog, text

MESSAGE_MAX = 16_384
_IN = r'(?:"(?:[^"\\]|\\.)*"|[^<>"])*'
_PEER = r"(?:(?<![^\s\[\]<>=,(])(?P<name>[^\s\[\]<>=,(]{1,255}))?\[(?P<ip>[0-9A-Fa-f.:]+|unknown)\](?::(?P<port>\d+))?"
_LEVEL = re.compile(r"(warning|error|fatal|panic|info): (?!header |body |[A-Z]+ from )")
_QUEUE = re.compile(r"(NOQUEUE|[0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): ")
_PAIR = re.compile(rf"([a-z_][a-z_-]*)=(?:<({_IN})>|([^\s,;<]*)),?(?:;? |$)")
_STATUS = re.compile(r"status=([\w-]+)(?:,? \(?(.*?)\)?)?")
_VERDICT = re.compile(
    rf"(?P<verdict>[a-z][a-z-]*): (?P<stage>[A-Z][A-Z-]+|header|body|nested-header|mime-error)(?: from {_PEER})?:? ?"
    r"(?P<reason>.*)"
)
_ENVELOPE = re.compile(
    rf"(?: from (?:{_PEER}|local))?;(?: from=<(?P<from>{_IN})>,?)?(?: to=<(?P<to>{_IN})>,?)?"
    r"(?: proto=(?P<proto>\w+),?)?(?: helo=<(?P<helo>[^<>]*)>)?(?: sasl_username=<(?P<user>[^<>]*)>)?"
    r"(?:: ?(?P<more>[^;]*))?"
)
_REPLY = re.compile(r"([245]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3}))?[ :]|([245]\.\d{1,3}\.\d{1,3}) ")
_SASL = re.compile(
    rf"{_PEER}: SASL (?P<method>\S+) authentication (?P<result>failed|aborted|failure)(?:[:,] ?(?P<reason>.*?))?"
    r"(?:,? sasl_username=(?P<user>\S+))?"
)
_TLS = re.compile(r"(\w+) TLS connection (?:established|reused) (from|to) \S+: (TLS|SSL)v([\d.]+) with cipher (\S+)")
_what = maillog.what
_STATES = {
    "sent": _what("mail_sent", outcome="success"),
    "deliverable": _what("mail_probed", outcome="success"),
    "undeliverable": _what("mail_probed", outcome="failure"),
    "bounced": _what("mail_bounced", outcome="failure"),
    "softbounce": _what("mail_bounced", outcome="failure"),
    "deferred": _what("mail_deferred", outcome="unknown"),
    "expired": _what("mail_expired", outcome="failure"),
}
_LOGIN = _what("smtp_login", "start", "success", "authentication")
_NO_LOGIN = _what("smtp_login", "start", "failure", "authentication")
_REJECTED = _what("mail_rejected", "denied", "failure")
_VERDICTS = {
    "reject": _REJECTED, "milter-reject": _REJECTED, "proxy-reject": _REJECTED, "hold": _what("mail_held"),
    "discard": _what("mail_discarded", "denied"), "proxy-accept": _what("mail_accepted", "allowed", "success"),
}  # fmt: skip
_CONNECT, _END = (_what(f"smtp_{what}", f"connection {kind}", category="network")
                  for what, kind in (("connect", "start"), ("disconnect", "end")))  # fmt: skip
_ABUSE = _what("smtp_protocol_violation", "connection protocol", "failure", "network")
_DENIED = _what("smtp_refused", "connection denied", "failure", "network")
_PASSED = _what("smtp_passed", "connection allowed", "success", "network")
_UNREACHED = _what("smtp_connect", "connection start", "failure", "network")
_DNS = _what("hostname_mismatch", "connection info", category="network")
_STARTS: tuple[tuple[str, Fields], ...] = tuple(
    (start, said)
    for starts, said in (
        (("connect from ", "CONNECT from "), _CONNECT),
        (("disconnect from ", "DISCONNECT "), _END),
        (("lost connection after ", "timeout after ", "HANGUP "), _END),
        (("too many errors ", "improper command pipelining ", "non-SMTP command ", "Illegal address syntax ", "bare <",
          "PREGREET ", "COMMAND ", "NON-SMTP COMMAND ", "BARE NEWLINE ", "SSL_accept error "), _ABUSE),
        (("PASS ", "WHITELISTED ", "ALLOWLISTED "), _PASSED),
        (("BLACKLISTED ", "DENYLISTED ", "DNSBL ", "Connection rate limit ", "Connection concurrency limit "), _DENIED),
        (("connect to ", "lost connection with ", "SSL_connect error ", "certificate verification "), _UNREACHED),
        (("hostname ",), _DNS),
        (("removed",), _what("queue_removed")),
        (("sender non-delivery ", "sender delivery ", "postmaster non-delivery "), _what("mail_notification")),
        (("daemon started ", "starting the Postfix "), _what("mail_server", "start", category="process")),
        (("terminating on signal ", "stopping the Postfix "), _what("mail_server", "end", category="process")),
    )
    for start in starts
)  # fmt: skip
_CLIENT = re.compile(_PEER)
_OTHERS = tuple(
    re.compile(form)
    for form in (
        r"addr (?P<ip>\S+) (?:listed|blocked) by domain (?P<list>\S+)(?: as (?P<as>\S+))?.*",
        r"hostname (?P<name>\S+) does not resolve to address (?P<ip>[^\s:]\S*?)(?:: (?P<reason>.*))?",
        r"(?P<ip>[0-9A-Fa-f.:]+): (?P<reason>hostname (?P<name>\S+) verification failed.*)",
        r"(?P<ip>[0-9A-Fa-f.:]+): (?P<reason>address not listed for hostname (?P<name>\S+))",
        r"numeric hostname: (?P<ip>[0-9A-Fa-f.:]+)",
        r"statistics: max .* for \((?:[^:)\s]+:\d+:|[^:)\s]+:)(?P<ip>[0-9A-Fa-f.:]+)\) at .*",
        r"(?:sender|postmaster) (?:non-)?delivery (?:status )?notification: (?P<notice>\w+)",
    )
)
_PLACES = {
    "from": "email.from.address", "to": "email.to.address", "sender": "email.from.address", "uid": "user.id",
    "recipient": "email.to.address", "envelope-from": "email.from.address", "receiver": "email.to.address",
    "message-id": "email.message_id", "reason": "event.reason", "action": "postfix.policy", "list": "postfix.dnsbl",
    "as": "postfix.dnsbl_answer", "notice": "postfix.notification_id", "method": "postfix.sasl_method",
    "more": "postfix.verdict_detail",
} | {
    name: f"postfix.{name}" for name in ("orig_to", "proto", "helo", "size", "nrcpt", "dsn", "delay", "delays", "tls",
    "sasl_method", "orig_queue_id", "verdict", "stage", "commands")
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of any of Postfix's programs."""
    line = syslog.read(raw)
    if line.app is None:
        raise ParseError("no program name: not a line of Postfix")
    fields = syslog.fields(line)
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    rest = line.message
    for _ in range(6):
        found = _LEVEL.match(rest) or _QUEUE.match(rest)
        if found is None:
            break
        if found.re is _LEVEL:
            fields.setdefault("log.level", found[1])
        elif found[1] != "NOQUEUE":
            fields["email.local_id"] = found[1]
        rest = rest[found.end() :]
    if line.app == "policyd-spf":
        rest = rest[max(rest.find("identity="), 0) :]
    if len(rest) <= MESSAGE_MAX:
        _read(rest, fields, "destination" if line.app.endswith(("/smtp", "/lmtp")) else "source")
    yield fields


def _read(rest: str, fields: Fields, side: str) -> None:
    if sasl := _SASL.fullmatch(rest):
        fields.update(_NO_LOGIN)
        _place(fields, sasl.groupdict(), side)
        fields.update(text.user(sasl["user"]))
    elif _PAIR.match(rest):
        _pairs(rest, fields)
    elif verdict := _VERDICT.fullmatch(rest):
        _verdict(verdict.groupdict(), fields)
    else:
        fields.update(next((said for start, said in _STARTS if rest.startswith(start)), {}))
        found = next((found for form in _OTHERS if (found := form.fullmatch(rest))), None) or _CLIENT.search(rest)
        if found:
            _place(fields, found.groupdict(), side)
        if tls := _TLS.match(rest):
            fields |= {"tls.version_protocol": tls[3].lower(), "tls.version": tls[4], "tls.cipher": tls[5]}
            fields |= _what("tls_established", "connection info", "success", "network") | {"postfix.tls": tls[1]}
        elif rest.startswith(("disconnect from ", "SSL_", "connect to ")):
            text.put(fields, [("event.reason", rest.partition("]")[2].partition(": ")[2])])


def _pairs(rest: str, fields: Fields) -> None:
    at = 0
    while at < len(rest) and not rest.startswith("status=", at) and (pair := _PAIR.match(rest, at)):
        at = pair.end()
        name, value = pair[1], pair[2] if pair[2] is not None else pair[3]
        if name in {"client", "client_address", "client-ip"}:
            peer = _CLIENT.fullmatch(value)
            _place(fields, peer.groupdict() if peer else {"ip": value}, "source")
        elif name == "relay" and value:
            peer = _CLIENT.fullmatch(value)
            _place(fields, peer.groupdict() if peer else {}, "destination")
            fields["postfix.relay"] = value
        elif name == "sasl_username":
            fields.update(_LOGIN | text.user(value))
        elif name in _PLACES and value and _PLACES[name] not in fields:
            fields[_PLACES[name]] = value
        if name == "message-id":
            return  # a stranger's text reaches to the end of this line
    if status := _STATUS.fullmatch(rest[at:]):
        state, reason = status.groups()
        fields.update(_STATES.get(state.split("-")[0].lower(), {}))
        text.put(fields, [("postfix.status", state), ("event.reason", reason)])
        if queued := re.search(r" queued as (\w+)\b", reason or ""):
            fields["postfix.queued_as"] = queued[1]


def _verdict(found: dict[str, str | None], fields: Fields) -> None:
    reason = found.get("reason") or ""
    fields.update(_VERDICTS.get(found.get("verdict") or "", {}))
    _place(fields, found, "source")
    for start in re.finditer(r"(?: from \S+)?; ", reason):
        if envelope := _ENVELOPE.fullmatch(reason, start.start()):
            _place(fields, envelope.groupdict(), "source")
            fields.update(text.user(envelope["user"]))
            reason = reason[: start.start()]
            break
    text.put(fields, [("event.reason", reason.strip())])
    header, _, subject = reason.partition(":")
    if found.get("stage") == "header" and header.lower() == "subject":
        text.put(fields, [("email.subject", subject.strip())])
    if reply := _REPLY.match(reason):
        text.put(fields, [("postfix.reply_code", reply[1]), ("postfix.dsn", reply[2] or reply[3])])


def _place(fields: Fields, found: dict[str, str | None], side: str) -> None:
    for name, value in found.items():
        if value and name in _PLACES:
            fields[_PLACES[name]] = value
    host = text.given(found.get("name"))
    pairs = [(f"{side}.ip", text.address(found.get("ip"))), (f"{side}.port", text.port(found.get("port")))]
    text.put(fields, [*pairs, (f"{side}.domain", None if text.address(host) else host)])
