"""Reads Mimecast: `datetime=…|aCode=…|acc=…` of receipt, process, delivery, AV and TTP logs, as JSON, as CEF; audit.

A value may hold a bar: a pair begins behind one only where a name and a sign follow, and the first of a name counts.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    cef,
    document,
    kv,
    mapping,
    names,
    structured,
    syslog,
    text,
    when,
)
from sentinel.pack.maillog import addresses, what

MESSAGE_MAX = 65_536
_NAME = re.compile(r"(?:^|\|)([A-Za-z][\w -]{0,60})=")
_PLACES = {
    "senderaddress": "email.from.address", "recipientaddress": "email.to.address", "policy": "rule.name",
    "policydefinition": "rule.name", "sender": "email.from.address",
    "senderenvelope": "email.from.address", "rcpt": "email.to.address",
    "recipient": "email.to.address", "recipients": "email.to.address", "receipient": "email.to.address",
    "subject": "email.subject", "msgid": "email.message_id", "messageid": "email.message_id",
    "acode": "email.local_id", "processingid": "email.local_id",
    "ip": "source.ip", "sourceip": "source.ip", "senderip": "source.ip", "virus": "rule.name",
    "virusfound": "rule.name", "definition": "rule.name", "filename": "email.attachments.file.name",
    "sha256": "email.attachments.file.hash.sha256", "sha1": "email.attachments.file.hash.sha1",
    "md5": "email.attachments.file.hash.md5", "filemime": "email.attachments.file.mime_type",
    "fileext": "email.attachments.file.extension", "fileextension": "email.attachments.file.extension",
    "cphr": "tls.cipher", "tlscipher": "tls.cipher", "host": "destination.domain", "destinationip": "destination.ip",
}  # fmt: skip
_SET = mapping.setters({name: place for name, place in _PLACES.items() if place != "email.to.address"})
_HOMES = frozenset({*_PLACES, "datetime", "timestamp", "url", "dir", "direction", "route"})
_MANY = frozenset({"email.from.address", "email.to.address"})
_WAYS = {"inbound": "inbound", "outbound": "outbound", "internal": "internal"}
_ALLOWED = frozenset({"acc", "allow", "allowed", "none", "continue", "deliver", "delivered", "clean", "permit"})
_DENIED = frozenset({"rej", "reject", "rejected", "block", "blocked", "hold", "held", "hld", "bnc", "bounce", "drop"})
_AUDITED = {
    "account_logs": ("iam", "change"), "profile_group_logs": ("iam", "group change"), "user_account_and_role_logs":
    ("iam", "user change"), "message_action_logs": ("email", "info"), "case_review_logs": ("email", "access"),
    "archive_service_logs": ("email", "access"), "reporting_logs": ("api", "access"),
    "mimecast_access_logs": ("authentication", "start"),
}  # fmt: skip
_LOGON = re.compile(r"(?i)log(?:ged|in|on)|authentication|sign(?:ed)? ?in")
_IP = re.compile(r"(?i)\bIP(?: Address)?: ?([0-9A-Fa-f:.]{2,45})(?:,|;|\s|$)")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record."""
    line = syslog.read(raw)
    message = line.message.strip()
    fields = syslog.fields(line)
    whole = text.decode(raw.body).strip()
    if whole.startswith("datetime="):
        message, fields = whole, {}
    fields |= {"observer.vendor": "Mimecast", "observer.product": "Email Security", "observer.type": "mail"}
    if "CEF:" in message or "CEF:" in whole[:400]:
        _cef(whole, fields, raw)
    elif message[:1] == "{":
        said = structured.json_object(message)
        fields.pop("message", None)
        (_audit if "auditType" in said else _record)(said, fields, raw)
    else:
        pairs = _pairs(message[max(message.find("datetime="), 0) :][:MESSAGE_MAX])
        if "datetime" not in pairs:
            raise ParseError("neither JSON nor `datetime=`: not a record of Mimecast")
        _record(pairs, fields, raw)
    yield fields


