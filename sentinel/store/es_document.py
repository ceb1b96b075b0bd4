"""An event as the document Elasticsearch gets and gives back: its fields as they are, and what makes them findable."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from math import copysign, isfinite
from typing import Any

import orjson

from sentinel.core.ecs import several
from sentinel.core.event import Event, Scalar, Value
from sentinel.core.where import FIELD_MAX, plain
from sentinel.core.wildcard import fold
from sentinel.store import es_mapping as es
from sentinel.store.codec import micros, moment_of

_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_DOUBLE_WHOLE_MAX = 1 << 53
"""Up to here a double holds every whole number."""
_NAMES_MAX = 16_384
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
WORD = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff]+")
"""A word of the line: ASCII letters, digits and whatever is not ASCII; decided character by character."""
_NO_WORD = bytes(byte if byte >= 128 or WORD.fullmatch(chr(byte)) else 32 for byte in range(256))


class UnstorableError(ValueError):
    """The event can never be written as a document; the text says why."""


@dataclass(slots=True)
class _Marks:
    """What makes one event findable beside its own fields."""

    pairs: list[str] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    hidden: bool = False  # some name cannot stand in a document


Place = Callable[[_Marks, str, Scalar], None]
"""Notes what makes one value of a field findable; one function for each kind of field."""


def encode(event: Event) -> bytes:
    """Return the event's document as JSON; raises UnstorableError."""
    marks = _Marks()
    fields = dict(event.fields)
    for name, value in fields.items():
        place = _PLACES[name]
        if type(value) is tuple:
            if not several(name):  # fields meant for several values are never counted by the index
                marks.loose.add(name)
            if place is _place_nowhere:
                marks.hidden = True
            for one in value:
                place(marks, name, one)
        else:
            place(marks, name, value)  # type: ignore[arg-type]  # mypy does not narrow by type()
    document: dict[str, Any] = _carried(fields) if marks.hidden else fields
    document[es.AT] = micros(event.timestamp)
    document[es.IN] = micros(event.ingested)
    document[es.SEQ] = event.seq
    if marks.pairs:
        document[es.PAIRS] = marks.pairs
    marks.words.discard("")
    if marks.words:
        document[es.WORDS] = list(marks.words)
    if marks.odd:
        document[es.ODD] = list(marks.odd)
    if marks.loose:
        document[es.LOOSE] = list(marks.loose)
    if not 0 <= event.seq <= _LONG_MAX:
        raise UnstorableError(f"sequence out of range: {event.seq}")
    try:
        return orjson.dumps(document)
    except TypeError as error:
        raise UnstorableError(f"cannot be written as JSON: {error}") from error


def _place_text(marks: _Marks, name: str, value: Scalar) -> None:
    if isinstance(value, str):
        if len(value) > es.TERM_MAX:
            marks.odd.add(name)
        elif (folded := value.casefold()) != value:
            marks.pairs.append(f"{name}={folded}")
        return
    marks.loose.add(name)
    if isinstance(value, float):  # Elasticsearch writes numbers its own way
        _finite(name, value)
        marks.odd.add(name)


def _place_pair(marks: _Marks, name: str, value: Scalar) -> None:
    if not isinstance(value, str):
        _finite(name, value)
        marks.loose.add(name)
        marks.pairs.append(f"{name}={fold(plain(value))}")
    elif len(value) > es.TERM_MAX:
        marks.odd.add(name)
    else:
        marks.pairs.append(f"{name}={value.casefold()}")


def _place_line(marks: _Marks, name: str, value: Scalar) -> None:
    marks.pairs.append(f"{name}=")
    if not isinstance(value, str):
        _finite(name, value)
        marks.odd.add(name)
        return
    folded = value.casefold()
    try:
        # what WORD finds, in an eighth of the time
        words = set(folded.encode().translate(_NO_WORD).decode().split(" "))
    except UnicodeEncodeError as error:
        raise UnstorableError(f"{name} is not text that can be written: {error.reason}") from error
    if len(folded) > es.WORD_MAX and max(map(len, words)) > es.WORD_MAX:
        marks.odd.add(name)
        words = {word for word in words if len(word) <= es.WORD_MAX}
    marks.words |= words


def _place_long(marks: _Marks, name: str, value: Scalar) -> None:
    if type(value) is not int or not _LONG_MIN <= value <= _LONG_MAX:
        _finite(name, value)
        marks.odd.add(name)


def _place_double(marks: _Marks, name: str, value: Scalar) -> None:
    _finite(name, value)
    if type(value) is int and abs(value) <= _DOUBLE_WHOLE_MAX:
        marks.loose.add(name)  # comes back as a float
    elif type(value) is not float or (value == 0 and copysign(1, value) < 0):
        marks.odd.add(name)  # for Elasticsearch -0.0 is less than 0.0


def _place_boolean(marks: _Marks, name: str, value: Scalar) -> None:
    if not isinstance(value, bool):
        _finite(name, value)
        marks.odd.add(name)


def _place_date(marks: _Marks, name: str, value: Scalar) -> None:
    if not is_date(value):
        _finite(name, value)
        marks.odd.add(name)


def _place_address(marks: _Marks, name: str, value: Scalar) -> None:
    if not isinstance(value, str) or not _is_address(value):
        _finite(name, value)
        marks.odd.add(name)


def _place_nowhere(marks: _Marks, name: str, value: Scalar) -> None:
    _finite(name, value)
    marks.hidden = True
    if len(name) <= FIELD_MAX:
        marks.odd.add(name)


def _finite(name: str, value: Scalar) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise UnstorableError(f"{name} is no finite number")


_BY_KIND: dict[es.Kind, Place] = {
    "keyword": _place_text,
    "long": _place_long,
    "double": _place_double,
    "boolean": _place_boolean,
    "date": _place_date,
    "ip": _place_address,
    "line": _place_line,
    "pair": _place_pair,
    "hidden": _place_nowhere,
}


class _Places(dict[str, Place]):
    """What to do with a field, by its name; forgets when names become too many, for senders make them up."""

    def __missing__(self, name: str) -> Place:
        if len(self) >= _NAMES_MAX:
            self.clear()
        place = self[name] = _BY_KIND[es.kind_of(name)]
        return place


_PLACES = _Places()


def is_date(value: Scalar) -> bool:
    """Say whether `value` is a time as `clock.iso` writes it."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=65_536)
def _is_address(text: str) -> bool:
    # only as Python writes it, so that text and address are one
    try:
        return str(ip_address(text)) == text and "%" not in text
    except ValueError:
        return False


def _carried(fields: Mapping[str, Value]) -> dict[str, Value]:
    # the whole event as text, beside those fields whose names may stand in a document
    named = {name: value for name, value in fields.items() if _PLACES[name] is not _place_nowhere}
    named[es.EXACT] = json.dumps(fields, ensure_ascii=False)
    return named


def decode(ident: str, source: dict[str, Any]) -> Event:
    """Return the event whose document `source` is, and which it becomes."""
    seq, happened, arrived = source.pop(es.SEQ), moment_of(source.pop(es.AT)), moment_of(source.pop(es.IN))
    if es.EXACT in source:
        fields = json.loads(source[es.EXACT])
    else:
        fields = source
        for name in (es.PAIRS, es.WORDS, es.ODD, es.LOOSE):
            fields.pop(name, None)
    for name in [name for name, value in fields.items() if type(value) is list]:
        fields[name] = tuple(fields[name])
    return Event(ident, seq, happened, arrived, fields)
