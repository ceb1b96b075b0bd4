"""One channel at work: picks what is due, keeps to quiet hours and rates, sends, and notes what became of it.

A message is noted as sent after it was: killed in between it is sent once more, with the same id. A try that fails is
repeated after a random time up to a bound that doubles ("full jitter", Brooker, AWS Architecture Blog, 2015), by the
message as by its channel, and another message's turn comes first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from sentinel.core import kill
from sentinel.core.alert import Alert
from sentinel.core.audit import SENTINEL, Audit, Deed, Detail
from sentinel.core.detection import LEVELS, Level
from sentinel.core.errors import AuditError, SentinelError
from sentinel.core.ports import Clock
from sentinel.notify.message import Message, Words
from sentinel.notify.outbox import Outbox

HOUR = timedelta(hours=1)
FIRST_SECONDS = 10.0
LONGEST_SECONDS = 900.0
_DOUBLED_MAX = 20
ALERTS_MAX = 100
"""So many alerts of a message are named in the audit log."""

Facts = Mapping[str, object]


class Deliver(Protocol):
    """What sends a message; raises SentinelError if it did not arrive."""

    def __call__(self, message: Message, at: datetime, facts: Facts, /) -> None:
        """Send it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a channel keeps to; `quiet` says until when it is quiet, from the level `breaks` on it never is."""

    quiet: Callable[[datetime], datetime | None]
    breaks: Level | None
    per_hour: int
    all_per_hour: int
    give_up: timedelta


@dataclass
class Sender:
    """The channel `name`; `look` gives alerts by their ids as they are by now."""

    name: str
    terms: Terms
    words: Words
    outbox: Outbox
    deliver: Deliver
    look: Callable[[Sequence[str]], list[Alert]]
    audit: Audit
    clock: Clock
    chance: Random
    talk: Callable[[str], None]

    def step(self) -> bool:
        """Do one thing; False if there is nothing to do at present. Raises StoreError."""
        now = self.clock.now()
        rest = self.outbox.health(self.name).again_at
        if rest is not None and now < rest <= now + timedelta(seconds=LONGEST_SECONDS):
            return False
        due = self._awake(self.outbox.due(self.name, now), now)
        if not due or not self._room(due, now):
            return False
        message = due[0]
        if message.title:
            self.outbox.claim(message)
            self._send(message)
            return True
        fresh = [one for one in due if not one.title]
        if len(fresh) > 1 and (any(one.held for one in fresh) or len(fresh) > self._left(now)):
            message = self.outbox.merge(fresh, now)
        alerts = self.look(message.alerts)
        if not alerts:
            self.outbox.end(message, "dropped", now, "nobody is to be shown it any more")
            return True
        words = self.words.alerts(message.reason, alerts)
        self._send(self.outbox.word(message, words, sum(one.count for one in alerts)))
        return True

    def _awake(self, due: list[Message], now: datetime) -> list[Message]:
        until = self.terms.quiet(now)
        if until is None:
            return due
        least = len(LEVELS) if self.terms.breaks is None else LEVELS.index(self.terms.breaks)
        told = [one for one in due if LEVELS.index(one.level) >= least or one.reason == "test"]
        self.outbox.hold([one for one in due if one not in told], until)
        return told

    def _left(self, now: datetime) -> int:
        own = self.terms.per_hour - len(self.outbox.sent_times(now - HOUR, self.name))
        return min(own, self.terms.all_per_hour - len(self.outbox.sent_times(now - HOUR)))

    def _room(self, due: list[Message], now: datetime) -> bool:
        if self._left(now) > 0:
            return True
        own = self.outbox.sent_times(now - HOUR, self.name)[-self.terms.per_hour :]
        every = self.outbox.sent_times(now - HOUR)[-self.terms.all_per_hour :]
        full = [
            times[0]
            for times, most in ((own, self.terms.per_hour), (every, self.terms.all_per_hour))
            if len(times) >= most
        ]
        self.outbox.hold(due, max(full) + HOUR)
        return False

    def _send(self, message: Message) -> None:
        now = self.clock.now()
        kill.point("notify.before_send")
        try:
            self.deliver(message, message.made_at, message.facts(self.words.site))
        except SentinelError as error:
            self._failed(message, now, str(error))
            return
        kill.point("notify.sent")
        self.outbox.end(message, "sent", self.clock.now())
        kill.point("notify.noted")
        try:
            said: dict[str, Detail] = {"channel": self.name, "id": message.id, "reason": message.reason}
            said["alerts"] = message.alerts[:ALERTS_MAX]
            self.audit.enter(Deed("notify.sent", SENTINEL, next(iter(message.alerts), ""), said))
        except AuditError as error:  # it was sent, and nobody would be helped if nothing were sent any more
            self.talk(f"notify: {self.name}: sent, but: {error}")

    def _failed(self, message: Message, now: datetime, why: str) -> None:
        if now - message.made_at >= self.terms.give_up and message.attempts:
            self.outbox.end(message, "failed", now, why)
            self.talk(f"notify: {self.name}: {message.id} was given up after {message.attempts + 1} tries: {why}")
            return
        if not message.attempts:
            self.talk(f"notify: {self.name}: {message.id} was not sent, it is tried again: {why}")
        failures = self.outbox.health(self.name).failures
        wait = self.chance.uniform(1.0, min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures, _DOUBLED_MAX)))
        self.outbox.failed(message, now, now + timedelta(seconds=wait), why)
