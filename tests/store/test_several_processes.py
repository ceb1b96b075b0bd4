"""One process writes, any number read, and none of them ever sees half of anything."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from threading import Event as Flag
from threading import Thread

import pytest

from sentinel.core.errors import StoreBusyError, StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Kept, Removed, Span
from sentinel.core.where import ALWAYS, Is, Like
from sentinel.store.embedded import EmbeddedStore

Start = Callable[..., Popen[str]]
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    with pytest.raises(StoreBusyError, match=f"process {os.getpid()} on "):
        EmbeddedStore(tmp_path)
    store.close()
    EmbeddedStore(tmp_path).close()


def test_a_writer_in_another_process_is_named_and_its_death_frees_the_store(tmp_path: Path, writer: Start) -> None:
    process = writer(tmp_path, 1, 1_000_000)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(StoreBusyError, match=f"process {process.pid} on "):
        EmbeddedStore(tmp_path)
    process.kill()
    process.wait()
    EmbeddedStore(tmp_path).close()


def test_a_reader_does_not_write(tmp_path: Path, make: Callable[..., Event]) -> None:
    reader = EmbeddedStore(tmp_path / "not there yet", readonly=True)
    assert reader.search(ALWAYS, EVER, 10) == []
    assert reader.newest() == 0
    with pytest.raises(StoreError, match="reading only"):
        reader.append([make(1)])
    reader.close()
    assert not (tmp_path / "not there yet").exists()


def test_a_reader_follows_a_writing_and_sealing_process_without_gap_or_doublet(tmp_path: Path, writer: Start) -> None:
    process = writer(tmp_path, 1, 3001)
    reader = EmbeddedStore(tmp_path, readonly=True)
    seen: list[int] = []
    counts: list[int] = []
    finished = False
    while not finished or len(seen) < 3000:
        finished = process.poll() is not None
        batch = reader.since(seen[-1] if seen else 0, 1 << 60, 37)
        seen += [event.seq for event in batch]
        if len(seen) % 5 == 0:
            rows = reader.tally(Is("user.name", "anna"), EVER, (), 1)
            counts.append(rows[0][1] if rows else 0)
            assert counts[-1] >= len(seen)
        if finished and not batch:
            break
    assert seen == list(range(1, 3001))
    assert counts == sorted(counts)
    assert process.wait() == 0
    assert reader.problems == ()
    reader.close()


def test_what_was_acknowledged_is_seen_at_once_by_every_reader(tmp_path: Path, writer: Start) -> None:
    reader = EmbeddedStore(tmp_path, readonly=True)
    process = writer(tmp_path, 1, 1001)
    assert process.stdout is not None
    for line in process.stdout:
        if not line.strip().isdigit():
            break
        assert reader.newest() >= int(line)
        assert len(reader.search(Like("message", "line*"), EVER, 5000)) >= int(line)
    reader.close()


def test_questions_survive_sealing_and_retention_under_them(tmp_path: Path, make: Callable[..., Event]) -> None:
    store = EmbeddedStore(tmp_path, segment_events=20)
    reader = EmbeddedStore(tmp_path, readonly=True)
    stop, errors = Flag(), []

    def ask() -> None:
        try:
            while not stop.is_set():
                found = reader.search(Like("message", "*day*"), EVER, 500)
                assert [event.seq for event in found] == sorted((event.seq for event in found), reverse=True)
                seqs = [event.seq for event in reader.since(0, 1 << 60, 1000)]
                assert len(set(seqs)) == len(seqs)
                reader.tally(ALWAYS, EVER, ("message",), 3)
        except BaseException as error:  # noqa: BLE001  whatever it is, the test shall show it
            errors.append(error)

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    number = 0
    for day in range(12):
        moment = START + timedelta(days=day)
        for _ in range(5):
            store.append([make(number := number + 1, {"message": f"day {day}"}, ingested=moment) for _ in range(10)])
        store.drop(Kept("standard", (moment - timedelta(days=3)).date()))
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {event.fields["message"] for event in reader.search(ALWAYS, EVER, 1000)} == {"day 9", "day 10", "day 11"}
    reader.close()
    store.close()


def test_retention_removes_whole_days_and_says_what(tmp_path: Path, make: Callable[..., Event]) -> None:
    store = EmbeddedStore(tmp_path)
    days = [START + timedelta(days=day) for day in range(4)]
    for number, day in enumerate(days, 1):
        store.append([make(number, ingested=day)])
    store.seal()
    store.append([make(10, ingested=days[0])])  # a hot one of an old day
    told: list[Removed] = []
    removed = [store.drop(Kept("standard", day.date()), told.append) for day in days[:2]]
    assert told == removed
    assert [one.count for one in removed] == [2, 1]
    assert [event.seq for event in store.since(0, 100, 100)] == [3, 4]
    assert store.drop(Kept("standard", days[0].date()), told.append).count == 0
    assert len(told) == 2, "nothing is told of nothing"
    assert {path.name[:8] for path in tmp_path.glob("2026*")} == {"20261125", "20261126"}
    assert store.append([make(11, ingested=days[0])]).stored == 1
    assert store.append([make(3, ingested=days[2])]).duplicates == 1
    store.close()
