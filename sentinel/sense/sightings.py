"""Where flows to learn a policy from are read: captures, or the sensor's records in the store, counted there."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast, get_args

from sentinel.core.event import Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, Where, Within
from sentinel.sense.filepass import FilePass
from sentinel.sense.proposal import Sight
from sentinel.sense.records import Flow, State
from sentinel.sense.segments import Segments
from sentinel.sense.settings import SenseSettings

__all__ = ["ROWS_MAX", "captured", "stored"]

ROWS_MAX = 100_000
"""So many different kinds of flows are counted of one day, the most frequent first."""
DAYS_MAX = 400
_FIELDS = ("source.ip", "destination.ip", "destination.port", "network.iana_number", "sensor.state")
_STATES = frozenset(get_args(State))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def captured(paths: Iterable[Path], problems: list[str], settings: SenseSettings | None = None) -> Iterator[Sight]:
    """Yield the flows of captures, noting what of them could not be read; raises CaptureError, ToolMissingError."""
    for path in paths:
        reading = FilePass(path, settings or SenseSettings())
        for record in reading:
            if type(record) is Flow:
                yield Sight.of(record)
        problems += [f"{path}: {problem}" for problem in reading.problems]


def stored(store: Store, segments: Segments, span: Span, problems: list[str]) -> Iterator[Sight]:
    """Yield the flows between segments that the sensor has recorded, day by day (UTC); raises StoreError.

    `problems` gets a sentence for each day that had more kinds of flows than are counted.
    """
    begin = span.start
    for _ in range(DAYS_MAX):
        if begin >= span.end:
            break
        day = (begin - _EPOCH).days
        end = min(span.end, _EPOCH + timedelta(days=day + 1))
        for counts, where, by in _questions(segments):
            rows = store.tally(where, Span(begin, end, span.axis), by, ROWS_MAX)
            if len(rows) == ROWS_MAX:
                problems.append(f"{begin:%Y-%m-%d}: more than {ROWS_MAX} kinds of flows; the rarest were not looked at")
            for key, count in rows:
                sight = _sight(key, day, count if counts else 0)
                if sight is not None:
                    yield sight
        begin = end


def _questions(segments: Segments) -> Iterator[tuple[bool, Where, Sequence[str]]]:
    # whether its numbers are flows, which events, and by which fields they are counted
    nets = [str(net) for some in segments.networks.values() for net in some]
    both = [AnyOf(tuple(Within(field, net) for net in nets)) for field in ("source.ip", "destination.ip")]
    midstream = Is("sensor.state", "midstream")
    states = AnyOf(tuple(Is("sensor.state", state) for state in sorted(_STATES - {"midstream"})))
    for dataset in ("sensor.flow", "sensor.open_flow"):
        flows = dataset == "sensor.flow"
        yield flows, AllOf((Is("event.dataset", dataset), states, *both)), _FIELDS
        yield flows, AllOf((Is("event.dataset", dataset), midstream, *both)), (*_FIELDS, "source.port")


def _sight(key: Sequence[Value | None], day: int, flows: int) -> Sight | None:
    src, dst, dport, proto, state, *rest = key
    if not isinstance(src, str) or not isinstance(dst, str) or not isinstance(proto, str) or state not in _STATES:
        return None
    sport = rest[0] if rest else 0
    return Sight(
        src=src,
        dst=dst,
        sport=sport if isinstance(sport, int) else 0,
        dport=dport if isinstance(dport, int) else 0,
        proto=int(proto) if proto.isdecimal() else 0,
        state=cast("State", state),
        day=day,
        flows=flows,
    )
