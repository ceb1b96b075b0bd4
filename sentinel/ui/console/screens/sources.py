"""Sources: who sends, how often and how late, who has fallen silent, and what the books say of it."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from sentinel.core.source import LossClass, Outcome
from sentinel.respond.writing import as_value
from sentinel.ui.console.actions import Action
from sentinel.ui.console.draw import SIGNS, Line, Piece, Tone, facts, heading, line, sign
from sentinel.ui.console.page import Page
from sentinel.ui.console.panes import Pane, Said
from sentinel.ui.console.surveys import SourcesSurvey
from sentinel.ui.console.table import Column, Listed, Table
from sentinel.ui.senders import HOURS_TOLD, SenderSurvey, noted, rough
from sentinel.ui.words import N_, _, moment, ngettext, number

COLUMNS = (
    Column(N_("STATE"), 10),
    Column(N_("SOURCE"), 12),
    Column(N_("SENDER"), 20, rank=4),
    Column(N_("HOST"), 12, grows=True),
    Column(N_("LOSS"), 12, rank=7),
    Column(N_("SITE"), 10, rank=9),
    Column(N_("OWNER"), 10, rank=8),
    Column(N_("LAST HEARD"), 19, rank=1),
    Column(N_("EVERY"), 7, right=True, rank=3),
    Column(N_("LAG P50"), 8, right=True, rank=6),
    Column(N_("LAG P95"), 8, right=True, rank=5),
    Column(N_("NOTES"), 16, grows=True, rank=2),
)
LOSSES: dict[LossClass, str] = {
    "acknowledged": N_("acknowledged"),
    "stream": N_("stream"),
    "best effort": N_("best effort"),
}
OUTCOMES: dict[Outcome, str] = {
    "received": N_("received"),
    "split": N_("split off"),
    "stored": N_("stored"),
    "duplicate": N_("known before"),
    "deadletter": N_("dead letters"),
    "filtered": N_("filtered"),
    "dropped": N_("dropped"),
    "refused": N_("refused"),
    "closed": N_("closed"),
    "missing": N_("never came"),
}
_WIDE = 20
REPLAY_SECONDS = 600.0
"""So long many records may take to be brought in again."""


class Sources(Page):
    """The senders, those who are silent first."""

    NAME = "sources"
    KEY = "8"
    LABEL = N_("Sources")
    AUTO_FOCUS = "#senders"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("dead_letters", N_("Dead letters"), N_("Show what could not be read of this source within a day")),
        Action("replay", N_("Replay"), N_("Bring in again what is unread of this source, after its pack was mended")),
    )
    DEFAULT_CSS = """
    Sources Table { width: 3fr; }
    Sources .side { width: 2fr; padding: 0 1; display: none; }
    Sources.-wide .side { display: block; }
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._found: SourcesSurvey | None = None

    def body(self) -> ComposeResult:
        """Yield what there is in all, the senders, one of them in full."""
        yield Said(self._summary, id="summary")
        with Horizontal():
            yield Table(COLUMNS, _cells, id="senders")
            yield Pane(self._whole, ground="panel", id="whole").add_class("side")

    @property
    def table(self) -> "Table[SenderSurvey]":
        """The senders."""
        return self.query_one("#senders", Table)

    def entered(self) -> None:
        """Look who has been heard."""
        self.ask("sources", lambda: self.services.surveys().sources(), self._came)

    def _came(self, found: SourcesSurvey) -> None:
        self._found = found
        rows = sorted(found.senders, key=lambda one: (not one.silent, not one.notes, one.identity))
        self.table.empty = _("nobody has been heard yet")
        self.table.show(Listed(rows, lambda one: one.identity))
        self.query_one("#summary").refresh()

    def on_table_moved(self) -> None:
        """Show the sender under the cursor in full."""
        self.query_one("#whole", Pane).retell()
        self.refresh_frame()

    def on_table_chosen(self) -> None:
        """Ask for its events."""
        row = self.table.row
        if row is not None:
            self.console.open("hunt", _events(row))

    def do_load_new(self) -> None:
        """Look again."""
        self.entered()

    def do_dead_letters(self) -> None:
        """Ask for what could not be read of its source."""
        row = self.table.row
        if row is not None:
            self.console.open("hunt", _dead_letters(row))

    def do_replay(self) -> None:
        """Bring it in again."""
        row = self.table.row
        if row is not None:
            source = row.identity.source
            self.ask("replay", lambda: self.services.replay(source), self._replayed, seconds=REPLAY_SECONDS)

    def _replayed(self, many: int) -> None:
        told = ngettext("{n} record is in the spool again", "{n} records are in the spool again", many)
        self.say(told if many else _("every record of this source has been read"))

    def reason(self, action: str) -> str:
        """Return why something cannot be done now."""
        return _("there is no sender here") if action in {"dead_letters", "replay"} and self.table.row is None else ""

    # -- drawing

    def _summary(self, width: int) -> list[Line]:
        del width
        found = self._found
        if found is None:
            return [line(_(" it is being looked at who sends"), "muted")]
        silent = sum(one.silent for one in found.senders)
        text = ngettext("{n} sender", "{n} senders", len(found.senders))
        pieces: list[Piece] = [(" ", "plain"), (f"{text}   ", "strong")]
        pieces += sign("bad", _("{n} silent").format(n=number(silent))) if silent else sign("good", _("none silent"))
        if found.unheard:
            never = _("never heard: {names}").format(names=", ".join(found.unheard))
            pieces += [("   ", "plain"), *sign("warning", never)]
        return [Line(pieces)]

    def _whole(self) -> Sequence[Line]:
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        source, via, peer, host = row.identity
        made = [heading(f"{source} {host or peer}".strip()), *(Line(sign(_tone(row), noted(one))) for one in row.notes)]
        made += facts(
            [
                (_("state"), _("silent") if row.silent else _("heard")), (_("source"), source), (_("entrance"), via),
                (_("sender"), peer), (_("host"), host), (_("loss class"), _(LOSSES[row.loss])), (_("site"), row.site),
                (_("owner"), row.owner), (_("zone"), row.zone), (_("first heard"), moment(row.first)),
                (_("last heard"), moment(row.last)), (_("speaks every"), rough(row.usual)),
                (_("silent after"), rough(row.patience)), (_("lag p50"), rough(row.lag_p50)),
                (_("lag p95"), rough(row.lag_p95)), (_("clock off by"), rough(row.skew)),
                (_("records"), number(row.records)), (_("bytes"), number(row.bytes)),
            ], _WIDE,
        )  # fmt: skip
        made += [Line(), heading(_("The books of {source}, {hours} h").format(source=source, hours=HOURS_TOLD))]
        booked = [
            (_(OUTCOMES[outcome]) + (f" ({why})" if why else ""), number(many)) for outcome, why, many in row.booked
        ]
        made += facts(booked, _WIDE) or [line(_("nothing"), "muted")]
        return [*made, Line(), Line(((_("its events"), "link"),), go=("hunt", _events(row))),
                Line(((_("its dead letters"), "link"),), go=("hunt", _dead_letters(row)))]  # fmt: skip


