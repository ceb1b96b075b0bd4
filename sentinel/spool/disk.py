"""The spool on disk: what `Spool` promises, kept with segments, a lock, a head and a checkpoint."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from sentinel.core.clock import SystemClock
from sentinel.core.errors import SpoolError
from sentinel.core.event import Entry, Raw
from sentinel.core.ports import Clock
from sentinel.spool import checkpoint, survey
from sentinel.spool.checkpoint import Keeper
from sentinel.spool.commit import Committer
from sentinel.spool.files import SEGMENT_MAX, Disk, refuse_newer
from sentinel.spool.node import Whose
from sentinel.spool.quarantine import Problems, Quarantine, size_of
from sentinel.spool.reader import Reader
from sentinel.spool.record import RECORD_MAX, payload_of
from sentinel.spool.survey import Report, SpoolStats
from sentinel.spool.tail import Limits, Tail

SEGMENT_BYTES = 16 << 20
BYTES_MAX = 8 << 30
BALLAST_BYTES = 64 << 20
DISK_PERCENT_MAX = 95.0
_POLL_SECONDS = (0.005, 0.05)  # how often other processes' records are looked for: at first, and when it is quiet


class DiskSpool:
    """A folder of records, for any number of writing processes and one that commits.

    `write`, `put` and `try_put` return when the records survive kill -9 and a power cut. Opening it mends whatever
    a crash or a damaged disk left behind; nothing of that needs a person, all of it is told by `problems`. It is full
    when it holds `bytes_max`, or while the disk is filled to `disk_percent_max` by whomever. `disk` is the seam at
    which tests make a disk fail. A new folder becomes that of `node`; that of another node is refused.
    """

    def __init__(  # noqa: PLR0913  each is a limit of its own, all but the folder by name
        self,
        folder: Path,
        clock: Clock | None = None,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        bytes_max: int = BYTES_MAX,
        ballast_bytes: int = BALLAST_BYTES,
        disk_percent_max: float = DISK_PERCENT_MAX,
        checkpoint_seconds: float = 1.0,
        disk: Disk | None = None,
        node: int | None = None,
    ) -> None:
        segment = min(segment_bytes, bytes_max // 4, SEGMENT_MAX - 16 * RECORD_MAX)
        limits = Limits(segment, bytes_max, ballast_bytes, disk_percent_max)
        disk = disk or Disk()
        self._folder = folder
        self._problems = Problems()
        self._quarantine = Quarantine(folder, disk, self._problems)
        self._news = threading.Condition()
        self._published = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_newer(folder)
            self._tail = Tail(folder, clock or SystemClock(), disk, limits, self._problems, self._announce)
            self._tail.start(node)
        except OSError as error:
            raise SpoolError(f"the spool {folder} cannot be opened ({error.strerror or error})") from error
        self._reader = Reader(folder, self._tail.state, self._problems, self._quarantine)
        self._keeper = Keeper(self._tail.persist, checkpoint.load(folder)[0], checkpoint_seconds)
        self._committer = Committer(self._tail, self._keeper.flush)
        self._closed = False

    def _announce(self) -> None:
        with self._news:
            self._published += 1
            self._news.notify_all()

    async def write(self, raws: Sequence[Raw], /) -> int:
        """Return the last record's sequence once all of `raws` survive a crash; waits while the spool is full.

        Raises SpoolError for a record that is too long (nothing is written then), and for good if the disk fails.
        A caller that is cancelled meanwhile still finds all of them written.
        """
        payloads = [payload_of(raw) for raw in raws]
        return await self._committer.write(payloads) if payloads else self._tail.state().floor

    def put(self, raws: Sequence[Raw], /) -> int:
        """Do as `write` does, from a thread: blocks until the records survive a crash."""
        payloads = [payload_of(raw) for raw in raws]
        return self._committer.put(payloads) if payloads else self._tail.state().floor

    def try_put(self, raws: Sequence[Raw], /) -> int:
        """Do as `put` does, but raise SpoolFullError with nothing written where `put` would wait for room."""
        payloads = [payload_of(raw) for raw in raws]
        return self._committer.put(payloads, patient=False) if payloads else self._tail.state().floor

    @property
    def whose(self) -> Whose:
        """Which node it belongs to, and what tells it from every other spool; raises SpoolError."""
        return self._tail.named()

    def hurry(self) -> None:
        """From now on let nobody wait: `write` and `put` raise SpoolFullError where they would, `wait` returns."""
        self._committer.hurry()
        self._announce()

    def read(self, after: int, limit: int) -> list[Entry]:
        """Return up to `limit` durable records with a sequence above `after`, in order; damage is stepped over."""
        return self._reader.read(after, limit)

    def wait(self, after: int, timeout_seconds: float) -> bool:
        """Wait until there is a durable record above `after`; False if time ran out first, or there is to be hurry.

        A record that turns out to be damaged counts as there once, until `read` has stepped over it.
        """
        deadline = monotonic() + timeout_seconds
        pause, longest = _POLL_SECONDS
        while True:
            published = self._published
            if self._reader.beyond(after, self._tail.state()):
                return True
            left = deadline - monotonic()
            if left <= 0 or self._committer.hurried:
                return False
            with self._news:
                if self._published == published:
                    self._news.wait(min(left, pause))
            pause = min(pause * 1.5, longest)

    def commit(self, seq: int) -> None:
        """Remember that every record up to `seq` has been dealt with; they may be reclaimed.

        Cheap: it is written down at most once a second. After a crash a little is read again.
        """
        self._keeper.commit(seq)

    @property
    def last(self) -> int:
        """The sequence of the newest durable record; 0 if there never was one."""
        return self._tail.state().last

    @property
    def committed(self) -> int:
        """The highest sequence handed to `commit`, by this or an earlier process; 0 if none was."""
        return self._keeper.committed

    @property
    def full(self) -> bool:
        """Say whether somebody in this process waits for room."""
        return self._committer.full

    def flush(self) -> None:
        """Write the checkpoint down now; raises SpoolError if that cannot be done."""
        try:
            self._keeper.flush()
        except OSError as error:
            raise SpoolError(f"the checkpoint of {self._folder} cannot be written ({error.strerror})") from error

    def stats(self) -> SpoolStats:
        """Say how full the spool is and what is wrong with it."""
        state = self._tail.state()
        committed = max(self._keeper.committed, checkpoint.load(self._folder)[0])
        first = self._reader.read(committed, 1)
        return SpoolStats(
            records=max(0, state.last - first[0].seq + 1) if first else 0,
            bytes=state.total,
            oldest=first[0].written if first else None,
            segments=survey.segments(self._folder),
            quarantined_bytes=size_of(self._folder),
            committed=committed,
            last_seq=state.floor,
            full=self._tail.why_full(),
            problems=self.problems,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What opening and reading it in this process came upon: damage, what is missing, what cannot be written."""
        return self._problems.all()

    def fsck(self) -> Report:
        """Read every durable record of every segment; damage is copied to quarantine and reported.

        What opening and earlier reading came upon is reported with it.
        """
        return survey.fsck(self._folder, self._tail.state(), self._problems, self._quarantine)

    def close(self) -> None:
        """Write what was handed in and the checkpoint, then let go of the folder; safe to call again."""
        if self._closed:
            return
        self._closed = True
        self._committer.close()
        self._keeper.close()
        with suppress(OSError, SpoolError):  # only costs reading again
            self._keeper.flush()
        self._tail.close()

    def __enter__(self) -> Self:
        """Return the spool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