def _cef(whole: str, fields: Fields, raw: Raw) -> None:
    """Read what Mimecast or a collector of its writes as CEF: the names of the extension are CEF's."""
    record = cef.read(whole)
    found = cef.fields(record, raw.received, raw.zone, "mimecast.")
    for side, place in (("source", "from"), ("destination", "to")):
        named = [found.pop(f"{side}.user.{part}", None) for part in ("name", "domain")]
        if all(named):
            found[f"email.{place}.address"] = ("@".join(map(str, named)),)
    for part in ("name", "domain"):
        found.pop(f"user.{part}", None)
    found.pop("observer.product", None)
    fields.update(found)
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    said = record.extension
    low = {
        "action": said.get("act", ""),
        "eventtype": record.signature or record.name,
        "reason": said.get("reason", ""),
    }
    if "url.original" in fields:
        low |= {"url": str(fields["url.original"]), "urlcategory": said.get("cat", "")}
    fields.pop("event.action", None)
    _verdict(low, fields)


def _pairs(message: str) -> dict[str, str]:
    """Return the pairs; of those behind the subject, which is a stranger's, a name that stands there twice is none."""
    before, _, behind = message.partition("|Subject=")
    told = Counter(_NAME.findall(behind))
    sure = set(_NAME.findall(before))
    return {name: value for name, value in kv.cut(message, _NAME).items() if told[name] < 2 or name in sure}


def _record(said: Mapping[str, object], fields: Fields, raw: Raw) -> None:
    flat = {name: text.given(_text(value).strip('"')) for name, value in document.flat(said).items()}
    low = {name.lower().replace("_", ""): value for name, value in flat.items() if value is not None}
    _time(low, fields, raw)
    fields.update(document.below("mimecast", {name: one for name, one in said.items() if name.lower() not in _HOMES}))
    fields["event.category"], fields["event.type"] = ("email",), ("info",)
    for name, value in low.items():
        if name in _SET and _PLACES[name] not in _MANY:
            _SET[name](fields, value.strip("<>") if name in {"msgid", "messageid"} else value.strip("\\"))
    sender = low.get("sender") or low.get("senderenvelope") or low.get("senderaddress") or ""
    recipients = (
        low.get("rcpt")
        or low.get("recipientaddress")
        or low.get("recipient")
        or low.get("recipients")
        or low.get("receipient")
        or ""
    )
    text.put(fields, [("email.from.address", addresses([sender]))])
    text.put(fields, [("email.to.address", addresses(re.split(r"[,;]", recipients)))])
    text.put(fields, [("email.direction", _WAYS.get(_way(low)))])
    version = low.get("tlsver") or low.get("tlsversion") or ""
    if version.lower().startswith("tlsv"):
        fields |= {"tls.version_protocol": "tls", "tls.version": version[4:], "tls.established": True}
    for name in ("name", "extension", "mime_type", "hash.md5", "hash.sha1", "hash.sha256"):
        text.put(fields, [(f"file.{name}", fields.get(f"email.attachments.file.{name}"))])
    _delivery(low, fields)
    _verdict(low, fields)


def _way(low: Mapping[str, str]) -> str:
    return (low.get("dir") or low.get("direction") or low.get("route") or "").lower()


def _delivery(low: Mapping[str, str], fields: Fields) -> None:
    """In the log of deliveries `IP` is the server that the mail went to."""
    if "delivered" not in low and low.get("eventtype") != "delivery":
        return
    done = str(low.get("delivered", "")).lower() == "true"
    fields.update(what("mail_sent" if done else "mail_deferred", outcome="success" if done else "unknown"))
    if "destination.ip" not in fields and "source.ip" in fields and "ip" in low:
        fields["destination.ip"] = fields.pop("source.ip")
    text.put(
        fields,
        [("event.reason", low.get("receiptack") or low.get("deliveryerrors") or low.get("err") or low.get("rejinfo"))],
    )


