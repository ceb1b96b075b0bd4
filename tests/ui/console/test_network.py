"""Network and audit: a number leads to what it counts, and a changed log is told."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from sentinel.core.audit import Deed
from sentinel.core.event import Fields
from tests.living import City
from tests.ui.console.conftest import NOW, At, Hands


def flow(source: str, destination: str, **more: str) -> Fields:
    """Return an event between two segments."""
    ends: Fields = {"source.ip": "10.0.0.1", "destination.ip": "10.0.0.2", "event.dataset": "sensor.flow"}
    named = {"sentinel.source_asset.segment": source, "sentinel.destination_asset.segment": destination}
    return (
        ends
        | {name: value for name, value in named.items() if value}
        | {name.replace("_", "."): value for name, value in more.items()}
    )


@pytest.fixture
def linked(city: City) -> City:
    """Return the city with traffic between the town hall and two schools, and a finding."""
    at = NOW - timedelta(minutes=5)
    flows = [flow("rathaus", "schule-01")] * 3 + [flow("rathaus", "schule-02")] * 4 + [flow("rathaus", "")]
    flows.append(flow("schule-02", "rathaus", event_dataset="sensor.finding", message="a scan"))
    city.keep([city.event(one, at) for one in flows])
    return city


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_the_matrix_shows_who_speaks_to_whom_and_leads_there(
    linked: City, desk_at: At, size: tuple[int, int], pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        pictured(hands, f"network-{size[0]}")
        assert "schule-*" in hands.seen()
        assert "✗1" in hands.seen()
        await hands.press("x")
        assert "schule-01" in hands.seen()
        await hands.press("F")
        assert "a scan" in hands.seen()
        assert "1 event" in hands.seen()
        await hands.press("escape")
        await hands.press("x", "j", "enter")
        assert "7 events" in hands.seen()

    del linked
    desk_at(play, size=size, screen="network")


def test_the_audit_log_is_read_searched_and_verified(
    city: City, desk_at: At, pictured: Callable[[Hands, str], None]
) -> None:
    log = city.app.audit
    for number in range(30):
        log.enter(Deed("query", "anna" if number % 2 else "mh", details={"question": f"user.name:u{number}"}))
    log.enter(Deed("alert.close", "mh", "0" * 32, {"verdict": "benign"}))

    async def play(hands: Hands) -> None:
        assert "31 entries, none changed" in hands.seen()
        assert "never anchored" in hands.seen()
        assert "verdict" in hands.seen()
        pictured(hands, "audit")
        await hands.press("slash")
        await hands.write("anna u17")
        assert "u17" in hands.seen()
        assert "u19" not in hands.seen()
        text = log.path.read_text().replace("u17", "u18", 1)
        log.path.write_text(text)
        await hands.press("enter", "v")
        assert "somebody has changed it" in hands.seen()

    desk_at(play, screen="audit")
