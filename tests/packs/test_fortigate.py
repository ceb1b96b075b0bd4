"""FortiGate: times, headers, variants, hostile values, who started it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one
from sentinel.testing.packs import faults

PACK = load_one(content("parsers") / "fortigate", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = 'devname="FW" devid="FGT60E0000000001" logid="0000000013" type="traffic" subtype="forward" '


def read(line: str | bytes, zone: str = "UTC") -> Fields:
    body = line.encode() if isinstance(line, str) else line
    (event,) = PACK.parse(Raw(body, "fortigate", NOW, Origin("test"), zone))
    return event


@pytest.mark.parametrize(
    ("times", "zone", "meant"),
    [
        ('eventtime=1795418100123456789 tz="+0100"', "UTC", "2026-11-23T07:15:00.123456Z"),
        ("eventtime=1795418100123456", "UTC", "2026-11-23T07:15:00.123456Z"),
        ("eventtime=1795418100123", "UTC", "2026-11-23T07:15:00.123000Z"),
        ("eventtime=1795418100", "UTC", "2026-11-23T07:15:00.000000Z"),
        ('date=2026-11-23 time=08:15:00 tz="+0100"', "America/New_York", "2026-11-23T07:15:00.000000Z"),
        ("date=2026-11-23 time=08:15:00 tz=-0730", "UTC", "2026-11-23T15:45:00.000000Z"),
        ("date=2026-11-23 time=08:15:00", "Europe/Berlin", "2026-11-23T07:15:00.000000Z"),
        ("date=2026-07-01 time=08:15:00", "Europe/Berlin", "2026-07-01T06:15:00.000000Z"),
        ("date=2026-10-25 time=02:30:00", "Europe/Berlin", "2026-10-25T00:30:00.000000Z"),
        ("eventtime=kaputt date=2026-99-99 time=x", "UTC", None),
    ],
)
def test_the_moment_of_an_event(times: str, zone: str, meant: str | None) -> None:
    assert read(HEAD + times, zone).get("@timestamp") == meant


def test_without_a_time_of_its_own_the_header_counts() -> None:
    assert read("<189>Nov 23 08:15:00 fw " + HEAD)["@timestamp"] == "2026-11-23T08:15:00.000000Z"


@pytest.mark.parametrize("header", ["", "<189>", "<189>Nov 23 08:15:00 fw ", "<189>1 2026-11-23T08:15:00Z fw - - - - "])
def test_the_header_changes_nothing_in_the_message(header: str) -> None:
    line = HEAD + 'eventtime=1795418100 srcip=192.0.2.1 user="AMT\\\\bob" action="deny" policyid=4'
    event = read(header + line)
    assert (event["source.ip"], event["user.domain"], event["user.name"]) == ("192.0.2.1", "AMT", "bob")
    assert (event["observer.name"], event["rule.id"], event["event.type"]) == ("FW", "4", ("connection", "denied"))


def test_csv_and_colons_read_like_blanks_and_equals() -> None:
    pairs = {"devid": "FGT1", "type": "traffic", "srcip": "192.0.2.1", "dstport": "443", "proto": "6"}
    blanks = read(" ".join(f"{name}={value}" for name, value in pairs.items()))
    assert read(",".join(f"{name}={value}" for name, value in pairs.items())) == blanks
    assert read(",".join(f'{name}="{value}"' for name, value in pairs.items())) == blanks
    assert read(" ".join(f"{name}:{value}" for name, value in pairs.items())) == blanks


def test_the_first_of_two_equal_keys_counts() -> None:
    event = read(HEAD + 'srcip=192.0.2.1 user="evil" srcip=203.0.113.99 user="root"')
    assert (event["source.ip"], event["user.name"]) == ("192.0.2.1", "evil")


def test_quotes_within_a_value_do_not_end_it() -> None:
    event = read(HEAD + 'user="x\\" srcip=203.0.113.99 y=\\"" srcip=192.0.2.1 msg="a "b" c" action=deny')
    assert event["user.name"] == 'x" srcip=203.0.113.99 y="'
    assert (event["source.ip"], event["message"], event["event.action"]) == ("192.0.2.1", 'a "b" c', "deny")


def test_a_cef_line_inside_a_value_does_not_make_it_cef() -> None:
    event = read(HEAD + 'agent="CEF:0|Fortinet|Fortigate|a|b|c|d|src=203.0.113.99" srcip=192.0.2.1')
    assert event["source.ip"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("extra", "source", "destination"),
    [
        ("remip=203.0.113.1", "203.0.113.1", None),
        ("remip=203.0.113.1 locip=192.0.2.1 init=remote", "203.0.113.1", "192.0.2.1"),
        ("remip=203.0.113.1 locip=192.0.2.1 init=local", "192.0.2.1", "203.0.113.1"),
        ("remip=203.0.113.1 locip=192.0.2.1 dir=outbound", "192.0.2.1", "203.0.113.1"),
        ('ui="ssh(2001:db8::9)"', "2001:db8::9", None),
        ('ui="GUI(10.20.1.5)" srcip=10.20.1.6', "10.20.1.6", None),
        ('ui="jsconsole"', None, None),
    ],
)
def test_the_source_is_who_started_it(extra: str, source: str | None, destination: str | None) -> None:
    event = read(f"devid=FGT1 type=event subtype=vpn {extra}")
    assert (event.get("source.ip"), event.get("destination.ip")) == (source, destination)


@pytest.mark.parametrize(
    ("line", "types"),
    [
        ("type=traffic action=accept", ("connection", "allowed")),
        ("type=traffic action=accept duration=3", ("connection", "end", "allowed")),
        ("type=traffic action=start", ("connection", "start", "allowed")),
        ("type=traffic action=deny duration=0", ("connection", "denied")),
        ("type=traffic action=close duration=1 utmaction=block", ("connection", "denied")),
        ("type=traffic action=ip-conn duration=1", ("connection", "end")),
        ("type=traffic", ("connection",)),
        ("type=utm subtype=ips action=detected", ("info", "allowed")),
        ("type=utm subtype=ips action=dropped", ("info", "denied")),
        ("type=event subtype=system action=Edit cfgpath=system.admin", ("change", "user")),
    ],
)
def test_what_an_action_means(line: str, types: tuple[str, ...]) -> None:
    assert read("devid=FGT1 " + line)["event.type"] == types


def test_a_login_that_failed_is_a_failure() -> None:
    for said in ("status=failed", "status=failure", 'status="error"'):
        event = read(f"devid=FGT1 type=event subtype=system action=login {said}")
        assert (event["event.category"], event["event.outcome"]) == (("authentication",), "failure")


def test_unknown_keys_are_kept_and_unknown_subtypes_still_read() -> None:
    event = read('devid=FGT1 type=utm subtype=morgen neuesfeld="Wörter mit Leerzeichen" srcip=192.0.2.1')
    assert event["fortinet.firewall.neuesfeld"] == "Wörter mit Leerzeichen"
    assert event["source.ip"] == "192.0.2.1"


KEYS = [
    "srcip",
    "user",
    "url",
    "proto",
    "tz",
    "date",
    "time",
    "duration",
    "eventtime",
    "ui",
    "sentbyte",
    "msg",
    "action",
    "subtype",
    "qname",
    "ipaddr",
    "filehash",
    "x-y",
]


@given(
    names=st.lists(st.sampled_from(KEYS), max_size=12),
    values=st.lists(st.text(max_size=24), min_size=12, max_size=12),
    quoted=st.booleans(),
)
def test_whatever_the_values_hold_the_fields_fit_their_types(names: list[str], values: list[str], quoted: bool) -> None:  # noqa: FBT001  drawn
    quote = '"' if quoted else ""
    pairs = " ".join(f"{name}={quote}{value}{quote}" for name, value in zip(names, values, strict=False))
    try:
        event = read(f"devid=FGT1 type=event subtype=user {pairs}")
    except ParseError:
        return
    assert list(faults(event)) == []
