"""The process that judges: runs the rules at their pace, looks who is silent, joins what belongs together."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, cast

from sentinel import stores
from sentinel.app import App
from sentinel.beat import BEGINNING, Pulse, last_beat
from sentinel.config.options import Config
from sentinel.core.errors import FencedError, SentinelError, StoreBusyError, StoreError
from sentinel.core.event import arrival
from sentinel.core.folders import made
from sentinel.core.lock import HeldLock
from sentinel.core.room import no_room
from sentinel.lease import Lease, name
from sentinel.processes import follow
from sentinel.proving import proven

if TYPE_CHECKING:
    from sentinel.alert.book import Book
    from sentinel.core.ports import Store
    from sentinel.core.replica import Replica
    from sentinel.detect.past import Past
    from sentinel.detect.rules import Rules
    from sentinel.detect.runner import Runner, RunReport
    from sentinel.join.joiner import Joiner
    from sentinel.others import Others
    from sentinel.sources.book import SourceBook
    from sentinel.spool.disk import DiskSpool

Talk = Callable[[str], None]

_ASKED_SECONDS = 0.5
"""So often is looked whether another judge has ended, or a full disk has room."""
_AGAIN_SECONDS = 2.0
"""So long after what machines share was away it is asked again."""
_JUDGING_NICENESS = 5
"""In a flood receiving comes first: a datagram not received is lost, a rule judges late events as well."""


def judge(config: Config, talk: Talk, stuck: str, link: Connection) -> None:
    """Be the process that judges, until the other end of `link` is closed.

    `stuck` is the rule over which the one before did not get; it is set aside.
    """
    follow(_JUDGING_NICENESS)
    Thread(target=_hurries, args=(config, link), daemon=True).start()
    try:
        app = App(config)
        with _turn(app, talk, link) as pulse:
            if pulse is not None:
                _once_there_is_room(lambda: _led(app, talk, stuck, pulse, link), talk, pulse, link)
    except SentinelError as error:
        talk(f"rules: {error}")
        sys.exit(error.exit_code)


def _hurries(config: Config, link: Connection) -> None:
    # nothing ever comes but the end
    with suppress(OSError):
        link.poll(None)
        stores.hurry(config)


@contextmanager
def _turn(app: App, talk: Talk, link: Connection) -> Iterator[Pulse | None]:
    # one judges; the next is told who does, and waits until that one has ended or stands still: then it is fenced off
    # by the cursor, for who was overtaken can write nothing. None: the end came first
    made(app.config.data)
    lock: HeldLock | None = None
    told, begun = False, monotonic()
    while lock is None:
        try:
            lock = HeldLock(app.config.judge_lock, "{holder} judges already")
        except StoreBusyError as error:
            beat = last_beat(app.config.beat_file)
            his = beat is not None and f"process {beat.pid} on" in str(error)
            still = beat.age() if his and beat is not None else (monotonic() - begun) / BEGINNING
            if still > app.config.stuck_after:
                talk(f"rules: {error}, but stands still: it is overtaken")
                break
            if not told:
                talk(f"rules: {error}: waiting for its end")
                told = _told_ready(link)
            if link.poll(_ASKED_SECONDS):
                yield None
                return
    pulse = Pulse(app.config.beat_file)
    try:
        yield pulse
    finally:
        pulse.close()
        if lock is not None:
            lock.release()


def _told_ready(link: Connection) -> bool:
    # rules new to this machine are proven first, and another judge may have to end: what arrives meanwhile waits
    with suppress(BrokenPipeError):  # the first process is gone already: so ends this one
        link.send_bytes(b"ready")
    return True


def _once_there_is_room(work: Callable[[], None], talk: Talk, pulse: Pulse, link: Connection) -> None:
    """Do `work`; while a disk is so full that it cannot even begin, try again until the end."""
    told = False
    while True:
        try:
            work()
        except (SentinelError, OSError) as error:
            if not no_room(error):
                raise
            if not told:
                talk(f"rules: {error}: waiting for room on the disk")
                told = _told_ready(link)
        else:
            return
        with suppress(OSError):
            pulse.beat("")
        if link.poll(_ASKED_SECONDS):
            return


def _led(app: App, talk: Talk, stuck: str, pulse: Pulse, link: Connection) -> None:
    """Judge; where machines share the alerts, as long as and whenever it is this one that does."""
    from sentinel.alert.file import open_file

    journal = app.journal("state")
    if journal is None:
        _judged(app, talk, stuck, pulse, link, None)
        return
    told = False

    def waits() -> None:
        nonlocal told
        pulse.beat("")
        told = told or _told_ready(link)

    with closing(cast("Replica", open_file(app.config.state_file, journal))) as db:
        lease = Lease(db, name(app.config.data), app.config.detect.lease_seconds)
        while lease.awaited(link.poll, lambda text: talk(f"rules: {text}"), waits):
            try:
                with lease.kept(talk):
                    _judged(app, talk, stuck, pulse, link, lease)
            except FencedError as error:
                talk(f"rules: {error}")
            except StoreError as error:
                if no_room(error):
                    raise
                talk(f"rules: {error}: trying again")
                link.poll(_AGAIN_SECONDS)
            if link.poll(0):
                return


def _judged(app: App, talk: Talk, stuck: str, pulse: Pulse, link: Connection, lease: Lease | None) -> None:
    """Run the rules at their pace; say so over `link`, and end when its other end is closed, or the lease is lost."""
    from sentinel.detect.schedule import Schedule
    from sentinel.others import Others

    def told(report: "RunReport") -> None:
        for problem in report.problems:
            talk(f"rules: {problem}")

    def unjudged(error: Exception) -> None:
        talk(f"rules could not run, they will be run again: {error}")

    with (
        app.reading() as store,
        app.book() as desk,
        app.books() as books,
        app.joiner(store, desk.judged()) as joiner,
        app.spool() as spool,
        app.past(store) as past,
        stores.register(app.config, "reader") as register,
    ):
        if lease is not None:
            desk.guard(lease.check)
        if past.set_aside is not None:
            talk(f"what rules had learnt was damaged and is learnt anew; what it was is in {past.set_aside}")
        _told_ready(link)
        stored = _Stored(app, spool, Others(register, spool.whose.node, desk))
        judging = _Judging(app, talk, pulse, link, store, desk, books, joiner, past, stored, stuck)
        schedule = Schedule(judging, every=app.config.detect_every, report=told, failed=unjudged)
        schedule.start()
        try:
            with suppress(BrokenPipeError):
                while not link.poll(None if lease is None else _ASKED_SECONDS):
                    if lease is not None and lease.lost.is_set():
                        break
        finally:
            store.give_up()
            schedule.stop()


@dataclass(frozen=True)
class _Stored:
    """How far storing has come, on this machine and on the others."""

    app: App
    spool: "DiskSpool"
    others: "Others"

    def record(self) -> int:
        """Return the record up to which all have been stored."""
        from sentinel.spool import checkpoint

        return checkpoint.load(self.app.config.spool_dir)[0]

    def sequence(self) -> int:
        """Return the arrival sequence up to which all have been stored."""
        return arrival(self.record() + 1, 0) - 1

    def moment(self) -> datetime:
        """Return the moment before which all that came has been stored: the present one, if no record waits.

        What it has seen of the other machines is what `others` says from then on.
        """
        from sentinel.spool.survey import settled_before

        now = self.app.clock.now()
        self.others.look()
        return self.others.through(settled_before(self.spool, self.record(), now))

    def tell(self, rule_id: str, reason: str) -> None:
        """Write down that a rule was set aside, as a record like any other; a spool that is full tells of itself."""
        from sentinel.collect.notices import SOURCE, notice

        said: dict[str, object] = {"action": "rule_tripped", "rule": rule_id, "reason": reason}
        with suppress(SentinelError):
            self.spool.try_put([notice(SOURCE, self.app.clock.now(), said)])


@dataclass
class _Judging:
    """What one run of the judge does: who is silent, for that needs no store; then the rules; then what is joined.

    Rules are read anew before a run when an exception was changed, or has expired.
    """

    app: App
    talk: Talk
    pulse: Pulse
    link: Connection
    store: "Store"
    desk: "Book"
    books: "SourceBook"
    joiner: "Joiner"
    past: "Past"
    stored: _Stored
    stuck: str
    judged: int = -1

    def __post_init__(self) -> None:
        """Read the rules."""
        from sentinel.sources.silence import Silence

        self.silence = Silence(self.books, self.desk)
        self._read()
        if self.stuck:
            reason = f"did not come to an end within {self.app.config.stuck_after:g} s"
            self.runner.trip(self.stuck, reason)
            self.stored.tell(self.stuck, reason)

    def _ended(self) -> bool:
        self.pulse.beat("")
        return self.link.poll(0)

    def _read(self) -> None:
        from sentinel.audit.daily import KnownRules
        from sentinel.detect.exempting import Renewal
        from sentinel.detect.fetched import CURRENT
        from sentinel.detect.proof import UNPROVEN

        also = (self.app.switches_file, self.app.config.fetched_dir / CURRENT)
        self.renewal = Renewal(self.app.config.content.rules, also)  # first: what changes meanwhile is read again
        rules = self.app.rules_now()
        apart = partial(proven, self.app.config, self.link)
        rules = self.app.proving.live(rules, lambda text: self.talk(f"rules: {text}"), self._ended, apart)
        self.renewal.until(rules.exceptions)
        self.runner = self._made(rules)
        on = {one.id: one.version for one in rules.detections}
        KnownRules(self.app.config.audit_dir / "rules.json").now(self.app.audit, on, self.talk)
        self.talk(f"rules: {len(rules.detections)}, refused: {len(rules.refused)}")
        for error in rules.refused:
            if error.reason.startswith(UNPROVEN):
                self.talk(f"rules: refused: {error}")
        for one in rules.exceptions:
            if one.expired:
                self.talk(f"an exception has expired and holds no more: {one.title} ({one.terms.owner}), {one.path}")

    def _made(self, rules: "Rules") -> "Runner":
        from sentinel.detect.runner import Runner

        return Runner(
            self.store,
            self.desk,
            rules.detections,
            self.app.clock,
            until=self.stored.sequence,
            elsewhere=self.stored.others.stored,
            through=self.stored.moment,
            refused={one.path: one.reason for one in rules.refused},
            seen=self.joiner.see,
            past=self.past,
            at=self.pulse.beat,
        )

    def run(self) -> "RunReport":
        """Do it once."""
        self.pulse.beat("")
        if self.renewal.due(self.app.clock.now()):
            self._read()
        problems: tuple[str, ...] = ()
        try:
            self.silence.look()
            self.stored.others.tell()
        except SentinelError as error:
            problems = (f"nobody can say who is silent: {error}",)
        through = self.stored.record()
        report = self.runner.run()
        for rule_id, reason in report.tripped:
            self.stored.tell(rule_id, reason)
        self.pulse.beat("")
        try:
            self.joiner.run(report.reached)
        except SentinelError as error:
            problems = (*problems, str(error))
        if through != self.judged:
            self.books.judged(through)
            self.judged = through
        self.pulse.beat("")
        return replace(report, problems=(*report.problems, *problems))
