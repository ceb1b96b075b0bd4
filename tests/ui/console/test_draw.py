"""What the console draws with: pieces become strips of exactly the right width, in colours that can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sentinel.ui.console import gate
from sentinel.ui.console.draw import Line, Look, cell, histogram, sparkline, strip, wrapped
from sentinel.ui.console.themes import LOOKS, NIGHT
from sentinel.ui.visible import visible

ESC = "\x1b"


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_strip_is_exactly_as_wide_as_asked_and_printable(text: str, width: int) -> None:
    made = strip([(text, "plain"), (text, "bad")], width, NIGHT)
    assert sum(cell_len(segment.text) for segment in made) == width
    assert all(segment.text.isprintable() for segment in made)


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_cell_is_exactly_as_wide_as_asked(text: str, width: int) -> None:
    assert cell_len(cell(text, width)) == width
    assert cell_len(cell(text, width, right=True)) == width


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=200), st.integers(8, 40))
def test_a_wrapped_line_fits_and_loses_nothing(text: str, width: int) -> None:
    whole = Line(((text, "plain"),))
    lines = ["".join(visible(piece) for piece, _tone in one.pieces) for one in wrapped(whole, width)]
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    shown = strip([(text, "plain")], 2_000, NIGHT)
    assert "".join("".join(lines).split()) == "".join("".join(segment.text for segment in shown).split())


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_tone_can_be_read_on_every_ground(look: Look) -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5:1."""
    weak = []
    for tone in look.tones:
        for ground in look.grounds:
            style = look.style(tone, ground)
            assert style.color is not None
            assert style.bgcolor is not None
            if _contrast(style.color, style.bgcolor) < 4.5:
                weak.append(f"{tone} on {ground}: {_contrast(style.color, style.bgcolor):.2f}")
    assert not weak


def _contrast(one: Color, other: Color) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color.get_truecolor()]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_forgotten_text_is_made_harmless_at_the_gate() -> None:
    gate.shut()
    link = Style.parse("link https://example.com/")
    hostile = Strip([Segment(f"a{ESC}]52;c;aGk={chr(7)}b{chr(0x9B)}2J", None), Segment("c", link)])
    out = hostile.render(Console(force_terminal=True, color_system="truecolor"))
    assert ESC not in out
    assert chr(0x9B) not in out
    assert "␛]52" in out


@given(st.lists(st.floats(0, 1e9), max_size=50), st.integers(0, 30))
def test_a_sparkline_is_no_wider_than_asked(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(width, len(values))


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=80), st.integers(1, 30), st.integers(1, 5))
def test_a_histogram_draws_its_peak_at_the_top_and_gaps_as_gaps(
    values: list[float | None], width: int, height: int
) -> None:
    lines = histogram(values, width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {min(width, len(values))}
    if any(values):
        assert "█" in lines[0]
    if values and width >= len(values):
        assert [place for place, one in enumerate(values) if one is None] == [
            place for place, char in enumerate(lines[-1]) if char == "·"
        ]
