"""How much memory a Sentinel has: all its processes together, what they share counted once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def memory_max(pid: int, limit: int) -> Iterator[Callable[[], int]]:
    """Let a process and its descendants have so many bytes and no more, as systemd's MemoryMax does.

    Yields what says how often the kernel has killed for want of memory. Without the right to make a control group
    (root, a memory controller) nothing is limited, and nothing is killed.
    """
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    old = first.is_dir()
    group = (first if old else second) / f"sentinel-test-{pid}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        for one in family(pid):
            (group / "cgroup.procs").write_text(str(one))
    except OSError:
        with suppress(OSError):
            group.rmdir()
        yield lambda: 0
        return
    events = group / ("memory.oom_control" if old else "memory.events")
    try:
        yield lambda: sum(int(line.split()[1]) for line in events.read_text().splitlines() if "oom_kill " in line)
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(left)
        with suppress(OSError):
            group.rmdir()
