"""Alerts as a list that is too long to hold: what is asked for, one row of it, and who answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from sentinel.core.alert import State, Verdict
from sentinel.core.detection import Key, Level

Order = Literal["last_seen", "raised_at", "level", "count", "title"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts: those for which every part that is given holds.

    `words` stand in the title, the key or the summary, whatever their case; `none` do not. `levels` and `states` empty
    mean all. `rules` and `keys` are patterns with `*`, of a part of the title and of a whole value of the field, or of
    any field if that is "". `whose` names who has it, "" nobody. `suppressed` ones only if asked for. `meant`: titles
    that a word, or a pattern of `rules`, stands for beside those that it stands in: they are shown in another language.
    """

    levels: frozenset[Level] = frozenset()
    states: frozenset[State] = frozenset()
    words: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    no_rules: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    no_keys: tuple[tuple[str, str], ...] = ()
    whose: tuple[str, ...] = ()
    not_whose: tuple[str, ...] = ()
    verdicts: frozenset[Verdict] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    suppressed: bool = False
    meant: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Brief:
    """An alert in one line of a list."""

    number: int
    id: str
    level: Level
    last_seen: datetime
    count: int
    title: str
    key: Key
    attack: tuple[str, ...]
    state: State
    verdict: Verdict | None
    assignee: str
    version: int


class Listing(Protocol):
    """The alerts that were wanted, in the order of when they were asked for; the rows are those of now."""

    def count(self) -> int:
        """Return how many there are."""

    def window(self, offset: int, limit: int) -> Sequence[Brief]:
        """Return up to `limit` of them from `offset` on; raises StoreError."""

    def find(self, key: object) -> int | None:
        """Return where the alert with this number stands, None if it is not among them."""

    def key(self, row: Brief) -> int:
        """Return an alert's number."""
        return row.number

    def fresh(self) -> int:
        """Return how many have come since."""

    def close(self) -> None:
        """Let go of it; whoever still asks gets StoreError."""


class Listings(Protocol):
    """Who makes lists of alerts."""

    def listing(self, wanted: Wanted, order: Order, *, reverse: bool = False, within: Listing | None = None) -> Listing:
        """Return the alerts that are wanted; latest, most severe, most first, or the other way round.

        Where nothing can be wanted that a list `within` has not, it may be what is looked through.
        """

    def stop(self) -> None:
        """Break off lists that are being made, from any thread: who asked for them gets StoreError."""
