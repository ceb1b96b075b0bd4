"""Which rules an event has to do with: one field after the other decides, until a lane of rules is left.

First it is decided of which log sources an event is, by the field that most of those still open ask for; then, if most
rules of these sources want one of certain values of a field (a Windows event's code), by that field. Everything grows
when the first event goes there, and is bounded.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sentinel.core.event import Value
from sentinel.core.where import ALWAYS, KEYWORD_FIELDS, AllOf, AnyOf, Exists, Is, Leaf, Not, Where, leaves
from sentinel.detect.columns import Column, Room
from sentinel.detect.conditions import FALSE, HEAVY, TRUE, Items, Node, canonical, flat, items_of, settled
from sentinel.detect.lanes import Branch, Fork, Lane, Numbered, Tripped

SOURCES_MAX = 1024
"""So many log sources are told apart; rules of others are asked of every event."""
LANES_MAX = 1024
FORKED_MIN = 6
"""Rules about fewer fields than this are not worth telling apart further."""


class Tree:
    """The conditions of rules, each known by its place; leaves in `odd` are left to `holds`."""

    def __init__(self, wheres: Iterable[Where], odd: frozenset[Leaf] = frozenset()) -> None:
        self.odd = odd
        self._room = Room()
        self._items = Items(odd)
        self._sources: dict[Where, int] = {ALWAYS: 0}
        self._branches: list[list[Branch]] = [[]]
        for place, where in enumerate(wheres):
            for source, body in self._split(canonical(where)).items():
                self._branches[self._sources[source]].append(Branch(place, self._items.condition(body)))
        self._nodes = {number: self._items.condition(source) for source, number in self._sources.items()}
        self._plant()

    def _split(self, where: Where) -> Mapping[Where, Where]:
        found = split(where)
        new = [source for source in found if source not in self._sources]
        if len(self._sources) + len(new) > SOURCES_MAX:
            return {ALWAYS: where}
        for source in new:
            self._sources[source] = len(self._branches)
            self._branches.append([])
        return found

    def _plant(self) -> None:
        self._columns: dict[tuple[str, frozenset[int]], Column] = {}
        self._forks: list[Fork] = []
        self._lanes: list[Lane] = []
        self._of_sources: dict[frozenset[int], Fork | Lane] = {}
        self._root = self._deciding(self._nodes, frozenset())

    def judge(self, events: Sequence[Mapping[str, Value]], tripped: Tripped) -> list[tuple[int, ...]]:
        """Return of each event the places of the rules that hold for it; raises FaultyError."""
        if self._room.full:
            self._forget()
        of_lane: defaultdict[Lane, list[Numbered]] = defaultdict(list)
        for one in enumerate(events):
            fields = one[1]
            at = self._root
            while isinstance(at, Fork):
                child = at.children.get(at.look(fields.get(at.field)))
                at = at.way(fields) if child is None else child
            of_lane[at].append(one)
        found: list[tuple[int, ...]] = [()] * len(events)
        for lane, some in of_lane.items():
            for number, places in lane.judge(some, tripped):
                found[number] = places
        return found

    def _forget(self) -> None:
        if len(self._lanes) > LANES_MAX:
            self._plant()
        for fork in self._forks:
            fork.forget()
        for lane in self._lanes:
            lane.forget()
        for column in self._columns.values():
            column.forget()
        self._room.entries = self._room.characters = 0

    def _deciding(self, open_: Mapping[int, Node], sure: frozenset[int]) -> Fork | Lane:
        # of sources, those in `sure` are the event's, and what `open_` says has to be found out of the others
        sure |= {number for number, node in open_.items() if node == TRUE}
        left = {number: node for number, node in open_.items() if node not in (TRUE, FALSE)}
        if not left:
            if sure not in self._of_sources:
                branches = [branch for number in sorted(sure) for branch in self._branches[number]]
                self._of_sources[sure] = self._forked(branches)
            return self._of_sources[sure]
        asked = Counter(field for node in left.values() for field in self._fields(node))
        field = max(asked, key=lambda one: (asked[one], one))
        numbers = self._numbers(left.values(), field)

        def grow(true: frozenset[int]) -> Fork | Lane:
            return self._deciding({number: settled(node, numbers, true) for number, node in left.items()}, sure)

        return self._fork(field, numbers, grow)

    def _forked(self, branches: Sequence[Branch]) -> Fork | Lane:
        field = self._telling(branches)
        if field is None:
            lane = Lane(branches, self._items, self._column, self._room)
            self._lanes.append(lane)
            return lane
        numbers = self._numbers((branch.node for branch in branches), field)
        known: dict[frozenset[int], Fork | Lane] = {}

        def grow(true: frozenset[int]) -> Fork | Lane:
            if true not in known:
                settled_ = (Branch(one.place, settled(one.node, numbers, true)) for one in branches)
                known[true] = self._forked([one for one in settled_ if one.node != FALSE])
            return known[true]

        return self._fork(field, numbers, grow)

    def _telling(self, branches: Sequence[Branch]) -> str | None:
        # the field without whose values at least half of the branches cannot hold, if it only has plain values
        asked = Counter(field for branch in branches for field in self._fields(branch.node))
        if len(asked) < FORKED_MIN:
            return None
        best: tuple[int, str] | None = None
        for field, times in asked.items():
            if 2 * times < len(branches) or field in HEAVY:
                continue
            numbers = self._numbers((branch.node for branch in branches), field)
            if not all(isinstance(leaf, Is) for number in numbers for leaf in leaves(self._items.wheres[number])):
                continue
            fallen = sum(settled(branch.node, numbers, ()) == FALSE for branch in branches)
            if 2 * fallen >= len(branches) and (best is None or (fallen, field) > best):
                best = fallen, field
        return best[1] if best else None

    def _fields(self, node: Node) -> set[str]:
        return {self._items.fields[item] for item in items_of(node)}

    def _numbers(self, nodes: Iterable[Node], field: str) -> frozenset[int]:
        return frozenset(item for node in nodes for item in items_of(node) if self._items.fields[item] == field)

    def _column(self, field: str, numbers: frozenset[int]) -> Column:
        # lanes that ask the same of a field share what they remember of it
        column = self._columns.get((field, numbers))
        if column is None:
            items = {number: self._items.wheres[number] for number in sorted(numbers)}
            column = self._columns[field, numbers] = Column(field, items, self._room)
        return column

    def _fork(self, field: str, numbers: frozenset[int], grow: Callable[[frozenset[int]], Fork | Lane]) -> Fork:
        fork = Fork(field, self._column(field, numbers), grow)
        self._forks.append(fork)
        return fork


def split(where: Where) -> dict[Where, Where]:
    """Return a rule by log source: for each of them what else must hold. ALWAYS stands for a rule without one."""
    match where:
        case AllOf((source, *rest)) if _is_source(source):
            return {source: rest[0] if len(rest) == 1 else AllOf(tuple(rest))}
        case AnyOf():
            found: dict[Where, list[Where]] = {}
            for item in flat(where):
                for source, body in split(item).items():
                    found.setdefault(source, []).append(body)
            if found.keys() != {ALWAYS}:
                return {one: bodies[0] if len(bodies) == 1 else AnyOf(tuple(bodies)) for one, bodies in found.items()}
        case _:
            pass
    return {ALWAYS: where}


def _is_source(where: Where) -> bool:
    match where:
        case Is(field, value):
            return value is not None and field not in KEYWORD_FIELDS
        case Exists(field):
            return field not in KEYWORD_FIELDS
        case AllOf(items) | AnyOf(items):
            return all(map(_is_source, items))
        case _:
            return False


def deeper(where: Where, depth: int) -> bool:
    """Say whether `where` is nested deeper than `depth` levels."""
    level: list[Where] = [where]
    for _ in range(depth):
        level = [one for above in level for one in _members(above)]
        if not level:
            return False
    return True


def _members(where: Where) -> tuple[Where, ...]:
    match where:
        case AllOf(items) | AnyOf(items):
            return items
        case Not(item):
            return (item,)
        case _:
            return ()
