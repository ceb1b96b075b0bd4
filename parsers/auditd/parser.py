r"""Reads records of Linux' audit system: `type=SYSCALL msg=audit(1795418100.123:456): arch=… comm="cat"␝ARCH=x86_64 …`.

https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment and its field dictionary.
A value that a user chose stands in quotes, or in hexadecimal if it holds a blank, a quote or a control character: so
nothing in it can imitate the rest of the record. What auditd itself looked up (UID="root") follows a group separator.
"""

import re
import socket
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, syslog, text, when

_HEAD = re.compile(
    r"(?:audit: )?(?:node=(?P<node>\S{1,255}) )?(?:type=(?P<type>\S{1,64}) )?(?:msg=)?"
    r"audit\((?P<time>\d{1,12}(?:\.\d{1,9})?):(?P<serial>\d{1,20})\): ?(?P<rest>.*)", re.DOTALL,
)  # fmt: skip
_PAIR = re.compile(r"""([A-Za-z][\w-]{0,63})=(?:"([^"]*)"|'([^']*)'|(\S*))""")
_DENIAL = re.compile(r"avc: {1,2}(denied|granted) {1,2}\{ ([^}]{0,500})\} for ")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
PAIRS_MAX = 256
_CHOSEN = frozenset({
    "acct", "cmd", "comm", "cwd", "data", "dir", "exe", "file", "grp", "hostname", "key", "name", "new_group", "ocomm",
    "path", "proctitle", "vm", "watch",
})  # fmt: skip
"""Fields whose bare value is hexadecimal; `a0` … of EXECVE are others."""
_NOTHING = frozenset({"", "?", "(null)", "(none)", "unset", "4294967295", "-1"})
_KERNEL_TYPES = {
    "1100": "USER_AUTH", "1112": "USER_LOGIN", "1300": "SYSCALL", "1302": "PATH", "1305": "CONFIG_CHANGE",
    "1307": "CWD", "1309": "EXECVE", "1320": "EOE", "1325": "NETFILTER_CFG", "1326": "SECCOMP", "1327": "PROCTITLE",
    "1334": "BPF", "1400": "AVC", "1701": "ANOM_ABEND", "1700": "ANOM_PROMISCUOUS", "2000": "KERNEL",
}  # fmt: skip
_SYSCALLS = {
    "c000003e": {
        "2": "open", "41": "socket", "42": "connect", "43": "accept", "49": "bind", "56": "clone", "57": "fork",
        "59": "execve", "62": "kill", "82": "rename", "87": "unlink", "90": "chmod", "92": "chown", "101": "ptrace",
        "99": "sysinfo", "103": "syslog", "105": "setuid", "106": "setgid", "133": "mknod", "135": "personality",
        "161": "chroot", "165": "mount", "166": "umount2", "169": "reboot",
        "175": "init_module", "176": "delete_module", "188": "setxattr", "257": "openat", "263": "unlinkat",
        "264": "renameat", "268": "fchmodat", "288": "accept4", "304": "open_by_handle_at", "313": "finit_module",
        "316": "renameat2", "319": "memfd_create", "321": "bpf", "322": "execveat",
    },
    "40000003": {"5": "open", "10": "unlink", "11": "execve", "15": "chmod", "26": "ptrace", "295": "openat"},
    "c00000b7": {"35": "unlinkat", "56": "openat", "105": "init_module", "117": "ptrace", "203": "connect",
                 "221": "execve", "280": "bpf", "281": "execveat"},
}  # fmt: skip


_OUTCOMES = {
    "success": "success",
    "yes": "success",
    "1": "success",
    "failed": "failure",
    "no": "failure",
    "0": "failure",
}


def _means(category: str, kind: str) -> Fields:
    return {"event.category": (category,), "event.type": tuple(kind.split())}


