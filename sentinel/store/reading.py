"""Searching and counting: `Where` becomes SQL where that is exact, and `holds` judges the rest."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import nlargest
from pathlib import Path

import orjson

from sentinel.core.event import Event, Value
from sentinel.core.ports import Plan, Span
from sentinel.core.where import AllOf, AnyOf, Compare, Where, fields_of, holds
from sentinel.store.catalogue import Catalogue, Group
from sentinel.store.codec import micros
from sentinel.store.counting import ByFields, ByTime, Key
from sentinel.store.engine import select
from sentinel.store.sealing import HOT
from sentinel.store.segments import Segment
from sentinel.store.where_sql import ABSENT, Both, Translation

_BATCH_MAX = 64  # segments asked in one query
_PAGE_MAX = 4096
_HEAD_MAX = 200  # characters of a line in which its times stand, if its id is one of ours


class Reader:
    """Answers `Store.search`, `Store.tally` and `Store.spread`."""

    def __init__(self, catalogue: Catalogue, lowest: Callable[[Segment], int]) -> None:
        self._catalogue = catalogue
        self._lowest = lowest

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Return up to `limit` events for which `where` holds, latest first."""
        return self._catalogue.asked(lambda segments: self._search(segments, where, span, limit)) if limit > 0 else []

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count events by their values of the fields `by`."""
        if limit <= 0:
            return []
        counts = self._catalogue.asked(lambda segments: self._counted(segments, where, span, ByFields(by)))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [(tuple(_frozen(value) for value in orjson.loads(key)), count) for key, count in ordered]

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        """Count events in stretches of `width`."""
        number = span.stretches(width)
        counts = self._catalogue.asked(lambda segments: self._counted(segments, where, span, ByTime(span, width)))
        return [counts.get(orjson.dumps([at]), 0) for at in range(number)]

    def _relevant(self, segments: list[Segment], where: Where, span: Span) -> list[Segment]:
        found = _overlapping(segments, span)
        last = _last_seq(where)
        return found if last is None else [one for one in found if self._lowest(one) <= last]

    def plan(self, where: Where, span: Span) -> Plan:
        """Return the SQL for the largest number of alike segments; those still being written are read line by line."""
        return self._catalogue.asked(lambda segments: self._plan(segments, where, span))

    def _plan(self, segments: list[Segment], where: Where, span: Span) -> Plan:
        relevant = self._relevant(segments, where, span)
        over = f"{len(relevant)} of {len(segments)} segments may hold events of this span"
        sealed = [one for one in self._catalogue.groups(relevant, fields_of(where)) if one.schema is not HOT]
        if not sealed:
            hot = "; they are being written, each line is read and judged" if relevant else ""
            return Plan("", (), over + hot, exact=not relevant)
        group = max(sealed, key=lambda one: len(one.segments))
        asked = self._translated(group, where)
        _, within = _in_span(span)
        sql = select("doc", f"{len(group.segments)} Parquet files", f"{within} AND {asked.both.may}")
        bound = {**_bounds(span), **asked.parameters}
        texts = tuple((name, str(value)) for name, value in bound.items())
        return Plan(sql, texts, over, exact=asked.both.may == asked.both.must)

    # -- search

    def _search(self, segments: list[Segment], where: Where, span: Span, limit: int) -> list[Event]:
        relevant = sorted(self._relevant(segments, where, span), key=lambda one: _latest(one, span), reverse=True)
        found: list[_Hit] = []
        at, width = 0, 1
        while at < len(relevant):
            if len(found) >= limit and _latest(relevant[at], span) < found[-1].place[0]:
                break
            for group in self._catalogue.groups(relevant[at : at + width], fields_of(where)):
                if group.schema is HOT:
                    found += self._latest_hot(group, where, span, limit)
                else:
                    found += self._latest_of(group, where, span, limit)
            found = sorted(found, key=lambda hit: hit.place, reverse=True)[:limit]
            at, width = at + width, min(width * 2, _BATCH_MAX)
        self._fetch([hit for hit in found if not hit.line])
        events = [self._catalogue.decoded(hit.group, hit.line) for hit in found]
        return [event for event in events if event is not None]

    def _latest_of(self, group: Group, where: Where, span: Span, limit: int) -> "list[_Hit]":
        asked = self._translated(group, where)
        axis, within = _in_span(span)
        sure = "TRUE" if asked.both.may == asked.both.must else asked.both.must
        width = limit if sure == "TRUE" else max(64, limit * 2)
        found: list[_Hit] = []
        further: dict[str, object] = {}
        while True:
            on = f" AND ({axis}, seq, ing) < ($a, $b, $c)" if further else ""
            order = f" ORDER BY {axis} DESC, seq DESC, ing DESC LIMIT {width}"
            what = f"{axis}, seq, ing, '', {sure}"  # lines are large: they are fetched for those chosen only
            sql = select(what, group.source.sql, f"{within} AND {asked.both.may}{on}", order)
            rows = self._catalogue.rows(group, sql, {**asked.parameters, **_bounds(span), **further})
            hits = [_Hit(row[:3], row[3], row[4], group) for row in rows]
            self._fetch([hit for hit in hits if not hit.sure and not hit.line])
            found += [hit for hit in hits if hit.sure or self._holds(where, hit)]
            if len(rows) < width or len(found) >= limit:
                return found[:limit]
            further = dict(zip("abc", rows[-1][:3], strict=True))
            width = min(width * 4, _PAGE_MAX)

    def _latest_hot(self, group: Group, where: Where, span: Span, limit: int) -> "list[_Hit]":
        hits = (
            _Hit((ts if span.axis == "timestamp" else ingested, event.seq, ingested), line, True, group)  # noqa: FBT003  sure
            for event, ts, ingested, line in self._hot(group, where, span)
        )
        return nlargest(limit, hits, key=lambda hit: hit.place)

    def _hot(self, group: Group, where: Where, span: Span) -> Iterator[tuple[Event, int, int, str]]:
        """Yield the events of hot segments for which `where` holds, their times in µs and their lines.

        Each line of the span is decoded and judged here: measured, that costs an eighth of taking JSON apart in SQL.
        """
        low, high = micros(span.start), micros(span.end)
        key = '"ts":' if span.axis == "timestamp" else '"ing":'
        for segment in group.segments:
            with Path(self._catalogue.path(segment)).open(encoding="utf-8", errors="replace", newline="\n") as lines:
                for line in lines:
                    at = _number_in(line, key)
                    if at is not None and not low <= at < high:
                        continue
                    event = self._catalogue.decoded(group, line) if line.endswith("\n") else None
                    if event is None:
                        continue
                    ts, ingested = micros(event.timestamp), micros(event.ingested)
                    if low <= (ts if span.axis == "timestamp" else ingested) < high and holds(where, event):
                        yield event, ts, ingested, line

    def _holds(self, where: Where, hit: "_Hit") -> bool:
        event = self._catalogue.decoded(hit.group, hit.line)
        return event is not None and holds(where, event)

    def _fetch(self, hits: "list[_Hit]") -> None:
        """Fill in the lines of hits in sealed segments."""
        by_group: dict[int, list[_Hit]] = {}
        for hit in hits:
            by_group.setdefault(id(hit.group), []).append(hit)
        for some in by_group.values():
            seqs = sorted({hit.place[1] for hit in some})
            files = [one for one in some[0].group.segments if one.extent and _any_between(seqs, *one.extent.seq)]
            group = self._catalogue.lines(files)
            wanted = f"seq >= {seqs[0]} AND seq <= {seqs[-1]} AND seq IN ({', '.join(map(str, seqs))})"
            rows = self._catalogue.rows(group, select("seq, ing, doc", group.source.sql, wanted), {})
            lines = {(seq, ing): line for seq, ing, line in rows}
            for hit in some:
                hit.line = lines[hit.place[1:]]

    def arrived(self, where: Where, span: Span) -> list[tuple[int, int, str]]:
        """Return the events for which `where` holds in order of arrival: when (in µs), their `seq` and their ids."""
        return self._catalogue.asked(lambda segments: sorted(self._arrived(segments, where, span)))

    def _arrived(self, segments: list[Segment], where: Where, span: Span) -> Iterator[tuple[int, int, str]]:
        for group in self._catalogue.groups(self._relevant(segments, where, span), fields_of(where)):
            if group.schema is HOT:
                yield from ((ingested, hot.seq, hot.id) for hot, _, ingested, _ in self._hot(group, where, span))
                continue
            asked = self._translated(group, where)
            sql = select("doc", group.source.sql, f"{_in_span(span)[1]} AND {asked.both.may}")
            for (line,) in self._catalogue.stream(group, sql, {**asked.parameters, **_bounds(span)}):
                event = self._catalogue.decoded(group, line)
                if event is not None and holds(where, event):
                    yield micros(event.ingested), event.seq, event.id

    # -- counting

    def _counted(self, segments: list[Segment], where: Where, span: Span, by: Key) -> dict[bytes, int]:
        counts: dict[bytes, int] = {}
        for group in self._catalogue.groups(self._relevant(segments, where, span), {*fields_of(where), *by.fields}):
            if group.schema is HOT:
                for hot, *_ in self._hot(group, where, span):
                    key = by.of(hot)
                    counts[key] = counts.get(key, 0) + 1
                continue
            asked = self._translated(group, where)
            _, within = _in_span(span)
            for key, count in self._sure_counts(group, asked, within, span, by):
                counts[key] = counts.get(key, 0) + count
            if asked.both.may == asked.both.must:
                continue
            unsure = f"{within} AND {asked.both.may} AND NOT {asked.both.must}"
            sql = select("doc", group.source.sql, unsure)
            for (line,) in self._catalogue.stream(group, sql, {**asked.parameters, **_bounds(span)}):
                event = self._catalogue.decoded(group, line)
                if event is not None and holds(where, event):
                    key = by.of(event)
                    counts[key] = counts.get(key, 0) + 1
        return counts

    def _sure_counts(
        self, group: Group, asked: "_Asked", within: str, span: Span, by: Key
    ) -> Iterator[tuple[bytes, int]]:
        if asked.both.must == "FALSE":
            return
        readers = by.columns(group)
        chosen = "".join(f"{sql} AS k{at}, " for at, (sql, _) in enumerate(readers))
        grouping = " GROUP BY " + ", ".join(f"k{at}" for at in range(len(readers))) if readers else ""
        sql = select(f"{chosen}count(*)", group.source.sql, f"{within} AND {asked.both.must}", grouping)
        for *texts, count in self._catalogue.stream(group, sql, {**asked.parameters, **_bounds(span)}):
            if count:
                key = [None if text is None else read(text) for text, (_, read) in zip(texts, readers, strict=True)]
                yield orjson.dumps(key), count

    def _translated(self, group: Group, where: Where) -> "_Asked":
        translation = Translation(lambda name: group.source.columns.get(name, ABSENT), self._catalogue.engine.regex_ok)
        return _Asked(translation.both(where), translation.parameters)


@dataclass(slots=True)
class _Hit:
    """An event found: its place in the order (axis, seq, ingested), its line if that is known already."""

    place: tuple[int, int, int]
    line: str
    sure: bool
    group: Group


@dataclass(frozen=True, slots=True)
class _Asked:
    both: Both
    parameters: dict[str, object]


def _number_in(line: str, key: str) -> int | None:
    """Return the number behind `key`, which stands before the fields; None if there is none: damage, or before 1970."""
    begin = line.find(key, 0, _HEAD_MAX) + len(key)
    digits = line[begin : line.find(",", begin)]
    return int(digits) if begin >= len(key) and digits.isdecimal() else None


def _last_seq(where: Where) -> float | None:
    """Return the sequence beyond which `where` cannot hold, None if it does not say."""
    match where:
        case AllOf(items):
            return min((last for item in items if (last := _last_seq(item)) is not None), default=None)
        case AnyOf(items):
            each = [_last_seq(item) for item in items]
            known = [last for last in each if last is not None]
            return max(known, default=0) if len(known) == len(each) else None
        case Compare("event.sequence", "lt" | "lte", value):
            return value
        case _:
            return None


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


def _any_between(ordered: list[int], low: int, high: int) -> bool:
    at = bisect_left(ordered, low)
    return at < len(ordered) and ordered[at] <= high


def _frozen(value: object) -> Value | None:
    return tuple(value) if isinstance(value, list) else value  # type: ignore[return-value]  # out of our own JSON
