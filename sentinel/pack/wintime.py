"""Times in Windows events: ISO 8601, FILETIME, seconds since 1970, .NET's `/Date(…)/`, NXLog's local time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sentinel.core.errors import ParseError
from sentinel.pack import when

KEYS = ("TimeCreated", "EventTime", "SystemTime", "TimeGenerated", "time_created", "@timestamp", "timestamp", "date",
        "TimeWritten", "UtcTime")  # fmt: skip
"""The names of an event's time in flat JSON, best first; the last one is Sysmon's own data."""

_IN_UTC = frozenset({"TimeCreated", "SystemTime", "UtcTime"})
_TICKS = re.compile(r"/Date\((-?\d{1,15})\)/")
_FILETIME = datetime(1601, 1, 1, tzinfo=UTC)
_QUARTER = timedelta(minutes=15)


def of_flat(found: Mapping[str, object], zone: str) -> datetime | None:
    """Return the time of a flat JSON event, None if it has none; times without an offset are in `zone`."""
    for key in KEYS:
        value = found.get(key)
        if value is None:
            continue
        read = None
        if key == "EventTime" and isinstance(value, str) and _naive(value):
            read = _by_neighbours(value, found)
        if read is None:
            read = moment(value, "UTC" if key in _IN_UTC else zone)
        if read is not None:
            return read
    return None


def _naive(value: str) -> bool:
    return value[-1:] not in {"Z", "z"} and value[-6:-5] not in {"+", "-"} and value[4:5] == "-"


def _by_neighbours(local: str, found: Mapping[str, object]) -> datetime | None:
    """Return NXLog's local time as UTC if the record holds one moment both in local time and in UTC."""
    for near, utc, slack in (("EventTime", "UtcTime", 60), ("EventReceivedTime", "@timestamp", 120)):
        here, there = found.get(near), found.get(utc)
        if not isinstance(here, str) or not isinstance(there, str):
            continue
        try:
            apart = datetime.fromisoformat(here).replace(tzinfo=None) - _utc(there)
            quarters = round(apart / _QUARTER)
            if abs(apart - quarters * _QUARTER).total_seconds() <= slack and abs(quarters) <= 56:
                return datetime.fromisoformat(local).replace(tzinfo=UTC) - quarters * _QUARTER
        except (ValueError, OverflowError):
            continue
    return None


def _utc(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def moment(value: object, zone: str) -> datetime | None:
    """Return the time that a JSON value or an attribute means, None if it means none."""
    try:
        if isinstance(value, str) and value:
            if ticks := _TICKS.match(value):
                return when.epoch(ticks[1])
            if not value[:5].isdecimal():
                return when.rfc3339(value, zone)
            number = float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = value
        else:
            return None
        return _FILETIME + timedelta(microseconds=number // 10) if 1.1e17 < number < 2e17 else when.epoch(number)
    except (ParseError, ValueError, OverflowError):
        return None
