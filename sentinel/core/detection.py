"""What a rule is once it has been understood, and what it says when it fires."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sentinel.core.event import Scalar
from sentinel.core.where import AllOf, AnyOf, Is, Operator, Where

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
Relation = Operator | Literal["eq", "neq"]


Kind = Literal[
    "event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median",
    "temporal", "temporal_ordered",
]  # fmt: skip
NUMBERS = frozenset({"value_sum", "value_avg", "value_percentile", "value_median"})
"""The kinds that look at numbers only."""


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one rule that a correlation counts.

    `group` holds the fields whose values are the group's, in the order of `Correlation.group_by`; `fields` those whose
    values are counted (the value_* kinds). `name` is what the correlation calls the rule. If that is a correlation,
    it is `inner`: the part occurs whenever a window of it stands, `where` holds for the events it counts, and `group`
    names some of its `group_by`.
    """

    where: Where
    group: tuple[str, ...]
    fields: tuple[str, ...] = ()
    name: str = ""
    inner: "Correlation | None" = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """What must come together within `span` of event time, for each combination of values of `group_by`.

    The number that stands in `relation` to `count` is that of the events, of the different values or combinations of
    values (value_count), their sum, average or percentile, or the number of `parts` that occur (temporal) in their
    order (temporal_ordered). A `condition` takes the number's place (temporal): it asks which names of parts exist.
    `parts` empty: the events of the rule's `where`, by the fields `group_by`.
    """

    kind: Kind
    group_by: tuple[str, ...]
    span: timedelta
    relation: Relation
    count: int | float
    parts: tuple[Part, ...] = ()
    percentile: int = 50
    condition: Where | None = None

    @property
    def reach(self) -> timedelta:
        """How long before a moment something may have happened that makes it fire then."""
        return self.span + max((part.inner.reach for part in self.parts if part.inner is not None), default=timedelta())


Season = Literal["all", "hour_of_week"]


@dataclass(frozen=True, slots=True)
class NewTerms:
    """Fires on an event whose values of `fields`, taken together, the rule has not met within `history` before it.

    For `learning` after its log began the rule only learns.
    """

    fields: tuple[str, ...]
    history: timedelta
    learning: timedelta


@dataclass(frozen=True, slots=True)
class Baseline:
    """Fires if a group's events within `window`, sliding, are far more than the same group's windows `against` before.

    What is compared is the number of events, or the sum of the field `total`, for each combination of values of `by`.
    Too much is at least `floor`, `factor` times the average, and `deviations` standard deviations above it (0: not
    asked). With `season` only windows of the same hour of the week count, in the time of `zone` (IANA). A group is
    compared once it has been known for `learning`.
    """

    by: tuple[str, ...]
    window: timedelta
    against: timedelta
    learning: timedelta
    floor: float
    factor: float = 0
    deviations: float = 0
    total: str = ""
    season: Season = "all"
    zone: str = "UTC"


History = NewTerms | Baseline


@dataclass(frozen=True, slots=True)
class Detection:
    """One rule.

    `where` says which events it is about; with a `correlation` the rule fires on how they come together, without
    one each such event raises it. With a `history` what came before decides which of them do. `version` is a hash over
    the rule's content: a changed rule is another version. `attack` holds ATT&CK technique ids (`T1110.001`); `author`
    travels with every alert, as the Detection Rule License asks; `license` says which one. `fold_by` names the fields
    that make two findings be about the same thing. Beyond `budget_per_hour` new alerts (None: the configured number)
    everything becomes one. An event of a time in which its place was closed has `closed_level` (None: as any other).
    For people: `title_de` is the title in German, `response` what to do first, `blind_spots` what the rule does not see
    (empty: it does not say).
    """

    id: str
    title: str
    level: Level
    where: Where
    version: str
    path: str
    fold_by: tuple[str, ...] = ()
    correlation: Correlation | None = None
    history: History | None = None
    attack: tuple[str, ...] = ()
    author: str = ""
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    budget_per_hour: int | None = None
    closed_level: Level | None = None
    title_de: str = ""
    response: str = ""
    blind_spots: tuple[str, ...] = ()
    license: str = ""


Key = tuple[tuple[str, Scalar], ...]
"""What a finding is about: field and value, in the rule's order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule fired. Stateless: judging the same events again gives the same finding.

    `evidence` holds ids of the events that made it fire (at most EVIDENCE_MAX, earliest first), `count` how many
    there were; times are event times (UTC). `moments` says when each of `evidence` happened; empty: it is not known
    better than from `first_seen` to `last_seen`. `late` says so if it was not found when its events arrived.
    """

    detection: Detection
    key: Key
    first_seen: datetime
    last_seen: datetime
    evidence: tuple[str, ...]
    count: int = 1
    summary: str = field(default="", compare=False)
    moments: tuple[datetime, ...] = ()
    late: str = field(default="", compare=False)


EVIDENCE_MAX = 100


@dataclass(frozen=True, slots=True)
class Gap:
    """A rule could not judge all that arrived with `after < seq <= until`, and why."""

    rule_id: str
    after: int
    until: int
    reason: str


def events_of(detection: Detection, key: Key) -> Where:
    """Return what holds for the events that a rule counts about `key`; an empty key leaves out what it is about."""
    rule = detection.correlation
    if rule is None or not rule.parts:
        return AllOf((detection.where, *(Is(field, value) for field, value in key)))
    return AnyOf(
        tuple(
            AllOf((part.where, *(Is(field, value) for field, (_, value) in zip(part.group, key, strict=False))))
            for part in rule.parts
        )
    )
