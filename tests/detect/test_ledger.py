"""Each (rule, window) is accounted for: planned, evaluated, reopened by late events, or skipped with a reason."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Correlation, Detection
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import Is, Matches
from sentinel.detect.fill import Filled, Filler
from sentinel.detect.intervals import TABLE, Row, overlapping, paint
from sentinel.detect.ledger import Ledger, Window
from sentinel.detect.runner import Runner

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAILED = Is("event.outcome", "failure")
Make = Callable[..., Event]
PLAIN = Detection("plain", "plain", "low", FAILED, "v1", "plain.yml", fold_by=("source.ip",))
WIDE = replace(
    PLAIN,
    id="wide",
    path="wide.yml",
    correlation=Correlation("event_count", ("source.ip",), timedelta(minutes=5), "gte", 2),
)


def failing(*, version: str = "v1") -> Detection:
    regex = object.__new__(Matches)
    for name, value in (("field", "message"), ("regex", "(?=x)"), ("flags", "")):
        object.__setattr__(regex, name, value)
    return replace(PLAIN, id="failing", path="failing.yml", where=regex, version=version)


class City:
    """A store, a book, a clock, and a judge that may be ended and begun anew."""

    def __init__(self, store: Store, path: Path, make: Make) -> None:
        self.store, self.make = store, make
        self.clock = ManualClock(START)
        self.book = Book(path, self.clock)
        self.ledger = Ledger(self.book)
        self.rules: list[Detection] = [PLAIN, WIDE]
        self.refused: dict[str, str] = {}
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """Begin a judge, as after a restart."""
        self.runner = Runner(self.store, self.book, self.rules, self.clock, self.store.newest, refused=self.refused)

    def event(self, at: timedelta, **fields: Value) -> None:
        """Let an event arrive now that happened `at` after START."""
        self.number += 1
        whole = {"event.outcome": "failure", "source.ip": "192.0.2.7", **fields}
        self.store.append([replace(self.make(self.number, whole, at=at), ingested=self.clock.now())])

    def run(self, *, after: timedelta = timedelta()) -> None:
        """Let so much time pass, then run the rules."""
        self.clock.advance(after)
        self.runner.run()

    def rows(self, rule_id: str = "plain", *, minutes: int = 60) -> list[tuple[int, int, str]]:
        """Return first and last minute after START, and state."""
        return [(after(one.start), after(one.end), one.state) for one in self.windows(rule_id, minutes=minutes)]

    def windows(self, rule_id: str = "plain", *, minutes: int = 60) -> list[Window]:
        """Return how the windows of the first hour fared."""
        return self.ledger.rows(rule_id, START, START + minutes * MINUTE)

    def missing(self) -> int:
        """Return how many windows are unaccounted for."""
        return self.ledger.account(START, self.clock.now()).missing


def after(moment: datetime) -> int:
    return (moment - START) // MINUTE


@pytest.fixture
def city(memory: Store, tmp_path: Path, make: Make) -> City:
    return City(memory, tmp_path / "state.db", make)


def test_a_window_is_planned_by_the_clock_and_evaluated_when_judging_has_passed_it(city: City) -> None:
    city.run()
    assert city.rows() == [(0, 1, "planned")]
    city.run(after=timedelta(seconds=59))
    assert city.rows() == [(0, 1, "planned")]
    city.run(after=timedelta(seconds=1))
    assert city.rows() == [(0, 1, "evaluated"), (1, 2, "planned")]
    assert city.missing() == 0


def test_minutes_without_sentinel_are_planned_at_its_return_and_evaluated_by_catching_up(city: City) -> None:
    city.run()
    city.run(after=MINUTE)
    city.clock.advance(20 * MINUTE)
    assert city.missing() == 20 * 2
    city.begin()
    city.run()
    assert {state for _, _, state in city.rows()} == {"evaluated", "planned"}
    assert city.rows()[-1] == (21, 22, "planned")
    assert city.missing() == 0


def test_what_waits_to_be_stored_is_not_evaluated_yet(city: City) -> None:
    city.runner = Runner(
        city.store,
        city.book,
        city.rules,
        city.clock,
        city.store.newest,
        through=lambda: min(city.clock.now(), START + 2 * MINUTE),
    )
    city.run()
    city.run(after=10 * MINUTE)
    assert city.rows() == [(0, 2, "evaluated"), (2, 11, "planned")]


def test_a_late_event_reopens_exactly_the_windows_it_touches(city: City) -> None:
    city.run()
    city.run(after=30 * MINUTE)
    city.event(10.5 * MINUTE)
    seen: list[list[tuple[int, int, str]]] = []
    city.runner = Runner(
        city.store,
        city.book,
        city.rules,
        city.clock,
        city.store.newest,
        seen=lambda *_: seen.append(city.rows("wide")),
        at=lambda what: seen.append(city.rows("wide")) if what == "wide" else None,
    )
    city.run()
    during, afterwards = seen
    assert during == [(0, 10, "evaluated"), (10, 16, "reopened"), (16, 30, "evaluated"), (30, 31, "planned")]
    assert afterwards == city.rows("wide")
    reopened = [one for one in city.windows("wide") if one.reopened]
    assert [(after(one.start), after(one.end), one.state, one.reopened) for one in reopened] == [
        (10, 16, "evaluated", 1)
    ]
    assert {one.late for one in reopened} == {timedelta(minutes=19.5)}
    assert [(after(one.start), after(one.end)) for one in city.windows() if one.reopened] == [(10, 11)]


def test_an_event_in_time_reopens_nothing(city: City) -> None:
    city.run()
    for _ in range(5):
        city.event(city.clock.now() - START)
        city.run(after=MINUTE / 2)
    assert not [one for one in city.windows() if one.reopened]


def test_a_judge_that_dies_over_late_events_leaves_them_reopened_and_the_next_closes_them(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.run()
    city.run(after=10 * MINUTE)
    city.event(3 * MINUTE)

    def dies(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sentinel.core.kill.point", dies)
    with pytest.raises(KeyboardInterrupt):
        city.run()
    assert (3, 4, "reopened") in city.rows()
    assert not city.book.alerts()
    monkeypatch.undo()
    city.begin()
    city.run()
    assert "reopened" not in {state for _, _, state in city.rows()}
    assert [one.count for one in city.book.alerts()] == [1]


def test_windows_say_from_when_a_rule_was_there_and_until_when(city: City) -> None:
    city.run()
    city.run(after=5 * MINUTE)
    new = replace(PLAIN, id="new", path="new.yml")
    city.rules = [replace(PLAIN, version="v2"), new]
    city.begin()
    city.run(after=5 * MINUTE)
    city.run(after=MINUTE)
    assert {one.version for one in city.windows() if after(one.start) >= 6} == {"v2"}
    assert {one.version for one in city.windows() if after(one.start) < 6} == {"v1"}
    assert city.rows("new")[0][0] == 6
    assert city.rows("wide")[-1][1] == 6
    assert city.missing() == 0


def test_a_rule_that_cannot_be_read_any_more_is_skipped_with_the_reason_until_it_is_mended(city: City) -> None:
    city.run()
    city.run(after=5 * MINUTE)
    city.rules, city.refused = [WIDE], {"plain.yml": "no such modifier"}
    city.begin()
    city.event(6 * MINUTE)
    city.run(after=5 * MINUTE)
    skipped = [one for one in city.windows() if one.state == "skipped"]
    assert [(after(one.start), after(one.end), one.reason) for one in skipped] == [(5, 10, "refused: no such modifier")]
    assert city.rows("wide")[-1] == (10, 11, "planned")
    city.rules, city.refused = [PLAIN, WIDE], {}
    city.begin()
    city.run(after=5 * MINUTE)
    assert city.rows() == [(0, 5, "evaluated"), (5, 10, "evaluated"), (10, 15, "evaluated"), (15, 16, "planned")]
    assert city.windows()[1].reason == "filled: refused: no such modifier"
    (alert,) = [one for one in city.book.alerts() if one.rule_id == "plain"]
    assert alert.summary.startswith("found when a gap was filled, 9 min late")
    assert alert.history[0].note == "found when a gap was filled, 9 min late"
    assert not city.ledger.gaps()
    assert city.missing() == 0


def test_a_gap_is_filled_without_counting_twice_what_was_found_before(city: City) -> None:
    for number in range(5):
        city.event(timedelta(seconds=number))
    city.run()
    before = [replace(one, history=()) for one in city.book.alerts()]
    city.ledger.reopen(["plain", "wide"], [(START - MINUTE, START + 5 * MINUTE)], "parser mended", city.clock.now())
    city.run()
    assert not city.ledger.gaps()
    assert [replace(one, history=()) for one in city.book.alerts()] == before


def test_a_gap_that_needs_longer_is_filled_bit_by_bit(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.detect.fill.PAGE", 3)
    for number in range(30):
        city.event(timedelta(seconds=30 * number))
    city.rules = []
    city.begin()
    city.run(after=20 * MINUTE)
    city.rules = [PLAIN]
    city.begin()
    city.run()
    assert not city.book.alerts()
    city.ledger.reopen(["plain"], [(START, START + 20 * MINUTE)], "a new rule", city.clock.now())
    seconds = 0.0

    def timer() -> float:
        nonlocal seconds
        seconds += 1
        return seconds

    filler = Filler(city.store, city.book, city.rules, city.clock, timer=timer)
    done = filler.fill(city.ledger.gaps(), 8)
    assert 0 < done.left < 20
    assert sum((one.end - one.start) // MINUTE for one in city.ledger.gaps()) == done.left
    done = filler.fill(city.ledger.gaps())
    assert (done.left, city.ledger.gaps()) == (0, [])
    assert [one.count for one in city.book.alerts()] == [30]


def test_a_rule_that_fails_is_set_aside_alone_and_tried_again_later(city: City) -> None:
    city.rules = [PLAIN, failing()]
    city.begin()
    city.run()
    for number in range(3):
        city.event(timedelta(seconds=number), message="x")
    city.run()
    assert city.runner.run().problems == ()
    city.run(after=5 * MINUTE)
    assert city.rows("failing")[0] == (0, 5, "skipped")
    assert city.rows()[0] == (0, 5, "evaluated")
    city.begin()  # also over a restart
    city.event(5 * MINUTE, message="x")
    report = city.runner.run()
    assert [problem.split(": ")[:2] for problem in report.problems] == [["failing", "set aside"]]
    city.event(6 * MINUTE, message="x")
    city.run(after=6 * MINUTE)
    assert "set aside" not in str(city.runner.run().problems)
    assert [one.count for one in city.book.alerts()] == [5]


def test_a_rule_that_was_changed_is_tried_at_once(city: City) -> None:
    city.rules = [failing()]
    city.begin()
    for number in range(3):
        city.event(timedelta(seconds=number), message="x")
    assert dict(city.runner.run().tripped)
    city.rules = [replace(failing(version="v2"), where=FAILED)]
    city.begin()
    city.event(timedelta(seconds=9))
    city.run()
    assert [one.count for one in city.book.alerts()] == [4]  # and what it has missed is made up for


def test_a_rule_that_takes_too_long_trips_alone(city: City) -> None:
    seconds = 0.0

    def timer() -> float:
        nonlocal seconds
        seconds += 20
        return seconds

    city.runner = Runner(city.store, city.book, city.rules, city.clock, city.store.newest, timer=timer)
    for number in range(3):
        city.event(timedelta(seconds=number))
    report = city.runner.run()
    ((rule_id, reason),) = report.tripped
    assert rule_id == "wide"
    assert "more than 30 s" in reason
    assert {one.rule_id for one in city.book.alerts()} == {"plain"}
    assert [(one.rule_id, one.until) for one in city.ledger.gaps()] == [("wide", 3)]


def test_a_rule_that_somebody_else_saw_stuck_is_set_aside_over_restarts(city: City) -> None:
    city.runner.trip("wide", "did not come to an end within 180 s")
    city.begin()
    for number in range(3):
        city.event(timedelta(seconds=number))
    city.run(after=MINUTE)
    assert {one.rule_id for one in city.book.alerts()} == {"plain"}
    assert [(one.rule_id, one.reason) for one in city.ledger.gaps()] == [
        ("wide", "set aside: did not come to an end within 180 s")
    ]
    city.run(after=10 * MINUTE)
    assert {one.rule_id for one in city.book.alerts()} == {"plain", "wide"}
    assert not city.ledger.gaps()


@pytest.mark.parametrize("years", [50, 0.5])
def test_a_clock_set_far_ahead_leaves_one_row_and_set_back_it_counts_on(city: City, years: float) -> None:
    city.run()
    city.run(after=5 * MINUTE)
    leap = timedelta(days=365 * years)
    city.run(after=leap)
    (skipped,) = [one for one in city.windows(minutes=40_000_000) if one.state == "skipped"]
    assert skipped.end - skipped.start >= leap - 10 * MINUTE
    assert "the clock was set ahead" in skipped.reason
    city.run(after=-leap)
    city.run(after=5 * MINUTE)
    assert city.rows(minutes=5) == [(0, 5, "evaluated")]
    assert city.rows(minutes=11)[-1] == (10, 11, "planned")
    assert city.missing() == 0
    with city.book.looking() as db:
        assert db.execute("SELECT count(*) FROM ledger_windows").fetchone()[0] < 30


def test_a_clock_that_begins_in_1970_costs_nothing_of_what_is_known(city: City) -> None:
    city.run()
    city.run(after=5 * MINUTE)
    known = city.rows(minutes=5)
    back = START - datetime(1970, 1, 1, tzinfo=UTC)
    city.begin()
    city.run(after=-back)
    city.run(after=MINUTE)
    city.run(after=back + 4 * MINUTE)
    assert city.rows(minutes=5) == known
    assert city.missing() == 0
    assert city.ledger.account(datetime(1970, 1, 1, tzinfo=UTC), city.clock.now()).missing == 0


def test_an_hour_that_comes_twice_is_planned_twice_and_missing_never(city: City) -> None:
    city.run()
    for step in (30 * MINUTE, -20 * MINUTE, MINUTE, MINUTE, 60 * MINUTE):
        city.run(after=step)
        assert city.missing() == 0


def test_events_of_years_leave_no_million_rows(city: City) -> None:
    city.run()
    for number in range(2000):
        city.event(-timedelta(days=number))
        city.event(timedelta(days=number))
    city.run(after=MINUTE)
    city.run(after=MINUTE)
    with city.book.looking() as db:
        assert db.execute("SELECT count(*) FROM ledger_windows").fetchone()[0] < 20


def test_what_is_reopened_by_somebody_is_to_be_judged_again(city: City) -> None:
    city.event(timedelta(0))
    city.run()
    city.run(after=30 * MINUTE)
    city.ledger.reopen(["plain"], [(START + 3 * MINUTE, START + 5.5 * MINUTE)], "parser mended", city.clock.now())
    (gap,) = city.ledger.gaps(["plain"])
    assert (after(gap.start), after(gap.end), gap.state, gap.reason) == (3, 6, "reopened", "parser mended")
    with city.book.writing() as db:
        city.ledger.closed(db, gap, Reached.of(gap.until), city.clock.now(), timedelta(minutes=25))
    assert not city.ledger.gaps()
    assert [one.reason for one in city.windows() if after(one.start) == 3] == ["filled: parser mended"]


def test_what_is_skipped_while_a_gap_is_filled_stays_open(city: City) -> None:
    city.event(timedelta(0))
    city.run()
    city.ledger.reopen(["plain"], [(START, START + MINUTE)], "parser mended", city.clock.now())
    (gap,) = city.ledger.gaps()
    city.event(timedelta(seconds=9))
    city.run()
    city.ledger.reopen(["plain"], [(START, START + MINUTE)], "parser mended", city.clock.now())
    with city.book.writing() as db:
        city.ledger.closed(db, gap, Reached.of(gap.until), city.clock.now(), timedelta(0))
    assert [(one.after, one.until) for one in city.ledger.gaps()] == [(1, 2)]


def test_the_oldest_rows_are_forgotten_but_not_what_is_to_be_judged_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.detect.ledger.ROWS_OF_REACH_MAX", 100)
    city.run()
    city.run(after=5 * MINUTE)
    city.ledger.reopen(["plain"], [(START, START + MINUTE)], "parser mended", city.clock.now())
    monkeypatch.setattr("sentinel.detect.fill.Filler.fill", lambda *_: Filled())
    for _ in range(200):
        city.run(after=MINUTE)
    assert city.missing() == 0
    with city.book.looking() as db:
        assert db.execute("SELECT count(*) FROM ledger_windows").fetchone()[0] < 2 * (100 + 61)
    assert [after(one.start) for one in city.ledger.gaps()] == [0]


def test_three_thousand_rules_cost_a_row_a_minute(city: City) -> None:
    city.rules = [replace(PLAIN, id=f"rule-{number}", path=f"{number}.yml") for number in range(3000)]
    city.begin()
    city.run()
    for _ in range(10):
        city.event(city.clock.now() - START)
        city.run(after=MINUTE)
    account = city.ledger.account(START, city.clock.now())
    assert account.windows == {"evaluated": 3000 * 10}
    with city.book.looking() as db:
        assert db.execute("SELECT count(*) FROM ledger_windows").fetchone()[0] <= 12


Painted = st.tuples(st.integers(0, 30), st.integers(1, 12), st.sampled_from(["planned", "skipped", "evaluated"]))


@given(st.lists(Painted, max_size=20))
def test_rows_say_of_every_minute_what_was_painted_last(painted: list[tuple[int, int, str]]) -> None:
    db = sqlite3.connect(":memory:")
    db.execute(TABLE)
    expected: dict[int, str] = {}
    for start, length, state in painted:
        paint(db, "x", start, start + length, lambda _, state=state: Row(0, 0, state, 0))  # type: ignore[misc]
        expected |= dict.fromkeys(range(start, start + length), state)
    rows = overlapping(db, "x", 0, 100)
    assert {minute: row.state for row in rows for minute in range(row.start, row.stop)} == expected
    assert all(one.stop < two.start or one.state != two.state for one, two in pairwise(rows))
    assert sum(row.stop - row.start for row in rows) == len(expected)
    db.close()
