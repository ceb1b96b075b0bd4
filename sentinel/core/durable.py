"""What makes files survive a power cut."""

import os
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: aside, synced, renamed; its name is for `sync_folder`. Raises OSError."""
    aside = path.with_name(path.name + ".tmp")
    try:
        with aside.open("wb") as file:
            file.write(content)
        sync_file(aside)
        aside.rename(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def sync_file(path: Path) -> None:
    """Return once a file's content survives a power cut; raises OSError."""
    _synced(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Return once names that were added, changed or removed in a folder survive a power cut; raises OSError."""
    _synced(path, os.O_RDONLY | os.O_DIRECTORY)


def _synced(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
