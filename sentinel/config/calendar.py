"""The calendar file, `calendar.toml`: when the places of each class in the inventory are open.

    land = "SN"                       # whose public holidays, whose school holidays
    zone = "Europe/Berlin"

    [[calendar]]
    name = "school"                   # what `calendar` in assets.toml says
    hours = ["mon-fri 07:00-16:00"]
    public_holidays = true
    school_holidays = true

    [[school_holidays]]               # as the Land has published them
    land = "SN"
    source = "gazette of the ministry of education, 3/2025"
    valid_from = 2026-08-01
    valid_until = 2027-07-31
    periods = [{name = "Herbstferien", first = 2026-10-12, last = 2026-10-24}]

    [[maintenance]]
    name = "Patch night"
    calendars = ["office"]
    weekly = ["tue 20:00-23:00"]

Public holidays are computed (`core.holidays`). `always` is there by itself.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from sentinel.config import reading, toml
from sentinel.config.inventory import Inventory, Text
from sentinel.config.sources import Name, Section, Zone
from sentinel.core.calendar import ALWAYS, DAY_MINUTES, Calendar, Calendars, Maintenance, Minutes, Period, unsure_from
from sentinel.core.check import Check
from sentinel.core.holidays import Land

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PERIODS_MAX = 400
_WEEKLY = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


def _weekly(text: str) -> list[tuple[int, Minutes]]:
    found = _WEEKLY.fullmatch(text)
    if found is None or found[1] not in DAYS or (found[2] or found[1]) not in DAYS:
        raise ValueError(f'{text!r} is no time of the week; write one such as "mon-fri 07:00-18:00"')
    first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
    hours = [int(number) for number in found.groups()[2:]]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if max(hours[1], hours[3]) > 59 or not begin < end <= DAY_MINUTES:
        raise ValueError(f"{text!r}: times go from 00:00 to 24:00, the later one last; a night is two entries")
    if first > last:
        raise ValueError(f"{text!r}: name the earlier day of the week first")
    return [(day, (begin, end)) for day in range(first, last + 1)]


def _checked(text: str) -> str:
    _weekly(text)
    return text


def _yearly(text: str) -> str:
    try:
        datetime.strptime(f"2024-{text}", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of the year; write month and day, such as 12-24") from error
    return text


Weekly = Annotated[str, AfterValidator(_checked)]
Yearly = Annotated[str, Field(pattern=r"^\d\d-\d\d$"), AfterValidator(_yearly)]


SOON = timedelta(days=60)
"""So long before the school holidays end to be known it is said."""


class Days(Section):
    """Days with a name, both ends included."""

    name: Text = Field(min_length=1)
    """What they are called."""

    first: date
    """The first day."""

    last: date
    """The last day."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"{self.name}: ends on {self.last}, before it begins")
        return self

    @property
    def period(self) -> Period:
        """The days as core has them."""
        return Period(self.first, self.last, self.name)


