"""Sequences of events on which a correlation is proven: enough, one short, just outside the window, late, two groups.

They are made from the rule alone, as witnesses of its parts with the group's fields set. Events bear a mark, so that
those of many rules may lie in one store.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from sentinel.core.clock import iso
from sentinel.core.detection import NUMBERS, Correlation, Detection, Part
from sentinel.core.ecs import type_of
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Fields, Scalar
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Is, Where, holds, plain
from sentinel.core.wildcard import fold
from sentinel.detect import definition
from sentinel.detect.correlate import DIRECT_MAX, Counting, TooManyError
from sentinel.detect.recent import Recent
from sentinel.detect.witness import witness

MARK = "labels.sentinel_proof"
STEPS_MAX = 1_000
"""Rules that count further are not tried at their border."""
TURNS = 4
"""The last of so many pieces of each sequence is judged by itself, with nothing remembered: the store is asked."""
_TICK = timedelta(milliseconds=1)
_Step = tuple[timedelta, Fields]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What it is, in words, and its events in order of arrival: when each happened after the beginning."""

    what: str
    steps: Sequence[_Step]


def marked(detection: Detection, mark: str) -> Detection:
    """Return the correlation as it sees only events that bear `mark` in the field MARK; others as they are."""
    if detection.correlation is None:
        return detection
    correlation = _marked(detection.correlation, mark)
    return replace(detection, where=_with(detection.where, mark), correlation=correlation)


def _marked(rule: Correlation, mark: str) -> Correlation:
    parts = tuple(
        replace(part, where=_with(part.where, mark), inner=None if part.inner is None else _marked(part.inner, mark))
        for part in rule.parts
    )
    return replace(rule, parts=parts)


def _with(where: Where, mark: str) -> Where:
    return AllOf((Is(MARK, mark), where))


# -- making them


def scenarios(detection: Detection) -> list[Scenario]:
    """Return what a correlation is tried on; none if no event of one of its parts could be made."""
    rule = detection.correlation
    if rule is None:
        return []
    makers = [_Maker(part, rule) for part in _flat(rule, detection.where)]
    if any(maker.base is None for maker in makers):
        return []
    found = list(_temporal(rule, makers) if rule.kind.startswith("temporal") else _counting(rule, makers[0]))
    singles = [(timedelta(), makers[0].fields(group)) for group in range(200, 200 + DIRECT_MAX + 1)]
    return [*found, Scenario("one event in each of many groups", singles)]


def _flat(rule: Correlation, where: Where) -> list[Part]:
    # parts about single events; those of a chained correlation with its own needs
    return list(rule.parts) or [Part(where, rule.group_by)]


class _Maker:
    """Makes events of one part, in a group, with the n-th value of what is counted."""

    def __init__(self, part: Part, rule: Correlation) -> None:
        self.part = part
        self.rule = rule
        inner = part.inner
        self.times = 1
        if inner is not None:
            self.times = 1 if inner.kind.startswith("temporal") else min(_needed(inner), STEPS_MAX)
            leaf = (inner.parts or (Part(part.where, inner.group_by),))[0]
            self.group, self.counted, self.where = leaf.group, leaf.fields, leaf.where
        else:
            self.group, self.counted, self.where = part.group, part.fields, part.where
        self.base = witness(self.where)

    def fields(self, group: int, number: int = 0, value: float | None = None) -> Fields:
        """Return the fields of an event in `group`; what the part's own condition fixes stays as it is."""
        made = dict(self.base or {})
        for field in self.group:
            made = self._set(made, field, _label(field, group))
        for field in self.counted:
            made = self._set(made, field, _label(field, 50 + number) if value is None else _number(field, value))
        return made

    def _set(self, made: Fields, field: str, value: Scalar) -> Fields:
        changed: Fields = {**made, field: value}
        return changed if field not in made or holds(self.where, changed) else made

    def steps(self, at: timedelta, group: int, number: int = 0) -> Iterator[_Step]:
        """Yield what makes the part occur at `at`: of a correlation as many events as it counts."""
        for each in range(self.times):
            yield at, self.fields(group, number + each)


def _label(field: str, number: int) -> Scalar:
    match type_of(field):
        case "long":
            return 1_000 + number
        case "float":
            return 0.5 + number
        case "ip":
            return f"198.51.{100 + number // 250}.{number % 250 + 1}"
        case "boolean":
            return number % 2 == 1
        case "date":
            return f"2026-11-23T00:00:{number % 60:02}.000Z"
        case _:
            return f"Group {number} \u00e4"


def _number(field: str, value: float) -> Scalar:
    return round(value) if type_of(field) == "long" else float(value)


def _needed(rule: Correlation) -> int:
    return max(1, ceil(rule.count) + (rule.relation in {"gt", "lte", "neq"}))


def _counting(rule: Correlation, maker: _Maker) -> Iterator[Scenario]:
    if rule.kind in NUMBERS:
        yield from _numbers(rule, maker)
        return
    need = _needed(rule)
    if need > STEPS_MAX:
        return

    def spread(over: timedelta, number: int, group: int) -> list[_Step]:
        between = max(number - 1, 1)
        return [(over * at / between, maker.fields(group, at)) for at in range(number)]

    inside = rule.span - _TICK
    yield Scenario("as many as asked for, just inside the window", spread(inside, need, 1))
    yield Scenario("one fewer than asked for", spread(inside, need - 1, 2))
    yield Scenario("as many as asked for, the first just outside the window", spread(rule.span, need, 3))
    yield Scenario("more than asked for", spread(inside, need + 1, 4))
    yield Scenario("as many as asked for, arriving in reverse order", spread(inside, need, 5)[::-1])
    half = [(at, maker.fields(6 + number % 2, number)) for number, (at, _) in enumerate(spread(inside, need, 6))]
    yield Scenario("as many as asked for, in two groups", half)
    yield Scenario("the same thing as often as asked for", [(at, maker.fields(8)) for at, _ in spread(inside, need, 8)])
    yield from _grouped(maker, spread(inside, need, 9))


