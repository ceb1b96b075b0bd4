"""Measures how fast rules are asked of events, in processes of their own, beside one query to the store for each rule.

Events are raw lines of a file or of the model city. What is measured: decoding what the store keeps, and matching; the
same of several processes at once; matching alone; matching starts of processes with command lines that were never seen
(without any: all events once, nothing remembered); and the whole way from the raw line. Where events are decoded
and more are asked for than there are, what comes again is later and has new command lines; it is never held.
"""

import lzma
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, assert_never

from sentinel.core.content import content
from sentinel.core.detection import Detection
from sentinel.core.errors import StoreError
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.core.ports import Span, Store
from sentinel.core.where import values
from sentinel.detect.matcher import Matcher
from sentinel.detect.sigma import load
from sentinel.parse.packs import load as load_packs
from sentinel.parse.record import Reader
from sentinel.parse.route import Router
from sentinel.store.codec import Census, Encoder, decode, micros
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.bench import BATCH, START, Figure, peak_rss
from sentinel.testing.packs import supplied

Mode = Literal["decode and match", "match", "match what was never seen", "parse, map to ECS and match"]
COMMAND_LINES = ("process.command_line", "process.parent.command_line")
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
FOUND_MAX = 100


@dataclass(frozen=True, slots=True)
class Work:
    """What the processes share: rules, the file that keeps what they were read as, raw lines, and events as stored."""

    rules: tuple[Path, ...]
    kept: Path
    lines: Path
    events: Path

    def detections(self) -> tuple[Detection, ...]:
        """Read the rules as everything else in Sentinel does."""
        packs = load_packs([content("parsers")], shipped=content("parsers"))
        return load(self.rules, supplied(packs), content("rules"), START, self.kept).detections


def raw_lines(path: Path) -> list[bytes]:
    """Return the lines of a file, which may be compressed by xz."""
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        return [line.rstrip(b"\r\n") for line in file]


def prepare(lines: Sequence[bytes], rules: Sequence[Path], folder: Path) -> Work:
    """Write `lines`, and the events they are, into `folder`."""
    work = Work(tuple(rules), folder / "rules.kept", folder / "lines", folder / "events")
    work.lines.write_bytes(b"".join(line + b"\n" for line in lines))
    encoder, census = Encoder(), Census()
    read = _reader()
    with work.events.open("wb") as file:
        for event in (event for entry in _entries(lines) for event in read(entry)):
            file.write(encoder.encode(event, micros(event.timestamp), micros(event.ingested), census))
    return work


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    origin = Origin("syslog-tcp", "192.0.2.1:514")
    for seq, line in enumerate(lines, start=1):
        yield Entry(seq, START, Raw(line.rstrip(b"\n"), "bench", START, origin))


def _reader() -> Callable[[Entry], list[Event]]:
    return Reader(Router(load_packs([content("parsers")], shipped=content("parsers"))), {}).read


@dataclass(frozen=True, slots=True)
class _Told:
    begin: float
    end: float
    count: int
    cpu: float
    rss: int
    laps: tuple[float, ...]
    hits: int


