"""How the console draws: pieces of text, each with a tone, become strips; the one place where its text is made safe."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sentinel.core.detection import Level
from sentinel.core.slip import Slip
from sentinel.ui.unseen import sentences
from sentinel.ui.visible import visible
from sentinel.ui.words import N_, _, number

Tone = Literal[
    "plain", "muted", "strong", "title", "accent", "link", "key", "good", "warning", "bad",
    "critical", "high", "medium", "low", "informational",
]  # fmt: skip
Ground = Literal["base", "bar", "panel", "cursor", "cursor_away", "mark"]
Piece = tuple[str, Tone]
"""A text, trusted or not, and how it is drawn."""
SPARKS = "▁▂▃▄▅▆▇█"
LEVEL_WORDS: dict[Level, str] = {
    "critical": N_("CRIT"),
    "high": N_("HIGH"),
    "medium": N_("MED"),
    "low": N_("LOW"),
    "informational": N_("INFO"),
}
SIGNS: dict[Tone, str] = {"good": "●", "warning": "▲", "bad": "✗", "muted": "○"}
"""A state has a shape beside its colour."""


@dataclass(frozen=True)
class Look:
    """A theme's colours: of each tone (with `bold` or `reverse` where it has them) and of each ground, as `#rrggbb`."""

    name: str
    dark: bool
    tones: dict[Tone, str]
    grounds: dict[Ground, str]
    _styles: dict[tuple[Tone, Ground], Style] = field(default_factory=dict, repr=False, compare=False)

    def style(self, tone: Tone, ground: Ground = "base") -> Style:
        """Return how a tone is drawn on a ground."""
        made = self._styles.get((tone, ground))
        if made is None:
            made = Style.parse(f"{self.tones[tone]} on {self.grounds[ground]}")
            if "on " in self.tones[tone]:
                made = Style.parse(self.tones[tone])
            self._styles[tone, ground] = made
        return made


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a pane; `go` is where Enter leads: a screen's name and what it is to show.

    `fact` is the field and value that the line shows, for the copy menu and for pivots. A line that `wraps` takes as
    many lines as it needs, `rows_max` at most, those after the first set in by `indent`; any other is cut. `links`:
    where single pieces lead, by their place, in a line that is not chosen as a whole.
    """

    pieces: Sequence[Piece] = ()
    go: tuple[str, str] | None = None
    fact: tuple[str, str] | None = None
    wraps: bool = True
    indent: int = 2
    rows_max: int = 12
    links: Mapping[int, str] = field(default_factory=dict)

    def link_at(self, cell: int) -> str:
        """Return the screen that the piece in this cell leads to, "" if it leads nowhere."""
        end = 0
        for place, (text, _tone) in enumerate(self.pieces):
            end += cell_len(visible(text))
            if cell < end:
                return self.links.get(place, "")
        return ""


def line(text: str, tone: Tone = "plain") -> Line:
    """Return a line of one piece."""
    return Line(((text, tone),))


def heading(text: str) -> Line:
    """Return the heading of a part of a pane."""
    return Line(((text, "title"),))


def level(of: Level) -> Piece:
    """Return a level as a word of its own tone."""
    return _(LEVEL_WORDS[of]), of


def sign(tone: Tone, text: str) -> list[Piece]:
    """Return a state: its sign and what there is to say."""
    return [(f"{SIGNS[tone]} ", tone), (text, tone if tone != "good" else "plain")]


def slip_lines(slip: Slip) -> Iterator[Line]:
    """Yield what could not be seen in a stretch of time, or that it was everything."""
    yield heading(_("What could not be seen"))
    if slip.complete:
        yield Line(sign("good", _("complete")))
    for one in sentences(slip):
        yield Line(sign("warning", one))


def strip(pieces: Iterable[Piece], width: int, look: Look, ground: Ground = "base") -> Strip:
    """Return a line of exactly `width` cells; what is too long ends in `…`."""
    segments: list[Segment] = []
    left = width
    for text, tone in pieces:
        if left <= 0:
            break
        if text.isascii() and text.isprintable():
            shown, taken = text, len(text)
        else:
            shown = visible(text)
            taken = cell_len(shown)
        if taken > left:
            shown, taken = f"{set_cell_size(shown, left - 1)}…", left
        segments.append(Segment(shown, look.style(tone, ground)))
        left -= taken
    if left > 0:
        segments.append(Segment(" " * left, look.style("plain", ground)))
    return Strip(segments, width)


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Return a text as a table's cell of exactly `width` cells."""
    if text.isascii() and text.isprintable() and len(text) <= width:
        return text.rjust(width) if right else text.ljust(width)
    shown = _cut(visible(text), width)
    return " " * (width - cell_len(shown)) + shown if right else set_cell_size(shown, width)


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""


