"""Against their own history: a group's events within a sliding window, compared with the windows the group has had.

The window of a moment reaches back from it, as a correlation's does: `(t - window, t]`. It is compared with the windows
of the same length, cut by the clock (UTC), that lie wholly before it and within `against`: from the first in which the
group was met, those without an event counting as nought. If the group was met first less than `learning` before, or
fewer than two windows can be compared, it has not been learnt and nothing is found.

Windows cut by the clock are summed as events come, late ones where they belong. They also say which groups can have
too much in a sliding window at all; of those alone the events are read. What a late event would have changed later is
not taken back. An event without one of the fields, or without a number where numbers are summed, does not count;
numbers below nought do not either.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, product
from math import fsum, isfinite, sqrt
from zoneinfo import ZoneInfo

from sentinel.core.database import micros, moment
from sentinel.core.detection import EVIDENCE_MAX, Baseline, Detection, Finding, Key
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Is, values
from sentinel.core.wildcard import fold
from sentinel.detect.learnt import Learnt, named

HELD_MAX = 500_000
"""So many windows of all groups together are remembered of one rule; beyond them it learns no more, and says so."""
OF_ONE_MAX = 16
AROUND_MAX = 100_000
"""So many events of one group around the new ones are looked at; more is said."""
WINDOWS_MIN = 2
"""With fewer windows nothing is compared."""
_MICROSECOND = timedelta(microseconds=1)
_TICK = timedelta(milliseconds=1)


@dataclass(slots=True)
class _Touched:
    """A group with new events: from when to when they happened (µs)."""

    key: Key
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What a group's window may come to, and why: the average and the deviation of so many windows."""

    value: float
    mean: float
    deviation: float
    windows: int


