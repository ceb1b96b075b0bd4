"""Overview: all that has to be known in five seconds, and every line of it leads to the screen that says more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from sentinel.core.alert import Alert, State
from sentinel.core.detection import LEVELS, Level
from sentinel.core.incident import Incident
from sentinel.core.listing import Brief, Wanted
from sentinel.core.where import plain
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import Line, Piece, Tone, heading, histogram, level, line, sign
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.services import Chain, Services
from sentinel.ui.console.surveys import Books, OnCall, Overview, RuleNumbers
from sentinel.ui.senders import rough
from sentinel.ui.words import N_, _, moment, ngettext, number, titled
from sentinel.ui.words.stages import retold

AGAIN_SECONDS = 15.0
NEWEST = 5
GROUPED_SECONDS = 60.0
"""So long until it is looked again which alerts belong together: of thousands that takes a while."""
CHECKED_SECONDS = 300.0
"""So long the whole audit log may take to be checked."""
LAG_WARNED = timedelta(minutes=5)
SPOOL_WARNED = 0.8
NAMED_MAX = 3
STILL: frozenset[State] = frozenset({"new", "acknowledged"})
URGENT: frozenset[Level] = frozenset({"critical", "high"})
ENDS = {
    "stored": N_("stored"),
    "duplicate": N_("known before"),
    "deadletter": N_("dead letters"),
    "filtered": N_("filtered"),
    "dropped": N_("dropped"),
}
_NAME_WIDE = 15


@dataclass(frozen=True, slots=True)
class Work:
    """What waits for people: how many alerts are open by level, the oldest urgent one nobody has seen, the newest."""

    by_level: dict[Level, int]
    oldest: Alert | None
    newest: Sequence[Brief]


class OverviewPage(Page):
    """How everything fares, and what there is to do."""

    NAME = "overview"
    KEY = "1"
    LABEL = N_("Overview")
    AUTO_FOCUS = "#work"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("dead_letters", N_("Dead letters"), N_("Show today's records that could not be read")),
    )
    DEFAULT_CSS = """
    OverviewPage #course { height: 4; padding: 0 1; }
    OverviewPage #left { height: 12; }
    OverviewPage #work { height: 1fr; padding: 0 1; }
    OverviewPage #health { height: 1fr; padding: 0 1; }
    OverviewPage.-wide #parts { layout: horizontal; }
    OverviewPage.-wide #left { width: 1fr; height: 1fr; }
    OverviewPage.-wide #course { height: 12; }
    OverviewPage.-wide #health { width: 1fr; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._found: Overview | None = None
        self._rules: RuleNumbers | None = None
        self._chain: Chain | None = None
        self._work: Work | None = None
        self._incidents: Sequence[Incident] | None = None
        self._grouped = 0.0

    def body(self) -> ComposeResult:
        """Yield the course of the day, what waits for people, and how everything fares."""
        with Container(id="parts"):
            with Vertical(id="left"):
                yield Said(self._course, id="course")
                yield Pane(self._telling_work, id="work")
            yield Pane(self._health, ground="panel", id="health")

    def on_mount(self) -> None:
        """Look again and again."""
        self.set_interval(AGAIN_SECONDS, self._again)

    def _again(self) -> None:
        if self.is_current:
            self.entered()

    def entered(self) -> None:
        """Look."""
        services = self.services
        self.ask("work", lambda: _work(services), self._worked)
        if monotonic() - self._grouped >= GROUPED_SECONDS:
            self._grouped = monotonic()
            self.ask("incidents", services.incidents, self._joined, seconds=CHECKED_SECONDS)
        self.ask("overview", lambda: services.surveys().overview(), self._came)
        if self._chain is None:
            self.ask("chain", services.chain, self._checked, seconds=CHECKED_SECONDS)
        self.ask("rules", lambda: services.surveys().rule_numbers(), self._counted)

    def _worked(self, work: Work) -> None:
        self._work = work
        self.query_one("#work", Pane).retell()

    def _joined(self, incidents: Sequence[Incident]) -> None:
        self._incidents = [one for one in incidents if one.open]
        self.query_one("#work", Pane).retell()

    def _came(self, found: Overview) -> None:
        self._found = found
        self.query_one("#health", Pane).retell()
        self.query_one("#course").refresh()

    def _counted(self, rules: RuleNumbers) -> None:
        self._rules = rules
        self.query_one("#health", Pane).retell()

    def _checked(self, chain: Chain) -> None:
        self._chain = chain
        self.query_one("#health", Pane).retell()

    def do_load_new(self) -> None:
        """Look again, at the audit log too."""
        self._chain, self._grouped = None, 0.0
        self.entered()

    def do_dead_letters(self) -> None:
        """Show what could not be read today."""
        if self._found is not None:
            self.console.open("hunt", _dead_letters(self._found))

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        return _("it is not known yet") if action == "dead_letters" and self._found is None else ""

    # -- drawing

    def _course(self, width: int) -> list[Line]:
        found = self._found
        if found is None:
            return [heading(_("Events an hour, 24 h"))]
        wide = max(1, width // len(found.hours))
        high = max(1, self.query_one("#course").size.height - 3)
        bars = histogram([one for one in found.hours for _time in range(wide)], width, high)
        lost, most = sum(found.lost), max((one or 0 for one in found.hours), default=0)
        title: list[Piece] = [
            (_("Events an hour, 24 h: at most {n}").format(n=number(most)), "title"),
            ("   ", "plain"),
        ]
        title += sign("bad", _("lost: {n}").format(n=number(lost))) if lost else sign("good", _("nothing lost"))
        marks = "".join(("✗" if one else " ") * wide for one in found.lost)
        ends = moment(found.at - timedelta(hours=len(found.hours) - 1), seconds=False, day=False), _("now")
        axis = f"{ends[0]}{ends[1]:>{max(1, wide * len(found.hours) - len(ends[0]))}}"
        drawn = [Line(title), *(line(one, "accent") for one in bars)]
        return [*drawn, line(marks, "bad"), line(axis, "muted")] if lost else [*drawn, line(axis, "muted")]

    def _telling_work(self) -> Sequence[Line]:
        work = self._work
        if work is None:
            return [heading(_("Open alerts"))]
        made = [heading(_("Open alerts"))]
        made += [
            Line(
                (level(one), (f"{'':{6 - len(level(one)[0])}}{number(work.by_level[one]):>6}", "strong")), go=_open(one)
            )
            for one in reversed(LEVELS)
            if work.by_level[one] or one in URGENT
        ]
        now = self.services.clock.now()
        if work.oldest is None:
            made.append(Line(sign("good", _("no critical or high alert waits to be seen"))))
        else:
            waits = _("waits {time}: {title}").format(
                time=rough((now - work.oldest.raised_at).total_seconds()), title=titled(work.oldest.title)
            )
            made.append(
                Line((level(work.oldest.level), (" ", "plain"), (waits, "strong")), go=("alert", work.oldest.id))
            )
        if self._incidents:
            told = ngettext("{n} incident", "{n} incidents", len(self._incidents))
            risk = _("highest risk {n} of 100").format(n=self._incidents[0].score)
            made.append(Line(((told, "strong"), (f"  {risk}", "plain")), go=("incidents", "")))
        made.append(heading(_("Newest alerts")))
        made += [_brief(one) for one in work.newest] or [line(_("none"), "muted")]
        return made

    def _health(self) -> Sequence[Line]:
        found = self._found
        if found is None:
            return [heading(_("How Sentinel fares")), line(_("it is being looked at"), "muted")]
        return [
            heading(_("How Sentinel fares")), *_stages(found), self._rules_line(found), *_intake(found),
            _audit(self._chain), _books(found.books),
            *([_on_call(found.on_call, found.at)] if found.on_call else []), *_deadlines(found),
        ]  # fmt: skip

    def _rules_line(self, found: Overview) -> Line:
        rules, late = self._rules, found.detect_lag > LAG_WARNED
        lag = _("{time} behind").format(time=rough(found.detect_lag.total_seconds()))
        if rules is None:
            return _state(
                "warning" if late else "good", _("Rules"), _("{lag}; they are being read").format(lag=lag), "rules"
            )
        numbers = _("{lag}; {on} on, {aside} set aside, {refused} refused").format(
            lag=lag, on=number(rules.on), aside=number(rules.aside), refused=number(rules.refused)
        )
        if found.judging:
            return _state("bad", _("Rules"), f"{retold(found.judging)}; {numbers}", "rules")
        return _state("warning" if late or rules.aside else "good", _("Rules"), numbers, "rules")


def _work(services: Services) -> Work:
    def count(wanted: Wanted) -> int:
        listing = services.listings().listing(wanted, "raised_at")
        try:
            return listing.count()
        finally:
            listing.close()

    def first(wanted: Wanted, limit: int, *, oldest: bool = False) -> Sequence[Brief]:
        listing = services.listings().listing(wanted, "raised_at", reverse=oldest)
        try:
            return listing.window(0, limit)
        finally:
            listing.close()

    waiting = first(Wanted(levels=URGENT, states=frozenset({"new"})), 1, oldest=True)
    return Work(
        {one: count(Wanted(levels=frozenset({one}), states=STILL)) for one in LEVELS},
        services.desk().alert(waiting[0].id) if waiting else None,
        first(Wanted(), NEWEST),
    )


def _open(one: Level) -> tuple[str, str]:
    return "alerts", f"level:{one} -state:closed"


def _brief(one: Brief) -> Line:
    about = ", ".join(plain(value) for _name, value in one.key)
    seen = moment(one.last_seen, seconds=False, day=False)
    pieces: list[Piece] = [
        (f"{seen} ", "muted"),
        level(one.level),
        (f" {titled(one.title)}", "plain"),
        (f"  {about}", "muted"),
    ]
    return Line(pieces, go=("alert", one.id), wraps=False)


def _state(tone: Tone, name: str, text: str, screen: str, subject: str = "") -> Line:
    shown, *rest = sign(tone, f"{name:<{_NAME_WIDE}}")
    return Line((shown, *((one, "strong") for one, _tone in rest), (text, tone if tone != "good" else "plain")),
                go=(screen, subject) if screen else None, indent=_NAME_WIDE + 2)  # fmt: skip


def _stages(found: Overview) -> list[Line]:
    running = _("at work") if found.running else _("not at work: start sentinel run")
    full = found.full or found.spool > SPOOL_WARNED
    spool = _("{n} % full, {waiting} records wait").format(
        n=number(100 * found.spool, 1), waiting=number(found.books.waiting)
    )
    return [
        _state("good" if found.running else "bad", _("Receiving"), running, "sources"),
        _senders(found),
        _state("bad" if full else "good", _("Spool"), f"{spool}; {found.full}" if found.full else spool, "sources"),
        _store(found),
    ]


def _store(found: Overview) -> Line:
    lag = _("{time} behind").format(time=rough(found.store_lag.total_seconds()))
    if found.short:
        return _state("bad", _("Store"), "; ".join([*map(retold, found.short), lag]), "hunt")
    return _state("warning" if found.store_lag > LAG_WARNED else "good", _("Store"), lag, "hunt")


def _senders(found: Overview) -> Line:
    heard = _("{n} heard").format(n=number(found.senders))
    parts = [heard]
    for names, text in ((found.silent, _("{n} silent: {names}")), (found.unheard, _("{n} never heard: {names}"))):
        if names:
            shown = ", ".join(names[:NAMED_MAX]) + (" …" if len(names) > NAMED_MAX else "")
            parts.append(text.format(n=number(len(names)), names=shown))
    if not found.silent:
        parts.append(_("none silent"))
    return _state("warning" if found.silent or found.unheard else "good", _("Senders"), "; ".join(parts), "sources")


def _intake(found: Overview) -> list[Line]:
    lost, letters = found.datagrams_lost, found.dead_letters
    udp = _("{n} lost here in 24 h: let them send over TLS").format(n=number(lost)) if lost else _("none lost in 24 h")
    told = _("{n} today").format(n=number(letters)) if letters else _("none today")
    return [
        _state("bad" if lost else "good", _("Datagrams"), udp, "sources"),
        _state("warning" if letters else "good", _("Dead letters"), told, "hunt", _dead_letters(found)),
    ]


def _dead_letters(found: Overview) -> str:
    return f"event.kind:pipeline_error since {found.midnight:%Y-%m-%dT%H:%M}"


def _audit(chain: Chain | None) -> Line:
    if chain is None:
        name = _("Audit log")
        return Line((("… ", "muted"), (f"{name:<{_NAME_WIDE}}", "strong"), (_("it is being checked"), "muted")))
    if chain.problems:
        return _state("bad", _("Audit log"), _("changed: {problem}").format(problem=chain.problems[0]), "audit")
    text = _("no entry of {n} changed, head {hash}").format(n=number(chain.entries), hash=chain.head[:8])
    return _state("good", _("Audit log"), text, "audit")


def _books(books: Books) -> Line:
    ends = " + ".join(f"{number(books.ends.get(name, 0))} {_(word)}" for name, word in ENDS.items())
    split = _(" + {n} split off").format(n=number(books.split)) if books.split else ""
    equation = _("{n} received{split} = {ends} + {waiting} in spool").format(
        n=number(books.received), split=split, ends=ends, waiting=number(books.waiting)
    )
    if books.problems:
        text = _("do not balance: {problem}; {equation}").format(problem=books.problems[0], equation=equation)
        return _state("bad", _("Books"), text, "sources")
    return _state("good", _("Books"), _("balance: {equation}").format(equation=equation), "sources")


def _on_call(of: OnCall, now: datetime) -> Line:
    name = _("On call")
    if of.problem:
        return _state("warning", name, of.problem, "")
    if of.until is None:
        return _state("warning", name, _("nobody, says the roster"), "")
    until = moment(of.until, seconds=False, day=of.until - now >= timedelta(hours=12), year=False)
    text = _("{who} until {until}").format(who=of.who, until=until)
    return _state("good", name, f"{text}  {of.reach}".rstrip(), "alerts", f'who:"{of.who}" -state:closed')


def _deadlines(found: Overview) -> list[Line]:
    if not found.deadlines:
        return []
    return [
        heading(_("Cases with a deadline")),
        *(_deadline(one.case, one.title, one.at, found.at) for one in found.deadlines),
    ]


def _deadline(case: int, title: str, at: datetime, now: datetime) -> Line:
    left = at - now
    if left < timedelta(0):
        told = sign("bad", _("{time} too late").format(time=rough((-left).total_seconds())))
    else:
        told = sign(
            "warning" if left < timedelta(days=1) else "good", _("{time} left").format(time=rough(left.total_seconds()))
        )
    return Line((*told, (f"  #{case} {title}", "plain")), go=("case", str(case)))
