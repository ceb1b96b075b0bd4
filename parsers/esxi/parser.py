"""Reads VMware ESXi's daemons (`Hostd: info hostd[2101234] [Originator@6876 sub=… user=…] …`) and vCenter's events.

What happened is said in sentences of vim.event.*; vobd names its event in brackets (`esx.audit.ssh.session.opened`).
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from sentinel.pack import Fields, ParseError, Raw, names, prose, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 8_192
_HEAD = re.compile(
    r"(?:(?P<level>info|warning|error|verbose|trivia|panic|In\(\d+\)|Wa\(\d+\)|Er\(\d+\)|Db\(\d+\)) )?"
    r"(?:(?P<process>[\w-]{1,40})\[(?P<pid>\d{1,10})\]:? )?"
    r"\[(?:(?P<thread>\w{1,20}) )?(?P<origin>Originator@\d{1,6}[^\]]{0,500})\] (?P<said>.*)",
    re.DOTALL,
)
_ORIGIN = re.compile(r"(\w+)=(\S+)")
_EVENT = re.compile(r"Event \d{1,12} : (?P<said>.*)", re.DOTALL)
_VCENTER = re.compile(
    r"Event \[(?P<id>\d{1,12})\] \[[\d-]{1,12}\] \[(?P<time>[^\]]{10,40})\]"
    r" \[(?P<kind>[\w.]{1,120})\] \[(?P<level>\w{1,20})\] \[(?P<user>[^\]]{0,256})\]"
    r" \[(?P<center>[^\]]{0,256})\] \[\d{0,12}\] \[(?P<said>.*)\]\s*",
    re.DOTALL,
)
_VOB = re.compile(r"\[\w{1,40}\] \d{1,20}us: \[(?P<code>(?:esx|vob)\.[\w.]{1,120})\] (?P<said>.*)", re.DOTALL)
_SHELL = re.compile(r"\[(?P<user>[\w.\\@-]{1,128})\]: (?P<command>.*)", re.DOTALL)
_AT = r"(?P<user>\S{1,256})@(?P<ip>[0-9A-Fa-f:.]{2,45})"
_FAILED = what("login", "authentication", "start", "failure")
_LOGIN = what("login", "authentication", "start", "success")
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form, re.DOTALL), said)
    for form, said in (
        (rf"User {_AT} logged in as (?P<agent>.{{0,300}})", _LOGIN),
        (rf"User {_AT} logged out(?: \(login time: .{{0,200}}?(?:, user agent: (?P<agent>.{{0,300}}))?\))?",
         what("logout", "authentication", "end", "success")),
        (rf"Cannot login (?:user )?{_AT}(?:: (?P<reason>.{{0,300}}))?", _FAILED),
        (r"Rejected password for user (?P<user>.{1,256}) from (?P<ip>[0-9A-Fa-f:.]{2,45})", _FAILED),
        (r"Accepted password for user (?P<user>.{1,256}) from (?P<ip>[0-9A-Fa-f:.]{2,45})", _LOGIN),
        (rf"SSH session was opened for '{_AT}'\.?", what("ssh_opened", "session", "start", "success")),
        (rf"SSH session was closed for '{_AT}'\.?", what("ssh_closed", "session", "end", "success")),
        (rf"SSH login has failed for '{_AT}'\.?", _FAILED),
        ((r"(?P<reason>SSH access has been (?:enabled|disabled)"
          r"|(?:The )?ESXi (?:command line )?[Ss]hell .{0,40}(?:enabled|disabled)).*"),
         what("shell_access", "configuration", "change", "success")),
        (r"Remote access for ESXi local user account '(?P<user>[^']{1,256})' has been locked .*",
         what("account_locked", "authentication iam", "info", "failure")),
        (r"(?:Local user )?[Aa]ccount (?P<target>\S{1,256}) was created on host .*",
         what("user_created", "iam", "user creation", "success")),
        (r"(?:Local user )?[Aa]ccount (?P<target>\S{1,256}) was removed (?:on|from) host .*",
         what("user_deleted", "iam", "user deletion", "success")),
        (r"Password was changed for account (?P<target>\S{1,256}) on host .*",
         what("password_changed", "iam", "user change", "success")),
        (r"Permission (?:created|changed|rule removed|removed) for .*",
         what("permission", "iam", "admin change", "success")),
        (r"(?P<reason>Firewall (?:configuration has changed|has been disabled|has been enabled).{0,300})",
         what("firewall_changed", "configuration", "change", "success")),
        (r"(?:Host|Administrator access to the host).{0,80}(?:lockdown mode|has been (?:enabled|disabled)).*",
         what("lockdown", "configuration", "change", "success")),
        (r"(?P<vm>.{1,256}?) on .{1,200} is powered on", what("vm_on", "host", "start", "success")),
        (r"(?P<vm>.{1,256}?) on .{1,200} is (?:powered off|suspended|starting|stopping)",
         what("vm_off", "host", "info")),
        (r"(?:Created|Removed|Registered|Reconfigured) (?:virtual machine )?(?P<vm>.{1,256}?) (?:on|in) .{1,300}",
         what("vm_changed", "configuration", "change", "success")),
    )
)  # fmt: skip
# what an event of vCenter or a correlator is about and what happened, by the words of its name, first that fits
_NOUNS = tuple((re.compile(words), category) for words, category in (
    (r"Login|Logout|BadUsername|AlreadyAuthenticated|NoAccessUser|Session|\.ssh\.|\.dcui\.", "authentication"),
    (r"Permission|Role|Account|Password|UserAssigned|UserUnassigned|\.account\.|\.user\.", "iam"),
    (r"firewall|lockdown|Lockdown|\.config\.|\.shell\.|Alarm(?!Status)|License|Template|Profile|CustomField|Upgrade",
     "configuration"),
    (r"Datastore|Dvs|DV(?:Port|S)|Network|Cluster|ResourcePool|Folder|Datacenter|ScheduledTask|Reconfigured",
     "configuration"),
    (r"\.net\.|\.iscsi\.", "network"),
))  # fmt: skip
_VERBS = tuple((re.compile(words), kind) for words, kind in (
    (r"Failed|Error|problem|ConnectionLost|NotResponding|Incompatible|Insufficient|\.down|failed|lost", "error"),
    (r"Created|Added|Deployed|Cloned|Registered|Uploaded|created", "creation"),
    (r"Removed|Deleted|Destroyed|Unregistered|removed|deleted", "deletion"),
    (r"PoweredOn|Starting|Started|Resum|Login|Connected|\.boot|begin|opened|Resetting", "start"),
    (r"PoweredOff|Stopp|Suspend|Shutdown|ShutDown|Disconnect|Logout|\.end|closed|shutdown|Terminated", "end"),
    (r"Reconfigured|Updated|Changed|Edited|Renamed|Enabled|Disabled|Moved|Migrated|Relocated|enabled|disabled|changed",
     "change"),
))  # fmt: skip
_LEVELS = {"In": "info", "Wa": "warning", "Er": "error", "Db": "debug"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    fields = syslog.fields(line)
    center = (line.app or "").startswith("vpxd") or "[vim.event." in line.message
    fields |= {"observer.vendor": "VMware", "observer.product": "vCenter" if center else "ESXi", "event.kind": "event"}
    message = line.message[:MESSAGE_MAX].strip()
    if line.app is None and line.timestamp is None and "[Originator@" not in message and "[vim.event." not in message:
        raise ParseError("no line of VMware")
    if head := _HEAD.match(message):
        message = _origin(fields, head)
    begin = message.find("Event [")
    if event := _VCENTER.match(message, max(begin, 0)):
        message = _vcenter(fields, event, raw.zone)
    elif event := _EVENT.match(message):
        message = event["said"]
    elif vob := _VOB.match(message):
        fields["event.code"], message = vob["code"], vob["said"]
    elif (line.app or "").lower() == "shell" and (shell := _SHELL.fullmatch(message)):
        fields.update(what("command", "process", "start"))
        fields["user.name"] = shell["user"]
        text.put(fields, [("process.command_line", shell["command"])])
    for form, said in _FORMS:
        found = form.fullmatch(message.strip())
        if found:
            fields.update(said)
            _fill(fields, {name: value for name, value in found.groupdict().items() if value})
            break
    else:
        _named(fields, message, raw)
    text.put(fields, [("message", message)])
    yield fields


def _named(fields: Fields, message: str, raw: Raw) -> None:
    """Set what an event's name says; what other daemons of the host say is read as a sentence."""
    code = str(fields.get("event.code", ""))
    bad = fields.get("log.level") in {"error", "panic"}
    if code:
        category = next((category for form, category in _NOUNS if form.search(code)), "host")
        kind = next((kind for form, kind in _VERBS if form.search(code)), "error" if bad else "info")
        fields["event.category"], fields["event.type"] = (category,), (kind,)
        fields["event.action"] = code.rpartition("vim.event.")[2]
        if kind == "error":
            fields["event.outcome"] = "failure"
    elif "event.category" not in fields:
        if fields.get("process.name") in {"sshd", "sftp-server", "su", "sudo", "login", "dropbear"}:
            prose.sentence(message, fields, raw.received, raw.zone)
        fields.setdefault("event.category", ("host",))
        fields.setdefault("event.type", ("error",) if bad else ("info",))


