"""The book of cases: what people do to them, each entry with a name and a time, and nothing overwritten."""

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, assert_never, cast

from sentinel.cases.file import open_file
from sentinel.core import kill
from sentinel.core.alert import Change
from sentinel.core.case import (
    AddAlerts,
    AddEvidence,
    AddMember,
    AddNote,
    AddTask,
    Case,
    CaseAction,
    CaseState,
    CloseCase,
    Evidence,
    RemoveMember,
    Rename,
    ReopenCase,
    SetDeadline,
    SetTask,
    Task,
)
from sentinel.core.database import alone, micros, moment, reading, told, written
from sentinel.core.errors import ConflictError, NotThereError, UsageError
from sentinel.core.event import Event
from sentinel.core.journal import Journal
from sentinel.core.ports import Clock
from sentinel.core.where import plain, values

TITLE_MAX = 200
TEXT_MAX = 10_000
WHO_MAX = 200
EVIDENCE_MAX = 10_000
"""So many events may a case hold."""
ALERTS_MAX = 10_000
TASKS_MAX = 500
MEMBERS_MAX = 100
TOLD_MAX = 5
"""So many changes of others a conflict tells, the latest."""
_EXCLUSIVE = (Rename, SetDeadline, CloseCase, ReopenCase)


@dataclass(frozen=True, slots=True)
class _By:
    """Who does something to which case, when, and what for."""

    case: int
    who: str
    note: str
    now: datetime


