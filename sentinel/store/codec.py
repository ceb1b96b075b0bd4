"""An event as one line of JSON, and back, with what SQL needs to compare its values as `holds` does.

A line is `{"seq", "id", "ts", "ing", "f", "r"?, "c"?}`: times in microseconds since 1970, `f` the fields as they are.
SQL compares one text per field, its *raw* text, and that text folded:

- `r` holds the raw text of values whose JSON does not say it: floating point numbers, several values (each between
  two SEPARATORs), and ODD alone for what SQL shall not judge (NULs, separators inside a value, no values at all);
- `c` holds the folded text of values that are not ASCII; the others fold by `lower`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import orjson

from sentinel.core.event import Event, Scalar, Value
from sentinel.core.where import plain

SEPARATOR = "\x1e"
ODD = "\x1f"
LINE_BYTES_MAX = 4 << 20
SHAPES_MAX = 4096

TEXT, INTEGER, FLOAT, BOOLEAN = 1, 2, 4, 8
SEVERAL = 16  # more than a single value
FOREIGN = 32  # some text is not ASCII
ODDITY = 64  # some value SQL shall not judge
ASSORTED = 128  # several values, not all of them text
EVERY_KIND = 255

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MICROSECONDS = 86_400_000_000
_SEQ_MAX = (1 << 63) - 1


@dataclass(slots=True, eq=False)
class Shape:
    """What all events with the same field names and value types have in common."""

    kinds: dict[str, int]
    several: tuple[str, ...]
    floats: tuple[str, ...]
    texts: tuple[str, ...]
    refused: str = ""


@dataclass(slots=True)
class Census:
    """Which fields a segment has, how often, and of which kinds."""

    shapes: dict[Shape, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)

    def fields(self) -> dict[str, tuple[int, int]]:
        """Return for each field the number of events that have it and its kinds."""
        found: dict[str, tuple[int, int]] = {}
        for shape, times in list(self.shapes.items()):
            for name, kinds in shape.kinds.items():
                count, before = found.get(name, (0, self.marks.get(name, 0)))
                found[name] = (count + times, before | kinds)
        return found


def micros(moment: datetime) -> int:
    """Return microseconds since 1970; raises TypeError if `moment` has no zone."""
    since = moment - EPOCH
    return since.days * _DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds


def moment_of(microseconds: int) -> datetime:
    """Return the moment (UTC) that many microseconds after 1970."""
    return EPOCH + timedelta(0, 0, microseconds)  # by position: this runs twice an event


def day_of(microseconds: int) -> int:
    """Return the UTC day of a moment, counted from 1970-01-01."""
    return microseconds // _DAY_MICROSECONDS


def decode(line: bytes | str) -> Event:
    """Return the event a line holds; raises ValueError, KeyError or TypeError if it holds none."""
    whole = orjson.loads(line)
    ident: str = whole["id"]
    fields: dict[str, Any] = whole["f"]
    if type(ident) is not str or type(fields) is not dict:
        raise ValueError("no event")
    for name in whole.get("r", ()):
        value = fields[name]
        if isinstance(value, list):
            fields[name] = tuple(value)
    ts, ingested = whole["ts"], whole["ing"]
    try:
        happened = moment_of(ts)
        arrived = happened if ts == ingested else moment_of(ingested)
    except OverflowError as error:
        raise ValueError("a time beyond the calendar") from error
    return Event(ident, whole["seq"], happened, arrived, fields)


class Encoder:
    """Turns events into lines; remembers shapes, so that the usual event costs one look-up."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[tuple[str, ...], tuple[type, ...]], Shape] = {}

    def encode(self, event: Event, ts: int, ingested: int, census: Census) -> bytes:
        """Return the event's line, newline included; raises ValueError with the reason if it cannot be kept."""
        fields = event.fields if isinstance(event.fields, dict) else dict(event.fields)
        key = (tuple(fields), tuple(map(type, fields.values())))
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._learn(key, fields)
        if shape.refused:
            raise ValueError(shape.refused)
        raw = _raw_texts(shape, fields, census) if shape.several or shape.floats else {}
        try:
            body = orjson.dumps(fields)
            ident = orjson.dumps(event.id)
        except TypeError as error:
            raise ValueError(f"cannot be written as JSON: {error}") from error
        folded = {} if body.isascii() else _folded_texts(shape, fields, raw, census)
        if b"\\u00" in body:
            _set_odd_apart(fields, raw, folded, census)
        extra = b""
        if raw:
            extra = b',"r":' + orjson.dumps(raw)
        if folded:
            extra += b',"c":' + orjson.dumps(folded)
        line = b'{"seq":%d,"id":%b,"ts":%d,"ing":%d,"f":%b%b}\n' % (event.seq, ident, ts, ingested, body, extra)
        if len(line) > LINE_BYTES_MAX:
            raise ValueError(f"larger than {LINE_BYTES_MAX} bytes")
        if not 0 <= event.seq <= _SEQ_MAX:
            raise ValueError(f"sequence out of range: {event.seq}")
        census.shapes[shape] = census.shapes.get(shape, 0) + 1
        return line

    def note(self, event: Event, census: Census) -> None:
        """Count an event that is in the segment already."""
        self.encode(event, 0, 0, census)

    def _learn(self, key: tuple[tuple[str, ...], tuple[type, ...]], fields: Mapping[str, Value]) -> Shape:
        kinds: dict[str, int] = {}
        refused = ""
        for name, value in fields.items():
            kind = SEVERAL if isinstance(value, tuple) else _kind(value)
            if not kind:
                refused = f"field {str(name)[:100]!r} holds a {type(value).__name__}"
            kinds[name] = kind
        shape = Shape(
            kinds,
            tuple(name for name, kind in kinds.items() if kind == SEVERAL),
            tuple(name for name, kind in kinds.items() if kind == FLOAT),
            tuple(name for name, kind in kinds.items() if kind == TEXT),
            refused,
        )
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        self._shapes[key] = shape
        return shape


