"""Correlations: how the events of a group come together within a span of event time, sliding.

The window of an event reaches back from it: `(t - span, t]`. A rule fires on a window that stands as it asks
(`windows.py`), and every event of such a window belongs to the finding. Only windows that new events touch are judged,
so a late event judges exactly what it changes. What a window holds is what is stored: the part that came since this
process began to judge is remembered (`recent.py`), the rest is asked of the store.

Where more events can only make more windows stand (`gt` and `gte` of events, different values or parts, parts in
order) the result does not depend on the order of arrival. With other relations, averages, percentiles, `not` and
negative numbers a window may fire that a late event would have changed: what has been raised is not taken back.

An event without one of the group's fields belongs to no group; one with several values in them to several groups. One
that has nothing of what is counted (no value, no number) is passed over.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, pairwise, product
from math import isfinite
from typing import assert_never

from sentinel.core.detection import EVIDENCE_MAX, NUMBERS, Correlation, Detection, Finding, Key, Kind, Part, Relation
from sentinel.core.event import Event, Scalar
from sentinel.core.ports import LATEST, Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, AnyOf, Is, Where, holds, plain, values
from sentinel.core.wildcard import fold
from sentinel.detect.recent import Brought, Chained, Name, Recent, Seen
from sentinel.detect.windows import firing

GROUPS_OF_ONE_MAX = 16
"""An event with several values in its group's fields belongs to at most this many groups."""
VALUES_OF_ONE_MAX = 256
"""Of one event so many values, or combinations of values, are counted at most."""
DIRECT_MAX = 8
"""Up to so many groups are asked for one by one; of more the store counts first which can matter."""
TALLY_MAX = 100_000
PAGE = 5_000
AROUND_MAX = 100_000
"""So many events around the new ones of one group are looked at; more is reported as a gap."""

_TICK = timedelta(milliseconds=1)


class TooManyError(Exception):
    """A group has more events around the new ones than AROUND_MAX."""


class TooLongError(Exception):
    """Counting has taken longer than it may."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One kind of event that counts: for part `number`, and if that is a correlation, there for `part` as `inner` says.

    `group` holds the fields whose values name the correlation's own group, `own` which of part's they are.
    """

    number: int
    part: Part
    own: tuple[int, ...]
    inner: Correlation | None = None
    inner_number: int = 0

    @property
    def group(self) -> tuple[str, ...]:
        return tuple(self.part.group[at] for at in self.own)


