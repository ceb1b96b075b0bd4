"""Measures what an event costs while more and more are stored, how that grows, and what a rate of events needs.

A store is filled to each size by copies (see `filling`). Then new raw lines go the way of all: spool, parsing, storing,
judging by all rules. What that takes is measured, and what typical hunts take, and judging by a query for each rule.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from math import log
from random import Random
from time import perf_counter, process_time
from typing import Any, Protocol, cast

from sentinel.alert.book import Book
from sentinel.core.clock import SystemClock
from sentinel.core.detection import Detection
from sentinel.core.event import Event, Origin, Raw, arrival, before_node
from sentinel.core.ports import Form, Span, Store
from sentinel.detect.matcher import Matcher
from sentinel.detect.past import Past
from sentinel.detect.runner import Runner
from sentinel.parse.pipeline import TOGETHER_MAX, Pipeline
from sentinel.parse.prepare import Prepared, Preparer
from sentinel.parse.record import Reader
from sentinel.respond.language import read
from sentinel.sources.book import SourceBook
from sentinel.spool.disk import DiskSpool
from sentinel.testing.bench import city_entries
from sentinel.testing.bench_detect import queries
from sentinel.testing.city import RATE, City
from sentinel.testing.filling import Filling
from sentinel.testing.preparing import Here

NODE = 1
"""The spool's number: what the store is filled with is from before it, so no rule is asked of that."""
STORED_DAYS = 7
_COPIED = 4_000
_WARM = 2_000
_PUT = 5_000
_SETTLED = 500_000
_MATCHED = 10_000
_ROUNDS = 3
HUNTS = (
    "source.ip:203.0.113.66 last 7d",
    "user.name:m.jäger last 7d",
    "host.name:host-00042 and event.outcome:failure last 7d",
    "event.dataset:squid.access and http.response.status_code>=500 last 24h",
    "source.ip:10.20.0.0/16 and event.type:denied last 24h",
    "url.domain:*.example.org last 24h",
    "process.command_line:*powershell* last 7d",
    "message:*failed* and not user.name:root last 24h",
    "destination.port:[1 to 1023] and network.bytes>100000 last 24h",
    "user.name:*müller last 7d",
)


class Meter(Protocol):
    """What a store takes, as a total since it began: processor seconds of its own, bytes on disk, bytes of heap."""

    def cpu_seconds(self) -> float:
        """Return the processor seconds of the server, 0 if the store has none of its own."""

    def settle(self) -> None:
        """Have written down what is there, so that no log of it grows beside it."""

    def disk_bytes(self) -> int:
        """Return what is stored, in bytes, once settled."""

    def heap_bytes(self) -> int:
        """Return what the store holds in memory, in bytes."""


