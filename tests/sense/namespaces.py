"""Networks made on the spot: namespaces that end with the tests, and what is run in them."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 40.0


def wait(ready: Callable[[], object], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Return once something is so; fails if it takes too long."""
    end = time.monotonic() + patience_seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


class Namespace:
    """A network namespace of its own; `beside` another one, it may be cabled to it.

    Whoever is not root becomes so in a user namespace, which all that are beside each other share.
    """

    def __init__(self, beside: "Namespace | None" = None) -> None:
        self._user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        outer = ["nsenter", "--target", str(beside.pid), *self._user] if beside and self._user else []
        mapped = ["--user", "--map-root-user"] if self._user and not beside else []
        self._holder = subprocess.Popen([*outer, "unshare", *mapped, "--net", "sleep", "600"])
        self.pid: int = self._holder.pid
        wait(lambda: self.run("ip", "link", "set", "lo", "up").returncode == 0)

    def inside(self, *words: str) -> list[str]:
        """Return the command that runs another one in here."""
        return ["nsenter", "--target", str(self.pid), *self._user, "--net", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in here; one that failed is returned too."""
        # a program of ours may stand where it likes: the namespace has to be another than ours first
        ours, its = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", self.pid))
        if ours == its:
            return subprocess.CompletedProcess(words, 1, "", "the namespace is not there yet")
        return subprocess.run(self.inside(*words), capture_output=True, text=True, check=False)

    def ip(self, *lines: str) -> None:
        """Run `ip` with the words of each line."""
        for line in lines:
            done = self.run("ip", *line.split())
            assert done.returncode == 0, f"ip {line}: {done.stderr}"

    def close(self) -> None:
        """Let go of it: it ends with the last process in it."""
        self._holder.kill()
        self._holder.wait()
