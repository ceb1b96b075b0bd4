"""What people do to alerts: each change is an entry of the history, and whoever made the last one can take it back.

Who says which version he has seen changes nothing that others have changed since: he is told what they did, and that
he wanted to stands in the history as well. Notes and new events are in nobody's way.
"""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, assert_never, get_args

from sentinel.alert import suppressing
from sentinel.alert.folding import note as entered
from sentinel.core.alert import Acknowledge, Action, Assign, Close, Note, Reopen, State, Suppress, Undo, Verdict
from sentinel.core.database import micros, moment
from sentinel.core.errors import ConflictError, UsageError

NOTE_MAX = 10_000
WHO_MAX = 200
TOLD_MAX = 5
"""So many changes of others a conflict tells, the latest."""


class _Standing(NamedTuple):
    """How far work on an alert is."""

    state: State
    verdict: Verdict | None
    assignee: str


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, when, and what for."""

    who: str
    note: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _There:
    """An alert as it is kept."""

    number: int
    id: str
    version: int
    standing: _Standing


def named(who: str, text: str = "") -> None:
    """Refuse a change without a name, or a note beyond bounds; raises UsageError."""
    if not who or len(who) > WHO_MAX or len(text) > NOTE_MAX:
        raise UsageError(f"say who you are (at most {WHO_MAX} characters) and at most {NOTE_MAX} characters of note")


def checked(action: Action) -> None:
    """Refuse what is no action for any alert; raises UsageError."""
    match action:
        case Close(verdict) if verdict not in get_args(Verdict):
            raise UsageError(f"no such verdict: {verdict!r}; there are {', '.join(get_args(Verdict))}")
        case Assign(to) if len(to) > WHO_MAX or to != to.strip():
            raise UsageError(f"not a name: {to[:WHO_MAX]!r}; at most {WHO_MAX} characters, no blanks around it")
        case _:
            pass


def change(db: sqlite3.Connection, alert: int, version: int | None, action: Action, by: By) -> ConflictError | None:
    """Change the alert with this number, seen at `version`; returns the conflict that was entered instead.

    Raises UsageError, and has then written nothing.
    """
    row = db.execute(
        "SELECT number, id, version, state, verdict, assignee FROM alerts WHERE number = ?", (alert,)
    ).fetchone()
    number, alert_id, current, *standing = row
    there = _There(number, alert_id, current, _Standing(*standing))
    if version is not None and version > there.version:
        raise UsageError(f"alert {there.id} has not been changed so often: its version is {there.version}")
    if version is not None and version < there.version and not isinstance(action, Note):
        return _refused(db, there, version, action, by)
    match action:
        case Acknowledge():
            _move(db, _still_open(db, there), _Standing("acknowledged", None, by.who), by, "acknowledged")
        case Assign(to):
            state = there.standing.state if to else "new"
            what = f"assigned to {to}" if to else "handed back"
            _move(db, _still_open(db, there), _Standing(state, None, to), by, what)
        case Note():
            if not by.note.strip():
                raise UsageError("say what is to be noted")
            entered(db, alert, micros(by.now), by.who, "noted", by.note)
        case Close(verdict):
            closed = _Standing("closed", verdict, there.standing.assignee)
            _move(db, _still_open(db, there), closed, by, f"closed as {verdict}")
        case Reopen():
            if there.standing.state != "closed":
                raise UsageError(f"alert {there.id} is not closed")
            _move(db, there, _Standing("acknowledged", None, by.who), by, "reopened")
        case Suppress(until):
            suppressing.suppress(db, alert, by.now, until, (by.who, by.note))
        case Undo():
            _undo(db, there, by)
        case _:
            assert_never(action)
    return None


def _still_open(db: sqlite3.Connection, there: _There) -> _There:
    if there.standing.state == "closed":
        last = db.execute(
            "SELECT who FROM history WHERE alert = ? AND what LIKE 'closed as %' ORDER BY number DESC LIMIT 1",
            (there.number,),
        ).fetchone()
        by = f" by {last[0]}" if last else ""
        raise UsageError(
            f"alert {there.id} is closed already{by} ({there.standing.verdict}); a repeat is a new alert. "
            f"To go on with this one: sentinel alerts reopen {there.id}"
        )
    return there


def _move(db: sqlite3.Connection, there: _There, to: _Standing, by: By, what: str, undoes: int | None = None) -> None:
    db.execute("UPDATE alerts SET state = ?, verdict = ?, assignee = ? WHERE number = ?", (*to, there.number))
    entry = entered(db, there.number, micros(by.now), by.who, what, by.note)
    suppressing.counted(db, there.number, entry, None if undoes else json.dumps(there.standing), undoes)


def _undo(db: sqlite3.Connection, there: _There, by: By) -> None:
    row = db.execute(
        "SELECT number, at, who, what, before FROM history WHERE alert = :alert AND changed AND undoes IS NULL "
        "AND number NOT IN (SELECT undoes FROM history WHERE alert = :alert AND undoes IS NOT NULL) "
        "ORDER BY number DESC LIMIT 1",
        {"alert": there.number},
    ).fetchone()
    if row is None:
        raise UsageError(f"nobody has changed alert {there.id}: there is nothing to undo")
    entry, at, who, what, before = row
    said = _said(at, who, what)
    if who != by.who:
        raise UsageError(f"the last change of alert {there.id} is not yours: {said}")
    if before is None:
        raise UsageError(f"this cannot be undone: {said}")
    kept = json.loads(before)
    if isinstance(kept, dict):
        suppressing.unsuppress(db, kept["suppression"], by.now, by.who, by.note)
    else:
        _move(db, there, _Standing(*kept), by, f"undone: {what}", entry)


def _refused(db: sqlite3.Connection, there: _There, version: int, action: Action, by: By) -> ConflictError:
    since = db.execute(
        "SELECT at, who, what FROM history WHERE alert = ? AND changed ORDER BY number DESC LIMIT ?",
        (there.number, min(there.version - version, TOLD_MAX)),
    ).fetchall()
    told = "; ".join(_said(*row) for row in reversed(since))
    entered(db, there.number, micros(by.now), by.who, f"refused: {wanted(action)}", f"{told}. {by.note}".strip())
    return ConflictError(
        f"alert {there.id} has changed since you saw it: {told}. Nothing was overwritten; "
        f"look at it again (sentinel alerts show {there.id}), it is at version {there.version} now"
    )


def _said(at: int, who: str, what: str) -> str:
    return f"{who} {what} at {moment(at):%Y-%m-%d %H:%M:%S} UTC"


def wanted(action: Action) -> str:
    """Return in words what somebody wants to do."""
    match action:
        case Assign(to):
            return f"assign to {to}" if to else "hand back"
        case Close(verdict):
            return f"close as {verdict}"
        case Suppress(until):
            return f"suppress until {until:%Y-%m-%d %H:%M} UTC"
        case Acknowledge() | Note() | Reopen() | Undo():
            return type(action).__name__.lower()
        case _:
            assert_never(action)
