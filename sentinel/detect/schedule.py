"""The one door to APScheduler: runs something at its pace, one run at a time, and says so when it cannot.

Jobs live in memory only (APScheduler's other job stores unpickle what they find). A run that comes late is made up
for, once (`misfire_grace_time=None`): how far judging has come is the book's to know, not the scheduler's. APScheduler
waits for a time of day. Its own interval would count every run that a clock set years ahead has passed over, one by
one; ours counts from now. A clock that is set back would stop it; a guard that counts elapsed time alone notices and
sets the next run anew.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

_log = logging.getLogger(__name__)


Done_co = TypeVar("Done_co", covariant=True)
Report = TypeVar("Report")
GUARD_INTERVALS = 3
"""After so many intervals without a run the next one is set anew."""


class _Pace(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """At once, and then so long after the last time, whatever the time of day was meanwhile."""

    def __init__(self, every: timedelta) -> None:
        self._every = every

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return when it is due."""
        return now if previous_fire_time is None else now + self._every


class Run(Protocol[Done_co]):
    """What is run."""

    def run(self) -> Done_co:
        """Do it once."""


class Schedule(Generic[Report]):
    """Calls `runner.run()` at once and then `every` so often, from `start` to `stop`.

    `report` is given what each run did, `failed` the exception of a run that could not be done; both are called in
    the scheduler's thread. A failed run is logged and tried again at the next time.
    """

    def __init__(
        self,
        runner: Run[Report],
        every: timedelta,
        report: Callable[[Report], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._runner = runner
        self._report = report
        self._failed = failed
        self._once = threading.Lock()
        self._last: Report | None = None
        self._error: Exception | None = None
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )
        self._every = max(every.total_seconds(), 0.01)
        self._begun = 0
        self._ending = threading.Event()
        self._guard = threading.Thread(target=self._watch, name="schedule-guard", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._scheduler.add_job(self.run_now, self._pace(), id="judge")
        self._scheduler.start()
        self._guard.start()

    def stop(self) -> None:
        """End; a run that has begun is finished first. A schedule that never began ends as well."""
        self._ending.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
            self._guard.join()

    def _pace(self) -> _Pace:
        return _Pace(timedelta(seconds=self._every))

    def _watch(self) -> None:
        seen = -1
        while not self._ending.wait(self._every * GUARD_INTERVALS):
            if seen == self._begun and not self._once.locked():
                _log.warning("no run has begun for %g s: the clock was set?", self._every * GUARD_INTERVALS)
                self._scheduler.reschedule_job("judge", trigger=self._pace())
            seen = self._begun

    def run_now(self) -> None:
        """Run once in this thread, as the schedule does; waits for a run that has begun."""
        with self._once:
            self._begun += 1
            try:
                done = self._runner.run()
            except Exception as error:  # noqa: BLE001  whatever it is, the next run must come
                self._error = error
                _log.exception("a run failed; it is tried again at the next time")
                if self._failed is not None:
                    self._failed(error)
                return
            self._last, self._error = done, None
        if self._report is not None:
            self._report(done)

    @property
    def last(self) -> Report | None:
        """What the last run that succeeded did, None before the first."""
        return self._last

    @property
    def error(self) -> Exception | None:
        """Why the last run failed, None if it succeeded."""
        return self._error
