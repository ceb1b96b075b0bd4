"""ATT&CK is a file of ours: what it does not know is told, and no command about rules ever reaches for the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sentinel.detect.attack import VERSION, doubts, standing, tactics, techniques

RULE = """\
title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
tags: [{tags}]
logsource: {{product: linux, service: sshd}}
detection:
  sel: {{user.name: {title}}}
  condition: sel
"""
FENCED = """
import sys

def fence(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"}:
        raise SystemExit(f"reached for the network: {event} {arguments}")
    if event == "import" and arguments[0].partition(".")[0] in {"diskcache", "requests"}:
        raise SystemExit(f"imported {arguments[0]}")

sys.addaudithook(fence)
from sentinel.cli import main
main()
"""


def fenced(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    config = folder / "sentinel.toml"
    config.write_text(f'data = "{folder}/data"\n')
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", FENCED, *words, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "SENTINEL_CONFIG": str(config)},
    )


def test_every_technique_serves_tactics_that_there_are() -> None:
    assert len(techniques()) > 650
    assert len(tactics()) == 15
    now = [one for one in techniques().values() if not one.withdrawn]
    assert {tactic for one in now for tactic in one.tactics} <= set(tactics())
    assert all(one.id.partition(".")[0] in techniques() for one in now)
    assert techniques()["T1110.001"].name == "Password Guessing"


def test_what_is_unknown_or_withdrawn_is_in_doubt() -> None:
    assert list(doubts(["T1110.001", "t1110"])) == []
    (unknown, withdrawn) = doubts(["T9999", "T1562.001"])
    assert unknown == f"ATT&CK {VERSION} has no technique T9999"
    assert "has withdrawn T1562.001 (Disable or Modify Tools)" in withdrawn
    assert [one.id for one in standing(["t1110", "T1110", "T9999", "T1562.001"])] == ["T1110"]


def test_rules_are_checked_proven_and_laid_over_attack_without_any_network(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for number, tags in enumerate(["attack.t1110", "attack.t9999", "attack.t1562.001, attack.t1110"], start=1):
        title = f"user{number}"
        (own / f"{title}.yml").write_text(RULE.format(title=title, number=number, tags=tags))
    done = fenced(tmp_path, "rules", "check", str(own))
    assert done.returncode == 0, done.stderr
    assert "user2.yml: ATT&CK 19 has no technique T9999" in done.stderr
    assert "user3.yml: ATT&CK 19 has withdrawn T1562.001" in done.stderr
    assert "3 rules load, 0 are refused" in done.stderr
    (tmp_path / "data").mkdir(exist_ok=True)
    layer = tmp_path / "layer.json"
    done = fenced(tmp_path, "rules", "coverage", str(own), "--layer", str(layer))
    assert done.returncode == 0, done.stderr
    assert json.loads(layer.read_text())["versions"]["attack"] == VERSION
    done = fenced(tmp_path, "rules", "test", str(own))
    assert "ATT&CK 19 has no technique T9999" in done.stderr.replace("\n", " ")
    assert "reached" not in done.stderr


def test_the_fence_would_be_seen(tmp_path: Path) -> None:
    code = FENCED.replace("main()", "import socket; socket.getaddrinfo('attack.example', 443)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "reached for the network" in done.stderr
