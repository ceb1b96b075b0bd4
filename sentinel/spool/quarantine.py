"""Where damaged bytes go: copied once, named after where they lay, for somebody to look at; never read again by us."""

import logging
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from sentinel.spool.files import ASIDE, QUARANTINE, Disk, write_whole

BYTES_MAX = 256 << 20
"""More damage than this is counted and reported, but no longer copied."""

_PROBLEMS_MAX = 100
_log = logging.getLogger(__name__)


class Problems:
    """What is wrong with a spool: each thing said once, at most so many."""

    def __init__(self) -> None:
        self._said: deque[str] = deque(maxlen=_PROBLEMS_MAX)
        self._lock = threading.Lock()

    def say(self, what: str) -> None:
        """Note a problem and log it, unless it is known."""
        with self._lock:
            if what in self._said:
                return
            self._said.append(what)
        _log.warning("spool: %s", what)

    def all(self) -> tuple[str, ...]:
        """Return the problems in the order in which they were met."""
        with self._lock:
            return tuple(self._said)


class Quarantine:
    """The folder `quarantine` of one spool."""

    def __init__(self, folder: Path, disk: Disk, problems: Problems) -> None:
        self._folder = folder / QUARANTINE
        self._disk = disk
        self._problems = problems

    def keep(self, segment: int, offset: int, data: bytes) -> None:
        """Copy a damaged range, unless it was copied before; trouble with that is reported and stops nothing."""
        where = f"{len(data)} bytes at {offset} of segment {segment} are damaged"
        path = self._folder / f"{segment:020}-{offset:010}-{len(data)}.bad"
        try:
            if not path.exists():
                if size_of(self._folder.parent) + len(data) > BYTES_MAX:
                    self._problems.say(f"{where}; the quarantine is full, so they were not copied")
                    return
                self._copy(path, data)
        except OSError as error:
            self._problems.say(f"{where}; they could not be copied ({error.strerror})")
            return
        self._problems.say(f"{where}; copied to {QUARANTINE}/{path.name}")

    def _copy(self, path: Path, data: bytes) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._disk.sync_folder(self._folder.parent)
        aside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}{ASIDE}")
        fd = self._disk.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_whole(self._disk, fd, data)
            self._disk.sync(fd)
        except OSError:
            with suppress(OSError):
                self._disk.unlink(aside)
            raise
        finally:
            os.close(fd)
        self._disk.rename(aside, path)
        self._disk.sync_folder(self._folder)


def size_of(folder: Path) -> int:
    """Return the bytes that the quarantine of the spool `folder` holds."""
    try:
        names = list((folder / QUARANTINE).iterdir())
    except OSError:
        return 0
    total = 0
    for name in names:
        with suppress(OSError):
            total += name.stat().st_size if name.suffix == ".bad" else 0
    return total
