"""What comparing the sites of one kind with each other on one day has found; scores are from 0 to 100."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

FeatureName = Literal["name", "address", "port", "user_agent", "dns", "process"]
"""What is compared: destinations by name or by address, ports, user agents, DNS habits, names of processes."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that one site does and hardly any other.

    `sites` of `peers` sites do it: on that day, or on most of the earlier days that are alike, whichever are more.
    It was seen in `hours` hours of the day, `closed_hours` of them while places of this kind are closed, by `devices`
    devices of the site; `device` is the busiest of them, with `every_seconds` between its contacts (median; 0: it did
    it too seldom to say) at a regularity of `rhythm` (0 to 1). The site had done it on `known` of `days` earlier days
    alike. `event` is the id of one of its events.
    """

    feature: FeatureName
    value: str
    score: float
    sites: int
    peers: int
    hours: int
    closed_hours: int
    events: int
    devices: int
    device: str
    every_seconds: float
    rhythm: float
    known: int
    days: int
    first: datetime
    last: datetime
    event: str


@dataclass(frozen=True, slots=True)
class Odd:
    """A site and what is odd about it, the oddest first."""

    site: str
    traits: tuple[Trait, ...]

    @property
    def score(self) -> float:
        """How odd it is."""
        return max((one.score for one in self.traits), default=0.0)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The sites of a kind on a day, the oddest first.

    `sites` were heard; `off` says that the day was a day off; it was compared with `days` earlier days alike. `gaps`
    says what could not be looked at.
    """

    kind: str
    day: date
    sites: int
    off: bool
    days: int
    odd: tuple[Odd, ...]
    gaps: tuple[str, ...] = ()
