"""What detections have learned, in a file that survives a crash, and since when they learn."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from sentinel.core.clock import iso

__all__ = ["Memory", "read_memory", "write_memory"]

BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """`begun` is when the sensor began to learn; `problem` why an older memory could not be taken up."""

    begun: datetime
    learned: object
    problem: str = ""

    def learning_until(self, days: float) -> datetime:
        """Return when the time of learning is over."""
        return self.begun + timedelta(days=days)


def read_memory(path: Path, now: datetime) -> Memory:
    """Return what the file says, a fresh memory begun at `now` if there is none or it cannot be understood."""
    try:
        if path.stat().st_size > BYTES_MAX:
            return Memory(now, {}, f"{path} is larger than {BYTES_MAX} bytes; learning begins anew")
        found = orjson.loads(path.read_bytes())
        return Memory(datetime.fromisoformat(found["begun"]), found["learned"])
    except FileNotFoundError:
        return Memory(now, {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Memory(now, {}, f"{path} cannot be understood ({error}); learning begins anew")


def write_memory(path: Path, begun: datetime, learned: object) -> None:
    """Replace the file; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=_private) as file:
        file.write(orjson.dumps({"begun": iso(begun), "learned": learned}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _private(path: str, flags: int) -> int:
    # it names hosts and services
    return os.open(path, flags, 0o600)
