"""Which rules are on: the starter set if nobody says otherwise, and what an operator decides stays decided."""

import json
import tomllib
import zipfile
from pathlib import Path

import pytest

from sentinel.app import App
from sentinel.cli import main
from sentinel.config import parse
from sentinel.core.content import content
from sentinel.core.errors import ConfigError, UsageError
from sentinel.detect.choosing import STARTER, Switch, starter, switch, switches
from sentinel.detect.coverage import coverage
from sentinel.detect.exempting import Renewal
from sentinel.detect.fetched import LICENCE, fetch
from tests.detect.test_fetched import NOW, release

SET = starter(content("rules") / STARTER)
SIGMAHQ = "4c6ca276-d4d0-4a8c-9e4c-d69832f8671f"
FETCHED = """\
title: {title}
id: {id}
author: Somebody Else, Another
tags: [attack.t1110]
logsource: {{product: linux, service: {service}}}
detection:
  sel: {{user.name: root}}
  condition: sel
"""


@pytest.fixture
def app(tmp_path: Path, supplied: dict[str, frozenset[str]], monkeypatch: pytest.MonkeyPatch) -> App:
    """Return a Sentinel with a folder of rules of its own."""
    monkeypatch.setattr("sentinel.testing.packs.supplied", lambda _: supplied)  # what it would find, read once
    (tmp_path / "own").mkdir()
    return App(parse({"data": str(tmp_path / "data"), "content": {"rules": [str(tmp_path / "own")]}}))


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["sentinel", *words])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
    written = capsys.readouterr()
    return int(ended.value.code or 0), written.out + written.err


def test_the_starter_set_is_forty_to_sixty_rules_each_with_a_reason_and_shipped_ones_can_fire(app: App) -> None:
    rules = app.rules
    assert 40 <= len(SET) <= 60
    assert all(len(why) > 10 for why in SET.values())
    shipped = {one.id for one in rules.detections if Path(one.path).parent.name != "sentinel"}
    assert len(set(SET) - shipped) <= 8  # of SigmaHQ, which brings them
    assert shipped <= set(SET)
    assert len(shipped) >= 40
    assert "sentinel" in {Path(one.path).parent.name for one in rules.detections}
    assert "sentinel" not in {Path(one.detection.path).parent.name for one in rules.off}
    reached = coverage(rules.detections, app.supplied, app.supplied)
    assert [one.detection.path for one in reached if not one.by] == []


def test_each_name_beside_an_id_is_that_rules(app: App) -> None:
    named = {one.id: Path(one.path).stem for one in app.rules.detections if one.id in SET}
    lines = (content("rules") / STARTER).read_text("utf-8").splitlines()
    said = {line.split('"')[1]: line.partition("# ")[2] for line in lines if line.startswith("id = ")}
    assert {ident: name for ident, name in said.items() if ident in named} == named


def test_others_are_off_and_ones_own_are_on(app: App, tmp_path: Path) -> None:
    (tmp_path / "own" / "mine.yml").write_text(
        FETCHED.format(title="Mine", id="00000000-0000-4000-8000-000000000007", service="sshd")
    )
    on = {one.title for one in app.rules.detections}
    assert "Mine" in on
    off = {one.detection.id: one.why for one in app.rules.off}
    assert off
    assert not set(off) & set(SET)
    assert set(off.values()) == {"not in the starter set"}


def test_all_are_on_if_the_configuration_says_so(app: App) -> None:
    everything = App(app.config.model_copy(update={"detect": app.config.detect.model_copy(update={"rules": "all"})}))
    assert everything.rules.off == ()
    assert len(everything.rules.detections) == len(app.rules.detections) + len(app.rules.off) >= 100


