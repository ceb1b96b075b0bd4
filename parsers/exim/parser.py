"""Reads Exim's main, reject and panic logs.

A line is a time, a process if it is logged, a message's id if there is one, then what happens: `<=` it came, `=>` `->`
`>>` it went, `**` it failed, `==` it waits, or a sentence. `H=name (helo) [address]:port` is the other end, `I=` this
one. A stranger chooses addresses, ids and subjects: fields are read from the front, and the first of each counts.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, maillog, syslog, text, when
from sentinel.pack.maillog import what

MESSAGE_MAX = 16_384
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: ([+-]\d{4}))? ")
_PID = re.compile(r"\[(\d{1,10})\] ")
_ID = re.compile(r"(?:[A-Za-z0-9]{6}-[A-Za-z0-9]{6}-[A-Za-z0-9]{2}|[A-Za-z0-9]{6}-[A-Za-z0-9]{11}-[A-Za-z0-9]{4}) ")
_FLAG = re.compile(r"(<=|\(=|=>|->|>>|\*>|\*\*|==) ")
_QUOTED = r'"(?:[^"\\]|\\.){0,1000}"'
_ADDRESS = re.compile(rf"(?P<to><>|{_QUOTED}(?:@[^\s]{{1,255}})?|[^\s]{{1,1000}})(?: <(?P<of>[^<>]{{0,500}})>)?:? ?")
_PEER = (
    r"(?:(?P<name>[^\s\[\]()=]{1,255}) )?(?:\((?P<helo>\S{0,300})\) )?\[(?P<ip>[0-9A-Fa-f:.]{2,45})\]"
    r"(?::(?P<port>\d{1,5}))?\*?"
)
_HOST = re.compile(rf"H={_PEER}(?=[\s:,]|$)")
_PARTNER = re.compile(rf"(?:\b(?:[Ff]rom|for|host) |H=){_PEER}(?=[\s:,]|$)")
_INTERFACE = re.compile(r"I=\[([0-9A-Fa-f:.]{2,45})\](?::(\d{1,5}))?(?=[\s:,]|$)")
_TOKEN = re.compile(rf"([A-Za-z0-9]{{1,6}})=({_QUOTED}|<[^<>]{{0,1000}}>|[^\s]{{0,1000}})(?: |$)")
_TLS = re.compile(r"(TLS|SSL)v?(\d(?:\.\d)?):([^:\s]{1,80})")
_TAIL = re.compile(r"(?:from (?P<from><[^<>]{0,1000}>) )?for (?P<for>.{1,8000})", re.DOTALL)
_AUTH = re.compile(
    r"(?P<method>\S{1,60}) authenticator (?:failed|\w{1,20}) for (?P<peer>.{0,700}?): (?P<reason>\d{3}\b.{0,300}?)"
    r"(?: \(set_id=(?P<user>.*)\)(?:: .{0,300})?)?",
    re.DOTALL,
)
_REJECTED = re.compile(
    r"(?:temporarily )?rejected (?:(?P<verb>RCPT|MAIL|VRFY|EXPN|ETRN)(?: FROM:| TO:)? ?<?(?P<of>[^<>\s]{0,1000})>?"
    r"|(?P<stage>[\w ]{1,40}?))(?: in \"\w{1,20}\" ACL)?(?:: (?P<reason>.*))?$",
    re.DOTALL,
)
_OUTWARDS = re.compile(
    r"\](?::\d{1,5})?:? (?:[SL]MTP (?:error|timeout)|Connection |Remote host |TLS (?:session|error)|No route)"
)
_VERIFY = re.compile(r"sender verify (?:fail|defer) for <(?P<of>[^<>]{0,1000})>: ?(?P<reason>.*)", re.DOTALL)
_DEFER = re.compile(r"(?:^| )defer \((-?\d{1,6})\):? ?(.{0,2000})", re.DOTALL)
_NAMELESS = re.compile(
    r"no (?:host name|IP address) found for (?:IP address (?P<ip>[0-9A-Fa-f:.]{2,45})|host (?P<name>\S{1,255}))"
)
_VERSION = re.compile(r"exim (\d[\w.-]{0,20}) daemon started: pid=(\d{1,10})")
_HEADER = re.compile(r"^(?:[A-Z* ] {1,2})?(Subject|Message-ID|From|To): (.{1,998})$", re.MULTILINE | re.IGNORECASE)

_CAME = what("mail_received", outcome="success")
_FLAGS = {
    "<=": _CAME, "(=": what("mail_rejected", "denied", "failure"), "**": what("mail_bounced", outcome="failure"),
    "==": what("mail_deferred", outcome="unknown"), "*>": what("mail_not_sent"),
} | dict.fromkeys(("=>", "->", ">>"), what("mail_sent", outcome="success"))  # fmt: skip
_REFUSED = what("mail_rejected", "denied", "failure")
_NO_LOGIN = what("smtp_login", "start", "failure", "authentication")
_OPENED, _CLOSED = (what(f"smtp_{kind}", f"connection {at}", category="network")
                    for kind, at in (("connect", "start"), ("disconnect", "end")))  # fmt: skip
_DENIED = what("smtp_refused", "connection denied", "failure", "network")
_ABUSE = what("smtp_protocol_violation", "connection protocol", "failure", "network")
_SENTENCES: tuple[tuple[str, Fields], ...] = tuple(
    (start, said)
    for starts, said in (
        (("Completed", "removed by "), what("queue_removed")),
        (("cancelled by ",), what("mail_cancelled")),
        (("frozen", "Frozen", "Message is frozen", "*** Frozen"), what("mail_held")),
        (("SMTP connection from ", "SMTP connection identification "), _OPENED),
        (("SMTP protocol ", "SMTP syntax error ", "TLS error on connection from ", "unqualified ", "SMTP call from ",
          "rejected HELO ", "rejected EHLO ", "Unknown SMTP command ", "unexpected disconnection "), _ABUSE),
        (("SMTP command timeout ", "SMTP data timeout ", "SMTP connection lost", "Connection lost"), _CLOSED),
        (("refused connection ", "Connection from ", "rejected connection "), _DENIED),
        (("Start queue run: ",), what("queue_run", "start", category="process")),
        (("End queue run: ",), what("queue_run", "end", category="process")),
        (("exim ",), what("mail_server", "start", category="process")),
    )
    for start in starts
)  # fmt: skip
_PLACES = {
    "P": "exim.protocol", "S": "exim.size", "R": "exim.router", "T": "exim.transport", "DN": "tls.client.subject",
    "SNI": "tls.client.server_name", "DT": "exim.delivery_time", "QT": "exim.queue_time", "RT": "exim.receive_time",
    "C": "event.reason", "CV": "exim.certificate_verified", "M8S": "exim.8bitmime", "PRX": "exim.proxy",
    "D": "exim.duration", "ST": "exim.shadow_transport", "DS": "exim.dnssec", "K": "exim.chunking",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line, or a record of the reject log with the headers below it."""
    line = syslog.read(raw)
    message, fields = line.message, syslog.fields(line)
    if line.app is None or not line.app.lower().startswith("exim"):
        message, fields = text.decode(raw.body).rstrip("\r\n\0"), {}
    stamp = _STAMP.match(message)
    if stamp:
        fields["@timestamp"] = when.iso(when.rfc3339(stamp[1] + (stamp[2] or ""), raw.zone))
        message = message[stamp.end() :]
        fields["message"] = message
    elif not fields:
        raise ParseError("neither Exim's own time nor its name: not a line of Exim")
    if pid := _PID.match(message):
        fields["process.pid"] = int(pid[1])
        message = message[pid.end() :]
    if found := _ID.match(message):
        fields["email.local_id"] = found[0].rstrip()
        message = message[found.end() :]
    head, _, headers = message[:MESSAGE_MAX].partition("\n")
    _read(head, fields)
    _headers(headers, fields)
    if not fields.get("message"):
        fields.pop("message", None)
    yield fields


