"""Run-length rows: minutes of one scope that have the same to say are one row, whatever is painted over them.

A scope's rows never overlap. Painting cuts what it touches, changes the pieces, and joins neighbours that are alike.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

State = Literal["planned", "evaluated", "reopened", "skipped"]
_COLUMNS = "start, stop, state, at, run, late, reopened, after, until, reason"

TABLE = """CREATE TABLE IF NOT EXISTS ledger_windows (
    scope TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'evaluated', 'reopened', 'skipped')),
    at INTEGER NOT NULL, run INTEGER NOT NULL, late INTEGER NOT NULL, reopened INTEGER NOT NULL,
    after INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (scope, start), CHECK (start < stop)) WITHOUT ROWID"""


class Row(NamedTuple):
    """The minutes `[start, stop)` since 1970 of a scope: their state, since when (microseconds), by which run.

    `late`: how late the latest event came, in seconds; `reopened`: how often. Of what is to be judged again, `after`
    and `until` say which arrivals: those with `after < seq <= until`.
    """

    start: int
    stop: int
    state: State
    at: int
    run: int = 0
    late: int = 0
    reopened: int = 0
    after: int = 0
    until: int = 0
    reason: str = ""


Change = Callable[[Row | None], Row | None]
"""What becomes of a piece (None: of minutes of which nothing is known); start and stop of the answer do not matter."""


def overlapping(db: sqlite3.Connection, scope: str, start: int, stop: int) -> list[Row]:
    """Return the rows that hold minutes of `[start, stop)`, whole, in order."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM ledger_windows WHERE scope = ? AND start < ? AND start >= "  # noqa: S608  columns of our own
        "coalesce((SELECT max(start) FROM ledger_windows WHERE scope = ? AND start <= ?), ?)",
        (scope, stop, scope, start, start),
    )
    return [row for row in map(Row._make, rows) if row.stop > start]


def within(rows: Iterable[Row], start: int, stop: int) -> Iterator[Row]:
    """Yield what lies within `[start, stop)` of rows, cut to it."""
    for row in rows:
        if row.start < stop and row.stop > start:
            yield row._replace(start=max(row.start, start), stop=min(row.stop, stop))


def holes(rows: Iterable[Row], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of `[start, stop)` that no row holds."""
    for row in within(rows, start, stop):
        if row.start > start:
            yield start, row.start
        start = row.stop
    if start < stop:
        yield start, stop


def paint(db: sqlite3.Connection, scope: str, start: int, stop: int, change: Change) -> None:
    """Change the minutes `[start, stop)` of a scope, piece by piece."""
    before = overlapping(db, scope, start - 1, stop + 1)  # with the neighbours, which may be alike afterwards
    pieces = [row for row in before if row.stop <= start or row.start >= stop]
    for row in before:
        if row.start < start < row.stop:
            pieces.append(row._replace(stop=start))
        if row.start < stop < row.stop:
            pieces.append(row._replace(start=stop))
    for row in within(before, start, stop):
        made = change(row)
        if made is not None:
            pieces.append(made._replace(start=row.start, stop=row.stop))
    for begin, end in holes(before, start, stop):
        made = change(None)
        if made is not None:
            pieces.append(made._replace(start=begin, stop=end))
    after = _joined(sorted(pieces))
    gone, come = set(before).difference(after), set(after).difference(before)
    db.executemany("DELETE FROM ledger_windows WHERE scope = ? AND start = ?", [(scope, row.start) for row in gone])
    db.executemany(
        f"INSERT INTO ledger_windows (scope, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  columns of our own
        [(scope, *row) for row in come],
    )


def _joined(rows: Iterable[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        if found and found[-1].stop == row.start and _alike(found[-1], row):
            found[-1] = merged(found[-1], row)
        else:
            found.append(row)
    return found


def _alike(one: Row, two: Row) -> bool:
    if (one.state, one.reason) != (two.state, two.reason):
        return False
    return one.state != "evaluated" or one[3:7] == two[3:7]


def merged(one: Row, two: Row) -> Row:
    """Return both, and what lies between, as one row that says what the earlier says."""
    return one._replace(
        start=min(one.start, two.start),
        stop=max(one.stop, two.stop),
        late=max(one.late, two.late),
        reopened=max(one.reopened, two.reopened),
        after=min(one.after, two.after),
        until=max(one.until, two.until),
    )


def ranges(minutes: Iterable[int], reach: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the stretches that the minutes make, each lengthened by `reach` minutes."""
    start = stop = None
    for minute in sorted(set(minutes)):
        if start is None or stop is None or minute > stop:
            if start is not None and stop is not None:
                yield start, stop
            start = minute
        stop = minute + 1 + reach
    if start is not None and stop is not None:
        yield start, stop
