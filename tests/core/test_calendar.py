"""When a place is open: hours, holidays, bridge days, maintenance, over summer time and the end of the year."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.calendar import (
    ALWAYS,
    Calendar,
    Maintenance,
    Period,
    closed_days,
    closed_since,
    is_open,
    next_opening,
    open_seconds,
    unsure_from,
)

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
SCHOOL = Calendar(
    "school",
    hours=(((7 * 60, 16 * 60),),) * 5 + ((),) * 2,
    land="SN",
    vacations=(
        Period(date(2026, 10, 12), date(2026, 10, 24), "Herbstferien"),
        Period(date(2026, 12, 23), date(2027, 1, 2), "Weihnachtsferien"),
    ),
    known=(Period(date(2026, 8, 1), date(2027, 7, 31)),),
)
OFFICE = Calendar(
    "office",
    hours=(((6 * 60, 12 * 60), (13 * 60, 19 * 60)),) * 4 + (((6 * 60, 13 * 60),), (), ()),
    land="SN",
    bridge_days=True,
    yearly=frozenset({(12, 24), (12, 31)}),
    closed=(Period(date(2026, 6, 18), date(2026, 6, 18), "works outing"),),
    maintenance=(
        Maintenance("patch night", week=((1, (20 * 60, 23 * 60)),)),
        Maintenance("move", once=((datetime(2026, 11, 25, 9, tzinfo=UTC), datetime(2026, 11, 25, 11, tzinfo=UTC)),)),
    ),
)
moments = st.integers(26 * 365 * 86_400, 129 * 365 * 86_400).map(lambda second: datetime.fromtimestamp(second, UTC))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Any hours, in zones that turn their clocks at two, at three, at midnight, by half an hour, or never."""
    zones = ("Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata")
    cuts = [sorted(draw(st.sets(st.integers(0, 1440), min_size=0, max_size=6))) for _ in range(7)]
    hours = tuple(tuple(zip(day[::2], day[1::2], strict=False)) for day in cuts)
    return Calendar("any", draw(st.sampled_from(zones)), hours, land=draw(st.sampled_from((None, "SN", "BY"))))


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "state", "reason"),
    [
        (at(2026, 11, 24, 9), "open", "opening hours"),
        (at(2026, 11, 24, 3), "closed", "outside the opening hours"),
        (at(2026, 11, 24, 7), "open", "opening hours"),
        (at(2026, 11, 24, 16), "closed", "outside the opening hours"),
        (at(2026, 11, 28, 9), "closed", "weekend"),
        (at(2026, 10, 13, 9), "closed", "Herbstferien"),
        (at(2026, 11, 18, 9), "closed", "Buß- und Bettag"),
        (at(2027, 1, 1, 9), "closed", "Neujahr"),
        (at(2026, 12, 31, 9), "closed", "Weihnachtsferien"),
        (at(2027, 8, 2, 9), "unknown", "the school holidays of 2027-08-02 are not known"),
        (at(2027, 8, 2, 3), "closed", "outside the opening hours"),
    ],
)
def test_a_school_is_open_on_school_days_and_says_why_it_is_not(moment: datetime, state: str, reason: str) -> None:
    spell = SCHOOL.at(moment)
    assert (spell.state, spell.reason) == (state, reason)


@pytest.mark.parametrize(
    ("moment", "state", "reason"),
    [
        (at(2026, 11, 24, 12, 30), "closed", "outside the opening hours"),
        (at(2026, 11, 24, 21), "maintenance", "patch night"),
        (at(2026, 11, 25, 10, 30), "maintenance", "move"),
        (at(2026, 5, 15, 9), "closed", "bridge day at Christi Himmelfahrt"),
        (at(2026, 12, 24, 9), "closed", "24.12."),
        (at(2026, 6, 18, 9), "closed", "works outing"),
        (at(2026, 6, 19, 9), "open", "opening hours"),
    ],
)
def test_an_office_has_bridge_days_maintenance_and_days_of_its_own(moment: datetime, state: str, reason: str) -> None:
    spell = OFFICE.at(moment)
    assert (spell.state, spell.reason) == (state, reason)


def test_a_monday_before_a_holiday_is_a_bridge_day_too() -> None:
    unity = replace(OFFICE, land="SN")
    assert unity.closing(date(2028, 10, 2)) == "bridge day at Tag der Deutschen Einheit"
    assert not replace(OFFICE, bridge_days=False).closing(date(2028, 10, 2))


