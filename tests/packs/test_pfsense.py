"""pfSense and OPNsense: columns by protocol, whose rule, truncated lines, hostile user names."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one
from sentinel.testing.packs import faults

PACK = load_one(content("parsers") / "pfsense", trusted=True)
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
HEAD = "<134>1 2026-11-23T08:15:00+01:00 fw filterlog 69805 - - "
TCP = "5,,,1000000103,igb1,match,block,in,4,0x0,,64,1,0,DF,6,tcp,60,203.0.113.7,192.0.2.10,51234,22,0,S,1,,64240,,mss"


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "pfsense", NOW, Origin("test"), "Europe/Berlin"))
    return event


def test_a_line_of_new_years_eve_belongs_to_the_old_year() -> None:
    event = read("<134>Dec 31 23:59:59 fw filterlog[69805]: " + TCP)
    assert event["@timestamp"] == "2025-12-31T22:59:59.000000Z"
    assert (event["process.pid"], event["observer.name"]) == (69805, "fw")


def test_the_columns_alone_are_enough() -> None:
    event = read(TCP)
    assert (event["source.ip"], event["source.port"], event["destination.port"]) == ("203.0.113.7", 51234, 22)
    assert event["pfsense.tcp_flags"] == "S"


@pytest.mark.parametrize(
    ("action", "kind"),
    [("pass", "allowed"), ("block", "denied"), ("reject", "denied"), ("match", "info"), ("unkn", "info")],
)
def test_what_an_action_means(action: str, kind: str) -> None:
    event = read(HEAD + TCP.replace("block", action))
    assert (event["event.action"], event["event.type"]) == (action, ("connection", kind))


@pytest.mark.parametrize(
    ("tracker", "rule", "product"),
    [
        ("1000000103", "1000000103", "pfSense"),
        ("0", "5", "pfSense"),
        ("", "5", "pfSense"),
        ("02f4bab031b57d1e30553ce08e0ec131", "02f4bab031b57d1e30553ce08e0ec131", "OPNsense"),
        ("02f4bab0-31b5-4d1e-8057-3ce08e0ec131", "02f4bab0-31b5-4d1e-8057-3ce08e0ec131", "OPNsense"),
    ],
)
def test_the_rule_is_the_tracker_or_the_number(tracker: str, rule: str, product: str) -> None:
    event = read(HEAD + TCP.replace("1000000103", tracker))
    assert (event["rule.id"], event["observer.product"]) == (rule, product)


def test_the_interface_is_where_the_packet_went_in_or_out() -> None:
    assert read(HEAD + TCP)["observer.ingress.interface.name"] == "igb1"
    out = read(HEAD + TCP.replace(",in,", ",out,"))
    assert (out["observer.egress.interface.name"], out["network.direction"]) == ("igb1", "outbound")


def test_a_value_that_may_be_cut_off_is_not_believed() -> None:
    cut = read(HEAD + TCP[: TCP.index("192.0.2.10") + 9])  # 192.0.2.1 is a valid address, and the wrong one
    assert cut["source.ip"] == "203.0.113.7"
    assert "destination.ip" not in cut
    assert "destination.port" not in read(HEAD + TCP[: TCP.index(",22,") + 2])


def test_a_user_name_that_imitates_the_line_stays_a_user_name() -> None:
    event = read("<35>Nov 23 08:15:00 fw php-fpm[1]: /index.php: webConfigurator authentication error for user "
                 "'x' from: 198.51.100.1' from: 203.0.113.13")  # fmt: skip
    assert event["source.ip"] == "203.0.113.13"
    assert event["user.name"] == "x' from: 198.51.100.1"
    assert (event["event.category"], event["event.outcome"]) == (("authentication",), "failure")


def test_other_daemons_of_the_firewall_give_their_header_and_message() -> None:
    event = read("<30>Nov 23 08:15:00 fw kernel: igb1: link state changed to DOWN")
    assert (event["host.name"], event["process.name"], event["observer.type"]) == ("fw", "kernel", "firewall")
    assert event["message"] == "igb1: link state changed to DOWN"


@pytest.mark.parametrize("line", ["", "words", "1,2,3", HEAD + "1,2,3", "filterlog"])
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ParseError):
        read(line)


columns = st.lists(
    st.sampled_from(["", "0", "4", "6", "17", "1", "58", "112", "tcp", "udp", "icmp", "ICMPv6", "carp", "request",
                     "needfrag", "datalength=8", "192.0.2.1", "2001:db8::1", "in", "out", "pass", "block", "99999"])
    | st.text(max_size=5),
    max_size=32,
)  # fmt: skip


@given(columns=columns, version=st.sampled_from(["4", "6", "5"]))
def test_whatever_the_columns_hold_the_fields_fit_their_types(columns: list[str], version: str) -> None:
    try:
        event = read(HEAD + ",".join(["5", "", "", "1", "igb1", "match", "block", "in", version, *columns]))
    except ParseError:
        return
    assert list(faults(event)) == []
