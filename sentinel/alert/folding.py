"""Folds findings into alerts, so that what belongs together is one alert, whatever the order in which it comes.

Events of one subject (a rule and a key) belong to one open alert if none is further from its neighbour than the quiet
period, in event time. So a late event between two alerts makes them one: the earlier stays, the later becomes part of
it and its id leads there from then on. An event is counted once for a subject, even by an alert closed since.
"""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sentinel.core.database import micros
from sentinel.core.detection import Finding, Key
from sentinel.core.where import plain
from sentinel.core.wildcard import fold


@dataclass(slots=True)
class _Open:
    """An alert that still takes repeats, as it is being changed."""

    number: int
    first: int
    last: int
    count: int
    state: str
    changed: bool = False


@dataclass(slots=True)
class _Subject:
    number: int
    open: list[_Open]


def identity(key: Key) -> str:
    """Return the key as it is compared: `SRV-01` and `srv-01` are one host."""
    return json.dumps([[name, fold(plain(value))] for name, value in key], ensure_ascii=False)


class Folding:
    """Folds findings within one transaction; `finish` writes what changed."""

    def __init__(self, db: sqlite3.Connection, quiet: timedelta, now: datetime) -> None:
        self.raised: list[str] = []
        self._db = db
        self._quiet = quiet
        self._now = micros(now)
        self._subjects: dict[tuple[str, str], _Subject] = {}

    def take(self, finding: Finding) -> None:
        """Fold one finding; one taken before changes nothing."""
        subject = self._subject(finding.detection.id, identity(finding.key))
        correlation = finding.detection.correlation
        reach = micros_of(max(self._quiet, correlation.reach) if correlation else self._quiet)
        moments = finding.moments or (finding.first_seen,) * len(finding.evidence)
        pairs = sorted((micros(at), event) for at, event in zip(moments, finding.evidence, strict=True))
        for at, event in pairs:
            if not self._counted(subject, event):
                alert = self._place(subject, finding, at, event, reach)
                alert.count += 1
                self._db.execute("INSERT INTO evidence VALUES (?, ?, ?, ?)", (subject.number, event, alert.number, at))
        rest = finding.count - len(pairs)
        if rest > 0:
            self._roll_up(subject, finding, rest, reach)

    def finish(self) -> None:
        """Write the alerts that changed."""
        for subject in self._subjects.values():
            for alert in subject.open:
                if alert.changed:
                    self._db.execute(
                        "UPDATE alerts SET first_seen = ?, last_seen = ?, count = ?, state = ? WHERE number = ?",
                        (alert.first, alert.last, alert.count, alert.state, alert.number),
                    )

    def _subject(self, rule_id: str, key: str) -> _Subject:
        known = self._subjects.get((rule_id, key))
        if known is not None:
            return known
        self._db.execute("INSERT OR IGNORE INTO subjects (rule_id, identity) VALUES (?, ?)", (rule_id, key))
        row = self._db.execute("SELECT number FROM subjects WHERE rule_id = ? AND identity = ?", (rule_id, key))
        number = int(row.fetchone()[0])
        rows = self._db.execute(
            "SELECT number, first_seen, last_seen, count, state FROM alerts "
            "WHERE subject = ? AND state IN ('new', 'acknowledged') ORDER BY first_seen",
            (number,),
        )
        subject = self._subjects[rule_id, key] = _Subject(number, [_Open(*row) for row in rows])
        return subject

    def _counted(self, subject: _Subject, event: str) -> bool:
        row = self._db.execute("SELECT 1 FROM evidence WHERE subject = ? AND event = ?", (subject.number, event))
        return row.fetchone() is not None

    def _place(self, subject: _Subject, finding: Finding, at: int, event: str, reach: int) -> _Open:
        near = [one for one in subject.open if one.first - reach <= at <= one.last + reach]
        if near:
            kept = min(near, key=lambda one: (one.first, one.number))
            for other in near:
                if other is not kept:
                    self._merge(subject, kept, other)
        else:
            kept = self._raise(subject, finding, at, event)
        kept.first = min(kept.first, at)
        kept.last = max(kept.last, at)
        kept.changed = True
        return kept

    def _raise(self, subject: _Subject, finding: Finding, at: int, event: str) -> _Open:
        detection = finding.detection
        digest = blake2b(digest_size=16)
        for part in (detection.id, identity(finding.key), event):
            digest.update(b"%d:" % len(part) + part.encode("utf-8", "surrogatepass"))
        alert_id = digest.hexdigest()
        row = self._db.execute(
            "INSERT INTO alerts (id, subject, rule_version, title, level, key, first_seen, last_seen, raised_at, count,"
            " state, summary, author, attack) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'new', ?, ?, ?)",
            (
                alert_id,
                subject.number,
                detection.version,
                detection.title,
                detection.level,
                json.dumps(finding.key, ensure_ascii=False),
                at,
                at,
                self._now,
                finding.summary,
                detection.author,
                json.dumps(detection.attack),
            ),
        )
        alert = _Open(int(row.lastrowid or 0), at, at, 0, "new", changed=True)
        subject.open.append(alert)
        self.raised.append(alert_id)
        note(self._db, alert.number, self._now, "sentinel", "raised")
        return alert

    def _merge(self, subject: _Subject, kept: _Open, other: _Open) -> None:
        kept.first, kept.last = min(kept.first, other.first), max(kept.last, other.last)
        kept.count += other.count
        if other.state == "acknowledged":
            kept.state = "acknowledged"
        subject.open.remove(other)
        gone = self._db.execute("SELECT id FROM alerts WHERE number = ?", (other.number,)).fetchone()[0]
        for table in ("evidence", "rollups", "history", "aliases"):
            self._db.execute(
                f"UPDATE {table} SET alert = ? WHERE alert = ?",  # noqa: S608  names of our own tables
                (kept.number, other.number),
            )
        self._db.execute("INSERT INTO aliases VALUES (?, ?)", (gone, kept.number))
        self._db.execute("DELETE FROM alerts WHERE number = ?", (other.number,))
        if gone in self.raised:
            self.raised.remove(gone)
        note(self._db, kept.number, self._now, "sentinel", f"merged with {gone}", "a late event lies between the two")

    def _roll_up(self, subject: _Subject, finding: Finding, rest: int, reach: int) -> None:
        digest = blake2b(digest_size=16)
        for part in (*finding.evidence, finding.first_seen.isoformat(), finding.last_seen.isoformat(), str(rest)):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        mark = digest.hexdigest()
        row = self._db.execute("SELECT 1 FROM rollups WHERE subject = ? AND digest = ?", (subject.number, mark))
        if row.fetchone() is not None:
            return
        alert = self._place(subject, finding, micros(finding.first_seen), mark, reach)
        alert.last = max(alert.last, micros(finding.last_seen))
        alert.count += rest
        self._db.execute("INSERT INTO rollups VALUES (?, ?, ?)", (subject.number, mark, alert.number))


def micros_of(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // timedelta(microseconds=1)


def note(db: sqlite3.Connection, alert: int, at: int, who: str, what: str, text: str = "") -> None:
    """Add one entry to an alert's history."""
    db.execute("INSERT INTO history (alert, at, who, what, note) VALUES (?, ?, ?, ?, ?)", (alert, at, who, what, text))
