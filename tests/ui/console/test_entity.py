"""Entity: what is known of somebody, and every line of it a way on."""

from datetime import timedelta

import pytest

from sentinel.core.errors import UsageError
from sentinel.ui.console.screens.entity import meant
from tests.living import LOGIN, City
from tests.ui.console.conftest import NOW, At, Hands


@pytest.fixture
def known(city: City) -> City:
    """Return the city after an hour with anna on pc-0815, where a shell was started, and an alert about srv-01."""
    anna = LOGIN | {"user.name": "anna", "source.ip": "192.0.2.10", "host.name": "pc-0815"}
    shell = LOGIN | {
        "event.provider": "Microsoft-Windows-Security-Auditing",
        "event.code": "4688",
        "event.dataset": "windows.eventlog",
        "host.name": "pc-0815",
        "source.ip": "192.0.2.10",
        "process.name": "powershell.exe",
        "process.pid": 4711,
        "process.command_line": "powershell -enc aQBlAHgA",
        "process.parent.pid": 900,
        "process.parent.name": "winword.exe",
    }
    city.keep([city.event(anna, NOW - timedelta(hours=1)), city.event(shell, NOW - timedelta(minutes=50))])
    city.judge([city.event(LOGIN, NOW - timedelta(minutes=10))])
    return city


def test_a_host_shows_its_peers_its_logs_and_its_processes(known: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("6")
        await hands.write("host pc-0815")
        await hands.press("enter")
        seen = hands.seen()
        assert "first seen       2026-11-27 06:00:00" in seen
        assert "anna" in hands.line("User")
        assert "sshd.log" in seen
        await hands.press("P")
        assert "winword.exe" in hands.line("no event tells of it")
        assert "powershell -enc" in hands.seen()
        await hands.press("g", "g")
        while "User" not in "".join(text for text, _tone in hands.console.page.query_one("#known").line.pieces):  # type: ignore[attr-defined]  # a pane
            await hands.press("j")
        await hands.press("enter")
        assert "Entities › Entities" in hands.seen().splitlines()[0]
        assert "pc-0815" in hands.line("Host")

    del known
    desk_at(play)


def test_an_address_leads_to_its_alerts_and_its_events(known: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "Root logged in" in hands.seen()
        await hands.press("p")
        assert "1 event" in hands.seen()

    del known
    desk_at(play, screen="entity", subject="source.ip=203.0.113.66")


def test_a_text_names_an_entity_as_somebody_would_write_it() -> None:
    assert meant("user Anna") == ("user", "anna")
    assert meant("anna@example.org") == ("mail", "anna@example.org")
    assert meant("2001:db8::7") == ("address", "2001:db8::7")
    assert meant("A" * 64) == ("file", "a" * 64)
    assert meant("SRV-01") == ("host", "srv-01")
    assert meant("destination.ip=192.0.2.7") == ("address", "192.0.2.7")
    for nobody in ("user root", "127.0.0.1", "message=x", "localhost"):
        with pytest.raises(UsageError, match="nobody in particular"):
            meant(nobody)
