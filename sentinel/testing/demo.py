"""A morning in the model city: what its devices write while somebody is at the door.

Every line is made here and enters through a real entrance; who is who is invented, addresses are RFC 1918 inside and
RFC 5737 outside.
"""

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path

from sentinel.testing.city import City
from sentinel.testing.evtxfile import WindowsEvent, write_evtx
from sentinel.testing.packets import demo_capture, dns_query, udp, write_pcap

ATTACKER = "203.0.113.66"
SPRAYER = "198.51.100.23"
SCHOOL_PC = "10.20.42.66"
BACKGROUND = 400
BREAKS = frozenset({
    "firewall_dmz_to_inside", "firewall_many_blocked", "fortigate_admin_from_outside", "fortigate_vpn_bruteforce",
    "postfix_sasl_bruteforce", "sensor_certificate", "sensor_dns_long_names", "sensor_port_scan", "sensor_tunnel",
    "ssh_bruteforce", "ssh_bruteforce_success", "ssh_root_from_outside", "threat_indicator_seen",
    "windows_audit_log_cleared", "windows_encoded_powershell", "windows_privileged_group",
})  # fmt: skip
"""The files of the rules that this morning breaks, each of which has to raise an alert."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What enters where: `udp` and `tcp` are syslog lines, `mail` is appended to a followed file."""

    udp: tuple[bytes, ...]
    tcp: tuple[bytes, ...]
    mail: tuple[str, ...]


