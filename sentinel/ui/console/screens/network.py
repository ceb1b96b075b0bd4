"""Network: which segments speak to which, and where the sensor has found something."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult

from sentinel.core.ports import Span
from sentinel.respond import hunting, network
from sentinel.respond.language import Question
from sentinel.respond.network import Matrix, Pair, Traffic
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, cell, line
from sentinel.ui.console.page import Page, Remembered, stepped
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.words import N_, _, number

SPANS = tuple(timedelta(hours=one) for one in (1, 4, 12, 24, 72, 168, 720))
NAME_WIDE = 16
CELL_WIDE = 7
"""A cell is at least so wide; what the screen is too narrow for then stands in the table alone."""
COLUMNS = (
    Column(N_("FROM"), 16, grows=True),
    Column(N_("TO"), 16, grows=True),
    Column(N_("FINDINGS"), 9, right=True),
    Column(N_("EVENTS"), 11, right=True),
)
Row = tuple[Pair, Traffic]


class Network(Page):
    """The segments and what passes between them."""

    NAME = "network"
    KEY = "7"
    LABEL = N_("Network")
    AUTO_FOCUS = "#pairs"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("findings", N_("Findings"), N_("Show what the sensor has found between the two segments")),
        Action("unfold", N_("Unfold"), N_("Show numbered segments (school-01, school-02) one by one, or together")),
    )
    DEFAULT_CSS = """
    Network #matrix { height: auto; max-height: 50%; }
    Network #pairs { height: 1fr; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._whole: Matrix | None = None
        self._width = timedelta(hours=24)
        self._unfolded = False

    def body(self) -> ComposeResult:
        """Yield the matrix, and the pairs one by one."""
        yield Said(self._above, id="above")
        yield Pane(self._matrix, id="matrix")
        yield Table(COLUMNS, self._cells, id="pairs")

    def entered(self) -> None:
        """Count."""
        now = self.services.clock.now()
        span = Span(now - self._width, now)
        self.ask("matrix", lambda: network.matrix(self.services.store(), span), self._came)

    def remembered(self) -> Remembered:
        """Return the length of time."""
        return {"hours": int(self._width.total_seconds() // 3600), "unfolded": self._unfolded}

    def recall(self, remembered: Remembered) -> None:
        """Look at the same length of time again."""
        hours = remembered.get("hours", 24)
        self._width = timedelta(hours=max(1, min(int(hours), 10_000)))
        self._unfolded = bool(remembered.get("unfolded", False))

    @property
    def shown(self) -> Matrix | None:
        """What is shown."""
        whole = self._whole
        return whole if whole is None or self._unfolded else whole.folded()

    @property
    def table(self) -> "Table[Row]":
        """The pairs."""
        return self.query_one("#pairs", Table)

    def _came(self, found: Matrix) -> None:
        self._whole = found
        self._show()

    def _show(self) -> None:
        shown = self.shown
        if shown is not None:
            self.table.empty = _("no event of this time has two ends; the inventory (assets.toml) names the segments")
            self.table.show(Listed(list(shown.pairs.items()), lambda row: row[0]))
            self.query_one(Pane).retell()
            self.query_one("#above").refresh()

    # -- drawing

    def _above(self, width: int) -> list[Line]:
        del width
        hours = int(self._width.total_seconds() // 3600)
        text = _(" events between segments in the last {hours} h; ✗ findings of the sensor")
        return [line(text.format(hours=number(hours)), "muted")]

    def _matrix(self) -> Sequence[Line]:
        shown = self.shown if self.is_mounted else None
        if shown is None or not shown.pairs:
            return []
        room = self.size.width - NAME_WIDE - 3
        names = shown.names()[: max(1, room // (CELL_WIDE + 1))]
        # whole names, as far as there is room
        wide = min(room // len(names) - 1, max(CELL_WIDE, *(len(_said(name)) + 1 for name in names)))
        head: list[Piece] = [(cell(_("from ↓  to →"), NAME_WIDE), "muted")]
        head += [(f" {cell(_said(name), wide, right=True)}", "title") for name in names]
        return [Line(head, wraps=False), *(self._row(shown, source, names, wide) for source in names)]

    def _row(self, shown: Matrix, source: str, names: Sequence[str], wide: int) -> Line:
        pieces: list[Piece] = [(cell(_said(source), NAME_WIDE), "title")]
        for destination in names:
            traffic = shown.pairs.get((source, destination))
            if traffic is None:
                pieces.append((f" {'·':>{wide}}", "muted"))
            elif traffic.findings:
                pieces.append((f" {'✗' + _short(traffic.findings):>{wide}}", "bad"))
            else:
                pieces.append((f" {_short(traffic.events):>{wide}}", "plain"))
        return Line(pieces, wraps=False)

    def _cells(self, row: Row) -> Sequence[Piece]:
        (source, destination), traffic = row
        return (
            (_said(source), "plain"),
            (_said(destination), "plain"),
            (f"✗ {number(traffic.findings)}" if traffic.findings else "–", "bad" if traffic.findings else "muted"),
            (number(traffic.events), "plain"),
        )

    # -- what can be done

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        row = self.table.row
        if action == "findings" and (row is None or not row[1].findings):
            return _("the sensor has found nothing between these two")
        if action == "unfold" and self._whole is not None and self._whole.names() == self._whole.folded().names():
            return _("no two segments differ by a number alone")
        return ""

    def on_table_chosen(self) -> None:
        """Ask for the events between the two."""
        self._hunt(findings=False)

    def do_findings(self) -> None:
        """Ask for the findings about the two."""
        self._hunt(findings=True)

    def _hunt(self, *, findings: bool) -> None:
        row, whole = self.table.row, self._whole
        if row is not None and whole is not None:
            question = Question(network.between(row[0], findings=findings), replace(whole.span), spoken=True)
            query = hunting.query_of(question)
            if query is not None:
                self.console.open("hunt", query)

    def do_unfold(self) -> None:
        """Show numbered segments one by one, or together."""
        self._unfolded = not self._unfolded
        self._show()

    def do_earlier(self) -> None:
        """Look at a longer time."""
        self._widen(1)

    def do_later(self) -> None:
        """Look at a shorter time."""
        self._widen(-1)

    def _widen(self, by: int) -> None:
        near = min(SPANS, key=lambda one: abs(one - self._width))
        self._width = stepped(SPANS, near, by)
        self.entered()


def _said(name: str) -> str:
    return name or _("(outside)")


def _short(count: int) -> str:
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{number(count / (1000 if unit == 'k' else size), 0 if unit == 'k' else 1)}{unit}"
    return number(count)
