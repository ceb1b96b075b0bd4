"""What the screens Overview, Sources and Rules show: values, and who makes them (`sentinel/surveys.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from sentinel.core.detection import Level
from sentinel.ui.senders import SenderSurvey

RuleState = Literal["on", "aside", "never", "refused", "off"]


@dataclass(frozen=True, slots=True)
class Books:
    """The equation since the books began: received + split = the sum of `ends` + waiting, unless there are problems."""

    received: int
    split: int
    ends: Mapping[str, int]
    waiting: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deadline:
    """An open case that has to be dealt with by a time."""

    case: int
    title: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call, how he is reached, until when; `problem`: why the roster cannot be read."""

    who: str = ""
    reach: str = ""
    until: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything fares.

    `hours`: records received in each of the last 24 hours, the present one last (None: before the books began), and
    `lost` what was lost in each. `silent` and `unheard` name senders and configured sources; `spool` is from 0 to 1.
    `short` is what the store is short of. `datagrams_lost`: by the kernel and here, within these hours. `dead_letters`
    are those since `midnight`.
    `on_call`: None if there is no roster; nobody is on call if it names nobody.
    """

    at: datetime
    midnight: datetime
    running: bool
    judging: str
    hours: tuple[int | None, ...]
    lost: tuple[int, ...]
    senders: int
    silent: tuple[str, ...]
    unheard: tuple[str, ...]
    spool: float
    full: str
    short: tuple[str, ...]
    store_lag: timedelta
    detect_lag: timedelta
    datagrams_lost: int
    dead_letters: int
    books: Books
    deadlines: tuple[Deadline, ...]
    on_call: OnCall | None


@dataclass(frozen=True, slots=True)
class RuleNumbers:
    """How many rules are on, of these set aside at present, and how many are refused."""

    on: int
    aside: int
    refused: int


@dataclass(frozen=True, slots=True)
class SourcesSurvey:
    """Everybody who was heard, and the configured sources of which nothing ever was."""

    senders: tuple[SenderSurvey, ...]
    unheard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSurvey:
    """One rule. `never`: it cannot fire on what is being sent here; `why` says so, or why it is in another state.

    `by` names the data sets that can raise it; `false_positives` is their part of all verdicts, and between what it
    lies with 95 % confidence (None: no verdict). A refused rule has only its file's name, `path` and `why`.
    """

    id: str
    title: str
    level: Level | None
    state: RuleState
    why: str
    path: str
    by: tuple[str, ...] = ()
    alerts: int = 0
    open: int = 0
    verdicts: int = 0
    false_positives: tuple[float, float, float] | None = None
    attack: tuple[str, ...] = ()
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    author: str = ""
    references: tuple[str, ...] = ()
    title_de: str = ""
    response: str = ""
    blind_spots: tuple[str, ...] = ()
    license: str = ""


@dataclass(frozen=True, slots=True)
class TechniqueSurvey:
    """A technique of ATT&CK under one of its tactics: rules about it, those able to fire here, alerts they raised."""

    tactic: str
    id: str
    name: str
    rules: int
    able: int
    fired: int


@dataclass(frozen=True, slots=True)
class RulesSurvey:
    """Every rule and every technique; `problem` is what the store could not tell of what is being sent."""

    rules: tuple[RuleSurvey, ...]
    techniques: tuple[TechniqueSurvey, ...]
    problem: str


class Surveys(Protocol):
    """Who looks; each method from any thread, raises StoreError and SpoolError."""

    def overview(self) -> Overview:
        """Look how everything fares."""

    def sources(self) -> SourcesSurvey:
        """Look who has been heard."""

    def rule_numbers(self) -> RuleNumbers:
        """Count the rules; takes seconds when they have not been read yet."""

    def rules(self) -> RulesSurvey:
        """Say of every rule how it stands, and of every technique what is there for it; takes seconds."""

    def sigma(self, path: str) -> str:
        """Return a rule's file as it is."""
