r"""Reads what Samba logs: debug headers, logins and changes of the directory as text and JSON, `vfs_full_audit`.

A user, a workstation and a file's name are chosen by strangers and may imitate the rest of the line: where a text
has two places that could be the peer's, none is taken. `source` is the client, `destination` our server.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, document, forms, names, structured, syslog, text, when

MESSAGE_MAX = 8_192
_HEADER = re.compile(
    r"\[(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?), {0,3}(?P<level>\d{1,3})"
    r"(?P<more>(?:, ?[^\],]{1,60}){0,8})\]"
    r"(?: (?P<place>[^\s()]{1,200}:\d{1,6})\((?P<function>\w{1,80})\))?(?:\s+(?P<said>.*))?",
    re.DOTALL,
)
_PID = re.compile(r"pid=(\d{1,10})")
_AT = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,6})?) (\w{1,5})")
_PEER = r"\((?:(?P<family>ipv[46]):)?(?P<ip>[0-9A-Fa-f:.]{2,60})\)"
_MOMENT = r" at \[(?P<moment>[^\]]{10,50})\]"
_STATUS = r" status \[(?P<status>[^\]]{1,80})\]"
_REMOTE = r" [Rr]emote host \[(?P<remote>[^\]]{1,80})\]"
_LOCAL = r" local host \[(?P<local>[^\]]{1,80})\]"
_WHO = r"\[(?P<service>[^\]]{0,80})\] user \[(?P<domain>[^\]]{0,256})\]\\\[(?P<user>.{0,512})\]"
_SID = r" \[(?P<sid>S-[\d-]{3,180})\]"
_CHANGED = rf"\[(?P<verb>\w{{1,20}})\]{_MOMENT}{_STATUS}{_REMOTE} SID \[(?P<sid>[^\]]{{0,180}})\]"
_OTHER = r"\[.{0,256}\]"


_what = forms.what

_LOGIN = _what("login", "authentication", "start")
_ALLOWED = _what("authorized", "authentication", "info", "success")
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile("".join(form), re.DOTALL), said)
    for form, said in (
        (
            [
                rf"Auth: {_WHO}{_MOMENT} with \[(?P<password>[^\]]{{0,80}})\]{_STATUS}",
                r" workstation \[(?P<station>.{0,256}?)\]",
                rf"{_REMOTE}.{{0,1500}}?{_LOCAL}.{{0,300}}",
            ],
            _LOGIN,
        ),
        ([rf"Successful AuthZ: {_WHO}{_SID}{_MOMENT}{_REMOTE}{_LOCAL}.{{0,100}}"], _ALLOWED),
        (
            [rf"DSDB Change {_CHANGED} DN \[(?P<dn>.{{0,1000}}?)\](?: attributes .{{0,8000}})?"],
            _what("directory_change", "iam", "change"),
        ),
        (
            [rf"Password Change {_CHANGED} DN \[(?P<dn>.{{0,1000}})\]"],
            _what("password_change", "iam", "user change"),
        ),
        (
            [rf"Group Change {_CHANGED} Group \[(?P<group>.{{0,1000}})\] User \[(?P<dn>.{{0,1000}})\]"],
            _what("group_change", "iam", "group change"),
        ),
        (
            [
                r"check_ntlm_password: {1,2}Authentication for user \[(?P<user>.{0,256})\]",
                rf" -> {_OTHER} FAILED with error (?P<status>\w{{1,60}})(?:, .*)?",
            ],
            _LOGIN,
        ),
        (
            [
                r"check_ntlm_password: {1,2}authentication for user \[(?P<user>.{0,256})\]",
                rf" -> {_OTHER} -> {_OTHER} succeeded",
            ],
            _LOGIN | {"event.outcome": "success"},
        ),
        (
            [
                rf"(?P<station>.{{1,256}}) {_PEER} (?:signed |encrypted )?connect to service (?P<share>.{{1,256}})",
                r" initially as user (?P<user>.{1,256}) \(uid=\d{1,10}, gid=\d{1,10}\) \(pid (?P<pid>\d{1,10})\)",
            ],
            _what("share_connected", "session", "start", "success"),
        ),
        (
            [rf"(?P<station>.{{1,256}}) {_PEER} closed connection to service (?P<share>.{{1,256}})"],
            _what("share_closed", "session", "end", "success"),
        ),
        (
            [r"Denied connection from (?P<ip>[0-9A-Fa-f:.]{2,45})(?: \(.{0,256}\))?"],
            _what("connection_denied", "network", "connection denied", "failure"),
        ),
        (
            [r"Allowed connection from (?P<ip>[0-9A-Fa-f:.]{2,45})(?: \(.{0,256}\))?"],
            _what("connection_allowed", "network", "connection allowed", "success"),
        ),
        (
            [
                r"Kerberos: (?P<verb>AS|TGS)-REQ (?P<account>.{1,512}) from (?P<remote>ipv[46]:\S{3,60})",
                r" for (?P<service>.{1,300})",
            ],
            _what("kerberos_request", "authentication", "info"),
        ),
        (
            [r"Kerberos: UNKNOWN -- (?P<account>.{1,512}): no such entry found in hdb"],
            _what("kerberos_unknown_user", "authentication", "start", "failure"),
        ),
        (
            [
                r"Kerberos: Failed to decrypt PA-DATA -- (?P<account>.{1,512}) \(enctype .{1,80}\)",
                r" error (?P<reason>.{1,200})",
            ],
            _what("kerberos_login", "authentication", "start", "failure"),
        ),
        (
            [r"Kerberos: .{1,20} Pre-authentication succeeded -- (?P<account>.{1,512}) using \S{1,60}"],
            _what("kerberos_login", "authentication", "start", "success"),
        ),
    )
)
_PLACES = {
    "user": "user.name", "domain": "user.domain", "sid": "user.id", "service": "samba.service", "share": "samba.share",
    "password": "samba.password_type", "status": "samba.status", "station": "source.domain", "dn": "samba.dn",
    "group": "samba.group_dn", "verb": "samba.operation", "reason": "event.reason",
}  # fmt: skip
_JSON = {
    "Authentication": _LOGIN,
    "Authorization": _ALLOWED,
    "KDC Authorization": _what("authorized", "authentication", "info"),
    "dsdbChange": _what("directory_change", "iam", "change"),
    "passwordChange": _what("password_change", "iam", "user change"),
    "groupChange": _what("group_change", "iam", "group change"),
    "dsdbTransaction": _what("transaction", "database", "info"),
    "replicatedUpdate": _what("replication", "iam", "change"),
}
_JSON_PLACES = (
    ("user.name", ("clientAccount", "account")),
    ("user.domain", ("clientDomain", "domain")),
    ("user.id", ("becameSid", "sid", "userSid")),
    ("source.domain", ("workstation",)),
    ("event.code", ("eventId",)),
)
# https://www.samba.org/samba/docs/current/man-html/vfs_full_audit.8.html
_CHANGES = (
    "rename renameat write pwrite pwrite_send pwrite_recv ftruncate fset_nt_acl chmod fchmod chown fchown lchown ntimes"
    " fntimes setxattr fsetxattr removexattr fremovexattr chflags fchflags sys_acl_set_fd sys_acl_set_file"
    " sys_acl_delete_def_file sys_acl_delete_def_fd set_nt_acl fallocate set_dos_attributes fset_dos_attributes"
    " offload_write_send offload_write_recv copy_chunk_send copy_chunk_recv set_compression"
)
_READS = (
    "open openat create_file read pread pread_send pread_recv sendfile recvfile opendir fdopendir readdir closedir"
    " close readlink readlinkat getxattr fgetxattr listxattr flistxattr stat lstat fstat fstatat get_nt_acl fget_nt_acl"
    " get_nt_acl_at lock getlock lseek seekdir telldir rewind_dir rewinddir realpath chdir getwd sys_acl_get_file"
    " sys_acl_get_fd sys_acl_blob_get_file sys_acl_blob_get_fd get_dos_attributes fget_dos_attributes offload_read_send"
    " offload_read_recv streaminfo fstreaminfo"
)
_VERBS = {
    verb: (category, kind)
    for category, kind, verbs in (
        ("session", "start", "connect"),
        ("session", "end", "disconnect"),
        ("file", "creation", "mkdir mkdirat link linkat symlink symlinkat mknod mknodat"),
        ("configuration", "change", "set_quota"),
        ("file", "deletion", "unlink unlinkat rmdir"),
        ("file", "change", _CHANGES),
        ("file", "access", _READS),
    )
    for verb in verbs.split()
}
_FILES = frozenset({"unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "opendir", "close", "chmod", "chown"})
_WITH_MORE = frozenset({"fchmod", "fchown", "lchown", "setxattr", "fsetxattr", "removexattr", "fremovexattr"})
_NO_STATUS = frozenset({"ok", "Success", "NT_STATUS_OK", "0"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line, with or without a syslog header; a debug header and its message may be one line or two."""
    line = syslog.read(raw)
    fields = syslog.fields(line)
    message = line.message.replace("#012", "\n").strip()
    header = _HEADER.match(message[:MESSAGE_MAX]) if message.startswith("[2") else None
    if header is not None:
        message = _headed(fields, header, raw)
    at = message.find("{")
    if at >= 0 and (at == 0 or message[:at].startswith("JSON ")):
        _object(fields, structured.json_object(message[at:]), raw.zone)
    elif line.app in {"smbd_audit", "samba_audit"} or ("|ok" in message or "|fail (" in message):
        _audit(fields, message)
    elif not _sentence(fields, message[:MESSAGE_MAX]) and header is None and line.app is None:
        raise ParseError("no line of Samba")
    fields.setdefault("event.kind", "event")
    yield fields


