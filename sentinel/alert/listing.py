"""Lists of alerts that are too long to hold: the order is kept in a table of SQLite's own, rows are read by the window.

A list is asked once and then stays as it is: what is new never moves what somebody is looking at. It costs a few bytes
an alert, in SQLite and not in Python, and a window anywhere in it costs the same.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

from sentinel.alert.file import open_file
from sentinel.alert.suppressing import ACTIVE
from sentinel.core.database import micros, moment, told
from sentinel.core.detection import LEVELS, Key, Level
from sentinel.core.listing import Brief, Listing, Order, Wanted
from sentinel.core.ports import Clock
from sentinel.core.wildcard import tokens

_RANK = " ".join(("CASE level", *(f"WHEN '{level}' THEN {rank}" for rank, level in enumerate(LEVELS)), "END"))
_ORDERS: dict[Order, str] = {
    "last_seen": "last_seen",
    "raised_at": "raised_at",
    "level": _RANK,
    "count": "count",
    "title": "title",
}
_NARROWED_MAX = 30_000_000
"""A list that is so old (microseconds) is not narrowed, but made anew."""
_NARROWED_PART = 4
"""Only a list of at most a quarter of all alerts is: others are read faster in the order of the file."""
_COLUMNS = "alerts.number, id, level, last_seen, count, title, key, attack, state, verdict, assignee, version"


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: Wanted
    order: Order
    reverse: bool


@dataclass
class _Shared:
    """A connection with the tables of one list or more; `users` are the lists that are not closed."""

    db: sqlite3.Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: int = 0
    users: int = 0


class AlertListing:
    """Alerts in the order in which they were asked for; one thread at a time."""

    def __init__(self, path: Path, asked: _Asked, now: int, within: "AlertListing | None" = None) -> None:
        self._path = path
        self.asked = asked
        self.shared: _Shared = _Shared(open_file(path)) if within is None else within.shared
        self.shared.users += 1
        self.shared.made += 1
        self.table = f"listed_{self.shared.made}"
        conditions, self._given = _conditions(asked.wanted)
        self._given["now"] = now
        self._where = " AND ".join(conditions) or "1"
        self.at: int = now if within is None else within.at
        self.newest: int = 0 if within is None else within.newest
        self._count = 0

    def fill(self) -> Self:
        """Put the alerts that are wanted into order."""
        wanted, order = self.asked.wanted, self.asked.order
        way = ("ASC", "DESC") if self.asked.reverse != (order == "title") else ("DESC", "ASC")
        # in the order of the file, and then sorted, alerts are read in half the time
        how = "NOT INDEXED" if wanted.since is None and wanted.until is None else ""
        with self._lock, told(self._path):
            self.newest = int(self._db.execute("SELECT coalesce(max(number), 0) FROM alerts").fetchone()[0])
            self._db.execute("PRAGMA temp_store=MEMORY")
            self._keep(
                f"SELECT number FROM alerts {how} WHERE {self._where} "  # noqa: S608  texts of our own
                f"ORDER BY {_ORDERS[order]} {way[0]}, last_seen {way[0]}, number {way[0]}"
            )
        return self

    def narrowed(self, asked: _Asked, now: int) -> "AlertListing | None":
        """Return a list of those of these that are wanted; None if others may be, or if that would take no less time.

        It has this one's order, and tells of the same alerts that they have come since.
        """
        if now - self.at > _NARROWED_MAX or self._count > self.newest // _NARROWED_PART:
            return None
        if not _narrower(asked, self.asked):
            return None
        with self._lock, told(self._path):
            if not self.shared.users:
                return None
            made = AlertListing(self._path, asked, now, within=self)
            made._keep(
                f"SELECT alert FROM {self.table} JOIN alerts ON number = alert WHERE {made._where} ORDER BY place"  # noqa: S608  as above; texts of our own
            )
        return made

    def _keep(self, numbers: str) -> None:
        self._db.execute(f"CREATE TEMP TABLE {self.table} (place INTEGER PRIMARY KEY, alert INTEGER NOT NULL)")
        self._count = self._db.execute(f"INSERT INTO {self.table} (alert) {numbers}", self._given).rowcount

    @property
    def _db(self) -> sqlite3.Connection:
        return self.shared.db

    @property
    def _lock(self) -> threading.Lock:
        return self.shared.lock

    def count(self) -> int:
        """Return how many there are."""
        return self._count

    def window(self, offset: int, limit: int) -> Sequence[Brief]:
        """Return up to `limit` of them from `offset` on, as they are now; raises StoreError."""
        with self._lock, told(self._path):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM {self.table} JOIN alerts ON number = alert "  # noqa: S608  columns of our own
                "WHERE place > ? AND place <= ? ORDER BY place",
                (offset, offset + limit),
            ).fetchall()
        return [_brief(row) for row in rows]

    def find(self, key: object) -> int | None:
        """Return where the alert with this number stands, None if it is not among them."""
        with self._lock, told(self._path):
            row = self._db.execute(f"SELECT place FROM {self.table} WHERE alert = ? LIMIT 1", (key,)).fetchone()  # noqa: S608  a name of our own
        return None if row is None else int(row[0]) - 1

    def key(self, row: Brief) -> int:
        """Return an alert's number."""
        return row.number

    def fresh(self) -> int:
        """Return how many have come since."""
        with self._lock, told(self._path):
            given = {**self._given, "newest": self.newest}
            row = self._db.execute(
                f"SELECT count(*) FROM alerts WHERE number > :newest AND {self._where}",  # noqa: S608  texts of our own
                given,
            ).fetchone()
        return int(row[0])

    def stop(self) -> None:
        """Break off what is being asked, from any thread: who asked gets StoreError."""
        self._db.interrupt()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self.shared.users -= 1
            if self.shared.users:
                self._db.execute(f"DROP TABLE {self.table}")
            else:
                self._db.close()


