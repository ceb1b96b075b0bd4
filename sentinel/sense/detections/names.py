"""What questions of DNS betray: tunnels, names made by machine, zone transfers.

- `dns.tunnel`: RITA counts sub-domains of one domain (https://github.com/activecm/rita, `analysis/analysis.go`), nDPI
  looks at length and entropy (flow risk "Susp DNS Traffic"); ibHH counts distinct information per domain
  (https://arxiv.org/abs/2307.02614). Here, for each client and registered domain within a day,

      S = .35 min(1, len/40) + .25 clip((H - 2.5)/1.8) + .2 distinct/n + .2 min(1, 1.2 p)

  with the mean length and mean entropy (bits a character) of the sub-domains that differ, their share of all
  questions, and the share `p` of types that carry data (TXT, NULL, CNAME, MX). Zones that many clients ask in this
  way (an antivirus' cloud) are no tunnel.
- `dns.dga`: so many registered domains that do not exist, within an hour: dictionary words or not.
- `dns.axfr`: somebody asks for a whole zone (RFC 5936).

Reverse look-ups never count, and neither do zones of block lists, which carry an address or a hash by design.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log2

from sentinel.domains import registered
from sentinel.sense.findings import HIGH, MEDIUM, Detector, Finding, Prompt, Scene, about, bounded
from sentinel.sense.records import SECOND, Dns

_HOUR, _DAY = 3_600 * SECOND, 86_400 * SECOND
_CARRIERS = frozenset({"TXT", "NULL", "CNAME", "MX", "SRV", "TYPE65399"})
EXAMPLES_MAX = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes a tunnel, and how many names that do not exist make a machine's.

    `labels` distinct sub-domains with `information_bytes` in them and a share of `distinct_share` in all questions are
    looked at; from `score` on it is a tunnel, unless `clients` ask the domain in that way. `missing_domains` is per
    client and hour. `reputation` are zones that carry data in names by design. `keys_max` bounds what is watched at
    once, `labels_max` the sub-domains remembered of each.
    """

    labels: int = 12
    information_bytes: int = 600
    distinct_share: float = 0.6
    score: float = 0.62
    clients: int = 5
    missing_domains: int = 15
    reputation: tuple[str, ...] = (
        "spamhaus.org", "spamhaus.net", "spamcop.net", "sorbs.net", "barracudacentral.org", "surbl.org", "uribl.com",
        "dnswl.org", "mailspike.net", "uceprotect.net", "cymru.com", "sophosxl.net", "mcafee.com", "trendmicro.com",
        "e5.sk", "kaspersky-labs.com", "abuse.ch",
    )  # fmt: skip
    keys_max: int = 50_000
    labels_max: int = 2_000


@dataclass(slots=True)
class _Zone:
    # what one client asked of one registered domain in one day of capture time
    day: int
    start: int
    end: int
    asked: int = 0
    carriers: int = 0
    judged_at: int = 0
    labels: dict[str, None] = field(default_factory=dict)

    def score(self) -> tuple[float, float, float]:
        """Return S, mean length and mean entropy."""
        count = len(self.labels)
        length = sum(map(len, self.labels)) / count
        bits = sum(map(entropy, self.labels)) / count
        clipped = min(1.0, max(0.0, (bits - 2.5) / 1.8))
        carried = min(1.0, 1.2 * self.carriers / self.asked)
        return (
            0.35 * min(1.0, length / 40) + 0.25 * clipped + 0.2 * count / self.asked + 0.2 * carried,
            length,
            bits,
        )


