"""What is usual, by the kind of hour: workdays apart from days off, as the calendar has them.

Numbers of traffic differ by orders of magnitude, so their logarithms are averaged, the newest weighing most.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log, sqrt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sentinel.core.calendar import ALWAYS, Calendar
from sentinel.sense.findings import bounded
from sentinel.sense.records import SECOND, Flow, OpenFlow

__all__ = ["HOUR", "HOURS_OF_DAY", "HOURS_OF_WEEK", "Average", "Growth", "Slot", "Slots", "count_of", "size_text"]

HOUR = 3_600 * SECOND
HOURS_OF_DAY = 48
"""Kinds of hours of a host: those of a workday, then those of a day off."""
HOURS_OF_WEEK = 192
"""Kinds of hours of a segment: those of Monday to Sunday, then those of a day off that is none of the weekend."""
DEVIATION_MIN = 0.3
"""What is nearly always the same may still be a third more: so much of a logarithm counts as one deviation."""
_SLOTS_MAX = 20_000
_HOURS_MAX = 2_000_000
_SATURDAY = 5
_OFF = 7


@dataclass(slots=True)
class Average:
    """The mean and variance of logarithms (West, "Updating mean and variance estimates", 1979).

    A plain mean until ten are known, then with a tenth of weight for the newest.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, size: float) -> None:
        """Take a size (above zero) into account."""
        weight = 1 / min(self.count + 1, 10)
        off = log(size) - self.mean
        self.mean += weight * off
        self.variance = (1 - weight) * (self.variance + weight * off * off)
        self.count += 1

    def deviations(self, size: float) -> float:
        """Return how many deviations `size` lies above what is usual."""
        return (log(size) - self.mean) / max(sqrt(self.variance), DEVIATION_MIN)

    @property
    def usual(self) -> float:
        """What is usual."""
        return exp(self.mean)

    def numbers(self) -> list[float]:
        """Return it as JSON has it."""
        return [self.count, self.mean, self.variance]

    @classmethod
    def of(cls, numbers: Sequence[object]) -> "Average":
        """Return what `numbers` returned; raises ValueError."""
        count, mean, variance = map(count_of, numbers)
        return cls(int(count), mean, variance)


def count_of(given: object) -> float:
    """Return a number of bytes, hours or the like; raises ValueError for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < float("inf"):
        msg = f"{given!r} is no number of bytes, hours or days"
        raise ValueError(msg)
    return given


def size_text(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1_000 or unit == "GB":
            break
        size /= 1_000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


class Slot(NamedTuple):
    """Which kind of hour it is: of HOURS_OF_DAY, of HOURS_OF_WEEK; `off` says that the day is a day off."""

    day: int
    week: int
    off: bool


class Slots:
    """Tells kinds of hours apart, by the calendar of each address; without one, by weekends alone."""

    def __init__(self, calendar_of: Callable[[str], Calendar | None]) -> None:
        self._calendar_of = calendar_of
        self._known: dict[tuple[str, int], Slot] = {}
        self._calendars: dict[str, Calendar] = {}

    def of(self, address: str, hour: int) -> Slot:
        """Return which kind of hour it is, for the place of an address, `hour` hours after 1970 began."""
        return self._slot(self._calendar_of(address) or ALWAYS, hour)

    def between(self, address: str, first: int, last: int) -> list[Slot]:
        """Return the kinds of the hours from `first` on and before `last`."""
        calendar = self._calendar_of(address) or ALWAYS
        return [self._slot(calendar, hour) for hour in range(first, last)]

    def _slot(self, calendar: Calendar, hour: int) -> Slot:
        if self._calendars.get(calendar.name) is not calendar or len(self._known) >= _SLOTS_MAX:
            self._calendars[calendar.name] = calendar
            self._known.clear()
        found = self._known.get((calendar.name, hour))
        if found is None:
            # a capture may say that it is of any year
            local = datetime.fromtimestamp(hour % _HOURS_MAX * 3_600, ZoneInfo(calendar.zone))
            weekday = local.weekday()
            closed = bool(calendar.closing(local.date())) or not calendar.hours[weekday]
            kind = _OFF if closed and weekday < _SATURDAY else weekday
            off = kind >= _SATURDAY
            found = Slot(local.hour + 24 * off, local.hour + 24 * kind, off)
            self._known[calendar.name, hour] = found
        return found


_Which = tuple[str, str, int, int, int, int]


class Growth:
    """What of a flow has not been counted yet: one that goes on tells its sums again and again."""

    def __init__(self, keys_max: int) -> None:
        self._max = keys_max
        self._open: OrderedDict[_Which, tuple[int, int]] = OrderedDict()

    def __call__(self, flow: Flow) -> tuple[int, int]:
        """Return the bytes out and back that are new."""
        if not self._open and not isinstance(flow, OpenFlow):
            return flow.bytes_out, flow.bytes_in
        which = (flow.src, flow.dst, flow.sport, flow.dport, flow.proto, flow.time)
        before = self._open.pop(which, (0, 0))
        if isinstance(flow, OpenFlow):
            self._open[which] = flow.bytes_out, flow.bytes_in
            bounded(self._open, self._max)
        return max(0, flow.bytes_out - before[0]), max(0, flow.bytes_in - before[1])
