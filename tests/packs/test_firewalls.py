"""Firewalls and mail gateways of many vendors: NAT, whose clock, names that imitate, recognising without a hint."""

import re
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.route import Router
from sentinel.testing.packs import BROKEN, records, samples

SHIPPED = content("parsers")
PACKS = load([SHIPPED], shipped=SHIPPED)
ROUTER = Router(PACKS)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HINTED = re.compile(rb" (?:sshd|named|pluto)\[")
"""Whose daemon it is, only a hint can say."""
OURS = ("barracuda", "fortimail", "juniper_srx", "openbsd_pf", "sonicwall", "sophos", "stormshield", "watchguard")


def read(line: str, pack: str = "") -> Fields:
    found = ROUTER.route(Raw(line.encode(), "x", NOW, Origin("test")))
    assert found is not None
    assert found.name == pack
    (event,) = found.parse(Raw(line.encode(), "x", NOW, Origin("test")))
    return event


@pytest.mark.parametrize("name", OURS)
def test_every_sample_is_known_without_a_hint(name: str) -> None:
    for sample in samples(SHIPPED / name):
        for raw in records(sample) if sample.name != BROKEN else ():
            pack = ROUTER.route(raw)
            assert pack is not None, raw.body
            assert pack.name == name or HINTED.search(raw.body), raw.body


