"""Reads Defender for Endpoint's tables of advanced hunting, and alerts as its own API and Microsoft Graph give them.

In the tables a process event's file is the process itself, and whoever started it stands in `InitiatingProcess…`; in
every other event the initiating process is who acted. Each column is kept as `defender.<Column>`.
"""

from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, document, mapping, names, structured, syslog, text, when

_PROCESS = mapping.setters({
    "ProcessId": "process.pid", "FileName": "process.name", "ProcessCommandLine": "process.command_line",
    "SHA1": "process.hash.sha1", "SHA256": "process.hash.sha256", "MD5": "process.hash.md5",
    "InitiatingProcessId": "process.parent.pid", "InitiatingProcessFileName": "process.parent.name",
    "InitiatingProcessFolderPath": "process.parent.executable",
    "InitiatingProcessCommandLine": "process.parent.command_line",
})  # fmt: skip
_ACTOR = mapping.setters({
    "InitiatingProcessId": "process.pid", "InitiatingProcessFileName": "process.name",
    "InitiatingProcessFolderPath": "process.executable", "InitiatingProcessCommandLine": "process.command_line",
    "InitiatingProcessSHA1": "process.hash.sha1", "InitiatingProcessSHA256": "process.hash.sha256",
    "InitiatingProcessMD5": "process.hash.md5", "InitiatingProcessParentId": "process.parent.pid",
    "InitiatingProcessParentFileName": "process.parent.name",
})  # fmt: skip
_FILE = mapping.setters({
    "FileName": "file.name", "FolderPath": "file.path", "SHA1": "file.hash.sha1", "SHA256": "file.hash.sha256",
    "MD5": "file.hash.md5", "FileSize": "file.size",
})  # fmt: skip
_REGISTRY = mapping.setters({"RegistryKey": "registry.path", "RegistryValueName": "registry.value"})
_PEOPLE = mapping.setters({"AccountName": "user.name", "AccountDomain": "user.domain", "AccountSid": "user.id"})
_STARTERS = mapping.setters({
    "InitiatingProcessAccountName": "user.name", "InitiatingProcessAccountDomain": "user.domain",
    "InitiatingProcessAccountSid": "user.id",
})  # fmt: skip
_TABLES = {
    "DeviceProcessEvents": ("process", "start"), "DeviceNetworkEvents": ("network", "connection"),
    "DeviceFileEvents": ("file", "info"), "DeviceRegistryEvents": ("registry", "change"),
    "DeviceLogonEvents": ("authentication", "start"), "DeviceImageLoadEvents": ("library", "start"),
}  # fmt: skip
_ACTIONS = {
    "ProcessCreated": ("process", "start"), "ConnectionSuccess": ("network", "connection start"),
    "ConnectionFailed": ("network", "connection error"), "ConnectionAttempt": ("network", "connection"),
    "InboundConnectionAccepted": ("network", "connection start"), "ListeningConnectionCreated": ("network", "start"),
    "FileCreated": ("file", "creation"), "FileModified": ("file", "change"), "FileDeleted": ("file", "deletion"),
    "FileRenamed": ("file", "change"), "RegistryKeyCreated": ("registry", "creation"),
    "RegistryValueSet": ("registry", "change"), "RegistryKeyDeleted": ("registry", "deletion"),
    "RegistryValueDeleted": ("registry", "deletion"), "ImageLoaded": ("library", "start"),
    "LogonSuccess": ("authentication", "start"), "LogonFailed": ("authentication", "start"),
    "LogonAttempted": ("authentication", "start"), "AntivirusDetection": ("malware", "info"),
    "UserAccountCreated": ("iam", "user creation"), "UserAccountDeleted": ("iam", "user deletion"),
    "UserAccountAddedToLocalGroup": ("iam", "group change"), "ScheduledTaskCreated": ("configuration", "creation"),
    "ServiceInstalled": ("configuration", "creation"), "DriverLoad": ("driver", "start"),
    "DnsQueryResponse": ("network", "protocol"), "PowerShellCommand": ("process", "info"),
}  # fmt: skip
_OUTCOMES = {
    "ConnectionSuccess": "success", "InboundConnectionAccepted": "success", "ConnectionFailed": "failure",
    "LogonSuccess": "success", "LogonFailed": "failure",
}  # fmt: skip
_SEVERITIES = {"informational": 21, "low": 21, "medium": 47, "high": 73}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one object: a row, a record of the streaming API (or several below `records`), an alert."""
    message = syslog.read(raw).message
    at = message.find("{")
    if at < 0:
        raise ParseError("no object of Defender")
    said = structured.json_object(message[at:])
    records = said.get("records")
    several = [one for one in records if isinstance(one, dict)] if isinstance(records, list) else [said]
    for one in several:
        yield _record(one)


def _record(said: Mapping[str, object]) -> Fields:
    inner = said.get("properties")
    if isinstance(inner, dict):
        return _row(inner, _text(said.get("category")).removeprefix("AdvancedHunting-"))
    if "ActionType" in said:
        return _row(said, "")
    if "alertCreationTime" in said or "createdDateTime" in said:
        return _alert(said)
    raise ParseError("neither a row nor an alert of Defender")


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if isinstance(value, bool | None) else str(value)


def _columns(said: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(value) for name, value in said.items() if isinstance(value, str | int) and value != ""}


def _row(said: Mapping[str, object], table: str) -> Fields:
    columns = _columns(said)
    action = columns.get("ActionType", "")
    found = document.below("defender", said)
    category, kinds = _ACTIONS.get(action) or _TABLES.get(table) or ("", "")
    text.put(found, (
        ("@timestamp", _moment(columns.get("Timestamp", ""))), ("event.kind", "event"), ("event.action", action),
        ("event.category", (category,) if category else ()), ("event.type", tuple(kinds.split())),
        ("event.outcome", _OUTCOMES.get(action)), ("host.name", columns.get("DeviceName")),
        ("host.id", columns.get("DeviceId")), ("defender.table", table),
        ("event.reason", columns.get("FailureReason")),
    ))  # fmt: skip
    if category == "malware":
        found["event.kind"] = "alert"
    if category == "process" and "ProcessId" in columns:
        _set(found, columns, _PROCESS, _PEOPLE)
        text.put(found, (("process.executable", columns.get("FolderPath")),))  # the file itself, in spite of its name
    else:
        _set(found, columns, _ACTOR, *((_FILE,) if category in {"file", "malware"} else ()), _REGISTRY, _PEOPLE)
        if category == "library":
            text.put(found, (("dll.path", columns.get("FolderPath")), ("dll.name", columns.get("FileName"))))
        _network(found, columns, action, category)
    if "user.name" not in found:
        _set(found, columns, _STARTERS)
    names.executables(found)
    names.file(found)
    names.registry(found, value=False)
    return found


def _set(found: Fields, columns: Mapping[str, str], *tables: Mapping[str, mapping.Setter]) -> None:
    for table in tables:
        for name, setter in table.items():
            if columns.get(name):
                setter(found, columns[name])


def _network(found: Fields, columns: Mapping[str, str], action: str, category: str) -> None:
    """Set the ends: who logged on or connected from afar is the source."""
    inward = action.startswith("Inbound") or category == "authentication"
    sides = ("source", "destination") if inward else ("destination", "source")
    for end, side in zip(("Remote", "Local"), sides, strict=True):
        text.put(found, (
            (f"{side}.ip", text.address(columns.get(end + "IP"))),
            (f"{side}.port", text.port(columns.get(end + "Port")) or None),
        ))  # fmt: skip
    transport = columns.get("Protocol", "").lower().removesuffix("v4").removesuffix("v6")
    text.put(found, (("network.transport", transport if transport in {"tcp", "udp", "icmp"} else None),))
    if columns.get("RemoteUrl"):
        where = columns["RemoteUrl"]
        if "/" in where:
            names.url(found, where)
        else:
            found["url.domain"] = where


def _alert(said: Mapping[str, object]) -> Fields:
    """Read an alert of the Defender API (`alertCreationTime`) or of Graph's `alerts_v2` (`createdDateTime`)."""
    columns = _columns(said)
    found = document.below("defender", said)
    created = columns.get("alertCreationTime") or columns.get("createdDateTime", "")
    category = "malware" if columns.get("category", "").lower() == "malware" else "intrusion_detection"
    text.put(found, (
        ("@timestamp", _moment(created)), ("event.kind", "alert"), ("event.category", (category,)),
        ("event.type", ("info",)), ("event.action", "alert"),
        ("event.severity", _SEVERITIES.get(columns.get("severity", "").lower())),
        ("event.start", _moment(columns.get("firstEventTime") or columns.get("firstActivityDateTime", ""))),
        ("event.end", _moment(columns.get("lastEventTime") or columns.get("lastActivityDateTime", ""))),
        ("event.url", columns.get("alertWebUrl")), ("message", columns.get("description")),
        ("rule.name", columns.get("title")), ("rule.id", columns.get("detectorId")),
        ("host.name", columns.get("computerDnsName")), ("host.id", columns.get("machineId")),
    ))  # fmt: skip
    who = said.get("relatedUser")
    if isinstance(who, dict):
        text.put(found, (("user.name", _text(who.get("userName"))), ("user.domain", _text(who.get("domainName")))))
    return found


def _moment(value: str) -> str | None:
    return when.iso(when.rfc3339(value)) if value else None
