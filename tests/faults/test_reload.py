"""F30: new options under load (SIGHUP), wrong ones, and data that a newer Sentinel has written.

An orderly end and a start while the store is away are in test_store_away.
"""

import os
import signal
import sqlite3
import time

import pytest

from tests.faults.trial import PAUSE_SECONDS, Trial
from tests.running import eventually


def test_a_hangup_begins_anew_with_the_new_options_and_loses_nothing(trial: Trial) -> None:
    trial.start()
    assert trial.running.process is not None
    pid = trial.running.process.pid
    with trial.producing(pause=PAUSE_SECONDS):
        time.sleep(0.5)
        config = trial.running.config
        config.write_text(config.read_text().replace('[[relp]]\nname = "relay"', '[[relp]]\nname = "renamed"'))
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: any("listening: renamed relp" in line for line in trial.running.said))
        eventually(lambda: trial.running.said.count("ready\n") == 2)
        trial.faults["reload"] += 1
        time.sleep(0.5)
    assert trial.running.process.poll() is None, "it is the same process"
    did = [one["what"] for one in trial.running.json("audit", "list")]
    assert [did.count(one) for one in ("run.begin", "config.reload", "rules.change", "audit.anchor")] == [2, 1, 1, 1]
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.acked > 100
    rows = trial.running.json("status")[0]["hours"]
    assert {row["source"] for row in rows if row["outcome"] == "stored"} >= {"relay", "renamed"}


def test_a_hangup_with_wrong_options_says_what_is_wrong_and_cuts_nobody_off(trial: Trial) -> None:
    trial.start()
    assert trial.running.process is not None
    config, good = trial.running.config, trial.running.config.read_text()
    producer = trial.producer("relp")
    with producer.connected() as connection:
        for wrong in ("unknown = 1\n", "data =\n", f'[[http]]\nname = "x"\ntoken_file = "{config}.none"\n'):
            config.write_text(wrong + good)
            trial.running.said.clear()
            os.kill(trial.running.process.pid, signal.SIGHUP)
            eventually(lambda: any("the old ones go on" in line for line in trial.running.said))
            trial.faults["wrong options"] += 1
            producer.batch(connection, producer.next())
    config.write_text(good)
    assert "ready\n" not in trial.running.said
    assert trial.judged().complaints == []


@pytest.mark.parametrize("name", ["spool/form", "state.db", "sources.db"])
def test_what_a_newer_sentinel_has_written_is_refused_loudly_and_left_as_it_is(trial: Trial, name: str) -> None:
    trial.start()
    trial.producer("relp").once()
    assert trial.judged().lost == frozenset()
    path = trial.running.folder / "data" / name
    if path.suffix == ".db":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version=99")
        db.close()
    else:
        path.write_text("99\n", "ascii")
    before = {one.name: one.stat().st_size for one in path.parent.glob("*.seg")}
    with pytest.raises(AssertionError, match=r"written by a newer Sentinel[\s\S]*upgrade"):
        trial.start()
    assert trial.running.stop() not in {0, 70}
    assert {one.name: one.stat().st_size for one in path.parent.glob("*.seg")} == before
