"""What tshark says of a packet, as records: a reader for each protocol, called with the row and the packet it is of.

A reader may keep what belongs to its flow in `Live.notes` under the protocol's name; what is a `Pending` there is told
when the flow ends, if it has not been told before.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from sentinel.sense.columns import AT, Cells
from sentinel.sense.flows import Live
from sentinel.sense.protocols import directory, handshakes, mail, names, services, shells, web, windows
from sentinel.sense.protocols.common import Pending
from sentinel.sense.records import Record
from sentinel.sense.select import HEARTBEATS, REQUESTS
from sentinel.sense.sift import Shown

__all__ = ["read", "rest", "spoken"]

Reader = Callable[[Cells, Shown], Iterable[Record]]

_READERS: dict[str, Reader] = {
    "dns": names.dns, "mdns": names.dns, "llmnr": names.dns, "nbns": names.nbns,
    "tls": handshakes.tls, "dtls": handshakes.dtls, "http": web.http,
    "smb": windows.smb, "smb2": windows.smb2, "dcerpc": windows.dcerpc, "rdp": windows.rdp,
    "kerberos": directory.kerberos, "ldap": directory.ldap, "cldap": directory.ldap,
    "ftp": mail.ftp, "smtp": mail.smtp, "pop": mail.pop, "imap": mail.imap,
    "ssh": shells.ssh, "telnet": shells.telnet, "rsh": shells.rsh, "rlogin": shells.rlogin,
    "dhcp": services.dhcp, "dhcpv6": services.dhcpv6, "ntp": services.ntp, "snmp": services.snmp,
}  # fmt: skip
_NOT_SERVICES = frozenset(
    {"data", "tcp.segments", "udp.segments", "ip.fragments", "_ws.malformed", "_ws.short", "_ws.unreassembled", "nbss",
     "gss-api", "spnego", "tpkt", "cotp", "socks"}
)  # fmt: skip
_ALONE = frozenset({"kerberos", "dcerpc"})
_LAYERS = frozenset({"tcp", "udp", "sctp", "icmp", "icmpv6"})
_PLANS_MAX = 8192
_PROTOCOLS = AT["frame.protocols"]


def read(cells: Cells, shown: Shown) -> Iterator[Record]:
    """Yield the records of a packet, and note on its flow which protocol it speaks."""
    service, readers = _plan(cells[_PROTOCOLS])
    flow = shown.side.flow
    if service and not flow.service:
        flow.service = service
    if shown.payload:
        if shown.payload[:4] in HEARTBEATS:
            yield from handshakes.heartbeat(shown)
        else:
            yield from web.words(cells, shown)
    for reader in readers:
        yield from reader(cells, shown)


def rest(flow: Live) -> list[Record]:
    """Return what a flow that has ended still has to tell, itself last."""
    found: list[Record] = []
    for note in flow.notes.values():
        if isinstance(note, Pending) and not note.told:
            known = note.record(flow)
            if known is not None:
                found.append(known)
    flow.service = flow.service or spoken(flow.out.head, flow.back.head)
    if flow.service == "ssh" and "ssh" not in flow.notes:
        found.append(shells.banners(flow))
    found.append(flow.told())
    return found


def spoken(out: bytes, back: bytes) -> str:
    """Return the protocol that the first bytes of both directions give away, empty if they do not."""
    for head in (out, back):
        if not head:
            continue
        if head[:4] in REQUESTS or head[:5] == b"HTTP/":
            return "http"
        if head[:4] == b"SSH-":
            return "ssh"
        # a record of type handshake, SSL 3.0 to TLS 1.3 (RFC 8446, section 5.1)
        if head[:2] == b"\x16\x03" and head[2:3] <= b"\x04":
            return "tls"
        if head[4:8] in {b"\xfeSMB", b"\xffSMB"}:
            return "smb2" if head[4] == 0xFE else "smb"
        # TPKT with a connection request of COTP (RFC 1006)
        if head[:2] == b"\x03\0" and head[5:6] in {b"\xe0", b"\xd0"}:
            return "rdp"
    return ""


@lru_cache(maxsize=_PLANS_MAX)
def _plan(protocols: str) -> tuple[str, tuple[Reader, ...]]:
    parts = protocols.split(":")
    layers = [at for at, name in enumerate(parts) if name in _LAYERS]
    above = parts[layers[-1] + 1 :] if layers else []
    service = next((name for name in above if name not in _NOT_SERVICES), "")
    known = [name for name in above if name in _READERS]
    # of those that share cells one is read: TLS inside another (CONNECT, STARTTLS) hides it
    sharing = [name for name in known if name not in _ALONE]
    chosen = "tls" if "tls" in sharing else sharing[0] if sharing else ""
    return service, tuple(dict.fromkeys(_READERS[name] for name in known if name in _ALONE or name == chosen))
