"""Every shipped rule keeps its promise, and the harness finds a rule that does not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel.core.content import content
from sentinel.detect.sigma import load
from sentinel.testing.rules import check, neighbours, rule_files

RULES = content("rules")
SHIPPED = list(rule_files([RULES]))
CITY = {"backup", "dhcp", "dns", "files", "logging", "portal", "privileged", "schools", "stories", "vpn"}
GOOD = """\
title: Root failed
id: 00000000-0000-4000-8000-000000000001
tags: [attack.t1110]
logsource: {product: linux, service: sshd}
detection:
  sel: {user.name: root, event.outcome: failure}
  condition: sel
"""
EVENT = {
    "@timestamp": "2026-11-23T08:00:00Z",
    "event.dataset": "sshd.log",
    "user.name": "root",
    "event.outcome": "failure",
    "host.name": "srv-web-01",
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(RULES)))
def test_a_shipped_rule_is_raised_by_what_must_raise_it_and_by_nothing_else(
    path: Path, supplied: dict[str, frozenset[str]]
) -> None:
    assert [str(problem) for problem in check(path, supplied)] == []


def test_no_shipped_rule_is_refused(supplied: dict[str, frozenset[str]]) -> None:
    rules = load([RULES], supplied)
    assert [str(one) for one in rules.refused] == []
    assert len(rules.detections) >= 13
    assert rules.notes == ()
    assert all(one.description and one.attack and one.falsepositives for one in rules.detections)
    assert {one.author for one in rules.detections} == {"Sentinel project"}
    assert [one.path for one in rules.detections if not one.title_de] == []
    assert [one.path for one in rules.detections if Path(one.path).parent.name in CITY and not one.response] == []
    assert [one.path for one in rules.detections if Path(one.path).parent.name in CITY and not one.blind_spots] == []


@pytest.fixture
def rule(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a rule with its neighbours; None leaves a neighbour out."""

    def write(
        text: str = GOOD, fires: list[object] | None = None, quiet: list[object] | None = None, *, bare: bool = False
    ) -> Path:
        path = tmp_path / "root.yml"
        path.write_text(text, "utf-8")
        if not bare:
            default: tuple[list[object], list[object]] = ([EVENT], [EVENT | {"user.name": "roots"}])
            for beside, given, usual in zip(neighbours(path), (fires, quiet), default, strict=True):
                beside.write_text("".join(json.dumps(one) + "\n" for one in (usual if given is None else given)))
        return path

    return write


Rule = Callable[..., Path]


def test_a_good_rule_has_no_problems(rule: Rule) -> None:
    assert check(rule()) == []


def test_a_rule_that_is_not_raised_is_told_with_the_line(rule: Rule) -> None:
    (problem,) = check(rule(fires=[EVENT, EVENT | {"user.name": "toor"}]))
    assert (problem.path.name, problem.line) == ("root.fires.jsonl", 2)
    assert "does not raise 'Root failed'" in problem.what


def test_a_rule_that_a_near_miss_raises_is_told_with_the_line(rule: Rule) -> None:
    (problem,) = check(rule(quiet=[EVENT | {"user.name": "a"}, EVENT | {"user.name": "ROOT"}]))
    assert (problem.path.name, problem.line) == ("root.quiet.jsonl", 2)


def test_a_rule_without_neighbours_is_told(rule: Rule) -> None:
    assert [problem.path.name for problem in check(rule(bare=True))] == ["root.fires.jsonl", "root.quiet.jsonl"]


def test_a_refused_rule_is_told_with_its_reason(rule: Rule) -> None:
    (problem,) = check(rule(GOOD.replace("user.name", "user.nmae")))
    assert "can never fire" in problem.what


def test_a_tag_that_attack_does_not_know_the_shape_of_is_told(rule: Rule) -> None:
    problems = check(rule(GOOD.replace("attack.t1110", "attack.T11")))
    assert any("technique" in problem.what for problem in problems)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ([EVENT], "one JSON object"),
        ({"user.name": "root"}, "@timestamp"),
        (EVENT | {"@timestamp": "2026-11-23T08:00:00"}, "@timestamp"),
        (EVENT | {"user": {"name": "root"}}, "user holds dict"),
        (EVENT | {"user.nmae": "root"}, "user.nmae is no field"),
        (EVENT | {"source.port": "22"}, "source.port"),
    ],
)
def test_an_event_that_no_pack_would_write_is_told(rule: Rule, event: object, what: str) -> None:
    problems = check(rule(fires=[EVENT, event]))
    assert any(what in problem.what and problem.line == 2 for problem in problems)


def test_a_field_that_no_pack_supplies_is_told(rule: Rule) -> None:
    fields = {"user.name", "event.outcome"}
    assert {problem.what for problem in check(rule(), fields)} == {"host.name is supplied by no pack"}


def test_a_file_of_filters_promises_nothing_by_itself(rule: Rule) -> None:
    text = "title: x\nlogsource: {product: linux}\nfilter: {rules: any, a: {user.name: x}, condition: not a}\n"
    text += "sentinel: {reason: x, owner: y, expires: 2027-01-31}\n"
    assert check(rule(text, bare=True)) == []
