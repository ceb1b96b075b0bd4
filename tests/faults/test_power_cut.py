"""F04: the power is cut at random moments, starting or loaded, on real files: what was acknowledged is stored, once.

SENTINEL_KILL_ROUNDS sets the cuts (4), SENTINEL_KILL_SEED the moments and what the disk writes by itself.
"""

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.faults import judge
from tests.faults.power import Forgetful
from tests.faults.trial import ACKNOWLEDGED, PAUSE_SECONDS, Trial

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif(not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="needs /dev/fuse and the right to use it"),
    pytest.mark.skipif(find_library("fuse3") is None, reason="needs libfuse3"),
]
ROUNDS = int(os.environ.get("SENTINEL_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("SENTINEL_KILL_SEED", "7"))
DATABASES = ("state.db", "sources.db", "joins.db")
IN_DANGER = (".seg", ".ndjson", ".db", "-wal")
"""Files in which records and books are; what else is never synchronised, such as SQLite's index, proves nothing."""
SMALL_SPOOL = "[spool]\nballast_bytes = 0\nbytes_max = 4194304\n"
"""Segments of 1 MiB, so that names change, too."""


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Forgetful]:
    """Return the file system that the data of the trial is on."""
    with Forgetful(tmp_path / "disk", tmp_path / "data") as power:
        yield power


def started_again(power: Forgetful) -> None:
    """Give the power back, as to a machine that has started since.

    The spool's head is believed only within one start of the machine (`boot_id`), and this machine goes on running: an
    old head that the disk happened to write would be believed here (after a true start it is not, as
    tests/spool/test_power.py shows). So it is what a disk may make of a file that is never synchronised: gone.
    """
    (power.disk / "spool/head").unlink(missing_ok=True)
    power.on()


def lose_power(trial: Trial, power: Forgetful, seed: int | None) -> None:
    """Cut the power under Sentinel, without a seed in the midst of an fsync, then give it back."""
    power.cut(seed, amid_sync=seed is None)
    trial.faults["power cut"] += 1
    trial.running.stop(signal.SIGKILL)  # it may have ended by itself, for its disk does not answer
    started_again(power)


def in_danger(power: Forgetful) -> bool:
    """Say whether a cut has taken anything that was written."""
    return any(lost for path, lost in power.lost["bytes"].items() if path.endswith(IN_DANGER))


def lose_power_starting(trial: Trial, power: Forgetful, seconds: float, seed: int | None) -> None:
    """Cut the power so long after Sentinel was told to start, ready or not, then give it back."""
    trial.running.prepare()  # the cut is to meet Sentinel, not what the tests get ready for it
    cut = threading.Timer(seconds, power.cut, kwargs={"seed": seed})
    cut.start()
    with suppress(AssertionError):  # it need not come to be ready; that it can start at all the judgement sees
        trial.start()
    cut.join()
    trial.faults["power cut"] += 1
    trial.running.stop(signal.SIGKILL)
    started_again(power)


def sound(database: Path) -> bool:
    """Say whether SQLite finds nothing wrong with a file."""
    with closing(sqlite3.connect(database)) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def synchronised(path: Path) -> None:
    """Synchronise a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def test_the_disk_keeps_what_was_synchronised_and_forgets_the_rest(power: Forgetful) -> None:
    data = power.mount
    for name in ("both", "name", "grown", "moved"):
        (data / name).write_text("first")
    synchronised(data)
    for name in ("both", "grown", "moved"):
        synchronised(data / name)
    (data / "bytes").write_text("first")
    synchronised(data / "bytes")
    with (data / "grown").open("a") as file:
        file.write(" and second")
    (data / "moved").rename(data / "elsewhere")
    (data / "both").unlink()
    assert sorted(path.name for path in data.iterdir()) == ["bytes", "elsewhere", "grown", "name"]
    assert (data / "grown").read_text() == "first and second"
    power.cut()
    power.on()
    found = {path.name: path.read_text() for path in data.iterdir()}
    assert found == {"both": "first", "name": "", "grown": "first", "moved": "first"}
    assert power.lost == {"bytes": {"/name": 5, "/grown": 11}, "names": {"/": 4}}


def test_the_disk_may_have_written_some_of_the_rest_torn_between_sectors(power: Forgetful) -> None:
    path = power.mount / "file"
    path.touch()
    synchronised(power.mount)
    seen = set()
    for seed in range(12):
        path.write_bytes(b"")
        synchronised(path)
        with path.open("r+b", buffering=0) as file:
            for word in b"abc":
                file.write(bytes([word]) * 700)
        power.cut(seed)
        power.on()
        content = path.read_bytes()
        for at, word in enumerate(b"abc"):
            piece = content[700 * at : 700 * (at + 1)]
            end = len(piece.rstrip(b"\0"))
            assert piece[:end] == bytes([word]) * end
            assert end in {0, 700} or (700 * at + end) % 512 == 0
        seen.add(content)
    assert len(seen) > 3
    assert min(map(len, seen)) < 2100


@pytest.mark.parametrize("seed", [SEED])  # so that a failure names it
def test_power_cut_at_random_moments_nothing_acknowledged_is_lost_and_nothing_doubled(
    power: Forgetful, trial_with: Callable[[str], Trial], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    trial = trial_with(SMALL_SPOOL)
    with trial.producing(pause=PAUSE_SECONDS):
        for turn in range(ROUNDS):
            rest = None if turn % 4 in {0, 3} else chance.randrange(1 << 30)
            if turn % 2:
                trial.start()
                time.sleep(chance.uniform(0.1, 1.5))
                lose_power(trial, power, rest)
            else:
                lose_power_starting(trial, power, chance.uniform(0.3, 2.5), rest)
        while not in_danger(power) and trial.faults["power cut"] < 4 * ROUNDS:
            trial.start()
            time.sleep(chance.uniform(0.1, 1.5))
            lose_power(trial, power, None)
    assert in_danger(power), "no record was in danger"
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.faults["power cut"] >= ROUNDS
    assert verdict.acked > 20 * ROUNDS
    assert all(sound(power.mount / name) for name in DATABASES)
    assert not list(power.mount.rglob("*.damaged-*"))


def test_a_disk_that_lies_loses_what_was_acknowledged_and_the_judge_says_so(power: Forgetful, trial: Trial) -> None:
    power.cut()
    power.lies = True
    power.on()
    trial.start()
    for kind in ACKNOWLEDGED:
        trial.producer(kind).once()
    lose_power(trial, power, None)
    trial.start()
    assert trial.running.stop() == 0
    known = trial.oracle.known()
    verdict = judge.verdict(known, *judge.stored(trial.running.config), trial.faults)
    assert any("acknowledged and not stored" in complaint for complaint in verdict.complaints)
