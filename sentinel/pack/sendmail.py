"""Sendmail's lines, also those of products that carry mail with it: `queue-id: from=…, relay=…`, `ruleset=…`, `AUTH=…`.

Format: https://www.sendmail.org/~ca/email/doc8.12/op.html (2.1.1, System Log). An address or a message's id is a
stranger's and may imitate the pairs behind it; of a mail that comes, `relay=` is the last pair and written by Sendmail.
"""

import re

from sentinel.core.event import Fields
from sentinel.pack import maillog, text
from sentinel.pack.maillog import what

QUEUE = re.compile(r"(?:([0-9A-Za-z]{12,20})|NOQUEUE): ")
_ADDRESS = r'<(?:"(?:[^"\\]|\\.){0,500}"|[^<>"]){0,1000}>'
_PAIR = re.compile(rf"([A-Za-z_][\w-]{{0,40}})=((?:{_ADDRESS}(?:,{_ADDRESS}){{0,200}})|[^,]{{0,2000}})(?:, ?|$)")
_RELAY = re.compile(
    r"(?:(?P<ident>[^\s@\[\]]{1,255})@)?(?P<name>[^\s\[\]@]{1,255})?\.? ?(?:\[(?:IPv6:)?(?P<ip>[0-9A-Fa-f:.]{2,45})\])?"
    r"(?: \((?P<note>[^()]{1,80})\))?"
)
_EACH = re.compile(rf"{_ADDRESS}|[^,\s]{{1,1000}}")
_AUTH = re.compile(
    r"AUTH failure \((?P<mech>[\w-]{1,40})\): (?P<reason>.{0,400}?)(?:, user=(?P<user>.{0,256}))?"
    r", relay=(?P<relay>[^,]{0,400})"
)
_MILTER = re.compile(r"Milter(?: \([^()]{1,40}\))?: (?:(?:connect|helo|data|header|eoh|body|eom)[,:] )?")
_REFUSED = re.compile(
    rf"(?P<to>{_ADDRESS})\.\.\. (?:User unknown|Relaying denied|Mailbox .{{1,100}}|Access denied).{{0,200}}"
)
_CLOSED = what("smtp_disconnect", "connection end", category="network")
_PEERS: tuple[tuple[re.Pattern[str], Fields], ...] = (
    (
        re.compile(
            r"(?:lost input channel|timeout waiting for input|premature EOM.{0,60}?) from (?P<relay>.{1,300}?)"
            r"(?: to \S+ .*| during .*|$)"
        ),
        _CLOSED,
    ),
    (re.compile(r"(?P<relay>.{1,300}?) did not issue MAIL.*"), _CLOSED),
    (
        re.compile(
            r"rejecting (?:commands|connections?) (?:on \S{1,40} )?from (?P<relay>.{1,300}?)(?: due to .*|: .*|$)"
        ),
        what("smtp_refused", "connection denied", "failure", "network"),
    ),
    (
        re.compile(r"(?P<relay>.{1,300}?): (?:probable open proxy|possible SMTP attack): .*"),
        what("smtp_protocol_violation", "connection protocol", "failure", "network"),
    ),
    (re.compile(r"connect from (?P<relay>.{1,300})"), what("smtp_connect", "connection start", category="network")),
)
_STATES = {
    "sent": what("mail_sent", outcome="success"), "deferred": what("mail_deferred", outcome="unknown"),
    "queued": what("mail_queued", outcome="unknown"),
    "user unknown": what("mail_bounced", outcome="failure"), "host unknown": what("mail_bounced", outcome="failure"),
    "service unavailable": what("mail_bounced", outcome="failure"),
    "data format error": what("mail_bounced", outcome="failure"),
}  # fmt: skip
_REJECTED = what("mail_rejected", "denied", "failure")
_RECEIVED = what("mail_received", outcome="success")
_PLACES = {
    "size": "size", "class": "class", "nrcpts": "nrcpts", "proto": "proto", "daemon": "daemon", "mailer": "mailer",
    "delay": "delay", "xdelay": "xdelay", "dsn": "dsn", "ruleset": "ruleset", "bits": "bits", "verify": "verify",
    "tls_verify": "tls_verify", "auth": "auth", "mech": "mech", "arg1": "arg1", "arg2": "arg2", "owner": "owner",
    "ctladdr": "ctladdr", "bodytype": "bodytype", "ntries": "tries", "pri": "priority", "intvl": "interval",
}  # fmt: skip


def read(message: str, fields: Fields, space: str) -> None:
    """Add what a line's message says to `fields`; what ECS has no name for goes below `space`."""
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    if queue := QUEUE.match(message):
        text.put(fields, [("email.local_id", queue[1])])
        message = message[queue.end() :]
    if auth := _AUTH.fullmatch(message):
        fields.update(what("smtp_login", "start", "failure", "authentication"))
        text.put(fields, [(space + "mech", auth["mech"]), ("event.reason", auth["reason"])])
        fields.update(text.user(auth["user"]))
        _relay(auth["relay"], fields, "source", space)
        return
    milter = _MILTER.match(message)
    pairs, rest = _pairs(message[milter.end() :] if milter else message)
    if pairs:
        _said(message, pairs, fields, space)
        if "reject" in pairs:
            fields.update(_REJECTED)
        text.put(fields, [("event.reason", rest)] if "event.reason" not in fields else [])
        return
    if refused := _REFUSED.fullmatch(message):
        fields.update(_REJECTED)
        text.put(fields, [("email.to.address", maillog.addresses([refused["to"]]))])
    elif milter and message.endswith("discard"):
        fields.update(what("mail_discarded", "denied"))
    for form, said in _PEERS:
        if found := form.fullmatch(message):
            fields.update(said)
            _relay(found["relay"], fields, "source", space)
            break
    text.put(fields, [("event.reason", message)])


