"""Tier 1: every packet into the flow table, and out of it the few that a dissector has to see.

What comes out, in the order of the capture, is left in `out`: a `Shown` for a packet that went to the dissector, a
`Live` flow that has ended, or a record that needs no dissector (ARP, ICMP, the hourly word on a flow).
"""

from collections import OrderedDict, deque
from struct import Struct, pack
from struct import error as struct_error
from typing import NamedTuple

from sentinel.sense import links, neighbours
from sentinel.sense.flows import ATTEMPT, FlowTable, Live, Seen, Side
from sentinel.sense.formats import Batch, Packets
from sentinel.sense.links import ARP, ETHERNET, IPV4
from sentinel.sense.records import FIN, ICMP, ICMPV6, RST, SECOND, SYN, TCP, UDP
from sentinel.sense.select import DEPTHS, PROMPTS, SMB, SNAP, STARTS, TEXTS, Depth, is_smb_control, said

__all__ = ["HEAD_BYTES", "PCAP_HEADER", "Shown", "Sifter"]

PCAP_HEADER = pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, ETHERNET)
"""What the dissector's stream begins with: pcap with ns, Ethernet."""

HEAD_BYTES = 64
"""How many bytes of the first payload of each direction a flow keeps."""

_FRAGMENTS_MAX = 4_096
_FRAGMENT_NS = 30 * SECOND
_TUNNELS_MAX = 3
_HELD_MAX = 4
_MET_MAX = 200_000
_PORTS = frozenset({TCP, UDP})
_ICMPS = frozenset({ICMP, ICMPV6})
_ENDS = FIN | RST
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_EXTENSIONS_MAX = 8
# Ethertype, version and length of the header, total length, fragment, protocol, addresses and ports, TCP's flags
_HEADERS = Struct("!12xHBxH2xHxB2x12s8xH").unpack_from
_RECORD = Struct("<IIII").pack


class Shown(NamedTuple):
    """A packet that the dissector sees: its number among those, and in the capture, its time, its side of the flow.

    `payload` is kept of what begins like a message in words (`select.TEXTS`), and of a side that is listened to
    (`Side.words`: a Telnet server's prompts, the rest of an HTTP request). `card` is the frame's sender.
    """

    number: int
    frame: int
    time: int
    side: Side
    size: int
    payload: bytes
    card: bytes


