"""One hot segment as its writer holds it, and how it is taken up again after a crash."""

import os
from itertools import count as counting
from pathlib import Path

from sentinel.core.durable import sync_folder
from sentinel.core.event import Event
from sentinel.store.codec import Encoder, day_of, decode, micros
from sentinel.store.engine import Problem
from sentinel.store.forming import Block, Gathering
from sentinel.store.ids import key_of
from sentinel.store.segments import Extent, Segment

_touches = counting(1)


class HotFile:
    """A growing NDJSON file. `write`, `sync`, `keep`: only what has been kept counts; `undo` takes writing back."""

    def __init__(self, path: Path, day: int, number: int) -> None:
        self.path = path
        self.day = day
        self.number = number
        self.fields: dict[str, tuple[int, int]] = {}
        self.keys: set[int] = set()
        self.rising = True
        self.touched = next(_touches)
        self.unsure = False
        self._extent: Extent | None = None
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._written = self.size = os.fstat(self._handle).st_size

    @property
    def count(self) -> int:
        """The number of events kept."""
        return self._extent.count if self._extent else 0

    @property
    def extent(self) -> Extent:
        """What the segment spans; raises ValueError if it is empty."""
        if self._extent is None:
            raise ValueError(f"{self.path.name} is empty")
        return self._extent

    def write(self, lines: bytes) -> None:
        """Write whole lines; raises OSError."""
        left = memoryview(lines)
        while left:
            done = os.write(self._handle, left)  # may be short without an error on a full disk
            self._written += done
            left = left[done:]

    def sync(self) -> None:
        """Make what was written survive a power cut; raises OSError."""
        try:
            os.fdatasync(self._handle)
        except OSError:
            self.unsure = True
            raise

    def keep(self, block: Block) -> None:
        """Count what was written, the lines of `block`, as kept."""
        extent, rising = block.extent, block.rising
        for name, (times, kinds) in block.fields.items():
            count, before_kinds = self.fields.get(name, (0, 0))
            self.fields[name] = (count + times, before_kinds | kinds)
        before = self._extent
        self.rising = self.rising and rising and (before is None or before.seq[1] < extent.seq[0])
        self._extent = extent if before is None else _sum(before, extent)
        self.keys.update(block.keys)
        self.size = self._written
        self.touched = next(_touches)

    def undo(self) -> None:
        """Cut off what was written and not kept; raises OSError."""
        os.ftruncate(self._handle, self.size)
        self._written = self.size

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _sum(one: Extent, two: Extent) -> Extent:
    return Extent(
        (min(one.seq[0], two.seq[0]), max(one.seq[1], two.seq[1])),
        one.count + two.count,
        (min(one.timestamp[0], two.timestamp[0]), max(one.timestamp[1], two.timestamp[1])),
        (min(one.ingested[0], two.ingested[0]), max(one.ingested[1], two.ingested[1])),
    )


def recovered(folder: Path, segment: Segment, encoder: Encoder) -> tuple[HotFile, list[Problem]]:
    """Take up a hot segment: a torn end is cut off, damaged lines are set apart, the rest is known again."""
    path = folder / segment.name
    problems: list[Problem] = []
    gathered = Gathering(segment.day)
    keys: set[int] = set()
    good: list[tuple[int, int]] = []
    bad: list[bytes] = []
    at = 0
    with path.open("rb") as file:
        for line in file:
            event = _event_in(line, segment.day)
            key = key_of(event.id) if event is not None else 0
            if event is None or key in keys:
                bad.append(line)
            else:
                encoder.note(event, gathered.census)
                keys.add(key)
                gathered.add(key, event.seq, micros(event.timestamp), micros(event.ingested), b"")
                good.append((at, at + len(line)))
            at += len(line)
    if bad:
        _set_apart(folder, segment.name, bad)
        torn = len(bad) == 1 and not bad[0].endswith(b"\n")
        problems.append(Problem(segment.name, "a torn last line" if torn else f"{len(bad)} damaged lines"))
        _rewrite(path, good)
    hot = HotFile(path, segment.day, segment.number)
    if keys:
        hot.keep(gathered.block())
    return hot, problems


def _event_in(line: bytes, day: int) -> Event | None:
    if not line.endswith(b"\n"):
        return None
    try:
        event = decode(line)
        return event if day_of(micros(event.ingested)) == day and isinstance(event.id, str) else None
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _set_apart(folder: Path, name: str, lines: list[bytes]) -> None:
    target = folder / "quarantine"
    target.mkdir(exist_ok=True, mode=0o750)
    with (target / f"{name}.lines").open("ab") as file:
        file.write(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(target)


def _rewrite(path: Path, good: list[tuple[int, int]]) -> None:
    aside = path.with_suffix(".ndjson.tmp")
    with path.open("rb") as old, aside.open("wb") as new:
        for start, end in good:
            old.seek(start)
            new.write(old.read(end - start))
        new.flush()
        os.fsync(new.fileno())
    aside.rename(path)
    sync_folder(path.parent)
