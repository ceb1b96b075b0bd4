"""`Where` as SQL, twice: what *may* hold and what *must*.

Where SQL can be exact the two are the same text. Where it cannot (values set apart as ODD, addresses in IPv6,
expressions nested too deep …) `may` is true for more events and `must` for fewer; what lies between is judged by
`holds`. `Not` swaps the two, so a predicate stays sound however it is nested. Field names never come near the SQL:
the caller hands in expressions for the columns; values are bound parameters.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import assert_never

from sentinel.core.where import (
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Operator,
    Same,
    Where,
    Within,
    network_of,
    plain,
)
from sentinel.core.wildcard import fold, tokens
from sentinel.store.codec import ASSORTED, FLOAT, FOREIGN, INTEGER, ODDITY, SEPARATOR, SEVERAL

DEPTH_MAX = 60
LEAVES_MAX = 3000
REGEX_MAX = 2000
MANY = 8
"""More texts than this, looked for in the same field, are looked for together."""
_EXACT_BELOW = 1 << 53
_SIGNS: dict[Operator, str] = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

_Place = tuple[str, bool, str]
"""A field, whether its text is taken as it is or folded, and where in it a text is looked for (see `_ENDS`)."""
_ENDS = {"*t*": ("", ""), "t": ("^", "$"), "t*": ("^", ""), "*t": ("", "$")}
"""The shapes of patterns that hold one text, and what stands before and behind it."""


@dataclass(frozen=True, slots=True)
class Column:
    """How SQL reaches a field: its raw text (NULL if absent), that text folded, and what kinds of values occur."""

    raw: str
    folded: str
    kinds: int


ABSENT = Column("NULL", "NULL", 0)


@dataclass(frozen=True, slots=True)
class Both:
    """A condition: true for all events that may be meant, true only for events that must be."""

    may: str
    must: str


_TRUE = Both("TRUE", "TRUE")
_FALSE = Both("FALSE", "FALSE")
_UNKNOWN = Both("TRUE", "FALSE")


@dataclass(slots=True)
class Translation:
    """Translates one predicate for one kind of source; `parameters` collects the values to bind."""

    column: Callable[[str], Column]
    regex_ok: Callable[[str], bool]
    parameters: dict[str, object] = field(default_factory=dict)
    _names: dict[tuple[type, object], str] = field(default_factory=dict)
    _leaves: int = 0

    def bind(self, value: float | str) -> str:
        """Return the placeholder of a value."""
        key = (type(value), value)
        name = self._names.get(key)
        if name is None:
            name = f"w{len(self.parameters)}"
            self._names[key] = name
            self.parameters[name] = value
        return f"${name}"

    def both(self, where: Where, depth: int = 0) -> Both:
        """Return the two conditions for `where`."""
        match where:
            case AllOf(items):
                return _UNKNOWN if depth > DEPTH_MAX else self._all([self.both(item, depth + 1) for item in items])
            case AnyOf(items):
                return _UNKNOWN if depth > DEPTH_MAX else self._any([*self._either(items, depth + 1)])
            case Not(item):
                return _UNKNOWN if depth > DEPTH_MAX else _negated(self.both(item, depth + 1))
            case _:
                self._leaves += 1
                return _UNKNOWN if self._leaves > LEAVES_MAX else self._leaf(where)

    def _all(self, items: list[Both]) -> Both:
        return Both(_joined(" AND ", "TRUE", "FALSE", [item.may for item in items]),
                    _joined(" AND ", "TRUE", "FALSE", [item.must for item in items]))  # fmt: skip

    def _any(self, items: list[Both]) -> Both:
        return Both(_joined(" OR ", "FALSE", "TRUE", [item.may for item in items]),
                    _joined(" OR ", "FALSE", "TRUE", [item.must for item in items]))  # fmt: skip

    def _either(self, items: Sequence[Where], depth: int) -> Iterator[Both]:
        # many texts sought in one field are few expressions: each function of a column holds a copy of all it works on
        sought = [(item, _sought(item)) for item in items]
        texts: dict[_Place, dict[str, None]] = {}
        for _, places in sought:
            for place, text in places:
                texts.setdefault(place, {})[text] = None
        many = {place: found for place, found in texts.items() if len(found) > MANY}
        for item, places in sought:
            if not places or any(place not in many for place, _ in places):
                yield self.both(item, depth)
        for place, found in many.items():
            for expression in _alternatives(found):
                yield self._one_of(place, expression)

    def _one_of(self, place: _Place, expression: str) -> Both:
        self._leaves += 1
        if self._leaves > LEAVES_MAX:
            return _UNKNOWN
        name, cased, shape = place
        column, (before, behind) = self.column(name), _ENDS[shape]
        have = column.raw if cased else column.folded
        single = f"regexp_matches({have}, {self.bind(f'{before}(?:{expression}){behind}')})"
        before, behind = (SEPARATOR if end else "" for end in (before, behind))
        several = f"regexp_matches({have}, {self.bind(f'{before}(?:{expression}){behind}')})"
        return _by_kind(column, Both(single, single), Both(several, several))

    def _leaf(self, where: Is | Like | Matches | Within | Compare | Dated | Exists | Same | Keyword) -> Both:
        match where:
            case Is(name, None):
                return _negated(_exists(self.column(name)))
            case Is(name, value, cased):
                assert value is not None  # noqa: S101  the case above took it
                return self._is(self.column(name), plain(value), cased=cased)
            case Like(name, pattern, cased):
                return self._like(self.column(name), pattern, cased=cased)
            case Matches(name, regex, flags):
                return self._matches(self.column(name), f"(?{flags}){regex}" if flags else regex)
            case Within(name, network):
                return self._within(self.column(name), network)
            case Compare(name, operator, number):
                return self._compare(self.column(name), operator, number)
            case Dated(name):
                return Both(_exists(self.column(name)).may, "FALSE")
            case Exists(name):
                return _exists(self.column(name))
            case Same(name, other, how="startswith" | "endswith" | "contains"):
                return Both(self._all([_exists(self.column(one)) for one in (name, other)]).may, "FALSE")
            case Same(name, other, cased):
                return _same(self.column(name), self.column(other), cased=cased)
            case Keyword(pattern, cased):
                anywhere = f"*{pattern}*"
                return self._any([self._like(self.column(name), anywhere, cased=cased) for name in KEYWORD_FIELDS])
            case _:
                assert_never(where)

    def _is(self, column: Column, text: str, *, cased: bool) -> Both:
        have, want = (column.raw, text) if cased else (column.folded, fold(text))
        several = "FALSE"
        if column.kinds & SEVERAL and SEPARATOR not in want:
            several = f"contains({have}, {self.bind(SEPARATOR + want + SEPARATOR)})"
        return _by_kind(column, Both(*[f"{have} = {self.bind(want)}"] * 2), Both(several, several))

    def _like(self, column: Column, pattern: str, *, cased: bool) -> Both:
        have = column.raw if cased else column.folded
        pieces = _pieces(pattern, cased=cased)
        literals = [piece.text for piece in pieces if piece.text]
        expression = "".join(piece.regex(".") for piece in pieces)
        if len(expression) > REGEX_MAX and len(pieces) > 1:
            longest = max(literals, key=len, default="")
            single = several = Both(f"contains({have}, {self.bind(longest)})", "FALSE")
            return _by_kind(column, single, several)
        single = Both(*[self._single(have, pieces, expression)] * 2)
        several = _FALSE
        if column.kinds & SEVERAL and not any(SEPARATOR in text for text in literals):
            inside = SEPARATOR + "".join(piece.regex(f"[^{SEPARATOR}]") for piece in pieces) + SEPARATOR
            found = f"regexp_matches({have}, {self.bind('(?s)' + inside)})"
            if len(pieces) == 1 and literals:
                found = f"contains({have}, {self.bind(SEPARATOR + literals[0] + SEPARATOR)})"
            elif _shape(pieces) == "*t*":
                found = f"contains({have}, {self.bind(literals[0])})"
            several = Both(found, found)
        return _by_kind(column, single, several)

    def _single(self, have: str, pieces: "list[_Piece]", expression: str) -> str:
        text = next((piece.text for piece in pieces if piece.text), "")
        match _shape(pieces):
            case "" | "t":
                return f"{have} = {self.bind(text)}"
            case "*":
                return f"{have} IS NOT NULL"
            case "*t*":
                return f"contains({have}, {self.bind(text)})"
            case "t*":
                return f"starts_with({have}, {self.bind(text)})"
            case "*t":
                return f"ends_with({have}, {self.bind(text)})"
            case _:
                return f"regexp_full_match({have}, {self.bind('(?s)' + expression)})"

    def _matches(self, column: Column, regex: str) -> Both:
        if not self.regex_ok(regex):
            return Both(_exists(column).may, "FALSE")
        found = f"regexp_matches({column.raw}, {self.bind(regex)})"
        single = Both(found, found)
        if column.kinds & FOREIGN:
            # two builds of RE2 may know different editions of Unicode
            foreign = f"length({column.raw}) <> strlen({column.raw})"
            single = Both(f"({foreign} OR {found})", f"(NOT ({foreign}) AND {found})")
        return _by_kind(column, single, _UNKNOWN)

    def _within(self, column: Column, text: str) -> Both:
        network = network_of(text)
        if not isinstance(network, IPv4Network):
            some = Both(f"contains({column.raw}, ':')", "FALSE")
            return _by_kind(column, some, some)
        expression = _network_regex(network)
        mapped = f"contains({column.folded}, 'ffff')"  # as every IPv4-mapped address does
        single = f"regexp_full_match({column.raw}, {self.bind(expression)})"
        several = f"regexp_matches({column.raw}, {self.bind(SEPARATOR + '(?:' + expression + ')' + SEPARATOR)})"
        return _by_kind(column, Both(f"({single} OR {mapped})", single), Both(f"({several} OR {mapped})", several))

    def _compare(self, column: Column, operator: Operator, number: float) -> Both:
        several = _UNKNOWN if column.kinds & ASSORTED else _FALSE
        if not column.kinds & (INTEGER | FLOAT):
            return _by_kind(column, _FALSE, several)
        if abs(number) >= _EXACT_BELOW:  # beyond, integers and floating point numbers part
            return _by_kind(column, _UNKNOWN, several)
        found = f"TRY_CAST({column.raw} AS DOUBLE) {_SIGNS[operator]} {self.bind(float(number))}"
        numbers_only = not column.kinds & ~(INTEGER | FLOAT | SEVERAL | ASSORTED | ODDITY)
        return _by_kind(column, Both(found, found if numbers_only else "FALSE"), several)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a pattern: literal text, or wild."""

    text: str = ""
    wild: str = ""

    def regex(self, any_character: str) -> str:
        if self.wild:
            return any_character + ("*" if self.wild == "*" else "")
        return "".join(char if char.isalnum() or ord(char) > 127 else f"\\x{{{ord(char):x}}}" for char in self.text)


