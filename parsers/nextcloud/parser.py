"""Reads the JSON lines that Nextcloud and ownCloud write (lib/private/Log/LogDetails.php, apps/admin_audit).

`user` is whose session it was; a login that failed names its user in the message only, and appends the address itself,
so the last `(Remote IP: …)` counts.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, document, names, stamps, structured, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 4_096
_LEVELS = ("debug", "info", "warning", "error", "fatal")
_KEPT = {
    "reqId": "http.request.id", "app": "nextcloud.app", "version": "observer.version",
    "userAgent": "user_agent.original", "method": "http.request.method", "clientReqId": "nextcloud.client_request_id",
}  # fmt: skip
_IP = r"'?(?P<ip>[0-9A-Fa-f:.]{2,45})'?"
_FAILED = what("login", "authentication", "start", "failure")
_FILE, _Q = r"(?:File|Folder)(?: with id \"[^\"]{0,40}\")?", r"\"(?P<path>[^\"]{1,1024})\""
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form), said)
    for form, said in (
        (rf"(?:[\[{{]\w{{0,40}}[\]}}] )?Login failed: '(?P<user>.{{0,256}})' \(Remote IP: {_IP}\)\s*", _FAILED),
        (rf"(?:[\[{{]\w{{0,40}}[\]}}] )?Login failed: (?P<user>.{{0,256}}) \(Remote IP: {_IP}\)\s*", _FAILED),
        (rf"Two-factor challenge failed: (?P<user>.{{0,256}}) \(Remote IP: {_IP}\)", _FAILED),
        (r"Login attempt: \"(?P<user>.{0,256})\"", what("login", "authentication", "start", "unknown")),
        (r"Login successful: \"(?P<user>.{0,256})\"", what("login", "authentication", "start", "success")),
        (r"Logout occurred.*", what("logout", "authentication", "end", "success")),
        (rf"(?:Bruteforce attempt from|IP address throttled .{{0,200}} ip:) \"?{_IP}\"?.*",
         what("bruteforce", "intrusion_detection authentication", "info", "failure")),
        (rf"Trusted domain error\. \"{_IP}\" tried to access using \"(?P<host>[^\"]{{1,256}})\" as host\.",
         what("untrusted_domain", "web", "access", "failure")),
        (rf"{_FILE} (?:accessed|read): {_Q}", what("file_read", "file", "access", "success")),
        (rf"{_FILE} (?:created|written to|copied): {_Q}.*", what("file_written", "file", "creation", "success")),
        (rf"{_FILE} deleted: {_Q}", what("file_deleted", "file", "deletion", "success")),
        (rf"{_FILE} renamed from \"[^\"]{{1,1024}}\" to {_Q}", what("file_renamed", "file", "change", "success")),
        (rf"The (?:file|folder|document) {_Q} .{{0,60}}has been shared .*",
         what("file_shared", "file configuration", "change", "success")),
        (r"Preview accessed:.{0,200}?(?:path: )?\"(?P<path>/[^\"]{1,1024})\".*",
         what("file_previewed", "file", "access", "success")),
        (rf"{_FILE} copied from: \"[^\"]{{1,1024}}\" to {_Q}.*", what("file_copied", "file", "creation", "success")),
        (rf"{_FILE} updated: {_Q}.*", what("file_written", "file", "change", "success")),
        (rf"(?:File|Folder) {_Q} deleted from trash bin\.?", what("file_deleted", "file", "deletion", "success")),
        (rf"(?:File|Folder) \"[^\"]{{1,1024}}\" restored to {_Q}\.?",
         what("file_restored", "file", "creation", "success")),
        (rf"Version \"[^\"]{{1,256}}\" of {_Q} was (?:restored|deleted)\.?",
         what("file_version_changed", "file", "change", "success")),
        (rf"The (?:file|folder|document|item|\w{{1,20}}) {_Q} .{{0,60}}has been unshared .*",
         what("file_unshared", "file configuration", "change", "success")),
        (rf"The (?:permissions|password|expiration date|note) of the (?:publicly )?shared \w{{1,20}} {_Q}.*",
         what("share_changed", "file configuration", "change", "success")),
        (rf"The shared \w{{1,20}} with the token \"[^\"]{{1,64}}\" by \"[^\"]{{1,256}}\" has been accessed: {_Q}.*",
         what("share_accessed", "file", "access", "success")),
        (r"User enabled: \"(?P<target>[^\"]{1,256})\"", what("user_enabled", "iam", "user change", "success")),
        (r"User disabled: \"(?P<target>[^\"]{1,256})\"", what("user_disabled", "iam", "user change", "success")),
        (r"UserID (?:un)?assigned: \"(?P<target>[^\"]{1,256})\"",
         what("user_assigned", "iam", "user change", "success")),
        (r"Group created: \"(?P<group>[^\"]{1,256})\"", what("group_created", "iam", "group creation", "success")),
        (r"Group deleted: \"(?P<group>[^\"]{1,256})\"", what("group_deleted", "iam", "group deletion", "success")),
        (r"Console command executed: (?P<command>.{1,2000})", what("console_command", "process", "start")),
        (r"Successful two factor attempt by user (?P<user>.{1,256}) \(.*\) with provider .*",
         what("two_factor", "authentication", "info", "success")),
        (r"Failed two factor attempt by user (?P<user>.{1,256}) \(.*\) with provider .*",
         what("two_factor", "authentication", "info", "failure")),
        (r"Two-factor challenge failed: (?P<user>.{1,256})", _FAILED),
        (r"User created: \"(?P<target>[^\"]{1,256})\"", what("user_created", "iam", "user creation", "success")),
        (r"User deleted: \"(?P<target>[^\"]{1,256})\"", what("user_deleted", "iam", "user deletion", "success")),
        (r"Password of user \"(?P<target>[^\"]{1,256})\" has been changed",
         what("password_changed", "iam", "user change", "success")),
        (r"User \"(?P<target>[^\"]{1,256})\" (?:added to|removed from) group \"(?P<group>[^\"]{1,256})\"",
         what("group_changed", "iam", "group change", "success")),
        (r"App \"[^\"]{1,256}\" (?:enabled|disabled).*", what("app_changed", "configuration", "change", "success")),
    )
)  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    product = "ownCloud" if "owncloud" in (line.app or raw.source).lower() else "Nextcloud"
    fields = syslog.fields(line)
    fields |= {"observer.vendor": product, "observer.product": product, "event.kind": "event"}
    begin = line.message.find('{"')
    if begin < 0 and line.app is None:
        raise ParseError("no JSON of Nextcloud")
    message = line.message
    if begin >= 0:
        fields.pop("message", None)
        message = _object(structured.json_object(message[begin:]), fields, raw)
    for form, said in _FORMS:
        found = form.fullmatch(message[:MESSAGE_MAX])
        if found:
            fields.update(said)
            _fill(fields, found.groupdict())
            break
    else:
        if "http.request.method" in fields:
            fields["event.category"], fields["event.type"] = ("web",), ("info",)
    yield fields


def _object(said: dict[str, object], fields: Fields, raw: Raw) -> str:
    flat = document.flat(said)
    for name, place in _KEPT.items():
        text.put(fields, [(place, text.given(str(flat.get(name, ""))))])
    moment = flat.get("time")
    if isinstance(moment, str) and (stamp := stamps.find(moment, raw.received, raw.zone, 5)):
        fields["@timestamp"] = when.iso(stamp.moment)
    text.put(fields, [("source.ip", text.address(str(flat.get("remoteAddr", ""))))])
    if isinstance(level := flat.get("level"), int) and 0 <= level < len(_LEVELS):
        fields["log.level"] = _LEVELS[level]
    url = text.given(str(flat.get("url", "")).strip("-"))
    if url:
        names.url(fields, url)
    user = str(flat.get("user", ""))
    if user.strip("-"):
        names.account(fields, "user", user)
    for name in ("exception.Exception", "exception.Message", "exception.File", "data.app"):
        text.put(fields, [(f"nextcloud.{name.lower()}", text.given(str(flat.get(name, ""))))])
    message = str(flat.get("message", "") or flat.get("exception.Message", ""))
    text.put(fields, [("message", message)])
    return message


def _fill(fields: Fields, found: dict[str, str | None]) -> None:
    if user := found.get("user"):
        fields.pop("user.domain", None)
        names.account(fields, "user", user)
    address = text.address(found.get("ip"))
    if address is not None:
        fields["source.ip"] = address
    text.put(fields, [
        ("file.path", found.get("path")), ("user.target.name", found.get("target")),
        ("group.name", found.get("group")),
        ("process.command_line", found.get("command")), ("url.domain", found.get("host")),
    ])  # fmt: skip
    names.file(fields)
