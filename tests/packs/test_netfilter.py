"""netfilter: which packet, whose verdict, and every tool's prefix."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "netfilter", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = "Nov 23 08:15:00 fw1 kernel: [123.456789] "
PACKET = "IN=eth0 OUT= MAC=00:00:5e:00:53:01:00:00:5e:00:53:02:08:00 SRC=203.0.113.9 DST=198.51.100.2 LEN=60 PROTO="


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "fw", NOW, Origin("test")))
    return event


@pytest.mark.parametrize(
    ("prefix", "verdict", "name"),
    [
        ("[UFW BLOCK] ", "denied", "UFW BLOCK"),
        ("[UFW AUDIT] ", None, "UFW AUDIT"),
        ("[UFW LIMIT BLOCK] ", "denied", "UFW LIMIT BLOCK"),
        ("Shorewall:net2fw:DROP:", "denied", "Shorewall:net2fw:DROP"),
        ("SFW2-INext-ACC-TCP ", None, "SFW2-INext-ACC-TCP"),
        ("filter_IN_public_REJECT: ", "denied", "filter_IN_public_REJECT"),
        ("iptables denied: ", "denied", "iptables denied"),
        ("ACCEPT ", "allowed", "ACCEPT"),
        ("[WAN_LOCAL-default-D]", "denied", "WAN_LOCAL-default-D"),
        ("[LAN_IN-2001-A]", "allowed", "LAN_IN-2001-A"),
        ("[LAN_IN-R-2001] ", "denied", "LAN_IN-R-2001"),
        ("backdrop-image ", None, "backdrop-image"),
        ("", None, None),
    ],
)
def test_the_prefix_alone_says_what_became_of_a_packet(prefix: str, verdict: str | None, name: str | None) -> None:
    event = read(HEAD + prefix + PACKET + "TCP SPT=40001 DPT=22 SYN")
    assert event["event.type"] == (("connection", verdict) if verdict else ("connection",))
    assert event.get("rule.name") == name
    assert (event["source.ip"], event["source.port"], event["destination.port"]) == ("203.0.113.9", 40001, 22)
    assert (event["source.mac"], event["destination.mac"]) == ("00-00-5E-00-53-02", "00-00-5E-00-53-01")


def test_the_packet_inside_an_icmp_error_is_another_packet() -> None:
    event = read(
        HEAD + "DROP " + PACKET + "ICMP TYPE=3 CODE=3 [SRC=198.51.100.2 DST=203.0.113.53 PROTO=UDP SPT=1 DPT=53 ]"
    )
    assert (event["source.ip"], event["destination.ip"]) == ("203.0.113.9", "198.51.100.2")
    assert (event["network.transport"], event["netfilter.inner_dst"]) == ("icmp", "203.0.113.53")
    assert "destination.port" not in event


def test_what_a_packet_says_twice_counts_the_first_time() -> None:
    event = read(HEAD + PACKET + "UDP SPT=53 DPT=54 LEN=40 SRC=192.0.2.66")
    assert (event["source.ip"], event["network.bytes"]) == ("203.0.113.9", 60)


def test_other_lines_of_the_kernel_give_their_header_and_message() -> None:
    event = read("Nov 23 08:15:00 fw1 kernel: br0: port 2(eth1) entered forwarding state")
    assert (event["host.name"], event["message"]) == ("fw1", "br0: port 2(eth1) entered forwarding state")
    assert "event.category" not in event


@pytest.mark.parametrize("head", [HEAD, "Nov 23 08:15:00 fw1 ", "<4>", ""])
def test_its_lines_are_known_without_a_hint(head: str) -> None:
    raw = Raw((head + "DROP " + PACKET + "TCP SPT=1 DPT=2").encode(), "x", NOW, Origin("test"))
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(raw)
    assert pack is not None
    assert pack.name == "netfilter"


def test_what_the_kernel_says_of_packets_that_it_did_not_want_has_a_meaning() -> None:
    head = "Nov 23 08:15:00 fw1 kernel: "
    martian = read(head + "[12.345678] IPv4: martian source 198.51.100.2 from 10.1.1.66, on dev eth0")
    assert (martian["source.ip"], martian["destination.ip"]) == ("10.1.1.66", "198.51.100.2")
    assert martian["event.kind"] == "alert"
    flood = read(head + "TCP: request_sock_TCP: Possible SYN flooding on port 203.0.113.80:443. Sending cookies.")
    assert (flood["event.action"], flood["destination.port"]) == ("syn-flood", 443)


def test_a_bridges_packet_has_the_ends_of_its_ip_or_arp() -> None:
    macs = "MAC source = 00:00:5e:00:53:01 MAC dest = 00:00:5e:00:53:02 proto = "
    head = f"Nov 23 08:15:00 fw1 kernel: x IN=eth0 OUT=eth1 {macs}"
    arp = "0x0806 ARP HTYPE=1, PTYPE=0x0800, OPCODE=1 ARP MAC SRC=00:00:5e:00:53:01 ARP IP SRC=10.1.1.20"
    asked = read(head + arp + " ARP MAC DST=00:00:00:00:00:00 ARP IP DST=10.1.1.1")
    assert (asked["source.ip"], asked["destination.ip"]) == ("10.1.1.20", "10.1.1.1")
    sent = read(head + "0x0800 IP SRC=10.1.1.20 IP DST=203.0.113.80, IP tos=0x00, IP proto=6 SPT=51000 DPT=443")
    assert (sent["destination.ip"], sent["destination.port"]) == ("203.0.113.80", 443)
    assert sent["source.mac"] == "00-00-5E-00-53-01"
