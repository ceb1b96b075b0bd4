"""From the spool to the store: nothing lost, nothing doubled, everything counted."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreError
from sentinel.core.event import Entry, Event, Origin, Raw, record_of
from sentinel.core.ports import Appended, Formed, Rejected, Span, Store
from sentinel.core.where import Exists
from sentinel.parse.packs import load
from sentinel.parse.pipeline import Pipeline
from sentinel.parse.prepare import Count, Prepared, Preparer
from sentinel.parse.record import Reader, Reading
from sentinel.parse.route import Router
from sentinel.sources.book import SourceBook
from sentinel.spool.disk import DiskSpool
from sentinel.store.codec import decode
from sentinel.store.embedded import EmbeddedStore
from sentinel.store.forming import Blocks, Former
from sentinel.testing.packs import RECEIVED
from sentinel.testing.preparing import Here

MakePack = Callable[..., Path]
ALL = Span(RECEIVED - timedelta(days=1), RECEIVED + timedelta(days=1), "ingested")


class Faulty:
    """The embedded store behind a door that can be shut, that refuses some events, or loses its answer."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.refusals = 0
        self.calls: list[int] = []
        self.lost_answers = 0
        self.refuses: Callable[[Event], bool] = lambda _: False
        self.when_formed = False

    def form(self, events: Sequence[Event]) -> Blocks:
        """Form events; refuses some already now if `when_formed`."""
        refused = [event for event in events if self.when_formed and self.refuses(event)]
        formed = Former()([event for event in events if event not in refused])
        return replace(formed, rejected=[Rejected(event.id, event.seq, "too green") for event in refused])

    def keep(self, *formed: Formed) -> Appended:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("shut")
        blocks = [block for one in formed if isinstance(one, Blocks) for block in one.days]
        self.calls.append(len(formed))
        events = [decode(line) for block in blocks for line in block.data.splitlines()]
        appended = self.store.append([event for event in events if not self.refuses(event)])
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreError("no answer")
        rejected = tuple(Rejected(event.id, event.seq, "too green") for event in events if self.refuses(event))
        return Appended(appended.stored, appended.known, rejected)

    def __getattr__(self, name: str) -> object:
        """Hand the rest through."""
        return getattr(self.store, name)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[DiskSpool]:
    with DiskSpool(tmp_path / "spool", ManualClock(RECEIVED)) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Faulty]:
    opened = EmbeddedStore(tmp_path / "store")
    yield Faulty(opened)
    opened.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[SourceBook]:
    with SourceBook(tmp_path / "sources.db", ManualClock(RECEIVED), writer=True) as opened:
        yield opened


@pytest.fixture
def pipeline(
    folder: Path,
    make_pack: MakePack,
    spool: DiskSpool,
    store: Faulty,
    books: SourceBook,
    request: pytest.FixtureRequest,
) -> Pipeline:
    store.when_formed = getattr(request, "param", False)
    make_pack("oven", "if raw.body == b'bad': raise ParseError('burnt')\nyield {'message': raw.body.decode()}")
    reader = Reader(Router(load([folder])), usual=Reading("oven"))
    door: Store = store  # type: ignore[assignment]  # the rest of the protocol is handed through by __getattr__
    chance = Random(7)  # noqa: S311  chance for a pause, not for a secret
    wait = timedelta(milliseconds=1)
    here = Here(Preparer(spool, reader, store.form))
    clock = ManualClock(RECEIVED)
    return Pipeline(
        spool, door, here, store.form, clock, books, chance, retry_first=wait, retry_max=wait, enter_seconds=0
    )


def records(*bodies: str, source: str = "kitchen") -> list[Raw]:
    return [Raw(body.encode(), source, RECEIVED, Origin("syslog-udp", "192.0.2.7:514")) for body in bodies]


def stored(store: Faulty) -> list[Event]:
    return sorted(store.store.search(Exists("event.id"), ALL, 10_000), key=lambda event: event.seq)


def total(pipeline: Pipeline) -> Count:
    whole = Count()
    for count in pipeline.counts.values():
        for name in Count.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(count, name))
    return whole


