"""Which alerts belong together: those that share an entity within a window of time, and those that these belong to.

A pure function of the alerts: neither their order nor when they came changes what it says.

What very many share says nothing, and joins nothing: an entity to which something is done, or where it is done (a DNS
server, a proxy, a domain controller), joins as long as at most `shared_max` alerts name it. Who does something (a
source address, a sender of mail) or what is spread (a file) is given ACTING_FACTOR times as many, for one intruder does
touch many hosts. What the operator lists as common never joins, nor do accounts that every machine has, loopback
addresses and the like (`core.entity`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sentinel.core.entity import Entity
from sentinel.core.wildcard import fold

ACTING_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """What joins: how far apart in time (microseconds), shared by how many at most, and what never does."""

    window: int
    shared_max: int = 20
    common: tuple[str, ...] = ()

    def excluded(self, entity: Entity) -> bool:
        """Say whether the operator has said that it never joins: its name, its address or a network around it."""
        if any(fold(one) == entity.value for one in self.common):
            return True
        return entity.kind == "address" and any(
            ip_address(entity.value) in network for network in map(_network, self.common) if network is not None
        )


@dataclass(frozen=True, slots=True)
class About:
    """What an alert is about: from when until when (microseconds), and which entities it names, acting or not."""

    alert: str
    first: int
    last: int
    entities: Mapping[Entity, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that belong together (their ids, earliest first), and what joins them, most widely shared first."""

    alerts: tuple[str, ...]
    shared: tuple[Entity, ...]


def grouped(alerts: Iterable[About], terms: Terms) -> list[Group]:
    """Return every group, also those of one alert, in order of their first alert."""
    nodes = sorted(alerts, key=lambda one: (one.first, one.alert))
    holders: defaultdict[Entity, list[About]] = defaultdict(list)
    for one in nodes:
        for entity in one.entities:
            holders[entity].append(one)
    forest = {one.alert: one.alert for one in nodes}
    joins: list[tuple[Entity, str]] = []
    for entity, having in holders.items():
        if not _joins(entity, having, terms):
            continue
        latest = having[0]
        for one in having[1:]:
            if one.first - latest.last <= terms.window:
                joins += [(entity, latest.alert), (entity, one.alert)]
                _join(forest, latest.alert, one.alert)
            latest = max(latest, one, key=lambda each: each.last)
    return _groups(nodes, forest, joins)


def _groups(nodes: list[About], forest: dict[str, str], joins: list[tuple[Entity, str]]) -> list[Group]:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for one in nodes:
        members[_root(forest, one.alert)].append(one.alert)
    shared: defaultdict[str, defaultdict[Entity, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entity, alert in joins:
        shared[_root(forest, alert)][entity].add(alert)
    return [
        Group(tuple(having), tuple(sorted(shared[root], key=lambda one: (-len(shared[root][one]), one))))
        for root, having in members.items()
    ]


def _joins(entity: Entity, having: list[About], terms: Terms) -> bool:
    acts = sum(one.entities[entity] for one in having)
    few = len(having) - acts <= terms.shared_max and acts <= ACTING_FACTOR * terms.shared_max
    return len(having) > 1 and few and not terms.excluded(entity)


def _root(forest: dict[str, str], alert: str) -> str:
    while forest[alert] != alert:
        forest[alert] = forest[forest[alert]]
        alert = forest[alert]
    return alert


def _join(forest: dict[str, str], one: str, other: str) -> None:
    forest[_root(forest, other)] = _root(forest, one)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
