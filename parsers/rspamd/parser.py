"""Reads Rspamd: `time #pid(process) <id>; module; function: message`, the same by syslog or as JSON; its exporter.

The line that ends a task begins with the message's id, which a stranger chose: it ends at the last place where the rest
of the line fits.
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, common, document, maillog, structured, syslog, text, when

MESSAGE_MAX = 32_768
_HEAD = re.compile(
    r"(?:(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) )?(?:#(?P<pid>\d{1,10})\((?P<process>[\w-]{1,40})\) )?"
    r"(?:\[\w{1,10}\] )?(?:<(?P<tag>\w{0,40})>; ?)?(?:(?P<module>[\w-]{1,60}); (?P<function>[\w.:*~-]{1,160}): ?)?"
)
_VERDICT = re.compile(
    r" \(\w{1,40}: (?P<spam>[TFS]) \((?P<action>[\w ]{1,40})\):"
    r" \[(?P<score>-?[\d.]{1,16}|nan) ?/ ?(?P<required>-?[\d.]{1,16}|nan)\] \["
)
_FROM_THE_END = tuple(
    (name, re.compile(form))
    for name, form in (
        ("from", r" (?:smtp_)?from: <([^<>]{0,500})>,?$"),
        ("user", r" user: ([^,]{1,256}),$"),
        ("ip", r" ip: ([0-9A-Fa-f:.]{2,45}),$"),
        ("qid", r" qid: <?([\w.-]{1,64})>?,$"),
        ("id", r"^id: <?(.{0,1000}?)>?,$"),
    )
)
_TAIL = re.compile(
    r", (len|time|dns req|digest|rcpts|mime_rcpts|file|forced|settings_id): (<(?:[^<>]|>,<){0,8000}>|[^,]{0,300})"
)
_SYMBOL = re.compile(r"(?:^|[,}])([A-Z][A-Z0-9_]{1,80})\(-?\d")
_PEER = re.compile(
    r"(?:accepted(?: \w+)? connection|got connection|new connection|connection) from (?P<ip>[0-9A-Fa-f:.\[\]]{2,53})"
    r"(?: port (?P<port>\d{1,5}))?"
)
_LOADED = re.compile(r"loaded message; id: <?(?P<id>[^;]{0,1000}?)>?; (?:queue-id: <?(?P<qid>[\w.-]{1,64}|undef)>?; )?")
_VIRUS = re.compile(
    r"(?P<by>\w[\w-]{1,40})(?: \[\w{1,40}\])?: (?:result - )?virus(?:es)? found[:,]? (?:rule [^:]{1,40}: )?"
    r"\"?(?P<name>[^\"]{1,300}?)\"?(?:[,;] .{0,200})?"
)
_GREY = re.compile(r"(?:greylisted until|greylisting pass|greylist pass|reset greylisting).{0,300}", re.IGNORECASE)
_PASSWORD = re.compile(r".{0,100}(?:invalid|wrong|no|bad).{0,40}password.{0,200}", re.IGNORECASE)

_ACTIONS: dict[str, tuple[str, str]] = {
    "no action": ("mail_passed", "allowed"), "greylist": ("mail_greylisted", "denied"),
    "add header": ("mail_tagged", "allowed"), "rewrite subject": ("mail_tagged", "allowed"),
    "soft reject": ("mail_tempfailed", "denied"), "reject": ("mail_blocked", "denied"),
    "discard": ("mail_blocked", "denied"), "quarantine": ("mail_held", "denied"),
}  # fmt: skip
_PLACES = {
    "len": "rspamd.size", "time": "rspamd.time", "dns req": "rspamd.dns_requests", "digest": "rspamd.digest",
    "file": "rspamd.file", "forced": "rspamd.forced", "settings_id": "rspamd.settings_id",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).strip("\r\n\0 ")
    if line.app is not None and line.app.startswith("rspamd") and not (line.host or "").startswith("#"):
        fields, message = syslog.fields(line), line.message
    else:
        fields, message = {}, whole
    fields |= {"observer.vendor": "Rspamd", "observer.product": "rspamd", "observer.type": "mail"}
    if message[:1] == "{":
        said = structured.json_object(message)
        if "function" in said and "message" in said:
            _logged(said, fields)
        else:
            _exported(said, fields)
        yield fields
        return
    head = _HEAD.match(message)
    if (head is None or not head[0]) and not fields.get("process.name"):
        raise ParseError("neither Rspamd's head nor its name: not a line of Rspamd")
    if head is not None:
        if head["time"]:
            fields["@timestamp"] = when.iso(when.rfc3339(head["time"], raw.zone))
        _head(head.groupdict(), fields)
        message = message[head.end() :]
    text.put(fields, [("message", message)])
    _read(message[:MESSAGE_MAX], fields)
    yield fields


def _head(found: Mapping[str, object], fields: Fields) -> None:
    pid = text.number(str(found.get("pid") or ""))
    if pid is not None and pid > 0:
        fields["process.pid"] = pid
    fields.setdefault("process.name", "rspamd")
    text.put(fields, [(f"rspamd.{name}", str(found[name])) for name in ("process", "tag", "module", "function")
                      if found.get(name)])  # fmt: skip


def _logged(said: Mapping[str, object], fields: Fields) -> None:
    """Read a line of the log written as JSON (`json = true`)."""
    flat = document.flat(said)
    moment = flat.get("ts")
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        fields["@timestamp"] = when.iso(when.epoch(moment))
    _head({"pid": flat.get("pid"), "process": flat.get("worker_type"), "tag": flat.get("id"),
           "module": flat.get("module"), "function": flat.get("function")}, fields)  # fmt: skip
    message = str(flat.get("message", ""))
    text.put(fields, [("log.level", str(flat.get("severity", ""))), ("message", message)])
    _read(message[:MESSAGE_MAX], fields)


def _read(message: str, fields: Fields) -> None:
    if fields.get("rspamd.function") == "rspamd_task_write_log" or message.startswith("id: "):
        verdicts = list(_VERDICT.finditer(message))
        if verdicts:
            _task(message, verdicts[-1], fields)
            return
    if peer := _PEER.search(message):
        fields.update(maillog.what("connection", "connection start", category="network"))
        address, port = common.endpoint(peer["ip"])
        maillog.endpoint(fields, "source", address, peer["port"] or str(port))
    elif loaded := _LOADED.search(message):
        fields.update(maillog.what("mail_loaded"))
        qid = loaded["qid"] if loaded["qid"] != "undef" else None
        text.put(fields, [("email.message_id", text.given(loaded["id"])), ("email.local_id", qid)])
    elif virus := _VIRUS.fullmatch(message):
        fields.update(maillog.what("malware_found", category="email malware") | {"event.kind": "alert"})
        fields |= {"rspamd.virus": virus["name"], "rule.name": virus["name"], "rspamd.scanner": virus["by"]}
    elif _GREY.match(message):
        fields.update(maillog.what("greylist"))
        fields["event.reason"] = message
    elif _PASSWORD.fullmatch(message) and fields.get("rspamd.module") == "csession":
        fields.update(maillog.what("login", "start", "failure", "authentication"))
    elif message:
        fields["event.reason"] = message


def _task(message: str, found: re.Match[str], fields: Fields) -> None:
    _verdict(found["action"], found["score"], found["required"], fields)
    fields["rspamd.spam"] = {"T": "yes", "F": "no"}.get(found["spam"], "skipped")
    said = _envelope(message[: found.start()])
    text.put(fields, [(name, said.get(part)) for name, part in (("email.message_id", "id"), ("email.local_id", "qid"))])
    text.put(fields, [("email.from.address", maillog.addresses([said.get("from", "")]))])
    maillog.endpoint(fields, "source", said.get("ip"))
    fields.update(text.user(said.get("user")))
    rest = message[found.end() :]
    # options of symbols are a stranger's; the rest of the line begins behind the last `]), len: `
    symbols, bracket, tail = rest.rpartition("]), len: ")
    if not bracket:
        symbols, tail = rest, ""
    text.put(fields, [("rspamd.symbols", tuple(dict.fromkeys(_SYMBOL.findall(symbols)))[:200])])
    for name, value in _TAIL.findall(", len: " + tail if bracket else ""):
        if name == "rcpts":
            text.put(fields, [("email.to.address", maillog.addresses(value.split(",")))])
        elif name in _PLACES:
            text.put(fields, [(_PLACES[name], value.strip("<>"))])


def _envelope(head: str) -> dict[str, str]:
    """Return what stands before the verdict, read from its end: the message's id, which is first, may imitate it."""
    found: dict[str, str] = {}
    for name, form in _FROM_THE_END:
        if part := form.search(head):
            if part[1].count('"') % 2:
                break  # a quoted address was cut in two: what is before it may be a stranger's too
            found[name] = part[1]
            head = head[: part.start()]
    return {name: value for name, value in found.items() if value != "undef"}


