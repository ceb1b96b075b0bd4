"""New terms: a combination of values that a rule has not met within its history before.

Sightings of a combination that are no further apart than the history make one run, whatever the order in which they
come; what opens a run is new. A late event before a run extends it back and is not told again; one between two runs
makes them one. So each run is told once, by the event of it that came first.

An event without one of the fields is no sighting; one with several values is several.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, product

from sentinel.core.database import micros, moment
from sentinel.core.detection import Detection, Finding, Key, NewTerms
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Is, plain, values
from sentinel.detect.learnt import Learnt, named

HELD_MAX = 100_000
"""So many combinations are remembered of one rule; beyond them it tells of no new ones, and says so."""
OF_ONE_MAX = 16
"""An event with several values is at most so many sightings."""
ASKED_MAX = 100
"""So many events of one batch may be older than what is remembered: of those the store is asked."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """One rule's combinations in the file `db`."""

    db: sqlite3.Connection
    store: Store
    detection: Detection
    rule: NewTerms
    learnt: Learnt

    def learn(self, events: Iterable[Event]) -> None:
        """Take in sightings; nothing is new of them."""
        for event in events:
            for key in combinations(event, self.rule.fields):
                self._sighted(named(key), micros(event.timestamp))

    def judge(self, events: Sequence[Event], after: Reached, through: Reached) -> tuple[list[Finding], str]:
        """Return what is new of the events, in order of arrival, and what could not be done.

        `after` is what had arrived before them; what arrived up to `through` has been taken in before.
        """
        found: list[Finding] = []
        asked = 0
        refused = ""
        for event in events:
            for key in combinations(event, self.rule.fields):
                term, at = named(key), micros(event.timestamp)
                new: bool | None
                if through.holds(event.seq):
                    new = self._opened(term, event.seq)
                elif self._forgotten(at):
                    asked += 1
                    if asked > ASKED_MAX:
                        refused = f"more than {ASKED_MAX} events at once from before what is remembered: not judged"
                        continue
                    new = not self._stored(key, event, after)
                    self._sighted(term, at)
                else:
                    new = self._sighted(term, at)
                if new is None:
                    refused = f"more than {HELD_MAX:,} combinations: no new ones are told; choose fewer fields"
                elif new and at >= self.learnt.begun + self._micros(self.rule.learning):
                    self.db.execute("INSERT OR IGNORE INTO opened VALUES (?, ?, ?)", (self._number, term, event.seq))
                    found.append(self._finding(key, event))
        return found, refused

    def forget(self, now: int) -> None:
        """Let go of runs that ended two histories before `now`, if there are many."""
        if self.learnt.held <= HELD_MAX // 2:
            return
        before = now - 2 * self._micros(self.rule.history)
        gone = self.db.execute("DELETE FROM runs WHERE rule = ? AND last < ?", (self._number, before)).rowcount
        if gone:
            self.learnt.held -= gone
            self.learnt.since = max(self.learnt.since, before)

    @property
    def _number(self) -> int:
        return self.learnt.number

    def _micros(self, span: timedelta) -> int:
        return span // _MICROSECOND

    def _forgotten(self, at: int) -> bool:
        # whether it matters what came before, and that may have been let go
        ready = self.learnt.begun + self._micros(self.rule.learning)
        return at >= ready and at - self._micros(self.rule.history) < self.learnt.since

    def _opened(self, term: bytes, seq: int) -> bool:
        row = self.db.execute("SELECT 1 FROM opened WHERE rule = ? AND term = ? AND seq = ?", (self._number, term, seq))
        return row.fetchone() is not None

    def _sighted(self, term: bytes, at: int) -> bool | None:
        # whether the sighting opens a run; None: there is no room for one
        reach = self._micros(self.rule.history)
        near = self.db.execute(
            "SELECT first, last FROM runs WHERE rule = ? AND term = ? AND first <= ? AND last >= ? ORDER BY first",
            (self._number, term, at + reach, at - reach),
        ).fetchall()
        if not near:
            if self.learnt.held >= HELD_MAX:
                return None
            self.db.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (self._number, term, at, at))
            self.learnt.held += 1
            return True
        first, last = min(at, near[0][0]), max(at, *(end for _, end in near))
        if near != [(first, last)]:
            ends = [(self._number, term, begin) for begin, _ in near]
            self.db.executemany("DELETE FROM runs WHERE rule = ? AND term = ? AND first = ?", ends)
            self.db.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (self._number, term, first, last))
            self.learnt.held += 1 - len(near)
        return False

    def _stored(self, key: Key, event: Event, after: Reached) -> bool:
        # whether what arrived before holds a sighting no further from it than the history
        same = tuple(Is(field, value) for field, value in key)
        where = AllOf((self.detection.where, *same, after.to(event.seq - 1).within()))
        span = Span(event.timestamp - self.rule.history, event.timestamp + self.rule.history)
        return bool(self.store.search(where, span, 1))

    def _finding(self, key: Key, event: Event) -> Finding:
        what = ", ".join(f"{field} {plain(value)}" for field, value in key)
        known = moment(max(self.learnt.begun, micros(event.timestamp - self.rule.history)))
        return Finding(
            detection=self.detection,
            key=key,
            first_seen=event.timestamp,
            last_seen=event.timestamp,
            evidence=(event.id,),
            summary=f"not seen since {known:%Y-%m-%d}: {what}",
            moments=(event.timestamp,),
        )


def combinations(event: Event, fields: Sequence[str]) -> Iterator[Key]:
    """Yield the combinations of values of `fields` that an event holds."""
    each = [values(event.fields.get(field)) for field in fields]
    for combination in islice(product(*each), OF_ONE_MAX):
        yield tuple(zip(fields, combination, strict=True))
