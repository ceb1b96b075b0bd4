"""What is open, in a SQLite file: what a restart finds is what stood there when the last whole had ended."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from sentinel.core.database import Shape, micros, moment, open_database, told, writing
from sentinel.join.assembly import Name, Open

_SHAPE = Shape(
    0x5E_17_1E_03,
    1,
    (
        # parts: a JSON list of base64 texts
        """CREATE TABLE open (
            pack TEXT NOT NULL, key TEXT NOT NULL, first TEXT NOT NULL, source TEXT NOT NULL,
            received INTEGER NOT NULL, ingested INTEGER NOT NULL, parts TEXT NOT NULL,
            PRIMARY KEY (pack, key)) WITHOUT ROWID""",
        """CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 0), cursor INTEGER NOT NULL)""",
    ),
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

    def cursor(self) -> int | None:
        """Return the sequence up to which events have been taken, None if none ever were."""
        with told(self._path):
            row = self._db.execute("SELECT cursor FROM progress").fetchone()
        return None if row is None else int(row[0])

    def open(self) -> Iterator[tuple[Name, Open]]:
        """Yield what is open, oldest news first."""
        columns = "pack, key, first, source, received, ingested, parts"
        with told(self._path):
            rows = self._db.execute(f"SELECT {columns} FROM open ORDER BY ingested").fetchall()  # noqa: S608  names of ours
        for pack, key, first, source, received, ingested, listed in rows:
            parts = [b64decode(part) for part in json.loads(listed)]
            size = sum(len(part) + 1 for part in parts)
            yield (pack, key), Open(first, source, moment(received), moment(ingested), parts, size)

    def enter(self, cursor: int, changed: Iterable[tuple[Name, Open]], gone: Iterable[Name]) -> None:
        """Keep what has changed and how far that goes, both or neither."""
        rows = [
            (*name, one.first, one.source, micros(one.received), micros(one.ingested),
             json.dumps([b64encode(part).decode() for part in one.parts]))
            for name, one in changed
        ]  # fmt: skip
        with told(self._path), writing(self._db):
            self._db.executemany("DELETE FROM open WHERE pack = ? AND key = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO open VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO progress VALUES (0, ?)", (cursor,))
