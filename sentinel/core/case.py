"""A case: what a team knows and does about one thing, with evidence that stays when the store forgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from sentinel.core.alert import Change

CaseState = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event as it was when it was taken into a case.

    `document` is its JSON (one line, keys sorted, UTF-8), `raw` the line it was read from as the event holds it; both
    with their SHA-256 in hexadecimal. `query` says how it was found, `added` and `who` when and by whom it was taken.
    """

    event: str
    at: datetime
    document: str
    sha256: str
    raw: str
    raw_sha256: str
    query: str
    added: datetime
    who: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done; `who` has set it to what it is, at `at`."""

    number: int
    text: str
    done: bool
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One case; `alerts` are ids, `evidence` how many events it holds, `timeline` everything that people have done.

    `version` rises when its title, deadline or state changes; what is added to it is in nobody's way.
    """

    number: int
    title: str
    state: CaseState
    opened: datetime
    deadline: datetime | None
    version: int
    members: tuple[str, ...]
    alerts: tuple[str, ...]
    evidence: int
    tasks: tuple[Task, ...]
    timeline: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """A case written out `to` a folder or zip file; `sha256` is that of its SHA256SUMS, `gaps` what was not seen."""

    to: Path
    manifest: str
    sha256: str
    events: int
    alerts: int
    gaps: int
    complete: bool


@dataclass(frozen=True, slots=True)
class AddAlerts:
    """Take alerts into it, by their ids."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddEvidence:
    """Copy events into it; those it has already stay as they are."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class AddNote:
    """Add a note."""


@dataclass(frozen=True, slots=True)
class AddTask:
    """Add something to be done."""

    text: str


@dataclass(frozen=True, slots=True)
class SetTask:
    """Say whether a task, by its number in the case, is done."""

    number: int
    done: bool


@dataclass(frozen=True, slots=True)
class AddMember:
    """Let somebody work on it."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """Let somebody no longer work on it."""

    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Give it another title."""

    title: str


@dataclass(frozen=True, slots=True)
class SetDeadline:
    """Say until when it has to be dealt with; None: there is no such time."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class CloseCase:
    """Close it; open tasks stay open."""


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """Open it again."""


CaseAction = (
    AddAlerts
    | AddEvidence
    | AddNote
    | AddTask
    | SetTask
    | AddMember
    | RemoveMember
    | Rename
    | SetDeadline
    | CloseCase
    | ReopenCase
)


class Cases(Protocol):
    """What the screens and the command line know of cases."""

    def cases(self, *, closed: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Return the open cases, or all: those with the nearest deadline first, then the newest."""

    def case(self, number: int) -> Case:
        """Return one; raises NotThereError."""

    def evidence(self, number: int) -> Sequence[Evidence]:
        """Return what a case holds, in order of event time; raises NotThereError."""

    def create(self, title: str, who: str, note: str = "") -> Case:
        """Open a case, of which `who` is a member; raises UsageError."""

    def change(self, number: int, action: CaseAction, who: str, note: str = "", version: int | None = None) -> Case:
        """Change a case, seen at `version`; raises UsageError, ConflictError if somebody has changed it since."""
