"""From folders to detections: what is on, what is refused and why, correlations, the whole of SigmaHQ."""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.core.detection import Correlation, Part
from sentinel.core.where import AllOf, AnyOf, Is, Like, Where, holds, leaves
from sentinel.detect.sigma import load

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SIGMAHQ = Path(__file__).parents[2] / "../shared/samples/sigmahq"
Write = Callable[..., Path]
BASE = """\
title: A failed login
id: 11111111-0000-4000-8000-000000000001
name: failed
author: Somebody
logsource: {product: linux, service: sshd}
detection:
  sel: {event.outcome: failure}
  condition: sel
"""
CHAIN = """\
title: Many failed logins
id: 11111111-0000-4000-8000-000000000002
level: high
tags: [attack.t1110, attack.credential-access]
correlation:
  type: event_count
  rules: [failed]
  group-by: [source.ip, user.name]
  timespan: 10m
  condition: {gte: 5}
"""


def test_a_correlation_counts_the_rule_beside_it_which_then_raises_nothing_itself(write: Write) -> None:
    rules = load([write(text=BASE + "---\n" + CHAIN)])
    assert not rules.refused
    (detection,) = rules.detections
    fields = ("source.ip", "user.name")
    parts = (Part(detection.where, fields),)
    assert detection.correlation == Correlation("event_count", fields, timedelta(minutes=10), "gte", 5, parts)
    assert detection.fold_by == fields
    assert (detection.title, detection.attack, detection.author) == ("Many failed logins", ("T1110",), "Somebody")


def test_a_rule_that_is_counted_may_raise_alerts_as_well_if_asked_to(write: Write) -> None:
    rules = load([write(text=BASE + "---\n" + CHAIN.replace("timespan", "generate: true\n  timespan"))])
    assert [one.title for one in rules.detections] == ["A failed login", "Many failed logins"]


def test_a_correlation_may_count_by_id_over_files_and_several_rules(write: Write) -> None:
    other = BASE.replace("0001", "0003").replace("name: failed", "name: other").replace("failure", "unknown")
    write(text=BASE)
    write(text=other)
    path = write(text=CHAIN.replace("[failed]", "[11111111-0000-4000-8000-000000000001, other]"))
    rules = load([path.parent])
    assert not rules.refused
    (detection,) = rules.detections
    assert isinstance(detection.where, AnyOf)
    assert len(detection.where.items) == 2


