"""A sender that numbers its messages is believed about what never came, and about nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.parse.numbering import HIGHEST, Numbering


def missing(*numbers: int) -> int:
    """Return how many are missing once these have come in this order."""
    numbering = Numbering(numbers[0])
    return sum(numbering.came(number) for number in numbers)


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ((7, 8, 9), 0),
        ((7, 9, 10, 14), 4),
        ((7, 9, 8, 10), 0),  # overtaken
        ((7, 9, 9, 9), 1),  # said twice
        ((7, 9, 1, 2, 4), 2),  # began anew
        ((50_000, 50_001, 1, 2), 0),
        ((7, 500_000, 500_001), 0),  # another count
        ((HIGHEST - 1, HIGHEST, 1, 2), 0),
        ((HIGHEST - 1, 2, 3), 2),
    ],
)
def test_gaps_are_counted(numbers: tuple[int, ...], lost: int) -> None:
    assert missing(*numbers) == lost


@given(st.integers(1, 100_000), st.lists(st.booleans(), min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_what_is_missing_is_what_was_lost_however_the_rest_is_shuffled_a_little(
    first: int,
    arrives: list[bool],
    chance: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    came = [first + 10 + at for at, one in enumerate(arrives) if one]
    for at in range(0, len(came), 5):
        few = came[at : at + 5]
        chance.shuffle(few)
        came[at : at + 5] = few
    last = max(came, default=first + 9)
    lost = sum(not one for one in arrives[: last - first - 9])
    whole = [*range(first, first + 10), *came]
    assert missing(*whole) == lost
