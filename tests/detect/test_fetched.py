"""Rules that are fetched replace those of before wholly or not at all, and what was changed stays."""

import os
import signal
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core import kill
from sentinel.core.errors import ForbiddenError, StoreBusyError, UsageError
from sentinel.core.lock import HeldLock
from sentinel.detect.fetched import fetch, local
from tests.detect.test_merging import A, B, rule

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
FIRST = {"rules/a.yml": rule(A, "1"), "rules/b.yml": rule(B, "1")}
SECOND = {"rules/a.yml": rule(A, "2"), "rules/b.yml": rule(B, "2")}
POINTS = ("fetch.written", "fetch.synced", "fetch.before_rename")


def release(path: Path, files: dict[str, bytes]) -> Path:
    """Return a release of these rules."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


def held(folder: Path) -> dict[str, bytes]:
    """Return the rules that a reader sees."""
    below = local(folder)
    return {one.relative_to(below).as_posix(): one.read_bytes() for one in below.rglob("*.yml")}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return a folder into which the first release was fetched."""
    fetch(tmp_path / "rules", release(tmp_path / "1.zip", FIRST), NOW)
    return tmp_path / "rules"


def test_what_was_changed_removed_and_added_stays_over_updates(first: Path, tmp_path: Path) -> None:
    mine, own = local(first) / "rules/a.yml", local(first) / "rules/own.yml"
    mine.write_bytes(rule(A, "mine"))
    own.write_bytes(b"title: own\n")
    (local(first) / "rules/b.yml").unlink()
    kept = {"rules/a.yml": rule(A, "mine"), "rules/own.yml": b"title: own\n"}
    fetch(first, release(tmp_path / "2.zip", SECOND), NOW)
    assert held(first) == kept
    found = fetch(first, tmp_path / "2.zip", NOW)
    assert held(first) == kept
    assert dict(found.fates) == {
        "rules/a.yml": "changed here", "rules/b.yml": "removed here", "rules/own.yml": "yours",
    }  # fmt: skip


def test_an_update_takes_what_nobody_changed(first: Path, tmp_path: Path) -> None:
    found = fetch(first, release(tmp_path / "2.zip", SECOND), NOW)
    assert held(first) == SECOND
    assert {fate for _, fate in found.fates} == {"updated"}
    assert all(one.stat().st_mode & 0o777 == 0o640 for one in local(first).rglob("*.yml"))
    for _ in range(3):  # one state before is kept, no more
        fetch(first, tmp_path / "2.zip", NOW)
    assert len(list(first.glob("state-*"))) == 2


@pytest.mark.parametrize("point", POINTS)
def test_killed_in_between_the_old_rules_are_there_and_the_next_time_works(
    first: Path, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = release(tmp_path / "2.zip", SECOND)
    monkeypatch.setattr(kill, "_NAME", point)
    monkeypatch.setattr(kill, "_left", {point: 1})
    child = os.fork()
    if child == 0:  # pragma: no cover  it dies
        fetch(first, given, NOW)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert held(first) == FIRST
    monkeypatch.undo()
    fetch(first, given, NOW)
    assert held(first) == SECOND


def test_a_refused_archive_changes_nothing(first: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fetch(first, release(tmp_path / "2.zip", {"../a.yml": b"x"}), NOW)
    assert held(first) == FIRST


def test_two_at_once_do_not_mix(first: Path, tmp_path: Path) -> None:
    lock = HeldLock(first / "lock", "{holder}")
    with pytest.raises(StoreBusyError, match="fetches rules already"):
        fetch(first, release(tmp_path / "2.zip", SECOND), NOW)
    lock.release()


def test_where_nothing_can_be_written_that_is_said_and_nothing_changed(first: Path, tmp_path: Path) -> None:
    (first / "state-2").write_text("in the way")
    with pytest.raises(ForbiddenError, match="the rules are as they were"):
        fetch(first, release(tmp_path / "2.zip", SECOND), NOW)
    assert held(first) == FIRST
