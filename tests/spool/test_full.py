"""A full spool and a full disk hold senders back, lose nothing, and go on by themselves."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sentinel.core.errors import SpoolError, SpoolFullError
from sentinel.core.event import Raw
from sentinel.spool.disk import DiskSpool
from sentinel.spool.files import Disk

Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]
PATIENCE_SECONDS = 30


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def drain(spool: DiskSpool) -> list[bytes]:
    """Read and commit all there is."""
    bodies = []
    while entries := spool.read(spool.committed, 100):
        bodies += [entry.raw.body for entry in entries]
        spool.commit(entries[-1].seq)
    return bodies


def test_writers_wait_while_the_spool_is_full_and_go_on_when_there_is_room(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10, checkpoint_seconds=0.01)
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(spool.put(raws(0, 1000, 200))))
    thread.start()
    until(lambda: spool.full)
    assert not got
    assert "no room" in spool.stats().full
    assert spool.stats().bytes <= 64 << 10
    with pytest.raises(SpoolFullError):
        spool.try_put(raws(5000, 5001))
    bodies: list[bytes] = []
    while not got:
        bodies += drain(spool)
    thread.join()
    bodies += drain(spool)
    assert got == [1000]
    assert bodies == [one.body for one in raws(0, 1000, 200)]
    assert spool.try_put(raws(1000, 1010)) == 1010
    assert not spool.full


def test_an_asynchronous_writer_waits_without_stopping_the_loop(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10, checkpoint_seconds=0.01)

    async def run() -> int:
        writing = asyncio.ensure_future(spool.write(raws(0, 1000, 200)))
        await asyncio.to_thread(until, lambda: spool.full)
        while not writing.done():
            drain(spool)
            await asyncio.sleep(0.001)
        return await writing

    assert asyncio.run(run()) == 1000


def test_room_made_by_another_process_is_found(opened: Opener, raws: Raws) -> None:
    writer = opened(bytes_max=64 << 10)
    reader = opened(bytes_max=64 << 10, checkpoint_seconds=0.01)
    thread = threading.Thread(target=writer.put, args=[raws(0, 1000, 200)])
    thread.start()
    until(lambda: writer.full)
    bodies: list[bytes] = []
    while thread.is_alive():
        bodies += drain(reader)
    thread.join()
    assert bodies + drain(reader) == [one.body for one in raws(0, 1000, 200)]


def test_what_does_not_fit_as_a_whole_is_not_taken_in_part(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10)
    spool.put(raws(0, 100, 200))
    with pytest.raises(SpoolFullError):
        spool.try_put(raws(100, 400, 200))
    assert len(spool.read(0, 1000)) == 100
    assert spool.try_put(raws(100, 200, 200)) == 200


def test_who_does_not_wait_is_taken_as_soon_as_what_was_there_is_dealt_with(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10, checkpoint_seconds=3600)
    for number in range(0, 2000, 200):
        assert spool.try_put(raws(number, number + 200, 200)) == number + 200
        with pytest.raises(SpoolFullError):
            spool.try_put(raws(number + 200, number + 400, 200))
        spool.commit(spool.last)


def test_a_record_larger_than_the_bound_passes_when_the_spool_is_empty(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=16 << 10, checkpoint_seconds=0.01)
    spool.put(raws(0, 10))
    thread = threading.Thread(target=spool.put, args=[raws(10, 11, 50_000)])
    thread.start()
    until(lambda: spool.full)
    drain(spool)
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert [entry.raw for entry in spool.read(10, 10)] == list(raws(10, 11, 50_000))


def test_in_a_hurry_nobody_waits_for_room_and_what_was_not_taken_is_told_exactly(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10)

    async def scenario() -> tuple[list[int | BaseException], int]:
        waiting = [asyncio.create_task(spool.write(raws(at, at + 300, 200))) for at in (0, 300, 600)]
        await asyncio.to_thread(until, lambda: spool.full)
        spool.hurry()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(SpoolFullError) as refused:
            await spool.write(raws(900, 1000, 200))
        return told, refused.value.written

    told, fresh = asyncio.run(scenario())
    written = sum(one.written if isinstance(one, SpoolFullError) else 300 for one in told) + fresh
    assert written == len(spool.read(0, 2000))
    assert any(isinstance(one, SpoolFullError) for one in told)
    drain(spool)
    spool.flush()
    assert asyncio.run(spool.write(raws(1000, 1010, 200))), "with room again it is taken"


def test_in_a_hurry_nobody_waits_for_a_record_that_may_never_come(opened: Opener) -> None:
    spool = opened()
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(spool.wait(0, 10 * PATIENCE_SECONDS)))
    thread.start()
    spool.hurry()
    thread.join(PATIENCE_SECONDS)
    assert found == [False]


def test_closing_a_full_spool_tells_who_waits(opened: Opener, raws: Raws) -> None:
    spool = opened(bytes_max=64 << 10)
    failed: list[SpoolError] = []

    def run() -> None:
        try:
            spool.put(raws(0, 1000, 200))
        except SpoolError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: spool.full)
    spool.close()
    thread.join()
    assert isinstance(failed[0], SpoolFullError)


class Filling(Disk):
    """A disk that is as full as the test says."""

    def __init__(self) -> None:
        self.percent = 10.0

    def used(self, path: Path) -> float:  # noqa: ARG002  wherever it is
        """Say so."""
        return self.percent


def test_nothing_is_accepted_from_95_percent_of_the_disk_on_and_everybody_can_see_why(
    opened: Opener, raws: Raws, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Filling()
    spool, other = opened(disk=disk), opened(disk=disk)
    disk.percent = 94.9
    spool.put(raws(0, 10))
    disk.percent = 95.0
    with pytest.raises(SpoolFullError, match="95 % full; records are accepted below 95 %"):
        spool.try_put(raws(10, 11))
    thread = threading.Thread(target=spool.put, args=[raws(10, 20)])
    thread.start()
    until(lambda: spool.full)
    assert "95 % full" in other.stats().full
    assert "senders wait" in caplog.text
    spool.commit(10)
    spool.flush()  # what is stored may still be written down
    assert thread.is_alive()
    disk.percent = 94.0
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert not other.stats().full
    assert "accepted again" in caplog.text
    assert [entry.raw for entry in other.read(10, 100)] == list(raws(10, 20))


class Tight(Disk):
    """A disk that takes half of what it is given, and then is full, while `full` is set."""

    def __init__(self) -> None:
        self.full = False
        self.short_writes = 0
        self._tight: set[int] = set()

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Take half, then nothing."""
        if not self.full:
            return super().write(fd, data)
        if fd in self._tight:
            self._tight.discard(fd)
            raise OSError(errno.ENOSPC, "No space left on device")
        self._tight.add(fd)
        self.short_writes += 1
        return super().write(fd, data[: len(data) // 2])


def test_a_short_write_is_taken_back(opened: Opener, raws: Raws, folder: Path) -> None:
    disk = Tight()
    spool = opened(disk=disk, segment_bytes=1 << 20)
    spool.put(raws(0, 10))
    (segment,) = folder.glob("*.seg")
    size = segment.stat().st_size
    disk.full = True
    with pytest.raises(SpoolFullError):
        spool.try_put(raws(10, 30))
    assert segment.stat().st_size == size
    assert disk.short_writes
    disk.full = False
    assert spool.put(raws(10, 30)) == 30
    assert [entry.raw for entry in spool.read(0, 100)] == list(raws(0, 30))
    assert not spool.stats().problems


def test_a_full_disk_holds_back_and_resumes(small_disk: Path, raws: Raws) -> None:
    with DiskSpool(
        small_disk / "spool", segment_bytes=256 << 10, ballast_bytes=256 << 10, disk_percent_max=101
    ) as spool:
        blocker = small_disk / "somebody.else"
        blocker.write_bytes(bytes(6 << 20))
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.extend(spool.put([one]) for one in raws(0, 60, 60_000)))
        thread.start()
        until(lambda: spool.full)
        stuck = len(got)
        assert 0 < stuck < 60
        assert spool.fsck().sound
        assert [entry.seq for entry in spool.read(0, 100)] == got
        with pytest.raises(SpoolFullError):
            spool.try_put(raws(100, 101, 60_000))
        blocker.unlink()
        until(lambda: not thread.is_alive() or (len(got) > stuck and spool.full))
        spool.commit(len(got))
        spool.flush()  # the ballast makes room for the checkpoint
        until(lambda: not thread.is_alive())
        assert got == list(range(1, 61))
        after = spool.committed
        assert [entry.raw for entry in spool.read(after, 100)] == list(raws(after, 60, 60_000))
        assert not any("damaged" in problem for problem in spool.stats().problems)


def test_the_ballast_lets_the_checkpoint_be_written_on_a_full_disk(small_disk: Path, raws: Raws) -> None:
    with DiskSpool(
        small_disk / "spool", segment_bytes=64 << 10, ballast_bytes=512 << 10, disk_percent_max=101
    ) as spool:
        spool.put(raws(0, 40, 20_000))
        with (small_disk / "somebody.else").open("wb", buffering=0) as blocker:
            try:
                while blocker.write(bytes(4096)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  the disk is meant to be full now
        with pytest.raises(SpoolFullError):
            spool.try_put(raws(40, 42, 20_000))
        spool.commit(35)
        spool.flush()
    with DiskSpool(small_disk / "spool", ballast_bytes=0) as spool:
        assert spool.committed == 35
        assert len(list((small_disk / "spool").glob("*.seg"))) < 10
        assert [entry.seq for entry in spool.read(35, 10)] == [36, 37, 38, 39, 40]
