"""When a place is open: hours, public and school holidays, bridge days, maintenance; asked in any zone, DST included.

A day's hours are wall-clock time of the place. A time that DST skips is the moment of the skip; of one that comes
twice, what opens does so at the first and what closes at the last.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from sentinel.core.holidays import Land, public_holidays

State = Literal["open", "closed", "maintenance", "unknown"]
"""`unknown`: within the usual hours, but whether it is a school holiday nobody has said."""

DAY_MINUTES = 1440
SEARCH_DAYS_MAX = 400
"""So far is looked for the last closing and the next opening; a longer stretch of time counts from there on."""
_DAYS_KEPT_MAX = 1000
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SATURDAY = 5

Minutes = tuple[int, int]
"""A stretch of a day, half-open, in minutes of local time."""
_Moments = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Period:
    """Days with a name, both ends included."""

    first: date
    last: date
    name: str = ""

    def __contains__(self, day: date) -> bool:
        """Say whether the day is one of them."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window in which work is expected: `week` by weekday (Monday 0), and `once` from and until (aware)."""

    name: str
    week: tuple[tuple[int, Minutes], ...] = ()
    once: tuple[_Moments, ...] = ()


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in one state, half-open, UTC, with the reason for people."""

    start: datetime
    end: datetime
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of a class of places, such as schools or offices.

    `hours` are those of Monday to Sunday. `land`: its public holidays are closed days (None: none is). `vacations` are
    school holidays and `known` the stretches for which they are known; None: this class has none. `yearly` are closed
    days as (month, day).
    """

    name: str
    zone: str = "Europe/Berlin"
    hours: tuple[tuple[Minutes, ...], ...] = (((0, DAY_MINUTES),),) * 7
    land: Land | None = None
    bridge_days: bool = False
    vacations: tuple[Period, ...] = ()
    known: tuple[Period, ...] | None = None
    yearly: frozenset[tuple[int, int]] = frozenset()
    closed: tuple[Period, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    _days: dict[date, tuple[Spell, ...]] = field(default_factory=dict, repr=False, compare=False)

    def closing(self, day: date) -> str:
        """Return why the whole day is closed, an empty text if it is not."""
        named = self._named(day)
        if named:
            return named
        found = [one.name for one in (*self.closed, *self.vacations) if day in one]
        if found:
            return found[0]
        if (day.month, day.day) in self.yearly:
            return f"{day:%d.%m.}"
        between = {4: day - _DAY, 0: day + _DAY}.get(day.weekday()) if self.bridge_days else None
        return f"bridge day at {self._named(between)}" if between and self._named(between) else ""

    def sure(self, day: date) -> bool:
        """Say whether it is known of the day whether it is a school holiday."""
        return self.known is None or any(day in one for one in self.known)

    def at(self, moment: datetime) -> Spell:
        """Return the spell in which a moment (aware) lies; spells end at midnight at the latest."""
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        # where DST turns the clock at midnight, a moment may belong to the day before or after
        for near in (day, day - _DAY, day + _DAY):
            for spell in self.day(near):
                if spell.start <= moment < spell.end:
                    return spell
        raise AssertionError(f"no spell of {self.name} at {moment}")  # pragma: no cover

    def day(self, day: date) -> tuple[Spell, ...]:
        """Return the spells of a local day, in order and without a gap."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _DAYS_KEPT_MAX:
                self._days.clear()
            found = self._days[day] = tuple(self._spells(day))
        return found

    def spells(self, start: datetime, end: datetime) -> Iterator[Spell]:
        """Yield the spells that `start` to `end` touches."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        day = start.astimezone(ZoneInfo(self.zone)).date() - _DAY
        while True:
            for spell in self.day(day):
                if spell.start >= end:
                    return
                if spell.end > start:
                    yield spell
            day += _DAY

    def _named(self, day: date) -> str:
        return "" if self.land is None else public_holidays(self.land, day.year).get(day, "")

    def _spells(self, day: date) -> Iterator[Spell]:
        begin, end = self._moment(day, 0, 0), self._moment(day, DAY_MINUTES, 0)
        usual = [self._between(day, minutes) for minutes in self.hours[day.weekday()]]
        works = [(moments, one.name) for one in self.maintenance for moments in self._works(day, one)]
        cuts = {moment for moments in (*usual, *(moments for moments, _ in works)) for moment in moments}
        edges = sorted({begin, end, *(cut for cut in cuts if begin < cut < end)})
        closing, sure = self.closing(day), self.sure(day)
        for start, until in pairwise(edges):
            work = next((name for (first, last), name in works if first <= start < last), None)
            within = any(first <= start < last for first, last in usual)
            if work is not None:
                yield Spell(start, until, "maintenance", work)
            elif not within or closing:
                yield Spell(start, until, "closed", closing or _outside(day, bool(usual)))
            elif sure:
                yield Spell(start, until, "open", "opening hours")
            else:
                yield Spell(start, until, "unknown", f"the school holidays of {day:%Y-%m-%d} are not known")

    def _works(self, day: date, one: Maintenance) -> Iterator[_Moments]:
        yield from one.once
        for weekday, minutes in one.week:
            if weekday == day.weekday():
                yield self._between(day, minutes)

    def _between(self, day: date, minutes: Minutes) -> _Moments:
        return self._moment(day, minutes[0], 0), self._moment(day, minutes[1], 1)

    def _moment(self, day: date, minute: int, fold: int) -> datetime:
        # the day after begins when it begins, whichever fold is asked for
        if minute == DAY_MINUTES:
            day, minute, fold = day + _DAY, 0, 0
        zone = ZoneInfo(self.zone)
        wall = datetime.combine(day, time(minute // 60, minute % 60))
        for _ in range(DAY_MINUTES):
            moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None) == wall:
                return moment
            wall += _MINUTE  # skipped by DST
        raise AssertionError(f"no such time: {wall} {self.zone}")  # pragma: no cover


ALWAYS = Calendar("always")
"""Open day and night."""


@dataclass(frozen=True, slots=True)
class Calendars:
    """Every calendar by its name; `sources` says for which days the school holidays of whom are known, from where."""

    by_name: Mapping[str, Calendar] = field(default_factory=lambda: MappingProxyType({ALWAYS.name: ALWAYS}))
    sources: tuple[tuple[Period, str], ...] = ()

    def get(self, name: str) -> Calendar | None:
        """Return the calendar called so."""
        return self.by_name.get(name)


def _outside(day: date, opens: bool) -> str:  # noqa: FBT001  private
    if opens:
        return "outside the opening hours"
    return "weekend" if day.weekday() >= _SATURDAY else f"no opening hours on {day:%A}"


def is_open(calendar: Calendar, moment: datetime) -> bool:
    """Say whether it is open at a moment; what is not known counts as open, so that nothing is passed over."""
    return calendar.at(moment).state in {"open", "unknown"}


def closed_since(calendar: Calendar, moment: datetime) -> datetime | None:
    """Return since when it has not been open; None if it is open, or has been closed for SEARCH_DAYS_MAX."""
    if is_open(calendar, moment):
        return None
    today = moment.astimezone(ZoneInfo(calendar.zone)).date()
    for back in range(-1, SEARCH_DAYS_MAX):
        for spell in reversed(calendar.day(today - _DAY * back)):
            if spell.end <= moment and spell.state in {"open", "unknown"}:
                return spell.end
    return None


def next_opening(calendar: Calendar, moment: datetime) -> datetime | None:
    """Return the first moment from `moment` on at which it is open; None if there is none within SEARCH_DAYS_MAX."""
    for spell in calendar.spells(moment, moment + _DAY * SEARCH_DAYS_MAX):
        if spell.state in {"open", "unknown"}:
            return max(spell.start, moment)
    return None


def open_seconds(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Return for how many of the seconds from `start` to `end` it is open; not known counts as open."""
    end = end.astimezone(UTC)
    start = max(start.astimezone(UTC), end - _DAY * SEARCH_DAYS_MAX)
    spans = (
        min(spell.end, end) - max(spell.start, start)
        for spell in calendar.spells(start, end)
        if spell.state in {"open", "unknown"}
    )
    return sum(spans, timedelta()).total_seconds()


def unsure_from(calendar: Calendar, day: date) -> date | None:
    """Return the first day from `day` on of which nobody has said whether it is a school holiday; None: none soon."""
    days = (day + _DAY * number for number in range(SEARCH_DAYS_MAX))
    return next((one for one in days if not calendar.sure(one)), None)


def closed_days(calendar: Calendar, first: date, days: int) -> Iterator[Period]:
    """Yield the stretches of closed days among `days` from `first` on, weekends but where they belong to one."""
    run: list[tuple[date, str]] = []
    for day in (first + _DAY * number for number in range(days)):
        reason = calendar.closing(day)
        if not reason and calendar.hours[day.weekday()]:
            yield from _runs(run)
            run = []
        else:
            run.append((day, reason))
    yield from _runs(run)


def _runs(run: Iterable[tuple[date, str]]) -> Iterator[Period]:
    held = list(run)
    names = dict.fromkeys(reason for _, reason in held if reason)
    if names:
        yield Period(held[0][0], held[-1][0], ", ".join(names))
