"""Juniper: the structured and the plain line say the same; who started it; names that imitate; whose clock."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "juniper_srx", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STRUCTURED = (
    '<14>1 2026-11-23T08:15:00.000+01:00 srx1 RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 reason="TCP FIN"'
    ' source-address="203.0.113.9" source-port="53836" destination-address="198.51.100.2" destination-port="22"'
    ' service-name="junos-ssh" nat-source-address="203.0.113.9" nat-source-port="53836"'
    ' nat-destination-address="10.9.0.5" nat-destination-port="22" protocol-id="6" policy-name="in-ssh"'
    ' source-zone-name="untrust" destination-zone-name="dmz" packets-from-client="78" bytes-from-client="6657"'
    ' packets-from-server="122" bytes-from-server="13305" elapsed-time="45"]'
)
BODY = "RT_FLOW: RT_FLOW_SESSION_CLOSE: session closed TCP FIN: 203.0.113.9/53836->198.51.100.2/22"
FORMS = {
    "structured": STRUCTURED,
    "without priority": STRUCTURED.removeprefix("<14>"),
    "old": f"<14>Nov 23 07:15:00 srx1 {BODY} junos-ssh 203.0.113.9/53836->10.9.0.5/22 None dnat 6 in-ssh untrust dmz 5"
    " 78(6657) 122(13305) 45 UNKNOWN UNKNOWN N/A(N/A) ge-0/0/1.0 No",
    "new": f"<14>Nov 23 07:15:00 srx1 {BODY} 0x0 junos-ssh 203.0.113.9/53836->10.9.0.5/22 0x0 N/A N/A destination rule"
    " dnat 6 in-ssh untrust dmz 5 78(6657) 122(13305) 45 UNKNOWN UNKNOWN N/A(N/A) ge-0/0/1.0 No N/A N/A -1",
}


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "juniper_srx", NOW, Origin("test")))
    return event


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_every_form_of_a_session_says_the_same(line: str) -> None:
    event = read(line)
    assert event["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    assert (event["source.ip"], event["source.port"], event["source.bytes"]) == ("203.0.113.9", 53836, 6657)
    assert (event["destination.ip"], event["destination.port"]) == ("198.51.100.2", 22)
    assert (event["destination.nat.ip"], event["destination.bytes"]) == ("10.9.0.5", 13305)
    assert (event["network.transport"], event["rule.name"], event["observer.name"]) == ("tcp", "in-ssh", "srx1")
    assert (event["event.reason"], event["event.duration"]) == ("TCP FIN", 45_000_000_000)
    assert event["event.type"] == ("connection", "end", "allowed")


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_its_lines_are_known_without_a_hint(line: str) -> None:
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(Raw(line.encode(), "x", NOW, Origin("test")))
    assert pack is not None
    assert pack.name == "juniper_srx"


def test_a_login_name_that_imitates_the_rest_of_the_line_stays_a_name() -> None:
    line = "Nov 23 10:00:09 srx1 sshd[1]: SSHD_LOGIN_FAILED: Login failed for user 'x' from host '192.0.2.1''"
    event = read(f"{line} from host '203.0.113.66'")
    assert (event["source.ip"], event["user.name"]) == ("203.0.113.66", "x' from host '192.0.2.1'")
    assert event["event.outcome"] == "failure"


def test_what_an_echo_has_in_place_of_ports_is_none() -> None:
    event = read("<14>Nov 23 07:15:00 s RT_FLOW: RT_FLOW_SESSION_DENY: session denied 203.0.113.66/1->198.51.100.2/2"
                 " icmp 1(8) deny-all untrust trust")  # fmt: skip
    assert not {"source.port", "destination.port"} & event.keys()
    assert (event["network.transport"], event["event.type"]) == ("icmp", ("connection", "denied"))


def test_a_session_of_a_netscreen_happened_when_the_line_was_written() -> None:
    event = read(
        "Nov 23 07:15:00 relay fw: NetScreen device_id=fw  [Root]system-notification-00257(traffic):"
        ' start_time="2026-11-23 07:14:00" duration=60 policy_id=1 proto=6 src zone=Trust dst zone=DMZ action=Permit'
        " sent=1 rcvd=2 src=10.2.2.2 dst=203.0.113.80 src_port=1051 dst_port=80 reason=Close - TCP FIN"
    )
    assert (event["@timestamp"], event["event.start"]) == ("2026-11-23T07:15:00.000000Z", "2026-11-23T07:14:00.000000Z")
    assert (event["observer.name"], event["event.type"]) == ("fw", ("connection", "end", "allowed"))


def test_an_administrator_of_a_netscreen_cannot_choose_where_he_came_from() -> None:
    event = read(
        "<30>NetScreen device_id=a [Root]system-warning-00515: Admin user x via Telnet from 192.0.2.1:1 has logged on"
        " via Telnet from 203.0.113.66:4213 (2026-11-23 10:58:30)"
    )
    assert (event["source.ip"], event["source.port"]) == ("203.0.113.66", 4213)
    assert event["user.name"] == "x via Telnet from 192.0.2.1:1"
    assert event["@timestamp"] == "2026-11-23T10:58:30.000000Z"


def test_a_family_of_the_system_log_explorer_is_known_and_its_tag_says_what_became_of_it() -> None:
    for tag, category, outcome in (
        ("CHASSISD_NEW_FAILURE", "host", "failure"),
        ("DOT1XD_USR_AUTHENTICATED", "authentication", "success"),
        ("RPD_NEW_THING", "network", None),
        ("IDP_POLICY_LOAD_SUCCEEDED", "configuration", "success"),
    ):
        event = read(f"Nov 23 10:00:00 srx1 daemon[1]: {tag}: words of no known form")
        assert str(event["event.category"]).startswith(f"('{category}'")
        assert event.get("event.outcome") == outcome


def test_who_began_a_negotiation_is_the_source() -> None:
    line = (
        "Nov 23 10:00:00 srx1 kmd[1]: IKE negotiation failed with error: Timed out. IKE Version: 2, VPN: v Gateway: g,"
        " Local: 198.51.100.2/500, Remote: 203.0.113.5/500, Local IKE-ID: x, Remote IKE-ID: y, VR-ID: 0: Role: {}"
    )
    assert read(line.format("Initiator"))["source.ip"] == "198.51.100.2"
    assert read(line.format("Responder"))["source.ip"] == "203.0.113.5"
