"""How large requests become before servers of several kinds."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.store.es_pace import LEAST, STEP, Pace

MOST = 4 << 20


def settled(seconds: Callable[[int], float], turns: int = 400) -> list[int]:
    """Return the sizes of the last requests to a server that takes so long for so many bytes."""
    pace = Pace(MOST)
    sizes = []
    for _ in range(turns):
        pace.answered(pace.size, seconds(pace.size))
        sizes.append(pace.size)
    return sizes[-100:]


def test_requests_grow_while_larger_ones_bring_more() -> None:
    assert min(settled(lambda sent: 0.5 + sent / 20e6)) > MOST - 3 * STEP  # every request has its price


def test_requests_stay_where_they_are_if_larger_ones_bring_nothing() -> None:
    assert max(settled(lambda sent: sent / 20e6)) <= (1 << 20) + STEP


def test_requests_shrink_to_what_a_server_does_best() -> None:
    def seconds(sent: int) -> float:
        return 0.01 + sent / 20e6 + max(0, sent - 500_000) / 2e6  # beyond its heap's comfort it collects garbage

    assert max(settled(seconds)) <= 500_000 + 2 * STEP


def test_a_refusal_halves_and_growing_begins_from_there() -> None:
    pace = Pace(MOST)
    pace.refused()
    assert pace.size == 1 << 19
    for _ in range(8):
        pace.answered(pace.size, 1.0)
    assert pace.size == (1 << 19) + STEP


def test_requests_that_are_not_full_teach_nothing() -> None:
    pace = Pace(MOST)
    for _ in range(100):
        pace.answered(pace.size // 2, 1.0)
    assert pace.size == 1 << 20


@pytest.mark.parametrize(("whole", "part"), [(100_000, 256 << 10), (1_000_000, 500_000), (9_000_000, 1 << 20)])
def test_all_senders_have_something_to_do_if_that_is_worth_it(whole: int, part: int) -> None:
    assert Pace(MOST).part(whole, 2) == part


@given(st.integers(1_000, MOST), st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=200))
def test_whatever_comes_a_request_stays_within_bounds(most: int, answers: list[float | None]) -> None:
    pace = Pace(most)
    for seconds in answers:
        if seconds is None:
            pace.refused()
        else:
            pace.answered(pace.size, seconds)
        assert min(LEAST, most) <= pace.size <= most
