"""The rules of one log source (or of those that an event is of at once), asked together.

Of an event a lane looks up one small number a field; the tuple of them, its signature, says which rules hold. A million
real events have some ten thousand signatures. For a new one only rules are asked of which a witness is true: an item
without which the rule cannot hold. What a signature leaves open is decided by late items, by those that matter.
Events that have the same fields are taken together, field by field, then those that leave the same open.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from operator import itemgetter

from sentinel.core.event import Value
from sentinel.core.regex import compile_regex
from sentinel.core.where import Leaf, Matches, Same, holds, searchable
from sentinel.detect.columns import LONG, Column, Room
from sentinel.detect.conditions import Items, Node, Truth, bound, items_of, settled, truth, witness
from sentinel.detect.guards import least

Numbered = tuple[int, Mapping[str, Value]]
"""An event's number among those asked about together, and its fields."""
Tripped = Callable[[int, int, Exception], None]
"""Is told the number of an event, the place of a rule that raises when asked about it, and what."""
ColumnOf = Callable[[str, frozenset[int]], Column]
_Places = tuple[int, ...]
_Codes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """A rule, or one of its alternatives: `place` is the rule's, `node` what an event of the lane must be."""

    place: int
    node: Node


@dataclass(frozen=True, slots=True)
class _Test:
    # a branch, and without its late items: `may` is true wherever it may hold, `must` only where it does
    place: int
    node: Node
    items: frozenset[int]
    may: Truth
    must: Truth
    late: bool
    left: "dict[frozenset[int], _Open]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Open:
    # what is left of a branch once all but its late items are known
    place: int
    node: Node
    test: Truth
    items: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class _First:
    # what a signature says: the rules that hold, and the branches that it leaves to late items
    sure: _Places
    open: tuple[_Open, ...] = ()
    heavy: tuple[tuple[str, Column], ...] = ()
    asked: "tuple[tuple[int, Late], ...]" = ()
    decided: dict[_Codes, _Places] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    # for events with the same fields: their values, their columns, what is true for want of others, what codes say
    values: Callable[[Mapping[str, Value]], Sequence[Value]]
    columns: tuple[tuple[str, Column], ...]
    absent: frozenset[int]
    firsts: dict[_Codes, _First] = field(default_factory=dict)


class Late:
    """A leaf that is asked of `holds`, when nothing else is left."""

    __slots__ = ("_field", "_leaf", "_least", "_memo", "_other", "_room", "_search")

    def __init__(self, leaf: Leaf, room: Room) -> None:
        self._leaf = leaf
        self._field = leaf.field if isinstance(leaf, Matches | Same) else None
        self._other = leaf.other if isinstance(leaf, Same) else None
        self._search = _search(leaf)
        self._least = least(leaf.regex) if isinstance(leaf, Matches) else 0
        self._memo: dict[str | tuple[str, str], bool] = {}
        self._room = room

    def forget(self) -> None:
        """Forget every value."""
        self._memo.clear()

    def holds(self, fields: Mapping[str, Value]) -> bool:
        """Say whether it holds for an event; raises what `holds` raises."""
        value = None if self._field is None else fields.get(self._field)
        if not isinstance(value, str):
            return holds(self._leaf, fields)
        key: str | tuple[str, str] = value
        size = len(value)
        if size < self._least:
            return False
        if self._other is not None:
            other = fields.get(self._other)
            if not isinstance(other, str):
                return holds(self._leaf, fields)
            key = (value, other)
            size += len(other)
        known = self._memo.get(key)
        if known is None:
            known = holds(self._leaf, fields) if self._search is None else self._search(searchable(value)) is not None
            if size <= LONG:
                self._room.take(size)
                self._memo[key] = known
        return known


def _search(leaf: Leaf) -> Callable[[bytes], object | None] | None:
    # of an expression that is one, what `holds` asks
    if not isinstance(leaf, Matches):
        return None
    try:
        return compile_regex(leaf.regex, leaf.flags).search
    except ValueError:
        return None


