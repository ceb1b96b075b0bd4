"""Where the durable end of the spool is: a small file that every process reads and the holder of the lock writes.

Two slots are written in turn, each with a version and a CRC, so a reader that meets a half written slot still has
the other. The file is a convenience: it is trusted only if written since this machine started, and what it says is
found anew from the segments whenever it is missing, broken, or was left dirty by a writer that died.
It is read and written with `pread` and `pwrite`, not mapped: both go through the same page cache, but a mapping kills
the process (SIGBUS) when somebody truncates the file.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from struct import Struct
from time import sleep

import google_crc32c

from sentinel.core.errors import SpoolError
from sentinel.spool.files import HEAD, Disk

_SLOT = Struct("<8sQQQQQQQ16s")
_CRC = Struct("<I")
_USED = _SLOT.size + _CRC.size
_MARK = b"SNTLHD1\n"
_SLOT_BYTES = 128
_DIRTY, _FULL = 1, 2
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class State:
    """The durable end: `offset` bytes of segment `segment` and all earlier segments; `last` is the last record there.

    `floor` is the highest sequence ever used (above `last` if records were lost), `total` the bytes of all segments,
    `dirty` says that a writer is at work behind the end, or died there; `full` that the last one found no room.
    """

    segment: int
    offset: int
    last: int
    floor: int
    total: int
    dirty: bool = False
    full: bool = False
    version: int = 0

    @property
    def end(self) -> tuple[int, int]:
        """Return the durable end as segment and offset."""
        return self.segment, self.offset


def boot_id() -> bytes:
    """Return 16 bytes that change whenever the machine starts; empty if the system does not tell."""
    try:
        return bytes.fromhex(_BOOT.read_text("ascii").strip().replace("-", ""))[:16]
    except (OSError, ValueError):
        return b""


class Head:
    """The file `head` of one spool folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path = folder / HEAD
        self._disk = disk
        self._boot = boot_id()
        self._fd = -1
        self._open()

    def _open(self) -> None:
        self._fd = self._disk.open(self._path, os.O_RDWR | os.O_CREAT)

    def reopen_if_removed(self) -> None:
        """Follow the name if somebody removed the file; the caller holds the lock."""
        if os.fstat(self._fd).st_nlink == 0:
            self.close()
            self._open()

    def load(self) -> State | None:
        """Return the newest whole slot of this machine's run, None if there is none. Raises SpoolError once closed."""
        if self._fd < 0:
            raise SpoolError(f"the spool {self._path.parent} is closed")
        slots = self._slots()
        for attempt in range(1, _TRIES):
            if slots or _MARK not in os.pread(self._fd, 2 * _SLOT_BYTES, 0):
                break
            sleep(0.0002 * attempt)  # both torn: two writes came in between; or the file is broken
            slots = self._slots()
        mine = [state for state, boot in slots if self._boot and boot == self._boot]
        return max(mine, key=_version, default=None)

    def hint(self) -> int:
        """Return the highest sequence that any whole slot knows of, of an earlier run too; 0 if none is whole."""
        return max((state.floor for state, _ in self._slots()), default=0)

    def _slots(self) -> list[tuple[State, bytes]]:
        data = os.pread(self._fd, 2 * _SLOT_BYTES, 0)
        found = []
        for at in range(0, len(data) - _USED + 1, _SLOT_BYTES):
            body = data[at : at + _SLOT.size]
            if body.startswith(_MARK) and _CRC.unpack_from(data, at + _SLOT.size)[0] == google_crc32c.value(body):
                _, version, segment, offset, last, floor, total, flags, boot = _SLOT.unpack(body)
                dirty, full = bool(flags & _DIRTY), bool(flags & _FULL)
                found.append((State(segment, offset, last, floor, total, dirty, full, version), boot))
        return found

    def store(self, state: State) -> State:
        """Publish `state`; the caller holds the lock. Returns it with its new version."""
        new = replace(state, version=state.version + 1)
        body = _SLOT.pack(
            _MARK, new.version, new.segment, new.offset, new.last, new.floor, new.total,
            _DIRTY * new.dirty | _FULL * new.full, self._boot.ljust(16, b"\0"),
        )  # fmt: skip
        slot = body + _CRC.pack(google_crc32c.value(body))
        os.pwrite(self._fd, slot.ljust(_SLOT_BYTES, b"\0"), (new.version % 2) * _SLOT_BYTES)
        return new

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _version(state: State) -> int:
    return state.version