def judged(work: Work, mode: Mode, count: int, processes: int) -> Figure:
    """Measure `count` events in so many processes at once, from when the first begins until the last has done."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes)
    pipes = [context.Pipe(duplex=False) for _ in range(processes)]
    begun = [
        context.Process(target=_serve, args=(work, mode, count // processes, place, gate.wait, mine))
        for place, (_, mine) in enumerate(pipes)
    ]
    for one in begun:
        one.start()
    for _, mine in pipes:
        mine.close()  # so that a process that dies is an end of file here
    told: list[_Told] = [theirs.recv() for theirs, _ in pipes]
    for one in begun:
        one.join()
    seconds = max(one.end for one in told) - min(one.begin for one in told)
    laps = tuple(lap for one in told for lap in one.laps)
    name = mode if processes == 1 else f"{mode}, {processes} processes"
    notes = {"hits": f"{sum(one.hits for one in told):,} ({name})"}
    done = sum(one.count for one in told)
    return Figure(name, done, seconds, laps, sum(one.cpu for one in told), max(one.rss for one in told), notes)


def _serve(
    work: Work, mode: Mode, count: int, place: int, ready: Callable[[], object], told: Connection
) -> None:  # in a process of its own
    matcher = Matcher(work.detections())
    events = _measured(work, mode, count, place, matcher)
    ready()
    cpu, begin = time.process_time(), time.perf_counter()
    laps: list[float] = []
    done, seen, hits = -1, 0, 0
    while seen != done:
        done = seen
        for found in matcher.each(islice(events, BATCH), _raise):
            hits += len(found)
            seen += 1
        laps.append(time.perf_counter() - begin - sum(laps))
    end = time.perf_counter()
    told.send(_Told(begin, end, seen, time.process_time() - cpu, own_peak_rss(), tuple(laps), hits))
    told.close()


def own_peak_rss() -> int:
    """Return the largest resident set of this process alone, in bytes; getrusage tells of the parent, if larger."""
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def _measured(work: Work, mode: Mode, count: int, place: int, matcher: Matcher) -> Iterator[Event]:
    match mode:
        case "decode and match":
            _matched(matcher, _decoded(work))  # what is new costs once
            return _renewed(work, count, place)
        case "match":
            whole = list(_decoded(work))
            _matched(matcher, whole)
            return _again(lambda: whole, count)
        case "match what was never seen":
            base = [event for event in _decoded(work) if _starts(event)]
            if not base:  # nothing is remembered yet
                return iter(list(islice(_decoded(work), count)))
            fresh = [_unique(base[number % len(base)], f"{place}-{number}") for number in range(2 * count)]
            _matched(matcher, fresh[:count])
            return iter(fresh[count:])
        case "parse, map to ECS and match":
            read = _reader()
            return _again(lambda: _read(work, read), count)
        case _:
            assert_never(mode)


def _matched(matcher: Matcher, events: Iterable[Event]) -> int:
    return sum(map(len, matcher.each(events, _raise)))


def _raise(detection: Detection, error: Exception) -> None:
    raise RuntimeError(f"{detection.path} fails") from error


def _decoded(work: Work) -> Iterator[Event]:
    with work.events.open("rb") as file:
        yield from map(decode, file)


def _read(work: Work, read: Callable[[Entry], list[Event]]) -> Iterator[Event]:
    with work.lines.open("rb") as file:
        for entry in _entries(file):
            yield from read(entry)


def _again(events: Callable[[], Iterable[Event]], count: int) -> Iterator[Event]:
    # from the start again until there are so many
    done = 0
    while done < count:
        for event in islice(events(), count - done):
            done += 1
            yield event


def _renewed(work: Work, count: int, place: int) -> Iterator[Event]:
    # as `_again`, but what comes again is later, and its command lines were never seen
    done = lap = 0
    while done < count:
        for event in islice(_decoded(work), count - done):
            done += 1
            yield _unique(event, f"{place}-{done}", timedelta(days=lap)) if lap else event
        lap += 1


def _starts(event: Event) -> bool:
    # a process with its command line: what rules ask most of, and what is the least repetitive
    kinds = values(event.fields.get("event.type"))
    return "start" in kinds and "process.command_line" in event.fields


def _unique(event: Event, word: str, later: timedelta = timedelta()) -> Event:
    new = {name: f"{event.fields[name]} /{word}" for name in COMMAND_LINES if name in event.fields}
    fields = {**event.fields, **new} if new else event.fields
    return replace(event, timestamp=event.timestamp + later, fields=fields)


def asked(work: Work, folder: Path, seconds: float) -> Figure:
    """Measure one query for each rule to an embedded store with all events, sealed, for at most so many seconds.

    The rate is that of events for all rules; if the time was up before, it is what those asked make it, and the name
    says how many they were.
    """
    detections = work.detections()
    with closing(EmbeddedStore(folder)) as store:
        count = 0
        events = _decoded(work)
        while batch := list(islice(events, BATCH)):
            count += store.append(batch).stored
        store.seal()
        return queries(store, detections, count, seconds)


def queries(store: Store, detections: Sequence[Detection], count: int, seconds: float, span: Span = EVER) -> Figure:
    """Measure one query for each rule over the `count` events of `span`, for at most so many seconds; see `asked`."""
    laps: list[float] = []
    failed: list[str] = []
    cpu, begin = time.process_time(), time.perf_counter()
    for detection in detections:
        start = time.perf_counter()
        try:
            store.search(detection.where, span, FOUND_MAX)
        except StoreError as error:
            failed.append(f"{detection.path}: {error}")
        laps.append(time.perf_counter() - start)
        if time.perf_counter() - begin > seconds:
            break
    spent = time.perf_counter() - begin
    name = f"a query for each of {len(laps):,} of {len(detections):,} rules"
    share = len(laps) / len(detections)
    notes = {"not answered": f"{len(failed)} ({failed[0]})"} if failed else {}
    return Figure(name, round(count * share), spent, tuple(laps), time.process_time() - cpu, peak_rss(), notes)
