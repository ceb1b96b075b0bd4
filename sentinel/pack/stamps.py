"""Finds the time in a line of a program that nobody knows: the usual ways to write one, each only if it is plain.

A day and a month that could be either (`03/04/2026`) are no time, unless AM or PM shows that it is written as in
America. Times of the day alone are none either.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sentinel.core.errors import ParseError
from sentinel.pack import when

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HOURS = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "MEZ": 1, "WEST": 1, "BST": 1, "CEST": 2, "MESZ": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_DAY, _CLOCK = r"(?P<day>\d{1,2})", r"(?P<clock>\d{1,2}:\d\d:\d\d)(?:[.,](?P<part>\d{1,9})(?!\d))?"
_MONTH = r"(?P<month>[A-Z][a-zä]{2})[a-z]{0,6}"
_ZONE = rf" (?:{'|'.join(_HOURS)})\b"
_AWAY = rf"(?P<away> ?(?:Z|[+-]\d\d:?\d\d)\b|{_ZONE})?"
_HALF = r"(?: (?P<half>[AP]M|[ap]m))?"
_DIGIT = re.compile(r"\d")
_WEEKDAY = r"\b[A-Z][a-z]{1,2},? "


class Stamp(NamedTuple):
    """A time and where in the text it stands."""

    moment: datetime
    start: int
    end: int


Reader = Callable[["re.Match[str]", datetime, str], datetime]


def find(text: str, received: datetime, zone: str, within: int = 120) -> Stamp | None:
    """Return the first time that begins within the first `within` characters of `text`, None if there is none.

    `received` completes one without a year, `zone` one that names none.
    """
    if _DIGIT.search(text, 0, within + 16) is None:  # most lines behind a header begin with a word
        return None
    best: Stamp | None = None
    for form, read in _FORMS:
        found = form.search(text, 0, within + 64)
        if found is None or found.start() > within or (best is not None and best.start <= found.start()):
            continue
        try:
            best = Stamp(read(found, received, zone), found.start(), found.end())
        except (ParseError, ValueError, OverflowError):
            continue
    return best


def _dated(found: "re.Match[str]", zone: str, year: int, month: int, day: int) -> datetime:
    hours, minutes, seconds = map(int, found["clock"].split(":"))
    part = found["part"]
    half = found.groupdict().get("half")
    if half is not None:
        if not 1 <= hours <= 12:
            raise ParseError("no hour of a twelve-hour clock")
        hours = hours % 12 + 12 * (half in "PMpm")
    micro = int(((part or "") + "000000")[:6])
    moment = datetime(year, month, day, hours, minutes, seconds, micro)  # noqa: DTZ001  its zone follows
    away = (found["away"] or "").strip()
    if away in _HOURS:
        return when.offset(moment, f"{_HOURS[away]:+03d}00")
    return when.offset(moment, away) if away[:1] in {"+", "-"} else when.local(moment, zone)


def _numbers(found: "re.Match[str]", _received: datetime, zone: str) -> datetime:
    return _dated(found, zone, int(found["year"]), int(found["month"]), int(found["day"]))


def _named(found: "re.Match[str]", _received: datetime, zone: str) -> datetime:
    month = when.MONTHS.get(found["month"].lower())
    if month is None:
        raise ParseError("no month")
    return _dated(found, zone, int(found["year"]), month, int(found["day"]))


def _american(found: "re.Match[str]", _received: datetime, zone: str) -> datetime:
    year = int(found["year"])
    first, second = int(found["month"]), int(found["day"])
    if found["half"] is None and first <= 12 and second <= 12 and first != second:
        raise ParseError("either may be the month")
    if first > 12 and found["half"] is None:
        first, second = second, first
    return _dated(found, zone, year + 2000 if year < 100 else year, first, second)


def _yearless(found: "re.Match[str]", received: datetime, zone: str) -> datetime:
    return when.bsd(f"{found['month']} {found['day']} {found['clock']}.{found['part'] or 0}", received, zone)


def _klog(found: "re.Match[str]", received: datetime, zone: str) -> datetime:
    month = int(found["month"])
    if not 1 <= month <= 12:
        raise ParseError("no month")
    return when.bsd(f"{MONTHS[month - 1]} {found['day']} {found['clock']}.{found['part']}", received, zone)


def _epoch(found: "re.Match[str]", _received: datetime, _zone: str) -> datetime:
    return when.epoch(found[1])


def _tai64n(found: "re.Match[str]", _received: datetime, _zone: str) -> datetime:
    return when.epoch(f"{int(found[1], 16) - 10}.{int(found[2], 16):09d}")


_FORMS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(form), read)
    for form, read in (
        (rf"(?<!\d)(?P<year>\d{{4}})([-/.])(?P<month>\d\d)\2(?P<day>\d\d)(?:[T :_]|  | - ){_CLOCK}{_AWAY}", _numbers),
        (rf"(?<!\d)(?P<year>20\d\d)(?P<month>\d\d)(?P<day>\d\d)[T :-]{_CLOCK}{_AWAY}", _numbers),
        (rf"(?<!\d){_DAY}([-/ ]){_MONTH}\2(?P<year>\d{{4}})[: T]{_CLOCK}{_AWAY}", _named),
        (rf"{_WEEKDAY}{_MONTH} +{_DAY} {_CLOCK}(?P<away>{_ZONE})? (?P<year>\d{{4}})\b", _named),
        (rf"{_MONTH} +{_DAY},? (?P<year>\d{{4}}),? {_CLOCK}{_AWAY}", _named),
        (rf"(?<![\d.]){_DAY}\.(?P<month>\d{{1,2}})\.(?P<year>\d{{4}})[ T,]+{_CLOCK}{_AWAY}", _numbers),
        (rf"(?<![\d/])(?P<month>\d\d?)/{_DAY}/(?P<year>\d{{4}}|\d\d),?[ :]{_CLOCK}{_HALF}{_AWAY}", _american),
        (rf"(?:^|[\[ (\t]){_MONTH} +{_DAY} {_CLOCK}", _yearless),
        (rf"(?<![\d-]){_DAY} {_MONTH} {_CLOCK}", _yearless),
        (r"^[IWEF](?P<month>\d\d)(?P<day>\d\d) (?P<clock>\d\d:\d\d:\d\d)\.(?P<part>\d{6})\b", _klog),
        (r"^[\[(]?(1\d{9}(?:\.\d{1,9}|\d{3})?)(?=[\])\s:,|]|$)", _epoch),
        (r"^@4([0-9a-f]{15})([0-9a-f]{8})\b", _tai64n),
    )
)  # fmt: skip
