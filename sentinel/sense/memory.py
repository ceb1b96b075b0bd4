"""What detections have learned, in a file that survives a crash, and since when they learn."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from sentinel.core.clock import iso

__all__ = ["FILE", "Memory", "read_memory", "write_memory"]

BYTES_MAX = 256 << 20
FILE = "sense.json"
"""What the file is called in the data folder."""


@dataclass(frozen=True, slots=True)
class Memory:
    """`begun` is when the sensor began to learn; `problem` why an older memory could not be taken up.

    `hosts` are those whose habits are watched, `known` those of which a week is known.
    """

    begun: datetime
    learned: object
    problem: str = ""
    hosts: int = 0
    known: int = 0

    def learning_until(self, days: float) -> datetime:
        """Return when the time of learning is over."""
        return self.begun + timedelta(days=days)

    def standing(self, days: float, now: datetime) -> str:
        """Return in words how far learning has come."""
        until = self.learning_until(days)
        word = "is learned" if now < until else "was learned"
        return (
            f"what is normal here {word} until {until:%Y-%m-%d %H:%M} UTC; of {self.known:,} of {self.hosts:,} hosts "
            "a week or more is known"
        )


def read_memory(path: Path, now: datetime) -> Memory:
    """Return what the file says, a fresh memory begun at `now` if there is none or it cannot be understood."""
    try:
        if path.stat().st_size > BYTES_MAX:
            return Memory(now, {}, f"{path} is larger than {BYTES_MAX} bytes; learning begins anew")
        found = orjson.loads(path.read_bytes())
        hosts, known = (int(found.get("standing", {}).get(name, 0)) for name in ("hosts", "known"))
        return Memory(datetime.fromisoformat(found["begun"]), found["learned"], "", hosts, known)
    except FileNotFoundError:
        return Memory(now, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Memory(now, {}, f"{path} cannot be understood ({error}); learning begins anew")


def write_memory(path: Path, begun: datetime, learned: object, standing: Mapping[str, int]) -> None:
    """Replace the file; `standing` says how many `hosts` are watched and `known`. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=_private) as file:
        file.write(orjson.dumps({"begun": iso(begun), "standing": standing, "learned": learned}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _private(path: str, flags: int) -> int:
    # it names hosts and services
    return os.open(path, flags, 0o600)
