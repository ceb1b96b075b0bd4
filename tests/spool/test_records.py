"""Records come out as they went in: all of them, in order, once."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.clock import ManualClock
from sentinel.core.errors import SpoolError
from sentinel.core.event import Origin, Raw
from sentinel.spool.disk import DiskSpool
from sentinel.spool.record import RECORD_MAX, Stretch, payload_of, record

if TYPE_CHECKING:
    from sentinel.core.ports import Spool

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of its own is made there
Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]

_TEXTS = st.text(st.characters(codec=None), max_size=40)
_TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))])).filter(
    lambda moment: 1 < moment.year < 9999
)
_ORIGINS = st.builds(Origin, via=_TEXTS, peer=_TEXTS, position=_TEXTS, note=_TEXTS)
_RAWS = st.builds(Raw, body=st.binary(max_size=3000), source=_TEXTS, received=_TIMES, origin=_ORIGINS)


@given(st.lists(_RAWS, max_size=20))
def test_what_is_read_is_what_was_written(batch: list[Raw]) -> None:
    with TemporaryDirectory(dir=MEMORY) as name, DiskSpool(Path(name), ballast_bytes=0, segment_bytes=4096) as spool:
        last = spool.put(batch)
        entries = spool.read(0, 100)
    assert [entry.raw for entry in entries] == batch
    assert [entry.seq for entry in entries] == list(range(1, last + 1))


@given(_RAWS, st.integers(1, 1 << 50), st.integers(0, 1 << 50))
def test_a_record_is_good_only_where_it_was_written(one: Raw, segment: int, offset: int) -> None:
    data = record(payload_of(one), segment, offset, segment, 0)
    entries, end = Stretch(data, segment, offset).take(offset, 0, 1)
    assert ([entry.raw for entry in entries], end) == ([one], offset + len(data))
    assert Stretch(data, segment, offset + 1).take(offset + 1, 0, 1) == ([], offset + 1)
    assert Stretch(data, segment + 1, offset).resume(offset) is None


@given(_RAWS, st.data())
def test_no_byte_of_a_record_may_change(one: Raw, draw: st.DataObject) -> None:
    data = bytearray(record(payload_of(one), 1, 0, 1, 0))
    data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    assert Stretch(bytes(data), 1, 0).take(0, 0, 1) == ([], 0)


def test_it_is_a_spool(opened: Opener) -> None:
    spool: Spool = opened()
    assert spool.put([]) == 0
    assert not spool.wait(0, 0.01)


def test_order_holds_over_segments_and_restarts(opened: Opener, raws: Raws, folder: Path) -> None:
    for start in range(0, 500, 100):
        with opened(segment_bytes=4096) as spool:
            for one in raws(start, start + 100, 300):
                spool.put([one])
    assert len(list(folder.glob("*.seg"))) > 20
    spool = opened()
    assert [entry.raw for entry in spool.read(0, 1000)] == list(raws(0, 500, 300))
    assert [entry.seq for entry in spool.read(0, 1000)] == list(range(1, 501))


def test_reading_goes_on_anywhere_in_pieces_of_any_size(opened: Opener, raws: Raws) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 300, 200))
    for limit in (1, 7, 1000):
        after, found = 0, []
        while entries := spool.read(after, limit):
            assert len(entries) <= limit
            found += entries
            after = entries[-1].seq
        assert [entry.raw for entry in found] == list(raws(0, 300, 200))
    assert [entry.seq for entry in spool.read(123, 2)] == [124, 125]
    assert spool.read(123, 2) == spool.read(123, 2)
    assert spool.read(300, 10) == []


def test_large_records_lie_between_small_ones(opened: Opener, raws: Raws) -> None:
    spool = opened(segment_bytes=8 << 20)
    batch = [*raws(0, 50), *raws(50, 53, 900_000), *raws(53, 900), *raws(900, 903, 300_000), *raws(903, 950)]
    spool.put(batch)
    assert [entry.raw for entry in spool.read(0, 2000)] == batch


def test_written_is_when_it_entered_the_spool(opened: Opener, raws: Raws) -> None:
    clock = ManualClock(datetime(2026, 10, 25, 0, 30, 0, 123456, tzinfo=UTC))
    spool = opened(clock=clock)
    spool.put(raws(0, 1))
    clock.advance(timedelta(hours=-1))
    spool.put(raws(1, 2))
    first, second = spool.read(0, 2)
    assert first.written == clock.moment + timedelta(hours=1)
    assert second.written == clock.moment


def test_a_record_that_is_too_long_is_refused_and_nothing_is_written(opened: Opener, raws: Raws) -> None:
    spool = opened()
    with pytest.raises(SpoolError, match="cut it"):
        spool.put([*raws(0, 1), replace(raws(1, 2)[0], body=bytes(RECORD_MAX))])
    assert spool.put(raws(0, 1)) == 1
    with pytest.raises(SpoolError, match="zone"):
        spool.put([replace(raws(0, 1)[0], received=datetime(2026, 1, 1))])  # noqa: DTZ001  that is what is refused


def test_many_writers_of_one_loop_share_commits(opened: Opener, raws: Raws) -> None:
    spool = opened(segment_bytes=1 << 20)

    async def run() -> list[int]:
        return await asyncio.gather(*(spool.write(raws(10 * n, 10 * n + 10)) for n in range(100)))

    lasts = asyncio.run(run())
    entries = spool.read(0, 2000)
    assert len(entries) == 1000
    by_seq = {entry.seq: entry.raw for entry in entries}
    for n, last in enumerate(lasts):
        assert [by_seq[seq] for seq in range(last - 9, last + 1)] == list(raws(10 * n, 10 * n + 10))


def test_a_writer_that_is_cancelled_has_written_nevertheless(opened: Opener, raws: Raws) -> None:
    spool = opened()

    async def run() -> None:
        task = asyncio.ensure_future(spool.write(raws(0, 10)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    spool.close()
    assert len(opened().read(0, 100)) == 10


def test_threads_and_a_second_spool_object_share_one_sequence(opened: Opener, raws: Raws) -> None:
    spools = [opened(segment_bytes=4096) for _ in range(2)]
    got: list[int] = []

    def run(spool: DiskSpool, start: int) -> None:
        got.extend(spool.put([one]) for one in raws(start, start + 50))

    threads = [threading.Thread(target=run, args=(spools[n % 2], 50 * n)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 301))
    for spool in spools:
        entries = spool.read(0, 1000)
        assert all(one.seq < two.seq for one, two in pairwise(entries))
        assert {entry.raw.body for entry in entries} == {one.body for one in raws(0, 300)}


def test_wait_wakes_when_another_object_writes(opened: Opener, raws: Raws) -> None:
    reader, writer = opened(), opened()
    assert not reader.wait(0, 0.01)
    timer = threading.Timer(0.05, writer.put, [raws(0, 1)])
    timer.start()
    assert reader.wait(0, 30)
    assert [entry.seq for entry in reader.read(0, 10)] == [1]
    assert not reader.wait(1, 0.01)
    timer.join()


def test_a_closed_spool_says_so(opened: Opener, raws: Raws) -> None:
    spool = opened()
    spool.put(raws(0, 1))
    spool.close()
    spool.close()
    for use in (lambda: spool.put(raws(0, 1)), lambda: spool.read(0, 1), lambda: spool.wait(1, 0)):
        with pytest.raises(SpoolError, match="closed"):
            use()
