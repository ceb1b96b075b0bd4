"""What people do to alerts: nobody overwrites anybody, all of it stands in the history, one's own can be undone."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.alert.book import MANY_MAX, Book
from sentinel.core.alert import (
    Acknowledge,
    Action,
    Alert,
    Assign,
    Close,
    Note,
    Outcome,
    Reopen,
    Seen,
    Suppress,
    Undo,
)
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import ConflictError, UsageError
from sentinel.core.where import ALWAYS
from tests.living import City

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULE = Detection("rule-1", "Too many failures", "high", ALWAYS, "v1", "x.yml")
TOMORROW = NOW + timedelta(days=1)


def found(number: int, host: str = "srv-01", hours: float = 0) -> Finding:
    at = NOW + timedelta(hours=hours)
    return Finding(RULE, (("host.name", host),), at, at, (f"event-{number}",), moments=(at,))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def book(tmp_path: Path, clock: ManualClock) -> Iterator[Book]:
    with Book(tmp_path / "state.db", clock) as made:
        made.record([found(1)], 1)
        yield made


def only(book: Book) -> Alert:
    (alert,) = book.alerts(suppressed=True)
    return alert


def standing(alert: Alert) -> tuple[object, ...]:
    return alert.state, alert.verdict, alert.assignee, alert.suppressed_until


def said(alert: Alert) -> list[tuple[str, str]]:
    return [(one.who, one.what) for one in alert.history[1:]]


def change(book: Book, action: Action, who: str = "anna", note: str = "", version: int | None = None) -> Alert:
    return book.change(Seen(only(book).id, version), action, who, note)


def test_whoever_takes_an_alert_on_has_it_and_it_can_be_given_on_handed_back_and_taken_over(book: Book) -> None:
    assert standing(change(book, Acknowledge())) == ("acknowledged", None, "anna", None)
    assert standing(change(book, Assign("bernd"))) == ("acknowledged", None, "bernd", None)
    assert standing(change(book, Acknowledge(), "clara")) == ("acknowledged", None, "clara", None)
    assert standing(change(book, Assign(""), "clara")) == ("new", None, "", None)
    assert standing(change(book, Assign("bernd"), "clara")) == ("new", None, "bernd", None)
    assert said(only(book))[1:] == [
        ("anna", "assigned to bernd"),
        ("clara", "acknowledged"),
        ("clara", "handed back"),
        ("clara", "assigned to bernd"),
    ]
    assert only(book).version == 5


def test_the_second_of_two_analysts_is_told_who_did_what_when_and_both_stand_in_the_history(
    book: Book, clock: ManualClock
) -> None:
    seen = only(book).version
    clock.advance(timedelta(minutes=5))
    change(book, Close("benign"), "anna", "pen test", seen)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(ConflictError, match="anna closed as benign at 2026-11-23 12:05:00 UTC") as told:
        change(book, Close("true_positive"), "bernd", "it is an attack", seen)
    assert "Nothing was overwritten" in str(told.value)
    alert = only(book)
    assert (alert.verdict, alert.version) == ("benign", seen + 1)
    refused = alert.history[-1]
    assert (refused.who, refused.what, refused.at) == ("bernd", "refused: close as true_positive", clock.now())
    assert "anna closed as benign" in refused.note
    assert "it is an attack" in refused.note
    assert said(alert)[0] == ("anna", "closed as benign")


def test_new_events_and_notes_are_in_nobodys_way(book: Book) -> None:
    seen = only(book).version
    book.record([found(2), found(3, hours=1)], 2)
    change(book, Note(), "bernd", "the host is new", seen)
    alert = change(book, Acknowledge(), "anna", version=seen)
    assert (alert.count, alert.assignee) == (3, "anna")
    change(book, Note(), "bernd", "still mine to say", seen)
    assert said(only(book)) == [("bernd", "noted"), ("anna", "acknowledged"), ("bernd", "noted")]
    with pytest.raises(UsageError, match="say what"):
        change(book, Note())


def test_a_version_that_was_never_reached_is_refused(book: Book) -> None:
    with pytest.raises(UsageError, match="its version is 0"):
        change(book, Acknowledge(), version=7)


def test_what_was_closed_is_reopened_by_somebody_who_then_has_it(book: Book) -> None:
    with pytest.raises(UsageError, match="is not closed"):
        change(book, Reopen())
    change(book, Close("false_positive"))
    with pytest.raises(UsageError, match=r"closed already by anna \(false_positive\).*alerts reopen"):
        change(book, Acknowledge(), "bernd")
    assert standing(change(book, Reopen(), "bernd", "it was not")) == ("acknowledged", None, "bernd", None)
    change(book, Close("true_positive"), "bernd")
    (record,) = book.records()
    assert (record.true_positive, record.false_positive) == (1, 0)
    change(book, Reopen(), "bernd")
    change(book, Close("true_positive"), "bernd")
    assert book.records()[0].true_positive == 1, "closed twice is one verdict"


def test_a_reopened_alert_takes_the_next_event_and_one_raised_meanwhile_becomes_part_of_it(book: Book) -> None:
    first = change(book, Close("benign"))
    book.record([found(2, hours=1)], 2)
    book.change(Seen(first.id), Reopen(), "anna")
    assert len(book.alerts()) == 2
    book.record([found(3, hours=2)], 3)
    assert (only(book).id, only(book).count, only(book).assignee) == (first.id, 3, "anna")


@pytest.mark.parametrize("action", [Acknowledge(), Assign("bernd"), Close("benign"), Suppress(TOMORROW)])
def test_ones_own_last_change_can_be_undone_and_that_stands_in_the_history(book: Book, action: Action) -> None:
    before = only(book)
    change(book, action, note="because")
    assert standing(only(book)) != standing(before)
    change(book, Undo(), note="the wrong one")
    alert = only(book)
    assert standing(alert) == standing(before)
    assert alert.version == 2
    assert [(one.undone, one.note) for one in alert.history[1:]] == [(True, "because"), (False, "the wrong one")]
    with pytest.raises(UsageError, match="nothing to undo"):
        change(book, Undo())


def test_undoing_goes_back_step_by_step_to_what_others_have_done(book: Book) -> None:
    change(book, Acknowledge(), "bernd")
    change(book, Acknowledge(), "anna")
    change(book, Close("benign"), "anna")
    change(book, Reopen(), "anna")
    for state in (("closed", "benign", "anna"), ("acknowledged", None, "anna"), ("acknowledged", None, "bernd")):
        assert standing(change(book, Undo(), "anna"))[:3] == state
    with pytest.raises(UsageError, match="not yours: bernd acknowledged at"):
        change(book, Undo(), "anna")
    assert standing(change(book, Undo(), "bernd"))[:3] == ("new", None, "")


def test_a_suppression_that_has_ended_is_not_undone_and_one_by_another_stays(book: Book, clock: ManualClock) -> None:
    made = book.suppress(only(book).id, "anna", TOMORROW, "known")
    with pytest.raises(UsageError, match="not yours"):
        change(book, Undo(), "bernd")
    assert only(book).suppression == made.number
    clock.advance(timedelta(days=2))
    with pytest.raises(UsageError, match="has ended already"):
        change(book, Undo(), "anna")


def test_a_suppression_is_a_change_of_every_open_alert_that_it_hides(book: Book) -> None:
    book.record([found(2, hours=48)], 2)
    late, early = book.alerts()
    book.suppress(late.id, "anna", TOMORROW, "known")
    with pytest.raises(ConflictError, match="anna suppressed until"):
        book.change(Seen(early.id, early.version), Close("benign"), "bernd")
    book.change(Seen(early.id), Undo(), "anna")
    assert [one.suppressed_until for one in book.alerts()] == [None, None]
    with pytest.raises(UsageError, match="nothing to undo"):
        book.change(Seen(late.id), Undo(), "anna")


def test_alerts_that_become_one_keep_both_histories_and_whoever_saw_either_is_told(book: Book) -> None:
    book.record([found(2, hours=40)], 2)
    late, early = book.alerts()
    book.change(Seen(late.id), Acknowledge(), "anna")
    book.record([found(3, hours=20)], 3)
    assert (only(book).version, only(book).assignee) == (1, "anna")
    with pytest.raises(ConflictError, match="anna acknowledged at"):
        book.change(Seen(early.id, early.version), Acknowledge(), "bernd")
    with pytest.raises(UsageError, match="cannot be undone"):
        book.change(Seen(late.id), Undo(), "anna")


def test_what_somebody_has_noted_or_been_given_is_not_swallowed_by_a_flood(tmp_path: Path, clock: ManualClock) -> None:
    with Book(tmp_path / "other.db", clock, budget_per_hour=3) as book:
        ids = book.record([found(number, f"srv-{number}") for number in range(3)], 1)
        book.change(Seen(ids[0]), Note(), "anna", "look at this")
        book.change(Seen(ids[1]), Assign("bernd"), "anna")
        book.record([found(number, f"srv-{number}") for number in range(3, 9)], 2)
        assert sorted((one.flood, one.count) for one in book.alerts()) == [(False, 1), (False, 1), (True, 7)]
        assert book.alert(ids[0]).history[-1].note == "look at this"


def test_many_at_once_are_one_transaction_with_a_result_for_each(book: Book, tmp_path: Path) -> None:
    book.record([found(number, f"srv-{number}") for number in range(10, 15)], 2)
    alerts = book.alerts()
    book.change(Seen(alerts[0].id), Acknowledge(), "bernd")
    book.change(Seen(alerts[1].id), Close("benign"), "bernd")
    wanted = [Seen(one.id, one.version) for one in alerts] + [Seen("ffff"), Seen(alerts[1].id)]
    outcomes = book.change_all(wanted, Close("false_positive"), "anna", "a scan")
    why = [str(one.result) if isinstance(one.result, UsageError) else one.result.state for one in outcomes]
    assert "bernd acknowledged" in why[0]
    assert "bernd closed as benign" in why[1]
    assert why[2:6] == ["closed"] * 4
    assert "no alert begins with ffff" in why[6]
    assert "closed already by bernd" in why[7]
    with sqlite3.connect(tmp_path / "state.db") as db:
        moments = db.execute("SELECT count(DISTINCT at) FROM history WHERE what = 'closed as false_positive'")
        assert moments.fetchone() == (1,)
    db.close()
    with pytest.raises(UsageError, match="too many at once"):
        book.change_all([Seen("aa")] * (MANY_MAX + 1), Acknowledge(), "anna")
    with pytest.raises(UsageError, match="not a name"):
        book.change(Seen(alerts[2].id), Assign(" "), "anna")


def test_of_many_who_close_at_once_one_wins(tmp_path: Path, book: Book, clock: ManualClock) -> None:
    seen, begin, results = Seen(only(book).id, 0), Barrier(8), list[Outcome]()

    def close(who: str) -> None:
        with Book(tmp_path / "state.db", clock) as own:
            begin.wait()
            results.extend(own.change_all([seen], Close("benign"), who))

    threads = [Thread(target=close, args=(f"analyst-{number}",)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(isinstance(one.result, ConflictError) for one in results) == 7
    history = said(only(book))
    assert [what for _, what in history] == ["closed as benign"] + ["refused: close as benign"] * 7
    assert len({who for who, _ in history}) == 8


ACTIONS = st.sampled_from(
    [Acknowledge(), Assign("bernd"), Assign(""), Close("benign"), Reopen(), Undo(), Suppress(TOMORROW), Note()]
)


@given(steps=st.lists(st.tuples(ACTIONS, st.sampled_from(["anna", "bernd"]), st.booleans()), max_size=12))
def test_whatever_two_do_every_change_raises_the_version_and_undoing_all_leads_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Action, str, bool]]
) -> None:
    with Book(tmp_path_factory.mktemp("book") / "state.db", ManualClock(NOW)) as book:
        book.record([found(1)], 1)
        begin, seen = only(book), 0
        for action, who, fresh in steps:
            before = only(book)
            try:
                change(book, action, who, "why", before.version if fresh else seen)
            except ConflictError:
                assert seen < before.version
                assert standing(only(book)) == standing(before)
                assert len(only(book).history) == len(before.history) + 1
            except UsageError:
                assert only(book) == before
            else:
                assert only(book).version == before.version + (not isinstance(action, Note))
            seen = before.version
        for _ in range(2 * len(steps)):
            for who in ("anna", "bernd"):
                try:
                    change(book, Undo(), who)
                except UsageError:
                    continue
        assert standing(only(book)) == standing(begin)


def test_a_book_of_the_form_before_is_taken_over_with_who_has_what(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "state_form_2.sql").read_text("utf-8"))
    db.close()
    with Book(path, clock) as book:
        there = {str(one.key[0][1]): one for one in book.alerts(suppressed=True)}
        assert standing(there["srv-01"])[:3] == ("acknowledged", None, "bernd")
        assert standing(there["srv-02"])[:3] == ("closed", "benign", "")
        assert [there[f"srv-0{number}"].version for number in (1, 2, 3)] == [2, 1, 1]
        assert there["srv-03"].suppressed_until is not None
        assert there["srv-01"].history[1].note == "looking"
        with pytest.raises(UsageError, match="cannot be undone"):
            book.change(Seen(there["srv-01"].id), Undo(), "bernd")
        assert book.change(Seen(there["srv-01"].id, 2), Close("benign"), "bernd").version == 3


def test_the_command_line_takes_many_says_what_was_seen_and_tells_the_loser(town: City) -> None:
    for number in (1, 2):
        town.login(host_name=f"srv-0{number}")
    ids = [one["id"] for one in town.json("alerts", "list")]
    given = town.json("alerts", "assign", *ids, "--to", "bernd")
    assert [(one["assignee"], one["version"]) for one in given] == [("bernd", 1)] * 2
    done = town.sentinel("alerts", "close", f"{ids[0]}@0", "--verdict", "benign", code=2)
    assert "assigned to bernd at" in done.stderr
    told = town.json("alerts", "note", f"{ids[0]}@1", "ffff", "--text", "looks odd", code=6)
    assert "no alert begins with ffff" in told[1]["error"]
    assert [one["note"] for one in told[0]["history"]][-1] == "looks odd"
    town.sentinel("alerts", "close", f"{ids[0]}@1", "--verdict", "benign")
    (again,) = town.json("alerts", "reopen", ids[0])
    assert (again["state"], again["version"]) == ("acknowledged", 3)
    (closed,) = town.json("alerts", "undo", ids[0])
    assert (closed["state"], closed["history"][-2]["undone"]) == ("closed", True)
    assert "(undone)" in town.sentinel("alerts", "show", ids[0]).stdout
    assert "say 3f2a" in town.sentinel("alerts", "ack", f"{ids[0]}@x", code=2).stderr
