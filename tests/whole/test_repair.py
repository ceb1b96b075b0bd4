"""A pack that read wrongly was mended: what it had read is put right, and what that makes the rules find comes late."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel.core.content import content

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
ATTACKER = "203.0.113.66"
WRONG = '"Failed": _what("ssh_login", "authentication", "start", "success")'
RIGHT = '"Failed": _what("ssh_login", "authentication", "start", "failure")'


def line(at: int, what: str = "Failed password for root", source: str = ATTACKER) -> str:
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    return f"<86>{stamp} srv sshd[{at}]: {what} from {source} port {40000 + at} ssh2"


class Mended:
    """A city whose own sshd pack is wrong, until it is mended."""

    def __init__(self, city: "Running") -> None:
        self.city = city
        self.pack = city.folder / "packs/sshd"
        (city.folder / "packs").mkdir(mode=0o755)
        shutil.copytree(content("parsers") / "sshd", self.pack)
        self.write(WRONG)

    def write(self, text: str, told: str = "") -> None:
        parser = self.pack / "parser.py"
        source = (content("parsers") / "sshd/parser.py").read_text("utf-8")
        assert RIGHT in source
        parser.write_text(source.replace(RIGHT, text) + told, "utf-8")

    def report(self, *words: str) -> dict[str, Any]:
        (report,) = self.city.json("repair", *words)
        return report

    def brute_force(self) -> list[dict[str, Any]]:
        return [one for one in self.city.json("alerts", "list") if "failed SSH logins" in one["title"]]


@pytest.fixture
def mended(city: "Running") -> Mended:
    return Mended(city)


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elastic)])
def either(city: "Running", request: pytest.FixtureRequest) -> Mended:
    if request.param == "elasticsearch":
        url, prefix = request.getfixturevalue("elastic_url"), request.getfixturevalue("elastic_prefix")
        options = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\n'
        city.config.write_text(city.config.read_text("utf-8") + options, "utf-8")
    return Mended(city)


def test_a_repair_amends_what_was_read_wrongly_and_finds_what_was_missed(
    city: "Running", either: Mended, patiently: Patiently
) -> None:
    mended = either
    city.start()
    city.udp(*(line(at) for at in range(30)), *(line(at, "Accepted password for anna", "192.0.2.9") for at in range(5)))
    patiently(lambda: len(city.json("query", "event.action:ssh_login")) == 35)
    patiently(lambda: city.json("status")[0]["detect_lag_seconds"] == 0)
    before = {one["event.id"]: one for one in city.json("query", f"source.ip:{ATTACKER}")}
    assert mended.brute_force() == []

    mended.write(RIGHT)
    would = mended.report()
    assert (would["applied"], would["records"], would["events"]["changed"], would["alerts"]) == (False, 35, 30, [])
    assert [(one["pack"], one["events"]) for one in would["versions"]] == [("sshd", 35)]
    assert any("failed SSH logins" in one["title"] and one["events"] == 30 for one in would["rules"])
    assert mended.brute_force() == []  # nothing has been changed

    did = mended.report("--apply")  # the process that stores amends
    (alert,) = mended.brute_force()
    assert alert["count"] == 30
    assert alert["summary"].startswith("found by repair, 0 min late: ")
    assert [one["id"] for one in did["alerts"]] == [alert["id"]]
    (told,) = city.json("alerts", "show", alert["id"])
    assert told["history"][0]["note"] == "found by repair, 0 min late"
    after = {one["event.id"]: one for one in city.json("query", f"source.ip:{ATTACKER} event.outcome:failure")}
    assert after.keys() == before.keys()
    name = next(iter(after))
    assert after[name]["event.sequence"] == before[name]["event.sequence"]
    assert after[name]["sentinel.repaired.by"] == Path(did["folder"]).name
    (kept,) = Path(did["folder"]).glob("*.done")
    assert all(json.loads(one)["gone"] for one in kept.read_text().splitlines())

    again = mended.report("--apply")
    assert (again["events"]["changed"], again["alerts"]) == (0, [])
    assert mended.brute_force()[0]["count"] == 30


def test_dead_letters_are_read_by_a_mended_pack_and_become_the_events_they_should_have_been(
    city: "Running", mended: Mended, patiently: Patiently
) -> None:
    mended.write(RIGHT, "\n\ndef parse(_raw):\n    raise ValueError('not yet')\n")
    city.start()
    city.udp(*(line(at) for at in range(30)))
    patiently(lambda: len(city.json("deadletter", "list")) == 30)
    city.stop()
    mended.write(RIGHT)
    did = mended.report("--apply")  # nothing runs: the repair amends by itself
    assert (did["dead_letters_read"], did["events"]) == (30, {"changed": 0, "added": 30, "removed": 0})
    assert [one["count"] for one in mended.brute_force()] == [30]
    assert city.json("deadletter", "list") == []
    assert len(city.json("query", f"source.ip:{ATTACKER}")) == 30


def test_an_interrupted_repair_is_finished_by_the_next(city: "Running", mended: Mended, patiently: Patiently) -> None:
    city.start()
    city.udp(*(line(at) for at in range(30)))
    patiently(lambda: len(city.json("query", f"source.ip:{ATTACKER}")) == 30)
    city.stop()
    mended.write(RIGHT)
    city.environment["SENTINEL_KILL_AT"] = "alert.before_commit"
    city.sentinel("repair", "--apply", code=-9)
    del city.environment["SENTINEL_KILL_AT"]
    assert mended.brute_force() == []
    assert "interrupted" in city.sentinel("repair", "--apply").stderr.decode()
    assert [one["count"] for one in mended.brute_force()] == [30]


RULE = """\
title: Anybody at all
id: 00000000-0000-4000-8000-00000000000b
tags: [attack.t1078]
logsource: {product: linux, service: sshd}
detection:
  selection: {event.action: ssh_login, user.name: NAME}
  condition: selection
