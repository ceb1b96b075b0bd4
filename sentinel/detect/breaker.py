"""Sets rules aside for a while that fail or take too long, so that each trips itself only, also over restarts.

A rule that was changed is another one and is tried at once. One that trips again waits twice as long as before.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sentinel.core.database import micros, moment
from sentinel.core.detection import Detection
from sentinel.detect.ledger import REASON_MAX, Keeper

RETRY = timedelta(minutes=10)
RETRY_MAX = timedelta(hours=6)


class Breaker:
    """Remembers in the file of `keeper` which of `detections` are set aside, until when and why."""

    def __init__(self, keeper: Keeper, detections: Iterable[Detection]) -> None:
        self._keeper = keeper
        self._versions = {one.id: one.version for one in detections}

    def aside(self, now: datetime) -> dict[str, str]:
        """Return the rules that are set aside at present, and why."""
        return {
            rule_id: f"set aside: {reason}"
            for rule_id, (version, reason) in tripped(self._keeper, now).items()
            if self._versions.get(rule_id) == version
        }

    def over(self, aside: Mapping[str, str], tripped: Mapping[str, str], now: datetime, *, judged: bool) -> None:
        """Take what a run has shown: `tripped` are set aside, and who was tried again and did well is forgiven."""
        with self._keeper.looking() as db:
            known = dict(db.execute("SELECT rule_id, times FROM ledger_trips").fetchall())
        tried = [rule_id for rule_id in known if rule_id not in aside and rule_id not in tripped]
        if not tripped and not (judged and tried):
            return
        with self._keeper.writing() as db:
            if judged:
                db.executemany("DELETE FROM ledger_trips WHERE rule_id = ?", [(rule_id,) for rule_id in tried])
            for rule_id, reason in tripped.items():
                times = known.get(rule_id, 0) + 1
                wait = min(RETRY * 2 ** min(times - 1, 10), RETRY_MAX)
                db.execute(
                    "INSERT OR REPLACE INTO ledger_trips VALUES (?, ?, ?, ?, ?)",
                    (rule_id, self._versions.get(rule_id, ""), times, micros(now + wait), reason[:REASON_MAX]),
                )


def tripped(keeper: Keeper, now: datetime) -> dict[str, tuple[str, str]]:
    """Return by id the version of each rule that is set aside at `now`, and why."""
    with keeper.looking() as db:
        rows = db.execute("SELECT rule_id, version, until, reason FROM ledger_trips").fetchall()
    # a clock that was set back must not keep a rule out for longer than it was meant
    return {one: (version, why) for one, version, until, why in rows if now < moment(until) <= now + RETRY_MAX}
