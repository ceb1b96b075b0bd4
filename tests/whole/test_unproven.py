"""A rule that is not proven does not go live in a Sentinel at work, and whoever starts it is told."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
    told = patiently(lambda: next((line for line in city.said if "rules: refused: " in line), ""))
    assert "contradictory.yml: cannot be proven: no event could be made that raises it" in told
    titles = {rule["title"] for rule in city.json("rules", "list")}
    assert ("sound" in titles, "contradictory" in titles) == (True, False)
