"""A database that several machines have: every transaction is an entry of a journal before it counts anywhere.

An entry holds the statements that changed something, with their values. All copies apply the same entries in the same
order to the same state, so they are the same; no statement may ask for chance, the time or a function of Python's.
Whoever writes first takes in what others have written, and appends at the place behind it: if somebody was faster, the
journal refuses, and nothing has happened here or there. So no clock and no lock of a machine is trusted: whoever was
stopped for an hour, or cut off, can append nothing when it wakes.

A copy that is new, or behind what the journal still has, begins with a base: a whole state, published now and then.
"""

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sentinel.core import kill
from sentinel.core.errors import OvertakenError, StoreError
from sentinel.core.journal import Base, Entry, Journal, Tail

FRESH_SECONDS = 1.0
"""Who reads looks after so long what others have written."""
AWAY_SECONDS = 5.0
"""So long readers do not ask a journal that did not answer."""
ENTRY_BYTES_MAX = 16 << 20
"""A transaction, compressed, is at most so large."""
PART_BYTES = 4 << 20
"""A base is cut into pieces of so many bytes, each compressed by itself."""
BASE_EVERY = 5_000
"""After so many entries a new base is published."""
KEPT_ENTRIES = 2_000
"""So many entries before the base are kept, for copies that are a little behind."""
TABLES = {
    # of which journal this is a copy, and how far
    "replica": "CREATE TABLE replica (journal TEXT NOT NULL, seq INTEGER NOT NULL, nonce TEXT NOT NULL)",
    # which machine does what only one may
    "lease": "CREATE TABLE lease (holder TEXT NOT NULL, token INTEGER NOT NULL)",
}
"""What a copy has beside its content."""
_CHANGE = frozenset({"INSERT", "REPLACE", "UPDATE", "DELETE"})
_MAKE = frozenset({"CREATE", "ALTER", "DROP"})
_TURNS_MAX = 5
_LOOK_MILLISECONDS = 500
"""So long who reads waits for others of this machine that write."""


