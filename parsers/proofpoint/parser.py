"""Reads Proofpoint: filter logs (`rprt s=… mod=… cmd=…`), Sendmail's lines, JSON of PoD and TAP, TAP's syslog.

Of pairs the first of a name counts, so that a subject or an id at the end chooses nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    document,
    kv,
    maillog,
    names,
    sendmail,
    stamps,
    structured,
    syslog,
    text,
    when,
)
from sentinel.pack.maillog import addresses, what

MESSAGE_MAX = 32_768
_PRODUCT: Fields = {"observer.vendor": "Proofpoint", "observer.type": "mail"}
_LEVEL = re.compile(r"(?:\[\d{4}-\d\d-\d\d[^\]]{1,40}\] )?(rprt|info|warn|err|note|debug|crit|eror)\b:? ")
_DENIED = frozenset({"discard", "reject", "quarantine", "blocked", "block", "retry"})
_TEXTS = {
    "qid": "email.local_id", "hdr_mid": "email.message_id", "msgid": "email.message_id", "subject": "email.subject",
    "host": "source.domain",
}  # fmt: skip
_TAP = {
    "messagesdelivered": "tap_message_delivered", "messagesblocked": "tap_message_blocked",
    "clickspermitted": "tap_click_permitted", "clicksblocked": "tap_click_blocked",
    "msgdlv": "tap_message_delivered", "msgblk": "tap_message_blocked", "clkper": "tap_click_permitted",
    "clkblk": "tap_click_blocked",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record; an answer of TAP's SIEM interface is as many events as it lists."""
    line = syslog.read(raw)
    message = line.message.strip()
    if message[:1] == "{":
        header = syslog.fields(line)
        header.pop("message", None)
        yield from (header | _PRODUCT | one for one in _json(structured.json_object(message), raw))
        return
    fields = syslog.fields(line)
    told = next((one for name, one in line.data.items() if name.startswith("tap")), None)
    if told is not None and line.msgid is not None:
        yield fields | _PRODUCT | _tap(_unfolded(told), _TAP.get(line.msgid.lower(), "tap_event"))
        return
    level = _LEVEL.match(message)
    if level is None and line.app is None:
        raise ParseError("neither a program's name nor a filter's level: not a record of Proofpoint")
    if level and line.timestamp is None and (stamp := stamps.find(message, raw.received, raw.zone, 2)):
        fields["@timestamp"] = when.iso(stamp.moment)
    fields |= _PRODUCT
    if level or " mod=" in message[:400]:
        fields |= {"observer.product": "Email Protection"}
        text.put(fields, [("log.level", level[1] if level and level[1] != "rprt" else None)])
        pairs = kv.pairs(message[level.end() if level else 0 :][:MESSAGE_MAX])
        _filter(pairs, fields)
        if pairs.get("action") in {"login", "logout"} and "mod" not in pairs:
            _console(pairs, fields)
    else:
        fields["event.dataset"] = "proofpoint.sendmail"
        sendmail.read(message[:MESSAGE_MAX], fields, "proofpoint.")
    yield fields


def _filter(said: dict[str, str], fields: Fields) -> None:
    command, module = said.get("cmd", ""), said.get("mod", "")
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    if command in {"connect", "disconnect"}:
        fields.update(what(f"smtp_{command}", f"connection {'start' if command == 'connect' else 'end'}",
                           category="network"))  # fmt: skip
    else:
        text.put(fields, [("event.action", "_".join(filter(None, (module, command))))])
    text.put(fields, [(f"proofpoint.{name}", value) for name, value in said.items() if name not in _TEXTS])
    text.put(
        fields, [(field, said.get(name, "").removeprefix("<").removesuffix(">")) for name, field in _TEXTS.items()]
    )
    if text.address(str(fields.get("source.domain"))) or fields.get("source.domain") == "unknown":
        del fields["source.domain"]
    maillog.endpoint(fields, "source", (said.get("ip") or said.get("hops-ip", "")).strip("[]"), said.get("port"))
    maillog.endpoint(fields, "destination", said.get("lip"))
    sender = said.get("value") if command == "env_from" else said.get("from") if "@" in said.get("from", "") else None
    to = said.get("value") if command == "env_rcpt" else said.get("rcpts") if "@" in said.get("rcpts", "") else None
    text.put(fields, [("email.from.address", addresses([sender or ""]))])
    text.put(fields, [("email.to.address", addresses((to or said.get("rcpt", "")).split(",")))])
    if command == "attachment" or "file" in said:
        _attached([{**said, "filename": said.get("file"), "contentType": said.get("mime")}], fields)
    _ruled(said, module, fields)


