"""The spool's folder: what its files are called, and the few calls by which it changes the disk."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sentinel.core import durable
from sentinel.core.errors import SpoolError
from sentinel.core.kill import point
from sentinel.spool.record import SEQ_MAX

HEAD, CHECKPOINT, LOCK, BALLAST, QUARANTINE = "head", "checkpoint", "spool.lock", "ballast", "quarantine"
NODE = "node"
FORM = "form"
"""Whoever writes segments in another form says so in this file, a number; without it they are in the first."""
FORM_KNOWN = 1
ASIDE = ".tmp"
SEGMENT_MAX = 1 << 30
"""Bytes of a segment at most; what is larger was not written by a spool."""
_KNOWN = {HEAD, CHECKPOINT, CHECKPOINT + ASIDE, LOCK, BALLAST, QUARANTINE, FORM, NODE, NODE + ASIDE}
_SEGMENT = re.compile(r"([0-9]{20})\.seg")
_MODE = 0o600


class Disk:
    """Every call by which the spool changes what is on disk: the seam at which tests make a disk fail."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file of the spool; new ones are readable by the owner only, links are not followed."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write at the file's position; returns how many bytes were taken, which a full disk makes fewer."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Return once the file's bytes survive a power cut."""
        os.fdatasync(fd)

    def sync_folder(self, path: Path) -> None:
        """Return once the names in the folder survive a power cut."""
        durable.sync_folder(path)

    def rename(self, old: Path, new: Path) -> None:
        """Put the file `old` in the place of `new`."""
        old.replace(new)

    def unlink(self, path: Path) -> None:
        """Remove the name; one that is gone already is well."""
        path.unlink(missing_ok=True)

    def used(self, path: Path) -> float:
        """Return how full the file system of `path` is, in percent, as `df` has it."""
        room = os.statvfs(path)
        used = room.f_blocks - room.f_bfree
        return 100 * used / max(1, used + room.f_bavail)

    def allocate(self, fd: int, size: int) -> None:
        """Give the file `size` bytes of disk."""
        os.posix_fallocate(fd, 0, size)


def write_whole(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of `data`; raises OSError (ENOSPC as a rule) if the disk does not take it."""
    view = memoryview(data)
    while view:
        taken = disk.write(fd, view)
        view = view[taken:]


def replace_file(disk: Disk, path: Path, data: bytes, killing: str) -> None:
    """Write a file so that after any crash its name holds either the old bytes or the new ones.

    Aside, synchronised, renamed, the folder synchronised; `killing` names the kill points in between.
    """
    aside = path.with_name(path.name + ASIDE)
    fd = disk.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_whole(disk, fd, data)
        point(f"{killing}.tmp")
        disk.sync(fd)
    finally:
        os.close(fd)
    disk.rename(aside, path)
    point(f"{killing}.renamed")
    disk.sync_folder(path.parent)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a spool folder holds: segments' numbers in order with their sizes, and the names of foreign things."""

    sizes: dict[int, int] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """Return the segments' numbers, ascending."""
        return list(self.sizes)


def refuse_newer(folder: Path) -> None:
    """Raise SpoolError if a newer Sentinel has written the segments in a form that is not known here.

    Read as if they were, they would be taken for damage from end to end.
    """
    try:
        said = (folder / FORM).read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    if said != str(FORM_KNOWN):
        raise SpoolError(
            f"the spool {folder} was written by a newer Sentinel (form {said[:20]}, we know {FORM_KNOWN}): "
            "upgrade Sentinel, or have the newer one store what is in it first"
        )


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of the segment whose first record is (at least) `number`."""
    return folder / f"{number:020}.seg"


def listing(folder: Path) -> Listing:
    """Look into the folder; what vanishes meanwhile is not there, a folder that is not there is empty."""
    sizes: dict[int, int] = {}
    foreign = []
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return Listing()
    for name in names:
        match = _SEGMENT.fullmatch(name)
        try:
            status = (folder / name).lstat()
        except FileNotFoundError:
            continue
        ours = match is not None and stat.S_ISREG(status.st_mode) and status.st_size <= SEGMENT_MAX
        if match is not None and ours and 0 < int(match[1]) <= SEQ_MAX:
            sizes[int(match[1])] = status.st_size
        elif name not in _KNOWN:
            foreign.append(name)
    return Listing(dict(sorted(sizes.items())), tuple(sorted(foreign)))
