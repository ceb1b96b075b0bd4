"""Connections that come as regularly as only a machine makes them: beacons.

The score follows RITA (https://github.com/activecm/rita, `analysis/beacons.go`), with the spread of the intervals in
the place of its histogram:

    score = .4 ts + .3 ds + .3 max(0, 1 - CV)

`ts` (of intervals) and `ds` (of bytes sent) are each the mean of 1 - |Bowley's skewness| and (median - MAD)/median; CV
is the intervals' standard deviation by their mean. What a whole fleet does (updates, monitoring) is no beacon, nor is
what failed, nor services that are regular by design.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median, pstdev, quantiles

from sentinel.sense.applications import Tls
from sentinel.sense.findings import HIGH, MEDIUM, Detector, Finding, Scene, bounded
from sentinel.sense.records import SECOND, TCP, UDP, Dns, Flow

_HOUR = 3_600 * SECOND
_NAMES_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Settings:
    """From what on it is a beacon.

    At least `connections` with `gap_seconds` between their beginnings, or `fast_connections` if they come faster than
    every `fast_seconds`, over `span_seconds`; a `score` from 0 to 1; fewer than `sources` hosts that do it. `services`
    are ports that are regular by design (`123/udp`), `inner_services` those that are so inside the city.
    `connections_max` and `keys_max` bound what is remembered.
    """

    connections: int = 8
    gap_seconds: float = 0.5
    fast_seconds: float = 5.0
    fast_connections: int = 60
    span_seconds: float = 300.0
    score: float = 0.75
    sources: int = 5
    services: tuple[str, ...] = (
        "53/udp", "53/tcp", "67/udp", "68/udp", "123/udp", "137/udp", "138/udp", "161/udp", "500/udp", "546/udp",
        "547/udp", "853/tcp", "1900/udp", "3702/udp", "4500/udp", "5353/udp", "5355/udp", "17500/udp",
    )  # fmt: skip
    inner_services: tuple[str, ...] = (
        "22/tcp", "25/tcp", "88/tcp", "135/tcp", "161/tcp", "389/tcp", "445/tcp", "514/tcp", "636/tcp", "3128/tcp",
        "3268/tcp", "5666/tcp", "6514/tcp", "8080/tcp", "9100/tcp", "10050/tcp", "10051/tcp",
    )  # fmt: skip
    connections_max: int = 1_000
    keys_max: int = 50_000


@dataclass(slots=True)
class _Line:
    # the connections of one source to one port of one destination: begin and bytes sent, in order of their beginning
    seen: list[tuple[int, int]] = field(default_factory=list)
    fresh: int = 0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How regular `count` connections are: the score and its parts, the median interval (s) and size (bytes)."""

    count: int
    score: float
    ts: float
    ds: float
    cv: float
    interval: float
    size: float


def rhythm(seen: Sequence[tuple[int, int]], gap_seconds: float = 0.5) -> Rhythm | None:
    """Judge connections (begin in ns, bytes sent), in order; None if there are fewer than four apart from each other.

    What begins within `gap_seconds` of the one before belongs to it: a browser opens several at once.
    """
    apart: list[tuple[int, int]] = []
    for begin, size in seen:
        if not apart or begin - apart[-1][0] >= gap_seconds * SECOND:
            apart.append((begin, size))
    if len(apart) < 4:
        return None
    intervals = [(later - earlier) / SECOND for (earlier, _), (later, _) in pairwise(apart)]
    sizes = [float(size) for _, size in apart]
    cv = pstdev(intervals) / fmean(intervals)
    ts, ds = _regular(intervals), _regular(sizes)
    score = 0.4 * ts + 0.3 * ds + 0.3 * max(0.0, 1 - cv)
    return Rhythm(len(apart), score, ts, ds, cv, median(intervals), median(sizes))


def _regular(numbers: Sequence[float]) -> float:
    first, middle, third = quantiles(numbers, n=4, method="inclusive")
    spread = third - first
    # Bowley's skewness says nothing of quartiles that lie together
    flat = spread < 0.2 * middle or middle in {first, third}
    skew = 0.0 if flat else (first + third - 2 * middle) / spread
    deviation = median(abs(one - middle) for one in numbers)
    return (1 - abs(skew) + (max(0.0, (middle - deviation) / middle) if middle else 0.0)) / 2


