"""What a story of the model city is told with: who is there, a time, and where its lines and packets go."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random

from sentinel.core.detection import Level
from sentinel.testing import reported, stories
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import City
from sentinel.testing.city.rhythm import workdays
from sentinel.testing.city.town import Person
from sentinel.testing.packets import Story as Wire

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class About:
    """What a story is: it begins on a workday between two hours (UTC) and is over after `lasts`.

    `after` says which public report it follows; empty: it is invented.
    """

    title: str
    severity: Level
    hours: tuple[float, float]
    lasts: timedelta
    after: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of a story: its `step`; whether it is the one that decides; whether it is a benign twin's instead.

    `name` is that of its record, the same however long a run is.
    """

    line: Line
    step: str
    decisive: bool = False
    twin: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is heard of a device (its address) from `begin` until `end`."""

    device: str
    begin: datetime
    end: datetime


@dataclass(slots=True)
class Scene:
    """A story in the making; what it decides by chance, it decides by `rng`."""

    city: City
    rng: Random
    begin: datetime
    told: list[Told] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    wires: dict[str, Wire] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)

    def after(self, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Return the moment so long after the story's begin."""
        return self.begin + timedelta(hours=hours, minutes=minutes, seconds=seconds)

    def someone(self, office: str) -> Person:
        """Choose one of those of an office who are seen."""
        return self.rng.choice([person for person in self.city.staff if person.office == office])

    def say(self, step: str, *lines: Line, decisive: bool = False) -> None:
        """Tell lines of the attack; with `decisive` the last of them is where it can be stopped in time no more."""
        for number, line in enumerate(lines, start=1):
            self.told.append(Told(line, step, decisive and number == len(lines)))

    def twin(self, step: str, *lines: Line) -> None:
        """Tell lines of what only looks like it."""
        self.told.extend(Told(line, step, twin=True) for line in lines)

    def silent(self, device: str, begin: datetime, end: datetime) -> None:
        """Let nothing be heard of a device, as if it was turned off."""
        self.silences.append(Silence(device, begin, end))

    def wire(self, segment: str, *hosts: str) -> Wire:
        """Return the packets seen in a segment; `hosts` are the addresses of the attack there."""
        self.hosts.update(hosts)
        return self.wires.setdefault(segment, Wire(self.rng))


Teller = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Play:
    """A story as it was told in one week: its lines in order of time, what is silent, and its packets by segment."""

    name: str
    about: About
    told: tuple[Told, ...]
    silences: tuple[Silence, ...]
    wires: dict[str, Wire]
    hosts: frozenset[str]

    @property
    def decided(self) -> datetime:
        """When it can be stopped in time no more."""
        return next(one.line.at for one in self.told if one.decisive)

    @property
    def first(self) -> datetime:
        """When it begins to show."""
        return min(one.line.at for one in self.told if not one.twin)

    @property
    def last(self) -> datetime:
        """When it or its twins are over."""
        return max(one.line.at for one in self.told)


@cache
def known() -> tuple[tuple[str, About, Teller], ...]:
    """Return every story there is: name, what it is, who tells it; those after reports come last."""
    return tuple(_found(stories.__name__, stories.__path__)) + tuple(_found(reported.__name__, reported.__path__))


def _found(package: str, path: Iterable[str]) -> Iterator[tuple[str, About, Teller]]:
    for name in sorted(one.name for one in pkgutil.iter_modules(path)):
        module = importlib.import_module(f"{package}.{name}")
        yield name, module.ABOUT, module.tell


def plays(city: City, week: datetime) -> Iterator[Play]:
    """Tell each story in the week that begins at `week` (a Monday, 00:00 UTC), the same whenever it is asked for."""
    for name, about, tell in known():
        rng = Random(f"{city.seed}/{name}/{week:%Y-%m-%d}")  # noqa: S311  repeatable on purpose; guards nothing
        days = [day for day in workdays(week) if day + timedelta(hours=about.hours[1]) + about.lasts <= week + WEEK]
        if not days:
            continue
        begin = rng.choice(days) + timedelta(hours=rng.uniform(*about.hours))
        scene = Scene(city, rng, begin.replace(microsecond=0))
        tell(scene)
        named = f"{city.seed}/{city.scale:g}/{name}/{week:%Y%m%d}"
        ordered = sorted(scene.told, key=lambda one: one.line.at)
        told = tuple(replace(one, name=f"{named}/{number}") for number, one in enumerate(ordered))
        yield Play(name, about, told, tuple(scene.silences), scene.wires, frozenset(scene.hosts))
