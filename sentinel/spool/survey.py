"""Looking at a spool without touching it: how full it is, whether it is sound, what lies in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sentinel.core.event import Entry
from sentinel.core.ports import Spool
from sentinel.spool import checkpoint
from sentinel.spool.files import listing
from sentinel.spool.head import State
from sentinel.spool.node import before
from sentinel.spool.quarantine import Problems, Quarantine
from sentinel.spool.reader import Reader

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """How full a spool is.

    `records` are durable and not committed (exact unless some were lost to damage among them), `oldest` is when the
    first of them was written, `bytes` all segments with what is committed in them, `last_seq` the highest sequence
    ever used, `full` why whoever wrote last found no room (empty if there is some), `problems` what opening and
    reading it came upon.
    """

    records: int
    bytes: int
    oldest: datetime | None
    segments: int
    quarantined_bytes: int
    committed: int
    last_seq: int
    full: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What reading a whole spool found: how many records can be read, their last sequence, and what is wrong."""

    records: int
    bytes: int
    segments: int
    last_seq: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.problems


def settled_before(spool: Spool, committed: int, now: datetime) -> datetime:
    """Return the moment before which all that came is among the records up to `committed`: `now` if none waits.

    `now` is taken before `committed` is looked up, and that before this is asked.
    """
    waiting = spool.read(committed, 1)
    return min(now, waiting[0].written) if waiting else now


def segments(folder: Path) -> int:
    """Return the number of segments."""
    return len(listing(folder).sizes)


def _end(folder: Path, state: State | None) -> State:
    sizes = listing(folder).sizes
    if state is not None or not sizes:
        return state or State(0, 0, 0, before(folder), 0)
    last = max(sizes)
    return State(last, sizes[last], 0, before(folder), sum(sizes.values()))


def fsck(
    folder: Path, state: State | None = None, problems: Problems | None = None, quarantine: Quarantine | None = None
) -> Report:
    """Read every record of the folder up to the durable end, or to the end of all files if that is not known.

    Without a quarantine nothing is changed. Problems already known are reported again.
    """
    problems = problems or Problems()
    found = listing(folder)
    for name in found.foreign:
        problems.say(f"{name!r} does not belong into the spool; it is left alone")
    committed, problem = checkpoint.load(folder)
    if problem:
        problems.say(problem)
    end = _end(folder, state)
    records = last = 0
    reader = Reader(folder, lambda: end, problems, quarantine)
    while entries := reader.read(last, _BATCH):
        records += len(entries)
        last = entries[-1].seq
    if committed > max(last, end.floor):
        problems.say(f"the checkpoint says {committed}, but the last record is {last}")
    return Report(records, sum(found.sizes.values()), len(found.sizes), last, problems.all())


def cat(folder: Path, after: int = 0) -> Iterator[Entry]:
    """Yield every record above `after` of a folder that nobody needs to have open; damage is stepped over."""
    end = _end(folder, None)
    reader = Reader(folder, lambda: end, Problems(), None)
    while entries := reader.read(after, _BATCH):
        yield from entries
        after = entries[-1].seq
