"""Incidents: alerts that belong together, and what their risk is made of."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core.entity import FIELDS
from sentinel.core.incident import Incident
from sentinel.ui.console.actions import Action
from sentinel.ui.console.casing import into_case
from sentinel.ui.console.draw import Line, Piece, Tone, heading, level, line
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.words import N_, _, moment, number, titled
from sentinel.ui.words.stages import retold

COLUMNS = (
    Column(N_("RISK"), 14),
    Column(N_("SINCE"), 17, rank=1),
    Column(N_("LATEST"), 17, rank=2),
    Column(N_("ALERTS"), 6, right=True),
    Column(N_("JOINED BY"), 24, grows=True),
    Column(N_("IT IS"), 8, rank=1),
)
PARTS = {
    "level": N_("how bad the worst is"),
    "verdicts": N_("what its rules were worth"),
    "tactics": N_("how far the attack has come"),
    "criticality": N_("how important the assets are"),
    "indicators": N_("known to be evil"),
}
SECONDS = 120.0
GRAVE, SERIOUS = 70, 40
"""From this risk on it is drawn as bad, and as a warning."""


class IncidentList(Page):
    """The incidents, those with the highest risk first."""

    NAME = "incidents"
    KEY = "I"
    LABEL = N_("Incidents")
    AUTO_FOCUS = "#incidents"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("case", N_("Make a case"), N_("Put the incident's alerts into a case, an open or a new one")),
        Action("all", N_("Closed too"), N_("Show the incidents too of which every alert is closed, or no longer")),
    )
    DEFAULT_CSS = """
    IncidentList Table { width: 1fr; height: 1fr; }
    IncidentList #parts { width: 1fr; padding: 0 1; height: 1fr; }
    IncidentList #both { layout: vertical; }
    IncidentList.-wide #both { layout: horizontal; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._found: Sequence[Incident] = ()
        self._closed = False

    def body(self) -> ComposeResult:
        """Yield the table and what the risk is made of."""
        with Horizontal(id="both"):
            yield Table(COLUMNS, self._cells, id="incidents")
            yield Pane(self._parts, ground="panel", id="parts").add_class("side")

    @property
    def table(self) -> "Table[Incident]":
        """The incidents."""
        return self.query_one("#incidents", Table)

    def entered(self) -> None:
        """Look what belongs together."""
        self.ask("incidents", self.services.incidents, self._came, seconds=SECONDS)

    def _came(self, found: Sequence[Incident]) -> None:
        self._found = found
        self._show()

    def _show(self) -> None:
        shown = [one for one in self._found if self._closed or one.open]
        self.table.empty = _("no open alerts belong together")
        self.table.show(Listed(shown, lambda one: one.id))

    def on_table_moved(self) -> None:
        """Show what its risk is made of."""
        self.query_one("#parts", Pane).retell()
        self.refresh_frame()

    on_table_filled = on_table_moved

    def on_table_chosen(self) -> None:
        """Go to its alerts."""
        self.query_one("#parts", Pane).focus()

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        if action == "case" and self.table.row is None:
            return _("there is no incident here")
        return ""

    def do_load_new(self) -> None:
        """Look again."""
        self.entered()

    def do_all(self) -> None:
        """Show the closed ones too, or no longer."""
        self._closed = not self._closed
        self._show()

    def do_case(self) -> None:
        """Make a case of it."""
        row = self.table.row
        if row is not None:
            into_case(self, [one.id for one in row.alerts], row.alerts[0].title)

    def _cells(self, row: Incident) -> Sequence[Piece]:
        return (
            (f"{'█' * round(row.score / 10):░<10} {row.score:>3}", _tone(row.score)),
            (moment(row.first_seen, seconds=False), "muted"),
            (moment(row.last_seen, seconds=False), "muted"),
            (number(len(row.alerts)), "plain"),
            (", ".join(one.value for one in row.shared), "plain"),
            (_("open") if row.open else _("closed"), "muted"),
        )

    def _parts(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        made = [heading(_("Risk {n} of 100").format(n=row.score))]
        for part in row.parts:
            pieces: list[Piece] = [(f"{part.points:+4d}  ", "strong"), (f"{_(PARTS[part.name])}: ", "plain")]
            made.append(Line([*pieces, (retold(part.why), "muted")], indent=6))
        made += [Line(), heading(_("What joins its alerts"))]
        made += [
            Line([(f"{one.kind} ", "muted"), (one.value, "link")], go=("entity", f"{FIELDS[one.kind][0]}={one.value}"))
            for one in row.shared
        ]
        made += [Line(), heading(_("Its alerts"))]
        made += [
            Line([level(one.level), (f" {titled(one.title)}", "link"), (f"  {moment(one.last_seen)}", "muted")],
                 go=("alert", one.id))
            for one in row.alerts
        ]  # fmt: skip
        made += [Line(), heading(_("How it came to be"))]
        made += [line(f"{moment(one.at)} {retold(one.what)}", "muted") for one in row.history]
        return made


def _tone(score: int) -> Tone:
    return "bad" if score >= GRAVE else "warning" if score >= SERIOUS else "plain"
