"""Who looks around, and who floods: ARP, ping and UDP sweeps, SYN and DHCP floods.

- `scan.arp`: Slips tells five targets within 30 s (`modules/arp/arp.py`), which every gateway does; here it takes more,
  and addresses that have been heard do not count, for a gateway asks for those that are there.
- `scan.ping`: hosts that do not answer; monitoring pings those that do.
- `scan.udp`: ports of a host, or one port of many, without an answer. Traceroute's ports (33434 on) do not count.
- `flood.syn`: Suricata's way, a rate to one port (https://docs.suricata.io, `detection_filter`), where next to nothing
  comes about. `flood.dhcp`: messages of clients in one network, as a pool is emptied.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sentinel.sense.findings import HIGH, MEDIUM, Detector, Finding, Prompt, Scene, bounded
from sentinel.sense.records import FAILED, ICMP, ICMPV6, SECOND, TCP, UDP, Arp, Dhcp, Dhcpv6, Flow, Record
from sentinel.sense.segments import many
from sentinel.sense.window import Window

_CLIENTS = frozenset(
    {"DISCOVER", "REQUEST", "INFORM", "DECLINE", "RELEASE", "SOLICIT", "CONFIRM", "RENEW", "REBIND",
     "INFORMATION-REQUEST"}
)  # fmt: skip
_TRACEROUTE = range(33_434, 33_535)
EXAMPLES_MAX = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """From how many targets within which time it is a sweep, and from which rate a flood.

    `udp_ports` of one host, or `udp_hosts` on one port, within `udp_seconds`. A SYN flood is `syn_rate` a second to one
    port of which a share below `completed_share` comes about; a DHCP flood `dhcp_messages` within `dhcp_seconds`.
    `keys_max` bounds what is watched at once, `targets_max` the targets remembered of each.
    """

    arp_hosts: int = 20
    arp_seconds: int = 30
    ping_hosts: int = 10
    ping_seconds: int = 60
    udp_ports: int = 15
    udp_hosts: int = 20
    udp_seconds: int = 300
    syn_rate: int = 100
    completed_share: float = 0.1
    dhcp_messages: int = 100
    dhcp_seconds: int = 5
    keys_max: int = 50_000
    targets_max: int = 4_096


class ArpScans(Prompt):
    """`scan.arp`."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._seconds = settings.arp_hosts, settings.arp_seconds
        self._window = Window(settings.arp_seconds, settings.keys_max, settings.targets_max)
        self._heard: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._max = settings.keys_max

    def take(self, record: Arp) -> Iterable[Finding]:
        """Take an ARP packet into account."""
        self._heard[record.vlan, record.src] = None
        bounded(self._heard, self._max)
        if record.kind != "request" or record.dst == record.src or (record.vlan, record.dst) in self._heard:
            return ()
        seen = self._window.note((record.vlan, record.src_mac), record.dst, record.time)
        if len(seen) < self._limit:
            return ()
        told = (
            f"{record.src} ({record.src_mac}) asked for {len(seen)} addresses within {self._seconds} s that have not "
            f"been heard of; from {self._limit} on it is a scan"
        )
        return [_sweep("scan.arp", record, told, seen, self._limit, technique="T1018")]


class PingSweeps(Prompt):
    """`scan.ping`."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._seconds = settings.ping_hosts, settings.ping_seconds
        self._window = Window(settings.ping_seconds, settings.keys_max, settings.targets_max)

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        if record.proto not in {ICMP, ICMPV6} or record.packets_in:
            return ()
        if record.sport not in {8, 128} or many(record.dst):
            return ()
        seen = self._window.note((record.src,), record.dst, record.time)
        if len(seen) < self._limit:
            return ()
        told = (
            f"{record.src} pinged {len(seen)} hosts within {self._seconds} s that did not answer; from {self._limit} "
            "on it is a sweep"
        )
        return [_sweep("scan.ping", record, told, seen, self._limit, technique="T1018")]


class UdpScans(Prompt):
    """`scan.udp`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ports = Window(settings.udp_seconds, settings.keys_max, settings.targets_max)
        self._hosts = Window(settings.udp_seconds, settings.keys_max, settings.targets_max)

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        if record.proto != UDP or record.packets_in or many(record.dst):
            return ()
        if record.dport in _TRACEROUTE or record.dst.endswith(".255"):
            return ()
        limits, seconds = self._settings, self._settings.udp_seconds
        found: list[Finding] = []
        ports = self._ports.note((record.src, record.dst), record.dport, record.time)
        if len(ports) >= limits.udp_ports:
            told = f"{record.src} tried {len(ports)} UDP ports of {record.dst} within {seconds} s without an answer"
            told += f"; from {limits.udp_ports} on it is a scan"
            found.append(_sweep("scan.udp", record, told, ports, limits.udp_ports, dst=record.dst))
        hosts = self._hosts.note((record.src, record.dport), record.dst, record.time)
        if len(hosts) >= limits.udp_hosts:
            told = f"{record.src} tried UDP port {record.dport} of {len(hosts)} hosts within {seconds} s without an "
            told += f"answer; from {limits.udp_hosts} on it is a scan"
            found.append(_sweep("scan.udp", record, told, hosts, limits.udp_hosts, dport=record.dport))
        return found


