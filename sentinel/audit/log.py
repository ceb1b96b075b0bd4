"""The audit log on disk: `chain.jsonl`, its key, its anchors, and a reserve so that a full disk does not end it.

Any number of processes write; a lock is held for the few milliseconds an entry takes. Nothing in the file is ever
changed or removed but what this very write could not finish.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from time import monotonic, sleep

from sentinel.audit import chain
from sentinel.audit.chain import Anchor, Examined
from sentinel.core import kill
from sentinel.core.audit import SENTINEL, Deed, Entry
from sentinel.core.clock import iso
from sentinel.core.durable import sync_file, sync_folder
from sentinel.core.errors import AuditError
from sentinel.core.ports import Clock

RESERVE_BYTES = 1 << 20
"""So much room is kept for entries on a disk that others have filled: some 2,000 of them."""
KEY_BYTES = 32
BUSY_SECONDS = 10.0
"""So long another process may hold the log until a deed is refused."""
ANCHOR = "audit.anchor"
_BLOCK = 64 << 10
_POLL_SECONDS = 0.005
_FULL = {errno.ENOSPC, errno.EDQUOT}


class AuditLog:
    """The log in `folder`; without `key_file` and `anchors`, better elsewhere, they are in there too.

    The key is read, or made, when it is first needed.
    """

    def __init__(self, folder: Path, clock: Clock, key_file: Path | None = None, anchors: Path | None = None) -> None:
        self.path = folder / "chain.jsonl"
        self.anchors = anchors or folder / "anchors.jsonl"
        self._clock = clock
        self._key_file = key_file or folder / "key"
        self._reserve = folder / "reserve"

    @cached_property
    def _key(self) -> bytes:
        return key_of(self._key_file, self.path)

    def enter(self, deed: Deed, /) -> Entry:
        """Write a deed down; it is on disk when this returns. Raises AuditError: then it must not be done."""
        self._key  # noqa: B018  before there is a log, for beside one it is never made
        try:
            with self._held() as handle:
                return self._enter(handle, deed)
        except OSError as error:
            why = "the disk is full: make room" if error.errno in _FULL else error.strerror or str(error)
            if isinstance(error, BlockingIOError):
                why = f"another process has held it for {BUSY_SECONDS:g} s; end that one"
            raise AuditError(
                f"{self.path}: {deed.what} cannot be written into the audit log ({why}); what cannot be written down "
                "is not done"
            ) from error

    @contextmanager
    def _held(self) -> Iterator[int]:
        new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            _locked(handle)
            if new:
                sync_folder(self.path.parent)
            yield handle
        finally:
            os.close(handle)

    def _enter(self, handle: int, deed: Deed) -> Entry:
        number, previous, tail = _end(handle)
        text = b"\n" if tail else b""
        if tail:
            told = Deed(chain.TORN, SENTINEL, "", chain.damage(tail))
            entry, line = chain.sealed(told, number + 1, self._clock.now(), previous, self._key)
            number, previous, text = entry.number, entry.hash, text + line
        entry, line = chain.sealed(deed, number + 1, self._clock.now(), previous, self._key)
        if len(line) > chain.ENTRY_BYTES_MAX:
            raise AuditError(
                f"{deed.what} is not done: what is to be written down of it is longer than "
                f"{chain.ENTRY_BYTES_MAX >> 10} KiB"
            )
        self._write(handle, text + line)
        self._provide_reserve()
        return entry

    def _write(self, handle: int, text: bytes) -> None:
        size = os.fstat(handle).st_size
        try:
            _appended(handle, text)
        except OSError as error:
            os.ftruncate(handle, size)
            if error.errno not in _FULL or not self._reserve.exists():
                raise
            self._reserve.unlink()
            try:
                _appended(handle, text)
            except OSError:
                os.ftruncate(handle, size)
                raise
        kill.point("audit.written")

    def _provide_reserve(self) -> None:
        if self._reserve.exists():
            return
        room = os.statvfs(self._reserve.parent)
        if room.f_bavail * room.f_frsize < 4 * RESERVE_BYTES:
            return
        with suppress(OSError):  # without it the disk has to have room, that is all
            handle = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(handle, 0, RESERVE_BYTES)
            finally:
                os.close(handle)

    def entries(self) -> Iterator[dict[str, object]]:
        """Yield what every line holds, first to last; one that is no entry is passed over: `examine` tells of it."""
        for line in self._lines(self.path):
            shape = chain.read(line.removesuffix(b"\n"))
            if shape is not None:
                yield shape

    def examine(self, given: tuple[Anchor, ...] = ()) -> Examined:
        """Look at every entry and anchor; `given` are anchors that were kept elsewhere. Raises AuditError."""
        known: list[Anchor] = []
        wrong: list[str] = []
        # anchors first: what is entered meanwhile is behind them
        for number, (anchor, _) in enumerate(chain.proven(self._lines(self.anchors), self._key), start=1):
            if anchor is None:
                wrong.append(f"{self.anchors}: line {number} is no anchor that was written with this key")
            else:
                known.append(anchor)
        found = chain.examined(self._lines(self.path), self._key, (*known, *given))
        problems = tuple(chain.Problem(0, text) for text in wrong)
        return Examined(found.entries, found.head, (*found.problems, *problems), found.torn, found.anchors)

    def anchor(self, who: str) -> Anchor:
        """Enter that the log is anchored, keep the anchor and return it; raises AuditError."""
        entry = self.enter(Deed(ANCHOR, who, str(self.anchors)))
        made = Anchor(entry.number, entry.hash, iso(entry.at))
        aside = self.anchors.with_name(f"{self.anchors.name}.{os.getpid()}.tmp")
        try:
            with self._held():  # two at once would lose one of both
                aside.write_bytes(b"".join(self._lines(self.anchors)) + chain.anchor_line(made, self._key))
                sync_file(aside)
                aside.rename(self.anchors)
                sync_folder(self.anchors.parent)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise AuditError(f"{self.anchors}: the anchor cannot be kept ({error.strerror})") from error
        return made

    def last_anchor(self) -> Anchor | None:
        """Return the last anchor that was kept here, None if there is none."""
        found = [anchor for anchor, _ in chain.proven(self._lines(self.anchors), self._key) if anchor is not None]
        return found[-1] if found else None

    def _lines(self, path: Path) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                # bounded, for a damaged file may be one line
                while line := file.readline(4 * chain.ENTRY_BYTES_MAX):
                    yield line
        except FileNotFoundError:
            return
        except OSError as error:
            raise AuditError(f"{path}: cannot be read: {error.strerror}") from error


def key_of(path: Path, log: Path) -> bytes:
    """Return the key in `path`, made there if neither it nor the log is there yet; raises AuditError.

    A key that is gone is never made anew beside a log: nobody could tell any more what was written with the old one.
    """
    begun = log.exists()  # first: another process may be making both
    if not path.exists():
        if begun:
            raise AuditError(
                f"{path}: the key of the audit log is gone; bring it back from the backup. Without it nothing may be "
                f"done. To begin a new log, move {log.parent} away, and say why"
            )
        _made(path)
    try:
        if path.stat().st_mode & 0o077:
            raise AuditError(f"{path}: others may read this key; run chmod 600 {path}")
        key = path.read_bytes()
    except OSError as error:
        raise AuditError(f"{path}: the key of the audit log cannot be read: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise AuditError(f"{path}: a key has at least {KEY_BYTES} bytes; this one has {len(key)}")
    return key


def _made(path: Path) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, secrets.token_hex(KEY_BYTES).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        with suppress(FileExistsError):  # another process was faster: its key is the one
            os.link(aside, path)
        aside.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise AuditError(f"{path}: the key of the audit log cannot be made: {error.strerror}") from error


def _end(handle: int) -> tuple[int, str, bytes]:
    # number and hash of the last entry that can be read, and what stands unfinished behind the last line feed
    size, window = os.fstat(handle).st_size, _BLOCK
    while True:
        start = max(0, size - window)
        *lines, tail = os.pread(handle, size - start, start).split(b"\n")
        if start:
            del lines[:1]  # it may be the end of one
        for line in (tail, *reversed(lines)):  # what lacks only its line feed is an entry all the same
            shape = chain.read(line)
            if shape is not None:
                return shape["number"], shape["hash"], tail
        if not start:
            return 0, chain.FIRST, tail
        window *= 4


def _locked(handle: int) -> None:
    # an entry takes milliseconds: who holds the lock for long was stopped in the middle of one
    end = monotonic() + BUSY_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > end:
                raise
            sleep(_POLL_SECONDS)
        else:
            return


def _appended(handle: int, text: bytes) -> None:
    done = os.write(handle, text)
    if done < len(text):  # a full disk takes a part and says nothing
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fdatasync(handle)
