"""Each machine numbers its records in a range of its own, and a folder stays that of its machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sentinel.core.errors import SpoolError
from sentinel.core.event import RECORDS_MAX, Raw, arrival, before_node, event_id, node_of, record_of
from sentinel.spool import checkpoint
from sentinel.spool.disk import DiskSpool
from sentinel.spool.survey import cat, fsck

Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]
FIRST = before_node(5) + 1


def test_the_records_of_a_node_are_numbered_in_its_range_and_go_on_there(
    opened: Opener, raws: Raws, folder: Path
) -> None:
    spool = opened(node=5)
    assert (spool.last, spool.committed, spool.stats().records) == (FIRST - 1, FIRST - 1, 0)
    assert spool.put(raws(0, 3)) == FIRST + 2
    assert [entry.seq for entry in spool.read(spool.committed, 9)] == [FIRST, FIRST + 1, FIRST + 2]
    spool.commit(FIRST + 1)
    spool.close()
    spool = opened()
    assert (spool.whose.node, spool.committed, spool.put(raws(3, 4))) == (5, FIRST + 1, FIRST + 3)
    assert fsck(folder).sound
    assert [node_of(arrival(entry.seq, 1023)) for entry in cat(folder)] == [5, 5, 5, 5]


def test_the_last_record_of_the_last_node_has_a_place_in_a_signed_long() -> None:
    last = arrival(before_node(1023) + RECORDS_MAX - 1, 1023)
    assert last == (1 << 63) - 1
    assert (node_of(last), record_of(last)) == (1023, before_node(1023) + RECORDS_MAX - 1)
    assert arrival(7, 3) == 7 * 1024 + 3
    assert node_of(arrival(RECORDS_MAX - 1, 1023)) == 0


def test_equal_records_of_two_machines_are_two_events(tmp_path: Path, raws: Raws) -> None:
    ids = set()
    for node in (0, 1, 2):
        with DiskSpool(tmp_path / str(node), ballast_bytes=0, node=node) as spool:
            spool.put(raws(0, 1))
            ids |= {event_id(entry) for entry in spool.read(0, 1)}
    assert len(ids) == 3


def test_a_folder_is_refused_to_another_node_and_nothing_happens_to_it(opened: Opener, raws: Raws) -> None:
    opened(node=5).put(raws(0, 1))
    with pytest.raises(SpoolError, match="is that of node 5, not of node 6: set `node = 5` again"):
        opened(node=6)
    assert opened(node=5).put(raws(1, 2)) == FIRST + 1


def test_a_folder_from_before_there_were_nodes_is_that_of_node_0(opened: Opener, raws: Raws) -> None:
    opened().put(raws(0, 1))
    with pytest.raises(SpoolError, match="is that of node 0, not of node 1"):
        opened(node=1)
    assert opened(node=0).put(raws(1, 2)) == 2


def test_without_its_checkpoint_a_nodes_spool_is_read_again_from_its_first_record(
    opened: Opener, raws: Raws, folder: Path
) -> None:
    spool = opened(node=5)
    spool.put(raws(0, 3))
    spool.commit(FIRST + 2)
    spool.close()
    (folder / "checkpoint").write_bytes(b"gone")
    (folder / "head").unlink()
    assert checkpoint.load(folder)[0] == FIRST - 1
    spool = opened()
    assert [entry.seq for entry in spool.read(spool.committed, 9)] == [FIRST, FIRST + 1, FIRST + 2]
    assert not any("missing" in problem for problem in spool.problems)


@pytest.mark.parametrize("content", [b"", b"1024 abc", b"five abc", b"5"])
def test_who_cannot_tell_whose_the_spool_is_does_not_guess(opened: Opener, folder: Path, content: bytes) -> None:
    opened(node=5).close()
    (folder / "node").write_bytes(content)
    with pytest.raises(SpoolError, match="is damaged: write the number of the node"):
        opened(node=5)


def test_the_name_of_a_spool_stays_and_is_its_own(opened: Opener, tmp_path: Path) -> None:
    name = opened().whose
    assert name == opened().whose
    with DiskSpool(tmp_path / "other", ballast_bytes=0) as other:
        assert other.whose.spool != name.spool
