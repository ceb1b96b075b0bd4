"""Audit: who did what, and whether somebody has changed what stands there."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from sentinel.core.audit import Entry
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, facts, heading, line, sign
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.services import Chain
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.words import N_, _, moment, ngettext, number

COLUMNS = (
    Column(N_("NO."), 7, right=True, rank=2),
    Column(N_("TIME"), 15),
    Column(N_("WHO"), 10),
    Column(N_("DID"), 18),
    Column(N_("ABOUT"), 16, grows=True),
    Column(N_("DETAILS"), 20, grows=True, rank=1),
)
CHECKED_SECONDS = 300.0
"""So long the whole chain may take to be checked."""


class Audit(Page):
    """The audit log, the latest entry first."""

    NAME = "audit"
    KEY = "A"
    LABEL = N_("Audit")
    AUTO_FOCUS = "#entries"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("verify", N_("Verify"), N_("Check the whole chain, from its first entry on")),
    )
    DEFAULT_CSS = """
    Audit Table { width: 3fr; }
    Audit .side { width: 2fr; padding: 0 1; display: none; }
    Audit.-wide .side { display: block; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._entries: Sequence[Entry] = ()
        self._chain: Chain | None = None

    def body(self) -> ComposeResult:
        """Yield what the entries shall contain, the chain's state, the entries, one of them in full."""
        yield Input(id="filter", placeholder=_("a part of a name, a deed, an id"))
        yield Said(self._state, id="state")
        with Horizontal():
            yield Table(COLUMNS, _cells, id="entries")
            yield Pane(self._whole, ground="panel", id="whole").add_class("side")

    @property
    def table(self) -> "Table[Entry]":
        """The entries."""
        return self.query_one("#entries", Table)

    def entered(self) -> None:
        """Read the log."""
        self.ask("entries", self.services.deeds, self._came)
        if self._chain is None:
            self.do_verify()

    def _came(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._show()

    def on_input_changed(self) -> None:
        """Show what matches."""
        self._show()

    def on_input_submitted(self) -> None:
        """Go to the entries."""
        self.table.focus()

    def _show(self) -> None:
        typed = self.query_one("#filter", Input).value.casefold().split()
        kept = [one for one in self._entries if all(word in _text(one).casefold() for word in typed)]
        self.table.empty = _("nothing stands there") if not typed else _("nothing matches")
        self.table.show(Listed(kept, lambda one: one.number))

    def on_table_moved(self) -> None:
        """Show the entry under the cursor in full."""
        self.query_one("#whole", Pane).retell()

    def on_table_chosen(self) -> None:
        """Open what the entry is about, if it is an alert."""
        row = self.table.row
        if row is not None and row.deed.what.startswith("alert.") and row.deed.about:
            self.console.open("alert", row.deed.about)
        else:
            self.query_one("#whole", Pane).focus()

    def do_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#filter", Input))

    def do_load_new(self) -> None:
        """Read the log again."""
        self.entered()

    def do_verify(self) -> None:
        """Check the chain."""
        self.ask("chain", self.services.chain, self._verified, seconds=CHECKED_SECONDS)

    def _verified(self, chain: Chain) -> None:
        self._chain = chain
        self.query_one("#state").refresh()

    # -- drawing

    def _state(self, width: int) -> list[Line]:
        del width
        chain = self._chain
        if chain is None:
            return [line(_(" the chain is being checked"), "muted")]
        if chain.problems:
            text = _("somebody has changed it: {problem}").format(problem=chain.problems[0])
            return [Line([(" ", "plain"), *sign("bad", text)])]
        text = ngettext("{n} entry, none changed", "{n} entries, none changed", chain.entries)
        anchored = (
            _("last anchored {at}").format(at=chain.anchored)
            if chain.anchored
            else _("never anchored: sentinel audit anchor, and keep what it prints elsewhere")
        )
        head = _("head {hash}").format(hash=chain.head[:12])
        return [Line([(" ", "plain"), *sign("good", text), (f"   {head}   {anchored}", "muted")])]

    def _whole(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        deed = row.deed
        made = [heading(f"{deed.what} {deed.about}".strip()), Line()]
        made += facts([(_("number"), number(row.number)), (_("time"), moment(row.at)), (_("who"), deed.who)])
        made += facts([(name, _plain(value)) for name, value in deed.details.items()])
        return [*made, Line(), heading(_("SHA-256 of this and all before")), line(row.hash, "muted")]


def _cells(row: Entry) -> Sequence[Piece]:
    details = ", ".join(f"{name}={_plain(value)}" for name, value in row.deed.details.items())
    return (
        (number(row.number), "muted"),
        (moment(row.at, year=False), "muted"),
        (row.deed.who, "plain"),
        (row.deed.what, "strong"),
        (row.deed.about, "plain"),
        (details, "muted"),
    )


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _text(row: Entry) -> str:
    return f"{row.deed.who} {row.deed.what} {row.deed.about} {' '.join(map(_plain, row.deed.details.values()))}"
