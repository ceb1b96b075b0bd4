"""Near misses: an event changed only where one comparison looks, just enough that an engine could get it wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import assert_never

from sentinel.core.clock import iso
from sentinel.core.event import Fields, Scalar, Value
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
    fields_of,
    network_of,
    values,
)

LENGTH_MAX = 4096
"""Longer texts are not spelt anew."""
_ALIKE = {"s": "\u017f", "S": "\u017f", "k": "\u212a", "K": "\u212a", "\u00df": "ss", "\u00e4": "\u00c4"}
"""Characters, and others that fold to the same."""
_WILD = {"*": "x", "?": "x", "%": "x", "_": "x", ".": "x", "\\": "/"}
"""Characters that some query language takes for wildcards or escapes."""


def nearby(leaf: Leaf, fields: Fields) -> Iterator[tuple[str, Fields]]:
    """Yield (what was done, the changed fields) for an event in which `leaf` decides."""
    for field in sorted(fields_of(leaf)):
        have = fields.get(field)
        if have is None:
            continue
        yield f"{field} missing", {name: value for name, value in fields.items() if name != field}
        each = values(have)
        for what, changed in _changed(leaf, each[0]):
            rest = each[1:]
            value: Value = (changed, *rest) if rest else changed
            yield f"{field} with {what}", {**fields, field: value}
        yield f"{field} with several values", {**fields, field: ("zz-other", *each)}
        yield f"{field} with no value in its list", {**fields, field: ()}
    if isinstance(leaf, Keyword) and "message" in fields:
        moved = {name: value for name, value in fields.items() if name != "message"}
        yield "the keyword in event.original", {**moved, "event.original": fields["message"]}


def _changed(leaf: Leaf, value: Scalar) -> Iterator[tuple[str, Scalar]]:
    match leaf:
        case Is() | Like() | Matches() | Keyword() | Same():
            yield from _texts(value)
        case Within(_, network):
            yield from _addresses(network, str(value))
        case Compare(_, _, number):
            yield "its bound", number
            yield "one below its bound", number - 1
            yield "one above its bound", number + 1
            yield "its bound as text", str(number)
            yield "a little above its bound", number + 0.5
        case Dated(_, part):
            yield from _times(part, str(value))
        case Exists():
            yield "empty text", ""
        case _:
            assert_never(leaf)


def _texts(value: Scalar) -> Iterator[tuple[str, Scalar]]:
    if not isinstance(value, str):
        if not isinstance(value, bool):
            yield "the number beside", value + 1
        yield "its value as text", str(value)
        return
    if len(value) > LENGTH_MAX:
        return
    yield "case flipped", value.swapcase()
    yield "more at its end", value + "x"
    yield "more at its beginning", "x" + value
    yield "its last character missing", value[:-1]
    yield "its first character missing", value[1:]
    middle = len(value) // 2
    yield "a line break inside", value[:middle] + "\n" + value[middle:]
    if (at := next((at for at, char in enumerate(value) if char in _ALIKE), None)) is not None:
        yield "a character that folds to the same", value[:at] + _ALIKE[value[at]] + value[at + 1 :]
    for char in dict.fromkeys(one for one in value if one in _WILD):
        yield f"another character for {char}", value.replace(char, _WILD[char], 1)
    yield "a character of two bytes", value[:middle] + "\u00e9" + value[middle:]


def _addresses(network: str, value: str) -> Iterator[tuple[str, str]]:
    inside = network_of(network)
    first, last = inside.network_address, inside.broadcast_address
    yield "the network's first address", str(first)
    yield "the network's last address", str(last)
    if int(first) > 0:
        yield "the address before the network", str(type(first)(int(first) - 1))
    if int(last) < 2**last.max_prefixlen - 1:
        yield "the address behind the network", str(type(last)(int(last) + 1))
    if inside.version == 4:
        yield "the address as IPv6 writes it", f"::ffff:{first}"
    yield "no address", value + "x"


def _times(part: str, value: str) -> Iterator[tuple[str, str]]:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return
    step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}.get(part, timedelta(days=1))
    step = {"week": timedelta(weeks=1), "month": timedelta(days=31), "year": timedelta(days=366)}.get(part, step)
    yield f"the {part} before", iso(moment - step)
    yield f"the {part} after", iso(moment + step)
    yield "another zone's clock", value.replace("Z", "+05:30")
    yield "no zone", value.removesuffix("Z")
