"""Whether Sentinel moves events: looked at from outside, for monitoring that wakes somebody.

Not that processes are there is health, but that records are stored and judged, that no minute is unaccounted for, and
that no rule is blind. What is wrong with senders and books is told by `status`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sentinel import others, status
from sentinel.app import App
from sentinel.beat import alive
from sentinel.roles import Roles
from sentinel.status import Status
from sentinel.watchdog import QUIET, RULE

LAG_MAX = timedelta(minutes=15)
"""A record that has waited longer to be stored, or to be judged, is a problem."""
LOOKED_BACK = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody has to look at; `what` is a fixed word for programs, `text` for people."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """How Sentinel fares; `unaccounted`, `skipped` count rule times minute of the last day."""

    running: bool
    roles: Roles
    judge: int | None
    still: timedelta | None
    doing: str
    store_lag: timedelta
    detect_lag: timedelta
    unaccounted: int
    skipped: int
    aside: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def well(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the book of alerts says of the judging; on a machine that does not judge, nothing."""

    missing: int = 0
    skipped: int = 0
    aside: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def look(app: App) -> Health:
    """Look, from any process; raises StoreError or SpoolError if not even that can be done."""
    found = status.look(app)
    beat = found.beat
    judged = _judged(app) if found.roles.detect else _Judged()
    still = None if beat is None else timedelta(seconds=min(beat.age(), timedelta(days=999).total_seconds()))
    return Health(
        found.running,
        found.roles,
        beat.pid if beat is not None and alive(beat.pid) else None,
        still,
        "" if beat is None else beat.doing,
        found.store_lag,
        found.detect_lag,
        judged.missing,
        judged.skipped,
        judged.aside,
        (*_running(found), *_lags(found), *judged.problems),
    )


def _judged(app: App) -> _Judged:
    from sentinel.detect.breaker import tripped
    from sentinel.detect.ledger import MINUTE, Ledger

    now = app.clock.now()
    with app.book() as desk:
        ledger = Ledger(desk)
        missing = ledger.account(now - LOOKED_BACK, now).missing
        gaps = ledger.gaps()
        aside = tuple(sorted(tripped(desk, now)))
        alarms = [one.last_seen for one in desk.open_of(RULE.id)]
        problems = [Problem("machine", one.summary) for one in desk.open_of(others.RULE.id)]
    skipped = sum((one.end - one.start) // MINUTE for one in gaps)
    if missing:
        problems.append(Problem("ledger", f"{missing:,} windows of the last day are unaccounted for; sentinel ledger"))
    if skipped:
        rules = len({one.rule_id for one in gaps})
        text = (
            f"{rules:,} rules have missed {skipped:,} windows; sentinel ledger says why, sentinel ledger fill mends it"
        )
        problems.append(Problem("gaps", text))
    if aside:
        problems.append(Problem("rules", f"set aside for a while: {', '.join(aside)}"))
    if any(now - one < QUIET for one in alarms):
        problems.append(Problem("watchdog", f"within {QUIET} the judge was begun anew; sentinel alerts list says why"))
    return _Judged(missing, skipped, aside, tuple(problems))


def _running(found: Status) -> Iterator[Problem]:
    if not found.running:
        yield Problem("run", f"`sentinel run` is not at work since {_time(found.progress.known)}")
    elif found.judging:
        yield Problem("judge", found.judging)
    if found.spool.full:
        yield Problem("spool", f"the spool is full: {found.spool.full}")
    for one in found.short:
        yield Problem("store", one)


def _lags(found: Status) -> Iterator[Problem]:
    if found.store_lag > LAG_MAX:
        yield Problem("storing", f"a record waits to be stored since {found.store_lag}")
    if found.detect_lag > LAG_MAX:
        yield Problem("judging", f"a record waits to be judged since {found.detect_lag}")


def _time(moment: datetime | None) -> str:
    return "ever" if moment is None else moment.isoformat(timespec="seconds")
