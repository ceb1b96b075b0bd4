"""Time goes by: every event is there as long as it may be and no longer, and what is gone has its receipt."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sentinel import casework, retention
from sentinel.app import App
from sentinel.config import load
from sentinel.core.case import AddAlerts, CloseCase
from sentinel.core.clock import iso
from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import AuditError
from sentinel.core.event import Event, Fields, arrival
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS
from sentinel.repair import journal
from tests.living import City
from tests.running import Running

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALL = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
FLOWS = '[[classes]]\nname = "flows"\ndays = 30\ndatasets = ["netflow.*"]\nsince = 2026-11-24\n'
RULE = Detection("r1", "A rule", "high", ALWAYS, version="1", path="r.yml")
CANARY = "canary-4711"


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elastic)])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> City:
    more = FLOWS
    if request.param == "elasticsearch":
        url, prefix = request.getfixturevalue("elastic_url"), request.getfixturevalue("elastic_prefix")
        more += f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\n'
    city = City(tmp_path, more)
    city.clock.moment = BEGIN
    return city


def arrives(city: City, dataset: str, message: str) -> Event:
    city.stored = arrival(city.stored // 1024 + 1, 0) - 1
    return city.event({"event.dataset": dataset, "message": message})


def alert(city: City, event: Event) -> str:
    finding = Finding(RULE, (("event.id", event.id),), event.timestamp, event.timestamp, (event.id,))
    with city.app.book() as book:
        (raised,) = book.record([finding], event.seq)
    return raised


def receipts(city: City) -> list[dict[str, Any]]:
    return [one for one in city.app.audit.entries() if one["what"] == "retention.drop"]


def test_after_91_days_what_is_too_old_is_gone_and_the_rest_is_there(town: City) -> None:
    """Every fifth day one event of either class arrives; the clock goes on day by day."""
    app = town.app
    arrived: dict[tuple[str, date], Event] = {}
    said: list[str] = []
    with app.writing() as store:
        daily = retention.Daily(app, store, said.append)
        for number in range(125):
            today = town.clock.moment.date()
            if number % 5 == 0 and number <= 91:
                for dataset in ("netflow.log", "sshd.log"):
                    event = arrives(town, dataset, CANARY)
                    arrived[dataset, today] = event
                    store.append([event])
            daily.run()
            assert daily.run() == retention.Report(), "once a day is enough"
            if number % 10 in {0, 1} or number in {89, 90, 91}:
                wanted = {event.id for (dataset, day), event in arrived.items() if not over(dataset, day, today)}
                assert {event.id for event in store.search(ALWAYS, ALL, 1_000)} == wanted
            town.clock.advance(timedelta(days=1))
        today = (town.clock.moment - timedelta(days=1)).date()
        gone = {where: event for where, event in arrived.items() if over(*where, today)}
        assert len(gone) > len(arrived) // 2
    told = {(one["details"]["class"], one["details"]["day"]): one["details"] for one in receipts(town)}
    assert sum(one["count"] for one in told.values()) == len(gone)
    for (dataset, day), event in gone.items():
        classed = "flows" if dataset == "netflow.log" and day >= date(2026, 11, 24) else "standard"
        ids = [other.id for where, other in sorted(gone.items()) if where[1] == day and _class(*where) == classed]
        assert event.id in ids
        assert (
            told[classed, day.isoformat()]["ids_sha256"]
            == sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest()
        )
    assert app.audit.examine().well
    assert [one for one in said if not one.endswith("has the receipts")] == [], "nothing failed"


def over(dataset: str, day: date, today: date) -> bool:
    return day < today - timedelta(days=30 if _class(dataset, day) == "flows" else 90)


def _class(dataset: str, day: date) -> str:
    return "flows" if dataset == "netflow.log" and day >= date(2026, 11, 24) else "standard"


def test_what_a_case_rests_on_is_copied_before_it_goes(town: City) -> None:
    app = town.app
    events = [arrives(town, "sshd.log", f"line {number}") for number in range(4)]
    town.keep(events)
    raised = [alert(town, event) for event in events[:3]]
    with app.cases() as book, app.desk() as desk:
        number = book.create("A break-in", "anna").number
        closed = book.create("Over", "anna").number
        casework.take(app, number, [desk.alert(raised[0])], "anna")
        # these two came to their cases without what they rest on
        book.change(number, AddAlerts((raised[1],)), "anna")
        book.change(closed, AddAlerts((raised[2],)), "anna")
        book.change(closed, CloseCase(), "anna")
    town.clock.advance(timedelta(days=91))
    with app.writing() as store:
        report = retention.run(app, store)
        assert [event.seq for event in store.search(ALWAYS, ALL, 10)] == []
    assert [(one.removed.count, one.held) for one in report.receipts] == [(4, {number: 2})]
    (receipt,) = receipts(town)
    assert receipt["details"]["held"] == [f"case {number}: 2"]
    with app.cases() as book:
        held = {one.event: one for one in book.evidence(number)}
        assert held.keys() == {events[0].id, events[1].id}
        assert '"line 1"' in held[events[1].id].document
        assert held[events[1].id].query.startswith("evidence of its alerts, copied before standard of 2026-11-23")
        assert book.evidence(closed) == []


def test_without_a_receipt_nothing_goes(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    app = town.app
    town.keep([arrives(town, "sshd.log", "stays")])
    town.clock.advance(timedelta(days=91))

    def refused(_self: object, deed: object) -> None:
        raise AuditError(f"no room for {deed}")

    with app.writing() as store:
        with monkeypatch.context() as patched:
            patched.setattr("sentinel.audit.log.AuditLog.enter", refused)
            report = retention.run(app, store)
        assert report.receipts == []
        assert "no room for" in report.problems[0]
        assert len(store.search(ALWAYS, ALL, 10)) == 1
        again = arrives(town, "sshd.log", "as before")
        assert store.append([again]).stored == 1, "the store takes events as before"
        assert [one.removed.count for one in retention.run(app, store).receipts] == [1]


def test_nothing_of_it_stays_in_any_file(tmp_path: Path) -> None:
    """Events, and what a repair has kept of how they were: looked for byte by byte."""
    city = City(tmp_path)
    city.clock.moment = BEGIN
    app = city.app
    event = arrives(city, "sshd.log", CANARY)
    with app.writing() as store:
        store.append([event])
        repair = journal.begun(app.config.repairs_dir, city.clock.now())
        journal.write(repair, 1, [([event], [event])])
        journal.carry_out(store, next(iter(journal.waiting(app.config.repairs_dir))))
        journal.finish(repair, {})
        assert len(holding(tmp_path / "data")) == 2
        city.clock.advance(timedelta(days=91))
        report = retention.run(app, store)
    assert (len(report.receipts), report.repairs) == (1, 1)
    assert holding(tmp_path / "data") == []
    assert any(str(one["about"]) == str(repair) for one in receipts(city))


def holding(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_at_its_start_it_removes_what_is_due_by_hand_it_does_so_at_once_and_a_full_disk_is_an_alert(
    city: Running, patiently: Callable[..., Any]
) -> None:
    city.config.write_text(city.config.read_text() + "[retention]\ndays = 30\ndisk_percent = 0.001\n")
    old = datetime.now(UTC) - timedelta(days=31)
    told: Fields = {"@timestamp": iso(old), "event.ingested": iso(old), "event.id": "e1", "event.sequence": 1}
    with App(load(city.config)).writing() as store:
        store.append([Event("e1", 1, old, old, told)])
    due = json.loads(city.sentinel("retention", "check", "--json", code=1).stdout)
    assert due["due"] == [{"class": "standard", "day": old.date().isoformat()}]
    assert "is more than 0.001 % full; make room" in due["troubles"][0]
    city.start()
    (receipt,) = patiently(lambda: city.json("audit", "list", "--what", "retention.drop"))
    assert (receipt["who"], receipt["details"]["count"]) == ("sentinel", 1)
    assert receipt["details"]["ids_sha256"] == sha256(b"e1\n").hexdigest()
    assert city.json("retention", "run") == [{"schema": 1, "receipts": [], "problems": []}]
    (alert,) = patiently(lambda: [one for one in city.json("alerts", "list") if "running out of room" in one["title"]])
    assert alert["count"] == 1