def _verdict(action: str, score: str | None, required: str | None, fields: Fields) -> None:
    word, kind = _ACTIONS.get(action, ("mail_checked", ""))
    fields.update(maillog.what(word, f"info {kind}".strip(), "success"))
    fields["rspamd.action"] = action
    for name, value in (("rspamd.score", score), ("rspamd.required", required)):
        try:
            number = float(value or "")
        except ValueError:
            continue
        if abs(number) < 1e6:
            fields[name] = number


def _exported(said: Mapping[str, object], fields: Fields) -> None:
    """Read a report of the metadata exporter (formatter `json`)."""
    flat = document.flat(said)
    if "action" not in flat or "score" not in flat:
        raise ParseError("JSON, but neither a line of Rspamd's log nor a report of its exporter")
    one = {name: str(value) for name, value in flat.items() if not isinstance(value, tuple)}
    _verdict(one.get("action", ""), one.get("score"), None, fields)
    names = [str(symbol["name"]) for symbol in _listed(said.get("symbols")) if symbol.get("name")]
    subjects = maillog.several(flat.get("header_subject") or flat.get("subject"))
    text.put(fields, [
        ("email.message_id", text.given(one.get("message_id", "").strip("<>"))),
        ("email.local_id", text.given(one.get("qid"))), ("email.subject", str(subjects[0]) if subjects else None),
        ("email.from.address", maillog.addresses([one.get("from", "")])),
        ("email.to.address", maillog.addresses(map(str, maillog.several(flat.get("rcpt"))))),
        ("rspamd.symbols", tuple(dict.fromkeys(names))[:200]), ("rspamd.digest", one.get("digest")),
    ])  # fmt: skip
    maillog.endpoint(fields, "source", one.get("ip"))
    fields.update(text.user(one.get("user")))


def _listed(value: object) -> list[Mapping[str, object]]:
    return [one for one in value[:500] if isinstance(one, dict)] if isinstance(value, list) else []
