"""Rules with a history: what is new is told once, what is too much is too much for whom it is, whatever happens."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock, iso
from sentinel.core.detection import Baseline, Detection, NewTerms
from sentinel.core.event import Event, Value
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Is
from sentinel.detect import learnt, terms, usual
from sentinel.detect.again import Again, late
from sentinel.detect.past import Past
from sentinel.detect.past import learnt as lessons
from sentinel.detect.runner import Runner, RunReport

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2026, 9, 7, tzinfo=UTC)
CLOCK = ManualClock(START)
WHOLE = Span(START - 100 * DAY, START + 1000 * DAY)
LOGIN = AllOf((Is("event.dataset", "sshd.log"), Is("event.outcome", "success")))
TERMS = NewTerms(("user.name", "source.ip"), 10 * DAY, 5 * DAY)
FIRST = Detection("first", "first", "high", LOGIN, "1", "x.yml", fold_by=TERMS.fields, history=TERMS)
VOLUME = Baseline(("user.name",), HOUR, 10 * DAY, 2 * DAY, floor=4, factor=3)
MUCH = Detection("much", "much", "high", LOGIN, "1", "x.yml", fold_by=VOLUME.by, history=VOLUME)


def event(number: int, at: timedelta, late: timedelta = timedelta(), **fields: Value) -> Event:
    happened, name = START + at, f"{number:032x}"
    said = {name.replace("_", "."): value for name, value in fields.items()}
    whole: dict[str, Value] = {"@timestamp": iso(happened), "event.id": name, "event.dataset": "sshd.log"}
    return Event(name, number, happened, happened + late, {**whole, "event.sequence": number, **said})


def login(number: int, at: timedelta, user: str = "adm", ip: str = "192.0.2.1", late: timedelta = timedelta()) -> Event:
    return event(number, at, late, event_outcome="success", user_name=user, source_ip=ip)


class Desk:
    """A store, a book and a file of what was learnt, judged by processes that come and go."""

    def __init__(self, folder: Path, store: Store, *detections: Detection, batch: int = 2000) -> None:
        self.folder = folder
        self.store = store
        self.detections = detections
        self.batch = batch

    def judge(self, events: Iterable[Event] = ()) -> RunReport:
        self.store.append(list(events))
        past = Past(self.folder / "history.db", self.store)
        try:
            with Book(self.folder / "state.db", CLOCK, quiet=timedelta(0)) as book:
                return Runner(
                    self.store, book, self.detections, CLOCK, self.store.newest, past=past, batch=self.batch
                ).run()
        finally:
            past.shut()

    def lose(self) -> None:
        for path in self.folder.glob("history.db*"):
            path.unlink()

    def forget_the_alerts(self, cursor: int) -> None:
        """Leave things as a process leaves them that dies between what was learnt and its alerts."""
        with Book(self.folder / "state.db", CLOCK) as book:
            for table in ("alerts", "evidence", "history", "subjects", "rollups"):
                book._db.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own tables
            book._db.execute("UPDATE progress SET seq = ? WHERE name = 'judged'", (cursor,))

    def told(self, rule: str = "first") -> list[str]:
        with Book(self.folder / "state.db", CLOCK) as book:
            return sorted(one for alert in book.alerts() if alert.rule_id == rule for one in alert.evidence)

    def summaries(self) -> list[str]:
        with Book(self.folder / "state.db", CLOCK) as book:
            return [alert.summary for alert in book.alerts()]


def ids(*numbers: int) -> list[str]:
    return sorted(f"{number:032x}" for number in numbers)


@pytest.fixture
def desk(tmp_path: Path, memory: Store) -> Callable[..., Desk]:
    return lambda *detections, **more: Desk(tmp_path, memory, *detections, **more)


Make = Callable[..., Desk]


def test_what_is_new_is_told_once_after_the_rule_has_learnt(desk: Make) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), login(2, 4 * DAY, ip="192.0.2.2")])
    assert one.told() == []  # it only learns
    one.judge([login(3, 6 * DAY), login(4, 6 * DAY, ip="192.0.2.2")])
    assert one.told() == []  # both are known
    one.judge([login(5, 7 * DAY, ip="192.0.2.3"), login(6, 7 * DAY + HOUR, ip="192.0.2.3")])
    assert one.told() == ids(5)
    assert one.summaries() == ["not seen since 2026-09-07: user.name adm, source.ip 192.0.2.3"]


def test_combinations_are_told_apart_and_case_is_not(desk: Make) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY, "adm", "192.0.2.1"), login(2, 0 * DAY, "ben", "192.0.2.2")])
    one.judge([login(3, 6 * DAY, "ADM", "192.0.2.1"), login(4, 6 * DAY, "adm", "192.0.2.2")])
    assert one.told() == ids(4)


def test_a_combination_that_was_away_longer_than_the_history_is_new_again(desk: Make) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), login(2, 10 * DAY), login(3, 20 * DAY + timedelta(seconds=1))])
    assert one.told() == ids(3)


def test_an_event_without_one_of_the_fields_is_no_sighting(desk: Make) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), event(2, 6 * DAY, event_outcome="success", user_name="adm")])
    assert one.told() == []


def test_a_late_event_before_the_first_one_is_not_told_again(desk: Make) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), login(2, 8 * DAY, ip="192.0.2.9")])
    one.judge([login(3, 7 * DAY, ip="192.0.2.9", late=DAY)])
    assert one.told() == ids(2)


def test_an_event_older_than_what_is_remembered_is_looked_up_in_the_store(
    desk: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "HELD_MAX", 3)
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), login(2, 6 * DAY, ip="192.0.2.2")])
    one.judge([login(3, 40 * DAY, ip="192.0.2.3")])
    late = 33 * DAY
    one.judge([login(5, 8 * DAY, ip="192.0.2.2", late=late), login(6, 8 * DAY, ip="192.0.2.8", late=late)])
    assert one.told() == ids(2, 3, 6)


def test_more_combinations_than_there_is_room_for_are_said_and_not_told(
    desk: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "HELD_MAX", 3)
    one = desk(FIRST)
    report = one.judge([login(1, 0 * DAY), *(login(n, 6 * DAY, ip=f"192.0.2.{n}") for n in range(2, 9))])
    assert one.told() == ids(2, 3)
    assert list(report.problems) == ["first: more than 3 combinations: no new ones are told; choose fewer fields"]
    one.judge([login(9, 7 * DAY, ip="192.0.2.2")])
    assert one.told() == ids(2, 3)  # what is known stays known


def test_a_rule_that_comes_later_has_its_past_read_from_the_store(desk: Make) -> None:
    desk().judge([login(1, 0 * DAY), login(2, 3 * DAY, ip="192.0.2.2")])
    one = desk(FIRST)
    one.judge([login(3, 9 * DAY, ip="192.0.2.2"), login(4, 9 * DAY, ip="192.0.2.4")])
    assert one.told() == ids(4)


def test_a_rule_that_was_away_learns_what_it_missed(desk: Make) -> None:
    desk(FIRST).judge([login(1, 0 * DAY)])
    desk().judge([login(2, 6 * DAY, ip="192.0.2.2")])
    one = desk(FIRST)
    one.judge([login(3, 7 * DAY, ip="192.0.2.2")])
    assert one.told() == []


def test_a_process_that_dies_before_its_alerts_are_kept_misses_nothing(desk: Make) -> None:
    one = desk(FIRST, MUCH)
    flood = [login(n, 7 * DAY + timedelta(seconds=n), ip="192.0.2.5") for n in range(3, 12)]
    one.judge([login(1, 0 * DAY), login(2, 6 * DAY)])
    one.judge(flood)
    before = one.told("first"), one.told("much")
    assert before == (ids(3), ids(*range(3, 12)))
    one.forget_the_alerts(2)
    one.judge()
    assert (one.told("first"), one.told("much")) == before


def test_a_damaged_file_is_set_aside_and_learnt_anew(desk: Make, tmp_path: Path) -> None:
    one = desk(FIRST)
    one.judge([login(1, 0 * DAY), login(2, 6 * DAY, ip="192.0.2.2")])
    (tmp_path / "history.db").write_bytes(b"x" * 8192)
    one.judge([login(3, 7 * DAY, ip="192.0.2.2"), login(4, 7 * DAY, ip="192.0.2.4")])
    assert one.told() == ids(2, 4)
    assert (tmp_path / "history.damaged-1").exists()


def test_of_too_long_a_past_only_what_was_read_has_been_learnt(desk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learnt, "STORED_MAX", 1)
    desk().judge([login(1, 0 * DAY), *(login(n, 8 * DAY, ip=f"192.0.2.{n}") for n in range(2, 5))])
    one = desk(FIRST)
    one.judge([login(5, 9 * DAY)])
    assert one.told() == []  # nobody knows what there was before the eighth day


def test_too_much_is_too_much_for_whom_it_is(desk: Make) -> None:
    one = desk(MUCH)
    quiet = [login(n, n * 3 * HOUR, "ben") for n in range(1, 25)]
    loud = [login(100 + n, n // 6 * HOUR + timedelta(minutes=n % 6), "presse") for n in range(6 * 72)]
    one.judge(sorted([*quiet, *loud], key=lambda one: one.seq))
    at = 3 * DAY + HOUR / 2
    one.judge([login(1000 + n, at + timedelta(seconds=n), "ben") for n in range(2)])
    assert one.told("much") == []
    one.judge([login(2000 + n, at + timedelta(minutes=1, seconds=n), "ben") for n in range(5)])
    assert set(ids(*range(2000, 2005))) < set(one.told("much"))
    one.judge([login(3000 + n, at + 6 * HOUR + timedelta(seconds=n), "presse") for n in range(15)])
    assert not set(ids(*range(3000, 3015))) & set(one.told("much"))
    one.judge([login(4000 + n, at + 8 * HOUR + timedelta(seconds=n), "presse") for n in range(20)])
    assert set(ids(*range(4000, 4020))) <= set(one.told("much"))
    assert any("20 events within 1:00:00, where" in text for text in one.summaries())


def test_a_window_slides_over_the_hour_of_the_clock(desk: Make) -> None:
    one = desk(MUCH)
    around = [login(10 + n, 3 * DAY - timedelta(minutes=2) + timedelta(minutes=n)) for n in range(4)]
    one.judge([login(1, 0 * DAY), *around])
    assert one.told("much") == ids(*range(10, 14))


def test_a_group_that_nobody_knows_yet_is_not_compared(desk: Make) -> None:
    one = desk(MUCH)
    one.judge([login(1, 0 * DAY), *(login(10 + n, 3 * DAY + timedelta(seconds=n), "new") for n in range(50))])
    assert one.told("much") == []


def test_a_late_event_completes_the_window_it_lies_in(desk: Make) -> None:
    one = desk(MUCH)
    one.judge([login(1, 0 * DAY), *(login(10 + n, 3 * DAY + timedelta(minutes=n)) for n in range(3))])
    one.judge([login(20, 5 * DAY)])
    assert one.told("much") == []
    one.judge([login(30, 3 * DAY - timedelta(minutes=5), late=3 * DAY)])
    assert one.told("much") == ids(10, 11, 12, 30)


def test_with_a_season_an_hour_is_compared_with_the_same_hour_of_other_weeks(desk: Make) -> None:
    weekly = Baseline(
        ("user.name",), HOUR, 35 * DAY, 14 * DAY, floor=4, factor=2, season="hour_of_week", zone="Europe/Berlin"
    )
    rule = Detection("much", "much", "high", LOGIN, "1", "x.yml", fold_by=weekly.by, history=weekly)
    one = desk(rule)
    monday = 9 * HOUR
    usual_of_mondays = [
        login(1 + week * 10 + n, week * 7 * DAY + monday + timedelta(minutes=n)) for week in range(3) for n in range(8)
    ]
    one.judge(usual_of_mondays)
    one.judge([login(100 + n, 21 * DAY + monday + timedelta(minutes=n)) for n in range(8)])
    assert one.told("much") == []
    one.judge([login(200 + n, 22 * DAY + monday + timedelta(minutes=n)) for n in range(8)])
    assert one.told("much") == ids(*range(200, 208))


def test_sums_are_compared_as_counts_are(desk: Make) -> None:
    bytes_out = Baseline(("user.name",), HOUR, 10 * DAY, 2 * DAY, floor=1000, deviations=3, total="source.bytes")
    rule = Detection("much", "much", "high", LOGIN, "1", "x.yml", fold_by=bytes_out.by, history=bytes_out)
    one = desk(rule)

    def sent(number: int, at: timedelta, count: Value) -> Event:
        return event(number, at, event_outcome="success", user_name="ben", source_bytes=count)

    one.judge([sent(n, n * 5 * HOUR, 200) for n in range(1, 16)])
    one.judge([sent(20, 4 * DAY, 600), sent(21, 4 * DAY, -5000), sent(22, 4 * DAY + HOUR / 2, 500)])
    assert one.told("much") == ids(20, 22)
    assert one.summaries()[0].startswith("a sum of source.bytes of 1,100 within 1:00:00")


def test_more_windows_than_there_is_room_for_are_said(desk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual, "HELD_MAX", 2)
    report = desk(MUCH).judge([login(n, n * DAY) for n in range(1, 5)])
    assert [problem.split(":")[0] for problem in report.problems] == ["much"]
    assert "no more are learnt" in report.problems[0]


def test_lessons_say_from_when_on_a_rule_tells(desk: Make, tmp_path: Path) -> None:
    desk(FIRST).judge([event(1, -DAY, event_outcome="failure"), login(2, 0 * DAY)])
    first, much = lessons(tmp_path / "history.db", [FIRST, MUCH])
    assert (first.begun, first.ready, first.held) == (START - DAY, START + 4 * DAY, 1)
    assert (much.begun, much.ready) == (None, None)


def _new_by_definition(events: Sequence[Event]) -> list[str]:
    # in order of arrival: no sighting of the combination within the history around it
    seen: dict[tuple[object, ...], list[datetime]] = {}
    found: list[str] = []
    for one in events:
        key = one.fields["user.name"], one.fields["source.ip"]
        near = [at for at in seen.get(key, []) if abs(at - one.timestamp) <= TERMS.history]
        if not near and one.timestamp >= START + TERMS.learning:
            found.append(one.id)
        seen.setdefault(key, []).append(one.timestamp)
    return sorted(found)


@settings(max_examples=max(15, settings().max_examples // 10))
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 30))
def test_neither_lateness_nor_restarts_nor_a_lost_file_make_a_combination_new(
    seed: int, batch: int, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], Store]
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's own
    moments = sorted(timedelta(hours=chance.randrange(1, 45 * 24)) for _ in range(40))
    arriving = sorted((at + timedelta(hours=chance.choice([0, 0, 1, 24, 90])), at) for at in moments)
    beats = [event(n, n * DAY / 2) for n in range(100)]
    logins = [
        login(1000 + n, at, chance.choice("ab"), f"192.0.2.{chance.randrange(4)}", late=came - at)
        for n, (came, at) in enumerate(arriving)
    ]
    one = Desk(tmp_path_factory.mktemp("past"), new_store(), FIRST, batch=batch)
    one.judge(beats)
    while logins:
        some, logins = logins[: (size := chance.randrange(1, 20))], logins[size:]
        one.judge(some)
        if chance.random() < 0.3:
            one.lose()
    assert one.told() == _new_by_definition(sorted(one.store.search(LOGIN, WHOLE, 1000), key=lambda one: one.seq))


def _much_by_definition(events: Sequence[Event]) -> list[str]:
    found: set[str] = set()
    for user in {one.fields["user.name"] for one in events}:
        own = [one for one in events if one.fields["user.name"] == user]
        for last in own:
            inside = [one for one in own if last.timestamp - HOUR < one.timestamp <= last.timestamp]
            limit = _limit(own, last.timestamp)
            if limit is not None and len(inside) >= limit:
                found |= {one.id for one in inside}
    return sorted(found)


def _limit(own: Sequence[Event], at: datetime) -> float | None:
    hour = at.replace(minute=0, second=0)
    begun = START + HOUR  # the first whole hour since the log began, in its last minute
    windows = [hour - HOUR - back * HOUR for back in range(1, 240)]
    counts = {begin: sum(begin <= one.timestamp < begin + HOUR for one in own) for begin in windows if begin >= begun}
    met = [begin for begin, count in counts.items() if count]
    if not met or hour - min(met) < VOLUME.learning:
        return None
    compared = [count for begin, count in counts.items() if begin >= min(met)]
    return max(VOLUME.floor, VOLUME.factor * sum(compared) / len(compared)) if len(compared) > 1 else None


@settings(max_examples=max(15, settings().max_examples // 10))
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 50))
def test_what_is_too_much_depends_on_no_batch_restart_or_lost_file(
    seed: int, batch: int, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], Store]
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's own
    moments = {timedelta(hours=chance.randrange(1, 24 * 8), minutes=chance.randrange(60)) for _ in range(60)}
    for _ in range(3):
        begin = chance.randrange(24 * 60, 24 * 60 * 8)
        moments |= {timedelta(minutes=begin + chance.randrange(50)) for _ in range(chance.randrange(3, 12))}
    logins = [login(n, at, chance.choice("aab")) for n, at in enumerate(sorted(moments), start=1000)]
    one = Desk(tmp_path_factory.mktemp("past"), new_store(), MUCH, batch=batch)
    one.judge([event(1, timedelta(minutes=5))])
    expected = _much_by_definition(logins)
    while logins:
        some, logins = logins[: (size := chance.randrange(1, 40))], logins[size:]
        one.judge(some)
        if chance.random() < 0.3:
            one.lose()
    assert one.told("much") == expected


def test_what_is_judged_anew_is_judged_as_if_it_came_last(desk: Make, memory: Store) -> None:
    flood = [login(10 + n, 7 * DAY + timedelta(seconds=n), ip="192.0.2.5") for n in range(9)]
    desk().judge([login(1, 0 * DAY), login(2, 6 * DAY), *flood])
    seqs = {one.seq for one in flood}
    again = Again(memory, [FIRST, MUCH], lambda one: one.seq in seqs)
    first = again.judge(flood[:3], Reached.of(100))
    second = again.judge(flood[3:], Reached.of(100))
    again.close()
    told = {(one.detection.id, name) for one in (*first.findings, *second.findings) for name in one.evidence}
    assert told == {("first", flood[0].id), *(("much", one.id) for one in flood)}
    assert (first.hits, first.gaps) == ({"first": 3, "much": 3}, ())
    (found, *_) = late(first.findings, flood, "repair", START + 8 * DAY + 7 * HOUR)
    assert found.summary.startswith("found by repair, 31 h late: not seen since")
