"""What attackers do with SMB and DCE-RPC: administrators' shares, remote execution, recon, the domain's secrets.

Interfaces and operation numbers are Microsoft's ([MS-SCMR], [MS-TSCH], [MS-SAMR], [MS-RRP], [MS-DRSR], [MS-NRPC],
[MS-RPRN], [MS-EFSR], [MS-DFSNM], [MS-FSRVP], [MS-WMI]); which of them are telling follows Zeek's logs of smb and
dce_rpc and MITRE's BZAR (https://github.com/mitre-attack/bzar).
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sentinel.sense.applications import Dcerpc, Kerberos, Smb
from sentinel.sense.findings import CRITICAL, HIGH, INFO, MEDIUM, Detector, Finding, Prompt, Scene, about, bounded
from sentinel.sense.window import Window

_ADMIN_SHARE = re.compile(r"\\(admin|[a-z])\$$", re.IGNORECASE)
_PIPES = re.compile(
    r"(?:^|\\)(?:(?:svcctl|atsvc|itaskscheduler)$|psexesvc|remcom_|paexec-|csexecsvc|winexesvc)", re.IGNORECASE
)
_DROPPED = re.compile(r"(?:psexesvc|remcomsvc|paexec|csexecsvc|winexesvc)[^\\]*\.exe$", re.IGNORECASE)

SVCCTL, ATSVC = "367abb81-9844-35f1-ad32-98f038001003", "1ff70682-0a51-30e8-076d-740be8cee98b"
TASKS, WMI = "86d35949-83c9-4044-b424-db363231fd0c", "9556dc99-828c-11cf-a37e-00aa003240c7"
SAMR, WINREG = "12345778-1234-abcd-ef00-0123456789ac", "338cd001-2244-31f1-aaaa-900090000003"
DRSUAPI, NETLOGON = "e3514235-4b06-11d1-ab04-00c04fc2dcd2", "12345678-1234-abcd-ef00-01234567cffb"
SPOOLSS, SRVSVC = "12345678-1234-abcd-ef00-0123456789ab", "4b324fc8-1670-01d3-1278-5a47bf6ee188"
EFSR, EFSR_OLD = "df1941c5-fe89-4e79-bf10-463657acf44d", "c681d488-d850-11d0-8c52-00c04fd90f7e"
DFSNM, FSRVP = "4fc742e0-4a10-11cf-8273-00aa004ae673", "a8e0653c-2744-4389-a61d-7373df8b2292"
EPM = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"

EXECUTES: dict[str, tuple[frozenset[int], str]] = {
    SVCCTL: (frozenset({12, 24, 44, 45, 60, 19, 31}), "creates or starts a service"),
    ATSVC: (frozenset({0}), "creates a task"),
    TASKS: (frozenset({1, 12}), "registers or runs a task"),
    WMI: (frozenset({20, 21, 22, 23, 24, 25}), "executes by WMI"),
}
COERCES: dict[str, tuple[frozenset[int], str]] = {
    SPOOLSS: (frozenset({62, 65}), "printer notifications"),
    EFSR: (frozenset({0, 4, 5, 6, 7, 12, 13, 15}), "encrypted files"),
    EFSR_OLD: (frozenset({0, 4, 5, 6, 7, 12, 13, 15}), "encrypted files"),
    DFSNM: (frozenset({12, 13}), "distributed file systems"),
    FSRVP: (frozenset({8, 9}), "shadow copies"),
}
# enumerate domains, groups, users, aliases; query display information, and by its newer names
_SAMR_LISTS = frozenset({6, 11, 13, 15, 40, 48, 51})
_SAMR_PEOPLE = frozenset({25, 33, 47})
_NETLOGON_LOGIN = frozenset({4, 15, 26})


@dataclass(frozen=True, slots=True)
class Settings:
    """Who may, and from how many on it is somebody looking around.

    `admin_hosts` may use administrators' shares and execute remotely; `domain_controllers` replicate among each other
    (those that answer Kerberos are known as such). `netlogon_calls` to one server, `samr_hosts` and `epm_calls` by one
    client, within `window_seconds`. `keys_max` and `targets_max` bound what is remembered.
    """

    admin_hosts: tuple[str, ...] = ()
    domain_controllers: tuple[str, ...] = ()
    netlogon_calls: int = 20
    samr_hosts: int = 3
    epm_calls: int = 20
    window_seconds: int = 300
    keys_max: int = 50_000
    targets_max: int = 2_000


class Shares(Prompt):
    """`smb.admin_share`, `smb.remote_exec` by what is opened, `exploit.smbghost`, and noted only `smb.v1`."""

    def __init__(self, settings: Settings) -> None:
        self._admins = frozenset(settings.admin_hosts)

    def take(self, record: Smb) -> Iterable[Finding]:
        """Take an SMB packet into account."""
        found: list[Finding] = []
        if record.compressed_offset >= 0 and record.compressed_offset + record.compressed_size > 0xFFFFFFFF:
            told = f"{record.src} sent {record.dst} a compressed SMB packet whose sizes overflow (CVE-2020-0796)"
            found.append(about("exploit.smbghost", record, told, CRITICAL, "T1210"))
        if record.kind == "request" and record.src not in self._admins:
            if _ADMIN_SHARE.search(record.tree):
                told = f"{record.src} opened the administrators' share {record.tree} of {record.dst}"
                found.append(about("smb.admin_share", record, told, HIGH, "T1021.002", name=record.tree))
            if record.file and (pipe := _PIPES.search(record.file) or _DROPPED.search(record.file)):
                told = f"{record.src} opened {pipe.group().lstrip(chr(92))} on {record.dst}, by which programs are run"
                found.append(about("smb.remote_exec", record, told, HIGH, "T1569.002"))
        if record.version == 1 and record.kind == "response" and record.commands != (0x72,):
            told = f"{record.src} and {record.dst} speak SMB 1, which has no place in a network any more"
            found.append(about("smb.v1", record, told, INFO, "T1210"))
        return found


class Calls(Prompt):
    """`smb.remote_exec` by what is called, and `dcerpc.recon`, `.dcsync`, `.dcshadow`, `.zerologon`, `.coercion`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admins = frozenset(settings.admin_hosts)
        self._controllers: OrderedDict[str, None] = OrderedDict.fromkeys(settings.domain_controllers)
        window = settings.window_seconds, settings.keys_max, settings.targets_max
        self._logins, self._samr, self._epm = Window(*window), Window(*window), Window(*window)

    def take(self, record: Kerberos | Dcerpc) -> Iterable[Finding]:
        """Take a call into account, and who gives out tickets."""
        match record:
            case Kerberos(message="AS-REP" | "TGS-REP"):
                self._controllers[record.dst] = None
                bounded(self._controllers, self._settings.keys_max)
            case Dcerpc(kind="request"):
                return self._called(record)
            case Dcerpc(kind="bind", interface=interface) if interface == WINREG and record.src not in self._admins:
                told = f"{record.src} bound to the registry of {record.dst} from afar"
                return [about("dcerpc.recon", record, told, MEDIUM, "T1012", name="winreg")]
            case _:
                pass
        return ()

    def _called(self, call: Dcerpc) -> Iterable[Finding]:
        interface, number = call.interface, call.opnum
        numbers, what = EXECUTES.get(interface, (frozenset(), ""))
        if number in numbers and call.src not in self._admins:
            told = f"{call.src} {what} on {call.dst} from afar (operation {number})"
            return [about("smb.remote_exec", call, told, HIGH, "T1569.002", name=call.name)]
        numbers, what = COERCES.get(interface, (frozenset(), ""))
        if number in numbers:
            told = f"{call.src} makes {call.dst} log in to another host, by way of {what} (operation {number})"
            return [about("dcerpc.coercion", call, told, HIGH, "T1187", name=call.name)]
        if interface == DRSUAPI and call.src not in self._controllers:
            return self._replicated(call)
        if interface == NETLOGON and number in _NETLOGON_LOGIN:
            return self._guessed(call)
        return self._looked(call)

    def _replicated(self, call: Dcerpc) -> Iterable[Finding]:
        if call.opnum == 3:
            told = (
                f"{call.src}, which is no domain controller, asked {call.dst} for the domain's secrets (DsGetNCChanges)"
            )
            return [about("dcerpc.dcsync", call, told, CRITICAL, "T1003.006", name="drsuapi")]
        if call.opnum in {5, 17}:
            told = f"{call.src}, which is no domain controller, told {call.dst} of one more (operation {call.opnum})"
            return [about("dcerpc.dcshadow", call, told, CRITICAL, "T1207", name="drsuapi")]
        return ()

    def _guessed(self, call: Dcerpc) -> Iterable[Finding]:
        limit = self._settings.netlogon_calls
        seen = self._logins.note((call.src, call.dst), (call.sport, call.frame, call.time), call.time)
        if len(seen) < limit:
            return ()
        told = f"{call.src} tried {len(seen)} times to log in to {call.dst} as a computer (CVE-2020-1472); from "
        told += f"{limit} on somebody tries until zeros fit"
        return [about("dcerpc.zerologon", call, told, CRITICAL, "T1210", name="netlogon", count=len(seen))]

    def _looked(self, call: Dcerpc) -> Iterable[Finding]:
        limits = self._settings
        if call.interface == SAMR and call.opnum in _SAMR_LISTS:
            told = f"{call.src} lists users or groups of {call.dst} (SAMR operation {call.opnum})"
            return [about("dcerpc.recon", call, told, MEDIUM, "T1087.002", name="samr")]
        if (call.interface == SAMR and call.opnum in _SAMR_PEOPLE) or (call.interface, call.opnum) == (SRVSVC, 12):
            seen = self._samr.note((call.src,), call.dst, call.time)
            if len(seen) >= limits.samr_hosts:
                told = f"{call.src} asked {len(seen)} hosts who is a member or logged in; from {limits.samr_hosts} on "
                told += "somebody draws a map"
                return [about("dcerpc.recon", call, told, HIGH, "T1033", name="members", count=len(seen))]
        if call.interface == EPM:
            seen = self._epm.note((call.src,), (call.dst, call.sport, call.frame), call.time)
            if len(seen) >= limits.epm_calls:
                told = f"{call.src} asked {len(seen)} times which services there are; from "
                told += f"{limits.epm_calls} on it is told"
                return [about("dcerpc.recon", call, told, MEDIUM, "T1046", name="epm", count=len(seen))]
        return ()


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detectors of this family."""
    return [Shares(settings), Calls(settings)]
