"""Cases: all of them, the open ones first, what the one under the cursor holds beside."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core.case import Case
from sentinel.ui.console import casing
from sentinel.ui.console.actions import Action
from sentinel.ui.console.casing import Casing, bar, left, new_case
from sentinel.ui.console.draw import Line, Piece, Tone, facts, heading, line
from sentinel.ui.console.panes import Pane
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.words import N_, _, moment, number
from sentinel.ui.words.stages import retold

COLUMNS = (
    Column(N_("CASE"), 4, right=True),
    Column(N_("TITLE"), 22, grows=True),
    Column(N_("IT IS"), 8),
    Column(N_("MEMBERS"), 12, rank=2),
    Column(N_("ALERTS"), 6, right=True, rank=1),
    Column(N_("TO DO"), 5, right=True),
    Column(N_("DEADLINE"), 17),
    Column(N_("CHANGED"), 17, rank=3),
)
TOLD_MAX = 8


class CaseList(Casing):
    """The cases."""

    NAME = "cases"
    KEY = "0"
    LABEL = N_("Cases")
    AUTO_FOCUS = "#cases"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("create", N_("New case"), N_("Open a case")),
        *casing.ACTIONS,
        Action("incidents", N_("Incidents"), N_("Show which alerts belong together, and the risk")),
    )
    DEFAULT_CSS = """
    CaseList Table { width: 3fr; }
    CaseList .side { width: 2fr; padding: 0 1; display: none; }
    CaseList.-wide .side { display: block; }
    """

    def body(self) -> ComposeResult:
        """Yield the table and what stands beside it."""
        with Horizontal():
            yield Table(COLUMNS, self._cells, id="cases")
            yield Pane(self._preview, ground="panel", id="preview").add_class("side")

    @property
    def table(self) -> "Table[Case]":
        """The cases."""
        return self.query_one("#cases", Table)

    def meant(self) -> Case | None:
        """Return the case under the cursor."""
        return self.table.row

    def entered(self) -> None:
        """Ask for the cases."""
        self.ask("cases", lambda: self.services.cases().cases(closed=True), self._came)

    def _came(self, found: Sequence[Case]) -> None:
        self.table.empty = _("there is no case yet; {key} opens one").format(
            key=self.console.keymap.shown(self.NAME, "create")
        )
        self.table.show(Listed(found, lambda one: one.number))

    def on_table_moved(self) -> None:
        """Show what the case under the cursor holds."""
        self.query_one("#preview", Pane).retell()
        self.refresh_frame()

    on_table_filled = on_table_moved

    def on_table_chosen(self) -> None:
        """Open the case."""
        if self.table.row is not None:
            self.console.open("case", str(self.table.row.number))

    def do_load_new(self) -> None:
        """Ask again."""
        self.entered()

    def do_create(self) -> None:
        """Open a case and go there."""
        new_case(self, lambda case: self.console.open("case", str(case.number)))

    def do_incidents(self) -> None:
        """Go to the incidents."""
        self.console.open("incidents")

    def _cells(self, row: Case) -> Sequence[Piece]:
        tone: Tone = "plain" if row.state == "open" else "muted"
        return (
            (str(row.number), "strong"),
            (row.title, tone),
            (_("open") if row.state == "open" else _("closed"), tone),
            (", ".join(row.members), tone),
            (number(len(row.alerts)), tone),
            (number(sum(not one.done for one in row.tasks)), tone),
            left(row, self.services.clock.now()),
            (moment(row.timeline[-1].at, seconds=False), "muted"),
        )

    def _preview(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        now = self.services.clock.now()
        made = [heading(f"{row.number} {row.title}"), Line([left(row, now), (" ", "plain"), *bar(row, now)])]
        made += facts(
            [(_("members"), ", ".join(row.members)), (_("opened"), moment(row.opened)),
             (_("kept events"), number(row.evidence))]
        )  # fmt: skip
        made += [Line(), heading(_("Still to be done"))]
        made += [line(f"☐ {one.text}") for one in row.tasks if not one.done] or [line(_("no task is open"), "muted")]
        made += [Line(), heading(_("What was done last"))]
        for one in reversed(row.timeline[-TOLD_MAX:]):
            made.append(Line([(f"{moment(one.at, seconds=False)} {one.who} ", "muted"), (retold(one.what), "plain")]))
        return made