def _pieces(pattern: str, *, cased: bool) -> list[_Piece]:
    pieces: list[_Piece] = []
    for token in tokens(pattern):
        if token in {"*", "?"}:
            pieces.append(_Piece(wild=token))
            continue
        literal = token[1] if token in {"\0*", "\0?"} else token
        literal = literal if cased else fold(literal)
        if pieces and pieces[-1].text:
            literal = pieces.pop().text + literal
        pieces.append(_Piece(text=literal))
    return pieces


def _shape(pieces: list[_Piece]) -> str:
    return "".join(piece.wild or "t" for piece in pieces)


def _sought(where: Where) -> list[tuple[_Place, str]]:
    """Return what text is looked for where in which fields, if that is all that `where` asks."""
    match where:
        case Is(name, value, cased) if value is not None:
            text = plain(value)
            names: Sequence[str] = (name,)
            pieces = [_Piece(text if cased else fold(text))]
        case Like(name, pattern, cased):
            names, pieces = (name,), _pieces(pattern, cased=cased)
        case Keyword(pattern, cased):
            names, pieces = KEYWORD_FIELDS, _pieces(f"*{pattern}*", cased=cased)
        case _:
            return []
    shape, text = _shape(pieces), "".join(piece.text for piece in pieces)
    fits = shape in _ENDS and text and SEPARATOR not in text and len(_literally(text)) <= REGEX_MAX
    return [((name, cased, shape), text) for name in names] if fits else []