def test_sonicwall_writes_the_zone_of_its_clock_or_leaves_it_to_the_source() -> None:
    line = 'id=firewall sn=1 time="2026-11-23 08:15:00{}" fw=198.51.100.2 pri=6 c=1024 m=98 msg="Connection Opened"'
    assert read(line.format(" CET"), "sonicwall")["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    assert read(line.format(" UTC"), "sonicwall")["@timestamp"] == "2026-11-23T08:15:00.000000Z"
    assert read(line.format(""), "sonicwall")["@timestamp"] == "2026-11-23T08:15:00.000000Z"


def test_sonicwall_user_cannot_write_an_address() -> None:
    event = read(
        r'id=firewall sn=1 fw=198.51.100.2 m=30 msg="Administrator login denied" usr="x\" src=192.0.2.1:1:X0 y=\""'
        " src=203.0.113.66:0:X1",
        "sonicwall",
    )
    assert (event["source.ip"], event["event.outcome"]) == ("203.0.113.66", "failure")
    assert "source.port" not in event


def test_stormshield_says_whom_the_client_meant_and_who_answered() -> None:
    event = read(
        'id=firewall time="2026-11-23 08:15:02" fw="s" tz=+0100 startime="2026-11-23 08:15:00" ipproto=tcp proto=http'
        " src=203.0.113.9 srcport=41000 dst=10.9.0.5 dstport=8080 origdst=198.51.100.2 origdstport=80"
        ' action=pass logtype="filter"',
        "stormshield",
    )
    assert (event["destination.ip"], event["destination.port"]) == ("198.51.100.2", 80)
    assert (event["destination.nat.ip"], event["destination.nat.port"]) == ("10.9.0.5", 8080)
    assert (event["@timestamp"], event["event.start"]) == ("2026-11-23T07:15:02.000000Z", "2026-11-23T07:15:00.000000Z")


def test_fortimail_subject_that_is_cut_off_sets_nothing() -> None:
    event = read(
        'date=2026-11-23,time=08:15:03,device_id=FE1,log_id=1,type=spam,client_ip="203.0.113.26",subject="a,client_ip=b,'
        "dst_ip=192.0.2.1,from=x@y",
        "fortimail",
    )
    assert (event["source.ip"], event["email.subject"]) == ("203.0.113.26", "a,client_ip=b,dst_ip=192.0.2.1,from=x@y")
    assert not {"destination.ip", "email.from.address"} & event.keys()


@pytest.mark.parametrize(
    ("packet", "transport"),
    [
        ("203.0.113.5.4321 > 192.0.2.1.22: S 1:1(0) win 1024", "tcp"),
        ("203.0.113.5.4321 > 192.0.2.1.22: Flags [S], seq 1, length 0", "tcp"),
        ("2001:db8::66.40000 > 2001:db8:1::2.22: S 1:1(0) win 1024", "tcp"),
        ("203.0.113.5.4321 > 192.0.2.1.161: udp 43", "udp"),
        ("203.0.113.5 > 192.0.2.1: icmp: echo request (id:1 seq:0)", "icmp"),
        ("2001:db8::66 > 2001:db8:1::2: icmp6: echo request", "ipv6-icmp"),
        ("(tos 0x0, ttl 5, id 1, offset 0, proto GRE (47), length 60) 203.0.113.5 > 192.0.2.1: GREv0", "gre"),
    ],
)
def test_pf_says_what_a_packet_was_as_every_tcpdump_prints_it(packet: str, transport: str) -> None:
    event = read(f"Nov 23 08:15:00.123456 rule 5/0(match): block in on em0: {packet}", "openbsd_pf")
    assert (event["network.transport"], event["event.type"]) == (transport, ("connection", "denied"))
    assert event["@timestamp"] == "2026-11-23T08:15:00.123456Z"
    assert {"source.ip", "destination.ip"} <= event.keys()
    assert "observer.name" not in event


def test_watchguard_says_its_time_in_utc_behind_its_serial_number() -> None:
    line = (
        '<140>Nov 23 09:15:00 Firebox 80D3024D4F0D1 (2026-11-23T08:15:00) firewall: msg_id="3000-0148" Deny 0-External'
        " Firebox 52 tcp 20 127 203.0.113.66 198.51.100.2 40001 3389 offset 8 S 1 win 32 (Unhandled External Packet-00)"
    )
    event = read(line, "watchguard")
    assert event["@timestamp"] == "2026-11-23T08:15:00.000000Z"
    assert (event["source.ip"], event["destination.port"]) == ("203.0.113.66", 3389)
    assert (event["rule.name"], event["event.type"]) == ("Unhandled External Packet-00", ("connection", "denied"))


def test_watchguard_login_that_imitates_another_stays_a_name() -> None:
    event = read(
        '<140>Nov 23 09:15:00 F 80D3024D4F0D1 admd[1]: msg_id="1100-0005" Authentication of SSLVPN user [x] from'
        " 192.0.2.1 was accepted] from 203.0.113.66 was rejected, password is incorrect",
        "watchguard",
    )
    assert (event["source.ip"], event["event.outcome"]) == ("203.0.113.66", "failure")
    assert event["user.name"] == "x] from 192.0.2.1 was accepted"


COLUMNS = (
    "FWD|TCP|eth1|10.1.1.20|51812|00:00:5e:00:53:31|203.0.113.80|443|https|eth0|Out|Idle|198.51.100.2|203.0.113.80"
)
NAMES = "type|proto|srcIF|srcIP|srcPort|srcMAC|dstIP|dstPort|dstService|dstIF|rule|info|srcNAT|dstNAT"
PAIRS = "|".join(f"{name}={value}" for name, value in zip(NAMES.split("|"), COLUMNS.split("|"), strict=True))


@pytest.mark.parametrize("columns", [f"{COLUMNS}|21132", f"{PAIRS}|duration=21132"], ids=["columns", "pairs"])
def test_barracuda_says_the_same_in_columns_and_in_pairs(columns: str) -> None:
    event = read(f"<14>Nov 23 08:15:00 fw1 box_Firewall_Activity: Info fw1 Remove: {columns}", "barracuda")
    assert (event["source.ip"], event["source.nat.ip"], event["source.port"]) == ("10.1.1.20", "198.51.100.2", 51812)
    assert "destination.nat.ip" not in event
    assert (event["rule.name"], event["event.duration"]) == ("Out", 21_132_000_000)
    assert event["event.type"] == ("connection", "end", "allowed")


def test_a_watchguards_tunnel_was_begun_by_whom_its_role_names() -> None:
    line = (
        '<140>Nov 23 09:15:00 fb 80D3024D4F0D1 (2026-11-23T08:15:00) iked[1]: msg_id="0207-0001" '
        "(198.51.100.2<->203.0.113.5)'x' BOVPN IPSec tunnel is established. local:198.51.100.2 remote:203.0.113.5"
        " in-SA:0x1 out-SA:0x2 role:{}"
    )
    assert read(line.format("initiator"), "watchguard")["source.ip"] == "198.51.100.2"
    assert read(line.format("responder"), "watchguard")["source.ip"] == "203.0.113.5"


def test_what_neither_id_nor_words_of_a_sonicwall_tell_its_category_tells() -> None:
    line = 'id=firewall sn=1 time="2026-11-23 08:15:00 UTC" fw=198.51.100.2 pri=6 c={} m=99999 msg="Words" n=1'
    assert read(line.format(128), "sonicwall")["event.type"] == ("connection", "denied")
    assert read(line.format(524288), "sonicwall")["event.category"] == ("host",)
    assert "event.category" not in read(line.format(3), "sonicwall")
