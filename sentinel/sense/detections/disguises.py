"""What runs where it should not: protocols on others' ports, Tor, and programs for looking after computers from afar.

- `proto.odd_port`: the first bytes of either side against the ports of the protocol they belong to, as Zeek's dynamic
  protocol detection does, and against the protocol that a port is known for.
- `tunnel.tor`: certificates of names nobody has registered, as Tor's relays make them (torspec, `tor-spec.txt`, 2), and
  its relays' ports.
- `policy.remote_admin`: names of the services behind such programs, in TLS and in DNS.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sentinel.domains import registered
from sentinel.sense.applications import Tls
from sentinel.sense.findings import HIGH, LOW, MEDIUM, Detector, Finding, Prompt, Scene, about
from sentinel.sense.records import TCP, Dns, Flow

_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"HTTP/1.")
_TOR_NAME = re.compile(r"^www\.[a-z2-7]{8,20}\.(?:com|net)$")

_TLS = frozenset({
    443, 465, 563, 587, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3128, 3269, 3389, 4433, 4434, 5061, 5223, 5228,
    5349, 5671, 5986, 6443, 6514, 6697, 8006, 8080, 8443, 8843, 8883, 9001, 9093, 9200, 9443, 10443, 25, 21, 110, 143,
    389, 5222, 5269, 5432, 3306, 1433,
})  # fmt: skip
_HTTP = frozenset({
    80, 81, 591, 593, 631, 1080, 2375, 2869, 3000, 3128, 5000, 5357, 5985, 6080, 7547, 8000, 8008, 8080, 8081, 8088,
    8090, 8118, 8123, 8180, 8530, 8888, 9000, 9090, 9100, 9200, 49152,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Which ports are right for a protocol beside the usual ones, and which services are for looking after computers.

    `ports` are such as `2222/ssh` or `8081/http` (also `tls`, `smb`, `rdp`); `remote_services` are domains.
    """

    ports: tuple[str, ...] = ("2222/ssh", "22222/ssh")
    remote_services: tuple[str, ...] = (
        "anydesk.com", "teamviewer.com", "rustdesk.com", "screenconnect.com", "connectwise.com", "splashtop.com",
        "logmein.com", "gotoassist.com", "getgo.com", "remoteutilities.com", "ultraviewer.net", "dwservice.net",
        "ammyy.com", "supremocontrol.com", "zohoassist.com", "parsec.app", "remotepc.com", "atera.com", "iperius.net",
    )  # fmt: skip
    remote_certificates: tuple[str, ...] = ("AnyDesk Client", "AnyNet Root CA", "AnyNet Relay", "TeamViewer")


def spoken(head_out: bytes, head_in: bytes) -> str:
    """Return the protocol that the first bytes of a TCP flow's two sides betray, empty if none.

    TLS: RFC 8446, 5.1; SSH: RFC 4253, 4.2; HTTP: RFC 9112; RDP: TPKT (RFC 1006) with a connection request (ITU-T
    X.224); SMB: [MS-SMB2] 2.1 over NetBIOS sessions (RFC 1001).
    """
    if head_out.startswith(b"SSH-") or head_in.startswith(b"SSH-"):
        return "ssh"
    if len(head_out) > 5 and head_out[0] == 0x16 and head_out[1] == 3 and head_out[2] <= 4 and head_out[5] == 1:
        return "tls"
    if head_out.startswith(_METHODS) or head_in.startswith(b"HTTP/1."):
        return "http"
    if head_out[4:8] in {b"\xffSMB", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB"} and not head_out[0]:
        return "smb"
    if head_out[:3] == b"\x03\x00\x00" and len(head_out) > 5 and head_out[5] == 0xE0:
        return "rdp"
    return ""


class OddPorts(Prompt):
    """`proto.odd_port`."""

    def __init__(self, settings: Settings) -> None:
        self._right: dict[str, set[int]] = {
            "ssh": {22}, "tls": set(_TLS), "http": set(_HTTP), "smb": {139, 445}, "rdp": {3389},
        }  # fmt: skip
        for one in settings.ports:
            port, _, name = one.partition("/")
            if port.isdecimal():
                self._right.setdefault(name, set()).add(int(port))

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        if record.proto != TCP or record.state != "established":
            return ()
        name = spoken(record.head_out, record.head_in)
        if name:
            if record.dport in self._right[name]:
                return ()
            hidden = record.dport in {25, 53, 80, 443, 110, 143, 445, 993}
            told = f"{record.src} and {record.dst} speak {name.upper()} on port {record.dport}"
            # TLS and HTTP turn up anywhere; a shell on a port that every firewall lets through does not
            severity = HIGH if hidden else LOW if name in {"tls", "http"} else MEDIUM
            return [about("proto.odd_port", record, f"{told}, which is not its port", severity, "T1571", name=name)]
        if record.dport in {443, 4433, 8443} and self._meant(record):
            told = f"{record.src} and {record.dst} speak something that is not TLS on port {record.dport}"
            return [about("proto.odd_port", record, told, MEDIUM, "T1571", name="unknown")]
        return ()

    @staticmethod
    def _meant(flow: Flow) -> bool:
        # both have said something, and neither what TLS begins with
        return (
            len(flow.head_out) > 3 and len(flow.head_in) > 3 and flow.head_out[0] not in {0x14, 0x15, 0x16, 0x17, 0x80}
        )


class Tor(Prompt):
    """`tunnel.tor`."""

    def __init__(self, scene: Scene) -> None:
        self._segments = scene.segments

    def take(self, record: Tls) -> Iterable[Finding]:
        """Take a handshake into account."""
        if not _TOR_NAME.match(record.sni) or not self._segments.outside(record.dst):
            return ()
        shown = record.certificates[0] if record.certificates else None
        relay = record.dport in {9001, 9030, 9050, 9051, 9150}
        made = shown is not None and bool(_TOR_NAME.match(shown.subject)) and shown.subject != record.sni
        if not (made or relay):
            return ()
        why = f"a certificate of {shown.subject}" if made and shown else f"port {record.dport}"
        told = (
            f"{record.src} asks {record.dst} for {record.sni}, which nobody has registered, and gets {why}: a Tor relay"
        )
        return [about("tunnel.tor", record, told, HIGH, "T1090.003", name=record.sni)]


class RemoteAdministration(Prompt):
    """`policy.remote_admin`."""

    def __init__(self, settings: Settings) -> None:
        self._domains = frozenset(settings.remote_services)
        self._certificates = settings.remote_certificates

    def take(self, record: Tls | Dns) -> Iterable[Finding]:
        """Take a handshake or a question for a name into account."""
        match record:
            case Tls(sni=sni) if (domain := registered(sni)) in self._domains:
                return [self._finding(record, domain)]
            case Tls(certificates=certificates):
                shown = {name for one in certificates for name in (one.subject, one.issuer)}
                for name in self._certificates:
                    if any(one.startswith(name) for one in shown):
                        return [self._finding(record, name)]
            case Dns(kind="query", name=name) if (domain := registered(name)) in self._domains:
                return [self._finding(record, domain)]
            case _:
                pass
        return ()

    def _finding(self, record: Tls | Dns, name: str) -> Finding:
        what = "connects to" if isinstance(record, Tls) else "asks for"
        told = f"{record.src} {what} {name}, by which computers are looked after from afar"
        return about("policy.remote_admin", record, told, MEDIUM, "T1219", name=name)


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [OddPorts(settings), Tor(scene), RemoteAdministration(settings)]
