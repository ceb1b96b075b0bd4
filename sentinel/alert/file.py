"""The state file: one SQLite database with the alerts and how far detection has come.

WAL with `synchronous=FULL`: with NORMAL a power cut loses commits. Several processes use it at once; a writer that
finds another one at work waits up to BUSY_SECONDS.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel.core.errors import StoreBusyError, StoreError

VERSION = 1
BUSY_SECONDS = 30
_APPLICATION = 0x5E_17_1E_01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_SCHEMA = (
    """CREATE TABLE progress (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID""",
    # what alerts are about: one rule and one key; `identity` is the key as it is compared
    """CREATE TABLE subjects (
        number INTEGER PRIMARY KEY, rule_id TEXT NOT NULL, identity TEXT NOT NULL, UNIQUE (rule_id, identity))""",
    """CREATE TABLE alerts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject INTEGER NOT NULL REFERENCES subjects,
        rule_version TEXT NOT NULL, title TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL,
        first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, raised_at INTEGER NOT NULL, count INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'closed')),
        verdict TEXT CHECK (verdict IN ('true_positive', 'false_positive', 'benign')),
        summary TEXT NOT NULL, author TEXT NOT NULL, attack TEXT NOT NULL,
        CHECK ((state = 'closed') = (verdict IS NOT NULL)))""",
    """CREATE INDEX alerts_by_subject ON alerts (subject, state)""",
    """CREATE INDEX alerts_by_time ON alerts (last_seen)""",
    # which events have been counted, and in which alert
    """CREATE TABLE evidence (
        subject INTEGER NOT NULL, event TEXT NOT NULL, alert INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (subject, event)) WITHOUT ROWID""",
    """CREATE INDEX evidence_by_alert ON evidence (alert, at, event)""",
    # findings that told of more events than they named, so that they are counted once as well
    """CREATE TABLE rollups (
        subject INTEGER NOT NULL, digest TEXT NOT NULL, alert INTEGER NOT NULL,
        PRIMARY KEY (subject, digest)) WITHOUT ROWID""",
    # ids of alerts that turned out to be part of another one
    """CREATE TABLE aliases (id TEXT PRIMARY KEY, alert INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE history (
        number INTEGER PRIMARY KEY, alert INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, note TEXT NOT NULL)""",
    """CREATE INDEX history_by_alert ON history (alert)""",
    # what could not be judged: rule, from which to which arrival, why
    """CREATE TABLE gaps (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, rule_id TEXT NOT NULL, after INTEGER NOT NULL,
        until INTEGER NOT NULL, reason TEXT NOT NULL)""",
)


def open_file(path: Path) -> sqlite3.Connection:
    """Open the state file, making it if there is none; raises StoreError if it is not ours or of a newer Sentinel."""
    with told(path):
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA foreign_keys=ON")
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    if _facts(db) == (_APPLICATION, VERSION):
        return
    with writing(db):
        # another process may have made it since the first look
        application, version = _facts(db)
        if application == 0 and version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id={_APPLICATION}")
            db.execute(f"PRAGMA user_version={VERSION}")
        elif application != _APPLICATION:
            raise StoreError(f"{path}: a database of another program; name another folder for Sentinel's data")
        elif version > VERSION:
            raise StoreError(
                f"{path}: written by a newer Sentinel (form {version}, we know {VERSION}); upgrade Sentinel"
            )


def _facts(db: sqlite3.Connection) -> tuple[int, int]:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    return int(application), int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """Do all or nothing; nobody else writes meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into our own errors, with what to do about it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StoreBusyError(f"{path}: another process has been writing for {BUSY_SECONDS} s; try again") from error
        raise StoreError(f"{path}: {error}; look at the disk's space and the file's rights") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}; restore it from a backup") from error


def micros(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=value)
