"""Fills a store with many events fast: copies of some thousand real ones, each with an id, times and a host of its own.

A copy is the bytes of an event as the store is sent it, in which what is its own has been put: a seventh of the time of
making the event anew. The store takes them as it takes all events.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sentinel.core.clock import iso
from sentinel.core.event import Event, Fields, arrival
from sentinel.core.ports import Form, Formed
from sentinel.store.codec import day_of, micros
from sentinel.store.es_bulk import Line, Lines
from sentinel.store.forming import Block, Blocks
from sentinel.store.ids import key_of
from sentinel.store.segments import Extent

HOSTS = 5_000
_AT = datetime.fromisoformat("2001-02-03T04:05:06.111111Z")
_IN = datetime.fromisoformat("2001-02-03T04:05:06.999999Z")
_ID, _HOST, _SEQ = "5e1715e1715e1715e1715e1715e17000", "host-5e1715e17000", 4_517_151_715_171_517
_MARKS: dict[bytes, bytes] = {
    _ID.encode(): b"id",
    _HOST.encode(): b"host",
    b"%d" % _SEQ: b"seq",
    iso(_AT).encode(): b"at",
    iso(_IN).encode(): b"in",
    b"%d" % micros(_AT): b"at_micros",
    b"%d" % micros(_IN): b"in_micros",
    b"2001.02.03": b"day",
}


@dataclass(frozen=True, slots=True)
class _Copied:
    """One event as bytes with names where its own values go, and what the store has to know of its fields."""

    template: bytes
    fields: dict[str, tuple[int, int]]


class Filling:
    """Makes copies of `events` for the store whose `form` is given, from before `end` (aware, UTC)."""

    def __init__(self, events: Sequence[Event], form: Form, end: datetime, span: timedelta) -> None:
        self._end, self._span = end, span
        self._copied = [_copied(form, event) for event in events]
        self._fields = _together(one.fields for one in self._copied)

    def batches(self, first: int, count: int) -> Iterator[tuple[Formed, int]]:
        """Yield copies number `first` and on, `count` of them in order of arrival, and how many are in each batch.

        They arrive spread over the whole span; those of a batch at one moment.
        """
        width = len(self._copied)
        for begin in range(0, count, width):
            number = min(width, count - begin)
            ingested = self._end - self._span * (1 - begin / count)
            yield self._batch(first + begin, number, ingested), number

    def _batch(self, first: int, number: int, ingested: datetime) -> Formed:
        arrived, day = micros(ingested), ingested.strftime("%Y.%m.%d").encode()
        lines: list[Line] = []
        for at in range(number):
            moment = ingested - timedelta(milliseconds=number - at)
            copy, ident = first + at, blake2b(b"%d" % (first + at), digest_size=16).hexdigest()
            seq = arrival(copy + 1, 0)
            own = {
                b"id": ident.encode(),
                b"host": b"host-%05d" % (copy * 7 % HOSTS),
                b"seq": b"%d" % seq,
                b"at": iso(moment).encode(),
                b"in": iso(ingested).encode(),
                b"at_micros": b"%d" % micros(moment),
                b"in_micros": b"%d" % arrived,
                b"day": day,
            }
            lines.append(Line(ident, seq, self._copied[at].template % own))
        if not self._fields:
            return Lines(lines, ())
        return Blocks([_block(lines, arrived, number, self._fields)], ())


def _copied(form: Form, event: Event) -> _Copied:
    own: Fields = {"event.id": _ID, "host.name": _HOST, "event.sequence": _SEQ, "@timestamp": iso(_AT)}
    own |= {"event.ingested": iso(_IN), "event.created": iso(_IN), "sentinel.event_id": _ID}
    fields: Fields = {**event.fields, **{name: value for name, value in own.items() if name in event.fields}}
    formed = form([Event(_ID, _SEQ, _AT, _IN, fields)])
    census: dict[str, tuple[int, int]] = {}
    if isinstance(formed, Blocks):
        (block,) = formed.days
        data, census = block.data, dict(block.fields)
    elif isinstance(formed, Lines):
        ((_, _, data),) = formed.lines
    else:
        raise TypeError(f"{type(formed).__name__} cannot be copied")
    marks = re.compile(b"|".join(map(re.escape, _MARKS)))
    return _Copied(marks.sub(lambda found: b"%%(%b)b" % _MARKS[found[0]], data.replace(b"%", b"%%")), census)


def _together(several: Iterator[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    whole: dict[str, tuple[int, int]] = {}
    for fields in several:
        for name, (count, kinds) in fields.items():
            before, known = whole.get(name, (0, 0))
            whole[name] = (before + count, known | kinds)
    return whole


def _block(lines: Sequence[Line], arrived: int, number: int, fields: dict[str, tuple[int, int]]) -> Block:
    ends = array("q", [0] * number)
    end = 0
    for at, line in enumerate(lines):
        end += len(line.data)
        ends[at] = end
    seqs = array("q", [line.seq for line in lines])
    times = (arrived - number * 1000, arrived - 1000)
    extent = Extent((seqs[0], seqs[-1]), number, times, (arrived, arrived))
    keys = [key_of(line.id) for line in lines]
    data = b"".join(line.data for line in lines)
    return Block(day_of(arrived), data, ends, keys, seqs, extent, rising=True, fields=fields)
