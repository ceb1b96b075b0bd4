"""Nothing is acknowledged or shown before it is durable, and a disk that failed once is not asked again."""

import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sentinel.core.errors import SpoolError
from sentinel.core.event import Raw
from sentinel.spool.disk import DiskSpool
from sentinel.spool.files import Disk

Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]


class Failing(Disk):
    """A disk that refuses to synchronise once `armed`, and counts how often it was asked."""

    def __init__(self) -> None:
        self.armed = False
        self.asked: list[str] = []

    def sync(self, fd: int) -> None:
        """Fail with EIO if armed; later calls would succeed, as they do on Linux."""
        self.asked.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        if self.armed:
            self.armed = False
            raise OSError(errno.EIO, "Input/output error")
        super().sync(fd)


def test_a_failed_fsync_stops_the_spool_for_good(opened: Opener, raws: Raws) -> None:
    disk = Failing()
    spool = opened(disk=disk, segment_bytes=1 << 20)
    spool.put(raws(0, 10))
    disk.armed = True
    asked = len(disk.asked)
    with pytest.raises(SpoolError, match="could not be made durable"):
        spool.put(raws(10, 20))
    for use in (spool.put, spool.try_put):
        with pytest.raises(SpoolError, match="no further records are accepted"):
            use(raws(20, 30))
    assert [name for name in disk.asked[asked:] if name.endswith(".seg")] == disk.asked[asked : asked + 1]
    assert len(spool.read(0, 100)) == 10
    assert not spool.wait(10, 0.01)
    spool.commit(5)
    spool.close()
    again = opened(segment_bytes=1 << 20)
    assert again.committed == 5
    assert [entry.raw for entry in again.read(0, 100)] == list(raws(0, 10))
    assert again.put(raws(10, 20)) == 20


def test_another_writer_does_not_believe_in_what_the_failed_one_left(opened: Opener, raws: Raws) -> None:
    disk = Failing()
    broken, well = opened(disk=disk), opened()
    broken.put(raws(0, 10))
    disk.armed = True
    with pytest.raises(SpoolError):
        broken.put(raws(10, 20))
    assert well.put(raws(30, 40)) == 20
    assert [entry.raw for entry in well.read(0, 100)] == [*raws(0, 10), *raws(30, 40)]


class Slow(Disk):
    """A disk that waits for `go` before it synchronises a segment."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.reached = threading.Event()

    def sync(self, fd: int) -> None:
        """Say that it is about to, and wait."""
        self.reached.set()
        assert self.go.wait(30)
        super().sync(fd)


def test_a_reader_never_sees_what_is_not_durable(opened: Opener, raws: Raws, folder: Path) -> None:
    disk = Slow()
    spool, other = opened(disk=disk, segment_bytes=1 << 20), opened()
    spool.put(raws(0, 5))
    disk.go.clear()
    disk.reached.clear()
    done = threading.Event()

    def run() -> None:
        spool.put(raws(5, 10))
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert disk.reached.wait(30)
    (segment,) = folder.glob("*.seg")
    assert b"sshd[9]" in segment.read_bytes()
    for reader in (spool, other):
        assert len(reader.read(0, 100)) == 5
        assert not reader.wait(5, 0.02)
        assert reader.stats().last_seq == 5
    assert not done.is_set()
    disk.go.set()
    thread.join(30)
    assert len(other.read(0, 100)) == 10


def test_what_arrives_during_one_fsync_shares_the_next(opened: Opener, raws: Raws) -> None:
    disk = Slow()
    spool = opened(disk=disk, segment_bytes=1 << 20)
    spool.put(raws(0, 1))
    disk.go.clear()
    disk.reached.clear()
    threads = [threading.Thread(target=spool.put, args=[raws(n, n + 1)]) for n in range(1, 51)]
    threads[0].start()
    assert disk.reached.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(spool._committer._orders) < 50:
        pass
    disk.go.set()
    for thread in threads:
        thread.join(30)
    written = {entry.written for entry in spool.read(0, 100)}
    assert len(written) == 3
