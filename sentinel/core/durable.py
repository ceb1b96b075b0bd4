"""What makes files survive a power cut."""

import os
from pathlib import Path


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
