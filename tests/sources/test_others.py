"""What the machine that judges knows of the others: up to where each has stored, and that one has fallen silent."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.alert.book import Book
from sentinel.config import parse
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConfigError
from sentinel.core.event import Origin, Raw
from sentinel.core.node import Node
from sentinel.core.reached import beginning_of
from sentinel.others import RULE, SILENT_SECONDS, Others
from sentinel.presence import Presence
from sentinel.roles import ALL, Role, Roles, remember, remembered, roles_of
from sentinel.spool.disk import DiskSpool

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)


@dataclass
class Entries:
    """Machines as they have entered themselves."""

    by_number: dict[int, Node] = field(default_factory=dict)

    def tell(self, node: Node, /) -> None:
        self.by_number[node.number] = node

    def nodes(self) -> list[Node]:
        return list(self.by_number.values())

    def beat(self, number: int, seconds: float) -> None:
        at = NOW + timedelta(seconds=seconds)
        self.tell(Node(number, "a" * 32, "run", f"hall-{number}", "collect", beginning_of(number) + 9, at, at))


@pytest.fixture
def entries() -> Entries:
    return Entries()


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "state.db", ManualClock(NOW))


def test_a_machine_that_says_nothing_is_an_alert_and_holds_nobody_up_until_it_is_back(
    entries: Entries, book: Book
) -> None:
    steady = 0.0
    others = Others(entries, 0, book, steady=lambda: steady)
    for number in (0, 1, 2):
        entries.beat(number, 0)
    others.look()
    assert others.stored() == [beginning_of(1) + 9, beginning_of(2) + 9]
    assert others.through(NOW + timedelta(hours=1)) == NOW, "a minute waits for what every machine has yet to store"
    steady = SILENT_SECONDS + 1
    entries.beat(2, 61)
    others.look()
    others.tell()
    others.tell()
    (alert,) = book.open_of(RULE.id)
    assert dict(alert.key) == {"sentinel.node": "1", "host.name": "hall-1"}
    assert "hall-1 (node 1: collect) has been silent since 2026-11-28T08:00:00" in alert.summary
    assert others.through(NOW + timedelta(hours=1)) == NOW + timedelta(seconds=61)
    entries.beat(1, 70)
    others.look()
    others.tell()
    assert not book.open_of(RULE.id)
    assert book.alert(alert.id).history[-1].note.startswith("said something again at 2026-11-28T08:01:10")


def test_a_clock_that_is_wrong_makes_no_machine_silent(entries: Entries, book: Book) -> None:
    steady = 0.0
    others = Others(entries, 0, book, steady=lambda: steady)
    for seconds in (-86_400, -86_000, 50_000, -86_395):
        steady += SILENT_SECONDS
        entries.beat(1, seconds)
        others.look()
        others.tell()
    assert not book.open_of(RULE.id)


def test_who_is_alone_asks_nobody(book: Book) -> None:
    others = Others(None, 0, book)
    others.look()
    others.tell()
    assert (others.stored(), others.through(NOW)) == ([], NOW)


def test_a_machine_says_up_to_where_all_is_stored_and_what_waits(entries: Entries, tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with DiskSpool(tmp_path / "spool", clock, ballast_bytes=0, node=4) as spool:
        presence = Presence(entries, spool, clock, "hall-4", "collect")
        presence.must()
        told = entries.by_number[4]
        assert (told.stored // beginning_of(1), told.stored % beginning_of(1), told.moment) == (4, 1023, NOW)
        spool.put([Raw(b"line", "city", NOW, Origin("syslog-tcp"))] * 3)
        clock.advance(timedelta(seconds=9))
        spool.commit(spool.last - 1)
        presence.tell()
        told = entries.by_number[4]
        assert (told.stored % beginning_of(1), told.moment) == (3 * 1024 - 1, NOW), "one record waits"
        spool.commit(spool.last)
        presence.tell()
        assert entries.by_number[4].moment == clock.now()


def test_roles_are_what_was_named_and_are_known_to_commands(tmp_path: Path) -> None:
    shared = parse({"data": str(tmp_path), "store": {"kind": "elasticsearch"}, "sense": {"interfaces": ["eth1"]}})
    assert roles_of([], shared) == roles_of([Role.ALL], shared) == remembered(shared) == ALL
    assert str(roles_of([Role.COLLECT, Role.DETECT], shared)) == "all"
    both = roles_of([Role.SENSOR, Role.COLLECT], shared)
    assert (str(both), both) == ("collect, sensor", Roles(collect=True, sensor=True, detect=False))
    remember(both, shared)
    assert remembered(shared) == both
    with pytest.raises(ConfigError, match=r"name them in \[sense\] interfaces"):
        roles_of([Role.SENSOR], parse({"data": str(tmp_path), "store": {"kind": "elasticsearch"}}))
    (tmp_path / "roles").write_text("nonsense")
    assert remembered(shared) == ALL