class AlertListings:
    """Makes lists over the state file `path`, each with a connection of its own: none waits for the book."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._made: set[AlertListing] = set()
        self._lock = threading.Lock()

    def listing(
        self, wanted: Wanted, order: Order = "last_seen", *, reverse: bool = False, within: Listing | None = None
    ) -> AlertListing:
        """Return the alerts that are wanted: latest, most severe, most first, or the other way; raises StoreError.

        Those in the list `within` are looked through, if no other can be wanted.
        """
        asked, now = _Asked(wanted, order, reverse), micros(self._clock.now())
        narrow = within.narrowed(asked, now) if isinstance(within, AlertListing) else None
        if narrow is not None:
            return narrow
        made = AlertListing(self._path, asked, now)
        with self._lock:
            self._made.add(made)
        try:
            return made.fill()
        except BaseException:
            made.close()
            raise
        finally:
            with self._lock:
                self._made.discard(made)

    def stop(self) -> None:
        """Break off lists that are being made, from any thread: who asked for them gets StoreError."""
        with self._lock:
            for one in self._made:
                one.stop()


def _narrower(asked: _Asked, before: _Asked) -> bool:
    """Say whether all that is wanted was wanted before: the same, but for words that have become longer or more."""
    words, old = asked.wanted.words, before.wanted.words
    bare = replace(asked, wanted=replace(asked.wanted, words=(), meant={}))
    if bare != replace(before, wanted=replace(before.wanted, words=(), meant={})):
        return False
    # what follows a backslash may change what it means
    return all("\\" not in one and any(word.startswith(one) for word in words) for one in old)


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    conditions: list[str] = []
    given: dict[str, object] = {}

    def named(value: object) -> str:
        given[f"p{len(given)}"] = value
        return f":p{len(given) - 1}"

    sets: tuple[tuple[str, frozenset[str]], ...] = (
        ("level", frozenset(wanted.levels)),
        ("state", frozenset(wanted.states)),
        ("verdict", frozenset(wanted.verdicts)),
    )
    for column, allowed in sets:
        if allowed:
            conditions.append(f"{column} IN ({', '.join(named(one) for one in sorted(allowed))})")

    def called(text: str) -> str:
        meant = wanted.meant.get(text, ())
        as_well = f" OR title IN ({', '.join(named(title) for title in meant)})" if meant else ""
        return f"({_like('title', f'*{text}*', named)}{as_well})"

    conditions += [_contains(word, called, named) for word in wanted.words]
    conditions += [f"NOT {_contains(word, called, named)}" for word in wanted.none]
    conditions += [called(rule) for rule in wanted.rules]
    conditions += [f"NOT {called(rule)}" for rule in wanted.no_rules]
    conditions += [_holds(field, pattern, named) for field, pattern in wanted.keys]
    conditions += [f"NOT {_holds(field, pattern, named)}" for field, pattern in wanted.no_keys]
    if wanted.whose:
        conditions.append("(" + " OR ".join(_like("assignee", who, named) for who in wanted.whose) + ")")
    conditions += [f"NOT {_like('assignee', who, named)}" for who in wanted.not_whose]
    if wanted.since is not None:
        conditions.append(f"last_seen >= {named(micros(wanted.since))}")
    if wanted.until is not None:
        conditions.append(f"last_seen < {named(micros(wanted.until))}")
    if not wanted.suppressed:
        conditions.append(f"subject NOT IN ({ACTIVE})")
    return conditions, given


def _contains(word: str, called: Callable[[str], str], named: Callable[[object], str]) -> str:
    shape = f"*{word}*"
    texts = [called(word), _like("summary", shape, named), _like("key", shape, named, json_text=True)]
    return f"({' OR '.join(texts)})"


def _holds(field: str, pattern: str, named: Callable[[object], str]) -> str:
    # the key's text is looked through before it is taken apart: that costs a tenth
    at_all = _like("key", f"*{pattern}*", named, json_text=True)
    value = _like("CAST(json_extract(one.value, '$[1]') AS TEXT)", pattern, named)
    name = f"json_extract(one.value, '$[0]') IN ({named(field)}, {named(f'{field}.name')}) AND " if field else ""
    return f"({at_all} AND EXISTS (SELECT 1 FROM json_each(alerts.key) AS one WHERE {name}{value}))"  # noqa: S608  texts of our own


def _like(column: str, pattern: str, named: Callable[[object], str], *, json_text: bool = False) -> str:
    # LIKE knows only ASCII's cases, so words with other letters are asked for in each of the usual ones
    cases = [pattern] if pattern.isascii() else [pattern, pattern.lower(), pattern.upper(), pattern.title()]
    shapes = sorted({_shape(json.dumps(one, ensure_ascii=False)[1:-1] if json_text else one) for one in cases})
    return "(" + " OR ".join(f"{column} LIKE {named(shape)} ESCAPE '!'" for shape in shapes) + ")"


def _shape(pattern: str) -> str:
    wild = {"*": "%", "?": "_"}
    literals = str.maketrans({"!": "!!", "%": "!%", "_": "!_", "\0": None})
    return "".join(wild.get(piece) or piece.translate(literals) for piece in tokens(pattern))


def _brief(row: tuple[object, ...]) -> Brief:
    number, alert_id, level, last_seen, count, title, key, attack, state, verdict, assignee, version = row
    return Brief(
        number=cast("int", number),
        id=str(alert_id),
        level=cast("Level", level),
        last_seen=moment(cast("int", last_seen)),
        count=cast("int", count),
        title=str(title),
        key=cast("Key", tuple((name, value) for name, value in json.loads(str(key)))),
        attack=tuple(json.loads(str(attack))),
        state=cast("Any", state),
        verdict=cast("Any", verdict),
        assignee=str(assignee),
        version=cast("int", version),
    )
