"""The gate: nothing a stranger wrote acts on the terminal."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sentinel.ui.tables import plain_table
from sentinel.ui.visible import visible

HOSTILE = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "\x1bP+q\x1b\\", "\x1b_x\x1b\\", "\x9b31m",
    "\x1b]8;;http://x\x07", "\x1bc", "\x1b[6n", "\u202eabc", "\u2028",
    "a" + "\u0301" * 4096, "[@click=app.bell]x[/]", "[/etc/passwd]", "[red]x[/red]",
    "\x00\r\n\t\b",
    "\u200b\ufeff", "\U000e0041", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Zl", "Zp"])
def test_no_code_point_that_could_act_survives(category: str) -> None:
    risky = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == category]
    assert risky
    assert all(visible(char).isprintable() for char in risky)


@given(st.text())
def test_what_is_shown_is_always_printable(text: str) -> None:
    assert visible(text).isprintable()


@pytest.mark.parametrize("text", ["Straße 12 – „München“", "日本語", "C:\\Windows", "[not markup]", ""])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_table_draws_hostile_text_literally(text: str) -> None:
    console = Console(force_terminal=True, width=200, color_system="truecolor", emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(plain_table([text], [[text]]))
        console.print(plain_table(["x"], [[text]]))
    drawn = capture.get()
    ours = re.sub(r"\x1b\[(\d+;)*\d*m", "", drawn)
    assert all(char.isprintable() or char == "\n" for char in ours)
    if text.startswith("["):
        assert drawn.count(text) >= 2


def test_a_tower_of_marks_cannot_cover_other_lines() -> None:
    shown = visible("a" + "\u0301" * 100)
    assert sum(unicodedata.combining(char) > 0 for char in shown) <= 8
