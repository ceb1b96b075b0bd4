"""What a team knows and does about one thing is kept, whoever works at the same time and whatever dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from sentinel.cases.book import EVIDENCE_MAX, TITLE_MAX, CaseBook, copied
from sentinel.core.alert import Note, Seen
from sentinel.core.case import (
    AddAlerts,
    AddEvidence,
    AddMember,
    AddNote,
    AddTask,
    Case,
    CaseAction,
    Cases,
    CloseCase,
    RemoveMember,
    Rename,
    ReopenCase,
    SetDeadline,
    SetTask,
)
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConflictError, NotThereError, StoreError, UsageError
from sentinel.core.event import Event, Fields
from tests.living import City

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(number: int, line: str = "Accepted password for müller") -> Event:
    fields: Fields = {"event.id": f"e{number}", "event.original": line, "event.sequence": number, "user.name": "müller"}
    return Event(f"e{number}", number, NOW + timedelta(minutes=number), NOW, fields)


def taken(*numbers: int) -> AddEvidence:
    return AddEvidence(tuple(copied(event(number), "user.name:müller", "anna", NOW) for number in numbers))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def book(tmp_path: Path, clock: ManualClock) -> Iterator[CaseBook]:
    with CaseBook(tmp_path / "cases.db", clock) as made:
        yield made


def change(book: Cases, action: CaseAction, who: str = "anna", note: str = "", version: int | None = None) -> Case:
    return book.change(1, action, who, note, version)


def test_a_case_collects_alerts_events_notes_tasks_and_members_and_all_of_it_stands_in_its_timeline(
    book: CaseBook, clock: ManualClock
) -> None:
    made = book.create("Phishing in the treasury", "anna", "a call from the bank")
    assert (made.number, made.state, made.members, made.opened) == (1, "open", ("anna",), NOW)
    clock.advance(timedelta(minutes=1))
    change(book, AddAlerts(("aa", "bb", "aa")))
    change(book, taken(2, 1))
    change(book, AddNote(), "bernd", "the bank has stopped it")
    change(book, AddTask("reset the password"))
    change(book, SetTask(1, done=True), "bernd")
    change(book, AddMember("bernd"))
    case = change(book, SetDeadline(NOW + timedelta(hours=72)))
    assert (case.alerts, case.evidence, case.members) == (("aa", "bb"), 2, ("anna", "bernd"))
    assert [(task.number, task.text, task.done, task.who) for task in case.tasks] == [
        (1, "reset the password", True, "bernd")
    ]
    assert case.deadline == NOW + timedelta(hours=72)
    assert [(one.who, one.what) for one in case.timeline] == [
        ("anna", "opened"),
        ("anna", "added alert aa"),
        ("anna", "added alert bb"),
        ("anna", "added 2 events"),
        ("bernd", "noted"),
        ("anna", "added task 1: reset the password"),
        ("bernd", "task 1 is done: reset the password"),
        ("anna", "added bernd"),
        ("anna", "set the deadline 2026-11-26 12:00 UTC"),
    ]
    assert case.timeline[4].note == "the bank has stopped it"
    assert case.version == 1


def test_evidence_is_a_copy_with_its_proof_and_stays_as_it_was_first_taken(book: CaseBook) -> None:
    book.create("x", "anna")
    change(book, taken(1))
    again = AddEvidence((copied(event(1, "another line"), "q", "bernd", NOW),))
    assert change(book, again, "bernd").timeline[-1].what == "added 0 events"
    (one,) = book.evidence(1)
    assert one.raw == "Accepted password for müller"
    assert one.raw_sha256 == sha256(one.raw.encode()).hexdigest()
    assert one.sha256 == sha256(one.document.encode()).hexdigest()
    assert json.loads(one.document) == dict(event(1).fields)
    assert (one.who, one.query, one.at) == ("anna", "user.name:müller", event(1).timestamp)


def test_whoever_comes_second_is_told_and_what_is_added_is_in_nobodys_way(book: CaseBook) -> None:
    seen = book.create("x", "anna").version
    change(book, CloseCase(), "anna", "all done", seen)
    with pytest.raises(ConflictError, match="anna closed at 2026-11-23 12:00:00 UTC"):
        change(book, Rename("y"), "bernd", "better so", seen)
    case = book.case(1)
    assert (case.title, case.state) == ("x", "closed")
    assert (case.timeline[-1].who, case.timeline[-1].what) == ("bernd", "refused: Rename")
    assert "better so" in case.timeline[-1].note
    change(book, AddNote(), "bernd", "I saw it differently", seen)
    with pytest.raises(UsageError, match=r"is closed; .* cases reopen 1"):
        change(book, AddTask("more"), "bernd")
    change(book, ReopenCase(), "bernd")
    assert change(book, AddTask("more"), "bernd", version=seen).version == 2
    with pytest.raises(UsageError, match="its version is 2"):
        change(book, Rename("y"), version=9)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (SetTask(7, done=True), "no task 7"),
        (SetTask(1, done=False), "is open already, by anna"),
        (AddTask("  "), "say what is to be done"),
        (AddNote(), "say what is to be noted"),
        (AddMember("anna"), "anna is a member already"),
        (RemoveMember("bernd"), "bernd is no member already"),
        (AddMember(" "), "not a name"),
        (Rename("t" * (TITLE_MAX + 1)), "give the case a title"),
        (ReopenCase(), "is open"),
        (AddEvidence(tuple(copied(event(number), "q", "a", NOW) for number in range(EVIDENCE_MAX + 1))), "may hold"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_no_trace(book: CaseBook, action: CaseAction, said: str) -> None:
    book.create("x", "anna")
    before = change(book, AddTask("a task"))
    with pytest.raises(UsageError, match=said):
        change(book, action)
    assert book.case(1) == before
    assert book.evidence(1) == []


def test_what_is_not_there_is_said_and_a_foreign_file_is_refused(book: CaseBook, tmp_path: Path) -> None:
    for ask in (book.case, book.evidence):
        with pytest.raises(NotThereError, match="no case 4"):
            ask(4)
    with pytest.raises(UsageError, match="title"):
        book.create(" ", "anna")
    with pytest.raises(UsageError, match="say who"):
        book.create("x", "")
    (tmp_path / "other.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError):
        CaseBook(tmp_path / "other.db", ManualClock(NOW))


def test_cases_are_listed_by_deadline_then_the_newest_closed_ones_only_if_asked_for(book: CaseBook) -> None:
    for title in "abcd":
        book.create(title, "anna")
    book.change(3, SetDeadline(NOW + timedelta(days=2)), "anna")
    book.change(2, SetDeadline(NOW + timedelta(days=1)), "anna")
    book.change(4, CloseCase(), "anna")
    assert [one.number for one in book.cases()] == [2, 3, 1]
    assert [one.number for one in book.cases(closed=True)] == [2, 3, 1, 4]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sentinel.cases.book import CaseBook
from sentinel.core.case import AddTask
from sentinel.core.clock import SystemClock
with CaseBook(Path(sys.argv[1]), SystemClock()) as book:
    for number in range(5):
        book.change(1, AddTask(f"task {number}"), "anna")
        sys.stdout.write("done\\n")
        sys.stdout.flush()
"""


