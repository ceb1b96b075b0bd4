"""Watches the judging process from outside: one that has died, or stands still, is begun anew, and an alert says so.

Standing still is what the pulse says (`beat.py`), not whether the process is there. Who dies again and again has a
fault that no new beginning mends: then everything ends, and whoever watches `sentinel run` sees it.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic

from sentinel.app import App
from sentinel.beat import BEGINNING, last_beat
from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import Exit, SentinelError
from sentinel.core.where import AnyOf
from sentinel.processes import ready

DEATHS_MAX = 3
"""So often a judge may die within DEATHS_WITHIN_SECONDS."""
DEATHS_WITHIN_SECONDS = 600.0
_ENDING_SECONDS = 30.0
"""So long an orderly end waits for a judge that shows no sign of life."""
QUIET = timedelta(hours=1)
"""So long after an alarm of the watchdog Sentinel does not count as healthy."""
RULE = Detection(
    id="sentinel-judge-stopped",
    title="The rules stood still",
    level="high",
    where=AnyOf(()),  # no event raises it
    version="1",
    path="sentinel/watchdog.py",
    author="Sentinel",
    attack=("T1685",),
    description="The process that judges events died or no longer moved on. It was begun anew; what it has missed "
    "meanwhile is judged late. A rule that is too much for this machine, too little memory, or somebody who stops it.",
)

Begin = Callable[[str], tuple[BaseProcess, Connection]]
"""Begins a judge, which is told which rule its predecessor did not get over (or nothing)."""


@dataclass
class Watchdog:
    """Keeps one judge at work; `begin` makes one."""

    app: App
    begin: Begin
    talk: Callable[[str], None]
    failed: SentinelError | None = None
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS_MAX + 1))

    def __post_init__(self) -> None:
        """Begin the first judge."""
        self.process, self.link = self.begin("")
        self._since = monotonic()
        self._ready = False

    def ready(self) -> bool:
        """Wait until the first judge says that it is ready; False if it is gone."""
        self._ready = ready(self.link)
        return self._ready

    def look(self) -> bool:
        """Look once; False if there is no judge any more and `failed` says why."""
        if not self.process.is_alive():
            return self._died()
        beat = last_beat(self.app.config.beat_file)
        mine = beat is not None and beat.pid == self.process.pid
        still = beat.age() if mine and beat is not None else monotonic() - self._since
        if still <= self.app.config.stuck_after * (1 if mine else BEGINNING):
            return True
        self.process.kill()  # also one that was stopped
        self.process.join()
        doing = beat.doing if mine and beat is not None else ""
        rule = f" over the rule {doing}" if doing else ""
        self._anew(f"showed no sign of life for {still:.0f} s{rule}", doing)
        return True

    def _died(self) -> bool:
        how = self._ending()
        self._deaths.append(monotonic())
        often = len(self._deaths) > DEATHS_MAX and self._deaths[-1] - self._deaths[0] < DEATHS_WITHIN_SECONDS
        code = self.process.exitcode or 0
        said = code in set(Exit) - {Exit.OK, Exit.FINDING}  # it has said itself what is wrong
        if often or said or not self._ready:
            self.failed = SentinelError(f"nothing judges any more: the rules' process ended ({how})")
            if said:
                self.failed.exit_code = Exit(code)
            return False
        self._anew(f"ended ({how})", "")
        return True

    def _anew(self, why: str, rule: str) -> None:
        self.link.close()
        gone = self.process.pid
        self.talk(f"the rules' process {why}: it is begun anew")
        self.process, self.link = self.begin(rule)
        self._since = monotonic()
        with suppress(SentinelError):  # the new judge matters more
            self._alarm(f"the process that judges, {gone}, {why}; it was begun anew as {self.process.pid}", gone or 0)

    def _alarm(self, summary: str, gone: int) -> None:
        now = self.app.clock.now()
        finding = Finding(
            detection=RULE,
            key=(),
            first_seen=now,
            last_seen=now,
            evidence=(f"judge:{gone}:{now.isoformat()}",),
            summary=summary,
            moments=(now,),
        )
        with self.app.book() as desk:
            desk.record([finding], 0)

    def _ending(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        return f"by signal {-code}" if code < 0 else f"with exit code {code}"

    def end(self) -> None:
        """Let the judge finish what it does, and end it by force if it does not move on."""
        self.link.close()
        begun = monotonic()
        while self.process.is_alive():
            self.process.join(1.0)
            beat = last_beat(self.app.config.beat_file)
            still = beat.age() if beat is not None and beat.pid == self.process.pid else float("inf")
            if min(still, monotonic() - begun) > _ENDING_SECONDS:
                self.process.kill()
        self.process.join()
