"""The book of alerts: findings go in once, people work on what comes out, and every change has a name and a time."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar, cast, get_args

from sentinel.alert import changing, statistics, suppressing
from sentinel.alert.budget import BUDGET_PER_HOUR
from sentinel.alert.file import open_file
from sentinel.alert.folding import FLOOD, Folding, identity
from sentinel.alert.naming import ALERTS, number_of
from sentinel.alert.suppressing import ACTIVE
from sentinel.core import kill
from sentinel.core.alert import (
    Acknowledge,
    Action,
    Alert,
    Change,
    Close,
    Outcome,
    Record,
    Seen,
    State,
    Suppression,
    Verdict,
)
from sentinel.core.database import alone, micros, moment, reading, told, writing, written
from sentinel.core.detection import EVIDENCE_MAX, Finding, Key, Level
from sentinel.core.errors import StoreBusyError, UsageError
from sentinel.core.journal import Journal
from sentinel.core.ports import Clock
from sentinel.core.reached import Reached, keep, load
from sentinel.core.replica import Replica

T = TypeVar("T")
QUIET = timedelta(hours=24)
MANY_MAX = 1_000
"""So many alerts may be changed at once."""
_COLUMNS = (
    "alerts.number, id, rule_version, alerts.title, level, alerts.key, first_seen, last_seen, raised_at, alerts.count, "
    "state, verdict, summary, author, attack, rule_id, identity, alerts.version, assignee, held.until, "
    "held.number"
)
_FROM = (
    "alerts JOIN subjects ON subjects.number = alerts.subject LEFT JOIN suppressions AS held ON held.number = "
    "(SELECT max(number) FROM suppressions WHERE subject = alerts.subject AND ended IS NULL AND until > :now)"
)


class Book:
    """Alerts in the state file `path`; any number of processes and threads may use it at once.

    `quiet` is how long (in event time) nothing may happen until a repeat is a new alert, `budget_per_hour` how many
    alerts a rule may begin in an hour until the others become one. With a `journal` the file is this machine's copy of
    what machines share. Every method raises StoreError if the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        quiet: timedelta = QUIET,
        budget_per_hour: int = BUDGET_PER_HOUR,
        journal: Journal | None = None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._quiet = quiet
        self._budget = budget_per_hour
        self._lock = threading.RLock()
        self._db = open_file(path, journal)
        alone(self._db)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go of the file."""
        self.shut()

    def shut(self) -> None:
        """Let go of the file; the book is not used again."""
        with self._lock:
            self._db.close()

    def guard(self, check: Callable[[sqlite3.Connection], None]) -> None:
        """Let `check` raise before anything is written, where machines share this."""
        if isinstance(self._db, Replica):
            self._db.guard = check

    @property
    def behind(self) -> str:
        """Why what other machines have written could not be looked for; nothing if it was, or there are none."""
        return self._db.sight.why if isinstance(self._db, Replica) else ""

    def judged(self) -> Reached:
        """Return up to where everything has been judged."""
        with self._lock, told(self._path), reading(self._db):
            return load(self._db, "judged")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the file to what is kept beside the alerts, for one transaction: all or nothing."""
        with self._lock, told(self._path), writing(self._db):
            yield self._db

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """Give the file to what is kept beside the alerts, for several questions about one state of it."""
        with self._lock, told(self._path), reading(self._db):
            yield self._db

    def record(
        self,
        findings: Iterable[Finding],
        cursor: int,
        *,
        after: Reached | None = None,
        also: Callable[[sqlite3.Connection], None] = lambda _db: None,
    ) -> tuple[str, ...]:
        """Fold findings into alerts and move the cursor, both or neither; returns the ids of alerts newly raised.

        It is the cursor of the node that `cursor` is a sequence of, and never moves back. `after` is where the judging
        began: if a cursor stands elsewhere by now, another process has judged meanwhile, nothing is written and
        StoreBusyError raised. What `also` writes is written in the same transaction.
        """
        findings = tuple(findings)

        def folded() -> tuple[str, ...]:
            there = load(self._db, "judged")
            if after is not None and there != after:
                raise StoreBusyError(f"{self._path}: another process has judged up to {there.top}; only one should")
            folding = Folding(self._db, self._quiet, self._clock.now(), self._budget)
            for finding in findings:
                folding.take(finding)
            folding.finish()
            kill.point("alert.before_cursor")
            also(self._db)
            if not there.holds(cursor):
                keep(self._db, "judged", Reached.of(cursor))
            kill.point("alert.before_commit")
            return tuple(folding.raised)

        raised = self._write(folded)
        kill.point("alert.after_commit")
        return raised

    def _write(self, work: Callable[[], T]) -> T:
        with self._lock, told(self._path):
            return written(self._db, work)

    def alerts(self, *, states: tuple[State, ...] = (), limit: int = 1000, suppressed: bool = False) -> list[Alert]:
        """Return alerts, those last seen latest first; `states` empty means all; suppressed ones only if asked for."""
        shown = "" if suppressed else f"AND alerts.subject NOT IN ({ACTIVE})"
        return self._alerts(
            f"state IN (SELECT value FROM json_each(:states)) {shown} ORDER BY last_seen DESC, id LIMIT :limit",  # noqa: S608  texts of our own
            states=json.dumps(states or get_args(State)),
            limit=limit,
        )

    def open_of(self, rule_id: str) -> list[Alert]:
        """Return every alert of one rule that is not closed."""
        return self._alerts("state != 'closed' AND rule_id = :rule_id", rule_id=rule_id)

    def raised_by(self, rule_id: str) -> list[Alert]:
        """Return every alert of one rule, closed ones too."""
        return self._alerts("rule_id = :rule_id", rule_id=rule_id)

    def named(self, ids: Sequence[str]) -> list[Alert]:
        """Return the alerts with these ids (whole ones), in no order; one that is not there is left out."""
        return self._alerts("id IN (SELECT value FROM json_each(:ids))", ids=json.dumps(ids))

    def raised(self, after: int, limit: int) -> tuple[list[Alert], int]:
        """Return alerts raised since an entry of the history, suppressed ones too, and the entry to go on from.

        One that has become part of another is that other one.
        """
        with self._lock, told(self._path), reading(self._db):
            rows = self._db.execute(
                "SELECT number, alert FROM history WHERE number > ? AND what = 'raised' ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
            alerts = [self._one(number) for number in dict.fromkeys(alert for _, alert in rows)]
        return alerts, rows[-1][0] if rows else after

    def _alerts(self, which: str, **given: object) -> list[Alert]:
        with self._lock, told(self._path), reading(self._db):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM {_FROM} WHERE {which}",  # noqa: S608  texts of our own
                {**given, "now": micros(self._clock.now())},
            ).fetchall()
            return [self._alert(row) for row in rows]

    def suppress(self, alert_id: str, who: str, until: datetime, reason: str) -> Suppression:
        """Show nobody what an alert is about for a while; raises UsageError if it is so already."""
        changing.named(who)
        return self._write(
            lambda: suppressing.suppress(self._db, self._number(alert_id), self._clock.now(), until, (who, reason))
        )

    def unsuppress(self, number: int, who: str, note: str = "") -> Suppression:
        """End a suppression: what it is about is shown again; raises UsageError."""
        changing.named(who, note)
        return self._write(lambda: suppressing.unsuppress(self._db, number, self._clock.now(), who, note))

    def adopt(self, given: Suppression) -> None:
        """Take over a suppression of another book, as it held there."""
        key = FLOOD if given.flood else identity(given.key)

        def adopted() -> None:
            self._db.execute("INSERT OR IGNORE INTO subjects (rule_id, identity) VALUES (?, ?)", (given.rule_id, key))
            row = self._db.execute(
                "SELECT number FROM subjects WHERE rule_id = ? AND identity = ?", (given.rule_id, key)
            ).fetchone()
            suppressing.adopt(self._db, given, int(row[0]))

        self._write(adopted)

    def suppressions(self, *, ended: bool = False, limit: int = 1000) -> list[Suppression]:
        """Return the suppressions that hold, those that end first first; with `ended` all, latest first."""
        with self._lock, told(self._path), reading(self._db):
            return list(suppressing.listed(self._db, self._clock.now(), limit, ended=ended))

    def records(self, rule_id: str | None = None) -> list[Record]:
        """Return how every rule that has raised alerts has fared, or one of them."""
        with self._lock, told(self._path), reading(self._db):
            return list(statistics.records(self._db, rule_id))

    def alert(self, alert_id: str) -> Alert:
        """Return one alert by its id or an unambiguous beginning of it; raises UsageError."""
        with self._lock, told(self._path), reading(self._db):
            return self._one(self._number(alert_id))

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take an alert on, or over from somebody else; raises UsageError if it is closed."""
        return self.change(Seen(alert_id), Acknowledge(), who, note)

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert with a verdict; raises UsageError if it is closed already."""
        return self.change(Seen(alert_id), Close(verdict), who, note)

    def change(self, seen: Seen, action: Action, who: str, note: str = "") -> Alert:
        """Change one alert; raises UsageError if it cannot be, ConflictError if somebody has changed it since."""
        (done,) = self.change_all([seen], action, who, note)
        if isinstance(done.result, UsageError):
            raise done.result
        return done.result

    def change_all(self, seen: Sequence[Seen], action: Action, who: str, note: str = "") -> list[Outcome]:
        """Change many in one transaction: each that can be, and why the others cannot; raises UsageError."""
        changing.named(who, note)
        changing.checked(action)
        if len(seen) > MANY_MAX:
            raise UsageError(f"{len(seen)} alerts are too many at once; change up to {MANY_MAX}")
        by = changing.By(who, note, self._clock.now())
        return self._write(lambda: [self._change(one, action, by) for one in seen])

    def _change(self, seen: Seen, action: Action, by: changing.By) -> Outcome:
        try:
            number = self._number(seen.id)
            conflict = changing.change(self._db, number, seen.version, action, by)
        except UsageError as error:
            return Outcome(seen, error)
        return Outcome(seen, conflict or self._one(number))

    def _number(self, alert_id: str) -> int:
        return number_of(self._db, alert_id, ALERTS)

    def _one(self, number: int) -> Alert:
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE alerts.number = :number",  # noqa: S608  texts of our own
            {"number": number, "now": micros(self._clock.now())},
        ).fetchone()
        return self._alert(row)

    def _alert(self, row: tuple[object, ...]) -> Alert:
        (number, alert_id, version, title, level, key, first, last, raised, count, state, verdict, *rest) = row
        summary, author, attack, rule_id, about, changes, assignee, suppressed, held = rest
        evidence = self._db.execute(
            "SELECT event FROM evidence WHERE alert = ? ORDER BY at, event LIMIT ?", (number, EVIDENCE_MAX)
        )
        history = self._db.execute(
            "SELECT at, who, what, note, number IN (SELECT undoes FROM history WHERE alert = :alert) FROM history "
            "WHERE alert = :alert ORDER BY at, number",
            {"alert": number},
        )
        return Alert(
            id=str(alert_id),
            rule_id=str(rule_id),
            rule_version=str(version),
            title=str(title),
            level=cast("Level", level),
            key=cast("Key", tuple((name, value) for name, value in json.loads(str(key)))),
            first_seen=moment(cast("int", first)),
            last_seen=moment(cast("int", last)),
            raised_at=moment(cast("int", raised)),
            count=cast("int", count),
            evidence=tuple(str(event) for (event,) in evidence),
            state=cast("State", state),
            verdict=cast("Verdict | None", verdict),
            summary=str(summary),
            author=str(author),
            attack=tuple(json.loads(str(attack))),
            history=tuple(Change(moment(at), who, what, text, bool(undone)) for at, who, what, text, undone in history),
            flood=about == FLOOD,
            suppressed_until=None if suppressed is None else moment(cast("int", suppressed)),
            suppression=cast("int | None", held),
            version=cast("int", changes),
            assignee=str(assignee),
        )
