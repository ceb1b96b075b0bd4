"""The file of cases: one SQLite database beside that of the alerts, to be kept when everything else is deleted."""

import sqlite3
from pathlib import Path

from sentinel.core.database import Shape, open_database
from sentinel.core.journal import Journal

VERSION = 1
_APPLICATION = 0x5E_17_1E_0C

_SCHEMA = (
    """CREATE TABLE cases (
        number INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'closed')), opened INTEGER NOT NULL, deadline INTEGER,
        version INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE case_alerts (
        "case" INTEGER NOT NULL REFERENCES cases, alert TEXT NOT NULL, PRIMARY KEY ("case", alert)) WITHOUT ROWID""",
    """CREATE TABLE members (
        "case" INTEGER NOT NULL REFERENCES cases, who TEXT NOT NULL, PRIMARY KEY ("case", who)) WITHOUT ROWID""",
    """CREATE TABLE tasks (
        "case" INTEGER NOT NULL REFERENCES cases, number INTEGER NOT NULL, text TEXT NOT NULL, done INTEGER NOT NULL,
        who TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY ("case", number)) WITHOUT ROWID""",
    """CREATE TABLE evidence (
        "case" INTEGER NOT NULL REFERENCES cases, event TEXT NOT NULL, at INTEGER NOT NULL, document TEXT NOT NULL,
        sha256 TEXT NOT NULL, raw TEXT NOT NULL, raw_sha256 TEXT NOT NULL, query TEXT NOT NULL,
        added INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY ("case", event))""",
    # `changed`: it raised the case's version
    """CREATE TABLE history (
        number INTEGER PRIMARY KEY, "case" INTEGER NOT NULL REFERENCES cases, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, note TEXT NOT NULL, changed INTEGER NOT NULL DEFAULT 0)""",
    """CREATE INDEX history_by_case ON history ("case")""",
)


def open_file(path: Path, journal: Journal | None = None) -> sqlite3.Connection:
    """Open the file of cases, making it if there is none; raises StoreError."""
    return open_database(path, Shape(_APPLICATION, VERSION, _SCHEMA), journal)
