"""Alerts: all of them as a table, what is asked for above, what the one under the cursor is about beside."""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import ClassVar, Literal, cast, get_args

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input

from sentinel.core.alert import Seen, State
from sentinel.core.detection import Key
from sentinel.core.errors import UsageError
from sentinel.core.listing import Brief, Listing, Order
from sentinel.core.scene import Dossier, Scene
from sentinel.core.where import plain
from sentinel.respond.alertwords import completed, wanted
from sentinel.ui.console import acting, deciding
from sentinel.ui.console.acting import SHORT, STATES, Acting
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, facts, heading, level
from sentinel.ui.console.modals import Choice
from sentinel.ui.console.page import Remembered
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.table import Column, Table
from sentinel.ui.words import N_, _, moment, ngettext, number, titled, titles_with
from sentinel.ui.words.stages import retold

COLUMNS = (
    Column(N_("SEV"), 4),
    Column(N_("TIME"), 11),
    Column("#", 6, right=True, rank=3),
    Column(N_("RULE"), 24, grows=True),
    Column(N_("HOST"), 14, rank=1),
    Column(N_("USER, ABOUT"), 14, rank=2),
    Column(N_("ATT&CK"), 9, rank=4),
    Column(N_("STATE"), 12),
)
ORDERS: dict[Order, str] = {
    "last_seen": N_("last seen"),
    "raised_at": N_("raised"),
    "level": N_("severity"),
    "count": N_("count of events"),
    "title": N_("rule"),
}
Reach = Literal["1h", "24h", "7d", "30d", ""]
REACHES: tuple[Reach, ...] = get_args(Reach)
FRESH_SECONDS = 5.0
REST_SECONDS = 0.4
"""So long the cursor has to rest on an alert until the preview asks for more of it: moving costs no question."""
HOSTS = ("host.name", "host.hostname", "observer.name")
STARTING = "-state:closed"


class _Words(Suggester):
    async def get_suggestion(self, value: str) -> str | None:
        last = value.rsplit(" ", 1)[-1]
        sign = "-" if last.startswith("-") else ""
        found = completed(value)
        return f"{value[: len(value) - len(last)]}{sign}{found[0]}" if found else None


