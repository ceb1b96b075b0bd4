"""The end of something, as an operator types it: `8h`, `7d`, `2027-01-31`."""

import re
from datetime import UTC, date, datetime, time, timedelta

from sentinel.ui.words import _

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def ending(text: str, now: datetime) -> tuple[datetime | None, str]:
    """Return the time (UTC) that is meant and "", or None and what is wrong; a day means its end (UTC)."""
    length = re.fullmatch(r"(\d{1,4})([mhdw])", text.strip())
    try:
        if length is not None:
            found = now + int(length[1]) * timedelta(**{_UNITS[length[2]]: 1})
        else:
            found = datetime.combine(date.fromisoformat(text.strip()), time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None, _("say 8h, 7d or 2027-01-31")
    if found <= now:
        return None, _("that has passed already")
    return found, ""
