"""The power fails between any two steps, and the disk keeps as little as it may: what was acknowledged is there.

A run on real files is recorded call by call. For each seed the recording is cut somewhere, a folder is built as the
disk might have it then, and the spool is opened on it. The disk of this model keeps what was synchronised; of the rest
it keeps, for each file, some of the calls, with 512-byte sectors missing, and of names in a folder some of the changes
since the folder was synchronised. A write is taken in several pieces, so the power also fails between those of one
commit (after Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
"""

import os
import random
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from sentinel.core.errors import SentinelError
from sentinel.core.event import Raw
from sentinel.spool import head, record
from sentinel.spool.disk import DiskSpool
from sentinel.spool.files import HEAD, QUARANTINE, Disk

Raws = Callable[..., Sequence[Raw]]
SEEDS = int(os.environ.get("SENTINEL_POWER_CUTS", "2000"))
SECTOR = 512


class Step(NamedTuple):
    """One recorded call: on which file (or folder's name), what, where, and the bytes or names."""

    kind: str
    file: int
    at: int = 0
    data: bytes = b""
    names: tuple[tuple[str, int], ...] = ()


@dataclass
class Recorder(Disk):
    """A disk that does everything and remembers it. `lies` names calls that it only pretends to do."""

    folder: Path
    lies: frozenset[str] = frozenset()
    steps: list[Step] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  faults, not secrets
    _names: dict[str, int] = field(default_factory=dict)
    _fds: dict[int, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def note(self, step: Step) -> None:
        """Remember a step, and what the head file says by then."""
        with self._lock:
            self.steps.append(step)
            path = self.folder / HEAD
            self.heads.append(path.read_bytes() if path.exists() else b"")

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder))

    def open(self, path: Path, flags: int) -> int:
        with self._lock:
            name, new = self._name(path), not path.exists()
            fd = super().open(path, flags)
            if new:
                self._names[name] = len(self.steps) + 1
                self.note(Step("name", 0, names=((name, self._names[name]),)))
            self._fds[fd] = self._names[name]
            if flags & os.O_TRUNC and not new:
                self.note(Step("truncate", self._fds[fd]))
            return fd

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Take all of it, or one of several pieces."""
        with self._lock:
            part = data[: self.chance.choice([len(data), 1 + len(data) // 3])]
            self.note(Step("write", self._fds[fd], os.fstat(fd).st_size, bytes(part)))
            return super().write(fd, part)

    def truncate(self, fd: int, size: int) -> None:
        self.note(Step("truncate", self._fds[fd], size))
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        if "sync" not in self.lies:
            self.note(Step("sync", self._fds[fd]))

    def sync_folder(self, path: Path) -> None:  # noqa: ARG002  the model has one folder
        if "sync_folder" not in self.lies:
            self.note(Step("sync_folder", 0))

    def rename(self, old: Path, new: Path) -> None:
        with self._lock:
            file = self._names.pop(self._name(old))
            self._names[self._name(new)] = file
            self.note(Step("name", 0, names=((self._name(new), file), (self._name(old), 0))))
            super().rename(old, new)

    def unlink(self, path: Path) -> None:
        with self._lock:
            if self._names.pop(self._name(path), None) is not None:
                self.note(Step("name", 0, names=((self._name(path), 0),)))
            super().unlink(path)


class Platter:
    """What a disk holds: for each file what is certain and what is on its way, for names likewise."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._certain: dict[int, bytearray] = {}
        self._pending: dict[int, list[Step]] = {}
        self._names: dict[str, int] = {}
        self._renamings: list[Step] = []

    def apply(self, step: Step) -> None:
        """Take in one step before the power fails."""
        match step.kind:
            case "write" | "truncate":
                self._pending.setdefault(step.file, []).append(step)
            case "sync":
                for one in self._pending.pop(step.file, []):
                    self._do(self._certain.setdefault(step.file, bytearray()), one)
            case "name":
                self._renamings.append(step)
            case "sync_folder":
                for one in self._renamings:
                    self._rename(one)
                self._renamings.clear()
            case _:
                pass

    @staticmethod
    def _do(content: bytearray, step: Step) -> None:
        if step.kind == "truncate":
            del content[step.at :]
        else:
            content.extend(bytes(max(0, step.at - len(content))))
            content[step.at : step.at + len(step.data)] = step.data

    def _rename(self, step: Step) -> None:
        for name, file in step.names:
            if file:
                self._names[name] = file
            else:
                self._names.pop(name, None)

    def fail(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each file that is there when the power is back."""
        for one in self._renamings[: self._chance.randint(0, len(self._renamings))]:
            self._rename(one)
        for name, file in self._names.items():
            content = bytearray(self._certain.get(file, b""))
            for one in self._kept(self._pending.get(file, [])):
                self._do(content, self._torn(one))
            yield name, bytes(content)

    def _kept(self, pending: Sequence[Step]) -> list[Step]:
        # the first calls, or any of them: pages are written back as the kernel likes, sizes in order
        first = list(pending[: self._chance.randint(0, len(pending))])
        if self._chance.random() < 0.5:
            return first
        return [one for one in first if one.kind == "truncate" or self._chance.random() < 0.5]

    def _torn(self, step: Step) -> Step:
        data = bytearray(step.data)
        if self._chance.random() < 0.5:
            del data[self._chance.randint(0, len(data)) :]
        if self._chance.random() < 0.5:
            for at in range(-(step.at % SECTOR), len(data), SECTOR):
                if self._chance.random() < 0.3:
                    start = max(0, at)
                    data[start : at + SECTOR] = bytes(len(data[start : at + SECTOR]))
        return step._replace(data=bytes(data))


def recorded(raws: Raws, lies: frozenset[str] = frozenset(), *, early: bool = False) -> Recorder:
    """Record a run: writing, reading, committing, rotating and reclaiming. Marks say what was acknowledged when.

    With `early` that is said before the records are handed in.
    """
    with TemporaryDirectory() as name:
        disk = Recorder(Path(name), lies)
        number = 0
        with DiskSpool(Path(name), segment_bytes=2048, ballast_bytes=0, disk=disk) as spool:
            for count in [1, 5, 3, 30, 2, 8, 1, 13, 4, 6, 21, 1, 9, 2, 17, 7]:
                if early:
                    disk.note(Step("acked", 0, number + count))
                last = spool.put(raws(number, number + count, 90))
                number += count
                disk.note(Step("acked", 0, last))
                if count % 4 == 1:
                    disk.note(Step("committing", 0, max(1, last - 5)))
                    spool.commit(max(1, last - 5))
                    spool.flush()
    return disk


def broken_promise(disk: Recorder, raws: Raws, seed: int, place: Path) -> str:
    """Let the power fail as `seed` says; returns what the spool then gets wrong, "" if nothing."""
    chance = random.Random(seed)  # noqa: S311  faults, not secrets
    writing = [number for number, step in enumerate(disk.steps, 1) if step.kind == "write"]
    until = chance.choice(writing) if seed % 2 else chance.randint(0, len(disk.steps))
    platter, acked, committing = Platter(chance), 0, 0
    for step in disk.steps[:until]:
        platter.apply(step)
        acked = step.at if step.kind == "acked" else acked
        committing = step.at if step.kind == "committing" else committing
    folder = place / str(seed)
    (folder / QUARANTINE).mkdir(parents=True)
    for name, content in platter.fail():
        if name != HEAD:
            (folder / name).write_bytes(content)
    if until and chance.random() < 0.7:
        (folder / HEAD).write_bytes(disk.heads[chance.randint(0, until - 1)])
    with DiskSpool(folder, segment_bytes=2048, ballast_bytes=0, disk=Unhurried()) as spool:
        if spool.committed > committing:
            return f"committed {spool.committed}, asked for {committing}"
        entries = spool.read(spool.committed, 1000)
        seqs = [entry.seq for entry in entries]
        if any(entry.raw != raws(entry.seq - 1, entry.seq, 90)[0] for entry in entries) or seqs != sorted(set(seqs)):
            return "a false record"
        missing = set(range(spool.committed + 1, acked + 1)) - set(seqs)
        if missing:
            return f"acknowledged and lost: {sorted(missing)}"
        new = spool.put(raws(5000, 5001))
        if new <= max([acked, *seqs]):
            return f"sequence {new} was used before"
        if [entry.raw for entry in spool.read(new - 1, 10)] != list(raws(5000, 5001)):
            return "it does not go on"
    return ""


class Unhurried(Disk):
    """A disk that is not asked to be durable: the power fails only once in each run."""

    def sync(self, fd: int) -> None:
        """Do nothing."""

    def sync_folder(self, path: Path) -> None:
        """Do nothing."""


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder in memory, if the system has such: thousands of spools are made in it."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of its own is made there
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def rebooting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the machine seem to have been started for the n-th time."""
    return lambda time: monkeypatch.setattr(head, "boot_id", lambda: bytes([time]) * 16)


def test_after_a_power_cut_all_that_was_acknowledged_is_there(
    raws: Raws, place: Path, rebooting: Callable[[int], None]
) -> None:
    rebooting(1)
    disk = recorded(raws)
    rebooting(2)
    kinds = [step.kind for step in disk.steps]
    assert set(kinds) >= {"write", "sync", "name", "sync_folder", "acked", "committing"}
    assert any(pair == ("write", "write") for pair in pairwise(kinds)), "no write was short"
    wrong = {seed: what for seed in range(SEEDS) if (what := broken_promise(disk, raws, seed, place))}
    assert not wrong
    assert len(list(place.glob(f"*/{QUARANTINE}/*.bad"))) > SEEDS / 20  # the power did fail within records


def noticed(disk: Recorder, raws: Raws, place: Path) -> int:
    """Return in how many of a hundred power cuts something is wrong with what a faulty variant left."""
    wrong = 0
    for seed in range(100):
        try:
            wrong += bool(broken_promise(disk, raws, seed, place))
        except (ValueError, OverflowError, struct.error, SentinelError):  # what it takes for a record is none
            wrong += 1
    return wrong


@pytest.mark.parametrize("lie", ["sync", "sync_folder"])
def test_the_model_notices_what_is_not_synchronised(
    raws: Raws, place: Path, rebooting: Callable[[int], None], lie: str
) -> None:
    rebooting(1)
    disk = recorded(raws, lies=frozenset({lie}))
    rebooting(2)
    assert noticed(disk, raws, place) > 50


def test_the_model_notices_what_is_acknowledged_before_it_is_written(
    raws: Raws, place: Path, rebooting: Callable[[int], None]
) -> None:
    rebooting(1)
    disk = recorded(raws, early=True)
    rebooting(2)
    assert noticed(disk, raws, place) > 50


def test_the_model_notices_records_without_a_checksum(
    raws: Raws, place: Path, rebooting: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_crc32c", lambda _: 0)
    rebooting(1)
    disk = recorded(raws)
    rebooting(2)
    assert noticed(disk, raws, place) > 2
