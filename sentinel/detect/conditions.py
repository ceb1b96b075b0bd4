"""A rule's condition, cut into items: what it asks of one field each, put together by and, or, not.

An item is true or false of a field's value alone, whatever else the event holds; so what is known of a value can be
remembered, and rules that ask the same share it. Items are monotone: none is true because a value lacks something.
What is costly or looks at two fields is `late`: an item of its own, asked only where all else leaves a rule open.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite, log2
from typing import assert_never

from sentinel.core.where import (
    KEYWORD_FIELDS,
    TEXT_MAX,
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
    plain,
)
from sentinel.core.wildcard import escaped, tokens
from sentinel.detect.guards import guard

Truth = Callable[[Collection[int]], bool]
"""Says what a condition is, given the set of the items (or of one item's leaves) that are true."""

HEAVY = frozenset(KEYWORD_FIELDS)
"""Fields of long texts that hardly come twice: looked at late."""


@dataclass(frozen=True, slots=True)
class Every:
    """All of them."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Inverse:
    """Not that."""

    node: "Node"


TRUE = Every(())
FALSE = Some(())
Node = int | Every | Some | Inverse
"""A condition over numbered items, or over the numbered leaves of one item."""


@dataclass(frozen=True, slots=True)
class _Piece:
    # a part of a condition that looks at one field only
    field: str
    where: Where


@dataclass(slots=True)
class Items:
    """Every item of every rule, numbered; leaves in `odd` have raised, and are asked of `holds` since.

    `late` are those to be asked last: those on HEAVY fields, and `single` ones, a leaf each, asked of `holds`.
    """

    odd: frozenset[Leaf] = frozenset()
    fields: list[str] = field(default_factory=list)
    wheres: list[Where] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    late: set[int] = field(default_factory=set)
    single: dict[int, Leaf] = field(default_factory=dict)
    _numbers: dict[tuple[str, Where], int] = field(default_factory=dict)

    def condition(self, where: Where) -> Node:
        """Return `where`, which is `canonical`, as a condition over items."""
        return self._node(self._cut(where))

    def _node(self, part: "Node | _Piece") -> Node:
        return self._item(part.field, part.where) if isinstance(part, _Piece) else part

    def _item(self, name: str, where: Where) -> int:
        number = self._numbers.get((name, where))
        if number is None:
            number = self._numbers[name, where] = len(self.fields)
            self.fields.append(name)
            self.wheres.append(where)
            known: dict[Leaf, int] = {}
            node = over_leaves(where, known)
            found = witness(node, [*map(rarity, known)])
            self.scores.append(0.0 if found is None else found[0])
            if name in HEAVY:
                self.late.add(number)
        return number

    def _single(self, leaf: Leaf) -> int:
        number = self._item("", leaf)
        self.late.add(number)
        self.single[number] = leaf
        return number

    def _cut(self, where: Where) -> "Node | _Piece":
        match where:
            case AllOf():
                parts = self._joined(flat(where), AllOf)
                return parts[0] if len(parts) == 1 else Every(tuple(map(self._node, parts)))
            case AnyOf():
                parts = self._joined(flat(where), AnyOf)
                return parts[0] if len(parts) == 1 else Some(tuple(map(self._node, parts)))
            case Not(item):
                return Inverse(self.condition(item))
            case _ if where in self.odd or not _plain(where):
                return self._single(where)
            case Matches(name, regex):
                literals = guard(regex)
                if not literals:
                    return self._single(where)
                hint = AnyOf(tuple(Like(name, f"*{escaped(one)}*") for one in literals))
                return Every((self._item(name, hint), self._single(where)))
            case Keyword(pattern, cased):
                return self._cut(AnyOf(tuple(Like(name, f"*{pattern}*", cased) for name in KEYWORD_FIELDS)))
            case Same():
                return self._single(where)
            case Is() | Like() | Within() | Compare() | Dated() | Exists():
                return _Piece(where.field, where)
            case _:
                assert_never(where)

    def _joined(self, items: Iterable[Where], kind: type[AllOf] | type[AnyOf]) -> "list[Node | _Piece]":
        # what asks about the same field is one item
        found: list[Node | _Piece] = []
        by_field: dict[str, list[Where]] = {}
        for item in items:
            part = self._cut(item)
            if isinstance(part, _Piece):
                by_field.setdefault(part.field, []).append(part.where)
            else:
                found.append(part)
        pieces = (
            _Piece(name, wheres[0] if len(wheres) == 1 else kind(tuple(wheres))) for name, wheres in by_field.items()
        )
        return [*pieces, *found]


def canonical(where: Where) -> Where:
    """Return `where` with every value to be equal to as its text, which means the same: as keys, 1 and True are one."""
    match where:
        case AllOf(items):
            return AllOf(tuple(map(canonical, items)))
        case AnyOf(items):
            return AnyOf(tuple(map(canonical, items)))
        case Not(item):
            return Not(canonical(item))
        case Is(name, int() | float() as value, cased) if isfinite(value):
            return Is(name, plain(value), cased)
        case _:
            return where


def flat(where: AllOf | AnyOf) -> tuple[Where, ...]:
    """Return the items of `where`, those of members of the same kind in their place."""
    if not any(type(item) is type(where) for item in where.items):
        return where.items
    return tuple(
        one
        for item in where.items
        for one in (flat(item) if isinstance(item, AllOf | AnyOf) and type(item) is type(where) else (item,))
    )


def _plain(leaf: Leaf) -> bool:
    # whether columns answer it as `holds` does
    match leaf:
        case Is(_, float() as value):
            return isfinite(value)
        case Keyword(pattern):
            return len(pattern) + 2 <= TEXT_MAX
        case Matches(_, regex):
            return 2 * len(regex) + 2 <= TEXT_MAX
        case _:
            return True


def over_leaves(where: Where, known: dict[Leaf, int]) -> Node:
    """Return an item's `where` as a condition over leaves, numbered as in `known`, which takes in new ones."""
    match where:
        case AllOf(items):
            return Every(tuple(over_leaves(item, known) for item in items))
        case AnyOf(items):
            return Some(tuple(over_leaves(item, known) for item in items))
        case Not():
            raise TypeError("an item is monotone")
        case _:
            return known.setdefault(where, len(known))


def rarity(leaf: Leaf) -> float:
    """Return a guess how seldom `leaf` is true: longer text is rarer."""
    match leaf:
        case Is(_, None) | Exists():
            return 0
        case Is(_, value):
            return 6 + min(len(str(value)), 10)
        case Like(_, pattern) | Keyword(pattern):
            return min(max((len(one) for one in tokens(pattern) if one not in {"*", "?"}), default=0), 24)
        case Within():
            return 4
        case Compare() | Dated() | Same() | Matches():
            return 1
        case _:
            assert_never(leaf)


def witness(node: Node, scores: Sequence[float]) -> tuple[float, frozenset[int]] | None:
    """Return items of which at least one is true whenever `node` is, the rarest that can be had, and how rare.

    None: it may be true with no item being so.
    """
    match node:
        case int():
            return scores[node], frozenset((node,))
        case Every(nodes):
            found = (one for each in nodes if (one := witness(each, scores)) is not None)
            return max(found, key=lambda one: one[0], default=None)
        case Some(nodes):
            whole = [one for each in nodes if (one := witness(each, scores)) is not None]
            if len(whole) < len(nodes):
                return None
            least = min((score for score, _ in whole), default=0.0)
            return least - log2(len(whole) or 1), frozenset[int]().union(*(one for _, one in whole))
        case Inverse():
            return None
        case _:
            assert_never(node)


def items_of(node: Node) -> frozenset[int]:
    """Return the items that `node` is about."""
    match node:
        case int():
            return frozenset((node,))
        case Every(nodes) | Some(nodes):
            return frozenset[int]().union(*map(items_of, nodes))
        case Inverse(inner):
            return items_of(inner)
        case _:
            assert_never(node)


def settled(node: Node, known: Collection[int], true: Collection[int]) -> Node:
    """Return what is left of `node` once it is known that of the items `known` exactly those in `true` are true."""
    match node:
        case int():
            return node if node not in known else TRUE if node in true else FALSE
        case Every(nodes):
            return _fewer([settled(one, known, true) for one in nodes], Every, TRUE, FALSE)
        case Some(nodes):
            return _fewer([settled(one, known, true) for one in nodes], Some, FALSE, TRUE)
        case Inverse(inner):
            return _inverse(settled(inner, known, true))
        case _:
            assert_never(node)


def bound(node: Node, unknown: Collection[int], *, upper: bool) -> Node:
    """Return a condition without the items `unknown`: true wherever `node` may be (`upper`), or only where it must."""
    match node:
        case int():
            return node if node not in unknown else TRUE if upper else FALSE
        case Every(nodes):
            return _fewer([bound(one, unknown, upper=upper) for one in nodes], Every, TRUE, FALSE)
        case Some(nodes):
            return _fewer([bound(one, unknown, upper=upper) for one in nodes], Some, FALSE, TRUE)
        case Inverse(inner):
            return _inverse(bound(inner, unknown, upper=not upper))
        case _:
            assert_never(node)


def _fewer(nodes: Sequence[Node], kind: type[Every] | type[Some], neutral: Node, deciding: Node) -> Node:
    # without what changes nothing
    if deciding in nodes:
        return deciding
    left = tuple(one for one in nodes if one != neutral)
    if not left:
        return neutral
    return left[0] if len(left) == 1 else kind(left)


def _inverse(node: Node) -> Node:
    return FALSE if node == TRUE else TRUE if node == FALSE else Inverse(node)


def truth(node: Node) -> Truth:
    """Return a function that says what `node` is, given the set of what is true."""
    match node:
        case int():
            return lambda true: node in true
        case Every(nodes):
            return _every(frozenset(one for one in nodes if isinstance(one, int)), _others(nodes))
        case Some(nodes):
            return _some(frozenset(one for one in nodes if isinstance(one, int)), _others(nodes))
        case Inverse(inner):
            test = truth(inner)
            return lambda true: not test(true)
        case _:
            assert_never(node)


def _others(nodes: Iterable[Node]) -> tuple[Truth, ...]:
    return tuple(truth(one) for one in nodes if not isinstance(one, int))


def _every(plain: frozenset[int], tests: tuple[Truth, ...]) -> Truth:
    if not tests:
        return plain.issubset

    def every(true: Collection[int]) -> bool:
        if not plain.issubset(true):
            return False
        for test in tests:  # noqa: SIM110  a loop is a third faster than all() over a generator
            if not test(true):
                return False
        return True

    return every


def _some(plain: frozenset[int], tests: tuple[Truth, ...]) -> Truth:
    if not tests:
        return lambda true: not plain.isdisjoint(true)

    def some(true: Collection[int]) -> bool:
        if not plain.isdisjoint(true):
            return True
        for test in tests:  # noqa: SIM110  as above
            if test(true):
                return True
        return False

    return some