def _headed(fields: Fields, header: "re.Match[str]", raw: Raw) -> str:
    """Read a debug header (lib/util/debug.c), return what follows it."""
    said = (header["said"] or "").strip()
    if said:
        fields["message"] = said
    pid = _PID.search(header["more"])
    text.put(fields, (
        ("@timestamp", when.iso(when.rfc3339(header["time"].replace("/", "-"), raw.zone))),
        ("process.pid", text.number(pid[1]) if pid else None),
        ("log.origin.file.name", header["place"]), ("log.origin.function", header["function"]),
        ("samba.debug_level", header["level"]),
    ))  # fmt: skip
    return said


def _sentence(fields: Fields, message: str) -> bool:
    for form, said in _FORMS:
        found = form.fullmatch(message)
        if found is None:
            continue
        parts = {name: value for name, value in found.groupdict().items() if value and text.given(value)}
        fields.update(said)
        text.put(fields, ((_PLACES[name], value) for name, value in parts.items() if name in _PLACES))
        who = parts.get("account") or parts.get("user", "")
        if who and "domain" not in parts:
            names.account(fields, "user", who)
        _status(fields, parts.get("status"))
        if message.count("ipv4:") + message.count("ipv6:") <= len({"remote", "local", "family"} & parts.keys()):
            _ends(fields, parts.get("remote") or _bare(parts), parts.get("local"))
        _moment(fields, parts.get("moment"))
        text.put(fields, (("process.pid", text.number(parts.get("pid"))),))
        return True
    return False


