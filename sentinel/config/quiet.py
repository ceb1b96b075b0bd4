"""Hours in which nobody is to be disturbed, as people say them: `mon-fri 18:00-07:00`, `sat,sun 00:00-24:00`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?P<days>[a-z,-]+) +(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
_ADJOINING_MAX = 20


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of local time that begins on each of `days` (0 is Monday); one that ends earlier ends the day after."""

    days: frozenset[int]
    start: timedelta
    end: timedelta

    def end_at(self, local: datetime) -> datetime | None:
        """Return when the stretch ends in which this local time (without a zone) lies; None if it lies in none."""
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            midnight = datetime.combine(day, time())
            end = self.end if self.end > self.start else self.end + timedelta(days=1)
            if day.weekday() in self.days and midnight + self.start <= local < midnight + end:
                return midnight + end
        return None


def hours(text: str) -> Hours:
    """Read one stretch; raises ValueError."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        msg = f'not such hours: {text!r}; say "mon-fri 18:00-07:00" or "sat,sun 00:00-24:00"'
        raise ValueError(msg)
    days: set[int] = set()
    for part in found["days"].split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            msg = f"no such day in {text!r}: there are {', '.join(DAYS)}"
            raise ValueError(msg)
        at, until = DAYS.index(first), DAYS.index(last or first)
        days |= {(at + more) % 7 for more in range((until - at) % 7 + 1)}
    return Hours(frozenset(days), _length(found["start"]), _length(found["end"]))


def _length(text: str) -> timedelta:
    length = timedelta(hours=int(text[:2]), minutes=int(text[3:]))
    if length > timedelta(days=1) or int(text[3:]) > 59:
        msg = f"no such time of day: {text}"
        raise ValueError(msg)
    return length


def quiet_until(stretches: tuple[Hours, ...], now: datetime) -> datetime | None:
    """Return when (UTC) the quiet of this machine's local time ends, None if there is none at `now`."""
    local = now.astimezone().replace(tzinfo=None)
    begun = local
    for _ in range(_ADJOINING_MAX):  # one may begin where another ends
        ends = [end for one in stretches if (end := one.end_at(local)) is not None]
        if not ends:
            break
        local = max(ends)
    return None if local == begun else local.astimezone(UTC)
