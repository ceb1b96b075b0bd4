"""The query language: what a line means, and where an error points."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import QuerySyntaxError
from sentinel.core.where import (
    ALWAYS,
    AllOf,
    AnyOf,
    Compare,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Where,
    Within,
)
from sentinel.respond.language import read

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("", ALWAYS),
        ("a:b", Is("a", "b")),
        ("a: b", Is("a", "b")),
        ("source.ip:192.0.2.7", Is("source.ip", "192.0.2.7")),
        ("a:2001:db8::1", Is("a", "2001:db8::1")),
        ("a:10.0.0.0/8", Within("a", "10.0.0.0/8")),
        ("a:ad*in", Like("a", "ad*in")),
        ('a:"ad*in"', Is("a", "ad*in")),
        (r"a:ad\*in", Is("a", "ad*in")),
        (r"a:C:\\Windows\\*", Like("a", r"C:\\Windows\\*")),
        (r"a:C:\Windows", Is("a", r"C:\Windows")),
        ("a:*", Exists("a")),
        ("a:null", Is("a", None)),
        ("a:/x+y/i", Matches("a", "x+y", "i")),
        (r"a:/a\/b/", Matches("a", "a/b")),
        ("a>=5", Compare("a", "gte", 5)),
        ("a<-1.5", Compare("a", "lt", -1.5)),
        ("a:[1 to 9]", AllOf((Compare("a", "gte", 1), Compare("a", "lte", 9)))),
        ("a:[* to 9]", AllOf((Compare("a", "lte", 9),))),
        ("a:(b or c*)", AnyOf((Is("a", "b"), Like("a", "c*")))),
        ("a:b c:d", AllOf((Is("a", "b"), Is("c", "d")))),
        ("a:b AND c:d or e:f", AnyOf((AllOf((Is("a", "b"), Is("c", "d"))), Is("e", "f")))),
        ("a:b and (c:d or e:f)", AllOf((Is("a", "b"), AnyOf((Is("c", "d"), Is("e", "f")))))),
        ("not a:b", Not(Is("a", "b"))),
        ("not not a:b", Is("a", "b")),
        ("not (a:b or c:d)", Not(AnyOf((Is("a", "b"), Is("c", "d"))))),
        ('"Failed password"', Keyword("Failed password")),
        ("Fail*", Keyword("Fail*")),
        ('"and"', Keyword("and")),
        ("@timestamp:*", Exists("@timestamp")),
        ("a:last last 5m", Is("a", "last")),
    ],
)
def test_a_query_means(query: str, where: Where) -> None:
    assert read(query, NOW).where == where


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("a:", 2),
        ("a:b and", 7),
        ("(a:b", 0),
        ("a:b )", 4),
        ("a:[1 to x]", 2),
        ("a>x", 2),
        ("a:/(/", 0),
        ('a:"b', 2),
        ("or a:b", 0),
        ("a:b last week", 9),
        ("a:b since yesterday", 10),
        ("a:b last 5m c:d", 12),
        ("since 2026-11-23 until 2026-11-22", 33),
    ],
)
def test_an_error_points_at_its_column(query: str, column: int) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        read(query, NOW)
    assert caught.value.column == column
    assert str(caught.value).splitlines()[-1].index("^") == column + 2


def test_spans() -> None:
    assert read("a:b", NOW).span.start == NOW - timedelta(hours=24)
    assert not read("a:b", NOW).spoken
    assert read("a:b last 30m", NOW).span.start == NOW - timedelta(minutes=30)
    assert read("LAST 2w", NOW).span.start == NOW - timedelta(weeks=2)
    span = read("since 2026-11-23T08:00 until 2026-11-23T09:00", NOW, ZoneInfo("Europe/Berlin")).span
    assert span.start == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert span.end == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_brackets_without_end_are_an_error_not_a_crash() -> None:
    with pytest.raises(QuerySyntaxError):
        read("(" * 5000, NOW)


@given(st.text(max_size=60) | st.text(alphabet='ab:()"/[]*?\\ <>=.1', max_size=40))
def test_any_text_is_understood_or_refused(query: str) -> None:
    column = 0
    try:
        read(query, NOW)
    except QuerySyntaxError as error:
        column = error.column
    assert 0 <= column <= len(query)
