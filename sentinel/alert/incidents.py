"""The incidents: which alerts belong together, kept beside them, so that ids stay and a history grows.

What belongs together is `grouping`'s to say, of the open alerts and of the closed ones that an open incident has. An
incident is known by the alert it began with, its anchor: it is where that alert is. So two that grow together are one,
the older; and if what joined them turns out to be common, the anchor says which of the parts goes on under which id.
What has closed altogether stays as it is. An alert is only ever read.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from sentinel.alert.book import Book
from sentinel.alert.grouping import About, Group, Terms, grouped
from sentinel.alert.naming import INCIDENTS, number_of
from sentinel.alert.scoring import Tactics, scored
from sentinel.alert.suppressing import ACTIVE
from sentinel.core.alert import Alert, Change, Record
from sentinel.core.database import micros, moment
from sentinel.core.entity import Entity, entities, entity_of
from sentinel.core.event import Event
from sentinel.core.incident import Incident
from sentinel.core.ports import Clock, Span, Store
from sentinel.core.where import AnyOf, Is

ALERTS_MAX = 10_000
"""So many alerts, those last seen latest, are looked at for what belongs together."""
EVIDENCE_READ = 20
"""Of so many events of an alert, the earliest, is read what they name."""
ENTITIES_MAX = 50
"""So many entities of one event are kept."""
_AT_ONCE = 500
_AROUND = timedelta(days=1)
_ASSETS = ("source", "destination", "host")
_NODES = f"""
    SELECT number, id, title, key, first_seen, last_seen FROM alerts
    WHERE state != 'closed' AND subject NOT IN ({ACTIVE}) OR id IN (
        SELECT alert FROM incident_alerts WHERE incident IN (
            SELECT incident FROM incident_alerts JOIN alerts AS own ON own.id = alert WHERE own.state != 'closed'))
    ORDER BY last_seen DESC, id LIMIT {ALERTS_MAX}
"""  # noqa: S608  texts of our own
_NEEDED = f"""
    SELECT event, at FROM evidence WHERE alert = ? ORDER BY at, event LIMIT {EVIDENCE_READ}
