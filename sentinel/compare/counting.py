"""Counts what every site did in each hour of a day: by the store, hour by hour, into a file that is thrown away.

Memory holds one hour's rows of one field; a million destinations are some hundred MB of disk.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import mkstemp
from zoneinfo import ZoneInfo

from sentinel.compare.features import FEATURES, Feature, Reading
from sentinel.compare.habits import Habits
from sentinel.core.calendar import Calendar, open_seconds
from sentinel.core.database import told
from sentinel.core.errors import StoreError
from sentinel.core.event import Value
from sentinel.core.odd import FeatureName
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, Where, plain, values

ROWS_MAX = 200_000
"""So many rows are taken from the store at once; of more the time is halved, down to a minute."""
PAIRS_MAX = 5_000_000
"""So many different pairs of a value and a site are counted on a day."""
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_SCHEMA = """
    CREATE TABLE seen (feature TEXT, value TEXT, site TEXT, hour INTEGER, events INTEGER,
    PRIMARY KEY (feature, value, site, hour)) WITHOUT ROWID
"""
_ADD = "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events"
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000")
"""The file is not kept, so nothing has to survive; 32 MB of it may be in memory."""


@dataclass(frozen=True, slots=True)
class Day:
    """A local day of a kind of sites: its hours (UTC) and which of them are closed; all are on a day off."""

    date: date
    span: Span
    hours: tuple[Span, ...]
    closed: frozenset[int]

    @property
    def off(self) -> bool:
        """Whether it is a day off."""
        return len(self.closed) == len(self.hours)


def day_of(calendar: Calendar, day: date) -> Day:
    """Return a day as the calendar has it; where DST begins or ends it has 23 or 25 hours."""
    start, end = (
        datetime.combine(one, time(), ZoneInfo(calendar.zone)).astimezone(ZoneInfo("UTC"))
        for one in (day, day + timedelta(days=1))
    )
    hours = [
        Span(start + number * _HOUR, min(start + (number + 1) * _HOUR, end))
        for number in range(-((start - end) // _HOUR))
    ]
    closed = frozenset(at for at, hour in enumerate(hours) if not open_seconds(calendar, hour.start, hour.end))
    return Day(day, Span(start, end), tuple(hours), closed)


@dataclass(frozen=True, slots=True)
class Pair:
    """A value at a site: its events by hour of the day, numbered from 0."""

    value: str
    site: str
    hours: tuple[tuple[int, int], ...]

    @property
    def events(self) -> int:
        """How many events there were."""
        return sum(number for _, number in self.hours)


class Counted:
    """What was counted on a day; `gaps` says what was not."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._pairs = 0
        self.gaps: dict[str, None] = {}

    def add(self, feature: FeatureName, hour: int, rows: Iterable[tuple[str, str, int]]) -> None:
        """Add rows of value, site and number of events."""
        if self._pairs >= PAIRS_MAX:
            self.gaps[f"more than {PAIRS_MAX:,} different values: what came later in the day is not compared"] = None
            return
        with told(self._path):
            self._db.executemany(_ADD, ((feature, value, site, hour, number) for value, site, number in rows))
            self._pairs = int(self._db.execute("SELECT count(*) FROM seen").fetchone()[0])

    def sites(self, feature: FeatureName | None = None) -> list[str]:
        """Return the sites that have any value, of one feature or of all."""
        where, bound = ("", ()) if feature is None else (" WHERE feature = ?", (feature,))
        with told(self._path):
            rows = self._db.execute(f"SELECT DISTINCT site FROM seen{where} ORDER BY site", bound)  # noqa: S608  ours
            return [site for (site,) in rows]

    def values(self, feature: FeatureName) -> Iterator[list[Pair]]:
        """Yield each value with the sites that have it, a pair a site."""
        asked = "SELECT value, site, hour, events FROM seen WHERE feature = ? ORDER BY value, site, hour"
        with told(self._path):
            rows = self._db.execute(asked, (feature,))
            for value, some in groupby(rows, itemgetter(0)):
                yield [
                    Pair(value, site, tuple((hour, number) for _, _, hour, number in same))
                    for site, same in groupby(some, itemgetter(1))
                ]

    def habits(self) -> Habits:
        """Return all of it as habits."""
        with told(self._path):
            number = int(
                self._db.execute("SELECT count(*) FROM (SELECT DISTINCT feature, value, site FROM seen)").fetchone()[0]
            )
            sites = self.sites()
            found = Habits.sized(number + len(sites))
            found.hear(sites)
            for pair in self._db.execute("SELECT DISTINCT feature, value, site FROM seen"):
                found.add(*pair)
        return found


@contextmanager
def counted(store: Store, kind: str, day: Day, folder: Path) -> Iterator[Counted]:
    """Count a day of the sites of a kind; what is counted is gone afterwards. Raises StoreError."""
    path = _scratch(folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        try:
            with told(path):
                for pragma in _PRAGMAS:
                    db.execute(f"PRAGMA {pragma}")
                db.execute(_SCHEMA)
        finally:
            path.unlink()  # open without a name: gone with the process, however that ends
        found = Counted(db, path)
        for feature in FEATURES:
            for reading in feature.readings:
                _count(store, feature, reading, kind, day, found)
        yield found


def _scratch(folder: Path) -> Path:
    try:
        handle, name = mkstemp(prefix="compare-", dir=folder)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; look at the disk's space and the folder's rights") from error
    os.close(handle)
    return Path(name)


def _count(store: Store, feature: Feature, reading: Reading, kind: str, day: Day, found: Counted) -> None:
    where = AllOf((feature.of(kind), reading.where))
    if not store.tally(where, day.span, (), 1):
        return
    by = (feature.site, *reading.fields)
    for number, hour in enumerate(day.hours):
        rows = _rows(store, where, hour, by, found)
        read = ((reading.value(held), text_of(site), count) for (site, *held), count in rows)
        found.add(feature.name, number, (row for row in read if row[0]))


def _rows(
    store: Store, where: Where, span: Span, by: Sequence[str], found: Counted
) -> Iterator[tuple[tuple[Value | None, ...], int]]:
    rows = store.tally(where, span, by, ROWS_MAX)
    if len(rows) == ROWS_MAX:
        if span.end - span.start > _MINUTE:
            middle = span.start + (span.end - span.start) / 2
            yield from _rows(store, where, replace(span, end=middle), by, found)
            yield from _rows(store, where, replace(span, start=middle), by, found)
            return
        found.gaps[f"more than {ROWS_MAX:,} different values in a minute: the rarest of them are not compared"] = None
    yield from rows


def text_of(held: Value | None) -> str:
    """Return a field's first value as text, empty if it is absent."""
    return plain(values(held)[0]) if values(held) else ""
