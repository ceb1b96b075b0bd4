"""What lies over a screen: a list to choose from, a form to fill in, a text to read; Esc leaves each without effect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Input

from sentinel.ui.console.draw import Line, Piece, line
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.words import _

CHOICES_MAX = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose: its name, what is said beside it, why it cannot be chosen now ("": it can)."""

    value: str
    label: str
    beside: str = ""
    why_not: str = ""


class _Modal(ModalScreen[object]):
    DEFAULT_CSS = """
    _Modal { align: center middle; }
    _Modal > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 90%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    _Modal Input { border: none; height: 1; padding: 0 1; background: $panel; }
    _Modal Input:focus { border: none; background: $background; }
    _Modal Pane { height: auto; max-height: 100%; background: $surface; }
    """
    BINDINGS: ClassVar[list[object]] = []  # type: ignore[assignment]  # keys are read below

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._below: list[Strip] = []
        self._below_size = Size(0, 0)

    def leave(self, answer: object = None) -> None:
        """Close it, once: of keys pressed quickly more than one may mean that."""
        if self.is_active:
            self.dismiss(answer)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines of the screen below it as they stood when it was opened; that rests meanwhile."""
        if self._below_size != self.size:
            stack = self.app.screen_stack
            below = stack[stack.index(self) - 1] if self in stack else stack[-1]
            if below.size != self.size:
                below._screen_resized(self.size)  # noqa: SLF001  Textual is pinned, and does so with a screen it sees through
            self._below, self._below_size = below._compositor.render_strips(self.size), self.size  # noqa: SLF001  as above
        strips = self._below[crop.y : crop.bottom]
        return strips if crop.column_span == (0, self.size.width) else [one.crop(*crop.column_span) for one in strips]

    def _heading(self, width: int) -> list[Line]:
        del width
        return [Line(((self._title, "title"),))]


class Menu(_Modal):
    """A list to choose from by typing a part of a name, by arrows and Enter; returns the value, None if left."""

    def __init__(self, title: str, choices: Sequence[Choice], *, typed: bool = True) -> None:
        super().__init__(title)
        self._all = choices
        self._typed = typed
        self._shown: list[Choice] = []
        self._why = ""

    def compose(self) -> ComposeResult:
        """Yield the field and the list."""
        with Vertical():
            yield Said(self._heading, ground="panel")
            if self._typed:
                yield Input(id="typed")
            yield Pane(self._lines, ground="panel", id="choices")
            yield Said(lambda _width: [Line(((self._why, "warning"),))], ground="panel", id="why")

    def _lines(self) -> list[Line]:
        typed = self.query_one("#typed", Input).value.casefold().split() if self._typed else []
        self._shown = [
            one
            for one in self._all
            if all(word in f"{one.label} {one.beside} {one.value}".casefold() for word in typed)
        ][:CHOICES_MAX]
        wide = max((len(one.label) for one in self._shown), default=0)
        return [
            Line(
                (
                    (f"{one.label:<{wide}}  ", "muted" if one.why_not else "plain"),
                    (one.beside, "muted" if one.why_not else "accent"),
                ),
                wraps=False,
            )
            for one in self._shown
        ] or [line(_("nothing is called so"), "muted")]

    def on_mount(self) -> None:
        """Begin in the field."""
        self.query_one("#typed" if self._typed else "#choices").focus()

    def on_input_changed(self) -> None:
        """Show what still matches."""
        self.query_one(Pane).show(self._lines())

    def on_input_submitted(self) -> None:
        """Choose what is under the cursor."""
        self._choose()

    def on_key(self, event: events.Key) -> None:
        """Move, choose, leave."""
        pane = self.query_one(Pane)
        match event.key:
            case "escape":
                self.leave()
            case "up" | "down":
                pane.move("up" if event.key == "up" else "down")
            case "k" | "j" if not self._typed:
                pane.move("up" if event.key == "k" else "down")
            case "pageup" | "pagedown":
                pane.move("page_up" if event.key == "pageup" else "page_down")
            case "enter":
                self._choose()
            case _:
                return
        event.stop()
        event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        """Leave when clicked beside."""
        if event.widget is self:
            self.leave()

    def _choose(self) -> None:
        at = self.query_one(Pane).cursor
        if at >= len(self._shown):
            return
        if self._shown[at].why_not:
            self._why = self._shown[at].why_not
            self.query_one("#why").refresh()
            return
        self.leave(self._shown[at].value)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form: its name, what it asks, what stands in it at first; with `options` only one of those.

    `check` returns what is wrong with a text, "" if nothing is.
    """

    name: str
    label: str
    value: str = ""
    options: tuple[str, ...] = ()
    check: Callable[[str], str] = field(default=lambda _text: "")
    hint: str = ""


def said(text: str) -> str:
    """Say what is wrong with a reason that is none; for `Field.check`."""
    return "" if text.strip() else _("say why: it stands in the history")