@dataclass(frozen=True, slots=True)
class Stages:
    """Sentinel's stages over one folder and one store."""

    reader: Reader
    form: Form
    spool: DiskSpool
    store: Store
    books: SourceBook
    book: Book
    past: Past
    detections: Sequence[Detection]
    meter: Meter


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured with `stored` events there: processor µs an event, bytes, seconds.

    `match_us_1000` is what a thousand rules more cost an event. `cycle` has the seconds of a detection cycle over
    `judged` events by its parts; `queried_seconds` is the same by a query for each rule, made of `queried` of them.
    """

    stored: int
    fill_seconds: float
    judged: int
    parse_us: float
    store_us: float
    server_store_us: float
    judge_us: float
    server_judge_us: float
    match_us_1000: float
    bytes_each: float
    disk_bytes: int
    heap_bytes: int
    cycle: Mapping[str, float]
    queried: int
    queried_seconds: float
    hunts_ms: tuple[float, ...]

    @property
    def cycle_seconds(self) -> float:
        """How long judging all new events took."""
        return sum(self.cycle.values())

    def hunt_ms(self, percent: int) -> float:
        """Return the milliseconds that `percent` of all hunts do not exceed."""
        ordered = sorted(self.hunts_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


GROWING: dict[str, Callable[[Cost], float]] = {
    "parse, µs": lambda one: one.parse_us,
    "store, µs": lambda one: one.store_us,
    "server while storing, µs": lambda one: one.server_store_us,
    "judge, µs": lambda one: one.judge_us,
    "server while judging, µs": lambda one: one.server_judge_us,
    "disk, bytes": lambda one: one.disk_bytes,
    "heap, bytes": lambda one: one.heap_bytes,
    "cycle, s": lambda one: one.cycle_seconds,
    "a query a rule, s": lambda one: one.queried_seconds,
    "hunts p50, ms": lambda one: one.hunt_ms(50),
    "hunts p95, ms": lambda one: one.hunt_ms(95),
}
"""What is looked at for how it grows with the number of stored events."""


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return b of y = a·xᵇ by least squares over the logarithms; None if there are no two different positive x."""
    logs = [(log(x), log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    middle = sum(x for x, _ in logs) / len(logs)
    height = sum(y for _, y in logs) / len(logs)
    return sum((x - middle) * (y - height) for x, y in logs) / sum((x - middle) ** 2 for x, _ in logs)


@dataclass(slots=True)
class _Parts:
    """Where the time goes: what runs is always exactly one part."""

    seconds: dict[str, float] = field(default_factory=dict)
    doing: str = "other"
    mark: float = field(default_factory=perf_counter)

    def begin(self) -> None:
        self.seconds, self.doing, self.mark = {}, "other", perf_counter()

    def turn(self, doing: str) -> None:
        now = perf_counter()
        self.seconds[self.doing] = self.seconds.get(self.doing, 0.0) + now - self.mark
        self.doing, self.mark = doing, now


class _Watched:
    """Stands before a store or a book and says which part of a cycle its methods are."""

    def __init__(self, inner: object, parts: _Parts, during: Mapping[str, tuple[str, str]]) -> None:
        self._inner, self._parts, self._during = inner, parts, during

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever stands behind
        """Return what stands behind, with the time of what is watched taken."""
        found = getattr(self._inner, name)
        return self._timed(found, *self._during[name]) if name in self._during else found

    def _timed(self, work: Callable[..., Any], doing: str, then: str) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:  # noqa: ANN401  handed through
            if doing == "read" and self._parts.doing == "correlate":  # what a correlation reads is its own
                return work(*args, **options)
            self._parts.turn(doing)
            try:
                return work(*args, **options)
            finally:
                self._parts.turn(then)

        return timed


class _Clocked(Here):
    """Prepares here, and counts the processor seconds of it."""

    spent = 0.0

    def take(self) -> Prepared | None:
        """Return what was asked for, prepared."""
        begun = process_time()
        prepared = super().take()
        self.spent += process_time() - begun
        return prepared


class Scale:
    """One store that grows; `more` new events are measured at each size, rules are queried for `query_seconds`."""

    def __init__(self, stages: Stages, more: int, seed: int, query_seconds: float) -> None:
        self._stages, self._more, self._seed, self._query_seconds = stages, more, seed, query_seconds
        self._clock = SystemClock()
        self._stored = 0
        self._parts = _Parts()
        copied = [event for entry in city_entries(_COPIED, seed) for event in stages.reader.read(entry)]
        span = timedelta(days=STORED_DAYS)
        self._filling = Filling(copied, stages.form, self._clock.now() - timedelta(hours=1), span)
        self._preparing = _Clocked(Preparer(stages.spool, stages.reader, stages.form))
        self._pipeline = Pipeline(stages.spool, stages.store, self._preparing, stages.form, self._clock, stages.books)
        begin = arrival(before_node(NODE) + 1, 0) - 1
        stages.book.record((), begin, after=stages.book.judged())
        store = _Watched(stages.store, self._parts, {"since": ("read", "match")})
        book = _Watched(stages.book, self._parts, {"record": ("write", "other")})
        self._runner = Runner(
            cast("Store", store), cast("Book", book), stages.detections, self._clock, stages.store.newest,
            past=stages.past, at=self._at,
        )  # fmt: skip

    def _at(self, rule: str) -> None:
        if rule and self._parts.doing != "correlate":
            self._parts.turn("correlate")

    def measured(self, size: int) -> Cost:
        """Fill the store up to `size` events and measure there."""
        begun = perf_counter()
        coming = self._filling.batches(self._stored, size - self._stored)
        while together := list(islice(coming, TOGETHER_MAX)):
            self._stages.store.keep(*[formed for formed, _ in together])
            number = sum(number for _, number in together)
            self._stored += number
            if self._stored % _SETTLED < number:
                self._stages.meter.settle()
        filled = perf_counter() - begun
        self._receive(self._lines(_WARM, 1))  # what rules with a history have to learn, they learn here
        self._runner.run()
        meter, begin, disk = self._stages.meter, self._clock.now(), self._stages.meter.disk_bytes()
        lines = self._lines(self._more, 2)
        served, here, prepared = meter.cpu_seconds(), process_time(), self._preparing.spent
        self._receive(lines)
        parse = self._preparing.spent - prepared
        store, here = process_time() - here - parse, process_time()
        stored = meter.cpu_seconds()
        self._parts.begin()
        report = self._runner.run()
        self._parts.turn("other")
        judge, asked_for = process_time() - here, meter.cpu_seconds()
        judged = max(report.judged, 1)
        span = Span(begin, self._clock.now() + timedelta(seconds=1), "ingested")
        rules = self._stages.detections
        sample = Random(self._seed).sample(rules, len(rules))  # noqa: S311  no secret
        asked = queries(self._stages.store, sample, judged, self._query_seconds, span)
        return Cost(
            stored=self._stored,
            fill_seconds=filled,
            judged=report.judged,
            parse_us=parse / judged * 1e6,
            store_us=store / judged * 1e6,
            server_store_us=(stored - served) / judged * 1e6,
            judge_us=judge / judged * 1e6,
            server_judge_us=(asked_for - stored) / judged * 1e6,
            match_us_1000=self._matching(),
            bytes_each=disk / (self._stored + _WARM),
            disk_bytes=disk,
            heap_bytes=meter.heap_bytes(),
            cycle=dict(self._parts.seconds),
            queried=len(asked.laps),
            queried_seconds=sum(asked.laps) / len(asked.laps) * len(rules),
            hunts_ms=tuple(self._hunted()),
        )

    def _lines(self, count: int, turn: int) -> list[Raw]:
        # of the last hour, as they would come
        now, origin = self._clock.now(), Origin("syslog-tcp", "192.0.2.1:514")
        city = City(self._seed + turn, count / 3600 / RATE, busy=True)
        coming = islice(city.lines(now - timedelta(hours=1)), count)
        return [Raw(line.body, "bench", now, origin) for line in coming]

    def _receive(self, lines: Sequence[Raw]) -> None:
        for at in range(0, len(lines), _PUT):
            self._stages.spool.put(lines[at : at + _PUT])
        while self._pipeline.step():
            pass
        self._pipeline.settle()

    def _matching(self) -> float:
        # processor µs an event that a thousand rules more cost: all rules beside a tenth of them
        store, rules = self._stages.store, self._stages.detections
        events = store.since(arrival(before_node(NODE), 0), store.newest(), _MATCHED)
        few, half = rules[::10], len(events) // 2
        spent = [_matched(some, events[:half], events[half:]) for some in (few, rules)]
        return (spent[1] - spent[0]) / (len(events) - half) / max(len(rules) - len(few), 1) * 1000 * 1e6

    def _hunted(self) -> Iterator[float]:
        now = self._clock.now()
        for _ in range(_ROUNDS):
            for text in HUNTS:
                question = read(text, now)
                begun = perf_counter()
                self._stages.store.search(question.where, question.span, 100)
                yield (perf_counter() - begun) * 1000


def _matched(rules: Sequence[Detection], before: Sequence[Event], events: Sequence[Event]) -> float:
    # what rules have to get ready they do with the events before
    matcher = Matcher(rules)
    sum(len(found) for found in matcher.each(before, _raise))
    begun = process_time()
    sum(len(found) for found in matcher.each(events, _raise))
    return process_time() - begun


def _raise(detection: Detection, error: Exception) -> None:
    raise RuntimeError(f"{detection.path} fails") from error
