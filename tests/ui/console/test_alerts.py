"""The alerts and one alert: found, marked, changed at the keyboard; each key does what the help says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.core.alert import Acknowledge, Alert, Seen
from sentinel.core.detection import LEVELS, Detection, Finding
from sentinel.core.errors import StoreError
from sentinel.core.scene import Dossier, Scene
from sentinel.core.where import Exists
from sentinel.ui.console.services import Services
from sentinel.ui.console.tidying import Tidying
from tests.living import LOGIN, City
from tests.ui.console.conftest import FIRST, LAST, SIZES, At, Hands, Terminal


def alert(city: City, address: str) -> Alert:
    """Return the alert about an address."""
    with city.app.desk() as desk:
        return next(one for one in desk.alerts(suppressed=True) if dict(one.key)["source.ip"] == address)


@pytest.mark.parametrize("size", SIZES)
def test_the_table_shows_word_time_rule_and_state(
    desk_at: At, busy: City, size: tuple[int, int], pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        row = hands.line("08:00:00")
        assert "CRIT" in row
        assert "Root logged in" in row
        assert "new" in row
        assert "2 alerts" in hands.seen()
        pictured(hands, f"alerts-{size[0]}")

    desk_at(play, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_one_screen_is_enough_to_decide(
    desk_at: At, busy: City, size: tuple[int, int], pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("enter")
        whole = hands.seen()
        if size[0] < 120:
            for _ in range(4):
                await hands.press("pagedown")
                whole += hands.seen()
        assert "What could not be seen" in whole
        for text in ("Why it fired", "event.action is “ssh_login”", "Accepted password", "Next step", "How good"):
            assert text in whole
        assert "never in the 90 days before" in whole
        if size[0] >= 120:
            pictured(hands, f"alert-{size[0]}")

    desk_at(play, size=size)


def test_in_german_by_day(desk_at: At, busy: City, pictured: Callable[[Hands, str], None]) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("m", "T")
        pictured(hands, "alerts-de-day")
        await hands.press("enter")
        assert "Warum er ausgelöst hat" in hands.seen()
        pictured(hands, "alert-de-day")

    desk_at(play)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", ["alerts", "alert"])
def test_an_alert_is_acknowledged_closed_reopened_and_each_is_undone(
    desk_at: At, busy: City, size: tuple[int, int], screen: str
) -> None:
    async def play(hands: Hands) -> None:
        if screen == "alert":
            await hands.press("enter")
        await hands.press("r")
        assert "the alert is open" in hands.seen()
        await hands.press("a")
        assert "1 alert acknowledged" in hands.seen()
        assert (alert(busy, LAST).state, alert(busy, LAST).assignee) == ("acknowledged", "mh")
        await hands.press("u")
        assert alert(busy, LAST).state == "new"
        await hands.press("c")
        assert "Close with which verdict?" in hands.seen()
        await hands.press("down", "enter")
        await hands.write("pen test")
        await hands.press("enter")
        closed = alert(busy, LAST)
        assert (closed.state, closed.verdict, closed.history[-1].note) == ("closed", "false_positive", "pen test")
        await hands.press("a")
        assert "take it on again first" in hands.seen()
        await hands.press("r")
        assert alert(busy, LAST).state == "acknowledged"

    desk_at(play, size=size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", ["alerts", "alert"])
def test_an_alert_is_assigned_noted_and_suppressed(desk_at: At, busy: City, size: tuple[int, int], screen: str) -> None:
    async def play(hands: Hands) -> None:
        if screen == "alert":
            await hands.press("enter")
        await hands.press("i", "ctrl+u")
        await hands.write("bernd")
        await hands.press("enter", "enter")
        assert alert(busy, LAST).assignee == "bernd"
        await hands.press("N")
        await hands.press("enter")
        assert "say why" in hands.seen()
        await hands.write("seen")
        await hands.press("enter")
        assert alert(busy, LAST).history[-1].note == "seen"
        await hands.press("s", "ctrl+u")
        await hands.write("never")
        await hands.press("enter")
        assert "say 8h, 7d" in hands.seen()
        await hands.press("ctrl+u")
        await hands.write("8h")
        await hands.press("enter", "enter")
        assert alert(busy, LAST).suppressed_until is None
        await hands.write("disk")
        await hands.press("enter")
        assert alert(busy, LAST).suppressed_until == busy.clock.now() + timedelta(hours=8)

    desk_at(play, size=size)


def test_many_are_changed_at_once(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("space", "space")
        assert "2 marked" in hands.seen()
        await hands.press("p")
        assert "unmark the others" in hands.seen()
        await hands.press("a")
        assert "2 alerts acknowledged" in hands.seen()
        assert "marked" not in hands.seen()

    desk_at(play)
    assert {alert(busy, FIRST).state, alert(busy, LAST).state} == {"acknowledged"}


def test_who_comes_second_is_told_and_overwrites_nothing(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        with busy.app.desk() as desk:
            desk.change(Seen(alert(busy, LAST).id), Acknowledge(), "eva")
        await hands.press("c", "enter", "enter")
        assert "eva acknowledged" in hands.seen()
        assert alert(busy, LAST).state == "acknowledged"
        assert "ack eva" in hands.line("08:00:00")

    desk_at(play)


def test_the_filter_asks_with_every_key_and_says_what_it_does_not_understand(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("slash", "ctrl+u")
        await hands.write(f"ip:{LAST}")
        assert "1 alert " in hands.seen()
        await hands.press("ctrl+u")
        await hands.write("levle:high")
        assert "did you mean level:" in hands.seen()
        await hands.press("ctrl+u")
        await hands.write("nothing so")
        assert "no alert is like that" in hands.seen()
        await hands.press("enter", "j")

    desk_at(play)


def test_what_is_new_waits_until_it_is_asked_for(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        before = hands.line("08:00:00")
        busy.login(after=timedelta(minutes=5), source_ip="192.0.2.99")
        page = hands.console.page
        page._look()  # type: ignore[attr-defined]  # what its timer calls
        await hands.settled()
        assert "+1 new, press n" in hands.seen()
        assert hands.line("08:00:00") == before
        await hands.press("n")
        assert "3 alerts" in hands.seen()
        assert hands.line("08:00:00").startswith("›")
        await hands.press("f")
        assert hands.line("08:05:00").startswith("›")

    desk_at(play)


def test_order_and_reach_and_filter_are_there_again(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("o", "down", "down", "enter")
        assert "by severity" in hands.seen()
        await hands.press("left_square_bracket", "right_square_bracket", "right_square_bracket")
        assert "last 7d" in hands.seen()
        await hands.press("G", "ctrl+q")

    async def again(hands: Hands) -> None:
        assert "by severity" in hands.seen()
        assert "last 7d" in hands.seen()
        assert hands.line("07:00:00").startswith("›")

    desk_at(play)
    desk_at(again)


def test_an_exception_is_shown_and_then_written(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("enter", "x", "enter", "enter")
        await hands.write("service provider")
        await hands.press("enter")
        assert "events of the last 7 days" in hands.seen()
        assert "service provider" in hands.seen()
        await hands.press("enter")
        assert "written:" in hands.seen()

    desk_at(play, size=(160, 45))
    (path,) = (busy.folder / "rules/exceptions").glob("*.yml")
    assert LAST in path.read_text()


def test_in_german_the_history_and_what_is_refused_are_german(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("m")
        with busy.app.desk() as desk:
            desk.change(Seen(alert(busy, LAST).id), Acknowledge(), "eva")
        await hands.press("c", "enter", "enter")
        assert "Nichts wurde überschrieben" in hands.seen()
        await hands.press("enter", "right", "right", "right", "right")
        assert "eva quittiert" in hands.seen()
        assert "abgelehnt: schließen als echter Treffer" in hands.seen()

    desk_at(play, size=(200, 50))


def test_beside_the_list_stands_why_it_fired_and_the_next_step(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        assert "Why it fired" in hands.seen()
        assert "✓ event.action is “ssh_login”" in hands.seen()
        assert "Next step" in hands.seen()
        await hands.press("a")
        assert "1 alert acknowledged" in hands.seen()
        assert "Why it fired" in hands.seen()

    del busy
    desk_at(play, size=(160, 45))


def test_the_tabs_show_rule_timeline_entity_history_and_raw_bytes(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("enter", "right")
        assert "Sigma" in hands.seen()
        assert "event.outcome:success" in hands.seen()
        await hands.press("right")
        assert "ssh_login" in hands.seen()
        await hands.press("right")
        assert "The hour before: srv-01" in hands.seen()
        await hands.press("right")
        assert "sentinel raised" in hands.seen()
        await hands.press("right")
        assert "event.sequence" in hands.seen()
        await hands.press("h")
        assert "000000  41 63 63 65 70 74 65 64" in hands.seen()
        await hands.press("w")
        assert "Why it fired" in hands.seen()
        await hands.press("escape")
        assert "2 alerts" in hands.seen()

    desk_at(play)


def test_while_the_store_is_away_the_alert_can_still_be_worked_on(desk_at: At, busy: City) -> None:
    def away(given: Services) -> Services:
        def broken(_alert: Alert) -> Scene:
            raise StoreError("http://127.0.0.1:9: cannot be reached")

        return replace(given, scene=broken)

    async def play(hands: Hands) -> None:
        await hands.press("enter")
        assert "cannot be reached" in hands.seen()
        assert "How good this rule is" in hands.seen()
        await hands.press("a")
        assert "1 alert acknowledged" in hands.seen()

    desk_at(play, but=away)


@pytest.mark.kill
def test_in_a_real_terminal_an_alert_is_acknowledged(terminal: Callable[..., Terminal], busy: City) -> None:
    opened = terminal("console", "alerts")
    opened.until("Root logged in")
    opened.send("a")
    opened.until("1 alert acknowledged")
    opened.send("q")
    assert opened.ended() == 0
    assert alert(busy, LAST).state == "acknowledged"


def test_what_was_drawn_in_parts_is_what_would_be_drawn_anew(terminal: Callable[..., Terminal], city: City) -> None:
    rules = [Detection(f"r{n}", f"Rule {n}", LEVELS[n], Exists("event.id"), "v", "p") for n in range(5)]
    with city.app.book() as book:
        for number in range(150):
            key = (("host.name", f"host-{number}"), *((f"field.{n}", "x" * 30) for n in range(number % 7)))
            book.record([Finding(rules[number % 5], key, city.clock.now(), city.clock.now(), (str(number),))], number)
    opened = terminal("console", "alerts")
    opened.until("not at work")
    opened.send(
        "Down", "Down", "Space", "Space", "NPage", "NPage", "Up", "Space", "NPage", "Tab", "Down", "Down", "BTab"
    )
    opened.send(*["Down"] * 40, *["Up"] * 7, "PPage", "Space", "Up", "Up", "Space")
    opened.until("5 marked")
    seen = table(opened)
    opened.send("m")
    opened.until("5 markiert")
    opened.send("m")
    opened.wait(lambda: table(opened) == seen)


def table(opened: Terminal) -> list[str]:
    """Return what stands in a terminal's table; what stands beside comes when the store has been asked."""
    return [line[:68] for line in opened.screen().splitlines()[2:-2]]


