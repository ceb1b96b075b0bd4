"""The rows of tshark read: which columns are asked for, and what one row says of its packet.

Of nested packets the innermost counts (what a GRE or VXLAN tunnel carries), but never what an ICMP error quotes.
"""

from functools import lru_cache
from typing import NamedTuple

from sentinel.sense.capture import Column
from sentinel.sense.records import ICMP, ICMPV6, TCP, UDP

_WANTED = (
    "frame.time_epoch", "frame.len", "frame.protocols", "vlan.id",
    "ip.src*", "ip.dst*", "ipv6.src*", "ipv6.dst*", "ip.proto*", "ipv6.nxt*",
    "tcp.srcport*", "tcp.dstport*", "tcp.flags*", "tcp.len*", "udp.srcport*", "udp.dstport*", "udp.length*",
    "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code",
    "dns.id", "dns.flags.response", "dns.flags.rcode", "dns.qry.name", "dns.qry.type",
    "dns.a*", "dns.aaaa*", "dns.cname*", "dns.ptr.domain_name*", "dns.mx.mail_exchange*",
    "tls.handshake.type*", "tls.handshake.version", "tls.handshake.extensions.supported_version*",
    "tls.handshake.ciphersuite", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
    "tls.handshake.ja3", "tls.handshake.ja3s",
    "x509if.oid*", "x509if.rdnSequence", "x509af.rdnSequence", "x509sat.DirectoryString*", "x509sat.uTF8String*",
    "x509sat.printableString*", "x509af.utcTime*",
)  # fmt: skip
COLUMNS = tuple(Column(name.removesuffix("*"), every=name.endswith("*")) for name in _WANTED)
"""What is asked of tshark for every packet; never a field that holds payload or a password."""

AT = {column.field: at for at, column in enumerate(COLUMNS)}
"""Where in a row a field's cell is."""

NUMBERS = {
    "icmp": ICMP, "igmp": 2, "tcp": TCP, "udp": UDP, "gre": 47, "esp": 50, "ah": 51, "icmpv6": ICMPV6, "eigrp": 88,
    "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132,
}  # fmt: skip
"""Protocol numbers (IANA) by tshark's names."""

_TIME_NS_MAX = 253_402_300_799 * 1_000_000_000
_PLAN_MAX = 8192
_TLS_TYPE = AT["tls.handshake.type"]
_DNS_ID = AT["dns.id"]
_DNS_RESPONSE = AT["dns.flags.response"]
_NOT_SERVICES = frozenset({"data", "tcp.segments", "udp.segments", "ip.fragments", "_ws.malformed", "_ws.short"})
_FIXED_LENGTH_UDP = 8


class Packet(NamedTuple):
    """What counts of one IP packet: time in ns since 1970, bytes on the wire, whose it is, TCP's flags, bytes of data.

    For ICMP, `sport` is the type and `dport` the code; protocols without ports have 0 in both. `frame` is its number in
    the capture, from 1.
    """

    time: int
    length: int
    src: str
    dst: str
    proto: int
    sport: int
    dport: int
    flags: int
    data: int
    vlan: int
    service: str
    frame: int


class _Plan(NamedTuple):
    # where in the lists of a row the addresses and ports of the packet that counts are
    family: int
    address: int
    layer: str
    port: int
    service: str


@lru_cache(maxsize=_PLAN_MAX)
def _plan(protocols: str) -> _Plan | None:
    seen = {"ip": 0, "ipv6": 0, "tcp": 0, "udp": 0}
    family = address = port = 0
    layer = service = ""
    for name in protocols.split(":"):
        if name in {"ip", "ipv6"}:
            family, address, layer, service = (4 if name == "ip" else 6), seen[name], "", ""
        elif name in {"tcp", "udp"}:
            layer, port, service = name, seen[name], ""
        elif family and not layer and name in NUMBERS:
            layer = name
        elif layer and not service and name not in _NOT_SERVICES:
            service = name
        if name in seen:
            seen[name] += 1
        if layer in {"icmp", "icmpv6"}:
            break
    return _Plan(family, address, layer, port, service) if family else None


def time_of(cell: str) -> int | None:
    """Return `frame.time_epoch` in ns since 1970, None if it is none or beyond the year 9999."""
    try:
        if cell[-10:-9] == ".":
            found = int(cell[:-10] + cell[-9:])
        else:
            whole, _, fraction = cell.partition(".")
            found = int(whole + (fraction + "000000000")[:9])
    except ValueError:
        return None
    return found if 0 <= found <= _TIME_NS_MAX else None


def packet_of(cells: list[str], time: int, frame: int) -> Packet | None:
    """Return the packet of a row, None if it is not IP; `time` is its time, checked."""
    plan = _plan(cells[2])
    if plan is None:
        return None
    family, at, layer, port, service = plan
    src, dst = (cells[4], cells[5]) if family == 4 else (cells[6], cells[7])
    if "," in src or "," in dst:
        src, dst = _nth(src, at), _nth(dst, at)
    if not src or not dst:
        return None
    try:
        length = int(cells[1])
        vlan = int(cells[3]) if cells[3] else 0
        if layer == "tcp":
            sport, dport, flags, data = cells[10], cells[11], cells[12], cells[13]
            if "," in sport:
                sport, dport, flags, data = _nth(sport, port), _nth(dport, port), _nth(flags, port), _nth(data, port)
            bits = int(flags, 16) & 0xFF
            return Packet(
                time, length, src, dst, TCP, int(sport), int(dport), bits, int(data or 0), vlan, service, frame
            )
        if layer == "udp":
            sport, dport, data = cells[14], cells[15], cells[16]
            if "," in sport:
                sport, dport, data = _nth(sport, port), _nth(dport, port), _nth(data, port)
            size = max(0, int(data or 0) - _FIXED_LENGTH_UDP)
            return Packet(time, length, src, dst, UDP, int(sport), int(dport), 0, size, vlan, service, frame)
        if layer in {"icmp", "icmpv6"}:
            kind, code = (cells[17], cells[18]) if layer == "icmp" else (cells[19], cells[20])
            proto = NUMBERS[layer]
            return Packet(time, length, src, dst, proto, int(kind or 0), int(code or 0), 0, 0, vlan, "", frame)
        proto = NUMBERS.get(layer) or int(_nth(cells[8] if family == 4 else cells[9], at) or 0)
        return Packet(time, length, src, dst, proto, 0, 0, 0, 0, vlan, "", frame)
    except ValueError:
        # cut short inside its headers: the cells of what is missing are empty
        return Packet(time, _number(cells[1]), src, dst, _number(_nth(cells[8], at)), 0, 0, 0, 0, 0, "", frame)


def _nth(cell: str, at: int) -> str:
    values = cell.split(",", at + 1)
    return values[at] if at < len(values) else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def has_dns(cells: list[str]) -> bool:
    """Say whether the row holds a DNS message."""
    return cells[_DNS_ID] != "" and cells[_DNS_RESPONSE] != ""


def has_tls(cells: list[str]) -> bool:
    """Say whether the row holds a TLS handshake message."""
    return cells[_TLS_TYPE] != ""
