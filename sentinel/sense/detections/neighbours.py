"""What a host does to its neighbours: takes their addresses, gives them wrong ones, answers for names of others.

- `arp.spoof`: one address held by two cards. Slips (https://github.com/stratosphereips/StratosphereLinuxIPS,
  `modules/arp/arp.py`) tells every change; here a change alone is none, for addresses are leased anew and a cluster's
  second node takes over. It is one if the first card speaks again (nobody has gone), if who claims an address also asks
  for it under another, or if it is told to one host that never asked. Virtual cards (VRRP, HSRP, GLBP) belong to
  several hosts by design.
- `dhcp.rogue`: a server nobody knows, in a segment that has another; of DHCPv6 (RFC 8415) too, where servers are told
  apart by their DUIDs, for a relay speaks with its own address.
- `name.poison`: one host answers for names of others, as Responder and Inveigh do (LLMNR, RFC 4795; NetBIOS, RFC
  1002), or for `wpad`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sentinel.sense.findings import CRITICAL, HIGH, Detector, Finding, Prompt, Scene, bounded
from sentinel.sense.records import SECOND, Arp, Dhcp, Dhcpv6, Dns

_VIRTUAL = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:05:73:a0:", "00:07:b4:")
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_OFFERS = frozenset({"OFFER", "ACK", "NAK", "ADVERTISE", "REPLY", "RECONFIGURE"})
_TRAPS = frozenset({"wpad", "isatap"})
EXAMPLES_MAX = 8
HOSTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a card is remembered to hold an address, which servers give addresses, and for how many names is many.

    `dhcp_servers` are the city's own, by address, or of DHCPv6 by address or DUID (`0003000102…`); without them the
    first that answers in a network is taken for it. `keys_max` bounds what is remembered of each kind.
    """

    holding_seconds: float = 600.0
    asked_seconds: float = 5.0
    names: int = 3
    dhcp_servers: tuple[str, ...] = ()
    keys_max: int = 50_000


@dataclass(slots=True)
class _Holder:
    # which card holds an address, since when and when it was heard last; and the one before it
    mac: str
    last: int
    before: str = ""
    before_last: int = 0


class ArpSpoofing(Prompt):
    """`arp.spoof`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._holding = int(settings.holding_seconds * SECOND)
        self._asking = int(settings.asked_seconds * SECOND)
        self._holders: OrderedDict[tuple[int, str], _Holder] = OrderedDict()
        # who asked for which address last; what each card has claimed
        self._asked: OrderedDict[tuple[int, str, str], int] = OrderedDict()
        self._claims: OrderedDict[tuple[int, str], OrderedDict[str, int]] = OrderedDict()

    def take(self, record: Arp) -> Iterable[Finding]:
        """Take an ARP packet into account."""
        if not record.src_mac or record.src_mac.startswith(_VIRTUAL):
            return ()
        if record.src in {"", "0.0.0.0"}:  # noqa: S104  a probe (RFC 5227) claims nothing
            return ()
        reason = self._both(record) or self._moved(record)
        self._claim(record)
        if record.kind == "request" and record.dst != record.src:
            self._asked[record.vlan, record.src, record.dst] = record.time
            bounded(self._asked, self._settings.keys_max)
        if not reason:
            return ()
        about, why = reason
        return [
            Finding(
                kind="arp.spoof",
                start=record.time,
                end=record.time,
                explanation=f"{record.src_mac} claims to be {about}: {why}",
                severity=HIGH,
                technique="T1557.002",
                src=about,
                dst=record.dst if record.dst != about else "",
                vlan=record.vlan,
                name=record.src_mac,
                examples=tuple(list(self._claims[record.vlan, record.src_mac])[:EXAMPLES_MAX]),
            )
        ]

    def _both(self, arp: Arp) -> tuple[str, str] | None:
        # somebody who claims an address also asks for it under another
        claimed = self._claims.get((arp.vlan, arp.src_mac))
        since = arp.time - claimed[arp.dst] if claimed and arp.dst in claimed else self._holding + 1
        if arp.kind != "request" or arp.dst == arp.src or since > self._holding:
            return None
        return arp.dst, f"the same card asks who has {arp.dst}, as {arp.src}"

    def _moved(self, arp: Arp) -> tuple[str, str] | None:
        held = self._holders.setdefault((arp.vlan, arp.src), _Holder(arp.src_mac, arp.time))
        self._holders.move_to_end((arp.vlan, arp.src))
        bounded(self._holders, self._settings.keys_max)
        if held.mac == arp.src_mac:
            held.last = max(held.last, arp.time)
            return None
        recent = arp.time - held.last <= self._holding
        back = held.before == arp.src_mac and arp.time - held.before_last <= self._holding
        first = held.mac
        held.before, held.before_last, held.mac, held.last = held.mac, held.last, arp.src_mac, arp.time
        if not recent:
            return None
        if back:
            return arp.src, f"{first} claims it at the same time, and both go on"
        asked = self._asked.get((arp.vlan, arp.dst, arp.src), -self._asking)
        single = arp.kind == "reply" and arp.dst != arp.src and arp.dst_mac != _BROADCAST
        if single and arp.time - asked > self._asking:
            return arp.src, f"{first} had it until now, and {arp.dst} is told so without having asked"
        return None

    def _claim(self, arp: Arp) -> None:
        claims = self._claims.setdefault((arp.vlan, arp.src_mac), OrderedDict())
        claims[arp.src] = arp.time
        claims.move_to_end(arp.src)
        bounded(claims, EXAMPLES_MAX)
        self._claims.move_to_end((arp.vlan, arp.src_mac))
        bounded(self._claims, self._settings.keys_max)


class RogueDhcp(Prompt):
    """`dhcp.rogue`; a network's servers are learned, or given."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._own = frozenset(settings.dhcp_servers)
        self._max = settings.keys_max
        self._segments = scene.segments
        self._known: OrderedDict[str, dict[str, None]] = OrderedDict()

    def take(self, record: Dhcp | Dhcpv6) -> Iterable[Finding]:
        """Take an answer of a server into account."""
        if record.message not in _OFFERS:
            return ()
        server = record.server_id or record.src
        known = self._servers(record)
        if server in known or not self._own.isdisjoint((server, record.src)):
            return ()
        if not known and not self._own:
            known[server] = None
            return ()
        others = ", ".join(list(known or self._own)[:EXAMPLES_MAX])
        given, examples = _given(record)
        # who sent it: of DHCPv6 the identity is no address
        named, src = (server, server) if isinstance(record, Dhcp) else (f"{record.src} (DUID {server})", record.src)
        return [
            Finding(
                kind="dhcp.rogue",
                start=record.time,
                end=record.time,
                explanation=(
                    f"{named} ({record.src_mac}) answers {record.client_mac or record.dst} as a DHCP server{given}; "
                    f"here addresses come from {others}"
                ),
                severity=HIGH,
                technique="T1557.003",
                src=src,
                vlan=record.vlan,
                name=record.src_mac,
                examples=examples[:EXAMPLES_MAX],
            )
        ]

    def learn(self, record: Dhcp | Dhcpv6) -> None:
        """Take a server for one of the city's."""
        if record.message in _OFFERS:
            known = self._servers(record)
            if len(known) < EXAMPLES_MAX:
                known[record.server_id or record.src] = None

    def memory(self) -> object:
        """Return the servers known of each network."""
        return {place: list(servers) for place, servers in self._known.items()}

    def recall(self, memory: object) -> None:
        """Take up what `memory` returned; raises ValueError."""
        if not isinstance(memory, dict) or not all(isinstance(servers, list) for servers in memory.values()):
            msg = "no table of networks with their DHCP servers"
            raise ValueError(msg)
        self._known.update({str(place): dict.fromkeys(map(str, servers)) for place, servers in memory.items()})

    def _servers(self, record: Dhcp | Dhcpv6) -> dict[str, None]:
        # a network is a segment, or a VLAN where there are none; a server of one protocol need not speak the other
        if isinstance(record, Dhcp):
            given, also = record.relay or record.address or record.src, ""
        else:
            given, also = record.relay or (*record.addresses, record.src)[0], " IPv6"
        place = (self._segments.of(given) or f"vlan {record.vlan}") + also
        known = self._known.setdefault(place, {})
        self._known.move_to_end(place)
        bounded(self._known, self._max)
        return known


