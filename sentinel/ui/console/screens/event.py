"""One event: every field, the line it came from, and that line's bytes."""

from typing import ClassVar

from textual.app import ComposeResult

from sentinel.core.event import Event
from sentinel.respond import hunting
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, heading, line
from sentinel.ui.console.eventlines import field_lines, hex_lines, told
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane
from sentinel.ui.tables import value_text
from sentinel.ui.words import N_, _


class EventPage(Page):
    """An event; `subject` is its id."""

    NAME = "event"
    LABEL = N_("Event")
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("hunt", N_("Hunt"), N_("Ask for events with the value under the cursor")),
        Action("timeline", N_("Timeline"), N_("Show what else happened around this event")),
    )

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._event: Event | None = None
        self._missing = ""

    def body(self) -> ComposeResult:
        """Yield the lines."""
        yield Pane(self._lines, id="fields")

    def entered(self) -> None:
        """Ask for the event."""
        if self._event is None:
            self.ask("event", lambda: hunting.event(self.services.store(), self.subject), self._came)

    def _came(self, event: Event | None) -> None:
        self._event = event
        self._missing = "" if event is not None else _("the store has no event {id}").format(id=self.subject)
        self.query_one(Pane).retell()

    def _lines(self) -> list[Line]:
        event = self._event
        if event is None:
            return [line(self._missing, "muted")]
        raw = value_text(event.fields.get("event.original")).encode("utf-8", "surrogateescape")
        return [heading(told(event)), Line(), *field_lines(event), Line(), heading(_("Byte by byte")), *hex_lines(raw)]

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        chosen = self.query_one(Pane).line
        if action == "hunt" and (chosen is None or chosen.fact is None):
            return _("put the cursor on a field")
        return _("the event is not there yet") if self._event is None and action == "timeline" else ""

    def do_hunt(self) -> None:
        """Ask for events with the value under the cursor."""
        chosen = self.query_one(Pane).line
        if chosen is not None and chosen.fact is not None:
            self.console.open("hunt", hunting.about(*chosen.fact))

    def do_timeline(self) -> None:
        """Show what else happened."""
        self.console.open("timeline", f"event={self.subject}")

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        """Go to the entity, or ask for the value."""
        if message.line.go is not None and message.line.go[0]:
            super().on_pane_chosen(message)
        elif message.line.fact is not None:
            self.console.open("hunt", hunting.about(*message.line.fact))
