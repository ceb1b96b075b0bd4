"""How strips of our own reach the screen: without the styles that Textual would lay over each line."""

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

STRIPS_MAX = 1_024


class Strips:
    """What was drawn at each place, for as long as the same is to be drawn there; STRIPS_MAX at most."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[object, ...], Strip]] = {}

    def at(self, place: int, what: tuple[object, ...], drawing: Callable[[], Strip]) -> Strip:
        """Return the strip at a place; it is drawn unless it was drawn of the same."""
        kept = self._kept.get(place)
        if kept is not None and kept[0] == what:
            return kept[1]
        if len(self._kept) >= STRIPS_MAX:
            self._kept.clear()
        made = drawing()
        self._kept[place] = what, made
        return made

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()


def drawn(widget: Widget, crop: Region) -> list[Strip]:
    """Return the lines in a region of a widget whose `render_line` has all colours in it; it may have padding beside.

    What Textual does with a line (borders, tints, opacity, the terminal's own colours) takes longer than to make it.
    A widget does well to return the same strip for the same line: strips keep what is made of them.
    """
    gutter = widget.styles.gutter
    if gutter.top or gutter.bottom:
        return Widget.render_lines(widget, crop)
    width = widget.outer_size.width
    strips = [widget.render_line(y) for y in crop.line_range]
    background = widget.background_colors[1]
    if gutter.left or gutter.right:
        ground = Style(bgcolor=background.rich_color)
        left, right = Segment(" " * gutter.left, ground), Segment(" " * gutter.right, ground)
        strips = [Strip([left, *strip, right], width) for strip in strips]
    for one in widget.get_line_filters():
        if not isinstance(one, ANSIToTruecolor):
            strips = [strip.apply_filter(one, background) for strip in strips]
    return strips if crop.column_span == (0, width) else [strip.crop(*crop.column_span) for strip in strips]
