"""Hunt and timeline: a question is typed with help, answered as it comes, and every value leads on."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.living import LOGIN, City
from tests.ui.console.conftest import NOW, SIZES, At, Hands

SECOND = timedelta(seconds=1)


@pytest.fixture
def busy(city: City) -> City:
    """Return the city after a morning: 300 logins of anna on web-1, one of root from far away on srv-01, an alert."""
    anna = LOGIN | {"user.name": "anna", "source.ip": "192.0.2.10", "host.name": "web-1"}
    city.keep(city.event(anna, NOW - timedelta(hours=2) + number * SECOND) for number in range(300))
    city.judge([city.event(LOGIN | {"event.original": "<38>Accepted root \x1b[31m"}, NOW - timedelta(minutes=10))])
    return city


@pytest.mark.parametrize("size", SIZES)
def test_a_question_is_completed_and_answered(busy: City, desk_at: At, size: tuple[int, int]) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("4")
        await hands.write("user.na")
        assert "user.name" in hands.line(" Tab ")
        await hands.press("tab")
        await hands.write("a")
        assert "anna 300" in hands.line(" Tab ")
        await hands.press("tab")
        await hands.press("enter")
        assert "300 events" in hands.seen()
        assert "web-1" in hands.seen() or size[0] == 80
        await hands.press("slash")
        await hands.press("up")
        await hands.write(" and ghost:1")
        await hands.press("enter")
        assert "no event has a field ghost" in hands.seen()
        assert "nothing found" in hands.seen()

    del busy
    desk_at(play, size=size)


def test_a_value_narrows_the_question_and_a_count_leads_to_what_it_counts(busy: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "301 events" in hands.seen()
        await hands.press("b")
        await hands.write("user.name")
        await hands.press("enter")
        assert "anna" in hands.line("anna ")
        await hands.write("root")
        await hands.press("enter")
        assert "1 event" in hands.seen()
        assert "user.name:root" in hands.seen()
        await hands.press("tab")
        for _ in range(20):
            line = hands.console.page.query_one("#event").line  # type: ignore[attr-defined]  # a pane
            if line is not None and line.fact is not None and line.fact[0] == "source.ip":
                break
            await hands.press("j")
        await hands.press("minus")
        assert "not source.ip:203.0.113.66" in hands.seen()
        assert "nothing found" in hands.seen()

    del busy
    desk_at(play, size=(120, 36), screen="hunt", subject="event.action:ssh_login last 24h")


def test_a_question_is_saved_explained_followed_and_becomes_a_rule(busy: City, desk_at: At, tmp_path: Path) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("w")
        assert "user.name:root" in hands.seen()
        await hands.press("escape", "S")
        await hands.write("roots")
        await hands.press("enter", "enter")
        assert "saved as @roots" in hands.seen()
        await hands.press("L")
        assert "user.name:root last 12h" in hands.line("@roots")
        await hands.press("enter", "left_square_bracket")
        assert "last 24h" in hands.seen()
        await hands.press("D")
        await hands.write("root_login")
        await hands.press("enter")
        await hands.write("Root logs in")
        await hands.press("enter", "enter")
        hands.console.screen.query_one("#field-folder").value = str(tmp_path)  # type: ignore[attr-defined]  # an input
        await hands.press("enter")
        assert "written:" in hands.seen()
        await hands.press("f")
        assert "following" in hands.seen()

    desk_at(play, screen="hunt", subject="user.name:root last 12h")
    assert "Root logs in" in (tmp_path / "root_login.yml").read_text()
    with busy.app.questions() as questions:
        assert questions.named("roots").who == "mh"
    asked = [one["details"] for one in busy.app.audit.entries() if one["what"] == "query"]
    assert {"question": "user.name:root last 12h"} in asked


def test_the_bytes_of_an_event_are_shown_and_never_act(busy: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("enter")
        assert "Event" in hands.seen().splitlines()[0]
        await hands.press("G")
        assert "1b 5b 33 31 6d" in hands.seen()
        assert "\x1b" not in hands.seen()
        await hands.press("escape")
        assert "Hunt" in hands.seen().splitlines()[0]

    del busy
    desk_at(play, screen="hunt", subject="user.name:root last 12h")


def test_a_timeline_shows_all_sources_alerts_and_gaps(busy: City, desk_at: At) -> None:
    busy.keep([busy.event({"event.dataset": "fortinet.fortigate", "host.name": "srv-01", "message": "later"}, NOW)])

    async def play(hands: Hands) -> None:
        await hands.press("t")
        seen = hands.seen()
        assert "Timeline" in seen.splitlines()[0]
        assert seen.index("Accepted password") < seen.index("later")
        assert "CRIT" in hands.line("▶")
        assert "10 minutes without anything" in seen
        await hands.press("left_square_bracket")
        assert "Accepted password" in hands.seen()
        await hands.press("p")
        assert "Hunt" in hands.seen().splitlines()[0]

    desk_at(play, screen="hunt", subject="user.name:root last 12h")


def test_hunting_speaks_german(busy: City, desk_at: At, pictured: Callable[[Hands, str], None]) -> None:
    async def play(hands: Hands) -> None:
        pictured(hands, "hunt")
        await hands.press("m")
        pictured(hands, "hunt-de")

    del busy
    desk_at(play, size=(120, 36), screen="hunt", subject="event.action:ssh_login last 24h")


def test_the_timeline_is_as_it_was_pictured(busy: City, desk_at: At, pictured: Callable[[Hands, str], None]) -> None:
    async def play(hands: Hands) -> None:
        pictured(hands, "timeline-narrow")

    del busy
    desk_at(play, size=(80, 24), screen="timeline", subject="host.name=srv-01")