def _verdict(low: Mapping[str, str], fields: Fields) -> None:
    action = low.get("act") or low.get("action") or low.get("actiontriggered") or low.get("subtype") or ""
    text.put(fields, [("event.reason", low.get("rejinfo") or low.get("rejectioninfo") or low.get("hld")
                       or low.get("reason"))] if "event.reason" not in fields else [])  # fmt: skip
    words = set(re.split(r"[\s,;|]+", action.lower()))
    denied = bool(words & _DENIED) or "rejtype" in low or "rejectiontype" in low
    held = "hld" in words or "hold" in words
    if "event.action" not in fields:
        name = "mail_held" if held else "mail_rejected" if denied else "mail_received"
        fields["event.action"] = name if action else low.get("eventtype", "mail_seen")
    if denied or words & _ALLOWED:
        fields["event.type"] = ("denied",) if denied else ("allowed",)
        fields.setdefault("event.outcome", "failure" if denied else "success")
    if "virus" in low or "virusfound" in low:
        fields |= {"event.kind": "alert", "event.category": ("email", "malware")}
        if not action:
            fields["event.action"] = "malware_found"
    elif "scanresultinfo" in low or low.get("eventtype") == "internal email protect":
        fields |= {"event.kind": "alert", "event.action": "internal_email_protect"}
        text.put(fields, [("event.reason", low.get("scanresultinfo") or low.get("scanresults"))])
        if "url" in low:
            names.url(fields, low["url"])
    elif ("policy" in low and "senderaddress" in low) or low.get("eventtype") == "dlp":
        fields |= {"event.kind": "alert", "event.action": "dlp_matched"}
    elif low.get("rcptacttype") == "Jnl" or low.get("eventtype") == "journal":
        fields["event.action"] = "mail_journaled"
    elif low.get("eventtype") == "attachment protect" and not action:
        fields["event.action"] = "attachment_checked"
    elif low.get("eventtype") == "spam" and not action:
        fields["event.action"] = "spam_found"
    elif "url" in low and ("urlcategory" in low or "reason" in low or "scanresult" in low):
        bad = low.get("reason", low.get("scanresult", "clean")).lower() != "clean"
        fields |= {"event.category": ("web",), "event.action": "url_blocked" if denied else "url_opened"}
        fields["event.type"] = ("access", "denied" if denied else "allowed")
        fields["event.kind"] = "alert" if bad else "event"
        names.url(fields, low["url"])
        fields.update(text.user(low.get("recipient") or low.get("rcpt") or low.get("recipients")))
    elif (
        "similarinternalusername" in low or "taggedmalicious" in low or low.get("eventtype") == "impersonation protect"
    ):
        fields["event.kind"] = "alert"


def _audit(said: Mapping[str, object], fields: Fields, raw: Raw) -> None:
    """Read an event of the audit interface."""
    flat = {name: _text(value) for name, value in document.flat(said).items()}
    fields.update(document.below("mimecast", said) | {"event.dataset": "mimecast.audit"})
    fields["@timestamp"] = when.iso(when.rfc3339(flat.get("eventTime", ""), raw.zone))
    kind = flat.get("auditType", "")
    info = flat.get("eventInfo", "")
    login = _LOGON.search(kind) or flat.get("category") == "authentication_logs"
    category, kinds = _AUDITED.get(flat.get("category", ""), ("configuration", "change"))
    fields["event.category"] = ("authentication",) if login else (category,)
    fields["event.type"] = ("start",) if login else tuple(kinds.split())
    if login:
        fields["event.outcome"] = "failure" if re.search(r"(?i)fail|denied|invalid", kind) else "success"
    text.put(fields, [("event.action", kind), ("event.id", flat.get("id")), ("event.reason", info)])
    fields.update(text.user(flat.get("user")))
    places = [text.address(one.rstrip(".:")) for one in _IP.findall(info[:8_192])]
    text.put(fields, [("source.ip", places[0])] if len(set(places)) == 1 else [])


def _time(low: Mapping[str, str], fields: Fields, raw: Raw) -> None:
    written = low.get("datetime") or low.get("timestamp") or low.get("eventtime") or ""
    moment = when.epoch(written) if written.isdecimal() else when.rfc3339(written, raw.zone)
    fields["@timestamp"] = when.iso(moment)


def _text(value: object) -> str:
    one = value[0] if isinstance(value, tuple) else value
    return ",".join(map(str, value)) if isinstance(value, tuple) and len(value) > 1 else str(one)