class Fork:
    """Where one field decides which rules are left: `grow` makes what lies behind the items that are true of it."""

    def __init__(self, field: str, column: Column, grow: Callable[[frozenset[int]], "Fork | Lane"]) -> None:
        self.field = field
        self.look = column.memo.get
        self.children: dict[int | None, Fork | Lane] = {}
        """What lies behind each number that `look` says of a value of `field`, as far as it has grown."""
        self._column = column
        self._grow = grow

    def forget(self) -> None:
        """Forget what numbers mean; to be done whenever its column forgets."""
        self.children.clear()

    def way(self, fields: Mapping[str, Value]) -> "Fork | Lane":
        """Return where an event goes from here; raises FaultyError."""
        code = self._column.glance(fields.get(self.field))
        child = self.children.get(code)
        if child is None:
            child = self.children[code] = self._grow(self._column.true[code])
        return child


class Lane:
    """The rules `branches` over `items`; their columns are made by `column`, and share `room`."""

    def __init__(self, branches: Iterable[Branch], items: Items, column: ColumnOf, room: Room) -> None:
        self._room = room
        self._items = items
        self._ways: dict[tuple[str, ...], _Way] = {}
        self._kinds: dict[tuple[str, ...], _Way] = {}
        self._firsts: dict[frozenset[int], _First] = {}
        self._witnessed: dict[int, list[_Test]] = {}
        self._always: list[_Test] = []
        used: set[int] = set()
        for branch in branches:
            mine = items_of(branch.node)
            used |= mine
            self._sort(branch, mine)
        self._early = frozenset(used - items.late)
        by_field: dict[str, set[int]] = {}
        for item in used - items.single.keys():
            by_field.setdefault(items.fields[item], set()).add(item)
        columns = {name: column(name, frozenset(numbers)) for name, numbers in sorted(by_field.items())}
        late = {items.fields[item] for item in used & items.late}
        self._light = tuple((name, one) for name, one in columns.items() if name not in late)
        self._heavy = tuple((name, one) for name, one in columns.items() if name in late)
        self._late = {item: Late(items.single[item], room) for item in sorted(used & items.single.keys())}

    def _sort(self, branch: Branch, items: frozenset[int]) -> None:
        late = items & self._items.late
        may = bound(branch.node, late, upper=True)
        must = truth(bound(branch.node, late, upper=False) if late else may)
        test = _Test(branch.place, branch.node, items, truth(may) if late else must, must, bool(late))
        found = witness(may, self._items.scores)
        if found is None:
            self._always.append(test)
            return
        for item in found[1]:
            self._witnessed.setdefault(item, []).append(test)

    def forget(self) -> None:
        """Forget every signature; to be done whenever its columns forget."""
        self._ways.clear()
        self._kinds.clear()
        self._firsts.clear()
        for late in self._late.values():
            late.forget()
        for test in (*self._always, *(one for tests in self._witnessed.values() for one in tests)):
            test.left.clear()

    def judge(self, events: Iterable[Numbered], tripped: Tripped) -> Iterator[tuple[int, _Places]]:
        """Yield each event's number, and the places of the rules that hold for it, in any order; raises FaultyError."""
        alike: defaultdict[_Way, list[Numbered]] = defaultdict(list)
        for one in events:
            names = tuple(one[1])
            alike[self._ways.get(names) or self._way(names)].append(one)
        for way, group in alike.items():
            open_: defaultdict[_First, list[Numbered]] = defaultdict(list)
            for one, key in zip(group, _signatures(way, group), strict=True):
                first = way.firsts.get(key)
                if first is None:
                    first = way.firsts[key] = self._first(way.absent | _united(way.columns, key))
                if first.open:
                    open_[first].append(one)
                else:
                    yield one[0], first.sure
            for first, left in open_.items():
                yield from self._closed(first, left, tripped)

    def _closed(self, first: _First, events: Sequence[Numbered], tripped: Tripped) -> Iterator[tuple[int, _Places]]:
        # decides what the signature of these events leaves open
        heavy = [[column.glance(fields.get(name)) for _, fields in events] for name, column in first.heavy]
        try:
            late = [[one.holds(fields) for _, fields in events] for _, one in first.asked]
        except Exception:  # noqa: BLE001  a rule is others' code: its fault must stay its own
            if len(events) > 1:
                for one in events:
                    yield from self._closed(first, [one], tripped)
                return
            ((number, fields),) = events
            yield number, self._singly(first, [code for (code,) in heavy], fields, partial(tripped, number))
            return
        for (number, _), told in zip(events, zip(*heavy, *late, strict=True), strict=True):
            places = first.decided.get(told)
            if places is None:
                places = first.decided[told] = self._decided(first, told)
            yield number, places

    def _decided(self, first: _First, told: _Codes) -> _Places:
        self._room.take(8 * len(told))
        heavy = told[: len(first.heavy)]
        asked = (item for (item, _), true in zip(first.asked, told[len(heavy) :], strict=True) if true)
        true = _united(first.heavy, heavy).union(asked)
        found = (one.place for one in first.open if one.test(true))
        return tuple(sorted({*first.sure, *found}))

    def _way(self, names: tuple[str, ...]) -> _Way:
        self._room.take(sum(map(len, names)))
        present = frozenset(names)
        columns = tuple((name, column) for name, column in self._light if name in present)
        asked = tuple(name for name, _ in columns)
        way = self._kinds.get(asked)
        if way is None:
            self._room.take(8 * len(asked))
            absent = (column.true[column.glance(None)] for name, column in self._light if name not in present)
            way = self._kinds[asked] = _Way(_values(asked), columns, frozenset[int]().union(*absent))
        self._ways[names] = way
        return way

    def _first(self, true: frozenset[int]) -> _First:
        self._room.take(8 * len(true))
        first = self._firsts.get(true)
        if first is None:
            first = self._firsts[true] = self._decide(true)
        return first

    def _decide(self, true: frozenset[int]) -> _First:
        sure: set[int] = set()
        left: list[_Test] = []
        for test in self._candidates(true):
            if test.must(true):
                sure.add(test.place)
            elif test.late and test.may(true):
                left.append(test)
        open_ = tuple(self._left(test, true) for test in left if test.place not in sure)
        wanted = frozenset[int]().union(*(one.items for one in open_))
        fields = {self._items.fields[item] for item in wanted}
        return _First(
            tuple(sorted(sure)),
            open_,
            tuple((name, column) for name, column in self._heavy if name in fields),
            tuple((item, late) for item, late in self._late.items() if item in wanted),
        )

    def _left(self, test: _Test, true: frozenset[int]) -> _Open:
        mine = test.items & true
        left = test.left.get(mine)
        if left is None:
            node = settled(test.node, self._early, mine)
            left = test.left[mine] = _Open(test.place, node, truth(node), items_of(node))
            self._room.take(8 * len(mine))
        return left

    def _candidates(self, true: Iterable[int]) -> Iterable[_Test]:
        found = {id(test): test for item in true for test in self._witnessed.get(item, ())}
        return (*self._always, *found.values())

    def _singly(
        self,
        first: _First,
        heavy: Sequence[int],
        fields: Mapping[str, Value],
        tripped: Callable[[int, Exception], None],
    ) -> _Places:
        # a leaf raises: rules that hold or not whatever it says are none the worse
        true = {*_united(first.heavy, heavy)}
        raised: dict[int, Exception] = {}
        for item, late in first.asked:
            try:
                if late.holds(fields):
                    true.add(item)
            except Exception as error:  # noqa: BLE001  as above
                raised[item] = error
        found = {*first.sure}
        for one in first.open:
            if truth(bound(one.node, raised, upper=False))(true):
                found.add(one.place)
            elif truth(bound(one.node, raised, upper=True))(true):
                tripped(one.place, next(raised[item] for item in sorted(one.items) if item in raised))
        return tuple(sorted(found))


def _values(names: Sequence[str]) -> Callable[[Mapping[str, Value]], Sequence[Value]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: [fields[name] for name in names]


def _signatures(way: _Way, events: Sequence[Numbered]) -> Iterable[_Codes]:
    rows = [way.values(fields) for _, fields in events]
    codes = [column.codes(given) for (_, column), given in zip(way.columns, zip(*rows, strict=True), strict=True)]
    return zip(*codes, strict=True) if codes else repeat((), len(events))


def _united(columns: Sequence[tuple[str, Column]], codes: Sequence[int]) -> frozenset[int]:
    return frozenset[int]().union(*(column.true[code] for (_, column), code in zip(columns, codes, strict=True)))
