"""Sources: who has fallen silent stands first, with all that is known of it, and leads to its events."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from sentinel.core.event import Entry, Origin, Raw
from sentinel.core.source import Account, Entering, Heard, Identity, hour_of
from sentinel.parse.deadletter import letter
from sentinel.sources.book import Patience, SourceBook
from tests.living import City
from tests.ui.console.conftest import SIZES, At, Hands

FIREWALL = Identity("syslog", "syslog-udp", "192.0.2.7", "fw-1")
SERVER = Identity("syslog", "syslog-tls", "dns:dc-1.example", "srv 01")


def three_hours(city: City) -> None:
    """Let three hours pass: the server is heard each minute, the firewall falls silent after the first hour."""
    clock = city.clock
    patience = Patience(city.app.config.silent_after)
    with SourceBook(
        city.app.config.sources_file, clock, patience, writer=True, steady=lambda: clock.now().timestamp()
    ) as books:
        books.begin(0, 0)
        for minute in range(180):
            clock.advance(timedelta(minutes=1))
            now = clock.now()
            who = [FIREWALL, SERVER] if minute < 60 else [SERVER]
            heard = {one: Heard(now, now, "e", 1, 80, {30: 1}) for one in who}
            hour = hour_of(now)
            tally = Counter(
                {Account(hour, "syslog", "received"): len(who), Account(hour, "syslog", "stored"): len(who)}
            )
            if minute == 179:
                tally = Counter(
                    {Account(hour, "syslog", "received"): 1, Account(hour, "syslog", "deadletter", "parse"): 1}
                )
            books.enter(Entering(books.through + len(who), now, now, tally, heard))


@pytest.fixture
def town(city: City) -> City:
    """Return the city after three hours: the firewall fell silent two hours ago."""
    three_hours(city)
    return city


@pytest.mark.parametrize("size", SIZES[:2])
def test_the_silent_stand_first_and_all_is_told_of_each(
    town: City, desk_at: At, size: tuple[int, int], pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        assert "✗ 1 silent" in hands.line("2 senders")
        assert hands.seen().index("✗ silent") < hands.seen().index("srv 01")
        assert "08:00:00" in hands.line("✗ silent")
        assert "▲ look" in hands.line("srv 01")
        if size[0] == 120:
            assert "best effort" in hands.line("loss class")
            assert "239" in hands.line("stored ")
            assert "1" in hands.line("dead letters (parse)")
            await hands.press("m")
            pictured(hands, "sources-de")

    del town
    desk_at(play, size=size, screen="sources")


def test_a_sender_leads_to_its_events_and_its_sources_dead_letters(town: City, desk_at: At) -> None:
    opened: list[tuple[str, str]] = []

    async def play(hands: Hands) -> None:
        hands.console.open = lambda name, subject="": opened.append((name, subject))  # type: ignore[method-assign]
        await hands.press("j", "enter", "D")

    del town
    desk_at(play, screen="sources")
    host = 'log.syslog.hostname:"srv 01" or observer.name:"srv 01" or host.name:"srv 01"'
    assert opened == [
        ("hunt", f"sentinel.source:syslog and ({host}) last 24h"),
        ("hunt", "event.kind:pipeline_error and sentinel.source:syslog last 24h"),
    ]


def test_nobody_to_ask_about_is_said(city: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "nobody has been heard yet" in hands.seen()
        await hands.press("D")
        assert "there is no sender here" in hands.seen()

    del city
    desk_at(play, screen="sources")


def test_what_is_unread_of_a_source_is_brought_in_again(town: City, desk_at: At) -> None:
    for seq, source in enumerate(("syslog", "other"), 1):
        raw = Raw(b"<38>nobody reads this", source, town.clock.now(), Origin("syslog-udp", "192.0.2.7"))
        town.keep([letter(Entry(seq, town.clock.now(), raw), "parse", "no pack reads it")])

    async def play(hands: Hands) -> None:
        await hands.press("B")
        assert "1 record is in the spool again" in hands.seen()

    desk_at(play, screen="sources")
    with town.app.spool() as spool:
        assert [entry.raw.source for entry in spool.read(0, 10)] == ["syslog"]
    (deed,) = (one for one in town.app.audit.entries() if one["what"] == "deadletter.replay")
    assert (deed["who"], deed["details"]) == ("mh", {"source": "syslog"})
