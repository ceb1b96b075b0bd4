r"""The one predicate language: what a rule or a question asks of an event.

`Where` is a closed union. Sigma rules and responders' queries become it, each store translates it, and
`holds(where, event)` is its definition: a store that answers otherwise is wrong.

What it means, in words:

- A field has zero or more values; a leaf holds if any one value does (`Not` is plain negation of the whole).
- Text compares without regard to case, by Unicode case folding: `STRASSE` = `straße`, `ÄMTER` = `ämter`
  (`str.casefold`). `cased=True` compares code point by code point.
- Numbers compare as numbers with numbers; otherwise a value is compared by its text (`443` = `"443"`,
  true = `"true"`, 2.0 = `"2"`).
- `Is(field, None)` holds if the field is absent. An empty tuple is absent, an empty text is not.
- In `Like`, `*` is any run of characters (none too), `?` exactly one, `\\` makes the next `*`, `?` or `\\` plain;
  the pattern covers the whole text. Folding comes first, so `?` is one character of the folded text.
- `Matches` searches with RE2; its case is its own flag's affair.
- `Within` asks whether an address lies in a network; IPv4-mapped IPv6 addresses count as IPv4.
- `Compare` looks at numbers only, never at text that looks like one.
- `Dated` looks at a part of a time, in UTC; what is no time has none.
- `Same` compares two fields of the event by the rules of `Is`: some value of one equals some value of the other, or
  its text begins with it, ends with it or contains it.
- `Keyword` asks for its pattern (wildcards as in `Like`) anywhere in `message` or `event.original`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import isfinite
from typing import Literal, assert_never

from sentinel.core.event import Event, Scalar, Value
from sentinel.core.regex import compile_regex
from sentinel.core.wildcard import fold, like

FIELD = re.compile(r"[A-Za-z_@][A-Za-z0-9_@-]*(\.[A-Za-z0-9_@-]+)*")
FIELD_MAX = 256
TEXT_MAX = 32_768
KEYWORD_FIELDS = ("message", "event.original")

Operator = Literal["lt", "lte", "gt", "gte"]
TimePart = Literal["minute", "hour", "day", "week", "month", "year"]
Likeness = Literal["is", "startswith", "endswith", "contains"]
Wild = Literal["*", "?"]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def plain(value: Scalar) -> str:
    """Return the text by which `value` is compared where text is compared."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def values(value: Value | None) -> tuple[Scalar, ...]:
    """Return the values of a field as a tuple, empty if it is absent."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _checked(field: str) -> None:
    if len(field) > FIELD_MAX or not FIELD.fullmatch(field):
        msg = f"not a field name: {field[:FIELD_MAX]!r}"
        raise ValueError(msg)


def _bounded(text: str) -> None:
    if len(text) > TEXT_MAX:
        msg = f"text of more than {TEXT_MAX} characters in a condition"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Is:
    """The field has this value; None: the field is absent."""

    field: str
    value: Scalar | None
    cased: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no field name or too long."""
        _checked(self.field)
        if isinstance(self.value, str):
            _bounded(self.value)


@dataclass(frozen=True, slots=True)
class Like:
    """The field's text has this shape, `*` and `?` standing for anything."""

    field: str
    pattern: str
    cased: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no field name or too long."""
        _checked(self.field)
        _bounded(self.pattern)


@dataclass(frozen=True, slots=True)
class Matches:
    """The RE2 expression occurs in the field's text; flags out of `i`, `m`, `s`."""

    field: str
    regex: str
    flags: str = ""

    def __post_init__(self) -> None:
        """Refuse what RE2 cannot read."""
        _checked(self.field)
        compile_regex(self.regex, self.flags)


@dataclass(frozen=True, slots=True)
class Within:
    """The field is an address in this network (CIDR notation)."""

    field: str
    network: str

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        _checked(self.field)
        network_of(self.network)


@dataclass(frozen=True, slots=True)
class Compare:
    """The field is a number that stands in this relation to `number`."""

    field: str
    operator: Operator
    number: int | float

    def __post_init__(self) -> None:
        """Refuse what is no finite number."""
        _checked(self.field)
        if isinstance(self.number, bool) or not isfinite(self.number):
            msg = f"not a number to compare with: {self.number!r}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Dated:
    """A part of the field's time, in UTC, stands in this relation to `number`; `week` counts as ISO 8601 does."""

    field: str
    part: TimePart
    operator: Operator | Literal["eq"]
    number: int

    def __post_init__(self) -> None:
        """Refuse what is no field name."""
        _checked(self.field)


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str

    def __post_init__(self) -> None:
        """Refuse what is no field name."""
        _checked(self.field)


@dataclass(frozen=True, slots=True)
class Same:
    """Two fields of the event share a value, or one of `field` has one of `other` in it, where `how` says."""

    field: str
    other: str
    cased: bool = False
    how: Likeness = "is"

    def __post_init__(self) -> None:
        """Refuse what is no field name."""
        _checked(self.field)
        _checked(self.other)


