"""Overview: what has to be known stands there, by word and by sign, and every line leads on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.core.case import SetDeadline
from sentinel.core.source import Account, Entering, Heard, Identity, Outcome, hour_of
from sentinel.store.es_words import NO_MASTER
from sentinel.surveys import Surveyor
from sentinel.ui.console.panes import Pane
from sentinel.ui.console.services import Services
from sentinel.ui.console.surveys import Overview, RuleNumbers
from tests.living import LOGIN, City
from tests.ui.console.conftest import NOW, SIZES, At, Hands

HOUR = timedelta(hours=1)


def booked(city: City, *rows: tuple[int, Outcome, str, int], source: str = "city") -> None:
    """Book numbers of records: so many hours ago, what became of them, why, how many."""
    tally = Counter({Account(hour_of(NOW) - ago, source, outcome, why): number for ago, outcome, why, number in rows})
    heard = {Identity(source, "syslog-udp", "192.0.2.7", "fw-1"): Heard(NOW - HOUR, NOW, "e", 3)}
    with city.app.books(writer=True) as books:
        books.begin(0, 0)
        spooled = sum(number for _ago, outcome, why, number in rows if outcome == "received" and not why)
        books.enter(Entering(books.through + spooled, NOW, NOW, tally, heard))


@pytest.fixture
def day(city: City) -> City:
    """Return the city after a day: records in three hours, some lost and one unreadable, an alert, a case."""
    booked(
        city,
        *((5, "received", "", 400), (5, "stored", "", 400), (1, "received", "", 100), (1, "stored", "", 99)),
        *((1, "deadletter", "parse", 1), (2, "received", "before the spool", 7), (2, "dropped", "kernel", 7)),
    )
    city.login(after=timedelta(minutes=20))
    with city.app.cases() as cases:
        case = cases.create("Ransomware at the library", "mh")
        cases.change(case.number, SetDeadline(NOW + 20 * HOUR), "mh")
    return city


class Counted(Surveyor):
    """Who need not read the rules, of which there are more with every pack."""

    def rule_numbers(self) -> RuleNumbers:
        """Return the same numbers always."""
        return RuleNumbers(42, 1, 2)


async def chosen(hands: Hands, pane: str, text: str) -> None:
    """Put the cursor of a pane on the line with this text and press Enter."""
    found = hands.console.page.query_one(pane, Pane)
    found.focus()
    await hands.press("g", "g")
    for _ in range(40):
        if found.line is not None and text in "".join(one for one, _tone in found.line.pieces):
            await hands.press("enter")
            return
        await hands.press("j")
    pytest.fail(f"no line with {text!r}")


@pytest.mark.parametrize("size", SIZES[:2])
def test_losses_lags_books_alerts_and_deadlines_are_told(
    day: City, desk_at: At, size: tuple[int, int], pictured: Callable[[Hands, str], None]
) -> None:
    def unchanging(given: Services) -> Services:
        # each city's key is its own, and so is the hash
        return replace(given, surveys=lambda: Counted(day.app), chain=lambda: replace(given.chain(), head="9f3c51d0"))

    async def play(hands: Hands) -> None:
        assert "at most 400" in hands.seen()
        assert "✗ lost: 7" in hands.seen()
        assert "42 on, 1 set aside" in hands.line("▲ Rules")
        assert "1 today" in hands.line("▲ Dead letters")
        assert "not at work" in hands.line("✗ Receiving")
        assert "no entry of 2 changed" in hands.line("● Audit log")
        assert "7 lost here" in hands.line("✗ Datagrams")
        waiting = hands.console.page.query_one("#work", Pane)
        assert any("waits 0.0 s" in text for line in waiting._lines for text, _tone in line.pieces)
        hands.console.page.query_one("#health", Pane).focus()
        await hands.press("G")
        assert "▲ 20 h left" in hands.line("Ransomware at the library")
        told = " ".join(one.strip(" │") for one in hands.seen().splitlines())
        assert "● Books" in told
        assert "507 received" in told
        if size[0] == 120:
            await hands.press("m")
            pictured(hands, "overview-de")

    desk_at(play, size=size, screen="overview", but=unchanging)


class Short(Counted):
    """Whose store is short of something."""

    def overview(self) -> Overview:
        """Return it as it is while Sentinel runs."""
        short = (f"Elasticsearch takes no events after 6 attempts: {NO_MASTER}",)
        return replace(super().overview(), running=True, short=short)


def test_what_the_store_is_short_of_is_told(city: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "Elasticsearch takes no events" in hands.line("✗ Store")
        assert "no elected master" in " ".join(hands.seen().split())

    desk_at(play, screen="overview", but=lambda given: replace(given, surveys=lambda: Short(city.app)))


def test_books_that_do_not_balance_are_told(city: City, desk_at: At) -> None:
    booked(city, (1, "received", "", 10), (1, "stored", "", 8))

    async def play(hands: Hands) -> None:
        assert "do not balance" in hands.line("✗ Books")

    desk_at(play, screen="overview")


def test_an_audit_log_that_was_changed_is_told(day: City, desk_at: At) -> None:
    log = day.app.audit.path
    log.write_bytes(log.read_bytes().replace(b'"mh"', b'"xy"', 1))

    async def play(hands: Hands) -> None:
        assert "changed: " in hands.line("✗ Audit log")

    desk_at(play, screen="overview")


def test_every_line_leads_to_the_screen_that_says_more(day: City, desk_at: At) -> None:
    opened: list[tuple[str, str]] = []

    async def play(hands: Hands) -> None:
        hands.console.open = lambda name, subject="": opened.append((name, subject))  # type: ignore[method-assign]
        await chosen(hands, "#work", "HIGH")
        await chosen(hands, "#work", "waits")
        await chosen(hands, "#health", "Rules")
        await chosen(hands, "#health", "Senders")
        await hands.press("D")

    with day.app.desk() as desk:
        raised = desk.alerts()[0].id
    desk_at(play, screen="overview")
    assert opened[:2] == [("alerts", "level:high -state:closed"), ("alert", raised)]
    assert opened[2:4] == [("rules", ""), ("sources", "")]
    assert opened[4] == ("hunt", "event.kind:pipeline_error since 2026-11-27T00:00")


def test_who_is_on_call_is_told_and_a_broken_roster_hurts_only_itself(city: City, desk_at: At, tmp_path: Path) -> None:
    roster = tmp_path / "duty.toml"
    city.config.write_text(f'duty = "{roster}"\n{city.config.read_text()}')
    opened: list[tuple[str, str]] = []

    async def play(hands: Hands) -> None:
        assert "On call" not in hands.seen()
        roster.write_text('[[duty]]\nwho = "eva"\nreach = "0170 0000000"\nhours = ["mon-fri 06:00-12:30"]\n')
        await hands.press("n")
        assert "eva until 12:30  0170 0000000" in hands.line("● On call")
        roster.write_text('[[duty]]\nwho = "eva"\nhours = ["mon-fri 18:00-06:00"]\n')
        await hands.press("n")
        assert "nobody" in hands.line("▲ On call")
        roster.write_text("[[duty")
        await hands.press("n")
        assert "▲ On call" in hands.seen()
        assert "TOML" in hands.seen()
        roster.write_text('[[duty]]\nwho = "eva"\nhours = ["mon-fri 06:00-12:30"]\n')
        await hands.press("n")
        hands.console.open = lambda name, subject="": opened.append((name, subject))  # type: ignore[method-assign]
        await chosen(hands, "#health", "On call")

    desk_at(play, screen="overview")
    assert opened == [("alerts", 'who:"eva" -state:closed')]


def test_alerts_that_belong_together_are_counted_without_being_asked_for(city: City, desk_at: At) -> None:
    for host in ("srv-01", "srv-02"):
        city.judge([city.event(LOGIN | {"host.name": host})])
    opened: list[tuple[str, str]] = []

    async def play(hands: Hands) -> None:
        assert "1 incident  highest risk" in hands.seen()
        hands.console.open = lambda name, subject="": opened.append((name, subject))  # type: ignore[method-assign]
        await chosen(hands, "#work", "1 incident")

    desk_at(play, screen="overview")
    assert opened == [("incidents", "")]
