"""What people have said of each rule's alerts: verdicts, and how long it took to reach them."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from statistics import median

from sentinel.core.alert import Record

_BY_RULE = """
    SELECT rule_id, (SELECT title FROM alerts AS latest JOIN subjects AS own ON own.number = latest.subject
                     WHERE own.rule_id = subjects.rule_id ORDER BY latest.number DESC LIMIT 1),
           count(*), sum(state != 'closed'), sum(alerts.count), sum(identity = 'flood'),
           (SELECT coalesce(sum(held.count), 0) FROM suppressions AS held JOIN subjects AS own
            ON own.number = held.subject WHERE own.rule_id = subjects.rule_id)
    FROM alerts JOIN subjects ON subjects.number = alerts.subject
    WHERE :rule_id IS NULL OR rule_id = :rule_id GROUP BY rule_id ORDER BY rule_id
"""
_VERDICTS = """
    SELECT rule_id, verdict, history.at - raised_at
    FROM alerts JOIN subjects ON subjects.number = alerts.subject
    JOIN history ON history.number = (SELECT max(own.number) FROM history AS own
                                      WHERE own.alert = alerts.number AND own.what = 'closed as ' || verdict)
    WHERE state = 'closed' AND who != 'sentinel' AND (:rule_id IS NULL OR rule_id = :rule_id)
"""


def records(db: sqlite3.Connection, rule_id: str | None) -> Iterator[Record]:
    """Yield the record of every rule that has raised an alert, or of one rule."""
    verdicts: defaultdict[str, dict[str, list[int]]] = defaultdict(
        lambda: {"true_positive": [], "false_positive": [], "benign": []}
    )
    for rule, verdict, took in db.execute(_VERDICTS, {"rule_id": rule_id}):
        verdicts[rule][verdict].append(max(int(took), 0))
    rows = db.execute(_BY_RULE, {"rule_id": rule_id})
    for rule, title, alerts, still_open, events, floods, suppressed in rows:
        said = verdicts[rule]
        took = [one for each in said.values() for one in each]
        yield Record(
            rule_id=rule,
            title=title,
            alerts=alerts,
            open=still_open,
            events=events,
            floods=floods,
            suppressed=suppressed,
            true_positive=len(said["true_positive"]),
            false_positive=len(said["false_positive"]),
            benign=len(said["benign"]),
            median_time=timedelta(microseconds=median(took)) if took else None,
        )
