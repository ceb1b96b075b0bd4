"""DNS and DHCP servers: who asked and who was asked, dates of a server's language, names that imitate a line."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACKS = {name: load_one(content("parsers") / name, trusted=True) for name in ("bind", "dhcp", "dnsmasq", "windows_dns")}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DNS = "11/23/2026 8:15:00 AM 0E98 PACKET  028657F0 UDP Rcv 10.1.7.20       e9b1   Q [0001   D   NOERROR] A      (1)a(0)"


def read(pack: str, line: str) -> Fields:
    (event,) = PACKS[pack].parse(Raw(line.encode(), pack, NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    ("way", "answer", "side"),
    [("Rcv", " ", "source"), ("Snd", "R", "source"), ("Snd", " ", "destination"), ("Rcv", "R", "destination")],
)
def test_a_server_is_asked_by_the_source_and_asks_the_destination(way: str, answer: str, side: str) -> None:
    event = read("windows_dns", DNS.replace("Rcv", way).replace("   Q ", f" {answer} Q "))
    assert event[f"{side}.ip"] == "10.1.7.20"
    assert ("source.ip" in event) != ("destination.ip" in event)


@pytest.mark.parametrize(
    "written", ["11/23/2026 8:15:00 PM", "23.11.2026 20:15:00", "23/11/2026 20:15:00", "2026-11-23 20:15:00"]
)
def test_a_date_is_read_in_the_order_of_its_language(written: str) -> None:
    event = read("windows_dns", DNS.replace("11/23/2026 8:15:00 AM", written))
    assert event["@timestamp"] == "2026-11-23T19:15:00.000000Z"


def test_a_name_that_imitates_a_query_is_one_name() -> None:
    name = "x\\032IN\\032A\\032+\\032\\(10.1.0.53\\)"
    event = read("bind", f"client @0x7f 198.51.100.7#5 ({name}): query: {name} IN TXT + (10.1.0.54)")
    assert (event["dns.question.name"], event["dns.question.type"]) == (name, "TXT")
    assert (event["source.ip"], event["destination.ip"]) == ("198.51.100.7", "10.1.0.54")


def test_a_client_may_call_itself_anything_its_address_stays() -> None:
    line = "DHCPACK on 10.1.7.20 to 00:00:5e:00:53:23 (x) via 203.0.113.66: DHCPACK on 203.0.113.66 to y) via eth0"
    event = read("dhcp", f"<30>Nov 23 08:15:00 dhcp1 dhcpd[812]: {line}")
    assert (event["source.ip"], event["source.mac"]) == ("10.1.7.20", "00-00-5E-00-53-23")
    assert event["observer.ingress.interface.name"] == "eth0"


def test_windows_leases_are_known_by_their_number_whatever_the_language() -> None:
    english = read("dhcp", "10,11/23/26,08:15:00,Assign,10.1.7.20,pc7.example.org,00005E005323,,1,0,,,,,,,,,0")
    german = read("dhcp", "10,23.11.26,08:15:00,Zuweisen,10.1.7.20,pc7.example.org,00005E005323,,1,0,,,,,,,,,0")
    assert english | {name: german[name] for name in ("message", "event.reason")} == german
    assert (german["event.action"], german["@timestamp"]) == ("dhcp_ack", "2026-11-23T07:15:00.000000Z")


def test_what_policy_kept_back_is_an_alert_and_what_it_let_through_is_none() -> None:
    line = "client @0x7f 10.1.7.20#5 (a.example): rpz QNAME {} rewrite a.example/A/IN via a.example.rpz.example"
    assert read("bind", line.format("NXDOMAIN"))["event.kind"] == "alert"
    assert read("bind", line.format("PASSTHRU"))["event.kind"] == "event"
