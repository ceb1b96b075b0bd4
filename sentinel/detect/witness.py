"""Events made from a condition alone: some for which it holds, and near misses of each of its comparisons.

For every comparison a way through the condition is chosen on which it decides. Values that fit all comparisons on that
way make a witness; then only what the comparison looks at is changed (`nearby.py`): missing, case flipped, a value
beside, several values, the bounds of networks, numbers and times, the other side of the comparison.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from sentinel.core.event import Fields, Value
from sentinel.core.where import (
    AllOf,
    AnyOf,
    Exists,
    Is,
    Keyword,
    Leaf,
    Not,
    Same,
    Where,
    fields_of,
    holds,
)
from sentinel.detect.fitting import fitting
from sentinel.detect.nearby import nearby

TARGETS_MAX = 24
"""So many comparisons of a condition are tried one by one; of more a selection, spread evenly."""
CASES_MAX = 160
ATTEMPTS_MAX = 24
"""So many ways through a condition are tried for one comparison."""
_SINGLE_ATTEMPTS = 8
"""So often fields with a single value each are looked for first."""
_FITS_MAX = 64
_SOURCE_TARGETS_MAX = 3


@dataclass(frozen=True, slots=True)
class Case:
    """Fields of an event, and in words what it is."""

    fields: Fields
    what: str


Wanted = tuple[Leaf, bool]
_Path = tuple[int, ...]


def cases(where: Where) -> list[Case]:
    """Return at most CASES_MAX events for `where`: witnesses and near misses, none twice."""
    found: dict[str, Case] = {}
    for target in _targets(where):
        for case in _around(where, target):
            found.setdefault(repr(sorted(case.fields.items(), key=_name)), case)
            if len(found) >= CASES_MAX:
                return list(found.values())
    return list(found.values())


def witness(where: Where) -> Fields | None:
    """Return the fields of one event for which `where` holds; None if none was found."""
    found = (_witness(where, path) for path in _targets(where))
    return next((one[0] for one in found if one is not None), None)


def _name(item: tuple[str, Value]) -> str:
    return item[0]


def _around(where: Where, path: _Path) -> Iterator[Case]:
    found = _witness(where, path)
    if found is None:
        return
    fields, wanted, (leaf, want) = found
    yield Case(fields, f"made so that it holds by its {_described(leaf)}")
    for what, changed in nearby(leaf, fields):
        yield Case(changed, what)
    reversed_ = solved([(one, not side if one is leaf else side) for one, side in wanted])
    if reversed_ is not None:
        yield Case(reversed_, f"the other side of its {_described(leaf)}" if want else "an exception that holds")


def _described(leaf: Leaf) -> str:
    return f"{type(leaf).__name__} on {', '.join(sorted(fields_of(leaf)))}"


# -- ways through a condition


def _targets(where: Where) -> list[_Path]:
    # a rule's first item is its log source, which many rules share: little of it is tried
    paths = list(_paths(where, ()))
    if isinstance(where, AllOf) and len(where.items) == 2:
        own = [path for path in paths if path[0] == 1]
        return _spread(own, TARGETS_MAX) + _spread([path for path in paths if path[0] == 0], _SOURCE_TARGETS_MAX)
    return _spread(paths, TARGETS_MAX)


def _spread(paths: Sequence[_Path], most: int) -> list[_Path]:
    if len(paths) <= most:
        return list(paths)
    return [paths[at * len(paths) // most] for at in range(most)]


def _paths(where: Where, before: _Path) -> Iterator[_Path]:
    match where:
        case AllOf(items) | AnyOf(items):
            for at, item in enumerate(items):
                yield from _paths(item, (*before, at))
        case Not(item):
            yield from _paths(item, (*before, 0))
        case _:
            yield before


def _witness(where: Where, path: _Path) -> tuple[Fields, list[Wanted], Wanted] | None:
    chance = Random(repr(path))  # noqa: S311  nothing secret: which alternatives are tried first
    for attempt in range(ATTEMPTS_MAX):
        wanted: list[Wanted] = []
        target = _way(where, path, wanted, chance if attempt else None, want=True)
        fields = solved(wanted, several=attempt >= _SINGLE_ATTEMPTS)
        if fields is not None and target is not None and holds(where, fields):
            return fields, wanted, target
    return None


def _way(where: Where, path: _Path | None, wanted: list[Wanted], chance: Random | None, *, want: bool) -> Wanted | None:
    # collects what must be true or false; returns what the path leads to; without chance the first alternatives
    match where:
        case Not(item):
            return _way(item, path if path is None else path[1:], wanted, chance, want=not want)
        case AllOf(items) | AnyOf(items):
            every = isinstance(where, AllOf) is want
            on = path[0] if path else None
            if not every and on is None and items:
                on = chance.randrange(len(items)) if chance is not None else 0
                return _way(items[on], None, wanted, chance, want=want)
            target = None
            for at, item in enumerate(items):
                if every or at == on:
                    further = path[1:] if path and at == on else None
                    target = _way(item, further, wanted, chance, want=want) or target
            return target
        case _:
            wanted.append((where, want))
            return (where, want) if path is not None else None


# -- values that fit


def solved(wanted: Iterable[Wanted], *, several: bool = True) -> Fields | None:
    """Return fields for which each of `wanted` is as it says, as far as one field at a time can tell; None: none.

    With `several` a field may be given a list of values.
    """
    wanted = list(wanted)
    asked: dict[str, list[Leaf]] = {}
    absent: set[str] = set()
    pairs: list[tuple[Same, bool]] = []
    for leaf, want in wanted:
        match leaf:
            case Is(field, None) | Exists(field) if isinstance(leaf, Exists) is want:
                asked.setdefault(field, [])
            case Is(field, None) | Exists(field):
                absent.add(field)
            case Same():
                pairs.append((leaf, want))
            case Keyword():
                if want:
                    asked.setdefault("message", []).append(leaf)
            case _:
                if want:
                    asked.setdefault(leaf.field, []).append(leaf)
    if absent & set(asked):
        return None
    fields: Fields = {}
    for field, leaves in asked.items():
        against = [leaf for leaf, want in wanted if not want and field in fields_of(leaf)]
        value = _value(field, leaves, against, several=several)
        if value is None:
            return None
        fields[field] = value
    for pair, want in pairs:
        if want and not _paired(pair, fields, absent):
            return None
        if not want and holds(pair, fields):
            others = fitting(pair.other, asked.get(pair.other, ()))
            apart = (one for one in others if not holds(pair, {**fields, pair.other: one}))
            fields[pair.other] = next(apart, fields[pair.other])
    return fields


def _value(field: str, positive: Sequence[Leaf], negative: Sequence[Leaf], *, several: bool) -> Value | None:
    alone = [leaf for leaf in negative if not isinstance(leaf, Same)]
    for value in islice(fitting(field, positive, several=several), _FITS_MAX):
        one: Fields = {field: value}
        if all(holds(leaf, one) for leaf in positive) and not any(holds(leaf, one) for leaf in alone):
            return value
    return None


def _paired(pair: Same, fields: Fields, absent: set[str]) -> bool:
    if {pair.field, pair.other} & absent:
        return False
    have = fields.get(pair.field, fields.get(pair.other))
    if have is None:
        have = next(iter(fitting(pair.field, ())))
    fields.setdefault(pair.field, have)
    fields.setdefault(pair.other, have)
    return holds(pair, fields)
