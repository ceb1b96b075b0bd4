"""One alert per thing, every change with a name and a time, whoever writes at the same time and whatever dies."""

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.alert import Alert, Desk
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Correlation, Detection, Finding, Key
from sentinel.core.errors import StoreBusyError, StoreError, UsageError
from sentinel.core.reached import Reached
from sentinel.core.where import ALWAYS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
RULE = Detection("rule-1", "Too many failures", "high", ALWAYS, "v1", "x.yml", attack=("T1110",), author="Somebody")
HOST: Key = (("host.name", "srv-01"),)


def found(*hours: float, key: Key = HOST, rule: Detection = RULE, count: int | None = None) -> Finding:
    """Return a finding with one event at each of `hours` after START; an event is named by its hour and key."""
    moments = tuple(START + timedelta(hours=hour) for hour in sorted(hours))
    evidence = tuple(f"event-{hour}" for hour in sorted(hours))
    return Finding(rule, key, moments[0], moments[-1], evidence, count or len(moments), "a summary", moments)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def book(tmp_path: Path, clock: ManualClock) -> Book:
    return Book(tmp_path / "state.db", clock)


def only(book: Book) -> Alert:
    (alert,) = book.alerts()
    return alert


def test_a_book_is_a_desk(book: Book) -> None:
    desk: Desk = book
    assert desk.alerts() == []


def test_a_finding_becomes_a_new_alert_that_holds_what_it_says(book: Book) -> None:
    raised = book.record([found(0, 1)], 7)
    alert = only(book)
    assert raised == (alert.id,)
    assert len(alert.id) == 32
    assert (alert.rule_id, alert.rule_version, alert.title, alert.level) == (
        "rule-1",
        "v1",
        "Too many failures",
        "high",
    )
    assert (alert.key, alert.count, alert.evidence) == (HOST, 2, ("event-0", "event-1"))
    assert (alert.first_seen, alert.last_seen) == (START, START + timedelta(hours=1))
    assert (alert.raised_at, alert.state, alert.verdict) == (NOW, "new", None)
    assert (alert.summary, alert.author, alert.attack) == ("a summary", "Somebody", ("T1110",))
    assert [(change.who, change.what, change.at) for change in alert.history] == [("sentinel", "raised", NOW)]
    assert book.judged().top == 7


def test_a_repeat_raises_count_and_last_seen_of_the_same_alert(book: Book) -> None:
    book.record([found(0)], 1)
    assert book.record([found(2), found(5)], 2) == ()
    alert = only(book)
    assert (alert.count, alert.last_seen) == (3, START + timedelta(hours=5))


def test_the_same_finding_twice_changes_nothing(book: Book) -> None:
    book.record([found(0, 1), found(2)], 1)
    before = only(book)
    book.record([found(0, 1), found(2), found(1, 2)], 1)
    assert only(book) == before


def test_other_rules_and_other_keys_are_other_alerts(book: Book) -> None:
    other = Detection("rule-2", "Another", "low", ALWAYS, "v1", "y.yml")
    book.record([found(0), found(0, key=(("host.name", "srv-02"),)), found(0, rule=other), found(0, key=())], 1)
    assert len({one.id for one in book.alerts()}) == 4


def test_a_name_in_other_letters_is_the_same_thing(book: Book) -> None:
    book.record([found(0, key=(("host.name", "STRASSE"),)), found(1, key=(("host.name", "straße"),))], 1)
    assert only(book).count == 2


def test_within_the_quiet_period_it_is_the_same_alert_and_after_it_a_new_one(book: Book) -> None:
    book.record([found(0)], 1)
    book.record([found(24)], 2)
    assert only(book).count == 2
    book.record([found(48.001)], 3)
    assert [one.count for one in book.alerts()] == [1, 2]


def test_the_quiet_period_is_an_argument(tmp_path: Path, clock: ManualClock) -> None:
    book = Book(tmp_path / "state.db", clock, quiet=timedelta(hours=1))
    book.record([found(0), found(1), found(2.1)], 1)
    assert len(book.alerts()) == 2


def test_a_correlation_with_a_longer_span_is_not_torn_by_the_quiet_period(tmp_path: Path, clock: ManualClock) -> None:
    span = timedelta(hours=6)
    rule = Detection("r", "t", "low", ALWAYS, "v", "x", correlation=Correlation("event_count", (), span, "gte", 2))
    book = Book(tmp_path / "state.db", clock, quiet=timedelta(hours=1))
    book.record([found(0, 5, rule=rule)], 1)
    assert only(book).count == 2


def test_a_late_event_between_two_alerts_makes_them_one_and_both_ids_lead_there(book: Book) -> None:
    book.record([found(0)], 1)
    book.record([found(40)], 2)
    late, early = book.alerts()
    book.acknowledge(late.id, "anna", "mine")
    book.record([found(20)], 3)
    alert = only(book)
    assert alert.id == early.id
    assert (alert.count, alert.state) == (3, "acknowledged")
    assert book.alert(late.id).id == early.id
    assert book.alert(late.id[:8]).id == early.id
    assert [change.what for change in alert.history] == ["raised", "raised", "acknowledged", f"merged with {late.id}"]


