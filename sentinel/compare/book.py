"""Which days have been judged and what came of it, and the habits of the days before, in a SQLite file."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self, cast

import orjson

from sentinel.compare.habits import Habits
from sentinel.core.database import Shape, micros, moment, open_database, told, writing
from sentinel.core.errors import StoreError
from sentinel.core.odd import Odd, Ranking, Trait

DAYS_MAX, HABITS_MAX, TOLD_MAX = 400, 35, 10_000
"""So many rows of a kind are kept. They are counted, for a clock that shows 2076 for a minute must make nothing old."""
TOLD_DAYS = 14
"""What was told of a site is not told again for so many days: its alert is there."""
_SHAPE = Shape(
    0x5E_17_1E_0D,
    1,
    (
        # ranking: JSON, or NULL as long as the day is not judged; why: why it never will be
        """CREATE TABLE days (
            kind TEXT NOT NULL, day TEXT NOT NULL, begun INTEGER NOT NULL, ranking TEXT, why TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (kind, day)) WITHOUT ROWID""",
        """CREATE TABLE habits (
            kind TEXT NOT NULL, day TEXT NOT NULL, held BLOB NOT NULL, PRIMARY KEY (kind, day))""",
        """CREATE TABLE told (
            kind TEXT NOT NULL, site TEXT NOT NULL, feature TEXT NOT NULL, value TEXT NOT NULL, day TEXT NOT NULL,
            PRIMARY KEY (kind, site, feature, value)) WITHOUT ROWID""",
    ),
)


class OddBook:
    """The file `path`; several processes may use it. Methods raise StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_database(path, _SHAPE)

    def __enter__(self) -> Self:
        """Be used with `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    def days(self, kind: str) -> dict[date, bool]:
        """Return the days that judging was begun of, or never will be, and whether they are dealt with."""
        asked = "SELECT day, ranking IS NOT NULL OR why != '' FROM days WHERE kind = ?"
        with told(self._path):
            return {date.fromisoformat(day): bool(done) for day, done in self._db.execute(asked, (kind,))}

    def begin(self, kind: str, day: date, now: datetime) -> datetime:
        """Note that judging a day begins; return when it first did, so that what is told again arrives at that time."""
        with told(self._path), writing(self._db):
            self._db.execute("INSERT OR IGNORE INTO days VALUES (?, ?, ?, NULL, '')", (kind, f"{day}", micros(now)))
            asked = "SELECT begun FROM days WHERE kind = ? AND day = ?"
            return moment(int(self._db.execute(asked, (kind, f"{day}")).fetchone()[0]))

    def enter(self, ranking: Ranking, said: Iterable[Odd]) -> None:
        """Note what came of a day and what of it was told, both or neither; forget what is old."""
        kind, day = ranking.kind, f"{ranking.day}"
        rows = [(kind, one.site, trait.feature, trait.value, day) for one in said for trait in one.traits]
        with told(self._path), writing(self._db):
            held = orjson.dumps(asdict(ranking)).decode()
            self._db.execute("UPDATE days SET ranking = ? WHERE kind = ? AND day = ?", (held, kind, day))
            self._db.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?)", rows)
            for table, most in (("days", DAYS_MAX), ("habits", HABITS_MAX), ("told", TOLD_MAX)):
                newest = f"SELECT day FROM {table} WHERE kind = ? ORDER BY day DESC LIMIT 1 OFFSET ?"  # noqa: S608  ours
                gone = f"DELETE FROM {table} WHERE kind = ? AND day <= ({newest})"  # noqa: S608  ours
                self._db.execute(gone, (kind, kind, most))

    def skip(self, kind: str, days: Iterable[date], why: str, now: datetime) -> None:
        """Note days that will not be judged, and why."""
        rows = [(kind, f"{day}", micros(now), why) for day in days]
        with told(self._path), writing(self._db):
            self._db.executemany("INSERT OR IGNORE INTO days VALUES (?, ?, ?, NULL, ?)", rows)

    def ranking(self, kind: str, day: date | None = None) -> Ranking | None:
        """Return what came of a day, or of the latest that was judged; None if there is none."""
        asked = "SELECT ranking FROM days WHERE kind = ? AND ranking IS NOT NULL AND ? IN ('', day) ORDER BY day DESC"
        with told(self._path):
            row = self._db.execute(asked, (kind, "" if day is None else f"{day}")).fetchone()
        if row is None:
            return None
        try:
            return _ranking(orjson.loads(row[0]))
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self._path}: what came of {day or kind} cannot be understood: {error}") from error

    def told(self, kind: str, day: date, site: str) -> set[tuple[str, str]]:
        """Return what was told of a site in the TOLD_DAYS before a day, by feature and value."""
        asked = "SELECT feature, value FROM told WHERE kind = ? AND site = ? AND day >= ? AND day < ?"
        since = f"{day - timedelta(days=TOLD_DAYS)}"
        with told(self._path):
            return set(self._db.execute(asked, (kind, site, since, f"{day}")))

    def habits(self, kind: str, day: date) -> Habits | None:
        """Return what the sites did on a day, None if nobody has counted it."""
        with told(self._path):
            row = self._db.execute("SELECT held FROM habits WHERE kind = ? AND day = ?", (kind, f"{day}")).fetchone()
        return None if row is None else Habits(row[0])

    def learn(self, kind: str, day: date, habits: Habits) -> None:
        """Keep what the sites did on a day."""
        with told(self._path), writing(self._db):
            self._db.execute("INSERT OR REPLACE INTO habits VALUES (?, ?, ?)", (kind, f"{day}", habits.held()))


def _ranking(held: dict[str, Any]) -> Ranking:
    odd = tuple(Odd(one["site"], tuple(map(_trait, one["traits"]))) for one in held["odd"])
    return Ranking(**{**held, "day": date.fromisoformat(held["day"]), "odd": odd, "gaps": tuple(held["gaps"])})


def _trait(held: dict[str, Any]) -> Trait:
    first, last = (datetime.fromisoformat(cast("str", held[name])) for name in ("first", "last"))
    return Trait(**{**held, "first": first, "last": last})
