"""What each exporter has said that later datagrams need: templates, sampling, names of interfaces, how far it counted.

Bounded for each address and in all, because whoever can send a datagram can claim to be an exporter: the least
recently heard goes first, and one address can only push out its own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sentinel.collect.netflow_packets import IPFIX, Header, Template
from sentinel.collect.netflow_sequence import GAP_MAX, Sequence

HOSTS_MAX = 1024
DOMAINS_MAX = 256
"""Ports, versions and domains of one address, behind which may be a whole site."""

WEIGHT_PER_HOST = 16_384
WEIGHT_IN_ALL = 262_144
"""What is remembered weighs about 100 bytes a unit: one for each field of a template."""

HELD_PER_HOST = 256 * 1024
HELD_IN_ALL = 8 * 1024 * 1024
"""Bytes of data sets that wait for their template."""

HELD_SECONDS = 1800.0
"""Cisco's routers repeat their templates every 30 minutes if nobody says otherwise."""

_DOMAIN_WEIGHT = 8
_TEMPLATE_WEIGHT = 8  # beside its fields
_SAMPLER_WEIGHT = 2
_NAME_WEIGHT = 4
_HELD_COST = 200  # beside its bytes
_RESTART_MS = 10_000
_BOOT_MS = 120_000  # so much an exporter's clock may be put right without being taken for a restart

Lose = Callable[[str, str, int], None]
"""Told the exporter's address, why, and how many were lost."""


@dataclass(frozen=True, slots=True)
class Held:
    """A data set without its template; `place` is its number in the datagram with that `stamp`."""

    data: bytes
    head: Header
    stamp: str
    place: int
    received: datetime


@dataclass(slots=True)
class Domain:
    """One exporting process: an address, port, version and observation domain.

    `sampling` holds by sampler (`s3`), by interface (`i7`) or for all (an empty text) of how many packets one is looked
    at, and how: a number of `algorithm` (samplingAlgorithm, samplerMode) or `selector` (selectorAlgorithm). `boot` is
    when the exporter started (ms since 1970), if it says so; `restored` is where a file said that it stood, until it
    is heard again.
    """

    version: int
    templates: dict[int, Template] = field(default_factory=dict)
    sampling: dict[str, tuple[float, str, int]] = field(default_factory=dict)
    interfaces: dict[int, str] = field(default_factory=dict)
    boot: int | None = None
    sequence: Sequence = field(default_factory=Sequence)
    held: dict[int, list[Held]] = field(default_factory=dict)
    exported: int = 0
    uptime: int | None = None
    restored: int | None = None

    def trusted(self, head: Header) -> bool:
        """Say whether what is known still holds: the exporter has not begun anew."""
        if self.restored is not None:
            expected, self.restored = self.restored, None
            if head.version == IPFIX:
                return (head.sequence - expected) % (1 << 32) <= GAP_MAX
            boot, before = head.exported - (head.uptime or 0), self.exported - (self.uptime or 0)
            return abs(boot - before) <= _BOOT_MS
        if head.uptime is None or self.uptime is None or head.exported <= self.exported:
            return True
        return head.uptime + _RESTART_MS >= self.uptime

    @property
    def weight(self) -> int:
        """What is remembered, in units, without the domain itself."""
        named = _NAME_WEIGHT * len(self.interfaces) + _SAMPLER_WEIGHT * len(self.sampling)
        return named + sum(map(_weight, self.templates.values()))

    def heard(self, head: Header) -> None:
        """Remember the newest header."""
        if head.exported >= self.exported:
            self.exported, self.uptime = head.exported, head.uptime


Key = tuple[int, int, int]


@dataclass(slots=True)
class Host:
    """All domains of an address, the most recently heard last."""

    domains: "OrderedDict[Key, Domain]" = field(default_factory=OrderedDict)
    weight: int = 0
    held: int = 0


