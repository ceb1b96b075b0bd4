"""Which windows of one group stand: sliding over event time, one for each moment at which something happened.

The window of a moment reaches back from it: `(t - span, t]`. What it holds is kept while it slides, so that each event
enters once and leaves once. Numbers are summed as fractions: floating point would make the answer depend on the order.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple, Protocol, assert_never, cast

from sentinel.core.detection import Correlation, Relation
from sentinel.core.where import holds
from sentinel.detect.recent import Brought, Chained, Name, Seen


def firing(rule: Correlation, around: Sequence[Seen], first: datetime, last: datetime) -> list[Seen]:
    """Return those of a group's events `around`, in order, that lie in a window that stands.

    Windows that end within `[first, last + rule.reach)` are judged: those that events from `first` to `last` are in.
    Of a part that is a correlation the events of its own windows are returned.
    """
    occurrences = list(_occurrences(rule, around))
    plain = [one for one in around if not any(isinstance(thing, Chained) for thing in one.brought)]
    if not occurrences:
        return _covered(plain, _standing(rule, plain, first, last + rule.reach))
    marks = sorted([*plain, *(one.mark for one in occurrences)])
    found = _covered(marks, _standing(rule, marks, first, last + rule.reach))
    lying = set(found)
    inside: dict[int, tuple[Sequence[Seen], list[tuple[int, int]]]] = {}
    for one in occurrences:
        if one.mark in lying:
            inside.setdefault(id(one.group), (one.group, []))[1].append((one.begin, one.end))
    whole = {one.id: one for one in found}
    for group, ranges in inside.values():
        whole.update((one.id, one) for one in _covered(group, ranges))
    return sorted(whole.values())


class _Occurrence(NamedTuple):
    """A window of a correlation that is a part of another one, and what stands for it there."""

    mark: Seen
    group: Sequence[Seen]
    begin: int
    end: int


def _occurrences(rule: Correlation, around: Sequence[Seen]) -> Iterator[_Occurrence]:
    groups: dict[tuple[int, Name], list[Seen]] = {}
    for event in around:
        for one in event.brought:
            if isinstance(one, Chained):
                groups.setdefault((one.number, one.name), []).append(event._replace(brought=one.brought))
            elif any(isinstance(other, Chained) for other in event.brought):
                # it counts for a rule about single events as well
                yield _Occurrence(event._replace(brought=(one,)), [event], 0, 1)
    for (number, _), group in groups.items():
        inner = rule.parts[number].inner
        assert inner is not None  # noqa: S101  who brings something to it has it from there
        for begin, end in _standing(inner, group, group[0].timestamp, group[-1].timestamp + inner.span):
            yield _Occurrence(group[end - 1]._replace(brought=(number,)), group, begin, end)


def _standing(
    rule: Correlation, events: Sequence[Seen], first: datetime, before: datetime
) -> Iterator[tuple[int, int]]:
    # the windows that stand and end within [first, before): from which event, before which
    window = _window(rule)
    begin = end = 0
    while end < len(events) and (at := events[end].timestamp) < before:
        while end < len(events) and events[end].timestamp == at:
            window.enter(events[end])
            end += 1
        since = at - rule.span
        while events[begin].timestamp <= since:
            window.leave(events[begin])
            begin += 1
        if at >= first and window.stands(since):
            yield begin, end


def _covered(events: Sequence[Seen], ranges: Iterable[tuple[int, int]]) -> list[Seen]:
    marks = [0] * (len(events) + 1)
    for begin, end in ranges:
        marks[begin] += 1
        marks[end] -= 1
    return [event for event, depth in zip(events, accumulate(marks), strict=False) if depth]


def relates(have: Fraction | float, relation: Relation, count: float) -> bool:
    """Say whether `have` stands in the relation to `count`."""
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


class _Window(Protocol):
    def enter(self, seen: Seen, /) -> None: ...
    def leave(self, seen: Seen, /) -> None: ...
    def stands(self, since: datetime, /) -> bool: ...


def _window(rule: Correlation) -> _Window:
    def stands(have: Fraction | float) -> bool:
        return relates(have, rule.relation, rule.count)

    match rule.kind:
        case "event_count":
            return _Events(stands)
        case "value_count":
            return _Different(lambda have: stands(len(have)))
        case "temporal":
            return _Different(_condition(rule) or (lambda have: stands(len(have))))
        case "temporal_ordered":
            return _InOrder(len(rule.parts))
        case "value_sum":
            return _Sum(lambda total, _count: stands(total))
        case "value_avg":
            return _Sum(lambda total, count: stands(total / count))
        case "value_percentile" | "value_median":
            return _Percentile(rule.percentile, stands)
        case _:
            assert_never(rule.kind)


def _condition(rule: Correlation) -> "Callable[[Counter[Brought]], bool] | None":
    condition = rule.condition
    if condition is None:
        return None
    names = [part.name for part in rule.parts]
    return lambda have: holds(condition, {names[cast("int", number)]: True for number in have})


class _Events:
    """How many events."""

    def __init__(self, stands: Callable[[int], bool]) -> None:
        self._stands = stands
        self._count = 0

    def enter(self, _seen: Seen) -> None:
        self._count += 1

    def leave(self, _seen: Seen) -> None:
        self._count -= 1

    def stands(self, _since: datetime) -> bool:
        return self._stands(self._count)


class _Different:
    """Which different things were brought."""

    def __init__(self, stands: "Callable[[Counter[Brought]], bool]") -> None:
        self._stands = stands
        self._have: Counter[Brought] = Counter()

    def enter(self, seen: Seen) -> None:
        self._have.update(seen.brought)

    def leave(self, seen: Seen) -> None:
        for one in seen.brought:
            self._have[one] -= 1
            if not self._have[one]:
                del self._have[one]

    def stands(self, _since: datetime) -> bool:
        return self._stands(self._have)


class _InOrder:
    """Whether the parts occurred one after the other.

    For each part: the latest beginning of a sequence that has come as far as this part. At one and the same moment no
    order is known: it counts as the order asked for, and one event may stand for several parts.
    """

    def __init__(self, parts: int) -> None:
        self._begins: list[datetime | None] = [None] * parts
        self._at: datetime | None = None
        self._now: set[Brought] = set()

    def enter(self, seen: Seen) -> None:
        if seen.timestamp != self._at:
            self._at = seen.timestamp
            self._now.clear()
        self._now.update(seen.brought)
        for number in range(len(self._begins)):
            if number in self._now:
                self._begins[number] = self._begins[number - 1] if number else seen.timestamp

    def leave(self, _seen: Seen) -> None:
        pass

    def stands(self, since: datetime) -> bool:
        begin = self._begins[-1]
        return begin is not None and begin > since


class _Sum:
    """What the numbers come to, and how many there are."""

    def __init__(self, stands: Callable[[Fraction, int], bool]) -> None:
        self._stands = stands
        self._total = Fraction()
        self._count = 0

    def enter(self, seen: Seen) -> None:
        self._total += sum(map(_fraction, seen.brought), Fraction())
        self._count += len(seen.brought)

    def leave(self, seen: Seen) -> None:
        self._total -= sum(map(_fraction, seen.brought), Fraction())
        self._count -= len(seen.brought)

    def stands(self, _since: datetime) -> bool:
        return self._stands(self._total, self._count)


class _Percentile:
    """The percentile of the numbers, between two of them by their distance (as SQL's PERCENTILE_CONT)."""

    def __init__(self, percentile: int, stands: Callable[[Fraction], bool]) -> None:
        self._percentile = percentile
        self._stands = stands
        self._numbers: list[Fraction] = []

    def enter(self, seen: Seen) -> None:
        for one in seen.brought:
            insort(self._numbers, _fraction(one))

    def leave(self, seen: Seen) -> None:
        for one in seen.brought:
            del self._numbers[bisect_left(self._numbers, _fraction(one))]

    def stands(self, _since: datetime) -> bool:
        below, between = divmod(Fraction(self._percentile, 100) * (len(self._numbers) - 1), 1)
        low = self._numbers[below]
        high = self._numbers[min(below + 1, len(self._numbers) - 1)]
        return self._stands(low + (high - low) * between)


def _fraction(number: Brought) -> Fraction:
    return Fraction(cast("float", number))
