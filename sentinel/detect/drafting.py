"""A draft of a Sigma rule from a predicate: every condition of it said in Sigma's words, none of them changed.

`said` and the reader of rules are inverse: what is written reads as the same `Where` (`alike`), which whoever writes a
rule checks, so that nothing is lost on the way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import assert_never

from sentinel.core.errors import UsageError
from sentinel.core.event import Event
from sentinel.core.where import (
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Leaf,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
    holds,
    leaves,
    network_of,
)
from sentinel.core.wildcard import escaped, tokens
from sentinel.detect.documents import Document
from sentinel.detect.pipelines import LogSource, Pipelines, describe

_HOW = {"is": "", "startswith": "|startswith", "endswith": "|endswith", "contains": "|contains"}
_Item = tuple[str, list[object]]


def said(where: Where) -> Document:
    """Return `where` as the `detection` of a rule; raises UsageError for what Sigma has no words for."""
    draft = _Draft()
    condition = draft.condition(where)
    return {**draft.detections, "condition": condition}


def alike(one: Where, other: Where) -> bool:
    """Say whether two predicates are the same but for how they are bracketed and spelt."""
    return _plainly(one) == _plainly(other)


def log_source_of(pipelines: Pipelines, events: Iterable[Event]) -> LogSource:
    """Return the log source that all `events` are of, the narrowest; raises UsageError if that is open."""
    there = list(events)
    found = {
        name: (-sum(map(bool, name)), sum(1 for _ in leaves(source.where)))
        for name, source in pipelines.sources.items()
        if there and all(holds(source.where, one) for one in there)
    }
    best = sorted(name for name, width in found.items() if width == min(found.values()))
    if len(best) == 1:
        return best[0]
    what = "may be " + " or ".join(describe(*name) for name in best) if best else "cannot be seen from stored events"
    raise UsageError(f"the log source {what}: say --logsource product=linux,service=sshd, or another")


@dataclass
class _Draft:
    """The detections said so far."""

    detections: Document = field(default_factory=dict)

    def condition(self, where: Where, *, inside: bool = False) -> str:
        selection = _selection(where)
        if selection is not None:
            name = "selection" if not self.detections else f"selection_{len(self.detections) + 1}"
            self.detections[name] = selection
            return name
        match where:
            case AllOf(items) | AnyOf(items) if not items:
                raise UsageError("it asks for nothing: a rule needs a condition")
            case AllOf(items):
                text = " and ".join(self.condition(one, inside=True) for one in items)
            case AnyOf(items):
                text = " or ".join(self.condition(one, inside=True) for one in items)
            case Not(item):
                return f"not {self.condition(item, inside=True)}"
            case _:
                raise UsageError(f"Sigma has no words for {type(where).__name__} with case")
        return f"({text})" if inside else text


def _selection(where: Where) -> object | None:
    # what one detection can say: a mapping of fields, or a list of keywords
    match where:
        case Keyword():
            return None if where.cased else [where.pattern]
        case AnyOf(items) if items and all(isinstance(one, Keyword) and not one.cased for one in items):
            return [one.pattern for one in items if isinstance(one, Keyword)]
        case AllOf(items) if items:
            found = [_item(one) for one in items]
            keys = {one[0] for one in found if one is not None}
            if None in found or len(keys) < len(found):
                return None
            return {key: _values(values) for key, values in filter(None, found)}
        case _:
            item = _item(where)
            return None if item is None else {item[0]: _values(item[1])}


def _item(where: Where) -> _Item | None:
    match where:
        case AnyOf(items) if len(items) > 1:
            found = [_leaf(one) if not isinstance(one, AllOf | AnyOf | Not) else None for one in items]
            keys = {None if one is None else one[0] for one in found}
            if len(keys) > 1 or None in keys or any(key and key.endswith("|exists") for key in keys):
                return None
            return reduce(lambda one, two: (one[0], [*one[1], *two[1]]), filter(None, found))
        case AllOf() | AnyOf() | Not():
            return None
        case _:
            return _leaf(where)


def _leaf(leaf: Leaf) -> _Item | None:
    match leaf:
        case Is(name, ""):
            raise UsageError(f"an empty {name} cannot be asked for: in Sigma an empty text means an absent field, too")
        case Is(name, value, cased):
            return name + ("|cased" if cased else ""), [escaped(value) if isinstance(value, str) else value]
        case Like(name, pattern, cased):
            return name + ("|cased" if cased else ""), [pattern]
        case Matches(name, regex, flags):
            return "|".join((name, "re", *flags)), [regex]
        case Within(name, network):
            return f"{name}|cidr", [str(network_of(network))]
        case Compare(name, operator, number):
            return f"{name}|{operator}", [number]
        case Dated(name, part, operator, number):
            return f"{name}|{part}" + ("" if operator == "eq" else f"|{operator}"), [number]
        case Exists(name):
            return f"{name}|exists", [True]
        case Same(name, other, cased, how):
            return f"{name}|fieldref{_HOW[how]}" + ("|cased" if cased else ""), [other]
        case Keyword():
            return None
        case _:
            assert_never(leaf)


def _values(values: list[object]) -> object:
    return values[0] if len(values) == 1 else values


def _plainly(where: Where) -> Where:
    match where:
        case AllOf(items):
            flat = [part for one in map(_plainly, items) for part in (one.items if isinstance(one, AllOf) else (one,))]
            return flat[0] if len(flat) == 1 else AllOf(tuple(flat))
        case AnyOf(items):
            flat = [part for one in map(_plainly, items) for part in (one.items if isinstance(one, AnyOf) else (one,))]
            return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))
        case Not(item):
            return Not(_plainly(item))
        case Like(name, pattern, cased):
            pieces = tokens(pattern)
            if not {"*", "?"} & set(pieces):
                return Is(name, "".join(one.removeprefix("\0") for one in pieces), cased)
            return Like(name, _spelt(pieces), cased)
        case Keyword(pattern, cased):
            return Keyword(_spelt(tokens(pattern)), cased)
        case Within(name, network):
            return Within(name, str(network_of(network)))
        case Matches(name, regex, flags):
            return Matches(name, regex, "".join(sorted(flags)))
        case _:
            return where


def _spelt(pieces: Iterable[str]) -> str:
    return "".join(one if one in {"*", "?"} else escaped(one.removeprefix("\0")) for one in pieces)


def written_source(source: LogSource) -> Mapping[str, str]:
    """Return a log source as a rule names it."""
    return {name: value for name, value in zip(("product", "category", "service"), source, strict=True) if value}
