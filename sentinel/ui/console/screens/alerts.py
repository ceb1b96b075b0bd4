"""Alerts: all of them as a table, what is asked for above, what the one under the cursor is about beside."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core.listing import Brief, Wanted
from sentinel.core.where import plain
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, facts, heading, level
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane
from sentinel.ui.console.table import Column, Table
from sentinel.ui.words import N_, moment, number

COLUMNS = (
    Column(N_("SEV"), 4),
    Column(N_("TIME"), 8),
    Column("#", 7, right=True, rank=3),
    Column(N_("RULE"), 24, grows=True),
    Column(N_("ABOUT"), 18, grows=True, rank=1),
    Column(N_("ATT&CK"), 9, rank=2),
    Column(N_("STATE"), 8),
)


class Alerts(Page):
    """The alerts."""

    NAME = "alerts"
    KEY = "2"
    LABEL = N_("Alerts")
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("mark", N_("Mark"), N_("Mark the alert, to act on several at once")),
    )
    DEFAULT_CSS = """
    Alerts Table { width: 3fr; }
    Alerts .side { width: 2fr; padding: 0 1; display: none; }
    Alerts.-wide .side { display: block; }
    """

    def body(self) -> ComposeResult:
        """Yield the table and what stands beside it."""
        with Horizontal():
            yield Table(COLUMNS, self._cells, id="alerts")
            yield Pane(self._preview, ground="panel", id="preview").add_class("side")

    @property
    def table(self) -> "Table[Brief]":
        """The table."""
        return self.query_one("#alerts", Table)

    def entered(self) -> None:
        """Ask for the alerts."""
        self.ask("list", lambda: self.services.listings().listing(Wanted(), "last_seen"), self.table.show)

    def on_table_moved(self) -> None:
        """Show what the alert under the cursor is about."""
        self.query_one("#preview", Pane).retell()

    def do_mark(self) -> None:
        """Mark."""
        self.table.mark()

    def _cells(self, row: Brief) -> Sequence[Piece]:
        about = ", ".join(plain(value) for _name, value in row.key)
        return (
            level(row.level),
            (moment(row.last_seen, day=False), "muted"),
            (number(row.count), "plain"),
            (row.title, "plain"),
            (about, "plain"),
            (", ".join(row.attack), "muted"),
            (row.state, "plain"),
        )

    def _preview(self) -> list[Line]:
        row = self.table.row
        if row is None:
            return []
        return [heading(row.title), *facts([(name, plain(value)) for name, value in row.key])]
