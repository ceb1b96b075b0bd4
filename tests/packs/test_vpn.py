"""OpenVPN, WireGuard, strongSwan: whose side the peer is on, wrappings, names that imitate the line."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
ROUTER = Router(load([SHIPPED], shipped=SHIPPED))


def raw(line: str) -> Raw:
    return Raw(line.encode(), "vpn", NOW, Origin("test"), "Europe/Berlin")


def read(name: str, line: str) -> Fields:
    (event,) = load_one(SHIPPED / name, trusted=True).parse(raw(line))
    return event


@pytest.mark.parametrize(
    "stamp",
    [
        "2025-12-31 23:59:59",
        "Wed Dec 31 23:59:59 2025",
        "2025-12-31 23:59:59 us=1",
        "<30>Dec 31 23:59:59 gw openvpn[1]:",
    ],
)
def test_openvpns_time_is_local_whatever_writes_the_line(stamp: str) -> None:
    event = read("openvpn", f"{stamp} alice/203.0.113.7:5 MULTI: Learn: 10.8.0.6 -> alice/203.0.113.7:5")
    assert event["@timestamp"] == "2025-12-31T22:59:59.000000Z"
    assert (event["user.name"], event["source.ip"], event["source.port"]) == ("alice", "203.0.113.7", 5)
    assert event["openvpn.virtual_ip"] == "10.8.0.6"


def test_a_server_is_the_destination_in_a_clients_log() -> None:
    line = "[gw] Peer Connection Initiated with [AF_INET]198.51.100.20:1194"
    here = read("openvpn", f"<30>Dec 31 23:59:59 pc openvpn[1]: {line}")
    assert here["destination.ip"] == "198.51.100.20"
    assert not {"source.ip", "user.name"} & here.keys()
    there = read("openvpn", f"<30>Dec 31 23:59:59 gw openvpn[1]: 203.0.113.7:5 {line.replace('gw', 'alice')}")
    assert (there["source.ip"], there["user.name"]) == ("203.0.113.7", "alice")


def test_a_name_that_imitates_pfsenses_line_stays_a_name() -> None:
    name = "eve' address '198.51.100.1' - connected"
    event = read("openvpn", f"<29>Dec 31 23:59:59 gw openvpn[1]: openvpn server 'ovpns1' user '{name}'"
                            " address '203.0.113.7' - disconnected")  # fmt: skip
    assert event["user.name"] == name
    assert (event["source.ip"], event["event.action"]) == ("203.0.113.7", "vpn_disconnected")


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        ("received packet: from 203.0.113.7[28821] to 192.0.2.1[4500] (92 bytes)", "203.0.113.7", "192.0.2.1"),
        ("sending packet: from 192.0.2.1[4500] to 203.0.113.7[28821] (92 bytes)", "203.0.113.7", "192.0.2.1"),
        ("sending packet: from 192.0.2.1[40001] to 203.0.113.7[4500] (92 bytes)", "192.0.2.1", "203.0.113.7"),
        ("sending packet: from 192.0.2.1[500] to 203.0.113.7[500] (92 bytes)", "192.0.2.1", "203.0.113.7"),
    ],
)
def test_who_uses_a_port_of_its_own_began(line: str, source: str, destination: str) -> None:
    event = read("strongswan", f"Dec 31 23:59:59 gw charon[1]: 06[NET] <con1|62> {line}")
    assert (event["source.ip"], event["destination.ip"]) == (source, destination)


def test_what_is_sent_to_a_peer_makes_it_no_source() -> None:
    sides = {"Receiving handshake initiation from": "source", "Sending handshake initiation to": "destination"}
    for said, side in sides.items():
        event = read("wireguard", f"Dec 31 23:59:59 gw kernel: wireguard: wg0: {said} peer 1 ([2001:db8::7]:51820)")
        assert (event[f"{side}.ip"], event[f"{side}.port"]) == ("2001:db8::7", 51820)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2025-12-31 23:59:59 203.0.113.7:5 TLS: Initial packet from [AF_INET]203.0.113.7:5, sid=1 2", "openvpn"),
        ("2025-12-31 23:59:59 203.0.113.7:5 VERIFY OK: depth=0, CN=alice", "openvpn"),
        ("Dec 31 23:59:59 gw ovpn-server[1]: anything", "openvpn"),
        ("Dec 31 23:59:59 gw kernel: [1.5] wireguard: wg0: Interface created", "wireguard"),
        ("Dec 31 23:59:59 gw kernel: usb 1-1: new device", "syslog"),
        ("Dec 31 23:59:59 gw charon: 06[NET] x", "strongswan"),
    ],
)
def test_lines_find_their_pack_without_a_hint(line: str, name: str) -> None:
    pack = ROUTER.route(raw(line))
    assert pack is not None
    assert pack.name == name
