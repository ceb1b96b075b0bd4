"""What is offered while a query is typed: the right thing to complete, and values that are there."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Event, Value
from sentinel.core.ports import Span
from sentinel.core.where import fields_of, holds
from sentinel.respond.completing import Wanted, names, present, typed, wanted
from sentinel.respond.language import read
from sentinel.store.embedded import EmbeddedStore
from tests.conformance.test_property import FIELDS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVER = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("typing", "want"),
    [
        ("", Wanted(0, "")),
        ("sou", Wanted(0, "sou")),
        ("(sou", Wanted(1, "sou")),
        ("user.name:root and sou", Wanted(19, "sou")),
        ("user.name:", Wanted(10, "", "user.name")),
        ("user.name: ro", Wanted(11, "ro", "user.name")),
        ('user.name:"Anna Be', Wanted(10, "Anna Be", "user.name")),
        ('user.name:"Anna Berg" h', Wanted(22, "h")),
        ("host.name:(dc1 or d", Wanted(18, "d", "host.name")),
        ("process.command_line:/-enc", None),
        ("destination.port:[1 to", None),
        ("192.0", None),
    ],
)
def test_it_is_known_what_is_being_typed(typing: str, want: Wanted | None) -> None:
    assert wanted(typing, len(typing)) == want
    assert wanted(typing + " and more:here", len(typing)) == want


@given(field=st.sampled_from(FIELDS), value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_value_that_was_chosen_is_asked_for_exactly(field: str, value: str) -> None:
    before = f"event.dataset:a and {field}:"
    want = wanted(before, len(before))
    assert want is not None
    query, cursor = typed(before + " last 7d", len(before), want, value)
    assert query[cursor:] == " last 7d"
    assert holds(read(query, NOW).where, {"event.dataset": "a", field: value})
    assert fields_of(read(query, NOW).where) >= {field}


@given(st.text(st.sampled_from('ab.:"\\/([]) or and\n'), max_size=40), st.integers(0, 40))
def test_whatever_is_typed_has_an_answer(text: str, cursor: int) -> None:
    want = wanted(text, min(cursor, len(text)))
    assert want is None or 0 <= want.start <= cursor


def test_names_that_begin_so_come_first() -> None:
    known = ["source.ip", "source.port", "log.source.address", "user.name"]
    assert names("source", known) == ["source.ip", "source.port", "log.source.address"]
    assert names("an", known) == ["and"]
    assert names("", known) == sorted(known)


def test_values_are_those_that_are_there_the_most_frequent_first(tmp_path: Path, make: Callable[..., Event]) -> None:
    told: list[dict[str, Value]] = [{"user.name": "root"}, {"user.name": "Robin"}, {"user.name": "root"}]
    told += [{"user.name": ("rose", "anna")}, {"user.name": "a*b"}, {"user.name": "axb"}]
    store = EmbeddedStore(tmp_path / "store")
    store.append([make(number, fields) for number, fields in enumerate(told, 1)])
    assert present(store, "user.name", "ro", EVER) == [("root", 2), ("Robin", 1), ("rose", 1)]
    assert present(store, "user.name", "a*", EVER) == [("a*b", 1)]
    assert present(store, "user.name", "", EVER, limit=1) == [("root", 2)]
    store.close()
