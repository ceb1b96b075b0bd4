"""Suppressions: for a while nobody is shown what an alert is about. It is counted and kept all the same.

A suppression is about a subject (a rule and a key), not about one alert. When it ends, by itself or by somebody, what
is still open is shown again.
"""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

from sentinel.alert.folding import FLOOD
from sentinel.alert.folding import note as entered
from sentinel.core.alert import Suppression
from sentinel.core.database import micros, moment
from sentinel.core.errors import NotThereError, UsageError

SPAN_MAX = timedelta(days=92)
"""So long a suppression may hold; what shall never be found any more is an exception to the rule."""
REASON_MAX = 2_000
ACTIVE = "SELECT subject FROM suppressions WHERE ended IS NULL AND until > :now"
_COLUMNS = (
    "number, (SELECT rule_id FROM subjects WHERE subjects.number = subject), "
    "(SELECT identity FROM subjects WHERE subjects.number = subject), title, key, since, until, who, reason, "
    "count, ended, ended_by, note"
)


def suppress(db: sqlite3.Connection, alert: int, now: datetime, until: datetime, by: tuple[str, str]) -> Suppression:
    """Suppress what the alert with this number is about; `by` is who and why. Raises UsageError."""
    who, reason = by
    if not reason.strip() or len(reason) > REASON_MAX:
        raise UsageError(f"say why it is suppressed, in at most {REASON_MAX} characters")
    if not now < until <= now + SPAN_MAX:
        raise UsageError(
            f"a suppression ends in the future, after {SPAN_MAX.days} days at most; what is never a finding is an "
            "exception: sentinel rules except"
        )
    subject, title, key = db.execute("SELECT subject, title, key FROM alerts WHERE number = ?", (alert,)).fetchone()
    there = db.execute(
        f"SELECT {_COLUMNS} FROM suppressions WHERE subject = ? AND ended IS NULL AND until > ?",  # noqa: S608  columns of our own
        (subject, micros(now)),
    ).fetchone()
    if there is not None:
        held = _read(there)
        raise UsageError(
            f"it is suppressed already by {held.who} until {held.until:%Y-%m-%d %H:%M} UTC ({held.reason}); "
            f"end that first: sentinel alerts unsuppress {held.number}"
        )
    row = db.execute(
        "INSERT INTO suppressions (subject, title, key, since, until, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (subject, title, key, micros(now), micros(until), who, reason.strip()),
    )
    number = int(row.lastrowid or 0)
    said = (f"suppressed until {until:%Y-%m-%d %H:%M} UTC", reason.strip())
    open_too = db.execute(
        "SELECT number FROM alerts WHERE number = ? OR subject = ? AND state != 'closed'", (alert, subject)
    ).fetchall()
    for (told,) in open_too:
        counted(db, told, entered(db, told, micros(now), who, *said), _mark(number))
    return one(db, number)


def unsuppress(db: sqlite3.Connection, number: int, now: datetime, who: str, text: str) -> Suppression:
    """End a suppression; raises UsageError if it has ended, NotThereError if there is none."""
    there = one(db, number)
    if not there.holds(now):
        raise UsageError(f"suppression {number} has ended already")
    db.execute(
        "UPDATE suppressions SET ended = ?, ended_by = ?, note = ? WHERE number = ?", (micros(now), who, text, number)
    )
    (subject,) = db.execute("SELECT subject FROM suppressions WHERE number = ?", (number,)).fetchone()
    concerned = db.execute(
        "SELECT alerts.number, max(history.number) FROM alerts "
        "LEFT JOIN history ON history.alert = alerts.number AND before = ? "
        "WHERE subject = ? AND (state != 'closed' OR history.number IS NOT NULL) GROUP BY alerts.number",
        (_mark(number), subject),
    ).fetchall()
    for told, entry in concerned:
        counted(db, told, entered(db, told, micros(now), who, "no longer suppressed", text), None, entry)
    return one(db, number)


def counted(
    db: sqlite3.Connection, alert: int, entry: int, before: str | None = None, undoes: int | None = None
) -> None:
    """Let an entry of an alert's history be a change: it raises the version; see `file.py` for what it remembers."""
    db.execute("UPDATE alerts SET version = version + 1 WHERE number = ?", (alert,))
    db.execute("UPDATE history SET changed = 1, before = ?, undoes = ? WHERE number = ?", (before, undoes, entry))


def adopt(db: sqlite3.Connection, given: Suppression, subject: int) -> None:
    """Take over a suppression of another book, as it held there."""
    until = given.until if given.ended is None else min(given.until, given.ended)
    db.execute(
        "INSERT INTO suppressions (subject, title, key, since, until, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (subject, given.title, json.dumps(given.key), micros(given.since), micros(until), given.who, given.reason),
    )


def one(db: sqlite3.Connection, number: int) -> Suppression:
    """Return a suppression; raises NotThereError."""
    row = db.execute(f"SELECT {_COLUMNS} FROM suppressions WHERE number = ?", (number,)).fetchone()  # noqa: S608  columns of our own
    if row is None:
        raise NotThereError(f"there is no suppression {number}; `sentinel alerts suppressions` shows them")
    return _read(row)


def listed(db: sqlite3.Connection, now: datetime, limit: int, *, ended: bool) -> Iterator[Suppression]:
    """Yield the suppressions that hold, those that end first first; with `ended` all, latest first."""
    which = "1 ORDER BY number DESC" if ended else "ended IS NULL AND until > :now ORDER BY until, number"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM suppressions WHERE {which} LIMIT :limit",  # noqa: S608  texts of our own
        {"now": micros(now), "limit": limit},
    )
    return map(_read, rows)


def _mark(number: int) -> str:
    return json.dumps({"suppression": number})


def _read(row: tuple[object, ...]) -> Suppression:
    (number, rule_id, identity, title, key, since, until, who, reason, count, ended, ended_by, text) = row
    return Suppression(
        number=cast("int", number),
        rule_id=str(rule_id),
        title=str(title),
        key=tuple((name, value) for name, value in json.loads(str(key))),
        since=moment(cast("int", since)),
        until=moment(cast("int", until)),
        who=str(who),
        reason=str(reason),
        count=cast("int", count),
        ended=None if ended is None else moment(cast("int", ended)),
        ended_by=str(ended_by),
        note=str(text),
        flood=identity == FLOOD,
    )