def _origin(fields: Fields, head: "re.Match[str]") -> str:
    level = head["level"] or ""
    text.put(fields, [
        ("log.level", _LEVELS.get(level[:2], level) if "(" in level else level),
        ("process.pid", text.number(head["pid"])),
    ])  # fmt: skip
    origin = dict(_ORIGIN.findall(head["origin"]))
    text.put(fields, [("log.logger", origin.get("sub")), ("esxi.operation", origin.get("opID"))])
    user, _, by = origin.get("user", "").partition(":")
    if user:
        names.account(fields, "user", by if user == "vpxuser" and by else user)
    return str(head["said"])


def _vcenter(fields: Fields, event: "re.Match[str]", zone: str) -> str:
    fields["esxi.event_id"] = event["id"]
    fields["event.code"], fields["log.level"] = event["kind"], event["level"]
    text.put(fields, [("esxi.datacenter", event["center"])])
    user = text.given(event["user"])
    if user:
        names.account(fields, "user", user)
    with suppress(ParseError):  # the header's time must do
        fields["@timestamp"] = when.iso(when.rfc3339(event["time"], zone))
    return str(event["said"])


def _fill(fields: Fields, found: dict[str, str]) -> None:
    if "user" in found:
        fields.pop("user.domain", None)
        names.account(fields, "user", found["user"])
    text.put(fields, [
        ("source.ip", text.address(found.get("ip"))), ("user_agent.original", found.get("agent")),
        ("event.reason", found.get("reason")), ("user.target.name", found.get("target")),
        ("esxi.virtual_machine", found.get("vm")),
    ])  # fmt: skip
