"""All that is known about an alert, gathered so that one look at it is enough to decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sentinel.core.alert import Alert, Record
from sentinel.core.detection import Detection
from sentinel.core.event import Event, Scalar
from sentinel.core.explain import Step
from sentinel.core.listing import Brief

BEFORE = timedelta(hours=1)
"""So long before an alert it is told what those did that it is about."""
LOOKED_BACK = timedelta(days=90)
"""So far back it is looked whether the same has happened before."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the book says: the alert, how its rule has fared, other alerts like it."""

    alert: Alert
    record: Record | None
    similar: tuple[Brief, ...]


@dataclass(frozen=True, slots=True)
class Reasons:
    """One rule about single events, by its name, its conditions and what they found in one piece of evidence."""

    rule: str
    step: Step


@dataclass(frozen=True, slots=True)
class Doings:
    """What somebody or something did in the hour before: how often what, and its latest events, latest first.

    `facts` is what the inventory says: site, owner, criticality. `known`: there are events of it from before that hour,
    within LOOKED_BACK.
    """

    field: str
    value: Scalar
    facts: Mapping[str, str]
    counts: tuple[tuple[str, int], ...]
    events: tuple[Event, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What rules and store say. `rule` is None if it is not on any more, `text` the file that it stands in.

    `changed`: the rule is another than the one that raised the alert. `evidence`: earliest first. `before`: how many
    events of the same rule about the same there were within LOOKED_BACK before the first. `query`: the rule as a
    question, None if the language has no words for it.
    """

    rule: Detection | None
    text: str
    query: str | None
    changed: bool
    reasons: tuple[Reasons, ...]
    names: Mapping[str, tuple[str, ...]]
    evidence: tuple[Event, ...]
    doings: tuple[Doings, ...]
    before: int | None
