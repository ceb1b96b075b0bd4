"""What the console asks of Sentinel: values and protocols; `sentinel/console.py` says who stands behind them.

Everything here may block as long as a question to a store takes: it is called in a worker's thread (`Page.ask`),
never from the screens' own. A new service is one more field here and its wiring there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from sentinel.core.alert import Alert, Desk
    from sentinel.core.audit import Entry
    from sentinel.core.case import Case, Cases, Exported
    from sentinel.core.detection import Detection
    from sentinel.core.incident import Incident
    from sentinel.core.listing import Listings
    from sentinel.core.ports import Clock, Store
    from sentinel.core.scene import Dossier, Scene
    from sentinel.core.slip import Slip
    from sentinel.respond.saved import Questions
    from sentinel.ui.console.surveys import Surveys


@dataclass(frozen=True, slots=True)
class Pulse:
    """How Sentinel fares: events a second (None: not known yet), how full the spool is (0 to 1), how many are silent.

    `problem`: what does not work at all; `apart`: what other machines write cannot be read at present.
    """

    per_second: float | None
    spool: float
    silent: int
    detect_lag: "timedelta"
    problem: Literal["", "run", "judge", "spool", "apart"] = ""


class Exceptions(Protocol):
    """Who writes exceptions to rules, as Sigma filter files."""

    def text(self, alert_id: str, fields: "Sequence[str]", reason: str, until: "datetime") -> str:
        """Return the file that would except what an alert is about, by these fields of it; raises UsageError."""

    def write(self, alert_id: str, fields: "Sequence[str]", reason: str, until: "datetime") -> "Path":
        """Write it and return where it is; raises UsageError, AuditError."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What the audit log is: how many entries, the hash of the last, what is wrong with it, when it was anchored."""

    entries: int
    head: str
    problems: tuple[str, ...]
    anchored: str


@dataclass(frozen=True, slots=True)
class Services:
    """All that the screens know of the world.

    `who` is at the keyboard, `place` what this Sentinel is called. `check` raises ConfigError if the configuration is
    wrong; alerts are listed before that is known. `desk`, `listings` and `store` open what they return
    when they are first called. `take` brings alerts into a case by their ids; `incidents` are those of all
    alerts by now, the highest risk first. `hunted` writes down that a question is asked, before it is; `draft` makes a
    rule of a question: its query, the rule's file name, title and level, the folder. `deeds` are the audit log's, the
    latest first. `slip` says what could not be seen between two moments.
    `titles` are what the rules are called in German, by their English titles.
    `glance` is the dossier of an alert, and its scene if that costs little by now.
    `replay` brings in again what is unread of a source, and returns how many records that is.
    """

    clock: "Clock"
    who: str
    place: str
    state_folder: "Path"
    keys_file: "Path"
    language: str
    check: "Callable[[], object]"
    desk: "Callable[[], Desk]"
    listings: "Callable[[], Listings]"
    store: "Callable[[], Store]"
    cases: "Callable[[], Cases]"
    take: "Callable[[int, Sequence[str]], Case]"
    export_case: "Callable[[int, Path], Exported]"
    incidents: "Callable[[], Sequence[Incident]]"
    questions: "Callable[[], Questions]"
    hunted: "Callable[[str], object]"
    draft: "Callable[[str, str, str, str, str], list[Path]]"
    deeds: "Callable[[], Sequence[Entry]]"
    chain: "Callable[[], Chain]"
    rule: "Callable[[str], Detection | None]"
    titles: "Callable[[], Mapping[str, str]]"
    slip: "Callable[[datetime, datetime], Slip]"
    exceptions: "Callable[[], Exceptions]"
    dossier: "Callable[[str], Dossier]"
    scene: "Callable[[Alert], Scene]"
    glance: "Callable[[str], tuple[Dossier, Scene | None]]"
    pulse: "Callable[[], Pulse]"
    replay: "Callable[[str], int]"
    surveys: "Callable[[], Surveys]"
