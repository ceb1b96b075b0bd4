"""What sites are compared by: which fields of which events, and how a value is read from them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from sentinel.core.event import Event, Value
from sentinel.core.odd import FeatureName
from sentinel.core.where import AllOf, AnyOf, Exists, Is, Like, Not, Where, plain, values
from sentinel.domains import registered

VALUE_MAX = 200
"""So many characters of a user agent or a name are told apart."""
_INSIDE = Exists("sentinel.destination_asset.segment")
_OWN = Is("event.dataset", "sentinel.notice")
_USUAL_TYPES = ("A", "AAAA", "HTTPS", "PTR")
_NO_NAME = "NXDOMAIN"


@dataclass(frozen=True, slots=True)
class Reading:
    """A way in which events tell a feature: those for which `where` holds, by `fields`.

    `read` makes the value of the fields' texts (empty where absent), empty if they tell none; `asks` holds for every
    event that tells a value, and perhaps for more.
    """

    where: Where
    fields: tuple[str, ...]
    read: Callable[..., str]
    asks: Callable[[str], Where]

    def value(self, held: Sequence[Value | None]) -> str:
        """Return the value that a row of a count tells, empty if none."""
        return self.read(*(plain(values(one)[0]) if values(one) else "" for one in held))


@dataclass(frozen=True, slots=True)
class Feature:
    """What is compared; `side` is whose asset says the site, `device` the field that tells a site's devices apart."""

    name: FeatureName
    side: str
    device: str
    readings: tuple[Reading, ...]

    @property
    def site(self) -> str:
        """The field that says the site."""
        return f"sentinel.{self.side}_asset.site"

    def values(self, event: Event) -> set[str]:
        """Return the values that an event tells."""
        return {one.value([event.fields.get(name) for name in one.fields]) for one in self.readings}

    def of(self, kind: str) -> Where:
        """Return what holds for the events of all sites of a kind, Sentinel's own findings about them left out."""
        return AllOf((Is(f"sentinel.{self.side}_asset.calendar", kind), Exists(self.site), Not(_OWN)))


def _below(field: str, domain: str) -> Where:
    return AnyOf((Is(field, domain), Like(field, f"*.{_literal(domain)}")))


def _literal(text: str) -> str:
    return re.sub(r"([\\*?])", r"\\\1", text)


def _named(field: str) -> Reading:
    return Reading(Exists(field), (field,), _domain, lambda value: _below(field, value))


def _domain(name: str) -> str:
    # what somebody has registered: a content network has a new name below it every minute
    numeric = name[-1:].isdigit() or ":" in name
    reverse = name.lower().rstrip(".").endswith(".arpa")
    return "" if reverse or (numeric and _address(name)) else registered(name)[:VALUE_MAX]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _outside(text: str) -> str:
    found = _address(text)
    if found is None:
        return ""
    local = found.is_multicast or found.is_loopback or found.is_link_local or found.is_unspecified
    return "" if local or text == "255.255.255.255" else text


def _port(port: str, transport: str) -> str:
    return f"{port}/{transport}" if transport else port


def _asks_port(value: str) -> Where:
    port, _, transport = value.partition("/")
    return AllOf((Is("destination.port", port), Is("network.transport", transport or None)))


def _agent(text: str) -> str:
    # without numbers: a browser that has been updated is the same browser
    return re.sub(r"[0-9]+(?:[._][0-9]+)*", "0", text[:VALUE_MAX])


def _asks_agent(value: str) -> Where:
    return Like("user_agent.original", _literal(value).replace("0", "*") + "*")


def _habit(kind: str, answer: str, name: str) -> str:
    domain = _domain(name)
    what = _NO_NAME if answer.upper() == _NO_NAME else kind.upper()
    return f"{what} {domain}" if domain and what and what not in _USUAL_TYPES else ""


def _asks_habit(value: str) -> Where:
    what, _, domain = value.partition(" ")
    field = "dns.response_code" if what == _NO_NAME else "dns.question.type"
    return AllOf((Is(field, what), _below("dns.question.name", domain)))


_UNUSUAL = AnyOf((
    Is("dns.response_code", _NO_NAME),
    AllOf((Exists("dns.question.type"), *(Not(Is("dns.question.type", one)) for one in _USUAL_TYPES))),
))  # fmt: skip

FEATURES = (
    Feature("name", "source", "source.ip", (
        _named("destination.domain"), _named("url.domain"), _named("tls.client.server_name"),
        _named("dns.question.name"),
    )),
    Feature("address", "source", "source.ip", (
        Reading(
            AllOf((Exists("destination.ip"), Is("destination.domain", None), Not(_INSIDE))), ("destination.ip",),
            _outside, lambda value: Is("destination.ip", value),
        ),
    )),
    Feature("port", "source", "source.ip", (
        Reading(
            AllOf((Exists("destination.port"), Not(_INSIDE))), ("destination.port", "network.transport"),
            _port, _asks_port,
        ),
    )),
    Feature("user_agent", "source", "source.ip", (
        Reading(Exists("user_agent.original"), ("user_agent.original",), _agent, _asks_agent),
    )),
    Feature("dns", "source", "source.ip", (
        Reading(
            AllOf((Exists("dns.question.name"), _UNUSUAL)),
            ("dns.question.type", "dns.response_code", "dns.question.name"), _habit, _asks_habit,
        ),
    )),
    Feature("process", "host", "host.name", (
        Reading(
            AllOf((Is("event.category", "process"), Exists("process.name"))), ("process.name",),
            lambda name: name.casefold()[:VALUE_MAX], lambda value: Like("process.name", _literal(value) + "*"),
        ),
    )),
)  # fmt: skip
"""Every feature."""
