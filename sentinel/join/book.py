"""What is open, in a SQLite file: what a restart finds is what stood there when the last whole had ended."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from sentinel.core.database import Shape, micros, moment, open_database, told, writing
from sentinel.core.reached import Reached, keep, load
from sentinel.join.assembly import Name, Open

_PROGRESS = "CREATE TABLE progress (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID"
_SHAPE = Shape(
    0x5E_17_1E_03,
    2,
    (
        # parts: a JSON list of base64 texts
        """CREATE TABLE open (
            pack TEXT NOT NULL, key TEXT NOT NULL, first TEXT NOT NULL, source TEXT NOT NULL,
            received INTEGER NOT NULL, ingested INTEGER NOT NULL, parts TEXT NOT NULL,
            PRIMARY KEY (pack, key)) WITHOUT ROWID""",
        _PROGRESS,
    ),
    {
        1: (
            "ALTER TABLE progress RENAME TO old",
            _PROGRESS,
            "INSERT INTO progress SELECT 'joined', cursor FROM old",
            "DROP TABLE old",
        )
    },
)


class JoinBook:
    """The file `path`; one process at a time uses it. Methods raise StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_database(path, _SHAPE)

    def __enter__(self) -> Self:
        """Be used with `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    def joined(self) -> Reached | None:
        """Return up to where events have been taken, None if none ever were."""
        with told(self._path):
            there = self._db.execute("SELECT 1 FROM progress").fetchone()
            return load(self._db, "joined") if there else None

    def open(self) -> Iterator[tuple[Name, Open]]:
        """Yield what is open, oldest news first."""
        columns = "pack, key, first, source, received, ingested, parts"
        with told(self._path):
            rows = self._db.execute(f"SELECT {columns} FROM open ORDER BY ingested").fetchall()  # noqa: S608  names of ours
        for pack, key, first, source, received, ingested, listed in rows:
            parts = [b64decode(part) for part in json.loads(listed)]
            size = sum(len(part) + 1 for part in parts)
            yield (pack, key), Open(first, source, moment(received), moment(ingested), parts, size)

    def enter(self, joined: Reached, changed: Iterable[tuple[Name, Open]], gone: Iterable[Name]) -> None:
        """Keep what has changed and how far that goes, both or neither."""
        rows = [
            (*name, one.first, one.source, micros(one.received), micros(one.ingested),
             json.dumps([b64encode(part).decode() for part in one.parts]))
            for name, one in changed
        ]  # fmt: skip
        with told(self._path), writing(self._db):
            self._db.executemany("DELETE FROM open WHERE pack = ? AND key = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO open VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            keep(self._db, "joined", joined)
