"""Can a rule ever fire? It cannot if, with the fields that no pack supplies taken as absent, its `Where` is false.

The answer is three-valued: a leaf on a field that somebody supplies may be true or false, a leaf on any other field
is decided now. What is possible of the parts gives what is possible of the whole; the parts are taken as independent,
so "can fire" may be too kind (`a and not a`), "cannot" never is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from sentinel.core.ecs import ENRICHED
from sentinel.core.where import (
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
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
    "cef.extensions.", "checkpoint.", "cisco.ftd.", "fortinet.firewall.", "labels.", "leef.attributes.",
    "panw.panos.", "unifi.", "winlog.event_data.", "winlog.user_data.",
)  # fmt: skip
"""Name spaces whose members depend on the sender, not on the pack: any of them may come."""


@dataclass(frozen=True, slots=True)
class Supply:
    """The fields that the active packs can fill; `None` stands for "not known", then every field counts."""

    fields: frozenset[str] | None = None
    prefixes: tuple[str, ...] = OPEN_PREFIXES

    @classmethod
    def of(cls, fields: Iterable[str]) -> "Supply":
        """Return what the packs' golden files hold, with what the pipeline sets or may add."""
        return cls(frozenset(fields) | ALWAYS_THERE | ENRICHED)

    def has(self, field: str) -> bool:
        """Say whether some event can hold `field`."""
        return self.fields is None or field in self.fields or field.startswith(self.prefixes)

    def missing(self, where: Where) -> list[str]:
        """Return the fields of `where` that nobody supplies, sorted."""
        return sorted(field for field in fields_of(where) if not self.has(field))

    def can_hold(self, where: Where) -> bool:
        """Say whether some event the packs can produce might make `where` hold."""
        return self._possible(where)[0]

    def _possible(self, where: Where) -> tuple[bool, bool]:
        # (may be true, may be false)
        match where:
            case AllOf(items):
                each = [self._possible(item) for item in items]
                return all(true for true, _ in each), any(false for _, false in each)
            case AnyOf(items):
                each = [self._possible(item) for item in items]
                return any(true for true, _ in each), all(false for _, false in each)
            case Not(item):
                true, false = self._possible(item)
                return false, true
            case Is(field, None):
                return True, self.has(field)
            case Keyword():
                return any(self.has(field) for field in KEYWORD_FIELDS), True
            case Same(field, other):
                return self.has(field) and self.has(other), True
            case Is(field) | Like(field) | Matches(field) | Within(field) | Compare(field) | Exists(field):
                return self.has(field), True
            case _:
                assert_never(where)
