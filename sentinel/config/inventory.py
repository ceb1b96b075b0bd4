"""The inventory, `assets.toml`: which networks, hosts and senders belong to which site and owner.

    [[network]]
    name = "schule-42"                # the segment
    cidr = ["10.20.42.0/24"]
    site = "Grundschule am Park"
    owner = "Schulamt"
    criticality = "normal"            # low, normal, high, critical
    calendar = "school"               # which hours count as usual

    [[host]]
    name = "srv-ad-01.stadt.example"
    addresses = ["10.10.8.10"]
    criticality = "critical"

    [[source]]                        # who sends records, where the address alone does not say it
    peer = "192.0.2.42"
    site = "Grundschule am Park"

What a table leaves out it has from the smallest network around it.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sentinel.config import reading, toml
from sentinel.config.sources import Name, Section

Criticality = Literal["low", "normal", "high", "critical"]


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        try:
            wider = str(ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f"{text!r} is no network; write one such as 10.10.1.0/24") from error
        raise ValueError(f"{text!r} names a host inside a network; did you mean {wider!r}?") from error


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no address; networks belong into a [[network]]") from error


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Cidr = Annotated[str, AfterValidator(_cidr)]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")]


class Belongs(Section):
    """What is said of a part of the city; empty: as the network around it."""

    site: Text = ""
    """Where it is."""

    owner: Text = ""
    """Who answers for it: an office, not a person."""

    criticality: Criticality | None = None
    """How much depends on it: low, normal, high, critical."""

    calendar: Name | None = None
    """Which hours count as usual there, for example "office", "school" or "always"."""


class Network(Belongs):
    """A segment of the network."""

    name: Text = Field(min_length=1)
    """The segment's name."""

    cidr: Annotated[tuple[Cidr, ...], BeforeValidator(_listed)] = Field(min_length=1)
    """Its networks, IPv4 and IPv6."""


class Host(Belongs):
    """A machine."""

    name: HostName
    """Its name, whole (`srv-ad-01.stadt.example`) if it has a domain. It is also known by the part before the dot."""

    addresses: Annotated[tuple[Address, ...], BeforeValidator(_listed)] = ()
    """Its addresses, as far as they do not change."""

    aliases: Annotated[tuple[HostName, ...], BeforeValidator(_listed)] = ()
    """Further names."""


class Sender(Belongs):
    """Who sends records: all of `source`, `peer`, `identity` that is given must fit; the first that does counts."""

    name: Text = ""
    """What the sender is called."""

    source: Name | None = None
    """The name of the source in sentinel.toml by which the records enter."""

    peer: Annotated[tuple[Cidr, ...], BeforeValidator(_listed)] = ()
    """The addresses or networks from which they come."""

    identity: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    """Who the sender proved to be by its certificate, such as "dns:fw1.example.org"; see `sentinel.origin.identity`."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> "Sender":
        if self.source is None and not self.peer and not self.identity:
            raise ValueError("say of which records it speaks: by `source`, `peer` or `identity`")
        return self


class Inventory(Section):
    """All of `assets.toml`."""

    network: tuple[Network, ...] = ()
    """Segments."""

    host: tuple[Host, ...] = ()
    """Machines."""

    source: tuple[Sender, ...] = ()
    """Senders."""

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> "Inventory":
        _once("network", ((cidr, one.name) for one in self.network for cidr in one.cidr))
        _once("address", ((address, one.name) for one in self.host for address in one.addresses))
        named = ((name.casefold(), one.name) for one in self.host for name in (one.name, *one.aliases))
        _once("name", named)
        return self


def _once(what: str, said: Iterable[tuple[str, str]]) -> None:
    taken: dict[str, str] = {}
    for value, name in said:
        if value in taken:
            whose = f"{taken[value]!r} and {name!r}" if taken[value] != name else f"{name!r} twice"
            raise ValueError(f"the {what} {value} is given to {whose}: which of the two is it?")
        taken[value] = name


def load(path: Path) -> Inventory | None:
    """Read the inventory, None if there is no such file; raises ConfigError that names every wrong table."""
    given = toml.table_if_there(path)
    return None if given is None else reading.validated(Inventory, given, str(path))
