"""How often a sender is heard, learned from the gaps between the ticks in which it was heard.

A tick is a fifteenth of the source's limit (a minute of fifteen). A sender is silent when nothing came for the longest
of three: the limit; three times the gap that 95 of 100 of its gaps do not exceed; five quarters of the silence that
began at the same hour before. Of the latter the second longest counts, by hour of the day and of the week: a night or
a weekend is learned when it has been seen twice, and one outage is never learned.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sentinel.core.source import Digest, bucket, quantile

TICKS = 15
TICKS_WANTED = 5
"""Seen in so many ticks, over at least its limit, a sender is one whose silence means something."""
_GAPS_MAX = 2_000
_PAUSES_KEPT = 2
_USUAL = 0.95


@dataclass(slots=True)
class Cadence:
    """What has been learned of one sender; times in seconds."""

    ticks: int = 0
    gaps: Digest = field(default_factory=dict)
    pauses: dict[str, list[float]] = field(default_factory=dict)

    def heard(self, gap: float, span: float, records: int, limit: float, last: datetime) -> None:
        """Learn that after `gap` (begun at `last`) so many records came within `span`; 0 if the gap was not watched."""
        tick = limit / TICKS
        if gap >= tick or not self.ticks:
            self.ticks += 1
        if gap >= tick:
            self._learn(gap, 1)
        if gap > limit:
            for slot in _slots(last, 0):
                self.pauses[slot] = [*self.pauses.get(slot, []), gap][-_PAUSES_KEPT:]
        inner = min(int(span / tick), records - 1)
        if inner > 0:
            self.ticks += inner
            self._learn(span / inner, inner)

    def _learn(self, gap: float, times: int) -> None:
        number = bucket(gap)
        self.gaps[number] = self.gaps.get(number, 0) + times
        if sum(self.gaps.values()) > _GAPS_MAX:
            self.gaps = {number: count // 2 for number, count in self.gaps.items() if count > 1}

    @property
    def usual(self) -> float | None:
        """The gap that nearly all do not exceed; None if there was none yet."""
        return quantile(self.gaps, _USUAL)

    def patience(self, limit: float, last: datetime) -> float:
        """Return how long a silence that began at `last` may be."""
        return max(limit, 3 * (self.usual or 0.0), 1.25 * self._pause(last))

    def _pause(self, last: datetime) -> float:
        expected = 0.0
        near = [_slots(last, by) for by in (-1, 0, 1)]
        for kind in range(2):
            seen = sorted(gap for slots in near for gap in self.pauses.get(slots[kind], ()))
            if len(seen) >= _PAUSES_KEPT:
                expected = max(expected, seen[-_PAUSES_KEPT])
        return expected

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"gaps": {str(number): count for number, count in self.gaps.items()}, "pauses": self.pauses}

    @classmethod
    def of(cls, ticks: int, told: dict[str, Any]) -> "Cadence":
        """Return what `plain` wrote."""
        return cls(ticks, {int(number): count for number, count in told["gaps"].items()}, told["pauses"])


def _slots(moment: datetime, by: int) -> tuple[str, str]:
    hour = (int(moment.timestamp()) // 3600 + by) % 168
    return f"d{hour % 24}", f"w{hour}"
