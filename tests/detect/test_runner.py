"""Every stored event is judged once by every rule, however it arrives; the alerts are those of one offline pass."""

import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Correlation, Detection, Finding, Relation
from sentinel.core.errors import StoreBusyError, StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import ALWAYS, Is, Matches, Where
from sentinel.detect.correlate import keys
from sentinel.detect.ledger import Ledger
from sentinel.detect.runner import Runner, RunReport

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOCK = ManualClock(NOW)
FAILED = Is("event.outcome", "failure")
Make = Callable[..., Event]


def plain(where: Where = FAILED, number: int = 1) -> Detection:
    return Detection(f"plain-{number}", "plain", "low", where, "v", "x.yml", fold_by=("source.ip",))


def counting(
    count: int, seconds: int = 60, relation: Relation = "gte", by: tuple[str, ...] = ("source.ip",)
) -> Detection:
    rule = Correlation("event_count", by, timedelta(seconds=seconds), relation, count)
    return Detection("counting", "counting", "high", FAILED, "v", "x.yml", fold_by=by, correlation=rule)


def failure(ip: str = "192.0.2.7", **more: Value) -> dict[str, Value]:
    return {"event.outcome": "failure", "source.ip": ip, **more}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "state.db", CLOCK)


def judge(store: Store, book: Book, *detections: Detection, batch: int = 5000, listed_max: int = 2000) -> RunReport:
    return Runner(store, book, detections, CLOCK, store.newest, batch=batch, listed_max=listed_max).run()


def shown(book: Book) -> set[tuple[object, ...]]:
    """Return what the alerts say, but for their ids, which tell which event came first."""
    return {
        (one.rule_id, one.key, one.first_seen, one.last_seen, one.count, frozenset(one.evidence))
        for one in book.alerts()
    }


def test_an_event_that_a_rule_is_about_raises_one_alert(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(1, failure()), make(2, {"event.outcome": "success"}), make(3, failure())])
    report = judge(memory, book, plain())
    (alert,) = book.alerts()
    assert (alert.count, alert.key, len(alert.evidence)) == (2, (("source.ip", "192.0.2.7"),), 2)
    assert report.raised == (alert.id,)
    assert (report.judged, report.findings, report.reached.top, report.problems) == (3, 2, 3, ())


def test_judging_again_changes_nothing(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, failure()) for number in range(1, 9)])
    judge(memory, book, plain(), counting(3))
    before = book.alerts()
    assert judge(memory, book, plain(), counting(3)).judged == 0
    book._db.execute("DELETE FROM progress")
    assert judge(memory, book, plain(), counting(3)).judged == 8
    assert book.alerts() == before


def test_a_window_slides_over_what_a_clock_would_cut(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, failure(), at=timedelta(seconds=50 + 5 * number)) for number in range(1, 6)])
    judge(memory, book, counting(5, 60))
    (alert,) = book.alerts()
    assert alert.count == 5


@pytest.mark.parametrize(("seconds", "fires"), [(59, True), (60, False), (61, False)])
def test_two_events_a_whole_span_apart_are_not_within_it(
    memory: Store, book: Book, make: Make, seconds: int, *, fires: bool
) -> None:
    memory.append([make(1, failure(), at=timedelta(0)), make(2, failure(), at=timedelta(seconds=seconds))])
    judge(memory, book, counting(2, 60))
    assert bool(book.alerts()) == fires


def test_groups_are_counted_apart_and_without_regard_to_case(memory: Store, book: Book, make: Make) -> None:
    names = ["Root", "root", "ROOT", "admin", "admin"]
    memory.append([make(at, failure(**{"user.name": name})) for at, name in enumerate(names, start=1)])
    judge(memory, book, counting(3, by=("user.name",)))
    (alert,) = book.alerts()
    assert (alert.key, alert.count) == ((("user.name", "root"),), 3)


def test_an_event_without_the_groups_field_is_in_no_group(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, {"event.outcome": "failure"}) for number in range(1, 6)])
    judge(memory, book, counting(2))
    assert not book.alerts()


def test_an_event_with_several_values_is_in_several_groups(make: Make) -> None:
    event = make(1, {"source.ip": ("192.0.2.1", "192.0.2.2"), "user.name": "A"})
    assert list(keys(event, ("source.ip", "user.name"))) == [
        (("source.ip", "192.0.2.1"), ("user.name", "a")),
        (("source.ip", "192.0.2.2"), ("user.name", "a")),
    ]


def test_a_late_event_completes_a_window_and_joins_what_is_there(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(1, failure(), at=timedelta(0)), make(2, failure(), at=timedelta(seconds=40))])
    judge(memory, book, counting(3, 60))
    assert not book.alerts()
    memory.append([make(9, failure(), at=timedelta(seconds=20))])
    judge(memory, book, counting(3, 60))
    (alert,) = book.alerts()
    assert alert.count == 3
    assert alert.first_seen == memory.since(0, 1, 1)[0].timestamp


