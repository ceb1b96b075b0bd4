"""Whatever happens to the judge, or to events on their way: the alerts are those of one offline pass, each there once.

And every minute is accounted for.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreBusyError
from sentinel.core.ports import Store
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing import week
from sentinel.testing.lateness import KINDS, LATE, Row, paused, table
from sentinel.testing.mortal import PLACES, START, Judge, event, offline, rules

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def lateness() -> list[Row]:
    return list(table())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("late", LATE)
def test_a_late_event_is_found_once(lateness: list[Row], kind: str, late: str) -> None:
    (row,) = [one for one in lateness if (one.kind, one.late) == (kind, late)]
    assert row.well
    assert (row.alerts, row.events) == (1, 1 if kind == "single" else 3)
    if LATE[late] >= timedelta(hours=1):
        assert row.reopened == (1 if kind == "single" else 6)  # its own minute, and the five that look back on it


@pytest.mark.parametrize("minutes", [0, 20, 65])
def test_with_the_schedule_paused_for_minutes_all_alerts_are_there(minutes: int) -> None:
    """As kibana#285154: a threshold within five minutes, looking back an hour, paused for twenty minutes."""
    found = paused(minutes * MINUTE)
    assert (found.expected, found.found, found.more, found.unaccounted) == (30, 30, 0, 0)


def test_a_day_of_restarts_deaths_pauses_delays_and_clocks_that_are_set(tmp_path: Path) -> None:
    found = week.simulate(0.7, seed=3, step=20 * MINUTE, per_hour=40)
    assert found.well, found
    assert found.alerts > 50
    assert min(found.happened[what] for what in ("restart", "death", "pause")) > 0


def test_the_simulation_notices_what_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without filling gaps, what a rule has missed while its file was broken stays missing."""
    monkeypatch.setattr(week, "_OFTEN", {**week._OFTEN, "broken": 0.3})
    monkeypatch.setattr("sentinel.detect.fill.Repeater._waits", lambda *_: True)
    found = week.simulate(0.2, seed=1, step=20 * MINUTE)
    assert not found.well
    assert found.open
    assert found.missing


Drawn = st.tuples(
    st.integers(0, 40),  # when it happens, in half minutes
    st.integers(0, 60),  # how many half minutes later it arrives
    st.sampled_from(["failure", "scan", "login", "exploit"]),
    st.integers(0, 1),  # who
    st.integers(0, 3),  # as whom
)
Done = st.sampled_from(["run", "restart", "wait", "break", "mend", *PLACES])


@settings(max_examples=max(60, settings().max_examples // 3), suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(Drawn, min_size=1, max_size=25), done=st.lists(Done, max_size=25), quiet=st.integers(1, 20))
def test_any_mix_of_delays_restarts_pauses_and_deaths_gives_the_alerts_of_one_offline_pass(
    tmp_path_factory: pytest.TempPathFactory,
    new_store: Callable[[], Store],
    drawn: list[tuple[int, int, str, int, int]],
    done: list[str],
    quiet: int,
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    clock, waits = ManualClock(START), quiet * MINUTE
    judge = Judge(new_store(), folder / "state.db", clock, rules(), quiet=waits)
    arriving = sorted(range(len(drawn)), key=lambda number: drawn[number][0] + drawn[number][1])
    events = []
    for seq, number in enumerate(arriving, start=1):
        at, delay, action, ip, user = drawn[number]
        arrival = START + (at + delay) * MINUTE / 2
        clock.moment = max(clock.moment, arrival)
        fields = {"event.action": action, "source.ip": f"192.0.2.{ip}", "user.name": f"user{user}"}
        events.append(event(number, seq, START + at * MINUTE / 2, arrival, {**fields}))
        judge.store.append(events[-1:])
        match done[seq - 1] if seq <= len(done) else "run":
            case "restart":
                judge.again()
            case "wait":
                pass
            case "break" | "mend" as what:
                judge.refused = {"event_count.yml": "broken"} if what == "break" else {}
                judge.again()
                judge.run()
            case where:
                judge.run(where if where in PLACES else "")
    judge.refused = {}
    judge.again()
    judge.run()
    clock.advance(2 * MINUTE)
    judge.run()
    assert judge.told() == offline(new_store(), folder / "whole.db", ManualClock(clock.now()), events, waits)
    assert judge.ledger.account(START, clock.now()).missing == 0
    assert judge.ledger.gaps() == []
    judge.book.shut()


def test_two_judges_at_once_miss_nothing_and_double_nothing(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    clock = ManualClock(START)
    judges = [Judge(store, tmp_path / "state.db", clock, rules()) for _ in range(2)]
    events = [
        event(
            number,
            number + 1,
            START + number * timedelta(seconds=1),
            START,
            {"event.action": "failure", "source.ip": f"192.0.2.{number % 9}", "user.name": f"user{number % 4}"},
        )
        for number in range(600)
    ]
    over = threading.Event()
    busy = 0

    def work(judge: Judge) -> None:
        nonlocal busy
        last = False
        while not last:
            last = over.is_set()
            try:
                judge.run()
            except StoreBusyError:
                busy += 1

    threads = [threading.Thread(target=work, args=(judge,)) for judge in judges]
    for thread in threads:
        thread.start()
    for at in range(0, len(events), 20):
        store.append(events[at : at + 20])
    over.set()
    for thread in threads:
        thread.join()
    clock.advance(20 * MINUTE)
    judges[0].run()
    whole = EmbeddedStore(tmp_path / "whole")
    assert judges[0].told() == offline(whole, tmp_path / "whole.db", clock, events)
    assert judges[0].ledger.account(START, clock.now()).missing == 0
    for judge in judges:
        judge.book.shut()
    store.close()
    whole.close()