class SchoolHolidays(Section):
    """The school holidays of a Land, for as long as they are known."""

    land: Land
    """Whose."""

    source: Text = Field(min_length=1)
    """Where they are published, for whoever has to bring them up to date."""

    valid_from: date
    """From this day on all school holidays are listed."""

    valid_until: date
    """The last day for which they are."""

    periods: tuple[Days, ...] = Field(max_length=PERIODS_MAX)
    """The holidays."""

    @model_validator(mode="after")
    def _lists_what_it_is_valid_for(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError(f"valid until {self.valid_until}, before it is valid at all")
        for one in self.periods:
            if one.last < self.valid_from or one.first > self.valid_until:
                raise ValueError(f"{one.name} from {one.first} on lies outside of valid_from to valid_until")
        return self


class OpeningClass(Section):
    """A class of places with the same hours."""

    name: Name
    """What `calendar` in the inventory calls it."""

    hours: tuple[Weekly, ...] = Field(min_length=1)
    """The opening hours, such as "mon-fri 07:00-18:00"."""

    land: Land | None = None
    """The Land, if it is not the city's."""

    public_holidays: bool = False
    """Whether public holidays are closed."""

    school_holidays: bool = False
    """Whether school holidays are closed."""

    bridge_days: bool = False
    """Whether a Friday after and a Monday before a public holiday are closed."""

    yearly: tuple[Yearly, ...] = ()
    """Days that are closed every year, such as "12-24"."""

    closed: tuple[Days, ...] = Field(default=(), max_length=PERIODS_MAX)
    """Other days that are closed."""


class Window(Section):
    """Maintenance: a time in which people work and machines are silent, whatever the hours say."""

    name: Text = Field(min_length=1)
    """What is done."""

    calendars: tuple[Name, ...] = Field(min_length=1)
    """Whose."""

    weekly: tuple[Weekly, ...] = ()
    """Every week, such as "tue 20:00-23:00"."""

    begin: datetime | None = None
    """Once: when it begins, in the city's time."""

    end: datetime | None = None
    """Once: when it is over."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.begin is None) != (self.end is None) or not (self.weekly or self.begin):
            raise ValueError(f"{self.name}: say when: `weekly`, or `begin` and `end`")
        return self


class CalendarFile(Section):
    """All of `calendar.toml`."""

    land: Land | None = None
    """The city's Land, such as "SN" (ISO 3166-2:DE)."""

    zone: Zone = "Europe/Berlin"
    """The zone of all times."""

    calendar: tuple[OpeningClass, ...] = ()
    """The classes of places."""

    school_holidays: tuple[SchoolHolidays, ...] = ()
    """The school holidays."""

    maintenance: tuple[Window, ...] = ()
    """Maintenance windows."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [ALWAYS.name, *(one.name for one in self.calendar)]
        for one in self.calendar:
            if names.count(one.name) > 1:
                raise ValueError(f"the calendar {one.name!r} is there twice (`always` is there by itself)")
            land = one.land or self.land
            if (one.public_holidays or one.school_holidays) and land is None:
                raise ValueError(f"the calendar {one.name!r} needs to know whose holidays: give `land`")
            if one.school_holidays and not any(given.land == land for given in self.school_holidays):
                raise ValueError(f"the calendar {one.name!r} needs a [[school_holidays]] of {land}")
            _apart(one)
        for window in self.maintenance:
            for name in window.calendars:
                if name not in names:
                    raise ValueError(f"maintenance {window.name!r}: there is no calendar {name!r}")
        return self


def _apart(one: OpeningClass) -> None:
    for day, hours in enumerate(_week(one.hours)):
        for before, after in pairwise(hours):
            if after[0] < before[1]:
                raise ValueError(f"the calendar {one.name!r}: its hours on {DAYS[day]} lie over each other")


def _week(texts: Iterable[str]) -> tuple[tuple[Minutes, ...], ...]:
    given = [one for text in texts for one in _weekly(text)]
    return tuple(tuple(sorted(minutes for day, minutes in given if day == number)) for number in range(7))


def load(path: Path) -> Calendars | None:
    """Read the calendar file, None if there is no such file; raises ConfigError that names every wrong table."""
    given = toml.table_if_there(path)
    return None if given is None else _calendars(reading.validated(CalendarFile, given, str(path)))


def problems(calendars: Calendars | None, known: Inventory | None, today: date) -> Iterator[Check]:
    """Yield what is wrong with the calendars for the classes that the inventory names: unknown, or soon out of date."""
    tables = (*known.network, *known.host, *known.source) if known is not None else ()
    wanted = sorted({one.calendar for one in tables if one.calendar})
    there = calendars or Calendars()
    for name in (name for name in wanted if there.get(name) is None):
        advice = "write a [[calendar]] of that name into the calendar file, or mend the name in the inventory"
        yield Check(f"calendar {name}", "warn", "the inventory names it, and nobody says when it is open", advice)
    for name, one in there.by_name.items():
        unsure = unsure_from(one, today)
        if unsure is None or unsure > today + SOON:
            continue
        over = unsure <= today
        published = "; ".join(source for period, source in there.sources if period in (one.known or ()))
        advice = f"write those of the next school year into the calendar file, and its validity ({published})"
        found = f"the school holidays are {'not known' if over else 'known'} {'since' if over else 'only until'} "
        found += f"{_last_known(one, today) if over else unsure - timedelta(days=1)}"
        yield Check(f"calendar {name}", "fail" if over else "warn", found, advice)


def _last_known(calendar: Calendar, today: date) -> str:
    ends = [one.last for one in calendar.known or () if one.last < today]
    return str(max(ends)) if ends else "the beginning"


def _calendars(given: CalendarFile) -> Calendars:
    zone = ZoneInfo(given.zone)
    always = Calendar(ALWAYS.name, given.zone, maintenance=tuple(_works(given, ALWAYS.name, zone)))
    made = (always, *(_calendar(given, one, zone) for one in given.calendar))
    sources = tuple((Period(one.valid_from, one.valid_until, one.land), one.source) for one in given.school_holidays)
    return Calendars(MappingProxyType({one.name: one for one in made}), sources)


def _calendar(given: CalendarFile, one: OpeningClass, zone: ZoneInfo) -> Calendar:
    land = one.land or given.land
    theirs = [school for school in given.school_holidays if school.land == land] if one.school_holidays else []
    return Calendar(
        name=one.name,
        zone=given.zone,
        hours=_week(one.hours),
        land=land if one.public_holidays else None,
        bridge_days=one.bridge_days and one.public_holidays,
        vacations=tuple(days.period for school in theirs for days in school.periods),
        known=tuple(Period(school.valid_from, school.valid_until, school.land) for school in theirs)
        if one.school_holidays
        else None,
        yearly=frozenset((int(day[:2]), int(day[3:])) for day in one.yearly),
        closed=tuple(days.period for days in one.closed),
        maintenance=tuple(_works(given, one.name, zone)),
    )


def _works(given: CalendarFile, name: str, zone: ZoneInfo) -> Iterator[Maintenance]:
    for one in given.maintenance:
        if name in one.calendars:
            week = tuple(entry for text in one.weekly for entry in _weekly(text))
            once = ((_aware(one.begin, zone), _aware(one.end, zone)),) if one.begin and one.end else ()
            yield Maintenance(one.name, week, once)


def _aware(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
