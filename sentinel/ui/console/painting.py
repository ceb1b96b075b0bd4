"""What stands on the terminal: of a screen that is painted anew as a whole, only the lines that differ are sent."""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate


class Painted:
    """The lines as they were last sent; "" where parts of one were, so that it is sent again."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def forget(self) -> None:
        """Take nothing for granted: the terminal may show something else."""
        self._lines = []

    def only_new(self, update: object) -> object:
        """Return what has the same effect as an update of Textual's compositor, with fewer bytes."""
        if isinstance(update, LayoutUpdate):
            return _Lines(self, update)
        if isinstance(update, ChopsUpdate):
            for y, _begin, _end in update.spans:
                if y < len(self._lines):
                    self._lines[y] = ""
        else:
            self.forget()
        return update

    def differing(self, update: LayoutUpdate, console: Console) -> str:
        """Return what is to be sent for a whole screen, and take it as sent."""
        made = ["".join([strip.render(console) for strip in line]) for line in update.strips]
        before = self._lines if len(self._lines) == len(made) else [""] * len(made)
        self._lines = made
        return "".join(
            Control.move_to(update.region.x, update.region.y + at).segment.text + line
            for at, line in enumerate(made)
            if line != before[at]
        )


class _Lines(CompositorUpdate):
    def __init__(self, painted: Painted, update: LayoutUpdate) -> None:
        self._painted = painted
        self._update = update

    def render_segments(self, console: Console) -> str:
        return self._painted.differing(self._update, console)
