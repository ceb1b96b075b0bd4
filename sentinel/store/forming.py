"""Events in the form in which the embedded store keeps them: blocks of lines, one for each day of arrival.

Forming needs no store, so it can be done wherever events are made; a block travels between processes as it is.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sentinel.core.event import Event
from sentinel.core.ports import Rejected
from sentinel.store.codec import Census, Encoder, day_of, decode, micros
from sentinel.store.ids import key_of
from sentinel.store.segments import Extent


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of events that arrived on one UTC day: `data`, of which the line at position n ends at `ends[n]`.

    `fields` says for each field how many of the events have it, and its kinds (see `codec`).
    """

    day: int
    data: bytes
    ends: "array[int]"
    keys: Sequence[int]
    seqs: "array[int]"
    extent: Extent
    rising: bool
    fields: Mapping[str, tuple[int, int]]

    def only(self, positions: Sequence[int]) -> "Block":
        """Return a block of these lines alone; raises ValueError if there are none."""
        gathered = Gathering(self.day)
        encoder = Encoder()
        for at in positions:
            line = self.data[self.ends[at - 1] if at else 0 : self.ends[at]]
            event = decode(line)
            encoder.note(event, gathered.census)
            gathered.add(self.keys[at], self.seqs[at], micros(event.timestamp), micros(event.ingested), line)
        return gathered.block()


@dataclass(slots=True)
class Gathering:
    """A block in the making; whoever adds a line has counted its event in `census`."""

    day: int
    census: Census = field(default_factory=Census)
    lines: list[bytes] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, key: int, seq: int, ts: int, ingested: int, line: bytes) -> None:
        """Add an event's line."""
        self.keys.append(key)
        self.lines.append(line)
        self.places.append((seq, ts, ingested))

    def block(self) -> Block:
        """Return what has been gathered; raises ValueError if that is nothing."""
        seqs, times, arrivals = zip(*self.places, strict=True)
        ends = array("q", [0] * len(self.lines))
        end = 0
        for at, line in enumerate(self.lines):
            end += len(line)
            ends[at] = end
        extent = Extent((min(seqs), max(seqs)), len(seqs), (min(times), max(times)), (min(arrivals), max(arrivals)))
        rising = all(one < two for one, two in pairwise(seqs))
        whole = b"".join(self.lines)
        return Block(self.day, whole, ends, self.keys, array("q", seqs), extent, rising, self.census.fields())


@dataclass(frozen=True, slots=True)
class Blocks:
    """What one batch of events became."""

    days: Sequence[Block]
    rejected: Sequence[Rejected]


class Former:
    """Forms events; see `core.ports.Form`."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def __call__(self, events: Sequence[Event]) -> Blocks:
        """Return the events as blocks."""
        rejected: list[Rejected] = []
        days: dict[int, Gathering] = {}
        encode = self._encoder.encode
        for event in events:
            try:
                ts, ingested = micros(event.timestamp), micros(event.ingested)
                number = day_of(ingested)
                day = days.get(number)
                if day is None:
                    day = days[number] = Gathering(number)
                line = encode(event, ts, ingested, day.census)
                key = key_of(event.id)
            except (ValueError, TypeError) as error:
                rejected.append(Rejected(event.id, event.seq, str(error)))
                continue
            day.add(key, event.seq, ts, ingested, line)
        return Blocks([day.block() for day in days.values() if day.lines], rejected)