def _read(message: str, fields: Fields) -> None:
    if flag := _FLAG.match(message):
        fields["exim.flag"] = flag[1]
        fields.update(_FLAGS[flag[1]])
        address = _ADDRESS.match(message, flag.end())
        at = address.end() if address else flag.end()
        if flag[1] in {"<=", "(="}:
            text.put(fields, [("email.from.address", maillog.addresses([address["to"]]) if address else None)])
            _arrived(message[at:], fields)
        else:
            if address:
                _recipient(address["to"].rstrip(":"), address["of"], fields)
            _went(message[at:], fields)
    elif auth := _AUTH.fullmatch(message):
        fields.update(_NO_LOGIN)
        text.put(fields, [("exim.authenticator", auth["method"]), ("event.reason", auth["reason"])])
        fields.update(text.user(auth["user"]))
        told = auth["peer"] if auth["peer"].startswith("H=") else f"H={auth['peer']}"
        _tokens(told, fields, "source")
    else:
        _sentence(message, fields)


def _recipient(to: str, of: str | None, fields: Fields) -> None:
    final = "@" in to and to[0] not in "/|>:"
    text.put(fields, [("email.to.address", maillog.addresses([to if final or of is None else of]))])
    if of:
        fields["exim.original_to" if final else "exim.target"] = of if final else to


def _arrived(rest: str, fields: Fields) -> None:
    tail = rest[_tokens(rest, fields, "source", arrived=True) :]
    if found := _TAIL.search(tail):
        text.put(fields, [("email.to.address", maillog.addresses(found["for"].split(" ")))])


def _went(rest: str, fields: Fields) -> None:
    if (defer := _DEFER.search(rest)) and fields["exim.flag"] == "==":
        fields["exim.error"] = defer[1]
        text.put(fields, [("event.reason", defer[2])])
        host = _HOST.search(defer[2])  # the other server's own words come behind it, or before it at the very end
        first_or_last = host is not None and (host.start() == 0 or host.end() == len(defer[2]))
        _peer(host if first_or_last else None, fields, "destination")
        rest = rest[: defer.start()]
    end = _tokens(rest, fields, "destination")
    reason = rest[end:].lstrip(": ")
    text.put(fields, [("event.reason", reason)] if "event.reason" not in fields else [])


