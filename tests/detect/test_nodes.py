"""Events of several machines are judged as if one had received them, each once, however far each machine has come."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Correlation, Detection, NewTerms
from sentinel.core.errors import StoreBusyError
from sentinel.core.event import Event, node_of
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached, beginning_of, everything
from sentinel.core.where import AllOf, Compare, Is, holds
from sentinel.detect.fill import Filler
from sentinel.detect.past import Past
from sentinel.detect.runner import Runner, RunReport
from sentinel.testing.backtest import Options, backtest
from tests.detect.conftest import START, made

DAY = timedelta(days=1)
CLOCK = ManualClock(START + timedelta(hours=4))
FAILED = Is("event.outcome", "failure")
BY = ("source.ip",)
PLAIN = Detection("plain", "plain", "low", FAILED, "1", "x.yml", fold_by=BY)
THREE = Detection(
    "three", "three", "high", FAILED, "1", "x.yml", fold_by=BY,
    correlation=Correlation("event_count", BY, timedelta(seconds=60), "gte", 3),
)  # fmt: skip
FIRST = Detection("first", "first", "high", FAILED, "1", "x.yml", fold_by=BY, history=NewTerms(BY, 10 * DAY, DAY))


def failure(number: int, node: int, *, ip: str = "192.0.2.7", at: timedelta | None = None) -> Event:
    event = made(number, {"event.outcome": "failure", "source.ip": ip}, at=at)
    seq = beginning_of(node) + number
    return replace(event, seq=seq, fields={**event.fields, "event.sequence": seq})


def judge(store: Store, book: Book, *rules: Detection, past: Past | None = None, batch: int = 2000) -> RunReport:
    ends = sorted(everything(store).by_node.values())
    return Runner(store, book, rules, CLOCK, lambda: ends[0], elsewhere=lambda: ends[1:], past=past, batch=batch).run()


def shown(book: Book) -> set[tuple[object, ...]]:
    return {(one.rule_id, one.key, one.first_seen, one.count, frozenset(one.evidence)) for one in book.alerts()}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "state.db", CLOCK)


def test_each_event_of_each_machine_is_judged_once_and_a_late_machine_goes_on_where_it_was(
    memory: Store, book: Book
) -> None:
    memory.append([failure(1, 0), failure(1000, 7), failure(1001, 7)])
    assert judge(memory, book, PLAIN, batch=1).judged == 3
    assert book.judged() == Reached.of(1, beginning_of(7) + 1001)
    memory.append([failure(2, 0), failure(5000, 1023), failure(1002, 7)])
    report = judge(memory, book, PLAIN)
    assert (report.judged, judge(memory, book, PLAIN).judged) == (3, 0)
    assert book.judged() == report.reached == Reached.of(2, beginning_of(7) + 1002, beginning_of(1023) + 5000)
    (alert,) = book.alerts()
    assert alert.count == 6


def test_nothing_of_a_machine_is_judged_beyond_what_it_has_stored_without_gaps(memory: Store, book: Book) -> None:
    memory.append([failure(1, 0), failure(2, 3), failure(3, 3)])
    stored = beginning_of(3) + 2
    runner = Runner(memory, book, [PLAIN], CLOCK, lambda: 1, elsewhere=lambda: [stored])
    assert runner.run().judged == 2
    stored += 1
    assert runner.run().judged == 1


@given(
    events=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200), st.sampled_from("ab")), max_size=30),
    batch=st.integers(1, 9),
    cut=st.integers(0, 30),
    anew=st.booleans(),
)
def test_who_received_them_changes_nothing_of_what_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    new_store: Callable[[], Store],
    events: list[tuple[int, int, str]],
    batch: int,
    cut: int,
    *,
    anew: bool,
) -> None:
    folder = tmp_path_factory.mktemp("nodes")

    def of(node: Callable[[int], int]) -> list[Event]:
        return [
            failure(number, node(by), ip=f"192.0.2.{ord(ip)}", at=timedelta(seconds=second))
            for number, (by, second, ip) in enumerate(events, start=1)
        ]

    one, several = new_store(), new_store()
    one.append(of(lambda _: 0))
    with Book(folder / "one.db", CLOCK) as alone, Book(folder / "several.db", CLOCK) as book:
        Runner(one, alone, [PLAIN, THREE], CLOCK, one.newest).run()
        apart = of(lambda node: node)
        ends: list[int] = []

        def begun() -> Runner:
            return Runner(several, book, [PLAIN, THREE], CLOCK, lambda: 0, elsewhere=lambda: ends[:], batch=batch)

        runner = begun()
        for part in (apart[:cut], apart[cut:]):
            several.append(part)
            ends[:] = everything(several).by_node.values()
            runner.run()
            if anew:
                runner = begun()
        assert shown(book) == shown(alone)


@given(
    reached=st.lists(st.tuples(st.integers(0, 1023), st.integers(1, 99)), max_size=5),
    event=st.tuples(st.integers(0, 1023), st.integers(1, 99)),
)
def test_what_counts_is_the_same_for_python_and_for_a_store(
    reached: list[tuple[int, int]], event: tuple[int, int]
) -> None:
    there = Reached.of(*(beginning_of(node) + number for node, number in reached))
    for node in {event[0], *(node for node, _ in reached)}:
        one = failure(event[1], node)
        expected = any(other == node and number >= event[1] for other, number in reached)
        assert there.holds(one.seq) == holds(there.within(), one) == expected
    assert there.to(there.top) == there


def test_whoever_was_overtaken_at_any_machine_writes_nothing(memory: Store, book: Book, tmp_path: Path) -> None:
    memory.append([failure(1, 0), failure(2, 3)])
    with Book(tmp_path / "state.db", CLOCK) as other:

        def elsewhere() -> Iterable[int]:
            return [beginning_of(3) + 2]

        def seen(_after: int, events: object) -> None:
            other.record([], beginning_of(9) + 5)

        runner = Runner(memory, book, [PLAIN], CLOCK, lambda: 1, elsewhere=elsewhere, seen=seen)
        with pytest.raises(StoreBusyError, match="another process has judged"):
            runner.run()
    assert book.judged() == Reached.of(1, beginning_of(9) + 5)


def test_what_one_machine_has_met_is_not_new_at_another_and_a_restart_changes_nothing(
    memory: Store, book: Book, tmp_path: Path
) -> None:
    def run(*events: Event, past: str = "history.db") -> int:
        memory.append(events)
        learnt = Past(tmp_path / past, memory)
        try:
            return judge(memory, book, FIRST, past=learnt).findings
        finally:
            learnt.shut()

    assert run(failure(1, 2, at=timedelta())) == 0
    assert run(failure(2, 0, at=2 * DAY, ip="192.0.2.1")) == 1
    assert run(failure(3, 2, at=3 * DAY, ip="192.0.2.1"), failure(4, 0, at=3 * DAY)) == 0
    # a file that was lost is learnt from both machines
    assert run(failure(5, 0, at=4 * DAY), failure(6, 2, at=4 * DAY, ip="192.0.2.9"), past="anew.db") == 1


def test_what_a_rule_has_missed_is_judged_again_of_every_machine(memory: Store, book: Book) -> None:
    memory.append([failure(n, node) for n, node in ((1, 0), (2, 3), (3, 5))])
    runner = Runner(memory, book, [PLAIN], CLOCK, lambda: 3, elsewhere=lambda: [beginning_of(n) + 9 for n in (3, 5)])
    runner.trip("plain", "too much")
    runner.run()
    assert not book.alerts()
    (gap,) = runner._planner.ledger.gaps()
    assert (gap.after, node_of(gap.until)) == (0, 5)
    filled = Filler(memory, book, [PLAIN], CLOCK).fill([gap])
    assert (filled.findings, runner._planner.ledger.gaps()) == (3, [])


def test_a_backtest_reads_what_every_machine_has_received(memory: Store) -> None:
    memory.append([failure(n, node) for n, node in ((1, 0), (2, 3), (3, 5))])
    found = backtest(memory, [THREE], Span(START, START + DAY, "ingested"), Options(DAY, 100))
    assert (found.judged, len(found.alerts)) == (3, 1)


def test_the_condition_of_one_machine_is_as_short_as_it_was() -> None:
    assert Reached.of(9).within() == Compare("event.sequence", "lte", 9)
    assert isinstance(Reached.of(beginning_of(2) + 9).within(), AllOf)
