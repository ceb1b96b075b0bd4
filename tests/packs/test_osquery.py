"""osquery: what a row is about is told by its columns; whoever accepted a connection did not start it."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "osquery", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENDS = {"local_address": "192.0.2.80", "local_port": "22", "remote_address": "203.0.113.50", "remote_port": "51111"}


def rows(**said: object) -> list[Fields]:
    whole = {"name": "q", "hostIdentifier": "srv", "calendarTime": "x", "unixTime": 1795418100, **said}
    return list(PACK.parse(Raw(json.dumps(whole).encode(), "osquery", NOW, Origin("test"))))


@pytest.mark.parametrize(("action", "source"), [("connect", "192.0.2.80"), ("accept", "203.0.113.50")])
def test_the_source_is_who_started_a_connection(action: str, source: str) -> None:
    (event,) = rows(columns={"action": action, **ENDS}, action="added")
    assert event["source.ip"] == source


def test_every_row_of_a_snapshot_is_an_event_of_what_is_so() -> None:
    events = rows(snapshot=[{"pid": "1", "path": "/a"}, {"pid": "2", "path": "/b"}], action="snapshot")
    assert [(event["process.pid"], event["event.kind"]) for event in events] == [(1, "state"), (2, "state")]


def test_a_batch_tells_what_began_and_what_ceased() -> None:
    events = rows(diffResults={"added": [{"path": "/a"}], "removed": [{"path": "/b"}]})
    assert [(event["event.action"], event["file.path"]) for event in events] == [("added", "/a"), ("removed", "/b")]
