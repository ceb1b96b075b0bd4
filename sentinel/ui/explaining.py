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
from sentinel.ui.words import N_, _

VALUES_SHOWN = 5
TEXT_SHOWN = 200
_SIGNS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥", "eq": "="}
_HOW = {
    "is": N_("{field} is what {other} holds"),
    "startswith": N_("{field} begins with what {other} holds"),
    "endswith": N_("{field} ends with what {other} holds"),
    "contains": N_("{field} contains what {other} holds"),
}
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
            if value is None:
                return _("{field} is absent").format(field=_name(field, names))
            return _("{field} is {value}").format(field=_name(field, names), value=_quoted(value)) + _cased(cased)
        case Like(field, pattern, cased):
            said = _("{field} is like {value}").format(field=_name(field, names), value=_quoted(pattern))
            return said + _cased(cased)
        case Matches(field, regex, flags):
            return _("{field} matches {regex}").format(field=_name(field, names), regex=f"/{regex}/{flags}")
        case Within(field, network):
            return _("{field} lies in {network}").format(field=_name(field, names), network=network)
        case Compare(field, operator, number):
            return f"{_name(field, names)} {_SIGNS[operator]} {number}"
        case Dated(field, part, operator, number):
            said = _("the {part} of {field} (UTC)").format(part=part, field=_name(field, names))
            return f"{said} {_SIGNS[operator]} {number}"
        case Exists(field):
            return _("{field} is there").format(field=_name(field, names))
        case Same(field, other, cased, how):
            parts = {"field": _name(field, names), "other": _name(other, names)}
            return _(_HOW[how]).format(**parts) + _cased(cased)
        case Keyword(pattern, cased):
            return _("the line contains {value}").format(value=_quoted(pattern)) + _cased(cased)
        case _:
            assert_never(leaf)


def _grow(above: Tree, step: Step, names: Names) -> None:
    branch = above.add(_line(step, names))
    for one in step.steps:
        _grow(branch, one, names)


def _line(step: Step, names: Names) -> Text:
    sign, style = ("✓", "green") if step.held else ("✗", "red")
    return Text.assemble((f"{sign} ", style), safe(words(step, names)))


def words(step: Step, names: Names) -> str:
    """Return what a condition asks and, of a leaf, what met it."""
    if step.leaf is None:
        return {"all": _("all of"), "any": _("any of")}.get(step.kind, _("not"))
    held = "" if step.held else _(", which does not hold")
    return f"{asked(step.leaf, names)}{held}: {_there(step)}"


def _there(step: Step) -> str:
    parts = []
    for one in step.found:
        shown = one.met or one.values
        some = ", ".join(_quoted(value) for value in shown[:VALUES_SHOWN])
        if len(shown) > VALUES_SHOWN:
            some = _("{some} and {n} more").format(some=some, n=len(shown) - VALUES_SHOWN)
        parts.append(f"{one.field} = {some}" if shown else _("{field} is absent").format(field=one.field))
    return "; ".join(parts)


def _name(field: str, names: Names) -> str:
    own = [one for one in names.get(field, ()) if one != field]
    return f"{field} ({', '.join(own)})" if own else field


def _quoted(value: Scalar) -> str:
    text = plain(value)
    return f"“{text[:TEXT_SHOWN]}{'…' if len(text) > TEXT_SHOWN else ''}”"


def _cased(cased: bool) -> str:  # noqa: FBT001  as it stands in the condition
    return " " + _("(case counts)") if cased else ""