@dataclass(frozen=True, slots=True)
class Counting:
    """One correlation, the store it counts in, up to where what arrived counts, and its memory.

    `check` is called now and then; what it raises ends the counting.
    """

    store: Store
    detection: Detection
    rule: Correlation
    until: Reached
    recent: Recent
    check: Callable[[], None] = lambda: None
    leaves: tuple[_Leaf, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Look up what counts."""
        object.__setattr__(self, "leaves", tuple(_leaves(self.rule, self.detection)))

    def findings(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Yield what the new events `events`, for which the rule's `Where` holds, make the rule find."""
        groups: dict[Name, tuple[Key, list[Seen]]] = {}
        for event in events:
            self.check()
            for name, (key, seen) in self._placed(event).items():
                groups.setdefault(name, (key, []))[1].append(seen)
                self.recent.take(name, seen)
        for name, stored in self._promising({name: new for name, (_, new) in groups.items()}):
            key, new = groups[name]
            new.sort()
            for cluster in _clusters(new, 2 * self.rule.reach):
                yield from self._judge(key, cluster, stored=stored)

    def _placed(self, event: Event) -> dict[Name, tuple[Key, Seen]]:
        # the groups the event belongs to, and what it is in each of them
        found: dict[Name, tuple[Key, Seen]] = {}
        for leaf in self.leaves:
            if len(self.leaves) > 1 and not holds(leaf.part.where, event):
                continue
            for key, brought in self._brought(leaf, event):
                name = _name(key)
                before = found[name][1].brought if name in found else ()
                if before and self.rule.kind in NUMBERS:
                    continue  # an event counts once
                both = before + tuple(one for one in brought if one not in before) if before else brought
                found[name] = key, Seen(event.timestamp, event.seq, event.id, both)
        return found

    def _brought(self, leaf: _Leaf, event: Event) -> Iterator[tuple[Key, tuple[Brought, ...]]]:
        # the groups, and what the event brings to them
        if leaf.inner is None:
            brought = _counted(self.rule.kind, leaf.number, leaf.part, event)
        else:
            brought = _counted(leaf.inner.kind, leaf.inner_number, leaf.part, event)
        if brought is None:
            return
        for key in {_name(one): one for one in keys(event, leaf.part.group)}.values():
            own = tuple((name, key[at][1]) for name, at in zip(self.rule.group_by, leaf.own, strict=True))
            yield own, brought if leaf.inner is None else (Chained(leaf.number, _name(key), brought),)

    def _promising(self, groups: dict[Name, list[Seen]]) -> list[tuple[Name, bool]]:
        # the groups that may have enough, and whether the store may hold something of them; with few groups all
        if not groups:
            return []
        times = [event.timestamp for new in groups.values() for event in new]
        span = Span(_floor(min(times) - self.rule.reach), _floor(max(times) + self.rule.reach) + _TICK)
        held = self._held(span.start)
        if len(groups) <= DIRECT_MAX:
            return [(name, held) for name in sorted(groups)]
        least = _least(self.rule)
        stored = self._stored(span) if held else (Counter[Name](), defaultdict[Name, set[Brought]](set))
        if stored is None:
            return [(name, True) for name in sorted(groups)]
        counts, brought = stored
        found: list[tuple[Name, bool]] = []
        for name in sorted(groups):
            recent = self.recent.between(name, span.start, span.end, self.until)
            have = counts[name] + len(recent)
            if self.rule.kind != "event_count":
                have = len(brought[name].union(*map(_things, recent)))
            if have >= least:
                found.append((name, counts[name] > 0))
        return found

    def _held(self, begin: datetime) -> bool:
        # whether the store may hold something from `begin` on; what is before the memory changes no more, so that it is
        # asked once when that ends
        if not self.until.covers(self.recent.start):
            return True
        if self.recent.none_from is None:
            span = Span(begin, LATEST)
            newest = [one.timestamp for leaf in self.leaves for one in self.store.search(self._where(leaf), span, 1)]
            self.recent.none_from = _floor(max(newest)) + _TICK if newest else begin
        return begin < self.recent.none_from

    def _stored(self, span: Span) -> tuple[Counter[Name], defaultdict[Name, set[Brought]]] | None:
        # how many events and what of each group the store holds within `span`; None: too many groups to tell
        counts: Counter[Name] = Counter()
        brought: defaultdict[Name, set[Brought]] = defaultdict(set)
        for leaf in self.leaves:
            group = leaf.group
            counted = leaf.part.fields if self.rule.kind == "value_count" else ()
            rows = self.store.tally(self._where(leaf), span, (*group, *counted), TALLY_MAX)
            if len(rows) >= TALLY_MAX:
                return None
            for row, count in rows:
                for combination in islice(product(*map(values, row)), GROUPS_OF_ONE_MAX * VALUES_OF_ONE_MAX):
                    name = _folded_name(combination[: len(group)])
                    counts[name] += count
                    brought[name].add(_folded_name(combination[len(group) :]) if counted else leaf.number)
        return counts, brought

    def _where(self, leaf: _Leaf, key: Key = ()) -> Where:
        # what the memory does not hold
        same = tuple(Is(field, value) for field, (_, value) in zip(leaf.group, key, strict=False))
        return AllOf((*same, self.until.least(self.recent.start).within(), leaf.part.where))

    def _judge(self, key: Key, new: Sequence[Seen], *, stored: bool) -> Iterator[Finding]:
        self.check()
        around = self._around(key, new, stored=stored)
        found = firing(self.rule, around, new[0].timestamp, new[-1].timestamp)
        for run in _clusters(found, self.rule.reach):
            for at in range(0, len(run), EVIDENCE_MAX):
                yield self._finding(key, run[at : at + EVIDENCE_MAX])

    def _around(self, key: Key, new: Sequence[Seen], *, stored: bool) -> list[Seen]:
        name = _name(key)
        wheres = tuple(self._where(leaf, key) for leaf in self.leaves)
        where = wheres[0] if len(wheres) == 1 else AnyOf(wheres)
        first, last = _floor(new[0].timestamp), new[-1].timestamp
        begin, end = _floor(first - self.rule.reach), _floor(last + self.rule.reach) + _TICK
        found = {one.id: one for one in new}
        if self.rule.kind == "event_count":
            # before the first new event only the nearest `count + 1` matter: more would change no window's answer
            nearest = int(self.rule.count) + 1
            before = {one.id: one for one in self.recent.between(name, begin, first, self.until)}
            if stored:
                page = self.store.search(where, Span(begin, first), nearest)
                before.update((one.id, one) for one in self._of(name, page))
            found.update((one.id, one) for one in sorted(before.values())[-nearest:])
            begin = first
        found.update((one.id, one) for one in self.recent.between(name, begin, end, self.until))
        while stored:
            self.check()
            page = self.store.search(where, Span(begin, end), PAGE)
            found.update((one.id, one) for one in self._of(name, page))
            if len(page) < PAGE:
                break
            oldest = _floor(page[-1].timestamp) + _TICK
            if oldest >= end or len(found) > AROUND_MAX:
                raise TooManyError(f"more than {len(found)} events around one time in the group {dict(key)}")
            end = oldest
        return sorted(found.values())

    def _of(self, name: Name, events: Iterable[Event]) -> Iterator[Seen]:
        for event in events:
            placed = self._placed(event).get(name)
            if placed is not None:
                yield placed[1]

    def _finding(self, key: Key, run: Sequence[Seen]) -> Finding:
        return Finding(
            detection=self.detection,
            key=key,
            first_seen=run[0].timestamp,
            last_seen=run[-1].timestamp,
            evidence=tuple(event.id for event in run),
            count=len(run),
            summary=_summary(self.rule),
            moments=tuple(event.timestamp for event in run),
        )


_WORDS: dict[Relation, str] = {
    "gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly", "neq": "not",
}  # fmt: skip


def _leaves(rule: Correlation, detection: Detection) -> Iterator[_Leaf]:
    for number, part in enumerate(rule.parts or (Part(detection.where, rule.group_by),)):
        if part.inner is None:
            yield _Leaf(number, part, tuple(range(len(part.group))))
            continue
        own = tuple(part.inner.group_by.index(name) for name in part.group)
        for at, one in enumerate(part.inner.parts):
            yield _Leaf(number, one, own, part.inner, at)


def keys(event: Event, group_by: Sequence[str]) -> Iterator[Key]:
    """Yield the groups the event belongs to; texts are folded, as groups do not tell case apart."""
    each = [values(event.fields.get(field)) for field in group_by]
    for combination in islice(product(*each), GROUPS_OF_ONE_MAX):
        yield tuple((field, _folded(value)) for field, value in zip(group_by, combination, strict=True))


def _folded(value: Scalar) -> Scalar:
    return fold(value) if isinstance(value, str) else value


def _name(key: Key) -> Name:
    return _folded_name([value for _, value in key])


def _folded_name(combination: Sequence[Scalar]) -> Name:
    return tuple(fold(plain(value)) for value in combination)


def _numbers(event: Event, fields: Sequence[str]) -> Iterator[int | float]:
    for name in fields:
        for value in values(event.fields.get(name)):
            if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
                yield value


def _clusters(events: Sequence[Seen], gap: timedelta) -> Iterator[Sequence[Seen]]:
    begin = 0
    for at, (one, two) in enumerate(pairwise(events), start=1):
        if two.timestamp - one.timestamp > gap:
            yield events[begin:at]
            begin = at
    if events:
        yield events[begin:]


def _least(rule: Correlation) -> float:
    # fewer events, different values or parts never stand
    if rule.kind == "temporal_ordered":
        return len(rule.parts)
    if rule.condition is not None or rule.kind not in {"event_count", "value_count", "temporal"}:
        return 0
    match rule.relation:
        case "gte" | "eq":
            return rule.count
        case "gt":
            return rule.count + 1
        case "lt" | "lte" | "neq":
            return 0
        case _:
            assert_never(rule.relation)


def _counted(kind: Kind, number: int, part: Part, event: Event) -> tuple[int | float | Name, ...] | None:
    # None: nothing that counts
    match kind:
        case "event_count":
            return ()
        case "temporal" | "temporal_ordered":
            return (number,)
        case "value_count":
            combinations = product(*(values(event.fields.get(field)) for field in part.fields))
            return tuple(dict.fromkeys(map(_folded_name, islice(combinations, VALUES_OF_ONE_MAX)))) or None
        case "value_sum" | "value_avg" | "value_percentile" | "value_median":
            return tuple(_numbers(event, part.fields)) or None
        case _:
            assert_never(kind)


def _things(seen: Seen) -> Iterator[Brought]:
    for one in seen.brought:
        yield one.number if isinstance(one, Chained) else one


def _summary(rule: Correlation) -> str:
    number = f"{_WORDS[rule.relation]} {rule.count}"
    fields = ", ".join(rule.parts[0].fields) if rule.parts else ""
    match rule.kind:
        case "event_count":
            what = f"{number} events"
        case "value_count":
            what = f"{number} different values of {fields}"
        case "value_sum":
            what = f"a sum of {fields} of {number}"
        case "value_avg":
            what = f"an average of {fields} of {number}"
        case "value_percentile" | "value_median":
            what = f"percentile {rule.percentile} of {fields} of {number}"
        case "temporal" if rule.condition is None:
            what = f"{number} of {len(rule.parts)} rules"
        case "temporal":
            what = "the rules that belong together"
        case "temporal_ordered":
            what = f"{len(rule.parts)} rules one after the other"
        case _:
            assert_never(rule.kind)
    return f"{what} within {_words(rule.span)}"


def _floor(moment: datetime) -> datetime:
    # stores may tell times apart only to the millisecond
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _words(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
