"""Reads SpamAssassin's spamd, by syslog (`spamd[1]: spamd: …`) or in its own file (`Mon Nov 23 … [pid] info: …`)."""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, maillog, stamps, syslog, text, when
from sentinel.pack.maillog import what

MESSAGE_MAX = 8_192
_OWN = re.compile(r"\s*\[(?P<pid>\d{1,10})\] (?P<level>dbg|info|warn|error): ")
_JUDGED = re.compile(
    r"(?P<what>identified spam|clean message) \((?P<score>-?\d{1,6}(?:\.\d{1,6})?)/"
    r"(?P<required>-?\d{1,6}(?:\.\d{1,6})?)\)"
    r" for (?P<user>.{1,256}):(?P<uid>\d{1,10}) in (?P<seconds>[\d.]{1,12}) seconds, (?P<size>\d{1,12}) bytes\.?",
    re.DOTALL,
)
_RESULT = re.compile(
    r"result: (?P<spam>[Y.]) +(?P<score>-?\d{1,6}) - (?P<tests>[A-Z0-9_,]{0,8000})(?: (?P<pairs>.*))?", re.DOTALL
)
_MESSAGE = re.compile(
    r"(?:processing|checking) message (?P<id><.{0,1000}>|\(unknown\))"
    r" for (?P<user>.{1,256}):(?P<uid>\d{1,10})",
    re.DOTALL,
)
_PEER = re.compile(
    r"(?:got )?connection from (?P<name>[^\s\[\]]{1,255}) \[(?P<ip>[0-9A-Fa-f:.]{2,45})\](?::(?P<port>\d{1,5}))?"
    r"(?: to port (?P<to>\d{1,5}))?.{0,100}"
)
_SETUID = re.compile(r"setuid to (?P<user>\S{1,256}) succeeded.*")
_PAIR = re.compile(
    r"(scantime|size|user|uid|required_score|rhost|raddr|rport"
    r"|bayes|autolearn|autolearnscore|shortcircuit)=([^,\s]{0,255})(?=,|$)"
)
_PLACES = {
    "scantime": "spamassassin.seconds", "size": "spamassassin.size", "bayes": "spamassassin.bayes",
    "autolearn": "spamassassin.autolearn", "uid": "user.id",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    message = line.message
    fields = syslog.fields(line)
    if line.app is None:
        stamp = stamps.find(message, raw.received, raw.zone, 2)
        if stamp is None or not (own := _OWN.match(message, stamp.end)):
            raise ParseError("neither spamd's name nor its own head: not a line of SpamAssassin")
        fields = {"@timestamp": when.iso(stamp.moment), "log.level": own["level"], "process.pid": int(own["pid"])}
        fields["process.name"] = "spamd"
        message = message[own.end() :]
        text.put(fields, [("message", message)])
    fields |= {"observer.vendor": "Apache", "observer.product": "SpamAssassin", "observer.type": "mail"}
    _read(message[:MESSAGE_MAX].removeprefix("spamd: ").rstrip(), fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    if judged := _JUDGED.fullmatch(message):
        spam = judged["what"].startswith("identified")
        fields.update(what("spam_identified" if spam else "mail_clean", outcome="success"))
        fields |= {"spamassassin.score": float(judged["score"]), "spamassassin.required": float(judged["required"])}
        fields |= {"spamassassin.spam": "yes" if spam else "no", "spamassassin.size": judged["size"]}
        fields |= {"spamassassin.seconds": judged["seconds"], "user.id": judged["uid"]}
        fields.update(_user(judged["user"]))
    elif result := _RESULT.fullmatch(message):
        spam = result["spam"] == "Y"
        fields.update(what("spam_identified" if spam else "mail_clean", outcome="success"))
        fields |= {"spamassassin.score": float(result["score"]), "spamassassin.spam": "yes" if spam else "no"}
        text.put(fields, [("spamassassin.tests", tuple(filter(None, result["tests"].split(",")))[:200])])
        _pairs(result["pairs"] or "", fields)
    elif found := _MESSAGE.fullmatch(message):
        fields.update(what("mail_checked"))
        message_id = found["id"][1:-1].partition("> aka <")[0] if found["id"][0] == "<" else None
        text.put(fields, [("email.message_id", message_id), ("user.id", found["uid"])])
        fields.update(_user(found["user"]))
    elif peer := _PEER.fullmatch(message):
        fields.update(what("connection", "connection start", category="network"))
        maillog.endpoint(fields, "source", peer["ip"], peer["port"], peer["name"])
        text.put(fields, [("destination.port", text.port(peer["to"]))])
    else:
        if setuid := _SETUID.fullmatch(message):
            fields.update(text.user(setuid["user"]))
        text.put(fields, [("event.reason", message)])


def _user(name: str | None) -> Fields:
    return {} if name == "(unknown)" else text.user(name)


def _pairs(said: str, fields: Fields) -> None:
    """Read the pairs of a result; behind the message's id they are read from the end, for it is a stranger's."""
    head, mid, rest = said.partition(",mid=")
    message_id, end, tail = rest.rpartition(">")
    pairs = dict(reversed(_PAIR.findall(head))) | dict(_PAIR.findall(tail if mid and end else ""))
    if mid and message_id[:1] == "<":
        text.put(fields, [("email.message_id", message_id[1:].partition(">,rmid=")[0])])
    text.put(fields, [(field, pairs.get(name)) for name, field in _PLACES.items()])
    fields.update(_user(pairs.get("user")))
    maillog.endpoint(fields, "source", pairs.get("raddr"), pairs.get("rport"), pairs.get("rhost"))
    required = pairs.get("required_score", "")
    if required.replace(".", "", 1).isdecimal() and len(required) < 12:
        fields["spamassassin.required"] = float(required)
