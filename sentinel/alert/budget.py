"""How many alerts a rule may begin in an hour; what goes beyond becomes one, so that nobody drowns in them.

What counts is what begins, or would begin, an alert: repeats of an open one cost nothing. The hour is that of the clock
and slides by the minute, so a flood is over as soon as less than the budget has come within an hour.
"""

import sqlite3

BUDGET_PER_HOUR = 100
_MINUTES = 60


class Pace:
    """What each rule has spent in the last hour before `now` (microseconds); `write` keeps it."""

    def __init__(self, db: sqlite3.Connection, now: int, budget: int = BUDGET_PER_HOUR) -> None:
        self._db = db
        self._budget = budget
        self._minute = now // 60_000_000
        self._spent: dict[str, int] = {}
        self._new: dict[str, int] = {}

    def spend(self, rule_id: str, own: int | None) -> bool:
        """Count one alert more and say whether the rule is within its budget: its `own`, or that of all rules."""
        if rule_id not in self._spent:
            row = self._db.execute(
                "SELECT coalesce(sum(count), 0) FROM pace WHERE rule_id = ? AND minute BETWEEN ? AND ?",
                (rule_id, self._minute - _MINUTES + 1, self._minute),
            )
            self._spent[rule_id] = int(row.fetchone()[0])
        self._new[rule_id] = self._new.get(rule_id, 0) + 1
        return self._spent[rule_id] + self._new[rule_id] <= (self._budget if own is None else own)

    def write(self) -> None:
        """Keep what was spent, and forget what was spent more than an hour ago."""
        if not self._new:
            return
        self._db.executemany(
            "INSERT INTO pace VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(rule_id, self._minute, number) for rule_id, number in self._new.items()],
        )
        first = self._minute - _MINUTES + 1
        self._db.execute("DELETE FROM pace WHERE minute NOT BETWEEN ? AND ?", (first, self._minute))
        self._spent.clear()
        self._new.clear()
