"""A query that is written from a predicate asks for the same when it is read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Value
from sentinel.core.where import AllOf, AnyOf, Compare, Is, Keyword, Like, Not, Where, holds
from sentinel.respond.language import read
from sentinel.respond.writing import written
from tests.conformance.test_property import FIELDS, POOL, predicates

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENTS: st.SearchStrategy[dict[str, Value]] = st.dictionaries(
    st.sampled_from(FIELDS), st.sampled_from(POOL) | st.lists(st.sampled_from(POOL), max_size=3).map(tuple), max_size=6
)


@given(where=predicates, event=EVENTS)
def test_what_is_written_means_the_same(where: Where, event: dict[str, Value]) -> None:
    query = written(where)
    if query is not None:
        assert holds(read(query, NOW).where, event) == holds(where, event), query


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (
            AllOf((Is("event.dataset", "sshd.log"), Is("user.name", "root"))),
            "event.dataset:sshd.log and user.name:root",
        ),
        (
            Not(AnyOf((Is("user.name", "and"), Compare("source.port", "gte", 1024)))),
            'not (user.name:"and" or source.port>=1024)',
        ),
        (AllOf((AnyOf((Is("a", "b c"), Is("a", None))), Like("a", "x*"))), '(a:"b c" or a:null) and a:x*'),
        (Keyword('say "no"'), '"say \\"no\\""'),
        (AllOf(()), None),
        (Is("a", "b", cased=True), None),
        (AllOf((Is("a", "b"), Is("a", "b", cased=True))), None),
    ],
)
def test_it_is_written_as_a_person_would(where: Where, query: str | None) -> None:
    assert written(where) == query
