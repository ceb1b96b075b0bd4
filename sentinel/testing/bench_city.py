"""Lets the model city live for days before Sentinel's own stages, on a clock of its own, and scores what they told.

Lines go through the spool, the packs, the store, the rules, the joiner and the books of sources, captures through the
sensor, in steps of simulated minutes; nothing but the clock is another one than in earnest.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from pathlib import Path
from time import process_time

import orjson

from sentinel.alert.book import Book
from sentinel.core.alert import Alert
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Detection
from sentinel.core.event import Entry, Raw, arrival, event_id
from sentinel.core.ports import Form, Store
from sentinel.detect.past import Past
from sentinel.detect.runner import Runner
from sentinel.join.joiner import Joiner
from sentinel.parse.pipeline import Pipeline
from sentinel.parse.prepare import Preparer
from sentinel.parse.record import Reader
from sentinel.sense.sensor import read_pcap
from sentinel.sense.settings import SenseSettings
from sentinel.sources.book import SourceBook
from sentinel.sources.silence import Silence
from sentinel.spool.disk import DiskSpool
from sentinel.testing.city import City, folder
from sentinel.testing.city.living import records, weeks
from sentinel.testing.packets import write_pcap
from sentinel.testing.preparing import Here
from sentinel.testing.scene import Play

STEP, LEARNING_STEP = timedelta(minutes=5), timedelta(minutes=15)
_CALM = timedelta(hours=2)
"""So long the city lives on, so that what was done at the end can still be told."""
_BATCH = 2_000
_ALERTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Stages:
    """Sentinel's stages over one folder, all by the same `clock`."""

    clock: ManualClock
    reader: Reader
    form: Form
    spool: DiskSpool
    store: Store
    books: SourceBook
    book: Book
    past: Past
    joiner: Joiner
    detections: Sequence[Detection]
    sense: SenseSettings
    compare: Callable[[], None]
    """Compares sites if a day is due."""


@dataclass(slots=True)
class Lived:
    """What came of it: alerts, whose each event is (`owners`: name of a story, or of its twins), figures.

    `bodies` are the lines of stories by their bytes, for what is joined has other ids.
    """

    plays: Sequence[Play]
    days: float
    alerts: list[Alert] = field(default_factory=list)
    owners: dict[str, tuple[str, bool]] = field(default_factory=dict)
    bodies: dict[bytes, tuple[str, bool]] = field(default_factory=dict)
    captured: int = 0
    events: int = 0
    unread: int = 0
    cpu_seconds: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)


def live(city: City, begin: datetime, days: float, learning: timedelta, stages: Stages, work: Path) -> Lived:
    """Let `city` live from `begin` (aware, UTC) before `stages`; captures are written into the folder `work`.

    For as long as `learning` it has lived before, in peace, and what was told then is not counted.
    """
    end = begin + timedelta(days=days)
    told = Lived([play for play in weeks(city, begin, end) if play.first >= begin and play.last < end], days)
    started = process_time()
    stages.clock.moment = begin - learning
    preparing = Here(Preparer(stages.spool, stages.reader, stages.form))
    pipeline = Pipeline(stages.spool, stages.store, preparing, stages.form, stages.clock, stages.books)
    silence = Silence(stages.books, stages.book)

    def stored() -> int:
        return arrival(stages.spool.committed + 1, 0) - 1

    runner = Runner(
        stages.store, stages.book, stages.detections, stages.clock, stored, seen=stages.joiner.see, past=stages.past
    )
    coming = merge(
        (one.raw for one in records(city, begin - learning, begin, ())),
        _lines(city, begin, end + _CALM, told),
        _captured(city, begin, end, stages, work, told),
        key=lambda raw: raw.received,
    )
    waiting = next(coming, None)
    while stages.clock.now() < end + _CALM:
        stages.clock.advance(STEP if stages.clock.now() >= begin else LEARNING_STEP)
        batch: list[Raw] = []
        while waiting is not None and waiting.received < stages.clock.now():
            batch.append(waiting)
            waiting = next(coming, None)
        for at in range(0, len(batch), _BATCH):
            stages.spool.put(batch[at : at + _BATCH])
        while pipeline.step():
            pass
        pipeline.settle()
        silence.look()
        stages.compare()
        report = runner.run()
        told.problems.update(report.problems)
        stages.joiner.run(report.reached)
    counts = pipeline.counts.values()
    told.events, told.unread = sum(one.events for one in counts), sum(one.deadletter for one in counts)
    told.alerts = [one for one in stages.book.alerts(limit=_ALERTS_MAX) if one.raised_at >= begin]
    told.cpu_seconds = process_time() - started
    return told


def _lines(city: City, begin: datetime, end: datetime, told: Lived) -> Iterator[Raw]:
    names = {play.name for play in told.plays}
    for record in records(city, begin, end, told.plays):
        raw = record.raw
        if record.play in names:
            _own(told, raw, record.play, twin=record.twin)
        yield raw


def _own(told: Lived, raw: Raw, name: str, *, twin: bool) -> None:
    told.owners[event_id(Entry(0, raw.received, raw))] = told.bodies[raw.body] = (name, twin)


def _captured(city: City, begin: datetime, end: datetime, stages: Stages, work: Path, told: Lived) -> Iterator[Raw]:
    found: list[Raw] = []
    for segment, frames in sorted(folder.captures(city, begin, end, told.plays).items()):
        path = work / f"{segment}.pcap"
        told.captured += write_pcap(path, frames)
        hosts = {host: play.name for play in told.plays if segment in play.wires for host in play.hosts}
        latest = begin
        for raw in read_pcap(path, "sensor", stages.clock, stages.sense):
            said = orjson.loads(raw.body)
            latest = max(latest, datetime.fromisoformat(said["time"]))
            came = Raw(raw.body, raw.source, latest, raw.origin)
            found.append(came)
            for host in (said.get("src"), said.get("dst")):
                if host in hosts:
                    _own(told, came, hosts[host], twin=False)
    return iter(sorted(found, key=lambda raw: raw.received))
