"""The parts of a screen that lines are shown in: one line that is always up to date, and a pane that scrolls."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import ClassVar, Literal, Self, cast

from textual import events
from textual.containers import Container
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from sentinel.ui.console.draw import Ground, Line, Look, strip, wrapped
from sentinel.ui.console.drawn import Strips, drawn

Way = Literal["up", "down", "page_up", "page_down", "top", "end"]


def look_of(widget: Widget) -> Look:
    """Return how things look at present."""
    return cast("Look", widget.app.look)  # type: ignore[attr-defined]  # the console's own application, which knows this module


class Box(Container):
    """What holds other parts and shows nothing itself."""

    BLANK = True


class Said(Widget):
    """Lines that are made when they are drawn: they change with the language, the theme, the width and the state.

    `tell` gets the width and returns the lines. It is asked again after `refresh()`.
    """

    DEFAULT_CSS = "Said { height: 1; }"

    class Followed(Message):
        """A click on a piece that leads to a screen."""

        def __init__(self, screen: str) -> None:
            super().__init__()
            self.screen = screen

    def __init__(
        self,
        tell: Callable[[int], Sequence[Line]],
        *,
        ground: Ground = "base",
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self._tell = tell
        self._ground: Ground = ground
        self._lines: Sequence[Line] | None = None
        self._strips = Strips()
        self._comparing = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Make the lines anew, and draw them."""
        self._lines = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def refresh_told(self) -> None:
        """Draw it anew if, once all that goes on now is done, there is something else to tell."""
        if not self._comparing:
            self._comparing = True
            self.call_later(self._compare)

    def _compare(self) -> None:
        self._comparing = False
        if self._lines is not None and self._tell(self.size.width) != self._lines:
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines in a region of it."""
        return drawn(self, crop)

    def render_line(self, y: int) -> Strip:
        """Return one line of it."""
        width = self.size.width
        if y == 0 or self._lines is None:
            self._lines = self._tell(width)
        pieces = self._lines[y].pieces if y < len(self._lines) else ()
        look = look_of(self)
        return self._strips.at(y, (pieces, width, look.name), lambda: strip(pieces, width, look, self._ground))

    def on_click(self, event: events.Click) -> None:
        """Go where the piece under the pointer leads."""
        lines = self._tell(self.size.width)
        screen = lines[event.y].link_at(event.x) if event.y < len(lines) else ""
        if screen:
            self.post_message(self.Followed(screen))


class Pane(ScrollView, can_focus=True):
    """Lines that scroll, wrapped to the width, with a cursor; Enter goes where the line under it leads.

    `show` gives it other lines; with `tell` they are made anew when the language changes.
    """

    DEFAULT_CSS = """
    Pane { overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    """
    ground: ClassVar[Ground] = "base"

    class Chosen(Message):
        """Enter on a line that leads somewhere."""

        def __init__(self, pane: "Pane", line: Line) -> None:
            super().__init__()
            self.pane = pane
            self.line = line

    class Moved(Message):
        """The cursor stands on another line."""

        def __init__(self, pane: "Pane") -> None:
            super().__init__()
            self.pane = pane

    def __init__(
        self,
        tell: Callable[[], Sequence[Line]] | None = None,
        *,
        ground: Ground = "base",
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self._tell = tell
        self._ground: Ground = ground
        self._lines: Sequence[Line] = ()
        self._rows: list[Line] = []
        self._of: list[int] = []
        self._width = -1
        self._strips = Strips()
        self.cursor = 0

    def redraw(self) -> None:
        """Draw it anew and keep nothing of what was drawn; `refresh` draws only lines that have changed."""
        self._strips.clear()
        self.refresh()

    def show(self, lines: Sequence[Line], *, keep: bool = False) -> None:
        """Show these lines from the top, or with `keep` from where it stands."""
        self._lines = lines
        before, cursor = self._rows, self.cursor
        self._lay()
        if keep:
            self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
        else:
            self.cursor = 0
            self.scroll_to(y=0, animate=False, immediate=True)
        for row, (old, new) in enumerate(zip_longest(before, self._rows)):
            if old != new or (row in {cursor, self.cursor} and cursor != self.cursor):
                self._refresh_row(row)

    def retell(self) -> None:
        """Make the lines anew, in the language of now."""
        if self._tell is not None:
            self.show(self._tell(), keep=True)

    @property
    def lines(self) -> Sequence[Line]:
        """What it shows."""
        return self._lines

    @property
    def line(self) -> Line | None:
        """The line that the cursor stands on."""
        return self._lines[self._of[self.cursor]] if self.cursor < len(self._of) else None

    def _lay(self) -> None:
        self._width = self.scrollable_content_region.width
        self._rows, self._of = [], []
        for number, one in enumerate(self._lines):
            for row in wrapped(one, self._width):
                self._rows.append(row)
                self._of.append(number)
        self.virtual_size = Size(self._width, len(self._rows))

    def _refresh_row(self, row: int) -> None:
        y = row - self.scroll_offset.y
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.outer_size.width, 1))

    def on_mount(self) -> None:
        """Make the first lines."""
        self.retell()

    def on_resize(self) -> None:
        """Wrap anew."""
        if self._width != self.scrollable_content_region.width:
            self._lay()
            self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines in a region of it."""
        return drawn(self, crop)

    def render_line(self, y: int) -> Strip:
        """Return one line of it."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if at >= len(self._rows):
            return self._strips.at(at, ((), self._ground, width), lambda: strip((), width, look_of(self), self._ground))
        ground = self._ground
        if at == self.cursor and self.has_focus:
            ground = "cursor"
        row = self._rows[at]
        return self._strips.at(at, (row.pieces, ground, width), lambda: strip(row.pieces, width, look_of(self), ground))

    def move(self, way: Way) -> None:
        """Move the cursor, and what is seen with it."""
        page = max(1, self.size.height - 1)
        last = max(0, len(self._rows) - 1)
        to = {
            "up": self.cursor - 1, "down": self.cursor + 1, "page_up": self.cursor - page,
            "page_down": self.cursor + page, "top": 0, "end": last,
        }[way]  # fmt: skip
        self.go_to(to)

    def go_to(self, row: int) -> None:
        """Put the cursor on a row."""
        before, self.cursor = self.cursor, max(0, min(row, len(self._rows) - 1))
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, immediate=True, x_axis=False)
        self._refresh_row(before)
        self._refresh_row(self.cursor)
        self.post_message(self.Moved(self))

    def choose(self) -> None:
        """Go where the line leads."""
        if self.line is not None and self.line.go is not None:
            self.post_message(self.Chosen(self, self.line))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; on the line it stands on already, go where that leads."""
        row = event.y + self.scroll_offset.y
        if row == self.cursor:
            self.choose()
        elif row < len(self._rows):
            self.go_to(row)
