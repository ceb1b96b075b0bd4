"""Times as devices write them, to aware times in UTC.

Every function raises ParseError for what it cannot read. `zone` is the IANA name that a source's configuration
gives for times without one.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from sentinel.core.clock import iso
from sentinel.core.errors import ParseError

__all__ = ["bsd", "clf", "epoch", "iso", "local", "named", "offset", "rfc3339", "written"]

MONTHS = {
    name: at
    for at, names in enumerate(
        (
            ("jan",), ("feb",), ("mar", "mär", "mrz"), ("apr",), ("may", "mai"), ("jun",),
            ("jul",), ("aug",), ("sep",), ("oct", "okt"), ("nov",), ("dec", "dez"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_NAMES = tuple({at: name for name, at in reversed(MONTHS.items())}[at] for at in range(1, 13))
_AHEAD_MAX = timedelta(days=1)
_SKEW_MAX = timedelta(minutes=5)
_YEAR = timedelta(days=364)  # less a day: next year the zone may be at another offset
# lines of one second come together: (text, zone) -> what `bsd` last made of them
_recent: dict[tuple[str, str], datetime] = {}
_RECENT_MAX = 1_024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise ParseError(f"unknown time zone {name!r}") from error


def rfc3339(text: str, zone: str = "UTC") -> datetime:
    """Read ISO 8601 / RFC 3339 (`2026-11-23T08:15:00.123+01:00`, blank for `T` allowed); `zone` if it names none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ParseError(f"not a time: {text[:40]!r}") from error
    return _utc(moment if moment.tzinfo else moment.replace(tzinfo=_zone(zone)))


def local(moment: datetime, zone: str) -> datetime:
    """Return a naive local time in `zone` as UTC; in the hour that occurs twice the first is taken."""
    return _utc(moment.replace(tzinfo=_zone(zone)))


def offset(moment: datetime, text: str) -> datetime:
    """Return a naive local time as UTC by the offset `+0100`, `-07:00`, `Z` beside it."""
    digits = text.strip().replace(":", "")
    if digits in {"Z", "z", ""}:
        return moment.replace(tzinfo=UTC)
    if len(digits) != 5 or digits[0] not in "+-" or not digits[1:].isdecimal():
        raise ParseError(f"not an offset from UTC: {text[:20]!r}")
    away = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    if away >= timedelta(days=1):
        raise ParseError(f"not an offset from UTC: {text[:20]!r}")
    return _utc(moment.replace(tzinfo=timezone(-away if digits[0] == "-" else away)))


def epoch(value: str | float) -> datetime:
    """Read seconds, ms, µs or ns since 1970, told apart by their size (seconds up to the year 5138)."""
    try:
        number = float(value) if isinstance(value, str) and "." in value else value
        number = number if isinstance(number, float) else int(number)
    except ValueError as error:
        raise ParseError(f"not a time in seconds since 1970: {value!r:.40}") from error
    size = abs(number)
    if size >= 1e17:
        exact = number // 1000
    else:
        exact = number * (1 if size >= 1e14 else 1_000 if size >= 1e11 else 1_000_000)
    try:
        return _EPOCH + timedelta(0, 0, round(exact))
    except (OverflowError, ValueError) as error:  # out of range, or no number at all (nan)
        raise ParseError(f"not a time in seconds since 1970: {value!r:.40}") from error


@lru_cache(maxsize=256)
def clf(text: str, zone: str = "UTC") -> datetime:
    """Read the Common Log Format's `23/Nov/2026:08:15:00 +0100` (also with fractions, or without an offset)."""
    try:
        moment = datetime(int(text[7:11]), MONTHS[text[3:6].lower()], int(text[:2]),
                          int(text[12:14]), int(text[15:17]), int(text[18:20]), tzinfo=UTC)  # fmt: skip
        fraction, _, away = text[20:].partition(" ")
        if fraction:
            moment = moment.replace(microsecond=int((fraction[1:] + "000000")[:6]))
    except (KeyError, ValueError) as error:
        raise ParseError(f"not a time: {text[:40]!r}") from error
    return offset(moment, away) if away else local(moment, zone)


def bsd(text: str, received: datetime, zone: str = "UTC") -> datetime:
    """Read RFC 3164's `Nov  3 08:15:00` (also `Nov 03 2026 08:15:00`, with fractions).

    Without a year it is the latest such moment that is not more than a day after `received`: a line of 31 December
    that arrives in January belongs to the old year, and 29 February to the last leap year. Of an hour that occurs twice
    it is the second one as soon as that has come.
    """
    latest = received + _AHEAD_MAX
    known = _recent.get((text, zone))
    if known is not None and known <= latest < known + _YEAR:
        return known
    moment = _bsd(text, latest, zone)
    again = _again(moment, zone)
    if again is not None:  # what it means depends on when it is read
        return again if again <= received + _SKEW_MAX else moment
    if len(_recent) >= _RECENT_MAX:
        _recent.clear()
    _recent[text, zone] = moment
    return moment


