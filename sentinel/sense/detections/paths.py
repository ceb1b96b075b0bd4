"""Who speaks with whom: what policy does not allow between segments, and services and hosts that are new.

- `segment.violation`: a flow between two segments that the segments file does not allow; an attempt is one too. Malcolm
  calls it "cross-segment" (https://github.com/cisagov/Malcolm, docs/severity.md).
- `new.service`: a port of the city's own that answers and did not while it was learned; `new.host`: a host that was not
  there then, noted only. A day of `known_hosts` and `known_services` of Zeek's `policy/protocols/conn`, kept for good.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sentinel.sense.findings import HIGH, INFO, MEDIUM, Detector, Finding, Prompt, Scene, bounded
from sentinel.sense.records import ICMP, ICMPV6, TCP, UDP, Flow, OpenFlow
from sentinel.sense.segments import internal

_HOUR = 3_600 * 1_000_000_000
_REPORTS = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
"""What tells of another flow (RFC 792, RFC 4443): nobody opened it."""
EXAMPLES_MAX = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Which ports are nobody's service, and how much is remembered.

    From `dynamic_from` on ports are given out by the system (RFC 6335) and change all the time. `keys_max` bounds the
    pairs watched at once, `hosts_max` the hosts and the services that are learned.
    """

    dynamic_from: int = 49_152
    keys_max: int = 50_000
    hosts_max: int = 200_000


@dataclass(slots=True)
class _Crossing:
    start: int
    end: int
    tried: int = 0
    failed: int = 0
    ports: dict[str, None] = field(default_factory=dict)


class Violations(Prompt):
    """`segment.violation`: one for each pair of hosts and hour."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._segments = scene.segments
        self._max = settings.keys_max
        self._pairs: OrderedDict[tuple[str, str, int], _Crossing] = OrderedDict()

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        if self._segments.allows(record.src, record.dst, record.dport, record.proto):
            return ()
        if record.sport in _REPORTS.get(record.proto, ()):
            return ()
        # nobody saw who began it: it may be the answer to an allowed one
        if record.state == "midstream" and self._segments.allows(record.dst, record.src, record.sport, record.proto):
            return ()
        key = (record.src, record.dst, record.time // _HOUR)
        seen = self._pairs.setdefault(key, _Crossing(record.time, record.end))
        bounded(self._pairs, self._max)
        seen.start, seen.end = min(seen.start, record.time), max(seen.end, record.end)
        seen.tried += 1
        seen.failed += record.failed or not record.packets_in
        name = {TCP: f"{record.dport}/tcp", UDP: f"{record.dport}/udp"}.get(record.proto, f"protocol {record.proto}")
        if len(seen.ports) < EXAMPLES_MAX:
            seen.ports[name] = None
        one, other = self._segments.of(record.src), self._segments.of(record.dst)
        came = seen.tried - seen.failed
        return [
            Finding(
                kind="segment.violation",
                start=seen.start,
                end=seen.end,
                explanation=(
                    f"{record.src} in {one} spoke to {record.dst} in {other}, which the policy does not allow: "
                    f"{', '.join(seen.ports)} ({seen.tried} flows, {came} were answered)"
                ),
                severity=HIGH if came else MEDIUM,
                technique="T1021" if came else "T1046",
                src=record.src,
                dst=record.dst,
                vlan=record.vlan,
                count=seen.tried,
                numbers={"flows": seen.tried, "answered": came},
                examples=tuple(seen.ports),
                community_id=record.community_id,
            )
        ]


class News(Prompt):
    """`new.service` and `new.host`; says nothing before it has learned something."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._segments = scene.segments
        self._services: OrderedDict[str, None] = OrderedDict()
        self._hosts: OrderedDict[str, None] = OrderedDict()

    def learn(self, record: Flow | OpenFlow) -> None:
        """Take hosts and services for the city's."""
        for host in self._own(record):
            self._keep(self._hosts, host)
        service = self._service(record)
        if service:
            self._keep(self._services, service)

    def take(self, record: Flow | OpenFlow) -> Iterable[Finding]:
        """Take a flow into account."""
        if not self._hosts:
            return ()
        found: list[Finding] = []
        service = self._service(record)
        if service and service not in self._services:
            known = record.dst in self._hosts
            self._keep(self._services, service)
            what = f"{record.dst} answers on port {record.dport}"
            who = "known" if known else "itself new here"
            told = f"{what}, which it did not while the sensor learned; the host is {who}, asked by {record.src}"
            found.append(self._finding("new.service", record, record.dst, told, MEDIUM if known else HIGH))
        for host in self._own(record):
            if host not in self._hosts:
                self._keep(self._hosts, host)
                told = f"{host} was not there while the sensor learned {len(self._hosts) - 1} hosts"
                found.append(self._finding("new.host", record, host, told, INFO))
        return found

    def memory(self) -> object:
        """Return the hosts and services known."""
        return {"hosts": list(self._hosts), "services": list(self._services)}

    def recall(self, memory: object) -> None:
        """Take up what `memory` returned; raises ValueError."""
        match memory:
            case {"hosts": list(hosts), "services": list(services)}:
                self._hosts.update(dict.fromkeys(map(str, hosts)))
                self._services.update(dict.fromkeys(map(str, services)))
            case _:
                raise ValueError("no lists of hosts and services")

    def _own(self, flow: Flow) -> list[str]:
        # hosts of the city's that have really spoken
        spoke = [flow.src] if flow.state not in {"probe", "unanswered"} else []
        spoke += [flow.dst] if flow.packets_in and not flow.failed else []
        return [host for host in spoke if self._segments.of(host) or internal(host)]

    def _service(self, flow: Flow) -> str:
        if flow.proto not in {TCP, UDP} or flow.failed or not flow.packets_in or flow.state in {"probe", "midstream"}:
            return ""
        if flow.dport >= self._settings.dynamic_from or not (self._segments.of(flow.dst) or internal(flow.dst)):
            return ""
        # two clients of one protocol (DNS, NTP, NetBIOS) are no service
        if flow.proto == UDP and flow.sport == flow.dport:
            return ""
        return f"{flow.dst} {flow.dport}/{'tcp' if flow.proto == TCP else 'udp'}"

    def _keep(self, held: OrderedDict[str, None], one: str) -> None:
        held[one] = None
        held.move_to_end(one)
        bounded(held, self._settings.hosts_max)

    def _finding(self, kind: str, flow: Flow, host: str, told: str, severity: int) -> Finding:
        service = kind == "new.service"
        return Finding(
            kind=kind,
            start=flow.time,
            end=flow.end,
            explanation=told,
            severity=severity,
            technique="T1571" if service else "T1200",
            src=flow.src if service else host,
            dst=host if service else "",
            dport=flow.dport if service else 0,
            proto=flow.proto,
            vlan=flow.vlan,
            name=host,
            numbers={"known_hosts": len(self._hosts), "known_services": len(self._services)},
            community_id=flow.community_id,
        )


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [Violations(settings, scene), News(settings, scene)]
