"""F30 (an orderly end, and a start, while the store is away) and F31 (memory while it is; descriptors: test_limits)."""

import time

import pytest

from tests.faults.door import Door
from tests.faults.memory import MB, memory_max, resident
from tests.faults.trial import ACKNOWLEDGED, PAUSE_SECONDS, Trial
from tests.running import eventually

pytestmark = pytest.mark.elastic
STOP_SECONDS_MAX = 30.0
GROWTH_MAX = 60 * MB
PROOF_MAX = 80 * MB
"""The process that proves the rules may begin while memory is measured; it ends."""
FAMILY_MAX = 400 * MB
MEMORY_MAX = 300 * MB
NETWORK = ("relp", "beats", "http")


@pytest.mark.parametrize("away", ["shut", "mute"])
def test_an_orderly_end_while_the_store_is_away_leaves_all_of_it_for_the_next_start(
    door_trial: Trial, door: Door, away: str
) -> None:
    trial = door_trial
    trial.start()
    with trial.producing(pause=PAUSE_SECONDS):
        time.sleep(0.5)
        getattr(door, away)()
        trial.faults[away] += 1
        time.sleep(2)
        begun = time.monotonic()
        assert trial.running.stop() == 0
    assert time.monotonic() - begun < STOP_SECONDS_MAX
    assert any("everything that was accepted is on disk" in line for line in trial.running.said)
    door.open()
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.acked > 100


def test_started_while_the_store_is_away_it_receives_and_stores_later(door_trial: Trial, door: Door) -> None:
    trial = door_trial
    door.shut()
    trial.faults["shut at the start"] += 1
    trial.start()
    for kind in ACKNOWLEDGED:
        trial.producer(kind).once()
    door.open()
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.acked == 2 * len(ACKNOWLEDGED)


def test_memory_stays_flat_while_the_store_is_away_and_everything_is_stored_when_it_is_back(
    door_trial: Trial, door: Door
) -> None:
    trial = door_trial
    trial.start()
    assert trial.running.process is not None
    pid = trial.running.process.pid
    with memory_max(pid, MEMORY_MAX) as killed, trial.producing(NETWORK, batch=100, pause=0.0):
        time.sleep(2)
        before = resident(pid)
        door.shut()
        trial.faults["away"] += 1
        spool = trial.running.folder / "data/spool"
        eventually(lambda: sum(path.stat().st_size for path in spool.glob("*.seg*")) > 3 << 20)
        figures = []
        for _ in range(8):
            time.sleep(0.5)
            figures.append(resident(pid))
        acked = len(trial.oracle.known().acked)
        time.sleep(1)
        assert len(trial.oracle.known().acked) == acked, "a full spool takes nothing more"
        door.open()
        eventually(lambda: len(trial.oracle.known().acked) > acked + 1000)
        assert killed() == 0
    assert max(figures) - before < GROWTH_MAX + PROOF_MAX, f"{(max(figures) - before) / MB:.0f} MiB"
    assert max(figures) < FAMILY_MAX, f"{max(figures) / MB:.0f} MiB"
    verdict = trial.judged()
    assert verdict.complaints == []
