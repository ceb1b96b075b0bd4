"""Public holidays of the Länder, against dates that calendars of those years print."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.holidays import Land, easter, public_holidays

LAENDER: tuple[Land, ...] = (
    "BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH",
)  # fmt: skip


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(1995, 4, 16), (2000, 4, 23), (2008, 3, 23), (2011, 4, 24), (2024, 3, 31), (2025, 4, 20), (2026, 4, 5),
     (2027, 3, 28), (2038, 4, 25), (2049, 4, 18)],
)  # fmt: skip
def test_easter_is_when_it_was_and_will_be(year: int, month: int, day: int) -> None:
    assert easter(year) == date(year, month, day)


def test_saxony_in_2026() -> None:
    assert {f"{day:%m-%d}": name for day, name in public_holidays("SN", 2026).items()} == {
        "01-01": "Neujahr",
        "04-03": "Karfreitag",
        "04-06": "Ostermontag",
        "05-01": "Tag der Arbeit",
        "05-14": "Christi Himmelfahrt",
        "05-25": "Pfingstmontag",
        "10-03": "Tag der Deutschen Einheit",
        "10-31": "Reformationstag",
        "11-18": "Buß- und Bettag",
        "12-25": "Erster Weihnachtstag",
        "12-26": "Zweiter Weihnachtstag",
    }


def test_each_land_has_as_many_in_2026_as_its_act_lists() -> None:
    counts = {land: len(public_holidays(land, 2026)) for land in LAENDER}
    assert counts == {
        "BB": 12, "BE": 10, "BW": 12, "BY": 12, "HB": 10, "HE": 10, "HH": 10, "MV": 11, "NI": 10, "NW": 11, "RP": 11,
        "SH": 10, "SL": 12, "SN": 11, "ST": 11, "TH": 11,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("land", "day", "was"),
    [
        ("NI", date(2017, 10, 31), True),  # five hundred years of the Reformation, everywhere
        ("NI", date(2016, 10, 31), False),
        ("NI", date(2018, 10, 31), True),
        ("BY", date(2018, 10, 31), False),
        ("BE", date(2018, 3, 8), False),
        ("BE", date(2019, 3, 8), True),
        ("MV", date(2022, 3, 8), False),
        ("MV", date(2023, 3, 8), True),
        ("TH", date(2018, 9, 20), False),
        ("TH", date(2019, 9, 20), True),
        ("BE", date(2025, 5, 8), True),
        ("BE", date(2026, 5, 8), False),
        ("SN", date(2025, 11, 19), True),
        ("SN", date(2028, 11, 22), True),
    ],
)
def test_what_became_a_holiday_counts_from_then_on(land: Land, day: date, was: bool) -> None:  # noqa: FBT001  a case
    assert (day in public_holidays(land, day.year)) == was


@given(year=st.integers(1995, 2100), land=st.sampled_from(LAENDER))
def test_movable_feasts_fall_on_their_days_of_the_week(year: int, land: Land) -> None:
    named = {name: day for day, name in public_holidays(land, year).items()}
    weekdays = {"Karfreitag": 4, "Ostermontag": 0, "Christi Himmelfahrt": 3, "Pfingstmontag": 0, "Fronleichnam": 3,
                "Buß- und Bettag": 2}  # fmt: skip
    assert all(named[name].weekday() == day for name, day in weekdays.items() if name in named)
    assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)
    assert named["Pfingstmontag"] - named["Ostermontag"] == timedelta(weeks=7)
    assert list(named.values()) == sorted(named.values())
