"""What keeps a pulled source from being read, told as events: 401 for an hour must not look like peace.

What will not pass by itself is told at once, what may pass only once it has lasted; then hourly, and once when it is
over.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import orjson

from sentinel.core.clock import iso
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock

LASTING = timedelta(minutes=10)
AGAIN = timedelta(hours=1)
Action = Literal["pull_failed", "pull_recovered", "pull_lost"]


@dataclass(slots=True)
class _Trouble:
    first: datetime
    count: int = 0
    told: datetime | None = None


@dataclass(slots=True)
class Troubles:
    """The troubles of one source's feeds; what is `taken` is to be written as records that `parsers/sentinel` reads."""

    source: str
    peer: str
    clock: Clock
    _said: list[Raw] = field(default_factory=list)
    _now: dict[str, _Trouble] = field(default_factory=dict)
    _lost: dict[tuple[str, str], _Trouble] = field(default_factory=dict)

    def failed(self, feed: str, reason: str, *, passing: bool) -> None:
        """Note that a feed could not be read."""
        now = self.clock.now()
        trouble = self._now.setdefault(feed, _Trouble(now))
        trouble.count += 1
        quiet, patience = (now - trouble.first, LASTING) if trouble.told is None else (now - trouble.told, AGAIN)
        if quiet >= patience or (trouble.told is None and not passing):
            trouble.told = now
            self._say("pull_failed", feed, reason, trouble)

    def over(self, feed: str) -> None:
        """Note that a feed could be read."""
        trouble = self._now.pop(feed, None)
        if trouble is not None and trouble.told is not None:
            self._say("pull_recovered", feed, "it can be read again", trouble)

    def lost(self, feed: str, reason: str) -> None:
        """Note that something can never be read; the same several times is told once, with how often it was."""
        self._lost.setdefault((feed, reason), _Trouble(self.clock.now())).count += 1

    def _say(self, action: Action, feed: str, reason: str, trouble: _Trouble) -> None:
        said = {
            "action": action,
            "entrance": self.source,
            "feed": feed,
            "peer": self.peer,
            "reason": reason,
            "count": trouble.count,
            "since": iso(trouble.first),
        }
        self._said.append(Raw(orjson.dumps(said), self.source, self.clock.now(), Origin("sentinel", self.peer)))

    def taken(self) -> list[Raw]:
        """Return what is to be written, once."""
        for (feed, reason), trouble in self._lost.items():
            self._say("pull_lost", feed, reason, trouble)
        self._lost.clear()
        said, self._said = self._said, []
        return said
