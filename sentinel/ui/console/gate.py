"""The last gate before the terminal: whatever a widget was given, no character of it acts."""

from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from sentinel.ui.visible import visible

_render = Strip.render


def shut() -> None:
    """Let every strip of this process pass the gate when it is rendered, also one whose author forgot `visible`."""
    Strip.render = _gated  # type: ignore[method-assign]  # the choke point: every cell of a Textual screen goes through it


def _gated(self: Strip, console: Console) -> str:
    if all(text.isprintable() and not (style and style.link) for text, style, _control in self._segments):
        return _render(self, console)
    # a link is an escape sequence with a text of its own in it; the console has none
    harmless = [
        Segment(visible(text), style.update_link(None) if style and style.link else style)
        for text, style, control in self._segments
        if not control
    ]
    return _render(Strip(harmless).adjust_cell_length(self.cell_length), console)
