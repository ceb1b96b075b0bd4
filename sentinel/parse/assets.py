"""Finds whose an address, a name or a sender is, as the inventory says it."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from types import MappingProxyType

from sentinel.config.inventory import Belongs, Host, Inventory
from sentinel.pack.text import address as canonical
from sentinel.parse.prefixes import Address, Prefixes

Facts = Mapping[str, str]
"""What is known of an asset: name, segment, site, owner, criticality, calendar, as far as they are known."""

USUAL_CRITICALITY = "normal"
NOTHING: Facts = MappingProxyType({})


class Assets:
    """The inventory, ready to be asked."""

    def __init__(self, inventory: Inventory) -> None:
        self._networks: Prefixes[Facts] = Prefixes()
        named = [(ip_network(cidr), one) for one in inventory.network for cidr in one.cidr]
        for network, one in sorted(named, key=lambda pair: pair[0].prefixlen):
            wider = self._around(network.network_address, network.max_prefixlen - network.prefixlen)
            self._networks.put(network, _said(wider, one, segment=one.name))
        self._hosts: dict[str, Facts] = {}
        self._names: dict[str, Facts] = {}
        self._short: dict[str, list[Facts]] = {}
        for host in inventory.host:
            self._take(host)
        self._senders = [(one, [ip_network(cidr) for cidr in one.peer]) for one in inventory.source]

    def of_address(self, text: str) -> Facts:
        """Return what is known of an address: of its host, else of the smallest network around it."""
        known = canonical(text)
        if known is None:
            return NOTHING
        return self._hosts.get(known) or self._finished(self._around(ip_address(known)))

    def of_name(self, name: str) -> Facts:
        """Return what is known of a machine that calls itself so, by its whole name or by the part before the dot.

        A short name means the one host whose whole name begins so; none if there are several. A whole name means the
        host of that name, or one that the inventory knows by its short name alone.
        """
        whole = name.rstrip(".").casefold()
        found = self._names.get(whole)
        if found is not None:
            return found
        short, dot, _ = whole.partition(".")
        if dot:
            return self._names.get(short, NOTHING)
        alike = self._short.get(short, ())
        return alike[0] if len(alike) == 1 else NOTHING

    def of_sender(self, source: str, peer: str, identity: str = "") -> Facts:
        """Return what is known of the sender of a record, given as the entrance knows it (`192.0.2.7:514`)."""
        host = canonical(peer) or canonical(peer.rpartition(":")[0])
        address = ip_address(host) if host else None
        base = self.of_address(host) if host else NOTHING
        for sender, networks in self._senders:
            if sender.source is not None and sender.source != source:
                continue
            if networks and (address is None or not any(address in network for network in networks)):
                continue
            if sender.identity and identity.casefold() not in {one.casefold() for one in sender.identity}:
                continue
            return self._finished(_said(base, sender, name=sender.name))
        return base

    def _around(self, address: Address, above: int = -1) -> Facts:
        return next(self._networks.around(address, above), NOTHING)

    def _take(self, host: Host) -> None:
        first: Facts | None = None
        for text in host.addresses:
            facts = self._finished(_said(self._around(ip_address(text)), host, name=host.name))
            self._hosts[canonical(text) or text] = facts
            first = first or facts
        known = first or self._finished(_said(NOTHING, host, name=host.name))
        for name in dict.fromkeys(one.casefold() for one in (host.name, *host.aliases)):
            self._names[name] = known
            short = self._short.setdefault(name.partition(".")[0], [])
            if known not in short:
                short.append(known)

    @staticmethod
    def _finished(facts: Facts) -> Facts:
        return MappingProxyType({"criticality": USUAL_CRITICALITY, **facts}) if facts else facts


def every(inventory: Inventory) -> Iterator[Facts]:
    """Yield what is known of each network, host and sender."""
    known = Assets(inventory)
    for network in inventory.network:
        for cidr in network.cidr:
            yield known.of_address(str(ip_network(cidr).network_address))
    for host in inventory.host:
        yield known.of_name(host.name)
    for sender in inventory.source:
        yield {name: value for name, value in (("site", sender.site), ("calendar", sender.calendar or "")) if value}


def _said(wider: Facts, one: Belongs, **more: str) -> Facts:
    """Return the facts around, with what is said of this one over them."""
    own: dict[str, str | None] = {
        "site": one.site, "owner": one.owner, "criticality": one.criticality, "calendar": one.calendar, **more,
    }  # fmt: skip
    return {**wider, **{name: value for name, value in own.items() if value}}
