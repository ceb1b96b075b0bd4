"""Networks and what is known of each, to be asked by address."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, TypeVar

Held = TypeVar("Held")
Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_INSIDE = tuple(
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip


@dataclass(slots=True)
class Prefixes(Generic[Held]):
    """Networks and what is held for each; a lookup asks each prefix length there is, the longest first."""

    _tables: dict[int, list[tuple[int, dict[int, Held]]]] = field(default_factory=lambda: {4: [], 6: []})

    def put(self, network: Network, held: Held) -> None:
        """Hold something for a network; what was held for the same one is replaced."""
        shift = network.max_prefixlen - network.prefixlen
        tables = self._tables[network.version]
        table = next((table for known, table in tables if known == shift), None)
        if table is None:
            table = {}
            tables.append((shift, table))
            tables.sort(key=lambda one: one[0])
        table[int(network.network_address) >> shift] = held

    def around(self, address: Address, above: int = -1) -> Iterator[Held]:
        """Yield what is held for the networks around an address, the smallest first.

        With `above` only of those that leave more than so many bits free.
        """
        number = int(address)
        for shift, table in self._tables[address.version]:
            if shift > above:
                found = table.get(number >> shift)
                if found is not None:
                    yield found


_within: Prefixes[bool] = Prefixes()
for _one in _INSIDE:
    _within.put(_one, held=True)


def inside(text: str) -> bool:
    """Say whether an address has no place on the Internet (private, multicast …), or a network holds such."""
    if "/" not in text:
        return next(_within.around(ip_address(text)), False)
    network = ip_network(text)
    return any(network.version == one.version and network.overlaps(one) for one in _INSIDE)
