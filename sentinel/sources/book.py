"""The book of sources: who was heard, how often and how late, and the accounts of every source and hour."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Self

import orjson

from sentinel.core import kill
from sentinel.core.database import micros, moment, reading, set_aside_if_damaged, told, writing
from sentinel.core.ports import Clock
from sentinel.core.source import Account, Digest, Entering, Heard, Identity, Tally, quantile
from sentinel.sources.cadence import TICKS_WANTED, Cadence
from sentinel.sources.file import Turn, open_file

SENDERS_MAX = 1_000
"""So many senders of one source and entrance are told apart; further ones are counted together."""
OTHERS = "(others)"
SEEN_ONCE_FOR = timedelta(days=1)
FORGOTTEN_AFTER = timedelta(days=30)
HOURS_KEPT = 400 * 24
"""Older hours are added up in hour 0."""
USUAL_LIMIT = 900.0
NO_SENDERS = ("sentinel", "stdin", "evtx")
"""Entrances at which nobody is expected to go on: our own records of who was refused, and what is brought in once."""
CLOCK_STEP_SECONDS = 2.0
"""Time of day and elapsed time that have gone further apart than this: the clock was set, or the machine slept."""
_LAGS_MAX = 20_000
_MARKS_MAX = 4_000


def _passed(_identity: Identity, start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many seconds a source counts as silent (0: never), and how many of some time count for a sender.

    Where his place has a calendar, only those do in which it was open: of a closed school nothing is expected, and
    nothing learned.
    """

    limit: Callable[[str], float] = lambda _: USUAL_LIMIT
    seconds: Callable[[Identity, datetime, datetime], float] = _passed