def test_over_the_end_of_the_year_it_is_closed_since_and_opens_when_the_wall_clock_says_so() -> None:
    moment = at(2026, 12, 31, 23, 59)
    assert closed_since(SCHOOL, moment) == at(2026, 12, 22, 16)
    assert next_opening(SCHOOL, moment) == at(2027, 1, 4, 7)
    assert [(one.first, one.last) for one in closed_days(SCHOOL, date(2026, 12, 1), 60)] == [
        (date(2026, 12, 23), date(2027, 1, 3))
    ]
    assert closed_since(OFFICE, moment) == at(2026, 12, 30, 19)
    assert closed_since(SCHOOL, at(2026, 11, 24, 9)) is None
    assert next_opening(Calendar("never", hours=((),) * 7), moment) is None
    assert open_seconds(SCHOOL, at(2026, 12, 22, 15), at(2027, 1, 4, 8)) == 2 * 3600


def test_the_days_that_summer_time_makes_shorter_and_longer() -> None:
    night = Calendar("night", hours=(((0, 1440),),) * 7)
    short, long = date(2027, 3, 28), date(2026, 10, 25)
    for day, hours in ((short, 23), (long, 25)):
        begin = datetime.combine(day, time(), BERLIN)
        end = datetime.combine(day + DAY, time(), BERLIN)
        assert open_seconds(night, begin, end) == hours * 3600
    early = Calendar("early", hours=(((150, 240),),) * 7)  # from half past two, which is skipped in March
    assert next_opening(early, datetime(2027, 3, 28, 0, tzinfo=UTC)) == datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert open_seconds(early, *(datetime(2027, 3, day, 12, tzinfo=UTC) for day in (27, 28))) == 3600
    # in October it comes twice: what opens does so at the first, what closes at the last
    assert open_seconds(early, *(datetime(2026, 10, day, 12, tzinfo=UTC) for day in (24, 25))) == 2.5 * 3600


@given(calendars(), moments)
def test_the_spells_of_a_day_leave_no_gap_and_the_next_day_goes_on_where_they_end(
    calendar: Calendar, moment: datetime
) -> None:
    day = moment.date()
    spells = [spell for near in (day - DAY, day, day + DAY) for spell in calendar.day(near)]
    assert all(one.end == other.start and one.start < one.end for one, other in pairwise(spells))
    found = calendar.at(moment)
    assert found.start <= moment < found.end


@given(calendars(), moments)
def test_it_is_open_when_a_clock_on_its_wall_shows_its_hours(calendar: Calendar, moment: datetime) -> None:
    wall = moment.astimezone(ZoneInfo(calendar.zone))
    around = {(moment + timedelta(hours=by)).astimezone(ZoneInfo(calendar.zone)).utcoffset() for by in (-26, 26)}
    if len(around) > 1:
        return  # within a day of a change of the clock the wall shows times twice, or never
    minute = wall.hour * 60 + wall.minute
    within = any(first <= minute < last for first, last in calendar.hours[wall.weekday()])
    assert is_open(calendar, moment) == (within and not calendar.closing(wall.date()))


@given(calendars(), moments, st.integers(0, 40 * 86_400), st.integers(0, 40 * 86_400))
def test_open_time_adds_up_and_is_never_more_than_time(
    calendar: Calendar, start: datetime, first: int, second: int
) -> None:
    middle, end = start + timedelta(seconds=first), start + timedelta(seconds=first + second)
    whole = open_seconds(calendar, start, end)
    assert whole == pytest.approx(open_seconds(calendar, start, middle) + open_seconds(calendar, middle, end))
    assert 0 <= whole <= first + second
    assert open_seconds(ALWAYS, start, end) == first + second


@given(calendars(), moments)
def test_between_the_last_closing_and_the_next_opening_it_is_closed(calendar: Calendar, moment: datetime) -> None:
    since, opens = closed_since(calendar, moment), next_opening(calendar, moment)
    if is_open(calendar, moment):
        assert since is None
        assert opens == moment
    elif since is not None and opens is not None:
        assert since <= moment < opens
        assert open_seconds(calendar, since, opens) == 0
        assert is_open(calendar, opens)
        assert is_open(calendar, since - timedelta(microseconds=1))


def test_what_nobody_has_said_of_the_school_holidays_is_not_guessed() -> None:
    assert unsure_from(SCHOOL, date(2026, 11, 1)) == date(2027, 8, 1)
    assert unsure_from(OFFICE, date(2026, 11, 1)) is None
    assert is_open(SCHOOL, at(2027, 8, 2, 9)), "silence alarms rather than nothing"