def _given(record: Dhcp | Dhcpv6) -> tuple[str, tuple[str, ...]]:
    # what a server hands out, in words, and what its clients will trust from then on
    if isinstance(record, Dhcp):
        gives = f" and gives {record.address}" if record.address else ""
        gateways = f" with the gateway {', '.join(record.routers)}" if record.routers else ""
        return gives + gateways, record.routers + record.name_servers
    given = (record.addresses + record.prefixes)[:EXAMPLES_MAX]
    return f" and gives {', '.join(given)}" if given else "", record.name_servers


@dataclass(slots=True)
class _Answering:
    start: int
    victims: dict[str, None] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)


class NamePoisoning(Prompt):
    """`name.poison`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts: OrderedDict[str, _Answering] = OrderedDict()

    def take(self, record: Dns) -> Iterable[Finding]:
        """Take an answer into account."""
        if record.kind != "answer" or record.service not in {"llmnr", "nbns"}:
            return ()
        host = record.responder
        # a WINS server is asked itself, and knows everybody's name
        if not host or not record.answers or (record.service == "nbns" and record.dst == host):
            return ()
        name = record.name.rstrip(".").partition(".")[0].strip().lower().rstrip("\x00 ")
        if not name or name in {"*", "\x01\x02__msbrowse__\x02"}:
            return ()
        seen = self._hosts.setdefault(host, _Answering(record.time))
        self._hosts.move_to_end(host)
        bounded(self._hosts, self._settings.keys_max)
        victim = record.dst if record.src == host else record.src
        for held, one in ((seen.names, name), (seen.victims, victim)):
            if len(held) < HOSTS_MAX:
                held[one] = None
        trap = name in _TRAPS
        if len(seen.names) < self._settings.names and not trap:
            return ()
        return [
            Finding(
                kind="name.poison",
                start=seen.start,
                end=record.time,
                explanation=(
                    f"{host} answers {record.service.upper()} questions for {len(seen.names)} names, each of which "
                    f"should be another host's ({', '.join(list(seen.names)[:EXAMPLES_MAX])}), to "
                    f"{len(seen.victims)} hosts; from {self._settings.names} on, or for wpad alone, it is told"
                ),
                severity=CRITICAL,
                technique="T1557.001",
                src=host,
                vlan=record.vlan,
                count=len(seen.names),
                numbers={"names": len(seen.names), "hosts": len(seen.victims), "limit": self._settings.names},
                examples=tuple(list(seen.names)[:EXAMPLES_MAX]),
            )
        ]


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [ArpSpoofing(settings), RogueDhcp(settings, scene), NamePoisoning(settings)]
