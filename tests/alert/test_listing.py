"""Lists of alerts: found as asked for, in an order that stays, and as a plain reading of the book finds them."""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.alert.listing import AlertListings
from sentinel.core.alert import Acknowledge, Alert, Seen
from sentinel.core.clock import ManualClock
from sentinel.core.detection import LEVELS, Detection, Finding
from sentinel.core.errors import UsageError
from sentinel.core.listing import Order, Wanted
from sentinel.core.where import Exists
from sentinel.respond.alertwords import completed, wanted

NOW = datetime(2026, 11, 27, 6, tzinfo=UTC)
TITLES = ("Login by root", "100 % of a_share read", "Änderung am Konto", "Many requests")
HOSTS = ("bauamt-01", "bauamt-02", "Rathaus Müller", "dmz_1")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Book, AlertListings]]:
    """Return a book of a hundred alerts of all kinds, some worked on."""
    path, clock = tmp_path_factory.mktemp("book") / "state.db", ManualClock(NOW)
    chance = random.Random(4)  # noqa: S311  no secret
    rules = [
        Detection(f"r{n}", title, LEVELS[n + 1], Exists("event.id"), "v", "p", budget_per_hour=10_000)
        for n, title in enumerate(TITLES)
    ]
    with Book(path, clock) as made:
        for number in range(100):
            at = NOW - timedelta(minutes=13 * number)
            key = (("host.name", chance.choice(HOSTS)), ("source.ip", f"192.0.2.{number}"))
            made.record([Finding(chance.choice(rules), key, at, at, (f"{number:032x}",))], number)
        for one in made.alerts()[::7]:
            made.change(Seen(one.id), Acknowledge(), chance.choice(("mh", "eva")))
        for one in made.alerts()[::11]:
            made.close(one.id, "mh", "benign")
        yield made, AlertListings(path, clock)


def titles(listings: AlertListings, text: str, order: Order = "last_seen") -> list[str]:
    listing = listings.listing(wanted(text, NOW), order)
    try:
        return [one.id for one in listing.window(0, 1_000)]
    finally:
        listing.close()


def plainly(book: Book, text: str) -> set[str]:
    """Say without SQL which alerts are meant."""
    asked = wanted(text, NOW)
    return {one.id for one in book.alerts() if _meant(one, asked)}


def _meant(one: Alert, asked: Wanted) -> bool:
    texts = [one.title.casefold(), *(str(value).casefold() for _name, value in one.key)]
    return (
        (not asked.levels or one.level in asked.levels)
        and (not asked.states or one.state in asked.states)
        and (not asked.verdicts or one.verdict in asked.verdicts)
        and all(any(word.casefold() in text for text in texts) for word in asked.words)
        and not any(any(word.casefold() in text for text in texts) for word in asked.none)
        and all(_has(one, name, want) for name, want in asked.keys)
        and (not asked.whose or one.assignee in asked.whose)
        and (asked.since is None or one.last_seen >= asked.since)
    )


def _has(one: Alert, field: str, want: str) -> bool:
    return any(str(value).casefold() == want.casefold() for name, value in one.key if field in {name, ""})


PARTS = st.sampled_from(
    [
        "level:>=high", "level:low,medium", "-level:high", "state:new", "-state:closed", "verdict:benign",
        "root", "-root",
        '"a_share read"', '"100 %"', "änderung", "ÄNDERUNG", "müller", "key:dmz_1", "host:bauamt-01", "ip:192.0.2.7",
        "who:eva", "who:nobody", "since:6h", "since:1d", "_", "%", "'", "\\", "!", '"',
    ]
)  # fmt: skip


@given(st.lists(PARTS, max_size=4))
@settings(max_examples=60)
def test_a_list_holds_what_a_plain_reading_finds(book: tuple[Book, AlertListings], parts: list[str]) -> None:
    made, listings = book
    text = " ".join(parts)
    try:
        meant = plainly(made, text)
    except UsageError:
        return
    assert set(titles(listings, text)) == meant


TYPED = st.text(st.sampled_from('lognänu_%*?\\"-: 01'), max_size=6)


@given(st.sampled_from(["", "-state:closed ", "level:>=medium "]), TYPED, TYPED, st.lists(PARTS, max_size=1))
@settings(max_examples=150)
def test_a_list_within_a_list_is_the_list_made_anew(
    book: tuple[Book, AlertListings], begun: str, typed: str, more: str, others: list[str]
) -> None:
    _made, listings = book
    before, after = f"{begun}1{typed}", " ".join([f"{begun}1{typed}{more}", *others])
    try:
        outer = listings.listing(wanted(before, NOW))
        meant = titles(listings, after)
        inner = listings.listing(wanted(after, NOW), within=outer)
    except UsageError:
        return
    try:
        outer.close()
        assert [one.id for one in inner.window(0, 1_000)] == meant
        assert inner.count() == len(meant)
    finally:
        inner.close()


