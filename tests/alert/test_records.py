"""How a rule has fared is said with what is known: one verdict of one is not a hundred per cent."""

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.alert import Verdict, wilson
from tests.living import City


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Brown, Cai, DasGupta (2001), Statistical Science 16:101, by their formula (4)
    [
        (1, 1, 0.2065, 1.0),
        (0, 1, 0.0, 0.7935),
        (0, 10, 0.0, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((hits / of, low, high), abs=1e-4)


@given(of=st.integers(1, 100_000), part=st.floats(0, 1))
def test_the_ratio_lies_in_its_interval_and_that_between_nothing_and_all(of: int, part: float) -> None:
    ratio, low, high = wilson(int(of * part), of)
    assert 0 <= low <= ratio + 1e-9
    assert ratio <= high + 1e-9 <= 1 + 1e-9


def test_verdicts_of_people_are_counted_by_rule_with_the_time_they_took(town: City) -> None:
    verdicts = ("false_positive", "false_positive", "benign", "true_positive")
    for number, verdict in enumerate(verdicts, start=1):
        town.login(1, host_name=f"srv-0{number}")
        with town.app.desk() as desk:
            (new,) = desk.alerts(states=("new",))
            town.clock.advance(timedelta(minutes=10 * number))
            desk.close(new.id, "anna", next(one for one in get_args(Verdict) if one == verdict))
    town.login(5, host_name="srv-09")
    with town.app.desk() as desk:
        (new,) = desk.alerts(states=("new",))
        desk.close(new.id, "sentinel", "benign", "by itself")
    town.login(2, host_name="srv-08")
    (record,) = town.json("rules", "stats", "ssh_root_from_outside")
    assert (record["alerts"], record["open"], record["verdicts"], record["events"]) == (6, 1, 4, 11)
    assert (record["true_positive"], record["false_positive"], record["benign"]) == (1, 2, 1)
    assert record["false_positive_ratio"] == 0.5
    assert (record["false_positive_low"], record["false_positive_high"]) == pytest.approx((0.15, 0.85), abs=0.001)
    assert record["median_seconds_to_verdict"] == 25 * 60
    (alert,) = town.json("alerts", "list", "--state", "new")
    shown = " ".join(town.sentinel("alerts", "show", alert["id"]).stdout.split())
    assert "4 verdicts: 1 true, 2 false, 1 benign; false positives 50 % (95 %: 15 to 85 %)" in shown
    (told,) = town.json("alerts", "show", alert["id"])
    assert told["rule"]["false_positive"] == 2
    table = town.sentinel("rules", "stats")
    assert "50 % of 4 (15 to 85 %)" in table.stdout
    assert "rules that are on have never raised an alert" in table.stderr
