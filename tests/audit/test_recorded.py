"""No action goes unrecorded: what people do stands in the log before it is done, or it is not done."""

import json
import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from sentinel.audit.daily import KnownRules, anchor_daily
from sentinel.core.alert import Assign, Close, Seen
from sentinel.core.audit import Deed
from sentinel.core.clock import ManualClock
from sentinel.core.errors import AuditError, UsageError
from tests.audit.conftest import filled
from tests.living import City

SENTINEL = Path(__file__).resolve().parents[2] / "sentinel"
PEOPLE = ("acknowledge", "close", "suppress", "unsuppress", "change", "change_all")
BOOKS = {
    "cli/city.py": "the book of a simulated week, which ends with the bench",
    "cli/ledger.py": "judges again by machine; the command itself is recorded",
    "cli/scale.py": "the book of made events, which ends with the bench",
}
"""Modules of the command line that open the book itself, and why."""


@pytest.fixture
def town(tmp_path: Path) -> City:
    found = City(tmp_path)
    found.login()
    return found


def deeds(town: City) -> list[tuple[str, str, str]]:
    return [(str(one["what"]), str(one["who"]), str(one["about"])) for one in town.app.audit.entries()]


def test_each_action_on_an_alert_is_an_entry_and_reading_is_none(town: City) -> None:
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        desk.acknowledge(alert.id, "erika", "on it")
        made = desk.suppress(alert.id, "otto", town.clock.now() + timedelta(hours=1), "ticket 4711")
        desk.unsuppress(made.number, "otto")
        desk.close(alert.id, "erika", "benign")
        assert (desk.alert(alert.id).state, desk.suppressions(), len(desk.records())) == ("closed", [], 1)
        with pytest.raises(UsageError):
            desk.close(alert.id, "otto", "benign")
    assert deeds(town) == [
        ("alert.acknowledge", "erika", alert.id),
        ("alert.suppress", "otto", alert.id),
        ("alert.unsuppress", "otto", str(made.number)),
        ("alert.close", "erika", alert.id),
        ("alert.close", "otto", alert.id),
        ("alert.close.failed", "otto", alert.id),
    ]
    text = town.app.audit.path.read_text()
    assert sha256(b"on it").hexdigest() in text
    assert "on it" not in text
    assert town.app.audit.examine().well


def test_many_at_once_are_one_entry_and_those_not_changed_another(town: City) -> None:
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        desk.change(Seen(alert.id), Assign("otto"), "erika")
        desk.change_all([Seen(alert.id, 1), Seen("ffff")], Close("benign"), "otto", "a scan")
    given, many, failed = map(json.loads, town.app.audit.path.read_text().splitlines())
    assert (given["what"], given["details"]) == ("alert.assign", {"to": "otto"})
    assert (many["what"], many["about"]) == ("alert.close", "2 alerts")
    assert many["details"]["alerts"] == [alert.id, "ffff"]
    assert many["details"]["verdict"] == "benign"
    assert (failed["what"], failed["details"]) == ("alert.close.failed", {"entry": 2, "alerts": ["ffff"]})


def test_where_it_cannot_be_written_down_the_alert_stays_as_it_is(town: City) -> None:
    path = town.app.audit.path
    town.app.audit.enter(Deed("query", "erika"))
    path.unlink()
    path.mkdir()
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        for act in (
            lambda: desk.acknowledge(alert.id, "erika"),
            lambda: desk.close(alert.id, "erika", "benign"),
            lambda: desk.change_all([Seen(alert.id)], Close("benign"), "erika"),
            lambda: desk.suppress(alert.id, "erika", town.clock.now() + timedelta(hours=1), "x"),
        ):
            with pytest.raises(AuditError, match="is not done"):
                act()
        assert desk.alert(alert.id) == alert
        assert desk.suppressions() == []
    assert "is not done" in town.sentinel("query", "user.name:root", code=4).stderr


def test_the_command_line_records_shows_and_proves(town: City) -> None:
    (alert,) = town.json("alerts", "list")
    town.sentinel("query", "user.name:root last 7d", "--by", "user.name")
    town.sentinel("alerts", "close", alert["id"], "--verdict", "benign")
    closed, asked = town.json("audit", "list", "--last", "1d")
    assert (asked["what"], asked["details"]["question"]) == ("query", "user.name:root last 7d")
    assert (closed["what"], closed["about"], closed["number"]) == ("alert.close", alert["id"], 2)
    made = town.json("audit", "anchor")[0]
    (proof,) = town.json("audit", "verify")
    assert (proof["well"], proof["entries"], proof["anchors"], proof["head"]["number"]) == (True, 3, 1, 3)
    path = town.app.audit.path
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"limit":50', b'"limit":51'))
    done = town.sentinel("audit", "verify", code=1)
    assert "line 1: it was changed" in done.stderr
    path.write_bytes(text)
    wrong = town.sentinel("audit", "verify", "--anchor", f"{made['number']}:{'0' * 64}", code=1)
    assert "another than the one that was anchored" in wrong.stderr


def test_people_reach_alerts_only_through_the_desk_that_records() -> None:
    opened = {
        str(path.relative_to(SENTINEL))
        for folder in ("cli", "ui", "respond")
        for path in (SENTINEL / folder).rglob("*.py")
        if re.search(r"\.book\(\)|alert\.book", path.read_text("utf-8"))
    }
    assert opened == set(BOOKS)
    for name in BOOKS:
        assert not re.search(rf"\.({'|'.join(PEOPLE)})\(", (SENTINEL / name).read_text("utf-8"))


def test_rules_that_come_go_or_change_are_entered_once(tmp_path: Path) -> None:
    log = filled(tmp_path / "audit", 0)
    said: list[str] = []
    for on in ({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "c": "1"}):
        KnownRules(tmp_path / "rules.json").now(log, on, said.append)
    assert [one["details"] for one in log.entries()] == [
        {"rules": 2},
        {
            "rules": 2,
            "changed": ["a"],
            "changed_number": 1,
            "disabled": ["b"],
            "disabled_number": 1,
            "enabled": ["c"],
            "enabled_number": 1,
        },
    ]
    assert said == []


class _Days:
    """Stands for the wait between two looks: a day passes each time."""

    def __init__(self, clock: ManualClock, days: int) -> None:
        self.clock, self.days = clock, days

    def wait(self, timeout: float, /) -> bool:
        del timeout
        self.clock.advance(timedelta(hours=12))
        self.days -= 1
        return self.days < 0


def test_each_day_has_its_anchor(tmp_path: Path) -> None:
    log = filled(tmp_path / "audit", 1)
    clock = log._clock
    assert isinstance(clock, ManualClock)
    anchor_daily(log, clock, _Days(clock, 5), pytest.fail)
    days = [json.loads(line)["at"][:10] for line in log.anchors.read_bytes().splitlines()]
    assert days == ["2026-11-27", "2026-11-28", "2026-11-29"]
    assert log.examine().well


def test_machinery_goes_on_where_nothing_can_be_written_down(tmp_path: Path) -> None:
    log = filled(tmp_path / "audit", 0)
    log.path.mkdir()
    said: list[str] = []
    KnownRules(tmp_path / "rules.json").now(log, {"a": "1"}, said.append)
    assert len(said) == 1
    assert "goes on all the same" in said[0]
    with pytest.raises(AuditError):
        log.enter(Deed("query", "erika"))
