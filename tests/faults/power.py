"""Power that can be cut: a folder on a file system that forgets, in a process of its own."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.faults import forgetful

PATIENCE_SECONDS = 60.0


@dataclass
class Forgetful:
    """A mount of the file system in a process of its own; `lost` counts the bytes and names of all cuts, by path."""

    disk: Path
    mount: Path
    lies: bool = False
    lost: dict[str, dict[str, int]] = field(default_factory=lambda: {"bytes": {}, "names": {}})
    _process: "subprocess.Popen[str] | None" = None
    _dead: bool = False

    def __enter__(self) -> Self:
        """Switch it on."""
        self.disk.mkdir(exist_ok=True)
        self.mount.mkdir(exist_ok=True)
        self.on()
        return self

    def __exit__(self, *exception: object) -> None:
        """Switch it off."""
        if self._process is not None:
            self.cut()
        self._unmount()

    def on(self) -> None:
        """Mount what the disk has; nobody may be at work on it who was there before the power was cut."""
        self._unmount()
        command = [
            sys.executable,
            forgetful.__file__,
            str(self.disk),
            str(self.mount),
            *(["lies"] if self.lies else []),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.mount.is_mount():
            assert self._process.poll() is None, "the file system did not come up"
            assert time.monotonic() < end, "the file system did not come up"
            time.sleep(0.02)

    def cut(self, seed: int | None = None, *, amid_sync: bool = False) -> None:
        """Cut the power; what programs that still run ask for fails.

        The dead mount stays until there is power again: else they would find the bare folder below it, and go on there.
        """
        process, self._process = self._process, None
        assert process is not None, "the power is off"
        asked = json.dumps({"seed": seed, "amid_sync": amid_sync})
        said, _ = process.communicate(f"{asked}\n", timeout=PATIENCE_SECONDS)
        self._dead = True
        for kind, lost in json.loads(said).items():
            for path, count in lost.items():
                self.lost[kind][path] = self.lost[kind].get(path, 0) + count

    def _unmount(self) -> None:
        if self._dead:
            subprocess.run(["fusermount3", "-u", "-z", "-q", self.mount], check=True)
            self._dead = False
            assert not list(self.mount.iterdir()), "somebody was at work below the mount"
