"""What is done with a case, wherever it stands: asked for by forms, changed as it was seen."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from re import fullmatch
from typing import ClassVar

from sentinel.core.case import (
    AddMember,
    AddNote,
    AddTask,
    Case,
    CaseAction,
    CloseCase,
    Exported,
    RemoveMember,
    Rename,
    ReopenCase,
    SetDeadline,
)
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, Tone, facts, line
from sentinel.ui.console.modals import Choice, Field, Form, said
from sentinel.ui.console.page import Page
from sentinel.ui.words import N_, _, ngettext, number, titled
from sentinel.ui.words.stages import retold

LONG_SECONDS = 600.0
"""So long an export, or many alerts with their evidence, may take."""
BAR = 20
SOON = timedelta(hours=24)
ACTIONS = (
    Action("note_down", N_("Note down"), N_("Note something down in the case")),
    Action("task", N_("Add task"), N_("Add something to be done")),
    Action("member", N_("Member"), N_("Let somebody work on the case, or no longer")),
    Action("deadline", N_("Deadline"), N_("Say until when the case has to be dealt with")),
    Action("export", N_("Export"), N_("Write the case out: report, evidence, manifest")),
    Action("rename", N_("Rename"), N_("Give the case another title")),
    Action("close_case", N_("Close case"), N_("Close the case, with the reason")),
    Action("reopen_case", N_("Open again"), N_("Open the case again, with the reason")),
)


class Casing(Page):
    """A screen with a case that something can be done with."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS

    def meant(self) -> Case | None:
        """Return the case that is meant, as it was seen."""
        raise NotImplementedError

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        case = self.meant()
        if action not in {one.name for one in ACTIONS}:
            return super().reason(action)
        if case is None:
            return _("there is no case here")
        if action == "reopen_case" and case.state == "open":
            return _("the case is open")
        if case.state == "closed" and action not in {"reopen_case", "export", "note_down"}:
            return _("the case is closed; open it again first")
        return ""

    def change(self, case: Case, action: CaseAction, note: str = "") -> None:
        """Change a case as it was seen; who comes second is told who was first, and what that was."""
        cases, who = self.services.cases, self.services.who

        def then(changed: Case) -> None:
            self.entered()
            self.say(_("case {number}: {what}").format(number=changed.number, what=retold(changed.timeline[-1].what)))

        def refused(why: str) -> None:
            self.entered()
            self.failed(why)

        self.ask("change", lambda: cases().change(case.number, action, who, note, case.version), then, failed=refused)

    def do_note_down(self) -> None:
        """Ask for the note."""
        fields = [Field("note", _("What is to be noted"), check=said)]
        self.form(_("Note down"), fields, lambda told, case: self.change(case, AddNote(), told["note"]))

    def do_task(self) -> None:
        """Ask what is to be done."""
        fields = [Field("text", _("What is to be done"), check=filled)]
        self.form(_("Add task"), fields, lambda told, case: self.change(case, AddTask(told["text"])))

    def do_member(self) -> None:
        """Ask who; whoever is a member already is one no longer."""
        case = self.meant()
        hint = _("a member's name: no longer") if case is not None and case.members else ""
        fields = [Field("name", _("Whose name"), check=filled, hint=hint)]

        def then(told: Mapping[str, str], case: Case) -> None:
            name = told["name"]
            self.change(case, RemoveMember(name) if name in case.members else AddMember(name))

        self.form(_("Member"), fields, then)

    def do_deadline(self) -> None:
        """Ask until when."""
        now = self.services.clock.now()
        hint = "72h · 14d · 2027-01-31 · 2027-01-31T12:00"
        fields = [Field("at", _("Until when; empty: no deadline"), check=lambda text: _until(text, now)[1], hint=hint)]
        self.form(_("Deadline"), fields, lambda told, case: self.change(case, SetDeadline(_until(told["at"], now)[0])))

    def do_rename(self) -> None:
        """Ask for the title."""
        case = self.meant()
        fields = [Field("title", _("The case's title"), case.title if case is not None else "", check=filled)]
        self.form(_("Rename"), fields, lambda told, case: self.change(case, Rename(told["title"])))

    def do_close_case(self) -> None:
        """Ask why."""
        self._ended(_("Close case"), CloseCase())

    def do_reopen_case(self) -> None:
        """Ask why."""
        self._ended(_("Open again"), ReopenCase())

    def _ended(self, title: str, action: CaseAction) -> None:
        fields = [Field("why", _("For what reason"), check=said)]
        self.form(title, fields, lambda told, case: self.change(case, action, told["why"]))

    def do_export(self) -> None:
        """Ask where to."""
        case = self.meant()
        at = self.services.clock.now().astimezone()
        offered = str(Path.home() / f"case-{case.number if case is not None else 0}-{at:%Y%m%d-%H%M}")
        hint = _("a new folder, or a file that ends with .zip")
        services = self.services

        def then(told: Mapping[str, str], case: Case) -> None:
            to = Path(told["to"]).expanduser().absolute()
            self.ask("export", lambda: services.export_case(case.number, to), self._exported, seconds=LONG_SECONDS)

        self.form(_("Export"), [Field("to", _("Where to"), offered, check=filled, hint=hint)], then)

    def _exported(self, done: Exported) -> None:
        def lines() -> Sequence[Line]:
            made = facts([
                (_("lies in"), str(done.to)),
                (_("manifest"), f"{done.to}/{done.manifest}"),
                (_("holds"), _held(done)),
                ("SHA-256", done.sha256),
            ])  # fmt: skip
            made.append(line(_("The SHA-256 is that of its SHA256SUMS: write it down elsewhere."), "muted"))
            if not done.complete:
                gaps = ngettext("{n} gap: see its report", "{n} gaps: see its report", done.gaps)
                made.append(line(_("Not everything could be seen: {gaps}").format(gaps=gaps), "warning"))
            return made

        self.say(_("exported to {path}").format(path=done.to))
        self.console.read(_("Export"), lines)

    def form(self, title: str, fields: Sequence[Field], then: Callable[[Mapping[str, str], Case], object]) -> None:
        """Ask; `then` gets what was said and the case as it was seen when the form was opened."""
        case = self.meant()
        if case is None:
            return

        def sent(told: object) -> None:
            if isinstance(told, dict):
                then(told, case)

        self.console.push_screen(Form(f"{title} · {case.number} {case.title}", fields), sent)


