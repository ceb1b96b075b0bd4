"""How much memory a Sentinel has: all its processes together, what they share counted once."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MB = 1 << 20


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def resident(pid: int, *, alone: bool = False) -> int:
    """Return the bytes of memory in use by a process, with its descendants unless `alone`."""
    whole = 0
    for one in [pid] if alone else list(family(pid)):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    whole += int(line.split()[1]) * 1024
    return whole
