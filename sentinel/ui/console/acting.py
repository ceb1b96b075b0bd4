"""What is done with alerts, wherever they stand: on one, or on all that are marked, each change with its version."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from sentinel.core.alert import (
    Acknowledge,
    Alert,
    Assign,
    Close,
    Note,
    Outcome,
    Reopen,
    Seen,
    State,
    Suppress,
    Undo,
    Verdict,
)
from sentinel.core.alert import Action as Change
from sentinel.core.detection import Key
from sentinel.core.errors import UsageError
from sentinel.core.where import plain
from sentinel.ui.console.actions import Action
from sentinel.ui.console.casing import into_case
from sentinel.ui.console.draw import facts
from sentinel.ui.console.modals import Choice, Field, Form, said
from sentinel.ui.console.page import Page
from sentinel.ui.console.screens import NAMES
from sentinel.ui.console.until import ending
from sentinel.ui.words import N_, _, ngettext
from sentinel.ui.words.stages import retold

STATES: dict[State, str] = {"new": N_("new"), "acknowledged": N_("ack"), "closed": N_("closed")}
VERDICTS: dict[Verdict, str] = {
    "true_positive": N_("true positive: it was an attack, or a breach"),
    "false_positive": N_("false positive: the rule was wrong"),
    "benign": N_("benign: it happened, and was allowed"),
}
SHORT: dict[Verdict, str] = {
    "true_positive": N_("true"),
    "false_positive": N_("false"),
    "benign": N_("benign"),
}
ACTIONS = (
    Action("acknowledge", N_("Ack"), N_("Acknowledge: others see that you work on it")),
    Action("close", N_("Close"), N_("Close with a verdict")),
    Action("assign", N_("Assign"), N_("Give it to somebody, or back to nobody")),
    Action("note", N_("Note"), N_("Add a note to the history")),
    Action("suppress", N_("Suppress"), N_("Show nobody what it is about, for a while")),
    Action("except", "", N_("Make an exception to the rule, as a Sigma filter file")),
    Action("case", N_("Case"), N_("Put it into a case")),
    Action("pivot", N_("Pivot"), N_("All about a host, user or address of it")),
    Action("timeline", N_("Timeline"), N_("What happened around it")),
    Action("reopen", "", N_("Take on again what was closed")),
    Action("reveal", "", N_("Open a sealed name, with a second person")),
)


class Acting(Page):
    """A screen with alerts that something can be done with."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS

    def acted_on(self) -> Sequence[Seen]:
        """Return the alerts that are meant, as they were seen."""
        raise NotImplementedError

    def about(self) -> tuple[str, str, Key]:
        """Return the id, the title and the key of the alert under the cursor."""
        raise NotImplementedError

    def state_of(self) -> State | None:
        """Return the state of the alert under the cursor; None if there is none."""
        raise NotImplementedError

    def acted(self) -> None:
        """Show what has become of the alerts."""

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        state = self.state_of()
        many = len(self.acted_on()) > 1
        if action in {one.name for one in ACTIONS} and state is None:
            return _("there is no alert under the cursor")
        match action:
            case "acknowledge" | "close" | "assign" if state == "closed" and not many:
                return _("the alert is closed; take it on again first")
            case "reveal":
                return _("nothing is sealed here: names stand as they came in")
            case "reopen" if state != "closed" and not many:
                return _("the alert is open")
            case "except" | "pivot" | "timeline" if many:
                return _("that is about one alert; unmark the others")
            case "pivot" if "entity" not in NAMES:
                return _("there is no screen {name}").format(name="entity")
            case "timeline" if "timeline" not in NAMES:
                return _("there is no screen {name}").format(name="timeline")
            case "undo" if not self.console.undoable:
                return _("you have done nothing yet that could be undone")
            case _:
                return super().reason(action)

    # -- changes

    def change(self, action: Change, meant: Sequence[Seen], note: str = "") -> None:
        """Change alerts as they were seen, and tell what has become of each."""
        desk, who = self.services.desk, self.services.who

        def then(outcomes: list[Outcome]) -> None:
            done = [one.result for one in outcomes if isinstance(one.result, Alert)]
            refused = [retold(str(one.result)) for one in outcomes if isinstance(one.result, UsageError)]
            if done and not isinstance(action, Note):
                self.console.undoable = [] if isinstance(action, Undo) else [one.id for one in done]
            if refused:
                others = ngettext("{n} alert was changed", "{n} alerts were changed", len(done))
                self.say(f"{refused[0]} ({others})" if len(outcomes) > 1 else refused[0], "bad")
            else:
                self.say(_told(action, done))
            self.acted()

        self.ask("change", lambda: desk().change_all(meant, action, who, note), then)

    def do_acknowledge(self) -> None:
        """Acknowledge."""
        self.change(Acknowledge(), self.acted_on())

    def do_reopen(self) -> None:
        """Take on again."""
        self.change(Reopen(), self.acted_on())

    def do_undo(self) -> None:
        """Undo what was done last."""
        self.change(Undo(), [Seen(one) for one in self.console.undoable])

    def do_assign(self) -> None:
        """Ask to whom."""
        fields = [Field("to", _("To whom"), self.services.who, hint=_("empty: to nobody")), Field("note", _("Note"))]
        self._form(_("Assign"), fields, lambda told, meant: self.change(Assign(told["to"]), meant, told["note"]))

    def do_note(self) -> None:
        """Ask for the note."""
        self._form(
            _("Note"),
            [Field("note", _("Note"), check=said)],
            lambda told, meant: self.change(Note(), meant, told["note"]),
        )

    def do_close(self) -> None:
        """Ask for the verdict, then for a note."""
        choices = [Choice(verdict, _(words)) for verdict, words in VERDICTS.items()]

        def then(verdict: str) -> None:
            closing = Close(next(one for one in VERDICTS if one == verdict))
            self._form(
                _("Close: {verdict}").format(verdict=_(VERDICTS[closing.verdict])),
                [Field("note", _("Note"))],
                lambda told, meant: self.change(closing, meant, told["note"]),
            )

        self.console.choose(_("Close with which verdict?"), choices, then)

    def do_suppress(self) -> None:
        """Ask until when, and why."""
        now = self.services.clock.now()
        fields = [
            Field("until", _("Until"), "7d", check=lambda text: ending(text, now)[1], hint="8h · 7d · 2027-01-31"),
            Field("reason", _("Reason"), check=said),
        ]

        def then(told: Mapping[str, str], meant: Sequence[Seen]) -> None:
            until = ending(told["until"], self.services.clock.now())[0]
            if until is not None:
                self.change(Suppress(until), meant, told["reason"])

        self._form(_("Suppress: nobody is shown it, it is counted all the same"), fields, then)

    def do_except(self) -> None:
        """Ask for the fields, the reason and the end; show the file; write it."""
        alert_id, title, key = self.about()
        now = self.services.clock.now()
        fields = [
            Field("fields", _("Fields that all must be met"), " ".join(name for name, _value in key), check=said),
            Field("until", _("Until"), "30d", check=lambda text: ending(text, now)[1], hint="14d · 2027-01-31"),
            Field("reason", _("Reason"), check=said),
        ]

        def then(told: Mapping[str, str], _meant: Sequence[Seen]) -> None:
            until = ending(told["until"], self.services.clock.now())[0]
            if until is None:
                return
            services, names = self.services, tuple(told["fields"].split())

            def offered(text: str) -> None:
                choices = [
                    Choice("write", _("write it")),
                    *(Choice("", row, why_not=_("this is what is written")) for row in text.splitlines()),
                ]
                self.console.choose(
                    title,
                    choices,
                    lambda chosen: (
                        self.ask(
                            "except",
                            lambda: services.exceptions().write(alert_id, names, told["reason"], until),
                            lambda path: self.say(_("written: {path}").format(path=path)),
                        )
                        if chosen
                        else None
                    ),
                )

            self.ask("except", lambda: services.exceptions().text(alert_id, names, told["reason"], until), offered)

        self._form(_("Exception to: {title}").format(title=title), fields, then)

    # -- elsewhere

    def do_pivot(self) -> None:
        """Ask about which of the things that it is about."""
        _id, _title, key = self.about()
        found = [(name, plain(value)) for name, value in key]
        if len(found) == 1:
            self.console.open("entity", f"{found[0][0]}={found[0][1]}")
            return
        choices = [Choice(f"{name}={value}", value, name) for name, value in found]
        self.console.choose(_("Pivot to"), choices, lambda chosen: self.console.open("entity", chosen))

    def do_timeline(self) -> None:
        """Go to what happened around it."""
        self.console.open("timeline", f"alert={self.about()[0]}")

    def do_case(self) -> None:
        """Ask into which case."""
        into_case(self, [one.id for one in self.acted_on()], self.about()[1])

    def _form(
        self, title: str, fields: Sequence[Field], then: Callable[[Mapping[str, str], Sequence[Seen]], object]
    ) -> None:
        # as they are seen now: who changes them while the form is open has changed them before
        meant = list(self.acted_on())
        about = facts([(_("alerts"), str(len(meant)))]) if len(meant) > 1 else ()

        def sent(told: object) -> None:
            if isinstance(told, dict):
                then(told, meant)

        self.console.push_screen(Form(title, fields, about), sent)


def _told(action: Change, done: Sequence[Alert]) -> str:
    many = len(done)
    match action:
        case Acknowledge():
            return ngettext("{n} alert acknowledged", "{n} alerts acknowledged", many)
        case Assign():
            return ngettext("{n} alert assigned", "{n} alerts assigned", many)
        case Note():
            return ngettext("{n} alert has the note", "{n} alerts have the note", many)
        case Close():
            return ngettext("{n} alert closed", "{n} alerts closed", many)
        case Reopen():
            return ngettext("{n} alert taken on again", "{n} alerts taken on again", many)
        case Suppress():
            return ngettext("{n} alert suppressed", "{n} alerts suppressed", many)
        case Undo():
            return ngettext("{n} change undone", "{n} changes undone", many)
