"""What alerts come to that are about the same things: an incident, and how much there is to fear from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from sentinel.core.alert import Alert, Change
from sentinel.core.entity import Entity


class Part(NamedTuple):
    """One part of a risk score: what it is about, how many points it adds, and why."""

    name: Literal["level", "verdicts", "tactics", "criticality", "indicators"]
    points: int
    why: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts that belong together; each stays an alert of its own, and is worked as one.

    `alerts` are in order of `first_seen`; `shared` is what joins them, most widely shared first; `history` says when
    which of them came to it, which left, and with which incidents it was merged: their ids lead here.
    """

    id: str
    began: datetime
    alerts: tuple[Alert, ...]
    shared: tuple[Entity, ...]
    parts: tuple[Part, ...]
    history: tuple[Change, ...] = ()

    @property
    def score(self) -> int:
        """The risk, from 0 to 100: the sum of its parts within these bounds."""
        return max(0, min(100, sum(part.points for part in self.parts)))

    @property
    def open(self) -> bool:
        """Say whether one of its alerts is not closed."""
        return any(alert.state != "closed" for alert in self.alerts)

    @property
    def first_seen(self) -> datetime:
        """When the first thing happened (event time)."""
        return min(alert.first_seen for alert in self.alerts)

    @property
    def last_seen(self) -> datetime:
        """When the last thing happened (event time)."""
        return max(alert.last_seen for alert in self.alerts)


class Incidents(Protocol):
    """What the screens and the command line know of incidents."""

    def refresh(self) -> None:
        """Look what belongs together by now; raises StoreError."""

    def incidents(self, *, closed: bool = False, limit: int = 1000) -> Sequence[Incident]:
        """Return the incidents that are open, or all, those with the highest risk first."""

    def incident(self, incident_id: str) -> Incident:
        """Return one by its id, an unambiguous beginning, or the id of one that is part of it; raises UsageError."""
