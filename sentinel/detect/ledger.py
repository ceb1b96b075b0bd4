"""The ledger: what became of each (rule, window), a window being one minute of event time.

Three thousand rules times 1,440 minutes are 4.3 million windows a day, and nearly all of them say the same. So what
holds for all rules of one reach (how far back a correlation looks; 0 for rules about single events) is one row for a
stretch of minutes, what is different for a rule is a row of that rule, and `duty` says from when until when a rule was
on. Asked for, every single window comes out again exactly.

It lies in the file of the alerts: findings, cursor and ledger are committed together.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import NamedTuple, Protocol

from sentinel.core.database import micros, moment
from sentinel.core.event import node_of
from sentinel.core.reached import Reached, load
from sentinel.detect.intervals import TABLE, Row, State, holes, merged, overlapping, paint, within

MINUTE = timedelta(minutes=1)
ROWS_OF_REACH_MAX = 35 * 1440
"""So many rows are kept for each reach, which are five weeks at least; a clock that is wrong can make none forgotten.
What is to be judged again is kept until it was."""
OVERDUE_MINUTES = 5
"""A window that is still only planned so long after its end has been forgotten."""
ROWS_OF_RULE_MAX = 1_000
"""A rule has at most so many rows of its own; then the oldest become one that holds all minutes between as well."""
REASON_MAX = 300

_TABLES = (
    TABLE,
    """CREATE TABLE IF NOT EXISTS ledger_duty (
        rule_id TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, version TEXT NOT NULL, path TEXT NOT NULL,
        reach INTEGER NOT NULL, PRIMARY KEY (rule_id, since)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS ledger_marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS ledger_trips (
        rule_id TEXT PRIMARY KEY, version TEXT NOT NULL, times INTEGER NOT NULL, until INTEGER NOT NULL,
        reason TEXT NOT NULL) WITHOUT ROWID""",
)


class Keeper(Protocol):
    """Whose file it is in."""

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give the file for one transaction: all or nothing."""

    def looking(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give the file for several questions about one state of it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The windows of one rule from `start` to `end` (event time, UTC), which all fared alike.

    They are in `state` since `at`, by the run of that number (0: by nobody, or by `sentinel ledger fill`). Late events
    came up to `late` after they happened and made it be judged again `reopened` times.
    """

    rule_id: str
    version: str
    start: datetime
    end: datetime
    state: State
    at: datetime
    run: int
    late: timedelta
    reopened: int
    reason: str


@dataclass(frozen=True, slots=True)
class Open:
    """Windows that a rule has yet to judge again, among the arrivals with `after < seq <= until`, and why."""

    rule_id: str
    start: datetime
    end: datetime
    after: int
    until: int
    reason: str
    state: State
    since: datetime


class Duty(NamedTuple):
    """That a rule was on in the minutes `[since, until)` (None: it still is)."""

    rule_id: str
    since: int
    until: int | None
    version: str
    path: str
    reach: int


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """Minutes of which nothing is known, or long past and only planned, for so many rules."""

    start: datetime
    end: datetime
    rules: int
    state: State | None


@dataclass(frozen=True, slots=True)
class Account:
    """How the windows of all rules fared in a stretch of time; `windows` counts rule times minute by state."""

    begin: datetime | None
    rules: int
    windows: Counter[str]
    unaccounted: tuple[Unaccounted, ...]

    @property
    def missing(self) -> int:
        """How many windows are unaccounted for."""
        return sum(one.rules * ((one.end - one.start) // MINUTE) for one in self.unaccounted)


class Ledger:
    """The ledger in the file of `keeper`; any number of processes may use it. Raises StoreError if that fails."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        with keeper.looking() as db:
            there = db.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'ledger@_%' ESCAPE '@'").fetchone()
        if there[0] < len(_TABLES):
            with keeper.writing() as db:
                for statement in _TABLES:
                    db.execute(statement)

    def reopen(
        self, rule_ids: Iterable[str], spans: Sequence[tuple[datetime, datetime]], reason: str, now: datetime
    ) -> None:
        """Say that these rules must judge these stretches of event time again, with all that has been judged by now.

        `gaps` returns them from then on, until `closed` is told that it was done.
        """
        with self._keeper.writing() as db:
            judged = load(db, "judged")
            new = Row(0, 0, "reopened", micros(now), after=0, until=judged.top, reason=reason[:REASON_MAX])
            for rule_id in rule_ids:
                for start, end in spans:
                    paint(db, scope_of(rule_id), minute_of(start), ceiling(end), lambda _: new)

    def gaps(self, rule_ids: Iterable[str] | None = None) -> list[Open]:
        """Return what is to be judged again (None: by whatever rule), by rule and in order; only by rules on duty."""
        with self._keeper.looking() as db:
            rows = db.execute(
                "SELECT scope, start, stop, after, until, reason, state, at FROM ledger_windows WHERE scope >= 'rule:' "
                "AND scope < 'rule;' AND state IN ('skipped', 'reopened') AND substr(scope, 6) IN "
                "(SELECT rule_id FROM ledger_duty WHERE until IS NULL) ORDER BY scope, start"
            ).fetchall()
        wanted = None if rule_ids is None else set(rule_ids)
        found = (
            Open(scope.removeprefix("rule:"), _time(start), _time(stop), after, until, reason, state, moment(at))
            for scope, start, stop, after, until, reason, state, at in rows
        )
        return [one for one in found if wanted is None or one.rule_id in wanted]

    def closed(self, db: sqlite3.Connection, done: Open, through: Reached, now: datetime, late: timedelta) -> None:
        """Enter, in the transaction of the findings, that `done` was judged again with all that arrived to `through`.

        What has been skipped for arrivals beyond that meanwhile stays open; so does all of it if it is about several
        nodes, for then it does not say which of them.
        """

        def change(row: Row | None) -> Row | None:
            if row is None or row.state not in {"skipped", "reopened"}:
                return row
            several = node_of(row.after) != node_of(row.until)
            if not through.holds(row.until) or (several and row.at != micros(done.since)):
                return row if several else row._replace(after=max(row.after, through.at(node_of(row.until))))
            seconds = max(row.late, int(late.total_seconds()))
            return Row(0, 0, "evaluated", micros(now), 0, seconds, row.reopened + 1, reason=f"filled: {row.reason}")

        paint(db, scope_of(done.rule_id), minute_of(done.start), ceiling(done.end), change)

    def rows(self, rule_id: str, start: datetime, end: datetime) -> list[Window]:
        """Return how the rule's windows in `[start, end)` fared; minutes in which it was not on duty are not there."""
        low, high = minute_of(start), ceiling(end)
        found: list[Window] = []
        with self._keeper.looking() as db:
            own = overlapping(db, scope_of(rule_id), low, high)
            for duty in _duties(db, rule_id):
                since, until = max(low, duty.since), high if duty.until is None else min(high, duty.until)
                if since < until:
                    shared = overlapping(db, scope_for(duty.reach), since, until)
                    found += [_window(duty, row) for row in laid_over(shared, own, since, until)]
        return found

    def duties(self, *, on: bool = False) -> list[Duty]:
        """Return from when until when which rules were on; `on`: only those that still are."""
        with self._keeper.looking() as db:
            return [one for one in _duties(db) if not on or one.until is None]

    def account(self, start: datetime, now: datetime) -> Account:
        """Return how all windows from `start` (at the earliest: the ledger's beginning) to the last whole minute fared.

        A window counts as unaccounted for if nothing is known of it, or if it is long past and still only planned.
        """
        with self._keeper.looking() as db:
            marks = marks_of(db)
            begin = marks.get("begin")
            high = minute_of(now)
            low = max(minute_of(start), begin if begin is not None else high)
            groups = Counter((duty.reach, duty.since, duty.until) for duty in _duties(db))
            shared = {reach: overlapping(db, scope_for(reach), low, high) for reach in {one[0] for one in groups}}
            windows: Counter[str] = Counter()
            missing: Counter[tuple[int, int, State | None]] = Counter()
            for (reach, since, until), rules in groups.items():
                first, last = max(low, since), high if until is None else min(high, until)
                for row in within(shared[reach], first, last):
                    windows[row.state] += rules * (row.stop - row.start)
                    if row.state == "planned" and row.start < high - OVERDUE_MINUTES:
                        missing[row.start, min(row.stop, high - OVERDUE_MINUTES), row.state] += rules
                for at, end in holes(shared[reach], first, last) if first < last else ():
                    missing[at, end, None] += rules
            self._exceptions(db, windows, low, high)
            on = sum(rules for (_, _, until), rules in groups.items() if until is None)
        unaccounted = (Unaccounted(_time(one), _time(two), n, state) for (one, two, state), n in missing.items())
        return Account(
            None if begin is None else _time(begin),
            on,
            windows,
            tuple(sorted(unaccounted, key=lambda one: (one.start, one.end))),
        )

    def _exceptions(self, db: sqlite3.Connection, windows: Counter[str], low: int, high: int) -> None:
        # what single rules have for themselves is no longer what all have in common
        scopes = db.execute(
            "SELECT DISTINCT scope FROM ledger_windows WHERE scope >= 'rule:' AND scope < 'rule;'"
        ).fetchall()
        for (scope,) in scopes:
            own = list(within(overlapping(db, scope, low, high), low, high))
            for duty in _duties(db, scope.removeprefix("rule:")):
                until = high if duty.until is None else min(high, duty.until)
                for row in within(own, max(low, duty.since), until):
                    shared = overlapping(db, scope_for(duty.reach), row.start, row.stop)
                    for piece in within(shared, row.start, row.stop):
                        windows[piece.state] -= piece.stop - piece.start
                        windows[row.state] += piece.stop - piece.start

    def prune(self) -> None:
        """Forget the oldest of what all rules have in common, and bound what single rules have for themselves."""
        with self._keeper.writing() as db:
            begin = marks_of(db).get("begin", 0)
            for scope in _crowded(db, "reach:", ROWS_OF_REACH_MAX):
                row = db.execute(
                    "SELECT start FROM ledger_windows WHERE scope = ? ORDER BY start DESC LIMIT 1 OFFSET ?",
                    (scope, ROWS_OF_REACH_MAX - 1),
                ).fetchone()
                begin = max(begin, row[0])
            db.execute("DELETE FROM ledger_windows WHERE stop <= ? AND state NOT IN ('skipped', 'reopened')", (begin,))
            db.execute(
                "DELETE FROM ledger_windows WHERE stop <= ? AND scope >= 'reach:' AND scope < 'reach;'", (begin,)
            )
            db.execute("DELETE FROM ledger_duty WHERE until <= ?", (begin,))
            mark(db, begin=begin)
            for scope in _crowded(db, "rule:", ROWS_OF_RULE_MAX):
                _condense(db, scope)


def _crowded(db: sqlite3.Connection, kind: str, rows_max: int) -> list[str]:
    rows = db.execute(
        "SELECT scope FROM ledger_windows WHERE scope LIKE ? GROUP BY scope HAVING count(*) > ?", (kind + "%", rows_max)
    )
    return [scope for (scope,) in rows]


def _condense(db: sqlite3.Connection, scope: str) -> None:
    rows = overlapping(db, scope, 0, 1 << 62)[: ROWS_OF_RULE_MAX // 2]
    states = {row.state for row in rows}
    state: State = "skipped" if "skipped" in states else "reopened" if "reopened" in states else "evaluated"
    whole = reduce(merged, rows)._replace(state=state)
    paint(db, scope, whole.start, whole.stop, lambda _: whole)


def laid_over(shared: Iterable[Row], own: Iterable[Row], low: int, high: int) -> Iterator[Row]:
    """Yield the rows of one rule: what all have in common, and where it has rows of its own, those."""
    shared = list(within(shared, low, high))
    at = low
    for row in within(own, low, high):
        yield from within(shared, at, row.start)
        if row.state == "evaluated":
            # judged again for itself; what came late after that was judged with all others
            below = list(within(shared, row.start, row.stop))
            for begin, end in holes(below, row.start, row.stop):
                yield row._replace(start=begin, stop=end)
            yield from (
                piece if piece.at > row.at else row._replace(start=piece.start, stop=piece.stop) for piece in below
            )
        else:
            yield row
        at = row.stop
    yield from within(shared, at, high)


def _window(duty: Duty, row: Row) -> Window:
    return Window(
        rule_id=duty.rule_id,
        version=duty.version,
        start=_time(row.start),
        end=_time(row.stop),
        state=row.state,
        at=moment(row.at),
        run=row.run,
        late=timedelta(seconds=row.late),
        reopened=row.reopened,
        reason=row.reason,
    )


def _duties(db: sqlite3.Connection, rule_id: str | None = None) -> list[Duty]:
    asked = "" if rule_id is None else "WHERE rule_id = ?"
    rows = db.execute(
        f"SELECT rule_id, since, until, version, path, reach FROM ledger_duty {asked} ORDER BY rule_id, since",  # noqa: S608  words of our own
        () if rule_id is None else (rule_id,),
    )
    return [Duty(*row) for row in rows]


def marks_of(db: sqlite3.Connection) -> dict[str, int]:
    """Return the marks: `begin`, `planned`, `passed` (minutes), `run` (a number)."""
    return dict(db.execute("SELECT name, value FROM ledger_marks").fetchall())


def mark(db: sqlite3.Connection, **values: int) -> None:
    """Set marks."""
    db.executemany("INSERT OR REPLACE INTO ledger_marks VALUES (?, ?)", list(values.items()))


def scope_of(rule_id: str) -> str:
    """Return the name of what one rule has for itself."""
    return f"rule:{rule_id}"


def scope_for(reach: int) -> str:
    """Return the name of what all rules of a reach have in common."""
    return f"reach:{reach}"


def minute_of(at: datetime) -> int:
    """Return the minute since 1970 that a moment lies in."""
    return micros(at) // 60_000_000


def ceiling(at: datetime) -> int:
    """Return the first minute since 1970 that does not begin before a moment."""
    return -(-micros(at) // 60_000_000)


def _time(minute: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + minute * MINUTE
