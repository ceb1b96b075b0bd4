"""Draws why a rule fires on an event or does not: a tree of conditions, each with what met it."""

from collections.abc import Mapping
from typing import assert_never

from rich.text import Text
from rich.tree import Tree

from sentinel.core.event import Scalar
from sentinel.core.explain import Step
from sentinel.core.where import (
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Leaf,
    Like,
    Matches,
    Same,
    Within,
    plain,
)
from sentinel.ui.visible import safe

VALUES_SHOWN = 5
TEXT_SHOWN = 200
_SIGNS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥", "eq": "="}
_HOW = {"is": "is", "startswith": "begins with", "endswith": "ends with", "contains": "contains"}
Names = Mapping[str, tuple[str, ...]]


def tree(title: str, step: Step, names: Names) -> Tree:
    """Return a condition as a tree; ✓ held, ✗ did not (the words say it too)."""
    top = Tree(safe(title, "bold"))
    _grow(top, step, names)
    return top


def asked(leaf: Leaf, names: Names) -> str:
    """Return in words what a condition asks; a field also by the name that the rule's author gave it."""
    match leaf:
        case Is(field, value, cased):
            said = "is absent" if value is None else f"is {_quoted(value)}{_cased(cased)}"
            return f"{_name(field, names)} {said}"
        case Like(field, pattern, cased):
            return f"{_name(field, names)} is like {_quoted(pattern)}{_cased(cased)}"
        case Matches(field, regex, flags):
            return f"{_name(field, names)} matches /{regex}/{flags}"
        case Within(field, network):
            return f"{_name(field, names)} lies in {network}"
        case Compare(field, operator, number):
            return f"{_name(field, names)} {_SIGNS[operator]} {number}"
        case Dated(field, part, operator, number):
            return f"the {part} of {_name(field, names)} (UTC) {_SIGNS[operator]} {number}"
        case Exists(field):
            return f"{_name(field, names)} is there"
        case Same(field, other, cased, how):
            return f"{_name(field, names)} {_HOW[how]} what {_name(other, names)} holds{_cased(cased)}"
        case Keyword(pattern, cased):
            return f"the line contains {_quoted(pattern)}{_cased(cased)}"
        case _:
            assert_never(leaf)


def _grow(above: Tree, step: Step, names: Names) -> None:
    branch = above.add(_line(step, names))
    for one in step.steps:
        _grow(branch, one, names)


def _line(step: Step, names: Names) -> Text:
    sign, style = ("✓", "green") if step.held else ("✗", "red")
    words = {"all": "all of", "any": "any of", "not": "not"}.get(step.kind)
    if words is None and step.leaf is not None:
        held = "" if step.held else ", which does not hold"
        words = f"{asked(step.leaf, names)}{held}: {_there(step)}"
    return Text.assemble((f"{sign} ", style), safe(words or ""))


def _there(step: Step) -> str:
    parts = []
    for one in step.found:
        shown = one.met or one.values
        some = ", ".join(_quoted(value) for value in shown[:VALUES_SHOWN])
        more = f" and {len(shown) - VALUES_SHOWN} more" if len(shown) > VALUES_SHOWN else ""
        parts.append(f"{one.field} = {some}{more}" if shown else f"{one.field} is absent")
    return "; ".join(parts)


def _name(field: str, names: Names) -> str:
    own = [one for one in names.get(field, ()) if one != field]
    return f"{field} ({', '.join(own)})" if own else field


def _quoted(value: Scalar) -> str:
    text = plain(value)
    return f"“{text[:TEXT_SHOWN]}{'…' if len(text) > TEXT_SHOWN else ''}”"


def _cased(cased: bool) -> str:  # noqa: FBT001  as it stands in the condition
    return " (case counts)" if cased else ""