def _literally(text: str) -> str:
    return _Piece(text).regex("")


def _alternatives(texts: Iterable[str]) -> Iterator[str]:
    # expressions that are found where one of the texts is
    some: list[str] = []
    for text in map(_literally, texts):
        if some and sum(map(len, some)) + len(some) + len(text) > REGEX_MAX:
            yield "|".join(some)
            some = []
        some.append(text)
    yield "|".join(some)


def _negated(both: Both) -> Both:
    return Both(_not(both.must), _not(both.may))


def _not(condition: str) -> str:
    match condition:
        case "TRUE":
            return "FALSE"
        case "FALSE":
            return "TRUE"
        case _:
            return f"(NOT {condition})"


def _joined(word: str, neutral: str, deciding: str, conditions: list[str]) -> str:
    wanted = list(dict.fromkeys(condition for condition in conditions if condition != neutral))
    if deciding in wanted:
        return deciding
    return "(" + word.join(wanted) + ")" if wanted else neutral


def _exists(column: Column) -> Both:
    if column is ABSENT:
        return _FALSE
    have = f"({column.raw} IS NOT NULL)"
    return Both(have, f"coalesce({column.raw} <> chr(31), FALSE)") if column.kinds & ODDITY else Both(have, have)


def _by_kind(column: Column, single: Both, several: Both) -> Both:
    """Put together the conditions for single and several values; never NULL, so that NOT means not."""
    if column is ABSENT:
        return _FALSE
    return Both(_case(column, single.may, several.may, "TRUE"), _case(column, single.must, several.must, "FALSE"))


