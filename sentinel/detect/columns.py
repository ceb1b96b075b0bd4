"""One field of many rules: which of their items are true of a value, remembered as a small number.

Literals on the field are found in one pass, of an item one that it cannot be true without: only then the rest of it is
asked of the text. Networks are looked up by the length of their prefix. What a value was found to be is remembered,
within bounds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sentinel.core.event import Scalar, Value
from sentinel.core.where import (
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Leaf,
    Like,
    Matches,
    Same,
    Where,
    Within,
    compares,
    dated,
    holds,
    network_of,
    plain,
    values,
)
from sentinel.core.wildcard import escaped, fold
from sentinel.detect.conditions import Truth, flat, over_leaves, rarity, truth, witness
from sentinel.detect.literals import Literals
from sentinel.detect.shapes import Asks, asking

LONG = 1024
"""Longer texts are not remembered: they hardly come twice."""
SHORT = 256
"""In longer texts it is looked first whether there is anything at all."""
ENTRIES_MAX = 120_000
CHARACTERS_MAX = 16_000_000


_Patterns = tuple[Literals | None, Literals | None]


class FaultyError(Exception):
    """Leaves that raise instead of answering."""

    def __init__(self, leaves: Collection[Leaf]) -> None:
        super().__init__(f"{len(leaves)} comparisons fail")
        self.leaves = leaves


@dataclass(slots=True)
class Room:
    """How much is remembered by all that remembers; whoever sees that it is `full` has everything forgotten."""

    entries: int = 0
    characters: int = 0

    def take(self, characters: int) -> None:
        """Count one more entry of so many characters."""
        self.entries += 1
        self.characters += characters

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return self.entries > ENTRIES_MAX or self.characters > CHARACTERS_MAX


class Column:
    """The items on one field: `memo` or `learn` say by a number what a value is, `true[number]` which items that are.

    `memo` holds texts, and None for no value, and nothing that could equal a value of another type; `learn` answers
    for all that is not in it, and raises FaultyError.
    """

    def __init__(self, field: str, items: Mapping[int, Where], room: Room) -> None:
        self.true: list[frozenset[int]] = []
        self.memo: dict[Value | None, int] = {}
        self._field = field
        self._room = room
        self._others: dict[object, int] = {}
        self._codes: dict[frozenset[int], int] = {}
        self._items = items
        known: dict[Leaf, int] = {}
        nodes = {number: over_leaves(where, known) for number, where in items.items()}
        rarities = [rarity(leaf) for leaf in known]
        makes: dict[int, list[int]] = {}
        may: dict[int, list[tuple[int, Asks, Truth]]] = {}
        for number, where in items.items():
            for part in flat(where) if isinstance(where, AnyOf) else (where,):
                node = over_leaves(part, known)
                if isinstance(node, int):
                    makes.setdefault(node, []).append(number)
                elif needed := witness(node, rarities):
                    tests = number, asking(part, field), truth(node)
                    for leaf in needed[1]:
                        may.setdefault(leaf, []).append(tests)
        self._leaves = tuple(known)
        # for each leaf: the items that it makes true, and those that it may; what does neither tells nothing by itself
        self._makes = [tuple(makes.get(leaf, ())) for leaf in range(len(known))]
        self._may = [tuple(may.get(leaf, ())) for leaf in range(len(known))]
        self._sort()
        self._folded, self._cased = self._patterns(leaf for leaf in range(len(known)) if leaf in makes or leaf in may)
        self._all: _Patterns | None = None
        others = (self._cased, self._prefixes, self._numbers, self._dates)
        self._rare = self._folded if self._folded is not None and self._folded.rare and not any(others) else None
        # of a text that no pattern fits, if patterns are all that is asked
        self._unlike = frozenset(number for number, node in nodes.items() if truth(node)({*self._present}))

    def _sort(self) -> None:
        self._absent: list[int] = []
        self._present: list[int] = []
        self._numbers: list[tuple[int, Compare]] = []
        self._dates: list[tuple[int, Dated]] = []
        self._prefixes: dict[tuple[int, int], dict[int, list[int]]] = {}
        for number, leaf in enumerate(self._leaves):
            match leaf:
                case Is(_, None):
                    self._absent.append(number)
                case Is() | Like():
                    pass  # a pattern
                case Within(_, network):
                    inside = network_of(network)
                    bits = inside.max_prefixlen - inside.prefixlen
                    nets = self._prefixes.setdefault((inside.version, bits), {})
                    nets.setdefault(int(inside.network_address) >> bits, []).append(number)
                case Compare():
                    self._numbers.append((number, leaf))
                case Dated():
                    self._dates.append((number, leaf))
                case Exists():
                    self._present.append(number)
                case Keyword() | Same() | Matches():
                    raise TypeError("asked late, of holds")

    def _patterns(self, numbers: Iterable[int]) -> _Patterns:
        # folded ones and cased ones
        found: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
        for number in numbers:
            match self._leaves[number]:
                case Is(_, value, exactly) if value is not None:
                    found[exactly].append((number, escaped(plain(value))))
                case Like(_, pattern, exactly):
                    found[exactly].append((number, pattern))
                case _:
                    pass
        folded, cased = (Literals(each, cased=bool(place)) if each else None for place, each in enumerate(found))
        return folded, cased

    def codes(self, given: Sequence[Value]) -> list[int]:
        """Return the number of what each value is; raises FaultyError."""
        codes = [*map(self.memo.get, given)]
        if None not in codes:
            return codes  # type: ignore[return-value]  # as has been seen
        return [self._known(value) if code is None else code for code, value in zip(codes, given, strict=True)]

    def _known(self, value: Value) -> int:
        known = self.memo.get(value)  # it may have come twice
        return self.learn(value) if known is None else known

    def glance(self, value: Value | None) -> int:
        """Answer as `learn` does, for what may be long."""
        if not isinstance(value, str) or len(value) <= LONG:
            known = self.memo.get(value)
            return self.learn(value) if known is None else known
        return self._code(value)

    def forget(self) -> None:
        """Forget every value; numbers given before mean nothing any more."""
        self.memo.clear()
        self._others.clear()
        self._codes.clear()
        self.true.clear()

    def learn(self, value: Value | None) -> int:
        """Return the number of what `value` is; raises FaultyError."""
        if value is None or isinstance(value, str):
            code = self._code(value)
            if value is None or len(value) <= LONG:
                self._room.take(len(value or ""))
                self.memo[value] = code
            return code
        # 1 equals True and 1.0, but is not the same text
        key = (value, tuple(map(type, value)) if isinstance(value, tuple) else type(value))
        known = self._others.get(key)
        if known is None:
            known = self._code(value)
            size = sum(map(len, map(str, values(value))))
            if size <= LONG:
                self._room.take(size)
                self._others[key] = known
        return known

    def _code(self, value: Value | None) -> int:
        if not isinstance(value, str):
            return self._coded(self._thoroughly(value))
        if self._rare is not None and len(value) > SHORT and self._rare.none(value):
            return self._coded(self._unlike)
        return self._coded(self._quickly(value) if len(value) <= LONG else self._thoroughly(value))

    def _coded(self, items: frozenset[int]) -> int:
        code = self._codes.get(items)
        if code is None:
            self._room.take(8 * len(items))
            code = self._codes[items] = len(self.true)
            self.true.append(items)
        return code

    def _quickly(self, text: str) -> frozenset[int]:
        # what is looked for tells which items may be true; those are asked of the text
        leaves: set[int] = set()
        found: set[int] = set()
        try:
            folded = fold(text)
            self._look(text, text, folded, leaves, (self._folded, self._cased))
            for leaf in leaves:
                if made := self._makes[leaf]:
                    found.update(made)
                for item, asks, _ in self._may[leaf]:
                    if item not in found and asks(text, folded):
                        found.add(item)
        except Exception:  # noqa: BLE001  a fault of one rule must stay its own, whatever it is
            return self._singly(text)
        return frozenset(found)

    def _thoroughly(self, value: Value | None) -> frozenset[int]:
        # every leaf is looked for, and items are asked of those found: of several values each may fit another pattern,
        # and a long text that may be everything must not be searched again and again
        have = values(value)
        leaves = set() if have else {*self._absent}
        found: set[int] = set()
        try:
            for one in have:
                if self._all is None:
                    self._all = self._patterns(range(len(self._leaves)))
                text = plain(one)
                self._look(one, text, fold(text), leaves, self._all)
            for leaf in leaves:
                found.update(self._makes[leaf])
                for item, _, test in self._may[leaf]:
                    if item not in found and test(leaves):
                        found.add(item)
        except Exception:  # noqa: BLE001  as above
            return self._singly(have)
        return frozenset(found)

    def _look(self, value: Scalar, text: str, folded: str, found: set[int], patterns: _Patterns) -> None:
        if patterns[0] is not None:
            patterns[0].find(folded, found)
        if patterns[1] is not None:
            patterns[1].find(text, found)
        if self._present:
            found.update(self._present)
        if self._prefixes:
            self._locate(text, found)
        for number, leaf in self._numbers:
            if compares(value, leaf.operator, leaf.number):
                found.add(number)
        for number, date in self._dates:
            if dated(text, date.part, date.operator, date.number):
                found.add(number)

    def _locate(self, text: str, found: set[int]) -> None:
        try:
            address = ip_address(text)
        except ValueError:
            return
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        whole = int(address)
        for (version, bits), networks in self._prefixes.items():
            if version == address.version and (numbers := networks.get(whole >> bits)):
                found.update(numbers)

    def _singly(self, value: Value) -> frozenset[int]:
        # something does not work out: every leaf is asked for itself, as its definition says
        fields = {self._field: value}
        faulty: list[Leaf] = []
        for leaf in self._leaves:
            try:
                holds(leaf, fields)
            except Exception:  # noqa: BLE001  as above
                faulty.append(leaf)
        if faulty:
            raise FaultyError(faulty)
        return frozenset(number for number, where in self._items.items() if holds(where, fields))