class Sifter:
    """Takes batches of packets; `stream` holds what the dissector is to read next, in pcap format.

    `depth` may be changed at any time. `unread` counts packets by link types that are not known.
    """

    def __init__(self, flows_max: int) -> None:
        self.out: deque[object] = deque()
        self.stream = bytearray()
        self.table = FlowTable(flows_max, self.out)
        self.depth: Depth = DEPTHS[0]
        self.packets = self.not_ip = self.shown = 0
        self.last = 0
        self.unread: dict[int, int] = {}
        self._met: set[bytes] = set()
        self._pieces: OrderedDict[bytes, tuple[Side, int]] = OrderedDict()

    def feed(self, batch: Batch) -> None:
        """Take the packets of a batch into account."""
        if batch.link != ETHERNET:
            self._slowly(batch.packets, batch.link)
            return
        table = self.table
        tcp, udp, touch = table.tcp.get, table.udp.get, table.touch
        frame, time = self.packets, self.last
        early, late = table.sweep_between
        for time, wire, data in batch.packets:
            frame += 1
            if not early <= time < late:
                early, late = table.sweep(time)
            try:
                kind, version, total, piece, proto, key, offset = _HEADERS(data)
            except struct_error:
                kind = version = total = piece = proto = offset = 0
                key = b""
            if version != 0x45 or kind != IPV4 or piece & 0x3FFF or proto not in _PORTS:
                self._slow(time, wire, data, ETHERNET, frame)
                continue
            if proto == TCP:
                side, flags, at = tcp(key), offset & 0xFF, 34 + (offset >> 10 & 0x3C)
            else:
                side, flags, at = udp(key), 0, 42
            if (
                side is None
                or flags & SYN
                or ((flags & _ENDS or side.flow.lane >= ATTEMPT) and not table.goes_on(side, flags, time))
            ):
                if proto == UDP and (key[10:] in links.TUNNELS or key[8:10] in links.TUNNELS):
                    self._slow(time, wire, data, ETHERNET, frame)
                    continue
                size = (total or wire - 14) + 14 - at
                sport, dport = key[8] << 8 | key[9], key[10] << 8 | key[11]
                self._enter(Seen(time, wire, data, at, size, key, proto, flags, 0, sport, dport, frame), 0)
                continue
            flow = side.flow
            side.flags |= flags
            side.packets += 1
            side.bytes += wire
            if time > flow.last:
                flow.last = time
                if time - flow.touched > SECOND:
                    touch(flow, time)
            size = (total or wire - 14) + 14 - at
            if size > 0:
                count = side.data = side.data + 1
                side.payload += size
                if count <= side.limit or data[at : at + 4] in STARTS or (side.smb and is_smb_control(data, at, size)):
                    self._show(frame, time, wire, data, at, size, side)
        self.packets, self.last = frame, time

    def _slowly(self, packets: Packets, link: int) -> None:
        for time, wire, data in packets:
            self.packets += 1
            self.last = time
            early, late = self.table.sweep_between
            if not early <= time < late:
                self.table.sweep(time)
            self._slow(time, wire, data, link, self.packets)

    def _slow(self, time: int, wire: int, data: bytes, link: int, frame: int, depth: int = 0) -> None:
        whole = links.plain(data, link)
        if whole is None:
            self.not_ip += 1
            if link not in links.KNOWN:
                self.unread[link] = self.unread.get(link, 0) + 1
            return
        if whole.kind == ARP:
            self.not_ip += 1
            found = neighbours.arp(whole, time, frame)
            if found is not None:
                self.out.append(found)
            return
        packet = _ipv4(whole.data) if whole.kind == IPV4 else _ipv6(whole.data)
        if packet is None:
            self.not_ip += 1
            return
        if not packet.piece and depth < _TUNNELS_MAX:
            inside = links.unwrapped(whole.data, packet.at, packet.proto)
            if inside is not None and links.plain(inside[0], inside[1]) is not None:
                self._slow(time, wire, inside[0], inside[1], frame, depth + 1)
                return
        self._count(whole, packet, time, wire, frame)

    def _count(self, whole: links.Plain, packet: "_Packet", time: int, wire: int, frame: int) -> None:
        tail = whole.vlan.to_bytes(2, "big") if whole.vlan else b""
        seen = self._piece(whole, packet, time, wire, frame) if packet.piece else _seen(packet, whole.data, tail)
        if seen is None:
            return
        seen.time, seen.wire, seen.vlan, seen.frame = time, wire, whole.vlan, frame
        side = self._enter(seen, whole.cut, fragment=packet.more)
        if packet.more and not packet.piece:
            self._remember(packet, side, time)
        if packet.proto in {ICMP, ICMPV6} and not packet.piece:
            found = neighbours.icmp(seen, side, packet.at, packet.ttl, packet.end)
            if found is not None:
                self.out.append(found)

    def _enter(self, seen: Seen, cut: int, *, fragment: bool = False) -> Side:
        side = self.table.count(seen)
        flow = side.flow
        if flow.out.packets + flow.back.packets == 1:
            self._opened(flow)
        if seen.proto == TCP and seen.flags & SYN and self.depth.handshakes:
            # shown if anything is said on this connection, and it is not the first between these ports
            if len(flow.held) < _HELD_MAX:
                flow.held.append((seen.frame, seen.time, seen.wire - cut, seen.data, side))
        elif seen.proto not in _ICMPS and (fragment or (seen.size > 0 and self._wanted(side, seen))):
            self._show(seen.frame, seen.time, seen.wire - cut, seen.data, seen.at, seen.size, side)
        return side

    @staticmethod
    def _wanted(side: Side, seen: Seen) -> bool:
        if side.data <= side.limit or seen.data[seen.at : seen.at + 4] in STARTS:
            return True
        return side.smb and is_smb_control(seen.data, seen.at, seen.size)

    def _opened(self, flow: Live) -> None:
        limit = self.depth.limit(flow.proto, flow.sport, flow.dport)
        smb = self.depth.commands > 0 and flow.proto == TCP and (flow.dport in SMB or flow.sport in SMB)
        for side in (flow.out, flow.back):
            side.limit, side.smb = limit, smb
        flow.back.words = flow.dport in PROMPTS

    def _remember(self, packet: "_Packet", side: Side, time: int) -> None:
        while self._pieces and (
            len(self._pieces) >= _FRAGMENTS_MAX or next(iter(self._pieces.values()))[1] < time - _FRAGMENT_NS
        ):
            self._pieces.popitem(last=False)
        self._pieces[packet.whole] = (side, time)

    def _piece(self, whole: links.Plain, packet: "_Packet", time: int, wire: int, frame: int) -> Seen | None:
        # a later fragment counts where its first went, else as a flow without ports; the dissector puts them together
        known = self._pieces.get(packet.whole)
        if known is None or known[0].flow.ending != "open":
            tail = whole.vlan.to_bytes(2, "big") if whole.vlan else b""
            key = packet.ends + bytes(4) + (b"" if packet.proto in {TCP, UDP} else bytes((packet.proto,))) + tail
            return Seen(time, wire, whole.data, packet.at, packet.size, key, packet.proto, 0, 0, 0, 0, frame)
        side = known[0]
        side.packets += 1
        side.bytes += wire
        side.data += 1
        side.payload += packet.size
        side.flow.last = max(side.flow.last, time)
        self._show(frame, time, wire - whole.cut, whole.data, packet.at, packet.size, side)
        return None

    def _show(self, frame: int, time: int, wire: int, data: bytes, at: int, size: int, side: Side) -> None:  # noqa: PLR0913, PLR0917  called once a shown packet: a value of its own would cost as much again
        start = data[at : at + 4]
        if size > 0:
            if not side.head:
                side.head = data[at : at + min(size, HEAD_BYTES)]
            if not said(side, start, data, at, size):
                return
        flow = side.flow
        if flow.held:
            self._begin(flow)
        payload = b""
        if start in TEXTS:
            payload = data[at : at + size]
            side.words = start == b"POST"
        elif side.words and size > 0:
            payload = data[at : at + size]
        self._put(time, wire, data)
        self.out.append(Shown(self.shown, frame, time, side, size, payload, data[6:12]))
        self.shown += 1

    def _begin(self, flow: Live) -> None:
        # a connection on the ports of an earlier one begins with its handshake, or tshark would take both for one
        held, flow.held = flow.held, []
        ends = min(flow.keys)
        if ends in self._met:
            for first, moment, long, packet, sender in held:
                self._put(moment, long, packet)
                self.out.append(Shown(self.shown, first, moment, sender, 0, b"", b""))
                self.shown += 1
        elif len(self._met) >= _MET_MAX:
            self._met.clear()
        self._met.add(ends)

    def _put(self, time: int, wire: int, data: bytes) -> None:
        length = len(data)
        if length > SNAP:
            data, length = data[:SNAP], SNAP
        second, rest = divmod(time, SECOND)
        stream = self.stream
        stream += _RECORD(second & 0xFFFFFFFF, rest, length, max(wire, length))
        stream += data