def _console(said: dict[str, str], fields: Fields) -> None:
    """Set who logged in to the console, or left it."""
    entering = said["action"] == "login"
    failed = said.get("status", "").lower() not in {"success", "succeeded", "ok"}
    fields.update(what(said["action"], "start" if entering else "end", "failure" if failed else "success",
                       "authentication"))  # fmt: skip
    fields.update(text.user(said.get("user")))


def _ruled(said: dict[str, str], module: str, fields: Fields) -> None:
    rule, action = text.given(said.get("rule")), said.get("action", "")
    text.put(fields, [("rule.name", rule)])
    if action:
        denied = any(part in _DENIED for part in action.lower().replace(",", ";").split(";"))
        fields["event.type"] = ("denied",) if denied else ("allowed",)
        fields["event.outcome"] = "failure" if denied else "success"
    if said.get("cmd") in {"throttle", "reject", "error"}:
        fields["event.type"] = ("error",) if said["cmd"] == "error" else ("denied",)
        text.put(fields, [("event.reason", said.get("err"))])
    if (version := said.get("version", "")).startswith("TLSv") and module in {"tls", "session"}:
        fields |= {"tls.version_protocol": "tls", "tls.version": version[4:], "tls.established": True}
        text.put(fields, [("tls.cipher", said.get("cipher"))])
    if module == "regulation" and rule:
        fields["event.kind"] = "alert"
    virus = text.given(said.get("virusname") or (said.get("name") if module == "av" else None))
    infected = module == "av" and rule not in {None, "clean"}
    if virus or infected:
        fields |= {"event.kind": "alert", "event.category": ("email", "malware")}
        text.put(fields, [("proofpoint.virus", virus), ("rule.name", virus)])


def _json(said: Mapping[str, object], raw: Raw) -> Iterator[Fields]:
    found = False
    for name, action in _TAP.items():
        listed = next((one for key, one in said.items() if key.lower() == name), None)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict):
                found = True
                yield _tap(one, action)
    if found:
        return
    if "GUID" in said or "clickIP" in said:
        kind = str(said.get("eventType") or said.get("type") or said.get("event_type") or "").lower()
        action = _TAP.get(kind) or ("tap_click" if "clickTime" in said or "clickIP" in said else "tap_message")
        yield _tap(said, action)
    elif "envelope" in said or "sm" in said or "guid" in said:
        yield _pod(said, raw)
    elif any(name.lower() in _TAP for name in said):
        yield {"event.action": "tap_nothing_new", "event.dataset": "proofpoint.tap"}
    else:
        raise ParseError("JSON, but neither of TAP nor of PoD")


def _unfolded(told: Mapping[str, str]) -> dict[str, object]:
    """Return TAP's structured data with the lists and objects that stand in it as JSON."""
    found: dict[str, object] = {}
    for name, value in told.items():
        found[name] = value
        if value[:1] == "[" and value[-1:] == "]":
            try:
                found[name] = structured.json_object(f'{{"_":{value}}}')["_"]
            except ParseError:
                continue
    return found


