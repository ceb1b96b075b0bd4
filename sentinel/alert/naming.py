"""Finds an alert or an incident by what an operator types: its id, or an unambiguous beginning of it."""

import re
import sqlite3
from dataclasses import dataclass

from sentinel.core.errors import NotThereError, UsageError

_PREFIX = re.compile(r"[0-9a-f]{1,32}")


@dataclass(frozen=True, slots=True)
class Named:
    """Where things have ids: their table (`number`, `id`), and that of ids that lead elsewhere (`id`, `column`)."""

    what: str
    table: str
    aliases: str
    column: str


ALERTS = Named("alert", "alerts", "aliases", "alert")
INCIDENTS = Named("incident", "incidents", "incident_aliases", "incident")


def number_of(db: sqlite3.Connection, text: str, named: Named) -> int:
    """Return the number of the thing whose id begins so; raises UsageError if none does, or several do."""
    prefix = text.strip().lower()
    what = named.what
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"not an {what}'s id: {text[:64]!r}; it is up to 32 hexadecimal digits")
    # g is the digit after f: all ids that begin so, by the index
    span = (prefix, prefix + "g") * 2
    rows = db.execute(
        f"SELECT id, number FROM {named.table} WHERE id >= ? AND id < ? "  # noqa: S608  names of our own tables
        f"UNION ALL SELECT id, {named.column} FROM {named.aliases} WHERE id >= ? AND id < ? LIMIT 6",
        span,
    ).fetchall()
    exact = [number for found, number in rows if found == prefix]
    numbers = set(exact) or {number for _, number in rows}
    if not numbers:
        raise NotThereError(f"no {what} begins with {prefix}; `sentinel {what}s list` shows them")
    if len(numbers) > 1:
        raise UsageError(f"several {what}s begin with {prefix}: {', '.join(found for found, _ in rows)}")
    return int(numbers.pop())
