"""What an analyst works on: an alert remembers what a finding only says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Literal, NamedTuple, Protocol

from sentinel.core.detection import Key, Level
from sentinel.core.errors import UsageError

State = Literal["new", "acknowledged", "closed"]
Verdict = Literal["true_positive", "false_positive", "benign"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an alert's history: who did what, when (UTC), and whether it has been `undone`."""

    at: datetime
    who: str
    what: str
    note: str = ""
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that needs somebody's eyes; `count` findings' events have been folded into it so far.

    A `flood` stands for everything beyond its rule's budget, whatever that was about. `suppressed_until`: nobody is to
    be shown it until then, by the `suppression` of that number. `version` rises with every change but notes: new events
    do not raise it, a merger adds that of both. `assignee` is who has it; empty: nobody.
    """

    id: str
    rule_id: str
    rule_version: str
    title: str
    level: Level
    key: Key
    first_seen: datetime
    last_seen: datetime
    raised_at: datetime
    count: int
    evidence: tuple[str, ...]
    state: State = "new"
    verdict: Verdict | None = None
    summary: str = ""
    author: str = ""
    attack: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()
    flood: bool = False
    suppressed_until: datetime | None = None
    suppression: int | None = None
    version: int = 0
    assignee: str = ""


class Seen(NamedTuple):
    """An alert (its id, or an unambiguous beginning) as it was seen; without a version whatever it is by now."""

    id: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Take it on, or over from somebody else."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Give it to somebody; to nobody (empty): hand it back, it is new again."""

    to: str


@dataclass(frozen=True, slots=True)
class Note:
    """Add a note; stands beside whatever others change."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close it."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reopen:
    """Take on again what was closed."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Show nobody what it is about for a while; the note is the reason."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the last change, if it was one's own."""


Action = Acknowledge | Assign | Note | Close | Reopen | Suppress | Undo


class Outcome(NamedTuple):
    """What became of one of many changes: the alert as it is now, or why it was not changed."""

    seen: Seen
    result: Alert | UsageError


@dataclass(frozen=True, slots=True)
class Suppression:
    """What nobody is to be shown until `until`, and why; `count` events have come since.

    `rule_id` and `key` say what alerts it is about, or it is a `flood` of the rule; `ended` and `ended_by` are set if
    somebody has ended it before.
    """

    number: int
    rule_id: str
    title: str
    key: Key
    since: datetime
    until: datetime
    who: str
    reason: str
    count: int
    ended: datetime | None = None
    ended_by: str = ""
    note: str = ""
    flood: bool = False

    def holds(self, now: datetime) -> bool:
        """Say whether it still holds."""
        return self.ended is None and now < self.until


@dataclass(frozen=True, slots=True)
class Record:
    """How a rule has fared: its alerts, the verdicts of people on those they closed, the median time to a verdict.

    What Sentinel has closed by itself (a sender is heard again) is no verdict. `suppressed` events nobody was shown.
    """

    rule_id: str
    title: str
    alerts: int
    open: int
    events: int
    floods: int
    suppressed: int
    true_positive: int
    false_positive: int
    benign: int
    median_time: timedelta | None

    @property
    def verdicts(self) -> int:
        """How many alerts people have closed."""
        return self.true_positive + self.false_positive + self.benign

    @property
    def false_positive_ratio(self) -> tuple[float, float, float] | None:
        """The part of false positives among all verdicts, and between what it lies with 95 % confidence.

        None without a verdict. Of one verdict out of one little is known: 100 %, 21 to 100 %.
        """
        return wilson(self.false_positive, self.verdicts) if self.verdicts else None


def wilson(hits: int, of: int) -> tuple[float, float, float]:
    """Return `hits / of` and its 95 % score interval (Wilson, 1927, J. Am. Stat. Assoc. 22:209)."""
    z = 1.959964
    part = hits / of
    scale = 1 + z * z / of
    middle = (part + z * z / (2 * of)) / scale
    reach = z / scale * sqrt(part * (1 - part) / of + z * z / (4 * of * of))
    return part, max(0.0, middle - reach), min(1.0, middle + reach)


class Desk(Protocol):
    """What may be done with alerts; the screens and the command line know alerts only through this."""

    def alerts(self, *, states: tuple[State, ...] = (), limit: int = 1000, suppressed: bool = False) -> list[Alert]:
        """Return alerts, those last seen latest first; `states` empty means all; suppressed ones only if asked for."""

    def alert(self, alert_id: str) -> Alert:
        """Return one alert by its id or an unambiguous beginning of it; raises UsageError."""

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take an alert on, as it is by now; raises UsageError."""

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert, as it is by now; raises UsageError."""

    def change(self, seen: Seen, action: Action, who: str, note: str = "") -> Alert:
        """Change one alert; raises UsageError if it cannot be, ConflictError if somebody has changed it since."""

    def change_all(self, seen: Sequence[Seen], action: Action, who: str, note: str = "") -> list[Outcome]:
        """Change many in one transaction: each that can be, and why the others cannot; raises UsageError."""

    def suppress(self, alert_id: str, who: str, until: datetime, reason: str) -> Suppression:
        """Show nobody what an alert is about for a while; raises UsageError."""

    def unsuppress(self, number: int, who: str, note: str = "") -> Suppression:
        """End a suppression: what it is about is shown again; raises UsageError."""

    def suppressions(self, *, ended: bool = False, limit: int = 1000) -> list[Suppression]:
        """Return the suppressions that hold, those that end first first; with `ended` all, latest first."""

    def records(self, rule_id: str | None = None) -> list[Record]:
        """Return how every rule that has raised alerts has fared, or one of them."""
