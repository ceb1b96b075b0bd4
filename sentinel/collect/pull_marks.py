"""How far each feed of a pulled source has been read, and which of its records were kept already.

A stretch is noted before anything of it is kept, with the moment at which it was begun: after a crash the same stretch
is read again, its records arrive at that same moment and have the same ids, so a store keeps them once. What was kept
is noted after the sink has it, so that stretches that overlap do not fill the spool with what is known.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from sentinel.core.database import Shape, micros, moment, open_database, set_aside_if_damaged, told, writing

_SCHEMA = (
    # since: read up to here; until, begun: the stretch that is being read, if one is; microseconds since 1970
    """CREATE TABLE feeds (
        feed TEXT PRIMARY KEY, since INTEGER NOT NULL, cursor TEXT NOT NULL, until INTEGER, begun INTEGER
    ) WITHOUT ROWID""",
    # at: the end of the stretch in which it was met first
    "CREATE TABLE seen (feed TEXT, id BLOB, at INTEGER NOT NULL, PRIMARY KEY (feed, id)) WITHOUT ROWID",
    "CREATE INDEX seen_by_age ON seen (feed, at)",
)
SHAPE = Shape(0x5E_17_1E_03, 1, _SCHEMA)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be read: what happened from `since` on and before `until`, or what follows `cursor`."""

    since: datetime
    until: datetime
    begun: datetime
    cursor: str = ""


class Marks:
    """The file of one source; usable from several threads."""

    def __init__(self, path: Path) -> None:
        """Open it, making it if there is none; one that is damaged is set aside. Raises StoreError."""
        self.set_aside = set_aside_if_damaged(path)
        self._path = path
        self._db = open_database(path, SHAPE)
        self._turn = threading.Lock()

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._db.close()

    def read_to(self, feed: str, first: datetime) -> datetime:
        """Return up to where a feed has been read; of one that never was, note that it counts as read to `first`."""
        with self._turn, told(self._path), writing(self._db):
            fresh = (feed, micros(first))
            self._db.execute("INSERT INTO feeds VALUES (?, ?, '', NULL, NULL) ON CONFLICT DO NOTHING", fresh)
            row = self._db.execute("SELECT since FROM feeds WHERE feed = ?", (feed,)).fetchone()
            return moment(row[0])

    def open(self, feed: str, wanted: Stretch, oldest: datetime) -> tuple[Stretch, bool]:
        """Return the stretch that was begun and not ended, unless it begins before `oldest`, else `wanted`.

        Either goes on at the cursor that was kept; said is also whether it was begun.
        """
        with self._turn, told(self._path):
            row = self._db.execute("SELECT since, cursor, until, begun FROM feeds WHERE feed = ?", (feed,)).fetchone()
        if row[2] is not None and row[0] >= micros(oldest):
            return Stretch(moment(row[0]), moment(row[2]), moment(row[3]), row[1]), True
        return replace(wanted, cursor=row[1]), False

    def begin(self, feed: str, stretch: Stretch) -> None:
        """Note that what follows is of this stretch."""
        with self._turn, told(self._path), writing(self._db):
            self._db.execute(
                "UPDATE feeds SET since = ?, until = ?, begun = ? WHERE feed = ?",
                (micros(stretch.since), micros(stretch.until), micros(stretch.begun), feed),
            )

    def known(self, feed: str, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that were kept already."""
        with self._turn, told(self._path):
            select = "SELECT 1 FROM seen WHERE feed = ? AND id = ?"
            return {one for one in ids if self._db.execute(select, (feed, _digest(one))).fetchone() is not None}

    def kept(self, feed: str, ids: Sequence[str], stretch: Stretch, cursor: str = "") -> None:
        """Note that these were kept; a `cursor` is where to go on behind them."""
        rows = [(feed, _digest(one), micros(stretch.until)) for one in ids]
        with self._turn, told(self._path), writing(self._db):
            self._db.executemany("INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)
            if cursor:
                self._db.execute("UPDATE feeds SET cursor = ? WHERE feed = ?", (cursor, feed))

    def end(self, feed: str, stretch: Stretch, forget: datetime) -> None:
        """Note that a stretch has been read whole; what was met before `forget` will not be given again."""
        with self._turn, told(self._path), writing(self._db):
            self._db.execute(
                "UPDATE feeds SET since = ?, until = NULL, begun = NULL WHERE feed = ?", (micros(stretch.until), feed)
            )
            self._db.execute("DELETE FROM seen WHERE feed = ? AND at < ?", (feed, micros(forget)))


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
