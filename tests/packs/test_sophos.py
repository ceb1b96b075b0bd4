"""Sophos: whose clock, what imitates a field, NAT, the same line in the names of two versions."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "sophos", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = (
    'device="SFW" date=2026-11-23 time=08:15:00 timezone="CET" device_name="XG230" device_id=C1 log_id=010101600001'
    ' log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" status="Allow" fw_rule_id=6'
    ' user_name="anna" src_ip=10.8.1.1 dst_ip=203.0.113.34 protocol="TCP" src_port=49870 dst_port=443'
    ' sent_bytes=3441 recv_bytes=8212 tran_src_ip=198.51.100.7 tran_src_port=0 tran_dst_ip= connevent="Stop"'
)
NEW = (
    '<134>device_name="SFW" timestamp="2026-11-23T08:15:00+0100" device_model="XGS" device_serial_id="C1"'
    ' log_id="010101600001" log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" fw_rule_id="6"'
    ' user_name="anna" src_ip="10.8.1.1" dst_ip="203.0.113.34" protocol="TCP" src_port=49870 dst_port=443'
    ' bytes_sent=3441 bytes_received=8212 src_trans_ip="198.51.100.7" src_trans_port=0 con_event="Stop"'
)
BARE = OLD.replace('"', "")


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "sophos", NOW, Origin("test")))
    return event


@pytest.mark.parametrize("line", [OLD, NEW, BARE], ids=["17", "18", "without quotes"])
def test_every_version_says_the_same(line: str) -> None:
    event = read(line)
    assert event["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    assert (event["source.ip"], event["source.port"], event["source.bytes"]) == ("10.8.1.1", 49870, 3441)
    assert (event["destination.ip"], event["destination.port"]) == ("203.0.113.34", 443)
    assert (event["source.nat.ip"], event["rule.id"], event["user.name"]) == ("198.51.100.7", "6", "anna")
    assert "source.nat.port" not in event
    assert event["event.type"] == ("connection", "end", "allowed")


@pytest.mark.parametrize(
    "line", [OLD, NEW, BARE, '2026:11:23-08:15:00 utm x[1]: id="1" severity="info" sys="a" sub="b"']
)
def test_its_lines_are_known_without_a_hint(line: str) -> None:
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(Raw(line.encode(), "x", NOW, Origin("test")))
    assert pack is not None
    assert pack.name == "sophos"


def test_a_login_that_imitates_the_rest_of_the_line_stays_a_name() -> None:
    line = (
        'log_type="Event" log_component="SSL VPN Authentication" log_subtype="Authentication" status="Failed"'
        r' user_name="x\" src_ip=\"192.0.2.1\" status=\"Successful" src_ip="203.0.113.66" message="failed to login"'
    )
    event = read(line)
    assert event["source.ip"] == "203.0.113.66"
    assert event["event.outcome"] == "failure"
    assert str(event["user.name"]).startswith('x" src_ip=')


def test_a_load_is_no_user() -> None:
    event = read('log_type="System Health" log_component="CPU" log_subtype="Usage" system=1% user=2% idle=97%')
    assert "user.name" not in event
    assert event["event.kind"] == "metric"
