"""Enters into the ledger what the judging does: windows planned by the clock, evaluated, reopened, skipped.

Times are those of the clock as it shows them: one that is set back plans its minutes again, and one that is set far
ahead leaves one row behind that says so.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sentinel.core.database import micros
from sentinel.core.detection import Detection, Gap
from sentinel.core.event import Event
from sentinel.detect.intervals import Change, Row, holes, overlapping, paint, ranges, within
from sentinel.detect.ledger import (
    MINUTE,
    REASON_MAX,
    Duty,
    Keeper,
    Ledger,
    mark,
    marks_of,
    minute_of,
    scope_for,
    scope_of,
)

LEAP_MINUTES = 7 * 1440
"""A step of the clock that is longer leaves one skipped row; a shorter one was a time without Sentinel."""
PRUNED_EVERY_MINUTES = 60
_TOUCHED_MAX = 500
"""Events of a batch touch so many stretches at most; if there are more, all between them counts as touched."""
_KNOWN = frozenset({"evaluated", "reopened", "skipped"})


@dataclass(frozen=True, slots=True)
class Touched:
    """The minutes in which the events of a batch happened, with how late the latest of each came, in seconds."""

    events: Sequence[Event]
    late: Mapping[int, int]

    @classmethod
    def by(cls, events: Sequence[Event]) -> "Touched":
        """Look at a batch."""
        late: dict[int, int] = {}
        for event in events:
            minute = minute_of(event.timestamp)
            seconds = int((event.ingested - event.timestamp).total_seconds())
            late[minute] = max(late.get(minute, 0), seconds)
        return cls(events, late)

    def among(self, after: int, until: int) -> set[int]:
        """Return the minutes of the events with `after < seq <= until`."""
        return {minute_of(event.timestamp) for event in self.events if after < event.seq <= until}


class Planner:
    """Keeps the ledger of `keeper` for one judging process and its `detections`.

    `refused` says by path why a rule file is not on: rules of it that were on before stay on duty, and their windows
    are skipped. Every method that takes the file works within the transaction it is given.
    """

    def __init__(self, keeper: Keeper, detections: Iterable[Detection], refused: Mapping[str, str]) -> None:
        self._keeper = keeper
        self.ledger = Ledger(keeper)
        self._reach = {one.id: reach_of(one) for one in detections}
        self._wanted = {one.id: one for one in detections}
        self._refused = refused
        self._begun = False
        self.broken: dict[str, str] = {}
        """Rules that are on duty but cannot be read any more, and why."""
        self._reaches: list[int] = []
        self._begin = self._planned = self._passed = self._run = self._pruned = 0

    def plan(self, now: datetime) -> None:
        """Plan the windows up to the present one; the first time take the rules on duty."""
        through = minute_of(now) + 1
        if self._begun and through == self._planned:
            return
        with self._keeper.writing() as db:
            self._load(db, minute_of(now))
            if not self._begun:
                self._muster(db, now)
            if through < self._planned:
                self._set_back(db, through)
            for reach in self._reaches:
                self._plan(db, reach, through, now)
            self._planned = through
            mark(db, planned=through)
        self._begun = True
        if through - self._pruned >= PRUNED_EVERY_MINUTES or through < self._pruned:
            self.ledger.prune()
            self._pruned = through

    def _load(self, db: sqlite3.Connection, present: int) -> None:
        # another process may have judged since
        marks = marks_of(db)
        self._begin = marks.get("begin", present)
        self._planned = marks.get("planned", present)
        self._passed = marks.get("passed", present)
        self._run = marks.get("run", 0)

    def _muster(self, db: sqlite3.Connection, now: datetime) -> None:
        present = minute_of(now)
        # what a rule that is new has not judged ends with the last minute that others have
        since = min(self._passed, present) + 1 if self._run else present
        there = {one.rule_id: one for one in _on(db)}
        for rule_id, one in there.items():
            if rule_id in self._wanted:
                continue
            if one.path in self._refused:
                self.broken[rule_id] = f"refused: {self._refused[one.path]}"[:REASON_MAX]
                self._reach[rule_id] = one.reach
            else:
                _relieve(db, one, since)
        for rule_id, detection in self._wanted.items():
            reach, old = self._reach[rule_id], there.get(rule_id)
            if old is not None and (old.version, old.reach) == (detection.version, reach):
                continue
            if old is not None:
                _relieve(db, old, since)
            db.execute(
                "INSERT OR REPLACE INTO ledger_duty VALUES (?, ?, NULL, ?, ?, ?)",
                (rule_id, since, detection.version, detection.path, reach),
            )
        # the last window of a rule that is gone has yet to be passed
        leaving = {one.reach for one in there.values() if one.rule_id not in self._reach}
        self._reaches = sorted({*self._reach.values(), *leaving})
        planned = Row(0, 0, "planned", micros(now))
        for reach in self._reaches:
            if since < self._planned:
                paint(db, scope_for(reach), since, self._planned, lambda row: row or planned)
        mark(db, begin=self._begin, passed=self._passed)

    def _set_back(self, db: sqlite3.Connection, through: int) -> None:
        self._planned = through - 1
        self._begin, self._passed = min(self._begin, self._planned), min(self._passed, self._planned)
        mark(db, begin=self._begin, passed=self._passed)

    def _plan(self, db: sqlite3.Connection, reach: int, through: int, now: datetime) -> None:
        planned = Row(0, 0, "planned", micros(now))
        if through - self._planned <= LEAP_MINUTES:
            if self._planned < through:
                paint(db, scope_for(reach), self._planned, through, lambda _: planned)
            return
        leap = f"the clock was set ahead, or nothing ran, for {(through - self._planned) // 1440} days"
        skipped = Row(0, 0, "skipped", micros(now), reason=leap)
        for begin, end in list(
            holes(overlapping(db, scope_for(reach), self._planned, through), self._planned, through)
        ):
            if end - begin > LEAP_MINUTES:
                paint(db, scope_for(reach), begin, end, lambda _: skipped)
            else:
                paint(db, scope_for(reach), begin, end, lambda _: planned)
        paint(db, scope_for(reach), through - 1, through, lambda _: planned)

    def touch(self, touched: Touched, now: datetime) -> None:
        """Reopen the evaluated windows that late events lie in, before they are judged; `judged` closes them."""
        if not self._lateness(touched):
            return

        def reopened(row: Row | None) -> Row | None:
            return row if row is None or row.state not in _KNOWN else row._replace(state="reopened", at=micros(now))

        with self._keeper.writing() as db:
            self._late(db, touched, lambda _seconds: reopened)

    def _lateness(self, touched: Touched) -> bool:
        reach = max(self._reaches, default=0)
        return any(self._begin - reach <= minute < self._passed for minute in touched.late)

    def _late(self, db: sqlite3.Connection, touched: Touched, change: Callable[[int], Change]) -> None:
        for reach in self._reaches:
            for begin, end in self._ranges(touched.late, reach):
                low, high = max(begin, self._begin), min(end, self._passed)
                if low < high:
                    late = max(
                        (late for minute, late in touched.late.items() if low - reach <= minute < high), default=0
                    )
                    paint(db, scope_for(reach), low, high, change(late))

    def _ranges(self, minutes: Iterable[int], reach: int) -> list[tuple[int, int]]:
        found = list(ranges(minutes, reach))
        return found if len(found) <= _TOUCHED_MAX else [(found[0][0], found[-1][1])]

    def judged(self, db: sqlite3.Connection, touched: Touched, gaps: Iterable[Gap], now: datetime) -> None:
        """Enter a batch: the windows that late events lie in are evaluated again, those in `gaps` skipped."""
        self._load(db, minute_of(now))
        run = self._run + 1
        at = micros(now)

        def evaluated(late: int) -> Change:
            def change(row: Row | None) -> Row | None:
                if row is None or row.state not in _KNOWN:
                    return row
                return Row(0, 0, "evaluated", at, run, max(row.late, late), row.reopened + 1, reason=row.reason)

            return change

        if self._lateness(touched):
            self._late(db, touched, evaluated)
        known: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for gap in gaps:
            asked = gap.after, gap.until, self._reach.get(gap.rule_id, 0)
            if asked not in known:
                known[asked] = self._ranges(touched.among(gap.after, gap.until), asked[2])
            for begin, end in known[asked]:
                self._skip(db, gap, begin, end, (at, run))
        mark(db, run=run)

    def _skip(self, db: sqlite3.Connection, gap: Gap, begin: int, end: int, at: tuple[int, int]) -> None:
        new = Row(0, 0, "skipped", *at, after=gap.after, until=gap.until, reason=gap.reason[:REASON_MAX])

        def change(row: Row | None) -> Row | None:
            if row is None or row.state == "evaluated":
                return new
            return new._replace(after=min(row.after, gap.after), until=max(row.until, gap.until))

        paint(db, scope_of(gap.rule_id), begin, end, change)

    def due(self, through: datetime) -> bool:
        """Say whether windows have ended that have not been evaluated."""
        return minute_of(through) > self._passed

    def passed(
        self, db: sqlite3.Connection, through: datetime, cursor: int, aside: Mapping[str, str], now: datetime
    ) -> None:
        """Enter that all that arrived before `through` was judged, but not by the rules `aside`."""
        self._load(db, minute_of(now))
        end, at = minute_of(through), (micros(now), self._run + 1)
        done = Row(0, 0, "evaluated", *at)
        for reach in self._reaches:
            stretches = [
                (row.start, row.stop)
                for row in within(overlapping(db, scope_for(reach), self._passed, end), self._passed, end)
                if row.state == "planned"
            ]
            for begin, stop in stretches:
                paint(db, scope_for(reach), begin, stop, lambda _: done)
        if self._passed < end:
            for rule_id, reason in aside.items():
                self._skip(db, Gap(rule_id, 0, cursor, reason), self._passed, end, at)
            mark(db, passed=end, run=at[1])

    def settle(self, through: datetime) -> None:
        """Remember what `passed` has entered, once it is committed."""
        self._passed = max(self._passed, minute_of(through))


def reach_of(detection: Detection) -> int:
    """Return over how many minutes after the one it happened in an event can matter."""
    return 0 if detection.correlation is None else -(-detection.correlation.reach // MINUTE)


def _on(db: sqlite3.Connection) -> list[Duty]:
    rows = db.execute("SELECT rule_id, since, until, version, path, reach FROM ledger_duty WHERE until IS NULL")
    return [Duty(*row) for row in rows]


def _relieve(db: sqlite3.Connection, duty: Duty, until: int) -> None:
    if until <= duty.since:
        db.execute("DELETE FROM ledger_duty WHERE rule_id = ? AND since = ?", (duty.rule_id, duty.since))
    else:
        db.execute(
            "UPDATE ledger_duty SET until = ? WHERE rule_id = ? AND since = ?", (until, duty.rule_id, duty.since)
        )