_LOGIN, _PROCESS, _START = _means("authentication", "start"), _means("process", "info"), _means("process", "start")
_SESSION, _USER, _GROUP = _means("session", "info"), _means("iam", "user change"), _means("iam", "group change")
_CONFIG, _HOST, _DENIED = _means("configuration", "change"), _means("host", "info"), _means("process", "access")
_TYPES: dict[str, Fields] = {
    **dict.fromkeys(("USER_AUTH", "USER_LOGIN", "USER_ERR", "GRP_AUTH", "CRYPTO_LOGIN"), _LOGIN),
    **dict.fromkeys(("USER_ACCT", "CRED_ACQ", "CRED_REFR", "CRED_DISP", "LOGIN"), _means("authentication", "info")),
    "USER_START": _means("session", "start"), "USER_END": _means("session", "end"),
    "USER_LOGOUT": _means("session", "end"), "USER_ROLE_CHANGE": _SESSION, "CRYPTO_SESSION": _SESSION,
    "ADD_USER": _means("iam", "user creation"), "DEL_USER": _means("iam", "user deletion"),
    "ADD_GROUP": _means("iam", "group creation"), "DEL_GROUP": _means("iam", "group deletion"),
    **dict.fromkeys(("USER_MGMT", "USER_CHAUTHTOK", "ACCT_LOCK", "ACCT_UNLOCK"), _USER),
    **dict.fromkeys(("GRP_MGMT", "GRP_CHAUTHTOK"), _GROUP),
    **dict.fromkeys(("USER_CMD", "EXECVE"), _START),
    **dict.fromkeys(("CONFIG_CHANGE", "USYS_CONFIG", "MAC_CONFIG_CHANGE", "MAC_STATUS", "MAC_POLICY_LOAD",
                     "NETFILTER_CFG", "FEATURE_CHANGE"), _CONFIG),
    **dict.fromkeys(("DAEMON_START", "SERVICE_START"), _START),
    **dict.fromkeys(("DAEMON_END", "DAEMON_ABORT", "SERVICE_STOP"), _means("process", "end")),
    **dict.fromkeys(("SYSTEM_BOOT", "SYSTEM_SHUTDOWN", "SYSTEM_RUNLEVEL"), _HOST),
    **dict.fromkeys(("AVC", "USER_AVC", "SECCOMP", "SELINUX_ERR"), _DENIED),
    **dict.fromkeys(("PATH", "CWD"), _means("file", "access")),
    "SOCKADDR": _means("network", "connection"), "KERN_MODULE": _means("driver", "info"),
    "ANOM_PROMISCUOUS": _means("network", "info"),
}  # fmt: skip
_PLACES = {
    "pid": "process.pid", "ppid": "process.parent.pid", "exe": "process.executable", "cwd": "process.working_directory",
    "proctitle": "process.command_line", "cmd": "process.command_line", "uid": "user.id", "gid": "user.group.id",
    "euid": "user.effective.id", "egid": "user.effective.group.id", "UID": "user.name", "EUID": "user.effective.name",
    "GID": "user.group.name", "EGID": "user.effective.group.name", "key": "rule.name", "op": "auditd.op",
    "laddr": "destination.ip", "lport": "destination.port", "rport": "source.port", "unit": "service.name",
}  # fmt: skip
_LONG = frozenset({"process.pid", "process.parent.pid", "destination.port", "source.port"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record; raises ParseError for what is none."""
    line = syslog.read(raw)
    body = line.message if line.app is not None or line.priority is not None else text.decode(raw.body)
    found = _HEAD.search(body.rstrip("\r\n\0"), 0, 512 + len(body))
    if found is None or found.start() > 400:
        raise ParseError("no record of the audit system: there is no audit(time:serial)")
    said = _said(found["rest"])
    kind = found["type"] or said.get("type", "")
    kind = _KERNEL_TYPES.get(kind, kind.removeprefix("UNKNOWN[").rstrip("]"))
    fields: Fields = syslog.fields(line) if line.app is not None else {"message": body}
    fields = {name: value for name, value in fields.items() if not name.startswith("process.")}
    fields |= {
        "@timestamp": when.iso(when.epoch(found["time"])), "event.action": kind.lower() or "audit",
        "auditd.type": kind or "unknown", "auditd.serial": f"{found['time']}:{found['serial']}",
        **_TYPES.get(kind, _PROCESS),
    }  # fmt: skip
    text.put(fields, [("host.name", found["node"])])
    _place(fields, kind, said)
    yield fields


def _said(rest: str) -> dict[str, str]:
    """Return the record's pairs, those inside `msg='…'` too, decoded; the first of a name counts."""
    said: dict[str, str] = {}
    for pair in _PAIR.finditer(rest):
        name, double, single, bare = pair.groups()
        if name == "msg" and single is not None:
            said.update({key: value for key, value in _said(single).items() if key not in said or key == "exe"})
        elif name not in said and len(said) < PAIRS_MAX:
            value = single if double is None else double
            if value is None:
                chosen = name in _CHOSEN or ("argc" in said and name[0] == "a" and name[1:].isdecimal())
                value = decoded(bare.rstrip(",")) if chosen else bare.rstrip(",")
            said[name] = value
    if denial := _DENIAL.search(rest, 0, 600):
        said["avc"], said["permission"] = denial.groups()
    return said


def decoded(value: str) -> str:
    """Return what a bare value of a chosen field says; NUL between arguments becomes a blank."""
    if not _HEX.fullmatch(value) or len(value) < 4:
        return value
    return text.decode(bytes.fromhex(value)).rstrip("\0").replace("\0", " ")


def _place(fields: Fields, kind: str, said: Mapping[str, str]) -> None:
    for name, value in said.items():
        if value in _NOTHING or name in {"type", "msg"}:
            continue
        fields[f"auditd.{name}"] = value
        place = _PLACES.get(name)
        if place == "destination.ip":
            text.put(fields, [(place, text.address(value))])
        elif place in _LONG:
            text.put(fields, [(place, text.number(value))])
        elif place:
            fields[place] = value
    outcome = said.get("res", said.get("success", ""))
    if outcome in _OUTCOMES and not kind.startswith("ANOM_"):
        fields["event.outcome"] = _OUTCOMES[outcome]
    if kind == "SYSCALL":
        name = said.get("SYSCALL") or _SYSCALLS.get(said.get("arch", ""), {}).get(said.get("syscall", ""))
        text.put(fields, [("auditd.syscall_name", name)])
        if name in {"execve", "execveat"}:
            fields |= _START
    denied = said.get("avc", said.get("apparmor", "")).lower()
    if denied in {"denied", "granted", "allowed"}:
        fields["event.outcome"] = "failure" if denied == "denied" else "success"
    _names(fields, kind, said)
    _peer(fields, said)


def _names(fields: Fields, kind: str, said: Mapping[str, str]) -> None:
    """Set who and which file: in records that programs write, `acct` or `id` is the account that it is about."""
    about = "user.target" if kind.startswith(("ADD_", "DEL_", "USER_MGMT", "USER_CHAUTHTOK", "ACCT_")) else "user"
    account = said.get("acct", "?")
    if about == "user" and account not in _NOTHING:
        fields.pop("user.id", None)  # it is the program's
    text.put(
        fields,
        [(f"{about}.name", text.given(account if account not in _NOTHING else None)), (f"{about}.id", said.get("id"))],
    )
    text.put(fields, [("process.name", text.basename(said.get("exe", "")) or said.get("comm"))])
    if kind == "EXECVE":
        count = text.number(said.get("argc")) or 0
        args = tuple(said[f"a{at}"] for at in range(min(count, PAIRS_MAX)) if said.get(f"a{at}"))
        text.put(fields, [("process.args", args), ("process.command_line", " ".join(args))])
    if kind in {"PATH", "AVC"} and (name := said.get("name", said.get("path", ""))) not in _NOTHING:
        fields["file.path"] = name


def _peer(fields: Fields, said: Mapping[str, str]) -> None:
    """Set the other end: a user's `addr` is where he comes from, `saddr` is what a socket call was given."""
    text.put(fields, [("source.ip", text.address(said.get("addr") or said.get("hostname")))])
    given = said.get("saddr", "")
    if not _HEX.fullmatch(given) or len(given) < 4:
        return
    data = bytes.fromhex(given)
    family = int.from_bytes(data[:2], "little")
    address = None
    if family == socket.AF_INET and len(data) >= 8:
        address = socket.inet_ntop(socket.AF_INET, data[4:8])
    elif family == socket.AF_INET6 and len(data) >= 24:
        address = text.address(socket.inet_ntop(socket.AF_INET6, data[8:24]))
    elif family == socket.AF_UNIX:
        text.put(fields, [("file.path", text.decode(data[2:].lstrip(b"\0").partition(b"\0")[0]))])
    if address is not None:
        port = int.from_bytes(data[2:4], "big") or None
        text.put(fields, [("destination.ip", address), ("destination.port", port)])
