"""Ranks the sites of a kind by what they did on a day: all by the hour, the few that promise most in full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from heapq import nlargest
from pathlib import Path
from statistics import median_low

from sentinel.compare import scoring
from sentinel.compare.counting import Counted, Day, Pair, counted, day_of, text_of
from sentinel.compare.features import FEATURES, Feature
from sentinel.compare.habits import Habits
from sentinel.core.calendar import Calendar
from sentinel.core.event import Event
from sentinel.core.odd import Odd, Ranking, Trait
from sentinel.core.ports import Store
from sentinel.core.where import AllOf, AnyOf, Is, Where

SITES_MIN = 10
"""Fewer sites of a kind, or with a feature, say nothing about what is usual."""
HOURS_MIN = 3
EVENTS_MIN = 6
"""What was done more seldom, or in fewer hours of the day, is what people happen to look at."""
LOOKED_MAX = 100
"""So many pairs of each feature, those that promise most, are looked at in full."""
TIMES_MAX = 1_000
"""So many of a device's contacts, the latest, tell the rhythm."""
DEVICES_MAX = 10_000
"""So many rows of sites, values and devices, those with most events, tell which devices do it."""
TRAITS_MAX = 5
RANKED_MAX = 20
BACK_DAYS = 28
ALIKE_MAX = 10
"""A day is compared with so many earlier ones alike, out of so many days back."""
_DAY = timedelta(days=1)


def alike(calendar: Calendar, day: date) -> Iterator[date]:
    """Yield the earlier days that a day is compared with, latest first: days off with days off."""
    off, number = day_of(calendar, day).off, 0
    for back in range(1, BACK_DAYS + 1):
        if number < ALIKE_MAX and day_of(calendar, day - _DAY * back).off == off:
            number += 1
            yield day - _DAY * back


def habits_of(store: Store, kind: str, day: Day, folder: Path) -> Habits:
    """Return what the sites of a kind did on a day; raises StoreError."""
    with counted(store, kind, day, folder) as found:
        return found.habits()


