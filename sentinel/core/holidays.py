"""The public holidays of Germany's Länder, computed for any year from 1995 on.

Sources: the holiday acts of the Länder (Feiertagsgesetze) and Art. 2 (2) of the Unification Treaty. What is a holiday
in some municipalities only (Mariä Himmelfahrt in Bavaria, Fronleichnam in parts of Saxony and Thuringia, the Peace
Festival of Augsburg) is for the city's own calendar file to say.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, get_args

Land = Literal["BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"]
"""A Land by the letters of ISO 3166-2:DE."""

_EVERYWHERE: frozenset[str] = frozenset(get_args(Land))
_DAY = timedelta(days=1)


def easter(year: int) -> date:
    """Return Easter Sunday of a year of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=1024)
def public_holidays(land: Land, year: int) -> Mapping[date, str]:
    """Return the public holidays of a Land in a year, with their German names."""
    return MappingProxyType(
        {day: name for day, name, where in sorted(_days(year), key=lambda one: one[0]) if land in where}
    )


def _days(year: int) -> Iterator[tuple[date, str, frozenset[str]]]:
    yield date(year, 1, 1), "Neujahr", _EVERYWHERE
    yield date(year, 1, 6), "Heilige Drei Könige", _in("BW BY ST")
    yield date(year, 3, 8), "Internationaler Frauentag", _in("BE", year >= 2019) | _in("MV", year >= 2023)
    yield from _movable(easter(year))
    yield date(year, 5, 1), "Tag der Arbeit", _EVERYWHERE
    yield date(year, 5, 8), "Tag der Befreiung", _in("BE", year in {2020, 2025})
    yield date(year, 6, 17), "Jahrestag des Volksaufstandes von 1953", _in("BE", year == 2028)
    yield date(year, 8, 15), "Mariä Himmelfahrt", _in("SL")
    yield date(year, 9, 20), "Weltkindertag", _in("TH", year >= 2019)
    yield date(year, 10, 3), "Tag der Deutschen Einheit", _EVERYWHERE
    north = _in("HB HH NI SH", year >= 2018)
    yield date(year, 10, 31), "Reformationstag", _EVERYWHERE if year == 2017 else _in("BB MV SN ST TH") | north
    yield date(year, 11, 1), "Allerheiligen", _in("BW BY NW RP SL")
    # the Wednesday before 23 November
    repentance = date(year, 11, 22) - _DAY * ((date(year, 11, 22).weekday() - 2) % 7)
    yield repentance, "Buß- und Bettag", _in("SN")
    yield date(year, 12, 25), "Erster Weihnachtstag", _EVERYWHERE
    yield date(year, 12, 26), "Zweiter Weihnachtstag", _EVERYWHERE


def _movable(sunday: date) -> Iterator[tuple[date, str, frozenset[str]]]:
    yield sunday - 2 * _DAY, "Karfreitag", _EVERYWHERE
    yield sunday, "Ostersonntag", _in("BB")
    yield sunday + _DAY, "Ostermontag", _EVERYWHERE
    yield sunday + 39 * _DAY, "Christi Himmelfahrt", _EVERYWHERE
    yield sunday + 49 * _DAY, "Pfingstsonntag", _in("BB")
    yield sunday + 50 * _DAY, "Pfingstmontag", _EVERYWHERE
    yield sunday + 60 * _DAY, "Fronleichnam", _in("BW BY HE NW RP SL")


def _in(names: str, since: bool = True) -> frozenset[str]:  # noqa: FBT001, FBT002  reads as the table it is
    return frozenset(names.split()) if since else frozenset()
