"""Compares what Sentinel told of the model city with the truth: stories found and missed, false alarms, how late."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sentinel.core.alert import Alert
from sentinel.core.detection import LEVELS, Detection
from sentinel.core.event import Event
from sentinel.core.join import unpacked
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, Where, fields_of, holds
from sentinel.sources import silence
from sentinel.testing.bench_city import Lived
from sentinel.testing.hindsight import RULES
from sentinel.testing.scene import Play

ALERTS_A_DAY = 15
FOUND_SHARE = 0.9
_HIGH = frozenset({"high", "critical"})
_ALL = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_ASKED_MAX = 500
"""So many events are asked for at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a story fared: how long after its first and its decisive event somebody was told; None and why if never.

    `hindsight`: whoever told of it was written or changed after it had been missed.
    """

    name: str
    severity: str
    after: str
    after_first: timedelta | None
    after_decisive: timedelta | None
    rules: tuple[str, ...] = ()
    reason: str = ""
    hindsight: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """What the days came to; `false` counts alerts on nothing, or on a twin, by rule."""

    stories: tuple[Found, ...]
    alerts: int
    a_day: float
    levels: Mapping[str, int]
    true: int
    false: Mapping[str, int]
    precision: float | None
    events: int
    unread: int
    per_second: float
    cpu_seconds: float

    @property
    def found(self) -> float:
        """The share of the stories that were found."""
        return sum(one.after_first is not None for one in self.stories) / len(self.stories) if self.stories else 1.0

    @property
    def well(self) -> bool:
        """Say whether the aims are met: alerts a day, stories found, none of high severity missed."""
        missed_high = any(one.after_first is None and one.severity in _HIGH for one in self.stories)
        return self.a_day <= ALERTS_A_DAY and self.found >= FOUND_SHARE and not missed_high


def score(told: Lived, store: Store, detections: Sequence[Detection]) -> Score:
    """Return how well the stories were told."""
    owners = {alert.id: _owners(alert, told, store) for alert in told.alerts}
    high = [alert for alert in told.alerts if alert.level in _HIGH]
    right = [alert for alert in high if owners[alert.id]]
    false = Counter(alert.title for alert in told.alerts if not owners[alert.id])
    return Score(
        stories=tuple(_found(play, told, owners, store, detections) for play in told.plays),
        alerts=len(told.alerts),
        a_day=len(told.alerts) / told.days,
        levels={level: sum(alert.level == level for alert in told.alerts) for level in LEVELS},
        true=sum(bool(one) for one in owners.values()),
        false=dict(false.most_common()),
        precision=len(right) / len(high) if high else None,
        events=told.events,
        unread=told.unread,
        per_second=told.events / told.cpu_seconds,
        cpu_seconds=told.cpu_seconds,
    )


def _owners(alert: Alert, told: Lived, store: Store) -> set[str]:
    # the stories of which the alert has an event that is no twin's
    if alert.rule_id == silence.RULE.id:
        device = str(dict(alert.key).get("log.source.address", "")).partition(":")[0]
        return {
            play.name
            for play in told.plays
            for one in play.silences
            if one.device == device and one.begin <= alert.raised_at < one.end
        }
    known = [told.owners[one] for one in alert.evidence if one in told.owners]
    unknown = [one for one in alert.evidence if one not in told.owners]
    for event in _events(store, unknown[:200]):
        odd = str(event.fields.get("sentinel.odd.event"))
        known += [told.owners[odd]] if odd in told.owners else []
        if "sentinel.joined" in event.fields:
            parts = unpacked(str(event.fields["event.original"]).encode())
            known += [told.bodies[part] for part in parts if part in told.bodies]
    return {name for name, twin in known if not twin}


def _events(store: Store, ids: Sequence[str]) -> list[Event]:
    found: list[Event] = []
    for at in range(0, len(ids), _ASKED_MAX):
        some = ids[at : at + _ASKED_MAX]
        found += store.search(AnyOf(tuple(Is("event.id", one, cased=True) for one in some)), _ALL, len(some))
    return found


def _found(
    play: Play, told: Lived, owners: Mapping[str, set[str]], store: Store, detections: Sequence[Detection]
) -> Found:
    mine = [alert for alert in told.alerts if play.name in owners[alert.id] and alert.level != "informational"]
    about = (play.name, play.about.severity, play.about.after)
    if not mine:
        ids = [one for one, (name, twin) in told.owners.items() if name == play.name and not twin]
        return Found(*about, None, None, (), _reason(ids, store, detections))
    raised = min(alert.raised_at for alert in mine)
    rules = tuple(dict.fromkeys(alert.title for alert in sorted(mine, key=lambda one: one.raised_at)))
    hindsight = set(rules) <= set(RULES.get(play.name, ()))
    return Found(*about, raised - play.first, raised - play.decided, rules, hindsight=hindsight)


def _reason(ids: Sequence[str], store: Store, detections: Sequence[Detection]) -> str:
    events = _events(store, ids)
    silent = [one.title for one in detections if any(holds(one.where, event) for event in events)]
    if silent:
        return f"rule silent: {'; '.join(silent[:4])}"
    lacking = {
        f"{one.title}: {', '.join(sorted(fields)[:4])}"
        for one in detections
        for event in events
        if (fields := _lacking(one.where, event))
    }
    return f"fields missing: {'; '.join(sorted(lacking)[:3])}" if lacking else "no rule"


def _lacking(where: Where, event: Event) -> frozenset[str]:
    # the fields without which all that is asked of the event but them is answered with yes
    log_source, *asked = _flat(where)
    left = [one for one in asked if not holds(one, event)]
    fields = frozenset(name for one in left for name in fields_of(one))
    there = len(left) < len(asked) and holds(log_source, event)
    return fields if there and fields and fields.isdisjoint(event.fields) else frozenset()


def _flat(where: Where) -> list[Where]:
    return [leaf for one in where.items for leaf in _flat(one)] if isinstance(where, AllOf) else [where]
