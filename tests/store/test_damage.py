"""Damage costs what is damaged, is told, and never stops the store."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS, Is, Like
from sentinel.store.embedded import EmbeddedStore

EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
Make = Callable[..., Event]


@pytest.fixture
def sealed(tmp_path: Path, make: Make) -> Path:
    """Return the folder of a store with three sealed segments of ten events."""
    store = EmbeddedStore(tmp_path / "store", segment_events=10)
    for at in range(1, 31, 10):
        store.append([make(number, {"user.name": f"user{number}"}) for number in range(at, at + 10)])
    store.seal()
    store.close()
    assert len(list((tmp_path / "store").glob("*.parquet"))) == 3
    return tmp_path / "store"


def second(folder: Path) -> Path:
    """Return the segment in the middle."""
    return sorted(folder.glob("*.parquet"))[1]


OTHERS = [*range(1, 11), *range(21, 31)]


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -8, -200])
@pytest.mark.parametrize("question", ["search", "since", "tally"])
def test_a_truncated_segment_is_quarantined(sealed: Path, keep: int, question: str) -> None:
    path = second(sealed)
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    for readonly in (True, False):
        store = EmbeddedStore(sealed, readonly=readonly)
        match question:
            case "search":
                assert [event.seq for event in store.search(Like("user.name", "user*"), EVER, 100)] == OTHERS[::-1]
            case "since":
                assert [event.seq for event in store.since(0, 100, 100)] == OTHERS
            case _:
                assert store.tally(ALWAYS, EVER, (), 1) == [((), 20)]
        assert [problem.path for problem in store.problems] == [path.name]
        assert path.exists() == readonly
        store.close()
    assert (sealed / "quarantine" / path.name).exists()


def test_flipped_bits_never_stop_the_store(sealed: Path) -> None:
    chance = random.Random(7)  # noqa: S311  places, nothing secret
    path = second(sealed)
    content = path.read_bytes()
    noticed = 0
    for _ in range(25):
        broken = bytearray(content)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        store = EmbeddedStore(sealed, readonly=True)
        found = [event.seq for event in store.search(Is("user.name", "user25"), EVER, 100)]
        assert 25 in found
        assert set(OTHERS) <= {event.seq for event in store.since(0, 1 << 62, 1000)}
        noticed += bool(store.problems)
        store.verify()
        assert [problem.path for problem in store.problems] == [path.name]
        assert [event.seq for event in store.since(0, 1 << 62, 1000)] == OTHERS
        store.close()
    assert noticed > 0


@pytest.mark.parametrize("content", [None, b"", b"SNTLIDS1", b"x" * 168])
def test_lost_or_damaged_ids_are_made_anew(sealed: Path, make: Make, content: bytes | None) -> None:
    for path in sealed.glob("*.ids"):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    store = EmbeddedStore(sealed)
    done = store.append([make(number) for number in range(1, 32)])
    assert (done.stored, done.duplicates) == (1, 30)
    assert len(list(sealed.glob("*.ids"))) == 3
    store.close()


def test_a_damaged_segment_found_while_its_ids_are_made_anew_is_quarantined(sealed: Path, make: Make) -> None:
    path = second(sealed)
    path.write_bytes(path.read_bytes()[:-20])
    for ids in sealed.glob("*.ids"):
        ids.unlink()
    store = EmbeddedStore(sealed)
    assert store.append([make(number) for number in range(1, 31)]).stored == 10
    assert [event.seq for event in store.since(0, 100, 100)] == list(range(1, 31))
    assert [problem.path for problem in store.problems] == [path.name]
    store.close()


def test_foreign_files_and_missing_segments_are_no_matter(sealed: Path) -> None:
    second(sealed).unlink()
    (sealed / "notes.txt").write_text("hello")
    (sealed / "20261123-0000000009.parquet").write_text("not ours")
    (sealed / "20261123-0000000009.ndjson.bak").write_text("not ours")
    (sealed / "sub").mkdir()
    store = EmbeddedStore(sealed)
    assert [event.seq for event in store.since(0, 100, 100)] == OTHERS
    store.close()


def test_an_empty_hot_segment_is_no_matter(sealed: Path, make: Make) -> None:
    (sealed / "20261123-0000000010.ndjson").write_bytes(b"")
    for readonly in (True, False):
        store = EmbeddedStore(sealed, readonly=readonly)
        assert len(store.search(ALWAYS, EVER, 100)) == 30
        if not readonly:
            store.append([make(31)])
            assert len(store.search(ALWAYS, EVER, 100)) == 31
        store.close()


def noise(number: int) -> str:
    """Return text that does not compress."""
    return random.Random(number).randbytes(1500).hex()  # noqa: S311  content, nothing secret


def test_a_full_disk_loses_nothing_acknowledged_and_the_store_goes_on_after_it(small_disk: Path, make: Make) -> None:
    folder = small_disk / "store"
    store = EmbeddedStore(folder)
    (small_disk / "ballast").write_bytes(b"x" * (6 << 20))
    kept, number, refused = [], 0, 0
    while refused < 3:
        batch = [make(number + offset, {"message": noise(number + offset)}) for offset in range(1, 21)]
        number += 20
        try:
            assert store.append(batch).stored == 20
            kept += [event.seq for event in batch]
        except StoreError as error:
            assert "takes nothing now" in str(error)  # noqa: PT017  which of the batches fails is not known before
            refused += 1
    assert [event.seq for event in store.since(0, 1 << 60, 10_000)] == kept
    with pytest.raises(StoreError, match="cannot be sealed now"):
        store.seal()
    assert any("cannot be sealed" in problem.reason for problem in store.problems)
    assert [event.seq for event in store.since(0, 1 << 60, 10_000)] == kept
    assert len(store.search(ALWAYS, EVER, 10_000)) == len(kept)
    assert not list(folder.glob("*.tmp"))
    (small_disk / "ballast").unlink()
    store.seal()
    assert store.append([make(number + 1)]).stored == 1
    assert [event.seq for event in store.since(0, 1 << 60, 10_000)] == [*kept, number + 1]
    store.close()
    again = EmbeddedStore(folder)
    assert [event.seq for event in again.since(0, 1 << 60, 10_000)] == [*kept, number + 1]
    again.close()
