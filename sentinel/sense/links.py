"""Link layers: whatever a frame was carried in, out comes Ethernet with IP or ARP directly behind its 14 bytes.

Formats: https://www.tcpdump.org/linktypes.html (Ethernet, Linux cooked v1 and v2, BSD loopback, raw IP, PPP); IEEE
802.1Q and 802.1ad tags, MPLS (RFC 3032), PPPoE (RFC 2516), SNAP (RFC 1042), GRE (RFC 2784, 2890), ERSPAN, VXLAN
(RFC 7348), Geneve (RFC 8926), Teredo (RFC 4380, 5.1.1), IP in IP (RFC 2003, 4213).
"""

from dataclasses import dataclass

__all__ = ["ETHERNET", "KNOWN", "TUNNELS", "Plain", "plain", "unwrapped"]

ETHERNET = 1
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806

_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_MPLS = frozenset({0x8847, 0x8848})
_PPPOE = 0x8864
_RAW = frozenset({12, 14, 101, 228, 229})
_LOOP = frozenset({0, 108})
_PPP = frozenset({9, 50})
_SLL, _SLL2 = 113, 276
KNOWN = frozenset({ETHERNET, *_RAW, *_LOOP, *_PPP, _SLL, _SLL2})
"""The link types that are read."""

_TAGS_MAX = 4
_LABELS_MAX = 8
_NO_CARDS = bytes(12)
_PPP_KINDS = {0x0021: IPV4, 0x0057: IPV6}
_TEREDO, _VXLAN, _GENEVE = 3544, 4789, 6081
TUNNELS = frozenset(port.to_bytes(2, "big") for port in (_TEREDO, _VXLAN, _GENEVE))
"""The UDP ports of tunnels, as they stand in a packet."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A frame made plain: `kind` its Ethertype, `vlan` the outermost tag, `cut` by how much it became shorter."""

    data: bytes
    kind: int
    vlan: int
    cut: int


def plain(data: bytes, link: int) -> Plain | None:
    """Return the frame made plain, None if it carries neither IP nor ARP or is cut short before that shows."""
    try:
        cards, kind, at = _link(data, link)
        kind, at, vlan = _untagged(data, kind, at)
    except IndexError:
        return None
    if kind not in {IPV4, IPV6, ARP} or at >= len(data):
        return None
    if at == 14 and link == ETHERNET:
        return Plain(data, kind, vlan, 0)
    return Plain(cards + kind.to_bytes(2, "big") + data[at:], kind, vlan, at - 14)


def _link(data: bytes, link: int) -> tuple[bytes, int, int]:
    # both cards, the Ethertype, and where what it is of begins; IndexError if it is too short
    if link == ETHERNET:
        return data[:12], _short(data, 12), 14
    if link in _RAW:
        return _NO_CARDS, _version(data, 0), 0
    if link in _LOOP:
        return _NO_CARDS, _version(data, 4), 4
    if link == _SLL:
        return bytes(6) + data[6:12], _short(data, 14), 16
    if link == _SLL2:
        return bytes(6) + data[12:18], _short(data, 0), 20
    if link in _PPP:
        at = 2 if data[:2] == b"\xff\x03" else 0
        return _NO_CARDS, _PPP_KINDS.get(_short(data, at), 0), at + 2
    return _NO_CARDS, 0, 0


def _untagged(data: bytes, kind: int, at: int) -> tuple[int, int, int]:
    vlan = 0
    for _ in range(_TAGS_MAX):
        if kind not in _TAGS:
            break
        vlan = vlan or _short(data, at) & 0x0FFF
        kind, at = _short(data, at + 2), at + 4
    if kind in _MPLS:
        for _ in range(_LABELS_MAX):
            at += 4
            if data[at - 2] & 1:
                break
        kind = _version(data, at)
    elif kind == _PPPOE:
        kind, at = _PPP_KINDS.get(_short(data, at + 6), 0), at + 8
    elif kind < 0x0600 and data[at : at + 6] == b"\xaa\xaa\x03\0\0\0":
        kind, at = _short(data, at + 6), at + 8
    return kind, at, vlan


def unwrapped(data: bytes, at: int, proto: int) -> tuple[bytes, int, int] | None:
    """Return what a tunnel carries: a frame, its link type and by how much it is shorter; None if it is no tunnel.

    `data` is a plain frame whose IP payload of protocol `proto` begins at `at`.
    """
    try:
        if proto in {4, 41}:
            return data[at:], 101, at
        if proto == 47:
            return _gre(data, at)
        if proto == 17:
            return _datagram(data, at)
    except IndexError:
        return None
    return None


def _datagram(data: bytes, at: int) -> tuple[bytes, int, int] | None:
    sport, dport = _short(data, at), _short(data, at + 2)
    start = at + 8
    if dport == _VXLAN and data[start] & 0x08:
        return data[start + 8 :], ETHERNET, start + 8
    if dport == _GENEVE and not data[start] & 0xC0:
        kind, start = _short(data, start + 2), start + 8 + (data[start] & 0x3F) * 4
        if kind in {IPV4, IPV6}:
            return data[start:], 101, start
        return (data[start:], ETHERNET, start) if kind == 0x6558 else None
    if _TEREDO in {sport, dport}:
        if data[start : start + 2] == b"\0\1":
            start += 13 + data[start + 2] + data[start + 3]
        if data[start : start + 2] == b"\0\0":
            start += 8
        return (data[start:], 101, start) if data[start] >> 4 == 6 else None
    return None


def _gre(data: bytes, at: int) -> tuple[bytes, int, int] | None:
    flags, kind = _short(data, at), _short(data, at + 2)
    if flags & 0x4007:
        return None
    start = at + 4 + 4 * (bool(flags & 0x8000) + bool(flags & 0x2000) + bool(flags & 0x1000))
    if kind in {IPV4, IPV6}:
        return data[start:], 101, start
    if kind == 0x6558:
        return data[start:], ETHERNET, start
    if kind == 0x88BE:
        start += 8 if flags & 0x1000 else 0
        return data[start:], ETHERNET, start
    return None


def _short(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _version(data: bytes, at: int) -> int:
    return {4: IPV4, 6: IPV6}.get(data[at] >> 4, 0)
