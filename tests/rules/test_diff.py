"""`sentinel rules diff`: which rules another set has, and which alerts it would bring or take away."""

from datetime import timedelta
from pathlib import Path

from tests.living import LOGIN, City
from tests.rules.test_backtest import DRAFT


def rules(folder: Path, **texts: str) -> str:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return str(folder)


def numbered(number: int, **instead: str) -> str:
    text = DRAFT.replace("077", f"0{number}")
    for old, new in instead.items():
        text = text.replace(old, new)
    return text


def test_rules_and_alerts_that_appear_and_vanish_are_told(town: City) -> None:
    town.clock.advance(-timedelta(hours=3))
    for user, host in (("anna", "srv-1"), ("anna", "srv-2"), ("otto", "srv-1"), ("root", "srv-3"), ("root", "srv-3")):
        town.clock.advance(timedelta(minutes=20))
        town.keep([town.event(LOGIN | {"user.name": user, "host.name": host})])
    before = rules(town.folder / "before", a=numbered(10), b=numbered(11, anna="root"), c=numbered(12))
    after = rules(
        town.folder / "after", a=numbered(10), b=numbered(11, anna="root, host.name: nowhere"),
        c=numbered(12, anna="[anna, otto]"), d=numbered(13, anna="otto"),
    )  # fmt: skip
    (told,) = town.json("rules", "diff", before, after, code=1)
    assert ([one["id"][-2:] for one in told["added"]], told["removed"], told["same"]) == (["13"], [], 1)
    assert [(one["id"][-2:], one["what"]) for one in told["changed"]] == [("11", ["where"]), ("12", ["where"])]
    assert [(one["rule_id"][-2:], one["key"]) for one in told["appear"]] == [("13", {"host.name": "srv-1"})]
    assert [(one["rule_id"][-2:], one["count"]) for one in told["vanish"]] == [("11", 2)]
    assert [(one["before"]["count"], one["after"]["count"]) for one in told["differ"]] == [(1, 2)]
    shown = town.sentinel("rules", "diff", before, after, code=1)
    assert "1 rules added, 0 removed, 2 changed, 1 the same; 1 alerts appear, 1 vanish, 1 count" in shown.stderr
    assert "1 → 2" in shown.stdout


def test_the_same_rules_differ_in_nothing(town: City) -> None:
    folder = rules(town.folder / "one", a=DRAFT)
    assert "0 changed, 1 the same" in town.sentinel("rules", "diff", folder, folder).stderr
    assert "there is no nowhere" in town.sentinel("rules", "diff", "on", "nowhere", code=2).stderr
