"""A rule that is not proven does not go live in a Sentinel at work, and whoever starts it is told."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe, active_children
from threading import Thread
from typing import TYPE_CHECKING, Any

from sentinel.app import App
from sentinel.config import load
from sentinel.core.detection import Detection
from sentinel.proving import proven
from tests.running import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from tests.running import Running

RULE = """\
title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
logsource: {{product: linux, service: sshd}}
detection:
  one: {{user.name: anna}}
  other: {{user.name: anna, event.outcome: success}}
  condition: {condition}
"""


def test_a_rule_that_nothing_can_raise_is_refused_at_the_start_and_told(
    city: "Running", patiently: Callable[..., Any]
) -> None:
    rules = city.folder / "rules"
    rules.mkdir()
    for number, (title, condition) in enumerate([("sound", "one"), ("contradictory", "other and not one")]):
        (rules / f"{title}.yml").write_text(RULE.format(title=title, number=number, condition=condition))
    city.start()
    told = patiently(lambda: next((line for line in city.said if "rules: refused: " in line), ""), 2 * PATIENCE_SECONDS)
    assert "contradictory.yml: cannot be proven: no event could be made that raises it" in told
    titles = {rule["title"] for rule in city.json("rules", "list")}
    assert ("sound" in titles, "contradictory" in titles) == (True, False)


def test_if_the_process_that_proves_dies_the_rules_are_live_and_that_is_told(city: "Running") -> None:
    app, told = App(load(city.config)), list[str]()
    near, far = Pipe()

    def kill() -> None:
        (child,) = eventually(active_children)
        child.kill()

    def killed(detections: Sequence[Detection]) -> Iterator[tuple[str, str]]:
        Thread(target=kill).start()
        return proven(app.config, far, detections)

    rules = app.proving.live(app.rules, told.append, judged=killed)
    assert rules.detections == app.rules.detections
    (said,) = told
    assert f"{len(rules.detections)} rules are live without having been proven" in said
    assert "the process that proves rules ended (by signal 9)" in said
    near.close()


def test_nothing_more_is_proven_for_a_judge_that_ends(city: "Running") -> None:
    app = App(load(city.config))
    near, far = Pipe()
    near.close()
    assert not list(proven(app.config, far, app.rules.detections))
    assert not active_children()
