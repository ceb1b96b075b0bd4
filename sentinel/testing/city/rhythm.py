"""How much goes on at a time: by the hour on the wall, and by whether offices and schools are open that day."""

from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from sentinel.config.calendar import load
from sentinel.core.calendar import Calendar
from sentinel.testing.city.firewalls import BERLIN

CALENDAR = Path(__file__).with_name("calendar.toml")
Kind = Literal["office", "school", "citizens", "machines"]
_CLOSED = 0.01
"""What goes on in a closed house, as a part of a busy hour: updates, screens left on, a caretaker."""
_HOURS: dict[Kind, tuple[int, ...]] = {  # percent of the busiest hour, from midnight on
    "office": (1, 1, 1, 1, 1, 2, 12, 55, 95, 100, 100, 90, 45, 75, 90, 80, 55, 30, 12, 2, 1, 1, 1, 1),
    "school": (0, 0, 0, 0, 0, 0, 5, 45, 100, 90, 100, 90, 95, 70, 35, 20, 8, 2, 0, 0, 0, 0, 0, 0),
    "citizens": (6, 3, 2, 2, 3, 8, 20, 45, 70, 85, 90, 85, 80, 75, 75, 75, 80, 90, 95, 100, 90, 65, 35, 15),
    "machines": (100,) * 24,
}


@cache
def calendar(kind: Literal["office", "school"]) -> Calendar:
    """Return when offices or schools of the model city are open."""
    known = load(CALENDAR)
    found = None if known is None else known.get(kind)
    if found is None:
        msg = f"{CALENDAR} has no calendar {kind}"
        raise ValueError(msg)
    return found


@lru_cache(maxsize=4096)
def activity(kind: Kind, moment: datetime) -> float:
    """Return how much goes on at `moment` (aware), as a part of the busiest hour: 0 to 1."""
    share = _HOURS[kind][moment.astimezone(BERLIN).hour] / 100
    if kind in {"office", "school"} and not works(kind, moment):
        return min(share, _CLOSED)
    return share


@lru_cache(maxsize=4096)
def works(kind: Literal["office", "school"], moment: datetime) -> bool:
    """Say whether the house is open on that day, or for work at night."""
    noon = moment.astimezone(BERLIN).replace(hour=10, minute=0, second=0, microsecond=0)
    return calendar(kind).at(noon).state != "closed"


def workdays(week: datetime) -> list[datetime]:
    """Return the midnights (UTC) of the days on which offices work, in the week that begins at `week` (UTC)."""
    days = [week + timedelta(days=number) for number in range(7)]
    return [day for day in days if works("office", day + timedelta(hours=10))]
