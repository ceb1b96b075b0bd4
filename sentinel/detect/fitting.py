"""Values that fit several comparisons on one field, the likeliest first; whoever asks checks them by `holds`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import assert_never

from sentinel.core.clock import iso
from sentinel.core.ecs import type_of
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
    Within,
    network_of,
)
from sentinel.core.wildcard import tokens
from sentinel.detect.sample import samples

EPOCH = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
"""A Monday from which times that fit are looked for."""
_HOURS = [timedelta(hours=hour) for hour in range(24)]
_DAYS = [timedelta(days=day) for day in (*range(1, 32), *range(32, 3660, 28))]
_FILLINGS = ("", " ", "x", "\\", "/", " - ")
_TEXTS = ("x", "Zz-9", "\u00e4 \u00d8")


def fitting(field: str, leaves: Sequence[Leaf], *, several: bool = True) -> Iterator[Value]:
    """Yield values of `field` of which some fit all of `leaves`, comparisons that look at it alone.

    With `several` the last is a list, of one value for each.
    """
    if not leaves:
        yield from _any(field)
        return
    if len(leaves) == 1:
        yield from _each(field, leaves[0])
        return
    for filling in _FILLINGS:
        shapes = (_shape(leaf, filling) for leaf in leaves)
        yield _typed(field, _together([shape for shape in shapes if shape], filling))
    each = [list(_each(field, leaf)) for leaf in leaves]
    yield from chain.from_iterable(zip_longest(*each, fillvalue=""))
    firsts = tuple(values[0] for values in each if values)
    if several and len(firsts) > 1:
        yield firsts


def _any(field: str) -> Iterator[Value]:
    match type_of(field):
        case "long":
            yield from (1, 4711, 0)
        case "float":
            yield from (1.5, -2.0)
        case "boolean":
            yield from (True, False)
        case "date":
            yield iso(EPOCH)
        case "ip":
            yield from ("192.0.2.7", "2001:db8::7", "198.51.100.1")
        case "keyword" | None:
            yield from _TEXTS
        case other:
            assert_never(other)


def _typed(field: str, text: str) -> Scalar:
    # as a pack would write it, if the text is one of the field's type
    match type_of(field):
        case "long" if text.lstrip("-").isdigit():
            return int(text)
        case "float" if text.lstrip("-").replace(".", "", 1).isdigit():
            return float(text)
        case "boolean" if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case "ip":
            return _address(text)
        case _:
            return text


def _address(text: str) -> str:
    # the beginning of an IPv4 address becomes a whole one
    for end in ("", "1", "2.1", "0.2.1", "::1", ".1", ".2.1", ".0.2.1"):
        try:
            ip_address(text + end)
        except ValueError:
            continue
        return text + end
    return text


def _each(field: str, leaf: Leaf) -> Iterator[Scalar]:
    match leaf:
        case Is(_, value):
            if isinstance(value, str):
                yield _typed(field, value)
            elif value is not None:
                yield value
        case Like(pattern=pattern):
            yield from (_typed(field, _written(pattern, filling)) for filling in _FILLINGS)
        case Keyword(pattern):
            yield from (_written(f"*{pattern}*", filling) for filling in _FILLINGS)
        case Matches(_, regex, flags):
            yield from samples(regex, flags)
        case Within(_, network):
            inside = network_of(network)
            yield str(inside[min(1, inside.num_addresses - 1)])
            yield str(inside.network_address)
        case Compare(_, operator, number):
            yield from {"lt": (number - 1, 0), "lte": (number,), "gt": (number + 1,), "gte": (number,)}[operator]
        case Dated(_, part):
            yield from (iso(moment) for moment in _moments(part))
        case Exists() | Same():
            for one in _any(field):
                yield one if not isinstance(one, tuple) else one[0]
        case _:
            assert_never(leaf)


def _moments(part: str) -> Iterator[datetime]:
    steps = {"minute": [timedelta(minutes=minute) for minute in range(60)], "hour": _HOURS}.get(part, _DAYS)
    yield EPOCH
    yield from (EPOCH + step for step in steps)
    yield from (EPOCH - step for step in steps)


def _written(pattern: str, filling: str) -> str:
    parts = []
    for piece in tokens(pattern):
        if piece == "*":
            parts.append(filling)
        elif piece == "?":
            parts.append("x")
        else:
            parts.append(piece[1] if piece in {"\0*", "\0?"} else piece)
    return "".join(parts)


def _shape(leaf: Leaf, filling: str) -> tuple[bool, str, bool] | None:
    # the text asked for, and whether it must begin and end there
    match leaf:
        case Is(_, str() as text):
            return True, text, True
        case Like(pattern=pattern):
            pieces = tokens(pattern)
            return pieces[:1] != ("*",), _written(pattern, filling), pieces[-1:] != ("*",)
        case Keyword(pattern):
            return False, _written(pattern, filling), False
        case Matches(_, regex, flags):
            sample = next(samples(regex, flags), None)
            return None if sample is None else (regex.startswith("^"), sample, regex.endswith("$"))
        case _:
            return None


def _together(shapes: Sequence[tuple[bool, str, bool]], filling: str) -> str:
    heads = [text for begins, text, ends in shapes if begins and not ends]
    tails = [text for begins, text, ends in shapes if ends and not begins]
    whole = [text for begins, text, ends in shapes if begins and ends]
    middle: list[str] = []
    head, tail = max(heads, key=len, default=""), max(tails, key=len, default="")
    for text in sorted((text for begins, text, ends in shapes if not begins and not ends), key=len, reverse=True):
        if not any(text.lower() in one.lower() for one in (*middle, head, tail)):
            middle.append(text)
    if whole:
        return max(whole, key=len)
    return filling.join(part for part in (head, *reversed(middle), tail) if part)
