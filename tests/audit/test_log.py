"""The audit log on disk: several write, a crash is told, a full disk refuses, and nothing is mended in silence."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel.audit import chain
from sentinel.audit.log import RESERVE_BYTES, AuditLog
from sentinel.core.audit import Deed, entered
from sentinel.core.errors import AuditError, UsageError
from tests.audit.conftest import filled

DEED = Deed("query", "erika", "", {"question": "user.name:anna last 7d"})
WRITER = """
import sys
from pathlib import Path
from sentinel.audit.log import AuditLog
from sentinel.core.audit import Deed
from sentinel.core.clock import SystemClock
log = AuditLog(Path(sys.argv[1]), SystemClock())
for number in range(int(sys.argv[2])):
    log.enter(Deed("query", "p" + sys.argv[3], str(number)))
"""


def lines(log: AuditLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    log = filled(tmp_path / "audit", 1)
    command = [sys.executable, "-c", WRITER, str(log.path.parent), "20"]
    processes = [subprocess.Popen([*command, str(one)]) for one in range(2)]
    with ThreadPoolExecutor(4) as pool:
        numbers = [entry.number for entry in pool.map(log.enter, [DEED] * 20)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(set(numbers)) == 20
    found = log.examine()
    assert (found.well, found.entries) == (True, 61)


def test_an_entry_that_was_torn_is_told_by_the_next_and_stays_as_it_is(log: AuditLog) -> None:
    whole = log.path.read_bytes()
    for torn in (b'{"about":"00', b"\0" * 300, b"{}"):
        log.path.write_bytes(whole + torn)
        assert [problem.line for problem in log.examine().problems] == [9]
        entry = log.enter(DEED)
        found = log.examine()
        assert (found.well, found.torn, entry.number) == (True, (9,), 10)
        assert log.path.read_bytes().startswith(whole + torn + b"\n")
        # and what it tells binds it: other bytes in the torn line are a change
        changed = lines(log)
        changed[8] = b"x" + changed[8][1:]
        log.path.write_bytes(b"".join(changed))
        assert log.examine().problems[0].line == 9


def test_an_entry_that_lacks_only_its_line_feed_counts_and_is_told(log: AuditLog) -> None:
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-1])
    assert "not finished" in log.examine().problems[0].text
    assert log.enter(DEED).number == 10
    assert log.path.read_bytes().startswith(whole)
    assert log.examine().well
    assert [one["what"] for one in log.entries()][-2:] == [chain.TORN, "query"]


def test_work_goes_on_behind_damage_and_the_damage_stays_named(log: AuditLog) -> None:
    damaged = lines(log)
    damaged[7] = damaged[7].replace(b"benign", b"malign")
    damaged[3] = b"\xff\n"
    log.path.write_bytes(b"".join(damaged))
    log.enter(DEED)
    problems = [problem.line for problem in log.examine().problems]
    assert problems[0] == 4
    assert 8 in problems
    assert 9 not in problems


@pytest.mark.kill
def test_killed_behind_the_write_the_entry_is_there_and_the_next_follows(log: AuditLog) -> None:
    command = [sys.executable, "-c", WRITER, str(log.path.parent), "3", "0"]
    done = subprocess.run(command, check=False, env={**os.environ, "SENTINEL_KILL_AT": "audit.written:2"})
    assert done.returncode == -signal.SIGKILL
    assert log.enter(DEED).number == 11
    assert log.examine().well


def test_anchors_miss_what_is_cut_off_also_if_they_were_kept_elsewhere(log: AuditLog) -> None:
    made = log.anchor("erika")
    assert made.number == 9
    assert log.last_anchor() == made
    kept = log.path.read_bytes()
    log.path.write_bytes(b"".join(lines(log)[:5]))
    assert [problem.text for problem in log.examine().problems] == [
        f"entries up to 9 were anchored {made.at}; there are 5"
    ]
    log.anchors.unlink()
    assert log.examine().well
    assert not log.examine((made,)).well
    log.path.write_bytes(kept)
    assert log.examine((made,)).well
    assert not log.examine((replace(made, hash="0" * 64),)).well


def test_an_anchor_that_somebody_changed_is_named(log: AuditLog) -> None:
    log.anchor("erika")
    log.anchor("erika")
    changed = log.anchors.read_bytes().replace(b'"number":9', b'"number":3')
    log.anchors.write_bytes(changed)
    assert "line 1 is no anchor" in log.examine().problems[0].text


def test_a_log_without_its_key_refuses_and_never_makes_another(log: AuditLog) -> None:
    key = log.path.parent / "key"
    kept = key.read_bytes()
    key.unlink()
    fresh = AuditLog(log.path.parent, log._clock)
    with pytest.raises(AuditError, match="bring it back from the backup"):
        fresh.enter(DEED)
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o640)
    with pytest.raises(AuditError, match="chmod 600"):
        AuditLog(log.path.parent, log._clock).enter(DEED)


def test_a_log_that_somebody_else_holds_refuses_after_a_while(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.audit.log.BUSY_SECONDS", 0.05)
    with log.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match="another process has held it"):
            log.enter(DEED)
    assert log.enter(DEED).number == 9


def test_a_first_key_is_nobody_elses_to_read(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, filled(tmp_path / "other", 0)._clock)
    log.enter(DEED)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_down_is_not_done_and_what_fails_is_told(log: AuditLog) -> None:
    with pytest.raises(UsageError), entered(log, DEED):
        raise UsageError("closed already\nby somebody")
    *_, failed = log.entries()
    assert (failed["what"], failed["details"]) == ("query.failed", {"entry": 9, "reason": "closed already"})
    done = []
    with pytest.raises(AuditError, match="longer than"), entered(log, replace(DEED, about="x" * 70_000)):
        done.append(1)
    log.path.unlink()
    log.path.mkdir()
    with pytest.raises(AuditError, match=r"Is a directory.*is not done"), entered(log, DEED):
        done.append(2)
    assert done == []


def until_refused(log: AuditLog, deed: Deed) -> int:
    for number in range(100):
        try:
            log.enter(deed)
        except AuditError:
            return number
    return 100


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_the_reserve_is_written_then_deeds_are_refused_until_there_is_room(small: Path) -> None:
    log = filled(small / "audit", 2)
    reserve = small / "audit/reserve"
    assert reserve.stat().st_size == RESERVE_BYTES
    blocker = small / "somebody.else"
    with blocker.open("wb", buffering=0) as file:
        while True:
            try:
                if file.write(bytes(4096)) < 4096:
                    break
            except OSError:
                break
    big = replace(DEED, about="x" * 60_000)
    assert 5 < until_refused(log, big) < 100  # the reserve took them
    assert not reserve.exists()
    before = log.path.read_bytes()
    with pytest.raises(AuditError, match="the disk is full: make room"):
        log.enter(big)
    assert log.path.read_bytes() == before
    blocker.unlink()
    log.enter(big)
    assert reserve.exists()
    assert log.examine().well
    assert [json.loads(line)["number"] for line in lines(log)] == list(range(1, len(lines(log)) + 1))


def test_an_empty_log_is_well(tmp_path: Path) -> None:
    found = filled(tmp_path / "audit", 0).examine()
    assert (found.well, found.entries, found.head.hash) == (True, 0, chain.FIRST)