def scene(now: datetime, seed: int = 42) -> Scene:
    """Return the morning that ends at `now` (aware, UTC)."""
    lines = City(seed, 0.01, busy=True).lines(now - timedelta(seconds=200))
    usual = [line.body for line in islice(lines, BACKGROUND)]
    udp = [*usual[: BACKGROUND // 2], *(line.encode() for line in _sshd(now))]
    tcp = [*usual[BACKGROUND // 2 :], *(line.encode() for line in (*_fortigate(now), *_pfsense(now)))]
    return Scene(tuple(udp), tuple(tcp), tuple(_postfix(now)))


def _bsd(moment: datetime) -> str:
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"


def _sshd(now: datetime) -> Iterator[str]:
    for at in range(24):
        moment = now - timedelta(seconds=90 - at * 2)
        name = ("root", "admin", "invalid user oracle", "invalid user test", "invalid user ftp")[at % 5]
        yield (
            f"<86>{_bsd(moment)} srv-portal sshd[{4000 + at}]: "
            f"Failed password for {name} from {ATTACKER} port {40000 + at} ssh2"
        )
    yield (
        f"<86>{_bsd(now - timedelta(seconds=30))} srv-portal sshd[4100]: "
        f"Accepted password for root from {ATTACKER} port 40100 ssh2"
    )


def _fortigate(now: datetime) -> Iterator[str]:
    def line(moment: datetime, rest: str) -> str:
        return (
            f'<188>date={moment:%Y-%m-%d} time={moment:%H:%M:%S} devname="fw-rathaus" devid="FGT60F0000000001" '
            f'eventtime={int(moment.timestamp()) * 10**9} tz="+0000" vd="root" {rest}'
        )

    for at in range(12):
        yield line(
            now - timedelta(seconds=80 - at * 3),
            f'logid="0101039426" type="event" subtype="vpn" level="alert" logdesc="SSL VPN login fail" '
            f'action="ssl-login-fail" tunneltype="ssl-web" tunnelid=0 remip={SPRAYER} user="benutzer{at:02d}" '
            'group="N/A" dst_host="N/A" reason="sslvpn_login_permission_denied" msg="SSL user failed to logged in"',
        )
    yield line(
        now - timedelta(seconds=20),
        f'logid="0100032001" type="event" subtype="system" level="information" logdesc="Admin login successful" '
        f'sn="1700000000" user="admin" ui="https({SPRAYER})" method="https" srcip={SPRAYER} dstip=192.0.2.1 '
        f'action="login" status="success" reason="none" profile="super_admin" '
        f'msg="Administrator admin logged in successfully from https({SPRAYER})"',
    )
    yield line(
        now - timedelta(seconds=15),
        'logid="0000000013" type="traffic" subtype="forward" level="notice" srcip=10.10.7.20 srcport=51044 '
        'srcintf="dmz" srcintfrole="dmz" dstip=10.10.2.15 dstport=445 dstintf="lan" dstintfrole="lan" '
        'sessionid=4711 proto=6 action="deny" policyid=0 policytype="policy" service="SMB" trandisp="noop" '
        "duration=0 sentbyte=0 rcvdbyte=0 sentpkt=0 rcvdpkt=0",
    )


def _pfsense(now: datetime) -> Iterator[str]:
    for at in range(60):
        moment = now - timedelta(seconds=70 - at)
        yield (
            f"<134>1 {moment:%Y-%m-%dT%H:%M:%S}.000000+00:00 pf-schule-42 filterlog 915 - - "
            f"5,,,1000000103,igb1,match,block,in,4,0x0,,64,{10000 + at},0,DF,6,tcp,60,{SCHOOL_PC},203.0.113.{at + 1},"
            f"{52000 + at},6881,0,S,{1000 + at},,64240,,mss"
        )


def _postfix(now: datetime) -> Iterator[str]:
    for at in range(15):
        moment = now - timedelta(seconds=60 - at * 2)
        yield (
            f"{_bsd(moment)} mx1 postfix/smtpd[{5000 + at}]: warning: unknown[{SPRAYER}]: SASL LOGIN authentication "
            "failed: UGFzc3dvcmQ6, sasl_username=poststelle@stadt.example"
        )


@dataclass(frozen=True, slots=True)
class Files:
    """An event log, and captures of two networks."""

    event_log: Path
    captures: tuple[Path, ...]


def write_files(folder: Path, now: datetime) -> Files:
    """Write the event log of a domain controller and the captures of two schools' networks."""
    files = Files(folder / "dc1.evtx", (folder / "schule-17.pcap", folder / "schule-42.pcap"))
    _event_log(files.event_log, now)
    demo_capture(files.captures[0], now - timedelta(minutes=2))
    write_pcap(files.captures[1], _tunnel(now))
    return files


def _tunnel(now: datetime) -> Iterator[tuple[int, bytes]]:
    """Yield the packets of a tablet that carries data out in the names of DNS questions."""
    begin = int((now - timedelta(seconds=60)).timestamp()) * 1_000_000_000
    for at in range(30):
        label = sha256(b"%d" % at).hexdigest()[:60]
        question = dns_query(at, f"{label}.t.example", "TXT")
        yield begin + at * 400_000_000, udp(SCHOOL_PC, "10.20.42.1", 50000 + at, 53, question)


def _event_log(path: Path, now: datetime) -> None:
    dc, provider = "dc1.stadt.example", "Microsoft-Windows-Security-Auditing"
    subject = {"SubjectUserName": "hschröder", "SubjectDomainName": "STADT", "SubjectLogonId": "0x3e7f1"}
    member = {
        "MemberName": "CN=Aushilfe,OU=Personal,DC=stadt,DC=example",
        "MemberSid": "S-1-5-21-1-2-3-1199",
        "TargetUserName": "Domain Admins",
        "TargetDomainName": "STADT",
        "TargetSid": "S-1-5-21-1-2-3-512",
    }
    started = now - timedelta(seconds=45)
    process = {
        "UtcTime": f"{started:%Y-%m-%d %H:%M:%S}.000",
        "ProcessId": "6544",
        "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
        "CommandLine": "powershell.exe -NoProfile -WindowStyle Hidden "
        "-EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=",
        "ParentImage": "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
        "ParentCommandLine": "WINWORD.EXE /n Mahnung.docm",
        "User": "STADT\\gneumann",
    }
    sysmon = "Microsoft-Windows-Sysmon"
    events = [
        WindowsEvent(provider, 4728, "Security", dc, 90_001, now - timedelta(seconds=50), subject | member),
        WindowsEvent(sysmon, 1, f"{sysmon}/Operational", "PC-0815.stadt.example", 90_002, started, process),
        WindowsEvent("Microsoft-Windows-Eventlog", 1102, "Security", dc, 90_003, now - timedelta(seconds=40), subject),
    ]
    write_evtx(path, events)


def send_udp(lines: Iterable[bytes], port: int, host: str = "127.0.0.1") -> int:
    """Send each line as one datagram, paced so that a small machine keeps up; returns how many."""
    count = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for line in lines:
            sender.sendto(line, (host, port))
            count += 1
            if count % 50 == 0:
                time.sleep(0.01)
    return count


def send_tcp(lines: Iterable[bytes], port: int, host: str = "127.0.0.1") -> int:
    """Send the lines with octet counting (RFC 6587); returns how many."""
    framed = [b"%d %s" % (len(line), line) for line in lines]
    with socket.create_connection((host, port)) as sender:
        sender.sendall(b"".join(framed))
    return len(framed)
