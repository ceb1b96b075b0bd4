"""Answering questions from segments, whoever writes them meanwhile.

Nothing is remembered between questions but what cannot change: each begins with the list of files there are. If one
of them vanishes on the way (sealed, or dropped by retention) the question is asked anew.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TypeVar

import orjson

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Span
from sentinel.core.where import Where, fields_of, holds
from sentinel.store.codec import BOOLEAN, FOREIGN, INTEGER, SEPARATOR, SEVERAL, TEXT, decode, micros
from sentinel.store.engine import Engine, EngineError, Problem, Row
from sentinel.store.sealing import HOT, Schema, Source, literal, load_schema, source_sql
from sentinel.store.segments import Segment, listing
from sentinel.store.tail import Tail
from sentinel.store.where_sql import ABSENT, Both, Translation

ATTEMPTS_MAX = 50
AHEAD_EVENTS = 8192
SCHEMAS_MAX = 20_000
_BATCH_MAX = 64
_Answer = TypeVar("_Answer")


class _VanishedError(Exception):
    """A segment is no longer where the list said."""


@dataclass(slots=True)
class _Ahead:
    """Lines of a sealed segment read ahead: `(seq, line)` for all sequences in `(after, through]`."""

    after: int
    through: int
    rows: list[Row]


class Reader:
    """Searches, counts and reads on in the segments below `folder`."""

    def __init__(self, folder: Path, engine: Engine, damaged: Callable[[Problem], None]) -> None:
        self._folder = folder
        self._engine = engine
        self._report = damaged
        self._schemas: OrderedDict[str, Schema] = OrderedDict()
        self._tails: dict[str, Tail] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._broken: set[str] = set()
        self._lock = Lock()

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Answer `Store.search`."""
        return self._asked(lambda segments: self._search(segments, where, span, limit)) if limit > 0 else []

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Answer `Store.tally`."""
        return self._asked(lambda segments: self._tally(segments, where, span, by, limit)) if limit > 0 else []

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Answer `Store.since`."""
        return self._asked(lambda segments: self._since(segments, cursor, until, limit)) if limit > 0 else []

    def newest(self) -> int:
        """Answer `Store.newest`."""
        return self._asked(
            lambda segments: max(
                (one.extent.seq[1] if one.extent else self._tail(one).newest() for one in segments), default=0
            )
        )

    def _asked(self, question: Callable[[list[Segment]], _Answer]) -> _Answer:
        for _ in range(ATTEMPTS_MAX):
            segments = [one for one in listing(self._folder) if one.name not in self._broken]
            self._forget_all_but({one.name for one in segments})
            try:
                return question(segments)
            except (FileNotFoundError, _VanishedError):
                continue
        raise StoreError(f"segments in {self._folder} vanish faster than they can be read; is retention too short?")

    def _forget_all_but(self, names: set[str]) -> None:
        with self._lock:
            for known in (self._tails, self._ahead):
                for name in [name for name in known if name not in names]:
                    del known[name]  # type: ignore[attr-defined]  # both are dicts by name

    def _tail(self, segment: Segment) -> Tail:
        with self._lock:
            return self._tails.setdefault(segment.name, Tail(self._folder / segment.name))

    # -- search

    def _search(self, segments: list[Segment], where: Where, span: Span, limit: int) -> list[Event]:
        relevant = sorted(_overlapping(segments, span), key=lambda one: _latest(one, span), reverse=True)
        found: list[tuple[int, int, int, str]] = []
        at, width = 0, 1
        while at < len(relevant):
            if len(found) >= limit and _latest(relevant[at], span) < found[-1][0]:
                break
            for group in self._groups(relevant[at : at + width], where, ()):
                found += self._latest_of(group, where, span, limit)
            found = sorted(found, key=lambda row: row[:3], reverse=True)[:limit]
            at, width = at + width, min(width * 2, _BATCH_MAX)
        return [decode(row[3]) for row in found]

    def _latest_of(self, group: "_Group", where: Where, span: Span, limit: int) -> list[tuple[int, int, int, str]]:
        asked = self._translated(group, where)
        axis, within = _in_span(span)
        sure = "TRUE" if asked.both.may == asked.both.must else asked.both.must
        width = limit if sure == "TRUE" else max(64, limit * 2)
        found: list[tuple[int, int, int, str]] = []
        further: dict[str, object] = {}
        while True:
            on = f" AND ({axis}, seq, ing) < ($a, $b, $c)" if further else ""
            sql = (
                f"SELECT {axis}, seq, ing, doc, {sure} FROM {group.source.sql} WHERE {within} AND {asked.both.may}{on} "
                f"ORDER BY {axis} DESC, seq DESC, ing DESC LIMIT {width}"
            )
            rows = self._rows(group, sql, {**asked.parameters, **_bounds(span), **further})
            found += [row[:4] for row in rows if row[4] or _still_holds(where, row[3])]
            if len(rows) < width or len(found) >= limit:
                return found[:limit]
            further = dict(zip("abc", rows[-1][:3], strict=True))
            width = min(width * 4, 4096)

    # -- tally

    def _tally(
        self, segments: list[Segment], where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        counts: dict[bytes, int] = {}
        for group in self._groups(_overlapping(segments, span), where, by):
            asked = self._translated(group, where)
            _, within = _in_span(span)
            for key, count in self._sure_counts(group, asked, within, span, by):
                counts[key] = counts.get(key, 0) + count
            if asked.both.may == asked.both.must:
                continue
            sql = f"SELECT doc FROM {group.source.sql} WHERE {within} AND {asked.both.may} AND NOT {asked.both.must}"
            for (line,) in self._stream(group, sql, {**asked.parameters, **_bounds(span)}):
                event = decode(line)
                if holds(where, event):
                    key = orjson.dumps([event.fields.get(name) for name in by])
                    counts[key] = counts.get(key, 0) + 1
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [(tuple(_frozen(value) for value in orjson.loads(key)), count) for key, count in ordered]

    def _sure_counts(
        self, group: "_Group", asked: "_Asked", within: str, span: Span, by: Sequence[str]
    ) -> Iterator[tuple[bytes, int]]:
        if asked.both.must == "FALSE":
            return
        readers = [_key_reader(group, name) for name in by]
        chosen = "".join(f"{sql} AS k{at}, " for at, (sql, _) in enumerate(readers))
        grouping = " GROUP BY " + ", ".join(f"k{at}" for at in range(len(by))) if by else ""
        sql = f"SELECT {chosen}count(*) FROM {group.source.sql} WHERE {within} AND {asked.both.must}{grouping}"
        for *texts, count in self._stream(group, sql, {**asked.parameters, **_bounds(span)}):
            if count:
                key = [None if text is None else read(text) for text, (_, read) in zip(texts, readers, strict=True)]
                yield orjson.dumps(key), count

    # -- since

    def _since(self, segments: list[Segment], cursor: int, until: int, limit: int) -> list[Event]:
        found: list[Event] = []
        sealed = [
            (one.extent.seq[0], one)
            for one in segments
            if one.extent is not None and one.extent.seq[1] > cursor and one.extent.seq[0] <= until
        ]
        for low, one in sorted(sealed, key=lambda pair: pair[0]):
            if len(found) >= limit and low > found[limit - 1].seq:
                break
            found = _merged(found, self._sealed_since(one, cursor, until, limit), limit)
        for one in segments:
            if one.extent is None:
                # what is there already bounds what can still be wanted
                last = min(until, found[-1].seq) if len(found) >= limit else until
                found = _merged(found, self._tail(one).since(cursor, last, limit), limit)
        return found

    def _sealed_since(self, segment: Segment, cursor: int, until: int, limit: int) -> list[Event]:
        found: list[Event] = []
        while len(found) < limit and cursor < until:
            ahead = self._ahead.get(segment.name)
            if ahead is None or not ahead.after <= cursor < ahead.through:
                ahead = self._read_ahead(segment, cursor, max(limit, AHEAD_EVENTS))
            rows = (row for row in _from(ahead.rows, cursor) if row[0] <= until)
            found += [decode(line) for _, line in islice(rows, limit - len(found))]
            cursor = found[-1].seq if len(found) >= limit else ahead.through
            assert segment.extent is not None  # noqa: S101  sealed
            if ahead.through >= segment.extent.seq[1]:
                break
        return found

    def _read_ahead(self, segment: Segment, cursor: int, width: int) -> _Ahead:
        assert segment.extent is not None  # noqa: S101  sealed
        group = _Group([segment], HOT, source_sql([str(self._folder / segment.name)], Schema({}, {}), [], hot=False))
        sql = f"SELECT seq, doc FROM {group.source.sql} WHERE seq > $cursor ORDER BY seq LIMIT {width}"
        rows = self._rows(group, sql, {"cursor": cursor})
        through = rows[-1][0] if len(rows) == width else segment.extent.seq[1]
        ahead = _Ahead(cursor, through, rows)
        with self._lock:
            self._ahead.clear()  # one is enough to read on, and bounds the memory
            self._ahead[segment.name] = ahead
        return ahead

    # -- segments alike, and what to do about damaged ones

    def _groups(self, segments: Sequence[Segment], where: Where, by: Iterable[str]) -> "Iterator[_Group]":
        names = sorted({*fields_of(where), *by})
        hot = [one for one in segments if one.extent is None]
        alike: dict[tuple[object, ...], list[Segment]] = {}
        sealed = [one for one in segments if one.extent is not None]
        self._load_schemas(sealed)
        for one in sealed:
            schema = self._schemas.get(one.name)
            if schema is not None:
                signature = tuple((name in schema.columns, schema.kinds(name)) for name in names)
                alike.setdefault(signature, []).append(one)
        for members in alike.values():
            schema = self._schemas[members[0].name]
            files = [str(self._folder / one.name) for one in members]
            yield _Group(members, schema, source_sql(files, schema, names, hot=False))
        hot = [one for one in hot if (self._folder / one.name).stat().st_size]
        if hot:
            yield _Group(hot, HOT, source_sql([str(self._folder / one.name) for one in hot], HOT, names, hot=True))

    def _load_schemas(self, segments: list[Segment]) -> None:
        new = [one for one in segments if one.name not in self._schemas]
        for at in range(0, len(new), 200):
            some = new[at : at + 200]
            listed = "[" + ", ".join(literal(str(self._folder / one.name)) for one in some) + "]"
            group = _Group(some, HOT, Source("", {}))
            sql = f"SELECT file_name, value FROM parquet_kv_metadata({listed}) WHERE key = 'sentinel'::BLOB"
            for file, text in self._rows(group, sql, {}):
                self._schemas[Path(file).name] = load_schema(text)
        while len(self._schemas) > max(SCHEMAS_MAX, len(segments)):
            self._schemas.popitem(last=False)

    def _translated(self, group: "_Group", where: Where) -> "_Asked":
        translation = Translation(lambda name: group.source.columns.get(name, ABSENT), self._engine.regex_ok)
        return _Asked(translation.both(where), translation.parameters)

    def _rows(self, group: "_Group", sql: str, parameters: dict[str, object]) -> list[Row]:
        return list(self._stream(group, sql, parameters))

    def _stream(self, group: "_Group", sql: str, parameters: dict[str, object]) -> Iterator[Row]:
        used = {name: value for name, value in parameters.items() if f"${name}" in sql}
        try:
            yield from self._engine.stream(sql, used)
        except EngineError as error:
            gone = [one for one in group.segments if not (self._folder / one.name).exists()]
            if not gone and not self._set_apart(group):
                raise StoreError(f"the store cannot answer: {error}") from error
            raise _VanishedError from error

    def _set_apart(self, group: "_Group") -> bool:
        """Find the damaged ones among the group's sealed segments, leave them out from now on, report them."""
        found = False
        for one in group.segments:
            if one.extent is None:
                continue
            try:
                reason = self.damage(one)
            except FileNotFoundError:
                return True
            if reason:
                found = True
                self._broken.add(one.name)
                self._report(Problem(one.name, reason))
        return found

    def damage(self, segment: Segment) -> str:
        """Read a sealed segment from end to end; return what is wrong with it, empty if nothing is."""
        path = self._folder / segment.name
        try:
            self._engine.rows(f"SELECT max(hash(COLUMNS(*))) FROM read_parquet([{literal(str(path))}])")
            sql = f"SELECT value FROM parquet_kv_metadata([{literal(str(path))}]) WHERE key = 'sentinel'::BLOB"
            load_schema(self._engine.rows(sql)[0][0])
        except EngineError as error:
            if not path.exists():
                raise FileNotFoundError(path) from error
            return str(error).splitlines()[0][:300]
        except (IndexError, KeyError, ValueError) as error:
            return f"not a segment of this store: {error!r}"[:300]
        return ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments in which the fields asked for are stored alike."""

    segments: list[Segment]
    schema: Schema
    source: Source


@dataclass(frozen=True, slots=True)
class _Asked:
    both: Both
    parameters: dict[str, object]


def _overlapping(segments: list[Segment], span: Span) -> list[Segment]:
    low, high = micros(span.start), micros(span.end)
    found = []
    for one in segments:
        if one.extent is None:
            found.append(one)
            continue
        first, last = one.extent.timestamp if span.axis == "timestamp" else one.extent.ingested
        if first < high and last >= low:
            found.append(one)
    return found if low < high else []


def _latest(segment: Segment, span: Span) -> int:
    if segment.extent is None:
        return micros(span.end)
    return segment.extent.timestamp[1] if span.axis == "timestamp" else segment.extent.ingested[1]


def _in_span(span: Span) -> tuple[str, str]:
    axis = "ts" if span.axis == "timestamp" else "ing"
    return axis, f"{axis} >= $low AND {axis} < $high"


def _bounds(span: Span) -> dict[str, object]:
    return {"low": micros(span.start), "high": micros(span.end)}


def _still_holds(where: Where, line: str) -> bool:
    return holds(where, decode(line))


def _key_reader(group: _Group, name: str) -> tuple[str, Callable[[str], object]]:
    """Return SQL for the text of a field's whole value, and what reads that text."""
    column = group.source.columns[name]
    if column is ABSENT:
        return "NULL", orjson.loads
    if not column.kinds & ~(TEXT | SEVERAL | FOREIGN):
        return column.raw, _texts
    if column.kinds in {INTEGER, BOOLEAN}:
        return column.raw, orjson.loads
    path = literal(f'$.f."{name}"')
    return f"json_extract(doc, {path})::VARCHAR", orjson.loads


def _texts(text: str) -> object:
    return text[1:-1].split(SEPARATOR) if text.startswith(SEPARATOR) else text


def _frozen(value: object) -> Value | None:
    return tuple(value) if isinstance(value, list) else value  # type: ignore[return-value]  # out of our own JSON


def _merged(one: list[Event], two: list[Event], limit: int) -> list[Event]:
    if one and two:
        return sorted(one + two, key=lambda event: event.seq)[:limit]
    return (one or two)[:limit]


def _from(rows: list[Row], cursor: int) -> Iterator[Row]:
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle][0] <= cursor:
            low = middle + 1
        else:
            high = middle
    return islice(rows, low, None)
