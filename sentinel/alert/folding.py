"""Folds findings into alerts, so that what belongs together is one alert, whatever the order in which it comes.

Events of one subject (a rule and a key) belong to one open alert if none is further from its neighbour than the quiet
period, in event time. So a late event between two alerts makes them one: the earlier stays, the later becomes part of
it and its id leads there from then on. An event is counted once for a subject, even by an alert closed since.

A rule over its budget (`budget.py`) floods: what would begin an alert is counted in one alert about the whole rule
instead, and what it has raised within the hour and nobody has touched becomes part of that.
"""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sentinel.alert.budget import BUDGET_PER_HOUR, Pace
from sentinel.core.database import micros
from sentinel.core.detection import Detection, Finding, Key
from sentinel.core.where import plain
from sentinel.core.wildcard import fold

KEPT_MAX = 1_000
"""So many events of an alert are kept by name; of the others a mark each, so that they are counted once."""
MARKS_DAYS = 93
"""So long, in event time, is known of an event that it has been counted."""
FLOOD = "flood"
"""The identity of what an alert about a whole rule is about; that of a key is a JSON list."""
_DAY = 86_400_000_000
_HOUR = 3_600_000_000
_FLOODED = "more alerts within an hour than the rule's budget: everything since is counted here, whatever it is about"


@dataclass(slots=True)
class _Open:
    """An alert that still takes repeats, as it is being changed; `kept` events of it are known by name."""

    number: int
    first: int
    last: int
    count: int
    state: str
    kept: int
    changed: bool = False


@dataclass(slots=True)
class _Subject:
    """`suppression` is the one that holds for it, of which `hidden` events have come in this transaction."""

    number: int
    open: list[_Open]
    suppression: int | None
    hidden: int = 0
    newest_mark: int = 0


def identity(key: Key) -> str:
    """Return the key as it is compared: `SRV-01` and `srv-01` are one host."""
    return json.dumps([[name, fold(plain(value))] for name, value in key], ensure_ascii=False)


