"""UniFi: whose clock, alerts and rules in CEF, and lines of its devices under every header."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "unifi", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CEF = "CEF:0|Ubiquiti|UniFi Network|9.4.19|{}|{}|7|UNIFIhost=UDM UNIFIutcTime=2026-11-23T08:15:00.445Z src=203.0.113.9 "


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "unifi", NOW, Origin("test"), "Europe/Berlin"))
    return event


def test_the_time_is_utc_whatever_the_header_and_the_zone_say() -> None:
    event = read("Nov 23 09:15:09 udm " + CEF.format(544, "Admin Accessed UniFi Network"))
    assert (event["@timestamp"], event["observer.name"]) == ("2026-11-23T08:15:00.445000Z", "UDM")


def test_an_intrusion_is_an_alert_with_the_signature_as_its_rule() -> None:
    event = read(CEF.format(201, "Threat Detected and Blocked") + "act=blocked UNIFIpolicyName=Block List "
                 "UNIFIipsSignature=ET DROP x UNIFIipsSignatureId=2402000 UNIFIdirection=incoming")  # fmt: skip
    assert (event["event.kind"], event["event.category"]) == ("alert", ("intrusion_detection", "network"))
    assert event["event.type"] == ("info", "denied")
    assert (event["rule.id"], event["rule.name"], event["rule.ruleset"]) == ("2402000", "ET DROP x", "Block List")
    assert event["network.direction"] == "inbound"


@pytest.mark.parametrize(
    "head",
    [
        "<30>Nov 23 08:15:00 ap1 U7PG2,00005e005301,v6.5.54+14828: ",
        "<30>Nov 23 08:15:00 ap1 00005e005301,U7PG2-6.5.54+14828: ",
        '<30>Nov 23 08:15:00 ("U7PG2,00005e005301,v6.5.54+14828") ',
    ],
)
def test_a_device_names_itself_in_several_ways(head: str) -> None:
    event = read(head + "hostapd[4711]: ath0: STA 00:00:5e:00:53:40 IEEE 802.11: associated")
    assert (event["unifi.model"], event["observer.version"]) == ("U7PG2", "6.5.54+14828")
    assert event["observer.mac"] == ("00-00-5E-00-53-01",)
    assert (event["process.name"], event["process.pid"]) == ("hostapd", 4711)
    assert (event["source.mac"], event["event.action"]) == ("00-00-5E-00-53-40", "station-connected")


def test_a_gateways_packet_has_its_rule_by_name() -> None:
    event = read('<4>Nov 23 08:15:00 UDM kernel: [WAN_LOCAL-D-2147483647] DESCR="Block all" IN=eth8 OUT= '
                 "SRC=203.0.113.9 DST=198.51.100.2 PROTO=TCP SPT=40001 DPT=23 SYN")  # fmt: skip
    assert (event["rule.name"], event["rule.ruleset"]) == ("Block all", "WAN_LOCAL")
    assert (event["event.type"], event["destination.port"]) == (("connection", "denied"), 23)


def test_its_cef_is_known_without_a_hint() -> None:
    raw = Raw(("Nov 23 08:15:00 udm " + CEF.format(544, "x")).encode(), "x", NOW, Origin("test"))
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(raw)
    assert pack is not None
    assert pack.name == "unifi"
