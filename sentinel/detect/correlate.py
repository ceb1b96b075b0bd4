"""`event_count`: how many events of a group lie within a span of event time, sliding.

The window of an event reaches back from it: `(t - span, t]`. A rule fires on a window whose count stands in the rule's
relation to its number, and every event of such a window belongs to the finding. Only windows that new events touch
are judged, so a late event judges exactly what it changes. What a window holds is what is stored: the part that came
since this process began to judge is remembered (`recent.py`), the rest is asked of the store.

With `gt` and `gte` the result does not depend on the order of arrival. With `lt`, `lte`, `eq` and `neq` a window may
fire that a late event would have filled: what has been raised is not taken back.

An event without one of the group's fields belongs to no group; one with several values in them to several groups.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise, product
from typing import assert_never

from sentinel.core.detection import EVIDENCE_MAX, Correlation, Detection, Finding, Key, Relation
from sentinel.core.event import Event, Scalar
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, Compare, Is, Where, plain, values
from sentinel.core.wildcard import fold
from sentinel.detect.recent import Name, Recent, Seen

GROUPS_OF_ONE_MAX = 16
"""An event with several values in its group's fields belongs to at most this many groups."""
DIRECT_MAX = 8
"""Up to so many groups are asked for one by one; of more the store counts first which can matter."""
TALLY_MAX = 10_000
PAGE = 5_000
AROUND_MAX = 100_000
"""So many events around the new ones of one group are looked at; more is reported as a gap."""

_TICK = timedelta(milliseconds=1)


class TooManyError(Exception):
    """A group has more events around the new ones than AROUND_MAX."""