def test_a_step_stores_and_then_commits(pipeline: Pipeline, spool: DiskSpool, store: Faulty) -> None:
    spool.put(records("a", "bad", "c"))
    assert pipeline.step() == 3
    assert [event.fields.get("message") for event in stored(store)] == ["a", "burnt", "c"]
    assert spool.committed == 3
    assert pipeline.counts["kitchen"] == Count(received=3, events=3, deadletter=1, stored=3)
    assert pipeline.step() == 0


class Ahead(Here):
    """Has everything prepared before it is taken, up to six stretches."""

    @property
    def wants(self) -> bool:
        return len(self._asked) < 6

    @property
    def ready(self) -> bool:
        return bool(self._asked)

    def take(self) -> Prepared | None:
        return self.preparer.prepare(self._asked.pop(0)) if self._asked else None


@pytest.mark.parametrize("pipeline", [False, True], indirect=True)
def test_stretches_that_are_ready_are_stored_at_once_and_each_is_counted_and_booked(
    pipeline: Pipeline, spool: DiskSpool, store: Faulty, books: SourceBook
) -> None:
    assert isinstance(pipeline.preparing, Here)
    pipeline.preparing = Ahead(pipeline.preparing.preparer)
    store.refuses = lambda event: event.fields.get("message") == "green"
    store.refusals = 1
    bodies = ["a", "bad", "green", "a", "a", "bad", "a", "a", "a", "green"]
    spool.put(records(*bodies[:5]) + records(*bodies[5:], source="cellar"))
    with pytest.raises(StoreError):
        pipeline.step(limit=2)
    store.lost_answers = 1
    with pytest.raises(StoreError):
        pipeline.step(limit=2)
    assert pipeline.step(limit=2) == 8
    assert pipeline.step(limit=2) == 2
    assert max(store.calls) >= 4
    assert sorted(str(event.fields.get("message"))[:5] for event in stored(store)) == [
        *["a"] * 6, "burnt", "burnt", *["the s"] * 2
    ]  # fmt: skip
    assert pipeline.counts["kitchen"] == Count(received=5, events=5, deadletter=2, stored=5)
    assert pipeline.counts["cellar"] == Count(received=5, events=5, deadletter=2, stored=5)
    assert spool.committed == books.through == 10


def test_equal_lines_stay_as_many_events(pipeline: Pipeline, spool: DiskSpool, store: Faulty) -> None:
    spool.put(records(*["same"] * 50))
    assert pipeline.step(limit=20) == 20
    assert pipeline.step(limit=100) == 30
    assert len(stored(store)) == 50
    assert [record_of(event.seq) for event in stored(store)] == list(range(1, 51))


def test_a_step_that_fails_changes_nothing_and_the_next_one_mends_it(
    pipeline: Pipeline, spool: DiskSpool, store: Faulty
) -> None:
    spool.put(records("a", "b"))
    store.refusals = 1
    with pytest.raises(StoreError):
        pipeline.step()
    assert spool.committed == 0
    assert not pipeline.counts
    store.lost_answers = 1
    with pytest.raises(StoreError):
        pipeline.step()
    assert spool.committed == 0
    assert pipeline.step() == 2
    assert len(stored(store)) == 2
    assert pipeline.counts["kitchen"] == Count(received=2, events=2, stored=2)


@pytest.mark.parametrize("pipeline", [False, True], indirect=True, ids=["asked", "formed"])
def test_what_the_store_refuses_becomes_a_dead_letter_in_the_same_step(
    pipeline: Pipeline, spool: DiskSpool, store: Faulty
) -> None:
    store.refuses = lambda event: event.fields.get("message") == "green"
    spool.put(records("a", "green", "c"))
    spool.put(records("green", source="cellar"))
    assert pipeline.step() == 4
    letters = [event for event in stored(store) if event.fields["event.kind"] == "pipeline_error"]
    assert [letter.fields["error.message"] for letter in letters] == ["the store refused the event: too green"] * 2
    assert [letter.fields["event.original"] for letter in letters] == ["green", "green"]
    assert pipeline.counts["kitchen"] == Count(received=3, events=3, deadletter=1, stored=3)
    assert pipeline.counts["cellar"] == Count(received=1, events=1, deadletter=1, stored=1)
    assert spool.committed == 4


