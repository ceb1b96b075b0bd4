"""By what events are counted in segments: their values of some fields, or the stretch of time they lie in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import orjson

from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.store.catalogue import Group
from sentinel.store.codec import BOOLEAN, FOREIGN, INTEGER, SEPARATOR, SEVERAL, TEXT
from sentinel.store.sealing import literal
from sentinel.store.where_sql import ABSENT

Reading = tuple[str, Callable[[str], object]]
"""An expression of SQL, and what makes of its result a part of the key."""


class Key(Protocol):
    """What is counted apart; a key is JSON text."""

    @property
    def fields(self) -> Sequence[str]:
        """The fields it looks at."""

    def of(self, event: Event) -> bytes:
        """Return an event's key."""

    def columns(self, group: Group) -> list[Reading]:
        """Return how sealed segments give the key, part by part; `$low` is where the span begins, in µs."""


@dataclass(frozen=True, slots=True)
class ByFields:
    """Whole values of fields, as stored."""

    fields: Sequence[str]

    def of(self, event: Event) -> bytes:
        """Return the values, null for absent."""
        return orjson.dumps([event.fields.get(name) for name in self.fields])

    def columns(self, group: Group) -> list[Reading]:
        """Return a column for each field."""
        return [_value(group, name) for name in self.fields]


@dataclass(frozen=True, slots=True)
class ByTime:
    """The number of the stretch of `width`, along the axis of `span` and from its beginning."""

    span: Span
    width: timedelta

    @property
    def fields(self) -> Sequence[str]:
        """None: both times are known of every event."""
        return ()

    def of(self, event: Event) -> bytes:
        """Return the stretch's number."""
        at = event.timestamp if self.span.axis == "timestamp" else event.ingested
        return orjson.dumps([(at - self.span.start) // self.width])

    def columns(self, group: Group) -> list[Reading]:
        """Return one column, whatever the segments."""
        del group
        axis = "ts" if self.span.axis == "timestamp" else "ing"
        # whole microseconds, as stored; DuckDB's // is exact for BIGINT
        return [(f"(({axis} - $low) // {self.width // timedelta(microseconds=1)})", int)]


def _value(group: Group, name: str) -> Reading:
    """Return SQL for the text of a field's whole value, and what reads that text."""
    column = group.source.columns[name]
    if column is ABSENT:
        return "NULL", orjson.loads
    if not column.kinds & ~(TEXT | SEVERAL | FOREIGN):
        return column.raw, _texts
    if column.kinds in {INTEGER, BOOLEAN}:
        return column.raw, orjson.loads
    path = literal(f'$.f."{name}"')
    return f"json_extract(doc, {path})::VARCHAR", orjson.loads


def _texts(text: str) -> object:
    return text[1:-1].split(SEPARATOR) if text.startswith(SEPARATOR) else text
