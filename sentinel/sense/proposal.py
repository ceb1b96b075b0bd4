"""Proposes a policy from flows that were seen, for a person to read: no path broader than seen, each with its evidence.

What counts is what came about: connections that were established, questions that were answered, and what goes one way
by design (syslog, traps, flow exports) if it was seen often enough. Attempts without an answer, scans among them, are
counted beside. What a note of the segments file says may never be is not proposed, but told.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sentinel.core.errors import UsageError
from sentinel.sense.policy import Ban
from sentinel.sense.records import FAILED, ICMP, ICMPV6, SECOND, TCP, UDP, Flow, State
from sentinel.sense.segments import FILE_BYTES_MAX, Segments

__all__ = ["Opened", "Proposal", "Sight", "opened"]

ONE_WAY_FLOWS, ONE_WAY_PACKETS = 3, 10
"""From so many flows or packets on what nobody answers is a use, not an attempt."""
RARE_FLOWS = 5
"""What was seen less often is marked, and so is what was seen on one day of at least `RARE_DAYS`."""
RARE_DAYS = 3
DYNAMIC_FROM = 49_152
"""From here on ports are given out by the system (RFC 6335)."""
PATHS_MAX = 200_000
HOSTS_MAX = 1_000
_DAY = 86_400 * SECOND
_SIMPLE = re.compile(r"[A-Za-z_][\w-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sight:
    """Flows of one kind that were seen on one day (days since 1970): `flows` of them, with `packets` if that is known.

    Ends, ports, `proto` and `state` as in a Flow. No flows: one that still goes on.
    """

    src: str
    dst: str
    sport: int
    dport: int
    proto: int
    state: State
    day: int
    flows: int = 1
    packets: int = 0

    @classmethod
    def of(cls, flow: Flow) -> "Sight":
        """Return what was seen with one flow."""
        packets = flow.packets_out + flow.packets_in
        return cls(flow.src, flow.dst, flow.sport, flow.dport, flow.proto, flow.state, flow.time // _DAY, 1, packets)


@dataclass(frozen=True, slots=True)
class Opened:
    """What one segment opens in another: a port, by TCP or UDP or another protocol; for ICMP no port counts."""

    src: str
    dst: str
    port: int
    proto: int

    @property
    def shown(self) -> str:
        """How it is called: `443/tcp`, `icmp`, `0 (protocol 47)`."""
        if self.proto in {ICMP, ICMPV6}:
            return "icmp"
        return (
            f"{self.port}/{'tcp' if self.proto == TCP else 'udp'}"
            if self.proto in {TCP, UDP}
            else (f"{self.port} (protocol {self.proto})")
        )


def opened(segments: Segments, sight: Sight) -> tuple[Opened, Opened | None] | None:
    """Return which path a flow uses, and which if it is an answer whose question nobody saw; None within a segment."""
    src, dst = segments.of(sight.src), segments.of(sight.dst)
    if not src or not dst or src == dst:
        return None
    icmp = sight.proto in {ICMP, ICMPV6}
    there = Opened(src, dst, 0 if icmp else sight.dport, sight.proto)
    unsure = sight.state == "midstream"
    return there, Opened(dst, src, sight.sport, sight.proto) if unsure else None


@dataclass(slots=True)
class _Evidence:
    flows: int = 0
    clients: set[str] = field(default_factory=set)
    servers: set[str] = field(default_factory=set)
    days: set[int] = field(default_factory=set)
    one_way: bool = False

    def add(self, client: str, server: str, sight: Sight) -> None:
        self.flows += sight.flows
        self.days.add(sight.day)
        for held, host in ((self.clients, client), (self.servers, server)):
            if len(held) < HOSTS_MAX:
                held.add(host)


class Proposal:
    """Takes what was seen (`see`), then is the `text` of a segments file.

    `segments` says which networks there are; its paths do not count. Raises UsageError beyond PATHS_MAX paths.
    """

    def __init__(
        self, segments: Segments, banned: Sequence[Ban] = (), notes: Mapping[str, object] | None = None
    ) -> None:
        self._segments = segments
        self._bans = tuple(banned)
        self._notes = dict(notes or {})
        self._paths: dict[Opened, _Evidence] = {}
        self._unsure: dict[Sight, None] = {}
        self._one_way: dict[tuple[str, str, int, int], tuple[Opened, list[Sight]]] = {}
        self._failed: Counter[tuple[str, str]] = Counter()
        self._days: set[int] = set()

    def see(self, sight: Sight) -> None:
        """Take flows into account."""
        self._days.add(sight.day)
        found = opened(self._segments, sight)
        if found is None:
            return
        there, back = found
        if back is not None:
            self._unsure[sight] = None
        elif sight.state in {"established", "answered"}:
            self._note(there, sight.src, sight.dst, sight)
        elif sight.proto in {ICMP, ICMPV6}:
            return  # a ping without an answer, or word of another flow
        elif sight.state == "unanswered" and sight.proto != TCP:
            key = (sight.src, sight.dst, sight.dport, sight.proto)
            self._one_way.setdefault(key, (there, []))[1].append(sight)
        elif sight.state in FAILED or sight.state == "probe":
            self._failed[there.src, there.dst] += max(1, sight.flows)
        if len(self._paths) + len(self._unsure) + len(self._one_way) > PATHS_MAX:
            raise UsageError(f"more than {PATHS_MAX} paths: learn from less at once, or say fewer segments")

    def _note(self, path: Opened, client: str, server: str, sight: Sight) -> _Evidence:
        evidence = self._paths.setdefault(path, _Evidence())
        evidence.add(client, server, sight)
        return evidence

    def settle(self) -> dict[Opened, _Evidence]:
        """Return all paths with their evidence, those of unknown direction and of one way decided."""
        for sights in self._one_way.values():
            path, some = sights
            if sum(one.flows for one in some) >= ONE_WAY_FLOWS or sum(one.packets for one in some) >= ONE_WAY_PACKETS:
                for one in some:
                    self._note(path, one.src, one.dst, one).one_way = True
            else:
                self._failed[path.src, path.dst] += sum(max(1, one.flows) for one in some)
        for sight in self._unsure:
            there, back = opened(self._segments, sight) or (None, None)
            if there is None or back is None:
                continue
            if back in self._paths or (there not in self._paths and sight.sport < sight.dport):
                self._note(back, sight.dst, sight.src, sight)
            else:
                self._note(there, sight.src, sight.dst, sight)
        self._one_way.clear()
        self._unsure.clear()
        return self._paths

    def banned(self, path: Opened) -> Ban | None:
        """Return what a note says against a path, None if nothing."""
        if path.proto in {ICMP, ICMPV6}:
            return None
        return next((ban for ban in self._bans if ban.broken_by(path.src, path.dst, path.port, path.port)), None)

    def text(self, made_from: str) -> str:
        """Return the proposed file; raises UsageError if it would be too long to be one."""
        paths = self.settle()
        lines = [*self._heading(made_from), *self._networks()]
        lines += [f"{_plain(name)}: {_value(note)}" for name, note in self._notes.items()]
        lines.append("allow:" if any(self.banned(path) is None for path in paths) else "allow: []")
        between: dict[tuple[str, str], dict[Opened, _Evidence]] = {pair: {} for pair in self._failed}
        for path, one in paths.items():
            between.setdefault((path.src, path.dst), {})[path] = one
        for (src, dst), here in sorted(between.items()):
            lines += self._between(src, dst, here)
        told = "\n".join(lines) + "\n"
        if len(told.encode()) > FILE_BYTES_MAX:
            raise UsageError(
                f"the proposal is longer than the {FILE_BYTES_MAX} bytes of a segments file: learn from less"
            )
        return told

    def _heading(self, made_from: str) -> Iterator[str]:
        flows = sum(one.flows for one in self._paths.values())
        yield f"# Proposed by `sentinel sense policy learn` from {_comment(made_from)}: {flows} flows between segments"
        if self._days:
            first, last = (f"{_EPOCH + timedelta(days=day):%Y-%m-%d}" for day in (min(self._days), max(self._days)))
            yield f"# on {len(self._days)} days from {first} to {last} (UTC)."
        yield "# Read every line before it becomes the policy: what was usual in that time need not have been right,"
        yield "# and what happens once a month may be missing. All that is not listed is a finding."

    def _networks(self) -> Iterator[str]:
        yield "segments:"
        for name, nets in self._segments.networks.items():
            yield f"  {_plain(name)}: [{', '.join(json.dumps(str(net)) for net in nets)}]"

    def _between(self, src: str, dst: str, here: Mapping[Opened, _Evidence]) -> Iterator[str]:
        allowed = {path: one for path, one in here.items() if self.banned(path) is None}
        yield f"  # {_comment(src)} -> {_comment(dst)}"
        for path, one in sorted(here.items(), key=lambda pair: (pair[0].port, pair[0].proto)):
            ban = self.banned(path)
            why = f" - NOT PROPOSED: {_comment(ban.note)}" if ban else ""
            yield f"  #   {path.shown}: {_told(one)}{self._mark(one)}{why}"
        if self._failed[src, dst]:
            yield f"  #   {self._failed[src, dst]} attempts came to nothing and count for nothing"
        dynamic = sum(path.port >= DYNAMIC_FROM for path in allowed)
        if dynamic > 1:
            yield f"  #   {dynamic} of the ports were given out by a system and will be others next time (RPC, FTP?)"
        rare = {path for path, one in allowed.items() if self._rare(one)}
        # a port is one, whichever protocol: what is usual by one of them is no rare one
        usual = _ports(allowed.keys() - rare)
        for ports, note in ((usual, ""), ([one for one in _ports(rare) if one not in usual], "  # rare")):
            if ports:
                shown = ", ".join(_ranges(ports))
                yield f"  - {{from: {_plain(src)}, to: {_plain(dst)}, ports: [{shown}]}}{note}"

    def _rare(self, one: _Evidence) -> bool:
        return one.flows < RARE_FLOWS or (len(one.days) == 1 and len(self._days) >= RARE_DAYS)

    def _mark(self, one: _Evidence) -> str:
        way = ", nobody answered" if one.one_way else ""
        if not self._rare(one):
            return way
        client, server = min(one.clients), min(one.servers)
        more = " and others" if len(one.clients) + len(one.servers) > 2 else ""
        return f"{way} - rare: {client} -> {server}{more}"


def _told(one: _Evidence) -> str:
    def some(number: int, word: str) -> str:
        return f"{number}{'+' if number == HOSTS_MAX else ''} {word}{'' if number == 1 else 's'}"

    clients, servers, days = some(len(one.clients), "client"), some(len(one.servers), "server"), len(one.days)
    flows = some(one.flows, "flow") if one.flows else "still going on"
    return f"{flows}, {clients}, {servers}, {some(days, 'day')}"


def _ports(paths: AbstractSet[Opened]) -> list[int | str]:
    icmp = any(path.proto in {ICMP, ICMPV6} for path in paths)
    ports: list[int | str] = [*sorted({path.port for path in paths if path.proto not in {ICMP, ICMPV6}})]
    return [*ports, "icmp"] if icmp else ports


def _ranges(ports: Sequence[int | str]) -> Iterator[str]:
    # numbers that follow each other are one range; nothing between them that was not seen
    begun: list[int] = []
    for port in (*ports, None):
        if begun and port != begun[-1] + 1:
            yield str(begun[0]) if len(begun) == 1 else f'"{begun[0]}-{begun[-1]}"'
            begun = []
        if isinstance(port, int):
            begun.append(port)
        elif port is not None:
            yield port


def _plain(name: str) -> str:
    # a name as YAML reads it back: quoted unless it is a plain word
    simple = _SIMPLE.fullmatch(name) and name.isascii() and name.lower() not in _WORDS
    return name if simple else _value(name)


def _value(note: object) -> str:
    # JSON is YAML, but for the escapes of what lies beyond 16 bits
    told = json.dumps(note, ensure_ascii=False, default=str, skipkeys=True)
    return "".join(one if one.isprintable() else _escape(ord(one)) for one in told)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _comment(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
