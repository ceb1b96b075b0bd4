"""What is to be told, on disk before it is sent: which alerts in which message, how often tried, what became of it.

A message has the id of its first alert, reason and channel: whoever queues the same again queues nothing.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Self, cast

from sentinel.core import kill
from sentinel.core.alert import Alert
from sentinel.core.database import Shape, alone, micros, moment, open_database, reading, told, writing, written
from sentinel.core.detection import LEVELS, Level
from sentinel.core.journal import Journal
from sentinel.core.replica import Replica
from sentinel.notify.message import Message, State

KEPT = timedelta(days=30)
"""So long is known what was sent."""
_SHAPE = Shape(
    0x5E_17_1E_05,
    1,
    (
        "CREATE TABLE cursor (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE messages (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, reason TEXT NOT NULL,
            rule_id TEXT NOT NULL, level TEXT NOT NULL, made_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
            title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '', count INTEGER NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT '', ended_at INTEGER)""",
        "CREATE INDEX messages_by_state ON messages (state, channel, due_at)",
        "CREATE INDEX messages_by_rule ON messages (channel, rule_id, number)",
        """CREATE TABLE members (
            channel TEXT NOT NULL, alert TEXT NOT NULL, message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
            PRIMARY KEY (channel, alert)) WITHOUT ROWID""",
        "CREATE INDEX members_by_message ON members (message)",
        # since when a channel has only failed, and how often in a row
        """CREATE TABLE channels (
            name TEXT PRIMARY KEY, failing INTEGER, failures INTEGER NOT NULL DEFAULT 0,
            again_at INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '') WITHOUT ROWID""",
    ),
)
_COLUMNS = (
    "id, channel, reason, rule_id, level, made_at, due_at, state, attempts, held, title, body, count, error, ended_at, "
    "(SELECT json_group_array(alert) FROM members WHERE message = number)"
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How alerts become messages: gathered for `gather`, and for `again` after one about the same rule."""

    gather: timedelta
    again: timedelta


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel fares: since when it has only failed, how often in a row, until when it rests, and why."""

    failing: datetime | None = None
    failures: int = 0
    again_at: datetime | None = None
    error: str = ""


def open_file(path: Path, journal: Journal | None = None) -> sqlite3.Connection:
    """Open the file of messages, making it if there is none; raises StoreError."""
    return open_database(path, _SHAPE, journal)


class Outbox:
    """The messages in the file `path`; any number of processes and threads; raises StoreError.

    With a `journal` the file is this machine's copy of what machines share.
    """

    def __init__(self, path: Path, journal: Journal | None = None) -> None:
        self._path = path
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

    def guard(self, check: Callable[[sqlite3.Connection], None]) -> None:
        """Let `check` raise before anything is written, where machines share this."""
        if isinstance(self._db, Replica):
            self._db.guard = check

    def claim(self, message: Message) -> None:
        """Make sure that what becomes of another try can be entered, where machines share this."""
        if isinstance(self._db, Replica):
            self._all("UPDATE messages SET state = state WHERE id = ?", [message])

    def cursor(self, name: str) -> int | None:
        """Return how far something has been taken, None at the beginning."""
        with self._lock, told(self._path), reading(self._db):
            row = self._db.execute("SELECT value FROM cursor WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def take(
        self, alerts: Iterable[Alert], cursor: int, channels: Mapping[str, Level], now: datetime, pace: Pace
    ) -> None:
        """Queue new alerts for each channel from its level on, and move the cursor, both or neither.

        An alert that is in a message of a channel already changes nothing there.
        """
        with self._lock, told(self._path), writing(self._db):
            for alert in alerts:
                for channel, least in channels.items():
                    if LEVELS.index(alert.level) >= LEVELS.index(least):
                        self._queue(channel, alert, now, pace)
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES ('alerts', ?)", (cursor,))
            kill.point("notify.before_queued")
        kill.point("notify.queued")

    def _queue(self, channel: str, alert: Alert, now: datetime, pace: Pace) -> None:
        row = self._db.execute("SELECT 1 FROM members WHERE channel = ? AND alert = ?", (channel, alert.id))
        if row.fetchone() is not None:
            return
        about = (channel, alert.rule_id)
        gathering = self._db.execute(
            "SELECT number, level FROM messages WHERE channel = ? AND rule_id = ? AND state = 'waiting' AND title = ''",
            about,
        ).fetchone()
        if gathering is None:
            last = self._db.execute(
                "SELECT max(ended_at) FROM messages WHERE channel = ? AND rule_id = ? AND state IN ('sent', 'merged')",
                about,
            ).fetchone()[0]
            due = micros(now + pace.gather)
            if last is not None:
                due = max(due, min(last, micros(now)) + pace.again // timedelta(microseconds=1))
            number = self._insert(channel, "raised", alert.id, alert.rule_id, alert.level, (micros(now), due))
        else:
            number, level = gathering
            self._db.execute(
                "UPDATE messages SET level = ? WHERE number = ?", (max(level, alert.level, key=_rank), number)
            )
        if number is not None:
            self._db.execute("INSERT OR IGNORE INTO members VALUES (?, ?, ?)", (channel, alert.id, number))

    def _insert(
        self, channel: str, reason: str, about: str, rule_id: str, level: Level, times: tuple[int, int]
    ) -> int | None:
        row = self._db.execute(
            "INSERT OR IGNORE INTO messages (id, channel, reason, rule_id, level, made_at, due_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
            (message_id(channel, reason, about), channel, reason, rule_id, level, *times),
        ).fetchone()
        return None if row is None else int(row[0])

    def add(self, channel: str, reason: str, about: str, words: tuple[str, str], now: datetime) -> None:
        """Queue a message that is worded already; the same `about` again changes nothing."""
        with self._lock, told(self._path), writing(self._db):
            number = self._insert(channel, reason, about, "", "informational", (micros(now), micros(now)))
            if number is not None:
                self._db.execute("UPDATE messages SET title = ?, body = ? WHERE number = ?", (*words, number))

    def due(self, channel: str, now: datetime) -> list[Message]:
        """Return what a channel is to tell by now: what was tried least first, then the oldest."""
        return self._messages(
            "state = 'waiting' AND channel = ? AND due_at <= ? ORDER BY attempts, number LIMIT 1000",
            channel,
            micros(now),
        )

    def listed(self, *, states: Sequence[State] = (), limit: int = 200) -> list[Message]:
        """Return messages, the latest first; `states` empty means all."""
        return self._messages(
            "? OR state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?",
            not states,
            json.dumps(states),
            limit,
        )

    def _messages(self, which: str, *given: object) -> list[Message]:
        with self._lock, told(self._path), reading(self._db), closing(self._db.cursor()) as cursor:
            cursor.execute(f"SELECT {_COLUMNS} FROM messages WHERE {which}", given)  # noqa: S608  texts of our own
            return [_message(row) for row in cursor]

    def hold(self, messages: Sequence[Message], until: datetime) -> None:
        """Keep messages back; they come in a digest then."""
        self._all("UPDATE messages SET held = 1, due_at = max(due_at, ?) WHERE id = ?", messages, micros(until))

    def merge(self, messages: Sequence[Message], now: datetime) -> Message:
        """Make one digest of several messages that are not worded yet."""
        first = messages[0]
        level = max((one.level for one in messages), key=_rank)
        with self._lock, told(self._path), writing(self._db):
            number = self._insert(first.channel, "digest", first.id, "", level, (micros(now), micros(now)))
            for one in messages:
                self._db.execute(
                    "UPDATE members SET message = ? WHERE message = (SELECT number FROM messages WHERE id = ?)",
                    (number, one.id),
                )
                self._db.execute(
                    "UPDATE messages SET state = 'merged', ended_at = ? WHERE id = ?", (micros(now), one.id)
                )
        (found,) = self._messages("number = ?", number)
        return found

    def word(self, message: Message, words: tuple[str, str], count: int) -> Message:
        """Give a message its words: from now on every try is the same."""
        with self._lock, told(self._path), writing(self._db):
            self._db.execute(
                "UPDATE messages SET title = ?, body = ?, count = ? WHERE id = ?", (*words, count, message.id)
            )
        (found,) = self._messages("id = ?", message.id)
        return found

    def end(self, message: Message, state: State, now: datetime, error: str = "") -> None:
        """Enter what became of a message."""

        def ended() -> None:
            self._db.execute(
                "UPDATE messages SET state = ?, ended_at = ?, error = ?, attempts = attempts + ? WHERE id = ?",
                (state, micros(now), error, state != "dropped", message.id),
            )
            if state == "sent":
                self._db.execute("INSERT OR REPLACE INTO channels (name) VALUES (?)", (message.channel,))

        with self._lock, told(self._path):
            written(self._db, ended)

    def failed(self, message: Message, now: datetime, again: datetime, error: str) -> None:
        """Enter a try that failed; the message is due again, and the channel rests until then."""
        with self._lock, told(self._path), writing(self._db):
            self._db.execute(
                "UPDATE messages SET attempts = attempts + 1, due_at = ?, error = ? WHERE id = ?",
                (micros(again), error, message.id),
            )
            self._db.execute(
                "INSERT INTO channels VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET "
                "failing = coalesce(failing, excluded.failing), failures = failures + 1, again_at = excluded.again_at, "
                "error = excluded.error",
                (message.channel, micros(now), micros(again), error),
            )

    def health(self, channel: str) -> Health:
        """Return how a channel fares."""
        with self._lock, told(self._path), reading(self._db):
            row = self._db.execute(
                "SELECT failing, failures, again_at, error FROM channels WHERE name = ?", (channel,)
            ).fetchone()
        if row is None:
            return Health()
        failing, failures, again, error = row
        return Health(None if failing is None else moment(failing), failures, moment(again) if again else None, error)

    def sent_times(self, since: datetime, channel: str | None = None) -> list[datetime]:
        """Return when messages were sent since a moment, the oldest first: by one channel, or by all."""
        with self._lock, told(self._path):
            rows = self._db.execute(
                "SELECT ended_at FROM messages WHERE state = 'sent' AND ended_at > :since AND "
                "(:channel IS NULL OR channel = :channel) ORDER BY ended_at",
                {"since": micros(since), "channel": channel},
            ).fetchall()
        return [moment(at) for (at,) in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many messages there are by channel and state."""
        with self._lock, told(self._path), reading(self._db):
            rows = self._db.execute("SELECT channel, state, count(*) FROM messages GROUP BY channel, state").fetchall()
        return {(str(channel), str(state)): int(number) for channel, state, number in rows}

    def forget(self, now: datetime) -> None:
        """Forget what ended long ago."""
        with self._lock, told(self._path), writing(self._db):
            self._db.execute("DELETE FROM messages WHERE ended_at < ?", (micros(now - KEPT),))

    def _all(self, statement: str, messages: Sequence[Message], *given: object) -> None:
        with self._lock, told(self._path), writing(self._db):
            self._db.executemany(statement, [(*given, one.id) for one in messages])


def message_id(channel: str, reason: str, about: str) -> str:
    """Return the id of the message by which a channel tells this about that: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for part in (channel, reason, about):
        digest.update(b"%d:" % len(part) + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _rank(level: str) -> int:
    return LEVELS.index(cast("Level", level))


def _message(row: tuple[object, ...]) -> Message:
    (found, channel, reason, rule_id, level, made, due, state, attempts, held, title, body, count, error, ended, of) = (
        row
    )
    return Message(
        id=str(found),
        channel=str(channel),
        reason=str(reason),
        rule_id=str(rule_id),
        level=cast("Level", level),
        made_at=moment(cast("int", made)),
        due_at=moment(cast("int", due)),
        state=cast("State", state),
        attempts=cast("int", attempts),
        held=bool(held),
        alerts=tuple(json.loads(str(of))),
        title=str(title),
        body=str(body),
        count=cast("int", count),
        error=str(error),
        ended_at=None if ended is None else moment(cast("int", ended)),
    )
