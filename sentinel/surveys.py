"""Surveys for the console's screens: how everything fares, who sends, what the rules can see."""

from collections import Counter
from datetime import datetime

from sentinel import status
from sentinel.app import App
from sentinel.core.clock import local_zone
from sentinel.core.source import Tally, hour_of
from sentinel.detect.breaker import Breaker
from sentinel.sources.book import Sender
from sentinel.status import Status
from sentinel.ui.console.surveys import Books, Deadline, Overview, RuleNumbers

HOURS = 24
LOST_UNSEEN = ("kernel", "overflow")
"""Why datagrams were dropped whose sender nobody knows."""
_LOST = ("dropped", "missing")


class Surveyor:
    """Looks at one Sentinel, from any process, whether it runs or not."""

    def __init__(self, app: App) -> None:
        self._app = app

    def overview(self) -> Overview:
        """Look how everything fares."""
        app, found = self._app, status.look(self._app)
        now = app.clock.now()
        midnight = _midnight(now)
        hours, lost = _by_hour(found.tally, hour_of(now))
        recent = {one: number for one, number in found.tally.items() if one.hour > hour_of(now) - HOURS}
        return Overview(
            at=now,
            midnight=midnight,
            running=found.running,
            judging=found.judging,
            hours=hours,
            lost=lost,
            senders=len(found.senders),
            silent=tuple(_named(one) for one in found.silent),
            unheard=unheard(app, found),
            spool=found.spool.bytes / app.config.spool.bytes_max,
            full=found.spool.full,
            store_lag=found.store_lag,
            detect_lag=found.detect_lag,
            datagrams_lost=sum(
                number for one, number in recent.items() if one.outcome == "dropped" and one.reason in LOST_UNSEEN
            ),
            dead_letters=sum(
                number
                for one, number in recent.items()
                if one.outcome == "deadletter" and one.hour >= hour_of(midnight)
            ),
            books=_books(found),
            deadlines=self._deadlines(),
        )

    def rule_numbers(self) -> RuleNumbers:
        """Count the rules."""
        rules = self._app.rules
        return RuleNumbers(len(rules.detections), len(self._aside()), len(rules.refused))

    def _aside(self) -> dict[str, str]:
        with self._app.book() as book:
            return Breaker(book, self._app.rules.detections).aside(self._app.clock.now())

    def _deadlines(self) -> tuple[Deadline, ...]:
        with self._app.cases() as cases:
            found = [Deadline(one.number, one.title, one.deadline) for one in cases.cases() if one.deadline is not None]
        return tuple(sorted(found, key=lambda one: one.at))


def unheard(app: App, found: Status) -> tuple[str, ...]:
    """Return the configured sources of which nothing has ever been heard."""
    return tuple(sorted({one.name for one in app.config.sources} - {one.identity.source for one in found.senders}))


def _midnight(now: datetime) -> datetime:
    return now.astimezone(local_zone(now)).replace(hour=0, minute=0, second=0, microsecond=0)


def _named(sender: Sender) -> str:
    return f"{sender.identity.source} {sender.identity.host or sender.identity.peer}".strip()


def _by_hour(tally: Tally, now: int) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    received: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    for account, number in tally.items():
        if account.outcome == "received":
            received[account.hour] += number
        elif account.outcome in _LOST:
            lost[account.hour] += number
    first = min((account.hour for account in tally if account.hour), default=now + 1)
    hours = range(now - HOURS + 1, now + 1)
    return tuple(received[hour] if hour >= first else None for hour in hours), tuple(lost[hour] for hour in hours)


def _books(found: Status) -> Books:
    told = found.balance
    return Books(told.received, told.split, told.ends, told.waiting, told.problems)