@pytest.mark.kill
def test_killed_in_the_middle_of_a_change_everything_that_was_said_to_be_done_is_there(
    tmp_path: Path, book: CaseBook, clock: ManualClock
) -> None:
    book.create("x", "anna")
    environment = os.environ | {"SENTINEL_KILL_AT": "cases.before_commit:4"}
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "cases.db")],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.count("done") == 3
    with CaseBook(tmp_path / "cases.db", clock) as again:
        assert [task.text for task in again.case(1).tasks] == ["task 0", "task 1", "task 2"]
        assert len(again.case(1).timeline) == 4


def test_the_command_line_makes_a_case_of_an_incident_and_keeps_what_the_store_forgets(tmp_path: Path) -> None:
    town = City(tmp_path)
    for number in (1, 2):
        town.login(host_name=f"srv-0{number}", event_original=f"<86>line {number}")
    (incident,) = town.json("incidents", "list")
    (made,) = town.json("cases", "new", "Root from outside", "--incident", incident["id"])
    assert (len(made["alerts"]), made["evidence"]) == (2, 2)
    town.json("cases", "task", "1", "call the provider")
    town.json("cases", "events", "1", "user.name:root last 7d")
    for path in (tmp_path / "data/store").iterdir():
        path.unlink()
    (shown,) = town.json("cases", "show", "1")
    assert sorted(one["raw"] for one in shown["evidence_events"]) == ["<86>line 1", "<86>line 2"]
    assert [task["text"] for task in shown["tasks"]] == ["call the provider"]
    assert "call the provider" in town.sentinel("cases", "show", "1").stdout
    (listed,) = town.json("cases", "list")
    assert listed["number"] == 1
    town.sentinel("cases", "close", "1", "--seen", "3", code=2)
    town.sentinel("cases", "close", "1", "--seen", "0", "--note", "done")
    assert town.json("cases", "list") == []
    assert {"case.create", "case.addalerts", "case.addevidence", "case.addtask", "case.closecase"} <= {
        str(one["what"]) for one in town.app.audit.entries()
    }
    with town.app.desk() as desk:
        assert {desk.change(Seen(one), Note(), "anna", "x").state for one in made["alerts"]} == {"new"}
