"""Entity: what is known of a host, a user, an address, a mail address or a file, and where each of it leads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from sentinel.core.alert import Alert
from sentinel.core.entity import FIELDS, Entity, entity_of
from sentinel.core.errors import UsageError
from sentinel.core.ports import Span
from sentinel.respond import entity, hunting
from sentinel.respond.entity import Profile
from sentinel.respond.processes import Process, Tree, processes
from sentinel.ui.console.acting import SHORT, STATES
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, heading, histogram, level, line
from sentinel.ui.console.page import Page, Remembered, stepped
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.words import N_, _, moment, number, titled

SPANS = tuple(timedelta(days=one) for one in (1, 7, 30, 90, 365))
ALERTS_LOOKED_AT = 1_000
BARS_HIGH = 3
PROCESSES_SHOWN = 2_000
DEPTH_SHOWN = 40
KINDS = {
    "host": N_("Host"),
    "user": N_("User"),
    "address": N_("Address"),
    "mail": N_("Mail address"),
    "file": N_("File"),
}
_HASH = re.compile(r"[0-9a-fA-F]{32,128}")


@dataclass(frozen=True, slots=True)
class _Known:
    profile: Profile
    alerts: Sequence[Alert]
    tree: Tree | None


class EntityPage(Page):
    """An entity; `subject` is `field=value`, or what somebody would type: `host srv-01`, `192.0.2.7`, `anna@…`."""

    NAME = "entity"
    KEY = "6"
    LABEL = N_("Entities")
    AUTO_FOCUS = None
    CRUMB_TELLS = False
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("hunt", N_("Hunt"), N_("Ask for its events")),
        Action("timeline", N_("Timeline"), N_("Show what it did, in order")),
        Action("processes", N_("Processes"), N_("Go to the tree of its processes")),
    )
    DEFAULT_CSS = f"EntityPage #bars {{ height: {BARS_HIGH + 1}; }}"

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._asked = subject
        self._width = timedelta(days=30)
        self._known: _Known | None = None
        self._tree_at = 0

    def body(self) -> ComposeResult:
        """Yield what it is, its events along time, and all that is known."""
        yield Input(
            self._asked, id="filter", placeholder=_("host srv-01, user anna, 192.0.2.7, anna@example.org, a hash")
        )
        yield Said(self._bars, id="bars")
        yield Pane(self._lines, id="known")

    def remembered(self) -> Remembered:
        """Return what was looked at."""
        return {"asked": self._asked}

    def recall(self, remembered: Remembered) -> None:
        """Look at it again."""
        if not self.subject:
            self._asked = str(remembered.get("asked", ""))

    def on_mount(self) -> None:
        """Begin where there is something to do."""
        self.query_one("#known" if self._asked else "#filter").focus()

    def entered(self) -> None:
        """Ask, the first time."""
        if self._known is None and self._asked:
            self._ask()

    def on_input_submitted(self) -> None:
        """Ask about what is typed."""
        self._asked = self.query_one("#filter", Input).value.strip()
        self.query_one(Pane).focus()
        self._ask()

    # -- asking

    def _ask(self) -> None:
        asked, width, now = self._asked, self._width, self.services.clock.now()

        def question() -> _Known:
            about = meant(asked)
            self.services.hunted(f"{about.kind} {about.value}")
            store, span = self.services.store(), Span(now - width, now)
            alerts = self.services.desk().alerts(limit=ALERTS_LOOKED_AT, suppressed=True)
            recent = [one for one in alerts if one.last_seen >= span.start]
            tree = processes(store, about, span) if about.kind == "host" else None
            return _Known(entity.profile(store, about, span, now), entity.alerts_about(store, about, recent), tree)

        self.ask("entity", question, self._came)

    def _came(self, known: _Known) -> None:
        self._known = known
        self.query_one("#bars").refresh()
        self.query_one(Pane).show(self._lines())
        self.refresh_frame()

    # -- drawing

    def _bars(self, width: int) -> list[Line]:
        known = self._known
        if known is None:
            return []
        over = known.profile.over
        drawn = histogram(over.counts, width - 2, BARS_HIGH)
        ends = moment(over.span.start, seconds=False), moment(over.span.end, seconds=False)
        between = max(1, min(width - 2, len(over.counts)) - sum(map(len, ends)))
        return [*(line(f" {one}", "accent") for one in drawn), line(f" {ends[0]}{'':{between}}{ends[1]}", "muted")]

    def _lines(self) -> list[Line]:
        known = self._known
        if known is None:
            return []
        found = known.profile
        about = found.entity
        head: list[Piece] = [(f"{_(KINDS[about.kind])} ", "title"), (about.value, "strong")]
        if found.first is None or found.last is None:
            return [Line(head), line(_("nothing is known of it in this time; [ looks further back"), "warning")]
        events = hunting.concerning(about)
        made = [Line(head), Line()]
        made.append(_fact(_("first seen"), moment(found.first), None))
        made.append(_fact(_("last seen"), moment(found.last), None))
        made.append(_fact(_("events"), number(found.over.total), ("hunt", events)))
        made += [
            Line(),
            heading(_("Alerts")),
            *(map(_alert, known.alerts) if known.alerts else [line(_("none"), "muted")]),
        ]
        made += [Line(), heading(_("Seen with"))]
        for peer, count in found.peers:
            go = ("entity", f"{peer.kind} {peer.value}")
            pieces: list[Piece] = [
                (f"{_(KINDS[peer.kind]):<16} ", "muted"),
                (peer.value, "link"),
                (f"  {number(count)}", "muted"),
            ]
            made.append(Line(pieces, go=go, fact=(peer.kind, peer.value)))
        made += [Line(), heading(_("Told by"))]
        for name, count in found.datasets:
            go = ("hunt", f"({events}) {hunting.term('event.dataset', name)} last {self._width.days}d")
            made.append(Line([(f"{name:<28} ", "link"), (number(count), "muted")], go=go))
        self._tree_at = len(made) + 1
        return made if known.tree is None else [*made, Line(), heading(_("Processes")), *self._tree(known.tree)]

    def _tree(self, tree: Tree) -> list[Line]:
        made = [_process(depth, one) for _at, (depth, one) in zip(range(PROCESSES_SHOWN), tree.walk(), strict=False)]
        if tree.more:
            made.append(line(_("there are more: ] makes the time shorter"), "warning"))
        return made or [line(_("no events tell of processes (Sysmon 1, or 4688 of the security log)"), "muted")]

    # -- what can be done

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        if self._known is None and action in {"hunt", "timeline", "processes", "earlier", "later"}:
            return _("nothing is being looked at yet")
        if action == "processes" and (self._known is None or self._known.tree is None):
            return _("only hosts have processes")
        return ""

    def do_filter(self) -> None:
        """Go to the field."""
        self.set_focus(self.query_one("#filter"))

    def do_hunt(self) -> None:
        """Ask for its events."""
        if self._known is not None:
            about = self._known.profile.entity
            self.console.open("hunt", f"{hunting.concerning(about)} last {self._width.days}d")

    def do_timeline(self) -> None:
        """Show what it did."""
        if self._known is not None:
            about = self._known.profile.entity
            self.console.open("timeline", f"{hunting.concerning(about)} last 1d")

    def do_processes(self) -> None:
        """Go to the processes."""
        pane = self.query_one(Pane)
        pane.focus()
        pane.go_to(self._tree_at)

    def do_earlier(self) -> None:
        """Look at a longer time."""
        self._widen(1)

    def do_later(self) -> None:
        """Look at a shorter time."""
        self._widen(-1)

    def _widen(self, by: int) -> None:
        self._width = stepped(SPANS, self._width, by)
        self._ask()


def meant(text: str) -> Entity:
    """Return the entity that a text names; raises UsageError."""
    field, equals, value = text.partition("=")
    if equals:
        found = entity_of(field.strip(), value.strip())
        if found is None:
            raise UsageError(_("{text} is nobody in particular").format(text=text[:100]))
        return found
    kind, blank, rest = text.strip().partition(" ")
    if blank and kind in FIELDS:
        return entity.named(kind, rest.strip())
    return entity.named(_guessed(text.strip()), text.strip())


def _guessed(text: str) -> str:
    if "@" in text:
        return "mail"
    if _HASH.fullmatch(text):
        return "file"
    try:
        ip_address(text)
    except ValueError:
        return "host"
    return "address"


def _fact(name: str, value: str, go: tuple[str, str] | None) -> Line:
    return Line(((f"{name:<16} ", "muted"), (value, "plain" if go is None else "link")), go=go, fact=(name, value))


def _alert(one: Alert) -> Line:
    word = level(one.level)
    state = _(SHORT[one.verdict]) if one.verdict else _(STATES[one.state])
    pieces: list[Piece] = [
        (f"{moment(one.last_seen, year=False):<15} ", "muted"),
        word,
        (" " * (5 - len(word[0])), "plain"),
    ]
    return Line([*pieces, (titled(one.title), "link"), (f"  {state}", "muted")], go=("alert", one.id))


def _process(depth: int, one: Process) -> Line:
    began = "" if one.started is None else moment(one.started, year=False)
    space = "  " * min(depth, DEPTH_SHOWN)
    if one.gap:
        missing = _("no event tells of it")
        return Line(((f"{began:<15} {space}", "muted"), (f"? {one.name} ({one.pid}) ", "warning"), (missing, "muted")))
    pieces: list[Piece] = [(f"{began:<15} {space}", "muted"), (one.name, "link"), (f" ({one.pid}) ", "muted")]
    pieces += [(one.command_line, "plain"), (f"  {one.user}", "muted")]
    return Line(pieces, go=("event", one.event), wraps=False)
