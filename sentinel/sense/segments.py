"""The segments file: which networks belong to which segment, and which paths between segments are allowed.

    segments:
      townhall: [10.10.1.0/24]
      schools: [10.20.0.0/16]
    allow:                       # everything else between two segments is a finding
      - {from: "*", to: townhall, ports: [53, 443]}
      - {from: [townhall], to: "*", ports: [161, 22, icmp]}

`from` and `to` name one segment, a list of them or `"*"` for all; a port is a number (TCP and UDP), a range `"a-b"`,
`icmp` or `"*"`. Without `ports` all are allowed. A `*_note` is for people.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import yaml

from sentinel.core.errors import ConfigError

__all__ = [
    "Allowed", "Network", "Segments", "allowed", "internal", "listed", "many", "network", "parsed", "read_document",
    "read_segments", "segments_of",
]  # fmt: skip

FILE_BYTES_MAX = 1 << 20
_ANY = "*"
_ICMPS = frozenset({1, 58})
_KEYS = frozenset({"from", "to", "ports"})
_ADDRESSES_MAX = 65_536

Network = IPv4Network | IPv6Network

_OWN = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"))
)


@lru_cache(_ADDRESSES_MAX)
def internal(address: str) -> bool:
    """Say whether an address is private (RFC 1918, RFC 4193) or link-local."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == net.version and found in net for net in _OWN)


@lru_cache(_ADDRESSES_MAX)
def many(address: str) -> bool:
    """Say whether an address is everybody's: multicast or the limited broadcast."""
    first = address.partition(".")[0]
    return address.startswith("ff") or (first.isdecimal() and (224 <= int(first) <= 239 or first == "255"))


@dataclass(frozen=True, slots=True)
class Allowed:
    """One allowed path; `src` and `dst` are names of segments, `*` is any; `ports` are inclusive ranges."""

    src: frozenset[str]
    dst: frozenset[str]
    ports: tuple[tuple[int, int], ...]
    icmp: bool

    def holds(self, src: str, dst: str, port: int, proto: int) -> bool:
        """Say whether this path allows it."""
        if not ((_ANY in self.src or src in self.src) and (_ANY in self.dst or dst in self.dst)):
            return False
        if proto in _ICMPS:
            return self.icmp
        return any(low <= port <= high for low, high in self.ports)


class Segments:
    """The segments of a city and the paths between them; without a file there are none."""

    def __init__(
        self, networks: Mapping[str, Sequence[Network]] | None = None, allowed: Iterable[Allowed] = ()
    ) -> None:
        self.networks = {name: tuple(nets) for name, nets in (networks or {}).items()}
        self.allowed = tuple(allowed)
        # the narrowest network decides
        self._nets = sorted(
            ((net, name) for name, nets in self.networks.items() for net in nets),
            key=lambda pair: -pair[0].prefixlen,
        )
        self.of = lru_cache(_ADDRESSES_MAX)(self._of)
        """Return the name of the segment that an address belongs to, empty if none."""
        self.outside = lru_cache(_ADDRESSES_MAX)(self._outside)
        """Say whether an address is somebody else's: of no segment, not private, not everybody's."""

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._nets)

    def _of(self, address: str) -> str:
        if not self._nets:
            return ""
        try:
            found = ip_address(address)
        except ValueError:
            return ""
        return next((name for net, name in self._nets if net.version == found.version and found in net), "")

    def _outside(self, address: str) -> bool:
        return bool(address) and not (self.of(address) or internal(address) or many(address))

    def allows(self, src: str, dst: str, port: int, proto: int) -> bool:
        """Say whether policy lets address `src` open a flow to `dst`; for ICMP `port` does not count.

        Within one segment, and where either end belongs to none, policy says nothing: True.
        """
        one, other = self.of(src), self.of(dst)
        if not one or not other or one == other:
            return True
        return any(path.holds(one, other, port, proto) for path in self.allowed)


class _Strict(yaml.SafeLoader):
    """The safe loader that also refuses a key given twice: of two lists of paths one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002  the base class's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.YAMLError(f"{key!r} is there twice (line {key_node.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_segments(path: Path) -> Segments:
    """Return the segments of a file; raises ConfigError that says what has to be changed."""
    found = read_document(path)
    try:
        return segments_of(found)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_document(path: Path) -> object:
    """Return what a segments file holds, as YAML has it; raises ConfigError if it cannot be read at all."""
    try:
        text = path.read_bytes()[: FILE_BYTES_MAX + 1]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    if len(text) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes is no segments file")
    try:
        return parsed(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def parsed(text: bytes | str) -> object:
    """Return what the text of a segments file holds, as YAML has it; raises ValueError."""
    try:
        loader = _Strict(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        msg = f"no valid YAML: {error}"
        raise ValueError(msg) from error


def segments_of(found: object) -> Segments:
    """Return the segments that a document means; raises ValueError that says what has to be changed."""
    named = found.get("segments") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(named, dict):
        msg = "there has to be a table `segments` with lists of networks"
        raise ValueError(msg)  # noqa: TRY004  what the file says is wrong, not a type of ours
    for key in found:
        if key not in {"segments", "allow"} and not str(key).endswith("_note"):
            msg = f"unknown key {key!r}; there are segments, allow and notes (`…_note`)"
            raise ValueError(msg)
    networks = {str(name): tuple(map(network, listed(nets))) for name, nets in named.items()}
    paths = [allowed(rule, frozenset(networks)) for rule in listed(found.get("allow") or [])]
    return Segments(networks, paths)


def allowed(rule: object, names: frozenset[str]) -> Allowed:
    """Return the path that an entry of `allow` means, of segments called `names`; raises ValueError."""
    if not isinstance(rule, dict) or not {"from", "to"} <= rule.keys() <= _KEYS:
        msg = f"allow: {rule!r} has to have `from` and `to`, and may have `ports`"
        raise ValueError(msg)
    ports = listed(rule.get("ports", _ANY))
    ranges = [_range(port) for port in ports if port != "icmp"]
    return Allowed(_ends(rule["from"], names), _ends(rule["to"], names), tuple(ranges), bool({"icmp", _ANY} & {*ports}))


def _ends(value: object, names: frozenset[str]) -> frozenset[str]:
    ends = frozenset(str(one) for one in listed(value))
    for end in ends - names - {_ANY}:
        near = get_close_matches(end, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        msg = f"allow: there is no segment {end!r}{hint}"
        raise ValueError(msg)
    return ends


def _range(port: object) -> tuple[int, int]:
    low, _, high = ("0-65535" if port == _ANY else str(port)).partition("-")
    if low.isdecimal() and (high or low).isdecimal() and int(low) <= int(high or low) <= 65_535:
        return int(low), int(high or low)
    msg = f'allow: {port!r} is no port; a port is a number, a range "a-b", icmp or "*"'
    raise ValueError(msg)


def network(text: object) -> Network:
    """Return the network that an entry of `segments` means; raises ValueError."""
    try:
        return ip_network(str(text))
    except ValueError as error:
        msg = f"segments: {error}"
        raise ValueError(msg) from error


def listed(value: object) -> list[object]:
    """Return a list as it is, and what is none as a list of one."""
    return value if isinstance(value, list) else [value]
