"""`sentinel rules backtest`, as an operator types it: what a rule would have cost, before it is on."""

from datetime import timedelta

from tests.living import LOGIN, City

DRAFT = """\
title: Anybody logs in
id: 11111111-0000-4000-8000-000000000077
level: low
tags: [attack.t1078]
logsource: {product: linux, service: sshd}
detection:
  sel: {event.outcome: success, user.name: anna}
  condition: sel
"""


def busy(town: City) -> None:
    # over two days, one event an hour, of three machines; and a flood within the last hour
    town.clock.advance(-timedelta(days=2))
    for number in range(48):
        town.clock.advance(timedelta(hours=1) - timedelta(seconds=3))
        town.keep([town.event(LOGIN | {"user.name": "anna", "host.name": f"srv-{number % 3}"})])
    many = (LOGIN | {"user.name": "anna", "host.name": f"pc-{number}"} for number in range(150))
    town.keep([town.event(fields) for fields in many])


def test_a_draft_is_tried_on_what_is_stored(town: City) -> None:
    busy(town)
    draft = town.folder / "draft.yml"
    draft.write_text(DRAFT)
    (found,) = town.json("rules", "backtest", str(draft), "--last", "3d")
    assert (found["matched"], found["judged"]) == (198, 198)
    assert (found["alerts"], found["floods"]) == (4, 1)
    assert [one["count"] for one in found["list"] if one["flood"]] == [150]
    assert sum(one["events"] for one in found["over_time"]) == 198
    assert found["top"]["host.name"]["srv-0"] == 16
    assert found["top"]["user.name"] == {"anna": 198}
    shown = town.sentinel("rules", "backtest", str(draft), "--last", "3d")
    assert "198 events match; 4 alerts would have come of them, 1.3 a day, 1 of them floods" in shown.stderr
    assert "█" in shown.stdout
    assert town.json("alerts", "list") == [], "nothing of it is an alert"


def test_exceptions_and_suppressions_count_as_they_do_live(town: City) -> None:
    busy(town)
    rule = town.folder / "rules" / "anybody.yml"
    rule.write_text(DRAFT)
    words = ("rules", "except", "anybody", "--field", "host.name=srv-0", "--until", "1d", "--reason", "known", "--yes")
    assert "of 198 events that met the rule in the last 7 days 16 would not have" in town.sentinel(*words).stderr
    (found,) = town.json("rules", "backtest", "anybody", "--last", "3d")
    assert (found["matched"], found["alerts"]) == (182, 3)


def test_what_was_suppressed_would_have_been_so(town: City) -> None:
    (town.folder / "rules" / "anybody.yml").write_text(DRAFT)
    town.clock.advance(-timedelta(hours=2))
    town.login(2, user_name="anna")
    with town.app.desk() as desk:
        (alert,) = desk.alerts()
        town.clock.advance(timedelta(minutes=1))
        desk.suppress(alert.id, "anna", town.clock.now() + timedelta(days=1), "known")
    town.login(5, after=timedelta(minutes=15), user_name="anna")
    (found,) = town.json("rules", "backtest", "anybody", "--last", "3d")
    assert (found["matched"], found["suppressed_events"]) == (7, 5)


def test_a_file_that_would_be_refused_or_a_rule_that_is_not_there_is_told(town: City) -> None:
    draft = town.folder / "draft.yml"
    draft.write_text(DRAFT.replace("anna", "anna\n  condition: nobody"))
    assert str(draft) in town.sentinel("rules", "backtest", str(draft), code=3).stderr
    assert "did you mean ssh_bruteforce" in town.sentinel("rules", "backtest", "ssh_bruteforc", code=2).stderr
    assert (
        "not a length of time" in town.sentinel("rules", "backtest", "ssh_bruteforce", "--last", "soon", code=2).stderr
    )