@dataclass(frozen=True, slots=True)
class Keyword:
    """The pattern occurs anywhere in the line."""

    pattern: str
    cased: bool = False

    def __post_init__(self) -> None:
        """Refuse what is too long."""
        _bounded(self.pattern)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds; of none, true."""

    items: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds; of none, false."""

    items: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    item: "Where"


Leaf = Is | Like | Matches | Within | Compare | Dated | Exists | Same | Keyword
Where = Leaf | AllOf | AnyOf | Not

ALWAYS: Where = AllOf(())
NEVER: Where = AnyOf(())


def holds(where: Where, event: Event | Mapping[str, Value]) -> bool:
    """Say whether `where` holds for `event`: the definition of `Where`."""
    fields = event.fields if isinstance(event, Event) else event
    match where:
        case AllOf(items):
            return all(holds(item, fields) for item in items)
        case AnyOf(items):
            return any(holds(item, fields) for item in items)
        case Not(item):
            return not holds(item, fields)
        case Is(field, value, cased):
            have = values(fields.get(field))
            return not have if value is None else any(equal(one, value, cased=cased) for one in have)
        case Like(field, pattern, cased):
            return any(like(plain(one), pattern, cased=cased) for one in values(fields.get(field)))
        case Matches(field, regex, flags):
            search = compile_regex(regex, flags).search
            return any(search(searchable(plain(one))) is not None for one in values(fields.get(field)))
        case Within(field, network):
            return any(within(plain(one), network) for one in values(fields.get(field)))
        case Compare(field, operator, number):
            return any(compares(one, operator, number) for one in values(fields.get(field)))
        case Dated(field, part, operator, number):
            return any(dated(plain(one), part, operator, number) for one in values(fields.get(field)))
        case Exists(field):
            return bool(values(fields.get(field)))
        case Same(field, other, cased, how):
            others = values(fields.get(other))
            return any(alike(one, two, how, cased=cased) for one in values(fields.get(field)) for two in others)
        case Keyword(pattern, cased):
            anywhere = f"*{pattern}*"
            texts = (plain(value) for field in KEYWORD_FIELDS for value in values(fields.get(field)))
            return any(like(text, anywhere, cased=cased) for text in texts)
        case _:
            assert_never(where)


def searchable(text: str) -> bytes:
    """Return `text` as RE2 searches it; a lone surrogate cannot match anything an operator would write."""
    return text.encode("utf-8", "replace")


def equal(have: Scalar, want: Scalar, *, cased: bool = False) -> bool:
    """Say whether two values are equal by the rules of `Is`."""
    numbers = isinstance(have, int | float) and isinstance(want, int | float)
    if numbers and not isinstance(have, bool) and not isinstance(want, bool):
        return have == want
    one, two = plain(have), plain(want)
    return one == two if cased else fold(one) == fold(two)


def alike(have: Scalar, want: Scalar, how: Likeness, *, cased: bool) -> bool:
    """Say whether two values are equal, or the text of `have` has that of `want` in it, where `how` says."""
    if how == "is":
        return equal(have, want, cased=cased)
    one, two = (plain(have), plain(want)) if cased else (fold(plain(have)), fold(plain(want)))
    match how:
        case "startswith":
            return one.startswith(two)
        case "endswith":
            return one.endswith(two)
        case "contains":
            return two in one
        case _:
            assert_never(how)


def compares(have: Scalar, operator: Operator, number: float) -> bool:
    """Say whether the number `have` stands in the relation to `number`; text and booleans never do."""
    if isinstance(have, str | bool):
        return False
    match operator:
        case "lt":
            return have < number
        case "lte":
            return have <= number
        case "gt":
            return have > number
        case "gte":
            return have >= number
        case _:
            assert_never(operator)


def dated(text: str, part: TimePart, operator: Operator | Literal["eq"], number: int) -> bool:
    """Say whether a part of the time `text` (ISO 8601 with a zone) stands in the relation to `number`."""
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is None:
            return False
        at = given.astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    have = at.isocalendar().week if part == "week" else int(getattr(at, part))
    return have == number if operator == "eq" else compares(have, operator, number)


@lru_cache(maxsize=4096)
def network_of(text: str) -> Network:
    """Return the network `text` names (`192.0.2.0/24`, `2001:db8::/32`, one address); raises ValueError."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network((mapped, network.prefixlen - 96))
    return network


def within(text: str, network: str) -> bool:
    """Say whether `text` is an address in `network`; what is no address is in none."""
    address: Address
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    inside = network_of(network)
    return address.version == inside.version and address in inside


def leaves(where: Where) -> Iterator[Leaf]:
    """Yield every leaf of `where`, left to right."""
    match where:
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from leaves(item)
        case Not(item):
            yield from leaves(item)
        case _:
            yield where


def fields_of(where: Where) -> frozenset[str]:
    """Return the names of all fields that `where` looks at."""
    names: set[str] = set()
    for leaf in leaves(where):
        match leaf:
            case Keyword():
                names.update(KEYWORD_FIELDS)
            case Same(field, other):
                names.update((field, other))
            case _:
                names.add(leaf.field)
    return frozenset(names)
