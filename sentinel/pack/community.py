"""Community ID version 1: one name for a flow that Zeek, Suricata and Elastic give it too.

Format: https://github.com/corelight/community-id-spec (version 1.0): `1:` and Base64 of SHA-1 over seed, the smaller
end's address, the larger end's, protocol, a zero byte and the ports in the same order, all big-endian.
"""

import socket
from binascii import b2a_base64
from functools import lru_cache
from hashlib import sha1
from struct import pack

_ICMP, _TCP, _UDP, _ICMPV6, _SCTP = 1, 6, 17, 58, 132
_COUNTERPARTS = {
    _ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10},
    _ICMPV6: {
        128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 139: 140, 140: 139,
        144: 145, 145: 144,
    },
}  # fmt: skip
_WITH_PORTS = frozenset({_TCP, _UDP, _SCTP, *_COUNTERPARTS})
_ADDRESSES_MAX = 65_536


def counterpart(proto: int, kind: int) -> int | None:
    """Return the ICMP type that answers `kind`, None if messages of that type go one way only."""
    return _COUNTERPARTS.get(proto, {}).get(kind)


def community_id(src: str, dst: str, proto: int, sport: int, dport: int, seed: int = 0) -> str:
    """Return the Community ID of a flow; for ICMP, `sport` is the type and `dport` the code.

    Raises OSError if an address is none.
    """
    one, other = _packed(src), _packed(dst)
    one_way = False
    if proto in _COUNTERPARTS:
        answer = counterpart(proto, sport)
        one_way = answer is None
        dport = dport if answer is None else answer
    if not one_way and (other, dport) < (one, sport):
        one, other, sport, dport = other, one, dport, sport
    rest = pack("!BxHH", proto, sport, dport) if proto in _WITH_PORTS else pack("!Bx", proto)
    digest = sha1(pack("!H", seed) + one + other + rest, usedforsecurity=False).digest()
    return "1:" + b2a_base64(digest, newline=False).decode("ascii")


@lru_cache(_ADDRESSES_MAX)
def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