def _tap(said: Mapping[str, object], action: str) -> Fields:
    click = "click" in action
    flat = document.flat(said)
    one = {name: str(value[0] if isinstance(value, tuple) else value) for name, value in flat.items()}
    fields: Fields = {"event.kind": "alert", "event.action": action, "event.dataset": "proofpoint.tap"}
    fields["observer.product"] = "Targeted Attack Protection"
    denied = action.endswith("blocked")
    passed = action.endswith(("permitted", "delivered"))
    kind = "denied" if denied else "allowed" if passed else "info"
    fields |= {"event.category": ("web",) if click else ("email",)}
    fields["event.type"] = ("access", kind) if click and kind != "info" else (kind,)
    fields.update(document.below("proofpoint", {name: value for name, value in said.items() if name != "GUID"}))
    threats = [threat for threat in _objects(said.get("threatsInfoMap")) if "threat" in threat]
    text.put(fields, [
        ("event.id", one.get("id") or one.get("GUID")), ("proofpoint.guid", one.get("GUID")),
        ("email.local_id", one.get("QID")), ("email.subject", one.get("subject")),
        ("email.message_id", one.get("messageID", "").strip("<>")), ("email.x_mailer", one.get("xmailer")),
        ("email.from.address", addresses([one.get("sender") or one.get("fromAddress", "")])),
        ("email.reply_to.address", addresses([one.get("replyToAddress") or one.get("headerReplyTo", "")])),
        ("email.to.address", addresses(map(str, maillog.several(flat.get("recipient"))))),
        ("email.cc.address", addresses(map(str, maillog.several(flat.get("ccAddresses"))))),
        ("rule.name", text.given(one.get("quarantineRule"))), ("user_agent.original", one.get("userAgent")),
        ("threat.indicator.name", str(threats[0]["threat"]) if threats else None),
    ])  # fmt: skip
    for name in ("clickTime", "messageTime") if click else ("messageTime",):
        if stamp := _moment(one.get(name)):
            fields["@timestamp"] = stamp
            break
    if click:
        names.url(fields, one["url"]) if one.get("url") else None
        fields.update(text.user(one.get("recipient")))
        maillog.endpoint(fields, "source", one.get("clickIP"))
        text.put(fields, [("proofpoint.sender_ip", text.address(one.get("senderIP")))])
    else:
        maillog.endpoint(fields, "source", one.get("senderIP"))
        _attached(_objects(said.get("messageParts")), fields)
        if any(str(threat.get("classification")).lower() == "malware" for threat in threats):
            fields["event.category"] = ("email", "malware")
    return fields


def _attached(parts: Sequence[Mapping[str, object]], fields: Fields) -> None:
    """Set what the attachment is called, and its digests: of several the first that is a threat, else the first."""
    parts = [part for part in parts if part.get("disposition", "attached") == "attached"]
    part = next((part for part in parts if part.get("sandboxStatus") == "threat"), parts[0] if parts else {})
    for field, *keys in (("name", "filename", "detectedName", "labeledName"), ("hash.md5", "md5"),
                         ("hash.sha256", "sha256"), ("mime_type", "contentType", "detectedMime")):  # fmt: skip
        value = next((str(part[key]) for key in keys if part.get(key)), None)
        text.put(fields, [(f"email.attachments.file.{field}", value), (f"file.{field}", value)])


def _pod(said: Mapping[str, object], raw: Raw) -> Fields:
    """Read a record of Proofpoint on Demand: a message (`envelope`, `filter`), or a line of Sendmail's (`sm`)."""
    flat = document.flat(said)
    fields: Fields = {"event.category": ("email",), "event.type": ("info",), "event.dataset": "proofpoint.pod"}
    fields["observer.product"] = "Email Protection"
    fields.update(document.below("proofpoint", {name: one for name, one in said.items() if name not in {"data", "ts"}}))
    if stamp := _moment(str(flat.get("ts", "")), raw.zone):
        fields["@timestamp"] = stamp

    def first(*names_: str) -> str | None:
        for name in names_:
            for value in maillog.several(flat.get(name)):
                return str(value)
        return None

    text.put(fields, [
        ("email.local_id", first("filter.qid", "sm.qid")), ("email.subject", first("msg.header.subject")),
        ("email.message_id", (first("msg.header.message-id", "sm.msgid") or "").strip("<>")),
        ("email.from.address", addresses([first("envelope.from", "sm.from") or ""])),
        ("email.to.address", addresses(str(one) for name in ("envelope.rcpts", "sm.to")
                                       for one in maillog.several(flat.get(name)))),
        ("email.direction", first("filter.routeDirection")), ("rule.name", first("filter.quarantine.rule")),
        ("event.action", first("filter.disposition")), ("host.name", first("pps.agent")),
        ("tls.cipher", first("connection.tls.inbound.cipher")), ("event.id", first("guid", "id")),
    ])  # fmt: skip
    maillog.endpoint(fields, "source", first("connection.ip"), None, first("connection.host"))
    fields.update(sendmail.became(first("sm.stat") or ""))
    action = str(fields.get("event.action", "")).lower()
    if "filter" in said and action:
        fields["event.type"] = ("denied",) if action in _DENIED else ("allowed",)
        fields["event.outcome"] = "success"
    _attached(_objects(said.get("msgParts")), fields)
    return fields


def _objects(value: object) -> list[Mapping[str, object]]:
    return [one for one in value[:200] if isinstance(one, dict)] if isinstance(value, list) else []


def _moment(value: str | None, zone: str = "UTC") -> str | None:
    try:
        return when.iso(when.rfc3339(value or "", zone))
    except ParseError:
        return None