def _tone(row: SenderSurvey) -> Tone:
    return "bad" if row.silent else "warning" if row.notes else "good"


def _cells(row: SenderSurvey) -> Sequence[Piece]:
    source, via, peer, host = row.identity
    tone = _tone(row)
    state = _("silent") if row.silent else _("look") if row.notes else _("heard")
    return (
        (f"{SIGNS[tone]} {state}", tone),
        (source, "plain"),
        (f"{via} {peer}".strip(), "muted"),
        (host, "plain"),
        (_(LOSSES[row.loss]), "muted"),
        (row.site, "muted"),
        (row.owner, "muted"),
        (moment(row.last), "plain"),
        (rough(row.usual), "muted"),
        (rough(row.lag_p50), "muted"),
        (rough(row.lag_p95), "muted"),
        ("; ".join(map(noted, row.notes)), "warning"),
    )


def _events(row: SenderSurvey) -> str:
    query = f"sentinel.source:{as_value(row.identity.source)}"
    if row.identity.host:
        host = as_value(row.identity.host)
        query += f" and (log.syslog.hostname:{host} or observer.name:{host} or host.name:{host})"
    return f"{query} last 24h"


def _dead_letters(row: SenderSurvey) -> str:
    return f"event.kind:pipeline_error and sentinel.source:{as_value(row.identity.source)} last 24h"
