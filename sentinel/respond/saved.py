"""Questions that people keep, under a name and for everybody: the one thing that `respond` writes."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from sentinel.core.database import Shape, micros, moment, open_database, told, writing
from sentinel.core.errors import NotThereError, UsageError
from sentinel.core.ports import Clock
from sentinel.respond import language

SAVED_MAX = 1_000
_NAME = re.compile(r"[\w.-]{1,60}")
_SHAPE = Shape(
    0x5E_17_1E_0A,
    1,
    (
        """CREATE TABLE questions (
            name TEXT PRIMARY KEY, query TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL)""",
    ),
)


@dataclass(frozen=True, slots=True)
class Saved:
    """A question that somebody kept."""

    name: str
    query: str
    who: str
    at: datetime
    note: str = ""


class Questions:
    """The questions in the file `path`; any number of processes may use it. Every method raises StoreError."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._db = open_database(path, _SHAPE)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go of the file."""
        self._db.close()

    def save(self, name: str, query: str, who: str, note: str = "") -> Saved:
        """Keep a question, in the place of an older one of that name; raises UsageError for one that cannot be read."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"a question's name has up to 60 letters, digits, . - and _, not {name[:60]!r}")
        kept = Saved(name, query, who, self._clock.now(), note)
        language.read(query, kept.at)
        with told(self._path), writing(self._db):
            (number,) = self._db.execute("SELECT count(*) FROM questions WHERE name != ?", (name,)).fetchone()
            if number >= SAVED_MAX:
                raise UsageError(f"there are {SAVED_MAX} saved questions; forget one: sentinel query --forget NAME")
            row = (name, query, who, micros(kept.at), note)
            self._db.execute("INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?, ?)", row)
        return kept

    def forget(self, name: str) -> None:
        """Keep a question no longer; raises NotThereError."""
        with told(self._path), writing(self._db):
            if not self._db.execute("DELETE FROM questions WHERE name = ?", (name,)).rowcount:
                raise self._missing(name)

    def all(self) -> list[Saved]:
        """Return every question, by name."""
        with told(self._path):
            return [_saved(row) for row in self._db.execute("SELECT * FROM questions ORDER BY name")]

    def named(self, name: str) -> Saved:
        """Return one question; raises NotThereError."""
        with told(self._path):
            row = self._db.execute("SELECT * FROM questions WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._missing(name)
        return _saved(row)

    def _missing(self, name: str) -> NotThereError:
        return NotThereError(f"no question is saved as {name[:60]!r}; sentinel query --saved lists them")


def _saved(row: tuple[str, str, str, int, str]) -> Saved:
    name, query, who, at, note = row
    return Saved(name, query, who, moment(at), note)
