"""Reads what Dovecot's processes write: logins, authentication, sessions, deliveries, Sieve, doveadm, events.

A line is `process: message` or `process(user)<pid><session>: message`, by syslog below the tag `dovecot`, in Dovecot's
own file without one. A stranger chooses the user's name: of a login it ends at the last place where the server's own
words can follow, of a failed authentication nothing is taken if it could end at several.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    document,
    kv,
    maillog,
    mapping,
    stamps,
    structured,
    syslog,
    text,
    verdict,
    when,
)
from sentinel.pack.maillog import what

MESSAGE_MAX = 8_192
_PROCESS = re.compile(
    r"(?P<name>[a-z][a-z0-9-]{1,40})(?:\((?P<inside>[^()]{0,300})\))?(?:<(?P<pid>\d{0,10})>)?"
    r"(?:<(?P<session>[^<>\s]{0,80})>)?: "
)
_OWN = re.compile(r"[a-z][a-z0-9-]{1,40}(?:\([^()]{0,300}\))?(?:<[^<>\s]{0,80}>){0,2}: ")
_LEVEL = re.compile(r"(Info|Debug|Warning|Error|Fatal|Panic): ")
_LOGIN = re.compile(
    r"(?P<said>.{0,300}?): user=<(?P<user>.{0,512})>, (?:method=(?P<method>[\w.-]{0,40}), )?"
    r"(?:(?P<more>(?:rip|lip|rport|lport|mpid|secured|session|TLS)\b.*))",
    re.DOTALL,
)
_PAIR = re.compile(r"(rip|lip|rport|lport|mpid|session)=<?([^,<>\s]{0,80})>?")
_TLS = re.compile(r"(TLS|SSL)v(\d(?:\.\d)?) with cipher ([\w-]{1,60})")
_DATABASE = re.compile(r"(?:^|[ :])(?P<db>[a-z][\w-]{0,30})\((?=[^\s(]|\?)")
_DATABASE_END = re.compile(r",(?P<ip>[0-9A-Fa-f:.]{2,45})(?:,<(?P<session>[^<>]{0,80})>)?\): ")
_SAID_OF = re.compile(r"(?P<user>.{0,256}),(?P<ip>[0-9A-Fa-f:.]{2,45})(?:,[\w:-]{1,40})?", re.DOTALL)
_REFUSED = re.compile(
    r"(?i)auth failed|unknown user|mismatch|invalid credentials|authenticat\w{1,4}(?:\(\))? (?:failed|failure)"
    r"|disallowed|unsupported auth|user disabled|account (?:is )?(?:disabled|locked|expired)|no password|auth_failed"
    r"|(?:cert|certificate) required|password expired|didn't finish SASL auth"
    r"|Maximum number of connections|user not found|not allowed|allow_nets check failed|policy server refusal"
    r"|password or username is wrong|user is not in allowed"
)
_PART = re.compile(r"(msgid|from|subject|size|uid|box|flags|vsize)=(?:<([^<>]{0,998})>|([^,]{0,998}))(?:, |$|: )")
_DID = re.compile(
    r"(delete|undelete|expunge|copy from [^:]{1,200}|save|mailbox_\w{4,20}|flag_change|append|autoexpunge): (?=\w+=)"
)
_BYTES = re.compile(r"\b(in|out)=(\d{1,18})\b")
_BOTH = re.compile(r"\bbytes=(\d{1,18})/(\d{1,18})\b")
_PEER = re.compile(r"(?:Connect|Disconnect) from ([0-9A-Fa-f:.]{1,44}[0-9A-Fa-f]):?(?: |$)")
_PAM = re.compile(r"pam_\w{1,30}\([\w-]{1,40}:\w{1,20}\): (?=.)")
_SESSION = re.compile(r"([A-Za-z0-9+/:]{12,40}): (?=sieve: |msgid=)")
_PROXY = re.compile(r"proxy(?:\(.{0,256}\))?: .{0,60}? ([0-9A-Fa-f:.]{2,45}):(\d{1,5})\b")
_VERSION = re.compile(r"Dovecot v(\S{1,40})")

_OK, _FAILED = (what("login", "start", outcome, "authentication") for outcome in ("success", "failure"))
_LEFT = what("logout", "end", category="session")
_OPENED, _CLOSED = (what(f"connection_{kind}", f"connection {kind}", category="network") for kind in ("start", "end"))
_DELIVERED = what("mail_delivered", outcome="success")
_NOT_DELIVERED = what("mail_failed", outcome="failure")
_RESULTS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form, re.DOTALL), said)
    for form, said in (
        (r"(?:saved mail to|stored mail into mailbox) '?(?P<box>.{1,300}?)'?", _DELIVERED),
        (
            r"(?:save failed to|failed to store into mailbox) '?(?P<box>[^:']{1,300})'?: (?P<reason>.{1,500})",
            _NOT_DELIVERED,
        ),
        (r"(?P<reason>Quota exceeded.{0,300}|[Rr]ejected.{0,500})", _NOT_DELIVERED),
        (r"forward(?:ed|ing) to <?(?P<to>[^<>\s]{1,320})>?.{0,80}", what("mail_forwarded", outcome="success")),
        (
            r"(?:sent vacation response|vacation action .{0,100}) to <?(?P<to>[^<>\s]{1,320})>?.{0,80}",
            what("mail_answered"),
        ),
        (
            r"(?:notify action: )?sent (?:message|notification) to <?(?P<to>[^<>\s]{1,320})>?.{0,80}",
            what("mail_notification"),
        ),
        (r"redirect(?:ed|ing) (?:message )?to <?(?P<to>[^<>\s]{1,320})>?.{0,80}", what("mail_forwarded")),
        (r"(?:marked message to be discarded|discarded?).{0,300}", what("mail_discarded", "denied")),
    )
)
_ONWARD = r"<(?P<to>[^<>]{1,320})> at <?(?P<host>[^<>: ]{1,255})[: ].*"
# what processes say beside logins and deliveries: process, words, meaning
_HOUSEHOLD: tuple[tuple[str, re.Pattern[str], Fields], ...] = tuple(
    (service, re.compile(words), said)
    for service, words, said in (
        ("doveadm", r"Executing command '(?P<command>[^']{1,60})'(?: as '(?P<user>[^']{1,256})')?",
         what("admin_command", "info", category="process")),
        ("doveadm", r".{0,80}(?:[Aa]uthentication failed|[Ii]nvalid (?:API )?key|[Ww]rong password).*",
         what("admin_login", "start", "failure", "authentication")),
        ("indexer", r"Indexed (?P<count>\d{1,12}) messages in (?P<box>.{1,200}?)(?: \(UIDs .*\))?",
         what("mail_indexed")),
        ("dsync", r".*", what("mail_synchronised")),
        ("replicator", r".*", what("mail_replicated")),
        ("aggregator", r".*", what("mail_replicated")),
        ("lmtp", rf".{{0,300}}?(?:Sent|Delivered) message to {_ONWARD}", what("mail_sent", outcome="success")),
        ("lmtp", rf".{{0,300}}?Failed to (?:send|deliver) message to {_ONWARD}",
         what("mail_failed", outcome="failure")),
        ("quota-status", r".*", what("mail_quota_checked")),
        ("", r"(?:SIGHUP received|reloading configuration).*", what("mail_server", "change", category="configuration")),
        ("", r"service\((?P<service>[\w-]{1,40})\): child (?P<child>\d{1,10}) (?:killed|returned error|crashed).*",
         what("mail_process", "end error", "failure", "process")),
        ("", r"service\((?P<service>[\w-]{1,40})\): .{0,40}(?:limit|process_limit|client_limit).*",
         what("mail_process", "error", category="process")),
        ("", r"(?:[Tt]ime (?:moved|just moved)).*", what("clock_moved", "change", category="host")),
        ("", r"Quota (?:root|warning|exceeded).*|quota.{0,200}", what("mail_quota")),
    )
)  # fmt: skip
_TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "events.toml").read_text("utf-8"))
_EVENT_SETTERS = mapping.setters(_TABLES["fields"])
_EVENT_SETTERS["message_id"] = lambda fields, value: fields.update({"email.message_id": value.strip("<>")})
_PROTOCOLS = {"imap": "imap", "pop3": "pop3", "managesieve": "managesieve", "submission": "smtp", "lmtp": "lmtp"}
_PLACES = {
    "msgid": "email.message_id", "from": "email.from.address", "subject": "email.subject", "size": "dovecot.size",
    "vsize": "dovecot.size", "uid": "dovecot.uid", "box": "dovecot.mailbox", "flags": "dovecot.flags",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of any of Dovecot's processes."""
    line = syslog.read(raw)
    message = line.message
    fields = syslog.fields(line)
    if line.app is None:
        stamp = stamps.find(message, raw.received, raw.zone, 2) if line.timestamp is None else None
        if stamp:
            fields["@timestamp"] = when.iso(stamp.moment)
            message = message[stamp.end :].lstrip(" :")
        if not _OWN.match(message):
            raise ParseError("no process of Dovecot's: not a line of it")
    elif not line.app.startswith("dovecot"):
        message = f"{line.app}{f'[{line.pid}]' if line.pid else ''}: {message}"
    _read(message[:MESSAGE_MAX], fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    name = ""
    if process := _PROCESS.match(message):
        name = process["name"]
        message = message[process.end() :]
        fields["dovecot.service"] = name
        _process(process.groupdict(), fields)
    if level := _LEVEL.match(message):
        fields["log.level"] = level[1].lower()
        message = message[level.end() :]
    protocol = _PROTOCOLS.get(name.partition("-")[0])
    if protocol:
        fields["network.protocol"] = protocol
    if name.endswith("-login"):
        _login(message, fields)
    elif name in {"auth", "auth-worker"}:
        _auth(message, fields)
    elif pam := _PAM.match(message):
        _pam(message[pam.end() :], fields)
    elif name in {"stats", "event-exporter"} and _exported(message, fields):
        return
    elif name in {"master", ""}:
        _master(message, fields)
    else:
        _session(message, fields)
    if "event.category" not in fields:
        _household(name, message, fields)


def _process(found: dict[str, str | None], fields: Fields) -> None:
    """Set what stands in brackets behind a process's name: a pid, a user, both, or a user and an address."""
    inside, pid = found["inside"] or "", found["pid"]
    if found["name"] == "doveadm" and (client := text.address(inside.partition(",")[0])):  # who asks over the network
        maillog.endpoint(fields, "source", client)
        inside = inside.partition(",")[2]
    if inside.isdecimal():
        inside, pid = "", inside
    elif inside.partition(",")[0].isdecimal():
        pid, _, inside = inside.partition(",")
    if of := _SAID_OF.fullmatch(inside):
        inside = of["user"]
        maillog.endpoint(fields, "source", of["ip"])
    text.put(fields, [("process.pid", text.number(pid) or None), ("dovecot.session", found["session"])])
    if inside != "default":  # what Dovecot 1 called the set of databases
        fields.update(text.user(inside.strip()))


def _login(message: str, fields: Fields) -> None:
    proxied = _PROXY.match(message)
    found = _LOGIN.fullmatch(message)
    said = found["said"] if found else message[:300]
    if said.startswith("proxy(") and " failed" in said:
        fields.update(_FAILED)
    elif said.startswith(("Login", "Logged in", "proxy(")) and not said.startswith("Login aborted"):
        fields.update(_CLOSED if "disconnecting" in said else _OK)
    elif _REFUSED.search(said):
        fields.update(_FAILED)
    elif said.startswith(("Disconnected", "Aborted login", "Login aborted", "Connection closed")):
        fields.update(_CLOSED)
    if not said.startswith("Login:") and said not in {"Login", "Logged in"}:
        text.put(fields, [("event.reason", said)])
    if proxied:
        text.put(fields, [("dovecot.proxy_to", f"{proxied[1]}:{proxied[2]}")])
    if found is None:
        return
    fields.update(text.user(found["user"]))
    text.put(fields, [("dovecot.method", found["method"])])
    ends = dict(reversed(_PAIR.findall(found["more"])))
    maillog.endpoint(fields, "source", ends.get("rip"), ends.get("rport"))
    maillog.endpoint(fields, "destination", ends.get("lip"), ends.get("lport"))
    text.put(fields, [("dovecot.session", ends.get("session")), ("dovecot.mail_pid", ends.get("mpid"))])
    _secured(found["more"], fields)


def _secured(more: str, fields: Fields) -> None:
    parts = more.split(", ")
    if cipher := _TLS.search(more):
        fields |= {"tls.version_protocol": cipher[1].lower(), "tls.version": cipher[2], "tls.cipher": cipher[3]}
    for part in parts:
        if part.startswith("TLS"):
            broken = "handshaking" in part or "failed" in part
            fields["tls.established"] = not broken
            text.put(fields, [("dovecot.tls_error", part.partition(": ")[2] if broken else None)])
        elif part == "secured":
            fields["dovecot.secured"] = "true"


def _auth(message: str, fields: Fields) -> None:
    if message.startswith("client in: AUTH\t"):
        said = dict(reversed(_PAIR.findall(message.replace("\t", ","))))
        maillog.endpoint(fields, "source", said.get("rip"), said.get("rport"))
        maillog.endpoint(fields, "destination", said.get("lip"), said.get("lport"))
    begin = _DATABASE.search(message)
    ends = list(_DATABASE_END.finditer(message))
    reason = message
    if begin is not None and ends and begin.end() <= ends[0].start():
        fields["dovecot.database"] = begin["db"]
        if len(ends) == 1:
            name = message[begin.end() : ends[0].start()]
            fields.update(text.user(name) if name != "?" else {})
            maillog.endpoint(fields, "source", ends[0]["ip"])
            text.put(fields, [("dovecot.session", ends[0]["session"])])
        else:
            told = (text.address(one["ip"]) for one in ends)
            text.put(fields, [("related.ip", tuple(dict.fromkeys(one for one in told if one)))])
        reason = message[ends[-1].end() :]
    text.put(fields, [("event.reason", reason)])
    if _REFUSED.search(reason):
        fields.update(_FAILED)


def _pam(message: str, fields: Fields) -> None:
    """Read what PAM says below the name of Dovecot."""
    said = kv.pairs(message)
    fields.update(_FAILED if "failure" in message[:40] else {})
    fields.update(text.user(said.get("user") or said.get("ruser")))
    if message.count("rhost=") == 1:  # the name before it may hold another
        maillog.endpoint(fields, "source", said.get("rhost"))
    fields["event.reason"] = message


def _session(message: str, fields: Fields) -> None:
    if did := _DID.match(message):
        action = did[1].partition(" ")[0]
        fields |= what(f"mail_{action.removeprefix('mailbox_')}")
        _parts(message[did.end() :], fields)
        return
    if session := _SESSION.match(message):
        fields["dovecot.session"] = session[1]
        message = message[session.end() :]
    at = 7 if message.startswith("sieve: ") else 0
    if message.startswith(("msgid=", "from=", "subject=", "size="), at):
        fields |= what("mail_filtered" if at else "mail_delivery")
        _delivery(message[at:], fields)
        return
    if peer := _PEER.match(message):
        fields.update(_OPENED if message.startswith("Connect ") else _CLOSED)
        maillog.endpoint(fields, "source", peer[1])
    elif message.startswith(("Disconnected", "Logged out", "Connection closed", "Server shutting down", "Hibernat")):
        fields.update(_LEFT)
        moved = {way: int(count) for way, count in _BYTES.findall(message)}
        if both := _BOTH.search(message):
            moved = {"in": int(both[1]), "out": int(both[2])}
        text.put(fields, [("source.bytes", moved.get("in")), ("destination.bytes", moved.get("out"))])
        fields["event.reason"] = message
    else:
        text.put(fields, [("event.reason", message)])


def _household(name: str, message: str, fields: Fields) -> None:
    """Read what a process says of the server's own work; what is a warning or worse is at least an error of it."""
    for service, words, said in _HOUSEHOLD:
        if name.startswith(service) and (found := words.fullmatch(message)):
            parts = found.groupdict()
            fields.update(said)
            text.put(fields, [
                ("dovecot.command", parts.get("command")), ("dovecot.mailbox", parts.get("box")),
                ("dovecot.child_service", parts.get("service")), ("dovecot.child_pid", parts.get("child")),
                ("dovecot.messages", parts.get("count")), ("user.target.name", parts.get("user")),
            ])  # fmt: skip
            if to := parts.get("to"):
                fields["email.to.address"] = (to,)
                maillog.endpoint(fields, "destination", parts.get("host"), name=parts.get("host"))
            break
    if "event.category" not in fields and fields.get("log.level") in {"warning", "error", "fatal", "panic"}:
        fields |= what("mail_server", "error", category="process")
    if "event.reason" not in fields:
        text.put(fields, [("event.reason", message)])


def _exported(message: str, fields: Fields) -> bool:
    """Read an event of the exporter, as JSON or as texts set apart by tabs; False if it is none."""
    said: dict[str, str] = {}
    if message.startswith("{"):
        found = document.flat(structured.json_object(message))
        said = {name.removeprefix("fields."): str(value) for name, value in found.items() if type(value) is not tuple}
    elif message.startswith("event:"):
        pairs = [part.partition(":") for part in message.split("\t")[:256]]
        said = {value.partition("=")[0] if name == "field" else name:
                value.partition("=")[2] if name == "field" else value for name, _, value in pairs}  # fmt: skip
    event = said.pop("event", "")
    if not event:
        return False
    action, _, row = _TABLES["event"].get(event, f"{event[:60]}|process|info|").partition("|")
    verdict.says(fields, f"|{row}")
    fields["event.action"] = action
    fields |= {"event.code": event} | text.user(said.pop("user", None))
    moment = said.pop("end_time", said.pop("start_time", ""))
    mapping.fill(fields, said, _EVENT_SETTERS, "dovecot.")
    if event == "auth_request_finished" or "success" in said:
        fields["event.outcome"] = "success" if said.get("success") == "yes" else "failure"
    elif "error" in said:
        fields["event.outcome"] = "failure"
    with suppress(ParseError):
        fields["@timestamp"] = when.iso(when.rfc3339(moment))
    return True


def _delivery(message: str, fields: Fields) -> None:
    rest = message[_parts(message, fields) :]
    for form, said in _RESULTS:
        if result := form.fullmatch(rest):
            found = result.groupdict()
            fields.update(said)
            text.put(fields, [("dovecot.mailbox", found.get("box")), ("event.reason", found.get("reason"))])
            if to := found.get("to"):
                fields["email.to.address"] = (to,)
            return
    text.put(fields, [("event.reason", rest)])


def _parts(message: str, fields: Fields) -> int:
    """Set the pairs at the beginning; return where they end."""
    at = 0
    while part := _PART.match(message, at):
        # `msgid=<…>: saved mail` ends the pairs; a subject may hold anything, so it is taken up to the next comma only
        name, value = part[1], part[2] if part[2] is not None else part[3]
        head, colon, _ = value.partition(": ")
        at = part.end()
        if colon and part[2] is None:
            value, at = head, part.start(3) + len(head) + 2
        field = _PLACES[name]
        bare = value.strip().removeprefix("<").removesuffix(">")
        if bare and bare != "unspecified":
            fields[field] = (bare,) if field == "email.from.address" else bare
        if colon or message.startswith(": ", at - 2):
            break
    return at


def _master(message: str, fields: Fields) -> None:
    if version := _VERSION.search(message):
        fields["dovecot.version"] = version[1]
        fields |= what("mail_server", "start", category="process")
    elif message.startswith("Killed with signal"):
        fields |= what("mail_server", "end", category="process")
    text.put(fields, [("event.reason", message)])
