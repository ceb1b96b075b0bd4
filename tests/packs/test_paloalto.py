"""PAN-OS: columns of every version, quotes, whose clock, CEF and LEEF, hostile names."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "paloalto", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = "1,2026/11/23 08:15:02,0001,{},{},2561,2026/11/23 08:15:00,"
FLOW = ("10.1.1.20,203.0.113.80,{},203.0.113.80,Web out,example\\anna,,ssl,vsys1,trust,untrust,e1/2,e1/1,Syslog,"
        "2026/11/23 08:15:00,4711,1,51772,443,{},443,0x0,tcp,")  # fmt: skip
TRAFFIC = (
    HEAD.format("TRAFFIC", "end") + FLOW.format("198.51.100.1", 31772) + "allow,7000,3000,4000,30,x,29,any,0,1,0x0,a,b"
)


def read(line: str, zone: str = "UTC") -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "panos", NOW, Origin("test"), zone))
    return event


@pytest.mark.parametrize(
    "more", ["", ",0,14", ",0,14,16,tcp-fin,0,0,0,0,,pa1", ",0,14,16,tcp-fin,0,0,0,0,,pa1,from-policy,,,0"]
)
def test_columns_that_a_version_does_not_have_yet_are_no_loss(more: str) -> None:
    event = read(TRAFFIC + more)
    assert (event["source.ip"], event["source.port"], event["source.nat.port"]) == ("10.1.1.20", 51772, 31772)
    assert (event["network.bytes"], event["source.bytes"], event["destination.bytes"]) == (7000, 3000, 4000)
    assert event.get("observer.name") == ("pa1" if "pa1" in more else None)


def test_a_column_that_may_be_cut_off_is_not_believed() -> None:
    assert "destination.port" not in read(TRAFFIC[: TRAFFIC.index(",443,") + 3])


def test_what_is_not_translated_has_no_nat() -> None:
    same = read(TRAFFIC.replace("198.51.100.1", "10.1.1.20").replace("31772", "51772"))
    none = read(TRAFFIC.replace("198.51.100.1", "0.0.0.0").replace("31772", "0"))  # noqa: S104  what PAN-OS writes for none
    for event in (same, none):
        assert not [name for name in event if ".nat." in name]


@pytest.mark.parametrize(
    ("header", "zone", "moment"),
    [
        ("", "UTC", "08:15:00.000000Z"),
        ("", "Europe/Berlin", "07:15:00.000000Z"),
        ("2026-11-23T08:15:02+01:00 pa1 ", "UTC", "07:15:00.000000Z"),
        ("<14>1 2026-11-23T07:15:01.5Z pa1 - - - - ", "UTC", "07:15:00.000000Z"),
        ("2026-11-23T08:15:02+01:00 pa1 ", "Europe/Berlin", "07:15:00.000000Z"),
        ("2026-11-23T10:22:02+01:00 pa1 ", "UTC", "08:15:00.000000Z"),
        ("Nov 23 08:15:02 pa1 ", "Europe/Berlin", "07:15:00.000000Z"),
    ],
)
def test_the_devices_zone_is_the_sources_unless_the_header_tells_another(header: str, zone: str, moment: str) -> None:
    assert read(header + TRAFFIC, zone)["@timestamp"] == "2026-11-23T" + moment


def test_quotes_commas_and_line_ends_stay_within_their_column() -> None:
    config = HEAD.format("CONFIG", "0") + "10.1.1.9,,set,admin,Web,Succeeded,path,"
    line = config + '"a, ""b""\nc","d",7,0x0,0,0,0,0,,pa1'
    event = read(line)
    assert event["panw.panos.before_change_detail"] == 'a, "b"\nc'
    assert (event["panw.panos.seqno"], event["observer.name"]) == ("7", "pa1")
    short = read(config + "7,0x0,0,0,0,0,,pa1")
    assert (short["panw.panos.seqno"], short["observer.name"]) == ("7", "pa1")


@pytest.mark.parametrize(
    "words",
    [
        "failed authentication for user '{}'.  Reason: Invalid username/password. From: 203.0.113.9.",
        "User '{}' failed authentication.  Reason: User is not in allowlist From: 203.0.113.9",
        "failed authentication for user '{}'.  Reason: no. auth profile 'AD', vsys 'shared', From: 203.0.113.9.",
    ],
)
@pytest.mark.parametrize(
    "name", ["anna", "x'.  Reason: y. From: 192.0.2.66.", "x' failed authentication.  From: 192.0.2.66"]
)
def test_a_user_name_that_imitates_the_line_stays_a_user_name(words: str, name: str) -> None:
    event = read(HEAD.format("SYSTEM", "auth") + f',auth-fail,,0,0,general,medium,"{words.format(name)}",1,0x0')
    assert (event["source.ip"], event["user.name"]) == ("203.0.113.9", name)
    assert (event["event.category"], event["event.outcome"]) == (("authentication",), "failure")


def test_cef_leef_and_columns_say_the_same() -> None:
    cef = read("<14>Nov 23 08:15:02 pa1 CEF:0|Palo Alto Networks|PAN-OS|11|end|TRAFFIC|1|src=10.1.1.20 spt=51772 "
               "dst=203.0.113.80 dpt=443 act=allow in=3000 out=4000 proto=tcp "
               "cs1Label=Rule cs1=Web out app=ssl")  # fmt: skip
    leef = read("LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|8|allow|Type=TRAFFIC|Subtype=end|src=10.1.1.20|"
                "srcPort=51772|dst=203.0.113.80|dstPort=443|action=allow|srcBytes=3000|dstBytes=4000|proto=tcp|"
                "RuleName=Web out|Application=ssl")  # fmt: skip
    rows = read(TRAFFIC)
    for name in ("source.ip", "source.port", "destination.ip", "destination.port", "source.bytes", "destination.bytes",
                 "network.transport", "rule.name", "network.application", "event.category", "event.type"):  # fmt: skip
        assert cef[name] == leef[name] == rows[name], name


@pytest.mark.parametrize("line", [TRAFFIC, "<14>Nov 23 08:15:02 pa1 " + TRAFFIC, "<14>Nov 23 08:15:02 " + TRAFFIC])
def test_its_lines_are_known_without_a_hint(line: str) -> None:
    raw = Raw(line.encode(), "x", NOW, Origin("test"))
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(raw)
    assert pack is not None
    assert pack.name == "paloalto"


def test_a_system_event_is_known_by_its_name_and_a_general_one_by_its_words() -> None:
    system = HEAD.format("SYSTEM", "{}") + ",{},,0,0,general,informational,{},1,0x0"
    down = read(system.format("vpn", "tunnel-status-down", "Tunnel x is down"))
    assert (down["event.category"], down["event.type"]) == (("network", "session"), ("connection", "end"))
    assert read(system.format("routing", "new-event-fail", "words"))["event.outcome"] == "failure"
    commit = read(system.format("general", "general", "Commit job failed. JobId=1. User: anna"))
    assert (commit["event.category"], commit["event.outcome"]) == (("configuration",), "failure")
    assert commit["user.name"] == "anna"


def test_globalprotects_columns_of_the_first_9_1_are_read_too() -> None:
    rest = "vsys1,gateway-auth,login,,,anna,DE,pc7,203.0.113.20,::,10.8.0.7,::,h,s,5.1,Windows,10,1,,,,success,,1,,0,gp"
    late = read("1,2026/11/23 08:15:02,0001,GLOBALPROTECT,0,2561,2026/11/23 08:15:00," + rest)
    early = read("1,2026/11/23 08:15:02,0001,98,0x0,GLOBALPROTECT,0,2561,2026/11/23 08:15:00," + rest)
    assert early == late
    assert (early["user.name"], early["source.ip"]) == ("anna", "203.0.113.20")
