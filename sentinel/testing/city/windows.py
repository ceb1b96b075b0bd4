"""What Windows machines write: Security and Sysmon events as NXLog sends them, JSON in RFC 5424.

Formats: https://learn.microsoft.com/windows/security/threat-protection/auditing, https://docs.nxlog.co/refman/current/im/msvistalog.html
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape  # nosec  # only writes

import orjson

from sentinel.testing.city.lines import Line, ietf

COLLECTOR, CLIENTS = "10.10.8.45", "10.10.8.46"
"""The addresses of the collectors to which servers and office computers forward their events."""
NETBIOS = "STADT"
SYSTEM = "C:\\Windows\\System32\\"
_SECURITY = ("Security", "Microsoft-Windows-Security-Auditing")
_SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon")


def event(at: datetime, host: str, number: int, said: Mapping[str, object], of: tuple[str, str] = _SECURITY) -> Line:
    """Return an event of a computer (its whole name); `of` is its channel and provider."""
    channel, provider = of
    common = {
        "EventTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}+00:00",
        "Hostname": host,
        "RecordNumber": int(at.timestamp() * 1000) & 0x7FFFFFFF,
        "SeverityValue": 2,
        "EventID": number,
        "Channel": channel,
        "SourceName": provider,
    }
    text = orjson.dumps({**common, **said}).decode()
    return Line(at, CLIENTS if host.startswith("PC-") else COLLECTOR, ietf(at, host, "nxlog 4711", text))


def named(at: datetime, host: str, number: int, said: Sequence[str], of: tuple[str, str]) -> Line:
    """Return an event whose data have no names, as XML (Windows Event Forwarding)."""
    channel, provider = of
    data = "".join(f"<Data>{escape(one)}</Data>" for one in said)
    text = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='{provider}'/><EventID>{number}</EventID><Level>0</Level><Keywords>0x80000000000000</Keywords>"
        f"<TimeCreated SystemTime='{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z'/>"
        f"<EventRecordID>{int(at.timestamp())}</EventRecordID><Channel>{channel}</Channel><Computer>{host}</Computer>"
        f"</System><EventData>{data}</EventData></Event>"
    )
    return Line(at, COLLECTOR, ietf(at, host, "nxlog 4711", text))


def _subject(user: str) -> dict[str, str]:
    return {"SubjectUserName": user, "SubjectDomainName": NETBIOS, "SubjectLogonId": f"0x{hash_of(user):x}"}


def hash_of(text: str) -> int:
    """Return a number that always stands for the same text."""
    number = 0
    for letter in text:
        number = (number * 131 + ord(letter)) & 0xFFFFFF
    return number


def logon(at: datetime, host: str, user: str, kind: int, address: str = "-", *, ntlm: bool = False) -> Line:
    """Return 4624; `kind` is Windows' number (2 at the keyboard, 3 network, 7 unlocked, 10 remote desktop)."""
    said = {
        "SubjectUserSid": "S-1-5-18", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x3e7",
        "TargetUserName": user, "TargetDomainName": NETBIOS, "TargetLogonId": f"0x{hash_of(user + host):x}",
        "LogonType": str(kind), "LogonProcessName": "NtLmSsp" if ntlm else "Kerberos" if kind == 3 else "User32",
        "AuthenticationPackageName": "NTLM" if ntlm else "Kerberos" if kind == 3 else "Negotiate",
        "IpAddress": address, "IpPort": "-" if address == "-" else str(50_000 + hash_of(address) % 9000),
    }  # fmt: skip
    return event(at, host, 4624, said)


def refused(at: datetime, host: str, user: str, address: str, kind: int = 3) -> Line:
    """Return 4625: a wrong password."""
    said = {
        "SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0",
        "TargetUserName": user, "TargetDomainName": NETBIOS, "Status": "0xc000006d", "SubStatus": "0xc000006a",
        "FailureReason": "%%2313", "LogonType": str(kind), "LogonProcessName": "NtLmSsp ",
        "AuthenticationPackageName": "NTLM", "IpAddress": address, "IpPort": "51515",
    }  # fmt: skip
    return event(at, host, 4625, said)


def logoff(at: datetime, host: str, user: str, kind: int) -> Line:
    """Return 4634."""
    said = {"TargetUserName": user, "TargetDomainName": NETBIOS, "TargetLogonId": f"0x{hash_of(user + host):x}"}
    return event(at, host, 4634, {**said, "LogonType": str(kind)})


def privileges(at: datetime, host: str, user: str) -> Line:
    """Return 4672: a logon with an administrator's privileges."""
    return event(at, host, 4672, {**_subject(user), "PrivilegeList": "SeSecurityPrivilege\n\t\t\tSeDebugPrivilege"})


def ticket(at: datetime, controller: str, user: str, service: str, address: str, cipher: str = "0x12") -> Line:
    """Return 4769: a ticket for a service; `cipher` 0x12 is AES 256, 0x17 RC4."""
    said = {
        "TargetUserName": f"{user}@STADT.EXAMPLE", "TargetDomainName": "STADT.EXAMPLE", "ServiceName": service,
        "ServiceSid": f"S-1-5-21-1-2-3-{1000 + hash_of(service) % 9000}", "TicketOptions": "0x40810000",
        "TicketEncryptionType": cipher, "IpAddress": f"::ffff:{address}", "IpPort": "53410", "Status": "0x0",
        "TransmittedServices": "-",
    }  # fmt: skip
    return event(at, controller, 4769, said)


def identified(at: datetime, controller: str, user: str, address: str) -> Line:
    """Return 4768: a ticket to get tickets with."""
    said = {
        "TargetUserName": user, "TargetDomainName": "STADT", "ServiceName": "krbtgt", "TicketOptions": "0x40810010",
        "Status": "0x0", "TicketEncryptionType": "0x12", "PreAuthType": "2", "IpAddress": f"::ffff:{address}",
        "IpPort": "53409",
    }  # fmt: skip
    return event(at, controller, 4768, said)