@dataclass(frozen=True, slots=True)
class _Promise:
    # a pair that may be odd: among how many sites that do it, on how many of the site's earlier days it was there
    pair: Pair
    sites: int
    peers: int
    known: int
    days: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares the sites of a kind on a day with each other, and with the habits of earlier days alike."""

    store: Store
    kind: str
    day: Day
    past: Sequence[Habits]

    def ranking(self, found: Counted) -> Ranking:
        """Return who is odd in what was counted on this day; raises StoreError."""
        sites, gaps = found.sites(), dict(found.gaps)
        if 0 < len(sites) < SITES_MIN:
            gaps[f"{len(sites)} sites were heard; fewer than {SITES_MIN} are not compared"] = None
        by_site: dict[str, list[Trait]] = {}
        for feature in FEATURES:
            promising = self._promising(found, feature)
            if len(promising) == LOOKED_MAX:
                gaps[f"{feature.name}: only the {LOOKED_MAX} that promised most were looked at in full"] = None
            devices = self._devices(feature, promising)
            for one in promising:
                trait = self._trait(feature, one, devices.get((one.pair.value, one.pair.site), {}), sites)
                if trait is not None:
                    by_site.setdefault(one.pair.site, []).append(trait)
        odd = (
            Odd(site, tuple(sorted(traits, key=lambda one: (-one.score, one.feature, one.value))[:TRAITS_MAX]))
            for site, traits in by_site.items()
        )
        ranked = tuple(sorted(odd, key=lambda one: (-one.score, one.site))[:RANKED_MAX])
        return Ranking(self.kind, self.day.date, len(sites), self.day.off, len(self.past), ranked, tuple(gaps))

    def _promising(self, found: Counted, feature: Feature) -> list[_Promise]:
        peers = len(found.sites(feature.name))
        if peers < SITES_MIN:
            return []
        pairs = (
            (pair, len(same))
            for same in found.values(feature.name)
            if len(same) <= peers // 2
            for pair in same
            if len(pair.hours) >= HOURS_MIN and pair.events >= EVENTS_MIN
        )
        scored = (
            (self._score(one, scoring.evenness([number for _, number in one.pair.hours])), one)
            for one in (self._promise(feature, pair, sites, peers) for pair, sites in pairs)
        )
        best = nlargest(LOOKED_MAX, scored, key=lambda one: (one[0], one[1].pair.value, one[1].pair.site))
        return [one for _, one in best]

    def _promise(self, feature: Feature, pair: Pair, sites: int, peers: int) -> _Promise:
        heard = [one for one in self.past if one.heard(pair.site)]
        known = sum(one.has(feature.name, pair.value, pair.site) for one in heard)
        return _Promise(pair, sites, peers, known, len(heard))

    def _score(self, one: _Promise, regular: float) -> float:
        closed = self._closed(one.pair) / max(len(self.day.closed), 1)
        return scoring.score(
            scoring.rarity(one.sites, one.peers),
            scoring.persistence(len(one.pair.hours)),
            scoring.novelty(one.known, one.days),
            scoring.program(regular, closed),
        )

    def _closed(self, pair: Pair) -> int:
        return sum(hour in self.day.closed for hour, _ in pair.hours)

    def _devices(self, feature: Feature, promising: Sequence[_Promise]) -> dict[tuple[str, str], dict[str, int]]:
        # how many events each device of a site has with a value
        found: dict[tuple[str, str], dict[str, int]] = {}
        wanted = {(one.pair.value, one.pair.site) for one in promising}
        for reading in feature.readings if wanted else ():
            asked = AnyOf(tuple(reading.asks(value) for value in sorted({value for value, _ in wanted})))
            where = AllOf((feature.of(self.kind), reading.where, asked))
            by = (feature.site, feature.device, *reading.fields)
            for (site, device, *held), count in self.store.tally(where, self.day.span, by, DEVICES_MAX):
                pair = reading.value(held), text_of(site)
                if pair in wanted and text_of(device):
                    of_pair = found.setdefault(pair, {})
                    of_pair[text_of(device)] = of_pair.get(text_of(device), 0) + count
        return found

    def _trait(self, feature: Feature, one: _Promise, devices: dict[str, int], sites: Sequence[str]) -> Trait | None:
        busiest = min(devices, key=lambda device: (-devices[device], device), default="")
        seen = self._seen(feature, one.pair, busiest)
        if not seen:
            return None  # the store has forgotten, or amended, what it had counted
        value, hours = one.pair.value, self.day.hours
        usual = [sum(past.has(feature.name, value, site) for site in sites) for past in self.past]
        whole = replace(one, sites=max(one.sites, median_low(usual) if usual else 0))
        regular, every = scoring.rhythm(scoring.gaps([event.timestamp.timestamp() for event in seen]))
        first = seen[0].timestamp if len(seen) < TIMES_MAX else hours[one.pair.hours[0][0]].start
        return Trait(
            feature.name, value, round(self._score(whole, regular), 1), whole.sites, one.peers,
            len(one.pair.hours), self._closed(one.pair), one.pair.events, max(len(devices), 1), busiest,
            round(every, 1), round(regular, 3), one.known, one.days, first, seen[-1].timestamp, seen[-1].id,
        )  # fmt: skip

    def _seen(self, feature: Feature, pair: Pair, device: str) -> list[Event]:
        # the latest events of a device with a value, in order
        asked: list[Where] = [AllOf((one.where, one.asks(pair.value))) for one in feature.readings]
        whose = (Is(feature.site, pair.site), Is(feature.device, device or None))
        where = AllOf((feature.of(self.kind), AnyOf(tuple(asked)), *whose))
        events = self.store.search(where, self.day.span, TIMES_MAX)
        return sorted(
            (event for event in events if pair.value in feature.values(event)), key=lambda event: event.timestamp
        )
