"""Alerts and cases that several machines share: one order for all, whoever sleeps, dies or is cut off."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.alert.file import open_file
from sentinel.app import App
from sentinel.cases.book import CaseBook
from sentinel.config import load
from sentinel.console import services
from sentinel.core import replica
from sentinel.core.alert import Acknowledge, Assign, Note, Reopen, Seen
from sentinel.core.case import AddAlerts, AddNote, AddTask, Rename
from sentinel.core.clock import ManualClock
from sentinel.core.database import Shape, open_database, writing
from sentinel.core.errors import ConflictError, FencedError, OvertakenError, StoreError, UsageError
from sentinel.core.journal import Entry
from sentinel.core.reached import Reached
from sentinel.core.replica import Replica
from sentinel.lease import Lease
from sentinel.notify.outbox import Outbox, Pace
from sentinel.notify.outbox import open_file as outbox_file
from sentinel.store.es_journal import ElasticJournal
from sentinel.stores import SHARING_SECONDS
from tests import warm
from tests.elastic.gate import Gate, Passage
from tests.elastic.machine import START, found
from tests.running import eventually

pytestmark = pytest.mark.elastic

LEASE_SECONDS = 1.5


class Machines:
    """Machines that share what is in one index; each has a folder of its name."""

    def __init__(self, url: str, index: str, folder: Path, stack: ExitStack, mark: str = "") -> None:
        self.url, self.index, self.folder, self.stack, self.mark = url, index, folder, stack, mark
        self.clock = ManualClock(START)

    def journal(self, name: str = "state", url: str = "") -> ElasticJournal:
        return ElasticJournal(url or self.url, self.index, name + self.mark, timeout_seconds=3, pause=lambda _: None)

    def path(self, machine: str) -> Path:
        folder = self.folder / machine
        folder.mkdir(exist_ok=True)
        return folder / "state.db"

    def book(self, machine: str, url: str = "") -> Book:
        return self.stack.enter_context(Book(self.path(machine), self.clock, journal=self.journal(url=url)))

    def cases(self, machine: str) -> CaseBook:
        path = self.path(machine).with_name("cases.db")
        return self.stack.enter_context(CaseBook(path, self.clock, self.journal("cases")))

    def copy(self, machine: str, url: str = "") -> Replica:
        return cast("Replica", self.stack.enter_context(closing(open_file(self.path(machine), self.journal(url=url)))))

    def lease(self, machine: str, timer: Callable[[], float] = time.monotonic) -> Lease:
        return Lease(self.copy(machine), machine, LEASE_SECONDS, timer)

    def judging(self, machine: str, **environment: str) -> "subprocess.Popen[str]":
        """Begin a machine that judges, a process of its own; see `machine.py`."""
        words = [sys.executable, "-m", "tests.elastic.machine", self.url, self.index, str(self.path(machine).parent)]
        process = subprocess.Popen(
            [*words, str(LEASE_SECONDS)], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.stack.callback(_ended, process)
        return process


def _ended(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def machines(elastic_url: str, elastic_prefix: str, tmp_path: Path) -> Iterator[Machines]:
    with ExitStack() as stack:
        yield Machines(elastic_url, f"{elastic_prefix}-state", tmp_path, stack)


def dump(of: Book | CaseBook | Replica) -> list[str]:
    """Return all that a copy holds, once it has what others wrote."""
    db = cast("Replica", of if isinstance(of, Replica) else of._db)
    db.catch_up()
    return list(db.iterdump())


def said(process: "subprocess.Popen[str]", beginning: str) -> str:
    """Return the next line that begins so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return line.strip()
    raise AssertionError(f"it ended and never said {beginning!r}")


def once_each(book: Book, cursor: int) -> None:
    """Assert that every finding up to the cursor was counted, once."""
    alerts = book.alerts()
    assert sum(one.count for one in alerts) == book.judged().top == cursor
    evidence = [event for one in alerts for event in one.evidence]
    assert len(set(evidence)) == len(evidence)


def test_what_one_machine_writes_all_others_have_and_a_new_one_too(machines: Machines) -> None:
    one, two = machines.book("one"), machines.book("two")
    raised = one.record([found(1), found(2)], 2)
    assert two.judged().top == 2
    two.acknowledge(raised[0], "anna")
    two.close(raised[1], "bert", "benign")
    assert [change.who for change in one.alert(raised[0]).history] == ["sentinel", "anna"]
    case = machines.cases("one").create("a case", "anna")
    machines.cases("two").change(case.number, AddAlerts(raised), "bert")
    assert machines.cases("new").case(case.number).alerts == tuple(sorted(raised))
    assert dump(machines.book("new")) == dump(one) == dump(two)


