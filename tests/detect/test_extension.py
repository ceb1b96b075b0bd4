"""What a rule may say beyond Sigma, and what it is refused for."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.core.detection import Baseline, NewTerms
from sentinel.detect.sigma import load

Write = Callable[..., Path]
RULE = """\
title: A rule
id: 00000000-0000-4000-8000-000000000001
name: first
logsource: {{product: linux, service: sshd}}
detection:
  sel: {{event.outcome: success}}
  condition: sel
sentinel: {own}
"""
COUNTED = """\
---
title: Counts it
id: 00000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [first], group-by: [user.name], timespan: 1h, condition: {gte: 2}}
"""


def test_new_terms_are_read(write: Write) -> None:
    (rule,) = load(
        [write(text=RULE.format(own="{new_terms: {fields: [user.name, source.ip], history: 30d}}"))]
    ).detections
    assert rule.history == NewTerms(("user.name", "source.ip"), timedelta(days=30), timedelta(days=7))
    assert rule.fold_by == ("user.name", "source.ip")


def test_a_history_is_read(write: Write) -> None:
    own = (
        "{history: {by: [user.name], window: 30m, against: 3w, learning: 2w, floor: 9, deviations: 2.5, "
        "same: hour_of_week, zone: Europe/Berlin}}"
    )
    (rule,) = load([write(text=RULE.format(own=own))]).detections
    assert rule.history == Baseline(
        ("user.name",),
        timedelta(minutes=30),
        timedelta(weeks=3),
        timedelta(weeks=2),
        floor=9,
        deviations=2.5,
        season="hour_of_week",
        zone="Europe/Berlin",
    )
    assert rule.fold_by == ("user.name",)


TERMS = "new_terms: {fields: [user.name], history: 30d}"
HISTORY = "by: [user.name], window: 1h, against: 30d, floor: 5"


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (
            "{nothing: 1}",
            "may only say blind_spots, budget_per_hour, closed_level, fold_by, history, new_terms, response",
        ),
        (f"{{{TERMS}, history: {{{HISTORY}, factor: 3}}}}", "looks at one of them"),
        (f"{{{TERMS}, closed_level: high}}", "closed_level is for rules about single events"),
        ("{title_de: 3}", "title_de, response and blind_spots are texts of at most 2,000 characters"),
        (f"{{response: {'x' * 2001}}}", "are texts of at most 2,000 characters"),
        ("{blind_spots: nothing}", "blind_spots must be a list of sentences"),
        ("{blind_spots: [3]}", "are texts of at most"),
        ("{closed_level: urgent}", "closed_level must be one of informational, low"),
        ("{closed_level: low}", "closed_level low is no higher than its level, medium"),
        (f"{{{TERMS}, fold_by: [host.name]}}", "may not say fold_by"),
        ("{new_terms: [user.name]}", "new_terms must say fields, history"),
        ("{new_terms: {fields: [user.name]}}", "must say history"),
        ("{new_terms: {fields: [user.name], history: 30d, window: 1h}}", "has no window"),
        ("{new_terms: {fields: [], history: 30d}}", "list of fields"),
        ("{new_terms: {fields: [user.name, user.name], history: 30d}}", "different fields"),
        ("{new_terms: {fields: [user.nmae], history: 30d}}", "can never fire"),
        ("{new_terms: {fields: [user.name], history: 30}}", "a span such as"),
        ("{new_terms: {fields: [user.name], history: 400d}}", "more than 365 days"),
        ("{new_terms: {fields: [user.name], history: 3d}}", "learning is longer than history"),
        (f"{{history: {{{HISTORY}}}}}", "needs factor, deviations"),
        (f"{{history: {{{HISTORY}, factor: 1}}}}", "more than 1"),
        (f"{{history: {{{HISTORY}, factor: .nan}}}}", "must be a number"),
        (f"{{history: {{{HISTORY}, factor: true}}}}", "must be a number"),
        (f"{{history: {{{HISTORY}, deviations: 3, learning: 31d}}}}", "no group would ever be compared"),
        (f"{{history: {{{HISTORY}, deviations: 3, sum: user.name}}}}", "holds keyword, not numbers"),
        (f"{{history: {{{HISTORY}, deviations: 3, zone: Mars/Phobos}}}}", "no time zone"),
        (f"{{history: {{{HISTORY}, deviations: 3, same: day}}}}", "all or hour_of_week"),
        (f"{{history: {{{HISTORY}, deviations: 3, same: hour_of_week}}}}", "two weeks or more"),
        ("{history: {by: [user.name], window: 1m, against: 30d, floor: 5, factor: 2}}", "2 to 10,000 windows"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(write: Write, own: str, reason: str) -> None:
    rules = load([write(text=RULE.format(own=own))])
    assert rules.detections == ()
    assert reason in rules.refused[0].reason


def test_a_history_of_a_field_that_no_pack_fills_can_never_fire(write: Write) -> None:
    rules = load([write(text=RULE.format(own=f"{{{TERMS}}}"))], {"event.outcome", "event.dataset"})
    assert [one.reason for one in rules.refused] == ["can never fire: no pack supplies field user.name"]


def test_a_correlation_may_not_count_a_rule_with_a_history(write: Write) -> None:
    rules = load([write(text=RULE.format(own=f"{{{TERMS}}}") + COUNTED)])
    assert "it counts 'first', which looks at its own history" in rules.refused[0].reason


WORDS = "title_de: Anmeldung, response: Lock it., blind_spots: [Slow ones, ' Others ']"


def test_a_rule_and_a_correlation_say_what_people_are_to_know(write: Write) -> None:
    (rule,) = load([write(text=RULE.format(own=f"{{{WORDS}, fold_by: [user.name]}}"))]).detections
    counted = RULE.format(own="{fold_by: [user.name]}") + COUNTED + f"sentinel: {{{WORDS}, budget_per_hour: 7}}\n"
    (chain,) = load([write(text=counted)]).detections
    for one in (rule, chain):
        assert (one.title_de, one.response, one.blind_spots) == ("Anmeldung", "Lock it.", ("Slow ones", "Others"))
    assert chain.budget_per_hour == 7