def _bare(parts: dict[str, str]) -> str | None:
    return f"{parts['family']}:{parts['ip']}" if "family" in parts else parts.get("ip")


def _moment(fields: Fields, written: str | None) -> None:
    found = _AT.fullmatch(written or "")
    away = when.named(found[5]) if found else None
    if found is not None and away is not None:
        month = when.MONTHS.get(found[2].lower(), 0)
        moment = when.rfc3339(f"{found[3]}-{month:02d}-{found[1]}T{found[4]}")
        fields["@timestamp"] = when.iso(when.offset(moment.replace(tzinfo=None), away))


def _status(fields: Fields, status: str | None) -> None:
    if status:
        good = status in _NO_STATUS
        fields["event.outcome"] = "success" if good else "failure"
        if not good:
            fields["event.reason"] = status


def _ends(fields: Fields, remote: str | None, local: str | None) -> None:
    """Set both ends from `ipv4:192.0.2.1:50000`, `ipv6:2001:db8::1:50000` or a bare address."""
    for side, written in (("source", remote), ("destination", local)):
        kind, _, rest = (written or "").partition(":")
        host, _, port = rest.rpartition(":") if kind in {"ipv4", "ipv6"} else (written, "", "")
        address = text.address(host)
        if address is not None:
            text.put(fields, ((f"{side}.ip", address), (f"{side}.port", text.port(port) or None)))


