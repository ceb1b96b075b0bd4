"""A bounded table of flows: packets in, one record a conversation out, every packet and byte counted exactly once.

Times are capture time. Time-outs are Zeek's (https://docs.zeek.org, `base/init-bare.zeek`: tcp_inactivity_timeout
5 min, udp_ and icmp_inactivity_timeout 1 min, tcp_close_delay 5 s); a TCP attempt without an answer is given up after
one minute, the longest pause between the SYNs of a usual stack being 32 s.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from struct import error as struct_error

from sentinel.pack.community import community_id, counterpart
from sentinel.sense.records import ACK, FIN, ICMP, ICMPV6, PSH, RST, SECOND, SYN, TCP, URG, Ending, Flow, State
from sentinel.sense.rows import Packet
from sentinel.sense.segments import many

PROBES = frozenset({0, FIN, FIN | PSH | URG})
"""TCP flags that no stack sends by itself: NULL, FIN and XMAS probes."""

_CLOSED, _ATTEMPT, _OTHER, _OPEN = range(4)
_IDLE_SECONDS = (5, 60, 60, 300)


@dataclass(slots=True)
class Live:
    """A flow that still goes on; index 0 counts what the source sent, 1 what came back."""

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
    community_id: str = ""
    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    data: list[int] = field(default_factory=lambda: [0, 0])
    flags: list[int] = field(default_factory=lambda: [0, 0])
    syn: int = 0
    rst: int = 0
    opened: bool = False
    probe: bool = False
    service: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def count(self, packet: Packet) -> None:
        """Take one packet into account."""
        time, length, src, _, proto, sport, _, flags, data, _, service, _ = packet
        side = int(src != self.src if self.src != self.dst else sport != self.sport)
        self.packets[side] += 1
        self.bytes[side] += length
        if data:
            self.data[side] += 1
        if time > self.last:
            self.last = time
        elif time < self.start:
            self.start = time
        if service and not self.service:
            self.service = service
        if proto != TCP:
            return
        self.flags[side] |= flags
        if flags & (SYN | RST | FIN) or self.lane == _ATTEMPT:
            self._turn(flags)
        if self.probe and not side and flags not in PROBES:
            self.probe = False

    def _turn(self, flags: int) -> None:
        # what opens and closes a TCP connection
        if flags & SYN:
            self.syn += 1
        if flags & RST:
            self.rst += 1
        if flags & RST or self.flags[0] & self.flags[1] & FIN:
            self.lane = _CLOSED
        elif self.lane == _ATTEMPT and self.packets[1] and self.flags[0] & ACK:
            self.lane = _OPEN

    def state(self) -> State:
        """Return how far it came."""
        if self.proto != TCP:
            return "answered" if self.packets[1] else "unanswered"
        if self.probe and not (self.flags[1] & ~(RST | ACK) or self.data[0] or self.data[1]):
            return "probe"
        if not self.opened:
            return "midstream"
        if self.rst and not (self.data[0] or self.data[1]):
            return "aborted" if self.flags[1] & SYN else "refused"
        if not self.packets[1] and not self.flags[0] & ACK:
            return "unanswered"
        if self.flags[0] & ACK:
            return "established"
        return "half_open"

    def ended(self, ending: Ending) -> Flow:
        """Return the finished flow."""
        return Flow(
            time=self.start,
            end=self.last,
            src=self.src,
            dst=self.dst,
            proto=self.proto,
            sport=self.sport,
            dport=self.dport,
            vlan=self.vlan,
            packets_out=self.packets[0],
            packets_in=self.packets[1],
            bytes_out=self.bytes[0],
            bytes_in=self.bytes[1],
            data_out=self.data[0],
            data_in=self.data[1],
            flags_out=self.flags[0],
            flags_in=self.flags[1],
            syn=self.syn,
            rst=self.rst,
            state=self.state(),
            ending=ending,
            service=self.service,
            community_id=self.community_id,
            frame=self.frame,
        )


Key = tuple[str, int, str, int, int, int]
Done = tuple[Flow, dict[str, str]]


class FlowTable:
    """Flows that go on, at most `flows_max`; what has ended waits for `drain`.

    What ends, and when, depends on the packets alone, never on how often anybody drains.
    """

    def __init__(self, flows_max: int = 200_000) -> None:
        self.evicted = 0
        self._max = max(1, flows_max)
        self._flows: dict[Key, Live] = {}
        # the order in which flows of one time-out were last touched, to about a second
        self._lanes: tuple[OrderedDict[Key, Live], ...] = tuple(OrderedDict() for _ in _IDLE_SECONDS)
        self._done: list[Done] = []
        self._sweep_at = 0

    def __len__(self) -> int:
        """Return how many flows go on."""
        return len(self._flows)

    @property
    def waiting(self) -> int:
        """How many flows have ended and wait for `drain`."""
        return len(self._done)

    def add(self, packet: Packet) -> Live:
        """Take one packet into account and return its flow."""
        time = packet.time
        if time >= self._sweep_at or time < self._sweep_at - 10 * SECOND:
            self._sweep(time)
        key = _key(packet)
        flow = self._flows.get(key)
        if flow is not None and self._is_over(flow, packet):
            idle = packet.time - flow.last > _IDLE_SECONDS[flow.lane] * SECOND
            self._end(key, flow, "idle" if idle and flow.lane != _CLOSED else "closed")
            flow = None
        if flow is None:
            if len(self._flows) >= self._max:
                self._evict()
            flow = self._flows[key] = _begun(packet)
            self._lanes[flow.lane][key] = flow
        lane = flow.lane
        flow.count(packet)
        if flow.lane != lane:
            del self._lanes[lane][key]
            self._lanes[flow.lane][key] = flow
            flow.touched = time
        elif time - flow.touched > SECOND:
            self._lanes[lane].move_to_end(key)
            flow.touched = time
        return flow

    def drain(self) -> list[Done]:
        """Return the flows that ended since the last call, each with what was noted on it."""
        done, self._done = self._done, []
        return done

    def close(self) -> list[Done]:
        """End every flow that still goes on, the earliest first, and return all that ended."""
        rest = sorted(self._flows.items(), key=lambda item: (item[1].start, item[0]))
        for key, flow in rest:
            self._end(key, flow, "closed" if flow.lane == _CLOSED else "capture_end")
        return self.drain()

    @staticmethod
    def _is_over(flow: Live, packet: Packet) -> bool:
        idle = packet.time - flow.last
        if idle > _IDLE_SECONDS[flow.lane] * SECOND:
            return True
        # a new connection on the ports of one that is closed, or of one whose beginning we did not see
        fresh = packet.proto == TCP and packet.flags & (SYN | ACK) == SYN
        return fresh and (flow.lane == _CLOSED or not flow.opened)

    def _end(self, key: Key, flow: Live, ending: Ending) -> None:
        del self._flows[key]
        del self._lanes[flow.lane][key]
        self._done.append((flow.ended(ending), flow.notes))

    def _sweep(self, now: int) -> None:
        self._sweep_at = now + SECOND
        for lane, seconds in zip(self._lanes, _IDLE_SECONDS, strict=True):
            limit = now - seconds * SECOND
            while lane:
                key, flow = next(iter(lane.items()))
                if flow.last >= limit:
                    break
                self._end(key, flow, "closed" if flow.lane == _CLOSED else "idle")

    def _evict(self) -> None:
        # what has least to lose goes first, so that a flood of attempts cannot push out real conversations
        lane = next(lane for lane in self._lanes if lane)
        key, flow = next(iter(lane.items()))
        self._end(key, flow, "closed" if flow.lane == _CLOSED else "evicted")
        self.evicted += 1


def _key(packet: Packet) -> Key:
    _, _, src, dst, proto, sport, dport, _, _, vlan, _, _ = packet
    if proto in {ICMP, ICMPV6}:
        answer = counterpart(proto, sport)
        if answer is None:
            return (src, sport, dst, dport, proto, vlan)
        sport, dport = min(sport, answer), max(sport, answer)
        return (src, sport, dst, dport, proto, vlan) if src <= dst else (dst, sport, src, dport, proto, vlan)
    if (src, sport) <= (dst, dport):
        return (src, sport, dst, dport, proto, vlan)
    return (dst, dport, src, sport, proto, vlan)


def _begun(packet: Packet) -> Live:
    time, _, src, dst, proto, sport, dport, flags, _, vlan, _, frame = packet
    opened = probe = False
    lane = _OTHER
    if proto == TCP:
        opened, probe = bool(flags & SYN), flags in PROBES
        lane = _ATTEMPT if opened or probe else _OPEN
        swapped = bool(flags & ACK) if opened else not probe and _is_answer(sport, dport)
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
    flow = Live(src, dst, proto, sport, dport, vlan, time, time, time, lane, frame)
    flow.community_id = _community(src, dst, proto, sport, dport)
    flow.opened, flow.probe = opened, probe
    return flow


_REPLIES = {ICMP: frozenset({0, 9, 14, 16, 18}), ICMPV6: frozenset({129, 131, 134, 136, 140, 145})}


def _community(src: str, dst: str, proto: int, sport: int, dport: int) -> str:
    try:
        return community_id(src, dst, proto, sport, dport)
    except (OSError, struct_error):
        return ""


def _is_answer(sport: int, dport: int) -> bool:
    # nobody saw the beginning: the well-known port is the service's
    return sport < 1024 <= dport
