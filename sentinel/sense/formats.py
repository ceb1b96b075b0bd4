"""Capture formats: bytes of a pcap or pcapng stream in, packets out, a batch at a time; a cut or damaged end is said.

Formats: draft-ietf-opsawg-pcap (magic a1b2c3d4 with µs, a1b23c4d with ns) and draft-ietf-opsawg-pcapng (section header,
interface description, enhanced, simple and obsolete packet blocks; if_tsresol, if_tsoffset).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, unpack_from

__all__ = ["PACKET_BYTES_MAX", "Batch", "FormatError", "Packets", "Stream"]

PACKET_BYTES_MAX = 262_144
"""The longest packet that libpcap writes; beyond it a length is damage."""

_BLOCK_BYTES_MAX = 16 << 20
_INTERFACES_MAX = 4_096
_TIME_NS_MAX = 253_402_300_799 * 1_000_000_000

Packets = list[tuple[int, int, bytes]]
"""Each: time in ns since 1970, length on the wire, the bytes that were captured."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Packets of one link type (https://www.tcpdump.org/linktypes.html), in their order."""

    link: int
    packets: Packets


class FormatError(ValueError):
    """The stream stops making sense here; the text says why."""


class Stream:
    """Reads one capture: `feed` bytes as they come, `end` says whether it ended where a packet ends.

    `bad_times` counts packets without a usable time, which got the one before theirs.
    """

    def __init__(self) -> None:
        self.bad_times = 0
        self.begun = False
        self._rest = b""
        self._parse: _Pcap | _Pcapng | None = None

    def feed(self, data: bytes) -> Iterator[Batch]:
        """Return what is complete by now; raises FormatError where it stops making sense."""
        data = self._rest + data if self._rest else data
        if self._parse is None:
            if len(data) < 28:
                self._rest = data
                return
            self._parse = _begin(data)
            self.begun = True
        try:
            for batch in self._parse.batches(data):
                if batch.packets:
                    yield batch
        finally:
            self._rest = data[self._parse.used :]
            self.bad_times = self._parse.bad_times

    def end(self) -> str:
        """Return what is wrong with the end, empty if nothing is."""
        if not self.begun and len(self._rest) < 24:
            return "not a capture file (pcap or pcapng, plain or gzip)" if self._rest else "the file is empty"
        if self._parse is None:
            self._parse = _begin(self._rest + bytes(4))
            self.begun = True
            return "" if len(self._rest) == 24 else "cut short in the middle of a packet"
        return "cut short in the middle of a packet" if self._rest else ""