def _case(column: Column, single: str, several: str, odd: str) -> str:
    cases = f"WHEN starts_with({column.raw}, chr(30)) THEN {several} " if column.kinds & SEVERAL else ""
    if column.kinds & ODDITY:
        cases += f"WHEN {column.raw} = chr(31) THEN {odd} "
    if cases:
        return f"coalesce(CASE WHEN {column.raw} IS NULL THEN FALSE {cases} ELSE {single} END, FALSE)"
    if single == "FALSE":
        return single
    return f"({column.raw} IS NOT NULL)" if single == "TRUE" else f"coalesce({single}, FALSE)"


def _same(one: Column, two: Column, *, cased: bool) -> Both:
    if one is ABSENT or two is ABSENT:
        return _FALSE
    equal = f"{one.raw} = {two.raw}" if cased else f"{one.folded} = {two.folded}"
    special = [
        f"starts_with({column.raw}, chr(30)) OR {column.raw} = chr(31)"
        for column in (one, two)
        if column.kinds & (SEVERAL | ODDITY)
    ]
    if not special:
        return Both(*[f"coalesce({equal}, FALSE)"] * 2)
    unclear = " OR ".join(special)
    absent = f"{one.raw} IS NULL OR {two.raw} IS NULL"
    template = f"CASE WHEN {absent} THEN FALSE WHEN {unclear} THEN %s ELSE coalesce({equal}, FALSE) END"
    return Both(template % "TRUE", template % "FALSE")


def _network_regex(network: IPv4Network) -> str:
    low, high = network.network_address.packed, network.broadcast_address.packed
    octets = []
    for first, last in zip(low, high, strict=True):
        if first == last:
            octets.append(str(first))
        elif (first, last) == (0, 255):
            octets.append(_OCTET)
        else:
            octets.append("(?:" + "|".join(str(number) for number in range(first, last + 1)) + ")")
    return "[.]".join(octets)
