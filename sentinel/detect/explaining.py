"""Why a rule fires on an event or does not: each condition with what it found; of a correlation, what else is there.

A correlation is explained by its own evaluator: the windows in which the event lies are judged anew from the store.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sentinel.core.detection import Correlation, Detection, Finding, Key, events_of
from sentinel.core.event import Event
from sentinel.core.explain import Step, explained
from sentinel.core.ports import Span, Store
from sentinel.core.reached import everything
from sentinel.core.where import holds
from sentinel.detect.correlate import Counting, keys
from sentinel.detect.linking import Plain
from sentinel.detect.recent import Recent

AROUND_MAX = 200
"""So many events around the one in question are told; there may be more."""
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One rule about single events, by its name: its conditions and what they found."""

    name: str
    step: Step


@dataclass(frozen=True, slots=True)
class Around:
    """What a correlation sees around the event: the group, its events (earliest first), and what fired.

    `more` says whether there are more than AROUND_MAX events.
    """

    key: Key
    events: tuple[Event, ...]
    more: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Whether a rule fires on an event, and why.

    `asked` are the rules about single events that it is made of, `groups` what a correlation sees, `names` what the
    rule's author calls the fields (Sigma's names, by ECS name). Of a rule with a history it is said whether it looks at
    the event; what has been learnt decides whether that is new or too much.
    """

    detection: Detection
    fires: bool
    asked: tuple[Asked, ...]
    groups: tuple[Around, ...]
    names: Mapping[str, tuple[str, ...]]


def why(store: Store, detection: Detection, origins: Sequence[Plain], event: Event) -> Why:
    """Explain a rule on an event, which need not be stored; raises StoreError."""
    asked = asked_of(origins, (event,))
    rule = detection.correlation
    groups = () if rule is None else tuple(_groups(store, detection, rule, event))
    fires = any(one.findings for one in groups) if rule is not None else holds(detection.where, event)
    return Why(detection, fires, asked, groups, names_of(origins))


def asked_of(origins: Sequence[Plain], events: Sequence[Event]) -> tuple[Asked, ...]:
    """Return what each rule about single events asks, and found in the first of some events that meets it.

    If none does, in the first of all: there is one at least.
    """
    meets = (next((event for event in events if holds(one.detection.where, event)), events[0]) for one in origins)
    pairs = zip(origins, meets, strict=True)
    return tuple(Asked(one.detection.title, explained(one.detection.where, event)) for one, event in pairs)


def _groups(store: Store, detection: Detection, rule: Correlation, event: Event) -> Iterator[Around]:
    if not holds(detection.where, event):
        return
    all_of_it = everything(store).to(event.seq)
    findings = list(Counting(store, detection, rule, all_of_it, Recent(all_of_it)).findings([event]))
    seen: set[Key] = set()
    for part in rule.parts:
        if not holds(part.where, event):
            continue
        for own in keys(event, part.group):
            key = tuple((name, value) for name, (_, value) in zip(rule.group_by, own, strict=False))
            if key not in seen:
                seen.add(key)
                yield _around(store, detection, rule, key, event, findings)


def _around(
    store: Store, detection: Detection, rule: Correlation, key: Key, event: Event, findings: Sequence[Finding]
) -> Around:
    span = Span(event.timestamp - rule.reach, event.timestamp + rule.reach + _TICK)
    found = store.search(events_of(detection, key), span, AROUND_MAX + 1)
    there = {one.id: one for one in (*found[:AROUND_MAX], event)}
    fired = tuple(one for one in findings if one.key == key and event.id in one.evidence)
    ordered = sorted(there.values(), key=lambda one: (one.timestamp, one.seq))
    return Around(key, tuple(ordered), len(found) > AROUND_MAX, fired)


def names_of(origins: Sequence[Plain]) -> dict[str, tuple[str, ...]]:
    """Return what rules call fields, by ECS name: of the names that one may have those in the rule's file."""
    found: dict[str, dict[str, None]] = {}
    for one in origins:
        try:
            written = set(re.findall(r"[\w@.-]+", Path(one.detection.path).read_text("utf-8", "replace")))
        except OSError:
            continue
        for sigma, ecs in one.source.names.items():
            if sigma in written:
                found.setdefault(ecs, {})[sigma] = None
    return {ecs: tuple(names) for ecs, names in found.items()}