@dataclass
class _Sight:
    """When what others have written was last looked for, by any connection of this process to a file."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    due: float = float("-inf")
    why: str = ""
    followed: bool = False
    pulse: tuple[int, int] = (0, 0)


_sights: dict[Path, _Sight] = {}


def behind() -> dict[Path, str]:
    """Return which copies that this process has read may lack what other machines wrote, and why."""
    return {path: one.why for path, one in _sights.items() if one.why}


class Replica(sqlite3.Connection):
    """A connection to a copy; without a `journal` it is like any other.

    `guard` looks, within each transaction that writes, whether it still may, and raises if not. `renew` makes a file of
    an older form one of the version `form`. It waits `patience` seconds for others of this machine that write.
    """

    journal: Journal | None = None
    path = Path()
    form = 0
    patience = 0.0
    guard: Callable[[sqlite3.Connection], None] | None = None
    renew: Callable[[], None] | None = None
    _taken: list[list[Any]] | None = None

    # -- what is written down

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401  as the module has it
        """Run a statement; one that changes something is taken down."""
        if self._taken is None:
            return super().execute(sql, parameters)
        before = self.total_changes
        cursor = super().execute(sql, parameters)
        kind = sql.split(None, 1)[0].upper()
        # what tells what it inserted has not been counted yet
        if kind in _MAKE or (kind in _CHANGE and (self.total_changes > before or cursor.description is not None)):
            self._taken.append([sql, dict(parameters) if isinstance(parameters, Mapping) else list(parameters)])
        elif kind == "PRAGMA" and "=" in sql:
            self._taken.append([sql, []])
        elif kind not in _CHANGE | {"PRAGMA", "SELECT"}:
            raise TypeError(f"a statement that no other copy would understand: {sql[:40]}")
        return cursor

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Run a statement for each of many values, and take it down."""
        if self._taken is None:
            return super().executemany(sql, parameters)
        rows = [list(one) for one in parameters]
        before = self.total_changes
        cursor = super().executemany(sql, rows)
        if self.total_changes > before:
            self._taken.append([sql, rows, True])
        return cursor

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Do all or nothing, here and in the journal, behind all that others have written.

        Raises OvertakenError if somebody wrote meanwhile, StoreError if the journal does not answer.
        """
        self._begin()
        try:
            if self.guard is not None:
                self.guard(self)
            before = self.total_changes
            self._taken = []
            try:
                if self.renew is not None and self.stale:
                    self.renew()
                yield
                taken = self._taken
            finally:
                self._taken = None
            if taken:
                self._append(taken, self.total_changes - before)
            kill.point("replica.before_commit")
            super().execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                super().execute("ROLLBACK")
            raise

    def _append(self, taken: list[list[Any]], changes: int) -> None:
        body = zlib.compress(json.dumps([changes, taken], separators=(",", ":")).encode(), 1)
        if len(body) > ENTRY_BYTES_MAX:
            raise StoreError(
                f"{self.path}: {len(body):,} bytes are too much for one change of what machines share (at most "
                f"{ENTRY_BYTES_MAX:,}); do it in smaller parts"
            )
        _, seq, nonce = self._mark() or ("", 0, "")
        entry = Entry(seq + 1, uuid4().hex, nonce, body)
        if not self._asked.append(entry):
            raise OvertakenError(
                f"{self.path}: another machine wrote at the same moment; nothing was changed, try again"
            )
        kill.point("replica.appended")
        self._note(entry)

    # -- what others have written

    @property
    def _asked(self) -> Journal:
        assert self.journal is not None  # noqa: S101  only asked where there is one
        return self.journal

    @property
    def sight(self) -> _Sight:
        """What this process knows about its journal."""
        return _sights.setdefault(self.path, _Sight())

    def look(self) -> None:
        """Take in what others have written, if that was not looked for just now; `sight` says why it could not be."""
        if not self.sight.followed and time.monotonic() >= self.sight.due:
            self._look()

    def follow(self) -> None:
        """Take in what others have written; from now on no other connection of this process does, or waits for it."""
        self.sight.followed = True
        self._look()

    def _look(self) -> None:
        sight = self.sight
        if not sight.lock.acquire(blocking=sight.due == float("-inf")):
            return
        try:
            super().execute(f"PRAGMA busy_timeout={_LOOK_MILLISECONDS}")
            self.catch_up()
        except StoreError as error:
            sight.why, sight.due = str(error), time.monotonic() + AWAY_SECONDS
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            # somebody else of this machine writes, and so takes in what there is
            sight.due = time.monotonic() + FRESH_SECONDS
        else:
            sight.why, sight.due = "", time.monotonic() + FRESH_SECONDS
        finally:
            sight.lock.release()
            super().execute(f"PRAGMA busy_timeout={round(self.patience * 1000)}")

    def catch_up(self) -> None:
        """Take in all that others have written; raises StoreError."""
        mark = self._mark()
        tail = self._tail(mark)
        if tail.base is None:
            return  # nothing is shared yet: that begins with who writes
        if tail.entries or _apart(tail, mark):
            self._begin()
            super().execute("COMMIT")
        if self.stale:
            with self.turn():
                pass

    @property
    def shared(self) -> bool:
        """Say whether the file is a copy of what machines share."""
        return self._mark() is not None

    @property
    def stale(self) -> bool:
        """Say whether the file has another form than this Sentinel gives it."""
        return int(super().execute("PRAGMA user_version").fetchone()[0]) != self.form

    def _tail(self, mark: tuple[str, int, str] | None) -> Tail:
        tail = self._asked.tail(0 if mark is None else mark[1])
        self.sight.pulse = tail.pulse
        return tail

    def _begin(self) -> None:
        # a transaction in which all that others have written is there
        for _ in range(_TURNS_MAX):
            super().execute("BEGIN IMMEDIATE")
            try:
                base = self._advance()
            except BaseException:
                if self.in_transaction:
                    super().execute("ROLLBACK")
                raise
            if base is None:
                return
            super().execute("ROLLBACK")
            self._take_over(base)
        raise StoreError(f"{self.path}: what machines share changes faster than it can be read; try again")

    def _advance(self) -> Base | None:
        # apply what follows; a base is returned if only that helps
        while True:
            mark = self._mark()
            tail = self._tail(mark)
            if mark is None or tail.base is None:
                if tail.base is not None:
                    return tail.base
                self._found(mark)
                continue
            if _apart(tail, mark):
                return tail.base
            if not tail.entries:
                return None
            for entry in tail.entries:
                if not self._apply(entry):
                    return tail.base

    def _apply(self, entry: Entry) -> bool:
        mark = self._mark()
        if mark is None or (entry.seq, entry.parent) != (mark[1] + 1, mark[2]):
            return False
        changes, taken = json.loads(zlib.decompress(entry.body))
        before = self.total_changes
        for sql, values, *many in taken:
            if many:
                super().executemany(sql, values)
            else:
                super().execute(sql, values).fetchall()
        if self.total_changes - before != changes:
            return False
        self._note(entry)
        return True

    def _note(self, entry: Entry) -> None:
        super().execute("UPDATE replica SET seq = ?, nonce = ?", (entry.seq, entry.nonce))

    def _mark(self) -> tuple[str, int, str] | None:
        if not super().execute("SELECT 1 FROM sqlite_master WHERE name = 'replica'").fetchone():
            return None
        row: tuple[str, int, str] | None = super().execute("SELECT journal, seq, nonce FROM replica").fetchone()
        return row

    # -- bases

    def _found(self, mark: tuple[str, int, str] | None) -> None:
        # nobody has a journal yet, or it is gone: what is here is its beginning
        if mark is None:
            mark = (uuid4().hex, 0, uuid4().hex)
            for statement in TABLES.values():
                super().execute(statement)
            super().execute("INSERT INTO lease VALUES ('', 0)")
            super().execute("INSERT INTO replica VALUES (?, ?, ?)", mark)
        super().execute("COMMIT")
        self._publish(mark, None)
        super().execute("BEGIN IMMEDIATE")

    def beat(self, token: int, number: int) -> None:
        """Show that the holder of the lease lives; raises StoreError."""
        self._asked.beat(token, number)

    def tidy(self) -> None:
        """Publish a new base if there are many entries since the last one; raises StoreError."""
        mark = self._mark()
        base = self._tail(mark).base
        if mark is not None and base is not None and mark[0] == base.journal and mark[1] - base.seq >= BASE_EVERY:
            self._publish(mark, base)

    def _publish(self, mark: tuple[str, int, str], before: Base | None) -> None:
        copy = self.path.with_name(f"{self.path.name}.{uuid4().hex[:8]}.base")
        try:
            with closing(sqlite3.connect(self.path)) as source:
                source.execute("VACUUM INTO ?", (str(copy),))
            with closing(sqlite3.connect(copy)) as held:
                mark = held.execute("SELECT journal, seq, nonce FROM replica").fetchone()
            parts = -(-copy.stat().st_size // PART_BYTES)
            floor = max(mark[1] - KEPT_ENTRIES, before.floor if before else mark[1])
            base = Base(*mark, floor=floor, tag=uuid4().hex[:8], parts=parts)
            self._asked.publish(base, _pieces(copy), before)
        finally:
            copy.unlink(missing_ok=True)

    def _take_over(self, base: Base) -> None:
        # become the state of the base; what was here and is not there is kept beside it
        mark = self._mark()
        if mark is None or mark[0] != base.journal:
            if self._holds():
                raise StoreError(
                    f"{self.path}: holds what was written before, or elsewhere, and the store has what all machines "
                    f"share: move this file away to take part in that (its content stays in it), or name another "
                    "store.prefix"
                )
        elif mark[1] >= base.floor:
            self._keep_aside()
        copy = self.path.with_name(f"{self.path.name}.{uuid4().hex[:8]}.base")
        try:
            with copy.open("wb") as file:
                for piece in self._asked.fetch(base):
                    file.write(zlib.decompress(piece))
            with closing(sqlite3.connect(copy)) as source:
                source.backup(self)
        finally:
            copy.unlink(missing_ok=True)

    def _keep_aside(self) -> None:
        number = 1
        while (aside := self.path.with_suffix(f".apart-{number}")).exists():
            number += 1
        with closing(sqlite3.connect(self.path)) as source:
            source.execute("VACUUM INTO ?", (str(aside),))

    def _holds(self) -> bool:
        rows = super().execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {str(name) for (name,) in rows} - TABLES.keys()
        return any(super(Replica, self).execute(f'SELECT 1 FROM "{one}" LIMIT 1').fetchone() for one in tables)  # noqa: S608  our own tables


def _apart(tail: Tail, mark: tuple[str, int, str] | None) -> bool:
    # whether what is here is not something the journal goes on from
    base = tail.base
    if base is None or mark is None or mark[0] != base.journal or mark[1] < base.floor:
        return True
    there = tail.there or (base.nonce if mark[1] == base.seq else None)
    return there != mark[2]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART_BYTES):
            yield zlib.compress(piece, 6)
