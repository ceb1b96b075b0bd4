"""F01: `kill -9` at random moments under load, each store: what was acknowledged is stored, once, as it was sent.

SENTINEL_KILL_ROUNDS sets the kills of each test (3), SENTINEL_KILL_SEED the moments.
"""

import os
import random
import time

import pytest

from tests.faults.trial import PAUSE_SECONDS, Trial

pytestmark = pytest.mark.kill
ROUNDS = int(os.environ.get("SENTINEL_KILL_ROUNDS", "3"))
SEED = int(os.environ.get("SENTINEL_KILL_SEED", "7"))


def test_killed_at_random_moments_nothing_acknowledged_is_lost_and_nothing_doubled(any_trial: Trial) -> None:
    trial, chance = any_trial, random.Random(SEED)  # noqa: S311  repeatable on purpose
    with trial.producing(pause=PAUSE_SECONDS):
        for _ in range(ROUNDS):
            trial.start()
            time.sleep(chance.uniform(0.05, 1.2))
            trial.kill()
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.faults == {"kill -9": ROUNDS}
    assert verdict.acked > 20 * ROUNDS
