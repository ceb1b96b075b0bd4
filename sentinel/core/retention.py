"""How long what is kept, by class; a class is a matter of an event's data set and the day on which it arrived.

So a record that comes again is of the same class again, whatever the options have become: a class begins on a day.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sentinel.core.event import Event
from sentinel.core.ports import Kept
from sentinel.core.where import AllOf, AnyOf, Is, Like, Not, Where

STANDARD = "standard"
"""The class of what is in no other."""
FAMILY = ".*"
"""What a name ends with that means all data sets that begin so."""


@dataclass(frozen=True, slots=True)
class Class:
    """Events of these data sets that arrived on `since` (UTC) or later are kept for `days`."""

    name: str
    days: int
    datasets: tuple[str, ...]
    since: date

    def has(self, dataset: str, day: date) -> bool:
        """Say whether events of this data set that arrived on that day are of this class."""
        return day >= self.since and any(
            dataset.startswith(one[:-1]) if one.endswith(FAMILY) else dataset == one for one in self.datasets
        )

    @property
    def where(self) -> Where:
        """What its events are, whenever they arrived."""
        return AnyOf(
            tuple(
                Like("event.dataset", one, cased=True) if one.endswith(FAMILY) else Is("event.dataset", one, cased=True)
                for one in self.datasets
            )
        )


@dataclass(frozen=True, slots=True)
class Retention:
    """Days of the standard class, and the other classes; of several that fit the first counts."""

    days: int = 90
    classes: tuple[Class, ...] = ()

    def class_of(self, event: Event) -> str:
        """Return the name of an event's class."""
        if not self.classes:
            return STANDARD
        dataset, day = str(event.fields.get("event.dataset") or ""), event.ingested.date()
        return next((one.name for one in self.classes if one.has(dataset, day)), STANDARD)

    def on(self, day: date) -> dict[str, Where]:
        """Return by name the classes of what arrived on that day, and what their events are."""
        found: dict[str, Where] = {}
        before: list[Where] = []
        for one in self.classes:
            if one.since <= day:
                found[one.name] = AllOf((one.where, *map(Not, before)))
                before.append(one.where)
        return {**found, STANDARD: AllOf(tuple(map(Not, before)))}

    def due(self, kept: Kept, today: date) -> bool:
        """Say whether the time of what is kept is over; of a class that is no longer known, the longest time."""
        days = {STANDARD: self.days, **{one.name: one.days for one in self.classes}}
        return kept.day < today - timedelta(days=days.get(kept.name, max(days.values())))
