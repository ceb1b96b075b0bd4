"""Writes capture files from scratch: packets as a town's network carries them, made of bytes, the same for each seed.

Formats: pcap (draft-ietf-opsawg-pcap), Ethernet II and 802.1Q, RFC 791, 8200, 9293, 768, 792, 1035, 5246, X.690.
"""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from struct import pack, unpack

__all__ = [
    "Story", "arp", "certificate", "client_hello", "demo_capture", "dhcp", "dns_answer", "dns_query", "ethernet",
    "icmp_echo", "ip", "server_hello", "tcp", "udp", "write_pcap",
]  # fmt: skip

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
SECOND = 1_000_000_000
_MILLI = 1_000_000
_SEGMENT_BYTES = 1400
_QTYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}

Frame = tuple[int, bytes]
"""A moment in ns since 1970 and the bytes that were on the wire."""


def write_pcap(path: Path, frames: Iterable[Frame], link: int = 1) -> int:
    """Write `frames` in order of time as a pcap file with ns; returns how many. `link` 1 is Ethernet."""
    count = 0
    with path.open("wb") as file:
        file.write(pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link))
        for time, data in sorted(frames, key=lambda frame: frame[0]):
            file.write(pack("<IIII", time // SECOND, time % SECOND, len(data), len(data)) + data)
            count += 1
    return count


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _mac(address: str) -> bytes:
    # locally administered, made of the address, so that a host keeps its card
    return b"\x02\x00" + _packed(address)[-4:]


def ethernet(src: str, dst: str, packet: bytes, vlan: int | None = None) -> bytes:
    """Return the frame that carries an IP packet between the hosts with these addresses."""
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    tag = b"" if vlan is None else b"\x81\x00" + pack("!H", vlan)
    return (_mac(dst) + _mac(src) + tag + kind + packet).ljust(60, b"\0")


def ip(src: str, dst: str, proto: int, payload: bytes) -> bytes:
    """Return an IPv4 or IPv6 packet, as the addresses are."""
    one, other = _packed(src), _packed(dst)
    if len(one) == 16:
        return pack("!IHBB", 6 << 28, len(payload), proto, 64) + one + other + payload
    head = pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0) + one + other
    return head[:10] + pack("!H", _checksum(head)) + head[12:] + payload


def _summed(src: str, dst: str, proto: int, segment: bytes, at: int) -> bytes:
    # the checksum over pseudo header and segment, put at offset `at`
    one, other = _packed(src), _packed(dst)
    size = pack("!BBH", 0, proto, len(segment)) if len(one) == 4 else pack("!IHBB", len(segment), 0, 0, proto)
    value = _checksum(one + other + size + segment)
    return segment[:at] + pack("!H", value or 0xFFFF) + segment[at + 2 :]


def tcp(  # noqa: PLR0913  a segment has that many parts
    src: str, dst: str, sport: int, dport: int, flags: int, payload: bytes = b"", *, seq: int = 0, ack: int = 0
) -> bytes:
    """Return an Ethernet frame with one TCP segment."""
    options = b"\x02\x04\x05\xb4" if flags & SYN else b""
    offset = (5 + len(options) // 4) << 4
    head = pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, 64_240, 0, 0)
    return ethernet(src, dst, ip(src, dst, 6, _summed(src, dst, 6, head + options + payload, 16)))


def udp(src: str, dst: str, sport: int, dport: int, payload: bytes) -> bytes:
    """Return an Ethernet frame with one UDP datagram."""
    head = pack("!HHHH", sport, dport, 8 + len(payload), 0)
    return ethernet(src, dst, ip(src, dst, 17, _summed(src, dst, 17, head + payload, 6)))


def icmp_echo(src: str, dst: str, number: int, *, reply: bool = False) -> bytes:
    """Return an Ethernet frame with an ICMP echo request or reply (IPv4)."""
    message = pack("!BBHHH", 0 if reply else 8, 0, 0, 0x5E17, number) + bytes(range(48))
    message = message[:2] + pack("!H", _checksum(message)) + message[4:]
    return ethernet(src, dst, ip(src, dst, 1, message))


def arp(sender: str, claims: str, target: str, *, reply: bool = True) -> bytes:
    """Return an ARP frame (RFC 826) in which the card of `sender` says to `target` that it holds the address `claims`.

    Not a `reply`, it is the question of `sender`, who holds `claims`, for the card of `target`.
    """
    card, to = _mac(sender), _mac(target) if reply else b"\xff" * 6
    body = pack("!HHBBH", 1, 0x0800, 6, 4, 2 if reply else 1) + card + _packed(claims)
    return (to + card + b"\x08\x06" + body + (to if reply else bytes(6)) + _packed(target)).ljust(60, b"\0")


def dhcp(server: str, client: str, kind: int, number: int) -> bytes:
    """Return the frame of a DHCP message (RFC 2131) about the address `client`; `kind` 1 asks, 2 offers, 5 grants."""
    asks = kind in {1, 3}
    fixed = pack("!BBBBIHH", 1 if asks else 2, 1, 6, 0, number, 0, 0) + bytes(4)
    fixed += (bytes(4) if asks else _packed(client)) + bytes(8) + _mac(client) + bytes(10 + 64 + 128)
    options = b"\x63\x82\x53\x63\x35\x01" + bytes([kind])
    if not asks:
        options += b"\x36\x04" + _packed(server) + b"\x03\x04" + _packed(server) + b"\x33\x04\x00\x00\x0e\x10"
    ends = ("0.0.0.0", "255.255.255.255", 68, 67) if asks else (server, client, 67, 68)  # noqa: S104  RFC 2131, 4.1
    return udp(*ends, fixed + options + b"\xff")


def _labels(name: str | Sequence[bytes]) -> bytes:
    labels = [label.encode("utf-8") for label in name.split(".") if label] if isinstance(name, str) else name
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def dns_query(number: int, name: str | Sequence[bytes], kind: str = "A") -> bytes:
    """Return a DNS query; `name` as labels may hold any bytes (at most 63 a label)."""
    return pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + _labels(name) + pack("!HH", _QTYPES[kind], 1)


def dns_answer(
    number: int, name: str | Sequence[bytes], kind: str = "A", values: Sequence[str] = (), *, rcode: int = 0
) -> bytes:
    """Return a DNS answer: `values` are addresses for A and AAAA, names for the rest (without MX and TXT)."""
    question = _labels(name) + pack("!HH", _QTYPES[kind], 1)
    answers = b""
    for value in values:
        data = _packed(value) if kind in {"A", "AAAA"} else _labels(value)
        answers += b"\xc0\x0c" + pack("!HHIH", _QTYPES[kind], 1, 300, len(data)) + data
    return pack("!HHHHHH", number, 0x8180 | rcode, 1, len(values), 0, 0) + question + answers


def _sized(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _handshake(kind: int, body: bytes) -> bytes:
    return b"\x16\x03\x03" + _sized(2, bytes([kind]) + _sized(3, body))


def client_hello(name: str, rng: Random) -> bytes:
    """Return a TLS 1.2 record with a ClientHello that asks for `name` (SNI)."""
    host = _sized(2, b"\0" + _sized(2, name.encode("idna")))
    extensions = (
        pack("!H", 0) + _sized(2, host)
        + pack("!H", 10) + _sized(2, _sized(2, pack("!HH", 29, 23)))
        + pack("!H", 11) + _sized(2, b"\x01\x00")
        + pack("!H", 16) + _sized(2, _sized(2, _sized(1, b"http/1.1")))
    )  # fmt: skip
    suites = pack("!HHHH", 0xC02F, 0xC030, 0xC02B, 0x009C)
    body = b"\x03\x03" + rng.randbytes(32) + b"\0" + _sized(2, suites) + b"\x01\x00" + _sized(2, extensions)
    return _handshake(1, body)


def server_hello(chain: Sequence[bytes], rng: Random) -> bytes:
    """Return the TLS 1.2 records of a server that shows the certificates of `chain` (DER)."""
    hello = b"\x03\x03" + rng.randbytes(32) + b"\0" + pack("!H", 0xC02F) + b"\0"
    certificates = _sized(3, b"".join(_sized(3, one) for one in chain))
    return _handshake(2, hello) + _handshake(11, certificates) + _handshake(14, b"")


def _der(tag: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    size = len(data).to_bytes(2, "big")
    length = bytes([len(data)]) if len(data) < 128 else b"\x82" + size
    return bytes([tag]) + length + data


def certificate(subject: str, issuer: str, start: datetime, end: datetime, rng: Random) -> bytes:
    """Return a certificate (DER) as a server shows it; its key and signature are noise, nothing could trust it."""

    def name(common: str) -> bytes:
        pairs = ((b"\x55\x04\x0a", "Musterstadt, Stadtverwaltung"), (b"\x55\x04\x03", common))
        return _der(
            0x30, *(_der(0x31, _der(0x30, _der(6, oid), _der(12, text.encode("utf-8")))) for oid, text in pairs)
        )

    def moment(when: datetime) -> bytes:
        return _der(23, when.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode("ascii"))

    rsa = _der(0x30, _der(6, bytes.fromhex("2a864886f70d01010b")), b"\x05\x00")
    numbers = _der(0x30, _der(2, b"\0\xc0" + rng.randbytes(127)), _der(2, b"\x01\0\x01"))
    key = _der(0x30, _der(0x30, _der(6, bytes.fromhex("2a864886f70d010101")), b"\x05\x00"), _der(3, b"\0", numbers))
    inner = _der(
        0x30,
        *(_der(0xA0, _der(2, b"\x02")), _der(2, b"\x01" + rng.randbytes(8)), rsa, name(issuer)),
        *(_der(0x30, moment(start), moment(end)), name(subject), key),
    )
    return _der(0x30, inner, rsa, _der(3, b"\0" + rng.randbytes(128)))


@dataclass(slots=True)
class Story:
    """Frames in the making; `rng` decides pauses, ports and ids. Moments are ns since 1970."""

    rng: Random
    frames: list[Frame] = field(default_factory=list)

    def port(self) -> int:
        """Return a client's port."""
        return self.rng.randint(49_152, 65_535)

    def talk(self, at: int, client: str, server: str, dport: int, parts: Sequence[tuple[bytes, bytes]]) -> int:
        """Tell a whole TCP connection in which each request of `parts` gets its answer; returns when it was over."""
        sport = self.port()
        sent = [self.rng.randrange(1 << 32), self.rng.randrange(1 << 32)]
        time = at

        def say(side: int, flags: int, payload: bytes = b"") -> None:
            nonlocal time
            src, dst, one, other = (client, server, sport, dport) if not side else (server, client, dport, sport)
            ack = sent[1 - side] if flags & ACK else 0
            self.frames.append((time, tcp(src, dst, one, other, flags, payload, seq=sent[side], ack=ack)))
            sent[side] += len(payload) + bool(flags & (SYN | FIN))
            time += self.rng.randint(200_000, 2 * _MILLI)

        say(0, SYN)
        say(1, SYN | ACK)
        say(0, ACK)
        for request, answer in parts:
            for side, text in ((0, request), (1, answer)):
                for start in range(0, len(text), _SEGMENT_BYTES):
                    say(side, PSH | ACK, text[start : start + _SEGMENT_BYTES])
                say(1 - side, ACK)
        say(0, FIN | ACK)
        say(1, FIN | ACK)
        say(0, ACK)
        return time

    def look_up(self, at: int, client: str, server: str, name: str, values: Sequence[str], kind: str = "A") -> int:
        """Tell a DNS query and its answer (NXDOMAIN without `values`); returns when it was over."""
        number, sport = self.rng.randrange(1 << 16), self.port()
        later = at + self.rng.randint(_MILLI, 20 * _MILLI)
        answer = dns_answer(number, name, kind, values, rcode=0 if values else 3)
        self.frames.append((at, udp(client, server, sport, 53, dns_query(number, name, kind))))
        self.frames.append((later, udp(server, client, 53, sport, answer)))
        return later

    def ping(self, at: int, client: str, server: str, count: int = 3) -> None:
        """Tell `count` echo requests, a second apart, each answered."""
        for number in range(count):
            then = at + number * SECOND
            self.frames.append((then, icmp_echo(client, server, number)))
            self.frames.append((then + _MILLI, icmp_echo(server, client, number, reply=True)))

    def knock(self, at: int, client: str, server: str, dport: int, *, answer: int | None = RST | ACK) -> None:
        """Tell one SYN to a port and what came back: a reset, SYN|ACK (then reset, as scanners do) or None."""
        sport, seq = self.port(), self.rng.randrange(1 << 32)
        self.frames.append((at, tcp(client, server, sport, dport, SYN, seq=seq)))
        if answer is None:
            return
        back = tcp(server, client, dport, sport, answer, seq=seq ^ 1 if answer & SYN else 0, ack=seq + 1)
        self.frames.append((at + 300_000, back))
        if answer & SYN:
            self.frames.append((at + 600_000, tcp(client, server, sport, dport, RST, seq=seq + 1)))

    def browse(self, at: int, client: str, server: str, name: str, chain: Sequence[bytes] = ()) -> int:
        """Tell how `name` is looked up and then visited over TLS; returns when it was over."""
        kind = "AAAA" if ":" in server else "A"
        at = self.look_up(at, client, RESOLVER if kind == "A" else "2001:db8:1::53", name, [server], kind)
        sealed = b"\x17\x03\x03" + _sized(2, self.rng.randbytes(self.rng.randint(200, 6000)))
        hello = client_hello(name, self.rng), server_hello(chain, self.rng)
        return self.talk(at + _MILLI, client, server, 443, [hello, (b"\x17\x03\x03\x00\x20" + bytes(32), sealed)])


SCHOOL_PC, TOWN_HALL, RESOLVER = "10.20.17.23", "10.10.1.20", "10.10.1.10"
_SITES = (
    ("www.musterstadt.example", "203.0.113.10"),
    ("amt24.musterstadt.example", "203.0.113.24"),
    ("lernplattform.example.org", "198.51.100.80"),
    ("updates.example.com", "192.0.2.200"),
    ("bücherei.example", "2001:db8:2::80"),
)
_SCANNED = (
    *(21, 22, 23, 25, 53, 80, 88, 110, 111, 135, 139, 143, 389, 443, 445, 464, 515, 587, 631, 636, 993, 995, 1433),
    *(1521, 2049, 3128, 3306, 3389, 5060, 5432, 5900, 5985, 6379, 8000, 8080, 8443, 9100, 9200, 10050, 27017),
)
_OPEN = frozenset({53, 80, 443})


def demo_capture(path: Path, start: datetime, seed: int = 17) -> int:
    """Write two minutes of a town's traffic with one port scan in it, from a school into the town hall.

    `start` is aware. Returns the number of packets; the same `start` and `seed` give the same file.
    """
    rng = Random(seed)  # noqa: S311  repeatable, not secret
    story = Story(rng)
    began = int(start.timestamp()) * SECOND
    # one of the sites has let its certificate run out
    ends = {name: start + timedelta(days=-20 if name.startswith("lern") else 90) for name, _ in _SITES}
    shown = {
        name: certificate(name, "Musterstadt CA", end - timedelta(days=365), end, rng) for name, end in ends.items()
    }
    clients = [f"10.10.{rng.randint(1, 5)}.{rng.randint(50, 200)}" for _ in range(8)] + ["10.20.17.31", "10.20.40.12"]
    for turn in range(40):
        at = began + turn * 2_500 * _MILLI + rng.randrange(SECOND)
        name, server = _SITES[turn % len(_SITES)]
        client = "2001:db8:1::31" if ":" in server else rng.choice(clients)
        story.browse(at, client, server, name, [shown[name]])
        if turn % 5 == 0:
            story.look_up(at + 2 * SECOND, client if "." in client else clients[0], RESOLVER, "drucker-3.example", [])
            story.ping(at + 3 * SECOND, TOWN_HALL, clients[0])
        if turn % 4 == 0:
            lines = [(b"EHLO poststelle.example\r\n", b"250 mail.example\r\n"), (b"QUIT\r\n", b"221 bye\r\n")]
            story.talk(at + 4 * SECOND, "10.10.6.5", "198.51.100.25", 25, lines)
        # a printer that is switched off: fails again and again, and is no scan
        story.knock(at + 5 * SECOND, clients[1], "10.10.1.77", 9100, answer=None)
    ports = list(_SCANNED)
    rng.shuffle(ports)
    for number, port in enumerate(ports):
        answer = SYN | ACK if port in _OPEN else None if number % 3 == 0 else RST | ACK
        story.knock(began + 60 * SECOND + number * 700 * _MILLI, SCHOOL_PC, TOWN_HALL, port, answer=answer)
    return write_pcap(path, story.frames)