def copied(event: Event, query: str, who: str, now: datetime) -> Evidence:
    """Return an event as a case keeps it."""
    document = json.dumps(dict(event.fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    raw = "".join(plain(one) for one in values(event.fields.get("event.original")))
    return Evidence(event.id, event.timestamp, document, digest(document), raw, digest(raw), query, now, who)


def digest(text: str) -> str:
    """Return the SHA-256 of a text as UTF-8, in hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class CaseBook:
    """Cases in the file `path`; any number of processes and threads may use it at once. Methods raise StoreError.

    With a `journal` the file is this machine's copy of what machines share.
    """

    def __init__(self, path: Path, clock: Clock, journal: Journal | None = None) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._db = open_file(path, journal)
        alone(self._db)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def cases(self, *, closed: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Return the open cases, or all: those with the nearest deadline first, then the newest."""
        with self._lock, told(self._path), reading(self._db):
            rows = self._db.execute(
                "SELECT number FROM cases WHERE state = 'open' OR ? "
                "ORDER BY state = 'closed', deadline IS NULL, deadline, number DESC LIMIT ?",
                (closed, limit),
            ).fetchall()
            return [self._case(number) for (number,) in rows]

    def case(self, number: int) -> Case:
        """Return one; raises NotThereError."""
        with self._lock, told(self._path), reading(self._db):
            return self._case(number)

    def evidence(self, number: int) -> Sequence[Evidence]:
        """Return what a case holds, in order of event time; raises NotThereError."""
        with self._lock, told(self._path), reading(self._db):
            self._case(number)
            rows = self._rows(
                "SELECT event, at, document, sha256, raw, raw_sha256, query, added, who FROM evidence "
                'WHERE "case" = ? ORDER BY at, event',
                number,
            )
            return [
                Evidence(event, moment(at), document, own, raw, raws, query, moment(added), who)
                for event, at, document, own, raw, raws, query, added, who in rows
            ]

    def create(self, title: str, who: str, note: str = "") -> Case:
        """Open a case, of which `who` is a member; raises UsageError."""
        now = self._clock.now()
        _bounded(who, note)
        title = _titled(title)

        def opened() -> Case:
            row = self._db.execute(
                "INSERT INTO cases (title, state, opened) VALUES (?, 'open', ?)", (title, micros(now))
            )
            number = int(row.lastrowid or 0)
            self._db.execute("INSERT INTO members VALUES (?, ?)", (number, who))
            self._enter(_By(number, who, note, now), "opened")
            return self._case(number)

        with self._lock, told(self._path):
            return written(self._db, opened)

    def change(self, number: int, action: CaseAction, who: str, note: str = "", version: int | None = None) -> Case:
        """Change a case, seen at `version`; raises UsageError, ConflictError if somebody has changed it since."""
        _bounded(who, note)
        by = _By(number, who, note, self._clock.now())

        def changed() -> Case | ConflictError:
            there = self._case(number)
            conflict = self._conflict(there, action, by, version)
            if conflict is not None:
                return conflict
            if there.state == "closed" and not isinstance(action, ReopenCase | AddNote):
                raise UsageError(f"case {number} is closed; to go on with it: sentinel cases reopen {number}")
            self._do(there, action, by)
            kill.point("cases.before_commit")
            return self._case(number)

        with self._lock, told(self._path):
            done = written(self._db, changed)
        if isinstance(done, ConflictError):
            raise done
        return done

    def _conflict(self, there: Case, action: CaseAction, by: _By, version: int | None) -> ConflictError | None:
        if version is None or version == there.version or not isinstance(action, _EXCLUSIVE):
            return None
        if version > there.version:
            raise UsageError(f"case {there.number} has not been changed so often: its version is {there.version}")
        rows = self._db.execute(
            'SELECT at, who, what FROM history WHERE "case" = ? AND changed ORDER BY number DESC LIMIT ?',
            (there.number, min(there.version - version, TOLD_MAX)),
        ).fetchall()
        said = "; ".join(f"{who} {what} at {moment(at):%Y-%m-%d %H:%M:%S} UTC" for at, who, what in reversed(rows))
        self._enter(by, f"refused: {type(action).__name__}", f"{said}. {by.note}".strip())
        return ConflictError(
            f"case {there.number} has changed since you saw it: {said}. Nothing was overwritten; look at it again, it "
            f"is at version {there.version} now"
        )

    def _do(self, there: Case, action: CaseAction, by: _By) -> None:
        match action:
            case AddAlerts(ids):
                self._take_alerts(there, ids, by)
            case AddEvidence(evidence):
                self._take(there, evidence, by)
            case AddNote():
                if not by.note.strip():
                    raise UsageError("say what is to be noted")
                self._enter(by, "noted")
            case AddTask(text):
                self._add_task(there, text, by)
            case SetTask(number, done):
                self._set_task(there, number, by, done=done)
            case AddMember(name) | RemoveMember(name):
                self._move(there, name, by, joins=isinstance(action, AddMember))
            case Rename(title):
                self._set("title", _titled(title), by, f"renamed it {_titled(title)}")
            case SetDeadline(at):
                until = None if at is None else micros(at)
                said = (
                    "removed the deadline"
                    if at is None
                    else f"set the deadline {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
                )
                self._set("deadline", until, by, said)
            case CloseCase():
                self._set("state", "closed", by, "closed")
            case ReopenCase():
                if there.state == "open":
                    raise UsageError(f"case {there.number} is open")
                self._set("state", "open", by, "reopened")
            case _:
                assert_never(action)

    def _take_alerts(self, there: Case, ids: Sequence[str], by: _By) -> None:
        new = [one for one in dict.fromkeys(ids) if one not in there.alerts]
        if len(there.alerts) + len(new) > ALERTS_MAX:
            raise UsageError(f"a case may have {ALERTS_MAX} alerts; open another one")
        for alert in new:
            self._db.execute("INSERT INTO case_alerts VALUES (?, ?)", (by.case, alert))
            self._enter(by, f"added alert {alert}")

    def _take(self, there: Case, evidence: Iterable[Evidence], by: _By) -> None:
        added = 0
        for one in evidence:
            row = self._db.execute(
                "INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (by.case, one.event, micros(one.at), one.document, one.sha256, one.raw, one.raw_sha256, one.query,
                 micros(one.added), one.who),
            )  # fmt: skip
            added += row.rowcount
        if there.evidence + added > EVIDENCE_MAX:
            raise UsageError(f"a case may hold {EVIDENCE_MAX} events; ask more narrowly")
        self._enter(by, f"added {added} events")

    def _add_task(self, there: Case, text: str, by: _By) -> None:
        if not text.strip() or len(text) > TEXT_MAX or len(there.tasks) >= TASKS_MAX:
            raise UsageError(f"say what is to be done, in at most {TEXT_MAX} characters; {TASKS_MAX} tasks at most")
        number = max((one.number for one in there.tasks), default=0) + 1
        row = (by.case, number, text.strip(), False, by.who, micros(by.now))
        self._db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)", row)
        self._enter(by, f"added task {number}: {text.strip()}")

    def _set_task(self, there: Case, number: int, by: _By, *, done: bool) -> None:
        task = next((one for one in there.tasks if one.number == number), None)
        word = "done" if done else "open"
        if task is None:
            raise NotThereError(f"case {there.number} has no task {number}")
        if task.done == done:
            raise UsageError(f"task {number} is {word} already, by {task.who}")
        self._db.execute(
            'UPDATE tasks SET done = ?, who = ?, at = ? WHERE "case" = ? AND number = ?',
            (done, by.who, micros(by.now), by.case, number),
        )
        self._enter(by, f"task {number} is {word}: {task.text}")

    def _move(self, there: Case, name: str, by: _By, *, joins: bool) -> None:
        if not name.strip() or len(name) > WHO_MAX or len(there.members) >= MEMBERS_MAX:
            raise UsageError(f"not a name, or more than {MEMBERS_MAX} members: {name[:WHO_MAX]!r}")
        if (name in there.members) == joins:
            raise UsageError(f"{name} is {'a' if joins else 'no'} member already")
        if joins:
            self._db.execute("INSERT INTO members VALUES (?, ?)", (by.case, name))
        else:
            self._db.execute('DELETE FROM members WHERE "case" = ? AND who = ?', (by.case, name))
        self._enter(by, f"added {name}" if joins else f"removed {name}")

    def _set(self, column: str, value: object, by: _By, what: str) -> None:
        self._db.execute(
            f"UPDATE cases SET {column} = ?, version = version + 1 WHERE number = ?",  # noqa: S608  columns of our own
            (value, by.case),
        )
        self._enter(by, what, changed=True)

    def _enter(self, by: _By, what: str, note: str | None = None, *, changed: bool = False) -> None:
        said = by.note if note is None else note
        self._db.execute(
            'INSERT INTO history ("case", at, who, what, note, changed) VALUES (?, ?, ?, ?, ?, ?)',
            (by.case, micros(by.now), by.who, what, said, changed),
        )

    def _case(self, number: int) -> Case:
        row = self._db.execute(
            "SELECT title, state, opened, deadline, version FROM cases WHERE number = ?", (number,)
        ).fetchone()
        if row is None:
            raise NotThereError(f"there is no case {number}; `sentinel cases list` shows them")
        title, state, opened, deadline, version = row
        tasks = self._rows('SELECT number, text, done, who, at FROM tasks WHERE "case" = ? ORDER BY number', number)
        said = self._rows('SELECT at, who, what, note FROM history WHERE "case" = ? ORDER BY number', number)
        return Case(
            number=number,
            title=title,
            state=cast("CaseState", state),
            opened=moment(opened),
            deadline=None if deadline is None else moment(deadline),
            version=version,
            members=tuple(
                who for (who,) in self._rows('SELECT who FROM members WHERE "case" = ? ORDER BY who', number)
            ),
            alerts=tuple(one for (one,) in self._rows('SELECT alert FROM case_alerts WHERE "case" = ?', number)),
            evidence=self._rows('SELECT count(*) FROM evidence WHERE "case" = ?', number)[0][0],
            tasks=tuple(Task(one, text, bool(done), who, moment(at)) for one, text, done, who, at in tasks),
            timeline=tuple(Change(moment(at), who, what, note) for at, who, what, note in said),
        )

    def _rows(self, question: str, number: int) -> list[tuple[Any, ...]]:
        return self._db.execute(question, (number,)).fetchall()


def _titled(title: str) -> str:
    if not title.strip() or len(title) > TITLE_MAX:
        raise UsageError(f"give the case a title, of at most {TITLE_MAX} characters")
    return title.strip()


def _bounded(who: str, note: str) -> None:
    if not who or len(who) > WHO_MAX or len(note) > TEXT_MAX:
        raise UsageError(f"say who you are (at most {WHO_MAX} characters) and at most {TEXT_MAX} characters of note")
