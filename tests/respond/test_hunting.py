"""A hunt: numbers along time that add up to what the question finds, and each value a way to the next question."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import NotThereError, UsageError
from sentinel.core.event import Event, Value
from sentinel.core.ports import STRETCHES_MAX, Span, Store
from sentinel.core.where import Where, holds
from sentinel.respond.hunting import Found, histogram, narrowed, step, warnings
from sentinel.respond.language import read
from sentinel.respond.saved import Questions
from sentinel.respond.timeline import Told, around, course, moment_of
from sentinel.respond.writing import written
from sentinel.store.embedded import EmbeddedStore
from tests.conformance.test_property import predicates
from tests.respond.test_writing import EVENTS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, make: Callable[..., Event]) -> Iterator[Store]:
    """Return a store with an event a second for 100 seconds, every tenth of another user."""
    made = EmbeddedStore(tmp_path / "store", segment_events=30)
    events = [make(number, {"user.name": "root" if number % 10 else "anna"}) for number in range(1, 101)]
    made.append(events[:70])
    made.seal()
    made.append(events[70:])
    yield made
    made.close()


def test_the_bars_are_round_and_add_up_to_what_is_found(store: Store) -> None:
    question = read("user.name:root since 2026-11-23T08:00:07 until 2026-11-23T08:01:33", NOW)
    found = histogram(store, question, 20, NOW)
    assert found.width == timedelta(seconds=5)
    assert found.start == START + timedelta(seconds=5)
    assert found.total == len(store.search(question.where, question.span, 1000)) == 86 - 9
    for number, count in enumerate(found.counts):
        assert count == len(store.search(question.where, found.stretch(number), 1000))


def test_events_are_read_on_as_far_as_somebody_looks(tmp_path: Path, make: Callable[..., Event]) -> None:
    store = EmbeddedStore(tmp_path / "many")
    store.append([make(number, timestamp=START + timedelta(seconds=number // 300)) for number in range(1, 1001)])
    question = read("since 2026-11-23 until 2026-11-24", NOW)
    found = Found(lambda: store, question)
    assert found.count() == 1000
    assert [one.seq for one in found.window(0, 3)] == [1000, 999, 998]
    assert found.find(found.window(990, 5)[0].id) == 990
    whole = store.search(question.where, question.span, 2000)
    assert found.window(0, 2000) == whole
    assert found.find("0" * 32) is None
    store.close()


def test_the_future_is_left_out_unless_something_lies_there(store: Store, make: Callable[..., Event]) -> None:
    assert histogram(store, read("last 24h", NOW), 48, NOW).span.end == NOW
    store.append([make(101, timestamp=NOW + timedelta(hours=30))])
    ahead = histogram(store, read("last 24h", NOW), 48, NOW)
    assert ahead.span.end > NOW
    assert ahead.total == 101


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  hypothesis adds the zone
    st.timedeltas(timedelta(microseconds=1), timedelta(days=20_000)),
    st.integers(2, 300),
)
def test_there_are_never_more_bars_than_asked_for(start: datetime, length: timedelta, bars: int) -> None:
    span = Span(start, start + length)
    width = step(span, bars)
    begin = datetime(1970, 1, 1, tzinfo=UTC) + (start - datetime(1970, 1, 1, tzinfo=UTC)) // width * width
    assert Span(begin, span.end).stretches(width) <= min(bars, STRETCHES_MAX)


@given(where=predicates, event=EVENTS, without=st.booleans())
def test_a_value_narrows_a_question(where: Where, event: dict[str, Value], without: bool) -> None:  # noqa: FBT001  drawn
    text = written(where)
    for field, value in event.items():
        if text is None or not isinstance(value, str | int) or field.startswith("event.orig"):
            continue
        question = read(f"({text}) last 7d", NOW)
        query = narrowed(question, field, value, without=without)
        assert query is not None
        again = read(query, NOW)
        assert again.span == question.span
        assert holds(again.where, event) == (holds(question.where, event) and not without), query


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("user.name:root", 0),
        ("user.name:*oot", 1),
        ("user.name:*oot host.name:dc1", 0),
        ("user.name:*oot or host.name:dc1", 1),
        ("not oot", 1),
        ("process.command_line:/^cmd/ process.command_line:/enc/", 0),
        ("process.command_line:/enc/ or *a", 2),
    ],
)
def test_what_will_be_slow_is_said_before(query: str, number: int) -> None:
    assert len(warnings(read(query, NOW).where)) == number


def test_what_the_store_runs_is_shown(store: Store) -> None:
    sure = read("user.name:root since 2026-11-23 until 2026-11-24", NOW)
    plan = store.plan(sure.where, sure.span)
    assert plan.exact
    assert "root" in dict(plan.bound).values()
    assert "SELECT" in plan.query
    assert not store.plan(read("user.name:2001:db8::/32", NOW).where, sure.span).exact


class _At:
    def now(self) -> datetime:
        return NOW


def test_a_saved_question_is_there_for_everybody(tmp_path: Path) -> None:
    with Questions(tmp_path / "q.db", _At()) as mine, Questions(tmp_path / "q.db", _At()) as yours:
        mine.save("failures", "event.outcome:failure last 24h", "mh", "every morning")
        mine.save("failures", "event.outcome:failure last 12h", "mh")
        assert [one.query for one in yours.all()] == ["event.outcome:failure last 12h"]
        assert yours.named("failures").at == NOW
        yours.forget("failures")
        with pytest.raises(NotThereError, match="failures"):
            mine.named("failures")
        with pytest.raises(UsageError, match="a value for"):
            mine.save("broken", "user.name:", "mh")
        with pytest.raises(UsageError, match="up to 60 letters"):
            mine.save("a b", "user.name:x", "mh")
        assert mine.all() == []


def test_a_course_has_everything_in_order_and_gaps_as_gaps(store: Store) -> None:
    question = read("user.name:root since 2026-11-23T08:00 until 2026-11-23T09:00", NOW)
    told = [Told(START + timedelta(minutes=40), "high", "an alert"), Told(NOW, "high", "another day's")]
    found = course(store, question, told)
    assert [type(one).__name__ for one in found.entries[-3:]] == ["Event", "Gap", "Told"]
    assert len(found.entries) == 90 + 2
    assert [moment_of(one) for one in found.entries] == sorted(moment_of(one) for one in found.entries)
    assert not found.cut
    event = store.search(question.where, question.span, 1)[0]
    assert {one.id for one in store.search(around(event).where, around(event).span, 1000)} >= {event.id}
