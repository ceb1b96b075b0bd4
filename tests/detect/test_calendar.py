"""`calendar|closed` in rules and exceptions, and a level that rises where it is closed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.event import Event
from sentinel.core.where import holds
from sentinel.detect.judging import Batch, Run
from sentinel.detect.sigma import load

Write = Callable[..., Path]
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
RULE = """\
title: A rule
id: 00000000-0000-4000-8000-000000000001
name: first
logsource: {{product: linux, service: sshd}}
detection:
  sel: {{event.outcome: success, {asked}}}
  condition: sel
level: medium
sentinel: {own}
"""
EXCEPTION = """\
---
title: Not in a maintenance window
logsource: {product: linux}
filter:
  rules: [first]
  work: {calendar|maintenance: true}
  condition: not work
sentinel: {reason: planned, owner: us, expires: 2099-01-01}
"""


def event(number: int, state: str | None, at: datetime = NOW) -> Event:
    fields = {"event.dataset": "sshd.log", "event.outcome": "success", "host.name": "srv"}
    if state is not None:
        fields["sentinel.calendar.state"] = state
    return Event(f"{number:032x}", number, at, at, fields)


@pytest.mark.parametrize(
    ("asked", "states"),
    [
        ("calendar|closed: true", ["closed"]),
        ("calendar|closed: false", ["open", "maintenance", "unknown"]),
        ("calendar|open: true", ["open"]),
        ("calendar|unknown: true", ["unknown"]),
        ("calendar|closed: false, calendar|unknown: false", ["open", "maintenance"]),
    ],
)
def test_a_rule_asks_the_calendar(write: Write, asked: str, states: list[str]) -> None:
    (rule,) = load([write(text=RULE.format(asked=asked, own="{fold_by: [host.name]}"))]).detections
    every = ("open", "closed", "maintenance", "unknown", None)
    assert [state for state in every if holds(rule.where, event(1, state))] == [
        state for state in every if state in states
    ]


def test_an_exception_asks_it_too(write: Write) -> None:
    (rule,) = load([write(text=RULE.format(asked="user.name: x", own="{}") + EXCEPTION)]).detections
    found = Event("1", 1, NOW, NOW, {**event(1, "maintenance").fields, "user.name": "x"})
    assert not holds(rule.where, found)
    assert holds(rule.where, Event("1", 1, NOW, NOW, {**found.fields, "sentinel.calendar.state": "closed"}))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("calendar|shut: true", "the calendar is asked by calendar|open, calendar|closed"),
        ("calendar|closed: yes please", "each with true or false"),
        ("calendar|closed: true, calendar|open: true", "cannot be at the same time"),
        ("calendar|closed: true, sentinel.calendar.state: open", "write one of them"),
    ],
)
def test_what_the_calendar_does_not_know_is_refused(write: Write, asked: str, reason: str) -> None:
    (refused,) = load([write(text=RULE.format(asked=asked, own="{}"))]).refused
    assert reason in refused.reason


def test_a_rule_weighs_more_where_it_is_closed_and_the_alert_keeps_the_higher_level(
    write: Write, tmp_path: Path
) -> None:
    own = "{fold_by: [host.name], closed_level: high}"
    (rule,) = load([write(text=RULE.format(asked="event.action|exists: false", own=own))]).detections
    levels = []
    with Book(tmp_path / "state.db", ManualClock(NOW)) as book:
        for number, state in enumerate(("open", "closed", "maintenance", None), start=1):
            batch = Batch(number - 1, number, Run())
            batch.hit(rule, event(number, state, NOW + timedelta(minutes=number)))
            book.record(batch.findings, number)
            levels += [one.level for one in book.alerts()]
    assert levels == ["medium", "high", "high", "high"], "one alert, as high as its worst event"
