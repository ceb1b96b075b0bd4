"""Where Wireshark's programs are, and the walls around its dissector: no network, no rights, nothing to gain, limits.

It is treated as hostile. Its walls are made of util-linux alone (unshare, prlimit, setpriv: each replaces itself by the
next, so pid and exit are the dissector's). What a machine does not allow is left out and said.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from sentinel.core.errors import ConfigError

__all__ = ["ENVIRONMENT", "ToolMissingError", "Walls", "find_tool", "walls"]

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "PATH": os.defpath}
"""All that the dissector knows of us."""

_MEMORY_BYTES_MAX = 2_500_000_000
_CPU_SECONDS_MAX = 3_600
_TRY_SECONDS = 10.0
_PACKAGES = {"dumpcap": "wireshark-common", "tshark": "tshark"}
# no core file may ever hold payload, and nothing is written to any file; threads are counted with all others of nobody,
# who may be busy: beyond that limit nobody could be become at all
_LIMITS = (
    "--core=0", "--fsize=0", "--nofile=64", "--nproc=4096", f"--as={_MEMORY_BYTES_MAX}", f"--cpu={_CPU_SECONDS_MAX}",
)  # fmt: skip
_SPACES = (("--net", "--ipc", "--uts"), ("--net",))
"""The second where a service manager allows no more: it has given us the others itself."""
_NOTHING_TO_GAIN = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
_NOBODY = ("--reuid=nobody", "--regid=nogroup", "--clear-groups")


class ToolMissingError(ConfigError):
    """A program of Wireshark's is not on this machine."""


def find_tool(name: Literal["dumpcap", "tshark"], path: Path | None = None) -> Path:
    """Return the program to use, `path` if given; raises ToolMissingError."""
    found = shutil.which(path or name)
    if found is None:
        where = f"at {path}" if path else "on this machine"
        raise ToolMissingError(f"there is no {name} {where}: install it with `apt install {_PACKAGES[name]}`")
    return Path(found)


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
    own = () if root else ("--user", "--map-current-user")
    people = (*_NOBODY, *_NOTHING_TO_GAIN) if root else _NOTHING_TO_GAIN
    for tool, choices, name in (
        ("unshare", [(*own, *spaces) for spaces in _SPACES], "a network of its own"),
        ("prlimit", [_LIMITS], "limits"),
        ("setpriv", [people], "nobody's rights"),
    ):
        path = shutil.which(tool, path=os.defpath)
        options = next((one for one in choices if path and _works([*prefix, path, *one])), None)
        if path and options:
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
