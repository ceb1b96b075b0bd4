"""Timeline: what all sources say about something, in one order, with alerts between and gaps drawn as gaps."""

from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult

from sentinel.core.clock import local_zone
from sentinel.core.errors import QuerySyntaxError, UsageError
from sentinel.core.event import Event
from sentinel.core.where import plain
from sentinel.respond import hunting, language, timeline
from sentinel.respond.language import Question
from sentinel.respond.timeline import Course, Entry, Gap, Told
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, level, line
from sentinel.ui.console.eventlines import told
from sentinel.ui.console.page import Page, Remembered, stepped
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.question import QuestionInput
from sentinel.ui.tables import value_text
from sentinel.ui.words import N_, _, moment, ngettext, titled

WIDTHS = tuple(timedelta(minutes=one) for one in (1, 5, 15, 30, 60, 240, 720, 1440, 4320, 10_080))
ALERTS_MAX = 500
OWN = ("event=", "alert=")


class Timeline(Page):
    """A course of time; `subject` is `event=ID`, `alert=ID`, `field=value` or a question."""

    NAME = "timeline"
    KEY = "5"
    AUTO_FOCUS = None
    CRUMB_TELLS = False
    LABEL = N_("Timeline")
    ACTIONS: ClassVar[tuple[Action, ...]] = (Action("hunt", N_("Hunt"), N_("Ask the same question in the hunt")),)
    DEFAULT_CSS = "Timeline #course { height: 1fr; }"

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._asked = "" if subject.startswith(OWN) else subject
        self._course: Course | None = None
        self._width = timeline.AROUND
        self._before: list[str] = []

    def body(self) -> ComposeResult:
        """Yield the question and the course."""
        yield QuestionInput(self._asked, self._before)
        yield Said(self._above, id="above")
        yield Pane(self._lines, id="course")

    def remembered(self) -> Remembered:
        """Return the question."""
        return {"asked": self._asked}

    def recall(self, remembered: Remembered) -> None:
        """Take the question up again."""
        if not self.subject:
            self._asked = str(remembered.get("asked", ""))

    def entered(self) -> None:
        """Ask, the first time."""
        if self._course is None and (self.subject or self._asked):
            self._ask()
        elif self._course is None:
            self.query_one(QuestionInput).focus()

    def on_input_submitted(self) -> None:
        """Ask what is typed."""
        self._asked = self.query_one(QuestionInput).value.strip()
        self._before.append(self._asked)
        self.query_one(Pane).focus()
        self._ask(typed=True)

    def on_question_input_offered(self) -> None:
        """Show what may come next in the question."""
        self.query_one("#above").refresh()

    # -- asking

    def _ask(self, *, typed: bool = False) -> None:
        subject, asked, width = "" if typed else self.subject, self._asked, self._width

        def question() -> Course:
            meant = self._meant(subject, asked, width)
            text = hunting.query_of(meant) or asked
            self.services.hunted(text)
            return timeline.course(self.services.store(), meant, self._alerts(meant))

        self.ask("course", question, self._came)

    def _meant(self, subject: str, asked: str, width: timedelta) -> Question:
        kind, _equals, name = subject.partition("=")
        if kind == "event":
            event = hunting.event(self.services.store(), name)
            if event is None:
                raise UsageError(_("the store has no event {id}").format(id=name))
            return timeline.around(event, width)
        if kind == "alert":
            alert = self.services.desk().alert(name)
            text = " or ".join(hunting.term(field, value) for field, value in alert.key) or "*"
            start, end = alert.first_seen - width, alert.last_seen + width
            return language.read(f"({text}) since {start.isoformat()} until {end.isoformat()}", end)
        now = self.services.clock.now()
        field, equals, value = asked.partition("=")
        text = hunting.term(field, value) if equals and " " not in field and ":" not in field else asked
        return language.read(text, now, local_zone(now))

    def _alerts(self, meant: Question) -> list[Told]:
        span = meant.span
        alerts = self.services.desk().alerts(limit=ALERTS_MAX, suppressed=True)
        return [
            Told(
                one.first_seen,
                one.level,
                f"{titled(one.title)}: {', '.join(plain(value) for _name, value in one.key)}",
                ("alert", one.id),
            )
            for one in alerts
            if span.start <= one.first_seen < span.end
        ]

    def _came(self, course: Course) -> None:
        self._course = course
        self._asked = hunting.query_of(course.question) or self._asked
        self.query_one(QuestionInput).take(self._asked)
        self.query_one("#above").refresh()
        pane = self.query_one(Pane)
        pane.show(self._lines())
        pane.focus()
        entries = course.entries
        about = self.subject.removeprefix("event=")
        at = next((at for at, one in enumerate(entries) if isinstance(one, Event) and one.id == about), None)
        if at is not None:
            pane.go_to(at)

    # -- drawing

    def _above(self, width: int) -> list[Line]:
        del width
        offered = self.query_one(QuestionInput).offered()
        course = self._course
        if offered or course is None:
            return offered
        events = sum(isinstance(one, Event) for one in course.entries)
        span = course.question.span
        text = f" {moment(span.start)} – {moment(span.end)}  " + ngettext("{n} event", "{n} events", events)
        more = _("  there are earlier ones: make the time shorter with ]") if course.cut else ""
        return [Line(((text, "muted"), (more, "warning")))]

    def _lines(self) -> list[Line]:
        course = self._course
        if course is None:
            return []
        if not course.entries:
            return [line(_("nothing was stored in this time; [ looks further"), "muted")]
        return [self._line(one) for one in course.entries]

    def _line(self, entry: Entry) -> Line:
        match entry:
            case Gap(start, end):
                minutes = round((end - start).total_seconds() / 60)
                text = ngettext("{n} minute without anything", "{n} minutes without anything", minutes)
                return Line(((f"{'':15} ┆ ", "muted"), (f"⋯ {text}", "warning")))
            case Told(at, grave, text, go):
                word, tone = level(grave)
                return Line(
                    (
                        (f"{moment(at, year=False):<15} ", "muted"),
                        ("▶ ", "bad"),
                        (word, tone),
                        (" ", "plain"),
                        (text, "link"),
                    ),
                    go=go,
                    indent=18,
                )
            case Event():
                source = value_text(entry.fields.get("event.dataset"))
                pieces: list[Piece] = [(f"{moment(entry.timestamp, year=False):<15} ", "muted"), ("│ ", "muted")]
                pieces += [
                    (f"{source:<16.16} ", "accent"),
                    (f"{value_text(entry.fields.get('host.name')):<14.14} ", "plain"),
                ]
                return Line([*pieces, (told(entry), "plain")], go=("event", entry.id), wraps=False)

    # -- what can be done

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        if action == "hunt" and not self._asked:
            return _("there is no question yet")
        if action in {"earlier", "later"} and self._course is None:
            return _("there is no question yet")
        return ""

    def do_filter(self) -> None:
        """Go to the question."""
        self.set_focus(self.query_one(QuestionInput))

    def do_hunt(self) -> None:
        """Ask the same in the hunt."""
        self.console.open("hunt", self._asked)

    def do_earlier(self) -> None:
        """Look at a longer time."""
        self._widen(1)

    def do_later(self) -> None:
        """Look at a shorter time."""
        self._widen(-1)

    def _widen(self, by: int) -> None:
        course = self._course
        if course is None:
            return
        span = course.question.span
        middle, half = span.start + (span.end - span.start) / 2, (span.end - span.start) / 2
        near = min(WIDTHS, key=lambda one: abs(one - half))
        self._width = stepped(WIDTHS, near, by)
        if self.subject.startswith(OWN):
            self._ask()
            return
        text = hunting.within(course.question, middle - self._width, middle + self._width)
        try:
            language.read(text or "", middle)
        except QuerySyntaxError:
            text = None
        if text is not None:
            self._asked = text
            self._ask(typed=True)
