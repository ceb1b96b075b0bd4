"""Counting in Elasticsearch: what the index may count by itself, and what has to be read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson

from sentinel.core.event import Value
from sentinel.core.ports import Span
from sentinel.core.where import Where, fields_of
from sentinel.store import es_mapping as es
from sentinel.store.codec import micros
from sentinel.store.es_query import NONE, Query, all_of, any_of, negated
from sentinel.store.where_es import translate

_BUCKETS = 5_000
_COLUMNS_MAX = 8
"""Fields to count by in one go; each lets the number of buckets grow."""


def axis_of(span: Span) -> str:
    """Return the index's field for the axis of `span`."""
    return es.AT if span.axis == "timestamp" else es.IN


def inside(span: Span) -> Query:
    """Return the query for the events in `span`."""
    return {"range": {axis_of(span): {"gte": micros(span.start), "lt": micros(span.end)}}}


def odd(where: Where) -> Query:
    """Return the query for events of which the index does not tell the truth about a field that `where` looks at."""
    names = sorted(fields_of(where))
    return any_of([*({"term": {es.ODD: name}} for name in names), *es.untold(names)])


def sides_of(where: Where, span: Span, by: Sequence[str]) -> tuple[Query, Query]:
    """Return what may be counted by the index, and what must be read because the index is not sure.

    No event is found by both.
    """
    sides = translate(where)
    certain = NONE
    if len(by) <= _COLUMNS_MAX and all(es.countable(name) for name in by):
        untrue = [{"term": {place: name}} for place in (es.ODD, es.LOOSE) for name in by]
        certain = all_of([sides.lower, negated(any_of([odd(where), *untrue, *es.untold(by)]))])
    within = inside(span)
    doubtful = all_of([within, any_of([sides.upper, odd(where)]), negated(certain)])
    return all_of([within, certain]), doubtful


def counted(search: Callable[..., dict[str, Any]], query: Query, by: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    """Yield each combination of values of `by`, as JSON, with the number of events that `query` finds with it."""
    if query is NONE:
        return
    if not by:
        answer = search(query=query, size=0, track_total_hits=True)
        if total := answer["hits"]["total"]["value"]:
            yield b"[]", total
        return
    sources = [{str(at): {"terms": {"field": es.column(name), "missing_bucket": True}}} for at, name in enumerate(by)]
    rows: dict[str, Any] = {"size": _BUCKETS, "sources": sources}
    while True:
        answer = search(query=query, size=0, track_total_hits=False, aggs={"rows": {"composite": rows}})
        found = answer.get("aggregations", {}).get("rows", {})
        for bucket in found.get("buckets", ()):
            yield orjson.dumps([bucket["key"][str(at)] for at in range(len(by))]), bucket["doc_count"]
        if "after_key" not in found:
            return
        rows["after"] = found["after_key"]


def spread(
    search: Callable[..., dict[str, Any]], query: Query, span: Span, width: timedelta
) -> Iterator[tuple[int, int]]:
    """Yield the number of each stretch of `width` in which `query` finds events, and how many.

    Elasticsearch counts in doubles: a time in µs and its distance to the next stretch are exact in them until 2255.
    """
    if query is NONE:
        return
    low, interval = micros(span.start), width // timedelta(microseconds=1)
    along = {"field": axis_of(span), "interval": interval, "offset": low % interval, "min_doc_count": 1}
    answer = search(query=query, size=0, track_total_hits=False, aggs={"rows": {"histogram": along}})
    for bucket in answer.get("aggregations", {}).get("rows", {}).get("buckets", ()):
        yield (int(bucket["key"]) - low) // interval, bucket["doc_count"]


def most_frequent(counts: Mapping[bytes, int], limit: int) -> list[tuple[tuple[Value | None, ...], int]]:
    """Return up to `limit` keys with their counts, most frequent first, ties in the order of the keys' JSON text."""
    ordered = sorted(counts.items(), key=lambda row: (-row[1], row[0]))[: max(limit, 0)]
    return [(tuple(_frozen(one) for one in orjson.loads(key)), count) for key, count in ordered]


def _frozen(value: Any) -> Value | None:  # noqa: ANN401  what JSON gives
    frozen: Value | None = tuple(value) if isinstance(value, list) else value
    return frozen
