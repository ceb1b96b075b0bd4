"""Walls around a dissector, which is treated as hostile: no network, nobody's rights, nothing to be gained, limits.

Made of util-linux alone (unshare, prlimit, setpriv: each replaces itself by the next, so pid and exit are the
dissector's). What a machine does not allow is left out and said.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["ENVIRONMENT", "Walls", "walls"]

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "PATH": os.defpath}
"""All that the dissector knows of us."""

_MEMORY_BYTES_MAX = 2_500_000_000
_CPU_SECONDS_MAX = 3_600
_TRY_SECONDS = 10.0
# no core file may ever hold payload, and nothing is written to any file; threads are counted with all others of nobody,
# who may be busy: beyond that limit nobody could be become at all
_LIMITS = (
    "--core=0", "--fsize=0", "--nofile=64", "--nproc=4096", f"--as={_MEMORY_BYTES_MAX}", f"--cpu={_CPU_SECONDS_MAX}",
)  # fmt: skip
_SPACES = ("--net", "--ipc", "--uts")
_NOTHING_TO_GAIN = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
_NOBODY = ("--reuid=nobody", "--regid=nogroup", "--clear-groups")


@dataclass(frozen=True, slots=True)
class Walls:
    """What a command is begun with, and which walls could not be built."""

    prefix: tuple[str, ...]
    missing: tuple[str, ...]


@lru_cache(maxsize=2)
def walls(*, root: bool) -> Walls:
    """Return the walls that this machine allows; `root`: we may become somebody else."""
    prefix: list[str] = []
    missing: list[str] = []
    spaces = _SPACES if root else ("--user", "--map-current-user", *_SPACES)
    people = (*_NOBODY, *_NOTHING_TO_GAIN) if root else _NOTHING_TO_GAIN
    for tool, options, name in (
        ("unshare", spaces, "a network of its own"),
        ("prlimit", _LIMITS, "limits"),
        ("setpriv", people, "nobody's rights"),
    ):
        path = shutil.which(tool, path=os.defpath)
        if path and _works([*prefix, path, *options]):
            prefix += [path, *options]
        else:
            missing.append(name)
    return Walls(tuple(prefix), tuple(missing))


def _works(prefix: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  our own command
            [*prefix, "/bin/true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRY_SECONDS,
            check=False,
            env=ENVIRONMENT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
