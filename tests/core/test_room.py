"""A full disk is told from all else that can be wrong with a file."""

import errno
from pathlib import Path

import pytest

from sentinel.core.database import Shape, open_database
from sentinel.core.errors import SpoolError, StoreError
from sentinel.core.room import no_room

SHAPE = Shape(1, 1, ("CREATE TABLE things (name TEXT)",))


@pytest.mark.parametrize("small_disk", ["256k"], indirect=True)
@pytest.mark.parametrize("name", ["new.db", "old.db"])
def test_a_database_that_cannot_be_opened_on_a_full_disk_lacks_room(small_disk: Path, name: str) -> None:
    open_database(small_disk / "old.db", SHAPE).close()
    with pytest.raises(OSError, match="space") as full:
        (small_disk / "blocker").write_bytes(bytes(1 << 20))
    assert no_room(full.value)
    with pytest.raises(StoreError) as refused:
        open_database(small_disk / name, SHAPE)
    assert no_room(refused.value)


def test_what_was_raised_from_a_full_disk_lacks_room_and_nothing_else_does(tmp_path: Path) -> None:
    with pytest.raises(SpoolError) as raised:
        raise SpoolError("cannot be opened") from OSError(errno.EDQUOT, "Disk quota exceeded")
    assert no_room(raised.value)
    (tmp_path / "no.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError) as refused:
        open_database(tmp_path / "no.db", SHAPE)
    assert not no_room(refused.value)
    assert not no_room(OSError(errno.EIO, "Input/output error"))
    assert not no_room(None)