def entropy(text: str) -> float:
    """Return Shannon's entropy of the characters of `text`, in bits each (0 for nothing)."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) if size else 0.0


class Tunnels(Prompt):
    """`dns.tunnel`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reputation = frozenset(settings.reputation)
        self._zones: OrderedDict[tuple[str, str], _Zone] = OrderedDict()
        # the clients that ask a domain as a tunnel would; a set that is full belongs to a zone that is none
        self._suspects: OrderedDict[str, dict[str, None]] = OrderedDict()

    def take(self, record: Dns) -> Iterable[Finding]:
        """Take a question into account."""
        if record.kind != "query" or record.service != "dns":
            return ()
        name = record.name.rstrip(".").lower()
        domain = registered(name)
        if not domain or domain in self._reputation or name.endswith(".arpa"):
            return ()
        label = name[: -len(domain) - 1]
        zone = self._zone((record.src, domain), record.time)
        zone.end = max(zone.end, record.time)
        zone.asked += 1
        zone.carriers += record.qtype in _CARRIERS
        if label and len(zone.labels) < self._settings.labels_max:
            zone.labels[label] = None
        # looked at again when a quarter more is known
        if len(zone.labels) < max(self._settings.labels, zone.judged_at * 5 // 4):
            return ()
        zone.judged_at = len(zone.labels)
        return self._judge(record, domain, zone)

    def _zone(self, key: tuple[str, str], time: int) -> _Zone:
        zone = self._zones.get(key)
        if zone is None or zone.day != time // _DAY:
            zone = self._zones[key] = _Zone(time // _DAY, time, time)
        self._zones.move_to_end(key)
        bounded(self._zones, self._settings.keys_max)
        return zone

    def _judge(self, record: Dns, domain: str, zone: _Zone) -> Iterable[Finding]:
        limits = self._settings
        information = sum(map(len, zone.labels))
        # what is remembered is bounded, what is asked is not
        asked = zone.asked if len(zone.labels) < limits.labels_max else min(zone.asked, limits.labels_max)
        share = len(zone.labels) / asked
        if information < limits.information_bytes or share <= limits.distinct_share:
            return ()
        score, length, bits = zone.score()
        if score < limits.score:
            return ()
        suspects = self._suspects.setdefault(domain, {})
        bounded(self._suspects, limits.keys_max)
        if len(suspects) < limits.clients:
            suspects[record.src] = None
        if len(suspects) >= limits.clients:
            return ()
        return [
            Finding(
                kind="dns.tunnel",
                start=zone.start,
                end=zone.end,
                explanation=(
                    f"{record.src} asked for {len(zone.labels)} different names below {domain}, on average "
                    f"{length:.0f} characters long with {bits:.1f} bits each, {zone.carriers} of {zone.asked} for "
                    f"types that carry data: score {score:.2f}, from {limits.score:.2f} on it is a tunnel"
                ),
                severity=HIGH,
                technique="T1071.004",
                src=record.src,
                dst=record.dst,
                dport=record.dport,
                proto=record.proto,
                vlan=record.vlan,
                name=domain,
                count=zone.asked,
                numbers={
                    "score": round(score, 3), "limit": limits.score, "labels": len(zone.labels), "asked": zone.asked,
                    "mean_length": round(length, 1), "entropy_bits": round(bits, 2), "information_bytes": information,
                    "carriers": zone.carriers,
                },
                examples=tuple(list(zone.labels)[:EXAMPLES_MAX]),
                community_id=record.community_id,
            )
        ]  # fmt: skip


@dataclass(slots=True)
class _Missing:
    # domains that one client asked for in vain, when each was asked for last; from the oldest
    domains: OrderedDict[str, int] = field(default_factory=OrderedDict)


class Generated(Prompt):
    """`dns.dga`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: OrderedDict[str, _Missing] = OrderedDict()

    def take(self, record: Dns) -> Iterable[Finding]:
        """Take an answer into account."""
        if record.rcode != "NXDOMAIN" or record.service != "dns":
            return ()
        name = record.name.rstrip(".").lower()
        domain = registered(name)
        if not domain or name.endswith(".arpa") or domain in self._settings.reputation:
            return ()
        limit = self._settings.missing_domains
        known = self._clients.setdefault(record.src, _Missing()).domains
        self._clients.move_to_end(record.src)
        bounded(self._clients, self._settings.keys_max)
        known[domain] = max(record.time, known.get(domain, 0))
        known.move_to_end(domain)
        while next(iter(known.values())) < record.time - _HOUR or len(known) > self._settings.labels_max:
            known.popitem(last=False)
        if len(known) < limit:
            return ()
        return [
            Finding(
                kind="dns.dga",
                start=min(known.values()),
                end=record.time,
                explanation=(
                    f"{record.src} asked for {len(known)} different domains within an hour that do not exist; from "
                    f"{limit} on a machine made them up: {', '.join(list(known)[:EXAMPLES_MAX])} …"
                ),
                severity=HIGH,
                technique="T1568.002",
                src=record.src,
                vlan=record.vlan,
                count=len(known),
                numbers={"domains": len(known), "limit": limit},
                examples=tuple(list(known)[:EXAMPLES_MAX]),
            )
        ]


class Transfers(Prompt):
    """`dns.axfr`."""

    def take(self, record: Dns) -> Iterable[Finding]:
        """Take a question into account."""
        if record.kind != "query" or record.qtype != "AXFR":
            return ()
        return [
            about(
                "dns.axfr",
                record,
                f"{record.src} asked {record.dst} for the whole zone {record.name}",
                MEDIUM,
                "T1590.002",
                name=record.name,
            )
        ]


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detectors of this family."""
    return [Tunnels(settings), Generated(settings), Transfers()]