"""  # noqa: S608  texts of our own


class IncidentBook:
    """Incidents in the file of `book`; what their events name is read from `store`. Methods raise StoreError."""

    def __init__(self, book: Book, store: Store, clock: Clock, terms: Terms, tactics: Tactics) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._terms = terms
        self._tactics = tactics

    def refresh(self) -> None:
        """Look what belongs together by now; reads only events that it has not read before."""
        facts = dict(self._read(self._unread()))
        now = micros(self._clock.now())
        with self._book.writing() as db:
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", facts.items())
            _followed(db)
            nodes = db.execute(_NODES, {"now": now}).fetchall()
            known = {number: _facts(db, number) for number, *_ in nodes}
            groups = grouped((_about(row, known[row[0]]) for row in nodes), self._terms)
            ids = {alert_id: number for number, alert_id, *_ in nodes}
            titles = {alert_id: title for _, alert_id, title, *_ in nodes}
            for group in groups:
                kept = _kept(db, group, now)
                if kept is not None:
                    _filled(db, kept, group, now, titles)
                    _told(db, kept, group, [fact for alert in group.alerts for fact in known[ids[alert]]])
            if facts:
                _forgotten(db)

    def incidents(self, *, closed: bool = False, limit: int = 1000) -> Sequence[Incident]:
        """Return the incidents that are open, or all, those with the highest risk first."""
        still = "" if closed else f" AND alerts.state != 'closed' AND subject NOT IN ({ACTIVE})"
        with self._book.looking() as db:
            rows = db.execute(
                f"SELECT number, id, began, about FROM incidents WHERE EXISTS (SELECT 1 FROM incident_alerts "  # noqa: S608  texts of our own
                f"JOIN alerts ON alerts.id = alert WHERE incident = incidents.number{still})",
                {"now": micros(self._clock.now())},
            ).fetchall()
            members = {row[0]: _members(db, row[0]) for row in rows}
        alerts = {one.id: one for one in self._book.named([one for each in members.values() for one in each])}
        records = {one.rule_id: one for one in self._book.records()}
        found = [self._made(row, [alerts[one] for one in members[row[0]] if one in alerts], records) for row in rows]
        return sorted(found, key=lambda one: (-one.score, -micros(one.last_seen), one.id))[:limit]

    def incident(self, incident_id: str) -> Incident:
        """Return one by its id, an unambiguous beginning, or the id of one that is part of it; raises UsageError."""
        with self._book.looking() as db:
            number = number_of(db, incident_id, INCIDENTS)
            row = db.execute("SELECT number, id, began, about FROM incidents WHERE number = ?", (number,)).fetchone()
            members = _members(db, number)
        alerts = self._book.named(members)
        records = {rule: one for rule in {alert.rule_id for alert in alerts} for one in self._book.records(rule)}
        return self._made(row, alerts, records)

    def _made(self, row: tuple[Any, ...], alerts: Sequence[Alert], records: Mapping[str, Record]) -> Incident:
        number, incident_id, began, about = row
        said = json.loads(about)
        with self._book.looking() as db:
            history = db.execute(
                "SELECT at, what, note FROM incident_history WHERE incident = ? ORDER BY number", (number,)
            ).fetchall()
        return Incident(
            id=incident_id,
            began=moment(began),
            alerts=tuple(sorted(alerts, key=lambda one: (one.first_seen, one.id))),
            shared=tuple(Entity(*one) for one in said["shared"]),
            parts=scored(alerts, records, self._tactics, said["criticality"], said["indicators"]),
            history=tuple(Change(moment(at), "sentinel", what, note) for at, what, note in history),
        )

    def _unread(self) -> list[tuple[str, int]]:
        with self._book.looking() as db:
            nodes = db.execute(_NODES, {"now": micros(self._clock.now())}).fetchall()
            needed = [pair for number, *_ in nodes for pair in db.execute(_NEEDED, (number,))]
            known = {event for (event,) in db.execute("SELECT event FROM facts")}
        return sorted({pair for pair in needed if pair[0] not in known}, key=lambda pair: pair[1])

    def _read(self, unread: Sequence[tuple[str, int]]) -> Iterator[tuple[str, str]]:
        # what is not stored any more names nothing, and is not looked for again
        for begin in range(0, len(unread), _AT_ONCE):
            some = unread[begin : begin + _AT_ONCE]
            where = AnyOf(tuple(Is("event.id", event, cased=True) for event, _ in some))
            span = Span(moment(some[0][1]) - _AROUND, moment(some[-1][1]) + _AROUND)
            found = {event.id: event for event in self._store.search(where, span, len(some))}
            for event, _ in some:
                yield event, json.dumps(_said(found[event]) if event in found else {})


def _said(event: Event) -> dict[str, object]:
    named: dict[Entity, bool] = {}
    for entity, acting in entities(event.fields):
        named[entity] = named.get(entity, False) or acting
    assets = (event.fields.get(f"sentinel.{one}_asset.criticality") for one in _ASSETS)
    return {
        "entities": [(*entity, acting) for entity, acting in sorted(named.items())][:ENTITIES_MAX],
        "criticality": sorted({str(one) for one in assets if one is not None}),
        "indicator": "threat.indicator.id" in event.fields,
    }


def _facts(db: sqlite3.Connection, alert: int) -> list[dict[str, Any]]:
    rows = db.execute(
        f"SELECT facts FROM ({_NEEDED}) AS needed JOIN facts ON facts.event = needed.event",  # noqa: S608  texts of our own
        (alert,),
    )
    return [json.loads(facts) for (facts,) in rows]


def _about(row: tuple[Any, ...], facts: Sequence[dict[str, Any]]) -> About:
    _, alert_id, _, key, first, last = row
    named: dict[Entity, bool] = {}
    for one in facts:
        for kind, value, acting in one.get("entities", ()):
            entity = Entity(kind, value)
            named[entity] = named.get(entity, False) or acting
    for field, value in json.loads(key):
        found = entity_of(field, value)
        if found is not None:
            named.setdefault(found, False)
    return About(alert_id, first, last, named)


def _followed(db: sqlite3.Connection) -> None:
    # alerts that have become part of others meanwhile are those now
    now_in = "(SELECT alerts.id FROM aliases JOIN alerts ON alerts.number = aliases.alert WHERE aliases.id = {})"
    db.execute(
        f"UPDATE OR IGNORE incident_alerts SET alert = {now_in.format('incident_alerts.alert')} "  # noqa: S608  texts of our own
        "WHERE alert IN (SELECT id FROM aliases)"
    )
    db.execute("DELETE FROM incident_alerts WHERE alert IN (SELECT id FROM aliases)")
    db.execute(
        f"UPDATE incidents SET anchor = {now_in.format('incidents.anchor')} "  # noqa: S608  texts of our own
        "WHERE anchor IN (SELECT id FROM aliases)"
    )


def _kept(db: sqlite3.Connection, group: Group, now: int) -> int | None:
    # the incident that a group is: the oldest of those that began with one of its alerts, or a new one
    rows = db.execute(
        "SELECT number, id FROM incidents WHERE anchor IN (SELECT value FROM json_each(?)) ORDER BY number",
        (json.dumps(group.alerts),),
    ).fetchall()
    if not rows:
        if len(group.alerts) > 1:
            return _begun(db, group, now)
        _left(db, group.alerts[0], now)
        return None
    kept = int(rows[0][0])
    for other, gone in rows[1:]:
        for table in ("incident_alerts", "incident_history", "incident_aliases"):
            db.execute(f"UPDATE {table} SET incident = ? WHERE incident = ?", (kept, other))  # noqa: S608  our own tables
        db.execute("DELETE FROM incidents WHERE number = ?", (other,))
        db.execute("INSERT INTO incident_aliases VALUES (?, ?)", (gone, kept))
        _note(db, kept, now, f"merged with {gone}", _names(group.shared))
    return kept


def _begun(db: sqlite3.Connection, group: Group, now: int) -> int:
    incident_id = blake2b(b"incident:" + group.alerts[0].encode(), digest_size=16).hexdigest()
    # once part of another, and now apart from it again
    db.execute("DELETE FROM incident_aliases WHERE id = ?", (incident_id,))
    row = db.execute("INSERT INTO incidents (id, anchor, began) VALUES (?, ?, ?)", (incident_id, group.alerts[0], now))
    return int(row.lastrowid or 0)


def _left(db: sqlite3.Connection, alert: str, now: int) -> None:
    row = db.execute("SELECT incident FROM incident_alerts WHERE alert = ?", (alert,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM incident_alerts WHERE alert = ?", (alert,))
        _note(db, row[0], now, f"left: {alert}", "nothing joins it any more")


def _filled(db: sqlite3.Connection, kept: int, group: Group, now: int, titles: Mapping[str, str]) -> None:
    for alert in group.alerts:
        row = db.execute("SELECT incident FROM incident_alerts WHERE alert = ?", (alert,)).fetchone()
        if row is None or row[0] != kept:
            db.execute("INSERT OR REPLACE INTO incident_alerts VALUES (?, ?)", (alert, kept))
            _note(db, kept, now, f"joined: {alert}", titles[alert])
            if row is not None:
                _note(db, row[0], now, f"left: {alert}", "belongs to another incident")


def _told(db: sqlite3.Connection, kept: int, group: Group, facts: Sequence[dict[str, Any]]) -> None:
    about = {
        "shared": group.shared[:ENTITIES_MAX],
        "criticality": sorted({each for one in facts for each in one.get("criticality", ())}),
        "indicators": sum(one.get("indicator", False) for one in facts),
    }
    db.execute("UPDATE incidents SET about = ? WHERE number = ?", (json.dumps(about), kept))


def _forgotten(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM facts WHERE event NOT IN (SELECT event FROM evidence JOIN alerts ON alerts.number = alert "
        "WHERE state != 'closed' OR id IN (SELECT incident_alerts.alert FROM incident_alerts))"
    )


def _members(db: sqlite3.Connection, number: int) -> list[str]:
    return [alert for (alert,) in db.execute("SELECT alert FROM incident_alerts WHERE incident = ?", (number,))]


def _note(db: sqlite3.Connection, incident: int, at: int, what: str, text: str) -> None:
    db.execute(
        "INSERT INTO incident_history (incident, at, what, note) VALUES (?, ?, ?, ?)", (incident, at, what, text)
    )


def _names(shared: Sequence[Entity]) -> str:
    return ", ".join(f"{one.kind} {one.value}" for one in shared[:3])
