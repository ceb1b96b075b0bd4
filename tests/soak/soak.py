"""An hour of random faults: see `tests/soak/run`."""

import argparse
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from tests.faults.door import Door
from tests.faults.judge import Verdict
from tests.faults.memory import MB
from tests.faults.oracle import Oracle
from tests.faults.producer import NETWORK, File, Producer
from tests.faults.trial import ACKNOWLEDGED, Trial
from tests.soak.troubles import Certificates, Troubles

NODE = Path(__file__).parents[2] / "deploy" / "elasticsearch"
ENTRANCES = ("udp", "tcp", "tls", *ACKNOWLEDGED)
JUDGED_EVERY_SECONDS = 300.0
SPOOL_DISK = "64m"
BATCH, PAUSE_SECONDS = 5, 0.1
"""Fifty events a second by each entrance: what counts here is the faults."""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def elasticsearch(folder: Path) -> Iterator[Door]:
    """Run a node with a door in front of it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    done = subprocess.run([NODE / "start", str(port), folder], capture_output=True, text=True, check=True)
    try:
        with Door(done.stdout.split()[1].removeprefix("http://")) as door:
            yield door
    finally:
        subprocess.run([NODE / "stop", folder], check=False)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Put a file system of its own at `folder` if that is allowed here; yields whether it was."""
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={SPOOL_DISK}", "tmpfs", str(folder)]
    there = (
        bool(mount) and os.geteuid() == 0 and not subprocess.run(command, capture_output=True, check=False).returncode
    )
    try:
        yield there
    finally:
        if there:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Soak:
    """Producers by every entrance, one trouble after another, and every few minutes the judgement."""

    def __init__(self, trial: Trial, troubles: Troubles, chance: Random) -> None:
        self.trial, self.troubles, self.chance = trial, troubles, chance
        self.memory: list[int] = []
        self.wrong: list[str] = []
        self.begun = time.monotonic()

    def run(self, seconds: float, producers: Sequence[Producer]) -> Verdict | None:
        """Make trouble for so long, judge now and then and at the end; returns the last verdict."""
        verdict = None
        end = self.begun + seconds
        while not self.wrong and time.monotonic() < end:
            self.trial.start()
            with ExitStack() as stack:
                for producer in producers:
                    stack.enter_context(producer)
                self._trouble(min(end, time.monotonic() + JUDGED_EVERY_SECONDS))
            verdict = self._judged()
        return verdict

    def _trouble(self, until: float) -> None:
        while not self.wrong and time.monotonic() < until:
            self.memory.append(self.troubles.memory())
            try:
                kind = self.troubles.one()
            except AssertionError as error:
                self.wrong.append(f"after {sum(self.trial.faults.values())} faults: {error}")
                return
            self.trial.faults[kind] += 1
            time.sleep(self.chance.uniform(0.5, 4.0))
            process = self.trial.running.process
            if process is not None and process.poll() is not None:
                self.wrong.append(f"Sentinel ended by itself after {kind}:\n{''.join(self.trial.running.said[-20:])}")

    def _judged(self) -> Verdict | None:
        try:
            verdict = self.trial.judged()
        except AssertionError as error:
            self.wrong.append(f"it could not be healed and judged: {error}")
            return None
        self.wrong += verdict.complaints
        minutes = (time.monotonic() - self.begun) / 60
        say(f"{minutes:6.1f} min  {told(verdict)}; memory {self.memory[-1] / MB:.0f} MiB")
        return verdict


def told(verdict: Verdict) -> str:
    """Return a verdict in one line."""
    return (
        f"{verdict.issued:,} sent, {verdict.acked:,} acknowledged, {verdict.stored:,} stored; "
        f"{len(verdict.lost)} lost, "
        f"{len(verdict.doubled)} doubled, {len(verdict.altered)} altered, {len(verdict.foreign)} never sent"
    )


def main(arguments: Sequence[str]) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/soak/run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--store", choices=("embedded", "elasticsearch"), default="embedded")
    given = parser.parse_args(arguments)
    say(f"soak: {given.minutes:g} minutes, seed {given.seed}, {given.store} store")
    chance = Random(given.seed)  # noqa: S311  repeatable on purpose
    folder = Path(tempfile.mkdtemp(prefix="sentinel-soak-"))
    folder.chmod(0o755)  # the node of Elasticsearch runs as nobody
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        more = "[spool]\nballast_bytes = 0\n"
        door = None
        if given.store == "elasticsearch":
            door = stack.enter_context(elasticsearch(folder / "node"))
            more += f'[store]\nkind = "elasticsearch"\nurl = "{door.url}"\ntimeout_seconds = 5\n'
        disk = folder / "data/spool" if stack.enter_context(small_disk(folder / "data/spool")) else None
        if disk is None:
            say("no full disk: that needs root and mount")
        certificates = Certificates(folder)
        oracle = stack.enter_context(Oracle(folder / "oracle.db"))
        trial = Trial(folder, oracle, certificates.table + more)
        stack.callback(trial.running.stop, signal.SIGKILL)
        NETWORK["tls"].context = certificates.context  # type: ignore[attr-defined]  # the one kind that has one
        producers = [trial.producer(kind, batch=BATCH, pause=PAUSE_SECONDS) for kind in ENTRANCES]
        log = next(one for one in producers if isinstance(one, File))
        soak = Soak(trial, Troubles(trial, chance, log, certificates, door, disk), chance)
        verdict = soak.run(given.minutes * 60, producers)
    return _end(soak, verdict, given.seed)


def _end(soak: Soak, verdict: Verdict | None, seed: int) -> int:
    trial, sizes = soak.trial, [size / MB for size in soak.memory] or [0.0]
    ready = trial.ready_seconds
    if verdict is not None:
        say(f"events: {told(verdict)}")
    say("faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(trial.faults.items())))
    parts = [sizes[len(sizes) * part // 10] for part in range(10)]
    say(f"memory: {' '.join(f'{size:.0f}' for size in parts)} MiB over time, {max(sizes):.0f} at most")
    say(f"ready:  {statistics.median(ready):.1f} s after a start as a rule, {max(ready):.1f} s at most of {len(ready)}")
    for wrong in soak.wrong:
        say(f"WRONG: {wrong}")
    minutes = (time.monotonic() - soak.begun) / 60
    if soak.wrong or verdict is None:
        say(f"soak: FAILED after {minutes:.1f} minutes; the same troubles again: --seed {seed}")
        return 1
    say(
        f"soak: passed: {sum(trial.faults.values())} faults in {minutes:.1f} minutes, nothing acknowledged was lost, "
        "nothing doubled, altered or made up, and the books balance"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
