"""Which packets a dissector has to see: enough for names, handshakes and commands, not the bodies of transfers.

Of each direction of a flow the first packets with payload; of protocols that talk in commands many more; every packet
of those that say one thing a packet (DNS, DHCP …); whatever begins like an HTTP message or a login; of SMB everything
but data. Measured against full dissection the rules for commands are not optional: with the first 8 packets alone, 5 of
157 file names remain.
"""

from dataclasses import dataclass

from sentinel.sense.flows import Side
from sentinel.sense.records import TCP, UDP

__all__ = [
    "COMMANDS",
    "DEPTHS",
    "HEARTBEATS",
    "MESSAGES",
    "PROMPTS",
    "REQUESTS",
    "SMB",
    "SNAP",
    "STARTS",
    "Depth",
    "is_smb_control",
]

SNAP = 16_384
"""A packet's bytes beyond that are not shown; only cards that put segments together make longer ones than 1600."""

ALL = 1 << 60

COMMANDS = frozenset(
    {21, 23, 25, 88, 102, 110, 111, 119, 135, 139, 143, 389, 445, 464, 513, 514, 587, 1433, 2525, 3268, 3389}
)
"""Ports of protocols that talk in commands (IANA)."""

MESSAGES = frozenset({53, 67, 68, 88, 123, 137, 138, 161, 162, 389, 546, 547, 5353, 5355})
"""UDP ports of protocols that say one thing a packet."""

SMB = frozenset({139, 445})

PROMPTS = frozenset({23, 513, 2323})
"""Ports of servers that ask for a name and a password in words."""

REQUESTS = frozenset(
    {b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC", b"CONN", b"TRAC", b"PROP", b"REPO", b"MKCO"}
)  # fmt: skip
"""The first four bytes of HTTP requests."""

HEARTBEATS = frozenset(bytes((0x18, 3, minor, high)) for minor in range(4) for high in range(0x41))
"""The first four bytes of TLS heartbeats (RFC 6520), of whatever length."""

HELLOS = frozenset(bytes((0x16, 3, minor, high)) for minor in range(5) for high in range(0x41))
"""The first four bytes of records of a TLS handshake (RFC 8446, section 5.1), of whatever length."""

TEXTS = REQUESTS | HEARTBEATS | {b"HTTP", b"USER", b"user", b"User", b"AUTH", b"EHLO", b"MAIL", b"RCPT"}
"""The first four bytes of what is kept until the dissector has answered."""

STARTS = TEXTS | HELLOS
"""The first four bytes of what is shown however late in its flow it comes."""

_HTTPS = 443
_QUIC_FIRST, _UDP_FIRST = 4, 2
_FORM, _REST, _HANDSHAKE = 1, 3, 6
_BODY, _BODIES_AFTER = 1000, 8
_BODIES = frozenset({21, 25, 110, 119, 143, 587, 2525})
_READ, _WRITE = 8, 9
_SMALL = 800


@dataclass(frozen=True, slots=True)
class Depth:
    """How many packets with payload of each direction are shown, at first and of protocols of commands.

    `handshakes`: packets that open a connection on the ports of an earlier one are shown too.
    """

    first: int
    commands: int
    handshakes: bool

    def limit(self, proto: int, sport: int, dport: int) -> int:
        """Return how many of a direction are shown."""
        if proto == TCP:
            return self.commands if sport in COMMANDS or dport in COMMANDS else self.first
        if sport in MESSAGES or dport in MESSAGES:
            return ALL
        return min(self.first, _QUIC_FIRST if dport == _HTTPS else _UDP_FIRST)


DEPTHS = (Depth(8, 400, handshakes=True), Depth(4, 40, handshakes=True), Depth(0, 0, handshakes=False))
"""From the usual depth to the least; under load the next is taken."""


def said(side: Side, start: bytes, data: bytes, at: int, size: int) -> bool:
    """Say whether a payload tells a dissector anything, and set how many more of its flow may.

    `start` are its first four bytes; it begins in `data` at `at`. What is encrypted says nothing (TLS application data,
    RFC 8446 section 5.1; QUIC's short headers, RFC 9000 section 17.3), an HTTP message has said it all with its header,
    SSH with its key exchange; a long packet of a protocol of commands is a body.
    """
    flow = side.flow
    if flow.proto == UDP:
        if flow.dport == _HTTPS and start and not start[0] & 0x80:
            flow.out.limit = flow.back.limit = 0
            return False
        return True
    if start[:2] == b"\x17\x03" and not side.smb:
        flow.out.limit = flow.back.limit = 0
        return False
    if start in HELLOS:
        # the beginning of encryption, maybe within a conversation that had nothing more to say
        flow.out.limit = max(flow.out.limit, flow.out.data + _HANDSHAKE)
        flow.back.limit = max(flow.back.limit, flow.back.data + _HANDSHAKE)
    elif start in REQUESTS:
        whole = b"\r\n\r\n" in data[at : at + size]
        side.limit = side.data + (_FORM if start == b"POST" else 0) if whole else side.data + _REST
        flow.back.limit = 0
    elif start == b"SSH-":
        side.limit = side.data + _REST
    elif size > _BODY and side.limit > _BODIES_AFTER and side.data > _BODIES_AFTER and flow.dport in _BODIES:
        return start in STARTS
    return True


def is_smb_control(data: bytes, at: int, size: int) -> bool:
    r"""Say whether a TCP payload at `at` belongs to SMB but is no bulk of data.

    Small, or a message of SMB 2 (`\xfeSMB` behind the 4 bytes of RFC 1001) other than READ and WRITE (MS-SMB2 2.2.1).
    """
    if size < _SMALL:
        return True
    return data[at + 4 : at + 8] == b"\xfeSMB" and at + 16 < len(data) and data[at + 16] not in {_READ, _WRITE}
