"""Looks for what is wrong with a segments file: what cannot be read, never counts, or contradicts itself or its notes.

What may be is `allow`; a note (`deny_note`) is for people, but where its sentences name segments and ports, as in

    deny_note: schools may never open 22, 135, 3389 towards any administration segment

no path may allow that: the segments before "never" (or "nie") are the sources, the numbers behind it the ports, the
segments behind it the destinations; none there: all others.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Literal

from sentinel.sense.segments import Allowed, Network, Segments, allowed, listed, network

__all__ = ["Ban", "Problem", "bans", "examine", "networks_of"]

Level = Literal["refused", "wrong", "remark"]
"""The sensor cannot use the file; it can, but not as it was meant; a person should know it."""

Ranges = Sequence[tuple[int, int]]
Pair = tuple[str, str]

PROBLEMS_MAX = 1_000
NETWORKS_MAX = 10_000
PAIRS_MAX = 1_000_000
"""So many pairs of segments are looked at, of all paths together."""

_KEYS = frozenset({"segments", "allow"})
_ANY = "*"
_NEVER = re.compile(r"\b(?:never|nie|niemals)\b", re.IGNORECASE)
_PORTS = re.compile(r"(?<![\w.:/-])(\d{1,5})(?:-(\d{1,5}))?(?![\w.:/-]|\.\d)")
_SENTENCE = re.compile(r"[;\n]|\.(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the file: `where` names the place in it."""

    level: Level
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Ban:
    """What a sentence of a note says may never be: from each of `src` to each other of `dst`, these ports."""

    note: str
    src: frozenset[str]
    dst: frozenset[str]
    ports: tuple[tuple[int, int], ...]

    def broken_by(self, src: str, dst: str, low: int, high: int) -> Ranges:
        """Return which of the ports from `low` to `high` may not be opened from segment `src` to `dst`."""
        if src == dst or src not in self.src or dst not in self.dst:
            return ()
        return [(max(low, one), min(high, two)) for one, two in self.ports if one <= high and low <= two]


def examine(document: object) -> list[Problem]:
    """Return what is wrong with what a segments file holds."""
    if not isinstance(document, dict) or not isinstance(document.get("segments"), dict):
        return [Problem("refused", "file", "there has to be a table `segments` with lists of networks")]
    problems = [
        Problem("refused", str(key), "is no key of a segments file; there are segments, allow and notes (`…_note`)")
        for key in document
        if key not in _KEYS and not str(key).endswith("_note")
    ]
    networks = _networks(document["segments"], problems)
    paths: dict[str, Allowed] = {}
    for number, rule in enumerate(listed(document.get("allow") or []), start=1):
        try:
            paths[f"allow {number}"] = allowed(rule, frozenset(networks))
        except ValueError as error:
            problems.append(Problem("refused", f"allow {number}", str(error).removeprefix("allow: ")))
    count = sum(map(len, networks.values()))
    weight = sum(_size(path.src, networks) * _size(path.dst, networks) for path in paths.values())
    if count > NETWORKS_MAX or weight > PAIRS_MAX:
        told = (
            f"{count} networks and {weight} pairs of segments are more than {NETWORKS_MAX} and {PAIRS_MAX}: only read"
        )
        return [*problems, Problem("remark", "file", told)][:PROBLEMS_MAX]
    problems += [*_overlaps(networks), *_empty(paths, networks), *_shadowed(paths, networks)]
    problems += _against_notes(document, paths, networks)
    return problems[:PROBLEMS_MAX]


def _networks(named: Mapping[object, object], problems: list[Problem]) -> dict[str, tuple[Network, ...]]:
    found: dict[str, tuple[Network, ...]] = {}
    for name, given in named.items():
        where = f"segments: {name}"
        if str(name) == _ANY:
            problems.append(Problem("wrong", where, '"*" is every segment and cannot be the name of one'))
        own: list[Network] = []
        for text in listed(given):
            try:
                own.append(network(text))
            except ValueError as error:
                problems.append(Problem("refused", where, str(error).removeprefix("segments: ")))
        if not listed(given):
            problems.append(Problem("wrong", where, "has no networks: no address belongs to it"))
        found[str(name)] = tuple(own)
    return found


def _overlaps(networks: Mapping[str, Sequence[Network]]) -> Iterator[Problem]:
    # of two networks that overlap one lies in the other; sorted, whatever lies in one follows it
    ordered = sorted(
        ((net, name) for name, nets in networks.items() for net in nets),
        key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen),
    )
    around: list[tuple[Network, str]] = []
    inside: dict[tuple[Network, str], list[Network]] = {}
    for net, name in ordered:
        while around and not _within(net, around[-1][0]):
            around.pop()
        if around:
            outer, other = around[-1]
            if net == outer:
                yield Problem("wrong", f"segments: {name}", f"{net} belongs to {other} as well; which it is is chance")
            elif name == other:
                yield Problem("remark", f"segments: {name}", f"{net} lies in {outer}, which is listed as well")
            else:
                told = f"{net} lies in {outer} of {other}; its addresses belong to {name}, the narrower one"
                yield Problem("remark", f"segments: {name}", told)
        for outer, other in around:
            if other != name and net != outer:
                inside.setdefault((outer, other), []).append(net)
        around.append((net, name))
    for (net, name), narrower in inside.items():
        if _whole(narrower) == [net]:
            told = f"every address of {net} belongs to narrower networks of other segments"
            yield Problem("wrong", f"segments: {name}", told)


def _within(net: Network, outer: Network) -> bool:
    match net, outer:
        case (IPv4Network(), IPv4Network()) | (IPv6Network(), IPv6Network()):
            return net.subnet_of(outer)  # type: ignore[arg-type]  # both are of one version
        case _:
            return False