_OFFSETS = {
    "Z": "Z", "UTC": "Z", "GMT": "Z", "WET": "Z", "WEST": "+0100", "BST": "+0100", "CET": "+0100", "MEZ": "+0100",
    "CEST": "+0200", "MESZ": "+0200", "CEDT": "+0200", "EET": "+0200", "EEST": "+0300", "MSK": "+0300",
    "EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800",
    "PDT": "-0700", "JST": "+0900", "AEST": "+1000", "AEDT": "+1100",
}  # fmt: skip
_CLOCK = (
    r"(?P<hour>\d{1,2})(?P<rest>:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?: ?(?P<half>[AaPp])[Mm])?"
    r"(?: ?(?P<zone>[A-Z]{1,5}|(?:GMT|UTC)?[+-]\d\d:?\d\d))?"
)
_NUMERIC = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})[T ] {0,3}" + _CLOCK)
_WORDED = (
    re.compile(
        r"(?:[A-Za-z]{2,9}\.?,? {1,3})?(?P<month>[A-Za-zä]{3,9})\.? {1,3}(?P<day>\d{1,2})(?:,? (?P<year>\d{4}))?"
        r",? {1,3}(?:at )?" + _CLOCK + r"(?: (?P<year2>\d{4}))?"
    ),
    re.compile(
        r"(?:[A-Za-z]{2,9}\.?,? {1,3})?(?P<day>\d{1,2})[ /-](?P<month>[A-Za-zä]{3,9})\.?[ /-](?P<year>\d{4})[ :]"
        + _CLOCK
    ),
)


def named(word: str) -> str | None:
    """Return the offset (`+0100`, `Z`) that a zone's usual abbreviation or an offset itself means, None if unknown."""
    if len(word) > 3 and word.startswith(("GMT", "UTC")):
        word = word[3:]
    return word if word[:1] in {"+", "-"} else _OFFSETS.get(word)


def written(text: str, received: datetime, zone: str = "UTC") -> datetime:
    """Read a time in any of the forms of CEF, LEEF and their like.

    They are a number since 1970 (see `epoch`), ISO 8601 also with `/`, and dates with the month's name, with or
    without day of the week, year, fraction, AM/PM, an offset or the usual abbreviation of a zone.
    """
    text = text.strip()
    if text.isdecimal() and 9 <= len(text) <= 19:
        return epoch(text)
    if len(text) > 64:
        raise ParseError(f"not a time: {text[:40]!r}")
    found = _NUMERIC.fullmatch(text) or next((one for form in _WORDED if (one := form.fullmatch(text))), None)
    if found is None:
        return rfc3339(text, zone)
    part = found.groupdict()
    month, hour = part["month"], int(part["hour"])
    if part["half"]:
        hour = hour % 12 + (12 if part["half"] in "Pp" else 0)
    away = named(part["zone"] or "")
    if month.isdecimal():
        if not 1 <= int(month) <= 12:
            raise ParseError(f"not a time: {text[:40]!r}")
        month = _NAMES[int(month) - 1]
    date = " ".join(filter(None, (month, part["day"], part["year"] or part.get("year2"))))
    clock = f"{hour:02d}{part['rest']}.{part['fraction'] or 0}"
    moment = bsd(f"{date} {clock}", received, "UTC" if away else zone)
    return offset(moment.replace(tzinfo=None), away) if away else moment


def _bsd(text: str, latest: datetime, zone: str) -> datetime:
    words = text.split()
    try:
        month = MONTHS[words[0][:3].lower()]
        day = int(words[1])
        year = int(words[2]) if len(words) > 3 else None
        hours, minutes, seconds = words[-1].split(":")
        whole, _, fraction = seconds.partition(".")
        micro = int((fraction + "000000")[:6])
        clock = (int(hours), int(minutes), int(whole), micro)
    except (KeyError, IndexError, ValueError) as error:
        raise ParseError(f"not a time: {text[:40]!r}") from error
    if year is not None:
        return _made(year, month, day, clock, zone, text)
    for candidate in range(latest.year + 1, latest.year - 9, -1):
        if month == 2 and day == 29 and candidate % 4:
            continue
        moment = _made(candidate, month, day, clock, zone, text)
        if moment <= latest:
            return moment
    raise ParseError(f"no such day: {text[:40]!r}")


def _again(moment: datetime, zone: str) -> datetime | None:
    """Return when the clocks of `zone` show the same time once more, because they were set back; None if never."""
    shown = moment.astimezone(_zone(zone))
    second = shown.replace(fold=1)
    return None if second.utcoffset() == shown.utcoffset() else second.astimezone(UTC)


def _made(year: int, month: int, day: int, clock: tuple[int, int, int, int], zone: str, text: str) -> datetime:
    try:
        return _utc(datetime(year, month, day, *clock, tzinfo=_zone(zone)))
    except (ValueError, OverflowError) as error:
        raise ParseError(f"no such time: {text[:40]!r}") from error


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ParseError("a time outside the years 1 to 9999") from error
