"""Cisco ASA and FTD: who started a connection, whose clock, hostile names, every kind of header."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "cisco_asa", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENDS = "for outside:203.0.113.80/{} (203.0.113.80/{}) to inside:10.1.1.20/{} (198.51.100.1/{})"


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "asa", NOW, Origin("test"), "Europe/Berlin"))
    return event


def ends(event: Fields) -> tuple[object, ...]:
    return tuple(event.get(name) for name in ("source.ip", "source.port", "destination.ip", "destination.port"))


def test_the_direction_says_who_started_a_connection() -> None:
    outbound = read("%ASA-6-302013: Built outbound TCP connection 1 " + ENDS.format(443, 443, 51772, 31772))
    assert ends(outbound) == ("10.1.1.20", 51772, "203.0.113.80", 443)
    assert (outbound["source.nat.ip"], outbound["source.nat.port"]) == ("198.51.100.1", 31772)
    assert "destination.nat.ip" not in outbound
    inbound = read("%ASA-6-302013: Built inbound TCP connection 1 " + ENDS.format(40001, 40001, 25, 25))
    assert ends(inbound) == ("203.0.113.80", 40001, "10.1.1.20", 25)
    assert (inbound["destination.nat.ip"], inbound["destination.nat.port"]) == ("198.51.100.1", 25)


@pytest.mark.parametrize(
    ("one", "other", "source"),
    [
        (443, 51772, "10.1.1.20"),
        (40001, 25, "203.0.113.80"),
        (40001, 51772, "203.0.113.80"),
        (123, 123, "203.0.113.80"),
    ],
)
def test_a_teardown_is_told_by_the_well_known_port_and_else_left_in_order(one: int, other: int, source: str) -> None:
    event = read(f"%ASA-6-302014: Teardown TCP connection 1 for outside:203.0.113.80/{one} to inside:10.1.1.20/{other} "
                 "duration 0:01:30 bytes 12345 TCP FINs from outside")  # fmt: skip
    assert event["source.ip"] == source
    assert (event["event.duration"], event["network.bytes"]) == (90_000_000_000, 12345)


@pytest.mark.parametrize(
    ("head", "moment", "name"),
    [
        ("<166>Nov 23 2026 08:15:00: ", "07:15:00.000000Z", None),
        ("<166>Nov 23 2026 08:15:00 fw1 : ", "07:15:00.000000Z", "fw1"),
        ("<166>Nov 23 08:15:00 fw1 ", "07:15:00.000000Z", "fw1"),
        ("<166>:Nov 23 08:15:00 UTC: ", "08:15:00.000000Z", None),
        ("<166>: *Nov 23 08:15:00.123 CEST: ", "06:15:00.123000Z", None),
        ("<166>2026-11-23T08:15:00Z fw1 : ", "08:15:00.000000Z", "fw1"),
        ("<166>1 2026-11-23T08:15:00Z fw1 ", "08:15:00.000000Z", "fw1"),
        ("Nov 23 08:15:09 192.0.2.1 Nov 23 2026 08:15:00 fw1 : ", "07:15:00.000000Z", "fw1"),
        ("Nov 23 08:15:09 192.0.2.1 : Nov 23 2026 08:15:00: ", "07:15:00.000000Z", "192.0.2.1"),
        ("2026-11-23T08:15:09+01:00 192.0.2.1 Nov 23 2026 08:15:00: ", "07:15:00.000000Z", "192.0.2.1"),
        ("", None, None),
    ],
)
def test_time_and_name_are_the_devices_own(head: str, moment: str | None, name: str | None) -> None:
    event = read(head + "%ASA-session-6-302013: Built outbound TCP connection 1 " + ENDS.format(443, 443, 51772, 31772))
    assert event.get("@timestamp") == (moment and "2026-11-23T" + moment)
    assert event.get("observer.name") == name
    assert (event["event.code"], event["event.severity"]) == ("302013", 6)


def test_a_user_name_that_imitates_the_line_stays_a_user_name() -> None:
    event = read("%ASA-6-113005: AAA user authentication Rejected : reason = AAA failure : server = 10.1.2.3 : "
                 "user = x : user IP = 192.0.2.66 : user IP = 203.0.113.9")  # fmt: skip
    assert (event["source.ip"], event["user.name"]) == ("203.0.113.9", "x : user IP = 192.0.2.66")
    event = read("%ASA-6-113039: Group <g> User <x> IP <192.0.2.66> Authentication: > IP <203.0.113.20> AnyConnect.")
    assert event["source.ip"] == "203.0.113.20"


def test_an_unknown_message_still_says_what_all_say() -> None:
    event = read("<164>Nov 23 2026 08:15:00 fw1 : %ASA-4-999999: Something from outside:203.0.113.9/40001 to "
                 "inside:10.1.1.5/80 for TCP, user 'anna', reason: tests")  # fmt: skip
    assert ends(event) == ("203.0.113.9", 40001, "10.1.1.5", 80)
    assert (event["user.name"], event["network.transport"], event["event.code"]) == ("anna", "tcp", "999999")


def test_a_value_of_firepower_may_hold_commas_and_names_come_once() -> None:
    event = read("%FTD-6-430003: AccessControlRuleAction: Block, SrcIP: 10.1.1.20, DstIP: 203.0.113.80, UserAgent: a, "
                 "b (KHTML), SrcIP: 192.0.2.66, URL: http://www.example.org/a,b, NAT_InitiatorIP: 198.51.100.1, "
                 "NAT_InitiatorPort: 31772")  # fmt: skip
    assert (event["source.ip"], event["user_agent.original"]) == ("10.1.1.20", "a, b (KHTML)")
    assert (event["url.path"], event["source.nat.ip"]) == ("/a,b", "198.51.100.1")
    assert event["event.type"] == ("connection", "end", "denied")


@pytest.mark.parametrize("mark", ["%ASA-6-302013: x", "%FTD-6-430003: SrcIP: 10.0.0.1", "%PIX-2-106001: x"])
def test_its_lines_are_known_without_a_hint(mark: str) -> None:
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(
        Raw(f"<166>Nov 23 2026 08:15:00 fw1 : {mark}".encode(), "x", NOW, Origin("test"))
    )
    assert pack is not None
    assert pack.name == "cisco_asa"