def _object(fields: Fields, said: dict[str, object], zone: str) -> None:
    kind = str(said.get("type", ""))
    inner = said.get(kind)
    if not isinstance(inner, dict):
        raise ParseError("JSON that is no audit record of Samba")
    flat = {name: str(value) for name, value in inner.items() if isinstance(value, str | int) and value != ""}
    fields.pop("message", None)
    fields.update(document.below("samba", {"type": kind, **inner}))
    fields.update(_JSON.get(kind, {}))
    for target, sources in _JSON_PLACES:
        text.put(fields, ((target, next((flat[name] for name in sources if flat.get(name)), None)),))
    _status(fields, flat.get("status"))
    _ends(fields, flat.get("remoteAddress"), flat.get("localAddress"))
    stamp = said.get("timestamp")
    if isinstance(stamp, str):
        fields["@timestamp"] = when.iso(when.rfc3339(stamp, zone))


def _audit(fields: Fields, message: str) -> None:
    """Read `prefix|…|operation|ok|arguments` of vfs_full_audit; the prefix (`%u|%I|%m|%S`) is the operator's."""
    parts = message.split("|")
    told = [at for at, part in enumerate(parts) if at and parts[at - 1] and (part == "ok" or part.startswith("fail ("))]
    if not told:
        return
    at = next((at for at in told if parts[at - 1] in _VERBS), told[0])
    verb, prefix, rest = parts[at - 1], parts[: at - 1], parts[at + 1 :]
    category, kind = _VERBS.get(verb, ("file", "info"))
    fields.update(_what(verb, category, kind, "success" if parts[at] == "ok" else "failure"))
    if parts[at] != "ok":
        text.put(fields, (("event.reason", parts[at][6:].rstrip(")")),))
    source = next((address for part in prefix if (address := text.address(part))), None)
    text.put(fields, (("source.ip", source), ("samba.prefix", "|".join(prefix)), ("samba.arguments", "|".join(rest))))
    if prefix and text.address(prefix[0]) is None:
        names.account(fields, "user", prefix[0])
    _path(fields, verb, rest)


def _path(fields: Fields, verb: str, rest: list[str]) -> None:
    if verb in _FILES:
        path = "|".join(rest)
    elif verb in {"open", "openat"} and rest and rest[0] in {"r", "w", "rw"}:
        path = "|".join(rest[1:])
    elif verb == "create_file" and len(rest) >= 4:
        path = "|".join(rest[3:])
    elif verb in {"rename", "renameat"} and len(rest) == 2:
        path = rest[1]
    elif verb in _WITH_MORE and len(rest) > 1:  # a mode, an owner or the name of an attribute stands behind it
        path = "|".join(rest[:-1])
    else:
        return
    if path:
        fields["file.path"] = path
        names.file(fields)
