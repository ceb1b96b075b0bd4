"""F15: a log is rotated under load in every common way, and while Sentinel is down; nothing is lost, nothing doubled.

What a model with thousands of orders of events proves is in tests/collect/test_files.py; this is the real process.
What is written between a copy and the truncation after it is lost by the program that rotates: the writer here waits
meanwhile, as one does that rotates its own log.
"""

import gzip
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.memory import family
from tests.faults.producer import File
from tests.faults.trial import Trial
from tests.running import eventually

ROTATIONS = 3


def held(trial: Trial, path: Path) -> bool:
    """Say whether Sentinel has the file open: then what is in it cannot be taken from under its eyes any more."""
    assert trial.running.process is not None
    wanted = path.stat()
    for pid in family(trial.running.process.pid):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found = link.stat()
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def rename_and_create(log: Path, turn: int) -> None:
    log.rename(f"{log}.{turn}")
    log.touch()


def rename_twice(log: Path, turn: int) -> None:
    log.rename(f"{log}.{2 * turn + 1}")
    log.write_bytes(b"")
    log.rename(f"{log}.{2 * turn + 2}")


def copy_and_truncate(log: Path, turn: int) -> None:
    shutil.copy(log, f"{log}.{turn}")
    os.truncate(log, 0)


def delete_and_create(log: Path, turn: int) -> None:
    del turn
    log.unlink()
    log.touch()


def compress(log: Path, turn: int) -> None:
    moved = log.rename(f"{log}.{turn}")
    log.touch()
    packed = Path(f"{moved}.gz.tmp")
    packed.write_bytes(gzip.compress(moved.read_bytes()))
    packed.rename(f"{moved}.gz")
    moved.unlink()


PATTERNS: dict[str, Callable[[Path, int], None]] = {
    one.__name__: one for one in (rename_and_create, rename_twice, copy_and_truncate, delete_and_create, compress)
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_log_rotated_under_load_is_stored_line_by_line_once(trial: Trial, pattern: str) -> None:
    trial.log.touch()
    trial.start()
    with trial.producing(["file"]) as (producer,):
        assert isinstance(producer, File)
        for turn in range(ROTATIONS):
            time.sleep(0.4)
            eventually(lambda: trial.log.stat().st_size and held(trial, trial.log))
            with producer.turn:
                PATTERNS[pattern](trial.log, turn)
            trial.faults[pattern] += 1
        if pattern != "delete_and_create":  # a file that comes and goes while nobody looks was never there
            trial.kill()
            time.sleep(0.2)
            with producer.turn:
                PATTERNS[pattern](trial.log, ROTATIONS)
            time.sleep(0.2)
            trial.start()
        time.sleep(0.4)
    verdict = trial.judged(["file"])
    assert verdict.complaints == []
    assert verdict.faults[pattern] == ROTATIONS
    assert verdict.acked > 100


def test_a_log_filled_again_past_the_old_place_before_anybody_looked(trial: Trial) -> None:
    trial.start()
    producer = trial.producer("file", batch=200)
    assert isinstance(producer, File)
    with producer.connected() as nothing:
        for turn in range(ROTATIONS):
            producer.batch(nothing, producer.next())
            eventually(lambda: held(trial, trial.log))
            copy_and_truncate(trial.log, turn)
            producer.batch(nothing, [*producer.next(), *producer.next()])
            trial.faults["refilled"] += 1
    verdict = trial.judged(["file"])
    assert verdict.complaints == []
    assert verdict.acked == ROTATIONS * 600 + 1
