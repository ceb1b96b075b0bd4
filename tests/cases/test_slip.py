"""What could not be seen is said: of whom, from when until when, how much; with all well it says complete, no more."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.detection import Detection, Finding
from sentinel.core.slip import Gap
from sentinel.core.source import Account, Entering, Heard, Identity, Tally, hour_of
from sentinel.core.where import Exists
from sentinel.detect.runner import Runner
from sentinel.slip import slip
from sentinel.sources.silence import RULE
from tests.living import City

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = Detection("rule-1", "A rule", "low", Exists("user.name"), "v", "x.yml")
SENDER = Identity("fw", "syslog-udp", "192.0.2.7", "fw-1")


@pytest.fixture
def town(tmp_path: Path) -> City:
    """Return a city whose books and ledger have begun, and in which an hour passed since."""
    found = City(tmp_path, clock=ManualClock(NOW))
    book(found, Counter({Account(hour_of(NOW), "fw", "received"): 1}))
    judge(found)
    for _ in range(6):
        found.clock.advance(timedelta(minutes=10))
        judge(found)
    return found


def judge(town: City) -> None:
    with town.app.writing() as store, town.app.book() as alerts:
        Runner(store, alerts, [RULES], town.clock, store.newest).run()


def book(town: City, tally: Tally) -> None:
    with town.app.books(writer=True) as books:
        books.begin(0, 0)
        through = books.through + 1
        heard = {SENDER: Heard(town.clock.now(), town.clock.now(), "e")}
        books.enter(Entering(through, town.clock.now(), town.clock.now(), tally, heard))


def gaps(town: City, start: datetime = NOW, end: datetime = NOW + HOUR) -> Iterable[Gap]:
    return slip(town.app, start, end).gaps


def test_with_all_well_it_is_complete(town: City) -> None:
    assert slip(town.app, NOW, NOW + HOUR).complete


def test_a_sender_that_was_silent_is_named_with_the_time_until_it_spoke_again(town: City) -> None:
    begin = NOW + timedelta(minutes=10)
    finding = Finding(RULE, (("host.name", "fw-1"),), begin, begin, ("e",), moments=(begin,))
    with town.app.book() as alerts:
        (raised,) = alerts.record([finding], 0)
        (gap,) = gaps(town)
        assert gap == Gap("silent", "host=fw-1", begin, NOW + HOUR, 0, "nothing was heard of it")
        alerts.close(raised, "sentinel", "benign", "heard again")
    heard = town.clock.now()
    town.clock.advance(3 * HOUR)
    (gap,) = gaps(town, NOW, NOW + 2 * HOUR)[:1]  # type: ignore[index]  # a tuple
    assert (gap.kind, gap.start, gap.end) == ("silent", begin, heard)
    assert not [one for one in gaps(town, heard + HOUR, heard + 2 * HOUR) if one.kind == "silent"]


def test_lost_and_unread_records_are_counted_by_source_hour_and_reason(town: City) -> None:
    hour = hour_of(NOW)
    book(
        town,
        Counter(
            {
                Account(hour, "fw", "dropped", "kernel"): 5,
                Account(hour, "fw", "deadletter", "no time"): 2,
                Account(hour, "fw", "missing", "fw-1"): 3,
                Account(hour, "fw", "stored"): 100,
                Account(hour + 5, "fw", "dropped", "kernel"): 9,
            }
        ),
    )
    assert [(one.kind, one.about, one.many, one.start) for one in gaps(town)] == [
        ("lost", "fw", 5, NOW),
        ("lost", "fw", 3, NOW),
        ("unparsed", "fw", 2, NOW),
    ]


def test_what_lies_before_the_books_began_is_unknown_and_what_no_rule_judged_is_said(town: City) -> None:
    found = [(one.kind, one.start, one.end) for one in gaps(town, NOW - HOUR, NOW + HOUR)]
    assert ("unknown", NOW - HOUR, NOW) in found
    assert any(kind == "unjudged" and start == NOW - HOUR for kind, start, _ in found)
    town.clock.advance(2 * HOUR)
    later = [one for one in gaps(town, NOW + 2 * HOUR, NOW + 3 * HOUR) if one.kind == "unjudged"]
    assert sum(one.many for one in later) == 60


def test_a_rule_that_has_yet_to_judge_again_is_named_with_its_reason(town: City) -> None:
    with town.app.book() as alerts, alerts.writing() as db:
        minute = int(NOW.timestamp()) // 60 + 5
        db.execute(
            "INSERT INTO ledger_windows VALUES ('rule:rule-1', ?, ?, 'skipped', 0, 1, 0, 0, 1, 9, 'it failed')",
            (minute, minute + 3),
        )
    at = NOW + timedelta(minutes=5)
    assert gaps(town) == (Gap("unjudged", "rule-1", at, at + timedelta(minutes=3), 3, "it failed"),)


def test_a_question_over_that_time_names_the_source_and_the_interval(
    town: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = NOW + timedelta(minutes=10)
    finding = Finding(RULE, (("host.name", "fw-1"),), begin, begin, ("e",), moments=(begin,))
    asked = f"user.name:nobody since {NOW:%Y-%m-%dT%H:%M} until {NOW + HOUR:%Y-%m-%dT%H:%M}"
    monkeypatch.setenv("TZ", "UTC")
    assert "not seen: nothing: it is complete" in town.sentinel("query", asked).stderr
    with town.app.book() as alerts:
        alerts.record([finding], 0)
    told = town.sentinel("query", asked).stderr
    assert "not seen: 2026-11-23 12:10 – 13:00  a sender was silent: host=fw-1" in told
    (shown,) = town.json("alerts", "show", town.json("alerts", "list")[0]["id"])
    assert {gap["kind"] for gap in shown["slip"]["gaps"]} == {"unknown", "unjudged"}  # of the hour before the books