def wrapped(of: Line, width: int) -> list[Line]:
    """Return a line as lines of at most `width` cells, broken at blanks where there are some."""
    if not of.wraps or sum(cell_len(visible(text)) for text, _tone in of.pieces) <= width or width <= of.indent + 1:
        return [of]
    done: list[list[Piece]] = [[]]
    left = width
    for text, tone in _bounded(of.pieces, width * of.rows_max):
        for word in _words(text):
            rest = word
            if cell_len(rest) > left and done[-1] and cell_len(rest.rstrip()) <= width - of.indent:
                done.append([(" " * of.indent, "plain")])
                left = width - of.indent
                rest = rest.lstrip()
            while cell_len(rest.rstrip()) > left:
                head = set_cell_size(rest, left).rstrip()
                done[-1].append((head, tone))
                rest = rest[len(head) :]
                done.append([(" " * of.indent, "plain")])
                left = width - of.indent
            done[-1].append((rest, tone))
            left -= cell_len(rest)
    return [Line(pieces, of.go, of.fact, wraps=False) for pieces in done]


def _bounded(pieces: Iterable[Piece], room: int) -> Iterator[Piece]:
    # what nobody would read is not laid out either: one text must not push all others out of sight
    for text, tone in pieces:
        shown = visible(text)
        yield shown[:room], tone
        if len(shown) > room:
            yield _(" … and {n} characters more").format(n=number(len(shown) - room)), "muted"
            return
        room -= len(shown)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    words: list[str] = []
    start = 0
    for place, char in enumerate(text):
        if char == " " and text[place + 1 : place + 2] != " ":
            words.append(text[start : place + 1])
            start = place + 1
    return (*words, text[start:])


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the course of some numbers in one line, the latest at the right; nothing at all is a blank."""
    shown = values[-width:] if width > 0 else ()
    top = max(shown, default=0)
    if top <= 0:
        return " " * len(shown)
    return "".join(" " if one <= 0 else SPARKS[min(7, int(one / top * 8))] for one in shown)


def histogram(values: Sequence[float | None], width: int, height: int) -> list[str]:
    """Return bars over time, `height` lines of at most `width`; what is not known (None) is drawn as `·` on the floor.

    With more values than columns a column is the largest of those it stands for: a peak is never averaged away.
    """
    count = min(width, len(values))
    columns = [
        _largest(values[at * len(values) // count : (at + 1) * len(values) // count]) for at in range(max(0, count))
    ]
    top = max((one for one in columns if one is not None), default=0) or 1
    lines = []
    for floor in range(height - 1, -1, -1):
        bars = []
        for one in columns:
            eighths = round((one or 0) / top * height * 8) - floor * 8
            if one is None:
                bars.append("·" if floor == 0 else " ")
            elif one > 0 and floor == 0:
                bars.append(SPARKS[max(0, min(7, eighths - 1))])
            else:
                bars.append(" " if eighths <= 0 else SPARKS[min(7, eighths - 1)])
        lines.append("".join(bars))
    return lines


def _largest(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return max(known) if known else None


def facts(pairs: Sequence[tuple[str, str]], width: int = 12) -> list[Line]:
    """Return names and values as lines, the values under each other."""
    return [
        Line(((f"{name:<{width}} ", "muted"), (value, "plain")), fact=(name, value), indent=width + 1)
        for name, value in pairs
        if value
    ]
