"""One field of many rules: which of their items are true of a value, remembered as a small number.

All literals on the field are found in one pass, networks are looked up by the length of their prefix. What a value was
found to be is remembered, within bounds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sentinel.core.event import Scalar, Value
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
from sentinel.detect.conditions import Truth, alone, over_leaves, rarity, truth, witness
from sentinel.detect.literals import Literals

LONG = 1024
"""Longer texts are not remembered: they hardly come twice."""
ENTRIES_MAX = 120_000
CHARACTERS_MAX = 16_000_000


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
        known: dict[Leaf, int] = {}
        nodes = {number: over_leaves(where, known) for number, where in items.items()}
        rarities = [rarity(leaf) for leaf in known]
        makes: dict[int, list[int]] = {}
        may: dict[int, list[tuple[int, Truth]]] = {}
        for number, node in nodes.items():
            sufficient, test, needed = alone(node), truth(node), witness(node, rarities)
            for leaf in needed[1] if needed else ():
                if leaf in sufficient:
                    makes.setdefault(leaf, []).append(number)
                else:
                    may.setdefault(leaf, []).append((number, test))
        self._leaves = tuple(known)
        # for each leaf: the items that it makes true, and those that it may
        self._makes = [tuple(makes.get(leaf, ())) for leaf in range(len(known))]
        self._may = [tuple(may.get(leaf, ())) for leaf in range(len(known))]
        self._sort()

    def _sort(self) -> None:
        self._absent: list[int] = []
        self._present: list[int] = []
        self._numbers: list[tuple[int, Compare]] = []
        self._dates: list[tuple[int, Dated]] = []
        self._prefixes: dict[tuple[int, int], dict[int, list[int]]] = {}
        folded: list[tuple[int, str]] = []
        cased: list[tuple[int, str]] = []
        for number, leaf in enumerate(self._leaves):
            match leaf:
                case Is(_, value, exactly):
                    if value is None:
                        self._absent.append(number)
                        continue
                    (cased if exactly else folded).append((number, escaped(plain(value))))
                case Like(_, pattern, exactly):
                    (cased if exactly else folded).append((number, pattern))
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
        self._folded = Literals(folded, cased=False) if folded else None
        self._cased = Literals(cased, cased=True) if cased else None
        others = (self._cased, self._prefixes, self._numbers, self._dates)
        self._rare = self._folded if self._folded is not None and self._folded.rare and not any(others) else None

    def glance(self, value: Value | None) -> int:
        """Answer as `learn` does, faster for long texts in which nothing is found."""
        if not isinstance(value, str) or len(value) <= LONG:
            known = self.memo.get(value)
            return self.learn(value) if known is None else known
        if self._rare is not None and value.isascii() and self._rare.none(value):
            return self._coded(self._items({*self._present}))
        return self.learn(value)

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
        return self._coded(self._items(self._holding(value)))

    def _coded(self, items: frozenset[int]) -> int:
        code = self._codes.get(items)
        if code is None:
            self._room.take(8 * len(items))
            code = self._codes[items] = len(self.true)
            self.true.append(items)
        return code

    def _items(self, leaves: set[int]) -> frozenset[int]:
        found: set[int] = set()
        for leaf in leaves:
            if made := self._makes[leaf]:
                found.update(made)
            for item, test in self._may[leaf]:
                if item not in found and test(leaves):
                    found.add(item)
        return frozenset(found)

    def _holding(self, value: Value | None) -> set[int]:
        # the leaves that hold
        found: set[int] = set()
        have = values(value)
        found.update(self._present if have else self._absent)
        try:
            for one in have:
                self._look(one, found)
        except Exception:  # noqa: BLE001  a fault of one rule must stay its own, whatever it is
            return self._singly(have)
        return found

    def _look(self, value: Scalar, found: set[int]) -> None:
        text = plain(value)
        if self._folded is not None:
            self._folded.find(fold(text), found)
        if self._cased is not None:
            self._cased.find(text, found)
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

    def _singly(self, have: tuple[Scalar, ...]) -> set[int]:
        # something does not work out: every leaf is asked for itself, as its definition says
        found: set[int] = set()
        faulty: list[Leaf] = []
        for number, leaf in enumerate(self._leaves):
            try:
                if holds(leaf, {self._field: have}):
                    found.add(number)
            except Exception:  # noqa: BLE001  as above
                faulty.append(leaf)
        if faulty:
            raise FaultyError(faulty)
        return found