def new_case(page: Page, then: Callable[[Case], None], title: str = "") -> None:
    """Ask for the title of a new case and open it."""
    cases, who = page.services.cases, page.services.who

    def sent(told: object) -> None:
        if isinstance(told, dict):
            page.ask("create", lambda: cases().create(told["title"], who, told["note"]), then)

    fields = [Field("title", _("What it is about"), title, check=filled), Field("note", _("What is known so far"))]
    page.console.push_screen(Form(_("New case"), fields), sent)


def into_case(page: Page, ids: Sequence[str], title: str = "") -> None:
    """Ask into which case alerts are to be put, an open or a new one; put them there and open it."""
    services = page.services

    def put(case: Case) -> None:
        page.ask("take", lambda: services.take(case.number, ids), opened, seconds=LONG_SECONDS)

    def opened(case: Case) -> None:
        page.console.open("case", str(case.number))

    def offer(there: Sequence[Case]) -> None:
        choices = [Choice("", _("a new case"))]
        choices += [Choice(str(one.number), f"{one.number} {one.title}", ", ".join(one.members)) for one in there]

        def chosen(value: str) -> None:
            if value:
                put(next(one for one in there if str(one.number) == value))
            else:
                new_case(page, put, titled(title))

        text = ngettext("Put {n} alert into which case?", "Put {n} alerts into which case?", len(ids))
        page.console.choose(text, choices, chosen, typed=True)

    page.ask("open cases", lambda: services.cases().cases(limit=199), offer)


def filled(text: str) -> str:
    """Say what is wrong with a field that must not be empty; for `Field.check`."""
    return "" if text.strip() else _("say something here")


def left(case: Case, now: datetime) -> Piece:
    """Return how long it is until a case's deadline, in words."""
    if case.deadline is None:
        return "–", "muted"
    rest = case.deadline - now
    minutes = int(abs(rest).total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60
    length = f"{days} d {hours % 24} h" if days else f"{hours} h {minutes % 60} min"
    if case.state == "closed":
        return _("(closed)"), "muted"
    if rest < timedelta():
        over = _("over since {length}").format(length=length)
        return f"✗ {over}", "bad"
    return (f"▲ {length}", "warning") if rest < SOON else (f"● {length}", "good")


def bar(case: Case, now: datetime) -> list[Piece]:
    """Return what is left until the deadline, out of the time since it was set, as a bar and in per cent."""
    if case.deadline is None:
        return []
    begun = next((one.at for one in reversed(case.timeline) if one.what.startswith("set the deadline")), case.opened)
    whole = max((case.deadline - begun).total_seconds(), 1.0)
    part = max(0.0, min(1.0, (case.deadline - now).total_seconds() / whole))
    full = round(part * BAR)
    tone: Tone = left(case, now)[1]
    share = _("{n} % left").format(n=number(round(part * 100)))
    return [("█" * full, tone), ("░" * (BAR - full), "muted"), (f" {share}", "muted")]


def _held(done: Exported) -> str:
    events = ngettext("{n} event kept", "{n} events kept", done.events)
    alerts = ngettext("{n} alert of it", "{n} alerts of it", done.alerts)
    return f"{events}, {alerts}"


def _until(text: str, now: datetime) -> tuple[datetime | None, str]:
    # the time that is meant and "", or None and what is wrong; a day means its end (UTC), a time is local
    text = text.strip()
    if not text:
        return None, ""
    length = fullmatch(r"(\d{1,4})([mhdw])", text)
    try:
        if length is not None:
            units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
            found = now + timedelta(**{units[length[2]]: int(length[1])})
        elif len(text) == len("2027-01-31"):
            found = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=1)
        else:
            found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None, _("say 72h, 14d, 2027-01-31 or 2027-01-31T12:00")
    return (found, "") if found > now else (None, _("that time has passed"))
