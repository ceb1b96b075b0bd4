"""What a host and a segment do in an hour, against what they did in hours of the same kind.

An hour of a workday is compared with the same hour of workdays, one of a day off (weekend, holiday, school holidays: as
the calendar says) with those of days off; a segment's hours are told apart by the day of the week as well.

- `habit.bytes_out`: far more sent out of the city than this host does, and than nearly all hosts of its segment do.
- `habit.destinations`, `habit.ports`: far more different addresses, or ports, spoken to than this host does.
- `habit.segment`: far more sent out of the city by a segment as a whole.

Logarithms against their exponentially weighted mean and deviation (`baselines.Average`), as in Slips' per-host models
(https://github.com/stratosphereips/StratosphereLinuxIPS, `modules/anomaly_detection_https`); different addresses by
HyperLogLog, the segment's hosts by KLL (`sketches`). The fewer hours are known, the more it takes: `deviations` times
1 + 4/hours. Of an hour in which a host is hardly ever at work the floor alone decides.
"""

from array import array
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sentinel.sense.baselines import (
    HOUR,
    HOURS_OF_DAY,
    HOURS_OF_WEEK,
    Average,
    Growth,
    Slot,
    Slots,
    count_of,
    size_text,
)
from sentinel.sense.findings import LOW, MEDIUM, Detector, Finding, Prompt, Scene, bounded
from sentinel.sense.records import Flow, OpenFlow
from sentinel.sense.segments import many
from sentinel.sense.sketches import Distinct, Quantiles

_HOURS_BACK_MAX = 24 * 7 * 4
"""What a host did longer ago than this before it speaks again says nothing of when it is silent."""
_KNOWN_HOURS = 24 * 7
_WIDTH = 8
_HOURS_COUNTED_MAX = 100_000.0
_SCALES = ("bytes_out", "destinations", "ports")
_WORDS = {"destinations": "different addresses", "ports": "different ports"}


@dataclass(frozen=True, slots=True)
class Settings:
    """From which number in an hour on it is looked at, and how much more than usual is too much.

    `bytes_out`, `destinations` and `ports` of a host, `segment_bytes_out` of a segment; `deviations` above what is
    usual. A host's hour is known from `known_hours` of its kind with traffic on; it is usually silent if of at least
    `silent_hours` of the kind no more than `silent_share` had any. With `segment_hours` of its hosts known, a host has
    to send more than `segment_share` of them. A segment's hour of the week is known after `segment_weeks`. `keys_max`
    bounds the hosts that are watched.
    """

    bytes_out: int = 20_000_000
    destinations: int = 60
    ports: int = 30
    segment_bytes_out: int = 500_000_000
    deviations: float = 4.0
    known_hours: int = 5
    silent_hours: int = 8
    silent_share: float = 0.05
    segment_share: float = 0.99
    segment_hours: int = 100
    segment_weeks: int = 3
    keys_max: int = 20_000


@dataclass(slots=True)
class _Host:
    # what it does in the hour, and of each kind of hour: how many there were, in how many it spoke, three averages
    first: int
    hour: int
    slot: Slot
    bytes_out: int = 0
    greatest: int = 0
    to: str = ""
    destinations: Distinct = field(default_factory=Distinct)
    ports: Distinct = field(default_factory=Distinct)
    flows: int = 0
    past: "array[float]" = field(default_factory=lambda: array("f", bytes(4 * _WIDTH * HOURS_OF_DAY)))

    def numbers(self) -> tuple[int, int, int]:
        """Return what it has done in the hour, in the order of _SCALES."""
        return self.bytes_out, self.destinations.number, self.ports.number

    def known(self) -> tuple[int, int]:
        """Return of how many hours of this kind is known, and in how many of them it spoke."""
        at = _WIDTH * self.slot.day
        return int(self.past[at]), int(self.past[at + 1])

    def average(self, scale: int) -> Average:
        """Return what is usual at hours of this kind."""
        at = _WIDTH * self.slot.day
        return Average(int(self.past[at + 1]), self.past[at + 2 + scale], self.past[at + 5 + scale])

    def turn(self, silent: Iterable[Slot]) -> None:
        """Learn the hour, and that in the hours since it was silent."""
        at = _WIDTH * self.slot.day
        averages = [self.average(scale) for scale in range(3)]
        for scale, (average, number) in enumerate(zip(averages, self.numbers(), strict=True)):
            average.add(max(number, 1))
            self.past[at + 2 + scale], self.past[at + 5 + scale] = average.mean, average.variance
        self.past[at] = min(self.past[at] + 1, _HOURS_COUNTED_MAX)
        self.past[at + 1] = min(averages[0].count, _HOURS_COUNTED_MAX)
        for slot in silent:
            self.past[_WIDTH * slot.day] = min(self.past[_WIDTH * slot.day] + 1, _HOURS_COUNTED_MAX)
        self.bytes_out = self.greatest = self.flows = 0
        self.to = ""
        self.destinations, self.ports = Distinct(), Distinct()


