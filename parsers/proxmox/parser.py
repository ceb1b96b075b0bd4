"""Reads what Proxmox's daemons write to syslog, PBS's auth.log, pveproxy's access log and the firewall's log.

A user is `name@realm`. A task is named by its UPID: node, process, start, kind, id, user.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from sentinel.pack import Fields, ParseError, Raw, common, kv, mapping, names, stamps, syslog, text, when

MESSAGE_MAX = 4_096
_FAILURE = re.compile(
    r"authentication failure; rhost=\[?(?P<ip>[0-9A-Fa-f:.]{2,45}?)(?:\]?:(?P<port>\d{1,5}))?\]?"
    r" user=(?P<user>.{0,256}?) msg=(?P<reason>.{0,1000})",
    re.DOTALL,
)
_SUCCESS = re.compile(r"(?:<(?P<by>[^<>]{1,256})> )?successful auth for user '(?P<user>.{1,256})'")
_UPID = (
    r"(?P<upid>UPID:(?P<node>[^:\s]{1,64}):[0-9A-F]{8}(?::[0-9A-F]{8,16}){2,4}"
    r":(?P<kind>[\w-]{1,64}):(?P<id>[^:\s]{0,200}):(?P<owner>[^:\s]{1,256}):)"
)
_TASK = re.compile(
    rf"(?:<(?P<by>[^<>]{{1,256}})> )?(?P<what>starting|end|start|stop|shutdown).{{0,80}}? {_UPID}"
    r" ?(?P<end>.{0,1000})",
    re.DOTALL,
)
_BACKUP = re.compile(
    r"starting new backup (?:reader )?(?:on )?datastore '(?P<store>[^']{1,128})'(?: from (?P<ip>\S{2,60}))?:"
    r" \"(?P<what>.{1,300})\""
)
_ACCESS = re.compile(
    r"(?P<ip>[0-9A-Fa-f:.]{2,45}) - (?P<user>.{1,256}?) \[(?P<time>[^\]]{15,40})\] \"(?P<method>[A-Z]{1,20})"
    r" (?P<url>[^\"]{1,2000}?)(?: HTTP/(?P<version>[\d.]{1,5}))?\" (?P<status>\d{3})(?: (?P<bytes>\d{1,15}|-))?.*"
)
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")
_WALL = re.compile(
    r"(?P<vmid>\d{1,10}) \d (?P<chain>\S{1,64}) (?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}) "
    r"(?:policy )?(?P<verdict>[A-Z]{3,10}): (?P<pairs>.*)"
)
# what the daemons of a cluster say: words, action, category, types, outcome
_SAID = tuple((re.compile(words, re.DOTALL), *said) for words, *said in (
    (r"worker (?:\d{1,10} )?(?:started|finished|exit).*|starting \d{1,4} worker\(s\)|detected empty handle", "worker",
     "process", "info", ""),
    (r"\[\w{1,12} *\] .{0,200}(?:is down|non-primary component|Quorum lost|left the membership).*", "cluster_member",
     "host", "error", "failure"),
    (r"\[\w{1,12}\] crit: .*", "cluster_member", "host", "error", "failure"),
    (r"\[\w{1,12} *\] .*", "cluster_member", "host", "info", ""),
    (r"service '(?P<id>[^']{1,100})': state changed from '.{1,40}' to '.{1,40}'.*", "ha_state", "host", "change", ""),
    (r"(?:node '[^']{1,100}': )?(?:status change|state changed|node state|switched) .*", "ha_state", "host", "change",
     ""),
    (r"(?:fencing|FENCE).{0,300}|watchdog .*", "fence", "host", "end", ""),
    (r"INFO: (?:starting new backup job|Starting Backup of VM (?P<id>\d{1,10})).*", "backup", "process", "start", ""),
    (r"INFO: Finished Backup of VM (?P<id>\d{1,10}).*|INFO: Backup job finished successfully", "backup", "process",
     "end", "success"),
    (r"ERROR: Backup of VM (?P<id>\d{1,10}) failed.*|INFO: Backup job finished with errors", "backup", "process", "end",
     "failure"),
    (r"VM (?P<id>\d{1,10}) qmp command failed.*", "vm_command", "host", "error", "failure"),
    (r"(?:status update error|.{0,60}rule.{0,20}error|.{0,80}iptables_restore).*", "firewall_update", "configuration",
     "error", "failure"),
    (r"(?:CT|VM) (?P<id>\d{1,10}) .*", "vm", "host", "info", ""),
    (r"(?:starting|received|shutting down|server (?:starting|stopped|closing)|restarting|reloading).*", "daemon",
     "process", "info", ""),
))  # fmt: skip
_VERDICTS = {"DROP": "denied", "REJECT": "denied", "ACCEPT": "allowed"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.priority is None and line.app is None:
        line = syslog.Syslog(text.decode(raw.body))  # a file of its own, without a header
    fields = syslog.fields(line)
    backup = (line.app or "").startswith("proxmox-backup")
    product = (
        "Proxmox Backup Server" if backup else "Proxmox Mail Gateway" if (line.app or "").startswith("pmg") else ""
    )
    fields |= {"observer.vendor": "Proxmox", "observer.product": product or "Proxmox VE", "event.kind": "event"}
    message = line.message[:MESSAGE_MAX].strip()
    if line.timestamp is None and (stamp := stamps.find(message, raw.received, raw.zone, 0)):
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip(": ")
    known = _login(message, fields) or _task(message, fields) or _access(message, fields) or _wall(message, fields, raw)
    if not known and line.app is None and "@timestamp" not in fields:
        raise ParseError("no line of Proxmox")
    if not known:
        _daemon(message, fields)
    yield fields


def _daemon(message: str, fields: Fields) -> None:
    for form, action, category, types, outcome in _SAID:
        if found := form.fullmatch(message):
            _put(fields, action, category, types, outcome)
            text.put(fields, [("proxmox.id", found.groupdict().get("id")), ("event.reason", message)])
            return
    fields["event.category"], fields["event.type"] = ("process",), ("info",)


def _put(fields: Fields, action: str, category: str, types: str, outcome: str | None = None) -> None:
    fields["event.action"], fields["event.category"] = action, tuple(category.split())
    fields["event.type"] = tuple(types.split())
    text.put(fields, [("event.outcome", outcome)])


def _login(message: str, fields: Fields) -> bool:
    if failed := _FAILURE.fullmatch(message):
        _put(fields, "login", "authentication", "start", "failure")
        names.account(fields, "user", failed["user"])
        address = text.address(failed["ip"]) or text.address(failed["ip"] + ":" + (failed["port"] or ""))
        port = text.port(failed["port"]) if text.address(failed["ip"]) else None
        text.put(fields, [("source.ip", address), ("source.port", port or None), ("event.reason", failed["reason"])])
        return True
    if worked := _SUCCESS.fullmatch(message):
        _put(fields, "login", "authentication", "start", "success")
        names.account(fields, "user", worked["user"])
        return True
    return False


def _task(message: str, fields: Fields) -> bool:
    if task := _TASK.fullmatch(message):
        ended = task["what"] == "end"
        result = task["end"].strip()
        outcome = None if not ended else "success" if result == "OK" or result.startswith("WARNINGS") else "failure"
        _put(fields, task["kind"], "process", "end" if ended else "start", outcome)
        text.put(fields, [
            ("proxmox.task", task["upid"]), ("proxmox.node", task["node"]), ("proxmox.id", task["id"]),
            ("event.reason", result if outcome == "failure" else None),
        ])  # fmt: skip
        names.account(fields, "user", task["by"] or task["owner"])
        return True
    if backup := _BACKUP.fullmatch(message):
        _put(fields, "backup", "process", "start")
        address, port = common.endpoint(backup["ip"] or "")
        text.put(fields, [("source.ip", address), ("source.port", port)])
        text.put(fields, [("proxmox.datastore", backup["store"]), ("proxmox.id", backup["what"])])
        return True
    return False


def _access(message: str, fields: Fields) -> bool:
    asked = _ACCESS.fullmatch(message)
    if asked is None or text.address(asked["ip"]) is None:
        return False
    status = int(asked["status"])
    _put(fields, "request", "web", "access", "failure" if status >= 400 else "success")
    names.url(fields, asked["url"])
    text.put(fields, [
        ("source.ip", text.address(asked["ip"])), ("http.request.method", asked["method"]),
        ("http.version", asked["version"]), ("http.response.status_code", status),
        ("http.response.body.bytes", text.number(asked["bytes"])),
    ])  # fmt: skip
    if asked["user"] != "-":
        names.account(fields, "user", asked["user"])
    if date := _DATE.fullmatch(asked["time"]):
        with suppress(ParseError):  # when it was received must do
            fields["@timestamp"] = when.iso(when.rfc3339(f"{date[3]}-{date[2]}-{date[1]}T{date[4]}{date[5]}"))
    return True


def _wall(message: str, fields: Fields, raw: Raw) -> bool:
    found = _WALL.fullmatch(message)
    if found is None:
        return False
    verdict = _VERDICTS.get(found["verdict"])
    _put(fields, found["verdict"].lower(), "network", f"connection {verdict or 'info'}")
    if stamp := stamps.find(found["time"], raw.received, raw.zone, 0):
        fields["@timestamp"] = when.iso(stamp.moment)
    pairs = kv.pairs(found["pairs"])
    for key, place in _PLACES.items():
        if key in pairs:
            place(fields, pairs[key])
    text.put(fields, [("rule.name", found["chain"]), ("proxmox.id", found["vmid"])])
    fields["observer.type"] = "firewall"
    return True


_PLACES = mapping.setters({
    "SRC": "source.ip", "DST": "destination.ip", "SPT": "source.port", "DPT": "destination.port", "PROTO": "protocol",
    "IN": "observer.ingress.interface.name", "OUT": "observer.egress.interface.name", "LEN": "network.bytes",
})  # fmt: skip
