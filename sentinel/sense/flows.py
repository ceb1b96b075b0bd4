"""A bounded table of flows: every packet and byte counted exactly once, one record a conversation, one an hour.

Times are capture time. Time-outs are Zeek's (https://docs.zeek.org, `base/init-bare.zeek`: tcp_inactivity_timeout
5 min, udp_ and icmp_inactivity_timeout 1 min, tcp_close_delay 5 s); a TCP attempt without an answer is given up after
one minute, the longest pause between the SYNs of a usual stack being 32 s. What ends, and when, depends on the packets
alone.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop

from sentinel.pack.community import counterpart
from sentinel.sense.records import (
    ACK,
    FIN,
    ICMP,
    ICMPV6,
    PSH,
    RST,
    SECOND,
    SYN,
    TCP,
    UDP,
    URG,
    Ending,
    Flow,
    OpenFlow,
    State,
)
from sentinel.sense.segments import many

__all__ = ["PROBES", "FlowTable", "Live", "Seen", "Side"]

PROBES = frozenset({0, FIN, FIN | PSH | URG})
"""TCP flags that no stack sends by itself: NULL, FIN and XMAS probes."""

OPEN, OTHER, ATTEMPT, CLOSED = range(4)
"""The lanes: flows of one time-out each."""

_IDLE = (300 * SECOND, 60 * SECOND, 60 * SECOND, 5 * SECOND)
_HOUR = 3_600 * SECOND
_BACK = 10 * SECOND
_AHEAD = 600 * SECOND
_KNOWN_MAX = 65_536
_REPLIES = {ICMP: frozenset({0, 9, 14, 16, 18}), ICMPV6: frozenset({129, 131, 134, 136, 140, 145})}


@dataclass(slots=True)
class Seen:
    """One packet as the table takes it.

    `key` is its direction: both addresses, both ports (of ICMP the type, and the code of what is never answered), for
    other protocols than TCP and UDP the protocol, and the VLAN if any. `size` counts its bytes of payload, which begin
    in `data` at `at`; `proto` is IANA's number.
    """

    time: int
    wire: int
    data: bytes
    at: int
    size: int
    key: bytes
    proto: int
    flags: int
    vlan: int
    sport: int
    dport: int
    frame: int


class Side:
    """What one end of a flow has sent.

    As many as `limit` of its packets with payload are shown to the dissector, and of SMB (`smb`) all but data; `words`:
    what it says is listened to.
    """

    __slots__ = ("bytes", "data", "flags", "flow", "head", "limit", "mac", "packets", "payload", "smb", "words")

    def __init__(self, flow: "Live") -> None:
        self.flow = flow
        self.packets = self.bytes = self.data = self.payload = self.flags = self.limit = 0
        self.head = b""
        self.mac = b""
        self.smb = self.words = False


@dataclass(slots=True, eq=False)
class Live:
    """A flow that still goes on; `out` is what its source sent, `back` what came back.

    `held` are packets of its handshake (number, time, length, bytes, side), to be shown if anything is said on it.
    """

    src: str
    dst: str
    proto: int
    sport: int
    dport: int
    vlan: int
    start: int
    last: int
    touched: int
    lane: int
    frame: int
    keys: tuple[bytes, ...]
    out: Side = field(init=False)
    back: Side = field(init=False)
    syn: int = 0
    rst: int = 0
    opened: bool = False
    probe: bool = False
    ending: Ending = "open"
    service: str = ""
    notes: dict[str, object] = field(default_factory=dict)
    held: "list[tuple[int, int, int, bytes, Side]]" = field(default_factory=list)
    hour: int = 0

    def __post_init__(self) -> None:
        """Make both sides."""
        self.out, self.back = Side(self), Side(self)
        self.hour = self.start

    def turn(self, side: Side, flags: int) -> int:
        """Take flags into account that open or close a TCP connection; return the lane it belongs to now."""
        if flags & SYN:
            self.syn += 1
        if flags & RST:
            self.rst += 1
        if self.probe and side is self.out and flags not in PROBES:
            self.probe = False
        if flags & RST or self.out.flags & self.back.flags & FIN:
            return CLOSED
        if self.lane == ATTEMPT and self.back.packets and self.out.flags & ACK:
            return OPEN
        return self.lane

    def state(self) -> State:
        """Return how far it came."""
        out, back = self.out, self.back
        if self.proto != TCP:
            return "answered" if back.packets else "unanswered"
        if self.probe and not (back.flags & ~(RST | ACK) or out.data or back.data):
            return "probe"
        if not self.opened:
            return "midstream"
        if self.rst and not (out.data or back.data):
            return "aborted" if back.flags & SYN else "refused"
        if not back.packets and not out.flags & ACK:
            return "unanswered"
        return "established" if out.flags & ACK else "half_open"

    def told(self) -> Flow:
        """Return it as a record: a Flow if it has ended, else an OpenFlow."""
        out, back = self.out, self.back
        return (OpenFlow if self.ending == "open" else Flow)(
            time=self.start,
            end=self.last,
            src=self.src,
            dst=self.dst,
            proto=self.proto,
            sport=self.sport,
            dport=self.dport,
            vlan=self.vlan,
            frame=self.frame,
            packets_out=out.packets,
            packets_in=back.packets,
            bytes_out=out.bytes,
            bytes_in=back.bytes,
            data_out=out.data,
            data_in=back.data,
            payload_out=out.payload,
            payload_in=back.payload,
            flags_out=out.flags,
            flags_in=back.flags,
            syn=self.syn,
            rst=self.rst,
            state=self.state(),
            ending=self.ending,
            service=self.service,
            src_mac=_card(out.mac),
            dst_mac=_card(back.mac),
            head_out=out.head,
            head_in=back.head,
        )


class FlowTable:
    """Flows that go on, at most `flows_max`. `ended` takes those that end, and hourly those that go on.

    `tcp`, `udp` and `rest` find the side of a packet by its key (`rest`: with the protocol before it).
    """

    def __init__(self, flows_max: int, ended: "deque[object]") -> None:
        self.evicted = 0
        self.sweep_between = (0, 0)
        self.tcp: dict[bytes, Side] = {}
        self.udp: dict[bytes, Side] = {}
        self.rest: dict[bytes, Side] = {}
        self._max = max(1, flows_max)
        self._ended = ended
        self._count = 0
        # flows of one time-out in the order in which they were last touched, to about a second
        self._lanes: tuple[OrderedDict[Live, None], ...] = tuple(OrderedDict() for _ in _IDLE)

    def __len__(self) -> int:
        """Return how many flows go on."""
        return self._count

    def sides(self, proto: int) -> dict[bytes, Side]:
        """Return where the sides of a protocol's flows are found."""
        return self.tcp if proto == TCP else self.udp if proto == UDP else self.rest

    def count(self, seen: Seen) -> Side:
        """Take one packet into account and return its side."""
        side = self.sides(seen.proto).get(seen.key)
        if side is not None and self._is_over(side.flow, seen):
            idle = seen.time - side.flow.last > _IDLE[side.flow.lane]
            self._end(side.flow, "idle" if idle and side.flow.lane != CLOSED else "closed")
            side = None
        if side is None:
            if self._count >= self._max:
                self._evict()
            side = self._begin(seen)
        flow = side.flow
        side.packets += 1
        side.bytes += seen.wire
        if seen.size > 0:
            side.data += 1
            side.payload += seen.size
        time = seen.time
        if time > flow.last:
            flow.last = time
        elif time < flow.start:
            flow.start = time
        if seen.proto == TCP:
            self._steer(side, seen.flags, time)
        if time - flow.touched > SECOND:
            self.touch(flow, time)
        return side

    def goes_on(self, side: Side, flags: int, time: int) -> bool:
        """Take flags but SYN of a side's next packet into account; False, and nothing done, if its flow was over."""
        flow = side.flow
        if time - flow.last > _IDLE[flow.lane]:
            return False
        self._steer(side, flags, time)
        return True

    def _steer(self, side: Side, flags: int, time: int) -> None:
        side.flags |= flags
        flow = side.flow
        lane = flow.turn(side, flags)
        if lane != flow.lane:
            del self._lanes[flow.lane][flow]
            self._lanes[lane][flow] = None
            flow.lane = lane
            flow.touched = time

    def touch(self, flow: Live, time: int) -> None:
        """Note that a flow was active at `time`; if it has gone on for another hour, that is told."""
        self._lanes[flow.lane].move_to_end(flow)
        flow.touched = time
        if time - flow.hour >= _HOUR:
            flow.hour = time
            self._ended.append(flow.told())

    def sweep(self, now: int) -> tuple[int, int]:
        """End what has been idle for too long at `now`.

        Returns between which times nothing has to be swept (`sweep_between`): for a second, if the clock stays.
        """
        self.sweep_between = (now - _BACK, now + SECOND)
        for lane, idle in zip(self._lanes, _IDLE, strict=True):
            limit = now - idle
            while lane:
                flow = next(iter(lane))
                # what is far ahead of the clock would hide all behind it
                if limit <= flow.last <= now + _AHEAD:
                    break
                self._end(flow, "closed" if flow.lane == CLOSED else "idle")
        return self.sweep_between

    def close(self) -> None:
        """End every flow that still goes on, the earliest first."""
        flows = {side.flow for table in (self.tcp, self.udp, self.rest) for side in table.values()}
        for flow in sorted(flows, key=lambda one: (one.start, one.frame)):
            self._end(flow, "closed" if flow.lane == CLOSED else "capture_end")

    @staticmethod
    def _is_over(flow: Live, seen: Seen) -> bool:
        if seen.time - flow.last > _IDLE[flow.lane]:
            return True
        # a new connection on the ports of one that is closed, or of one whose beginning we did not see
        fresh = seen.proto == TCP and seen.flags & (SYN | ACK) == SYN
        return fresh and (flow.lane == CLOSED or not flow.opened)

    def _end(self, flow: Live, ending: Ending) -> None:
        sides = self.sides(flow.proto)
        for key in flow.keys:
            sides.pop(key, None)
        del self._lanes[flow.lane][flow]
        self._count -= 1
        flow.ending = ending
        self._ended.append(flow)

    def _evict(self) -> None:
        # what has least to lose goes first, so that a flood of attempts cannot push out real conversations
        lane = next(lane for lane in reversed(self._lanes) if lane)
        flow = next(iter(lane))
        self._end(flow, "closed" if flow.lane == CLOSED else "evicted")
        self.evicted += 1

    def _begin(self, seen: Seen) -> Side:
        key, proto, sport, dport, time = seen.key, seen.proto, seen.sport, seen.dport, seen.time
        wide = 16 if len(key) >= 32 else 4
        one, other = key[:wide], key[wide : 2 * wide]
        src, dst = _address(one), _address(other)
        lane, opened, probe = OTHER, False, False
        if proto == TCP:
            opened, probe = bool(seen.flags & SYN), seen.flags in PROBES
            lane = ATTEMPT if opened or probe else OPEN
            swapped = bool(seen.flags & ACK) if opened else not probe and _is_answer(sport, dport)
        elif proto in _REPLIES:
            swapped = sport in _REPLIES[proto] and not many(dst)
        else:
            swapped = _is_answer(sport, dport) and not many(dst)
        if swapped:
            src, dst = dst, src
            if proto in _REPLIES:
                sport = counterpart(proto, sport) or 0
            else:
                sport, dport = dport, sport
        rest = _ports_back(proto, key[2 * wide :])
        keys = (key,) if rest is None else (key, other + one + rest)
        flow = Live(src, dst, proto, sport, dport, seen.vlan, time, time, time, lane, seen.frame, keys)
        flow.opened, flow.probe = opened, probe
        side, answer = (flow.back, flow.out) if swapped else (flow.out, flow.back)
        answer.mac, side.mac = seen.data[:6], seen.data[6:12]
        sides = self.sides(proto)
        sides[keys[-1]] = answer
        sides[key] = side
        self._lanes[lane][flow] = None
        self._count += 1
        return side


@lru_cache(_KNOWN_MAX)
def _address(packed: bytes) -> str:
    return inet_ntop(AF_INET6 if len(packed) == 16 else AF_INET, packed)


@lru_cache(_KNOWN_MAX)
def _card(mac: bytes) -> str:
    # what is no card's: none (raw IP), and the groups' (a broadcast has no answering card)
    return mac.hex(":") if any(mac) and not mac[0] & 1 else ""


def _ports_back(proto: int, rest: bytes) -> bytes | None:
    # behind the addresses: ports, then what else belongs to the key and is the same both ways; None: nothing comes back
    if proto in _REPLIES:
        answer = counterpart(proto, rest[0])
        return None if answer is None else bytes((answer,)) + rest[1:]
    return rest[2:4] + rest[:2] + rest[4:]


def _is_answer(sport: int, dport: int) -> bool:
    # nobody saw the beginning: the well-known port is the service's
    return sport < 1024 <= dport
