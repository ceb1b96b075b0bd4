"""What rules would have raised, had they been on: they judge the stored past as it arrived, into a book of its own.

The runner, the correlations, the folding, the budget and the suppressions are those of every day; only the clock is
that of the past. So what comes out is what people would have seen, and how much of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sentinel.alert.book import Book
from sentinel.core.alert import Alert, Suppression
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Detection
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Where, fields_of, plain, values
from sentinel.detect.runner import Runner
from sentinel.testing.narrowed import Narrowed

EVENTS_MAX = 200_000
"""So many matching events are judged; what comes after them is not, and that is told."""
ALERTS_MAX = 10_000
BUCKETS_MAX = 60
VALUES_SHOWN = 5
_WIDTHS = [timedelta(minutes=one) for one in (1, 5, 15, 60, 180, 360, 720, 1440, 10_080, 43_200)]
_USUAL = ("host.name", "user.name", "source.ip", "destination.ip", "process.name", "event.action")


@dataclass(frozen=True, slots=True)
class Options:
    """How the book of every day folds: quiet period, budget, and what has been suppressed when."""

    quiet: timedelta
    budget_per_hour: int
    suppressions: Sequence[Suppression] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """From `start` on: how many events the rules were about, and how many alerts they raised."""

    start: datetime
    events: int
    alerts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out. Of `matched` events `judged` were judged, if not all then those that arrived up to `through`.

    `alerts` are those at the end of the time, earliest first (ALERTS_MAX at most); `suppressed` events nobody would
    have been shown. `top` holds the most frequent values, by field.
    """

    span: Span
    matched: int
    judged: int
    through: datetime | None
    alerts: tuple[Alert, ...]
    suppressed: int
    buckets: tuple[Bucket, ...]
    top: Mapping[str, tuple[tuple[str, int], ...]]
    problems: tuple[str, ...]


def backtest(
    store: Store, detections: Sequence[Detection], span: Span, options: Options, events_max: int = EVENTS_MAX
) -> Outcome:
    """Judge what arrived within `span` by `detections`; raises StoreError."""
    where = AnyOf(tuple(one.where for one in detections))
    clock = ManualClock(span.start)
    narrowed = Narrowed(store, where, span, clock, events_max)
    first, matched = narrowed.first(), narrowed.matched()
    buckets = _Buckets(span)
    with (
        TemporaryDirectory(prefix="sentinel-backtest-") as folder,
        Book(Path(folder) / "state.db", clock, options.quiet, options.budget_per_hour) as book,
    ):
        if first:
            for one in options.suppressions:
                book.adopt(one)
        for seq in first:
            book.record((), seq - 1)  # windows reach back behind the first event, into the store
        report = Runner(
            narrowed, book, detections, clock, narrowed.newest, elsewhere=narrowed.ends, seen=buckets.see
        ).run()
        alerts = sorted(book.alerts(limit=ALERTS_MAX, suppressed=True), key=lambda one: (one.raised_at, one.id))
        suppressed = sum(one.count for one in book.suppressions(ended=True))
    for alert in alerts:
        buckets.raised(alert)
    return Outcome(
        span=span,
        matched=matched,
        judged=report.judged,
        through=narrowed.through if narrowed.cut else None,
        alerts=tuple(alerts),
        suppressed=suppressed,
        buckets=buckets.filled(),
        top=_top(store, where, span, _fields(detections)) if matched else {},
        problems=report.problems,
    )


class _Buckets:
    """Events and alerts by the time at which they came."""

    def __init__(self, span: Span) -> None:
        length = span.end - span.start
        self._width = next((one for one in _WIDTHS if length <= BUCKETS_MAX * one), length / BUCKETS_MAX)
        self._span = span
        self._events: Counter[int] = Counter()
        self._alerts: Counter[int] = Counter()

    def see(self, after: int, events: Sequence[Event]) -> None:
        del after
        self._events.update(self._at(event.ingested) for event in events)

    def raised(self, alert: Alert) -> None:
        self._alerts[self._at(alert.raised_at)] += 1

    def _at(self, moment: datetime) -> int:
        return max(0, (moment - self._span.start) // self._width)

    def filled(self) -> tuple[Bucket, ...]:
        count = -(-(self._span.end - self._span.start) // self._width)
        return tuple(
            Bucket(self._span.start + number * self._width, self._events[number], self._alerts[number])
            for number in range(count)
        )


def _fields(detections: Iterable[Detection]) -> tuple[str, ...]:
    asked = [name for one in detections for name in (*one.fold_by, *sorted(_asked(one.where)))]
    return tuple(dict.fromkeys((*asked, *_USUAL)))


def _asked(where: Where) -> frozenset[str]:
    # without the log source, which is the same for all
    body = AllOf(where.items[1:]) if isinstance(where, AllOf) else where
    return fields_of(body) - {"message", "event.original"}


def _top(store: Store, where: Where, span: Span, fields: Iterable[str]) -> dict[str, tuple[tuple[str, int], ...]]:
    arrived = Span(span.start, span.end, "ingested")
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for field in fields:
        rows = store.tally(where, arrived, (field,), VALUES_SHOWN + 1)
        there = [
            (", ".join(plain(one) for one in values(value)), count) for (value,), count in rows if value is not None
        ]
        if there:
            found[field] = tuple(there[:VALUES_SHOWN])
    return found
