"""Rules and ATT&CK: which rules can fire here, how they have fared, and what of ATT&CK is covered by them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import SIGNS, Line, Piece, Tone, facts, heading, level, line, sign
from sentinel.ui.console.page import Page, Remembered
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.surveys import RulesSurvey, RuleState, RuleSurvey, TechniqueSurvey
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.words import N_, _, either, ngettext, number
from sentinel.ui.words.stages import retold

COLUMNS = (
    Column(N_("SEV"), 4),
    Column(N_("STATE"), 14),
    Column(N_("RULE"), 28, grows=True),
    Column(N_("ALERTS"), 7, right=True),
    Column(N_("FALSE"), 6, right=True, rank=2),
    Column(N_("ATT&CK"), 12, rank=3),
    Column(N_("WHY"), 16, grows=True, rank=4),
)
TECHNIQUES = (
    Column(N_("TACTIC"), 20),
    Column(N_("ATT&CK"), 9),
    Column(N_("TECHNIQUE"), 14, grows=True),
    Column(N_("HAS RULE"), 8),
    Column(N_("HAS DATA"), 8),
    Column(N_("HAS FIRED"), 13),
)
STATES: dict[RuleState, tuple[str, Tone]] = {
    "on": (N_("on"), "good"),
    "aside": (N_("set aside"), "warning"),
    "never": (N_("cannot fire"), "warning"),
    "refused": (N_("refused"), "bad"),
    "off": (N_("off"), "muted"),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
READ_SECONDS = 300.0
"""So long thousands of rules may take to be read for the first time."""
AGAIN = timedelta(minutes=1)
_ORDER: tuple[RuleState, ...] = ("aside", "refused", "on", "never", "off")
_WIDE = 20


class RulesPage(Page):
    """The rules, or with one key the techniques of ATT&CK."""

    NAME = "rules"
    KEY = "9"
    LABEL = N_("Rules & ATT&CK")
    AUTO_FOCUS = "#rules"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("attack", N_("ATT&CK"), N_("Show the techniques of ATT&CK, or the rules again")),
    )
    DEFAULT_CSS = """
    RulesPage Table { width: 3fr; }
    RulesPage #techniques { display: none; }
    RulesPage.attack #techniques { display: block; }
    RulesPage.attack #rules { display: none; }
    RulesPage .side { width: 2fr; padding: 0 1; display: none; }
    RulesPage.-wide .side { display: block; }
    RulesPage.attack .side { display: none; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._found: RulesSurvey | None = None
        self._at = EPOCH
        self._typed = subject
        self._sigma: tuple[str, str] = ("", "")

    def body(self) -> ComposeResult:
        """Yield the filter, what there is in all, the rules, the techniques, one rule in full."""
        yield Input(self._typed, id="filter", placeholder=_("a part of a title, a state, a technique"))
        yield Said(self._summary, id="summary")
        with Horizontal():
            yield Table(COLUMNS, _cells, id="rules")
            yield Table(TECHNIQUES, _technique, id="techniques")
            yield Pane(self._whole, ground="panel", id="whole").add_class("side")

    @property
    def table(self) -> "Table[RuleSurvey]":
        """The rules."""
        return self.query_one("#rules", Table)

    @property
    def techniques(self) -> "Table[TechniqueSurvey]":
        """The techniques."""
        return self.query_one("#techniques", Table)

    def entered(self) -> None:
        """Read the rules, again after a while: files and numbers change."""
        now = self.services.clock.now()
        if self._found is None or now - self._at >= AGAIN:
            self._at = now
            self.table.empty = _("the rules are being read; this takes seconds the first time")
            self.ask("rules", lambda: self.services.surveys().rules(), self._came, seconds=READ_SECONDS)

    def remembered(self) -> Remembered:
        """Return what is typed."""
        return {"typed": self._typed}

    def recall(self, remembered: Remembered) -> None:
        """Ask for it again."""
        self._typed = self.subject or str(remembered.get("typed", ""))

    def telling(self) -> None:
        """Say in the other language what may be typed."""
        self.query_one("#filter", Input).placeholder = _("a part of a title, a state, a technique")

    def _came(self, found: RulesSurvey) -> None:
        self._found = found
        if found.problem:
            why = _("what is being sent cannot be seen, only configured packs count: {why}")
            self.say(why.format(why=found.problem), "warning")
        self._show()

    def on_input_changed(self) -> None:
        """Show what matches."""
        self._typed = self.query_one("#filter", Input).value
        self._show()

    def on_input_submitted(self) -> None:
        """Go to what was found."""
        (self.techniques if self.has_class("attack") else self.table).focus()

    def _show(self) -> None:
        if self._found is None:
            return
        words = self._typed.casefold().split()
        rules = [one for one in self._found.rules if all(word in _text(one) for word in words)]
        rules.sort(key=lambda one: (_ORDER.index(one.state), -one.alerts, one.title))
        techniques = [one for one in self._found.techniques if all(word in _words(one) for word in words)]
        self.table.empty = self.techniques.empty = _("nothing matches") if words else _("there are no rules")
        self.table.show(Listed(rules, lambda one: (one.id, one.path)))
        self.techniques.show(Listed(techniques, lambda one: (one.tactic, one.id)))
        self.query_one("#summary").refresh()

    def on_table_moved(self, message: Table.Moved) -> None:
        """Show the rule under the cursor in full."""
        row = self.table.row
        if message.table.id != "rules" or row is None:
            return
        self.query_one("#whole", Pane).retell()
        if row.path != self._sigma[0]:
            self.ask("sigma", lambda: (row.path, self.services.surveys().sigma(row.path)), self._read)

    def _read(self, sigma: tuple[str, str]) -> None:
        self._sigma = sigma
        self.query_one("#whole", Pane).retell()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        """Open the rule's alerts, or the rules of a technique."""
        if message.table.id == "techniques":
            technique = self.techniques.row
            if technique is not None:
                self.query_one("#filter", Input).value = technique.id
                self.do_attack()
            return
        row = self.table.row
        if row is not None and row.id:
            self.console.open("alerts", f'rule:"{row.title.replace(chr(34), "?")}"')
        else:
            self.say(_("a rule that is refused has no alerts"), "warning")

    def do_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#filter", Input))

    def do_load_new(self) -> None:
        """Look again."""
        self._found = None
        self.entered()

    def do_attack(self) -> None:
        """Show the techniques, or the rules again."""
        self.toggle_class("attack")
        self.on_input_submitted()
        self.query_one("#summary").refresh()

    # -- drawing

    def _summary(self, width: int) -> list[Line]:
        del width
        found = self._found
        if found is None:
            return [line(_(" the rules are being read"), "muted")]
        if self.has_class("attack"):
            seen = {one.id: one for one in found.techniques}
            text = _(" {all} techniques: {rule} have a rule, {data} of them data here, {fired} have fired").format(
                all=number(len(seen)), rule=number(sum(one.rules > 0 for one in seen.values())),
                data=number(sum(one.able > 0 for one in seen.values())),
                fired=number(sum(one.fired > 0 for one in seen.values())),
            )  # fmt: skip
            return [line(text, "strong")]
        pieces: list[Piece] = [(" ", "plain")]
        for state, (word, tone) in STATES.items():
            many = sum(one.state == state for one in found.rules)
            pieces += [(f"{SIGNS[tone]} ", tone if many else "muted"), (f"{number(many)} {_(word)}   ", "plain")]
        return [Line(pieces)]

    def _whole(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        word, tone = STATES[row.state]
        state = f"{_(word)}: {_why(row)}" if row.why else _(word)
        made = [heading(either(row.title, row.title_de)), Line(sign(tone, state))]
        if row.response:
            made += [Line(), *(line(one, "strong") for one in row.response.splitlines())]
        if row.description:
            made += [Line(), *(line(one) for one in row.description.strip().splitlines())]
        made += [Line(), *facts(
            [
                (_("alerts"), _("{n}, {open} of them open").format(n=number(row.alerts), open=number(row.open))),
                (_("false positives"), _ratio(row)), (_("may be mistaken"), "; ".join(row.falsepositives)),
                (_("does not see"), "; ".join(row.blind_spots)),
                (_("can fire on"), ", ".join(row.by)), (_("techniques"), ", ".join(row.attack)),
                (_("author"), row.author), (_("license"), row.license),
                (_("see"), " ".join(row.references)), (_("file"), Path(row.path).name),
            ], _WIDE,
        )]  # fmt: skip
        if self._sigma[0] == row.path:
            made += [Line(), heading("Sigma"), *(line(one, "muted") for one in self._sigma[1].splitlines())]
        return made


def _ratio(row: RuleSurvey) -> str:
    if row.false_positives is None:
        return _("no verdict yet")
    part, low, high = (number(100 * one) for one in row.false_positives)
    text = ngettext(
        "{part} % of {n} verdict ({low} to {high} %)", "{part} % of {n} verdicts ({low} to {high} %)", row.verdicts
    )
    return text.format(part=part, low=low, high=high)


def _cells(row: RuleSurvey) -> Sequence[Piece]:
    word, tone = STATES[row.state]
    ratio = "" if row.false_positives is None else f"{number(100 * row.false_positives[0])} %"
    return (
        level(row.level) if row.level else ("–", "muted"),
        (f"{SIGNS[tone]} {_(word)}", tone),
        (either(row.title, row.title_de), "plain"),
        (number(row.alerts) if row.id else "", "plain"),
        (ratio, "plain"),
        (", ".join(row.attack), "muted"),
        (_why(row), "muted"),
    )


def _technique(row: TechniqueSurvey) -> Sequence[Piece]:
    return (
        (row.tactic, "muted"),
        (row.id, "plain"),
        (row.name, "plain"),
        _held(row.rules),
        _held(row.able),
        _held(row.fired),
    )


def _held(many: int) -> Piece:
    return (_("● yes {n}").format(n=number(many)), "good") if many else (_("– no"), "muted")


def _text(one: RuleSurvey) -> str:
    told = (one.title, one.title_de, one.id, _(STATES[one.state][0]), one.level or "", *one.attack, one.path)
    return " ".join(told).casefold()


def _words(one: TechniqueSurvey) -> str:
    return f"{one.tactic} {one.id} {one.name}".casefold()


def _why(row: RuleSurvey) -> str:
    # the state says that it is set aside
    return retold(row.why.removeprefix("set aside: "))
