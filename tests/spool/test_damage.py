"""Damage hurts only what it hit: neighbours are delivered, nothing corrupt is, the range is kept for a look."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Raw
from sentinel.core.kill import point
from sentinel.spool.disk import DiskSpool
from sentinel.spool.record import HEADER, Stretch, payload_of, record

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of its own is made there
Raws = Callable[..., Sequence[Raw]]
Opener = Callable[..., DiskSpool]
COUNT = 60


def offsets(path: Path) -> list[int]:
    """Return where each record of a sound segment begins, and its end."""
    return [0, *(end for _, end in Stretch(path.read_bytes(), int(path.stem), 0).walk(0))]


def quarantined(folder: Path) -> dict[str, bytes]:
    """Return what lies in quarantine."""
    return {path.name: path.read_bytes() for path in (folder / "quarantine").glob("*")}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Change bytes of a file behind the spool's back."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("keep_head", [True, False], ids=["running on", "after a power cut"])
@pytest.mark.parametrize("victim", [0, 5, COUNT - 1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("byte", [0, 1, 5, 8, 9, 17, 25, 33, 39, HEADER + 60], ids=lambda at: f"byte {at}")
def test_a_bit_flip_costs_one_record(
    opened: Opener, raws: Raws, folder: Path, byte: int, victim: int, *, keep_head: bool
) -> None:
    spool = opened(segment_bytes=1 << 20)
    spool.put(raws(0, COUNT, 100))
    spool.close()
    (segment,) = folder.glob("*.seg")
    starts = offsets(segment)
    data = segment.read_bytes()
    overwrite(segment, starts[victim] + byte, bytes([data[starts[victim] + byte] ^ 0x10]))
    if not keep_head:
        (folder / "head").unlink()
    damaged = segment.read_bytes()[starts[victim] : starts[victim + 1]]
    spool = opened(segment_bytes=1 << 20)
    expected = [one for number, one in enumerate(raws(0, COUNT, 100)) if number != victim]
    assert [entry.raw for entry in spool.read(0, 1000)] == expected
    assert list(quarantined(folder).values()) == [damaged]
    assert spool.stats().quarantined_bytes == len(damaged)
    assert len(spool.stats().problems) == 1
    after = spool.read(0, 1000)[-1].seq
    assert not spool.wait(after, 0.01)
    assert spool.put(raws(COUNT, COUNT + 1)) > COUNT - 1 + (victim != COUNT - 1)
    assert [entry.raw for entry in spool.read(after, 10)] == list(raws(COUNT, COUNT + 1))
    spool.close()
    assert [entry.raw for entry in opened().read(0, 1000)] == [*expected, *raws(COUNT, COUNT + 1)]
    assert len(quarantined(folder)) == 1


@pytest.mark.parametrize("filling", [b"\0", b"\xfe", b"\xff", b"A", b"\xfe\0\0\0\0\x40\0\0\0"], ids=repr)
def test_a_block_of_foreign_bytes_in_a_sealed_segment_is_stepped_over(
    opened: Opener, raws: Raws, folder: Path, filling: bytes
) -> None:
    spool = opened(segment_bytes=32 << 10)
    spool.put(raws(0, 600, 200))
    spool.close()
    sealed = sorted(folder.glob("*.seg"))[1]
    starts = offsets(sealed)
    block = (filling * 4096)[:4096]
    overwrite(sealed, 8192, block)
    spool = opened()
    first = int(sealed.stem)
    hit = {first + n for n in range(len(starts) - 1) if starts[n] < 8192 + 4096 and starts[n + 1] > 8192}
    entries = spool.read(0, 1000)
    assert [entry.seq for entry in entries] == [seq for seq in range(1, 601) if seq not in hit]
    assert [entry.raw for entry in entries] == [raws(entry.seq - 1, entry.seq, 200)[0] for entry in entries]
    (kept,) = quarantined(folder).values()
    assert block in kept
    assert spool.stats().quarantined_bytes == len(kept)


@pytest.mark.parametrize("byte", [0, 1, 5, 8, 9, 17, 25, 33, 39, HEADER + 60], ids=lambda at: f"byte {at}")
def test_a_bit_flip_in_each_sealed_segment_costs_one_record_of_each(
    opened: Opener, raws: Raws, folder: Path, byte: int
) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 200, 100))
    spool.close()
    *sealed, _ = sorted(folder.glob("*.seg"))
    assert len(sealed) > 3
    hit, kept = set(), []
    for segment in sealed:
        start, end = offsets(segment)[3:5]
        data = segment.read_bytes()
        overwrite(segment, start + byte, bytes([data[start + byte] ^ 0x04]))
        kept.append(segment.read_bytes()[start:end])
        hit.add(int(segment.stem) + 3)
    spool = opened(segment_bytes=4096)
    found = [(entry.seq, entry.raw) for entry in spool.read(0, 1000)]
    assert found == [(n, one) for n, one in enumerate(raws(0, 200, 100), 1) if n not in hit]
    assert sorted(quarantined(folder).values()) == sorted(kept)
    assert len(spool.problems) == len(sealed)


@pytest.mark.parametrize(
    "tail", [b"\xfe", b"\0" * 5000, os.urandom(3000), b"torn"], ids=["one byte", "NUL", "noise", "text"]
)
def test_a_torn_tail_is_moved_aside_once(opened: Opener, raws: Raws, folder: Path, tail: bytes) -> None:
    spool = opened(segment_bytes=1 << 20)
    spool.put(raws(0, 20))
    spool.close()
    (segment,) = folder.glob("*.seg")
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(tail)
    for again in range(2):
        spool = opened(segment_bytes=1 << 20)
        assert spool.fsck().sound == bool(again)
        assert len(spool.read(0, 100)) == 20
        assert segment.stat().st_size == size
        assert list(quarantined(folder)) == [f"{1:020}-{size:010}-{len(tail)}.bad"]
        assert list(quarantined(folder).values()) == [tail]
        spool.close()
    assert opened().put(raws(20, 21)) == 21


def test_a_record_torn_in_two_is_cut_off_and_its_sequence_not_used_again(
    opened: Opener, raws: Raws, folder: Path
) -> None:
    spool = opened(segment_bytes=1 << 20)
    spool.put(raws(0, 20))
    spool.close()
    (segment,) = folder.glob("*.seg")
    for name in ("head", "checkpoint"):
        (folder / name).unlink(missing_ok=True)
    os.truncate(segment, segment.stat().st_size - 7)
    spool = opened()
    assert [entry.seq for entry in spool.read(0, 100)] == list(range(1, 20))
    assert spool.put(raws(20, 21)) == 21
    assert [entry.seq for entry in spool.read(19, 100)] == [21]


def test_a_record_hidden_in_the_body_of_another_is_never_delivered(opened: Opener, raws: Raws, folder: Path) -> None:
    forged = payload_of(raws(666, 667)[0])
    lure = b"".join(record(forged, 1, at, 2, 0) for at in range(40))
    (carrier,) = raws(0, 1)
    spool = opened(segment_bytes=1 << 20)
    spool.put([Raw(lure, carrier.source, carrier.received, carrier.origin), *raws(1, 2)])
    spool.close()
    (segment,) = folder.glob("*.seg")
    overwrite(segment, 0, b"\0")
    assert [entry.raw for entry in opened().read(0, 10)] == list(raws(1, 2))


def test_a_good_record_in_the_wrong_place_is_none(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(segment_bytes=1 << 20)
    spool.put(raws(0, 20))
    spool.close()
    (segment,) = folder.glob("*.seg")
    starts, data = offsets(segment), segment.read_bytes()
    overwrite(segment, starts[7], data[starts[3] : starts[4]])
    entries = opened().read(0, 100)
    assert 8 not in [entry.seq for entry in entries]
    assert len({entry.seq for entry in entries}) == len(entries) >= 18


@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(["flip", "zero", "noise", "cut", "swap"]), st.integers(0, 30_000), st.integers(1, 700)
        ),
        min_size=1,
        max_size=4,
    ),
    keep_head=st.booleans(),
)
def test_whatever_happens_to_the_bytes_nothing_false_is_delivered(
    *, faults: list[tuple[str, int, int]], keep_head: bool
) -> None:
    with TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        originals: dict[int, Raw] = {}
        with DiskSpool(folder, ballast_bytes=0, segment_bytes=8192) as spool:
            for _ in range(3):
                spool.put([_numbered(n) for n in range(len(originals), len(originals) + 40)])
                originals = {entry.seq: entry.raw for entry in spool.read(0, 1000)}
        for kind, where, length in faults:
            _spoil(folder, kind, where, length)
        if not keep_head:
            (folder / "head").unlink()
        with DiskSpool(folder, ballast_bytes=0, segment_bytes=8192) as spool:
            entries = spool.read(0, 1000)
            assert all(originals[entry.seq] == entry.raw for entry in entries)
            assert len({entry.seq for entry in entries}) == len(entries)
            new = spool.put([_numbered(900)])
            assert new > max([entry.seq for entry in entries], default=0)
            assert [entry.raw for entry in spool.read(new - 1, 10)] == [_numbered(900)]
        with DiskSpool(folder, ballast_bytes=0) as spool:
            assert [entry.seq for entry in spool.read(0, 1000)] == [*(entry.seq for entry in entries), new]


def _numbered(number: int) -> Raw:
    from datetime import UTC, datetime  # noqa: PLC0415  a helper of one test

    from sentinel.core.event import Origin  # noqa: PLC0415  a helper of one test

    return Raw(b"record %d " % number * 10, "s", datetime(2026, 1, 1, tzinfo=UTC), Origin("stdin"))


def _spoil(folder: Path, kind: str, where: int, length: int) -> None:
    segments = sorted(folder.glob("*.seg"))
    sizes = [path.stat().st_size for path in segments]
    where %= max(1, sum(sizes))
    for path, size in zip(segments, sizes, strict=True):
        if where < size:
            data = bytearray(path.read_bytes())
            end = min(size, where + length)
            match kind:
                case "flip":
                    data[where] ^= 1 << length % 8
                case "zero":
                    data[where:end] = bytes(end - where)
                case "noise":
                    data[where:end] = os.urandom(end - where)
                case "cut":
                    del data[where:]
                case _:
                    data[where:end] = data[: end - where]
            path.write_bytes(data)
            return
        where -= size


def test_foreign_things_in_the_folder_are_left_alone_and_said(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 100, 200))
    spool.close()
    (folder / "notes.txt").write_text("left by somebody")
    (folder / f"{5:020}.seg").mkdir()
    (folder / "123.seg").write_bytes(b"x")
    (folder / f"{0:020}.seg").write_bytes(b"x")
    (folder / f"{10**19:020}.seg").write_bytes(b"x")
    (folder / f"{7:020}.seg").symlink_to("/etc/passwd")
    (folder / "head").unlink()
    spool = opened(segment_bytes=4096)
    assert len(spool.read(0, 1000)) == 100
    assert len([problem for problem in spool.stats().problems if "does not belong" in problem]) == 6
    spool.put(raws(100, 200, 200))
    spool.commit(200)
    spool.close()
    assert (folder / "notes.txt").read_text() == "left by somebody"


def test_empty_segments_do_no_harm(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 100, 200))
    spool.close()
    segments = sorted(folder.glob("*.seg"))
    os.truncate(segments[2], 0)
    (folder / f"{int(segments[3].stem) + 1:020}.seg").touch()
    (folder / f"{101:020}.seg").touch()
    (folder / "head").unlink()
    spool = opened(segment_bytes=4096)
    assert spool.put(raws(100, 101)) == 101
    lost = int(segments[3].stem) - int(segments[2].stem)
    seqs = [entry.seq for entry in spool.read(0, 1000)]
    assert len(seqs) == 101 - lost
    assert seqs == sorted(seqs)


def test_a_missing_segment_is_said_and_stepped_over(opened: Opener, raws: Raws, folder: Path) -> None:
    spool = opened(segment_bytes=4096)
    spool.put(raws(0, 100, 200))
    spool.close()
    segments = sorted(folder.glob("*.seg"))
    segments[2].unlink()
    spool = opened(segment_bytes=4096)
    seqs = [entry.seq for entry in spool.read(0, 1000)]
    first, following = int(segments[2].stem), int(segments[3].stem)
    assert seqs == [seq for seq in range(1, 101) if not first <= seq < following]
    assert spool.stats().problems == (f"records {first} to {following - 1} are missing",)
    assert spool.fsck().problems == (f"records {first} to {following - 1} are missing",)


@pytest.mark.parametrize("head", [b"", bytes(256), b"\xff" * 256, b"SNTLHD1\n" * 40])
def test_a_broken_head_is_found_anew(opened: Opener, raws: Raws, folder: Path, head: bytes) -> None:
    spool = opened()
    spool.put(raws(0, 10))
    (folder / "head").write_bytes(head)
    assert len(spool.read(0, 100)) == 10
    assert spool.put(raws(10, 20)) == 20
    spool.close()
    (folder / "head").write_bytes(head)
    assert len(opened().read(0, 100)) == 20


def test_files_removed_while_two_objects_write_do_not_part_them(opened: Opener, raws: Raws, folder: Path) -> None:
    one, two = opened(segment_bytes=4096), opened(segment_bytes=4096)
    for round_ in range(6):
        (folder / ("head", "spool.lock")[round_ % 2]).unlink()
        for number, spool in enumerate((one, two, opened(segment_bytes=4096))):
            start = 90 * round_ + 30 * number
            spool.put(raws(start, start + 30, 100))
    assert [entry.raw for entry in one.read(0, 1000)] == list(raws(0, 540, 100))
    assert [entry.seq for entry in two.read(0, 1000)] == list(range(1, 541))


def test_a_point_nobody_named_is_passed() -> None:
    point("spool.after_write")