@dataclass(frozen=True, slots=True)
class Counting:
    """One correlation, the store it counts in, the arrival sequence beyond which nothing counts yet, and its memory."""

    store: Store
    detection: Detection
    rule: Correlation
    until: int
    recent: Recent

    def findings(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Yield what the new events `events`, for which the rule's `Where` holds, make the rule find."""
        groups: dict[Name, tuple[Key, list[Seen]]] = {}
        for event in events:
            seen = _seen(event)
            for key in keys(event, self.rule.group_by):
                name = _name(key)
                groups.setdefault(name, (key, []))[1].append(seen)
                self.recent.take(name, seen)
        for name in self._promising({name: new for name, (_, new) in groups.items()}):
            key, new = groups[name]
            new.sort()
            for cluster in _clusters(new, 2 * self.rule.span):
                yield from self._judge(key, cluster)

    def _promising(self, groups: dict[Name, list[Seen]]) -> list[Name]:
        # the groups that may have enough events; with few groups, or if few events are enough, all of them
        least = _least(self.rule)
        if len(groups) <= DIRECT_MAX or least <= 1:
            return sorted(groups)
        times = [event.timestamp for new in groups.values() for event in new]
        span = Span(_floor(min(times) - self.rule.span), _floor(max(times) + self.rule.span) + _TICK)
        rows = self.store.tally(self._where(), span, self.rule.group_by, TALLY_MAX)
        counts: dict[Name, int] = {}
        for group, count in rows:
            for combination in islice(product(*map(values, group)), GROUPS_OF_ONE_MAX):
                name = tuple(fold(plain(value)) for value in combination)
                counts[name] = counts.get(name, 0) + count
        untold = 0 if len(rows) < TALLY_MAX else least
        recent = {name: len(self.recent.between(name, span.start, span.end, self.until)) for name in groups}
        return sorted(name for name in groups if counts.get(name, untold) + recent[name] >= least)

    def _where(self, key: Key = ()) -> Where:
        # what the memory does not hold
        same = tuple(Is(field, value) for field, value in key)
        before = Compare("event.sequence", "lte", min(self.until, self.recent.start))
        return AllOf((*same, before, self.detection.where))

    def _judge(self, key: Key, new: Sequence[Seen]) -> Iterator[Finding]:
        around = self._around(key, new)
        times = [event.timestamp for event in around]
        first, last = new[0].timestamp, new[-1].timestamp
        marks = [0] * (len(around) + 1)
        for at in range(bisect_left(times, first), bisect_left(times, last + self.rule.span)):
            begin = bisect_right(times, times[at] - self.rule.span)
            end = bisect_right(times, times[at])
            if _stands(end - begin, self.rule.relation, self.rule.count):
                marks[begin] += 1
                marks[end] -= 1
        depth = 0
        found: list[Seen] = []
        for event, mark in zip(around, marks, strict=False):
            depth += mark
            if depth:
                found.append(event)
        for run in _clusters(found, self.rule.span):
            for at in range(0, len(run), EVIDENCE_MAX):
                yield self._finding(key, run[at : at + EVIDENCE_MAX])

    def _around(self, key: Key, new: Sequence[Seen]) -> list[Seen]:
        # before the first new event only the nearest `count + 1` matter: more would change no window's answer
        where = self._where(key)
        first, last = _floor(new[0].timestamp), new[-1].timestamp
        begin, end = _floor(first - self.rule.span), _floor(last + self.rule.span) + _TICK
        nearest = self.rule.count + 1
        stored = map(_seen, self.store.search(where, Span(begin, first), nearest))
        before = {one.id: one for one in (*stored, *self.recent.between(_name(key), begin, first, self.until))}
        found = {one.id: one for one in (*sorted(before.values())[-nearest:], *new)}
        found.update((one.id, one) for one in self.recent.between(_name(key), first, end, self.until))
        while True:
            page = self.store.search(where, Span(first, end), PAGE)
            found.update((event.id, _seen(event)) for event in page)
            if len(page) < PAGE:
                break
            oldest = _floor(page[-1].timestamp) + _TICK
            if oldest >= end or len(found) > AROUND_MAX:
                raise TooManyError(f"more than {len(found)} events around one time in the group {dict(key)}")
            end = oldest
        return sorted(found.values())

    def _finding(self, key: Key, run: Sequence[Seen]) -> Finding:
        return Finding(
            detection=self.detection,
            key=key,
            first_seen=run[0].timestamp,
            last_seen=run[-1].timestamp,
            evidence=tuple(event.id for event in run),
            count=len(run),
            summary=f"{_WORDS[self.rule.relation]} {self.rule.count} events within {_words(self.rule.span)}",
            moments=tuple(event.timestamp for event in run),
        )


_WORDS: dict[Relation, str] = {
    "gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly", "neq": "not",
}  # fmt: skip


def keys(event: Event, group_by: Sequence[str]) -> Iterator[Key]:
    """Yield the groups the event belongs to; texts are folded, as groups do not tell case apart."""
    each = [values(event.fields.get(field)) for field in group_by]
    for combination in islice(product(*each), GROUPS_OF_ONE_MAX):
        yield tuple((field, _folded(value)) for field, value in zip(group_by, combination, strict=True))


def _folded(value: Scalar) -> Scalar:
    return fold(value) if isinstance(value, str) else value


def _name(key: Key) -> Name:
    return tuple(fold(plain(value)) for _, value in key)


def _seen(event: Event) -> Seen:
    return Seen(event.timestamp, event.seq, event.id)


def _clusters(events: Sequence[Seen], gap: timedelta) -> Iterator[Sequence[Seen]]:
    begin = 0
    for at, (one, two) in enumerate(pairwise(events), start=1):
        if two.timestamp - one.timestamp > gap:
            yield events[begin:at]
            begin = at
    if events:
        yield events[begin:]


def _least(rule: Correlation) -> int:
    match rule.relation:
        case "gte" | "eq":
            return rule.count
        case "gt":
            return rule.count + 1
        case "lt" | "lte" | "neq":
            return 0
        case _:
            assert_never(rule.relation)


def _stands(have: int, relation: Relation, count: int) -> bool:
    match relation:
        case "gte":
            return have >= count
        case "gt":
            return have > count
        case "lt":
            return have < count
        case "lte":
            return have <= count
        case "eq":
            return have == count
        case "neq":
            return have != count
        case _:
            assert_never(relation)


def _floor(moment: datetime) -> datetime:
    # stores may tell times apart only to the millisecond
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _words(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
