"""What strangers write acts on no terminal, and no order of keys breaks the console."""

import re
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.detection import Detection, Finding
from sentinel.core.where import Exists
from tests.living import LOGIN, City
from tests.ui.console.conftest import At, Hands, Terminal

ESC, ST, BEL = "\x1b", "\x1b\\", "\x07"
HOSTILE = (
    f"{ESC}[2J{ESC}[31;1mowned", f"{ESC}]0;title{BEL}", f"{ESC}]8;;https://example.com/{ST}link{ESC}]8;;{ST}",
    f"{ESC}]52;c;b3duZWQ={BEL}", f"{ESC}P$q{ST}", f"{ESC}_apc{ST}", "\x9b2J\x9d0;t\x9c", f"{ESC}]0;unterminated",
    f"{ESC}c", f"{ESC}[6n", "\u202egpj.exe\u2066", "a\u2028b\u2029c", "e" + "\u0301" * 4096,
    "[@click=app.exit]x[/]", "[/x] [/etc/passwd] [bold]", "\r\noverwritten", "\x00\x08\x7f", "\U000e0041\ufeff\u200b",
)  # fmt: skip
OWN = re.compile(
    rb"\x1b\[[0-9;:?<=>$ ]*[A-Za-z]|\x1b\[\?[0-9;$]*[a-zA-Z]|\x1b[78=>]|\x1b\]1[01];\?(?:\x07|\x1b\\)"
    rb"|\x1b\]22;[a-z]+\x07|\x1bP\+q[0-9a-fA-F;]*\x1b\\"
    rb"|\x1b\([B0]|\x1b_G[^\x1b]*\x1b\\"
)
"""What a Textual application writes: CSI of its own, keypad modes, the pointer, questions about the terminal."""


def raise_(city: City, texts: tuple[str, ...]) -> None:
    """Raise an alert about each text, in title, key and summary, with an event that holds it everywhere."""
    now = city.clock.now()
    with Book(city.app.config.state_file, city.clock) as book:
        for number, text in enumerate(texts):
            event = city.event(
                LOGIN | {"message": text, "event.original": text, "user.name": text, "host.name": f"h{number}"}
            )
            city.keep([event])
            rule = Detection(f"rule-{number}", f"{number} {text}", "high", Exists("event.id"), "v", "p", author=text)
            key = (("host.name", text), ("user.name", text))
            book.record([Finding(rule, key, now, now, (event.id,), summary=text)], city.stored)


def foreign(raw: bytes) -> list[bytes]:
    """Return what is neither text nor of the console's own repertoire."""
    rest = OWN.sub(b"", raw).decode("utf-8", "replace")
    return [one.encode() for one in rest if not one.isprintable() and one not in "\r\n"]


def test_nothing_that_strangers_write_reaches_the_terminal_as_control(
    terminal: Callable[..., Terminal], city: City
) -> None:
    raise_(city, HOSTILE)
    opened = terminal("console", "alerts", size=(160, 45))
    opened.until(f"{len(HOSTILE)} alerts")
    for _ in HOSTILE:
        opened.send("Enter")
        opened.until("› Alert ")
        opened.until("Why it fired")
        opened.until("How good")
        opened.send("Right", "Right", "Right", "Right", "Right", "h", "y")
        opened.until("Copy")
        opened.write("\x1b")
        opened.wait(lambda: "Copy" not in opened.screen())
        opened.write("\x1b")
        opened.until(f"{len(HOSTILE)} alerts")
        opened.send("j")
    for key, name in (("4", "› Hunt"), ("5", "› Timeline")):
        opened.send(key)
        opened.until(name)
        opened.write("last 3650d")  # the terminal has the true clock, the city one that stands still
        opened.send("Enter")
        opened.until(f"{len(HOSTILE)} events")
    for key, name in (("1", "Overview"), ("7", "Network"), ("8", "Sources"), ("0", "Cases"), ("A", "entries")):
        opened.send(key)
        opened.until(name)
    opened.send("C-q")
    assert opened.ended() == 0
    raw = opened.raw()
    assert foreign(raw) == []
    assert b"b3duZWQ=" in raw  # shown, as text
    assert b"\x1b]52" not in raw
    assert b"\x1b]0;" not in raw
    assert b"\x1b]8;" not in raw


NAMED = (
    "slash colon question_mark left_square_bracket right_square_bracket space enter escape tab shift+tab up down left "
    "right pageup pagedown home end backspace delete plus minus f1 ctrl+p ctrl+a ctrl+u ctrl+z"
)
KEYS = st.sampled_from([*"abcdefghijklmnoprstuvwxyzACDFGILNPRSTX0123456789", *NAMED.split()])


@given(st.lists(KEYS, min_size=200, max_size=200))
@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_two_hundred_keys_in_any_order_break_nothing(desk_at: At, busy: City, keys: list[str]) -> None:
    async def play(hands: Hands) -> None:
        for key in keys:
            await hands.pilot.press(key)
        await hands.settled()
        assert hands.console.return_code in {None, 0}

    desk_at(play)
