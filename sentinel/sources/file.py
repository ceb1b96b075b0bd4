"""The file of the books: one SQLite database, set aside and begun anew if it is damaged."""

import fcntl
import os
import sqlite3
from pathlib import Path
from time import monotonic, sleep

from sentinel.core.database import Shape, open_database
from sentinel.core.errors import StoreBusyError

VERSION = 1
_APPLICATION = 0x5E_17_1E_02

_ASKING_SECONDS = 2.0

_SCHEMA = (
    # through: booked up to here; first: where this book began in the present spool; carried: booked from earlier ones;
    # skipped: dealt with but never booked; judged: up to here the rules have seen all; began: since when the running
    # Sentinel listens; known: until when everything received has been seen
    """CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE accounts (
        hour INTEGER NOT NULL, source TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
        number INTEGER NOT NULL, PRIMARY KEY (hour, source, outcome, reason)) WITHOUT ROWID""",
    """CREATE TABLE senders (
        source TEXT NOT NULL, via TEXT NOT NULL, peer TEXT NOT NULL, host TEXT NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, last_id TEXT NOT NULL, records INTEGER NOT NULL,
        bytes INTEGER NOT NULL, ticks INTEGER NOT NULL, usual REAL, patience REAL NOT NULL, lag TEXT NOT NULL,
        cadence TEXT NOT NULL, PRIMARY KEY (source, via, peer, host)) WITHOUT ROWID""",
    # when the record `through` was written into the spool, for as long as judging may lag behind
    """CREATE TABLE marks (through INTEGER PRIMARY KEY, written INTEGER NOT NULL)""",
)
SHAPE = Shape(_APPLICATION, VERSION, _SCHEMA)


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, making it if there is none; raises StoreError."""
    return open_database(path, SHAPE)


class Turn:
    """The turn to enter, held as long as a Sentinel is at work: a lock that ends with its process."""

    def __init__(self, path: Path, *, take: bool) -> None:
        self._path = path.with_suffix(".lock")
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        until = monotonic() + _ASKING_SECONDS
        while take and not self._locked(fcntl.LOCK_EX):  # who asks for it holds it for a moment
            if monotonic() > until:
                self.close()
                raise StoreBusyError(f"{path}: another process enters the books; only one should")
            sleep(0.02)

    def _locked(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def taken(self) -> bool:
        """Say whether another one has it."""
        if not self._locked(fcntl.LOCK_SH):
            return True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)
