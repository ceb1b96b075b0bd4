"""One alert: what one has to know to decide, on one screen, and all the evidence one key further."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core.alert import Seen, State
from sentinel.core.detection import Key
from sentinel.core.scene import BEFORE, Dossier, Scene
from sentinel.core.slip import Slip
from sentinel.core.where import plain
from sentinel.ui.console import acting, deciding
from sentinel.ui.console.acting import SHORT, STATES, Acting
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, level, line, slip_lines
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.words import N_, _, moment, ngettext, titled

TABS = (N_("Evidence"), N_("Rule"), N_("Timeline"), N_("Entity"), N_("History"), N_("Raw"))
LINES_MAX = 20_000


class Alert(Acting):
    """The alert whose id is the subject."""

    NAME = "alert"
    LABEL = N_("Alert")
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        *acting.ACTIONS,
        Action("why", N_("Why"), N_("Why it fired")),
        Action("hex", "", N_("Raw lines as bytes, or as text again")),
    )
    DEFAULT_CSS = """
    Alert #tab { width: 3fr; padding: 0 1; }
    Alert .side { width: 2fr; padding: 0 1; display: none; }
    Alert.-wide .side { display: block; }
    Alert #head { height: 2; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._dossier: Dossier | None = None
        self._scene: Scene | None = None
        self._slip: Slip | None = None
        self._problem = ""
        self._tab = 0
        self._hex = False

    def body(self) -> ComposeResult:
        """Yield the head, the tab and what helps to decide."""
        yield Said(self._head, ground="panel", id="head")
        yield Said(self._tabs, ground="panel", id="tabs")
        with Horizontal():
            yield Pane(self._lines, id="tab")
            yield Pane(self._decide, ground="panel", id="decide").add_class("side")

    def entered(self) -> None:
        """Ask the book, then the store."""
        self.query_one("#tab").focus()
        if not self.subject:
            self._problem = _("no alert is chosen: press Enter on one in the alerts")
            return
        services, alert_id = self.services, self.subject

        def then(found: Dossier) -> None:
            first = self._dossier is None
            self._dossier = found
            self._tell()
            if first or self._scene is None:
                self._problem = ""
                alert = found.alert
                self.ask("slip", lambda: services.slip(alert.first_seen - BEFORE, alert.last_seen), self._slipped)
                self.ask("scene", lambda: services.scene(found.alert), self._seen, failed=self._away)

        def failed(why: str) -> None:
            self._problem = why
            self._tell()

        self.ask("dossier", lambda: services.dossier(alert_id), then, failed=failed)

    def _seen(self, found: Scene) -> None:
        self._scene, self._problem = found, ""
        self._tell()

    def _slipped(self, slip: Slip) -> None:
        self._slip = slip
        self._tell()

    def _away(self, why: str) -> None:
        self._problem = why
        self._tell()

    def _tell(self) -> None:
        for pane in self.query(Pane):
            pane.retell()
        self.refresh_frame()

    def do_load_new(self) -> None:
        """Ask again."""
        self._scene = None
        self.entered()

    # -- what is meant

    def acted_on(self) -> Sequence[Seen]:
        """Return the alert, as it was seen."""
        return [Seen(self._dossier.alert.id, self._dossier.alert.version)] if self._dossier else []

    def about(self) -> tuple[str, str, Key]:
        """Return the alert."""
        alert = self._dossier.alert if self._dossier else None
        return (alert.id, alert.title, alert.key) if alert else ("", "", ())

    def state_of(self) -> State | None:
        """Return its state."""
        return self._dossier.alert.state if self._dossier else None

    def acted(self) -> None:
        """Show what has become of it."""
        self.entered()

    # -- tabs

    def _go(self, tab: int) -> None:
        self._tab = tab % len(TABS)
        pane = self.query_one("#tab", Pane)
        pane.show(self._lines())
        self.refresh_frame()

    def do_left(self) -> None:
        """Show the tab before."""
        self._go(self._tab - 1)

    def do_right(self) -> None:
        """Show the next tab."""
        self._go(self._tab + 1)

    def do_why(self) -> None:
        """Show the first tab."""
        self._go(0)

    def do_hex(self) -> None:
        """Show bytes, or text again."""
        self._hex = not self._hex
        self._go(TABS.index("Raw"))

    def copies(self) -> list[tuple[str, str]]:
        """Return its id, what it is about, and the raw lines."""
        if self._dossier is None:
            return []
        found = [(_("alert"), self._dossier.alert.id)]
        found += [(name, plain(value)) for name, value in self._dossier.alert.key]
        events = self._scene.evidence if self._scene else ()
        return found + [(_("raw line {n}").format(n=at), deciding.raw(one)) for at, one in enumerate(events[:9], 1)]

    # -- what is shown

    def _head(self, width: int) -> list[Line]:
        del width
        if self._dossier is None:
            return [Line(((f" {self._problem or '…'}", "bad" if self._problem else "muted"),))]
        alert = self._dossier.alert
        title = titled(alert.title)
        first: list[Piece] = [(" ", "plain"), level(alert.level), (f" {title}", "strong")]
        verdict = f" {_(SHORT[alert.verdict])}" if alert.verdict else ""
        state = f"{_(STATES[alert.state])}{verdict} {alert.assignee}".rstrip()
        events = ngettext("{n} event", "{n} events", alert.count)
        times = moment(alert.first_seen)
        if alert.last_seen != alert.first_seen:
            times += f" – {moment(alert.last_seen)}"
        second: list[Piece] = [(f" {state}", "accent"), (f" · {events} · {times}", "muted")]
        second.append((f" · {', '.join(alert.attack)}" if alert.attack else "", "muted"))
        if alert.suppressed_until:
            until = moment(alert.suppressed_until, seconds=False)
            second.append((" · " + _("suppressed until {until}").format(until=until), "warning"))
        return [Line(first), Line(second)]

    def _tabs(self, width: int) -> list[Line]:
        del width
        pieces: list[Piece] = [(" ← → ", "key")]
        for at, name in enumerate(TABS):
            pieces.append(
                (f"[{_(name)}]" if at == self._tab else f" {_(name)} ", "strong" if at == self._tab else "muted")
            )
        return [Line(pieces)]

    def _lines(self) -> list[Line]:
        dossier, scene = self._dossier, self._scene
        tab = TABS[self._tab]
        if dossier is None:
            return []
        if tab == "History":
            return list(deciding.history(dossier.alert))
        if scene is None:
            waiting = line(self._problem or _("asking the store …"), "bad" if self._problem else "muted")
            return [waiting, Line(), *(self._decide() if self._tab == 0 else ())]
        match tab:
            case "Evidence":
                narrow = () if self.has_class("-wide") else (Line(), *self._decide())
                slip = (Line(), *slip_lines(self._slip)) if self._slip is not None else ()
                made: Iterable[Line] = (*deciding.evidence(dossier, scene), *slip, *narrow)
            case "Rule":
                made = deciding.rule(scene, dossier.alert)
            case "Timeline":
                made = deciding.timeline(scene)
            case "Entity":
                made = deciding.entity(scene)
            case _:
                made = deciding.raws(scene, as_bytes=self._hex)
        return list(islice(made, LINES_MAX))

    def _decide(self) -> list[Line]:
        return list(deciding.deciding_lines(self._dossier, self._scene)) if self._dossier else []
