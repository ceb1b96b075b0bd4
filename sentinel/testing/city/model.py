"""The model city: its lines are a function of seed, scale and time alone, however and from when on they are asked for.

Time is cut into ticks; each habit (`habits/`, found because it is there) has its own chance for each tick. At a scale
below 1 fewer people and devices are seen, not all
of them doing less: a subject that counts in a rule does so as in earnest.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from random import Random

from sentinel.testing.city import habits
from sentinel.testing.city.lines import Line, in_order
from sentinel.testing.city.rhythm import Kind, activity
from sentinel.testing.city.town import Person, School, people, schools

TICK = timedelta(minutes=1)
RATE = 180
"""So many lines are written in a second of the busiest hour, at scale 1."""
STAFF_MIN = 24
OFFICE_MIN = 4
"""So many people are seen at the smallest scale, so many of them of each office; of each school one device."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BUSY = datetime(2026, 11, 23, 9, tzinfo=UTC)


@dataclass(slots=True)
class Tick:
    """A stretch of time in which a habit does what it does; `rng` is its own chance."""

    city: "City"
    begin: datetime
    rng: Random

    @property
    def end(self) -> datetime:
        """Where the next one begins."""
        return self.begin + TICK

    def often(self, kind: Kind, an_hour: float) -> Iterator[datetime]:
        """Yield when something happens that happens so often in a busy hour of the whole city."""
        share = activity(kind, _BUSY if self.city.busy else self.begin)
        expected = an_hour * self.city.scale * share * TICK / timedelta(hours=1)
        count = int(expected) + (self.rng.random() < expected % 1)
        for _ in range(count):
            yield self.begin + TICK * self.rng.random()

    def at(self, weekday: int | None, hour: int, minute: int = 0) -> bool:
        """Say whether this is the tick of a time (UTC) of each day, or of a weekday (0 is Monday)."""
        begin = self.begin
        return (begin.hour, begin.minute) == (hour, minute) and weekday in {None, begin.weekday()}


Habit = Callable[[Tick], Iterator[Line]]


@cache
def _habits() -> tuple[tuple[str, Habit], ...]:
    names = sorted(one.name for one in pkgutil.iter_modules(habits.__path__))
    return tuple((name, importlib.import_module(f"{habits.__name__}.{name}").happen) for name in names)


@dataclass(frozen=True, slots=True)
class City:
    """The city of a seed; `scale` is which part of it is seen. If `busy`, every hour is one of a Monday morning."""

    seed: int
    scale: float = 1.0
    busy: bool = False
    staff: tuple[Person, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Choose who is seen: with a larger scale the same ones and more."""
        count = min(2000, max(STAFF_MIN, ceil(2000 * self.scale)))
        object.__setattr__(self, "staff", _shuffled()[:count])

    def devices(self, school: School) -> int:
        """Return how many devices of a school are seen."""
        return max(1, min(school.devices, ceil(school.devices * self.scale)))

    def school(self, rng: Random) -> tuple[School, str]:
        """Choose a school, and one of its devices."""
        school = rng.choice(schools())
        return school, school.device(rng.randrange(self.devices(school)))

    def lines(self, begin: datetime, end: datetime | None = None) -> Iterator[Line]:
        """Yield what is written from `begin` (aware) until `end` (None: without end), in order of time."""
        at = _EPOCH + (begin - _EPOCH) // TICK * TICK - TICK
        ahead: list[Line] = []
        while end is None or at < end:
            found = in_order([*ahead, *self._tick(at)])
            at += TICK
            ahead = [line for line in found if line.at >= at]
            for line in found[: len(found) - len(ahead)]:
                if line.at >= begin and (end is None or line.at < end):
                    yield line

    def _tick(self, begin: datetime) -> Iterator[Line]:
        number = (begin - _EPOCH) // TICK
        for name, happen in _habits():
            rng = Random(f"{self.seed}/{name}/{number}")  # noqa: S311  repeatable on purpose; guards nothing
            for line in happen(Tick(self, begin, rng)):
                # what begins in a tick is over before the end of the next
                if line.at - begin < 2 * TICK:
                    yield line


@cache
def _shuffled() -> tuple[Person, ...]:
    # some of each office are seen at every scale
    mixed = Random("people").sample(people(), len(people()))  # noqa: S311  as above
    seen = Counter[str]()
    first: list[Person] = []
    for person in mixed:
        seen[person.office] += 1
        if seen[person.office] <= OFFICE_MIN:
            first.append(person)
    return (*first, *(person for person in mixed if person not in first))
