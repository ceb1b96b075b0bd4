"""Between store and spool: what has ended is in the spool once, after a crash, a restart and while there is no room."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.content import content
from sentinel.core.errors import SpoolFullError, StoreError
from sentinel.core.event import Entry, Origin, Raw, before_node
from sentinel.core.join import VIA, Join
from sentinel.core.reached import Reached, beginning_of
from sentinel.join.book import JoinBook
from sentinel.join.joiner import Joiner
from sentinel.parse.packs import Packs, load_one
from sentinel.parse.record import parse_one
from sentinel.parse.route import Router
from sentinel.spool.disk import DiskSpool
from sentinel.store.embedded import EmbeddedStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POSTFIX = load_one(content("parsers") / "postfix", trusted=True)
ROUTER = Router(Packs({"postfix": POSTFIX}))
HEAD = "<22>Nov 23 12:00:00 mx1 postfix/"
LINES = (
    "smtpd[1]: 3E29030F87: client=mail.example.net[203.0.113.20]",
    "cleanup[2]: 3E29030F87: message-id=<1@example.net>",
    "qmgr[3]: 3E29030F87: from=<a@example.net>, size=100, nrcpt=1 (queue active)",
    "smtp[4]: 3E29030F87: to=<b@stadt.example>, relay=mx[10.10.9.5]:25, delay=1, dsn=2.0.0, status=sent (ok)",
    "qmgr[3]: 3E29030F87: removed",
)


class Town:
    """A store, a spool and the book between them; `lines` arrive as the pipeline would have them arrive."""

    def __init__(self, folder: Path, *, room: int = 1 << 24) -> None:
        self.folder, self.clock, self.arrived = folder, ManualClock(NOW), 0
        self.store = EmbeddedStore(folder / "store")
        self.spool = DiskSpool(folder / "spool", self.clock, bytes_max=room, ballast_bytes=0)

    def lines(self, *lines: str) -> None:
        for line in lines:
            self.arrived += 1
            raw = Raw((HEAD + line).encode(), "mail", NOW, Origin("syslog-tcp", "192.0.2.25:514"))
            self.store.append(parse_one(Entry(self.arrived, self.clock.now(), raw), ROUTER, "postfix"))

    def join(self, joins: Mapping[str, Join] | None = None, work: Callable[[Joiner], None] | None = None) -> None:
        """Do what a process does that begins now and ends at once."""
        with JoinBook(self.folder / "joins.db") as book:
            have = {"postfix": POSTFIX.join} if POSTFIX.join else {}
            wanted = have if joins is None else joins
            joiner = Joiner(wanted, book, self.store, self.spool, self.clock, start=Reached())
            if work is None:
                joiner.run(Reached.of(self.store.newest()))
            else:
                work(joiner)

    def joined(self) -> list[Entry]:
        return [entry for entry in self.spool.read(0, 1000) if entry.raw.origin.via == VIA]

    def close(self) -> None:
        self.spool.close()
        self.store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def test_a_mail_is_one_event_however_often_the_process_begins_anew(town: Town) -> None:
    for line in LINES:
        town.lines(line)
        town.join()
        town.join()
    (entry,) = town.joined()
    (event,) = parse_one(entry, ROUTER)
    assert event.fields["event.dataset"] == "postfix.mail"
    assert event.fields["sentinel.joined"] == len(LINES)
    assert (event.fields["email.from.address"], event.fields["event.outcome"]) == (("a@example.net",), "success")
    assert event.fields["event.original"] == "\n".join(HEAD + line for line in LINES)


def test_a_mail_that_goes_no_further_ends_in_silence(town: Town) -> None:
    town.lines(*LINES[:2])
    town.join()
    town.clock.advance(timedelta(hours=1, minutes=59))
    town.join()
    assert town.joined() == []
    town.clock.advance(timedelta(minutes=2))
    town.join()
    (entry,) = town.joined()
    assert entry.raw.body.count(b"\n") == 1


def test_a_crash_behind_the_spool_gives_the_same_record_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise StoreError("the disk is full")

    town.lines(*LINES)
    monkeypatch.setattr(JoinBook, "enter", dies)
    with pytest.raises(StoreError):
        town.join()
    monkeypatch.undo()
    town.join()
    first, second = town.joined()
    assert parse_one(first, ROUTER)[0].id == parse_one(second, ROUTER)[0].id


def test_while_the_spool_is_full_everything_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    town = Town(tmp_path, room=4096)
    try:
        town.spool.put([Raw(b"x" * 3900, "s", NOW, Origin("syslog-tcp", "192.0.2.1:514"))])
        town.lines(*LINES)
        with pytest.raises(SpoolFullError):
            town.join()
        town.spool.commit(town.spool.last)
        town.join()
        assert len(town.joined()) == 1
    finally:
        town.close()


def test_events_that_were_read_for_the_rules_are_not_read_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.lines(*LINES)
    events = town.store.since(0, town.store.newest(), 100)

    def sees(joiner: Joiner) -> None:
        joiner.see(events[1].seq, events[2:])  # a gap before them: not taken
        joiner.see(0, events)
        joiner.see(0, events[:2])
        monkeypatch.setattr(town.store, "since", lambda *_: [])
        joiner.run(Reached.of(events[-1].seq))

    town.join(work=sees)
    (entry,) = town.joined()
    assert entry.raw.body.count(b"\n") == len(LINES) - 1


def test_a_pack_that_joins_no_longer_loses_nothing_of_what_was_open(town: Town) -> None:
    town.lines(*LINES[:3])
    town.join()
    town.join({})
    (entry,) = town.joined()
    assert entry.raw.body.count(b"\n") == 2


def test_lines_of_one_mail_that_two_machines_received_are_one_mail(town: Town) -> None:
    town.lines(*LINES[:2])
    town.arrived = before_node(4)
    town.lines(*LINES[2:])
    ends = [beginning_of(node) + (1 << 20) for node in (0, 4)]
    town.join(work=lambda joiner: joiner.run(Reached.of(*ends)))
    town.join(work=lambda joiner: joiner.run(Reached.of(*ends)))
    (entry,) = town.joined()
    assert entry.raw.body.count(b"3E29030F87") == len(LINES)


def test_a_file_from_before_there_were_nodes_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "joins.db"
    JoinBook(path).__exit__()
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(
            "DROP TABLE progress; PRAGMA user_version=1;"
            "CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 0), cursor INTEGER NOT NULL);"
            "INSERT INTO progress VALUES (0, 77)"
        )
    with JoinBook(path) as book:
        assert book.joined() == Reached.of(77)