def _begin(data: bytes) -> "_Pcap | _Pcapng":
    magic = data[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        return _Pcapng()
    for order, pairs in (("<", _LITTLE), (">", _BIG)):
        if magic in pairs:
            return _Pcap(order, *pairs[magic], unpack_from(f"{order}I", data, 20)[0] & 0x0FFFFFFF)
    msg = "not a capture file (pcap or pcapng, plain or gzip)"
    raise FormatError(msg)


# magic: ns a tick, length of a packet's header (24: Kuznetzov's, with interface and protocol behind the usual 16)
_LITTLE = {b"\xd4\xc3\xb2\xa1": (1000, 16), b"\x4d\x3c\xb2\xa1": (1, 16), b"\x34\xcd\xb2\xa1": (1000, 24)}
_BIG = {magic[::-1]: value for magic, value in _LITTLE.items()}


class _Pcap:
    def __init__(self, order: str, tick: int, head: int, link: int) -> None:
        self.bad_times = 0
        self.used = 0
        self._unpack = Struct(f"{order}IIII").unpack_from
        self._tick = tick
        self._head = head
        self._link = link
        self._at = 24

    def batches(self, data: bytes) -> Iterator[Batch]:
        packets: Packets = []
        unpack, tick, head = self._unpack, self._tick, self._head
        add = packets.append
        at, end = self._at, len(data)
        last = end - head
        wrong = ""
        while at <= last:
            second, fraction, length, wire = unpack(data, at)
            if length > PACKET_BYTES_MAX:
                wrong = f"a packet of {length} bytes is damage"
                break
            start = at + head
            at = start + length
            if at > end:
                at = start - head
                break
            add((second * 1_000_000_000 + fraction * tick, wire if wire > length else length, data[start:at]))  # noqa: FURB136  max() costs as much as all else here
        self._at = 0
        self.used = at
        yield Batch(self._link, packets)
        if wrong:
            raise FormatError(wrong)


@dataclass(frozen=True, slots=True)
class _Interface:
    link: int
    per_second: int
    offset: int
    snap: int


class _Pcapng:
    def __init__(self) -> None:
        self.bad_times = 0
        self.used = 0
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._last = 0

    def batches(self, data: bytes) -> Iterator[Batch]:
        packets: Packets = []
        link = -1
        wrong: FormatError | None = None
        self.used = 0
        while self.used + 12 <= len(data):
            try:
                length, found = self._block(data, self.used)
            except FormatError as error:
                wrong = error
                break
            if self.used + length > len(data):
                break
            if found is not None:
                if found[0] != link and packets:
                    yield Batch(link, packets)
                    packets = []
                link = found[0]
                packets.append(found[1])
            self.used += length
        yield Batch(link, packets)
        if wrong is not None:
            raise wrong

    def _block(self, data: bytes, at: int) -> tuple[int, tuple[int, tuple[int, int, bytes]] | None]:
        # its length, and the packet in it if it is one and whole
        kind, length = unpack_from(f"{self._order}II", data, at)
        if kind == 0x0A0D0D0A:
            length = self._section(data, at)
        if length < 12 or length % 4 or length > _BLOCK_BYTES_MAX:
            msg = f"a block of {length} bytes is damage"
            raise FormatError(msg)
        if at + length > len(data):
            return length, None
        if kind == 1:
            self._interface(data, at, length)
        elif kind in _PACKET_BLOCKS:
            return length, self._packet(kind, data, at, length)
        return length, None

    def _section(self, data: bytes, at: int) -> int:
        magic = data[at + 8 : at + 12]
        if magic not in {b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"}:
            msg = "a section without its magic is damage"
            raise FormatError(msg)
        self._order = "<" if magic[0] == 0x4D else ">"
        self._interfaces = []
        length: int = unpack_from(f"{self._order}I", data, at + 4)[0]
        return length

    def _interface(self, data: bytes, at: int, length: int) -> None:
        if length < 20 or len(self._interfaces) >= _INTERFACES_MAX:
            msg = "an interface description that cannot be is damage"
            raise FormatError(msg)
        link, snap = unpack_from(f"{self._order}H2xI", data, at + 8)
        per_second, offset = 1_000_000, 0
        option, end = at + 16, at + length - 4
        while option + 4 <= end:
            code, size = unpack_from(f"{self._order}HH", data, option)
            value = data[option + 4 : option + 4 + size]
            if code == 9 and size >= 1:
                power = value[0] & 0x7F
                per_second = 2**power if value[0] & 0x80 else 10**power
            elif code == 14 and size == 8:
                offset = unpack_from(f"{self._order}q", value)[0]
            elif code == 0:
                break
            option += 4 + size + -size % 4
        self._interfaces.append(_Interface(link, per_second, offset, snap or PACKET_BYTES_MAX))

    def _packet(self, kind: int, data: bytes, at: int, length: int) -> tuple[int, tuple[int, int, bytes]] | None:
        if kind == 3:
            number, high, low, head = 0, 0, 0, 12
            wire = unpack_from(f"{self._order}I", data, at + 8)[0] if length >= 16 else 0
            captured = -1
        elif length < 32:
            return None
        else:
            number, high, low, captured, wire = unpack_from(f"{self._order}{_PACKET_BLOCKS[kind]}", data, at + 8)
            head = 28
        if number >= len(self._interfaces):
            msg = f"a packet of interface {number}, which was never described, is damage"
            raise FormatError(msg)
        interface = self._interfaces[number]
        if captured < 0:
            captured = min(wire, interface.snap)
        if captured > length - head - 4:
            msg = f"a packet of {captured} bytes in a block of {length} is damage"
            raise FormatError(msg)
        start = at + head
        ticks = high << 32 | low
        if kind == 3:
            time = self._last
        elif interface.per_second == 1_000_000:
            time = ticks * 1000
        else:
            time = ticks * 1_000_000_000 // interface.per_second
        time += interface.offset * 1_000_000_000
        if not 0 <= time <= _TIME_NS_MAX:
            self.bad_times += 1
            time = self._last
        self._last = time
        return interface.link, (time, max(wire, captured), data[start : start + captured])


# simple, enhanced, obsolete: how interface, time and the two lengths are packed
_PACKET_BLOCKS = {3: "", 6: "IIIII", 2: "H2xIIII"}