class Exporters:
    """Every exporter heard; `changed` says that there is something new to remember."""

    def __init__(self, lose: Lose) -> None:
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._lose = lose
        self._weight = self._held = 0
        self.changed = False

    def domain(self, address: str, port: int, head: Header) -> Domain:
        """Return what is known of the exporter of a datagram; forgotten if it has begun anew since."""
        host = self._hosts.get(address)
        if host is None:
            if len(self._hosts) >= HOSTS_MAX:
                self._forget_host()
            host = self._hosts[address] = Host()
        self._hosts.move_to_end(address)
        key = (port, head.version, head.domain)
        domain = host.domains.get(key)
        if domain is None:
            if len(host.domains) >= DOMAINS_MAX:
                self._forget_domain(address, host)
            domain = host.domains[key] = Domain(head.version)
            self._weigh(address, domain, _DOMAIN_WEIGHT)
        else:
            host.domains.move_to_end(key)
            if not domain.trusted(head):
                self._empty(address, host, domain)
        domain.heard(head)
        self.changed = True
        return domain

    def learn(self, address: str, domain: Domain, number: int, template: Template) -> None:
        """Remember a template; the oldest of the same address make room for it."""
        before = domain.templates.pop(number, None)
        if before is not None:
            self._weigh(address, domain, -_weight(before))
            same = (before.spec, before.scopes, before.options) == (template.spec, template.scopes, template.options)
            if same:
                template = before  # it is compiled already
        domain.templates[number] = template
        self._weigh(address, domain, _weight(template))

    def sample(self, address: str, domain: Domain, sampler: str, how: tuple[float, str, int]) -> None:
        """Remember how a sampler samples, if there is room."""
        if sampler in domain.sampling or self._room(address, _SAMPLER_WEIGHT):
            domain.sampling[sampler] = how

    def name(self, address: str, domain: Domain, interface: int, name: str) -> None:
        """Remember the name of an interface, if there is room."""
        if interface in domain.interfaces or self._room(address, _NAME_WEIGHT):
            domain.interfaces[interface] = name

    def _room(self, address: str, weight: int) -> bool:
        host = self._hosts[address]
        if host.weight + weight > WEIGHT_PER_HOST or self._weight + weight > WEIGHT_IN_ALL:
            return False
        host.weight += weight
        self._weight += weight
        return True

    def _weigh(self, address: str, domain: Domain, weight: int) -> None:
        """Add to what is remembered of an address; what is oldest makes room, of the same address first."""
        host = self._hosts[address]
        host.weight += weight
        self._weight += weight
        while host.weight > WEIGHT_PER_HOST and (len(host.domains) > 1 or domain.templates):
            if next(iter(host.domains.values())) is not domain:
                self._forget_domain(address, host)
            else:
                lightened = _weight(domain.templates.pop(next(iter(domain.templates))))
                host.weight -= lightened
                self._weight -= lightened
        while self._weight > WEIGHT_IN_ALL and len(self._hosts) > 1:
            self._forget_host()

    def hold(self, address: str, domain: Domain, number: int, held: Held) -> None:
        """Keep a data set until its template comes, if there is room."""
        host, cost = self._hosts[address], len(held.data) + _HELD_COST
        if host.held + cost > HELD_PER_HOST or self._held + cost > HELD_IN_ALL:
            self._lose(address, "no_template", 1)
            return
        domain.held.setdefault(number, []).append(held)
        host.held += cost
        self._held += cost

    def release(self, address: str, domain: Domain, number: int) -> list[Held]:
        """Return the data sets that waited for a template, oldest first; they wait no longer."""
        released = domain.held.pop(number, [])
        cost = sum(len(one.data) + _HELD_COST for one in released)
        self._hosts[address].held -= cost
        self._held -= cost
        return released

    def expire(self, now: datetime, seconds: float = HELD_SECONDS) -> None:
        """Give up data sets that have waited for so long, and count them."""
        for address, host in self._hosts.items():
            if not host.held:
                continue
            for domain in host.domains.values():
                for number, waiting in list(domain.held.items()):
                    if (now - waiting[0].received).total_seconds() >= seconds:
                        self._lose(address, "no_template", len(self.release(address, domain, number)))

    def close(self, now: datetime) -> None:
        """Wait for nothing any more: what is missing by now is lost."""
        self.expire(now, 0.0)
        for address, host in self._hosts.items():
            for domain in host.domains.values():
                lose_missing(self._lose, address, domain.version, domain.sequence.close())

    def _empty(self, address: str, host: Host, domain: Domain) -> None:
        weight = domain.weight
        host.weight -= weight
        self._weight -= weight
        for number in list(domain.held):
            self._lose(address, "no_template", len(self.release(address, domain, number)))
        domain.templates.clear()
        domain.sampling.clear()
        domain.interfaces.clear()
        lose_missing(self._lose, address, domain.version, domain.sequence.close())
        domain.sequence, domain.uptime, domain.boot = Sequence(), None, None

    def _forget_domain(self, address: str, host: Host) -> None:
        _, domain = host.domains.popitem(last=False)
        self._empty(address, host, domain)
        host.weight -= _DOMAIN_WEIGHT
        self._weight -= _DOMAIN_WEIGHT

    def _forget_host(self) -> None:
        address, host = next(iter(self._hosts.items()))
        while host.domains:
            self._forget_domain(address, host)
        del self._hosts[address]

    def dump(self, *, orderly: bool) -> dict[str, Any]:
        """Return what has to survive a restart; `orderly`: nothing will be received behind it."""
        self.changed = False
        return {
            "orderly": orderly,
            "exporters": [
                {
                    "address": address,
                    "key": key,
                    "exported": domain.exported,
                    "uptime": domain.uptime,
                    "expected": domain.sequence.expected,
                    "templates": [
                        [number, one.spec.hex(), one.scopes, one.options] for number, one in domain.templates.items()
                    ],
                    "sampling": domain.sampling,
                    "interfaces": list(domain.interfaces.items()),
                    "boot": domain.boot,
                }
                for address, key, domain in self._known()
            ],
        }

    def _known(self) -> Iterator[tuple[str, Key, Domain]]:
        for address, host in self._hosts.items():
            for key, domain in host.domains.items():
                if domain.templates or domain.sequence.expected is not None:
                    yield address, key, domain

    def load(self, said: dict[str, Any]) -> None:
        """Know again what `dump` returned; raises KeyError, TypeError or ValueError if it did not."""
        for one in said["exporters"]:
            port, version, number = map(int, one["key"])
            expected, uptime, boot = one["expected"], one["uptime"], one["boot"]
            domain = Domain(
                version,
                boot=None if boot is None else int(boot),
                exported=int(one["exported"]),
                uptime=None if uptime is None else int(uptime),
                # without a number no exporter is where it was
                restored=-GAP_MAX - 1 if expected is None else int(expected),
            )
            if said["orderly"] and expected is not None:
                domain.sequence = Sequence(int(expected), domain.exported)
            address = str(one["address"])
            self._hosts.setdefault(address, Host()).domains[port, version, number] = domain
            self._weigh(address, domain, _DOMAIN_WEIGHT)
            for name, spec, scopes, options in one["templates"]:
                template = Template(version, bytes.fromhex(spec), int(scopes), options=bool(options))
                if template.smallest:
                    self.learn(address, domain, int(name), template)
            for sampler, (interval, kind, how) in one["sampling"].items():
                self.sample(address, domain, str(sampler), (float(interval), str(kind), int(how)))
            for index, text in one["interfaces"]:
                self.name(address, domain, int(index), str(text))


def lose_missing(lose: Lose, address: str, version: int, count: int) -> None:
    """Tell how many numbers are missing, in what that version counts."""
    if count:
        lose(address, "missing_datagrams" if version == 9 else "missing_flows", count)


def _weight(template: Template) -> int:
    return len(template.spec) // 4 + _TEMPLATE_WEIGHT
