"""`sentinel ledger` says which minutes are unaccounted for, and `fill` judges what was missed."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentinel.app import App
from sentinel.config import load
from sentinel.core.clock import ManualClock, SystemClock, iso
from sentinel.core.content import content
from sentinel.core.event import Event, Value
from sentinel.detect.ledger import Ledger
from sentinel.detect.runner import Runner
from tests.warm import texts

if TYPE_CHECKING:
    import subprocess

MINUTE = timedelta(minutes=1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sentinel.toml"
    path.write_text(f'data = "{tmp_path}/data"\n[spool]\nballast_bytes = 0\n')
    return path


def sentinel(config: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return texts(*words, "--config", str(config), environment={"COLUMNS": "200"})


def raising(at: datetime) -> tuple[str, Event]:
    """Return the id of a shipped rule, and an event that it is about."""
    app = App(load())
    by_path = {one.path: one for one in app.rules.detections}
    for path in sorted(content("rules").rglob("*.fires.jsonl")):
        rule = by_path.get(str(path).replace(".fires.jsonl", ".yml"))
        if rule is not None and rule.correlation is None and rule.history is None:
            read = json.loads(path.read_text("utf-8").splitlines()[0])
            fields: dict[str, Value] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in read.items()
            }
            own: dict[str, Value] = {
                "@timestamp": iso(at),
                "event.id": "ab" * 16,
                "event.ingested": iso(at),
                "event.sequence": 1024,
            }
            return rule.id, Event("ab" * 16, 1024, at, at, {**fields, **own})
    raise AssertionError("no shipped rule is about single events")


def test_what_is_unaccounted_for_ends_with_1_and_what_was_missed_is_filled(config: Path) -> None:
    now = SystemClock().now()
    clock = ManualClock(now - 30 * MINUTE)
    rule_id, event = raising(clock.now())
    app = App(load(config))
    rule = next(one for one in app.rules.detections if one.id == rule_id)
    with app.writing() as store, app.book() as desk:
        store.append([event])
        broken = {rule.path: "a key that nobody knows"}
        Runner(store, desk, [rule], clock, store.newest).trip(rule_id, "did not come to an end")
        runner = Runner(store, desk, [rule], clock, store.newest)
        runner.run()
        clock.advance(5 * MINUTE)
        Runner(store, desk, [], clock, store.newest, refused=broken).run()
        assert Ledger(desk).gaps()
    told = sentinel(config, "ledger", "--last", "2h")
    assert told.returncode == 1, told.stderr
    assert "unaccounted for" in told.stderr
    assert "a key that nobody knows" in told.stdout
    assert [one["what"] for one in json.loads(sentinel(config, "health", "--json").stdout)["problems"]][:1] == ["run"]
    filled = sentinel(config, "ledger", "fill", "--json")
    assert filled.returncode == 0, filled.stderr
    assert json.loads(filled.stdout)["left"] == 0
    (alert,) = map(json.loads, sentinel(config, "alerts", "list", "--json").stdout.splitlines())
    assert re.match(r"found when a gap was filled, \d+ min late", alert["summary"])
    whole = json.loads(sentinel(config, "ledger", "--json", "--rule", rule_id[:8], "--last", "2h").stdout)
    assert whole["gaps"] == []
    assert whole["states"] == {"evaluated": 5, "planned": 1}
    assert [one["reason"] for one in whole["windows"]] == ["filled: refused: a key that nobody knows", ""]


def test_an_unknown_rule_and_a_strange_stretch_of_time_are_told(config: Path) -> None:
    assert sentinel(config, "ledger", "--rule", "nothing").returncode == 2
    assert sentinel(config, "ledger", "--last", "long").returncode == 2
