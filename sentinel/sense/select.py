"""Which packets a dissector has to see: enough for names, handshakes and commands, not the bodies of transfers.

Of each direction of a flow the first packets with payload; of protocols that talk in commands many more; every packet
of those that say one thing a packet (DNS, DHCP …); whatever begins like an HTTP message or a login; of SMB everything
but data. Measured against full dissection the rules for commands are not optional: with the first 8 packets alone, 5 of
157 file names remain.
"""

from dataclasses import dataclass

from sentinel.sense.records import TCP

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

STARTS = REQUESTS | HEARTBEATS | {b"HTTP", b"USER", b"user", b"User", b"AUTH", b"EHLO", b"MAIL", b"RCPT"}
"""The first four bytes of what is shown however late in its flow it comes."""

_READ, _WRITE = 8, 9
_SMALL = 800


@dataclass(frozen=True, slots=True)
class Depth:
    """How many packets with payload of each direction are shown, at first and of protocols of commands.

    `handshakes`: packets that open a connection are shown too, so that nothing is reassembled from its middle.
    """

    first: int
    commands: int
    handshakes: bool

    def limit(self, proto: int, sport: int, dport: int) -> int:
        """Return how many of a direction are shown."""
        if proto == TCP:
            return self.commands if sport in COMMANDS or dport in COMMANDS else self.first
        return ALL if sport in MESSAGES or dport in MESSAGES else self.first


DEPTHS = (Depth(8, 400, handshakes=True), Depth(4, 40, handshakes=True), Depth(0, 0, handshakes=False))
"""From the usual depth to the least; under load the next is taken."""


def is_smb_control(data: bytes, at: int, size: int) -> bool:
    r"""Say whether a TCP payload at `at` belongs to SMB but is no bulk of data.

    Small, or a message of SMB 2 (`\xfeSMB` behind the 4 bytes of RFC 1001) other than READ and WRITE (MS-SMB2 2.2.1).
    """
    if size < _SMALL:
        return True
    return data[at + 4 : at + 8] == b"\xfeSMB" and at + 16 < len(data) and data[at + 16] not in {_READ, _WRITE}
