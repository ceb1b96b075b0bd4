"""One event of the records that the kernel wrote about one system call: who ran what, where, on which files.

Records of one event share time and serial number; they may be interleaved with those of others. EOE ends them, and
PROCTITLE is as a rule the last where no EOE is written (audisp's plug-ins); records that programs write stand alone.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from posixpath import join as beneath
from posixpath import normpath

from sentinel.pack import Fields, Value

QUIET = timedelta(seconds=10)
_ALONE = ("USER_", "CRED_", "DAEMON_", "SERVICE_", "SYSTEM_", "ADD_", "DEL_", "GRP_", "ACCT_", "CRYPTO_", "LOGIN")
_DONE = frozenset({"EOE", "PROCTITLE"})
_CATEGORIES = {
    "network": frozenset({"connect", "bind", "accept", "accept4"}),
    "file": frozenset({
        "open", "openat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "chmod", "fchmodat", "chown",
        "setxattr",
    }),
    "driver": frozenset({"init_module", "finit_module", "delete_module"}),
}  # fmt: skip
_KINDS = {
    "network": ("connection",), "file": ("access",), "driver": ("info",), "process": ("start",),
}  # fmt: skip
_DELETED = frozenset({"unlink", "unlinkat", "delete_module"})


def key(event: Mapping[str, Value]) -> str | None:
    """Return host, time and serial number."""
    serial = event.get("auditd.serial")
    if serial is None or str(event.get("auditd.type")).startswith(_ALONE):
        return None
    return f"{event.get('host.name', '')} {serial}"


def ends(event: Mapping[str, Value]) -> bool:
    """Say whether no record comes behind this one."""
    return event.get("auditd.type") in _DONE


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the event: the system call's record, what was run, and the files that were named."""
    joined: Fields = {}
    paths: dict[str, None] = {}
    created: dict[str, None] = {}
    for part in parts:
        kind = part.get("auditd.type")
        for name, value in part.items():
            if name not in joined and name != "file.path" and not (kind == "PATH" and name.startswith("auditd.")):
                joined[name] = value
        if kind == "PATH" and part.get("auditd.nametype") != "PARENT" and "file.path" in part:
            paths[str(part["file.path"])] = None
        if kind == "PATH" and part.get("auditd.nametype") == "CREATE" and "file.path" in part:
            created[str(part["file.path"])] = None
        if kind == "EXECVE":
            joined |= {name: part[name] for name in ("process.args", "process.command_line") if name in part}
    call = str(joined.get("auditd.syscall_name", "")).lower()
    ran = "execve" in call or "process.args" in joined
    category = "process" if ran else next((name for name, calls in _CATEGORIES.items() if call in calls), None)
    joined |= {"event.dataset": "auditd.event", "event.action": "process_started" if ran else call or "audit"}
    if category is not None:
        kinds = ("deletion",) if call in _DELETED and category == "file" else _KINDS[category]
        joined |= {"event.category": (category,), "event.type": kinds}
    joined["auditd.types"] = tuple(dict.fromkeys(str(part["auditd.type"]) for part in parts if "auditd.type" in part))
    if paths:
        joined["auditd.paths"] = tuple(paths)
        if not ran:
            joined["file.path"] = next(iter(paths))
    if created:
        # a name is as the program gave it: from where it stood
        where = str(joined.get("process.working_directory", ""))
        joined["auditd.created"] = tuple(normpath(beneath(where, path)) for path in created)
    for name in ("message", "auditd.type"):
        joined.pop(name, None)
    return joined
