"""Checkpoints: remembered, reclaimed after, and never needed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sentinel.core.event import Raw
from sentinel.spool import checkpoint
from sentinel.spool.disk import DiskSpool
from sentinel.spool.survey import cat, fsck

Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]


def test_committed_survives_and_segments_below_it_go(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 200, 200))
    before = len(list(folder.glob("*.seg")))
    spool.commit(150)
    spool.commit(20)
    assert spool.committed == 150
    spool.close()
    spool = opened(segment_bytes=4096)
    assert spool.committed == 150
    assert len(list(folder.glob("*.seg"))) < before
    assert [entry.seq for entry in spool.read(150, 100)] == list(range(151, 201))
    assert spool.stats().records == 50


def test_a_commit_is_written_down_without_a_further_call(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(checkpoint_seconds=0.01)
    spool.put(raws(0, 10))
    for seq in (3, 7, 10):
        spool.commit(seq)
    while checkpoint.load(folder) != (10, ""):
        pass
    assert spool.stats().records == 0


@pytest.mark.parametrize("content", [b"", bytes(64), b"\xff" * 5000, b"00000000 {}", b'1 {"committed": 7}'])
def test_without_a_good_checkpoint_all_is_read_again_and_said(
    opened: Opener, raws: Raws, folder: Path, content: bytes
) -> None:
    spool = opened()
    spool.put(raws(0, 10))
    spool.commit(10)
    spool.close()
    (folder / "checkpoint").write_bytes(content)
    (folder / "head").unlink()
    spool = opened()
    assert spool.committed == 0
    assert len(spool.read(0, 100)) == 10
    assert any("read again" in problem for problem in spool.stats().problems)
    assert any("read again" in problem for problem in spool.fsck().problems)
    assert spool.put(raws(10, 11)) == 11


def test_a_checkpoint_beyond_the_end_is_believed_and_said(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened()
    spool.put(raws(0, 100))
    spool.commit(100)
    spool.close()
    for segment in folder.glob("*.seg"):
        segment.unlink()
    (folder / "head").unlink()
    spool = opened()
    assert spool.committed == 100
    assert spool.put(raws(100, 101)) == 101
    assert [entry.seq for entry in spool.read(100, 10)] == [101]


def test_old_segments_brought_back_do_not_make_a_sequence_come_twice(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened()
    spool.put(raws(0, 10))
    old = {path.name: path.read_bytes() for path in folder.glob("*.seg")}
    spool.put(raws(10, 100))
    spool.commit(100)
    spool.close()
    for path in [*folder.glob("*.seg"), folder / "head"]:
        path.unlink()
    for name, data in old.items():
        (folder / name).write_bytes(data)
    spool = opened()
    assert any("going on behind both" in problem for problem in spool.stats().problems)
    assert spool.put(raws(100, 101)) == 101
    assert [entry.seq for entry in spool.read(100, 10)] == [101]
    assert not spool.wait(101, 0.01)


def test_stats_tell_how_full_it_is(opened: Opener, raws: Raws) -> None:
    spool = opened()
    empty = spool.stats()
    assert (empty.records, empty.bytes, empty.oldest, empty.last_seq, empty.problems) == (0, 0, None, 0, ())
    spool.put(raws(0, 30))
    spool.commit(10)
    full = spool.stats()
    assert (full.records, full.segments, full.committed, full.last_seq) == (20, 1, 10, 30)
    assert full.oldest == spool.read(10, 1)[0].written
    assert full.bytes > 30 * 40


def test_a_folder_can_be_looked_at_without_opening_it(opened: Opener, raws: Raws, folder: Path) -> None:
    assert fsck(folder).records == 0
    assert not folder.exists()
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 100, 200))
    assert spool.fsck().sound
    spool.close()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    report = fsck(folder)
    assert (report.records, report.last_seq, report.sound) == (100, 100, True)
    assert [entry.raw for entry in cat(folder, 40)] == list(raws(40, 100, 200))
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_reader_whose_records_another_process_has_committed_misses_nothing(opened: Opener, raws: Raws) -> None:
    spool = opened(segment_bytes=4096, checkpoint_seconds=0.01)
    spool.put(raws(0, 200, 200))
    other = opened(segment_bytes=4096)
    assert other.read(0, 10)[-1].seq == 10
    spool.commit(150)
    spool.close()  # segments below the checkpoint are gone
    assert other.read(10, 5)[0].seq > 100
    assert not other.stats().problems
