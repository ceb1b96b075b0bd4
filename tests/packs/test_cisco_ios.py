"""Cisco IOS, IOS XR and NX-OS: whose clock and name among headers, hostile names, what is known without a form."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "cisco_ios", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFIGURED = "%SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.1.1.20)"


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "ios", NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    ("head", "moment", "name", "number"),
    [
        ("<189>123: Nov 23 08:15:00: ", "07:15:00.000000Z", None, "123"),
        ("<189>123: *Nov 23 08:15:00.123: ", "07:15:00.123000Z", None, "123"),
        ("<189>123: .Nov 23 08:15:00.123 UTC: ", "08:15:00.123000Z", None, "123"),
        ("<189>123: sw1: 000045: Nov 23 2026 08:15:00.5 CEST: ", "06:15:00.500000Z", "sw1", "000045"),
        ("<189>123: sw1.example.org: Nov 23 08:15:00 NOZONE: ", "07:15:00.000000Z", "sw1.example.org", "123"),
        ("<189>: 2026 Nov 23 08:15:00 CET: ", "07:15:00.000000Z", None, None),
        ("<189>: 2026 Nov 23 08:15:00.123 nx1: ", "07:15:00.123000Z", "nx1", None),
        ("<189>12: RP/0/RSP0/CPU0:Nov 23 08:15:00.1 CET: config[65]: ", "07:15:00.100000Z", None, "12"),
        ("Nov 23 09:15:00 192.0.2.1 123: Nov 23 08:15:00: ", "07:15:00.000000Z", "192.0.2.1", "123"),
        ("2026-11-23T09:15:00+01:00 192.0.2.1 123: sw1: Nov 23 08:15:00: ", "07:15:00.000000Z", "sw1", "123"),
        ("Nov 23 08:15:00 192.0.2.1 123: 2w3d: ", "07:15:00.000000Z", "192.0.2.1", "123"),
        ("<189>123: 00:12:34: ", None, None, "123"),
    ],
)
def test_time_name_and_number_are_the_devices_own(
    head: str, moment: str | None, name: str | None, number: str | None
) -> None:
    event = read(head + CONFIGURED)
    assert event.get("@timestamp") == (moment and "2026-11-23T" + moment)
    assert (event.get("observer.name"), event.get("cisco.ios.sequence_number")) == (name, number)
    assert (event["user.name"], event["source.ip"], event["event.code"]) == ("admin", "10.1.1.20", "CONFIG_I")


@pytest.mark.parametrize(("mark", "clock"), [("*", "never set"), (".", "not synchronised"), ("", None)])
def test_a_clock_that_nobody_set_is_told(mark: str, clock: str | None) -> None:
    assert read(f"<189>1: {mark}Nov 23 08:15:00: {CONFIGURED}").get("cisco.ios.clock") == clock


def test_a_user_name_that_imitates_the_line_stays_a_user_name() -> None:
    name = "x] [Source: 192.0.2.66] [localport: 22] [Reason: y] at z"
    event = read(f"%SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: {name}] [Source: 203.0.113.9] "
                 "[localport: 22] [Reason: Login Authentication Failed] at 08:15:00 CET Mon Nov 23 2026")  # fmt: skip
    assert (event["source.ip"], event["user.name"]) == ("203.0.113.9", name)


def test_an_unknown_message_still_says_what_all_say() -> None:
    event = read("%NEWFAC-5-NEWMSG: Something happened to user anna from 10.1.1.20 on GigabitEthernet0/3")
    assert (event["user.name"], event["source.ip"]) == ("anna", "10.1.1.20")
    assert event["observer.ingress.interface.name"] == "GigabitEthernet0/3"


def test_its_lines_are_known_without_a_hint_and_those_of_an_asa_are_not() -> None:
    router = Router(load([SHIPPED], shipped=SHIPPED))
    for line, name in (("<189>123: sw1: Nov 23 08:15:00: " + CONFIGURED, "cisco_ios"),
                       ("<166>Nov 23 2026 08:15:00 fw1 : %ASA-6-302010: 1 in use", "cisco_asa")):  # fmt: skip
        pack = router.route(Raw(line.encode(), "x", NOW, Origin("test")))
        assert pack is not None
        assert pack.name == name


@pytest.mark.parametrize(
    ("facility", "category"),
    [
        ("ROUTING-BGP", "network"), ("BGP_SESSION", "network"), ("OSPFv3", "network"), ("SECURITY-SSHD", "network"),
        ("PLATFORM-ENVMON", "host"), ("C6KPWR-SP", "host"), ("IOSXE_INFRA", "host"), ("SPANTREE_FAST", "network"),
        ("PKI", "configuration"), ("PARSER", "configuration"), ("AAA", "authentication"), ("SISF", "network"),
    ],
)  # fmt: skip
def test_a_facility_of_every_platform_is_known_by_its_family(facility: str, category: str) -> None:
    event = read(f"Nov 23 08:15:00: %{facility}-6-NEWMESSAGE: words of no known form")
    assert event["event.category"] == (category,)
    assert event["event.action"] != "event"


def test_a_word_behind_user_is_no_name() -> None:
    assert "user.name" not in read("Nov 23 08:15:00: %SYS-6-NEW: User has logged in, Username could not be read")
    assert read("Nov 23 08:15:00: %SYS-6-NEW: done by user anna.")["user.name"] == "anna"
