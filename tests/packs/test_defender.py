"""Defender for Endpoint: who acted on what, and who started a connection, where one column may hold either."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "defender", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENDS = {"RemoteIP": "203.0.113.50", "RemotePort": 51111, "LocalIP": "192.0.2.80", "LocalPort": 22}


def row(**said: object) -> Fields:
    whole = {"Timestamp": "2026-11-23T07:15:00Z", "DeviceId": "a1", "DeviceName": "pc", **said}
    return next(iter(PACK.parse(Raw(json.dumps(whole).encode(), "defender", NOW, Origin("test")))))


@pytest.mark.parametrize(
    ("action", "source"),
    [
        ("ConnectionSuccess", "192.0.2.80"),
        ("InboundConnectionAccepted", "203.0.113.50"),
        ("LogonFailed", "203.0.113.50"),
    ],
)
def test_the_source_is_who_started_it(action: str, source: str) -> None:
    assert row(ActionType=action, **ENDS)["source.ip"] == source


def test_a_new_process_is_the_file_and_its_starter_the_parent() -> None:
    names = {"FileName": "cmd.exe", "ProcessId": 2, "InitiatingProcessFileName": "a.exe", "InitiatingProcessId": 1}
    born, written = row(ActionType="ProcessCreated", **names), row(ActionType="FileCreated", **names)
    assert (born["process.name"], born["process.pid"], born["process.parent.name"]) == ("cmd.exe", 2, "a.exe")
    assert (written["process.name"], written["process.pid"], written["file.name"]) == ("a.exe", 1, "cmd.exe")
