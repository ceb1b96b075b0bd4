"""A lock held by the kernel, so that it goes with the process; the file says who holds it."""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path

from sentinel.core.errors import StoreBusyError


class HeldLock:
    """Holds the lock file at `path` from now on; raises StoreBusyError, made of `busy` and the holder, if it is held.

    `busy` has a place `{holder}` for who holds it.
    """

    def __init__(self, path: Path, busy: str) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 300, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            raise StoreBusyError(busy.replace("{holder}", holder)) from error
        mine = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
        with suppress(OSError):  # on a full disk it holds all the same, and nobody can be told for whom
            os.pwrite(handle, mine, 0)
            os.ftruncate(handle, len(mine))
        self._handle = handle

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
