"""Suricata: who opened the flow, fast.log with names that imitate it, what a payload may not do."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "suricata", trusted=True)
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
EVENT = {
    "timestamp": "2025-12-31T23:59:59.000001+0000", "event_type": "alert", "src_ip": "198.51.100.20", "src_port": 80,
    "dest_ip": "192.0.2.33", "dest_port": 50000, "proto": "TCP", "flow_id": 1,
    "alert": {"action": "allowed", "signature_id": 1, "signature": "x"},
}  # fmt: skip


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "suricata", NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    ("more", "source"),
    [
        ({}, "198.51.100.20"),
        ({"direction": "to_server"}, "198.51.100.20"),
        ({"direction": "to_client"}, "192.0.2.33"),
        ({"flow": {"src_ip": "192.0.2.33", "src_port": 50000, "dest_ip": "198.51.100.20", "dest_port": 80}},
         "192.0.2.33"),
        ({"flow": {"src_ip": "198.51.100.20", "src_port": 80, "dest_ip": "192.0.2.33", "dest_port": 50000},
          "direction": "to_client"}, "198.51.100.20"),
    ],
)  # fmt: skip
def test_the_source_is_who_opened_the_flow(more: dict[str, object], source: str) -> None:
    event = read(json.dumps(EVENT | more))
    assert event["source.ip"] == source
    assert event["source.port"] == (80 if source == "198.51.100.20" else 50000)


def test_a_rule_name_that_imitates_an_alert_moves_nothing() -> None:
    event = read("12/31/2025-23:59:59.251216  [**] [1:7:1] x [**] {TCP} 192.0.2.1:1 -> 192.0.2.2:2 [**] [Priority: 1]"
                 " {UDP} 203.0.113.7:5116 -> 192.0.2.61:5060")  # fmt: skip
    assert (event["source.ip"], event["rule.id"], event["network.transport"]) == ("203.0.113.7", "7", "udp")


def test_a_time_without_zone_and_year_is_the_sensors() -> None:
    event = read("12/31-23:59:59.251216  [**] [1:7:1] x [**] [Priority: 1] {UDP} 203.0.113.7:5116 -> 192.0.2.61:5060")
    assert event["@timestamp"] == "2025-12-31T22:59:59.251216Z"


def test_blocked_is_denied() -> None:
    blocked = EVENT | {"alert": {"action": "blocked", "signature_id": 1, "signature": "x"}}
    assert read(json.dumps(blocked))["event.type"] == ("info", "denied")
    assert read(json.dumps(EVENT))["event.type"] == ("info", "allowed")
