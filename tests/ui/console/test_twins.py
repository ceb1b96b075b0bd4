"""What can be done in the console can be done on the command line too, with --json, or is about the screen alone."""

from typing import Any

import pytest
from typer.main import get_command

from sentinel.cli.tree import app
from sentinel.ui.console import keymap
from sentinel.ui.console.actions import EVERYWHERE
from sentinel.ui.console.screens import screens

MOVES = "the screen: it moves what is looked at, or the cursor"
SHOWS = "the screen: how much of it is shown, and how; a program chooses among what --json prints"
LEADS = "the screen: it leads to another one, which has its own twin"

TWINS = {
    "open": LEADS,
    "filter": SHOWS,
    "load_new": SHOWS,
    "follow": SHOWS,
    "sort": SHOWS,
    "earlier": SHOWS,
    "later": SHOWS,
    "copy": "the screen: the clipboard",
    "next_pane": MOVES,
    "last_pane": MOVES,
    "zoom": SHOWS,
    "up": MOVES,
    "down": MOVES,
    "page_up": MOVES,
    "page_down": MOVES,
    "top": MOVES,
    "end": MOVES,
    "left": MOVES,
    "right": MOVES,
    "jump": LEADS,
    "palette": LEADS,
    "help": "the screen: `sentinel VERB --help` on the command line",
    "language": SHOWS,
    "theme": SHOWS,
    "back": LEADS,
    "leave": LEADS,
    "quit": LEADS,
    "undo": "alerts undo",
    "acknowledge": "alerts ack",
    "close": "alerts close",
    "assign": "alerts assign",
    "note": "alerts note",
    "suppress": "alerts suppress",
    "except": "rules except",
    "case": "cases add",
    "pivot": "entity show",
    "timeline": "query",
    "why": "alerts show",
    "reopen": "alerts reopen",
    "reveal": "the screen: nothing is sealed by now, so the key only says that",
    "hex": SHOWS,
    "mark": "the screen: a command takes several ids at once",
    "mark_all": "the screen: a command takes several ids at once",
    "verify": "audit verify",
    "toggle": "cases done",
    "create": "cases new",
    "incidents": "incidents list",
    "note_down": "cases note",
    "task": "cases task",
    "member": "cases member",
    "deadline": "cases deadline",
    "rename": "cases rename",
    "close_case": "cases close",
    "reopen_case": "cases reopen",
    "export": "cases export",
    "hunt": "query",
    "processes": "entity processes",
    "only": "query",
    "without": "query",
    "count": "query",
    "saved": "query",
    "save": "query",
    "hunt.why": "query",
    "draft": "rules new",
    "incidents.case": "cases new",
    "all": "incidents list",
    "findings": "query",
    "unfold": "network",
    "dead_letters": "deadletter list",
    "attack": "rules coverage",
    "replay": "deadletter replay",
}
"""What an action is on the command line: its words, or why there is nothing; `screen.action` where it differs."""
SHOWN = {
    "overview": "status",
    "alerts": "alerts list",
    "alert": "alerts show",
    "hunt": "query",
    "event": "query",
    "timeline": "query",
    "entity": "entity show",
    "network": "network",
    "sources": "sources",
    "rules": "rules list",
    "cases": "cases list",
    "case": "cases show",
    "incidents": "incidents list",
    "audit": "audit list",
}
"""What prints what a screen shows."""


def actions() -> dict[str, set[str]]:
    """Return what can be done on each screen, from the code: its own actions, those of all screens, and its keys."""
    return {
        name: {one.name for one in (*page.ACTIONS, *EVERYWHERE)} | set(keymap.shipped(name))
        for name, page in screens().items()
    }


def options(words: str) -> set[str]:
    """Return the options of a command; fails if there is no such command."""
    command: Any = get_command(app)
    for word in words.split():
        found = command.get_command(None, word)
        assert found is not None, f"there is no command {words!r}"
        command = found
    return {option for one in command.params for option in one.opts}


def test_every_action_has_a_twin_or_a_reason() -> None:
    known = actions()
    missing = {
        f"{screen}.{one}"
        for screen, names in known.items()
        for one in names
        if one not in TWINS and f"{screen}.{one}" not in TWINS
    }
    assert not missing, "say in TWINS which command does the same, or why it is about the screen alone"
    told = {one for names in known.values() for one in names} | {
        f"{s}.{one}" for s, names in known.items() for one in names
    }
    assert set(TWINS) <= told, "TWINS knows actions that no screen has"


def test_every_screen_has_a_command_that_prints_it() -> None:
    assert set(SHOWN) == set(screens())


@pytest.mark.parametrize(
    "words", sorted({one for one in (*TWINS.values(), *SHOWN.values()) if not one.startswith("the screen: ")})
)
def test_each_twin_exists_and_prints_json(words: str) -> None:
    assert "--json" in options(words)
