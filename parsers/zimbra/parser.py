"""Reads Zimbra's mailbox.log and audit.log: `time LEVEL [thread] [name=…;oip=…;ua=…;] category - message`; saslauthd.

`oip` is the client, `ip` the proxy before the server; of what a stranger chose (agent, name) the context's end is the
first place where a category follows, and a name in brackets ends at the last.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, kv, maillog, names, syslog, text, when
from sentinel.pack.maillog import what

MESSAGE_MAX = 8_192
_HEAD = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3}) (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) {1,3}"
    r"\[(?P<thread>.{0,1000}?)\] \[(?P<context>.{0,2000}?)\] (?P<category>[\w.-]{1,80}) - (?P<said>.*)",
    re.DOTALL,
)
_NAME = re.compile(r"(?:^|;)(aname|name|mid|ip|oip|oport|oproto|port|via|ua|soapId|cid|did|msgid|tid|gid|cnum)=")
_PAIR = re.compile(r"(?:^|; ?)([A-Za-z]\w{0,60})=")
_THREAD = re.compile(r"[\w-]{1,80}:(https?://\S{1,900})")
_FAILED = re.compile(
    r".{0,200}?authentication failed for \[(?P<user>.{0,256})\](?:[,:]? ?\(?(?P<reason>[^\[\]()]{1,200})\)?)?;?",
    re.DOTALL,
)
_WORKED = re.compile(r"(?:user )?(?P<user>.{1,256}) authenticated, mechanism=(?P<mechanism>[\w-]{1,40})(?: \[TLS\])?")
_DELIVERING = re.compile(
    r"(?:Delivering|Delivered) message: size=(?P<size>\d{1,12})(?: bytes)?, nrcpts=\d{1,6}, sender=(?P<from>.{0,500}?)"
    r", msgid=(?P<id>.{0,998})"
)
_ADDED = re.compile(
    r"(?:Adding|Moving|Deleting) Message.{0,40}?: ?id=\d{1,12}, Message-ID=(?P<id><[^<>]{1,998}>|[^,]{1,998})"
)
_SENDING = re.compile(
    r"Sending message to MTA at (?P<mta>[^:\s]{1,255}): Message-ID=(?P<id><[^<>]{1,998}>|[^,]{1,998}).*", re.DOTALL
)
_SASL = re.compile(r"auth_zimbra: (?P<user>.{1,256}) auth (?P<result>OK|failed)(?:: (?P<reason>.{1,300}))?", re.DOTALL)
_SASLAUTH = re.compile(
    r"do_auth *: auth failure: \[user=(?P<user>.{0,256})\] \[service=(?P<service>[\w-]{0,40})\]"
    r" \[realm=.{0,256}\] \[mech=[\w-]{0,40}\] \[reason=(?P<reason>.{0,300})\]",
    re.DOTALL,
)
_LOGIN = {one: what("login", "start", one, "authentication") for one in ("success", "failure")}
_COMMANDS = {
    "createaccount": what("account_created", "user creation", category="iam"),
    "deleteaccount": what("account_deleted", "user deletion", category="iam"),
    "modifyaccount": what("account_changed", "user change", category="iam"),
    "renameaccount": what("account_changed", "user change", category="iam"),
    "setpassword": what("password_changed", "user change", category="iam"),
    "changepassword": what("password_changed", "user change", category="iam"),
}  # fmt: skip
_STEPS = {"Sending": "mail_submitted", "Adding": "mail_added", "Moving": "mail_moved", "Deleting": "mail_deleted"}
_PROTOCOLS = {"soap": "http", "imap": "imap", "pop3": "pop3", "pop": "pop3", "smtp": "smtp", "lmtp": "lmtp"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    message = line.message
    fields = syslog.fields(line)
    if line.app is None or line.timestamp is None or _HEAD.match(text.decode(raw.body)):
        message, fields = text.decode(raw.body).rstrip("\r\n\0"), {}
    head = _HEAD.match(message[:MESSAGE_MAX])
    if head is None and not fields:
        raise ParseError("neither Zimbra's own head nor a program name: not a line of Zimbra")
    fields |= {"observer.vendor": "Zimbra", "observer.product": "Zimbra", "observer.type": "mail"}
    if head is None:
        _sasl(message[:MESSAGE_MAX], fields)
        yield fields
        return
    fields["@timestamp"] = when.iso(when.rfc3339(head["time"].replace(",", "."), raw.zone))
    fields |= {"log.level": head["level"].lower(), "zimbra.category": head["category"]}
    text.put(fields, [("zimbra.thread", head["thread"])])
    if thread := _THREAD.fullmatch(head["thread"]):
        names.url(fields, thread[1])
    _context(head["context"], fields)
    text.put(fields, [("message", head["said"])])
    _read(head["category"].lower(), head["said"].strip(), fields)
    yield fields


def _context(context: str, fields: Fields) -> None:
    said = {name: value.rstrip(";") for name, value in kv.cut(context, _NAME).items()}
    client = (said.get("oip") or said.get("ip") or "").partition(",")[0].strip()
    maillog.endpoint(fields, "source", client, said.get("oport"))
    if said.get("oip") and said.get("ip") != said["oip"]:
        text.put(fields, [("zimbra.proxy_ip", text.address(said.get("ip")))])
    fields.update(text.user(said.get("name")))
    text.put(fields, [
        ("user_agent.original", said.get("ua")), ("zimbra.soap_id", said.get("soapId")),
        ("zimbra.mailbox", said.get("mid")), ("zimbra.via", said.get("via")), ("zimbra.delegate", said.get("aname")),
    ])  # fmt: skip


def _read(category: str, said: str, fields: Fields) -> None:
    protocol = _PROTOCOLS.get(category)
    text.put(fields, [("network.protocol", protocol if protocol != "http" else None)])
    if category == "security" and said.startswith("cmd="):
        _command(said, fields)
    elif failed := _FAILED.fullmatch(said):
        fields.update(_LOGIN["failure"])
        _who(failed["user"], fields)
        text.put(fields, [("event.reason", failed["reason"])])
    elif worked := _WORKED.fullmatch(said):
        fields.update(_LOGIN["success"])
        _who(worked["user"], fields)
        fields["zimbra.mechanism"] = worked["mechanism"]
    elif mail := _DELIVERING.match(said):
        fields.update(what("mail_delivery"))
        fields |= {"zimbra.size": mail["size"]}
        text.put(fields, [("email.from.address", maillog.addresses([mail["from"]]))])
        text.put(fields, [("email.message_id", mail["id"].strip().strip("<>"))])
    elif (mail := _ADDED.match(said)) or (mail := _SENDING.fullmatch(said)):
        sending = mail.re is _SENDING
        fields.update(what(_STEPS[said.partition(" ")[0]]))
        text.put(fields, [("email.message_id", mail["id"].strip("<>"))])
        text.put(fields, [("zimbra.mta", mail["mta"])] if sending else [])
    elif said:
        fields["event.reason"] = said


def _command(said: str, fields: Fields) -> None:
    """Read a line of audit.log."""
    pairs = {name: value.rstrip("; ") for name, value in kv.cut(said, _PAIR).items()}
    command = pairs.get("cmd", "")
    text.put(fields, [("zimbra.command", command)])
    error = pairs.get("error")
    if command.lower() in {"auth", "adminauth"}:
        fields.update(_LOGIN["failure" if error else "success"])
        _who(pairs.get("account", ""), fields)
    else:
        fields.update(_COMMANDS.get(command.lower(), what(command.lower() or "command", category="configuration")))
        fields["event.outcome"] = "failure" if error else "success"
        target = pairs.get("name") or pairs.get("account")
        fields.update(text.user(target, "user.target"))
    text.put(fields, [("event.reason", error), ("network.protocol", _PROTOCOLS.get(pairs.get("protocol", "")))])


def _who(name: str, fields: Fields) -> None:
    who = text.user(name)
    if "user.name" in who:
        for part in ("name", "domain", "email"):
            fields.pop(f"user.{part}", None)
        fields.update(who)


def _sasl(message: str, fields: Fields) -> None:
    found = _SASL.fullmatch(message) or _SASLAUTH.fullmatch(message)
    if found is None:
        text.put(fields, [("event.reason", message)])
        return
    said = found.groupdict()
    fields.update(_LOGIN["success" if said.get("result") == "OK" else "failure"])
    _who(said["user"] or "", fields)
    text.put(fields, [("event.reason", said.get("reason")), ("zimbra.service", said.get("service"))])