def _kind(value: object) -> int:
    match value:
        case str():
            return TEXT
        case bool():
            return BOOLEAN
        case int():
            return INTEGER
        case float():
            return FLOAT
        case _:
            return 0


def _raw_texts(shape: Shape, fields: Mapping[str, Value], census: Census) -> dict[str, str]:
    raw: dict[str, str] = {}
    for name in shape.several:
        have = fields[name]
        assert isinstance(have, tuple)  # noqa: S101  by the shape
        try:
            text = SEPARATOR.join(have)  # type: ignore[arg-type]  # what is no text raises, and is rare
        except TypeError:
            text = _joined(name, have)
            census.marks[name] = census.marks.get(name, 0) | ASSORTED
        if not have or text.count(SEPARATOR) != len(have) - 1:
            raw[name] = ODD
            census.marks[name] = census.marks.get(name, 0) | ODDITY
        else:
            raw[name] = SEPARATOR + text + SEPARATOR
    for name in shape.floats:
        value = fields[name]
        if not isinstance(value, float) or not isfinite(value):
            raise ValueError(f"field {name!r} holds {value!r}, which is no finite number")
        raw[name] = plain(value)
    return raw


def _joined(name: str, have: tuple[Scalar, ...]) -> str:
    for one in have:
        if not _kind(one) or (isinstance(one, float) and not isfinite(one)):
            raise ValueError(f"field {name!r} holds {str(one)[:100]!r}, which is no value")
    return SEPARATOR.join(plain(one) for one in have)


def _folded_texts(shape: Shape, fields: Mapping[str, Value], raw: Mapping[str, str], census: Census) -> dict[str, str]:
    folded: dict[str, str] = {}
    for name in shape.texts:
        value = fields[name]
        if isinstance(value, str) and not value.isascii():
            folded[name] = value.casefold()
    for name, text in raw.items():
        if not text.isascii():
            folded[name] = text.casefold()
    for name in folded:
        census.marks[name] = census.marks.get(name, 0) | FOREIGN
    return folded


def _set_odd_apart(fields: Mapping[str, Value], raw: dict[str, str], folded: dict[str, str], census: Census) -> None:
    for name, value in fields.items():
        texts = value if isinstance(value, tuple) else (value,)
        for text in texts:
            if isinstance(text, str) and ("\0" in text or text.startswith((SEPARATOR, ODD))):
                raw[name] = ODD
                folded.pop(name, None)
                census.marks[name] = census.marks.get(name, 0) | ODDITY
