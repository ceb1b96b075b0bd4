"""What an analyst works on: an alert remembers what a finding only says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sentinel.core.detection import Key, Level

State = Literal["new", "acknowledged", "closed"]
Verdict = Literal["true_positive", "false_positive", "benign"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an alert's history: who did what, when (UTC)."""

    at: datetime
    who: str
    what: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that needs somebody's eyes; `count` findings' events have been folded into it so far."""

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


class Desk(Protocol):
    """What may be done with alerts; the screens and the command line know alerts only through this."""

    def alerts(self, *, states: tuple[State, ...] = (), limit: int = 1000) -> list[Alert]:
        """Return alerts, those last seen latest first; `states` empty means all."""

    def alert(self, alert_id: str) -> Alert:
        """Return one alert by its id or an unambiguous beginning of it; raises UsageError."""

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take an alert on; raises UsageError if it is closed."""

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert with a verdict; raises UsageError if it is closed already."""
