"""What `sentinel doctor` finds about followed files, on a real disk."""

import json
import os
from pathlib import Path

import pytest

from tests.warm import sentinel


def doctor(tmp_path: Path, *paths: str) -> dict[str, tuple[str, str]]:
    """Return what doctor says of the source `app`: its words to its verdict and its advice."""
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[spool]\nballast_bytes = 0\n[[files]]\nname = "app"\n'
        f"paths = {json.dumps([str(tmp_path / path) for path in paths])}\n"
    )
    done = sentinel("doctor", "--json", "--config", str(config))
    said = [json.loads(line) for line in done.stdout.splitlines()]
    found = {one["found"]: (one["state"], one["advice"]) for one in said if one["check"] == "files app"}
    assert done.returncode == any(one["state"] == "fail" for one in said), done.stderr
    return found


def test_files_that_can_be_read_are_counted(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.2.gz", "app.log-20261123"):
        (tmp_path / name).write_bytes(b"line\n")
    assert doctor(tmp_path, "app.log*") == {"4 files, 20 bytes": ("ok", "")}


def test_patterns_that_name_nothing_are_told(tmp_path: Path) -> None:
    found = doctor(tmp_path, "nowhere/*.log", "other.log")
    assert found[f"{tmp_path}/nowhere/*.log: there is no folder {tmp_path}/nowhere"][0] == "warn"
    assert found[f"{tmp_path}/other.log names no file yet"][0] == "warn"
    assert len(found) == 2


def test_files_that_hold_no_text_fail_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").write_bytes(b"\xfd7zXZ\0rest")
    (tmp_path / "app.evtx").write_bytes(b"ElfFile\0rest")
    found = doctor(tmp_path, "app*")
    xz, log = (
        found[f"{tmp_path}/app.log.1 is compressed by xz, which is not read"],
        found[f"{tmp_path}/app.evtx is a Windows event log and no text"],
    )
    assert (xz[0], log[0]) == ("fail", "fail")
    assert "gzip" in xz[1]
    assert "sentinel import" in log[1]


def test_utf_16_without_its_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes("2026-11-23 Bürgerbüro\r\n".encode("utf-16-le"))
    (tmp_path / "marked.log").write_bytes("2026-11-23 Bürgerbüro\r\n".encode("utf-16"))
    (tmp_path / "plain.log").write_bytes(b"2026-11-23 plain\n\0\n")
    warned = {words: said for words, said in doctor(tmp_path, "*.log").items() if said[0] == "warn"}
    ((words, (_, advice)),) = warned.items()
    assert words == f"{tmp_path}/app.log looks like UTF-16 without its mark"
    assert "utf-16-le" in advice


def test_rotated_files_under_names_that_are_not_known_are_told(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.old", "app.log.1.xz"):
        (tmp_path / name).write_bytes(b"line\n")
    found = doctor(tmp_path, "app.log")
    warned = [words for words, (state, _) in found.items() if state == "warn"]
    assert [words.split()[0] for words in warned] == [f"{tmp_path}/app.log.1.xz", f"{tmp_path}/app.log.old"]
    assert "1 files, 5 bytes" in found


@pytest.mark.parametrize("broken", [False, True])
def test_whether_event_logs_can_be_read_is_told(tmp_path: Path, *, broken: bool) -> None:
    environment = {}
    if broken:
        (tmp_path / "evtx.py").write_text("raise ImportError('no such wheel for this processor')")
        environment["PYTHONPATH"] = str(tmp_path)
    config = tmp_path / "sentinel.toml"
    config.write_text(f'data = "{tmp_path}/data"\n[spool]\nballast_bytes = 0\n')
    done = sentinel("doctor", "--json", "--config", str(config), environment=environment)
    (said,) = [one for line in done.stdout.splitlines() if (one := json.loads(line))["check"] == "event logs"]
    assert said["state"] == ("warn" if broken else "ok")
    assert ("no such wheel" in said["found"]) == broken


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_fail(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(b"line\n")
    (tmp_path / "app.log").chmod(0)
    assert doctor(tmp_path, "app.log")[f"{tmp_path}/app.log: may not be read"][0] == "fail"