"""


def test_a_rule_that_has_changed_judges_again_what_is_stored(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.udp(*(line(at, "Accepted password for anna", "192.0.2.9") for at in range(5)))
    patiently(lambda: len(city.json("query", "event.action:ssh_login")) == 5)
    patiently(lambda: city.json("status")[0]["detect_lag_seconds"] == 0)
    rules = city.folder / "rules"
    rules.mkdir()
    (rules / "own.yml").write_text(RULE.replace("NAME", "anna"))
    words = ("repair", "--rule", "own", "--last", "1d")
    (would,) = city.json(*words)
    assert [(one["title"], one["events"]) for one in would["rules"]] == [("Anybody at all", 5)]
    (did,) = city.json(*words, "--apply")
    assert [one["title"] for one in did["alerts"]] == ["Anybody at all"]
    (again,) = city.json(*words, "--apply")
    assert again["alerts"] == []
    (alert,) = [one for one in city.json("alerts", "list") if one["title"] == "Anybody at all"]
    assert alert["count"] == 5


NEW = """\
title: An address that is new for the account
id: 00000000-0000-4000-8000-00000000000c
tags: [attack.t1078]
logsource: {product: linux, service: sshd}
detection:
  failed: {event.action: ssh_login, event.outcome: failure}
  anna: {user.name: anna}
  condition: failed or anna
sentinel: {new_terms: {fields: [user.name, source.ip], history: 8d, learning: 1d}}
"""


def test_a_rule_with_a_history_has_learnt_what_was_repaired(
    city: "Running", mended: Mended, patiently: Patiently
) -> None:
    rules = city.folder / "rules"
    rules.mkdir()
    (rules / "new.yml").write_text(NEW)

    def said(days: float, source: str, what: str = "Failed password for root") -> str:
        at = datetime.now(UTC) - timedelta(days=days)
        return f"<86>1 {at.isoformat()} srv sshd 7 - - {what} from {source} port 40000 ssh2"

    def told() -> list[str]:
        alerts = city.json("alerts", "list")
        return sorted(one["key"]["source.ip"] for one in alerts if one["title"].startswith("An address that is new"))

    city.start()
    city.tcp(said(5, "192.0.2.9", "Accepted password for anna"))
    city.tcp(said(5, "192.0.2.1"), said(2, "192.0.2.1"), said(1, "192.0.2.2"))
    patiently(lambda: len(city.json("query", "event.action:ssh_login last 30d")) == 4)
    patiently(lambda: "tells" in {one["state"] for one in city.json("rules", "learning")})
    city.stop()
    mended.write(RIGHT)
    mended.report("--apply")
    assert told() == ["192.0.2.2"]
    city.start()
    city.tcp(said(0, "192.0.2.1"), said(0, "192.0.2.2"), said(0, "192.0.2.3"))
    patiently(lambda: "192.0.2.3" in told())
    assert told() == ["192.0.2.2", "192.0.2.3"]  # the others are known
