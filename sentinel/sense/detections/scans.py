"""Port scans, found in flow records: a pure function from flows to findings.

Which attempts count as failed, and the numbers, follow Zeek's `scripts/policy/misc/scan.zeek` (15 ports a host, 25
hosts a port in 5 minutes, failed connections only; https://github.com/zeek/zeek, before 6.1) and its successor
ncsa/bro-simple-scan; that a NULL, FIN or XMAS packet is a probe by itself is nDPI's reading
(https://github.com/ntop/nDPI, flow risk "TCP Connection Issues"). Failed is a connection that

- got no answer or never completed its handshake (`unanswered`, `half_open`),
- was refused (`refused`: a reset, nothing else), or
- was reset by either side before any data (`aborted`: so ends nmap's SYN scan at an open port).

What began before the capture did is never counted. Windows slide in capture time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Literal

from sentinel.sense.findings import HIGH, MEDIUM, Detector, Finding, Scene, bounded
from sentinel.sense.records import FAILED, SECOND, TCP, Flow

Kind = Literal["scan.vertical", "scan.horizontal", "scan.stealth"]

TECHNIQUE = "T1046"
"""ATT&CK: Network Service Discovery."""

EXAMPLES_MAX = 20
_HOUR = 3_600 * SECOND
_EVER_SECONDS = 1 << 40


@dataclass(frozen=True, slots=True)
class Settings:
    """From how many distinct ports or hosts within `window_seconds` on it is a scan; and how much is remembered.

    A slow one has `slow_ports` of one host, or `slow_hosts` on one port, within `slow_seconds`, and was not seen as a
    fast one (ncsa/bro-simple-scan forgets after 15 minutes). `keys_max` bounds the pairs watched at once,
    `targets_max` the distinct ports or hosts remembered of each, `waiting_max` the attempts held back to be looked at
    in the order in which they began, for `settle_seconds` at most.
    """

    window_seconds: int = 300
    ports: int = 15
    hosts: int = 20
    stealth_ports: int = 3
    slow_seconds: int = 86_400
    slow_ports: int = 25
    slow_hosts: int = 50
    keys_max: int = 50_000
    targets_max: int = 4_096
    waiting_max: int = 50_000
    settle_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan in one hour of capture time.

    `target` is the host whose ports were tried, or for `scan.horizontal` the port that was tried on many. `distinct`
    is the greatest number of ports (hosts) within one window, `attempts` how often in the whole hour, `examples` the
    first of them. Times in ns since 1970.
    """

    kind: Kind
    src: str
    target: str
    start: int
    end: int
    distinct: int
    attempts: int
    unanswered: int
    refused: int
    limit: int
    window_seconds: int
    examples: tuple[str, ...]
    vlan: int = 0

    def explain(self) -> str:
        """Return the sentence that gives the numbers."""
        first = ", ".join(self.examples[:5]) + (" …" if self.distinct > 5 else "")
        within = f"within {self.window_seconds} s"
        ends = f"{self.attempts} attempts, {self.unanswered} without answer, {self.refused} refused or reset"
        what = {
            "scan.vertical": f"tried {self.distinct} ports of {self.target} {within} and got no connection",
            "scan.horizontal": f"tried port {self.target} of {self.distinct} hosts {within} and got no connection",
            "scan.stealth": f"sent {self.distinct} ports of {self.target} packets no stack sends {within}",
        }[self.kind]
        return f"{self.src} {what} ({ends}; from {self.limit} on it is a scan): {first}"

    def finding(self) -> Finding:
        """Return it as the sensor tells it."""
        numbers = {
            "distinct": self.distinct,
            "attempts": self.attempts,
            "unanswered": self.unanswered,
            "refused": self.refused,
            "limit": self.limit,
            "window_seconds": self.window_seconds,
        }
        across = self.kind == "scan.horizontal"
        return Finding(
            kind=self.kind,
            start=self.start,
            end=self.end,
            explanation=self.explain(),
            severity=HIGH if self.kind == "scan.stealth" else MEDIUM,
            technique=TECHNIQUE,
            src=self.src,
            dst="" if across else self.target,
            dport=int(self.target) if across else 0,
            proto=TCP,
            vlan=self.vlan,
            count=self.attempts,
            numbers=numbers,
            examples=self.examples,
        )


