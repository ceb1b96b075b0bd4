"""`sentinel rules explain`: which condition held, which did not, and what a correlation sees around the event."""

import json
from datetime import timedelta
from typing import Any

from tests.living import LOGIN, City

WINDOWS = """\
title: A tool from a share
id: 11111111-0000-4000-8000-000000000078
level: high
tags: [attack.t1021]
logsource: {product: windows, service: security}
detection:
  sel: {EventID: 4688, SubjectUserName|startswith: adm}
  known: {SubjectUserName: admin-backup}
  condition: sel and not known
"""


def leaves(step: dict[str, Any]) -> list[tuple[str, bool, list[Any]]]:
    if "asks" in step:
        return [(step["found"][0]["field"], step["held"], step["found"][0]["met"])]
    return [leaf for one in step["steps"] for leaf in leaves(one)]


def test_each_condition_is_told_with_the_value_that_met_it(town: City) -> None:
    town.login()
    (alert,) = town.json("alerts", "list")
    (told,) = town.json("rules", "explain", "ssh_root_from_outside", alert["evidence"][0])
    assert (told["fires"], told["groups"]) == (True, [])
    (rule,) = told["rules"]
    assert ("user.name", True, ["root"]) in leaves(rule["why"])
    shown = town.sentinel("rules", "explain", "ssh_root_from_outside", alert["evidence"][0])
    assert "✓ user.name is “root”: user.name = “root”" in shown.stdout
    assert "fires on this event" in shown.stderr


def test_an_event_on_standard_input_is_explained_and_what_does_not_hold_is_named(town: City) -> None:
    event = LOGIN | {"user.name": "anna", "host.name": "srv\x1b[2J"}
    done = town.sentinel("rules", "explain", "ssh_root_from_outside", "-", code=1, given=json.dumps(event))
    assert "✗ user.name is “root”, which does not hold: user.name = “anna”" in done.stdout
    assert "does not fire" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for wrong in ("[1]", "no JSON", '{"@timestamp": "2026-01-01T00:00:00"}'):
        assert town.sentinel("rules", "explain", "ssh_root_from_outside", "-", code=2, given=wrong).stderr
    assert "no stored event" in town.sentinel("rules", "explain", "ssh_root_from_outside", "1" * 32, code=2).stderr


def test_fields_are_named_as_the_rules_author_named_them(town: City) -> None:
    draft = town.folder / "draft.yml"
    draft.write_text(WINDOWS)
    event = {
        "winlog.channel": "Security",
        "event.code": "4688",
        "winlog.event_data.SubjectUserName": "x",
        "user.name": "x",
    }
    done = town.sentinel("rules", "explain", str(draft), "-", "--json", code=1, given=json.dumps(event))
    told = json.loads(done.stdout)
    assert told["names"]["event.code"] == ["EventID"]
    shown = town.sentinel("rules", "explain", str(draft), "-", code=1, given=json.dumps(event))
    assert "event.code (EventID) is “4688”" in shown.stdout
    assert "winlog.event_data.SubjectUserName is like “adm*”, which does not hold" in shown.stdout


def test_of_a_correlation_it_is_told_what_else_is_in_the_window_and_whether_it_stands(town: City) -> None:
    town.clock.advance(-timedelta(hours=2))
    fail = LOGIN | {"event.outcome": "failure"}
    events = []
    for number in range(12):
        town.clock.advance(timedelta(seconds=30))
        other = {"source.ip": "198.51.100.9"} if number in {3, 4} else {}
        events.append(town.event(fail | other))
    town.keep(events)
    (told,) = town.json("rules", "explain", "ssh_bruteforce", events[6].id)
    assert told["fires"]
    (group,) = told["groups"]
    assert group["key"] == {"source.ip": "203.0.113.66"}
    assert [one["id"] for one in group["events"]] == [one.id for at, one in enumerate(events) if at not in {3, 4}]
    assert group["findings"][0]["count"] == 10
    (told,) = town.json("rules", "explain", "ssh_bruteforce", events[3].id, code=1)
    assert not told["fires"]
    assert [len(one["events"]) for one in told["groups"]] == [2]
    shown = town.sentinel("rules", "explain", "ssh_bruteforce", events[3].id, code=1)
    assert "2 events around it; no window stands" in shown.stderr