def test_an_earlier_event_moves_first_seen(book: Book) -> None:
    book.record([found(5)], 1)
    book.record([found(1)], 2)
    assert (only(book).first_seen, only(book).evidence) == (START + timedelta(hours=1), ("event-1", "event-5"))


def test_events_beyond_those_named_are_counted_once(book: Book) -> None:
    finding = found(0, 1, count=500)
    book.record([finding], 1)
    book.record([finding], 2)
    assert only(book).count == 500
    rest = Finding(RULE, HOST, START, START + timedelta(hours=2), (), 70)
    book.record([rest, rest], 3)
    assert (only(book).count, only(book).last_seen) == (570, START + timedelta(hours=2))


def test_numbers_beyond_those_named_may_raise_an_alert_after_a_closed_one(book: Book) -> None:
    book.record([found(0)], 1)
    book.close(only(book).id, "anna", "benign")
    book.record([found(0, count=10)], 2)
    assert [(one.state, one.count) for one in book.alerts()] in [
        [("new", 9), ("closed", 1)], [("closed", 1), ("new", 9)],
    ]  # fmt: skip


def test_an_alert_is_taken_on_and_closed_with_a_verdict_and_a_note(book: Book, clock: ManualClock) -> None:
    book.record([found(0)], 1)
    clock.advance(timedelta(minutes=5))
    taken = book.acknowledge(only(book).id, "anna", "looking")
    clock.advance(timedelta(minutes=5))
    closed = book.close(taken.id, "bernd", "false_positive", "pen test, ticket 4711")
    assert (taken.state, closed.state, closed.verdict) == ("acknowledged", "closed", "false_positive")
    assert [(one.who, one.what, one.note, one.at - NOW) for one in closed.history[1:]] == [
        ("anna", "acknowledged", "looking", timedelta(minutes=5)),
        ("bernd", "closed as false_positive", "pen test, ticket 4711", timedelta(minutes=10)),
    ]
    assert only(book) == closed


def test_a_closed_alert_stays_closed(book: Book) -> None:
    book.record([found(0)], 1)
    alert = book.close(only(book).id, "anna", "true_positive")
    with pytest.raises(UsageError, match="closed already by anna"):
        book.close(alert.id, "bernd", "benign")
    with pytest.raises(UsageError, match="closed already"):
        book.acknowledge(alert.id, "bernd")
    assert book.alert(alert.id) == alert


def test_after_closing_a_repeat_is_a_new_alert_and_what_was_counted_stays_counted(book: Book) -> None:
    book.record([found(0, 1)], 1)
    first = book.close(only(book).id, "anna", "benign")
    assert book.record([found(0, 1)], 2) == ()
    book.record([found(0, 1, 2)], 3)
    (second,) = book.alerts(states=("new",))
    assert (second.count, second.first_seen) == (1, START + timedelta(hours=2))
    assert second.id != first.id
    assert book.alert(first.id) == first


def test_an_id_may_be_cut_short_as_long_as_it_is_unambiguous(book: Book) -> None:
    book.record([found(0, key=(("host.name", f"srv-{number}"),)) for number in range(40)], 1)
    alerts = book.alerts()
    assert book.alert(alerts[0].id[:10]).id == alerts[0].id
    assert book.alert(alerts[0].id.upper()).id == alerts[0].id
    begins = [one.id[0] for one in alerts]
    twice = next(letter for letter in begins if begins.count(letter) > 1)
    with pytest.raises(UsageError, match="several alerts begin with"):
        book.alert(twice)


@pytest.mark.parametrize("wrong", ["", "%", "_", "xyz", "../..", "f" * 33, "0123456789abcdef0123456789abcdef", "'--"])
def test_what_is_no_id_is_a_usage_error(book: Book, wrong: str) -> None:
    book.record([found(0)], 1)
    with pytest.raises(UsageError):
        book.alert(wrong)


def test_who_and_verdict_must_be_given(book: Book) -> None:
    book.record([found(0)], 1)
    with pytest.raises(UsageError, match="say who"):
        book.acknowledge(only(book).id, "")
    with pytest.raises(UsageError, match="no such verdict"):
        book.close(only(book).id, "anna", "maybe")  # type: ignore[arg-type]  # what an operator may type
    assert only(book).state == "new"


def test_alerts_are_listed_by_state_those_last_seen_latest_first(book: Book) -> None:
    for hour in (1, 3, 2):
        book.record([found(hour, key=(("host.name", f"srv-{hour}"),))], hour)
    assert [one.key[0][1] for one in book.alerts()] == ["srv-3", "srv-2", "srv-1"]
    assert len(book.alerts(limit=2)) == 2
    book.close(book.alerts()[0].id, "anna", "benign")
    assert [one.key[0][1] for one in book.alerts(states=("new",))] == ["srv-2", "srv-1"]
    assert [one.key[0][1] for one in book.alerts(states=("closed", "acknowledged"))] == ["srv-3"]