class Folding:
    """Folds findings within one transaction; `finish` writes what changed."""

    def __init__(self, db: sqlite3.Connection, quiet: timedelta, now: datetime, budget: int = BUDGET_PER_HOUR) -> None:
        self.raised: list[str] = []
        self._db = db
        self._quiet = quiet
        self._now = micros(now)
        self._pace = Pace(db, self._now, budget)
        self._subjects: dict[tuple[str, str], _Subject] = {}
        self._floods: dict[str, bool] = {}

    def take(self, finding: Finding) -> None:
        """Fold one finding; one taken before changes nothing."""
        moments = finding.moments or (finding.first_seen,) * len(finding.evidence)
        pairs = sorted((micros(at), event) for at, event in zip(moments, finding.evidence, strict=True))
        for at, event in pairs:
            if not any(self._counted(one, at, event) for one in self._about(finding)):
                subject, alert = self._place(finding, at, event)
                alert.count += 1
                subject.hidden += 1
                self._keep(subject, alert, at, event)
        rest = finding.count - len(pairs)
        if rest > 0:
            self._roll_up(finding, rest)

    def finish(self) -> None:
        """Write what changed."""
        self._pace.write()
        for subject in self._subjects.values():
            for alert in subject.open:
                if alert.changed:
                    self._db.execute(
                        "UPDATE alerts SET first_seen = ?, last_seen = ?, count = ?, state = ? WHERE number = ?",
                        (alert.first, alert.last, alert.count, alert.state, alert.number),
                    )
                    alert.changed = False
            if subject.suppression is not None and subject.hidden:
                self._db.execute(
                    "UPDATE suppressions SET count = count + ? WHERE number = ?", (subject.hidden, subject.suppression)
                )
            subject.hidden = 0
            if subject.newest_mark:
                self._db.execute(
                    "DELETE FROM marks WHERE subject = ? AND day < ?",
                    (subject.number, subject.newest_mark - MARKS_DAYS),
                )

    def _about(self, finding: Finding) -> list[_Subject]:
        # what the finding is about, and the whole rule if it ever flooded
        rule_id = finding.detection.id
        own = self._subject(rule_id, identity(finding.key))
        if rule_id not in self._floods:
            row = self._db.execute("SELECT 1 FROM subjects WHERE rule_id = ? AND identity = ?", (rule_id, FLOOD))
            self._floods[rule_id] = row.fetchone() is not None
        return [own, self._subject(rule_id, FLOOD)] if self._floods[rule_id] else [own]

    def _subject(self, rule_id: str, key: str) -> _Subject:
        known = self._subjects.get((rule_id, key))
        if known is not None:
            return known
        self._db.execute("INSERT OR IGNORE INTO subjects (rule_id, identity) VALUES (?, ?)", (rule_id, key))
        row = self._db.execute("SELECT number FROM subjects WHERE rule_id = ? AND identity = ?", (rule_id, key))
        number = int(row.fetchone()[0])
        rows = self._db.execute(
            "SELECT number, first_seen, last_seen, count, state, "
            "(SELECT count(*) FROM evidence WHERE alert = alerts.number) FROM alerts "
            "WHERE subject = ? AND state IN ('new', 'acknowledged') ORDER BY first_seen",
            (number,),
        )
        opened = [_Open(*row) for row in rows]
        held = self._db.execute(
            "SELECT number FROM suppressions WHERE subject = ? AND ended IS NULL AND since <= ? AND until > ?",
            (number, self._now, self._now),
        ).fetchone()
        subject = self._subjects[rule_id, key] = _Subject(number, opened, None if held is None else int(held[0]))
        return subject

    def _counted(self, subject: _Subject, at: int, event: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM evidence WHERE subject = ? AND event = ? "
            "UNION ALL SELECT 1 FROM marks WHERE subject = ? AND day = ? AND mark = ?",
            (subject.number, event, subject.number, at // _DAY, _mark(event)),
        )
        return row.fetchone() is not None

    def _keep(self, subject: _Subject, alert: _Open, at: int, event: str) -> None:
        if alert.kept < KEPT_MAX:
            alert.kept += 1
            self._db.execute("INSERT INTO evidence VALUES (?, ?, ?, ?)", (subject.number, event, alert.number, at))
            return
        day = at // _DAY
        subject.newest_mark = max(subject.newest_mark, day)
        self._db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", (subject.number, day, _mark(event)))

    def _place(self, finding: Finding, at: int, event: str) -> tuple[_Subject, _Open]:
        detection = finding.detection
        reach = _reach(detection, self._quiet)
        subject = self._subject(detection.id, identity(finding.key))
        kept = self._near(subject, at, reach)
        begins = kept is None and subject.suppression is None
        if begins and not self._pace.spend(detection.id, detection.budget_per_hour):
            subject = self._subject(detection.id, FLOOD)
            self._floods[detection.id] = True
            kept = self._near(subject, at, reach) or self._flood(subject, finding, at, event)
        kept = kept or self._raise(subject, finding, at, event)
        if detection.level == detection.closed_level:
            self._db.execute("UPDATE alerts SET level = ? WHERE number = ?", (detection.level, kept.number))
        kept.first = min(kept.first, at)
        kept.last = max(kept.last, at)
        kept.changed = True
        return subject, kept

    def _near(self, subject: _Subject, at: int, reach: int) -> _Open | None:
        near = [one for one in subject.open if one.first - reach <= at <= one.last + reach]
        if not near:
            return None
        kept = min(near, key=lambda one: (one.first, one.number))
        for other in near:
            if other is not kept:
                self._merge(subject, kept, other)
        return kept

    def _flood(self, subject: _Subject, finding: Finding, at: int, event: str) -> _Open:
        # an alert about the whole rule, with what it has raised within the hour and nobody has touched yet
        detection = finding.detection
        kept = self._raise(subject, finding, at, event, flood=True)
        self.finish()
        rows = self._db.execute(
            "SELECT number, id, first_seen, last_seen, count, (SELECT count(*) FROM evidence WHERE alert = number) "
            "FROM alerts WHERE state = 'new' AND raised_at > ? AND number != ? AND NOT EXISTS "
            "(SELECT 1 FROM history WHERE alert = alerts.number AND who != 'sentinel') AND subject IN "
            "(SELECT number FROM subjects WHERE rule_id = ? AND identity != ?) AND subject NOT IN "
            "(SELECT subject FROM suppressions WHERE ended IS NULL AND until > ?)",
            (self._now - _HOUR, kept.number, detection.id, FLOOD, self._now),
        ).fetchall()
        for number, alert_id, first, last, count, named in rows:
            kept.first, kept.last = min(kept.first, first), max(kept.last, last)
            kept.count += count
            kept.kept += named
            self._db.execute("DELETE FROM history WHERE alert = ?", (number,))
            self._absorb(kept.number, number, alert_id)
        note(self._db, kept.number, self._now, "sentinel", f"{len(rows)} alerts of this hour have become part of it")
        for name in [one for one in self._subjects if one[0] == detection.id and one[1] != FLOOD]:
            del self._subjects[name]
        return kept

    def _raise(self, subject: _Subject, finding: Finding, at: int, event: str, *, flood: bool = False) -> _Open:
        detection = finding.detection
        digest = blake2b(digest_size=16)
        for part in (detection.id, FLOOD if flood else identity(finding.key), event):
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
                "[]" if flood else json.dumps(finding.key, ensure_ascii=False),
                at,
                at,
                self._now,
                _FLOODED if flood else finding.summary,
                detection.author,
                json.dumps(detection.attack),
            ),
        )
        alert = _Open(int(row.lastrowid or 0), at, at, 0, "new", 0, changed=True)
        subject.open.append(alert)
        if subject.suppression is None:
            self.raised.append(alert_id)
        note(self._db, alert.number, self._now, "sentinel", "raised", finding.late)
        return alert

    def _merge(self, subject: _Subject, kept: _Open, other: _Open) -> None:
        kept.first, kept.last = min(kept.first, other.first), max(kept.last, other.last)
        kept.count += other.count
        kept.kept += other.kept
        kept.changed = True
        if other.state == "acknowledged":
            kept.state = "acknowledged"
        subject.open.remove(other)
        self._db.execute(
            "UPDATE alerts SET version = alerts.version + other.version, "
            "assignee = iif(alerts.assignee = '', other.assignee, alerts.assignee) "
            "FROM alerts AS other WHERE alerts.number = ? AND other.number = ?",
            (kept.number, other.number),
        )
        # what was before a change was so for one of the two only
        self._db.execute("UPDATE history SET before = NULL WHERE alert IN (?, ?)", (kept.number, other.number))
        gone = str(self._db.execute("SELECT id FROM alerts WHERE number = ?", (other.number,)).fetchone()[0])
        self._absorb(kept.number, other.number, gone)
        note(self._db, kept.number, self._now, "sentinel", f"merged with {gone}", "a late event lies between the two")

    def _absorb(self, kept: int, other: int, gone: str) -> None:
        # what is known of `other` is known of `kept` from now on, and its id leads there
        for table in ("evidence", "rollups", "history", "aliases"):
            self._db.execute(
                f"UPDATE {table} SET alert = ? WHERE alert = ?",  # noqa: S608  names of our own tables
                (kept, other),
            )
        self._db.execute("INSERT INTO aliases VALUES (?, ?)", (gone, kept))
        self._db.execute("DELETE FROM alerts WHERE number = ?", (other,))
        if gone in self.raised:
            self.raised.remove(gone)

    def _roll_up(self, finding: Finding, rest: int) -> None:
        digest = blake2b(digest_size=16)
        for part in (*finding.evidence, finding.first_seen.isoformat(), finding.last_seen.isoformat(), str(rest)):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        mark = digest.hexdigest()
        for one in self._about(finding):
            row = self._db.execute("SELECT 1 FROM rollups WHERE subject = ? AND digest = ?", (one.number, mark))
            if row.fetchone() is not None:
                return
        subject, alert = self._place(finding, micros(finding.first_seen), mark)
        alert.last = max(alert.last, micros(finding.last_seen))
        alert.count += rest
        subject.hidden += rest
        self._db.execute("INSERT INTO rollups VALUES (?, ?, ?)", (subject.number, mark, alert.number))


def _reach(detection: Detection, quiet: timedelta) -> int:
    correlation = detection.correlation
    return micros_of(max(quiet, correlation.reach) if correlation else quiet)


def _mark(event: str) -> int:
    # 64 bits, as SQLite's integers: of a million events two share one once in thirty million times
    return int.from_bytes(blake2b(event.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


def micros_of(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // timedelta(microseconds=1)


def note(db: sqlite3.Connection, alert: int, at: int, who: str, what: str, text: str = "") -> int:
    """Add one entry to an alert's history and return its number."""
    row = db.execute(
        "INSERT INTO history (alert, at, who, what, note) VALUES (?, ?, ?, ?, ?)", (alert, at, who, what, text)
    )
    return int(row.lastrowid or 0)
