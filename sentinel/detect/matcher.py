"""Many rules, one event: which rules' `Where` holds for it.

`compiled` turns a `Where` into a function that answers as `holds` does, faster: texts are folded once an event, and
alternatives on one field are one look into a set. `Matcher` asks of an event only the rules whose lane it is in: a
lane is an equality (`event.code` = `1`) without which the rule cannot hold.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from sentinel.core.detection import Detection
from sentinel.core.event import Event, Value
from sentinel.core.where import (
    KEYWORD_FIELDS,
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
    plain,
    values,
)
from sentinel.core.wildcard import fold, tokens

LANES = (
    "sensor.finding.kind", "event.code", "event.action", "event.dataset", "event.module", "winlog.channel",
    "process.name", "event.provider",
)  # fmt: skip
"""Fields that tell events apart well, the best first."""

_Anchors = frozenset[tuple[str, str]]


class View:
    """One event as the compiled rules look at it; remembers the texts it has folded and what it was asked already."""

    __slots__ = ("_folded", "fields", "known")

    def __init__(self, event: Event | Mapping[str, Value]) -> None:
        self.fields = event.fields if isinstance(event, Event) else event
        self.known: dict[object, bool] = {}
        self._folded: dict[str, tuple[str, ...]] = {}

    def folded(self, field: str) -> tuple[str, ...]:
        """Return the field's values as folded text."""
        known = self._folded.get(field)
        if known is None:
            value = self.fields.get(field)
            if value is None:
                known = ()
            elif isinstance(value, tuple):
                known = tuple(fold(plain(one)) for one in value)
            else:
                known = (fold(plain(value)),)
            self._folded[field] = known
        return known


Predicate = Callable[[View], bool]
Failed = Callable[[Detection, Exception], None]
"""Is told which rule raised instead of answering, and what."""


def compiled(where: Where) -> Predicate:
    """Return a function that says of an event's View what `holds` says of the event."""
    match where:
        case AllOf(items):
            return _all(sorted(items, key=_cost))
        case AnyOf(items):
            return _any(items)
        case Not(item):
            inner = compiled(item)
            return lambda view: not inner(view)
        case Is(field, str() as value, False):
            text = fold(value)
            return lambda view: text in view.folded(field)
        case Like(field, pattern, False):
            return _like(where, pattern, (field,))
        case Keyword(pattern, False):
            return _like(where, f"*{pattern}*", KEYWORD_FIELDS)
        case Exists(field):
            return lambda view: bool(values(view.fields.get(field)))
        case Is() | Like() | Keyword() | Matches() | Within() | Compare() | Dated() | Same():
            return _by_holds(where)
        case _:
            assert_never(where)


def _like(leaf: Leaf, pattern: str, fields: tuple[str, ...]) -> Predicate:
    test = _shape(pattern)
    if test is None:
        return _by_holds(leaf)
    if len(fields) == 1:
        field = fields[0]
        return lambda view: any(map(test, view.folded(field)))
    return lambda view: any(test(text) for field in fields for text in view.folded(field))


def _remembered(test: Predicate) -> Predicate:
    def once(view: View) -> bool:
        known = view.known.get(once)
        if known is None:
            known = view.known[once] = test(view)
        return known

    return once


def _by_holds(leaf: Leaf) -> Predicate:
    return lambda view: holds(leaf, view.fields)


def _all(items: Iterable[Where]) -> Predicate:
    tests = tuple(compiled(item) for item in items)

    def every(view: View) -> bool:
        for test in tests:  # noqa: SIM110  a loop is a third faster than all() over a generator
            if not test(view):
                return False
        return True

    return tests[0] if len(tests) == 1 else every


def _any(items: Iterable[Where]) -> Predicate:
    # alternatives on one field are asked together: equality as a set, ends and beginnings as one call each
    equal: dict[str, set[str]] = {}
    parts: dict[str, list[tuple[_Kind, str]]] = {}
    rest: list[Where] = []
    for item in items:
        match item:
            case Is(field, str() as value, False):
                equal.setdefault(field, set()).add(fold(value))
            case Like(field, pattern, False) if (part := _part(pattern)) is not None:
                parts.setdefault(field, []).append(part)
            case _:
                rest.append(item)
    tests = (
        *(_one_of(field, frozenset(texts)) for field, texts in equal.items()),
        *(_parts_of(field, found) for field, found in parts.items()),
        *map(compiled, rest),
    )

    def some(view: View) -> bool:
        for test in tests:  # noqa: SIM110  as above
            if test(view):
                return True
        return False

    return tests[0] if len(tests) == 1 else some


_Kind = Literal["begins", "ends", "holds"]


def _part(pattern: str) -> tuple[_Kind, str] | None:
    match _pieces(pattern):
        case [None, str() as text, None]:
            return "holds", text
        case [str() as text, None]:
            return "begins", text
        case [None, str() as text]:
            return "ends", text
        case _:
            return None


