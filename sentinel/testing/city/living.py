"""The city with its stories: ordinary lines and those of attacks in one stream, each of them known by a name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import itemgetter

from sentinel.core.event import Origin, Raw, arriving
from sentinel.testing.city import windows
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import City
from sentinel.testing.scene import WEEK, Play, plays

SOURCE, CLIENTS = "stadt", "stadt-pcs"
"""The sources: office computers have one of their own, for nobody misses one that is turned off."""
DELAY = timedelta(milliseconds=400)
"""So long a line is on its way."""
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """A line with its name; `play` and `step` say whose it is, `twin` that it only looks so."""

    name: str
    line: Line
    play: str = ""
    step: str = ""
    decisive: bool = False
    twin: bool = False

    @property
    def raw(self) -> Raw:
        """The record as an entrance would have made it when it arrived."""
        came = self.line.at + DELAY
        origin = Origin(self.line.via, f"{self.line.device}:514", self.name)
        source = CLIENTS if self.line.device == windows.CLIENTS else SOURCE
        return arriving(Raw(self.line.body, source, came, origin), came)


def weeks(city: City, begin: datetime, end: datetime) -> list[Play]:
    """Return the plays that show between two moments (aware)."""
    week = _MONDAY + (begin - _MONDAY) // WEEK * WEEK
    found: list[Play] = []
    while week < end:
        found += plays(city, week)
        week += WEEK
    return [play for play in found if play.first < end and play.last >= begin]


def records(city: City, begin: datetime, end: datetime | None, told: Sequence[Play]) -> Iterator[Record]:
    """Yield what is written from `begin` until `end` (None: without end), with the lines of the plays `told`.

    Names depend on seed, scale and time alone: a record has its own however long a run is.
    """
    silences = [one for play in told for one in play.silences]
    attacks = (one for one in spoken(told) if one.line.at >= begin and (end is None or one.line.at < end))
    for record in merge(_ordinary(city, begin, end), attacks, key=lambda one: one.line.at):
        at, device = record.line.at, record.line.device
        if record.play or not any(one.device == device and one.begin <= at < one.end for one in silences):
            yield record


def spoken(told: Sequence[Play]) -> Iterator[Record]:
    """Yield the records of the plays, twins among them, in order of time."""
    ordered = sorted(
        ((one.line.at, one.name, one, play.name) for play in told for one in play.told), key=itemgetter(0, 1)
    )
    for *_, one, play in ordered:
        yield Record(one.name, one.line, play, one.step, one.decisive, one.twin)


def _ordinary(city: City, begin: datetime, end: datetime | None) -> Iterator[Record]:
    second, number = 0, 0
    for line in city.lines(begin, end):
        now = int(line.at.timestamp())
        number = number + 1 if now == second else 0
        second = now
        yield Record(f"{city.seed}/{city.scale:g}/{now}/{number}", line)
