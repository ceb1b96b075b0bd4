"""Which calendar counts for an event and for a sender, by the class that the inventory gives the place."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sentinel.config import calendar, inventory
from sentinel.core.calendar import Calendar, Calendars, State, open_seconds
from sentinel.core.event import Fields
from sentinel.core.ports import Clock
from sentinel.core.source import Identity
from sentinel.parse.assets import Assets
from sentinel.parse.watched import Watched

LOOK_EVERY = timedelta(seconds=10)
YEARS = range(1995, 2101)
"""The years whose holidays can be computed."""
_SIDES = ("host", "source", "destination", "observer", "sender")
"""Whose class counts for an event: the first of these that has one."""
_CLASSES = tuple(f"sentinel.{side}_asset.calendar" for side in _SIDES)
_OfAddress = Callable[[str], Calendar | None]
_OfIdentity = Callable[[Identity], Calendar | None]
_Known = tuple[datetime, datetime, State, str]


class Opening:
    """The calendars, ready to be asked of events that come mostly in the order of time."""

    def __init__(self, calendars: Calendars) -> None:
        self._calendars = calendars
        # of each class the spell that was asked for last
        self._last: dict[str, _Known] = {}

    def mark(self, fields: Fields, moment: datetime) -> None:
        """Add whether the event's place was open then; nothing if its class is not known."""
        for field in _CLASSES:
            name = fields.get(field)
            if name is not None:
                break
        else:
            return
        known = self._last.get(str(name))
        if known is None or not known[0] <= moment < known[1]:
            found = self._calendars.get(str(name))
            if found is None or moment.year not in YEARS:
                return
            spell = found.at(moment)
            known = self._last[found.name] = (spell.start, spell.end, spell.state, spell.reason)
        fields["sentinel.calendar.name"] = name
        fields["sentinel.calendar.state"], fields["sentinel.calendar.reason"] = known[2], known[3]


class Hours:
    """When senders and addresses are expected to be at work; the files are looked at again while it is asked."""

    def __init__(self, inventory_file: Path, calendar_file: Path, clock: Clock) -> None:
        self._inventory: Watched[inventory.Inventory | None] = Watched(inventory_file, inventory.load, optional=True)
        self._calendar: Watched[Calendars | None] = Watched(calendar_file, calendar.load, optional=True)
        self._clock = clock
        self._looked: datetime | None = None
        self._assets = Assets(inventory.Inventory())
        self._calendars = Calendars()
        self.of_address: _OfAddress = self._of_address
        """Return the calendar of the asset at an address."""
        self._of_identity: _OfIdentity = self._of_sender

    def seconds(self, identity: Identity, start: datetime, end: datetime) -> float:
        """Return how many seconds of `start` to `end` the sender's place was open; all, if it has no calendar."""
        self.refresh()
        found = self._of_identity(identity)
        return (end - start).total_seconds() if found is None or end <= start else open_seconds(found, start, end)

    def refresh(self) -> None:
        """Look at the files if it is time to."""
        now = self._clock.now()
        if self._looked is not None and timedelta(0) <= now - self._looked < LOOK_EVERY:
            return
        first, self._looked = self._looked is None, now
        if any([self._inventory.look(), self._calendar.look()]) or first:
            self._assets = Assets(self._inventory.held or inventory.Inventory())
            self._calendars = self._calendar.held or Calendars()
            self.of_address = lru_cache(maxsize=65_536)(self._of_address)
            self._of_identity = lru_cache(maxsize=65_536)(self._of_sender)

    def _of_address(self, address: str) -> Calendar | None:
        return self._calendars.get(self._assets.of_address(address).get("calendar", ""))

    def _of_sender(self, identity: Identity) -> Calendar | None:
        # as `App.owner` finds whose a sender is
        facts = self._assets.of_sender(identity.source, identity.peer, identity.peer)
        return self._calendars.get((facts or self._assets.of_name(identity.host)).get("calendar", ""))