_WHO = st.sampled_from(["anna", "bert"])
_DOES = st.one_of(
    st.tuples(st.just("record"), st.lists(st.integers(0, 30), max_size=6)),
    st.tuples(st.just("change"), st.sampled_from([Acknowledge(), Assign("carl"), Reopen(), Note()])),
    st.tuples(st.just("close"), st.sampled_from(["true_positive", "benign"])),
    st.tuples(st.just("suppress"), st.integers(1, 9)),
    st.tuples(st.just("case"), st.sampled_from([AddTask("look"), Rename("b"), AddNote(), AddAlerts(("x",))])),
)


def _done(machines: Machines, book: Book, cases: CaseBook, who: str, what: str, how: Any) -> None:  # noqa: ANN401  drawn
    alerts = book.alerts(suppressed=True)
    if what == "record":
        book.record([found(number) for number in how], book.judged().top + 1)
    elif what == "case":
        number = next((one.number for one in cases.cases()), None) or cases.create("a", who).number
        cases.change(number, how, who, "because")
    elif alerts and what == "change":
        book.change(Seen(alerts[0].id), how, who, "because")
    elif alerts and what == "close":
        book.close(alerts[-1].id, who, how)
    elif alerts:
        book.suppress(alerts[0].id, who, machines.clock.now() + timedelta(days=how), "because")


# the index may be the same for all examples: each has journals of its own in it
@settings(max_examples=12, suppress_health_check=[*HealthCheck])
@given(st.lists(st.tuples(st.integers(0, 1), _WHO, _DOES), max_size=12))
def test_whoever_does_what_all_copies_are_the_same(
    machines: Machines, deeds: Sequence[tuple[int, str, tuple[str, Any]]]
) -> None:
    mark = uuid4().hex[:8]
    (folder := machines.folder / mark).mkdir()
    with ExitStack() as stack:
        machines = Machines(machines.url, machines.index, folder, stack, mark)
        books = [machines.book(name) for name in ("one", "two")]
        cases = [machines.cases(name) for name in ("one", "two")]
        for at, who, (what, how) in deeds:
            machines.clock.advance(timedelta(minutes=7))
            dump(books[at])
            dump(cases[at])
            with suppress(UsageError):  # refused here, so nothing may have changed there
                _done(machines, books[at], cases[at], who, what, how)
        assert dump(books[0]) == dump(books[1])
        assert dump(cases[0]) == dump(cases[1])


def test_of_two_machines_that_write_at_once_one_is_told_and_what_can_be_is_done_again(machines: Machines) -> None:
    one, two = machines.book("one"), machines.book("two")
    (raised,) = one.record([found(1)], 1)
    with pytest.raises(OvertakenError, match="try again"), one.writing() as db:  # noqa: PT012  it is raised at the end
        db.execute("UPDATE alerts SET title = 'mine'")
        two.acknowledge(raised, "bert")
    assert one.alert(raised).title == "Too many failures"

    def meanwhile(db: object) -> None:
        if two.judged().top == 1:
            two.record([found(2)], 2)

    one.guard(meanwhile)
    assert one.close(raised, "anna", "benign").state == "closed"
    assert dump(one) == dump(two)


def test_of_two_analysts_the_second_is_told_what_the_first_did(machines: Machines) -> None:
    one, two = machines.book("one"), machines.book("two")
    (raised,) = one.record([found(1)], 1)
    seen = two.alert(raised)
    one.change(Seen(raised, seen.version), Assign("anna"), "anna")
    with pytest.raises(ConflictError, match="anna"):
        two.change(Seen(raised, seen.version), Assign("bert"), "bert")
    assert two.alert(raised).assignee == "anna"


def _lost(passage: Passage) -> None:
    passage.forward()
    passage.close_connection = True