class Alerts(Acting):
    """The alerts."""

    NAME = "alerts"
    KEY = "2"
    LABEL = N_("Alerts")
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("mark", N_("Mark"), N_("Mark the alert, to act on several at once")),
        Action("mark_all", "", N_("Mark all that are shown, at most 1,000; or none")),
        *acting.ACTIONS,
        Action("why", "", N_("Why it fired")),
    )
    DEFAULT_CSS = """
    Alerts #alerts { width: 3fr; }
    Alerts .side { width: 2fr; padding: 0 1; display: none; }
    Alerts.-wide .side { display: block; }
    """
    MARKED_MAX = 1_000

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._text = subject or STARTING
        self._order: Order = "last_seen"
        self._reversed = False
        self._reach: Reach = ""
        self._fresh = 0
        self._follows = False
        self._begun = False
        self._at: int | None = None
        self._moved: float | None = None
        self._glanced: tuple[Seen, Dossier, Scene | None] | None = None

    def body(self) -> ComposeResult:
        """Yield the filter, the table and what stands beside it."""
        yield Input(
            self._text, id="filter", suggester=_Words(use_cache=False), placeholder="level:>=high host:… -state:closed"
        )
        yield Said(self._summary, ground="panel", id="summary")
        with Horizontal():
            yield Table(COLUMNS, self._cells, id="alerts")
            yield Pane(self._preview, ground="panel", id="preview").add_class("side")

    @property
    def table(self) -> "Table[Brief]":
        """The table."""
        return cast("Table[Brief]", self.query_one("#alerts", Table))

    def entered(self) -> None:
        """Ask for the alerts, or look at those that are there again."""
        if not self._begun:
            self._begun = True
            self.table.focus()
            self.set_interval(FRESH_SECONDS, self._look)
            self._list(at=self._at)
        else:
            self.table.again()
            self._look()

    def remembered(self) -> Remembered:
        """Return what is asked for, in which order, and the alert under the cursor."""
        row = self.table.row
        return {
            "filter": self._text, "order": self._order, "reversed": self._reversed, "reach": self._reach,
            "at": row.number if row else 0,
        }  # fmt: skip

    def recall(self, remembered: Remembered) -> None:
        """Ask for what was asked for."""
        if self.subject:
            return
        self._text = str(remembered.get("filter", STARTING))
        self._order = next((one for one in ORDERS if one == remembered.get("order")), "last_seen")
        self._reversed = remembered.get("reversed") is True
        self._reach = next((one for one in REACHES if one == remembered.get("reach")), "")
        self._at = int(remembered.get("at") or 0) or None

    # -- what is asked for

    def _list(self, *, at: int | None = None, top: bool = False, narrow: bool = False) -> None:
        now = self.services.clock.now()
        text = self._text if not self._reach or "since:" in self._text else f"{self._text} since:{self._reach}"
        try:
            asked = wanted(text, now)
        except UsageError as error:
            self.say(retold(str(error)), "warning")
            return
        texts = (*asked.words, *asked.none, *asked.rules, *asked.no_rules)
        asked = replace(asked, meant={one: found for one in texts if (found := titles_with(one))})
        services, order, turned = self.services, self._order, self._reversed
        shown = cast("Listing | None", self.table.rows) if narrow else None

        def then(rows: Listing) -> None:
            old = self.table.rows
            self.table.empty = _("no alert is like that")
            self.table.show(rows, at=at, top=top)
            self._fresh = 0
            if old is not None:
                cast("Listing", old).close()

        services.listings().stop()
        self.ask("list", lambda: services.listings().listing(asked, order, reverse=turned, within=shown), then)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Ask anew with every key."""
        if event.input.id == "filter" and event.value != self._text:
            self._text = event.value
            self._list(top=True, narrow=True)

    def on_input_submitted(self) -> None:
        """Go on in the table."""
        self.table.focus()

    def _look(self) -> None:
        rows = self.table.rows
        if rows is None or not self.is_current:
            return

        def then(fresh: int) -> None:
            self._fresh = fresh
            if fresh and self._follows:
                self._list(top=True)
            self.query_one("#summary").refresh()

        self.ask("fresh", cast("Listing", rows).fresh, then, owner=self.table)

    def do_filter(self) -> None:
        """Go into the field."""
        self.set_focus(self.query_one("#filter"))

    def do_load_new(self) -> None:
        """Ask again; the cursor stays where it is."""
        self._list()

    def do_follow(self) -> None:
        """Stay with the newest, or stop to."""
        self._follows = not self._follows
        if self._follows:
            self._list(top=True)
        self.query_one("#summary").refresh()

    def do_sort(self) -> None:
        """Ask for the order."""
        choices = [Choice(name, _(words)) for name, words in ORDERS.items()]
        choices.append(Choice("turn", _("the other way round")))

        def then(chosen: str) -> None:
            if chosen == "turn":
                self._reversed = not self._reversed
            else:
                self._order, self._reversed = next(one for one in ORDERS if one == chosen), False
            self._list(top=True)

        self.console.choose(_("Order by"), choices, then)

    def do_earlier(self) -> None:
        """Look further back."""
        self._reach = REACHES[min(REACHES.index(self._reach) + 1, len(REACHES) - 1)]
        self._list(top=True)

    def do_later(self) -> None:
        """Look less far back."""
        self._reach = REACHES[max(REACHES.index(self._reach) - 1, 0)]
        self._list(top=True)

    # -- what is meant

    def acted_on(self) -> Sequence[Seen]:
        """Return the marked alerts, or the one under the cursor."""
        return [Seen(one.id, one.version) for one in self.table.chosen()]

    def about(self) -> tuple[str, str, Key]:
        """Return the alert under the cursor."""
        row = self.table.row
        return (row.id, row.title, row.key) if row else ("", "", ())

    def state_of(self) -> State | None:
        """Return the state of the alert under the cursor."""
        return self.table.row.state if self.table.row else None

    def acted(self) -> None:
        """Read the rows anew."""
        self.table.unmark()
        self.table.again()

    def do_mark(self) -> None:
        """Mark, or no longer."""
        self.table.mark()
        self.query_one("#summary").refresh()

    def do_mark_all(self) -> None:
        """Mark all, or none."""
        rows = self.table.rows
        if self.table.marks or rows is None:
            self.table.unmark()
            self.refresh_frame()
            return

        def then(found: Sequence[Brief]) -> None:
            self.table.marks = {one.number: one for one in found}
            self.table.refresh()
            self.refresh_frame()

        self.ask("mark", lambda: rows.window(0, self.MARKED_MAX), then)

    def do_why(self) -> None:
        """Open the alert."""
        self.do_open()

    def on_table_chosen(self) -> None:
        """Open the alert."""
        if self.table.row is not None:
            self.console.open("alert", self.table.row.id)

    def on_table_moved(self) -> None:
        """Show what the alert under the cursor is about."""
        self.query_one("#preview", Pane).retell()
        self.refresh_frame()
        if not self.has_class("-wide"):
            return
        if self._moved is None:
            self.set_timer(REST_SECONDS, self._rested)
        self._moved = monotonic()

    def learnt(self) -> None:
        """Show why the alert under the cursor fired."""
        self.on_table_moved()

    @property
    def resting(self) -> bool:
        """Whether it waits for the cursor to rest, to ask then what the preview shows."""
        return self._moved is not None

    def _rested(self) -> None:
        left = REST_SECONDS - (monotonic() - (self._moved or 0.0))
        if left > 0:
            self.set_timer(left, self._rested)
            return
        self._moved = None
        row, services = self.table.row, self.services
        known = self._glanced
        if row is None or (known is not None and known[0] == Seen(row.id, row.version) and known[2] is not None):
            return

        def then(found: tuple[Dossier, Scene | None]) -> None:
            self._glanced = (Seen(row.id, row.version), *found)
            self.query_one("#preview", Pane).retell()

        self.ask("glance", lambda: services.glance(row.id), then, failed=lambda _why: None)

    # -- what is shown

    def _summary(self, width: int) -> list[Line]:
        del width
        order = _(ORDERS[self._order]) + (" ↑" if self._reversed else "")
        pieces: list[Piece] = [
            (" " + ngettext("{n} alert", "{n} alerts", self.table.total), "strong"),
            ("  · " + _("by {order}").format(order=order), "muted"),
        ]
        if self._reach:
            pieces.append(("  · " + _("last {reach}").format(reach=self._reach), "muted"))
        if self.table.marks:
            pieces.append(("  · " + _("{n} marked").format(n=number(len(self.table.marks))), "accent"))
        if self._follows:
            pieces.append(("  · " + _("following"), "accent"))
        if self._fresh:
            key = self.console.keymap.shown(self.NAME, "load_new")
            text = _("+{n} new, press {key}").format(n=number(self._fresh), key=key)
            pieces.append((f"  {text}", "warning"))
        return [Line(pieces)]

    def _cells(self, row: Brief) -> Sequence[Piece]:
        first, others = about(row)
        return (
            level(row.level),
            (self._when(row), "muted"),
            (number(row.count), "plain"),
            (titled(row.title), "strong" if row.state == "new" else "plain"),
            (first, "plain"),
            (others, "plain"),
            (", ".join(row.attack), "muted"),
            (state(row), "muted" if row.state == "closed" else "plain"),
        )

    def _when(self, row: Brief) -> str:
        today = row.last_seen.astimezone().date() == self.services.clock.now().astimezone().date()
        text = moment(row.last_seen, seconds=today, day=not today)
        return text if today else f"{text[:6]} {text[-5:]}" if text[2] == "." else text[5:16]

    def _preview(self) -> list[Line]:
        row = self.table.row
        if row is None:
            return []
        return [
            heading(titled(row.title)),
            Line((level(row.level), (f"  {state(row)}  {', '.join(row.attack)}", "muted"))),
            Line(),
            *(
                Line(
                    ((f"{name}  ", "muted"), (plain(value), "plain")),
                    go=("entity", f"{name}={plain(value)}"),
                    fact=(name, plain(value)),
                )
                for name, value in row.key
            ),
            Line(),
            *(
                replace(one, go=("alert", row.id))
                for one in facts(
                    [
                        (_("last seen"), moment(row.last_seen)),
                        (_("events"), number(row.count)),
                        (_("alert"), row.id[:12]),
                    ]
                )
            ),
            *self._glance(Seen(row.id, row.version)),
        ]

    def _glance(self, of: Seen) -> list[Line]:
        if self._glanced is None or self._glanced[0] != of:
            return []
        return [Line(), *deciding.glance(*self._glanced[1:])]


def about(row: Brief) -> tuple[str, str]:
    """Return the host an alert is about, without one the first that it is about, and all others."""
    parts = sorted(row.key, key=lambda one: one[0] not in HOSTS)
    return plain(parts[0][1]) if parts else "", ", ".join(plain(value) for _name, value in parts[1:])


def state(row: Brief) -> str:
    """Return an alert's state in a word or two: who has it, or the verdict."""
    if row.verdict is not None:
        return f"{_(STATES[row.state])} {_(SHORT[row.verdict])}"
    return f"{_(STATES[row.state])} {row.assignee}".strip()
