"""Which windows of one group stand: sliding over event time, one for each moment at which something happened.

The window of a moment reaches back from it: `(t - span, t]`. What it holds is kept while it slides, so that each event
enters once and leaves once. Numbers are summed as fractions: floating point would make the answer depend on the order.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Protocol, assert_never, cast

from sentinel.core.detection import Correlation, Relation
from sentinel.core.where import holds
from sentinel.detect.recent import Brought, Seen


def firing(rule: Correlation, around: Sequence[Seen], first: datetime, last: datetime) -> list[Seen]:
    """Return those of a group's events `around`, in order, that lie in a window that stands.

    Windows that end within `[first, last + span)` are judged: those that events from `first` to `last` are in.
    """
    window = _window(rule)
    marks = [0] * (len(around) + 1)
    begin = end = 0
    while end < len(around) and (at := around[end].timestamp) < last + rule.span:
        while end < len(around) and around[end].timestamp == at:
            window.enter(around[end])
            end += 1
        since = at - rule.span
        while around[begin].timestamp <= since:
            window.leave(around[begin])
            begin += 1
        if at >= first and window.stands(since):
            marks[begin] += 1
            marks[end] -= 1
    depth = 0
    found: list[Seen] = []
    for event, mark in zip(around, marks, strict=False):
        depth += mark
        if depth:
            found.append(event)
    return found


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
