"""The judge's pulse: a small file that says what the judging process is doing, and since when it has not moved on.

Times are the machine's monotonic clock, the same for all its processes: no clock that is set makes a judge seem dead,
and none that stands still is kept alive by one. It is written at every step of the work, never by a timer: what only
keeps breathing does not count.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

BEGINNING = 10
"""A judge that begins may take so many times as long until its first sign of life: it reads the rules."""
_BYTES = 512
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Beat:
    """Process `pid` did a step at `at` (seconds, monotonic since the boot `boot`), its work now is `doing`."""

    pid: int
    boot: str
    at: float
    doing: str

    def age(self) -> float:
        """Return how many seconds ago it was; endless if the machine was started anew since."""
        return monotonic() - self.at if self.boot == _boot() else float("inf")


class Pulse:
    """Writes the pulse of this process to `path`."""

    def __init__(self, path: Path) -> None:
        self._boot = _boot()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if os.fstat(self._handle).st_size < _BYTES:
            with suppress(OSError):  # what is allocated by now can be written when the disk is full
                os.pwrite(self._handle, b" " * _BYTES, 0)

    def beat(self, doing: str) -> None:
        """Say that a step is done, and what is done next: the id of the rule at work, or nothing. Raises OSError."""
        beat = Beat(os.getpid(), self._boot, monotonic(), doing[:200])
        text = json.dumps(asdict(beat)).encode()[:_BYTES]
        os.pwrite(self._handle, text.ljust(_BYTES), 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def last_beat(path: Path) -> Beat | None:
    """Return the last step that was written; None if there never was one."""
    for _ in range(3):  # one may be being written
        with suppress(OSError, ValueError, TypeError):
            return Beat(**json.loads(path.read_bytes()))
    return None


def alive(pid: int) -> bool:
    """Say whether there is a process of this number that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
