"""Killed anywhere, a writer leaves a spool that opens, holds what it acknowledged, and holds nothing twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.event import Origin, Raw
from sentinel.spool.disk import DiskSpool

pytestmark = pytest.mark.kill
MOMENT = datetime(2026, 11, 23, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
POINTS = [
    "spool.after_write", "spool.before_fsync", "spool.after_fsync", "spool.rotate", "spool.rotated",
    "spool.checkpoint.tmp", "spool.checkpoint.renamed", "spool.unlink",
]  # fmt: skip


def start(folder: Path, name: str, *, kill_at: str = "", committing: bool = True) -> "subprocess.Popen[bytes]":
    """Start a victim."""
    return subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("victim.py")),
            str(folder),
            name,
            "commit" if committing else "-",
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"SENTINEL_KILL_AT": kill_at, "PYTHONPATH": str(ROOT)},
    )


def killed(victim: "subprocess.Popen[bytes]") -> bytes:
    """Kill it and return what it said since."""
    assert victim.stdout is not None
    victim.kill()
    with victim.stdout:
        said = victim.stdout.read()
    victim.wait()
    return said


class Judge:
    """Believes what victims said and compares it with what the spool holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acked: dict[str, int] = {}
        self.stored: dict[int, str] = {}

    def hear(self, name: str, said: bytes) -> None:
        """Take in what one victim wrote; its last line may be cut."""
        for line in said.decode().split("\n")[:-1]:
            match line.split(" "):
                case ["acked", number]:
                    self.acked[name] = int(number)
                case ["stored", seq, body]:
                    assert self.stored.setdefault(int(seq), body) == body
                case _:
                    pytest.fail(f"the victim said {line!r}")

    def judge(self) -> None:
        """Open the spool: every acknowledged record is stored or there, under one sequence only, and more fit in."""
        with DiskSpool(self.folder, segment_bytes=4096, ballast_bytes=0) as spool:
            for seq, body in self._found(spool):
                assert self.stored.setdefault(seq, body) == body
            bodies = list(self.stored.values())
            assert len(set(bodies)) == len(bodies)
            missing = {f"{name}:{n}" for name, count in self.acked.items() for n in range(count)} - set(bodies)
            assert not missing
            fresh = self.acked.setdefault("fresh", 0)
            seq = spool.put([Raw(b"fresh:%d" % fresh, "s", MOMENT, Origin("stdin"))])
            assert seq > max(self.stored, default=0)
            self.acked["fresh"] += 1

    def _found(self, spool: DiskSpool) -> Iterator[tuple[int, str]]:
        after = spool.committed
        while entries := spool.read(after, 1000):
            after = entries[-1].seq
            yield from ((entry.seq, entry.raw.body.decode()) for entry in entries)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(folder: Path, point: str) -> None:
    judge = Judge(folder)
    for passing in (1, 4):
        name = f"{point}-{passing}"
        victim = start(folder, name, kill_at=f"{point}:{passing}")
        said, _ = victim.communicate(timeout=60)
        assert victim.returncode == -signal.SIGKILL
        judge.hear(name, said)
        judge.judge()


def test_killed_at_random_moments(folder: Path) -> None:
    judge = Judge(folder)
    chance = random.Random(7)  # noqa: S311  moments, not secrets
    acked = 0
    for number in range(10):
        victim = start(folder, f"v{number}", committing=number % 3 != 0)
        assert victim.stdout is not None
        first = victim.stdout.readline()
        time.sleep(chance.random() * 0.2)
        judge.hear(f"v{number}", first + killed(victim))
        acked += judge.acked.get(f"v{number}", 0)
        judge.judge()
    assert acked > 100


def test_two_processes_write_at_once_and_one_is_killed(folder: Path) -> None:
    judge = Judge(folder)
    chance = random.Random(11)  # noqa: S311  moments, not secrets
    survivor = start(folder, "survivor", committing=False)
    try:
        for number in range(4):
            victim = start(folder, f"v{number}", committing=number % 2 == 0)
            assert victim.stdout is not None
            first = victim.stdout.readline()
            time.sleep(chance.random() * 0.2)
            judge.hear(f"v{number}", first + killed(victim))
    finally:
        said = killed(survivor)
    judge.hear("survivor", said)
    assert judge.acked["survivor"] > 100
    judge.judge()
