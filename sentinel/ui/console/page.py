"""What every screen is: how Sentinel fares above, a body, a line that tells, and the keys at the bottom."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from sentinel.ui.console.actions import EVERYWHERE, Action
from sentinel.ui.console.asking import ANSWER_SECONDS, Question
from sentinel.ui.console.draw import Line, Look, Piece
from sentinel.ui.console.panes import Box, Pane, Said, Way
from sentinel.ui.console.services import Services
from sentinel.ui.console.table import Table
from sentinel.ui.words import _, language

if TYPE_CHECKING:
    from sentinel.ui.console.app import Console

T = TypeVar("T")
Told = Literal["muted", "good", "warning", "bad"]
Remembered = dict[str, str | int | bool]
"""What a screen leaves behind for the next time."""


def stepped(steps: Sequence[T], there: T, by: int) -> T:
    """Return the step that lies `by` further than `there`, which is one of them; the first or last if there is none."""
    return steps[max(0, min(steps.index(there) + by, len(steps) - 1))]


class Page(Screen[None]):
    """A screen of the console.

    A subclass says its `NAME` (what `:` and the key map call it), its `KEY` (a digit or letter that goes there from
    anywhere; none: it is opened from others), its `LABEL` (marked by `N_`) and its `ACTIONS`, fills `body`, and has a
    method `do_<name>` for each action. `subject` is what it is about, if it is opened about something.
    """

    NAME: ClassVar[str]
    KEY: ClassVar[str] = ""
    LABEL: ClassVar[str]
    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    CRUMB_TELLS: ClassVar[bool] = True
    """Whether the breadcrumbs name the subject too; not where it stands in a field below them."""
    DEFAULT_CSS = """
    Page { layout: vertical; }
    Page > #body { height: 1fr; }
    Page Input { border: none; height: 1; padding: 0 1; background: $panel; }
    Page Input:focus { border: none; background: $surface; }
    Page.zoomed .side { display: none; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  Textual's own attribute
    BINDINGS: ClassVar[list[object]] = []  # type: ignore[assignment]  # the key map has them
    BLANK = True  # nothing of it is seen between its parts

    def __init__(self, subject: str = "") -> None:
        super().__init__()
        self.subject = subject
        self._pressed: tuple[str, ...] = ()
        self._said: tuple[str, Told] = ("", "muted")
        self._told: tuple[str, str] | None = None

    # -- what a screen is made of

    def body(self) -> ComposeResult:
        """Yield the widgets between the header and the line that tells."""
        yield from ()

    def entered(self) -> None:
        """Do what is to be done whenever the screen comes into view: ask for what is new."""

    def reason(self, action: str) -> str:
        """Return why something cannot be done now, in the operator's words; "" if it can."""
        del action
        return ""

    @property
    def resting(self) -> bool:
        """Whether it waits for the cursor to rest, to ask then."""
        return False

    def crumb(self) -> str:
        """Return what the breadcrumbs call it."""
        return f"{_(self.LABEL)} {self.subject[:12]}" if self.subject and self.CRUMB_TELLS else _(self.LABEL)

    def remembered(self) -> Remembered:
        """Return what is to be there again the next time."""
        return {}

    def recall(self, remembered: Remembered) -> None:
        """Be as one was when the console was left; called once, before the screen is first in view."""

    def copies(self) -> list[tuple[str, str]]:
        """Return what can be copied: what it is called and the text; more than the line or row under the cursor."""
        return []

    def telling(self) -> None:
        """Do what is to be done when the language has changed, beside drawing everything anew."""

    def learnt(self) -> None:
        """Do what is to be done once the rules have been read."""

    # -- what it may use

    @property
    def console(self) -> "Console":
        """The application."""
        return cast("Console", self.app)

    @property
    def services(self) -> Services:
        """What can be asked; only within `ask`."""
        return self.console.services

    @property
    def look(self) -> Look:
        """How things look at present."""
        return self.console.look

    def ask(
        self,
        name: str,
        question: Callable[[], T],
        then: Callable[[T], None],
        *,
        failed: Callable[[str], None] | None = None,
        seconds: float = ANSWER_SECONDS,
        owner: Widget | None = None,
    ) -> None:
        """Have `question` answered in a thread and `then` do something with the answer, in the screens' thread.

        A newer question of the same `name` takes its place. `failed` is told what went wrong, in an operator's words;
        without it the line at the bottom tells it.
        """
        self.console.asking.ask(Question(owner or self, name, question, then, failed or self.failed, seconds))
        self.console.waits()

    def failed(self, why: str) -> None:
        """Tell that a question has failed."""
        self.say(why, "bad")

    def say(self, text: str, tone: Told = "good") -> None:
        """Tell the operator something, in the line above the keys, until the next key."""
        self._said = text, tone
        if self.is_mounted:
            self.query_one("#telling", Said).refresh()

    # -- the frame

    def compose(self) -> ComposeResult:
        """Yield the frame and the body."""
        yield Said(self._header, ground="bar", id="header")
        with Box(id="body"):
            yield from self.body()
        yield Said(self._telling, id="telling")
        yield Said(self._footer, ground="bar", id="footer")

    def on_screen_resume(self) -> None:
        """Come into view."""
        now = language(), self.look.name
        if self._told is None:
            self.telling()
        elif self._told != now:
            self.retell()
        else:
            self._retell_panes()
            self.refresh_frame()
        self._told = now
        self.entered()

    def retell(self) -> None:
        """Draw everything anew: the language or the theme may be another."""
        self._retell_panes()
        for widget in self.query("*"):
            if isinstance(widget, Pane | Table):
                widget.redraw()
            else:
                widget.refresh()

    def _retell_panes(self) -> None:
        for pane in self.query(Pane):
            pane.retell()
        self.telling()

    def refresh_frame(self) -> None:
        """Draw the header and the keys anew."""
        if self.is_mounted:
            for one in self.query(Said):
                one.refresh_told()

    def _header(self, width: int) -> list[Line]:
        crumbs: list[Piece] = [(" SENTINEL ", "strong"), (" ", "plain")]
        crumbs.append((" › ".join(self.console.crumbs()), "title"))
        left = width - sum(cell_len(text) for text, _tone in crumbs)
        told = self.console.pulse(left)
        return [Line([*crumbs, *told.pieces], links={len(crumbs) + at: name for at, name in told.links.items()})]

    def _telling(self, width: int) -> list[Line]:
        del width
        text, tone = self._said
        waiting = self.console.waiting_seconds
        if waiting >= 1 and not text:
            text, tone = _("waiting for an answer … {n} s").format(n=int(waiting)), "muted"
        return [Line(((f" {text}", tone),))]

    def _footer(self, width: int) -> list[Line]:
        shown: list[Piece] = []
        last = (self.console.keymap.shown(self.NAME, "help").split(" ")[0], _("Help"))
        left = width - cell_len(f" {last[0]} {last[1]} ")
        for action in (*self.ACTIONS, *EVERYWHERE):
            key = self.console.keymap.shown(self.NAME, action.name).split(" ")[0]
            if not action.label or not key or action.name == "help" or self.why_not(action.name):
                continue
            pair = f" {key} ", f"{_(action.label)} "
            left -= cell_len("".join(pair))
            if left < 0:
                break
            shown += [(pair[0], "key"), (pair[1], "plain")]
        return [Line([*shown, (f" {last[0]} ", "key"), (f"{last[1]} ", "plain")])]

    # -- keys

    def actions(self) -> dict[str, Action]:
        """Return all actions by name: the screen's own and those of every screen."""
        return {one.name: one for one in (*EVERYWHERE, *self.ACTIONS)}

    def why_not(self, action: str) -> str:
        """Return why something cannot be done now; "" if it can."""
        why = self.reason(action) if action in self.actions() else ""
        return why or ("" if hasattr(self, f"do_{action}") else _("this screen has nothing of the kind"))

    def do(self, action: str) -> None:
        """Do something, or tell why it cannot be done."""
        why = self.why_not(action)
        if why:
            self.say(f"{why}  ({_(self.actions()[action].help)})", "warning")
            return
        getattr(self, f"do_{action}")()

    async def on_key(self, event: events.Key) -> None:
        """Do what the key means here.

        A key pressed quickly behind one that has opened something, or a field, is for that: never an action here.
        """
        typing = isinstance(self.focused, Input)
        # a field keeps every letter that comes to it
        if self.console.screen is not self or (typing and event.is_printable):
            self.console.screen.call_later(self.console.post_message, events.Key(event.key, event.character))
            event.stop()
            return
        if typing and event.key not in {"escape", "tab", "shift+tab", "ctrl+p", "ctrl+q", "up", "down"}:
            return
        pressed = (*self._pressed, event.key)
        action = self.console.keymap.action(self.NAME, pressed)
        if action is None and self._pressed:
            pressed = (event.key,)
            action = self.console.keymap.action(self.NAME, pressed)
        self._pressed = pressed if action == "" else ()
        if self._said[0]:
            self.say("")
        if action:
            event.stop()
            event.prevent_default()
            self.do(action)
        elif action is None and len(event.key) == 1 and not typing and self.console.at_key(event.key):
            event.stop()

    # -- what every screen does

    @property
    def active(self) -> Pane | Table[Any] | None:
        """The part of the screen that the keys are for."""
        if isinstance(self.focused, Pane | Table):
            return self.focused
        return next((one for one in self.query("*") if isinstance(one, Pane | Table) and one.display), None)

    def _move(self, way: Way) -> None:
        active = self.active
        if isinstance(self.focused, Input) and active is not None:
            active.focus()
        if active is not None:
            active.move(way)

    def do_up(self) -> None:
        """Move."""
        self._move("up")

    def do_down(self) -> None:
        """Move."""
        self._move("down")

    def do_page_up(self) -> None:
        """Move."""
        self._move("page_up")

    def do_page_down(self) -> None:
        """Move."""
        self._move("page_down")

    def do_top(self) -> None:
        """Move."""
        self._move("top")

    def do_end(self) -> None:
        """Move."""
        self._move("end")

    def do_open(self) -> None:
        """Open what the cursor stands on."""
        active = self.active
        if active is not None:
            active.choose()

    def do_next_pane(self) -> None:
        """Go on to the next part."""
        self.focus_next()

    def do_last_pane(self) -> None:
        """Go back to the part before."""
        self.focus_previous()

    def do_zoom(self) -> None:
        """Hide what stands beside (whatever has the class `side`), or show it again."""
        self.toggle_class("zoomed")

    def do_jump(self) -> None:
        """Ask for a screen."""
        self.console.choose_screen()

    def do_palette(self) -> None:
        """Ask for an action."""
        self.console.choose_action(self)

    def do_help(self) -> None:
        """Show the keys."""
        self.console.show_help(self)

    def do_copy(self) -> None:
        """Ask what is to be copied."""
        found = list(self.copies())
        active = self.active
        if isinstance(active, Pane) and active.line is not None:
            if active.line.fact is not None:
                found.insert(0, active.line.fact)
            found.append((_("this line"), "".join(text for text, _tone in active.line.pieces).strip()))
        self.console.choose_copy(found)

    def do_language(self) -> None:
        """Speak the other language."""
        self.console.next_language()

    def do_theme(self) -> None:
        """Look the other way."""
        self.console.next_look()

    def do_back(self) -> None:
        """Leave a field, or go back to the screen before."""
        if isinstance(self.focused, Input) and self.active is not None:
            self.active.focus()
        else:
            self.console.back()

    def do_leave(self) -> None:
        """Go back, or end."""
        if not self.console.back():
            self.console.exit()

    def do_quit(self) -> None:
        """End."""
        self.console.exit()

    # -- what its parts tell it

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        """Go where a line leads."""
        if message.line.go is not None:
            self.console.open(*message.line.go)

    def on_said_followed(self, message: Said.Followed) -> None:
        """Go to the screen that a part of the header is about."""
        self.console.open(message.screen)

    def on_unmount(self) -> None:
        """Forget what was asked."""
        self.console.asking.forget(self)
