"""A ring of capture files for evidence, only on request: in memory (tmpfs), for our user alone, and bounded.

It is written by a dumpcap of its own, whole packets, so nothing of the sensor ever writes payload.
"""

import subprocess
from pathlib import Path

from sentinel.core.errors import ConfigError
from sentinel.sense.sandbox import ENVIRONMENT

__all__ = ["FILES", "Ring", "require_ring"]

FILES = 8
"""A ring has so many files; the oldest is overwritten."""

_MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_PATIENCE_SECONDS = 5.0


def require_ring(folder: Path) -> None:
    """Refuse a folder that is not in memory or that others may enter; it is made if it is not there.

    Raises ConfigError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode & 0o777
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror or error}") from error
    if mode != 0o700:
        raise ConfigError(f"{folder}: others may enter it (mode {mode:04o}); a ring of captures needs mode 0700")
    kind = _kind(folder)
    if kind not in _IN_MEMORY:
        raise ConfigError(f"{folder} is on {kind or 'a disk'}: a ring of captures is kept in memory only (tmpfs)")


def _kind(folder: Path) -> str:
    # the file system of the longest mount point above (man 5 proc, mountinfo)
    whole = folder.resolve()
    best, kind = -1, ""
    for line in _MOUNTS.read_text("utf-8", "replace").splitlines():
        before, _, behind = line.partition(" - ")
        point = Path(before.split(" ")[4].replace("\\040", " "))
        if len(point.parts) > best and whole.is_relative_to(point):
            best, kind = len(point.parts), behind.split(" ")[0]
    return kind


class Ring:
    """The ring of one interface, `megabytes` at most."""

    def __init__(self, folder: Path, interface: str, megabytes: int, dumpcap: Path, bpf: str = "") -> None:
        size = max(1, megabytes * 1000 // FILES)
        name = "".join(char if char.isalnum() or char in "-_." else "_" for char in interface)
        command = [str(dumpcap), "-q", "-i", interface, "-b", f"filesize:{size}", "-b", f"files:{FILES}"]
        command += ["-f", bpf] if bpf else []
        self._process = subprocess.Popen(  # noqa: S603  our own command; the interface is one argument of it
            [*command, "-w", str(folder / f"{name}.pcapng")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            umask=0o077,
        )

    @property
    def ended(self) -> bool:
        """Whether it writes no more."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it; its files stay."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