def test_rules_are_switched_on_and_off_with_who_when_and_why(
    app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "sentinel.toml"
    config.write_text(f'data = "{tmp_path / "data"}"\n[content]\nrules = ["{tmp_path / "own"}"]\n')
    renewal = Renewal(app.config.content.rules, (app.switches_file,))
    reason = 'no "second factor" yet'
    assert told(capsys, "rules", "on", "vpn_many_addresses", "--reason", reason, "--config", str(config))[0] == 0
    assert renewal.due(NOW)
    assert told(capsys, "rules", "off", "ssh_root_from_outside", "--reason", "x", "--config", str(config))[0] == 0
    kept = switches(app.switches_file)
    assert sorted(one.on for one in kept.values()) == [False, True]
    assert {one.reason for one in kept.values()} == {reason, "x"}
    on = {Path(one.path).stem for one in app.rules_now().detections}
    assert "vpn_many_addresses" in on
    assert "ssh_root_from_outside" not in on
    code, text = told(capsys, "rules", "list", "--off", "--json", "--config", str(config))
    (why,) = [one["why"] for one in map(json.loads, text.splitlines()) if "ssh_root" in one["path"]]
    assert code == 0
    assert why.startswith("switched off by ")
    code, text = told(capsys, "rules", "starter", "--json", "--config", str(config))
    states = {one["id"]: one["state"] for one in map(json.loads, text.splitlines()[: len(SET)])}
    assert set(states) == set(SET)
    assert {"off", "not here"} < set(states.values()) <= {"on", "waits", "off", "not here"}


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", "x" * 301])
def test_a_switch_needs_a_reason(tmp_path: Path, reason: str) -> None:
    with pytest.raises(UsageError, match="why"):
        switch(tmp_path / "switches.toml", {"a": Switch("a", on=True, reason=reason, who="anna", at="2026-11-27")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["[[rule]]\nrule = 3\n", "rule = 3\n", "[[rule]]\nrule = 'a'\non = 'yes'\nreason = ''\nwho = ''\nat = ''\n", "{"],
)
def test_a_file_of_switches_that_is_wrong_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "switches.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"switches\.toml"):
        switches(path)


def test_fetched_rules_bear_their_authors_and_licence_and_only_wanted_ones_are_on_or_refused(
    app: App, tmp_path: Path
) -> None:
    other, nobody = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
    files = {
        "rules/a.yml": FETCHED.format(title="In the set", id=SIGMAHQ, service="sshd").encode(),
        "rules/b.yml": FETCHED.format(title="Not in it", id=other, service="sshd").encode(),
        "rules/c.yml": FETCHED.format(title="Of another log", id=nobody, service="nobody").encode(),
    }
    fetch(app.config.fetched_dir, release(tmp_path / "1.zip", files), NOW)
    (found,) = [one for one in app.rules.detections if one.id == SIGMAHQ]
    assert (found.author, found.license) == ("Somebody Else, Another", LICENCE)
    assert other in {one.detection.id for one in app.rules.off}
    assert app.rules.refused == ()
    switch(app.switches_file, {nobody: Switch(nobody, on=True, reason="wanted", who="anna", at="2026-11-27")})
    assert [Path(one.path).name for one in app.rules_now().refused] == ["c.yml"]


def test_the_command_tells_what_stayed_and_which_exceptions_lost_their_rule(
    app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "sentinel.toml"
    config.write_text(f'data = "{tmp_path / "data"}"\n[content]\nrules = ["{tmp_path / "own"}"]\n')
    one = FETCHED.format(title="In the set", id=SIGMAHQ, service="sshd").encode()
    words = ("rules", "fetch", str(release(tmp_path / "1.zip", {"rules/a.yml": one})), "--config", str(config))
    assert told(capsys, *words)[0] == 0
    (tmp_path / "own" / "exceptions").mkdir()
    (tmp_path / "own" / "exceptions" / "x.yml").write_text(
        "title: x\nlogsource: {product: linux}\nfilter:\n"
        f"  rules: [{SIGMAHQ}]\n  a: {{user.name: x}}\n  condition: not a\n"
        "sentinel: {reason: x, owner: y, expires: 2026-12-31}\n"
    )
    changed = app.config.fetched_dir / "current/local/rules/a.yml"
    changed.write_bytes(one + b"level: low\n")
    release(tmp_path / "1.zip", {"rules/a.yml": one + b"level: high\n"})
    code, text = told(capsys, *words)
    assert code == 1
    assert "you changed it and so did upstream: yours stays" in " ".join(text.split())
    assert changed.read_bytes() == one + b"level: low\n"
    changed.write_bytes(one + b"level: high\n")
    release(
        tmp_path / "1.zip",
        {
            "rules/other.yml": FETCHED.format(
                title="x", id="00000000-0000-4000-8000-000000000009", service="sshd"
            ).encode()
        },
    )
    code, text = told(capsys, *words)
    assert code == 1
    assert f"it is about '{SIGMAHQ}', which is no rule about single events here" in " ".join(text.split())
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as archive:
        archive.writestr("/etc/rules/a.yml", b"x")
    code, text = told(capsys, *words)
    assert code == 2
    assert "is refused" in text


def test_nothing_is_chosen_by_a_set_that_names_a_rule_twice(tmp_path: Path) -> None:
    path = tmp_path / "starter.toml"
    path.write_text('[[rule]]\nid = "a"\nwhy = "x"\n[[rule]]\nid = "a"\nwhy = "y"\n')
    assert tomllib.loads(path.read_text())
    with pytest.raises(ConfigError, match="id of its own"):
        starter(path)