@dataclass(slots=True)
class _Second:
    tried: int = 0
    completed: int = 0
    start: int = 0
    end: int = 0
    sources: dict[str, None] = field(default_factory=dict)


class SynFloods(Prompt):
    """`flood.syn`: judged second by second of capture time, when a flow ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seconds: OrderedDict[tuple[str, int, int], _Second] = OrderedDict()

    def take(self, record: Flow) -> Iterable[Finding]:
        """Take a flow that has ended into account."""
        if record.proto != TCP or not record.syn:
            return ()
        limits = self._settings
        key = (record.dst, record.dport, record.time // SECOND)
        second = self._seconds.get(key)
        if second is None:
            second = self._seconds[key] = _Second(start=record.time)
            bounded(self._seconds, limits.keys_max)
        second.tried += 1
        second.completed += record.state not in FAILED
        second.end = max(second.end, record.end)
        if len(second.sources) < limits.targets_max:
            second.sources[record.src] = None
        if second.tried < limits.syn_rate or second.completed >= limits.completed_share * second.tried:
            return ()
        src = record.src if len(second.sources) == 1 else ""
        return [
            Finding(
                kind="flood.syn",
                start=second.start,
                end=second.end,
                explanation=(
                    f"{len(second.sources)} hosts began {second.tried} connections to {record.dst} port {record.dport} "
                    f"within a second, of which {second.completed} came about; from {limits.syn_rate} on it is a flood"
                ),
                severity=HIGH,
                technique="T1499.001",
                src=src,
                dst=record.dst,
                dport=record.dport,
                proto=TCP,
                vlan=record.vlan,
                count=second.tried,
                numbers={
                    "tried": second.tried, "completed": second.completed, "sources": len(second.sources),
                    "limit": limits.syn_rate,
                },
                examples=tuple(list(second.sources)[:EXAMPLES_MAX]),
            )
        ]  # fmt: skip


class DhcpFloods(Prompt):
    """`flood.dhcp`."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._seconds = settings.dhcp_messages, settings.dhcp_seconds
        self._window = Window(settings.dhcp_seconds, settings.keys_max, settings.targets_max)

    def take(self, record: Dhcp | Dhcpv6) -> Iterable[Finding]:
        """Take a client's message into account."""
        if record.message not in _CLIENTS:
            return ()
        seen = self._window.note((record.vlan, record.relay, type(record)), (record.frame, record.time), record.time)
        if len(seen) < self._limit:
            return ()
        last = record.client_mac or record.src
        told = (
            f"{len(seen)} DHCP messages of clients within {self._seconds} s, the last of {last}; from {self._limit} on "
            "somebody empties the pool"
        )
        return [_sweep("flood.dhcp", record, told, seen, self._limit, technique="T1499.003", src="")]


def _sweep(  # noqa: PLR0913  what differs between the sweeps
    kind: str,
    record: Record,
    told: str,
    seen: OrderedDict[object, int],
    limit: int,
    *,
    technique: str = "T1046",
    src: str | None = None,
    dst: str = "",
    dport: int = 0,
) -> Finding:
    # the window has them in the order of time: whoever sends thousands shall not have us look through all each time
    examples = () if kind == "flood.dhcp" else tuple(map(str, islice(seen, EXAMPLES_MAX)))
    return Finding(
        kind=kind,
        start=next(iter(seen.values())),
        end=next(reversed(seen.values())),
        explanation=told,
        severity=MEDIUM,
        technique=technique,
        src=record.src if src is None else src,
        dst=dst,
        dport=dport,
        proto=record.proto,
        vlan=record.vlan,
        count=len(seen),
        numbers={"distinct": len(seen), "limit": limit},
        examples=examples,
    )


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detectors of this family."""
    return [ArpScans(settings), PingSweeps(settings), UdpScans(settings), SynFloods(settings), DhcpFloods(settings)]
