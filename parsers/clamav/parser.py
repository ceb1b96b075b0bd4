"""Reads ClamAV's programs: `/path/of/file: Signature FOUND`, what the milter found in a mail, new signatures.

A file's name is a stranger's: the signature is the last word before `FOUND`, and a signature holds no blank.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, names, stamps, syslog, text, when
from sentinel.pack.maillog import addresses, what

MESSAGE_MAX = 8_192
_FOUND = re.compile(
    r"(?P<path>.{1,4096}): (?P<name>[^\s:()]{1,255})"
    r"(?:\((?P<hash>[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}):(?P<size>\d{1,18})\))? FOUND",
    re.DOTALL,
)
_STREAM = re.compile(r"(?:instream\((?P<peer>[^()\s]{1,80})\)|fd\[\d{1,10}\]|stream \d{1,10}|stream)")
_MILTER = re.compile(
    r"Message (?:(?P<qid>[\w.-]{1,64}) )?(?:from <(?P<from>[^<>]{0,500})> )?(?:to <(?P<to>[^<>]{0,2000})> )?"
    r"(?:with subject '(?P<subject>.{0,998}?)' )?(?:message-id '(?P<id>.{0,998}?)' )?"
    r"(?:date '.{0,100}?' )?infected by (?P<name>\S{1,255}).*",
    re.DOTALL,
)
_UPDATED = re.compile(
    r"(?P<db>[\w-]{1,40}\.c[vlu]d) (?P<how>updated|database is up[- ]to[- ]date|is up to date) ?"
    r"\(version: (?P<version>\d{1,12}), sigs: (?P<sigs>\d{1,12}), .{1,100}\)"
)
_CLEAN = re.compile(
    r"Clean message (?:[\w.-]{1,64} )?from <(?P<from>[^<>]{0,500})> to <(?P<to>[^<>]{0,2000})>.*", re.DOTALL
)
_BROKEN = re.compile(r"(?P<path>/.{1,4096}): (?P<reason>[^:]{1,200}) ERROR", re.DOTALL)
_TROUBLE = re.compile(r"(?P<level>WARNING|ERROR|\^|!)(?::|(?<=[\^!])) ?(?P<said>.{1,2000})", re.DOTALL)
_VERSION = re.compile(r"(?:clamd daemon|freshclam daemon) (\d{1,3}\.\d{1,3}[\w.-]{0,20})(?: |$)")
_PROGRAMS = frozenset({"clamd", "freshclam", "clamonacc", "clamscan", "clamdscan"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    message = line.message
    fields = syslog.fields(line)
    known = line.app is not None and (line.app.startswith("clam") or line.app.partition("@")[0] in _PROGRAMS)
    if not known:
        message = text.decode(raw.body).rstrip("\r\n\0")
        fields = {}
    if line.timestamp is None or not known:
        stamp = stamps.find(message, raw.received, raw.zone, 2)
        if stamp is not None:
            fields["@timestamp"] = when.iso(stamp.moment)
            message = message[stamp.end :].removeprefix(" -> ").lstrip()
            text.put(fields, [("message", message)])
        elif not known and not _FOUND.fullmatch(message) and not message.endswith(": OK"):
            raise ParseError("neither ClamAV's name nor a time of its own: not a line of ClamAV")
    fields |= {"observer.vendor": "Cisco", "observer.product": "ClamAV", "observer.type": "antivirus"}
    _read(message[:MESSAGE_MAX].strip(), fields)
    yield fields


def _read(message: str, fields: Fields) -> None:
    message = message.removeprefix("ScanOnAccess: ")
    if found := _FOUND.fullmatch(message):
        fields.update(what("malware_found", category="malware file") | {"event.kind": "alert"})
        _signature(found["name"], fields)
        digest = found["hash"]
        if digest:
            fields[f"file.hash.{ {32: 'md5', 40: 'sha1', 64: 'sha256'}[len(digest)] }"] = digest
            fields["file.size"] = int(found["size"])
        _scanned(found["path"], fields)
    elif mail := _MILTER.fullmatch(message):
        fields.update(what("malware_found", category="malware email") | {"event.kind": "alert"})
        _signature(mail["name"], fields)
        text.put(fields, [
            ("email.local_id", mail["qid"]), ("email.from.address", addresses([mail["from"] or ""])),
            ("email.to.address", addresses((mail["to"] or "").split(","))), ("email.subject", mail["subject"]),
            ("email.message_id", (mail["id"] or "").strip("<>")),
        ])  # fmt: skip
    elif clean := _CLEAN.fullmatch(message):
        fields.update(what("mail_clean", outcome="success"))
        text.put(fields, [("email.from.address", addresses([clean["from"]]))])
        text.put(fields, [("email.to.address", addresses(clean["to"].split(",")))])
    elif broken := _BROKEN.fullmatch(message):
        fields.update(what("scan_failed", category="malware", outcome="failure"))
        fields |= {"log.level": "error", "event.reason": broken["reason"]}
        _scanned(broken["path"], fields)
    elif updated := _UPDATED.match(message):
        fresh = updated["how"] == "updated"
        fields.update(what("signatures_updated" if fresh else "signatures_current", "change" if fresh else "info",
                           "success", "configuration"))  # fmt: skip
        fields |= {"clamav.database": updated["db"], "clamav.database_version": updated["version"]}
        fields |= {"clamav.signatures": updated["sigs"]}
    elif trouble := _TROUBLE.fullmatch(message):
        error = trouble["level"] in {"ERROR", "!"}
        fields |= {"log.level": "error" if error else "warning", "event.reason": trouble["said"]}
    elif message.endswith(": OK") and message.startswith(("/", "instream(", "fd[", "stream")):
        fields.update(what("file_scanned", category="malware"))
        _scanned(message[:-4], fields)
    else:
        if version := _VERSION.match(message):
            fields["observer.version"] = version[1]
        text.put(fields, [("event.reason", message)])


def _signature(name: str, fields: Fields) -> None:
    fields |= {"rule.name": name, "clamav.signature": name}


def _scanned(path: str, fields: Fields) -> None:
    stream = _STREAM.fullmatch(path)
    if stream is None:
        fields["file.path"] = path
        names.file(fields)
    elif stream["peer"]:
        fields["clamav.stream"] = stream["peer"]
