"""The state file: one SQLite database with the alerts and how far detection has come."""

import sqlite3
from pathlib import Path

from sentinel.core.database import Shape, open_database
from sentinel.core.journal import Journal

VERSION = 4
_APPLICATION = 0x5E_17_1E_01

_SINCE_2 = (
    # of a subject with many events: marks of those counted beyond the ones named as evidence, by day of the event
    """CREATE TABLE marks (
        subject INTEGER NOT NULL, day INTEGER NOT NULL, mark INTEGER NOT NULL,
        PRIMARY KEY (subject, day, mark)) WITHOUT ROWID""",
    # how many alerts a rule has begun, or would have, by the minute
    """CREATE TABLE pace (
        rule_id TEXT NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (rule_id, minute)) WITHOUT ROWID""",
    # what nobody is to be shown for a while; `count` events have come meanwhile
    """CREATE TABLE suppressions (
        number INTEGER PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subjects, title TEXT NOT NULL,
        key TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,
        count INTEGER NOT NULL DEFAULT 0, ended INTEGER, ended_by TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '')""",
    """CREATE INDEX suppressions_by_subject ON suppressions (subject)""",
)

_SINCE_3 = (
    "ALTER TABLE alerts ADD COLUMN assignee TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE alerts ADD COLUMN version INTEGER NOT NULL DEFAULT 0",
    # `changed`: it raised the alert's version; `before`: what undoing it brings back (JSON); `undoes`: which entry
    "ALTER TABLE history ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE history ADD COLUMN before TEXT",
    "ALTER TABLE history ADD COLUMN undoes INTEGER",
    "UPDATE history SET changed = 1 WHERE what = 'acknowledged' OR what LIKE 'closed as %' OR what LIKE '%suppressed%'",
    "UPDATE alerts SET version = (SELECT count(*) FROM history WHERE alert = alerts.number AND changed)",
    """UPDATE alerts SET assignee = coalesce((SELECT who FROM history WHERE alert = alerts.number
        AND what = 'acknowledged' ORDER BY number DESC LIMIT 1), '')""",
)

_SINCE_4 = (
    # alerts that belong together; `anchor` is the id of the alert it began with, `about` what joins them (JSON)
    """CREATE TABLE incidents (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, anchor TEXT NOT NULL, began INTEGER NOT NULL,
        about TEXT NOT NULL DEFAULT '{}')""",
    """CREATE INDEX incidents_by_anchor ON incidents (anchor)""",
    """CREATE TABLE incident_alerts (alert TEXT PRIMARY KEY, incident INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE INDEX incident_alerts_by_incident ON incident_alerts (incident)""",
    # ids of incidents that are part of another one
    """CREATE TABLE incident_aliases (id TEXT PRIMARY KEY, incident INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE incident_history (
        number INTEGER PRIMARY KEY, incident INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL,
        note TEXT NOT NULL)""",
    """CREATE INDEX incident_history_by_incident ON incident_history (incident)""",
    # what an event of an alert names, as far as it matters for incidents (JSON)
    """CREATE TABLE facts (event TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID""",
)

_SCHEMA = (
    """CREATE TABLE progress (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID""",
    # what alerts are about: one rule and one key; `identity` is the key as it is compared
    """CREATE TABLE subjects (
        number INTEGER PRIMARY KEY, rule_id TEXT NOT NULL, identity TEXT NOT NULL, UNIQUE (rule_id, identity))""",
    """CREATE TABLE alerts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject INTEGER NOT NULL REFERENCES subjects,
        rule_version TEXT NOT NULL, title TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL,
        first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, raised_at INTEGER NOT NULL, count INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'closed')),
        verdict TEXT CHECK (verdict IN ('true_positive', 'false_positive', 'benign')),
        summary TEXT NOT NULL, author TEXT NOT NULL, attack TEXT NOT NULL,
        CHECK ((state = 'closed') = (verdict IS NOT NULL)))""",
    """CREATE INDEX alerts_by_subject ON alerts (subject, state)""",
    """CREATE INDEX alerts_by_time ON alerts (last_seen)""",
    # which events have been counted, and in which alert
    """CREATE TABLE evidence (
        subject INTEGER NOT NULL, event TEXT NOT NULL, alert INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (subject, event)) WITHOUT ROWID""",
    """CREATE INDEX evidence_by_alert ON evidence (alert, at, event)""",
    # findings that told of more events than they named, so that they are counted once as well
    """CREATE TABLE rollups (
        subject INTEGER NOT NULL, digest TEXT NOT NULL, alert INTEGER NOT NULL,
        PRIMARY KEY (subject, digest)) WITHOUT ROWID""",
    # ids of alerts that turned out to be part of another one
    """CREATE TABLE aliases (id TEXT PRIMARY KEY, alert INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE history (
        number INTEGER PRIMARY KEY, alert INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, note TEXT NOT NULL)""",
    """CREATE INDEX history_by_alert ON history (alert)""",
    *_SINCE_2,
    *_SINCE_3,
    *_SINCE_4,
)


def open_file(path: Path, journal: Journal | None = None) -> sqlite3.Connection:
    """Open the state file, making it if there is none; raises StoreError if it is not ours or of a newer Sentinel."""
    return open_database(path, Shape(_APPLICATION, VERSION, _SCHEMA, {1: _SINCE_2, 2: _SINCE_3, 3: _SINCE_4}), journal)
