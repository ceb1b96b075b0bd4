"""Networks made on the spot: namespaces that end with the tests, and the sensors that are run in them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sentinel.testing.packets import SECOND, Frame, dns_query, udp

HERE = Path(__file__).parent
START = 1_780_000_000 * SECOND
Told = dict[str, object]
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


class Cable:
    """A namespace with the two ends of a cable, `va` and `vb`, and the sensors begun in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._space = Namespace()
        self.plugged = False
        self._sensors: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.plug()

    def plug(self) -> None:
        """Lay the cable."""
        self._space.ip("link add va type veth peer name vb", "link set va up", "link set vb up")
        self.plugged = True

    def unplug(self) -> None:
        """Take the cable away: both interfaces are gone."""
        self._space.ip("link del va")
        self.plugged = False

    def listen(self, *options: str) -> int:
        """Begin a sensor on vb, and whatever `options` begin with, and return its number."""
        out = self._folder / f"records-{len(self._sensors)}"
        with out.open("wb") as file:
            command = self._space.inside(sys.executable, str(HERE / "listen.py"), "vb", *options)
            sensor = subprocess.Popen(command, stdout=file, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])})
        self._sensors.append((sensor, out))
        return len(self._sensors) - 1

    def send(self, capture: Path, pace: float, count: int) -> int:
        """Send so many packets into va and return how many went."""
        command = self._space.inside(sys.executable, str(HERE / "replay.py"), "va", str(capture), str(pace), str(count))
        environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
        return int(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

    def told(self, sensor: int, kind: str) -> list[Told]:
        """Return the records of a type that a sensor has written by now."""
        lines = self._sensors[sensor][1].read_bytes().split(b"\n")[:-1]
        return [record for line in lines if (record := json.loads(line))["type"] == kind]

    def health(self, sensor: int, event: str) -> list[Told]:
        """Return its words on its own health of one kind."""
        return [record for record in self.told(sensor, "health") if record["event"] == event]

    def figures(self, port: int) -> str:
        """Return what a sensor tells Prometheus at a port in there."""
        return self._space.run("curl", "-s", f"http://127.0.0.1:{port}/metrics").stdout

    def children(self, sensor: int, name: str) -> list[int]:
        """Return the pids of a sensor's own processes of that name."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"({name})" in text and int(text.rpartition(")")[2].split()[1]) == self._sensors[sensor][0].pid:
                found.append(int(stat.parent.name))
        return found

    def end(self, sensor: int) -> int:
        """Ask a sensor to end and return its exit code."""
        self._sensors[sensor][0].send_signal(signal.SIGTERM)
        return self._sensors[sensor][0].wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Leave nothing behind."""
        for sensor, _ in self._sensors:
            sensor.kill()
            sensor.wait()
        self._space.close()


def look_ups(count: int) -> list[Frame]:
    """Return questions for so many names, one after the other."""
    return [
        (START + at * 1000, udp("10.10.1.50", "10.10.1.10", 40_000 + at % 99, 53, dns_query(at, f"h{at}.example")))
        for at in range(count)
    ]
