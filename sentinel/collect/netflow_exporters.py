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

FIELDS_PER_HOST = 16_384
FIELDS_IN_ALL = 262_144
"""Fields of all templates; one costs about 100 bytes."""

HELD_PER_HOST = 256 * 1024
HELD_IN_ALL = 8 * 1024 * 1024
"""Bytes of data sets that wait for their template."""

HELD_SECONDS = 1800.0
"""Cisco's routers repeat their templates every 30 minutes if nobody says otherwise."""

SAMPLERS_MAX = 256
INTERFACES_MAX = 4096
_TEMPLATE_COST = 8  # beside its fields
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

    `sampling` holds interval and algorithm by sampler (`s3`), by interface (`i7`) or for all (an empty text);
    `boot` is when the exporter started (ms since 1970), if it says so;
    `restored` is where a file said that it stood, until it is heard again.
    """

    version: int
    templates: dict[int, Template] = field(default_factory=dict)
    sampling: dict[str, tuple[float, int]] = field(default_factory=dict)
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

    def heard(self, head: Header) -> None:
        """Remember the newest header."""
        if head.exported >= self.exported:
            self.exported, self.uptime = head.exported, head.uptime


Key = tuple[int, int, int]


@dataclass(slots=True)
class Host:
    """All domains of an address, the most recently heard last."""

    domains: "OrderedDict[Key, Domain]" = field(default_factory=OrderedDict)
    fields: int = 0
    held: int = 0


class Exporters:
    """Every exporter heard; `changed` says that there is something new to remember."""

    def __init__(self, lose: Lose) -> None:
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._lose = lose
        self._fields = self._held = 0
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
                self._empty(address, host, host.domains.popitem(last=False)[1])
            domain = host.domains[key] = Domain(head.version)
        else:
            host.domains.move_to_end(key)
            if not domain.trusted(head):
                self._empty(address, host, domain)
        domain.heard(head)
        self.changed = True
        return domain

    def learn(self, address: str, domain: Domain, number: int, template: Template) -> None:
        """Remember a template; the oldest of the same address make room for it."""
        host = self._hosts[address]
        before = domain.templates.pop(number, None)
        if before is not None:
            self._count(host, -_cost(before))
            if before.spec == template.spec and before.scopes == template.scopes:
                template = before  # it is compiled already
        domain.templates[number] = template
        self._count(host, _cost(template))
        while host.fields > FIELDS_PER_HOST:
            oldest = next(iter(host.domains))
            if host.domains[oldest] is domain:
                first = next(iter(domain.templates))
                self._count(host, -_cost(domain.templates.pop(first)))
            else:
                self._empty(address, host, host.domains.pop(oldest))
        while self._fields > FIELDS_IN_ALL:
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

    def _count(self, host: Host, fields: int) -> None:
        host.fields += fields
        self._fields += fields

    def _empty(self, address: str, host: Host, domain: Domain) -> None:
        self._count(host, -sum(map(_cost, domain.templates.values())))
        for number in list(domain.held):
            self._lose(address, "no_template", len(self.release(address, domain, number)))
        domain.templates.clear()
        domain.sampling.clear()
        domain.interfaces.clear()
        lose_missing(self._lose, address, domain.version, domain.sequence.close())
        domain.sequence, domain.uptime, domain.boot = Sequence(), None, None

    def _forget_host(self) -> None:
        address, host = next(iter(self._hosts.items()))
        for domain in host.domains.values():
            self._empty(address, host, domain)
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
                sampling={str(name): (float(every), int(how)) for name, (every, how) in one["sampling"].items()},
                interfaces={int(index): str(name) for index, name in one["interfaces"]},
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
            for name, spec, scopes, options in one["templates"]:
                template = Template(version, bytes.fromhex(spec), int(scopes), options=bool(options))
                if template.smallest:
                    self.learn(address, domain, int(name), template)


def lose_missing(lose: Lose, address: str, version: int, count: int) -> None:
    """Tell how many numbers are missing, in what that version counts."""
    if count:
        lose(address, "missing_datagrams" if version == 9 else "missing_flows", count)


def _cost(template: Template) -> int:
    return len(template.spec) // 4 + _TEMPLATE_COST