def test_what_is_typed_on_looks_only_through_what_was_found(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.db", ManualClock(NOW)
    rule = Detection("r", "Login", "high", Exists("event.id"), "v", "p")
    with Book(path, clock) as book:
        for number, host in enumerate(("qu", "quz", *("x" * at for at in range(1, 9)))):
            book.record([Finding(rule, (("host.name", host),), NOW, NOW, (f"{number}",))], number)
        listings = AlertListings(path, clock)
        outer = listings.listing(wanted("q", NOW))
        inner = listings.listing(wanted("quz", NOW), within=outer)
        assert (outer.count(), inner.count()) == (2, 1)
        assert inner.shared is outer.shared
        book.record([Finding(rule, (("host.name", "quzz"),), NOW, NOW, ("99",))], 99)
        assert (outer.fresh(), inner.fresh()) == (1, 1)
        assert listings.listing(wanted("u", NOW), within=outer).count() == 3
        clock.advance(timedelta(minutes=1))
        assert listings.listing(wanted("quz", NOW), within=outer).count() == 2
        outer.close()
        assert [row.key[0][1] for row in inner.window(0, 9)] == ["quz"]


def test_a_pattern_is_of_the_whole_value(book: tuple[Book, AlertListings]) -> None:
    _made, listings = book
    assert titles(listings, "host:bauamt") == []
    assert len(titles(listings, "host:bauamt*")) == len(titles(listings, "host:bauamt-01")) + len(
        titles(listings, "host:bauamt-0?")
    ) - len(titles(listings, "host:bauamt-01"))


@pytest.mark.parametrize("order", ["last_seen", "raised_at", "level", "count", "title"])
def test_windows_and_places_agree_in_every_order(book: tuple[Book, AlertListings], order: Order) -> None:
    _made, listings = book
    for turned in (False, True):
        listing = listings.listing(Wanted(), order, reverse=turned)
        whole = listing.window(0, 1_000)
        assert len(whole) == listing.count() == 100
        assert [one for at in range(0, 100, 9) for one in listing.window(at, 9)] == list(whole)
        assert [listing.find(one.number) for one in whole] == list(range(100))
        assert listing.find(10**9) is None
        if order == "level":
            ranks = [LEVELS.index(one.level) for one in whole]
            assert ranks == sorted(ranks, reverse=not turned)
        listing.close()


def test_what_comes_later_moves_nothing_and_is_counted(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.db", ManualClock(NOW)
    rule = Detection("r", "Login", "high", Exists("event.id"), "v", "p")
    with Book(path, clock) as book:
        book.record([Finding(rule, (("host.name", "a"),), NOW, NOW, ("1",))], 1)
        listing = AlertListings(path, clock).listing(Wanted(), "last_seen")
        before = listing.window(0, 10)
        later = NOW + timedelta(hours=1)
        book.record([Finding(rule, (("host.name", "b"),), later, later, ("2",))], 2)
        assert listing.window(0, 10) == before
        assert listing.fresh() == 1
        book.change(Seen(before[0].id), Acknowledge(), "mh")
        assert [one.assignee for one in listing.window(0, 10)] == ["mh"]
        listing.close()


def test_what_is_suppressed_is_found_only_if_asked_for(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.db", ManualClock(NOW)
    rule = Detection("r", "Login", "high", Exists("event.id"), "v", "p")
    with Book(path, clock) as book:
        (one,) = book.record([Finding(rule, (("host.name", "a"),), NOW, NOW, ("1",))], 1)
        book.suppress(one, "mh", NOW + timedelta(days=1), "repair")
        listings = AlertListings(path, clock)
        assert titles(listings, "") == []
        assert titles(listings, "is:suppressed") == [one]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("levle:high", "did you mean level:"),
        ("level:hgih", "say informational"),
        ("state:open", "say new"),
        ("since:yesterday", "not a time"),
        ("level:high -level:high", "exclude each other"),
        ("x " * 40, "at most 32"),
        ("x" * 501, "at most 500"),
    ],
)
def test_what_is_not_understood_is_said(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        wanted(text, NOW)


@given(st.text(max_size=80))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(wanted(text, NOW), Wanted)
    assert isinstance(completed(text), list)


def test_words_are_completed() -> None:
    assert completed("le") == ["level:"]
    assert completed("x -state:cl") == ["state:closed"]
    assert "level:>=high" in completed("level:>=")
