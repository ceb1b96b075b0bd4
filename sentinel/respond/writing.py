"""A predicate as the query that asks for it, the inverse of `language`: so a number can lead to what it counts."""

import re
from typing import assert_never

from sentinel.core.where import (
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
from sentinel.core.wildcard import tokens

_BARE = re.compile(r"[A-Za-z0-9_.@+-]+")
_WORDS = frozenset({"and", "or", "not", "last", "since", "until", "null"})
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_IN_A_WORD = re.compile(r"([ ()\":])")
_KINDS = (AllOf, AnyOf, Not)


def written(where: Where) -> str | None:
    """Return the query that means `where`, None if the language has no words for a part of it."""
    match where:
        case AllOf(items) | AnyOf(items):
            parts = [written(one) for one in items]
            word = " and " if isinstance(where, AllOf) else " or "
            if not items or None in parts:
                return None
            inner = (
                f"({text})" if isinstance(one, AllOf | AnyOf) and len(parts) > 1 else text
                for one, text in zip(items, parts, strict=True)
            )
            return word.join(filter(None, inner))
        case Not(item):
            text = written(item)
            if text is None:
                return None
            return f"not ({text})" if isinstance(item, _KINDS) else f"not {text}"
        case _:
            return _leaf(where)


def _leaf(leaf: Leaf) -> str | None:
    match leaf:
        case Is(field, None):
            return f"{field}:null"
        case Is(field, str() | int() | float() as value, False):
            return f"{field}:{as_value(plain(value))}"
        case Like(field, pattern, False):
            word = _pattern(pattern)
            return None if word is None else f"{field}:{word}"
        case Matches(field, regex, flags) if not re.search(r"/|\\$", regex):
            return f"{field}:/{regex}/{flags}"
        case Within(field, network) if "/" in network:
            return f"{field}:" + _IN_A_WORD.sub(r"\\\1", network)
        case Compare(field, operator, number) if re.fullmatch(r"[+-]?\d+(\.\d+)?", str(number)):
            return f"{field}{_SIGNS[operator]}{number}"
        case Exists(field):
            return f"{field}:*"
        case Keyword(pattern, False):
            pieces = tokens(pattern)
            if {"*", "?"} & set(pieces) or not pieces:
                return None
            return _quoted("".join(one.removeprefix("\0") for one in pieces))
        case Is() | Like() | Matches() | Within() | Compare() | Dated() | Same() | Keyword():
            return None
        case _:
            assert_never(leaf)


def as_value(text: str) -> str:
    """Return a value as it is written behind a field's name, in quotes where it has to be."""
    bare = _BARE.fullmatch(text) and text.lower() not in _WORDS
    return text if bare else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(pattern: str) -> str | None:
    # a word ends at a blank, a bracket or a quote; whatever else there is would not be read as one
    pieces = tokens(pattern)
    if pieces == ("*",) or not {"*", "?"} & set(pieces) or re.search(r"\s|/", pattern) or pattern.startswith("["):
        return None
    return _IN_A_WORD.sub(r"\\\1", pattern)
