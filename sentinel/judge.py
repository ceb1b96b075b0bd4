"""The process that judges: runs the rules at their pace, looks who is silent, joins what belongs together."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from sentinel.app import App
from sentinel.config import Config
from sentinel.core.errors import SentinelError
from sentinel.core.event import arrival
from sentinel.processes import follow

if TYPE_CHECKING:
    from sentinel.detect.rules import Rules
    from sentinel.detect.runner import Runner, RunReport
    from sentinel.join.joiner import Joiner
    from sentinel.sources.book import SourceBook
    from sentinel.sources.silence import Silence
    from sentinel.spool.disk import DiskSpool

Talk = Callable[[str], None]

_JUDGING_NICENESS = 5
"""In a flood receiving comes first: a datagram not received is lost, a rule judges late events as well."""


def judge(config: Config, talk: Talk, link: Connection) -> None:
    """Be the process that judges, until the other end of `link` is closed."""
    follow(_JUDGING_NICENESS)
    try:
        _judged(App(config), talk, link)
    except SentinelError as error:
        talk(f"rules: {error}")
        sys.exit(error.exit_code)


def _judged(app: App, talk: Talk, link: Connection) -> None:
    """Run the rules at their pace; say so over `link`, and end when its other end is closed."""
    from sentinel.detect.runner import Runner
    from sentinel.detect.schedule import Schedule
    from sentinel.sources.silence import Silence

    def judged(report: "RunReport") -> None:
        for problem in report.problems:
            talk(f"rules: {problem}")

    def unjudged(error: Exception) -> None:
        talk(f"rules could not run, they will be run again: {error}")

    with (
        app.reading() as store,
        app.desk() as desk,
        app.books() as books,
        app.joiner(store, desk.cursor()) as joiner,
        app.spool() as spool,
        app.past(store) as past,
    ):
        if past.set_aside is not None:
            talk(f"what rules had learnt was damaged and is learnt anew; what it was is in {past.set_aside}")
        reached = _Reached(app, spool)

        def made(rules: "Rules") -> Runner:
            refused = {one.path: one.reason for one in rules.refused}
            return Runner(
                store,
                desk,
                rules.detections,
                app.clock,
                until=reached.sequence,
                through=reached.moment,
                refused=refused,
                seen=joiner.see,
                past=past,
            )

        with suppress(BrokenPipeError):  # the first process is gone already: so ends this one
            link.send_bytes(b"ready")  # rules new to this machine are proven first; what arrives meanwhile waits
        schedule = Schedule(
            _Judging(app, made, joiner, Silence(books, desk), books, reached.record, talk, lambda: link.poll(0)),
            every=app.config.detect_every,
            report=judged,
            failed=unjudged,
        )
        schedule.start()
        try:
            with suppress(BrokenPipeError):
                link.poll(None)
        finally:
            store.give_up()
            schedule.stop()


@dataclass(frozen=True)
class _Reached:
    """How far storing has come."""

    app: App
    spool: "DiskSpool"

    def record(self) -> int:
        """Return the record up to which all have been stored."""
        from sentinel.spool import checkpoint

        return checkpoint.load(self.app.config.spool_dir)[0]

    def sequence(self) -> int:
        """Return the arrival sequence up to which all have been stored."""
        return arrival(self.record() + 1, 0) - 1

    def moment(self) -> datetime:
        """Return the moment before which all that came has been stored: the present one, if no record waits."""
        now = self.app.clock.now()
        waiting = self.spool.read(self.record(), 1)
        return min(now, waiting[0].written) if waiting else now


@dataclass
class _Judging:
    """What one run of the judge does: who is silent, for that needs no store; then the rules; then what is joined.

    Rules are read anew before a run when an exception was changed, or has expired.
    """

    app: App
    made: "Callable[[Rules], Runner]"
    joiner: "Joiner"
    silence: "Silence"
    books: "SourceBook"
    committed: Callable[[], int]
    talk: Talk
    ended: Callable[[], bool]
    judged: int = -1

    def __post_init__(self) -> None:
        """Read the rules."""
        self._read()

    def _read(self) -> None:
        from sentinel.detect.exempting import Renewal
        from sentinel.detect.proof import UNPROVEN

        self.renewal = Renewal(self.app.config.content.rules)  # first: what changes meanwhile is read again
        rules = self.app.rules_in(self.app.rule_folders)
        rules = self.app.proving.live(rules, lambda text: self.talk(f"rules: {text}"), self.ended)
        self.renewal.until(rules.exceptions)
        self.runner = self.made(rules)
        self.talk(f"rules: {len(rules.detections)}, refused: {len(rules.refused)}")
        for error in rules.refused:
            if error.reason.startswith(UNPROVEN):
                self.talk(f"rules: refused: {error}")
        for one in rules.exceptions:
            if one.expired:
                self.talk(f"an exception has expired and holds no more: {one.title} ({one.terms.owner}), {one.path}")

    def run(self) -> "RunReport":
        if self.renewal.due(self.app.clock.now()):
            self._read()
        problems: tuple[str, ...] = ()
        try:
            self.silence.look()
        except SentinelError as error:
            problems = (f"nobody can say who is silent: {error}",)
        through = self.committed()
        report = self.runner.run()
        try:
            self.joiner.run(report.cursor)
        except SentinelError as error:
            problems = (*problems, str(error))
        if through != self.judged:
            self.books.judged(through)
            self.judged = through
        return replace(report, problems=(*report.problems, *problems))