def test_who_speaks_german_reads_german_titles_and_finds_alerts_by_them(desk_at: At, busy: City) -> None:
    title = next(one.title_de for one in busy.app.rules.detections if one.title.startswith("Root logged in"))
    word = max(title.split(), key=len)

    async def play(hands: Hands) -> None:
        assert "Root logged in" in hands.line("08:00:00")
        await hands.press("m")
        assert title in hands.seen()
        assert title[:20] in hands.line("08:00:00")
        for said, many in ((word.lower(), "2 Alarme"), (f"rule:{word}", "2 Alarme"), (f"-{word}", "0 Alarme")):
            await hands.press("slash", "ctrl+u")
            await hands.write(said)
            assert many in hands.seen(), said
        await hands.press("enter", "m")
        await hands.press("slash", "ctrl+u")
        await hands.write(word)
        assert "0 alerts" in hands.seen()

    desk_at(play)


def test_the_list_says_what_an_alert_without_a_host_is_about(desk_at: At, busy: City) -> None:
    busy.judge([busy.event(LOGIN | {"host.name": (), "source.ip": "203.0.113.99"})])

    async def play(hands: Hands) -> None:
        await hands.press("slash", "ctrl+u")
        await hands.write("203.0.113.99")
        assert "203.0.113.99" in hands.line("CRIT")[:72]

    desk_at(play)


