"""How far the records have been dealt with: a small file that may be lost, and the thread that writes it.

Losing it, or its newest state, only means that records are read again; their ids are the same, so nothing doubles.
"""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import google_crc32c

from sentinel.core.errors import SpoolError
from sentinel.spool.files import CHECKPOINT, Disk, replace_file
from sentinel.spool.node import before
from sentinel.spool.record import SEQ_MAX

_BYTES_MAX = 4096


def load(folder: Path) -> tuple[int, str]:
    """Return the committed sequence and "", or what is wrong with the file; one that is absent is well.

    Where none is known it is that behind which the node's records begin.
    """
    seq, problem = _read(folder)
    return (before(folder), problem) if seq is None else (seq, "")


def _read(folder: Path) -> tuple[int | None, str]:
    try:
        fd = os.open(folder / CHECKPOINT, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"checkpoint cannot be opened ({error.strerror}): records are read again from the oldest"
    try:
        data = os.read(fd, _BYTES_MAX)
    except OSError as error:
        return None, f"checkpoint cannot be read ({error.strerror}): records are read again from the oldest"
    finally:
        os.close(fd)
    seq = _decoded(data)
    if seq is None:
        return None, f"checkpoint holds {len(data)} bytes that are none: records are read again from the oldest"
    return seq, ""


def _decoded(data: bytes) -> int | None:
    crc, _, text = data.partition(b" ")
    if crc != b"%08x" % google_crc32c.value(text):
        return None
    try:
        seq = json.loads(text)["committed"]
    except (ValueError, KeyError, TypeError):
        return None
    return seq if isinstance(seq, int) and 0 <= seq <= SEQ_MAX else None


def save(disk: Disk, folder: Path, seq: int) -> None:
    """Write the checkpoint; on return it survives a power cut. Raises OSError with the old one intact."""
    text = json.dumps({"committed": seq}).encode() + b"\n"
    replace_file(disk, folder / CHECKPOINT, b"%08x " % google_crc32c.value(text) + text, "spool.checkpoint")


class Keeper:
    """Writes what `commit` says at most once in `interval_seconds`, in a thread that starts with the first call."""

    def __init__(self, persist: Callable[[int], None], committed: int, interval_seconds: float) -> None:
        self._persist = persist
        self._interval = interval_seconds
        self._wanted = self._written = committed
        self._closing = False
        self._changed = threading.Condition()
        self._saving = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def committed(self) -> int:
        """Return the highest sequence committed, written down or not."""
        return self._wanted

    def commit(self, seq: int) -> None:
        """Note `seq`; a lower one than before changes nothing."""
        with self._changed:
            if seq <= self._wanted or self._closing:
                return
            idle = self._wanted == self._written
            self._wanted = seq
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spool-checkpoint", daemon=True)
                self._thread.start()
            elif idle:
                self._changed.notify()

    def flush(self) -> None:
        """Write the checkpoint now if there is anything new; raises OSError."""
        with self._saving:
            seq = self._wanted
            if seq > self._written:
                self._persist(seq)
                self._written = seq

    def close(self) -> None:
        """Stop the thread; what is not written yet is for `flush`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        due = monotonic()
        while True:
            with self._changed:
                while not self._closing and (self._wanted == self._written or monotonic() < due):
                    self._changed.wait(None if self._wanted == self._written else max(0.0, due - monotonic()))
                if self._closing:
                    return
            due = monotonic() + self._interval
            with suppress(OSError, SpoolError):  # told by `stats`; tried again when it is due again
                self.flush()