class _Packet(NamedTuple):
    # an IP packet in a plain frame: where its payload begins and ends, and which piece of a whole it is
    proto: int
    at: int
    end: int
    size: int
    ends: bytes
    piece: int
    more: bool
    whole: bytes
    ttl: int


def _ipv4(data: bytes) -> _Packet | None:
    if len(data) < 34 or data[14] >> 4 != 4:
        return None
    head = (data[14] & 15) * 4
    if head < 20:
        return None
    total = _port(data, 16) or len(data) - 14
    place = _port(data, 20)
    piece, more = (place & 0x1FFF) * 8, bool(place & 0x2000)
    ends, at = data[26:34], 14 + head
    return _Packet(
        data[23], at, 14 + total, max(0, total - head), ends, piece, more, ends + data[18:20] + data[23:24], data[22]
    )


def _ipv6(data: bytes) -> _Packet | None:
    if len(data) < 54 or data[14] >> 4 != 6:
        return None
    proto, at = data[20], 54
    end = 54 + _port(data, 18) if _port(data, 18) else len(data)
    ends = data[22:54]
    piece, more, whole = 0, False, b""
    for _ in range(_EXTENSIONS_MAX):
        if proto == 44 and at + 8 <= len(data):
            place = _port(data, at + 2)
            piece, more, whole = place & 0xFFF8, bool(place & 1), ends + data[at + 4 : at + 8]
            proto, at = data[at], at + 8
        elif proto in _EXTENSIONS and at + 2 <= len(data):
            proto, at = data[at], at + 8 + data[at + 1] * 8
        elif proto == 51 and at + 2 <= len(data):
            proto, at = data[at], at + 8 + data[at + 1] * 4
        else:
            break
        if piece:
            break
    return _Packet(proto, at, end, max(0, end - at), ends, piece, more, whole, data[21])


def _seen(packet: _Packet, data: bytes, tail: bytes) -> Seen:
    # without its times; a transport header that is cut short has no ports
    proto, at, ends = packet.proto, packet.at, packet.ends
    size, flags, sport, dport = 0, 0, 0, 0
    if proto == TCP and len(data) >= at + 14:
        sport, dport, flags = _port(data, at), _port(data, at + 2), data[at + 13]
        head = (data[at + 12] >> 4) * 4
        size = packet.size - head
        key, at = ends + data[at : at + 4] + tail, at + head
    elif proto == UDP and len(data) >= at + 8:
        sport, dport = _port(data, at), _port(data, at + 2)
        size = packet.size - 8
        key, at = ends + data[at : at + 4] + tail, at + 8
    elif proto in {ICMP, ICMPV6} and len(data) >= at + 2:
        sport, dport = data[at], data[at + 1]
        code = b"\0" if neighbours.answered(proto, sport) else data[at + 1 : at + 2]
        key = ends + data[at : at + 1] + code + bytes((proto,)) + tail
        size = packet.size - 8
    else:
        if proto == 132 and len(data) >= at + 4:
            sport, dport = _port(data, at), _port(data, at + 2)
        key = ends + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
        key += (b"" if proto in {TCP, UDP} else bytes((proto,))) + tail
        size = packet.size
    return Seen(0, 0, data, at, size, key, proto, flags, 0, sport, dport, 0)


def _port(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1] if at + 2 <= len(data) else 0