def shared(at: datetime, server: str, user: str, address: str, share: str, path: str) -> Line:
    """Return 5145: a file on a share was asked for; `share` as in `Personal$`."""
    said = {
        **_subject(user), "ObjectType": "File", "IpAddress": address, "IpPort": "50000", "ShareName": f"\\\\*\\{share}",
        "ShareLocalPath": f"\\??\\D:\\{share.rstrip('$')}", "RelativeTargetName": path, "AccessMask": "0x120089",
    }  # fmt: skip
    return event(at, server, 5145, said)


def opened(at: datetime, server: str, user: str, path: str) -> Line:
    """Return 4663: a file was read."""
    said = {
        **_subject(user), "ObjectServer": "Security", "ObjectType": "File", "ObjectName": path, "HandleId": "0x1a4",
        "AccessList": "%%4416", "AccessMask": "0x1", "ProcessId": "0x4", "ProcessName": "",
    }  # fmt: skip
    return event(at, server, 4663, said)


def process(at: datetime, host: str, user: str, image: str, command: str, parent: str) -> Line:
    """Return Sysmon 1: a program began; `image` and `parent` are whole paths, `user` has no domain."""
    said = {
        "UtcTime": f"{at:%Y-%m-%d %H:%M:%S}.000", "ProcessId": 1000 + hash_of(command) % 60_000, "Image": image,
        "CommandLine": command, "ParentImage": parent, "ParentProcessId": 1000 + hash_of(parent) % 60_000,
        "ParentCommandLine": parent.rsplit("\\", 1)[-1], "User": f"{NETBIOS}\\{user}", "IntegrityLevel": "Medium",
        "CurrentDirectory": "C:\\Windows\\",
    }  # fmt: skip
    return event(at, host, 1, said, _SYSMON)


def connected(at: datetime, host: str, user: str, image: str, source: str, target: str, port: int) -> Line:  # noqa: PLR0913, PLR0917  what Sysmon says of a connection
    """Return Sysmon 3: a program made a connection."""
    said = {
        "UtcTime": f"{at:%Y-%m-%d %H:%M:%S}.000", "ProcessId": 1000 + hash_of(image) % 60_000, "Image": image,
        "User": f"{NETBIOS}\\{user}", "Protocol": "tcp", "Initiated": "true", "SourceIp": source,
        "SourcePort": 49_152 + hash_of(target + str(at)) % 16_000, "DestinationIp": target, "DestinationPort": port,
    }  # fmt: skip
    return event(at, host, 3, said, _SYSMON)


def written(at: datetime, host: str, user: str, image: str, path: str) -> Line:
    """Return Sysmon 11: a program made a file."""
    said = {
        "UtcTime": f"{at:%Y-%m-%d %H:%M:%S}.000", "ProcessId": 1000 + hash_of(image) % 60_000, "Image": image,
        "TargetFilename": path, "CreationUtcTime": f"{at:%Y-%m-%d %H:%M:%S}.000", "User": f"{NETBIOS}\\{user}",
    }  # fmt: skip
    return event(at, host, 11, said, _SYSMON)


def touched(at: datetime, host: str, user: str, image: str, target: str) -> Line:
    """Return Sysmon 10: a program opened another one's memory."""
    said = {
        "UtcTime": f"{at:%Y-%m-%d %H:%M:%S}.000", "SourceImage": image, "SourceProcessId": 4120, "TargetImage": target,
        "TargetProcessId": 680, "GrantedAccess": "0x1410", "CallTrace": "UNKNOWN", "SourceUser": f"{NETBIOS}\\{user}",
    }  # fmt: skip
    return event(at, host, 10, said, _SYSMON)


def service(at: datetime, host: str, name: str, path: str) -> Line:
    """Return 7045: a service was installed."""
    said = {
        "ServiceName": name, "ImagePath": path, "ServiceType": "user mode service", "StartType": "demand start",
        "AccountName": "LocalSystem",
    }  # fmt: skip
    return event(at, host, 7045, said, ("System", "Service Control Manager"))


def task(at: datetime, host: str, user: str, name: str, command: str) -> Line:
    """Return 4698: a scheduled task was made."""
    content = f'<?xml version="1.0"?><Task><Actions><Exec><Command>{command}</Command></Exec></Actions></Task>'
    return event(at, host, 4698, {**_subject(user), "TaskName": f"\\{name}", "TaskContent": content})


def membership(at: datetime, controller: str, user: str, member: str, group: str) -> Line:
    """Return 4728: somebody became a member of a global group."""
    said = {
        **_subject(user), "MemberName": f"CN={member},OU=Konten,DC=stadt,DC=example",
        "MemberSid": f"S-1-5-21-1-2-3-{1000 + hash_of(member) % 9000}", "TargetUserName": group,
        "TargetDomainName": NETBIOS, "TargetSid": "S-1-5-21-1-2-3-512",
    }  # fmt: skip
    return event(at, controller, 4728, said)


def account(at: datetime, controller: str, user: str, name: str) -> Line:
    """Return 4720: an account was made."""
    said = {
        **_subject(user), "TargetSid": "S-1-5-21-1-2-3-1200", "TargetUserName": name, "TargetDomainName": NETBIOS,
        "SamAccountName": name, "DisplayName": name,
    }  # fmt: skip
    return event(at, controller, 4720, said)


def cleared(at: datetime, host: str, user: str) -> Line:
    """Return 1102: the Security log was cleared."""
    return event(at, host, 1102, _subject(user), ("Security", "Microsoft-Windows-Eventlog"))