class Form(_Modal):
    """Fields to fill in; Enter goes on and, from the last, sends. Returns the texts by name, None if left.

    What is wrong is said at once, below the field; the form goes nowhere until it is right.
    """

    def __init__(self, title: str, fields: Sequence[Field], about: Sequence[Line] = ()) -> None:
        super().__init__(title)
        self._fields = fields
        self._about = about
        self._problems: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Yield the fields."""
        with Vertical():
            yield Said(self._heading, ground="panel")
            if self._about:
                yield Pane(lambda: self._about, ground="panel", id="about")
            for one in self._fields:
                yield Said(self._label(one), ground="panel", id=f"label-{one.name}")
                yield Input(one.value or (one.options[0] if one.options else ""), id=f"field-{one.name}")
            yield Said(self._hint, ground="panel")

    def _label(self, one: Field) -> Callable[[int], list[Line]]:
        def tell(_width: int) -> list[Line]:
            pieces: list[Piece] = [(f"{one.label}  ", "strong")]
            if one.name in self._problems:
                pieces.append((self._problems[one.name], "bad"))
            elif one.options:
                pieces.append((f"↑↓ {' · '.join(one.options)}", "muted"))
            else:
                pieces.append((one.hint, "muted"))
            return [Line(pieces)]

        return tell

    def _hint(self, width: int) -> list[Line]:
        del width
        pieces: list[Piece] = [("↵ ", "key"), (_("go on, at the end: do it"), "muted")]
        return [Line([*pieces, ("   Esc ", "key"), (_("do nothing"), "muted")])]

    def on_mount(self) -> None:
        """Begin in the first field."""
        self._input(self._fields[0]).focus()

    def _input(self, one: Field) -> Input:
        return self.query_one(f"#field-{one.name}", Input)

    def on_key(self, event: events.Key) -> None:
        """Move between fields and options, leave."""
        match event.key:
            case "escape":
                self.leave()
            case "tab" | "shift+tab":
                self._go(1 if event.key == "tab" else -1)
            case "up" | "down":
                self._turn(1 if event.key == "down" else -1)
            case _:
                return
        event.stop()
        event.prevent_default()

    def _at(self) -> int:
        return next((at for at, one in enumerate(self._fields) if self._input(one) is self.focused), 0)

    def _go(self, by: int) -> None:
        self.set_focus(self._input(self._fields[(self._at() + by) % len(self._fields)]))

    def _turn(self, by: int) -> None:
        one = self._fields[self._at()]
        if one.options:
            there = self._input(one).value
            at = one.options.index(there) if there in one.options else -by
            self._input(one).value = one.options[(at + by) % len(one.options)]
        else:
            self._go(by)

    def on_input_submitted(self) -> None:
        """Go on to the next field, or send."""
        at = self._at()
        if not self._sound(self._fields[at]):
            return
        if at + 1 < len(self._fields):
            self._go(1)
            return
        wrong = next((one for one in self._fields if not self._sound(one)), None)
        if wrong is not None:
            self._input(wrong).focus()
            return
        self.leave({one.name: self._input(one).value.strip() for one in self._fields})

    def _sound(self, one: Field) -> bool:
        text = self._input(one).value.strip()
        if one.options and text not in one.options:
            problem = _("one of: {options}").format(options=", ".join(one.options))
        else:
            problem = one.check(text)
        self._problems.pop(one.name, None)
        if problem:
            self._problems[one.name] = problem
        self.query_one(f"#label-{one.name}").refresh()
        return not problem


class Reading(_Modal):
    """A text to read; Esc, q or ? close it. It may be opened again with another one: making it takes longer."""

    def __init__(self) -> None:
        super().__init__("")
        self._tell: Callable[[], Sequence[Line]] = tuple

    def compose(self) -> ComposeResult:
        """Yield the text."""
        with Vertical():
            yield Said(self._heading, ground="panel")
            yield Pane(ground="panel")

    def read(self, title: str, lines: Callable[[], Sequence[Line]]) -> None:
        """Show this from the top, now or when it is opened."""
        self._title, self._tell = title, lines
        if self.is_current:
            self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Begin in the text, over the screen that lies below now."""
        self._below_size = Size(0, 0)
        self.query_one(Said).refresh()
        self.query_one(Pane).show(self._tell())
        self.query_one(Pane).focus()

    def on_key(self, event: events.Key) -> None:
        """Move, close."""
        ways = {"up": "up", "k": "up", "down": "down", "j": "down", "pageup": "page_up", "pagedown": "page_down",
                "home": "top", "end": "end"}  # fmt: skip
        if event.key in {"escape", "q", "question_mark", "enter"}:
            self.leave()
        elif event.key in ways:
            self.query_one(Pane).move(ways[event.key])  # type: ignore[arg-type]  # the values are ways
        else:
            return
        event.stop()
        event.prevent_default()
