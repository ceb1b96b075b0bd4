"""When Python looks for garbage, so that no key waits for it."""

import gc
from collections.abc import Iterator

import pytest
from textual import events

from sentinel.ui.console.tidying import AWAY_SECONDS, OBJECTS_MIN, QUIET_SECONDS, Tidying


@pytest.fixture(autouse=True)
def _switched_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_garbage_waits_until_nobody_presses_a_key() -> None:
    now = [0.0]
    tidying = Tidying(lambda: now[0])
    made: list[list[object]] = [[] for _ in range(OBJECTS_MIN + 1_000)]
    for one in made:
        one.append(one)
    made.clear()
    now[0] = QUIET_SECONDS + 1
    tidying.heard(events.Key("down", None))
    assert not tidying.tidy()
    assert gc.get_count()[0] > OBJECTS_MIN
    now[0] += QUIET_SECONDS + 1
    assert tidying.tidy()
    assert gc.get_count()[0] < OBJECTS_MIN
    assert not tidying.tidy()


def test_everything_is_looked_through_once_when_nobody_is_there() -> None:
    now = [0.0]
    tidying = Tidying(lambda: now[0])
    now[0] = AWAY_SECONDS + 1
    assert tidying.tidy()
    assert not tidying.tidy()
    tidying.heard(events.Key("down", None))
    now[0] *= 3
    assert tidying.tidy()
