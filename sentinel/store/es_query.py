"""Queries in Elasticsearch's language, put together so that they stay small; and a condition as two of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Query = dict[str, Any]
ALL: Query = {"match_all": {}}
NONE: Query = {"match_none": {}}


def size(query: object) -> tuple[int, int]:
    """Return how deep `bool` is nested in a query and of how many clauses it consists."""
    if isinstance(query, list):
        sizes = [size(one) for one in query]
        return max((depth for depth, _ in sizes), default=0), sum(count for _, count in sizes)
    if isinstance(query, dict):
        if "bool" not in query:
            return 0, 1
        sizes = [size(one) for one in query["bool"].values()]
        return 1 + max((depth for depth, _ in sizes), default=0), sum(count for _, count in sizes)
    return 0, 0


def all_of(queries: Iterable[Query]) -> Query:
    """Return the query for what all of `queries` find."""
    wanted: list[Query] = []
    for query in queries:
        if query is NONE:
            return NONE
        inner = query.get("bool", {})
        if inner.keys() == {"filter"}:
            wanted += inner["filter"]
        elif query is not ALL:
            wanted.append(query)
    if not wanted:
        return ALL
    return wanted[0] if len(wanted) == 1 else {"bool": {"filter": wanted}}


def any_of(queries: Iterable[Query]) -> Query:
    """Return the query for what at least one of `queries` finds; many terms of one field become one clause."""
    terms: dict[str, list[Any]] = {}
    wanted: list[Query] = []
    waiting = list(queries)[::-1]
    while waiting:
        query = waiting.pop()
        if query is ALL:
            return ALL
        inner = query.get("bool", {})
        if inner.keys() == {"should"}:
            waiting += inner["should"][::-1]
        elif "term" in query:
            ((field, value),) = query["term"].items()
            terms.setdefault(field, []).append(value)
        elif "terms" in query:
            ((field, several),) = query["terms"].items()
            terms.setdefault(field, []).extend(several)
        elif query is not NONE:
            wanted.append(query)
    wanted += [{"term": {f: v[0]}} if len(v) == 1 else {"terms": {f: v}} for f, v in terms.items()]
    if not wanted:
        return NONE
    return wanted[0] if len(wanted) == 1 else {"bool": {"should": wanted}}


def negated(query: Query) -> Query:
    """Return the query for everything that `query` does not find."""
    if query is ALL:
        return NONE
    if query is NONE:
        return ALL
    inner = query.get("bool", {})
    if inner.keys() == {"must_not"} and len(inner["must_not"]) == 1:
        only: Query = inner["must_not"][0]
        return only
    return {"bool": {"must_not": [query]}}


@dataclass(frozen=True, slots=True)
class Sides:
    """A condition as two queries; `exact` if they are one."""

    upper: Query
    lower: Query

    @property
    def exact(self) -> bool:
        """Say whether the index can tell by itself for which events it holds."""
        return self.upper is self.lower


def exactly(query: Query) -> Sides:
    """Return the sides of a condition that `query` answers."""
    return Sides(query, query)


def at_most(query: Query) -> Sides:
    """Return the sides of a condition that holds for some of what `query` finds."""
    return Sides(query, NONE)


UNKNOWN = Sides(ALL, NONE)


def joined(join: Callable[[Iterable[Query]], Query], parts: list[Sides]) -> Sides:
    """Return the sides of several conditions put together by `all_of` or `any_of`."""
    upper = join(part.upper for part in parts)
    return exactly(upper) if all(part.exact for part in parts) else Sides(upper, join(part.lower for part in parts))
