"""Writes datagrams of NetFlow v5, v9 and IPFIX byte by byte, as exporters send them."""

import socket
from collections.abc import Iterable, Sequence
from struct import pack

SECONDS = 1_795_500_000
UPTIME = 600_000
Specifier = tuple[int, int] | tuple[int, int, int]
"""Number, length and, in IPFIX, the enterprise."""

FLOW: Sequence[Specifier] = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4))


def flow(number: int = 1, sport: int = 40_000) -> bytes:
    """Return a record of FLOW: 10.0.0.<number> to 198.51.100.7 port 443, 100 × number bytes in `number` packets."""
    ends = socket.inet_aton(f"10.0.0.{number}") + socket.inet_aton("198.51.100.7")
    times = pack("!II", UPTIME - 5000, UPTIME - 1000)
    return ends + pack("!HHBBII", sport, 443, 6, 0x1B, 100 * number, number) + times


def templates(version: int, *wanted: tuple[int, Sequence[Specifier]]) -> bytes:
    """Return a set of templates by id."""
    body = b"".join(pack("!HH", name, len(fields)) + specified(fields) for name, fields in wanted)
    return block(0 if version == 9 else 2, body)


def options(version: int, name: int, scopes: Sequence[Specifier], fields: Sequence[Specifier]) -> bytes:
    """Return a set with one options template."""
    if version == 9:
        head = pack("!HHH", name, 4 * len(scopes), 4 * len(fields))
    else:
        head = pack("!HHH", name, len(scopes) + len(fields), len(scopes))
    return block(1 if version == 9 else 3, head + specified(scopes) + specified(fields))


def specified(fields: Iterable[Specifier]) -> bytes:
    """Return field specifiers."""
    return b"".join(
        pack("!HH", *one) if len(one) == 2 else pack("!HHI", one[0] | 0x8000, one[1], one[2]) for one in fields
    )


def block(number: int, body: bytes) -> bytes:
    """Return a set, padded to four bytes."""
    body += b"\0" * (-len(body) % 4)
    return pack("!HH", number, len(body) + 4) + body


def v9(*sets: bytes, sequence: int = 0, domain: int = 0, seconds: int = SECONDS, uptime: int = UPTIME) -> bytes:
    """Return a v9 datagram."""
    return pack("!HHIIII", 9, len(sets), uptime, seconds, sequence, domain) + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, domain: int = 0, seconds: int = SECONDS) -> bytes:
    """Return an IPFIX message."""
    body = b"".join(sets)
    return pack("!HHIII", 10, 16 + len(body), seconds, sequence, domain) + body


def v5(count: int, *, sequence: int = 0, sampling: int = 0, seconds: int = SECONDS) -> bytes:
    """Return a v5 datagram of `count` flows: 10.0.0.<n> to 198.51.100.7 port 443, 100 × n bytes in n packets."""
    head = pack("!HHIIIIBBH", 5, count, UPTIME, seconds, 500_000_000, sequence, 1, 2, sampling)
    return head + b"".join(_v5_flow(number) for number in range(1, count + 1))


def _v5_flow(number: int) -> bytes:
    ends = socket.inet_aton(f"10.0.0.{number}") + socket.inet_aton("198.51.100.7") + socket.inet_aton("192.0.2.1")
    counted = pack("!HHIIII", 3, 4, number, 100 * number, UPTIME - 5000, UPTIME - 1000)
    return ends + counted + pack("!HHBBBBHHBBH", 40_000, 443, 0, 0x1B, 6, 8, 64_500, 64_501, 24, 25, 0)
