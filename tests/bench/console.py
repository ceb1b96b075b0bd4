"""How fast the console is, as a person feels it: a real process on a pseudo-terminal over a book of 100,000 alerts.

    PYTHONPATH=. .venv/bin/python tests/bench/console.py [--alerts 100000] [--folder DIR]

Prints each figure beside its target, and beside a reference of the same run: how long a program that only echoes takes
on the same pseudo-terminal. At the end the store is away: an Elasticsearch that accepts and never answers, and one that
refuses; keys come while questions to it are waiting. What the longest of them says depends on the machine: beside it
stands how long counting takes at its longest that takes as much CPU as drawing for the median key.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel.alert.file import open_file
from sentinel.core.database import micros, writing

SIZE = (36, 120)
COLD = 5
EVERY_SECONDS = 0.05
ALONE_SECONDS = 30.0
"""So long after the last key all is done that the console does while nobody is there."""
QUESTION = b"user.name:anna and event.outcome:failure and host.name:web"
TITLES = (
    "LSASS memory access by unsigned process",
    "Kerberoasting: many TGS requests from one host",
    "New local admin outside change window",
    "PowerShell download cradle",
    "Impossible travel for VPN account",
    "Mass file rename on share",
    "Login by root from outside",
    "TLS client with JA4 on block list",
)
SUBJECT = "INSERT INTO subjects (number, rule_id, identity) VALUES (?, ?, ?)"
ALERT = """INSERT INTO alerts (number, id, subject, title, level, key, first_seen, last_seen, raised_at, count, state,
    rule_version, summary, author, attack) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'v1', '', '', '["T1078"]')"""
LEVELS = ("critical", "high", "medium", "low", "informational")


def fill(path: Path, number: int) -> None:
    """Write a book of so many alerts, as the book itself would, in one transaction."""
    db = open_file(path)
    now = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
    chance = random.Random(7)  # noqa: S311  no secret
    with writing(db):
        for at in range(number):
            title = chance.randrange(len(TITLES))
            key = json.dumps([["host.name", f"bauamt-{at % 5000:04d}"], ["user.name", f"u{at}"]])
            moment = micros(now - timedelta(seconds=7 * at))
            db.execute(SUBJECT, (at + 1, f"rule-{title}", key))
            state = chance.choice(("new", "new", "acknowledged"))
            numbers = number - at, f"{at:032x}", at + 1
            what = TITLES[title], chance.choice(LEVELS), key
            db.execute(ALERT, (*numbers, *what, moment, moment, moment, chance.randint(1, 9_999), state))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


class Pty:
    """A process on a pseudo-terminal."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.begun = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment)
            os.execvp(words[0], words)  # noqa: S606  the program to be measured
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.seen = bytearray()

    def read(self, seconds: float) -> bytes:
        """Return what comes within so many seconds, the first piece of it."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        with contextlib.suppress(OSError):
            got = os.read(self.fd, 1 << 20)
            self.seen += got
            return got
        return b""

    def until(self, pattern: bytes, seconds: float = 60.0, start: int = 0) -> float:
        """Wait until a pattern has come; return when, in seconds since the start of the process."""
        end = time.perf_counter() + seconds
        while not re.search(pattern, self.seen[start:]):
            if time.perf_counter() > end:
                raise TimeoutError(pattern, bytes(self.seen[-400:]))
            self.read(0.5)
        return time.perf_counter() - self.begun

    def quiet(self, seconds: float = 0.4) -> None:
        """Wait until nothing has come for so long."""
        while self.read(seconds):
            pass

    def press(self, keys: bytes) -> float:
        """Press keys; return the milliseconds until the first byte comes back."""
        began = time.perf_counter()
        os.write(self.fd, keys)
        if not self.read(5):
            raise TimeoutError(keys)
        return (time.perf_counter() - began) * 1000

    def answered(self, keys: bytes) -> float:
        """Do as `press` does, and wait for the rest."""
        took = self.press(keys)
        self.quiet(0.05)
        return took

    def settled(self, keys: bytes, seconds: float = 0.25) -> float:
        """Press keys; return the milliseconds until the last byte that comes back."""
        began = time.perf_counter()
        self.press(keys)
        last = time.perf_counter()
        while self.read(seconds):
            last = time.perf_counter()
        return (last - began) * 1000

    def memory(self) -> float:
        """Return its resident memory, MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def cpu(self) -> float:
        """Return the seconds of CPU it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def drawing(self) -> float:
        """Return the milliseconds of CPU that its first thread has used."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[0]) / 1e6

    def end(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def answering(console: Pty, keys: list[bytes]) -> list[tuple[float, float]]:
    """Press keys, each when for 50 ms nothing has come; return the milliseconds each took, and those of CPU.

    What still comes of the key before would else count as this one's answer. The CPU is that of the thread that draws.
    """
    found = []
    for key in keys:
        console.quiet(EVERY_SECONDS)
        before = console.drawing()
        took = console.press(key)
        found.append((took, console.drawing() - before))
    return found


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """Give the address of a store that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Give the address of a store that is not there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def away(folder: Path, environment: dict[str, str], url: str) -> list[tuple[float, float]]:
    """Return the milliseconds, and those of CPU, that keys take while the store is away: in a list, a question, a text.

    Without an address the store is there.
    """
    settings = folder / "away.toml"
    store = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\n' if url else ""
    settings.write_text(f'data = "{folder}/data"\n[spool]\nballast_bytes = 0\n{store}')
    # a session of its own: the one before is remembered with its filter
    places = {"SENTINEL_CONFIG": str(settings), "XDG_STATE_HOME": tempfile.mkdtemp(dir=folder)}
    console, _first = opened(environment | places)
    console.quiet(1.5)
    # an alert is opened, which asks the store, and left at once: its question goes on waiting
    os.write(console.fd, b"\r")
    console.until(rb"CRIT|HIGH|MED|LOW|INFO", start=len(console.seen))
    os.write(console.fd, b"\x1b")
    console.until(rb"bauamt-0001", start=len(console.seen))
    found = answering(console, [b"\x1b[B"] * 100)
    os.write(console.fd, b"4")
    console.quiet(0.3)
    os.write(console.fd, b"/")
    console.quiet(0.3)
    found += answering(console, [bytes([char]) for char in QUESTION])
    os.write(console.fd, b"\r")
    found += answering(console, [b"?", b"\x1b"] * 20)
    console.end()
    return found


def told(what: str, value: float, target: float, unit: str) -> None:
    """Print one figure."""
    sys.stdout.write(f"{what:<44} {value:>9.2f} {unit:<4} target {target:g} {'ok' if value <= target else 'MISSED'}\n")


def echo() -> float:
    """Return the median milliseconds of a key's way to a program that echoes, and back."""
    cat = Pty(["cat"], {})
    found = [cat.press(b"x") for _ in range(60)]
    cat.end()
    return statistics.median(found)


def counting(cpu: float, times: int) -> float:
    """Return the milliseconds that counting, which takes about `cpu` of them, takes at its longest of so many times."""
    steps, took = 1_000, 0.0
    while took < cpu:
        steps = int(steps * 1.2)
        took = min(_counted(steps) for _ in range(5))
    found = []
    for _ in range(times):
        time.sleep(EVERY_SECONDS)
        found.append(_counted(steps))
    return max(found)


def _counted(steps: int) -> float:
    began, total = time.perf_counter(), 0
    for at in range(steps):
        total += at * at % 7
    return (time.perf_counter() - began) * 1000


def opened(environment: dict[str, str]) -> tuple[Pty, float]:
    """Open a console, a cold process; with it the seconds to the first rows."""
    console = Pty([sys.executable, "-m", "sentinel", "console", "alerts"], environment)
    return console, console.until(rb"bauamt-0000")


def measure(folder: Path, environment: dict[str, str], idle_seconds: float) -> None:
    """Measure everything."""
    sys.stdout.write(
        f"reference: a program that echoes answers a key in {echo():.2f} ms; load {os.getloadavg()[0]:.1f}\n"
    )
    console, first = opened(environment)
    firsts, cpus = [first], [console.cpu()]
    while len(firsts) < COLD:
        console.end()
        console, first = opened(environment)
        firsts.append(first)
        cpus.append(console.cpu())
    told("first rows of 100,000 alerts, cold: median", statistics.median(firsts), 1.0, "s")
    told("  its CPU", statistics.median(cpus), 1.0, "s")
    console.quiet(1.5)
    arrows = [console.answered(b"\x1b[B") for _ in range(60)]
    told("arrow: median to the first byte", statistics.median(arrows), 16, "ms")
    told("arrow: 95 of 100", sorted(arrows)[int(len(arrows) * 0.95)], 40, "ms")
    pages = [console.settled(b"\x1b[6~", 0.12) for _ in range(40)]
    told("page: median to the last byte", statistics.median(pages), 33, "ms")
    told("200 queued arrows, settled", console.settled(b"\x1b[B" * 200), 250, "ms")
    told("to the end and back, settled", console.settled(b"Ggg"), 250, "ms")
    console.quiet()
    os.write(console.fd, b"/")
    console.quiet()
    keys = [console.settled(char.encode(), 0.3) for char in "kerberoasting"]
    told("filter: a key, median to the last byte", statistics.median(keys), 100, "ms")
    os.write(console.fd, b"\x1b")
    console.quiet()
    before = console.cpu()
    time.sleep(ALONE_SECONDS)
    told("left alone: CPU, once (it reads the rules)", console.cpu() - before, 2, "s")
    told("memory", console.memory(), 120, "MiB")
    before = console.cpu()
    time.sleep(idle_seconds)
    told("idle CPU", 100 * (console.cpu() - before) / idle_seconds, 2, "%")
    console.end()
    for what, store in (("is there", lambda: contextlib.nullcontext("")), ("hangs", hanging), ("refuses", refusing)):
        with store() as url:
            took, cpu = zip(*away(folder, environment, url), strict=True)
        told(f"the store {what}: the longest key of {len(took)}", max(took), 50, "ms")
        told("  median", statistics.median(took), 16, "ms")
        waited = [one - own for one, own in zip(took, cpu, strict=True)]
        told("  waited longest for anything but drawing", max(waited), 50, "ms")
        loop = counting(statistics.median(cpu), len(cpu))
        sys.stdout.write(f"  reference: a loop as long as the median {loop:.0f} ms at its longest\n")


def main() -> None:
    """Measure, over a book made for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--idle", type=float, default=60.0)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="sentinel-bench-"))
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "sentinel.toml").write_text(f'data = "{folder}/data"\n[spool]\nballast_bytes = 0\n')
        if not (folder / "data/state.db").exists():
            fill(folder / "data/state.db", given.alerts)
        environment = {
            "SENTINEL_CONFIG": str(folder / "sentinel.toml"), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
            "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "settings"),
        }  # fmt: skip
        subprocess.run([sys.executable, "-c", "import sentinel.ui.console.app"], check=True)
        measure(folder, environment, given.idle)
    finally:
        if given.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
