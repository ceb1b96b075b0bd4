"""For a while nobody is shown what an alert is about; it is counted, listed, findable, and comes back."""

import shlex
from datetime import timedelta

from tests.living import City

MINUTE = timedelta(minutes=1)


def test_what_is_suppressed_is_not_shown_but_counted_listed_and_found(town: City) -> None:
    town.login(2)
    (alert,) = town.json("alerts", "list")
    (made,) = town.json("alerts", "suppress", alert["id"][:8], "--until", "7d", "--reason", "jump host is moved")
    town.login(3, after=MINUTE)
    town.login(1, host_name="srv-02", after=MINUTE)
    (other,) = town.json("alerts", "list")
    assert other["key"]["host.name"] == "srv-02"
    assert "1 suppressions hold back 3 events" in town.sentinel("alerts", "list").stderr
    (told,) = town.json("alerts", "suppressions")
    assert (told["number"], told["count"], told["reason"]) == (made["number"], 3, "jump host is moved")
    both = {one["key"]["host.name"]: one for one in town.json("alerts", "list", "--suppressed")}
    assert both["srv-01"]["count"] == 5
    assert both["srv-01"]["suppressed_until"] == told["until"]
    assert "suppressed until" in both["srv-01"]["history"][-1]["what"]
    events = town.sentinel("alerts", "events", alert["id"], "--json")
    assert len(events.stdout.splitlines()) == 5
    question = shlex.split(events.stderr.split("as a question: ")[1])
    assert len(town.json(*question[1:])) == 5, "a query on the alert finds them too"
    assert "Suppressed" in town.sentinel("alerts", "show", alert["id"]).stdout
    assert "jump host is moved" in town.sentinel("alerts", "suppressions").stdout


def test_a_suppression_can_be_undone_and_then_everything_is_shown(town: City) -> None:
    town.login()
    (alert,) = town.json("alerts", "list")
    (made,) = town.json("alerts", "suppress", alert["id"], "--until", "7d", "--reason", "x")
    town.login(2, after=MINUTE)
    assert town.json("alerts", "list") == []
    town.json("alerts", "unsuppress", str(made["number"]), "--note", "it was an attack")
    (again,) = town.json("alerts", "list")
    assert (again["id"], again["count"], again["history"][-1]["note"]) == (alert["id"], 3, "it was an attack")
    assert town.json("alerts", "suppressions") == []
    (ended,) = town.json("alerts", "suppressions", "--all")
    assert (ended["count"], ended["note"]) == (2, "it was an attack")
    assert town.sentinel("alerts", "unsuppress", str(made["number"]), code=2).stderr.count("ended already") == 1
    assert "no suppression 99" in town.sentinel("alerts", "unsuppress", "99", code=2).stderr


def test_a_suppression_ends_by_itself_and_what_is_open_comes_back(town: City) -> None:
    town.login()
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        made = desk.suppress(alert.id, "anna", town.clock.now() + timedelta(hours=1), "for an hour")
        town.login(1, after=timedelta(minutes=59))
        assert desk.alerts() == []
        town.login(1, after=MINUTE)
        (again,) = desk.alerts()
        assert (again.id, again.count, again.suppressed_until) == (alert.id, 3, None)
        assert desk.suppressions() == []
        assert [(one.number, one.count) for one in desk.suppressions(ended=True)] == [(made.number, 1)]


def test_a_closed_alert_can_be_suppressed_and_what_comes_is_a_new_one_that_nobody_is_shown(town: City) -> None:
    town.login()
    (alert,) = town.json("alerts", "list")
    town.sentinel("alerts", "close", alert["id"], "--verdict", "benign")
    town.sentinel("alerts", "suppress", alert["id"], "--until", "1d", "--reason", "known")
    town.login(2, after=MINUTE)
    assert town.json("alerts", "list") == []
    assert sorted(one["count"] for one in town.json("alerts", "list", "--suppressed")) == [1, 2]


def test_what_nobody_is_shown_spends_no_budget_and_a_flood_can_be_suppressed_as_a_whole(town: City) -> None:
    town = City(town.folder, "[detect]\nbudget_per_hour = 3\n", town.clock)
    town.login()
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        desk.close(alert.id, "anna", "benign")
        desk.suppress(alert.id, "anna", town.clock.now() + timedelta(hours=5), "known")
        town.login(1)
        for number in range(2, 4):
            town.login(1, host_name=f"srv-0{number}")
        assert [one.flood for one in desk.alerts()] == [False, False]
        town.login(1, host_name="srv-04")
        (flood,) = desk.alerts()
        assert (flood.flood, flood.count) == (True, 3)
        made = desk.suppress(flood.id, "anna", town.clock.now() + timedelta(hours=5), "a scan")
        town.login(2, host_name="srv-05")
        assert desk.alerts() == []
        assert [one.count for one in desk.suppressions() if one.number == made.number] == [2]


def test_a_suppression_needs_a_reason_and_an_end_that_is_near(town: City) -> None:
    town.login()
    (alert,) = town.json("alerts", "list")
    for until, reason, what in (
        ("1d", " ", "say why"),
        ("93d", "x", "after 92 days at most"),
        ("2020-01-01", "x", "has passed"),
        ("soon", "x", "not a time"),
    ):
        done = town.sentinel("alerts", "suppress", alert["id"], "--until", until, "--reason", reason, code=2)
        assert what in done.stderr
    town.sentinel("alerts", "suppress", alert["id"], "--until", "1d", "--reason", "x")
    done = town.sentinel("alerts", "suppress", alert["id"], "--until", "1d", "--reason", "x", code=2)
    assert "suppressed already" in done.stderr
