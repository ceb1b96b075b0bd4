"""The end at which the spool grows: lock, recover, append, make durable, publish; and the reclaiming of what is done.

Everything here that changes the folder happens under an exclusive `flock`, so any number of processes may write.
The state in `head` is marked dirty before and clean after each change; whoever takes the lock and finds it dirty, or
finds a segment of another size than it says, reads the last segment anew before doing anything else.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NoReturn

from sentinel.core.errors import SpoolError, SpoolFullError
from sentinel.core.event import RECORDS_MAX
from sentinel.core.kill import point
from sentinel.core.ports import Clock
from sentinel.core.room import FULL
from sentinel.spool import checkpoint
from sentinel.spool.files import BALLAST, LOCK, Disk, listing, segment_path, write_whole
from sentinel.spool.head import Head, State
from sentinel.spool.node import Whose, before, named, settle
from sentinel.spool.quarantine import Problems, Quarantine
from sentinel.spool.reader import read_range
from sentinel.spool.record import HEADER, Stretch, microseconds, record

AT_ONCE_MAX = 1000
"""Records that one write and one fdatasync make durable together."""

_APPEND = os.O_RDWR | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Limits:
    """How large things get: a segment, the whole spool, the reserve for a full disk (bytes), the disk (percent)."""

    segment: int
    total: int
    ballast: int
    disk: float


class Tail:
    """The writing end of one spool folder, for one process."""

    def __init__(
        self, folder: Path, clock: Clock, disk: Disk, limits: Limits, problems: Problems, published: Callable[[], None]
    ) -> None:
        self._folder, self._clock, self._disk, self._limits = folder, clock, disk, limits
        self._problems, self._published = problems, published
        self._quarantine = Quarantine(folder, disk, problems)
        self._mutex = threading.Lock()  # flock does not part threads that share a descriptor
        self._lock_fd = disk.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        self._fd, self._segment = -1, 0
        self._broken: SpoolError | None = None
        self._before = 0
        self.head = Head(folder, disk)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._mutex:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            while os.fstat(self._lock_fd).st_nlink == 0:  # somebody removed the file: follow the name
                os.close(self._lock_fd)
                self._lock_fd = self._disk.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT)
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            try:
                self.head.reopen_if_removed()
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def start(self, node: int | None) -> State:
        """Make the folder usable after whatever happened to it, and return the durable end.

        Raises SpoolError if it is another node's.
        """
        with self._locked():
            settle(self._folder, node)
            self._before = before(self._folder)
            state = self._current()
            self._provide_ballast()
            return state

    def state(self) -> State:
        """Return the durable end as last published; found anew if `head` does not tell it."""
        known = self.head.load()
        if known is not None:
            return known
        with self._locked():
            return self._current()

    def named(self) -> Whose:
        """Return whose spool it is, having given it a name if it has none; raises SpoolError."""
        with self._locked():
            try:
                return named(self._folder)
            except OSError as error:
                raise SpoolError(f"the spool {self._folder} cannot be given a name ({error.strerror})") from error

    def alive(self) -> None:
        """Raise the SpoolError that stopped this tail, if one did."""
        if self._broken is not None:
            raise self._broken

    def append(self, payloads: Sequence[bytes], *, whole: bool = False) -> tuple[int, int]:
        """Make the first of `payloads` durable; returns their first sequence and how many (at least one) were taken.

        Those are consecutive. With `whole` all are taken or none. Raises SpoolFullError if there is no room, SpoolError
        for good once the disk has refused to make bytes durable.
        """
        with self._locked():
            state = self._current()
            try:
                return self._append(state, payloads, whole=whole)
            except SpoolFullError:
                state = self._current()
                if not state.full:
                    self._publish(replace(state, full=True))
                raise

    def _append(self, state: State, payloads: Sequence[bytes], *, whole: bool) -> tuple[int, int]:
        self._want_disk()
        ahead = sum(map(len, payloads)) + HEADER * (len(payloads) - 1) if whole else len(payloads[0])
        if state.offset and state.offset + HEADER + ahead > self._limits.segment:
            state = self._rotate(state)
        block, count = self._block(state, payloads, whole=whole)
        self._write(state, block)
        last, size = state.floor + count, len(block)
        self._publish(State(state.segment, state.offset + size, last, last, state.total + size))
        return state.floor + 1, count

    def _want_disk(self) -> None:
        used, most = self._disk.used(self._folder), self._limits.disk
        if used >= most:
            raise SpoolFullError(
                f"the disk below {self._folder} is {used:.0f} % full; records are accepted below {most:g} %"
            )

    def why_full(self) -> str:
        """Return why whoever wrote last found no room; empty if somebody found room since."""
        state = self.state()
        if not state.full:
            return ""
        try:
            self._want_disk()
        except SpoolFullError as error:
            return str(error)
        return f"the last record found no room; {self._folder} holds {state.total:,} of {self._limits.total:,} bytes"

    def _block(self, state: State, payloads: Sequence[bytes], *, whole: bool) -> tuple[bytes, int]:
        room = self._limits.total - state.total if state.total else 1 << 62  # an empty spool takes anything once
        end, seq, written = state.offset, state.floor, microseconds(self._clock.now())
        if seq + len(payloads) >= self._before + RECORDS_MAX:
            self._fail("has used up its sequence numbers: go on with a new `node` and a new folder as `data`", None)
        records: list[bytes] = []
        for payload in islice(payloads, None if whole else AT_ONCE_MAX):
            size = HEADER + len(payload)
            if end - state.offset + size > room:
                if whole or not records:
                    raise SpoolFullError(f"the spool {self._folder} has reached its {self._limits.total} bytes")
                break
            if records and not whole and end + size > self._limits.segment:
                break
            seq += 1
            records.append(record(payload, state.segment, end, seq, written))
            end += size
        return b"".join(records), len(records)

    def _write(self, state: State, block: bytes) -> None:
        self._publish(replace(state, dirty=True))
        try:
            write_whole(self._disk, self._fd, block)
        except OSError as error:
            self._undo(state)
            if error.errno in FULL:
                raise SpoolFullError(f"the disk below {self._folder} is full") from error
            self._fail("cannot be written", error)
        point("spool.after_write")
        try:
            point("spool.before_fsync")
            self._disk.sync(self._fd)
        except OSError as error:
            # the kernel may have marked the lost pages clean: a second fsync would lie. What was not acknowledged is
            # taken away, so that nobody who opens the spool later believes in it
            with suppress(OSError):
                self._disk.truncate(self._fd, state.offset)
            self._fail("could not be made durable", error)
        point("spool.after_fsync")

    def _undo(self, state: State) -> None:
        try:
            self._disk.truncate(self._fd, state.offset)
        except OSError as error:
            self._fail("cannot be cut back to its last record", error)
        self._publish(state)

    def _publish(self, state: State) -> State:
        try:
            current = self.head.load()
            new = self.head.store(replace(state, version=max(state.version, current.version if current else 0)))
        except OSError as error:
            self._fail("cannot publish its end", error)
        if not new.dirty:
            self._published()
        return new

    def _fail(self, what: str, error: OSError | None) -> NoReturn:
        reason = f" ({error.strerror or error})" if error is not None else ""
        self._broken = SpoolError(
            f"the spool {self._folder} {what}{reason}: no further records are accepted. "
            "Look at the disk (dmesg, smartctl), then start Sentinel again; what was acknowledged is kept"
        )
        self._release()
        raise self._broken from error

    def _rotate(self, state: State) -> State:
        number = state.floor + 1
        while os.path.lexists(segment_path(self._folder, number)):
            number += 1
        self._publish(replace(state, dirty=True))
        try:
            fd = self._disk.open(segment_path(self._folder, number), _APPEND | os.O_CREAT | os.O_EXCL)
        except OSError as error:
            self._publish(state)
            if error.errno in FULL:
                raise SpoolFullError(f"the disk below {self._folder} has no room for another file") from error
            self._fail("cannot begin another segment", error)
        self._release()
        self._fd, self._segment = fd, number
        point("spool.rotate")
        try:
            self._disk.sync_folder(self._folder)
        except OSError as error:
            self._fail("could not make a segment's name durable", error)
        point("spool.rotated")
        return self._publish(State(number, 0, state.last, number - 1, state.total))

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._segment = -1, 0

    def _current(self) -> State:
        """Return the state if it can be trusted, having opened its segment; recover otherwise. Under the lock."""
        self.alive()
        known = self.head.load()
        if known is None or known.dirty:
            return self._recover()
        if known.segment != self._segment:
            self._release()
            try:
                self._fd = self._disk.open(segment_path(self._folder, known.segment), _APPEND)
            except FileNotFoundError:
                return self._recover()
            self._segment = known.segment
        status = os.fstat(self._fd)
        return known if status.st_nlink and status.st_size == known.offset else self._recover()

    def _recover(self) -> State:
        self._release()
        found = listing(self._folder)
        for name in found.foreign:
            self._problems.say(f"{name!r} does not belong into the spool; it is left alone")
        committed, problem = checkpoint.load(self._folder)
        if problem:
            self._problems.say(problem)
        floor = max(committed, self.head.hint())
        number = found.numbers[-1] if found.sizes else floor + 1
        if found.sizes and committed > self._before and committed + 1 < found.numbers[0]:
            self._problems.say(f"records {committed + 1} to {found.numbers[0] - 1} are missing: a segment was lost")
        try:
            self._fd = self._disk.open(segment_path(self._folder, number), _APPEND | os.O_CREAT)
            self._segment = number
            end, last, lost = self._scan(number)
            self._disk.sync(self._fd)  # the writer may have died before it could
            self._disk.sync_folder(self._folder)
        except OSError as error:
            self._fail("cannot be recovered", error)
        if committed > max(last, lost):
            self._problems.say(f"the checkpoint says {committed}, but the last record is {last}: going on behind both")
        total = sum(size for one, size in found.sizes.items() if one != number) + end
        return self._publish(State(number, end, last, max(floor, last, lost), total))

    def _scan(self, number: int) -> tuple[int, int, int]:
        """Read the last segment; returns its end, its last sequence, and the last that was lost with a torn end."""
        data = read_range(self._fd, 0, os.fstat(self._fd).st_size)
        stretch = Stretch(data, number, 0)
        offset, last = 0, number - 1
        while True:
            for seq, end in stretch.walk(offset):
                last, offset = max(last, seq), end
            if offset == len(data):
                return offset, last, 0
            good = stretch.resume(offset)
            self._quarantine.keep(number, offset, data[offset:good])
            if good is None:
                lost = stretch.claimed(offset)
                self._disk.truncate(self._fd, offset)
                return offset, last, lost
            offset = good

    def persist(self, seq: int) -> None:
        """Write the checkpoint, then remove what lies wholly below it; raises OSError, SpoolError."""
        with self._locked():
            if seq > checkpoint.load(self._folder)[0]:
                try:
                    checkpoint.save(self._disk, self._folder, seq)
                except OSError as error:
                    if error.errno not in FULL:
                        self._problems.say(f"the checkpoint cannot be written ({error.strerror})")
                        raise
                    self._disk.unlink(self._folder / BALLAST)
                    checkpoint.save(self._disk, self._folder, seq)
            if self._broken is None:
                self._reclaim(pressed=False)
                self._provide_ballast()

    def relieve(self) -> None:
        """Remove what lies wholly below the checkpoint, because the spool is full."""
        with self._locked():
            self._reclaim(pressed=True)

    def _reclaim(self, *, pressed: bool) -> None:
        committed, _ = checkpoint.load(self._folder)
        state = self._current()
        worth = pressed or state.offset >= self._limits.segment // 2
        if worth and state.offset and committed >= state.last:
            with suppress(SpoolFullError):  # then the last segment stays until there is room for a new name
                state = self._rotate(state)
        sizes = listing(self._folder).sizes
        done = [one for one, following in pairwise(sizes) if following <= committed + 1 and one < state.segment]
        if not done:
            return
        self._publish(replace(state, dirty=True))
        for one in done:
            self._disk.unlink(segment_path(self._folder, one))
            point("spool.unlink")
        total = max(state.offset, state.total - sum(sizes[one] for one in done))
        self._publish(replace(state, full=False, total=total))

    def _provide_ballast(self) -> None:
        path, size = self._folder / BALLAST, self._limits.ballast
        try:
            if not size or (path.exists() and path.stat().st_size >= size):
                return
            room = os.statvfs(self._folder)
            if room.f_bavail * room.f_frsize < 2 * size:
                self._problems.say("there is no room for the ballast file: a full disk will stop the checkpoint too")
                return
            fd = self._disk.open(path, os.O_RDWR | os.O_CREAT)
            try:
                self._disk.allocate(fd, size)
            finally:
                os.close(fd)
        except OSError as error:
            self._problems.say(f"the ballast file cannot be made ({error.strerror})")
            with suppress(OSError):
                self._disk.unlink(path)

    def close(self) -> None:
        """Let go of all files."""
        with self._mutex:
            self._release()
            os.close(self._lock_fd)
            self.head.close()
            self._broken = self._broken or SpoolError(f"the spool {self._folder} is closed")
