"""How far something has come in the order of arrival, which each node counts for itself."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from sentinel.core.event import NODES_MAX, PARTS_MAX, RECORDS_MAX, node_of
from sentinel.core.ports import Store
from sentinel.core.where import AllOf, AnyOf, Compare, Where

_OF_NODE = RECORDS_MAX * PARTS_MAX


def beginning_of(node: int) -> int:
    """Return the arrival sequence behind which the events of a node lie."""
    return node * _OF_NODE


@dataclass(frozen=True, slots=True)
class Reached:
    """By node the arrival sequence up to which everything of it counts; nothing counts of a node that is not there."""

    by_node: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, *sequences: int) -> Self:
        """Return what reaches up to each of `sequences`."""
        found: dict[int, int] = {}
        for one in sequences:
            node = node_of(one)
            if one > found.get(node, beginning_of(node)):
                found[node] = one
        return cls(found)

    def at(self, node: int) -> int:
        """Return how far it reaches at a node: its beginning if nothing of it counts."""
        return self.by_node.get(node, beginning_of(node))

    def to(self, *sequences: int) -> Self:
        """Return what reaches up to each of `sequences` too."""
        return self.of(*self.by_node.values(), *sequences)

    def least(self, other: "Reached") -> "Reached":
        """Return what counts of both."""
        return Reached(
            {node: min(at, other.by_node[node]) for node, at in self.by_node.items() if node in other.by_node}
        )

    def holds(self, sequence: int) -> bool:
        """Say whether an event counts."""
        return sequence <= self.by_node.get(sequence // _OF_NODE, 0)

    def covers(self, other: "Reached") -> bool:
        """Say whether it reaches as far as `other` everywhere."""
        return all(self.at(node) >= sequence for node, sequence in other.by_node.items())

    @property
    def top(self) -> int:
        """The highest sequence that counts, 0 if none does."""
        return max(self.by_node.values(), default=0)

    def within(self) -> Where:
        """Return the condition that holds for the events that count."""
        ranges = tuple(_up_to(sequence) for sequence in sorted(self.by_node.values())) or (_up_to(0),)
        return ranges[0] if len(ranges) == 1 else AnyOf(ranges)


def _up_to(sequence: int) -> Where:
    last = Compare("event.sequence", "lte", sequence)
    low = beginning_of(node_of(sequence))
    return AllOf((Compare("event.sequence", "gt", low), last)) if low else last


def everything(store: Store) -> Reached:
    """Return what reaches to the end of every node that has events in `store`; raises StoreError."""
    return Reached.of(*_ends(store))


def _ends(store: Store) -> Iterator[int]:
    at, end = 0, NODES_MAX * _OF_NODE - 1
    while found := store.since(at, end, 1):
        at = beginning_of(node_of(found[0].seq) + 1) - 1
        yield at


def load(db: sqlite3.Connection, name: str) -> Reached:
    """Return what the table `progress (name, seq)` says under `name`, of nodes but the first under `name:NODE`."""
    rows = db.execute("SELECT seq FROM progress WHERE name = ? OR name LIKE ?", (name, f"{name}:%"))
    return Reached.of(*(int(seq) for (seq,) in rows))


def keep(db: sqlite3.Connection, name: str, reached: Reached) -> None:
    """Write down what `load` returns."""
    rows = [(f"{name}:{node}" if node else name, seq) for node, seq in reached.by_node.items()]
    db.executemany("INSERT OR REPLACE INTO progress VALUES (?, ?)", rows)