def test_the_cursor_never_moves_back(book: Book) -> None:
    book.record([], 9)
    book.record([], 4)
    assert book.judged().top == 9


def test_whoever_was_overtaken_writes_nothing(book: Book) -> None:
    book.record([], 5)
    with pytest.raises(StoreBusyError):
        book.record([found(0)], 9, after=Reached.of(3))
    assert (book.judged().top, book.alerts()) == (5, [])


def test_what_is_kept_beside_the_alerts_is_written_with_the_cursor_or_not_at_all(book: Book) -> None:
    def table(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE beside (number INTEGER)")

    def broken(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO beside VALUES (2)")
        raise ValueError("not to be written")

    book.record([], 9, also=table)
    with pytest.raises(ValueError, match="not to be written"):
        book.record([found(0)], 10, also=broken)
    with book.looking() as db:
        assert db.execute("SELECT count(*) FROM beside").fetchone() == (0,)
    assert (book.judged().top, book.alerts()) == (9, [])


def test_a_finding_that_cannot_be_written_takes_the_cursor_with_it(book: Book) -> None:
    bad = Finding(RULE, HOST, START, START, ("a", "b"), 2, "", (START,))
    with pytest.raises(ValueError, match="zip"):
        book.record([found(0), bad], 5)
    assert (book.judged().top, book.alerts()) == (0, [])
    book.record([found(0)], 5)
    assert only(book).count == 1


def test_another_opening_sees_everything(tmp_path: Path, book: Book, clock: ManualClock) -> None:
    book.record([found(0)], 5)
    with Book(tmp_path / "state.db", clock) as other:
        assert (other.alerts(), other.judged().top) == (book.alerts(), 5)
        other.acknowledge(only(book).id, "anna")
    assert only(book).state == "acknowledged"


def test_commits_are_durable_and_readers_do_not_wait(book: Book) -> None:
    assert book._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert book._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_of_a_newer_sentinel_or_of_another_program_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "state.db"
    with Book(path, clock) as book:
        book._db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer Sentinel"):
        Book(path, clock)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Book(other, clock)
    text = tmp_path / "text.db"
    text.write_text("no database at all, but long enough to look like one\n" * 50, "utf-8")
    with pytest.raises(StoreError):
        Book(text, clock)


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from sentinel.alert.book import Book
from sentinel.core.clock import SystemClock
from sentinel.core.detection import Detection, Finding
from sentinel.core.where import ALWAYS
rule = Detection("rule-1", "t", "low", ALWAYS, "v", "x")
start = datetime(2026, 11, 23, 8, tzinfo=UTC)
path, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Book(path, SystemClock()) as book:
    for number in range(first, last):
        at = start + timedelta(seconds=number)
        book.record([Finding(rule, (), at, at, (f"event-{number}",), 1, "", (at,))], number)
"""


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "state.db"
    spans = [("0", "40"), ("20", "60"), ("50", "90")]
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), *span]) for span in spans]
    assert [one.wait(120) for one in running] == [0, 0, 0]
    with Book(path, clock) as book:
        assert only(book).count == 90
        assert book.judged().top == 89


@pytest.mark.kill
@pytest.mark.parametrize("point", ["alert.before_cursor", "alert.before_commit", "alert.after_commit"])
def test_killed_between_alert_and_cursor_nothing_is_missing_and_nothing_doubled(
    tmp_path: Path, clock: ManualClock, point: str
) -> None:
    path = tmp_path / "state.db"
    environment = os.environ | {"SENTINEL_KILL_AT": f"{point}:5"}
    done = subprocess.run([sys.executable, "-c", WRITER, str(path), "1", "9"], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with Book(path, clock) as book:
        reached = book.judged().top
        assert reached == (5 if point == "alert.after_commit" else 4)
        assert only(book).count == reached
    subprocess.run([sys.executable, "-c", WRITER, str(path), str(reached), "9"], check=True)
    with Book(path, clock) as book:
        assert (only(book).count, book.judged().top) == (8, 8)


HOURS = st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True)


@given(hours=HOURS, cuts=st.lists(st.integers(0, 12), max_size=4), order=st.randoms(use_true_random=False))
def test_the_order_of_findings_changes_no_alert(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], cuts: list[int], order: Random
) -> None:
    quiet = timedelta(hours=6)
    alerts = []
    for shuffled in (False, True):
        path = tmp_path_factory.mktemp("book") / "state.db"
        mixed = sorted(hours)
        if shuffled:
            order.shuffle(mixed)
        with Book(path, ManualClock(NOW), quiet) as book:
            at = 0
            for cut in [*sorted(cuts), len(mixed)] if shuffled else [len(mixed)]:
                book.record([found(hour) for hour in mixed[at:cut]], cut)
                at = max(at, cut)
            alerts.append({(one.first_seen, one.last_seen, one.count, one.evidence) for one in book.alerts()})
    assert alerts[0] == alerts[1]