@pytest.mark.parametrize(
    ("relation", "count", "fires"),
    [("gt", 3, False), ("gt", 2, True), ("gte", 3, True), ("gte", 4, False), ("eq", 3, True), ("eq", 4, False),
     ("lt", 2, True), ("lt", 1, False), ("lte", 1, True), ("neq", 7, True)],
)  # fmt: skip
def test_every_relation_is_judged(
    memory: Store, book: Book, make: Make, relation: Relation, count: int, *, fires: bool
) -> None:
    memory.append([make(number, failure()) for number in (1, 2, 3)])
    judge(memory, book, counting(count, 60, relation))
    assert bool(book.alerts()) == fires


def test_many_groups_are_counted_by_the_store_first(memory: Store, book: Book, make: Make) -> None:
    events = [make(number, failure(f"192.0.2.{number % 100}")) for number in range(1, 201)]
    events += [make(1000 + number, failure("192.0.2.7"), at=timedelta(seconds=7)) for number in range(3)]
    memory.append(events)
    judge(memory, book, counting(4, 30))
    assert [one.key for one in book.alerts()] == [(("source.ip", "192.0.2.7"),)]


def test_a_burst_in_one_group_costs_no_more_than_its_size(memory: Store, book: Book, make: Make) -> None:
    """Reading every window anew would read 5,000 x 5,000 / 250 / 2 events."""
    size, batch = 5000, 250
    memory.append([make(number, failure(), at=timedelta(milliseconds=number)) for number in range(1, size + 1)])
    judge(memory, book, counting(10, 600), batch=batch)
    (alert,) = book.alerts()
    assert alert.count == size
    assert getattr(memory, "told") < 2 * size  # noqa: B009  the store of these tests counts


def test_late_events_in_a_dense_window_are_paged(
    memory: Store, book: Book, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.detect.correlate.PAGE", 20)
    memory.append([make(number, failure(), at=timedelta(seconds=number)) for number in range(1, 101)])
    judge(memory, book, counting(500, 600))
    memory.append([make(1000, failure(), at=timedelta(seconds=0.5))])
    judge(memory, book, counting(101, 600))
    (alert,) = book.alerts()
    assert alert.count == 101


def test_too_many_events_around_one_time_are_reported_as_a_gap(
    memory: Store, book: Book, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.detect.correlate.PAGE", 10)
    memory.append([make(number, failure(), at=timedelta(0)) for number in range(1, 31)])
    assert not judge(memory, book, counting(50), plain()).problems
    memory.append([make(31, failure(), at=timedelta(0))])
    report = judge(memory, book, counting(50), plain())  # a new process: the thirty are in the store only
    assert "more than" in report.problems[0]
    assert [(gap.rule_id, gap.after, gap.until) for gap in Ledger(book).gaps()] == [("counting", 30, 31)]
    assert [one.rule_id for one in book.alerts()] == ["plain-1"]


def test_a_group_that_the_store_did_not_list_is_judged_all_the_same(
    memory: Store, book: Book, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.detect.correlate.DIRECT_MAX", 0)
    monkeypatch.setattr("sentinel.detect.correlate.TALLY_MAX", 1)
    memory.append([make(number, failure("192.0.2.7"), at=timedelta(0)) for number in range(1, 31)])
    memory.append([make(number, failure("192.0.2.8"), at=timedelta(0)) for number in range(31, 35)])
    judge(memory, book, counting(5))
    memory.append([make(35, failure("192.0.2.8"), at=timedelta(0))])
    judge(memory, book, counting(5))  # a new process: the store lists the larger group only
    assert {(alert.key[0][1], alert.count) for alert in book.alerts()} == {("192.0.2.7", 30), ("192.0.2.8", 5)}


def broken() -> Detection:
    regex = object.__new__(Matches)
    for name, value in (("field", "message"), ("regex", "(?=x)"), ("flags", "")):
        object.__setattr__(regex, name, value)
    return plain(regex, number=2)


def test_a_rule_that_fails_is_set_aside_and_the_others_go_on(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, failure(message="x")) for number in range(1, 11)])
    report = judge(memory, book, broken(), plain())
    assert [one.rule_id for one in book.alerts()] == ["plain-1"]
    assert book.alerts()[0].count == 10
    assert any("plain-2" in problem and "failed" in problem for problem in report.problems)
    (gap,) = Ledger(book).gaps()
    assert (gap.rule_id, gap.after, gap.until) == ("plain-2", 0, 10)


def test_a_rule_set_aside_leaves_a_gap_in_every_batch_of_the_run(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, failure(message="x")) for number in range(1, 31)])
    judge(memory, book, broken(), plain(), batch=10)
    assert {(gap.rule_id, gap.until) for gap in Ledger(book).gaps()} == {("plain-2", 30)}


def test_a_rule_that_matches_everything_is_told_as_a_number(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(number, failure()) for number in range(1, 1001)])
    report = judge(memory, book, plain(ALWAYS), batch=100, listed_max=30)
    (alert,) = book.alerts()
    assert (alert.count, len(alert.evidence)) == (1000, 30)
    assert report.rolled_up == 970


