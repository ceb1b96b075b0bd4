"""The console itself: it opens screens, remembers where the operator is, and has questions answered."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import App
from textual.screen import Screen

from sentinel.core.errors import ConfigError
from sentinel.ui.console import escape, gate, keymap, session
from sentinel.ui.console.actions import EVERYWHERE
from sentinel.ui.console.asking import Answered, Asking
from sentinel.ui.console.draw import Line, Look, Piece, sign
from sentinel.ui.console.helping import keys_of
from sentinel.ui.console.modals import Choice, Menu, Reading
from sentinel.ui.console.page import Page
from sentinel.ui.console.painting import Painted
from sentinel.ui.console.screens import NAMES, screen, screens
from sentinel.ui.console.services import Pulse, Services
from sentinel.ui.console.themes import LOOKS, theme
from sentinel.ui.console.tidying import Tidying
from sentinel.ui.words import LANGUAGES, N_, _, language, learn, number, read, speak

Chosen = Callable[[str], object]
PROBLEMS = {
    "run": N_("sentinel run is not at work"),
    "judge": N_("the rules stand still"),
    "spool": N_("the spool is full"),
    "apart": N_("not known: what other machines write"),
}
FIRST = "alerts"
PULSE_SECONDS = 5.0
SETTLED_SECONDS = 1.0
"""So long at most the first screen has the machine for itself."""
LAG_WARNED_SECONDS = 300
SPOOL_WARNED = 0.8
DEPTH_MAX = 32


class Console(App[None]):
    """The console over `services`."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[object]] = []  # type: ignore[assignment]  # the key map has them
    CSS = "Screen { background: $background; color: $foreground; }"

    def __init__(self, services: Services, first: str = "", subject: str = "") -> None:
        gate.shut()
        escape.heed()
        super().__init__()
        self.animation_level = "none"
        self._painted = Painted()
        self._tidying = Tidying()
        self.services = services
        self.asking = Asking(self.post_message)
        self.waiting_seconds = 0.0
        self._looking = False
        self.undoable: list[str] = []
        self._reading = Reading()
        self.install_screen(self._reading, "reading")
        self._session_file = services.state_folder / "console.json"
        self.remembered, self._damaged = session.load(self._session_file)
        self._kept = deepcopy(self.remembered)
        self._places: dict[str, Page] = {}
        self._first = first, subject
        self._pulse: Pulse | None = None
        self._pulse_problem = ""
        self.refused = ""
        """What is wrong with the configuration, if that has ended the console."""
        self._looked = False
        self._learning = False
        self._keymap_problem = ""
        try:
            self.keymap = keymap.load(_actions, services.keys_file)
        except ConfigError as error:
            self.keymap = keymap.load(_actions)
            self._keymap_problem = str(error)
        asked = str(self.remembered.console.get("language") or services.language)
        speak(next((one for one in LANGUAGES if one == asked), "en"))
        self.look: Look = LOOKS.get(str(self.remembered.console.get("look")), next(iter(LOOKS.values())))
        # before anything is drawn: a theme that comes later has all of it styled anew
        for look in LOOKS.values():
            self.register_theme(theme(look))
        self.theme = self.look.name

    def on_mount(self) -> None:
        """Open the first screen."""
        name, subject = self._first
        last = str(self.remembered.console.get("screen", ""))
        self.open(name or (last if last in NAMES and screen(last).KEY else FIRST), subject)
        problem = self._keymap_problem or (
            _("what was remembered of last time is not used: {why}").format(why=self._damaged) if self._damaged else ""
        )
        if problem:
            self.call_after_refresh(self.page.say, problem, "warning")
        self.call_after_refresh(self._settle)
        self.set_timer(SETTLED_SECONDS, self._look_closer)

    def _display(self, screen: Screen[object], renderable: object) -> None:
        super()._display(screen, self._painted.only_new(renderable))  # type: ignore[arg-type]  # what Textual has made

    async def on_event(self, event: events.Event) -> None:
        """Give an event to whom it is for."""
        self._tidying.heard(event)
        await super().on_event(event)

    def on_resize(self) -> None:
        """Paint all of it: a terminal that has changed shows what it likes."""
        self._painted.forget()

    # -- where the operator is

    @property
    def page(self) -> Page:
        """The screen that is in view, or lies below a modal."""
        return next(one for one in reversed(self.screen_stack) if isinstance(one, Page))

    def open(self, name: str, subject: str = "") -> None:
        """Go to a screen; one without a subject is the same each time, and goes on where it was left."""
        if name not in NAMES:
            self.page.say(_("there is no screen {name}").format(name=name), "warning")
            return
        if not subject and name in self._places and self._places[name] in self.screen_stack:
            while self.screen is not self._places[name]:
                self.pop_screen()
            return
        if len(self.screen_stack) >= DEPTH_MAX:
            self.page.say(_("too many screens lie on each other; go back with Esc"), "warning")
            return
        page = self._places.get(name) if not subject else None
        if page is None:
            page = screen(name)(subject)
            page.recall(self.remembered.screens.get(name, {}))
            if not subject:
                self._places[name] = page
                self.install_screen(page, name)
        self.push_screen(page)

    def back(self) -> bool:
        """Go back to the screen before; False if there is none."""
        if sum(isinstance(one, Page) for one in self.screen_stack) < 2:
            return False
        self.pop_screen()
        return True

    def at_key(self, key: str) -> bool:
        """Go to the screen with this key; False if none has it."""
        for name, page in screens().items():
            if key == page.KEY:
                if not (isinstance(self.screen, page) and not self.screen.subject):
                    self.open(name)
                return True
        return False

    def crumbs(self) -> list[str]:
        """Return the way to the screen that is in view, the last three."""
        pages = [one for one in self.screen_stack if isinstance(one, Page)]
        return [one.crumb() if at or not one.KEY else f"{one.KEY} {one.crumb()}" for at, one in enumerate(pages)][-3:]

    # -- how Sentinel fares

    def _settle(self) -> None:
        if not self.asking.busy:
            self._look_closer()

    def _look_closer(self) -> None:
        """Do what the first rows need not wait for: load the other screens and language, check the configuration."""
        if self._looked:
            return
        self._looked = True

        def question() -> str:
            screens()
            read()
            try:
                self.services.check()
            except ConfigError as error:
                return str(error)
            return ""

        def then(why: str) -> None:
            if why:
                self.refused = why
                self.exit()
                return
            self._beat()
            self.set_interval(PULSE_SECONDS, self._beat)

        # the screen below all others is always there to hear it
        self.page.ask("check", question, then, owner=self.screen_stack[0])

    def _learn(self) -> None:
        """Have the rules read: at once for who speaks German, for all others when nobody is there."""
        if self._learning or not (self._tidying.left or language() != "en"):
            return
        self._learning = True

        def then(titles: Mapping[str, str]) -> None:
            learn(titles)
            self.page.retell()
            self.page.learnt()

        self.page.ask("titles", self.services.titles, then, owner=self.screen_stack[0])

    def _beat(self) -> None:
        self._tidying.tidy()
        self._learn()
        page = self.page

        def then(pulse: Pulse) -> None:
            self._pulse, self._pulse_problem = pulse, ""
            page.refresh_frame()

        def failed(why: str) -> None:
            self._pulse_problem = why
            page.refresh_frame()

        self.keep()
        page.ask("pulse", self.services.pulse, then, failed=failed)

    def pulse_parts(self) -> list[tuple[list[Piece], str]]:
        """Return how Sentinel fares, the gravest first: each part, and the screen that says more about it."""
        pulse = self._pulse
        if self._pulse_problem:
            return [(sign("bad", self._pulse_problem), "overview")]
        if pulse is None:
            return []
        parts: list[tuple[list[Piece], str]] = []
        if pulse.problem:
            parts.append((sign("bad", _(PROBLEMS[pulse.problem])), "overview"))
        if pulse.silent:
            parts.append((sign("warning", _("{n} silent").format(n=number(pulse.silent))), "sources"))
        lag = pulse.detect_lag.total_seconds()
        late = lag > LAG_WARNED_SECONDS
        parts.append((sign("warning" if late else "good", _("lag {n} s").format(n=number(lag))), "rules"))
        full = _("spool {n} %").format(n=number(100 * pulse.spool, 1))
        parts.append((sign("warning" if pulse.spool > SPOOL_WARNED else "good", full), "overview"))
        if pulse.per_second is not None:
            parts.append((sign("good", _("ingest {n} ev/s").format(n=number(pulse.per_second))), "sources"))
        return parts

    def pulse(self, width: int) -> Line:
        """Return how Sentinel fares and who is at the keyboard, as much as fits; each part leads to its screen."""
        shown: list[Piece] = []
        links: dict[int, str] = {}
        who: Piece = (f"   {self.services.place} / {self.services.who}", "muted")
        for part, to in (*self.pulse_parts(), ([who], "")):
            wide = sum(cell_len(text) for text, _tone in part) + 2
            if wide <= width:
                shown.append(("  ", "plain"))
                links |= {at: to for at in range(len(shown), len(shown) + len(part)) if to}
                shown += part
                width -= wide
        return Line(shown, links=links)

    # -- questions

    def on_answered(self, answered: Answered) -> None:
        """Give an answer to who asked."""
        self.asking.hear(answered)
        self._settle()
        if not self.asking.busy:
            self.waiting_seconds = 0.0
        self.page.refresh_frame()

    def waits(self) -> None:
        """Look after a while whether the answer has come."""
        if not self._looking:
            self._looking = True
            self.set_timer(1.0, self._still)

    def _still(self) -> None:
        self._looking = False
        before, self.waiting_seconds = self.waiting_seconds, self.asking.look()
        if self.asking.busy:
            self.waits()
        if before or self.waiting_seconds >= 1:
            self.page.refresh_frame()

    # -- modals

    def choose_screen(self) -> None:
        """Ask for a screen by its name."""
        choices = [Choice(name, _(page.LABEL), f"{page.KEY} {name}") for name, page in screens().items() if page.KEY]
        self._menu(_("Go to"), choices, self.open)

    def choose_action(self, page: Page) -> None:
        """Ask for an action, or a screen, by its name."""
        choices = [
            Choice(f"do {name}", _(one.help), self.keymap.shown(page.NAME, name), page.why_not(name))
            for name, one in page.actions().items()
        ]
        choices.sort(key=lambda one: bool(one.why_not))
        choices += [
            Choice(f"go {name}", "".join(text for text, _tone in part), _(screens()[name].LABEL))
            for part, name in self.pulse_parts()
        ]
        choices += [
            Choice(f"go {name}", _("Screen: {name}").format(name=_(kind.LABEL)), kind.KEY)
            for name, kind in screens().items()
            if kind.KEY
        ]

        def then(chosen: str) -> None:
            verb, _space, name = chosen.partition(" ")
            if verb == "do":
                page.do(name)
            else:
                self.open(name)

        self._menu(_("Do"), choices, then)

    def choose_copy(self, found: Sequence[tuple[str, str]]) -> None:
        """Ask what is to be copied, and copy it with everything harmless that could act when it is pasted."""
        from sentinel.ui.visible import visible  # noqa: PLC0415  only here is a text needed apart from drawing

        if not found:
            self.page.say(_("there is nothing to copy here"), "warning")
            return
        choices = [Choice(str(at), label, visible(text)[:120]) for at, (label, text) in enumerate(found)]

        def then(chosen: str) -> None:
            label, text = found[int(chosen)]
            self.copy_to_clipboard(visible(text))
            self.page.say(_("copied: {what}").format(what=label))

        self._menu(_("Copy"), choices, then, typed=False)

    def choose(self, title: str, choices: Sequence[Choice], then: Chosen, *, typed: bool = False) -> None:
        """Ask for one of some things; `then` gets its value."""
        self._menu(title, choices, then, typed=typed)

    def _menu(self, title: str, choices: Sequence[Choice], then: Chosen, *, typed: bool = True) -> None:
        def chosen(value: object) -> None:
            if isinstance(value, str):
                then(value)

        self.push_screen(Menu(title, choices, typed=typed), chosen)

    def read(self, title: str, lines: Callable[[], Sequence[Line]]) -> None:
        """Show a text to read."""
        self._reading.read(title, lines)
        if self._reading not in self.screen_stack:
            self.push_screen(self._reading)

    def show_help(self, page: Page) -> None:
        """Show every key that does something on a screen, those that do nothing now with the reason."""
        self.read(_("Keys"), lambda: keys_of(page, self.keymap))

    # -- how it speaks and looks

    def next_language(self) -> None:
        """Speak the other language, at once."""
        speak(LANGUAGES[(LANGUAGES.index(language()) + 1) % len(LANGUAGES)])
        self.remembered.console["language"] = language()
        self._learn()
        self.keep()
        self.page.retell()

    def next_look(self) -> None:
        """Look the other way, at once."""
        names = list(LOOKS)
        self.look = LOOKS[names[(names.index(self.look.name) + 1) % len(names)]]
        self.theme = self.look.name
        self.remembered.console["look"] = self.look.name
        self.keep()
        self.page.retell()

    # -- the end

    def keep(self) -> None:
        """Remember where the operator is: also while at work, for whoever is killed is not asked."""
        roots = [one for one in self.screen_stack if isinstance(one, Page) and not one.subject]
        if roots:
            self.remembered.console["screen"] = roots[-1].NAME
        for name, page in self._places.items():
            if page.is_mounted:
                self.remembered.screens[name] = page.remembered()
        now = deepcopy(self.remembered)
        if now == self._kept:
            return
        try:
            session.save(self._session_file, now)
        except OSError as error:
            self.log(f"{self._session_file}: {error}")
        else:
            self._kept = now

    def exit(self, *args: object, **kwargs: object) -> None:
        """End, and remember."""
        self.keep()
        super().exit(*args, **kwargs)  # type: ignore[arg-type]  # handed on as it is


def _actions() -> dict[str, list[str]]:
    known = {name: [one.name for one in (*page.ACTIONS, *EVERYWHERE)] for name, page in screens().items()}
    return {**known, keymap.EVERYWHERE: [one.name for one in EVERYWHERE]}
