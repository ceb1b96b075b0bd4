"""Reads MailScanner: `Message <id> from <address> (<sender>) to <domains> is spam, …`, and what it found in files."""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, maillog, names, syslog, text
from sentinel.pack.maillog import what

MESSAGE_MAX = 8_192
_ID = r"(?P<id>[0-9A-Za-z][0-9A-Za-z.-]{4,40})"
_JUDGED = re.compile(
    rf"Message {_ID} from (?P<ip>[0-9A-Fa-f:.]{{2,45}}) \((?P<from>.{{0,500}})\) to (?P<to>[^\s()]{{1,2000}})"
    r" (?P<said>.{2,4000})",
    re.DOTALL,
)
_SCORE = re.compile(r"\b(?:score|Wertung)=(-?\d{1,5}(?:\.\d{1,6})?)")
_REQUIRED = re.compile(r"\b(?:required|ben(?:\xf6|oe)tigt|erforderlich) (-?\d{1,5}(?:\.\d{1,6})?)")
_TEST = re.compile(r", ([A-Z][A-Z0-9_]{1,60}) -?\d")
_ACTIONS = re.compile(
    rf"(?:MCP |High Scoring )?(?:Spam|Non-spam|Ham) Actions: message {_ID} actions are "
    r"(?P<actions>[\w,\" :-]{1,300})",
    re.IGNORECASE,
)
_FOUND = re.compile(
    r"(?:(?P<scanner>Clamd|ClamAVModule|ClamAV|Sophos|[\w-]{1,40})::INFECTED::? ?(?P<name>[^\s:]{1,255}) ?::"
    r" ?\./(?P<id>[\w.-]{5,40})(?:/(?P<file>.{1,512}?))?/?"
    r"|(?P<path>/?.{1,1024}): (?P<name2>[^\s:()]{1,255}) FOUND)",
    re.DOTALL,
)
_INFECTED = re.compile(rf"Infected message {_ID} (?:came )?from (?P<ip>[0-9A-Fa-f:.]{{2,45}})")
_BANNED = re.compile(
    rf"File(?:name|type) (?:Checks|Rules): (?P<rule>.{{1,300}}) \({_ID} (?P<file>.{{1,512}})\)", re.DOTALL
)
_PHISHING = re.compile(
    r"(?:Phishing|Found phishing|Found ip-based phishing).{0,40}?from (?P<from>\S{1,1000}) claiming to be"
    rf" (?P<as>.{{1,1000}}) in {_ID}"
)
_REQUEUED = re.compile(r"Requeue: (?P<old>[\w-]{5,40}(?:\.\w{3,8})?) to (?P<new>[\w-]{5,40})")
_SAVED = re.compile(
    r"Saved (?:entire message|infected \"(?P<file>.{1,512})\"|\".{1,512}\") to (?P<path>/.{1,1024})", re.DOTALL
)
_CONTENT = re.compile(rf"Content Checks: .{{1,300}}? in {_ID} from (?P<from>\S{{1,500}})")
_LOGGED = re.compile(
    r"(?:Logging message )?(?P<id>[0-9A-Za-z][0-9A-Za-z.-]{7,40})(?: to SQL|: Logged to MailWatch SQL)"
)
_VERSION = re.compile(r"MailScanner (?:E-Mail Virus Scanner|Email Processor) version (\S{1,40}) starting.*")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.app is None:
        raise ParseError("no program name: not a line of MailScanner")
    fields = syslog.fields(line)
    fields |= {"observer.vendor": "MailScanner", "observer.product": "MailScanner", "observer.type": "mail"}
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    _read(line.message[:MESSAGE_MAX].strip(), fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    if judged := _JUDGED.fullmatch(message):
        _judged(judged, fields)
    elif (found := _FOUND.fullmatch(message)) or (found := _INFECTED.fullmatch(message)):
        fields.update(what("malware_found", category="email malware") | {"event.kind": "alert"})
        said = found.groupdict()
        name = said.get("name") or said.get("name2")
        text.put(fields, [
            ("rule.name", name), ("mailscanner.virus", name), ("email.local_id", said.get("id")),
            ("mailscanner.scanner", said.get("scanner")), ("file.name", said.get("file")),
            ("file.path", said.get("path")),
        ])  # fmt: skip
        names.file(fields)
        maillog.endpoint(fields, "source", said.get("ip"))
    elif banned := _BANNED.fullmatch(message):
        fields.update(what("attachment_banned", "denied", category="email"))
        fields |= {"email.local_id": banned["id"], "file.name": banned["file"], "event.reason": banned["rule"]}
    elif phishing := _PHISHING.fullmatch(message):
        fields.update(what("phishing_found") | {"event.kind": "alert"})
        fields |= {"email.local_id": phishing["id"], "mailscanner.phishing_host": phishing["from"]}
        fields["mailscanner.claims_to_be"] = phishing["as"]
    else:
        _other(message, fields)


def _judged(found: re.Match[str], fields: Fields) -> None:
    said = found["said"]
    spam = said.lower().startswith(("is spam", "is definitely spam", "is blacklisted", "ist spam"))
    clean = said.lower().startswith(("is not spam", "is whitelisted", "ist kein"))
    fields.update(what("spam_identified" if spam else "mail_clean" if clean else "mail_checked", outcome="success"))
    maillog.endpoint(fields, "source", found["ip"])
    fields["email.local_id"] = found["id"]
    text.put(fields, [("email.from.address", maillog.addresses([found["from"]]))])
    text.put(fields, [("email.to.address", maillog.addresses(one for one in found["to"].split(",") if "@" in one))])
    fields |= {"mailscanner.to": found["to"], "event.reason": said}
    text.put(fields, [("mailscanner.spam", "yes" if spam else "no" if clean else None)])
    for name, form in (("score", _SCORE), ("required", _REQUIRED)):
        if number := form.search(said):
            fields[f"mailscanner.{name}"] = float(number[1])
    text.put(fields, [("mailscanner.tests", tuple(dict.fromkeys(_TEST.findall(said)))[:200])])


def _other(message: str, fields: Fields) -> None:
    if actions := _ACTIONS.fullmatch(message):
        fields.update(what("mail_handled"))
        fields["email.local_id"] = actions["id"]
        text.put(fields, [("mailscanner.actions", tuple(filter(None, actions["actions"].split(","))))])
    elif requeued := _REQUEUED.match(message):
        fields.update(what("mail_requeued"))
        fields |= {"email.local_id": requeued["old"].partition(".")[0], "mailscanner.queued_as": requeued["new"]}
    elif saved := _SAVED.fullmatch(message):
        fields.update(what("mail_quarantined"))
        text.put(fields, [("file.name", saved["file"]), ("mailscanner.quarantine", saved["path"])])
    elif content := _CONTENT.fullmatch(message):
        fields.update(what("mail_disarmed" if "disarmed" in message else "content_found"))
        fields["email.local_id"] = content["id"]
        text.put(fields, [("email.from.address", maillog.addresses([content["from"]]))])
    elif logged := _LOGGED.fullmatch(message):
        fields["email.local_id"] = logged["id"]
    elif version := _VERSION.fullmatch(message):
        fields.update(what("mail_filter", "start", category="process") | {"observer.version": version[1]})
    text.put(fields, [("event.reason", message)])