def test_a_rule_with_too_many_subjects_ends_in_one_alert_that_says_so(
    memory: Store, book: Book, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.detect.judging.KEYS_MAX", 5)
    memory.append([make(number, failure(f"192.0.2.{number}")) for number in range(1, 21)])
    judge(memory, book, plain())
    alerts = book.alerts()
    assert len(alerts) == 6
    (rest,) = [one for one in alerts if one.key == ()]
    assert (rest.count, "more than 5 different subjects" in rest.summary) == (15, True)


def test_a_store_that_fails_leaves_cursor_and_alerts_as_they_were(
    memory: Store, book: Book, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.append([make(1, failure()), make(2, failure())])

    def down(*_: object) -> list[Event]:
        raise StoreError("down")

    monkeypatch.setattr(memory, "search", down)
    with pytest.raises(StoreError):
        judge(memory, book, plain(), counting(2))
    assert (book.judged().top, book.alerts()) == (0, [])
    monkeypatch.undo()
    judge(memory, book, plain(), counting(2))
    assert {one.rule_id for one in book.alerts()} == {"plain-1", "counting"}


def test_of_two_judges_the_one_that_was_overtaken_writes_nothing(
    memory: Store, book: Book, make: Make, tmp_path: Path
) -> None:
    memory.append([make(1, failure())])

    class Overtaken(Book):
        def record(
            self,
            findings: Iterable[Finding],
            cursor: int,
            *,
            after: Reached | None = None,
            also: Callable[[sqlite3.Connection], None] = lambda _db: None,
        ) -> tuple[str, ...]:
            book.record([], 1)
            return super().record(findings, cursor, after=after, also=also)

    with pytest.raises(StoreBusyError, match="another process has judged"):
        Runner(memory, Overtaken(tmp_path / "state.db", CLOCK), [plain()], CLOCK, memory.newest).run()
    assert not book.alerts()


def test_what_is_not_yet_stored_for_sure_waits(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(1, failure()), make(2, failure())])
    until = 1
    runner = Runner(memory, book, [plain()], CLOCK, lambda: until)
    assert runner.run().reached.top == 1
    until = 2
    assert runner.run().judged == 1


def test_an_alert_says_how_late_its_event_came(memory: Store, book: Book, make: Make) -> None:
    memory.append([make(1, failure(message="hello"), at=timedelta(hours=-6))])
    memory.append([make(2, failure("192.0.2.8", message="hello"), at=timedelta(days=1))])
    judge(memory, book, plain())
    assert sorted(one.summary for one in book.alerts()) == ["arrived 6 h late: hello", "dated 23 h ahead: hello"]


# The property: an arbitrary order of arrival, cut into arbitrary runs and batches, with restarts in between, gives
# the alerts of one pass over everything.
TIMES = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["192.0.2.1", "192.0.2.2"])), min_size=1, max_size=25)
UNIT = timedelta(seconds=10)


def offline(
    events: Sequence[tuple[int, str]], count: int, span: int, quiet: timedelta
) -> set[tuple[str, datetime, datetime, int]]:
    """Return (address, first, last, count) of the alerts, by the definition: try every window, join what is near."""
    start = datetime(2026, 11, 23, 8, tzinfo=UTC)
    found = set()
    for ip in {address for _, address in events}:
        times = sorted(at for at, address in events if address == ip)
        within = [[at for at in times if end - span < at <= end] for end in times]
        hits = sorted(at for at in times if any(len(one) >= count and one[0] <= at <= one[-1] for one in within))
        groups: list[list[int]] = []
        for at in hits:
            near = groups and (at - groups[-1][-1]) * UNIT <= max(quiet, span * UNIT)
            if near:
                groups[-1].append(at)
            else:
                groups.append([at])
        found |= {(ip, start + one[0] * UNIT, start + one[-1] * UNIT, len(one)) for one in groups}
    return found


@settings(max_examples=max(200, settings().max_examples))
@given(
    events=TIMES,
    count=st.integers(1, 4),
    span=st.integers(1, 8),
    batch=st.integers(1, 7),
    quiet=st.integers(1, 15),
    seed=st.integers(0, 1000),
)
def test_delays_batches_and_restarts_change_no_alert(  # noqa: PLR0917  what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    new_store: Callable[[], Store],
    events: list[tuple[int, str]],
    count: int,
    span: int,
    batch: int,
    quiet: int,
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's order of arrival
    arrivals = chance.sample(events, len(events))
    store = new_store()
    path = tmp_path_factory.mktemp("book") / "state.db"
    detection = counting(count, span * 10)
    waits = quiet * UNIT
    for number, (at, ip) in enumerate(arrivals, start=1):
        store.append([make(number, failure(ip), at=at * UNIT)])
        if chance.random() < 0.5:
            with Book(path, CLOCK, waits) as book:
                if chance.random() < 0.3:
                    book._db.execute("DELETE FROM progress")  # as if the cursor had never been written
                judge(store, book, detection, batch=batch)
    with Book(path, CLOCK, waits) as book:
        judge(store, book, detection, batch=batch)
        got = {(str(one.key[0][1]), one.first_seen, one.last_seen, one.count) for one in book.alerts()}
    assert got == offline(events, count, span, waits)