def _grouped(maker: _Maker, steps: list[_Step]) -> Iterator[Scenario]:
    for field in maker.group:
        without = [(at, {name: one for name, one in fields.items() if name != field}) for at, fields in steps]
        yield Scenario(f"as many as asked for without {field}", without)
        flipped = [
            (at, {**fields, field: str(fields[field]).swapcase() if number % 2 else fields[field]})
            for number, (at, fields) in enumerate(steps)
            if type_of(field) == "keyword" and field in fields
        ]
        yield Scenario(f"as many as asked for, {field} in other case", flipped)


def _numbers(rule: Correlation, maker: _Maker) -> Iterator[Scenario]:
    count = rule.count
    lists = ([count], [count - 1], [count + 1], [count / 2] * 2, [count, count + 2, count - 2], [0, count * 3])
    for group, numbers in enumerate(lists, start=1):
        steps = [(rule.span * at / (len(numbers) + 1), maker.fields(group, 0, one)) for at, one in enumerate(numbers)]
        yield Scenario(f"the numbers {', '.join(map(str, numbers))}", steps)
    apart = [(timedelta(), maker.fields(20, 0, count / 2)), (rule.span, maker.fields(20, 0, count / 2))]
    yield Scenario("two numbers a whole window apart", apart)


def _temporal(rule: Correlation, makers: Sequence[_Maker]) -> Iterator[Scenario]:
    inside = rule.span - _TICK
    between = max(len(makers) - 1, 1)

    def spread(chosen: Sequence[_Maker], over: timedelta, group: int) -> list[_Step]:
        return [step for at, maker in enumerate(chosen) for step in maker.steps(over * at / between, group, at)]

    yield Scenario("all parts in their order", spread(makers, inside, 1))
    yield Scenario("all parts in reverse order", spread(makers[::-1], inside, 2))
    yield Scenario("all parts, arriving in reverse order", spread(makers, inside, 3)[::-1])
    yield Scenario("all parts, the first just outside the window", spread(makers, rule.span, 4))
    yield Scenario("all parts at one moment", spread(makers, timedelta(), 5))
    for at, maker in enumerate(makers[:20]):
        others = [one for one in makers if one is not maker]
        yield Scenario(f"all parts but {maker.part.name or at + 1}", spread(others, inside, 6 + at))
    apart = [step for at, maker in enumerate(makers) for step in maker.steps(timedelta(), 40 + at, at)]
    yield Scenario("all parts, each in a group of its own", apart)
    yield from _grouped(makers[-1], [step for step in spread(makers, inside, 90) if len(makers) == 1])


# -- trying them


def laid_out(given: Sequence[Scenario], rule: Correlation, begin: datetime) -> Iterator[tuple[int, Fields]]:
    """Yield (turn, fields with `@timestamp`) of all events, in order of arrival; scenarios lie far apart in time."""
    apart = 4 * rule.reach + timedelta(minutes=1)
    for number, scenario in enumerate(given):
        for place, (after, fields) in enumerate(scenario.steps):
            at = begin + number * apart + after
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
            yield place * TURNS // len(scenario.steps), {**fields, "@timestamp": iso(at)}


def tried(detection: Detection, events: Sequence[tuple[int, Event]], store: Store) -> str:
    """Return why a marked correlation may not go live, empty if it finds in `store` what it means.

    `events` are given with their turns. All are judged at once, then those of the last turn as if they alone were new.
    """
    rule = detection.correlation
    if rule is None or not events:
        return "cannot be proven: no events could be made that raise it; put some into .fires.jsonl beside the rule"
    every = [event for _, event in events]
    whole = definition.covered(rule, detection.where, every)
    if not whole and (rule.kind in NUMBERS or _needed(rule) <= STEPS_MAX):
        return "cannot be proven: none of the sequences made raises it; put one into .fires.jsonl beside the rule"
    # an alert names of many events before a new one only as many as make it stand
    most = int(rule.count) + 1 if rule.kind == "event_count" else 0
    for turn in (None, TURNS - 1):
        new = [one for at, one in events if turn in {None, at} and holds(detection.where, one)]
        if not new:
            continue
        try:
            found = _found(detection, rule, store, new, Reached.of(every[-1].seq))
        except (StoreError, TooManyError) as error:
            return f"cannot be proven: {error}"
        ids = frozenset(one.id for one in new)
        wanted = whole if turn is None else definition.covered(rule, detection.where, every, ids, most=most)
        if wrong := (wanted - found) | (found - whole):
            name, ident = min(wrong)
            when = next(iso(one.timestamp) for one in every if one.id == ident)
            side = "misses" if (name, ident) in whole else "wrongly finds"
            return f"not proven: over the store it {side} in the group ({', '.join(name)}) the event of {when}"
    return ""


def _found(
    detection: Detection, rule: Correlation, store: Store, new: Sequence[Event], until: Reached
) -> set[tuple[tuple[str, ...], str]]:
    counting = Counting(store, detection, rule, until, Recent(until))
    return {
        (tuple(fold(plain(value)) for _, value in finding.key), ident)
        for finding in counting.findings(new)
        for ident in finding.evidence
    }
