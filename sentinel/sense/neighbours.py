"""ARP (RFC 826) and ICMP (RFC 792, RFC 4443): what tier 1 reads by itself, as records."""

from socket import inet_ntoa
from struct import unpack_from

from sentinel.pack.community import counterpart
from sentinel.sense.flows import Seen, Side
from sentinel.sense.links import Plain
from sentinel.sense.records import Arp, Icmp

__all__ = ["BODY_BYTES", "answered", "arp", "icmp"]

BODY_BYTES = 16
"""How many bytes of an ICMP message detections may look at."""


def answered(proto: int, kind: int) -> bool:
    """Say whether messages of that type are answered, so that both directions are one flow."""
    return counterpart(proto, kind) is not None


def arp(whole: Plain, time: int, frame: int) -> Arp | None:
    """Return the record of an ARP packet for IPv4 over Ethernet, None for others and for what is cut short."""
    data = whole.data
    if len(data) < 42 or data[14:20] != b"\0\x01\x08\0\x06\x04":
        return None
    (kind,) = unpack_from("!H", data, 20)
    if kind not in {1, 2}:
        return None
    return Arp(
        time=time,
        frame=frame,
        vlan=whole.vlan,
        kind="request" if kind == 1 else "reply",
        src=inet_ntoa(data[28:32]),
        dst=inet_ntoa(data[38:42]),
        src_mac=data[22:28].hex(":"),
        dst_mac=data[32:38].hex(":"),
        frame_src_mac=data[6:12].hex(":"),
        frame_dst_mac=data[:6].hex(":"),
    )


def icmp(seen: Seen, side: Side, at: int, ttl: int, end: int) -> Icmp | None:
    """Return the record of an ICMP message at `at`, which ends at `end`; None if it is cut short in its header."""
    data, flow = seen.data, side.flow
    if len(data) < at + 8:
        return None
    number, sequence = unpack_from("!HH", data, at + 4)
    ends = (flow.src, flow.dst) if side is flow.out else (flow.dst, flow.src)
    return Icmp(
        time=seen.time,
        frame=seen.frame,
        vlan=seen.vlan,
        src=ends[0],
        dst=ends[1],
        sport=seen.sport,
        dport=seen.dport,
        proto=seen.proto,
        kind=seen.sport,
        code=seen.dport,
        id=number,
        seq=sequence,
        size=max(0, seen.size),
        ttl=ttl,
        body=data[at + 8 : min(at + 8 + BODY_BYTES, end)],
    )