def _sentence(message: str, fields: Fields) -> None:
    said = next((said for start, said in _SENTENCES if message.startswith(start)), None)
    outwards = "email.local_id" in fields and _OUTWARDS.search(message, 0, 1_000) is not None
    side = "destination" if outwards else "source"
    at = _tokens(message, fields, side) if message[:3].find("=") > 0 else 0
    rest = message[at:].lstrip(": ")
    if said is not None:
        fields.update(said)
        if " closed by " in message or " lost" in message:
            fields.update(_CLOSED if said is _OPENED else {})
        if version := _VERSION.match(message):
            fields |= {"exim.version": version[1], "process.pid": int(version[2])}
        if said in (_OPENED, _ABUSE, _CLOSED, _DENIED):
            peer = _PARTNER.search(message)
            _peer(peer, fields, "source")
            _tokens(message[peer.end() :].lstrip() if peer else "", fields, "source")
    elif nameless := _NAMELESS.match(message):
        fields.update(what("hostname_mismatch", "connection info", category="network"))
        maillog.endpoint(fields, "source", nameless["ip"], None, nameless["name"])
    if found := _REJECTED.match(rest):
        if said is None:
            fields.update(_DENIED if found["stage"] and found["stage"].startswith("connection") else _REFUSED)
        if found["verb"] == "RCPT":
            asked = maillog.addresses([found["of"]])  # whose mailbox a stranger looks for
            text.put(fields, [("email.to.address", asked), ("related.user", asked)])
        elif found["verb"] == "MAIL":
            text.put(fields, [("email.from.address", maillog.addresses([found["of"]]))])
        text.put(fields, [("exim.stage", found["verb"] or found["stage"]), ("event.reason", found["reason"])])
    elif found := _VERIFY.match(rest):
        fields.update(what("sender_verify", outcome="failure"))
        text.put(fields, [("email.from.address", maillog.addresses([found["of"]])), ("event.reason", found["reason"])])
    elif rest:
        text.put(fields, [("event.reason", rest)])


def _tokens(rest: str, fields: Fields, side: str, *, arrived: bool = False) -> int:
    """Set the fields `X=…` at the beginning of `rest`; return where they end."""
    at, other = 0, "destination" if side == "source" else "source"
    while at < len(rest):
        if host := _HOST.match(rest, at):
            if (
                side != "source" or "exim.protocol" not in fields
            ):  # it stands before the protocol: behind it is a stranger's text
                _peer(host, fields, side)
            at = host.end()
        elif here := _INTERFACE.match(rest, at):
            maillog.endpoint(fields, other, here[1], here[2])
            at = here.end()
        elif token := _TOKEN.match(rest, at):
            _token(token[1], token[2], fields, arrived=arrived)
            at = token.end()
        else:
            break
        while rest[at : at + 1] == " ":
            at += 1
    return at


def _token(name: str, value: str, fields: Fields, *, arrived: bool) -> None:
    if value[:1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    elif name != "id":
        value = value.rstrip(":")
    if name == "A" and "exim.authenticator" not in fields:
        method, _, rest = value.partition(":")
        text.put(fields, [("exim.authenticator", method)])
        fields.update(text.user(rest.partition(":")[0]))
    elif name == "X" and (tls := _TLS.match(value)):
        fields |= {"tls.version_protocol": tls[1].lower(), "tls.version": tls[2], "tls.cipher": tls[3]}
        fields["tls.established"] = True
    elif name == "U":
        text.put(fields, [("exim.ident", value)])
    elif name == "F":
        text.put(fields, [("email.from.address", maillog.addresses([value]))])
    elif name == "id":
        text.put(fields, [("email.message_id", value)] if "email.message_id" not in fields else [])
    elif arrived and name in {"T", "R"}:
        text.put(fields, [("email.subject" if name == "T" else "exim.bounce_of", value)])
    elif name == "P" and value[:1] == "<":
        fields["exim.return_path"] = value
    elif name in _PLACES and _PLACES[name] not in fields and value:
        fields[_PLACES[name]] = value
        if name == "P" and value == "local":
            fields.update(text.user(str(fields.get("exim.ident", ""))))


def _peer(found: re.Match[str] | None, fields: Fields, side: str) -> None:
    if found is not None and f"{side}.ip" not in fields:
        maillog.endpoint(fields, side, found["ip"], found["port"], found["name"])
        text.put(fields, [("exim.helo", found["helo"])])


def _headers(headers: str, fields: Fields) -> None:
    for name, value in _HEADER.findall(headers[:MESSAGE_MAX]):
        if name.lower() == "subject":
            fields.setdefault("email.subject", value.strip())
        elif name.lower() == "message-id":
            fields.setdefault("email.message_id", value.strip().removeprefix("<").removesuffix(">"))