def test_the_preview_says_why_as_soon_as_the_rules_have_been_read(desk_at: At, busy: City) -> None:
    read: list[bool] = []

    def unread(given: Services) -> Services:
        def titles() -> dict[str, str]:
            read.append(True)
            return {}

        def glance(alert_id: str) -> tuple[Dossier, Scene | None]:
            return given.glance(alert_id) if read else (given.dossier(alert_id), None)

        return replace(given, titles=titles, glance=glance)

    async def play(hands: Hands) -> None:
        assert "How good this rule is" in hands.seen()
        assert "Why it fired" not in hands.seen()
        hands.console._tidying = Tidying(iter(range(0, 1_000, 30)).__next__)
        hands.console._beat()
        await hands.settled()
        assert read == [True]
        assert "Why it fired" in hands.seen()

    desk_at(play, but=unread)


def test_a_new_case_is_called_as_the_alert_is_and_two_keys_at_once_make_it(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("m", "e", "enter")
        await hands.press_at_once("enter", "enter")
        assert "1 Root per SSH aus dem Internet angemeldet" in hands.seen()

    desk_at(play)


def test_each_part_of_a_chain_is_explained_by_the_event_that_met_it(desk_at: At, busy: City) -> None:
    failed = LOGIN | {"event.outcome": "failure", "source.ip": "203.0.113.99", "message": "Failed password"}
    came = LOGIN | {"source.ip": "203.0.113.99", "user.name": "eva"}
    busy.judge([*(busy.event(failed) for _ in range(12)), busy.event(came)])

    async def play(hands: Hands) -> None:
        await hands.press("slash", "ctrl+u")
        await hands.write('rule:"after many that failed" 203.0.113.99')
        assert "✓ event.outcome is “failure”" in hands.seen()
        assert "✓ event.outcome is “success”" in hands.seen()
        assert "✗ " not in hands.seen().partition("Why it fired")[2]
        assert hands.seen().count("Failed password") == 2
        assert "Next step" in hands.seen()

    desk_at(play, size=(160, 45))