@pytest.mark.parametrize("pipeline", [False, True], indirect=True, ids=["asked", "formed"])
def test_a_store_that_refuses_even_dead_letters_stops_nothing_and_is_counted(
    pipeline: Pipeline, spool: DiskSpool, store: Faulty
) -> None:
    store.refuses = lambda event: event.fields.get("event.original") in {"green", "bad"}
    spool.put(records("a", "green", "bad"))
    assert pipeline.step() == 3
    assert pipeline.counts["kitchen"] == Count(received=3, events=3, deadletter=2, stored=2, dropped=1)
    bare = next(event for event in stored(store) if event.fields["event.kind"] == "pipeline_error")
    assert "event.original" not in bare.fields
    assert bare.fields["error.message"] == "the store refused the dead letter: too green"


def test_the_equation_holds_whatever_was_there_before(pipeline: Pipeline, spool: DiskSpool, store: Faulty) -> None:
    named = [Raw(b"x%d" % at, "files", RECEIVED, Origin("file", "/x", f"print:{at}")) for at in range(5)]
    for _ in range(3):
        spool.put([*named, *records("a", "bad"), *records("b", source="cellar")])
        pipeline.step()
    spool.put([*named, *records("c")])
    pipeline.step()
    whole = total(pipeline)
    assert whole.received == whole.events == 30
    assert whole.events == whole.stored + whole.duplicates + whole.dropped
    assert whole.stored == len(stored(store)) == 15
    assert whole.duplicates == 15


def test_it_runs_until_told_to_stop_and_outlives_a_store_that_is_away(
    pipeline: Pipeline, spool: DiskSpool, store: Faulty
) -> None:
    stop = threading.Event()
    store.refusals = 5
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    try:
        for number in range(20):
            spool.put(records(f"line {number}"))
        while pipeline.counts.get("kitchen", Count()).received < 20:
            assert thread.is_alive()
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join(20)
    assert len(stored(store)) == 20
    assert pipeline.failures == 0
    assert pipeline.trouble == ""


def test_patience_grows_to_a_bound(pipeline: Pipeline) -> None:
    pipeline.retry_first, pipeline.retry_max = timedelta(milliseconds=100), timedelta(seconds=30)
    for failures, bound in ((1, 0.2), (3, 0.8), (9, 30), (10_000, 30)):
        pipeline.failures = failures
        pauses = [pipeline.pause().total_seconds() for _ in range(200)]
        assert 0 <= min(pauses) <= max(pauses) <= bound
        assert max(pauses) > bound / 2


def test_a_pack_that_fails_never_stops_the_flow(
    folder: Path, make_pack: MakePack, spool: DiskSpool, store: Faulty, books: SourceBook
) -> None:
    make_pack("mad", "raise MemoryError('no more') if len(raw.body) % 2 else KeyError(raw.body)\nyield")
    reader = Reader(Router(load([folder])), usual=Reading("mad"))
    door: Store = store  # type: ignore[assignment]  # as above
    here = Here(Preparer(spool, reader, store.form))
    pipeline = Pipeline(spool, door, here, store.form, ManualClock(RECEIVED), books)
    spool.put(records("a", "bb", "ccc"))
    assert pipeline.step() == 3
    assert [event.fields["error.type"] for event in stored(store)] == ["MemoryError", "KeyError", "MemoryError"]


def test_an_entry_read_twice_has_the_same_ids(pipeline: Pipeline, spool: DiskSpool) -> None:
    spool.put(records("a", "bad"))
    assert isinstance(pipeline.preparing, Here)
    reader = pipeline.preparing.preparer.reader
    entries: list[Entry] = spool.read(0, 10)
    ids = [[event.id for event in reader.read(entry)] for entry in entries]
    assert ids == [[event.id for event in reader.read(entry)] for entry in spool.read(0, 10)]