def became(stat: str) -> Fields:
    """Return what became of a mail by Sendmail's `stat=`, nothing if it is not one of its usual words."""
    return next((said for word, said in _STATES.items() if stat.lower().startswith(word)), {})


def _pairs(message: str) -> tuple[dict[str, str], str]:
    """Return the pairs at the beginning, the first of each name, and what follows; `stat` and `reject` end them."""
    found: dict[str, str] = {}
    at = 0
    while at < len(message):
        for name in ("stat=", "reject="):
            if message.startswith(name, at):
                found.setdefault(name[:-1], message[at + len(name) :])
                return found, ""
        pair = _PAIR.match(message, at)
        if pair is None:
            break
        found.setdefault(pair[1], pair[2])
        at = pair.end()
    return found, message[at:] if found else ""


def _said(message: str, pairs: dict[str, str], fields: Fields, space: str) -> None:
    text.put(fields, [(space + below, _bare(pairs.get(name, ""))) for name, below in _PLACES.items()])
    if "from" in pairs and ("size" in pairs or "relay" in pairs):
        fields.update(_RECEIVED)
        # the last one: an address or an id before it may hold another
        _relay(message.rpartition(", relay=")[2], fields, "source", space)
    elif "to" in pairs:
        _delivered(pairs, fields, space)
    elif "ruleset" in pairs:
        fields.update(_REJECTED)
        _relay(pairs.get("relay", ""), fields, "source", space)
        _asked(pairs, fields)
    elif "AUTH" in pairs:
        fields.update(what("smtp_login", "start", "success", "authentication"))
        fields.update(text.user(pairs.get("authid")))
        _relay(pairs.get("relay", ""), fields, "source", space)
    elif "STARTTLS" in pairs:
        _secured(pairs, fields, space)
    to = pairs.get("to", "")
    if to[:1] in {"|", "/", ":"}:  # a program or a file: whom it was for stands beside
        fields[f"{space}target"] = to
        to = pairs.get("ctladdr", "").partition(" ")[0]
    text.put(fields, [("email.to.address", maillog.addresses(_EACH.findall(to)))])
    text.put(fields, [("email.from.address", maillog.addresses([pairs.get("from", "")]))])
    text.put(fields, [("email.message_id", pairs.get("msgid", "").removeprefix("<").removesuffix(">"))])
    text.put(fields, [("email.subject", pairs.get("subject"))])
    text.put(fields, [("event.reason", pairs.get("reject"))])


def _bare(value: str) -> str:
    return value[1:-1] if value[:1] == "<" and value[-1:] == ">" and "<" not in value[1:] else value


def _delivered(pairs: dict[str, str], fields: Fields, space: str) -> None:
    state = pairs.get("stat", "")
    fields.update(became(state))
    if "event.action" not in fields and str(pairs.get("dsn", ""))[:1] == "5":
        fields.update(_STATES["user unknown"])
    text.put(fields, [(space + "stat", state), ("event.reason", state)])
    _relay(pairs.get("relay", ""), fields, "destination", space)


def _asked(pairs: dict[str, str], fields: Fields) -> None:
    asked = maillog.addresses([pairs.get("arg1", "")])
    if pairs["ruleset"] == "check_rcpt":
        text.put(fields, [("email.to.address", asked), ("related.user", asked)])
    elif pairs["ruleset"] == "check_mail":
        text.put(fields, [("email.from.address", asked)])
    elif "source.ip" not in fields:
        maillog.endpoint(fields, "source", pairs.get("arg2"), None, pairs.get("arg1"))


def _secured(pairs: dict[str, str], fields: Fields, space: str) -> None:
    fields.update(what("tls_established", "connection info", "success", "network"))
    version = pairs.get("version", "")
    if version.startswith(("TLSv", "SSLv")):
        fields |= {"tls.version_protocol": version[:3].lower(), "tls.established": True}
        text.put(fields, [("tls.version", version[4:])])
    text.put(fields, [("tls.cipher", pairs.get("cipher"))])
    _relay(pairs.get("relay", ""), fields, "destination" if pairs["STARTTLS"] == "client" else "source", space)


def _relay(written: str, fields: Fields, side: str, space: str) -> None:
    found = _RELAY.match(written.strip())
    if found is None:
        return
    name = (found["name"] or "").rstrip(".")
    maillog.endpoint(fields, side, found["ip"], None, name)
    text.put(fields, [(space + "relay", written.strip()), (space + "relay_ident", found["ident"])])
    if found["ip"] is None and found["ident"] and name == "localhost" and side == "source":
        fields.update(text.user(found["ident"]))