@pytest.mark.parametrize("relation", ["gt", "gte", "lt", "lte", "eq", "neq"])
def test_every_relation_is_kept_as_it_is(write: Write, relation: str) -> None:
    (detection,) = load([write(text=BASE + "---\n" + CHAIN.replace("gte", relation))]).detections
    assert detection.correlation is not None
    assert (detection.correlation.relation, detection.correlation.count) == (relation, 5)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("event_count", "value_count", "without field"),
        ("event_count", "value_sum", "without field"),
        ("event_count", "temporal", "asks for 5 of 1 rules"),
        ("event_count", "temporal_ordered", "asks for 5 of 1 rules"),
        ("event_count", "nonsense", "not valid"),
        ("[failed]", "[failed, failed]", "names a rule twice"),
        ("{gte: 5}", "{gte: 5, percentile: 95}", "nothing else takes one"),
        ("[failed]", "[gone]", "counts 'gone'"),
        ("[failed]", "[]", "needs the names"),
        ("timespan: 10m", "timespan: 10 minutes", "not valid"),
        ("timespan: 10m", "timespan: 2y", "more than 31 days"),
        ("timespan: 10m", "timespan: 10m\n  window: 5m", "has no window"),
        ("{gte: 5}", "{gte: 5, field: user.name}", "nothing else"),
        ("{gte: 5}", "{gte: 5, lt: 9}", "not valid"),
        ("{gte: 5}", "{gte: 1.5}", "whole number"),
        ("{gte: 5}", "{gte: 0}", "never about an event"),
        ("{gte: 5}", "failed and failed", "not valid"),
        ("[source.ip, user.name]", "[nobody]", "can never fire: 'nobody' is no known field of the rule 'failed'"),
        ("  timespan", "  aliases: {x: {failed: user.name}}\n  timespan", "nothing asks for the alias 'x'"),
        ("  timespan", "  aliases: {source.ip: {other: user.name}}\n  timespan", "names other, which it does not"),
        ("  timespan", "  aliases: {source.ip: {}}\n  timespan", "says nothing about 'failed'"),
        ("  timespan", "  aliases: {source.ip: {failed: 7}}\n  timespan", "must say a field"),
        ("  timespan", "  aliases: {source.ip: user.name}\n  timespan", "not valid"),
        ("level: high", "sentinel: {fold_by: [user.name]}", "folded by its group-by"),
    ],
)
def test_a_correlation_that_is_not_understood_is_refused_and_its_rule_stays_quiet(
    write: Write, old: str, new: str, reason: str
) -> None:
    rules = load([write(text=BASE + "---\n" + CHAIN.replace(old, new))])
    (refused,) = rules.refused
    assert re.search(reason, refused.reason)
    assert len(rules.detections) in {0, 1}
    assert all(one.correlation is None for one in rules.detections)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BASE.replace("service: sshd", "service: nobody"), "no pipeline knows the log source product linux"),
        (BASE.replace("id: 11111111-0000-4000-8000-000000000001\n", ""), "needs an id"),
        (BASE.replace("title: A failed login", "action: repeat"), "action 'repeat' is none of global"),
        (BASE.replace("title: A failed login", "action: null"), "action None is none of global"),
        (BASE + "filter: {rules: any}\n", "one document is filter and detection"),
        (BASE + "status: deprecated\n", "its status is deprecated"),
        (BASE + "status: unsupported\n", "its status is unsupported"),
        (BASE + "taxonomy: acme\n", "unknown taxonomy"),
        (BASE + "sentinel: {fold_by: [nobody]}\n", "fold_by names 'nobody'"),
        (BASE + "sentinel: {fold: [user.name]}\n", "may only say blind_spots, budget_per_hour, closed_level, fold_by"),
        (BASE + "sentinel: {budget_per_hour: 0}\n", "a whole number from 1 to 100,000"),
        (BASE + "level: enormous\n", "not valid"),
        (BASE.replace("title: A failed login\n", ""), "not valid"),
        ("# nothing\n", "holds no rule"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_its_path(write: Write, text: str, reason: str) -> None:
    path = write(text=text)
    rules = load([path])
    assert not rules.detections
    (refused,) = rules.refused
    assert refused.path == str(path)
    assert reason in refused.reason


def test_an_id_or_a_name_given_twice_is_refused_with_the_path_of_the_other(write: Write) -> None:
    first, second = write(text=BASE), write(text=BASE)
    third = write(text=BASE.replace("0001", "0009"))
    rules = load([first.parent])
    assert [one.path for one in rules.detections] == [str(first)]
    assert [(one.path, str(first) in one.reason) for one in rules.refused] == [(str(second), True), (str(third), True)]


def test_a_rule_whose_field_no_pack_supplies_is_refused_as_it_can_never_fire(write: Write) -> None:
    path = write("sel: {user.name: root, user.roles: admin}\ncondition: sel")
    rules = load([path], {"user.name"})
    assert [one.reason for one in rules.refused] == ["can never fire: no pack supplies field user.roles"]
    assert load([path], {"user.name", "user.roles"}).detections


@pytest.mark.parametrize(
    "detection",
    [
        "sel: {user.name: root}\nother: {user.roles: admin}\ncondition: sel or other",
        "sel: {user.name: root}\nother: {user.roles: admin}\ncondition: sel and not other",
        "sel: {user.name: root, user.roles: null}\ncondition: sel",
        "sel: {user.name: root, user.roles|exists: false}\ncondition: sel",
    ],
)
def test_a_field_that_is_not_needed_only_earns_a_remark(write: Write, detection: str) -> None:
    rules = load([write(detection)], {"user.name"})
    assert not rules.refused
    assert len(rules.detections) == 1
    (remark,) = rules.notes
    assert "user.roles" in remark


def test_a_group_by_field_that_no_pack_supplies_is_refused(write: Write) -> None:
    rules = load([write(text=BASE + "---\n" + CHAIN)], {"event.outcome", "source.ip"})
    assert [one.reason for one in rules.refused] == ["can never fire: no pack supplies field user.name"]


def test_a_field_that_only_another_log_fills_does_not_answer_a_rule(write: Write) -> None:
    path = write("sel: {user.roles: admin}\ncondition: sel")
    assert load([path], {"sshd.log": {"user.name", "user.roles"}}).detections
    rules = load([path], {"sshd.log": {"user.name"}, "web.access": {"user.name", "user.roles"}})
    assert [one.reason for one in rules.refused] == ["can never fire: no pack supplies field user.roles"]


def test_a_rule_that_no_kind_of_event_can_answer_alone_is_refused(write: Write) -> None:
    text = BASE.replace("service: sshd", "service: auth").replace(
        "event.outcome: failure", "user.name: a, group.name: b"
    )
    fields = {"sshd.log": {"process.name", "user.name"}, "auth.log": {"process.name", "group.name"}}
    rules = load([write(text=text)], fields)
    (refused,) = rules.refused
    assert "no pack writes events of which all that it asks for can be true at once" in refused.reason


def test_what_depends_on_the_sender_counts_as_supplied(write: Write) -> None:
    text = BASE.replace("product: linux, service: sshd", "product: windows, service: security")
    path = write(text=text.replace("{event.outcome: failure}", "{EventID: 4625, AnyName: x}"))
    rules = load([path], {"event.code", "winlog.channel"})
    assert not rules.refused
    assert Is("winlog.event_data.AnyName", "x") in leaves(rules.detections[0].where)


def test_a_city_may_bring_pipelines_and_a_broken_one_is_refused_alone(write: Write) -> None:
    path = write(text=BASE.replace("product: linux, service: sshd", "product: acme"))
    folder = path.parent / "pipelines"
    folder.mkdir()
    good = 'title: Acme\nsources:\n  - for: {product: acme}\n    any: [{event.dataset: "acme.log", host.name: "*"}]\n'
    (folder / "acme.yml").write_text(good, "utf-8")
    (folder / "broken.yml").write_text(good.replace("product: acme", "product: zeta").replace("host.name", "host.nmae"))
    (folder / "twice.yml").write_text(good, "utf-8")
    rules = load([path.parent])
    assert len(rules.detections) == 1
    assert ["host.nmae" in one.reason or "second time" in one.reason for one in rules.refused] == [True, True]


ALONE = """
import socket, sys, os
def blocked(*a, **k): raise AssertionError("a socket was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = blocked
from pathlib import Path
from sentinel.detect.sigma import load
rules = load([Path(p) for p in sys.argv[1:]])
assert rules.detections, rules.refused
print(sorted({name.partition(".")[0] for name in sys.modules} & {"diskcache", "requests", "pickle"}))
print(len(rules.detections))
"""


def test_loading_rules_needs_no_network_writes_no_file_and_opens_no_cache(write: Write, tmp_path: Path) -> None:
    path = write("sel: {user.name: root}\ncondition: sel")
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(path.parent)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, count = done.stdout.splitlines()
    assert count == "1"
    assert "diskcache" not in loaded
    assert list(home.rglob("*")) == []


@pytest.mark.skipif(not SIGMAHQ.is_dir(), reason="the SigmaHQ corpus is not beside this checkout")
def test_the_whole_of_sigmahq_is_loaded_or_refused_for_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.process_time()
    folders = [SIGMAHQ / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting", "rules-dfir")]
    rules = load([folder for folder in folders if folder.is_dir()])
    seconds = time.process_time() - begun
    reasons = Counter(one.reason.partition(":")[0].partition(" source ")[0] for one in rules.refused)
    with capsys.disabled():
        sys.stdout.write(f"\nSigmaHQ: {len(rules.detections)} loaded, {len(rules.refused)} refused, {seconds:.1f} s\n")
        sys.stdout.writelines(f"  {count:5} {reason}\n" for reason, count in reasons.most_common())
    assert len(rules.detections) + len(rules.refused) > 3000
    windows = [one for one in rules.refused if "product windows" in one.reason]
    assert len(windows) < 30
    assert all(one.reason for one in rules.refused)


FILTER = """\
title: The scanner may fail
logsource: {product: linux}
filter:
  rules: [failed]
  scanner: {source.ip: 192.0.2.9}
  condition: not scanner
sentinel: {reason: an announced scan, owner: Security team, expires: 2027-01-31}
"""


def test_a_rule_may_have_a_budget_of_its_own_and_so_may_a_correlation(write: Write) -> None:
    rules = load([write(text=BASE + "sentinel: {budget_per_hour: 7}\n")])
    assert [one.budget_per_hour for one in rules.detections] == [7]
    rules = load([write(text=BASE + "---\n" + CHAIN + "sentinel: {budget_per_hour: 20}\n")])
    assert [one.budget_per_hour for one in rules.detections] == [20]


def test_a_filter_is_an_exception_to_a_rule_and_to_what_counts_it(write: Write) -> None:
    without = load([write(text=BASE + "---\n" + CHAIN)]).detections[0]
    rules = load([write(text=BASE + "---\n" + CHAIN + "---\n" + FILTER)])
    assert not rules.refused
    (detection,) = rules.detections
    scan = {"event.dataset": "sshd.log", "event.outcome": "failure", "source.ip": "192.0.2.9"}
    assert [holds(one.where, scan) for one in (without, detection)] == [True, False]
    assert holds(detection.where, {**scan, "source.ip": "192.0.2.8"})
    assert detection.version != without.version


def test_a_filter_may_stand_in_another_file_and_be_about_all_rules_of_a_log_source(write: Write) -> None:
    write(text=BASE)
    write(text=BASE.replace("0001", "0003").replace("name: failed", "name: other"))
    elsewhere = (
        BASE.replace("0001", "0004").replace("name: failed\n", "").replace("product: linux, service: sshd", "%s")
    )
    write(text=elsewhere % "product: windows, service: security")
    path = write(text=FILTER.replace("[failed]", "any"))
    rules = load([path.parent])
    assert not rules.refused
    assert [Is("source.ip", "192.0.2.9") in leaves(one.where) for one in rules.detections] == [True, True, False]


def test_a_filter_reads_its_fields_by_the_log_source_of_each_rule(write: Write) -> None:
    base = BASE.replace("product: linux, service: sshd", "product: windows, service: security")
    one = FILTER.replace("product: linux", "product: windows").replace("source.ip: 192.0.2.9", "TargetUserName: scan$")
    rules = load([write(text=base + "---\n" + one)])
    assert not rules.refused
    assert any(isinstance(leaf, Is) and leaf.value == "scan$" for leaf in leaves(rules.detections[0].where))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[failed]", "[gone]", "about 'gone', which is no rule"),
        ("[failed]", "[11111111-0000-4000-8000-000000000002]", "which is no rule about single events"),
        ("[failed]", "[7]", "by their names or ids"),
        ("  rules: [failed]\n", "", "not valid"),
        ("product: linux", "product: windows", "does not cover"),
        ("logsource: {product: linux}\n", "", "not valid"),
        ("source.ip", "Nobody", "can never fire: field 'Nobody'"),
        ("  condition: not scanner\n", "", "not valid"),
        ("not scanner", "not nobody", "no detection is called 'nobody'"),
        ("title", "status: deprecated\ntitle", "its status is deprecated"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused_and_changes_nothing(
    write: Write, old: str, new: str, reason: str
) -> None:
    before = load([write(text=BASE + "---\n" + CHAIN)]).detections[0]
    path = write(text=BASE + "---\n" + CHAIN + "---\n" + FILTER.replace(old, new))
    rules = load([path])
    (refused,) = rules.refused
    assert (refused.path, reason in refused.reason) == (str(path), True)
    assert [one.where for one in rules.detections] == [before.where]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (", expires: 2027-01-31", "", "lacks expires"),
        ("reason: an announced scan, owner: Security team, ", "", "lacks reason, owner"),
        ("reason: an announced scan", "reason: ''", "lacks reason"),
        ("reason: an announced scan", "reason: [x]", "are texts"),
        ("owner: Security team", "owner: Security team, why: x", "may say nothing else"),
        ("2027-01-31", "soon", "must be a date"),
        ("2027-01-31", "2027-01-31T08:00:00", "must be a date (2027-01-31) or a time with its zone"),
        ("2027-01-31", "2099-01-31", "holds for 366 days at most"),
        ("sentinel:", "custom:", "lacks reason, owner, expires"),
    ],
)
def test_an_exception_says_why_it_is_there_who_answers_for_it_and_until_when(
    write: Write, old: str, new: str, reason: str
) -> None:
    assert old in FILTER
    rules = load([write(text=BASE + "---\n" + FILTER.replace(old, new))], now=NOW)
    assert [reason in one.reason for one in rules.refused] == [True]
    assert not rules.exceptions
    assert Is("source.ip", "192.0.2.9") not in leaves(rules.detections[0].where)


def test_an_exception_holds_to_the_end_of_its_day_and_not_longer(write: Write) -> None:
    path = write(text=BASE + "---\n" + FILTER)
    end = datetime(2027, 2, 1, tzinfo=UTC)
    for now, holds_still in ((NOW, True), (end - timedelta(microseconds=1), True), (end, False)):
        rules = load([path], now=now)
        assert not rules.refused
        assert (Is("source.ip", "192.0.2.9") in leaves(rules.detections[0].where)) == holds_still
        assert [(one.terms.owner, one.expired) for one in rules.exceptions] == [("Security team", not holds_still)]


def test_an_expired_exception_to_a_rule_that_is_gone_is_expired_and_not_refused(write: Write) -> None:
    path = write(text=BASE + "---\n" + FILTER.replace("[failed]", "[gone]"))
    assert not load([path], now=datetime(2028, 1, 1, tzinfo=UTC)).refused


def test_a_filter_about_no_rule_is_refused(write: Write) -> None:
    text = BASE + "---\n" + FILTER.replace("[failed]", "any").replace("product: linux", "product: windows")
    (refused,) = load([write(text=text)]).refused
    assert "no rule here has its log source" in refused.reason


GLOBAL = """\
action: global
author: Somebody
logsource: {product: linux, service: sshd}
detection:
  condition: sel
---
title: One
id: 11111111-0000-4000-8000-000000000001
detection: {sel: {user.name: one}}
---
action: repeat
title: Two
id: 11111111-0000-4000-8000-000000000002
detection: {sel: {user.name: two}}
---
action: reset
---
title: Three
id: 11111111-0000-4000-8000-000000000003
logsource: {product: linux, service: sshd}
detection: {sel: {user.name: three}, condition: sel}
"""


def test_the_actions_of_a_collection_are_carried_out(write: Write) -> None:
    rules = load([write(text=GLOBAL)])
    assert not rules.refused
    told = [
        (one.title, one.author, [getattr(leaf, "value", "") for leaf in leaves(one.where)][-1])
        for one in rules.detections
    ]
    assert told == [("One", "Somebody", "one"), ("Two", "Somebody", "two"), ("Three", "", "three")]


def test_a_rule_that_contradicts_its_collection_is_refused(write: Write) -> None:
    path = write(text=GLOBAL.replace("title: One", "title: One\nauthor: Another"))
    (refused,) = load([path]).refused
    assert "say different things" in refused.reason


@pytest.mark.parametrize(
    ("item", "own"),
    [
        ("user.name|expand: '%admins%'", AnyOf((Is("user.name", "root"), Is("user.name", "4711")))),
        ("user.name|expand|contains: 'x%admins%'", AnyOf((Like("user.name", "*xroot*"), Like("user.name", "*x4711*")))),
        ("user.name|expand: 'x*%stars%'", Like("user.name", "x*a\\*b")),
        ("user.name|expand: '%admins%%stars%'", AnyOf((Is("user.name", "roota*b"), Is("user.name", "4711a*b")))),
    ],
)
def test_a_placeholder_stands_for_the_values_of_its_folder(write: Write, item: str, own: Where) -> None:
    path = write(f"sel:\n  {item}\ncondition: sel")
    (path.parent / "placeholders.yml").write_text("admins: [root, 4711]\nstars: ['a*b']\n", "utf-8")
    for given in (path, path.parent):
        rules = load([given])
        assert not rules.refused
        (detection,) = rules.detections
        assert isinstance(detection.where, AllOf)
        assert detection.where.items[1] == own


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("admins: []", "needs a list"),
        ("admins: root", "needs a list"),
        ("admins: [{a: b}]", "other than texts"),
        ("admins: [true]", "other than texts"),
        ("- admins", "must be a mapping"),
        ("admins: [a]\n---\nadmins: [b]", "a second time"),
    ],
)
def test_a_list_of_placeholders_that_cannot_be_read_is_refused_and_so_is_who_asks_for_it(
    write: Write, text: str, reason: str
) -> None:
    path = write("sel:\n  user.name|expand: '%admins%'\ncondition: sel")
    (path.parent / "placeholders.yml").write_text(text, "utf-8")
    one, two = load([path.parent]).refused
    assert reason in one.reason
    assert "the placeholder %admins% has no list" in two.reason


def test_placeholders_with_too_many_combinations_are_refused(write: Write) -> None:
    path = write("sel:\n  user.name|expand: '%a%%a%%a%'\ncondition: sel")
    (path.parent / "placeholders.yml").write_text(f"a: [{', '.join(map(str, range(50)))}]", "utf-8")
    (refused,) = load([path.parent]).refused
    assert "more than 50000 combinations" in refused.reason


def test_what_a_refused_correlation_counts_raises_no_alerts_of_its_own(write: Write) -> None:
    rules = load([write(text=BASE + "---\n" + CHAIN.replace("[source.ip, user.name]", "[nobody]"))])
    assert (len(rules.refused), rules.detections) == (1, ())
