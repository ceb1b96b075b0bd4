"""The rules run at their pace, one run at a time, whatever a run or the clock does."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sentinel.core.reached import Reached
from sentinel.detect.runner import RunReport
from sentinel.detect.schedule import Schedule

PATIENCE_SECONDS = 30
SOON = timedelta(milliseconds=20)


class Counted:
    """A runner that does nothing but count; `at` says what happens in a run."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.at: Callable[[int], None] = lambda _: None
        self._changed = threading.Condition()

    def run(self) -> RunReport:
        with self._changed:
            self.runs += 1
            number = self.runs
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
        try:
            self.at(number)
        finally:
            with self._changed:
                self.at_once -= 1
        return RunReport(datetime(2026, 11, 23, tzinfo=UTC), 0.0, Reached.of(number - 1), Reached.of(number), 1, 0)

    def wait(self, runs: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.runs >= runs, PATIENCE_SECONDS)


@pytest.fixture
def runner() -> Counted:
    return Counted()


@pytest.fixture
def started() -> Iterator[Callable[[Schedule[RunReport]], Schedule[RunReport]]]:
    """Return what starts a schedule that is stopped in the end."""
    schedules: list[Schedule[RunReport]] = []

    def start(schedule: Schedule[RunReport]) -> Schedule[RunReport]:
        schedules.append(schedule)
        schedule.start()
        return schedule

    yield start
    for schedule in schedules:
        schedule.stop()


Start = Callable[[Schedule[RunReport]], Schedule[RunReport]]


def test_the_first_run_is_at_once_and_the_next_follow(runner: Counted, started: Start) -> None:
    reports: list[RunReport] = []
    schedule = started(Schedule(runner, SOON, report=reports.append))
    runner.wait(3)
    schedule.stop()
    assert [one.reached.top for one in reports] == list(range(1, runner.runs + 1))
    assert schedule.last == reports[-1]
    assert schedule.error is None


def test_with_a_long_interval_the_first_run_does_not_wait(runner: Counted, started: Start) -> None:
    started(Schedule(runner, timedelta(hours=1)))
    runner.wait(1)


def test_a_run_that_fails_is_told_and_the_next_comes(
    runner: Counted, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise ValueError("the first run fails")

    runner.at = fail
    failures: list[Exception] = []
    schedule = started(Schedule(runner, SOON, failed=failures.append))
    runner.wait(3)
    schedule.stop()
    assert [str(one) for one in failures] == ["the first run fails"]
    assert "the first run fails" in caplog.text
    assert schedule.last is not None
    assert schedule.error is None


def test_runs_never_overlap_and_stopping_waits_for_the_one_that_has_begun(runner: Counted, started: Start) -> None:
    hold = threading.Event()
    ended: list[int] = []

    def slow(number: int) -> None:
        hold.wait(0.1)
        ended.append(number)

    runner.at = slow
    schedule = started(Schedule(runner, SOON))
    runner.wait(2)
    schedule.run_now()
    schedule.stop()
    assert runner.most_at_once == 1
    assert len(ended) == runner.runs


def test_a_clock_that_is_set_back_does_not_stop_the_runs(runner: Counted, started: Start) -> None:
    """What APScheduler sees then is a next run far ahead; that is brought about here without touching the clock."""
    schedule = started(Schedule(runner, SOON))
    runner.wait(1)
    schedule._scheduler.modify_job("judge", next_run_time=datetime(2199, 1, 1, tzinfo=UTC))
    runner.wait(runner.runs + 3)


def test_a_clock_that_is_set_half_a_century_ahead_does_not_stop_the_runs(runner: Counted, started: Start) -> None:
    """As when a machine without a battery has learned the time; brought about here without touching the clock."""
    schedule = started(Schedule(runner, SOON))
    runner.wait(1)
    schedule._scheduler.modify_job("judge", next_run_time=datetime(1970, 1, 1, tzinfo=UTC))
    runner.wait(runner.runs + 3)


def test_a_schedule_that_never_began_can_be_stopped(runner: Counted) -> None:
    Schedule(runner, SOON).stop()
    assert runner.runs == 0


def test_job_stores_that_unpickle_are_never_loaded() -> None:
    code = (
        "import sys; from datetime import timedelta; from sentinel.detect.schedule import Schedule\n"
        "class R:\n    def run(self): return None\n"
        "s = Schedule(R(), timedelta(hours=1)); s.start(); s.stop()\n"
        "print(sorted(m for m in sys.modules if m.startswith('apscheduler.jobstores')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout.strip() == "['apscheduler.jobstores', 'apscheduler.jobstores.base', 'apscheduler.jobstores.memory']"
    )