@dataclass(slots=True)
class _Segment:
    # what it sends in the hour, by whom most; of each hour of the week what it sent, and what its hosts did
    name: str
    hour: int
    slot: Slot
    bytes_out: int = 0
    greatest: int = 0
    by: str = ""
    flows: int = 0
    past: dict[int, Average] = field(default_factory=dict)
    hosts: dict[int, Quantiles] = field(default_factory=dict)


class Habits(Prompt):
    """`habit.*`; learned all the time, and kept."""

    finds_while_learning = True

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene
        self._slots = Slots(scene.calendar_of)
        self._fresh = Growth(settings.keys_max)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._segments: dict[str, _Segment] = {}
        self._now = 0
        # with fewer flows than this there is nothing to count
        self._least = min(settings.destinations, settings.ports)

    def take(self, flow: Flow | OpenFlow) -> Iterable[Finding]:
        """Take a flow into account."""
        segments = self._scene.segments
        if segments.outside(flow.src) or many(flow.dst) or not flow.src:
            return ()
        host, segment = self._noted(flow)
        limits = self._settings
        little = host.bytes_out < limits.bytes_out and segment.bytes_out < limits.segment_bytes_out
        if little and host.flows < self._least:
            return ()
        return [*self._of_host(flow, host, segment), *self._of_segment(flow, segment)]

    def learn(self, flow: Flow | OpenFlow) -> None:
        """Take a flow for normal."""
        self.take(flow)

    def standing(self) -> Mapping[str, int]:
        """Return how many hosts are watched, and of how many a week is known."""
        known = sum(self._now - host.first >= _KNOWN_HOURS for host in self._hosts.values())
        return {"hosts": len(self._hosts), "known": known}

    def _noted(self, flow: Flow) -> tuple[_Host, _Segment]:
        hour = flow.end // HOUR
        self._now = max(self._now, hour)
        segment = self._segment(self._scene.segments.of(flow.src), flow.src, hour)
        host = self._host(flow.src, segment, hour)
        host.flows += 1
        if flow.state != "midstream":  # of those it is not known who asked
            host.destinations.add(flow.dst)
            host.ports.add(flow.proto << 16 | flow.dport)
        out, _ = self._fresh(flow)
        if self._scene.segments.outside(flow.dst):
            host.bytes_out += out
            segment.bytes_out += out
            segment.flows += 1
            if out > host.greatest:
                host.greatest, host.to = out, flow.dst
            if host.bytes_out > segment.greatest:
                segment.greatest, segment.by = host.bytes_out, flow.src
        return host, segment

    def _host(self, address: str, segment: _Segment, hour: int) -> _Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = _Host(hour, hour, self._slots.of(address, hour))
            bounded(self._hosts, self._settings.keys_max)
            return host
        self._hosts.move_to_end(address)
        if hour > host.hour:
            if host.bytes_out:
                segment.hosts.setdefault(host.slot.week, Quantiles()).add(host.bytes_out)
            since = max(host.hour + 1, hour - _HOURS_BACK_MAX)
            host.turn(self._slots.between(address, since, hour))
            host.hour, host.slot = hour, self._slots.of(address, hour)
        return host

    def _segment(self, name: str, address: str, hour: int) -> _Segment:
        segment = self._segments.get(name)
        if segment is None:
            segment = self._segments[name] = _Segment(name, hour, self._slots.of(address, hour))
        elif hour > segment.hour:
            if segment.bytes_out:
                segment.past.setdefault(segment.slot.week, Average()).add(segment.bytes_out)
            segment.bytes_out = segment.greatest = segment.flows = 0
            segment.by = ""
            segment.hour, segment.slot = hour, self._slots.of(address, hour)
        return segment

    def _of_host(self, flow: Flow, host: _Host, segment: _Segment) -> Iterable[Finding]:
        limits = self._settings
        hours, active = host.known()
        if active < limits.known_hours and hours < limits.silent_hours:
            return
        numbers = host.numbers()
        for scale, floor in enumerate((limits.bytes_out, limits.destinations, limits.ports)):
            if numbers[scale] < floor:
                continue
            told = self._unusual(host, scale, numbers[scale])
            if told is None:
                continue
            if scale:
                yield self._many(flow, host, _SCALES[scale], numbers[scale], floor, told)
                continue
            others = segment.hosts.get(host.slot.week)
            if others is None or others.count < limits.segment_hours:
                yield self._sent(flow, host, told)
            elif numbers[0] > others.at(limits.segment_share):
                share = f"; {limits.segment_share:.0%} of the hours of hosts there stay below "
                most = others.at(limits.segment_share)
                yield self._sent(flow, host, (told[0] + share + size_text(most), {**told[1], "segment": round(most)}))

    def _unusual(self, host: _Host, scale: int, number: int) -> tuple[str, dict[str, int | float]] | None:
        # in words and numbers what is usual, None if it is usual or too little is known
        limits = self._settings
        hours, active = host.known()
        kind = f"this hour of {'days off' if host.slot.off else 'workdays'}"
        if hours >= limits.silent_hours and active <= limits.silent_share * hours:
            return f"it was silent in {hours - active} of {hours} times {kind} was seen", {"hours": hours, "usual": 0}
        if active < limits.known_hours:
            return None
        average = host.average(scale)
        off = average.deviations(number)
        if off < _wanted(limits.deviations, active):
            return None
        usual = size_text(average.usual) if not scale else f"{average.usual:.0f}"
        words = f"in {active} times {kind} was seen it was about {usual}"
        return words, {"hours": active, "usual": round(average.usual), "deviations": round(off, 2)}

    def _sent(self, flow: Flow, host: _Host, told: tuple[str, dict[str, int | float]]) -> Finding:
        words, numbers = told
        return Finding(
            kind="habit.bytes_out",
            start=host.hour * HOUR,
            end=flow.end,
            explanation=(
                f"{flow.src} sent {size_text(host.bytes_out)} out of the city within an hour, most of it to {host.to}; "
                f"{words} (looked at from {size_text(self._settings.bytes_out)} on)"
            ),
            severity=MEDIUM,
            technique="T1048",
            src=flow.src,
            vlan=flow.vlan,
            count=host.flows,
            numbers={"bytes_out": host.bytes_out, "limit": self._settings.bytes_out, **numbers},
            examples=(host.to,),
        )

    @staticmethod
    def _many(
        flow: Flow, host: _Host, scale: str, number: int, floor: int, told: tuple[str, dict[str, int | float]]
    ) -> Finding:
        words, numbers = told
        return Finding(
            kind="habit.destinations" if scale == "destinations" else "habit.ports",
            start=host.hour * HOUR,
            end=flow.end,
            explanation=(
                f"{flow.src} spoke to {number} {_WORDS[scale]} within an hour; {words} (looked at from {floor} on)"
            ),
            severity=LOW,
            technique="T1018" if scale == "destinations" else "T1046",
            src=flow.src,
            vlan=flow.vlan,
            count=number,
            numbers={scale: number, "limit": floor, **numbers},
        )

    def _of_segment(self, flow: Flow, segment: _Segment) -> Iterable[Finding]:
        limits = self._settings
        average = segment.past.get(segment.slot.week)
        if segment.bytes_out < limits.segment_bytes_out or average is None or average.count < limits.segment_weeks:
            return
        off = average.deviations(segment.bytes_out)
        if off < _wanted(limits.deviations, average.count):
            return
        yield Finding(
            kind="habit.segment",
            start=segment.hour * HOUR,
            end=flow.end,
            explanation=(
                f"{f'segment {segment.name}' if segment.name else 'all hosts'} sent {size_text(segment.bytes_out)} "
                f"out of the city within an hour, {size_text(segment.greatest)} of it from {segment.by}; in "
                f"{average.count} times this hour of the week was seen it was about {size_text(average.usual)} "
                f"(looked at from {size_text(limits.segment_bytes_out)} on)"
            ),
            severity=MEDIUM,
            technique="T1048",
            src=segment.by,
            name=segment.name,
            count=segment.flows,
            numbers={
                "bytes_out": segment.bytes_out, "limit": limits.segment_bytes_out, "hours": average.count,
                "usual": round(average.usual), "deviations": round(off, 2),
            },
        )  # fmt: skip

    def memory(self) -> object:
        """Return what is usual, and the hour that goes on."""
        return {
            "hosts": {
                address: [
                    host.first, host.hour, host.bytes_out, host.greatest, host.to, host.destinations.text(),
                    host.ports.text(), host.flows, b64encode(host.past.tobytes()).decode(),
                ]
                for address, host in self._hosts.items()
            },
            "segments": {
                name: [
                    one.hour, one.bytes_out, one.greatest, one.by, one.flows,
                    {str(slot): average.numbers() for slot, average in one.past.items()},
                    {str(slot): hosts.text() for slot, hosts in one.hosts.items()},
                ]
                for name, one in self._segments.items()
            },
        }  # fmt: skip

    def recall(self, memory: object) -> None:
        """Take up what `memory` returned; raises ValueError."""
        match memory:
            case {"hosts": dict() as hosts, "segments": dict() as segments}:
                pass
            case _:
                raise ValueError("no tables of hosts and segments")
        try:
            self._hosts.update({str(address): self._recalled(str(address), told) for address, told in hosts.items()})
            self._segments.update({str(name): self._placed(str(name), told) for name, told in segments.items()})
        except (TypeError, ValueError, IndexError) as error:
            msg = f"the past of a host or segment cannot be understood: {error}"
            raise ValueError(msg) from error
        self._now = max((host.hour for host in self._hosts.values()), default=0)

    def _recalled(self, address: str, told: Sequence[object]) -> _Host:
        first, hour, out, greatest, to, destinations, ports, flows, past = told
        held = array("f")
        held.frombytes(b64decode(str(past), validate=True))
        if len(held) != _WIDTH * HOURS_OF_DAY:
            msg = f"{len(held)} numbers instead of {_WIDTH * HOURS_OF_DAY}"
            raise ValueError(msg)
        at = int(count_of(hour))
        return _Host(
            first=int(count_of(first)), hour=at, slot=self._slots.of(address, at), bytes_out=int(count_of(out)),
            greatest=int(count_of(greatest)), to=str(to), destinations=Distinct.of(destinations),
            ports=Distinct.of(ports), flows=int(count_of(flows)), past=held,
        )  # fmt: skip

    def _placed(self, name: str, told: Sequence[object]) -> _Segment:
        hour, out, greatest, by, flows, past, hosts = told
        if not isinstance(past, dict) or not isinstance(hosts, dict):
            raise TypeError(f"no tables of hours in {name!r}")
        at = int(count_of(hour))
        return _Segment(
            name=name, hour=at, slot=self._slots.of(str(by), at), bytes_out=int(count_of(out)),
            greatest=int(count_of(greatest)), by=str(by), flows=int(count_of(flows)),
            past={_week(slot): Average.of(numbers) for slot, numbers in past.items()},
            hosts={_week(slot): Quantiles.of(text) for slot, text in hosts.items()},
        )  # fmt: skip


def _week(slot: str) -> int:
    if int(slot) not in range(HOURS_OF_WEEK):
        msg = f"{slot} is no hour of the week"
        raise ValueError(msg)
    return int(slot)


def _wanted(deviations: float, hours: int) -> float:
    # what is known of few hours may be chance
    return deviations * (1 + 4 / min(hours, 20))


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [Habits(settings, scene)]