def _parts_of(field: str, found: Iterable[tuple[_Kind, str]]) -> Predicate:
    found = tuple(found)
    begins = tuple(text for kind, text in found if kind == "begins")
    ends = tuple(text for kind, text in found if kind == "ends")
    inside = tuple(text for kind, text in found if kind == "holds")

    def some(view: View) -> bool:
        for have in view.folded(field):
            if have.endswith(ends) or have.startswith(begins):
                return True
            for text in inside:
                if text in have:
                    return True
        return False

    return some


def _one_of(field: str, texts: frozenset[str]) -> Predicate:
    return lambda view: not texts.isdisjoint(view.folded(field))


def _shape(pattern: str) -> Callable[[str], bool] | None:
    # the shapes that nearly all patterns have: text*, *text, *text*, text*text; on folded text
    match _pieces(pattern):
        case [None]:
            return lambda _: True
        case [None, str() as text, None]:
            return lambda have: text in have
        case [str() as text, None]:
            return lambda have: have.startswith(text)
        case [None, str() as text]:
            return lambda have: have.endswith(text)
        case [str() as text]:
            return lambda have: have == text
        case [str() as head, None, str() as tail]:
            least = len(head) + len(tail)
            return lambda have: len(have) >= least and have.startswith(head) and have.endswith(tail)
        case _:
            return None


def _pieces(pattern: str) -> list[str | None] | None:
    # folded text and None for each run of anything; None as a whole if there is a `?`
    parts: list[str | None] = []
    for piece in tokens(pattern):
        if piece == "?":
            return None
        if piece == "*":
            parts.append(None)
            continue
        text = fold(piece[1] if piece in {"\0*", "\0?"} else piece)
        if parts and parts[-1] is not None:
            parts[-1] += text
        else:
            parts.append(text)
    return parts


def _cost(where: Where) -> int:
    match where:
        case Is() | Exists():
            return 0
        case Like() | Compare():
            return 1
        case AllOf(items) | AnyOf(items):
            return 2 + len(items) // 8
        case Not(item):
            return 3 + _cost(item)
        case Same() | Within() | Dated() | Keyword():
            return 5
        case Matches():
            return 9
        case _:
            assert_never(where)


def anchors(where: Where) -> _Anchors | None:
    """Return equalities (field, folded text) of which at least one must hold if `where` does; None: there are none."""
    match where:
        case Is(field, value) if value is not None and field in LANES:
            return frozenset({(field, fold(plain(value)))})
        case AllOf(items):
            found = [one for item in items if (one := anchors(item)) is not None]
            return min(found, key=_width, default=None)
        case AnyOf(items):
            each = [anchors(item) for item in items]
            whole = [one for one in each if one is not None]
            return frozenset().union(*whole) if len(whole) == len(each) else None
        case _:
            return None


def _width(found: _Anchors) -> tuple[int, int, list[tuple[str, str]]]:
    return max((LANES.index(field) for field, _ in found), default=-1), len(found), sorted(found)


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection with its compiled condition."""

    detection: Detection
    holds: Predicate
    place: int


class Matcher:
    """The rules, sorted into lanes; `broken` holds those that could not be compiled, with the reason."""

    def __init__(self, detections: Iterable[Detection]) -> None:
        self.broken: list[tuple[Detection, str]] = []
        self._sources: dict[Where, Predicate] = {}
        self._always: list[Rule] = []
        self._lanes: dict[str, dict[str, list[Rule]]] = {}
        for place, detection in enumerate(detections):
            try:
                self._sort(Rule(detection, self._compiled(detection.where), place))
            except (ValueError, TypeError, RecursionError, AssertionError) as error:
                self.broken.append((detection, f"cannot be prepared: {error}"))

    def _compiled(self, where: Where) -> Predicate:
        # every rule begins with its log source, which many rules share: an event is asked once for all of them
        match where:
            case AllOf((source, body)):
                if source not in self._sources:
                    self._sources[source] = _remembered(compiled(source))
                first, second = self._sources[source], compiled(body)
                return lambda view: first(view) and second(view)
            case _:
                return compiled(where)

    def _sort(self, rule: Rule) -> None:
        found = anchors(rule.detection.where)
        if found is None:
            self._always.append(rule)
            return
        for field, text in found:
            self._lanes.setdefault(field, {}).setdefault(text, []).append(rule)

    def matching(self, event: Event | Mapping[str, Value], failed: Failed) -> list[Detection]:
        """Return the detections whose `where` holds for the event, each once, in the order they were given.

        A rule that raises does not hold; it is told to `failed` with what it raised, and the others go on.
        """
        view = View(event)
        found: list[Rule] = []
        for rule in self._candidates(view):
            try:
                if rule.holds(view):
                    found.append(rule)
            except Exception as error:  # noqa: BLE001  a rule is others' code: its fault must stay its own
                failed(rule.detection, error)
        return [rule.detection for rule in sorted(found, key=lambda one: one.place)]

    def _candidates(self, view: View) -> list[Rule]:
        # the rules that may hold for the event, each once
        found = {rule.place: rule for rule in self._always}
        for field, lane in self._lanes.items():
            for text in view.folded(field):
                for rule in lane.get(text, ()):
                    found[rule.place] = rule
        return list(found.values())
