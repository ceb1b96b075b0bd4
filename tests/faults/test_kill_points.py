"""F02: `kill -9` at every named point, each found in the source: no crash loop, nothing acknowledged lost or doubled.

The points of a stage are passed one after another, each on what the death before it has left. With
SENTINEL_KILL_ROUNDS set every point is also tried by itself.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sentinel.core.event import Origin
from tests.faults import payload
from tests.faults.points import SENTINEL, points
from tests.faults.trial import PAUSE_SECONDS, Trial

ELSEWHERE = {
    "notify.before_queued": "tests/notify/test_sender.py",
    "notify.queued": "tests/notify/test_sender.py",
    "notify.before_send": "tests/notify/test_sender.py",
    "notify.sent": "tests/notify/test_sender.py",
    "notify.noted": "tests/notify/test_sender.py",
    "audit.written": "tests/audit/test_log.py",
    "cases.before_commit": "tests/cases/test_cases.py",
    "fetch.before_rename": "tests/detect/test_fetched.py",
    "fetch.synced": "tests/detect/test_fetched.py",
    "fetch.written": "tests/detect/test_fetched.py",
    "pull.kept": "tests/whole/test_pull.py",
    "join.durable": "tests/whole/test_joined.py",
    "join.entered": "tests/whole/test_joined.py",
    "replica.appended": "tests/elastic/test_shared.py",
    "replica.before_commit": "tests/elastic/test_shared.py",
    "store.amend_renamed": "tests/store/test_crashes.py",
    "store.amend_written": "tests/store/test_crashes.py",
    "store.drop_half": "tests/store/test_crashes.py",
}
"""Points that want an API to be asked, the lines of a mail, a repair, old days, rules of others, or several machines,
with who tests them."""
ELASTIC = ("store.before_bulk", "store.after_bulk")
LOAD_SECONDS = 20.0
OLD_DAYS = 5
SMALL_SPOOL = "[spool]\nballast_bytes = 0\nbytes_max = 4194304\n"
"""Segments of 1 MiB, so that rotation is frequent."""


def _chains() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for point in points():
        if point not in ELSEWHERE and point not in ELASTIC:
            found.setdefault(point.split(".", 1)[0], []).append(point)
    if "SENTINEL_KILL_ROUNDS" in os.environ:
        found |= {point: [point] for chain in list(found.values()) for point in chain}
    return found


CHAINS = _chains()


def replayed(trial: Trial) -> None:
    """Bring in records that arrived on other days: the store begins files for them and seals those of days before."""
    numbers = trial.oracle.issue(OLD_DAYS, "replay")
    path = trial.running.folder / "old.jsonl"
    rows = []
    for at, number in enumerate(numbers):
        arrived = datetime(2026, 11, 20, 12, tzinfo=UTC) - timedelta(days=at)
        origin = Origin("syslog-tcp", "192.0.2.9:514", f"old:{number}", f"arrived:{arrived.isoformat()}")
        rows.append(
            {
                "source": "city",
                "received": arrived.isoformat(),
                "origin": {name: getattr(origin, name) for name in ("via", "peer", "position", "note")},
                "body_base64": base64.b64encode(payload.line(number).encode()).decode(),
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "ascii")
    command = [sys.executable, "-m", "sentinel", "replay", str(path), "--config", str(trial.running.config)]
    with subprocess.Popen(command, env={**os.environ, **trial.running.environment}) as replaying:
        while replaying.poll() is None and trial.running.process is not None and trial.running.process.poll() is None:
            time.sleep(0.02)
        replaying.terminate()  # once Sentinel has died nobody makes room in a full spool
    if replaying.returncode == 0:
        trial.oracle.acked(numbers)


def die_at(trial: Trial, point: str) -> None:
    """Start, with a load that comes by every point, and see Sentinel die at this one."""
    trial.start(kill_at=point)
    with trial.producing(pause=PAUSE_SECONDS):
        died = trial.died(2.0)
        if not died:
            replayed(trial)
            died = trial.died(LOAD_SECONDS)
    assert died, f"{point} was never passed"
    trial.faults[point] += 1


@pytest.mark.kill
@pytest.mark.parametrize("chain", CHAINS)
def test_killed_at_each_point_it_starts_again_with_all_that_was_acknowledged(
    trial_with: Callable[[str], Trial], chain: str
) -> None:
    trial = trial_with(SMALL_SPOOL)
    trial.start()
    with trial.producing(pause=PAUSE_SECONDS):
        trial.died(0.5)
        trial.kill()
    for point in CHAINS[chain]:
        die_at(trial, point)
    verdict = trial.judged()
    assert verdict.complaints == []
    assert all(verdict.faults[point] == 1 for point in CHAINS[chain])
    assert verdict.acked > 100


@pytest.mark.kill
@pytest.mark.elastic
def test_killed_around_a_bulk_request_each_event_is_in_elasticsearch_once(elastic_trial: Trial) -> None:
    for point in (*ELASTIC, *(f"{point}:5" for point in ELASTIC)):
        die_at(elastic_trial, point)
    verdict = elastic_trial.judged()
    assert verdict.complaints == []
    assert len(verdict.faults) == 4


def test_the_points_that_are_left_out_cannot_be_passed_and_are_tested_elsewhere() -> None:
    known = points()
    assert len(known) >= 31
    assert {*ELASTIC, *ELSEWHERE} <= set(known)
    root = SENTINEL.parent
    for point, tested in ELSEWHERE.items():
        assert point in (root / tested).read_text("utf-8")