def test_an_entry_whose_answer_was_lost_is_written_once(machines: Machines, elastic_url: str) -> None:
    gate = machines.stack.enter_context(closing(Gate(elastic_url.removeprefix("http://"))))
    one, two = machines.book("one", gate.url), machines.book("two")
    one.record([found(1)], 1)
    gate.on, gate.faults = "_create", [_lost]
    one.record([found(2)], 2, after=Reached.of(1))
    assert not gate.faults
    once_each(two, 2)
    assert dump(one) == dump(two)


def test_while_the_store_is_away_nothing_is_written_and_what_was_known_is_shown(
    machines: Machines, elastic_url: str
) -> None:
    gate = Gate(elastic_url.removeprefix("http://"))
    port = gate.server.server_address[1]
    one, two = machines.book("one", gate.url), machines.book("two")
    (raised,) = one.record([found(1)], 1)
    two.acknowledge(raised, "bert")
    assert one.alert(raised).assignee == "bert"
    assert not one.behind
    gate.close()
    with pytest.raises(StoreError, match="cannot be reached"):
        one.close(raised, "anna", "benign")
    one._db.sight.due = 0.0  # type: ignore[attr-defined]  # a second later
    assert one.alert(raised).state == "acknowledged"
    assert "cannot be reached" in one.behind
    machines.stack.enter_context(closing(Gate(elastic_url.removeprefix("http://"), port)))
    one.close(raised, "anna", "benign")
    assert two.alert(raised).state == "closed"


