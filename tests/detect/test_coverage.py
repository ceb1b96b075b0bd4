"""Coverage: what can fire on the logs that arrive, what cannot and why, and the layer that shows it."""

from collections.abc import Callable
from pathlib import Path

from sentinel.core.detection import Detection
from sentinel.detect.coverage import coverage, layer
from sentinel.detect.sigma import load

Write = Callable[..., Path]
HELD = {
    "nginx.access": {"url.original", "user_agent.original", "http.request.method"},
    "squid.access": {"url.original", "http.request.method"},
    "zeek.http": {"url.original", "user_agent.original"},
    "sshd.log": {"event.outcome", "process.name"},
}
RULE = """\
title: {name}
id: 00000000-0000-4000-8000-{number:012}
name: {name}
tags: [attack.t1190, attack.initial-access]
logsource: {source}
detection: {{sel: {{{field}: x}}, condition: sel}}
"""
WEB = RULE.format(name="web", number=1, source="{category: webserver}", field="cs-user-agent")
PROXY = RULE.format(name="proxy", number=2, source="{category: proxy}", field="c-useragent")
LOGIN = RULE.format(name="login", number=3, source="{product: linux, service: sshd}", field="event.outcome")
CHAIN = """\
title: A request, then a login
id: 00000000-0000-4000-8000-000000000009
tags: [attack.t1078]
correlation: {type: temporal_ordered, rules: [web, login], timespan: 10m}
"""


def _rules(write: Write, *texts: str) -> tuple[Detection, ...]:
    rules = load([write(text="---\n".join(texts))], HELD)
    assert not rules.refused
    return rules.detections


def test_a_rule_can_fire_on_the_logs_that_arrive_and_hold_its_fields(write: Write) -> None:
    (one,) = coverage(_rules(write, PROXY), HELD, {"zeek.http", "squid.access", "sshd.log"})
    assert (one.by, one.lacks) == (("zeek.http",), "")


def test_a_rule_whose_log_does_not_arrive_says_who_would_send_it(write: Write) -> None:
    (one,) = coverage(_rules(write, WEB), HELD, {"sshd.log"})
    assert (one.by, one.lacks) == ((), "no source sends nginx.access")


def test_a_rule_whose_log_arrives_without_its_field_says_which_and_who_has_it(write: Write) -> None:
    (one,) = coverage(_rules(write, PROXY), HELD, {"squid.access"})
    assert (one.by, one.lacks) == ((), "squid.access lacks user_agent.original; zeek.http would have it")


def test_rules_in_order_need_the_log_of_each(write: Write) -> None:
    rules = _rules(write, WEB, LOGIN, CHAIN)
    (alone,) = coverage(rules, HELD, {"sshd.log"})
    assert (alone.by, alone.lacks) == ((), "no source sends nginx.access")
    (both,) = coverage(rules, HELD, {"sshd.log", "nginx.access"})
    assert both.by == ("nginx.access", "sshd.log")


def test_the_layer_holds_the_techniques_of_what_can_fire_and_of_nothing_else(write: Write) -> None:
    login = LOGIN.replace("t1190", "t1110")
    more = WEB.replace("0001", "0004").replace("web\n", "again\n")
    reached = coverage(_rules(write, WEB, more, login), HELD, {"nginx.access"})
    said = layer(reached, "A city")
    assert (said["name"], said["versions"], said["domain"]) == (
        "A city",
        {"layer": "4.5", "attack": "19"},
        "enterprise-attack",
    )
    name = [{"name": "technique", "value": "Exploit Public-Facing Application"}]
    told = {"techniqueID": "T1190", "score": 2, "comment": "again\nweb", "enabled": True, "metadata": name}
    assert said["techniques"] == [told]
    unknown = layer(coverage(_rules(write, WEB.replace("t1190", "t9999")), HELD, {"nginx.access"}), "x")
    assert unknown["techniques"] == []
    assert layer(coverage(_rules(write, WEB), HELD, ()), "x")["techniques"] == []
