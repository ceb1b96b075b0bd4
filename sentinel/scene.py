"""Gathers all that is known about an alert: from the book, the rules, the store and the inventory."""

from collections.abc import Iterator
from pathlib import Path

from sentinel.app import App
from sentinel.core.alert import Alert, Desk
from sentinel.core.detection import Detection, events_of
from sentinel.core.errors import RuleError
from sentinel.core.event import Event, Scalar
from sentinel.core.listing import Brief, Listings, Wanted
from sentinel.core.ports import Span, Store
from sentinel.core.scene import BEFORE, LOOKED_BACK, Doings, Dossier, Reasons, Scene
from sentinel.core.where import Is, plain, values
from sentinel.core.wildcard import escaped
from sentinel.detect.documents import read_text
from sentinel.detect.explaining import asked_of, names_of
from sentinel.excepting import evidence
from sentinel.respond.language import EARLIEST
from sentinel.respond.writing import written

SIMILAR_MAX = 20
EVIDENCE_MAX = 100
DOINGS_MAX = 5
COUNTS_MAX = 8
EVENTS_MAX = 30
WHO = ("host.name", "user.name", "source.ip", "destination.ip", "email.from.address")
"""The fields whose values did something, the most telling first."""


def dossier(desk: Desk, listings: Listings, alert_id: str) -> Dossier:
    """Return what the book says about an alert; raises UsageError, StoreError."""
    alert = desk.alert(alert_id)
    record = next(iter(desk.records(alert.rule_id)), None)
    similar: dict[int, Brief] = {}
    keys = tuple((name, escaped(plain(value))) for name, value in alert.key)
    same_rule = Wanted(rules=(escaped(alert.title),), suppressed=True)
    wanted = [Wanted(keys=keys, suppressed=True), same_rule] if keys else [same_rule]
    for one in wanted:
        listing = listings.listing(one, "last_seen")
        try:
            similar |= {row.number: row for row in listing.window(0, SIMILAR_MAX + 1) if row.number not in similar}
        finally:
            listing.close()
    return Dossier(alert, record, tuple(row for row in similar.values() if row.id != alert.id)[:SIMILAR_MAX])


def scene(app: App, store: Store, alert: Alert) -> Scene:
    """Return what rules and store say about an alert; raises StoreError."""
    rule = app.rules.get(alert.rule_id)
    named = evidence(app, store, alert, EVIDENCE_MAX)[::-1]
    reasons: tuple[Reasons, ...] = ()
    names: dict[str, tuple[str, ...]] = {}
    if rule is not None and named:
        origins = app.rules.origins.get(rule.id, ())
        reasons = tuple(Reasons(one.name, one.step) for one in asked_of(origins, named[::-1]))
        names = names_of(origins)
    return Scene(
        rule=rule,
        text="" if rule is None else _told(rule.path),
        query=None if rule is None else written(events_of(rule, alert.key)),
        changed=rule is not None and rule.version != alert.rule_version,
        reasons=reasons,
        names=names,
        evidence=tuple(named),
        doings=tuple(_doings(app, store, alert, named)),
        before=None if rule is None else _before(store, rule, alert),
    )


def _told(path: str) -> str:
    try:
        return read_text(Path(path))
    except RuleError as error:
        return str(error)


def _before(store: Store, rule: Detection, alert: Alert) -> int:
    start = max(alert.first_seen - LOOKED_BACK, EARLIEST)
    rows = store.tally(events_of(rule, alert.key), Span(start, alert.first_seen), (), 1)
    return rows[0][1] if rows else 0


def _doings(app: App, store: Store, alert: Alert, named: list[Event]) -> Iterator[Doings]:
    span = Span(max(alert.first_seen - BEFORE, EARLIEST), alert.first_seen)
    for field, value in _who(alert, named):
        where = Is(field, value)
        counted = store.tally(where, span, ("event.action",), COUNTS_MAX)
        earlier = Span(max(alert.first_seen - LOOKED_BACK, EARLIEST), span.start)
        yield Doings(
            field=field,
            value=value,
            facts=app.asset(field, plain(value)),
            counts=tuple((", ".join(plain(one) for one in values(key[0])) or "–", count) for key, count in counted),
            events=tuple(store.search(where, span, EVENTS_MAX)),
            known=bool(store.tally(where, earlier, (), 1)),
        )


def _who(alert: Alert, named: list[Event]) -> Iterator[tuple[str, Scalar]]:
    found: dict[tuple[str, Scalar], None] = {(name, value): None for name, value in alert.key if name in WHO}
    for field in WHO:
        if all(name != field for name, _value in found):
            found |= {(field, value): None for event in named[-1:] for value in values(event.fields.get(field))[:1]}
    return iter(sorted(found, key=lambda one: WHO.index(one[0]))[:DOINGS_MAX])
