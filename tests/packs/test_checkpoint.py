"""Check Point: one record in every form of Log Exporter, whose clock, hostile values."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "checkpoint", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAID = {
    "time": "1795418100",
    "product": "VPN-1 & FireWall-1", "action": "Drop", "src": "203.0.113.9", "dst": "198.51.100.2",
    "proto": "17", "s_port": "40001", "service": "161", "origin": "10.1.1.1", "loguid": "{0x1}", "ifdir": "inbound",
    "ifname": "eth0", "rule_name": "No",
}  # fmt: skip
IN_CEF = {"time": "rt", "action": "act", "s_port": "spt", "service": "dpt"}
IN_LEEF = {"time": "devTime", "s_port": "srcPort", "service": "dstPort"}
FORMS = {
    "syslog": "<134>1 2026-11-23T07:15:09Z mgmt CheckPoint 2612 - ["
    + "; ".join(f'{name}:"{value}"' for name, value in SAID.items())
    + "]",
    "cef": "<134>Nov 23 07:15:09 mgmt CEF:0|Check Point|VPN-1 & FireWall-1|Check Point|Log|snmp|Unknown|"
    + " ".join(f"{IN_CEF.get(name, name)}={value}" for name, value in SAID.items()),
    "leef": "LEEF:2.0|Check Point|VPN-1 & FireWall-1|1.0|Drop|"
    + "\t".join(f"{IN_LEEF.get(name, name)}={value}" for name, value in SAID.items()),
    "splunk": "<134>Nov 23 07:15:09 mgmt " + "|".join(f"{name}={value}" for name, value in SAID.items()),
    "json": json.dumps(SAID),
    "fw log": "Nov 23 07:15:09 mgmt Checkpoint: 23Nov2026  7:15:00 drop 10.1.1.1 >eth0 "
    + "; ".join(f"{name}: {value}" for name, value in [*list(SAID.items())[3:], ("product", SAID["product"])])
    + ";",
}


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "checkpoint", NOW, Origin("test")))
    return event


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_every_form_of_a_record_says_the_same(line: str) -> None:
    event = read(line)
    assert event["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    assert (event["source.ip"], event["source.port"]) == ("203.0.113.9", 40001)
    assert (event["destination.ip"], event["destination.port"]) == ("198.51.100.2", 161)
    assert (event["network.transport"], event["rule.name"], event["observer.name"]) == ("udp", "No", "10.1.1.1")
    assert event["observer.ingress.interface.name"] == "eth0"
    assert event["event.type"] == ("connection", "denied")


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_its_lines_are_known_without_a_hint(line: str) -> None:
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(Raw(line.encode(), "x", NOW, Origin("test")))
    assert pack is not None
    assert pack.name == "checkpoint"


def test_a_value_with_quotes_and_separators_stays_a_value() -> None:
    event = read('[action:"Accept"; src:"10.1.1.20"; user:"x\\"; src:\\"192.0.2.66"; src:"192.0.2.67"; dst:"10.1.1.1"]')
    assert (event["source.ip"], event["user.name"]) == ("10.1.1.20", 'x"; src:"192.0.2.66')


@pytest.mark.parametrize(
    ("what", "kind", "outcome"),
    [
        ('action:"Log In"; product:"Identity Awareness"; auth_status:"Successful Login"', "start", "success"),
        ('action:"Failed Log In"; product:"Mobile Access"', "start", "failure"),
        ('action:"Log Out"; product:"Identity Awareness"', "end", "success"),
        ('action:"Accept"; product:"SmartConsole"; operation:"Log In"; audit_status:"Failure"', "start", "failure"),
    ],
)
def test_who_logs_in_is_authentication(what: str, kind: str, outcome: str) -> None:
    event = read(f'[{what}; src:"10.1.1.20"; src_user_name:"Anna Muster (anna)"; origin:"10.1.1.1"]')
    assert (event["event.category"], event["event.type"]) == (("authentication",), (kind,))
    assert (event["event.outcome"], event["user.name"], event["user.full_name"]) == (outcome, "anna", "Anna Muster")
