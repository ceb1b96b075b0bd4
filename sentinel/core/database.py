"""What every SQLite file of ours has: an owner, a version, durable commits, and errors that say what to do.

WAL with `synchronous=FULL`: with NORMAL a power cut loses commits. Several processes use a file at once; a writer that
finds another one at work waits up to BUSY_SECONDS.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sentinel.core.errors import OvertakenError, StoreBusyError, StoreError
from sentinel.core.journal import Journal
from sentinel.core.replica import TABLES, Replica

T = TypeVar("T")
BUSY_SECONDS = 30
_OVERTAKEN_MAX = 8
"""So often in a row another machine may be faster."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file must be: whose (SQLite's application id), of which version, and the statements that make it.

    `upgrades` holds, by version, the statements that make a file of that version one of the next.
    """

    application: int
    version: int
    schema: Sequence[str]
    upgrades: Mapping[int, Sequence[str]] = field(default_factory=dict)


def open_database(path: Path, shape: Shape, journal: Journal | None = None) -> sqlite3.Connection:
    """Open the file, making it if there is none; raises StoreError if it is not ours or of a newer Sentinel.

    With a `journal` the file is this machine's copy of what machines share; see `core.replica`.
    """
    with told(path):
        factory = sqlite3.Connection if journal is None else Replica
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=factory)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA foreign_keys=ON")
            if isinstance(db, Replica) and db.shared:
                _share(db, path, shape, journal)
            _prepare(db, path, shape)
            if isinstance(db, Replica):
                _share(db, path, shape, journal)
        except BaseException:
            db.close()
            raise
    return db


def alone(db: sqlite3.Connection) -> None:
    """Let a file that is not opened as a copy of what machines share be this machine's own from now on."""
    if not isinstance(db, Replica) and db.execute("SELECT 1 FROM sqlite_master WHERE name = 'replica'").fetchone():
        with writing(db):
            for table in TABLES:
                db.execute(f"DROP TABLE IF EXISTS {table}")


def _share(db: Replica, path: Path, shape: Shape, journal: Journal | None) -> None:
    db.journal, db.path, db.form, db.patience = journal, path, shape.version, BUSY_SECONDS
    db.renew = partial(_form, db, path, shape)


def _prepare(db: sqlite3.Connection, path: Path, shape: Shape) -> None:
    if _facts(db) != (shape.application, shape.version):
        with writing(db):
            _form(db, path, shape)


def _form(db: sqlite3.Connection, path: Path, shape: Shape) -> None:
    # another process may have made it since the first look
    application, version = _facts(db)
    if application == 0 and version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        for statement in shape.schema:
            db.execute(statement)
        db.execute(f"PRAGMA application_id={shape.application}")
        db.execute(f"PRAGMA user_version={shape.version}")
    elif application != shape.application:
        raise StoreError(f"{path}: a database of another program; name another folder for Sentinel's data")
    elif version > shape.version:
        raise StoreError(
            f"{path}: written by a newer Sentinel (form {version}, we know {shape.version}); upgrade Sentinel"
        )
    else:
        for old in range(version, shape.version):
            for statement in shape.upgrades.get(old, ()):
                db.execute(statement)
        db.execute(f"PRAGMA user_version={shape.version}")


def _facts(db: sqlite3.Connection) -> tuple[int, int]:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    return int(application), int(db.execute("PRAGMA user_version").fetchone()[0])


def set_aside_if_damaged(path: Path) -> Path | None:
    """Move a file that SQLite cannot read out of the way, for recovery must not need a person; return where it is."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as db:
            sound = db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError:
        return None  # busy, or not ours to read: opening it says so
    except sqlite3.DatabaseError:
        sound = False
    if sound:
        return None
    number = 1
    while (aside := path.with_suffix(f".damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path.rename(aside)


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """Do all or nothing; nobody else writes meanwhile.

    Of a file that machines share OvertakenError is raised if another machine was faster: see `written`.
    """
    if isinstance(db, Replica) and db.journal is not None:
        with db.turn():
            yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def written(db: sqlite3.Connection, work: Callable[[], T]) -> T:
    """Return what `work` returns, done in a transaction; it is done again if another machine was faster."""
    for tries in range(_OVERTAKEN_MAX):
        try:
            with writing(db):
                return work()
        except OvertakenError:
            if tries == _OVERTAKEN_MAX - 1:
                raise
    raise AssertionError("not reached")


@contextmanager
def reading(db: sqlite3.Connection) -> Iterator[None]:
    """See one state of the file for several questions: of one that machines share, what others wrote until just now."""
    if isinstance(db, Replica) and db.journal is not None:
        db.look()
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


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
