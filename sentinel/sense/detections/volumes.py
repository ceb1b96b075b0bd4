"""How much leaves, how long a connection lasts, and what is carried where nothing should be.

- `exfil.volume`: more than a floor out of the city to one address within a day, and more than came back (the floor is
  Slips' idea, https://github.com/stratosphereips/StratosphereLinuxIPS, `modules/flowalerts`, with a smaller number).
  Once enough days of a host are known it has to be unusual for this host as well: the logarithm of the day's bytes
  against those of its workdays, or of its days off (`baselines.Average`).
- `long.connection`: RITA's levels (https://github.com/activecm/rita, `default_config.hjson`).
- `icmp.tunnel`: many echoes with much in them that is never the same (nDPI's flow risk "malformed packet" looks at
  entropy for it); a `ping` repeats its payload, and an honest answer is what was asked.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sentinel.sense.baselines import Average, Growth, Slots, count_of, size_text
from sentinel.sense.findings import HIGH, INFO, MEDIUM, Detector, Finding, Prompt, Scene, bounded
from sentinel.sense.records import SECOND, TCP, UDP, Flow, Icmp, OpenFlow

_DAY = 86_400 * SECOND
_NOON = 12
_ECHOES = frozenset({0, 8, 128, 129})
_REQUESTS = frozenset({8, 128})
_STAMP = 16
"""A ping of Unix begins its payload with the time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is much, long, and carried.

    `out_bytes` a day to one address outside, at least `out_ratio` times what came back; with `known_days` of a host's
    past (of such days, else of all) it has to lie `deviations` above. `long_hours` to anybody outside is worth a look,
    `very_long_hours` an alert. `echoes` with more than `echo_bytes` in them, of which `echo_share` differ. `keys_max`
    bounds what is watched at once, `heads_max` the payloads told apart of one pair.
    """

    out_bytes: int = 10_000_000
    out_ratio: float = 2.0
    known_days: int = 5
    deviations: float = 4.0
    long_hours: float = 4.0
    very_long_hours: float = 12.0
    echoes: int = 20
    echo_bytes: int = 64
    echo_share: float = 0.5
    keys_max: int = 50_000
    heads_max: int = 1_000


@dataclass(slots=True)
class _Past:
    # what a host sent outside on the days it sent any: on all, on workdays, on days off; and today
    every: Average = field(default_factory=Average)
    work: Average = field(default_factory=Average)
    off: Average = field(default_factory=Average)
    day: int = 0
    today: int = 0


@dataclass(slots=True)
class _Sent:
    day: int
    start: int
    end: int
    out: int = 0
    back: int = 0
    flows: int = 0


_Ends = tuple[str, str]


class Exfiltration(Prompt):
    """`exfil.volume`; what hosts usually send is learned all the time and kept."""

    finds_while_learning = True

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._segments = scene.segments
        self._pairs: OrderedDict[_Ends, _Sent] = OrderedDict()
        self._hosts: OrderedDict[str, _Past] = OrderedDict()
        self._slots = Slots(scene.calendar_of)
        self._fresh = Growth(settings.keys_max)

    def take(self, record: Flow | OpenFlow) -> Iterable[Finding]:
        """Take a flow into account."""
        return self._note(record)

    def learn(self, record: Flow | OpenFlow) -> None:
        """Take a flow for normal."""
        self._note(record)

    def _note(self, flow: Flow) -> Iterable[Finding]:
        if flow.failed or not self._segments.outside(flow.dst) or self._segments.outside(flow.src):
            return ()
        out, back = self._fresh(flow)
        day = flow.end // _DAY
        past = self._hosts.setdefault(flow.src, _Past(day=day))
        self._hosts.move_to_end(flow.src)
        if past.day < day:
            if past.today:
                past.every.add(past.today)
                self._alike(flow.src, past).add(past.today)
            past.day, past.today = day, 0
        past.today += out
        key = (flow.src, flow.dst)
        sent = self._pairs.get(key)
        if sent is None or sent.day < day:
            sent = self._pairs[key] = _Sent(day, flow.time, flow.end)
        self._pairs.move_to_end(key)
        for held in (self._hosts, self._pairs):
            bounded(held, self._settings.keys_max)
        sent.end = max(sent.end, flow.end)
        sent.out += out
        sent.back += back
        sent.flows += 1
        return self._judge(flow, sent, past)

    def _alike(self, host: str, past: _Past) -> Average:
        # what is usual on days such as the one that goes on
        return past.off if self._slots.of(host, past.day * 24 + _NOON).off else past.work

    def _judge(self, flow: Flow, sent: _Sent, past: _Past) -> Iterable[Finding]:
        limits = self._settings
        if sent.out < limits.out_bytes or sent.out < limits.out_ratio * sent.back:
            return ()
        usual = ""
        numbers: dict[str, int | float] = {}
        known = self._alike(flow.src, past)
        if known.count < limits.known_days:
            known = past.every
        if known.count >= limits.known_days:
            above = known.deviations(past.today)
            if above < limits.deviations:
                return ()
            kind = "days" if known is past.every else "days off" if known is past.off else "workdays"
            usual = f"; on {known.count} {kind} before it was {size_text(known.usual)} a day to all"
            numbers = {"deviations": round(above, 2), "days": known.count}
        return [
            Finding(
                kind="exfil.volume",
                start=sent.start,
                end=sent.end,
                explanation=(
                    f"{flow.src} sent {size_text(sent.out)} to {flow.dst} within a day and got "
                    f"{size_text(sent.back)} back ({sent.flows} flows); from {size_text(limits.out_bytes)} on it is "
                    f"looked at{usual}"
                ),
                severity=HIGH,
                technique="T1048",
                src=flow.src,
                dst=flow.dst,
                proto=flow.proto,
                vlan=flow.vlan,
                count=sent.flows,
                numbers={"bytes_out": sent.out, "bytes_in": sent.back, "limit": limits.out_bytes, **numbers},
            )
        ]

    def memory(self) -> object:
        """Return what hosts usually send."""
        return {
            host: [*one.every.numbers(), *one.work.numbers(), *one.off.numbers(), one.day, one.today]
            for host, one in self._hosts.items()
        }

    def recall(self, memory: object) -> None:
        """Take up what `memory` returned; raises ValueError."""
        if not isinstance(memory, dict):
            raise ValueError("no table of hosts")  # noqa: TRY004  a memory that cannot be understood, whatever its type
        try:
            known = {str(host): _past(numbers) for host, numbers in memory.items()}
        except (TypeError, ValueError) as error:
            msg = f"the past of a host cannot be understood: {error}"
            raise ValueError(msg) from error
        self._hosts.update(known)


def _past(numbers: Sequence[object]) -> _Past:
    *averages, day, today = numbers
    every, work, off = (Average.of(averages[at : at + 3]) for at in (0, 3, 6))
    return _Past(every, work, off, int(count_of(day)), int(count_of(today)))


class LongConnections(Prompt):
    """`long.connection` and, below the alert, `long.connection.info`."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._segments = scene.segments

    def take(self, record: Flow | OpenFlow) -> Iterable[Finding]:
        """Take a flow into account."""
        if record.proto not in {TCP, UDP} or not record.packets_in:
            return ()
        hours = record.seconds / 3_600
        limits = self._settings
        if hours < limits.long_hours or not self._segments.outside(record.dst):
            return ()
        very = hours >= limits.very_long_hours
        return [
            Finding(
                kind="long.connection" if very else "long.connection.info",
                # the hour in which it began is the same in every telling
                start=record.time,
                end=record.end,
                explanation=(
                    f"{record.src} has been connected to {record.dst} port {record.dport} for {hours:.1f} h "
                    f"({size_text(record.bytes_out)} out, {size_text(record.bytes_in)} back); from "
                    f"{limits.very_long_hours if very else limits.long_hours:g} h on it is told"
                ),
                severity=MEDIUM if very else INFO,
                technique="T1071" if very else "",
                src=record.src,
                dst=record.dst,
                dport=record.dport,
                proto=record.proto,
                vlan=record.vlan,
                numbers={
                    "hours": round(hours, 2), "bytes_out": record.bytes_out, "bytes_in": record.bytes_in,
                    "limit": limits.very_long_hours if very else limits.long_hours,
                },
                community_id=record.community_id,
            )
        ]  # fmt: skip


