"""Can a rule ever fire? It cannot if, with the fields that no pack supplies taken as absent, its `Where` is false.

The answer is three-valued: a leaf on a field that somebody supplies may be true or false, a leaf on any other field
is decided now. What is possible of the parts gives what is possible of the whole; the parts are taken as independent,
so "can fire" may be too kind (`a and not a`), "cannot" never is. Every data set is asked by itself: a rule about
proxies is not answered by a field that only Windows fills.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import assert_never

from sentinel.core.ecs import ENRICHED
from sentinel.core.where import (
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
    fields_of,
)

ALWAYS_THERE = frozenset({
    "@timestamp", "ecs.version", "event.created", "event.dataset", "event.id", "event.ingested", "event.kind",
    "event.module", "event.original", "event.sequence", "message", "related.hash", "related.hosts", "related.ip",
    "related.user", "sentinel.source", "tags",
})  # fmt: skip
"""What the pipeline itself sets on events, whatever the pack."""

OPEN_PREFIXES = (
    "auditd.", "cef.extensions.", "checkpoint.", "cisco.ftd.", "entra.", "fortinet.firewall.", "labels.",
    "leef.attributes.", "m365.", "panw.panos.", "unifi.", "winlog.event_data.", "winlog.user_data.", "zeek.",
)  # fmt: skip
"""Name spaces whose members depend on the sender, not on the pack: any of them may come."""

ANY = ""
"""A data set that is not known by name: whatever a rule says of `event.dataset` may hold of its events."""


@dataclass(frozen=True, slots=True)
class Supply:
    """The fields that events of each data set can hold; `None` stands for "not known", then every field counts.

    A member of an open name space counts where a data set holds at least one field of that name space.
    """

    datasets: Mapping[str, frozenset[str]] | None = None
    _candidates: dict[Where, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, fields: Iterable[str] | Mapping[str, Iterable[str]]) -> "Supply":
        """Return what the packs' golden files hold, by data set or all in one, with what the pipeline adds."""
        given = fields if isinstance(fields, Mapping) else {ANY: fields}
        return cls({name: _opened(name, held) for name, held in given.items()})

    def has(self, field: str) -> bool:
        """Say whether some event can hold `field`."""
        return self.datasets is None or any(_has(held, field) for held in self.datasets.values())

    def missing(self, where: Where, among: Where | None = None) -> list[str]:
        """Return the fields of `where`, sorted, that no data set supplies.

        Given `among` (a part of `where`), only data sets count of which an event can make that hold, and fields
        beside it.
        """
        if self.datasets is None:
            return []
        chosen = self._answered(among) if among is not None else ()
        held = [self.datasets[name] for name in chosen or self.datasets]
        asked = fields_of(where) - (fields_of(among) if chosen and among is not None else frozenset())
        return sorted(field for field in asked if not any(_has(one, field) for one in held))

    def can_hold(self, where: Where) -> bool:
        """Say whether some event the packs can produce might make `where` hold."""
        return self.datasets is None or bool(self.answers(where))

    def answers(self, where: Where) -> tuple[str, ...]:
        """Return the data sets of which an event might make `where` hold."""
        if self.datasets is None:
            return ()
        # a rule's first part is its log source, which many rules share: it leaves few data sets to ask
        first = where.items[0] if isinstance(where, AllOf) and where.items else None
        names = self.datasets if first is None else self._answered(first)
        return tuple(name for name in names if _possible(where, name, self.datasets[name])[0])

    def _answered(self, first: Where) -> tuple[str, ...]:
        if first not in self._candidates:
            self._candidates[first] = self.answers(first)
        return self._candidates[first]


def _opened(name: str, held: Iterable[str]) -> frozenset[str]:
    fields = frozenset(held)
    open_here = (one for one in OPEN_PREFIXES if name == ANY or any(field.startswith(one) for field in fields))
    return fields | ALWAYS_THERE | ENRICHED | {one + "*" for one in open_here}


@lru_cache(maxsize=65_536)
def _has(held: frozenset[str], field: str) -> bool:
    return field in held or any(field.startswith(one) and one + "*" in held for one in OPEN_PREFIXES)


def _possible(where: Where, name: str, held: frozenset[str]) -> tuple[bool, bool]:
    # (may be true, may be false) of an event of the data set `name`, which can hold the fields `held`
    match where:
        case AllOf(items):
            each = [_possible(item, name, held) for item in items]
            return all(true for true, _ in each), any(false for _, false in each)
        case AnyOf(items):
            each = [_possible(item, name, held) for item in items]
            return any(true for true, _ in each), all(false for _, false in each)
        case Not(item):
            true, false = _possible(item, name, held)
            return false, true
        case Is("event.dataset", str(value)) if name != ANY:
            same = value.casefold() == name.casefold()
            return same, not same
        case Is(field, None):
            return True, _has(held, field)
        case Keyword():
            return any(_has(held, field) for field in KEYWORD_FIELDS), True
        case Same(field, other):
            return _has(held, field) and _has(held, other), True
        case Is(field) | Like(field) | Matches(field) | Within(field) | Compare(field) | Dated(field) | Exists(field):
            return _has(held, field), True
        case _:
            assert_never(where)
