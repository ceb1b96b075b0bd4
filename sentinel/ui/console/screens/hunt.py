"""Hunt: a question with what it finds, along time and one by one, and every value a way to the next question."""

import re
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core import ecs
from sentinel.core.clock import local_zone
from sentinel.core.errors import QuerySyntaxError
from sentinel.core.event import Event, Scalar, Value
from sentinel.core.ports import Plan
from sentinel.core.slip import Slip
from sentinel.core.where import plain, values
from sentinel.respond import hunting, language, search
from sentinel.respond.language import Question
from sentinel.respond.saved import Saved
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, heading, histogram, line, sign, slip_lines
from sentinel.ui.console.eventlines import COLUMNS, cells, field_lines, stretched
from sentinel.ui.console.modals import Choice, Field, Form, said
from sentinel.ui.console.page import Page, Remembered, stepped
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.question import QuestionInput
from sentinel.ui.console.table import Table
from sentinel.ui.unseen import sentences
from sentinel.ui.words import N_, _, moment, ngettext, number
from sentinel.ui.words.stages import retold

BARS_HIGH = 3
COUNTED_MAX = 200
FOLLOW_SECONDS = 5.0
LASTS = ("15m", "1h", "4h", "12h", "24h", "3d", "7d", "30d", "90d", "365d")
_LAST = re.compile(r"\s*\b(last\s+\d+\s*[smhdw]|(since\s+\S+)?\s*(until\s+\S+)?)\s*$", re.IGNORECASE)