@dataclass(slots=True)
class _Echoes:
    # what one host asked of another: payloads that were sent, and answers that are not what was asked
    start: int
    asked: int = 0
    size: int = 0
    unlike: int = 0
    heads: dict[bytes, None] = field(default_factory=dict)


class IcmpTunnels(Prompt):
    """`icmp.tunnel`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pairs: OrderedDict[_Ends, _Echoes] = OrderedDict()

    def take(self, record: Icmp) -> Iterable[Finding]:
        """Take an echo into account."""
        limits = self._settings
        if record.kind not in _ECHOES or record.size <= limits.echo_bytes:
            return ()
        asks = record.kind in _REQUESTS
        key = (record.src, record.dst) if asks else (record.dst, record.src)
        seen = self._pairs.setdefault(key, _Echoes(record.time))
        self._pairs.move_to_end(key)
        bounded(self._pairs, limits.keys_max)
        head = record.body[_STAMP:] or record.body
        if not asks:
            seen.unlike += head not in seen.heads
        elif seen.asked < limits.heads_max:
            seen.heads[head] = None
            seen.asked += 1
            seen.size += record.size
        least = max(limits.echoes, 1)
        differ = max(len(seen.heads), seen.unlike)
        if max(seen.asked, seen.unlike) < least or differ <= limits.echo_share * seen.asked:
            return ()
        return [self._finding(record, key, seen)]

    def _finding(self, record: Icmp, key: _Ends, seen: _Echoes) -> Finding:
        return Finding(
            kind="icmp.tunnel",
            start=seen.start,
            end=record.time,
            explanation=(
                f"{key[0]} sent {key[1]} {seen.asked} echo requests of {seen.size / max(seen.asked, 1):.0f} bytes on "
                f"average, {len(seen.heads)} of them different, and {seen.unlike} answers were not what was asked; a "
                f"ping repeats what it sends (looked at from {self._settings.echoes} on)"
            ),
            severity=HIGH,
            technique="T1095",
            src=key[0],
            dst=key[1],
            proto=record.proto,
            vlan=record.vlan,
            count=seen.asked,
            numbers={
                "echoes": seen.asked, "different": len(seen.heads), "unlike": seen.unlike,
                "limit": self._settings.echoes,
            },
        )  # fmt: skip


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [Exfiltration(settings, scene), LongConnections(settings, scene), IcmpTunnels(settings)]
