"""Reading on in order of arrival: sealed segments in large pieces, hot ones from where one stopped."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from sentinel.core.event import Event
from sentinel.store.catalogue import Catalogue
from sentinel.store.engine import Row, select
from sentinel.store.segments import Extent, Segment
from sentinel.store.tail import Tail

AHEAD_EVENTS = 4096
"""So many events of a sealed segment are read at a time, if its sequences lie evenly; as many as a row group has."""


@dataclass(slots=True)
class _Ahead:
    """Lines of a sealed segment read ahead: `(seq, line)` for all sequences in `(after, through]`."""

    after: int
    through: int
    rows: list[Row]


class Follower:
    """Answers `Store.since` and `Store.newest`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._tails: dict[str, Tail] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._lock = Lock()

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the first `limit` events with `cursor < seq <= until` in order of `seq`."""
        return self._catalogue.asked(lambda segments: self._since(segments, cursor, until, limit)) if limit > 0 else []

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""
        return self._catalogue.asked(
            lambda segments: max(
                (one.extent.seq[1] if one.extent else self._tail(one).newest() for one in segments), default=0
            )
        )

    def lowest(self, segment: Segment) -> int:
        """Return the lowest `seq` in a segment, 0 if it is empty; FileNotFoundError says that a hot one is gone."""
        return segment.extent.seq[0] if segment.extent else self._tail(segment).lowest()

    def _forget_all_but(self, names: set[str]) -> None:
        with self._lock:
            for name in self._tails.keys() - names:
                del self._tails[name]
            for name in self._ahead.keys() - names:
                del self._ahead[name]

    def _tail(self, segment: Segment) -> Tail:
        with self._lock:
            return self._tails.setdefault(segment.name, Tail(self._catalogue.folder / segment.name))

    def _since(self, segments: list[Segment], cursor: int, until: int, limit: int) -> list[Event]:
        self._forget_all_but({one.name for one in segments})
        found: list[Event] = []
        sealed = [
            (one.extent.seq[0], one)
            for one in segments
            if one.extent is not None and one.extent.seq[1] > cursor and one.extent.seq[0] <= until
        ]
        for low, one in sorted(sealed, key=lambda pair: pair[0]):
            if len(found) >= limit and low > found[limit - 1].seq:
                break
            found = _merged(found, self._sealed_since(one, cursor, until, limit), limit)
        for one in segments:
            if one.extent is None:
                # what is there already bounds what can still be wanted
                last = min(until, found[-1].seq) if len(found) >= limit else until
                found = _merged(found, self._tail(one).since(cursor, last, limit), limit)
        return found

    def _sealed_since(self, segment: Segment, cursor: int, until: int, limit: int) -> list[Event]:
        assert segment.extent is not None  # noqa: S101  sealed
        found: list[Event] = []
        while len(found) < limit and cursor < until:
            ahead = self._ahead.get(segment.name)
            if ahead is None or not ahead.after <= cursor < ahead.through:
                ahead = self._read_ahead(segment, segment.extent, cursor)
            rows = (row for row in _from(ahead.rows, cursor) if row[0] <= until)
            group = self._catalogue.lines([segment])
            events = [self._catalogue.decoded(group, line) for _, line in islice(rows, limit - len(found))]
            found += [event for event in events if event is not None]
            cursor = found[-1].seq if len(found) >= limit else ahead.through
            if ahead.through >= segment.extent.seq[1]:
                break
        return found

    def _read_ahead(self, segment: Segment, extent: Extent, cursor: int) -> _Ahead:
        # the segment lies in order of `seq`, so such a window is read without looking at the rest
        low, high = extent.seq
        start = max(cursor, low - 1)
        through = min(high, start + max(1, (high - low + 1) * AHEAD_EVENTS // extent.count))
        group = self._catalogue.lines([segment])
        sql = select("seq, doc", group.source.sql, "seq > $start AND seq <= $through")
        rows = self._catalogue.rows(group, sql, {"start": start, "through": through})
        ahead = _Ahead(cursor, through, sorted(rows, key=lambda row: row[0]))
        with self._lock:
            self._ahead.clear()  # one is enough to read on, and bounds the memory
            self._ahead[segment.name] = ahead
        return ahead


def _merged(one: list[Event], two: list[Event], limit: int) -> list[Event]:
    if one and two:
        return sorted(one + two, key=lambda event: event.seq)[:limit]
    return (one or two)[:limit]


def _from(rows: list[Row], cursor: int) -> Iterator[Row]:
    return islice(rows, bisect_right(rows, cursor, key=lambda row: row[0]), None)
