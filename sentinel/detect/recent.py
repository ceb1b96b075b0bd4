"""What a correlation has counted lately, so that the store is asked only for what came before.

A memory, no state: it starts empty with each process and each leap of the cursor, and what it does not hold is asked
of the store. Of one correlation it holds every counted event with `start < seq`, by group and in order of event time.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from sentinel.core.event import node_of
from sentinel.core.reached import Reached

EVENTS_MAX = 100_000
"""So many events are remembered of one correlation; then the older half is left to the store again."""

Name = tuple[str, ...]


class Chained(NamedTuple):
    """That an event counts for part `number`, a correlation: in its group `name`, with what it brings there."""

    number: int
    name: Name
    brought: "tuple[int | float | Name, ...]"


Brought = int | float | Name | Chained
_timestamp = attrgetter("timestamp")


class Seen(NamedTuple):
    """What a correlation needs to know of an event; sorts by time.

    `brought` holds what is counted: values, combinations of values, numbers of parts; nothing if events are.
    """

    timestamp: datetime
    seq: int
    id: str
    brought: tuple[Brought, ...] = ()


class Recent:
    """The events counted since `start`; of those before none happened at `none_from` or later, if that is known."""

    def __init__(self, start: Reached, events_max: int = EVENTS_MAX) -> None:
        self.start = start
        self.none_from: datetime | None = None
        self._events_max = events_max
        self._groups: dict[Name, list[Seen]] = {}
        self._count = 0

    def take(self, name: Name, seen: Seen) -> None:
        """Remember an event of a group, unless it is the store's; one that is there already stays there once."""
        if self.start.holds(seen.seq):
            return
        group = self._groups.setdefault(name, [])
        if not group or group[-1] < seen:
            group.append(seen)
        elif group[bisect_left(group, seen)] != seen:
            insort(group, seen)
        else:
            return
        self._count += 1
        if self._count > self._events_max:
            self._forget()

    def between(self, name: Name, low: datetime, high: datetime, until: Reached) -> list[Seen]:
        """Return the group's events with `low <= timestamp < high` that arrived up to `until`, in order."""
        group = self._groups.get(name, [])
        begin = bisect_left(group, low, key=_timestamp)
        return [one for one in group[begin : bisect_left(group, high, key=_timestamp)] if until.holds(one.seq)]

    def _forget(self) -> None:
        by_node = defaultdict[int, list[int]](list)
        for group in self._groups.values():
            for one in group:
                by_node[node_of(one.seq)].append(one.seq)
        self.start = self.start.to(*(sorted(seqs)[len(seqs) // 2] for seqs in by_node.values()))
        self.none_from = None
        kept = {name: [one for one in group if not self.start.holds(one.seq)] for name, group in self._groups.items()}
        self._groups = {name: group for name, group in kept.items() if group}
        self._count = sum(map(len, self._groups.values()))


class Memory:
    """The memories of all correlations, as far as the judging has gone without a leap."""

    def __init__(self) -> None:
        self._start = self._through = Reached()
        self._by_rule: dict[str, Recent] = {}

    def of(self, rule_id: str) -> Recent:
        """Return the memory of one correlation."""
        return self._by_rule.setdefault(rule_id, Recent(self._start))

    def at(self, after: Reached) -> None:
        """Say that events from `after` on are judged next; a leap forgets everything."""
        if after != self._through:
            self._by_rule.clear()
            self._start = self._through = after

    def done(self, through: Reached, incomplete: Iterable[str]) -> None:
        """Say that all events up to `through` have been judged, but not by the rules `incomplete`."""
        self._through = through
        for rule_id in incomplete:
            self._by_rule[rule_id] = Recent(through)