def test_of_two_that_begin_at_once_one_judges_and_the_other_knows_who(machines: Machines) -> None:
    machines.book("one").record([], 1)
    leases = [machines.lease("one"), machines.lease("two")]
    together, got = threading.Barrier(2), ["?", "?"]

    def take(number: int) -> None:
        together.wait()
        got[number] = leases[number].take()

    threads = [threading.Thread(target=take, args=(number,)) for number in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    first = got.index("")
    assert got[1 - first] in {("one", "two")[first], "another machine"}
    eventually(lambda: leases[1 - first].take() == ("one", "two")[first])


def test_a_command_says_that_it_may_lack_what_others_wrote(
    machines: Machines, elastic_url: str, elastic_prefix: str
) -> None:
    gate = Gate(elastic_url.removeprefix("http://"))
    config = machines.folder / "sentinel.toml"
    config.write_text(
        f'data = "{machines.path("one").parent}"\n[store]\nkind = "elasticsearch"\nurl = "{gate.url}"\n'
        f'prefix = "{elastic_prefix}"\n'
    )
    (raised,) = machines.book("two").record([found(1)], 1)
    listed = warm.texts("alerts", "list", "--config", str(config))
    assert raised[:8] in listed.stdout
    assert not listed.stderr
    gate.close()
    listed = warm.texts("alerts", "list", "--config", str(config))
    assert raised[:8] in listed.stdout
    assert "what other machines have written meanwhile is not in this" in listed.stderr
    closed = warm.texts("alerts", "close", raised, "--verdict", "benign", "--config", str(config))
    assert closed.returncode == 4
    assert machines.book("two").alert(raised).state == "new"


def test_the_console_shows_what_is_known_here_says_so_and_waits_for_no_answer(
    machines: Machines, elastic_url: str, elastic_prefix: str
) -> None:
    gate = machines.stack.enter_context(closing(Gate(elastic_url.removeprefix("http://"))))
    data, back = machines.path("one").parent, threading.Event()
    config = machines.folder / "sentinel.toml"
    config.write_text(
        f'data = "{data}"\n[store]\nkind = "elasticsearch"\nurl = "{gate.url}"\nprefix = "{elastic_prefix}"\n'
    )
    (raised,) = machines.book("two").record([found(1)], 1)

    def swallow(passage: Passage) -> None:
        back.wait()
        passage.close_connection = True

    with services(lambda: App(load(config)), data, machines.clock, "anna") as opened:
        assert opened.check() is not None
        eventually(lambda: [one.id for one in opened.desk().alerts()] == [raised])
        eventually(lambda: opened.pulse().problem == "run")
        gate.on, gate.always = "", swallow
        begun = time.monotonic()
        for _ in range(20):
            assert opened.desk().alerts()
        assert time.monotonic() - begun < SHARING_SECONDS, "which one look at the server takes"
        eventually(lambda: opened.pulse().problem == "apart")
        gate.always = None
        back.set()
        eventually(lambda: opened.pulse().problem == "run")


def test_no_clock_that_is_set_makes_a_lease_fall_and_silence_does(machines: Machines) -> None:
    book, now = machines.book("one"), [0.0]
    book.record([found(1)], 1)
    holder, waiting = machines.lease("one"), machines.lease("two", lambda: now[0])
    assert holder.take() == ""
    book.guard(holder.check)
    with holder.kept(lambda _: None):
        for step in (-timedelta(days=400), timedelta(days=900), -timedelta(days=500)):
            machines.clock.advance(step)
            book.record([found(book.judged().top + 1)], book.judged().top + 1)
            assert waiting.take() == "one"
        now[0] += LEASE_SECONDS * 0.9
        assert waiting.take() == "one"
    eventually(lambda: not waiting.take())  # let go of: the waiting clock stands still, so it did not fall
    with pytest.raises(FencedError, match="two has taken this over"):
        book.record([found(9)], 9)
    once_each(machines.book("two"), 4)


def test_a_holder_that_slept_longer_than_its_lease_changes_nothing_when_it_wakes(machines: Machines) -> None:
    sleeper = machines.judging("one")
    said(sleeper, "judges")
    said(sleeper, "5")
    other = machines.judging("two")
    assert said(other, "waits for").endswith(")")
    said(sleeper, str(machines.book("look").judged().top + 1))
    sleeper.send_signal(signal.SIGSTOP)
    said(other, "judges")
    first = int(said(other, ""))
    said(other, str(first + 10))
    sleeper.send_signal(signal.SIGCONT)
    assert "taken this over" in said(sleeper, "fenced")
    assert said(sleeper, "waits for")
    said(other, str(machines.book("look").judged().top + 3))
    other.send_signal(signal.SIGKILL)
    said(sleeper, "judges")
    sleeper.send_signal(signal.SIGTERM)
    sleeper.wait()
    look = machines.book("look")
    once_each(look, look.judged().top)
    assert dump(look) == dump(machines.copy("one")) == dump(machines.copy("two"))


@pytest.mark.parametrize("point", ["replica.appended", "replica.before_commit"])
def test_whoever_is_killed_in_the_midst_of_it_another_goes_on_with_all_of_it(machines: Machines, point: str) -> None:
    killed = machines.judging("one", SENTINEL_KILL_AT=f"{point}:4")
    said(killed, "2")
    assert killed.wait(30) == -signal.SIGKILL
    begun = time.monotonic()
    other = machines.judging("two")
    said(other, "judges")
    assert time.monotonic() - begun < LEASE_SECONDS + 10
    said(other, "9")
    other.kill()
    other.wait()
    look = machines.book("look")
    once_each(look, look.judged().top)
    assert dump(machines.copy("one")) == dump(look), "what was appended and not kept here comes back"


def test_what_one_machine_was_to_tell_the_next_one_tells_and_nobody_twice(machines: Machines) -> None:
    book = machines.book("one")
    alerts = book.named(book.record([found(1), found(2)], 2))
    boxes, leases = [], []
    for machine in ("one", "two"):
        path = machines.path(machine).with_name("notify.db")
        boxes.append(machines.stack.enter_context(Outbox(path, machines.journal("notify"))))
        copy = machines.stack.enter_context(closing(outbox_file(path, machines.journal("notify"))))
        leases.append(Lease(cast("Replica", copy), machine, LEASE_SECONDS))
    pace = Pace(timedelta(), timedelta())
    assert leases[0].take() == ""
    boxes[0].guard(leases[0].check)
    boxes[0].take(alerts[:1], 1, {"mail": "low"}, machines.clock.now(), pace)
    (told,) = boxes[0].due("mail", machines.clock.now())
    boxes[0].end(told, "sent", machines.clock.now())
    boxes[0].take(alerts[1:], 2, {"mail": "low"}, machines.clock.now(), pace)
    (trying,) = boxes[0].due("mail", machines.clock.now())
    eventually(lambda: not leases[1].take())
    boxes[1].guard(leases[1].check)
    assert boxes[1].cursor("alerts") == 2
    boxes[1].take(alerts, 2, {"mail": "low"}, machines.clock.now(), pace)
    (due,) = boxes[1].due("mail", machines.clock.now())
    assert due.alerts == (alerts[1].id,)
    with pytest.raises(FencedError, match="two has taken this over"):
        boxes[0].claim(trying)
    boxes[1].claim(due)
    boxes[1].end(due, "sent", machines.clock.now())
    assert dump(cast("Replica", boxes[0]._db)) == dump(cast("Replica", boxes[1]._db))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a new base after five entries, and two before it be kept."""
    monkeypatch.setattr(replica, "BASE_EVERY", 5)
    monkeypatch.setattr(replica, "KEPT_ENTRIES", 2)


@pytest.mark.usefixtures("small")
def test_old_entries_go_and_whoever_comes_late_begins_with_a_whole_state(machines: Machines) -> None:
    one, late = machines.book("one"), machines.copy("late")
    for number in range(1, 4):
        one.record([found(number)], number)
    late.catch_up()
    for number in range(4, 13):
        one.record([found(number)], number)
        cast("Replica", one._db).tidy()
    journal = machines.journal()
    journal._client.indices.refresh(index=machines.index)
    assert journal.tail(3).entries == []
    base = journal.tail(0).base
    assert base is not None
    held = journal._client.count(index=machines.index)["count"]
    assert held <= 12 - base.floor + 1 + base.parts + 2
    assert not journal.append(Entry(4, "a", "b", b"")), "its place was taken, and has gone"
    assert dump(late) == dump(one) == dump(machines.book("new"))
    once_each(machines.book("new"), 12)


def test_an_index_that_is_gone_is_begun_anew_and_a_file_of_elsewhere_is_refused(
    machines: Machines, elastic_url: str
) -> None:
    one, two = machines.book("one"), machines.book("two")
    one.record([found(1)], 1)
    assert two.judged().top == 1
    machines.journal()._client.indices.delete(index=machines.index)
    one.record([found(2)], 2)
    once_each(machines.book("new"), 2)
    two._db.catch_up()  # type: ignore[attr-defined]
    once_each(two, 2)
    alone = Book(machines.path("alone"), machines.clock)
    alone.record([found(3)], 3)
    alone.shut()
    with pytest.raises(StoreError, match="move this file away"):
        machines.book("alone").record([found(4)], 4)
    once_each(one, 2)


def test_a_copy_that_went_another_way_than_the_index_is_kept_aside_and_the_index_counts(machines: Machines) -> None:
    one = machines.book("one")
    for number in (1, 2, 3):
        one.record([found(number)], number)
    # as after a failover to a node that had not got the last entry
    machines.journal()._client.delete(index=machines.index, id="state-3")
    other = machines.book("other")
    once_each(other, 2)
    other.record([found(4)], 3)
    assert dump(one) == dump(other)
    aside = machines.path("one").with_suffix(".apart-1")
    with closing(sqlite3.connect(aside)) as kept:
        assert ("event-3",) in kept.execute("SELECT event FROM evidence").fetchall()


def test_a_machine_that_no_longer_shares_goes_on_alone_and_says_so_if_it_is_to_share_again(machines: Machines) -> None:
    one, two = machines.book("one"), machines.book("two")
    one.record([found(1)], 1)
    one.shut()
    with Book(machines.path("one"), machines.clock) as alone:
        alone.record([found(2)], 2)
        once_each(alone, 2)
    two.record([found(3)], 2)
    with pytest.raises(StoreError, match="move this file away"):
        machines.book("one").record([found(4)], 4)
    once_each(two, 2)


def test_a_newer_form_reaches_all_machines_and_an_older_sentinel_says_so(machines: Machines, tmp_path: Path) -> None:
    first = Shape(1, 1, ("CREATE TABLE things (name TEXT PRIMARY KEY)",))
    second = Shape(1, 2, first.schema, {1: ("ALTER TABLE things ADD COLUMN kind TEXT",)})
    old, new = (
        machines.stack.enter_context(closing(open_database(tmp_path / f"{name}.db", first, machines.journal("x"))))
        for name in ("old", "new")
    )
    with writing(old):
        old.execute("INSERT INTO things VALUES ('a')")
    cast("Replica", new).catch_up()
    new.close()
    new = machines.stack.enter_context(closing(open_database(tmp_path / "new.db", second, machines.journal("x"))))
    with writing(new):
        new.execute("INSERT INTO things VALUES ('b', 'c')")
    with pytest.raises(StoreError, match="newer Sentinel"), writing(old):
        old.execute("INSERT INTO things VALUES ('d')")
    assert json.dumps(new.execute("SELECT * FROM things ORDER BY name").fetchall()) == '[["a", null], ["b", "c"]]'