def _whole(nets: Sequence[Network]) -> list[Network]:
    four = [net for net in nets if isinstance(net, IPv4Network)]
    six = [net for net in nets if isinstance(net, IPv6Network)]
    return [*collapse_addresses(four), *collapse_addresses(six)]


def pairs(path: Allowed, names: Collection[str]) -> Iterator[Pair]:
    """Return the pairs of different segments that a path is about."""
    for src in names if _ANY in path.src else sorted(path.src):
        for dst in names if _ANY in path.dst else sorted(path.dst):
            if src != dst:
                yield src, dst


def _size(ends: frozenset[str], names: Collection[str]) -> int:
    return len(names) if _ANY in ends else len(ends)


def _empty(paths: Mapping[str, Allowed], networks: Mapping[str, Sequence[Network]]) -> Iterator[Problem]:
    for where, path in paths.items():
        reached = list(pairs(path, networks))
        if not path.ports and not path.icmp:
            yield Problem("wrong", where, "allows no port at all; leave `ports` out to allow all")
        if not reached:
            yield Problem("wrong", where, "is never asked: within one segment everything may be")
        elif not any(networks[src] and networks[dst] for src, dst in reached):
            yield Problem("wrong", where, "is never asked: no address belongs to its segments")
        if path.icmp and _covers([(0, 65_535)], path.ports) and {*path.src, *path.dst} == {_ANY}:
            yield Problem("wrong", where, "allows everything to everybody, so nothing is ever a finding")
        for what, ends in (("from", path.src), ("to", path.dst)):
            if _ANY in ends and len(ends) > 1:
                yield Problem("remark", where, f'`{what}` names segments beside "*", which is all of them')


def _shadowed(paths: Mapping[str, Allowed], networks: Mapping[str, Sequence[Network]]) -> Iterator[Problem]:
    # from the last to the first, so that of two that say the same the first stays
    reached = {where: frozenset(pairs(path, networks)) for where, path in paths.items()}
    left = [where for where in paths if reached[where] and (paths[where].ports or paths[where].icmp)]
    for where in reversed(left.copy()):
        path, own = paths[where], reached[where]
        others = [one for one in left if one != where and reached[one] & own]
        if others and all(_covered(path, [paths[one] for one in others if pair in reached[one]]) for pair in own):
            left.remove(where)
            named = ", ".join(others[:5])
            yield Problem("wrong", where, f"changes nothing: all of it is allowed already, by {named}")


def _covered(path: Allowed, others: Sequence[Allowed]) -> bool:
    if path.icmp and not any(one.icmp for one in others):
        return False
    return _covers(path.ports, [ports for one in others for ports in one.ports])


def _covers(wanted: Ranges, given: Ranges) -> bool:
    # joined first: 1-10 and 11-20 are 1-20
    joined: list[tuple[int, int]] = []
    for low, high in sorted(given):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    return all(any(one <= low and high <= other for one, other in joined) for low, high in wanted)


def bans(document: object, names: Collection[str]) -> list[Ban]:
    """Return what the notes of a segments file say may never be, as far as they can be understood."""
    notes = document.items() if isinstance(document, dict) else ()
    sentences = [sentence for key, note in notes if str(key).endswith("_note") for sentence in _sentences(note)]
    return [ban for sentence in sentences if (ban := _ban(sentence, names)) is not None]


def _sentences(note: object) -> Iterator[str]:
    for text in listed(note):
        for sentence in _SENTENCE.split(str(text)):
            if _NEVER.search(sentence):
                yield " ".join(sentence.split())


def _ban(sentence: str, names: Collection[str]) -> Ban | None:
    before, _, after = _NEVER.sub("\0", sentence, count=1).partition("\0")
    src, dst = _named(before, names), _named(after, names)
    ports = [(int(low), int(high or low)) for low, high in _PORTS.findall(after)]
    if not src or not ports:
        return None
    return Ban(sentence, src, dst or frozenset(names) - src, tuple(ports))


def _named(text: str, names: Iterable[str]) -> frozenset[str]:
    return frozenset(
        name for name in names if name and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE)
    )


def _against_notes(
    document: Mapping[object, object], paths: Mapping[str, Allowed], networks: Mapping[str, Sequence[Network]]
) -> Iterator[Problem]:
    said = bans(document, networks)
    understood = {ban.note for ban in said}
    for key, note in document.items():
        for sentence in _sentences(note) if str(key).endswith("_note") else ():
            if sentence not in understood:
                told = f'"{sentence}" names no segment before "never" or no port behind it, and is not checked'
                yield Problem("remark", str(key), told)
    for where, path in paths.items():
        for ban in said:
            broken: dict[Pair, list[str]] = {}
            for src, dst in pairs(path, networks):
                ports = [_shown(*range_) for low, high in path.ports for range_ in ban.broken_by(src, dst, low, high)]
                if ports:
                    broken[src, dst] = list(dict.fromkeys(ports))
            for (src, dst), ports in broken.items():
                told = f'lets {src} open {", ".join(ports)} of {dst}, of which a note says: "{ban.note}"'
                yield Problem("wrong", where, told)


def _shown(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def networks_of(document: object) -> tuple[Segments, dict[str, object]]:
    """Return the segments of a file without their paths, and the file's notes; raises ValueError."""
    named = document.get("segments") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(named, dict):
        msg = "there has to be a table `segments` with lists of networks"
        raise ValueError(msg)  # noqa: TRY004  what the file says is wrong, not a type of ours
    networks = {str(name): tuple(map(network, listed(nets))) for name, nets in named.items()}
    return Segments(networks), {str(key): note for key, note in document.items() if str(key).endswith("_note")}
