"""A rule that matches 30,000 times in an hour is one alert with the right count, and nothing is lost."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Detection, Finding, events_of
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS
from sentinel.detect.runner import Runner
from sentinel.notifying import Rounds, made
from tests.living import LOGIN, City
from tests.notify.servers import MailServer, mail_channel

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULE = Detection("rule-1", "A noisy rule", "high", ALWAYS, "v1", "x.yml")


def found(number: int, *, host: str = "", at: datetime = NOW, rule: Detection = RULE) -> Finding:
    key = (("host.name", host or f"srv-{number}"),)
    return Finding(rule, key, at, at, (f"event-{number}",), moments=(at,))


def book_at(folder: Path, clock: ManualClock, budget: int = 10) -> Book:
    return Book(folder / "state.db", clock, timedelta(hours=24), budget)


def test_30_000_matches_in_an_hour_are_one_alert_and_one_mail_and_every_event_is_found(
    tmp_path: Path, mail_server: Callable[..., MailServer]
) -> None:
    # from a thousand machines, in no order; judged every two minutes
    server = mail_server()
    town = City(tmp_path, more=mail_channel(server))
    begin, app, random = town.clock.now(), town.app, Random(7)  # noqa: S311  the same each time
    with app.writing() as store, app.book() as desk, app.outbox() as outbox:
        rounds, sender = Rounds(app, outbox, desk), made(app, app.config.channels[0], outbox, desk, pytest.fail)
        runner = Runner(store, desk, app.rules.detections, town.clock, store.newest)
        raised: list[str] = []
        for _ in range(30):
            town.clock.advance(timedelta(minutes=2))
            hosts = (f"srv-{random.randrange(1000)}" for _ in range(1000))
            store.append([town.event(LOGIN | {"host.name": host}) for host in hosts])
            raised += runner.run().raised
            rounds.go()
            while sender.step():
                continue
        (alert,) = desk.alerts()
        (mail,) = server.mails
        assert alert.id[:12] in mail.get_content()
        assert "Flut" in mail.get_content()
        assert (alert.flood, alert.count, alert.key) == (True, 30_000, ())
        assert len(set(raised)) <= 101, "so many messages at most would have been sent"
        assert {desk.alert(one).id for one in raised} == {alert.id}, "an id that was told leads there"
        (rule,) = (one for one in app.rules.detections if one.id == alert.rule_id)
        span = Span(alert.first_seen, alert.last_seen + timedelta(microseconds=1))
        assert store.tally(events_of(rule, alert.key), span, (), 1)[0][1] == 30_000
        assert store.tally(ALWAYS, Span(begin, town.clock.now() + timedelta(days=1)), (), 1)[0][1] == 30_000, (
            "alerts breed no events"
        )
    assert sum(one.stat().st_size for one in (town.folder / "data").glob("state.db*")) < 3 << 20
    assert town.json("alerts", "list")[0]["events"] == f"sentinel alerts events {alert.id}"
    shown = town.sentinel("alerts", "events", alert.id[:8], "--json", "--limit", "40")
    assert len(shown.stdout.splitlines()) == 40
    assert "there are more" in shown.stderr


def test_30_000_matches_about_one_thing_are_counted_once_each_however_often_they_are_told(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with book_at(tmp_path, clock) as book:
        for begin in (0, 15_000, 10_000, 0, 15_000):
            book.record([found(number, host="srv") for number in range(begin, begin + 15_000)], 1)
        (alert,) = book.alerts()
        assert (alert.count, alert.flood) == (30_000, False)
    assert (tmp_path / "state.db").stat().st_size < 2 << 20


def test_up_to_the_budget_each_thing_is_an_alert_and_beyond_it_all_are_one(tmp_path: Path) -> None:
    with book_at(tmp_path, ManualClock(NOW)) as book:
        book.record([found(number) for number in range(10)], 1)
        assert len(book.alerts()) == 10
        ids = [one.id for one in book.alerts()]
        book.record([found(0, host="srv-0"), found(100, host="srv-5")], 2)
        assert Counter(one.count for one in book.alerts()) == {1: 9, 2: 1}, "repeats cost nothing"
        book.record([found(10)], 3)
        (alert,) = book.alerts()
        assert (alert.flood, alert.count) == (True, 12)
        assert {book.alert(one).id for one in ids} == {alert.id}


def test_what_somebody_works_on_or_what_is_closed_stays_an_alert_of_its_own(tmp_path: Path) -> None:
    with book_at(tmp_path, ManualClock(NOW)) as book:
        ids = book.record([found(number) for number in range(10)], 1)
        book.acknowledge(ids[0], "anna")
        book.close(ids[1], "anna", "benign")
        book.record([found(number) for number in range(10, 15)], 2)
        assert Counter((one.state, one.flood, one.count) for one in book.alerts()) == {
            ("acknowledged", False, 1): 1,
            ("closed", False, 1): 1,
            ("new", True, 13): 1,
        }
        book.record([found(99, host="srv-0")], 3)
        assert book.alert(ids[0]).count == 2, "what somebody works on goes on counting"


def test_a_flood_is_over_when_less_than_the_budget_came_in_an_hour(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with book_at(tmp_path, clock) as book:
        book.record([found(number) for number in range(50)], 1)
        clock.advance(timedelta(minutes=59))
        book.record([found(50, at=clock.now())], 2)
        assert [one.count for one in book.alerts()] == [51]
        clock.advance(timedelta(minutes=60))
        book.record([found(51, at=clock.now())], 3)
        assert sorted((one.count, one.flood) for one in book.alerts()) == [(1, False), (51, True)]


def test_the_same_events_again_after_a_flood_are_counted_once(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with book_at(tmp_path, clock) as book:
        book.record([found(number) for number in range(50)], 1)
        clock.advance(timedelta(hours=3))
        assert book.record([found(number) for number in range(50)], 2) == ()
        assert [one.count for one in book.alerts()] == [50]


def test_a_rule_has_a_budget_of_its_own_and_one_rule_does_not_spend_anothers(tmp_path: Path) -> None:
    calm = Detection("rule-2", "Another", "low", ALWAYS, "v1", "y.yml")
    strict = Detection("rule-3", "Strict", "low", ALWAYS, "v1", "z.yml", budget_per_hour=2)
    with book_at(tmp_path, ManualClock(NOW)) as book:
        findings = [found(number, rule=rule) for number in range(9) for rule in (calm, strict)]
        book.record([*findings, *(found(number) for number in range(20))], 1)
        kinds = Counter((one.rule_id, one.flood) for one in book.alerts())
        assert kinds == {("rule-1", True): 1, ("rule-2", False): 9, ("rule-3", True): 1}


def test_a_book_of_the_first_form_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.executescript((Path(__file__).parent / "state_form_2.sql").read_text("utf-8"))
        for table in ("marks", "pace", "suppressions"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=1")
    db.close()
    with book_at(tmp_path, ManualClock(NOW)) as book:
        assert len(book.alerts()) == 3
        book.record([found(number) for number in range(30)], 4)
        (flood,) = (one for one in book.alerts() if one.flood)
        assert flood.count == 30