@dataclass(frozen=True, slots=True)
class Sender:
    """One identity as the book knows it; `usual` is its learned gap, `patience` how long it may be silent (seconds)."""

    identity: Identity
    first: datetime
    last: datetime
    last_id: str
    records: int
    bytes: int
    ticks: int
    usual: float | None
    patience: float
    lag: Digest

    def lag_at(self, share: float) -> float | None:
        """Return the lag that `share` of its records do not exceed."""
        return quantile(self.lag, share)

    @property
    def skew(self) -> float | None:
        """How far its clock is off: what even its quickest records show (seconds, above zero: behind)."""
        return self.lag_at(0.05)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the book has come: see the table in `sources.file`. Times are None before the first."""

    through: int = 0
    first: int = 0
    carried: int = 0
    skipped: int = 0
    judged: int = 0
    began: datetime | None = None
    known: datetime | None = None

    @property
    def booked(self) -> int:
        """How many records have been dealt with since the book began."""
        return self.carried + self.through - self.first


class SourceBook:
    """The books in the file `path`; one process enters, any number read. Methods raise StoreError.

    `steady` is a clock that nobody sets, in seconds: by it is known when the other one was.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        patience: Patience = Patience(),
        *,
        writer: bool = False,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        self._turn = Turn(path, take=writer)
        self.set_aside = set_aside_if_damaged(path) if writer else None
        self._path = path
        self._clock = clock
        self._patience = patience
        self._steady = steady
        self._apart = self._apart_now()
        self._lock = threading.RLock()
        self._db = open_file(path)
        self._known: dict[Identity, tuple[Sender, Cadence]] = {}
        self._crowd: Counter[tuple[str, str]] = Counter()
        self._progress = self.progress()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()
        self._turn.close()

    # -- entering

    @property
    def through(self) -> int:
        """The sequence up to which records have been booked."""
        return self._progress.through

    def begin(self, floor: int, committed: int) -> None:
        """Begin a session: see `Ledger`. What lies between book and checkpoint was dealt with without being booked."""
        now = micros(self._clock.now())
        with self._lock, told(self._path), writing(self._db):
            there = self._progress_now()
            through, first, carried, skipped = there.through, there.first, there.carried, there.skipped
            if floor < through:  # the spool was begun anew
                carried, first, through = there.booked, floor, floor
            if committed > through:
                skipped += 0 if there.began is None else committed - through
                first, through = first + committed - through, committed
            self._put(through=through, first=first, carried=carried, skipped=skipped, began=now, known=now)
            self._heard_by(now)
            stale, gone = now - SEEN_ONCE_FOR // _MICRO, now - FORGOTTEN_AFTER // _MICRO
            self._db.execute(
                "DELETE FROM senders WHERE last < ? OR (last < ? AND ticks < ?)", (gone, stale, TICKS_WANTED)
            )
            self._add_up_old(now)
        self._progress = self.progress()
        self._known = {one.identity: (one, cadence) for one, cadence in self._senders()}
        self._crowd = Counter((one.source, one.via) for one in self._known)

    def _add_up_old(self, now: int) -> None:
        old = now // 3_600_000_000 - HOURS_KEPT
        self._db.execute(
            "INSERT INTO accounts SELECT 0, source, outcome, reason, sum(number) FROM accounts "
            "WHERE hour BETWEEN 1 AND ? GROUP BY source, outcome, reason "
            "ON CONFLICT (hour, source, outcome, reason) DO UPDATE SET number = number + excluded.number",
            (old,),
        )
        self._db.execute("DELETE FROM accounts WHERE hour BETWEEN 1 AND ?", (old,))

    def enter(self, entering: Entering) -> None:
        """Book it, all of it or nothing; what the book has already changes nothing.

        Who listens anew because the clock was set has heard nobody yet, and nobody in the future.
        """
        now, apart = self._clock.now(), self._apart_now()
        was_set = abs(apart - self._apart) > CLOCK_STEP_SECONDS
        self._apart = apart
        changed = [self._heard(identity, heard, was_set=was_set) for identity, heard in self._crowded(entering.heard)]
        progress = {"through": max(self.through, entering.through)}
        if entering.known is not None:
            progress["known"] = micros(min(entering.known, now))
        if was_set:
            progress["began"] = micros(now)
        with self._lock, told(self._path), writing(self._db):
            self._db.executemany(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (hour, source, outcome, reason) DO UPDATE SET number = number + excluded.number",
                [(*account, number) for account, number in entering.tally.items()],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO senders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(sender, cadence) for sender, cadence in changed],
            )
            if entering.written is not None and entering.through > self.through:
                mark = (entering.through, micros(entering.written))
                self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", mark)
                self._db.execute(
                    "DELETE FROM marks WHERE through <= "
                    "(SELECT through FROM marks ORDER BY through DESC LIMIT 1 OFFSET ?)",
                    (_MARKS_MAX,),
                )
            self._put(**progress)
            if was_set:
                self._heard_by(micros(now))
            kill.point("sources.before_commit")
        kill.point("sources.after_commit")
        for sender, cadence in changed:
            if sender.identity not in self._known:
                self._crowd[sender.identity[:2]] += 1
            self._known[sender.identity] = (sender, cadence)
        self._progress = self.progress()
        if was_set:
            self._known = {one.identity: (one, cadence) for one, cadence in self._senders()}

    def _apart_now(self) -> float:
        return self._clock.now().timestamp() - self._steady()

    def _heard_by(self, now: int) -> None:
        self._db.execute("UPDATE senders SET first = first - (last - ?), last = ? WHERE last > ?", (now, now, now))

    def judged(self, through: int) -> None:
        """Note that the rules have seen every record up to `through`."""
        with self._lock, told(self._path), writing(self._db):
            self._put(judged=through)

    def _crowded(self, heard: Mapping[Identity, Heard]) -> Iterable[tuple[Identity, Heard]]:
        """Yield senders; once a source has too many, new ones together."""
        others: dict[Identity, Heard] = {}
        new = Counter(self._crowd)
        for identity, one in heard.items():
            if identity in self._known or new[identity[:2]] < SENDERS_MAX:
                new[identity[:2]] += identity not in self._known
                yield identity, one
                continue
            together = Identity(identity.source, identity.via, OTHERS, "")
            if together in others:
                others[together].add(one)
            else:
                others[together] = one
        yield from others.items()

    def _heard(self, identity: Identity, heard: Heard, *, was_set: bool) -> tuple[Sender, Cadence]:
        limit = self._patience.limit(identity.source) or USUAL_LIMIT
        known = self._known.get(identity)
        # times of two clocks have nothing between them to learn from
        span = 0.0 if was_set else self._patience.seconds(identity, heard.first, heard.last)
        if known is None:
            cadence, lag, before = Cadence(), heard.lag, None
            cadence.heard(0.0, span, heard.records, limit, heard.first)
        else:
            before, old = known
            cadence = Cadence(old.ticks, dict(old.gaps), {slot: list(gaps) for slot, gaps in old.pauses.items()})
            lag = dict(before.lag)
            for number, count in heard.lag.items():
                lag[number] = lag.get(number, 0) + count
            # a gap during which nobody listened says nothing
            listened = not was_set and self._progress.began is not None and before.last >= self._progress.began
            gap = self._patience.seconds(identity, before.last, heard.first) if listened else 0.0
            cadence.heard(max(gap, 0.0), span, heard.records, limit, before.last)
        if sum(lag.values()) > _LAGS_MAX:
            lag = {number: count // 2 for number, count in lag.items() if count > 1}
        later = before is None or heard.last >= before.last
        last = min(heard.last if before is None or later else before.last, self._clock.now())
        sender = Sender(
            identity=identity,
            first=min(heard.first, before.first) if before else heard.first,
            last=last,
            last_id=heard.last_id if before is None or later else before.last_id,
            records=heard.records + (before.records if before else 0),
            bytes=heard.bytes + (before.bytes if before else 0),
            ticks=cadence.ticks,
            usual=cadence.usual,
            patience=cadence.patience(limit, last),
            lag=lag,
        )
        return sender, cadence

    def _put(self, **values: int) -> None:
        self._db.executemany("INSERT OR REPLACE INTO progress VALUES (?, ?)", list(values.items()))

    # -- reading

    def at_work(self) -> bool:
        """Say whether a Sentinel enters at present; for those who only read."""
        return self._turn.taken()

    def progress(self) -> Progress:
        """Return how far the book has come."""
        with self._lock, told(self._path):
            return self._progress_now()

    def _progress_now(self) -> Progress:
        row = dict(self._db.execute("SELECT name, value FROM progress"))
        times = {name: moment(row[name]) if name in row else None for name in ("began", "known")}
        return Progress(
            row.get("through", 0), row.get("first", 0), row.get("carried", 0), row.get("skipped", 0),
            row.get("judged", 0), *times.values(),
        )  # fmt: skip

    def accounts(self, since_hour: int = 0) -> tuple[Progress, Tally]:
        """Return how far the book has come and what has been booked from that hour on, of one moment."""
        with self._lock, told(self._path), reading(self._db):
            rows = self._db.execute(
                "SELECT hour, source, outcome, reason, number FROM accounts WHERE hour >= ?", (since_hour,)
            )
            tally: Tally = Counter({Account(*row): number for *row, number in rows})
            return self._progress_now(), tally

    def first_hour(self) -> int | None:
        """Return the first hour of which single figures are known, None if nothing has been booked."""
        with self._lock, told(self._path):
            found: int | None = self._db.execute("SELECT min(hour) FROM accounts WHERE hour > 0").fetchone()[0]
        return found

    def senders(self) -> list[Sender]:
        """Return everybody the book knows, by source."""
        return [sender for sender, _ in self._senders()]

    def sender(self, identity: Identity) -> Sender | None:
        """Return one of them, None if the book does not know it."""
        with self._lock, told(self._path):
            asked = "SELECT * FROM senders WHERE source = ? AND via = ? AND peer = ? AND host = ?"
            row = self._db.execute(asked, identity).fetchone()
        return None if row is None else _sender(row)[0]

    def _senders(self) -> list[tuple[Sender, Cadence]]:
        with self._lock, told(self._path):
            rows = self._db.execute("SELECT * FROM senders ORDER BY source, via, peer, host").fetchall()
        return [_sender(row) for row in rows]

    def silent(self) -> list[Sender]:
        """Return those regularly heard of whom nothing has been heard for longer than they may be silent.

        Time counts while a Sentinel listened, had seen everything it received, and the sender's place was open.
        """
        with self._lock, told(self._path), reading(self._db):
            progress = self._progress_now()
            if progress.began is None or progress.known is None:
                return []
            rows = self._db.execute(
                "SELECT * FROM senders WHERE ticks >= ? AND max(last, ?) + patience * 1000000 < ?",
                (TICKS_WANTED, micros(progress.began), micros(progress.known)),
            ).fetchall()
        found = []
        for row in rows:
            sender, _ = _sender(row)
            limit = self._patience.limit(sender.identity.source)
            regular = limit and (sender.last - sender.first).total_seconds() >= limit
            if not regular or sender.identity.via in NO_SENDERS:
                continue
            since = max(sender.last, progress.began)
            if self._patience.seconds(sender.identity, since, progress.known) > sender.patience:
                found.append(sender)
        return found

    def written_after(self, through: int) -> datetime | None:
        """Return about when the first record above `through` entered the spool; None if all booked are at or below."""
        with self._lock, told(self._path):
            row = self._db.execute(
                "SELECT written FROM marks WHERE through > ? ORDER BY through LIMIT 1", (through,)
            ).fetchone()
        return None if row is None else moment(row[0])


_MICRO = timedelta(microseconds=1)


def _row(sender: Sender, cadence: Cadence) -> tuple[object, ...]:
    lag = _json({str(number): count for number, count in sender.lag.items()})
    return (
        *sender.identity, micros(sender.first), micros(sender.last), sender.last_id, sender.records, sender.bytes,
        sender.ticks, sender.usual, sender.patience, lag, _json(cadence.plain()),
    )  # fmt: skip


def _json(held: dict[str, Any]) -> str:
    return orjson.dumps(held).decode()


def _sender(row: Sequence[Any]) -> tuple[Sender, Cadence]:
    first, last, last_id, records, size, ticks, usual, patience, lag, cadence = row[4:]
    digest = {int(number): count for number, count in orjson.loads(lag).items()}
    sender = Sender(
        Identity(*row[:4]), moment(first), moment(last), last_id, records, size, ticks, usual, patience, digest
    )
    return sender, Cadence.of(ticks, orjson.loads(cadence))
