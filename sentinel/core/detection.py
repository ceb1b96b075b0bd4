"""What a rule is once it has been understood, and what it says when it fires."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sentinel.core.event import Scalar
from sentinel.core.where import Operator, Where

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
Relation = Operator | Literal["eq", "neq"]


@dataclass(frozen=True, slots=True)
class Correlation:
    """`count` events (in `relation` to it) within `span` of event time, for each combination of `group_by`."""

    kind: Literal["event_count"]
    group_by: tuple[str, ...]
    span: timedelta
    relation: Relation
    count: int


@dataclass(frozen=True, slots=True)
class Detection:
    """One rule.

    `where` says which events it is about; with a `correlation` the rule fires on how they come together, without
    one each such event raises it. `version` is a hash over the rule's content: a changed rule is another version.
    `attack` holds ATT&CK technique ids (`T1110.001`); `author` travels with every alert, as the Detection Rule
    License asks. `fold_by` names the fields that make two findings be about the same thing.
    """

    id: str
    title: str
    level: Level
    where: Where
    version: str
    path: str
    fold_by: tuple[str, ...] = ()
    correlation: Correlation | None = None
    attack: tuple[str, ...] = ()
    author: str = ""
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


Key = tuple[tuple[str, Scalar], ...]
"""What a finding is about: field and value, in the rule's order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule fired. Stateless: judging the same events again gives the same finding.

    `evidence` holds ids of the events that made it fire (at most EVIDENCE_MAX, earliest first), `count` how many
    there were; times are event times (UTC). `moments` says when each of `evidence` happened; empty: it is not known
    better than from `first_seen` to `last_seen`.
    """

    detection: Detection
    key: Key
    first_seen: datetime
    last_seen: datetime
    evidence: tuple[str, ...]
    count: int = 1
    summary: str = field(default="", compare=False)
    moments: tuple[datetime, ...] = ()


EVIDENCE_MAX = 100


@dataclass(frozen=True, slots=True)
class Gap:
    """A rule could not judge all that arrived with `after < seq <= until`, and why."""

    rule_id: str
    after: int
    until: int
    reason: str
