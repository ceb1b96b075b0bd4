"""Adds to events what is known beside them: whose machines, open or closed, where addresses lie, what indicators say.

What is known of an address or a name is looked up once and remembered until a file changes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

from sentinel.config import calendar, inventory
from sentinel.config.enrichment import IndicatorList
from sentinel.core.calendar import Calendars
from sentinel.core.event import Entry, Event, Fields, Scalar, Value
from sentinel.core.ports import Clock
from sentinel.core.where import values
from sentinel.parse.assets import Assets
from sentinel.parse.geo import Geo
from sentinel.parse.opening import Opening
from sentinel.parse.threats import Threats
from sentinel.parse.watched import Watched

LOOK_EVERY = timedelta(seconds=10)
"""So often it is looked whether a file has changed, and only while records come in."""
CACHE_MAX = 65_536
NO_FILE = Path(os.devnull, "none")
"""A file that never is."""

_SIDES = ("source", "destination")
_MACHINES = ("host", "observer")
_SENDER = "sentinel.sender_asset."


class _Found(dict[Value, Fields]):
    """The fields that a value brings with it; looked up when it is first asked for."""

    def __init__(self, look: Callable[[str], Fields]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, value: Value) -> Fields:
        if len(self) >= CACHE_MAX:
            self.clear()
        found: Fields = {}
        for one in values(value):
            found = found or self._look(str(one))
        self[value] = found
        return found


class _Senders(dict[tuple[str, str, str], Fields]):
    def __init__(self, assets: Assets) -> None:
        super().__init__()
        self._assets = assets

    def __missing__(self, who: tuple[str, str, str]) -> Fields:
        if len(self) >= CACHE_MAX:
            self.clear()
        found = self[who] = _below(_SENDER, self._assets.of_sender(*who))
        return found


@dataclass(frozen=True, slots=True)
class _Tables:
    """What is remembered, by the field whose value is looked up."""

    sides: tuple[tuple[str, _Found], ...]
    machines: tuple[tuple[tuple[str, _Found], ...], ...]
    senders: _Senders | None


class Enricher:
    """Adds fields to events; reads its files when it is made, and again when they have changed (`refresh`)."""

    def __init__(
        self,
        inventory_file: Path,
        geoip: Sequence[Path],
        indicators: Sequence[IndicatorList],
        clock: Clock,
        calendar_file: Path = NO_FILE,
    ) -> None:
        self.calendar: Watched[Calendars | None] = Watched(calendar_file, calendar.load, optional=True)
        self.inventory: Watched[inventory.Inventory | None] = Watched(inventory_file, inventory.load, optional=True)
        self.geo = Geo(tuple(geoip))
        self.threats = Threats(indicators)
        self._clock = clock
        self._assets: Assets | None = None
        self._opening: Opening | None = None
        self._tables = self._fresh()
        while self._look():
            pass
        self._now = self._looked = clock.now().timestamp()
        self._told: frozenset[str] = frozenset()

    def __call__(self, entry: Entry, event: Event) -> None:
        """Add to an event that has just been made, while nobody else has it, what is known beside it."""
        fields = cast("Fields", event.fields)
        tables = self._tables
        for name, known in tables.sides:
            value = fields.get(name)
            if value is not None and (found := known[value]):
                fields.update(found)
        for machine in tables.machines:
            for name, known in machine:
                value = fields.get(name)
                if value is not None and (found := known[value]):
                    fields.update(found)
                    break
        if tables.senders is not None:
            origin = entry.raw.origin
            fields.update(tables.senders[entry.raw.source, origin.peer, origin.identity])
        if self._opening is not None:
            self._opening.mark(fields, event.timestamp)
        if self.threats.lists:
            self.threats.mark(fields, self._now)

    def of_address(self, side: str, address: str) -> Fields:
        """Return the fields that an address brings with it as `source` or `destination`."""
        facts = self._assets.of_address(address) if self._assets is not None else {}
        place = self.geo.of_address(address) if self.geo.files else {}
        return {**_below(f"sentinel.{side}_asset.", facts), **_below(f"{side}.", place)}

    def of_machine(self, side: str, name: str) -> Fields:
        """Return the fields that a name or an address brings with it as `host` or `observer`."""
        if self._assets is None:
            return {}
        return _below(f"sentinel.{side}_asset.", self._assets.of_address(name) or self._assets.of_name(name))

    def refresh(self) -> tuple[str, ...]:
        """Look for changed files if it is time to; return what is wrong with any and has not been said yet."""
        self._now = self._clock.now().timestamp()
        if not 0 <= self._now - self._looked < LOOK_EVERY.total_seconds():
            # after a list has been read the next one is looked at without waiting
            self._looked = 0.0 if self._look() else self._now
        now = self.problems
        new = tuple(problem for problem in now if problem not in self._told)
        self._told = frozenset(now)
        return new

    @property
    def problems(self) -> list[str]:
        """What is wrong with any file as it is now."""
        files = [self.inventory.problem, self.calendar.problem, *(file.problem for file in self.geo.files)]
        return [problem for problem in (*files, *(file.problem for _, file in self.threats.lists)) if problem]

    @property
    def summary(self) -> str:
        """What there is to enrich from, in one line."""
        held = self.inventory.held
        known = f"{len(held.network)} networks, {len(held.host)} hosts" if held is not None else "none"
        geo = sum(file.held is not None for file in self.geo.files)
        counts = [file.held.count for _, file in self.threats.lists if file.held is not None]
        return f"inventory: {known}; GeoIP files: {geo}; indicators: {sum(counts):,} in {len(counts)} lists"

    def _look(self) -> bool:
        """Read what has changed, of the lists one at most; return whether one was read."""
        changed = [self.inventory.look(), self.calendar.look(), *(file.look() for file in self.geo.files)]
        if any(changed):
            held = self.inventory.held
            self._assets = Assets(held) if held is not None else None
            self._opening = Opening(self.calendar.held or Calendars()) if held is not None else None
            self._tables = self._fresh()
        return self.threats.look()

    def _fresh(self) -> _Tables:
        sides = tuple((f"{side}.ip", _Found(partial(self.of_address, side))) for side in _SIDES)
        if self._assets is None:
            return _Tables(sides if self.geo.files else (), (), None)
        return _Tables(sides, tuple(map(self._machine, _MACHINES)), _Senders(self._assets))

    def _machine(self, side: str) -> tuple[tuple[str, _Found], ...]:
        known = _Found(partial(self.of_machine, side))
        return tuple((f"{side}.{name}", known) for name in ("name", "hostname", "ip"))


def _below(prefix: str, said: Mapping[str, Scalar]) -> Fields:
    return {prefix + name: value for name, value in said.items()}