@dataclass(frozen=True, slots=True)
class Usual:
    """One rule's windows in the file `db`."""

    db: sqlite3.Connection
    store: Store
    detection: Detection
    rule: Baseline
    learnt: Learnt
    _limits: dict[tuple[bytes, int, int], Limit | None] = field(default_factory=dict)

    def learn(self, events: Iterable[Event]) -> None:
        """Take in what came before; nothing is found."""
        for event in events:
            for key, value in self._brought(event):
                self._add(named(key), micros(event.timestamp), value)

    def judge(self, events: Sequence[Event], until: Reached, through: Reached) -> tuple[list[Finding], str]:
        """Return the windows with too much that the events are in, and what could not be done.

        What arrived up to `through` has been taken in before, nothing that arrived after `until` counts.
        """
        touched: dict[bytes, _Touched] = {}
        refused = ""
        for event in events:
            at = micros(event.timestamp)
            for key, value in self._brought(event):
                name = named(key)
                if not through.holds(event.seq) and not self._add(name, at, value):
                    refused = f"more than {HELD_MAX:,} windows: no more are learnt; choose fewer fields"
                group = touched.setdefault(name, _Touched(key, at, at))
                group.first, group.last = min(group.first, at), max(group.last, at)
        self._limits.clear()
        found: list[Finding] = []
        for name, group in touched.items():
            if self._possible(name, group):
                findings, why = self._found(name, group, until)
                found += findings
                refused = why or refused
        return found, refused

    def forget(self, now: int) -> None:
        """Let go of windows that are compared no longer at `now`."""
        before = now - micros_of(self.rule.against) - 3 * self._window
        if before - self.learnt.since > self._window:
            gone = self.db.execute("DELETE FROM windows WHERE rule = ? AND at < ?", (self._number, before)).rowcount
            self.learnt.held -= gone
            self.learnt.since = before

    @property
    def _number(self) -> int:
        return self.learnt.number

    @property
    def _window(self) -> int:
        return micros_of(self.rule.window)

    def _brought(self, event: Event) -> Iterator[tuple[Key, float]]:
        # the groups the event belongs to, and what it brings to each
        value = 1.0
        if self.rule.total:
            numbers = [one for one in values(event.fields.get(self.rule.total)) if isinstance(one, int | float)]
            numbers = [one for one in numbers if not isinstance(one, bool) and isfinite(one) and one > 0]
            if not numbers:
                return
            value = fsum(numbers)
        each = [values(event.fields.get(name)) for name in self.rule.by]
        for combination in islice(product(*each), OF_ONE_MAX):
            said = tuple(fold(one) if isinstance(one, str) else one for one in combination)
            yield tuple(zip(self.rule.by, said, strict=True)), value

    def _add(self, name: bytes, at: int, value: float) -> bool:
        begin = at // self._window * self._window
        if begin < self.learnt.since:
            return True  # compared with nothing any more
        place = (self._number, name, begin)
        same = "WHERE rule = ? AND name = ? AND at = ?"
        if not self.db.execute(f"UPDATE windows SET value = value + ? {same}", (value, *place)).rowcount:  # noqa: S608  text of our own
            if self.learnt.held >= HELD_MAX:
                return False
            self.db.execute("INSERT INTO windows VALUES (?, ?, ?, ?)", (*place, value))
            self.learnt.held += 1
        return True

    def _possible(self, name: bytes, group: _Touched) -> bool:
        # a sliding window lies in two windows of the clock
        size = self._window
        low = group.first // size * size - size
        high = (group.last + size) // size * size
        rows = self.db.execute(
            "SELECT at, value FROM windows WHERE rule = ? AND name = ? AND at BETWEEN ? AND ?",
            (self._number, name, low, high),
        )
        have = {int(at): float(value) for at, value in rows}
        for at in have:
            for end in (at, at + size):
                most = have.get(end, 0.0) + have.get(end - size, 0.0)
                if most >= self.rule.floor and any(
                    limit is not None and most * (1 + 1e-9) >= limit.value
                    for limit in (self._limit(name, end), self._limit(name, end + size - 1))
                ):
                    return True
        return False

    def _limit(self, name: bytes, at: int) -> Limit | None:
        """Return what the window that ends at `at` (µs) may come to; None: it has not been learnt."""
        size = self._window
        last = at // size * size - 2 * size
        season = self._hour(at) if self.rule.season == "hour_of_week" else -1
        place = (name, last, season)
        if place not in self._limits:
            self._limits[place] = self._compared(name, last, season)
        return self._limits[place]

    def _compared(self, name: bytes, last: int, season: int) -> Limit | None:
        # with the windows up to the one that begins at `last`
        size = self._window
        low = max(last + size - micros_of(self.rule.against), -(-self.learnt.begun // size) * size)
        rows = self.db.execute(
            "SELECT at, value FROM windows WHERE rule = ? AND name = ? AND at BETWEEN ? AND ? ORDER BY at",
            (self._number, name, low, last),
        ).fetchall()
        if not rows or last + 2 * size - rows[0][0] < micros_of(self.rule.learning):
            return None
        first = int(rows[0][0])
        if season < 0:
            count, have = (last - first) // size + 1, [float(value) for _, value in rows]
        else:
            count = sum(self._hour(begin) == season for begin in range(first, last + 1, size))
            have = [float(value) for begin, value in rows if self._hour(begin) == season]
        if count < WINDOWS_MIN:
            return None
        mean = fsum(have) / count
        spread = fsum((value - mean) ** 2 for value in have) + (count - len(have)) * mean**2
        deviation = sqrt(spread / count)
        asked = [float(self.rule.floor), self.rule.factor * mean]
        if self.rule.deviations:
            asked.append(mean + self.rule.deviations * deviation)
        return Limit(max(asked), mean, deviation, count)

    def _hour(self, at: int) -> int:
        local = moment(at).astimezone(ZoneInfo(self.rule.zone))
        return local.weekday() * 24 + local.hour

    def _found(self, name: bytes, group: _Touched, until: Reached) -> tuple[list[Finding], str]:
        size = self._window
        span = Span(_floor(moment(group.first - size)), _floor(moment(group.last + size)) + _TICK)
        same = tuple(Is(field, value) for field, value in group.key)
        where = AllOf((self.detection.where, *same, until.within()))
        page = self.store.search(where, span, AROUND_MAX + 1)
        if len(page) > AROUND_MAX:
            return [], f"more than {AROUND_MAX:,} events around one time in the group {dict(group.key)}"
        around: list[tuple[int, str, float]] = []
        for event in page:
            value = next((value for key, value in self._brought(event) if named(key) == name), None)
            if value is not None:
                around.append((micros(event.timestamp), event.id, value))
        around.sort()
        found = list(self._covered(name, group, around))
        return [
            self._finding(group.key, run[at : at + EVIDENCE_MAX], have, limit)
            for run, have, limit in found
            for at in range(0, len(run), EVIDENCE_MAX)
        ], ""

    def _covered(
        self, name: bytes, group: _Touched, around: Sequence[tuple[int, str, float]]
    ) -> Iterator[tuple[list[tuple[int, str, float]], float, Limit]]:
        # the events that lie in windows with too much, as far as these overlap, with the largest of them
        begin = end = covered = 0
        run: list[tuple[int, str, float]] = []
        worst: tuple[float, Limit] | None = None
        while end < len(around) and (at := around[end][0]) < group.last + self._window:
            while end < len(around) and around[end][0] == at:
                end += 1
            while around[begin][0] <= at - self._window:
                begin += 1
            have = fsum(value for _, _, value in around[begin:end]) if self.rule.total else float(end - begin)
            limit = self._limit(name, at) if at >= group.first and have >= self.rule.floor else None
            if limit is None or have < limit.value:
                continue
            if run and worst is not None and begin >= covered:
                yield run, *worst
                run, worst = [], None
            run += around[max(begin, covered) : end]
            covered = end
            if worst is None or have - limit.value > worst[0] - worst[1].value:
                worst = have, limit
        if run and worst is not None:
            yield run, *worst

    def _finding(self, key: Key, run: Sequence[tuple[int, str, float]], have: float, limit: Limit) -> Finding:
        what = f"a sum of {self.rule.total} of {have:,.0f}" if self.rule.total else f"{have:,.0f} events"
        season = " of that hour of the week" if self.rule.season == "hour_of_week" else ""
        usual = f"{limit.mean:.3g} ± {limit.deviation:.3g} in {limit.windows:,} windows{season} before"
        return Finding(
            detection=self.detection,
            key=key,
            first_seen=moment(run[0][0]),
            last_seen=moment(run[-1][0]),
            evidence=tuple(ident for _, ident, _ in run),
            count=len(run),
            summary=f"{what} within {self.rule.window}, where {usual} were usual",
            moments=tuple(moment(at) for at, _, _ in run),
        )


def micros_of(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // _MICROSECOND


def _floor(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