class Hunt(Page):
    """A question and its answer."""

    NAME = "hunt"
    KEY = "4"
    AUTO_FOCUS = None
    CRUMB_TELLS = False
    LABEL = N_("Hunt")
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("only", N_("Only"), N_("Ask only for events with this value")),
        Action("without", N_("Without"), N_("Ask for events without this value")),
        Action("count", N_("Count"), N_("Count the events by the values of a field")),
        Action("timeline", N_("Timeline"), N_("Show what else happened around this event")),
        Action("saved", N_("Saved"), N_("Ask a question that somebody has saved")),
        Action("save", N_("Save"), N_("Save the question, for everybody")),
        Action("why", N_("Explain"), N_("How the question is understood, and what the store runs")),
        Action("draft", N_("Rule"), N_("Make the draft of a rule of the question")),
    )
    DEFAULT_CSS = f"""
    Hunt #histogram {{ height: {BARS_HIGH + 1}; }}
    Hunt Table {{ width: 3fr; }}
    Hunt .side {{ width: 2fr; padding: 0 1; display: none; }}
    Hunt.-wide .side {{ display: block; }}
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._asked = subject
        self._question: Question | None = None
        self._found: hunting.Found | None = None
        self._bars: hunting.Histogram | None = None
        self._slip: Slip | None = None
        self._history: list[str] = []
        self._following = False

    def body(self) -> ComposeResult:
        """Yield the question, what may come next in it, events along time, events."""
        yield QuestionInput(self._asked, self._history)
        yield Said(self._telling_offers, id="offers")
        yield Said(self._telling_bars, id="histogram")
        with Horizontal():
            yield Table(COLUMNS, cells, id="found")
            yield Pane(self._telling_event, ground="panel", id="event").add_class("side")

    @property
    def table(self) -> "Table[Event]":
        """The events found."""
        return self.query_one("#found", Table)

    @property
    def typed(self) -> QuestionInput:
        """Where the question stands."""
        return self.query_one(QuestionInput)

    def on_mount(self) -> None:
        """Begin where one left off, or with the question one was sent here with."""
        self.set_interval(FOLLOW_SECONDS, self._again)
        (self.table if self._asked else self.typed).focus()

    def entered(self) -> None:
        """Ask, if there is a question that has no answer yet."""
        if self._question is None and self._asked:
            self.run_question(self._asked)

    def remembered(self) -> Remembered:
        """Return the question."""
        return {"asked": self._asked, **{f"before{at}": one for at, one in enumerate(self._history[-50:])}}

    def recall(self, remembered: Remembered) -> None:
        """Take the question up again."""
        self._history = [str(one) for name, one in remembered.items() if name.startswith("before")]
        if not self.subject:
            self._asked = str(remembered.get("asked", ""))

    # -- asking

    def run_question(self, text: str) -> None:
        """Ask: numbers along time and the first events, each as soon as it is there."""
        now = self.services.clock.now()
        try:
            question = language.read(text, now, local_zone(now))
        except QuerySyntaxError as error:
            self.say(retold(str(error).splitlines()[0]), "bad")
            return
        self._asked, self._question = text, question
        if text and (not self._history or self._history[-1] != text):
            self._history.append(text)
        self.typed.take(text)
        hints = (*search.misspelt(question), *hunting.warnings(question.where))
        if hints:
            self.say(retold(hints[0]), "warning")
        self.ask("recorded", lambda: self.services.hunted(text), lambda _entry: self._look(question))

    def _look(self, question: Question) -> None:
        bars, now = max(10, self.size.width - 2), self.services.clock.now()
        self._found = hunting.Found(self.services.store, question)
        self.table.empty = _("nothing found")
        self.table.show(self._found, top=True)
        self.ask("bars", lambda: hunting.histogram(self.services.store(), question, bars, now), self._barred)
        self._slip = None
        span = question.span
        self.ask("slip", lambda: self.services.slip(span.start, span.end), self._slipped)

    def _slipped(self, slip: Slip) -> None:
        self._slip = slip
        self.query_one("#offers").refresh()

    def _barred(self, bars: hunting.Histogram) -> None:
        self._bars = bars
        for one in self.query(Said):
            one.refresh()

    def _again(self) -> None:
        if self._following and self._asked and self.is_current:
            now = self.services.clock.now()
            self._question = language.read(self._asked, now, local_zone(now))
            self._look(self._question)

    def on_input_submitted(self) -> None:
        """Ask what is typed."""
        self.table.focus()
        self.run_question(self.typed.value.strip())

    def on_table_moved(self) -> None:
        """Show the event under the cursor, and what can be done with it."""
        self.query_one("#event", Pane).retell()
        self.query_one("#footer").refresh()

    def on_table_chosen(self) -> None:
        """Open the event under the cursor."""
        if self.table.row is not None:
            self.console.open("event", self.table.row.id)

    def on_question_input_offered(self) -> None:
        """Show what may come next in the question."""
        self.query_one("#offers").refresh()

    # -- drawing

    def _telling_offers(self, width: int) -> list[Line]:
        del width
        bars = self._bars
        if self.typed.offers or bars is None:
            return self.typed.offered()
        shown = ngettext("{n} event", "{n} events", bars.total)
        more = _(", the latest {n} can be looked at").format(n=number(hunting.FOUND_MAX))
        following = _("  following") if self._following else ""
        pieces: list[Piece] = [(f" {shown}{more if bars.total > hunting.FOUND_MAX else ''}{following}   ", "muted")]
        if self._slip is not None:
            pieces += sign("good", _("complete")) if self._slip.complete else sign("warning", self._gaps(self._slip))
        return [Line(pieces)]

    def _gaps(self, slip: Slip) -> str:
        key = self.console.keymap.shown(self.NAME, "why")
        often = ngettext("{n} gap", "{n} gaps", len(slip.gaps))
        return _("{gaps} ({key} lists them): {first}").format(gaps=often, key=key, first=next(sentences(slip)))

    def _telling_bars(self, width: int) -> list[Line]:
        bars = self._bars
        if bars is None:
            return []
        drawn = histogram(bars.counts, width - 2, BARS_HIGH)
        ends = moment(bars.span.start, seconds=False), moment(bars.span.end, seconds=False)
        middle = _("up to {n} in {width}").format(n=number(max(bars.counts)), width=stretched(bars))
        room = max(1, width - 2 - sum(map(len, ends)))
        return [*(line(f" {one}", "accent") for one in drawn), line(f" {ends[0]}{middle:^{room}}{ends[1]}", "muted")]

    def _telling_event(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        return [] if row is None else field_lines(row)

    # -- what can be done

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        if action in {"only", "without"} and self._fact() is None:
            return _("put the cursor on a field of an event (Tab goes there)")
        if action in {"save", "why", "draft", "count", "earlier", "later"} and self._question is None:
            return _("there is no question yet")
        if action == "timeline" and self.table.row is None:
            return _("there is no event here")
        return ""

    def _fact(self) -> tuple[str, Scalar] | None:
        pane = self.query_one("#event", Pane)
        row = self.table.row
        if row is None or pane.line is None or pane.line.fact is None:
            return None
        name, shown = pane.line.fact
        there = [one for one in values(row.fields.get(name)) if plain(one) == shown]
        return (name, there[0]) if there else None

    def do_filter(self) -> None:
        """Go to the question."""
        self.set_focus(self.typed)

    def do_only(self) -> None:
        """Ask only for events with the value under the cursor."""
        self._narrow(without=False)

    def do_without(self) -> None:
        """Ask for the others."""
        self._narrow(without=True)

    def _narrow(self, *, without: bool) -> None:
        fact, question = self._fact(), self._question
        if fact is not None and question is not None:
            self._only(question, *fact, without=without)

    def _only(self, question: Question, field: str, value: Scalar | None, *, without: bool) -> None:
        text = hunting.narrowed(question, field, value, without=without)
        if text is None:
            self.say(_("the language has no words for this question and that value"), "warning")
        else:
            self.run_question(text)

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        """Ask what is to be done with a value."""
        fact = message.line.fact
        if fact is None:
            super().on_pane_chosen(message)
            return
        choices = [Choice("only", _("only with this value")), Choice("without", _("without this value")),
                   Choice("count", _("count by this field"))]  # fmt: skip
        leads = message.line.go or ("", "")
        if leads[0]:
            choices.append(Choice("go", _("all about it")))

        def then(chosen: str) -> None:
            if chosen == "go":
                self.console.open(*leads)
            elif chosen == "count":
                self._counted(fact[0])
            else:
                self._narrow(without=chosen == "without")

        self.console.choose(f"{fact[0]}: {fact[1][:60]}", choices, then)

    def do_count(self) -> None:
        """Ask for a field, and count by it."""
        fact = self._fact()
        fields = [Choice(name, name) for name in sorted(self.table.row.fields if self.table.row else ecs.table())]
        if fact is not None:
            fields.insert(0, Choice(fact[0], fact[0]))
        self.console.choose(_("Count by"), fields, self._counted, typed=True)

    def _counted(self, field: str) -> None:
        question = self._question
        if question is None:
            return

        def then(rows: list[tuple[tuple[Value | None, ...], int]]) -> None:
            by_place = {str(at): next(iter(values(key[0])), None) for at, (key, _count) in enumerate(rows)}
            choices = [
                Choice(str(at), ", ".join(map(plain, values(key[0]))) or "–", number(count))
                for at, (key, count) in enumerate(rows)
            ]
            self.console.choose(
                _("{field}: choose to see only these").format(field=field),
                choices,
                lambda at: self._only(question, field, by_place[at], without=False),
                typed=True,
            )

        self.ask("counts", lambda: search.counts(self.services.store(), question, [field], COUNTED_MAX), then)

    def do_timeline(self) -> None:
        """Show what else happened."""
        row = self.table.row
        if row is not None:
            self.console.open("timeline", f"event={row.id}")

    def do_saved(self) -> None:
        """Choose a saved question."""
        self.ask("saved", lambda: self.services.questions().all(), self._choose_saved)

    def _choose_saved(self, found: list[Saved]) -> None:
        if not found:
            self.say(_("no question is saved yet"), "warning")
            return
        by_name = {one.name: one.query for one in found}
        choices = [Choice(one.name, f"@{one.name}", f"{one.query}  ({one.who})") for one in found]
        self.console.choose(_("Saved questions"), choices, lambda name: self.run_question(by_name[name]), typed=True)

    def do_save(self) -> None:
        """Save the question."""
        query, who = self._asked, self.services.who
        fields = [Field("name", _("Name"), check=said), Field("note", _("What it is good for"))]

        def then(given: object) -> None:
            if isinstance(given, dict):
                self.ask(
                    "save",
                    lambda: self.services.questions().save(given["name"], query, who, given["note"]),
                    lambda kept: self.say(_("saved as @{name}").format(name=kept.name)),
                )

        self.console.push_screen(Form(_("Save the question"), fields), then)

    def do_why(self) -> None:
        """Explain the question."""
        question = self._question
        if question is not None:
            self.ask("plan", lambda: self.services.store().plan(question.where, question.span), self._explained)

    def _explained(self, plan: Plan) -> None:
        question = self._question
        if question is None:
            return
        slip = self._slip
        judged = _("the store decides alone") if plan.exact else _("what the store finds is read and judged one by one")

        def lines() -> list[Line]:
            made = [heading(_("How it is understood"))]
            made += [line(one) for one in hunting.outline(question.where).splitlines()]
            made += [Line(), heading(_("What the store runs")), line(plan.over), line(judged)]
            made += [line(one) for one in plan.query.splitlines()]
            made += [line(f"${name} = {value}", "muted") for name, value in plan.bound]
            return made if slip is None else [*made, Line(), *slip_lines(slip)]

        self.console.read(_("The question"), lines)

    def do_draft(self) -> None:
        """Make the draft of a rule."""
        query = self._asked
        fields = [
            Field("name", _("File name"), hint="printer_login", check=said),
            Field("title", _("Title"), check=said),
            Field("level", _("Level"), "medium", options=("informational", "low", "medium", "high", "critical")),
            Field("folder", _("Folder"), ".", hint=_("the rule is not on where it is written")),
        ]

        def then(given: object) -> None:
            if isinstance(given, dict):
                self.ask(
                    "draft",
                    lambda: self.services.draft(query, given["name"], given["title"], given["level"], given["folder"]),
                    lambda written: self.say(_("written: {files}").format(files=", ".join(map(str, written)))),
                )

        self.console.push_screen(Form(_("Draft of a rule"), fields), then)

    def do_follow(self) -> None:
        """Ask again and again, or no longer."""
        self._following = not self._following
        self._again()
        self.query_one("#offers").refresh()

    def do_earlier(self) -> None:
        """Look further back."""
        self._stretch(1)

    def do_later(self) -> None:
        """Look less far back."""
        self._stretch(-1)

    def _stretch(self, by: int) -> None:
        last = re.search(r"last\s+(\d+\s*[smhdw])\s*$", self._asked, re.IGNORECASE)
        there = last[1].replace(" ", "").lower() if last else "24h"
        text = _LAST.sub("", self._asked)
        self.run_question(f"{text} last {stepped(LASTS, there if there in LASTS else '24h', by)}".strip())