@dataclass(slots=True)
class _Hour:
    # what is known of one hour of capture time
    number: int
    start: int
    end: int
    limit: int
    vlan: int
    peak: int = 0
    attempts: int = 0
    unanswered: int = 0
    refused: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, flow: Flow, target: str, distinct: int) -> None:
        self.end = max(self.end, flow.end)
        self.peak = max(self.peak, distinct)
        self.attempts += 1
        if flow.state in {"unanswered", "half_open"} or (flow.state == "probe" and not flow.packets_in):
            self.unanswered += 1
        else:
            self.refused += 1
        if len(self.examples) < EXAMPLES_MAX and target not in self.examples:
            self.examples.append(target)


@dataclass(slots=True)
class _Watch:
    # one source and one target: when each port (or host) was last tried, in the order of trying
    hour: _Hour
    recent: OrderedDict[str, int] = field(default_factory=OrderedDict)

    @classmethod
    def begun(cls, target: str, flow: Flow, limit: int) -> "_Watch":
        """Return what is known after a first attempt."""
        watch = cls(_Hour(flow.time // _HOUR, flow.time, flow.end, limit, flow.vlan))
        watch.recent[target] = flow.time
        watch.hour.count(flow, target, 1)
        return watch


_Key = tuple[Kind, str, str]


def find_scans(flows: Iterable[Flow], limits: Settings | None = None) -> Iterator[Scan]:
    """Return the scans among `flows`: one for each kind, source, target and hour of capture time.

    Flows may come in the order in which they ended; they are judged in the order in which they began.
    """
    # nobody waits for an answer: each attempt may wait for all that began before it
    watch = ScanWatch(replace(limits or Settings(), settle_seconds=_EVER_SECONDS))
    latest: dict[tuple[Kind, str, str, int], Scan] = {}
    told = [scan for flow in flows for scan in watch.see(flow)]
    for scan in told + watch.close():
        latest[scan.kind, scan.src, scan.target, scan.start // _HOUR] = scan
    yield from latest.values()


class ScanWatch:
    """The same, flow by flow: `see` returns a scan when it has become one and when its hour is over."""

    def __init__(self, limits: Settings) -> None:
        self._limits = limits
        self._now = 0
        self._waiting: list[tuple[int, int, Flow]] = []
        self._count = 0
        # most is tried once and never again: of that the attempt itself is kept
        self._watched: OrderedDict[_Key, _Watch | Flow] = OrderedDict()

    def see(self, flow: Flow, now: int = 0) -> list[Scan]:
        """Take one flow into account; `now` is the latest end of any flow."""
        self._now = max(self._now, flow.end, now)
        if not _is_attempt(flow):
            return []
        self._count += 1
        waiting, found = self._waiting, list[Scan]()
        heappush(waiting, (flow.time, self._count, flow))
        settled = self._now - self._limits.settle_seconds * SECOND
        while waiting and (len(waiting) > self._limits.waiting_max or waiting[0][0] < settled):
            found += self._judge()
        return found

    def close(self) -> list[Scan]:
        """Judge what still waits and return every scan of an hour that was not over."""
        found: list[Scan] = []
        while self._waiting:
            found += self._judge()
        for key, watch in self._watched.items():
            found += self._told(key, watch)
        self._watched.clear()
        return sorted(found, key=lambda scan: (scan.start, scan.kind, scan.src, scan.target))

    def _judge(self) -> list[Scan]:
        flow = heappop(self._waiting)[2]
        port = str(flow.dport)
        if flow.state == "probe":
            return self._note(("scan.stealth", flow.src, flow.dst), port, flow, self._limits.stealth_ports)
        return [
            *self._note(("scan.vertical", flow.src, flow.dst), port, flow, self._limits.ports),
            *self._note(("scan.horizontal", flow.src, port), flow.dst, flow, self._limits.hosts),
        ]

    def _note(self, key: _Key, target: str, flow: Flow, limit: int) -> list[Scan]:
        gone: list[Scan] = []
        watch = self._watched.get(key)
        if watch is None:
            if len(self._watched) >= self._limits.keys_max:
                gone = self._told(*self._watched.popitem(last=False))
            if limit > 1:
                self._watched[key] = flow
                return gone
            watch = self._watched[key] = _Watch.begun(target, flow, limit)
            return [*gone, *self._told(key, watch)]
        self._watched.move_to_end(key)
        if isinstance(watch, Flow):
            first = watch.dst if key[0] == "scan.horizontal" else str(watch.dport)
            watch = self._watched[key] = _Watch.begun(first, watch, limit)
        number = flow.time // _HOUR
        if number > watch.hour.number:
            gone = self._told(key, watch)
            watch.hour = _Hour(number, flow.time, flow.end, limit, flow.vlan)
        recent = watch.recent
        recent[target] = flow.time
        recent.move_to_end(target)
        before = flow.time - self._limits.window_seconds * SECOND
        while len(recent) > self._limits.targets_max or next(iter(recent.values())) < before:
            recent.popitem(last=False)
        before_that = watch.hour.peak
        watch.hour.count(flow, target, len(recent))
        return [*gone, *self._told(key, watch)] if before_that < limit else gone

    def _told(self, key: _Key, watch: _Watch | Flow) -> list[Scan]:
        if isinstance(watch, Flow) or watch.hour.peak < watch.hour.limit:
            return []
        hour = watch.hour
        kind, src, target = key
        return [
            Scan(
                kind=kind,
                src=src,
                target=target,
                start=hour.start,
                end=hour.end,
                distinct=hour.peak,
                attempts=hour.attempts,
                unanswered=hour.unanswered,
                refused=hour.refused,
                limit=hour.limit,
                window_seconds=self._limits.window_seconds,
                examples=tuple(hour.examples),
                vlan=hour.vlan,
            )
        ]


def _is_attempt(flow: Flow) -> bool:
    return flow.proto == TCP and (flow.state == "probe" or flow.state in FAILED)


class Scans:
    """Scans of TCP ports, as findings: fast ones, and `scan.vertical.slow` and `scan.horizontal.slow`."""

    def __init__(self, settings: Settings) -> None:
        # told as soon as enough have failed, in whatever order; what the order makes of it comes later
        self._prompt = ScanWatch(replace(settings, waiting_max=0))
        self._fast = ScanWatch(settings)
        self._slow = ScanWatch(
            replace(
                settings,
                window_seconds=settings.slow_seconds,
                ports=settings.slow_ports,
                hosts=settings.slow_hosts,
                # a probe is told as one, however slow
                stealth_ports=settings.targets_max + 1,
            )
        )
        self._known: OrderedDict[_Key, None] = OrderedDict()
        self._max = settings.keys_max
        self._now = 0

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        now = self._now = max(self._now, record.end)
        if not _is_attempt(record):
            return ()
        return [
            *self._told(self._prompt.see(record, now)),
            *self._told(self._fast.see(record, now)),
            *self._told(self._slow.see(record, now), slow=True),
        ]

    def close(self) -> Iterable[Finding]:
        """Return every scan not told yet."""
        return [*self._told(self._fast.close()), *self._told(self._slow.close(), slow=True)]

    def _told(self, scans: Iterable[Scan], *, slow: bool = False) -> Iterator[Finding]:
        for scan in scans:
            key = (scan.kind, scan.src, scan.target)
            if not slow:
                self._known[key] = None
                bounded(self._known, self._max)
                yield scan.finding()
            elif key not in self._known:
                yield replace(scan.finding(), kind=f"{scan.kind}.slow")


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detector of this family."""
    return [Scans(settings)]
