"""Why a `Where` holds for an event or does not: the same tree, with what each condition found.

`explained` agrees with `holds` by construction of each leaf: it asks `holds` itself, value by value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sentinel.core.event import Event, Scalar, Value
from sentinel.core.where import KEYWORD_FIELDS, AllOf, AnyOf, Is, Keyword, Leaf, Not, Same, Where, holds, values

Kind = Literal["all", "any", "not", "leaf"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a field of the event holds: its values, and those among them that met the condition."""

    field: str
    values: tuple[Scalar, ...]
    met: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One condition: whether it held, of which steps it is made, and for a leaf what it asked and found."""

    kind: Kind
    held: bool
    steps: "tuple[Step, ...]" = ()
    leaf: Leaf | None = None
    found: tuple[Found, ...] = ()


def explained(where: Where, event: Event | Mapping[str, Value]) -> Step:
    """Return why `where` holds for the event or does not."""
    fields = event.fields if isinstance(event, Event) else event
    match where:
        case AllOf(items):
            steps = tuple(explained(one, fields) for one in items)
            return Step("all", all(one.held for one in steps), steps)
        case AnyOf(items):
            steps = tuple(explained(one, fields) for one in items)
            return Step("any", any(one.held for one in steps), steps)
        case Not(item):
            inner = explained(item, fields)
            return Step("not", not inner.held, (inner,))
        case _:
            return Step("leaf", holds(where, fields), leaf=where, found=tuple(_found(where, fields)))


def deciding(step: Step) -> Step:
    """Return the step without what did not matter: of alternatives those that held, of a failure what failed.

    What is left decides: as long as that stays, the rest may be as it will.
    """
    match step.kind:
        case "all" if not step.held:
            kept = [one for one in step.steps if not one.held]
        case "any" if step.held:
            kept = [one for one in step.steps if one.held]
        case _:
            kept = list(step.steps)
    return Step(step.kind, step.held, tuple(deciding(one) for one in kept), step.leaf, step.found)


def leaves_of(step: Step) -> Iterator[Step]:
    """Yield the leaves of a step, left to right."""
    if step.kind == "leaf":
        yield step
    for one in step.steps:
        yield from leaves_of(one)


def _found(leaf: Leaf, fields: Mapping[str, Value]) -> Iterator[Found]:
    names: tuple[str, ...]
    match leaf:
        case Keyword():
            names = KEYWORD_FIELDS
        case Same(field, other):
            names = (field, other)
        case _:
            names = (leaf.field,)
    for name in names:
        there = values(fields.get(name))
        yield Found(name, there, tuple(one for one in there if _meets(leaf, fields, name, one)))


def _meets(leaf: Leaf, fields: Mapping[str, Value], name: str, value: Scalar) -> bool:
    # whether the leaf would hold if this were the field's only value
    if isinstance(leaf, Is) and leaf.value is None:
        return False
    beside = (leaf.field, leaf.other) if isinstance(leaf, Same) else ()
    return holds(leaf, {**{one: fields[one] for one in beside if one in fields}, name: value})
