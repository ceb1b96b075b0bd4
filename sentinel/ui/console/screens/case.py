"""A case: what is to be done, its alerts, its evidence, what people said and did, and until when."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container

from sentinel.core.alert import Alert
from sentinel.core.case import Case, Evidence, SetTask
from sentinel.core.errors import UsageError
from sentinel.ui.console import casing
from sentinel.ui.console.actions import Action
from sentinel.ui.console.casing import Casing, bar, left
from sentinel.ui.console.draw import Line, Piece, facts, heading, level, line
from sentinel.ui.console.panes import Pane
from sentinel.ui.console.services import Services
from sentinel.ui.words import N_, _, moment, number, titled
from sentinel.ui.words.stages import retold

SHOWN_MAX = 500
"""So many alerts and events of a case are shown; its export has all."""


@dataclass(frozen=True, slots=True)
class Held:
    """A case and what it holds; an alert that is not in the book any more is its id alone."""

    case: Case
    alerts: Sequence[Alert | str]
    evidence: Sequence[Evidence]


class CasePage(Casing):
    """One case, by its number."""

    NAME = "case"
    LABEL = N_("One case")
    AUTO_FOCUS = "#case"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("toggle", N_("Done or not"), N_("Say that the task under the cursor is done, or is not")),
        *casing.ACTIONS,
    )
    DEFAULT_CSS = """
    CasePage #parts { layout: vertical; height: 1fr; }
    CasePage.-wide #parts { layout: horizontal; }
    CasePage Pane { width: 1fr; height: 1fr; padding: 0 1; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._held: Held | None = None

    def body(self) -> ComposeResult:
        """Yield the case, and what happened."""
        with Container(id="parts"):
            yield Pane(self._case, id="case")
            yield Pane(self._happened, ground="panel", id="happened").add_class("side")

    def crumb(self) -> str:
        """Return what the breadcrumbs call it."""
        return _("Case") + f" {self.subject}"

    def meant(self) -> Case | None:
        """Return the case."""
        return self._held.case if self._held is not None else None

    def entered(self) -> None:
        """Read the case."""
        services = self.services
        if self.subject.isdecimal():
            self.ask("case", lambda: _read(services, int(self.subject)), self._came)
        else:
            self.say(_("no case is chosen: press Enter on one among the cases"), "warning")

    def _came(self, held: Held) -> None:
        self._held = held
        for pane in self.query(Pane):
            pane.retell()
        self.refresh_frame()

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        if action == "toggle":
            if self._chosen() is None:
                return _("there is no task under the cursor")
            action = "task"
        return super().reason(action)

    def _chosen(self) -> int | None:
        active = self.active
        go = active.line.go if isinstance(active, Pane) and active.line is not None else None
        return int(go[1]) if go is not None and go[0] == "task" else None

    def do_toggle(self) -> None:
        """Say that a task is done, or open again."""
        case, chosen = self.meant(), self._chosen()
        task = next((one for one in case.tasks if one.number == chosen), None) if case is not None else None
        if case is not None and task is not None:
            self.change(case, SetTask(task.number, done=not task.done))

    def do_load_new(self) -> None:
        """Read it again."""
        self.entered()

    def on_pane_moved(self) -> None:
        """Show what can be done with the line under the cursor."""
        self.refresh_frame()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        """Open an alert, show an event in full, mark a task."""
        go = message.line.go
        if go is not None and go[0] == "task":
            self.do("toggle")
        elif go is not None and go[0] == "kept" and self._held is not None:
            kept = next(one for one in self._held.evidence if one.event == go[1])
            self.console.read(_("Evidence as it was kept"), lambda: _whole(kept))
        else:
            super().on_pane_chosen(message)

    # -- drawing

    def _case(self) -> Sequence[Line]:
        held = self._held
        if held is None:
            return []
        case, now = held.case, self.services.clock.now()
        made = [heading(f"{case.number} {case.title}")]
        made += facts(
            [(_("it is"), _("open") if case.state == "open" else _("closed")),
             (_("opened"), moment(case.opened)), (_("members"), ", ".join(case.members)),
             (_("until"), moment(case.deadline) if case.deadline else "")]
        )  # fmt: skip
        if case.deadline is not None:
            made.append(Line([left(case, now), ("  ", "plain"), *bar(case, now)]))
        done = sum(one.done for one in case.tasks)
        made += _part(_("Checklist ({n} of {m} done)").format(n=number(done), m=number(len(case.tasks))))
        for one in case.tasks:
            sign: Piece = ("☑ ", "good") if one.done else ("☐ ", "warning")
            made.append(Line([sign, (one.text, "muted" if one.done else "plain"), (f"  {one.who}", "muted")],
                             go=("task", str(one.number))))  # fmt: skip
        made += _part(_("Alerts of the case ({n})").format(n=number(len(case.alerts))))
        made += [_alert(one) for one in held.alerts] + _more(len(case.alerts))
        made += _part(_("Evidence kept ({n} events)").format(n=number(len(held.evidence))))
        made += [_kept(one) for one in held.evidence[:SHOWN_MAX]] + _more(len(held.evidence))
        return made

    def _happened(self) -> Sequence[Line]:
        held = self._held
        if held is None:
            return []
        made = [heading(_("What people noted"))]
        notes = [one for one in held.case.timeline if one.note]
        made += [
            Line([(f"{moment(one.at, seconds=False)} {one.who} ", "muted"), (one.note, "plain")])
            for one in reversed(notes)
        ]
        made += _part(_("What happened, in order"))
        made += [row for _at, row in sorted(_course(held), key=lambda pair: pair[0])][:SHOWN_MAX]
        made += _part(_("Who did what"))
        made += [
            Line([(f"{moment(one.at)} {one.who} ", "muted"), (retold(one.what), "plain")])
            for one in reversed(held.case.timeline)
        ]
        return made


def _read(services: Services, of: int) -> Held:
    case = services.cases().case(of)
    alerts: list[Alert | str] = []
    for one in case.alerts[:SHOWN_MAX]:
        try:
            alerts.append(services.desk().alert(one))
        except UsageError:
            alerts.append(one)
    return Held(case, alerts, services.cases().evidence(of))


def _part(title: str) -> list[Line]:
    return [Line(), heading(title)]


def _more(count: int) -> list[Line]:
    rest = count - SHOWN_MAX
    return [line(_("… and {n} more: they are in the export").format(n=number(rest)), "muted")] if rest > 0 else []


def _alert(one: Alert | str) -> Line:
    if isinstance(one, str):
        return line(_("{id}: not in the book any more").format(id=one), "muted")
    when = moment(one.last_seen, seconds=False)
    return Line([*_named(one), (f"  {when}", "muted")], go=("alert", one.id))


def _named(one: Alert) -> list[Piece]:
    return [level(one.level), (f" {titled(one.title)}", "link")]


def _kept(one: Evidence) -> Line:
    pieces: list[Piece] = [(f"{moment(one.at)} ", "muted"), (one.raw or one.document, "plain")]
    return Line([*pieces, (f"  SHA-256 {one.sha256[:16]}…", "muted")], go=("kept", one.event), wraps=False)


def _whole(one: Evidence) -> Sequence[Line]:
    made = facts(
        [(_("event"), one.event), (_("happened"), moment(one.at)), (_("taken"), f"{moment(one.added)} {one.who}"),
         (_("found by"), one.query), ("SHA-256", one.sha256), (_("of its line"), one.raw_sha256)]
    )  # fmt: skip
    made += [Line(), line(one.raw), Line()]
    fields: dict[str, object] = json.loads(one.document)
    return [*made, *facts([(name, str(value)) for name, value in fields.items()], 28)]


def _course(held: Held) -> list[tuple[datetime, Line]]:
    raised = [
        (one.first_seen, Line([(f"{moment(one.first_seen)} ", "muted"), *_named(one)], go=("alert", one.id)))
        for one in held.alerts
        if isinstance(one, Alert)
    ]
    return raised + [(one.at, _kept(one)) for one in held.evidence]
