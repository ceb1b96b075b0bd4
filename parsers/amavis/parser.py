"""Reads Amavis: `(01234-05) Blocked SPAM {…}, [ip]:port [ip] <from> -> <to>, Queue-ID: …, Hits: …`, and its JSON.

Banned parts, addresses, message ids and subjects are a stranger's: what could be read in two ways is not read, and of
what follows the message's id a name counts only if it stands there once.
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, document, maillog, structured, syslog, text, when

MESSAGE_MAX = 16_384
_LOG_ID = re.compile(r"\((\d{1,10}-\d{1,6}(?:-\d{1,6})?)\) ")
_VERDICT = re.compile(
    r"(?P<did>Passed|Blocked|Not-Delivered) (?P<what>[A-Z][A-Z-]{1,30}?(?:-\d{1,2})?)(?: \((?P<names>.{0,2000}?)\))?"
    r"(?: \{(?P<acts>[\w, ]{0,300})\})?, (?=(?:[\w/.-]{1,40} ){0,4}(?:\[|<))",
    re.DOTALL,
)
_END_OF_NAMES = re.compile(r"\)(?: \{[\w, ]{0,300}\})?, (?=(?:[\w/.-]{1,40} ){0,4}(?:\[|<))")
_IP = r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]"
_ADDRESS = r'<(?:"(?:[^"\\]|\\.){0,500}"|[^<>"]){0,1000}>'
_ENVELOPE = re.compile(
    rf"(?P<banks>(?:[\w/.-]{{1,40}} ){{0,4}}?)(?:LOCAL )?(?:{_IP}(?::(?P<port>\d{{1,5}}))? )?(?:{_IP} )?"
    rf"(?P<from>{_ADDRESS}) -> (?P<to>{_ADDRESS}(?:,{_ADDRESS}){{0,500}})"
)
_EACH = re.compile(_ADDRESS)
_NAME = re.compile(
    r", (?:(quarantine|Queue-ID|Message-ID|Resent-Message-ID|mail_id|Hits|size|pt|queued_as|Subject|From|User-Agent"
    r"|X-Mailer|helo|Tests|shortcircuit|autolearn|autolearnscore|languages|dkim_sd|dkim_new|relaycountry)(?:: |=)"
    r"|(?=\d{1,9} ms))"
)
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,6})?")
_ELAPSED = re.compile(r", (\d{1,9})(?:/\d{1,9})? ms(?:$|, )")
_SCAN = re.compile(
    r"(?:virus_scan: |run_av \([^()]{1,80}\): .{0,200}? INFECTED: |INFECTED[: ]|p\.path .{0,200} infected by )"
    r"\(?(?P<names>[^(),]{1,300}(?:, ?[^(),]{1,300}){0,20})\)?(?:, detected by \d{1,3} scanners?: (?P<by>.{1,300}))?"
)
_CHECK = re.compile(
    rf"(?:Checking|spam-tag|SPAM-TAG|SPAM|BAD HEADER|Blocked \w+)[,:]? (?:[\w-]{{8,40}} )?(?:[\w/]{{1,40}} )*?"
    rf"(?:{_IP} )?(?P<from>{_ADDRESS}) -> (?P<to>{_ADDRESS}(?:,{_ADDRESS}){{0,500}})"
)
_SENT = re.compile(
    rf"(?:FWD|SEND) (?:from|via SMTP:?) (?P<from>{_ADDRESS}) -> (?P<to>{_ADDRESS}(?:,{_ADDRESS}){{0,500}})"
)
_QUEUED = re.compile(r" queued as (\w{5,30})\b")
_SCORE = re.compile(r"score=(-?\d{1,6}(?:\.\d{1,6})?)")
_PLACES = {
    "quarantine": "amavis.quarantine", "Queue-ID": "email.local_id", "Message-ID": "email.message_id",
    "mail_id": "amavis.mail_id", "size": "amavis.size", "queued_as": "amavis.queued_as", "Subject": "email.subject",
    "helo": "amavis.helo", "Tests": "amavis.tests", "dkim_sd": "amavis.dkim", "User-Agent": "email.x_mailer",
    "X-Mailer": "email.x_mailer", "autolearn": "amavis.autolearn", "pt": "amavis.partition",
}  # fmt: skip
_JSON = {
    "queue_id": "email.local_id", "message_id": "email.message_id", "subject": "email.subject",
    "mail_id": "amavis.mail_id", "log_id": "amavis.log_id", "size": "amavis.size", "message_size": "amavis.size",
    "host": "host.name", "quarantine": "amavis.quarantine", "user_agent": "email.x_mailer",
    "protocol": "amavis.protocol",
}  # fmt: skip
_DROPPED = frozenset({*_JSON, "@timestamp", "time_unix", "type", "mail_from", "rcpt_to", "score"})
_WAYS = {"Inbound": "inbound", "Outbound": "outbound", "Internal": "internal"}
_ALERTS = {"INFECTED": "malware", "BANNED": "malware", "VIRUS": "malware"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    message = line.message.strip()
    fields = syslog.fields(line)
    if line.app is None and message[:1] != "{":
        raise ParseError("no program name: not a line of Amavis")
    fields |= {"observer.vendor": "Amavis", "observer.product": "amavisd", "observer.type": "mail"}
    if message[:1] == "{":
        _report(structured.json_object(message), fields, raw)
        yield fields
        return
    if log_id := _LOG_ID.match(message):
        fields["amavis.log_id"] = log_id[1]
        message = message[log_id.end() :]
    if message.startswith(("(!)", "(!!)")):
        fields["log.level"] = "error"
        message = message.partition(")")[2].lstrip()
    _read(message[:MESSAGE_MAX], fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    if verdict := _VERDICT.match(message):
        _verdict(verdict, message, fields)
    elif scan := _SCAN.match(message):
        fields.update(maillog.what("malware_found", category="email malware") | {"event.kind": "alert"})
        names = tuple(dict.fromkeys(one.strip() for one in scan["names"].split(",") if one.strip()))
        _virus(names, fields)
        text.put(fields, [("amavis.scanner", scan["by"])])
    elif found := _SENT.match(message) or _CHECK.match(message):
        sent = found.re is _SENT
        fields["event.action"] = "mail_forwarded" if sent else "mail_checked"
        _addresses(found, fields)
        if not sent:
            maillog.endpoint(fields, "source", found[1])
        if queued := _QUEUED.search(message, found.end()):
            fields["amavis.queued_as"] = queued[1]
        if score := _SCORE.search(message, found.end()):
            fields["amavis.score"] = float(score[1])
    elif message:
        fields["event.reason"] = message


def _verdict(found: re.Match[str], message: str, fields: Fields) -> None:
    passed = found["did"] == "Passed"
    fields.update(maillog.what("mail_passed" if passed else "mail_blocked", outcome="success"))
    verdict = found["what"]
    names, acts = found["names"], found["acts"] or ""
    kind = _ALERTS.get(verdict)
    fields["event.type"] = ("info", "allowed" if passed else "denied")
    if kind:
        fields |= {"event.kind": "alert", "event.category": ("email", kind)}
    fields |= {"amavis.action": found["did"], "amavis.verdict": verdict}
    text.put(fields, [("amavis.actions", tuple(part.strip() for part in acts.split(",") if part.strip()))])
    way = next((way for word, way in _WAYS.items() if word in acts), None)
    text.put(fields, [("email.direction", way)])
    doubtful = verdict == "BANNED" and len(_END_OF_NAMES.findall(message)) > 1
    if names and verdict == "INFECTED":
        _virus(tuple(one.strip() for one in names.split(",") if one.strip()), fields)
    elif names and not doubtful:
        fields["amavis.banned"] = names
    if doubtful or not (envelope := _ENVELOPE.match(message, found.end())):
        return
    maillog.endpoint(fields, "source", envelope[2], envelope["port"])
    text.put(fields, [("amavis.origin_ip", text.address(envelope[4]))])
    text.put(fields, [("amavis.policy_banks", envelope["banks"].strip().removesuffix("LOCAL").strip())])
    _addresses(envelope, fields)
    _tail(message[envelope.end() :], fields)


def _tail(tail: str, fields: Fields) -> None:
    """Set what follows the addresses; behind the message's id a name that stands twice may be a stranger's."""
    names = list(_NAME.finditer(tail))
    counted = [one[1] for one in names]
    behind = False
    for at, one in enumerate(names):
        value = tail[one.end() : names[at + 1].start() if at + 1 < len(names) else len(tail)]
        if one[1] is None or (behind and counted.count(one[1]) > 1):
            continue
        behind = behind or one[1] == "Message-ID"
        _named(one[1], value.rstrip(","), fields)
    if elapsed := _ELAPSED.search(tail[-40:]):
        fields["amavis.elapsed_ms"] = elapsed[1]


def _named(name: str, value: str, fields: Fields) -> None:
    if name == "Hits":
        if _NUMBER.fullmatch(value):
            fields["amavis.score"] = float(value)
        return
    field = _PLACES.get(name)
    if field is None or field in fields or text.given(value) is None:
        return
    if name == "Tests":
        fields[field] = tuple(part for part in value.strip("[]").split(",") if part)[:200] or value
    elif name in {"Message-ID", "Subject", "User-Agent", "X-Mailer"}:
        bare = value.strip('"') if name != "Message-ID" else value.removeprefix("<").removesuffix(">")
        text.put(fields, [(field, bare)])
    else:
        fields[field] = value


def _addresses(found: re.Match[str], fields: Fields) -> None:
    pairs = [("email.from.address", maillog.addresses([found["from"]]))]
    text.put(fields, [*pairs, ("email.to.address", maillog.addresses(_EACH.findall(found["to"])))])


def _virus(names: tuple[str, ...], fields: Fields) -> None:
    if names:
        fields |= {"amavis.virus": names, "rule.name": names[0]}


def _report(said: Mapping[str, object], fields: Fields, raw: Raw) -> None:
    """Read the JSON report ($log_templ = '[:report_json]')."""
    flat = document.flat(said)
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    fields.update(document.below("amavis", {name: one for name, one in said.items() if name not in _DROPPED}))
    for name, field in _JSON.items():
        value = flat.get(name)
        if not isinstance(value, tuple) and value is not None:
            bare = str(value)
            text.put(fields, [(field, bare.removeprefix("<").removesuffix(">") if name == "message_id" else bare)])
    try:
        fields["@timestamp"] = when.iso(when.rfc3339(str(flat["@timestamp"]), raw.zone))
    except (KeyError, ParseError):
        if "time_unix" in flat and not isinstance(flat["time_unix"], tuple | bool):
            fields["@timestamp"] = when.iso(when.epoch(flat["time_unix"]))
    sender, to = (maillog.addresses(map(str, maillog.several(flat.get(name)))) for name in ("mail_from", "rcpt_to"))
    text.put(fields, [("email.from.address", sender), ("email.to.address", to or _recipients(said))])
    address = next((str(flat[name]) for name in ("client_ip", "client_addr", "src_ip") if name in flat), None)
    maillog.endpoint(fields, "source", address, str(flat.get("client_port", "")))
    score = flat.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool) and abs(score) < 1e6:
        fields["amavis.score"] = float(score)
    actions = {str(one).upper() for one in maillog.several(flat.get("action"))}
    if actions:
        passed = bool(actions & {"PASS", "PASSED"})
        fields.update(maillog.what("mail_passed" if passed else "mail_blocked", outcome="success"))
        fields["event.type"] = ("info", "allowed" if passed else "denied")
    verdict = str(flat.get("content_type", "")).upper()
    text.put(fields, [("amavis.verdict", verdict)])
    names = maillog.several(flat.get("virusname") or flat.get("virus"))
    if names or verdict in _ALERTS:
        fields |= {"event.kind": "alert", "event.category": ("email", "malware")}
        _virus(tuple(map(str, names)), fields)


def _recipients(said: Mapping[str, object]) -> tuple[str, ...]:
    listed = said.get("recipients")
    each = listed if isinstance(listed, list) else []
    return maillog.addresses(str(one["rcpt_to"]) for one in each[:200] if isinstance(one, dict) and "rcpt_to" in one)