class Beacons:
    """`beacon`: judged once an hour of capture time and at its end, when it is known who else does the same."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._segments = scene.segments
        self._services = frozenset(settings.services)
        self._inner = frozenset(settings.services) | frozenset(settings.inner_services)
        self._lines: OrderedDict[tuple[str, str, int, int], _Line] = OrderedDict()
        self._sources: OrderedDict[tuple[str, int, int], dict[str, None]] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._hour = 0

    def take(self, record: Flow | Dns | Tls) -> Iterable[Finding]:
        """Take a flow into account, and the names that addresses have."""
        if isinstance(record, Dns):
            self._name(record.answers if record.kind == "answer" else (), record.name)
        elif isinstance(record, Tls):
            self._name((record.dst,), record.sni)
        elif self._counts(record):
            self._note(record)
        if record.time // _HOUR <= self._hour:
            return ()
        first, self._hour = not self._hour, record.time // _HOUR
        return () if first else list(self._judge())

    def close(self) -> Iterable[Finding]:
        """Judge what is left."""
        return list(self._judge())

    def _counts(self, flow: Flow) -> bool:
        if flow.proto not in {TCP, UDP} or flow.failed or flow.state in {"probe", "unanswered"}:
            return False
        service = f"{flow.dport}/{'tcp' if flow.proto == TCP else 'udp'}"
        if service in self._services:
            return False
        return service not in self._inner or self._segments.outside(flow.dst)

    def _name(self, addresses: Sequence[str], name: str) -> None:
        for address in addresses if name else ():
            self._names[address] = name.rstrip(".").lower()
            self._names.move_to_end(address)
            bounded(self._names, _NAMES_MAX)

    def _note(self, flow: Flow) -> None:
        key = (flow.src, flow.dst, flow.dport, flow.proto)
        line = self._lines.setdefault(key, _Line())
        self._lines.move_to_end(key)
        insort(line.seen, (flow.time, flow.payload_out or flow.bytes_out))
        line.fresh += 1
        if len(line.seen) > self._settings.connections_max:
            del line.seen[0]
        bounded(self._lines, self._settings.keys_max)
        does = self._sources.setdefault(self._same(key), {})
        if len(does) < self._settings.sources:
            does[flow.src] = None
        bounded(self._sources, self._settings.keys_max)

    def _same(self, key: tuple[str, str, int, int]) -> tuple[str, int, int]:
        # what others do too: to the same name, where it is known, for its addresses change
        _, dst, port, proto = key
        return self._names.get(dst, dst), port, proto

    def _judge(self) -> Iterator[Finding]:
        limits = self._settings
        for key, line in self._lines.items():
            if not line.fresh or len(line.seen) < limits.connections:
                continue
            if line.seen[-1][0] - line.seen[0][0] < limits.span_seconds * SECOND:
                continue
            line.fresh = 0
            found = rhythm(line.seen, limits.gap_seconds)
            if found is None or found.score < limits.score:
                continue
            fast = found.interval < limits.fast_seconds
            if found.count < (limits.fast_connections if fast else limits.connections):
                continue
            others = max(len(self._sources.get(self._same(key), ())), len(self._sources.get(key[1:], ())))
            if others >= limits.sources:
                continue
            yield self._finding(key, line, found, others)

    def _finding(self, key: tuple[str, str, int, int], line: _Line, found: Rhythm, others: int) -> Finding:
        src, dst, port, proto = key
        name = self._names.get(dst, "")
        return Finding(
            kind="beacon",
            start=line.seen[0][0],
            end=line.seen[-1][0],
            explanation=(
                f"{src} connected to {name or dst} port {port} {found.count} times, every {found.interval:.4g} s with "
                f"a variation of {found.cv:.0%} and about {found.size:.0f} bytes each: score {found.score:.2f}, from "
                f"{self._settings.score:.2f} on only a machine is so regular; {_hosts(others)} here"
            ),
            severity=HIGH if self._segments.outside(dst) else MEDIUM,
            technique="T1071",
            src=src,
            dst=dst,
            dport=port,
            proto=proto,
            name=name,
            count=found.count,
            numbers={
                "score": round(found.score, 3), "limit": self._settings.score, "ts": round(found.ts, 3),
                "ds": round(found.ds, 3), "cv": round(found.cv, 3), "interval_seconds": round(found.interval, 3),
                "bytes": round(found.size), "sources": others,
            },
        )  # fmt: skip


def _hosts(number: int) -> str:
    return "no other host does it" if number <= 1 else f"{number} hosts do it"


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detector of this family."""
    return [Beacons(settings, scene)]
