"""The frame of the console: keys, screens, language, what is remembered, what strangers write."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.console import services
from sentinel.core.errors import ConfigError, StoreError
from sentinel.ui.console import keymap
from sentinel.ui.console.app import Console, _actions
from sentinel.ui.console.services import Pulse, Services
from sentinel.ui.console.session import Session, load, save
from tests.living import City
from tests.ui.console.conftest import SIZES, At, Hands, Terminal

KNOWN = {"everywhere": ["open", "help"], "alerts": ["acknowledge", "open"]}


@pytest.mark.parametrize("size", SIZES)
def test_it_opens_with_the_alerts_and_tells_the_keys(desk_at: At, size: tuple[int, int]) -> None:
    async def play(hands: Hands) -> None:
        assert "SENTINEL" in hands.seen()
        assert "2 Alerts" in hands.seen()
        assert "Help" in hands.seen().splitlines()[-1]
        await hands.press("question_mark")
        assert "Mark the alert, to act on several" in hands.seen()
        await hands.press("escape")
        assert "Mark the alert, to act" not in hands.seen()

    desk_at(play, size=size)


def test_the_language_changes_at_once_and_is_remembered(desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "RULE" in hands.seen()
        await hands.press("m")
        assert "REGEL" in hands.seen()
        assert "Hilfe" in hands.seen()

    async def again(hands: Hands) -> None:
        assert "REGEL" in hands.seen()

    desk_at(play)
    desk_at(again)


def test_the_theme_changes_at_once(desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        before = hands.console.look
        await hands.press("T")
        assert hands.console.look != before
        assert hands.console.theme == hands.console.look.name

    desk_at(play)


def test_a_key_that_does_nothing_here_says_why(desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("u")
        assert "(Undo what you did last)" in hands.seen()
        await hands.press("j")
        assert "(Undo what you did last)" not in hands.seen()

    desk_at(play)


def test_any_screen_and_any_action_is_found_by_its_name(desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("colon")
        await hands.write("aler")
        assert "Go to" in hands.seen()
        await hands.press("enter")
        assert "Go to" not in hands.seen()
        await hands.press("ctrl+p")
        await hands.write("other theme")
        before = hands.console.look
        await hands.press("enter")
        assert hands.console.look != before

    desk_at(play)


def test_while_the_store_is_away_keys_work_and_the_screen_says_so(desk_at: At) -> None:
    def away(given: Services) -> Services:
        def broken() -> Pulse:
            raise StoreError("http://127.0.0.1:9: cannot be reached; events wait in the spool")

        return replace(given, pulse=broken)

    async def play(hands: Hands) -> None:
        assert "cannot be reached" in hands.seen()
        await hands.press("question_mark")
        assert "Mark the alert, to act on several" in hands.seen()

    desk_at(play, but=away)


def test_a_question_without_an_answer_blocks_no_key(desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        page, back = hands.console.page, threading.Event()
        page.ask("slow", lambda: back.wait(60), lambda _answer: page.say("there it is"))
        await hands.pilot.press("question_mark")
        assert hands.console.asking.busy
        assert "Mark the alert, to act on several" in hands.seen()
        await hands.pilot.press("escape")
        back.set()
        await hands.settled()
        assert "there it is" in hands.seen()

    desk_at(play)


def test_a_wrong_configuration_ends_the_console_and_says_why(city: City) -> None:
    def wrong() -> None:
        raise ConfigError("sentinel.toml: unknown option 'spol'")

    async def ended() -> str:
        app = city.app
        with services(lambda: app, app.config.data, app.clock, "mh") as given:
            console = Console(replace(given, check=wrong), "alerts")
            async with console.run_test() as pilot:
                end = time.monotonic() + 10
                while not console.refused and time.monotonic() < end:
                    await pilot.pause(0.02)
            return console.refused

    assert asyncio.run(ended()) == "sentinel.toml: unknown option 'spol'"


def test_the_first_rows_wait_for_no_library_that_they_do_not_need() -> None:
    loaded = "import sys, sentinel.cli.terminal, sentinel.console, sentinel.ui.console.app, sentinel.alert.listing; "
    loaded += "from sentinel.ui.console.screens import screen; screen('alerts'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    needless = {"typer", "pydantic", "yaml", "sigma", "duckdb", "elasticsearch", "sentinel.ui.console.screens.hunt"}
    assert not needless & set(done.stdout.split())


def test_an_own_key_map_changes_single_keys(tmp_path: Path) -> None:
    own = tmp_path / "keys.toml"
    own.write_text('[everywhere]\nhelp = ["f1", "H"]\n')
    shipped = keymap.load(_known)
    loaded = keymap.load(_known, own)
    assert loaded.action("alerts", ("H",)) == "help"
    assert shipped.action("alerts", ("H",)) is None
    assert loaded.action("alerts", ("g",)) == ""
    assert loaded.action("alerts", ("g", "g")) == "top"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[everywhere]\nhelpp = "h"\n', "did you mean 'help'"),
        ('[alertss]\nhelp = "h"\n', "did you mean 'alerts'"),
        ('[everywhere]\nhelp = "q"\n', "would be both"),
        ('[everywhere]\nhelp = "g"\n', "begins with g"),
        ("[everywhere]\nhelp = 7\n", "say a key"),
        ("help = 'h'\n", "outside a section"),
        ("[everywhere\n", "keys.toml"),
    ],
)
def test_a_wrong_key_map_is_refused_with_a_suggestion(tmp_path: Path, text: str, why: str) -> None:
    own = tmp_path / "keys.toml"
    own.write_text(text)
    with pytest.raises(ConfigError, match=why):
        keymap.load(_known, own)


def _known() -> dict[str, list[str]]:
    stems = [path.stem for path in keymap.FOLDER.glob("*.toml")]
    return {name: list(keymap.shipped(name)) for stem in stems for name in keymap.SHARED.get(stem, (stem,))}


def test_the_shipped_keys_are_those_of_actions_that_there_are(tmp_path: Path) -> None:
    own = tmp_path / "keys.toml"
    own.write_text("")
    loaded = keymap.load(_actions, own)
    assert {name for name, _keys in _known().items()} <= set(_actions())
    assert loaded.action("alerts", ("a",)) == "acknowledge"


def test_a_session_is_kept_for_its_owner_and_a_damaged_one_is_left_aside(tmp_path: Path, desk_at: At) -> None:
    path = tmp_path / "state/sentinel/console.json"
    save(path, Session({"look": "day"}, {"alerts": {"filter": "level:high"}}))
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path) == (Session({"look": "day"}, {"alerts": {"filter": "level:high"}}), "")
    path.write_text('{"console": [1')

    async def play(hands: Hands) -> None:
        assert "is not used" in hands.seen()

    desk_at(play)


@pytest.mark.kill
def test_the_real_console_opens_in_a_terminal_and_leaves_it_as_it_was(terminal: Callable[..., Terminal]) -> None:
    opened = terminal("console")
    opened.until("2 Alerts")
    opened.send("?")
    opened.until("Mark the alert, to act on several")
    opened.send("Escape")
    opened.wait(lambda: "Mark the alert, to act on several" not in opened.screen())
    opened.send("q")
    assert opened.ended() == 0


def test_each_part_of_the_header_leads_to_the_screen_that_says_more(desk_at: At) -> None:
    opened: list[str] = []

    def silent(given: Services) -> Services:
        return replace(given, pulse=lambda: Pulse(7.0, 0.0, 2, timedelta(seconds=3)))

    async def play(hands: Hands) -> None:
        hands.console.open = lambda name, subject="": opened.append(name + subject)  # type: ignore[method-assign]
        header = hands.seen().splitlines()[0]
        for part in ("2 silent", "lag 3 s", "spool", "SENTINEL"):
            await hands.pilot.click("#header", offset=(header.index(part) + 1, 0))
        await hands.press("ctrl+p")
        await hands.write("2 silent")
        await hands.press("enter")

    desk_at(play, but=silent)
    assert opened == ["sources", "rules", "overview", "sources"]


def test_who_is_killed_finds_the_screen_and_the_cursor_again(desk_at: At, busy: City) -> None:
    async def killed(hands: Hands) -> None:
        await hands.press("j")
        hands.console._beat()
        await hands.settled()
        hands.console.keep = lambda: None  # type: ignore[method-assign]  # nobody who is killed keeps anything

    async def again(hands: Hands) -> None:
        assert hands.line("07:00:00").startswith("›")

    del busy
    desk_at(killed)
    desk_at(again)


def test_what_cannot_be_opened_here_says_why(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("R")
        assert "nothing is sealed here" in hands.seen()

    del busy
    desk_at(play)


def test_keys_that_close_a_text_pressed_at_once_close_it_once(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("question_mark")
        await hands.press_at_once("escape", "question_mark", "escape")
        assert len(hands.console.screen_stack) == 2
        assert "2 alerts" in hands.seen()

    desk_at(play)


def test_what_is_typed_before_a_form_or_field_is_there_is_for_it(desk_at: At, busy: City) -> None:
    async def play(hands: Hands) -> None:
        await hands.press_at_once("N", *"uaab", "space", *"c")
        assert "uaab c" in hands.seen()
        await hands.press_at_once("enter", "enter", "enter")
        assert len(hands.console.screen_stack) == 2
        await hands.press_at_once("slash", *"aucn")
        assert "aucn" in hands.seen()

    desk_at(play)
    with busy.app.desk() as desk:
        said = [change for one in desk.alerts() for change in one.history if change.note == "uaab c"]
        assert [one.state for one in desk.alerts()] == ["new", "new"]
    assert len(said) == 1
