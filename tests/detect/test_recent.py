"""What correlations remember."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.reached import Reached
from sentinel.detect.recent import Memory, Recent, Seen

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(seq: int, second: int) -> Seen:
    return Seen(START + timedelta(seconds=second), seq, str(seq))


@given(
    taken=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 60), st.integers(0, 20)), max_size=60),
    low=st.integers(0, 20),
    high=st.integers(0, 20),
    until=st.integers(0, 60),
    events_max=st.integers(1, 80),
)
def test_it_holds_everything_of_a_group_beyond_its_start_once_and_in_order(
    taken: list[tuple[str, int, int]], low: int, high: int, until: int, events_max: int
) -> None:
    recent = Recent(Reached(), events_max)
    every: dict[str, set[Seen]] = {"a": set(), "b": set()}
    for name, seq, second in taken:
        recent.take((name,), seen(seq, second))
        every[name].add(seen(seq, second))
    total = sum(not recent.start.holds(one.seq) for group in every.values() for one in group)
    assert total <= max(events_max, 1)
    if sum(map(len, every.values())) <= events_max:
        assert recent.start == Reached()
    for name, group in every.items():
        want = [
            one
            for one in sorted(group)
            if not recent.start.holds(one.seq)
            and one.seq <= until
            and START + timedelta(seconds=low) <= one.timestamp
            and one.timestamp < START + timedelta(seconds=high)
        ]
        got = recent.between(
            (name,), START + timedelta(seconds=low), START + timedelta(seconds=high), Reached.of(until)
        )
        assert [one for one in got if not recent.start.holds(one.seq)] == want


def test_a_leap_of_the_cursor_and_an_incomplete_judgement_are_asked_of_the_store_again() -> None:
    memory = Memory()
    memory.at(Reached.of(10))
    memory.of("r").take(("a",), seen(11, 0))
    memory.done(Reached.of(20), ())
    memory.at(Reached.of(20))
    assert memory.of("r").start == Reached.of(10)
    memory.done(Reached.of(30), {"r"})
    memory.at(Reached.of(30))
    assert memory.of("r").start == Reached.of(30)
    assert memory.of("another").start == Reached.of(10)
    memory.at(Reached.of(50))
    assert memory.of("another").start == Reached.of(50)
