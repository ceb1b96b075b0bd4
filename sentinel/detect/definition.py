"""What a correlation means, said as plainly as it can be: every window is tried, nothing is remembered or fetched.

`correlate.py` and `windows.py` must find the same; the proof of a rule and the tests compare them with this.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import product
from operator import eq, ge, gt, le, lt, ne
from typing import NamedTuple, cast

from sentinel.core.detection import NUMBERS, Correlation, Part
from sentinel.core.event import Event
from sentinel.core.where import Where, holds, plain, values
from sentinel.core.wildcard import fold

Name = tuple[str, ...]
"""The values of a group, as they are compared."""
_RELATIONS = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq, "neq": ne}


class _Occurred(NamedTuple):
    """Something that counts: when, what it brings (values, numbers, the number of a part), by which events."""

    at: datetime
    brought: tuple[object, ...]
    ids: frozenset[str]


def covered(
    rule: Correlation, where: Where, events: Sequence[Event], new: frozenset[str] = frozenset(), *, most: int = 0
) -> set[tuple[Name, str]]:
    """Return (group, event id) of all `events` that lie in a window that stands; `where` is the rule's own.

    Given `new`, only windows count in which one of those lies; given `most`, only those of at most so many events.
    """
    found: set[tuple[Name, str]] = set()
    for name, occurred in _groups(rule, where, events).items():
        for _, window in _standing(rule, occurred):
            ids = frozenset[str]().union(*(one.ids for one in window))
            if (not new or not new.isdisjoint(ids)) and (not most or len(ids) <= most):
                found.update((name, one) for one in ids)
    return found


def _groups(rule: Correlation, where: Where, events: Sequence[Event]) -> dict[Name, list[_Occurred]]:
    found: dict[Name, list[_Occurred]] = {}
    single: dict[tuple[Name, str], _Occurred] = {}
    for number, part in enumerate(rule.parts or (Part(where, rule.group_by),)):
        if part.inner is not None:
            for name, one in _chained(number, part, events):
                found.setdefault(name, []).append(one)
            continue
        for event in events:
            brought = _brought(rule, number, part, event) if holds(part.where, event) else None
            for name in _names(event, part.group) if brought is not None else ():
                before = single.get((name, event.id))
                if before is None:
                    single[name, event.id] = _Occurred(event.timestamp, brought or (), frozenset({event.id}))
                elif rule.kind not in NUMBERS:  # of numbers an event counts once
                    single[name, event.id] = before._replace(brought=(*before.brought, *(brought or ())))
    for (name, _), occurred in single.items():
        found.setdefault(name, []).append(occurred)
    return found


def _chained(number: int, part: Part, events: Sequence[Event]) -> Iterator[tuple[Name, _Occurred]]:
    # a correlation occurs whenever a window of it stands
    inner = part.inner
    assert inner is not None  # noqa: S101  who calls has looked
    own = [inner.group_by.index(field) for field in part.group]
    for name, occurred in _groups(inner, part.where, events).items():
        for end, window in _standing(inner, occurred):
            ids = frozenset[str]().union(*(one.ids for one in window))
            yield tuple(name[at] for at in own), _Occurred(end, (number,), ids)


def _names(event: Event, fields: Iterable[str]) -> set[Name]:
    each = [values(event.fields.get(field)) for field in fields]
    return {tuple(fold(plain(one)) for one in combination) for combination in product(*each)}


def _brought(rule: Correlation, number: int, part: Part, event: Event) -> tuple[object, ...] | None:
    # None: nothing that counts
    if rule.kind == "event_count":
        return ()
    if rule.kind.startswith("temporal"):
        return (number,)
    if rule.kind == "value_count":
        return tuple(_names(event, part.fields)) or None
    each = [one for field in part.fields for one in values(event.fields.get(field))]
    return tuple(one for one in each if isinstance(one, int | float) and not isinstance(one, bool)) or None


def _standing(rule: Correlation, occurred: Sequence[_Occurred]) -> Iterator[tuple[datetime, list[_Occurred]]]:
    for end in sorted({one.at for one in occurred}):
        window = [one for one in occurred if end - rule.span < one.at <= end]
        if _stands(rule, window):
            yield end, window


def _stands(rule: Correlation, window: Sequence[_Occurred]) -> bool:
    relates = _RELATIONS[rule.relation]
    brought = [one for occurred in window for one in occurred.brought]
    match rule.kind:
        case "event_count":
            return bool(relates(len(window), rule.count))
        case "temporal" if rule.condition is not None:
            return holds(rule.condition, {rule.parts[cast("int", number)].name: True for number in brought})
        case "value_count" | "temporal":
            return bool(relates(len(set(brought)), rule.count))
        case "temporal_ordered":
            return _in_order(window, len(rule.parts))
        case "value_sum" | "value_avg" | "value_percentile" | "value_median":
            return bool(relates(_reckoned(rule, sorted(Fraction(cast("float", one)) for one in brought)), rule.count))


def _in_order(window: Sequence[_Occurred], parts: int) -> bool:
    at: datetime | None = None
    for number in range(parts):
        times = [one.at for one in window if number in one.brought and (at is None or one.at >= at)]
        if not times:
            return False
        at = min(times)
    return True


def _reckoned(rule: Correlation, numbers: Sequence[Fraction]) -> Fraction:
    if rule.kind == "value_sum":
        return sum(numbers, Fraction())
    if rule.kind == "value_avg":
        return sum(numbers, Fraction()) / len(numbers)
    place = Fraction(rule.percentile, 100) * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)
