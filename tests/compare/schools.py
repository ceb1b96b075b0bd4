"""85 schools on a day, as their firewalls, name servers and proxies tell it: lessons, updates, heating, curiosity."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from sentinel.compare.counting import counted, day_of
from sentinel.compare.habits import Habits
from sentinel.compare.ranking import Comparison, alike, habits_of
from sentinel.core.calendar import Calendar
from sentinel.core.clock import iso
from sentinel.core.event import Event, Value
from sentinel.core.odd import Ranking
from sentinel.store.embedded import EmbeddedStore

ZONE = ZoneInfo("Europe/Berlin")
DAY = date(2026, 11, 26)
KIND = "school"
SCHOOLS = tuple(f"Schule {number:02}" for number in range(1, 86))
LESSONS = Calendar(KIND, hours=(((7 * 60, 17 * 60),),) * 5 + ((),) * 2)
EVERYBODYS = tuple(f"portal-{number}.example" for number in range(40))


@dataclass(frozen=True)
class Contact:
    """A device of a school connects somewhere; `fields` are what else is known."""

    at: datetime
    school: int
    device: int
    to: str
    fields: dict[str, Value] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"10.20.{self.school}.{self.device}"


@dataclass(frozen=True)
class Town:
    """The schools of a seed: how large each is, `largest` devices at most."""

    seed: int
    largest: int = 6

    def devices(self, school: int) -> int:
        return 2 + int((self.largest - 2) * seeded(school).random() ** 3)

    def everyday(self, day: date) -> Iterator[Contact]:
        """Yield what happens on a day like any other."""
        chance = seeded(f"{self.seed} {day}")
        for school in range(1, 86):
            for device in range(10, 10 + self.devices(school)):
                yield from _looking_around(chance, day, school, device)
            yield from _update(chance, day, school, "updates.example", 6)
        for school in range(1, 86, 8):  # a heating of its own, day and night
            for minute in range(0, 1440, 60):
                yield Contact(moment(day, minute), school, 250, f"heizung-{school}.example")
        for school in chance.sample(range(1, 86), 2):  # a class looks into something new, all morning
            for _ in range(60):
                device = 10 + chance.randrange(self.devices(school))
                yield Contact(
                    moment(day, 480 + chance.random() * 360), school, device, f"projekt-{day}-{school}.example"
                )


def seeded(seed: object) -> Random:
    """Return chance that comes the same way again."""
    return Random(f"{seed}")  # noqa: S311  no secret


def moment(day: date, minute: float) -> datetime:
    return datetime.combine(day, time(), ZONE).astimezone(UTC) + timedelta(minutes=minute)


def _looking_around(chance: Random, day: date, school: int, device: int) -> Iterator[Contact]:
    # lessons in which a device is used; what is looked at follows no list, and much of it nobody else ever looks at
    for lesson in chance.sample(range(6), 1 + device % 2):
        minute = 475 + lesson * 55 + chance.random() * 10
        while minute < 520 + lesson * 55:
            rare = chance.random() < 0.4
            to = f"seite-{int(chance.paretovariate(0.4)) % 100_000}.example" if rare else chance.choice(EVERYBODYS)
            yield Contact(moment(day, minute), school, device, to)
            minute += chance.lognormvariate(1.3, 1.2)


def _update(chance: Random, day: date, school: int, to: str, times: int) -> Iterator[Contact]:
    begin = chance.random() * 60
    for number in range(times):
        yield Contact(moment(day, 470 + begin + number * 60), school, 10, to)


def rollout(day: date, to: str, schools: Iterable[int] = range(1, 86)) -> Iterator[Contact]:
    """Yield an update that schools begin to fetch, every hour until midnight."""
    for school in schools:
        for minute in range(540 + school % 60, 1440, 60):
            yield Contact(moment(day, minute), school, 10, to)


def beacon(chance: Random, day: date, school: int, to: str, hours: tuple[int, int] = (8, 14)) -> Iterator[Contact]:
    """Yield the contacts of an infected device: every 3 to 20 minutes, with a jitter of up to 30 %."""
    every, jitter = chance.uniform(3, 20), chance.uniform(0, 0.3)
    minute = hours[0] * 60 + chance.random() * every
    while minute < hours[1] * 60:
        yield Contact(moment(day, minute), school, 77, to)
        minute += every * chance.uniform(1 - jitter, 1 + jitter)


def events(contacts: Iterable[Contact]) -> list[Event]:
    """Return the contacts as the events that a sensor's TLS records become once they have been enriched."""
    return [_event(number, one) for number, one in enumerate(contacts, start=1)]


def _event(number: int, one: Contact) -> Event:
    ident = blake2b(f"{one.at} {number}".encode(), digest_size=16).hexdigest()
    fields: dict[str, Value] = {
        "@timestamp": iso(one.at),
        "event.id": ident,
        "event.ingested": iso(one.at),
        "event.sequence": number,
        "event.dataset": "sensor.tls",
        "source.ip": one.address,
        "sentinel.source_asset.site": SCHOOLS[one.school - 1],
        "sentinel.source_asset.calendar": KIND,
        **({"destination.domain": one.to} if one.to else {}),
        **one.fields,
    }
    return Event(ident, number, one.at, one.at, fields)


def stored(folder: Path, contacts: Iterable[Contact]) -> EmbeddedStore:
    """Return a store that holds the contacts, sealed as a night later."""
    store = EmbeddedStore(folder)
    store.append(events(contacts))
    store.seal()
    return store


def learnt(folder: Path, town: Town, days: int = 10) -> list[Habits]:
    """Return the habits of the days alike before DAY."""
    before = list(alike(LESSONS, DAY))[:days]
    store = stored(folder, (one for day in before for one in town.everyday(day)))
    try:
        return [habits_of(store, KIND, day_of(LESSONS, day), folder) for day in before]
    finally:
        store.close()


def ranked(folder: Path, contacts: Iterable[Contact], past: list[Habits], day: date = DAY) -> Ranking:
    """Return how the schools rank on a day on which this happened."""
    store = stored(folder, contacts)
    try:
        whole = day_of(LESSONS, day)
        with counted(store, KIND, whole, folder) as found:
            return Comparison(store, KIND, whole, past).ranking(found)
    finally:
        store.close()


def of_site(ranking: Ranking, school: int) -> tuple[int, float]:
    """Return the place (from 1) and the score of a school; (0, 0) if it is not ranked."""
    for place, one in enumerate(ranking.odd, start=1):
        if one.site == SCHOOLS[school - 1]:
            return place, one.score
    return 0, 0.0
