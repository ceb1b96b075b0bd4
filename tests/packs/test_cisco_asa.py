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


CLASSES = (
    "101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 120 199 201 202 204 208 209 210 211 212 213"
    " 214 215 216 217 218 219 220 302 303 304 305 306 307 308 311 312 313 314 315 316 317 318 319 320 321 322"
    " 323 324 325 326 327 328 329 331 332 333 334 335 336 337 338 339 340 341 342 400 401 402 403 404 405 406"
    " 407 408 409 410 411 412 413 414 415 416 417 418 419 420 421 422 423 424 425 426 427 428 429 430 431 433"
    " 434 444 446 447 448 450 500 501 502 503 504 505 506 507 508 509 520 602 603 604 605 606 607 608 609 610"
    " 611 612 613 614 615 616 617 618 620 621 622 634 701 702 703 709 710 711 713 714 715 716 717 718 719 720"
    " 721 722 723 724 725 726 730 731 732 733 734 735 737 741 742 743 746 747 748 750 751 752 753 767 768 769"
    " 770 771 772 774 775 776 778 779 780 785 802 803 805 806 812 815 840 850 852 880"
)
"""The message classes of https://www.cisco.com/c/en/us/td/docs/security/asa/syslog/asa-syslog/about.html"""


def test_every_class_of_ciscos_table_says_what_its_messages_are_about() -> None:
    silent = [
        number
        for number in CLASSES.split()
        if not {"event.action", "event.category", "event.type"}
        <= read(f"%ASA-6-{number}999: words of no known form").keys()
    ]
    assert silent == []


def test_what_a_message_without_a_form_of_its_own_did_is_told_by_its_verb() -> None:
    flow = "TCP flow from inside:10.1.1.20/51000 to outside:203.0.113.80/80"
    assert read(f"%ASA-4-421999: {flow} is dropped by x")["event.type"] == ("connection", "denied")
    assert read(f"%ASA-4-421999: {flow} is dropped by x")["event.outcome"] == "success"
    assert read(f"%ASA-4-421999: {flow} is looked at")["event.type"] == ("connection", "info")
    assert read("%ASA-4-737999: IPAA: Session=0x1, local pool request failed")["event.outcome"] == "failure"


def test_a_word_behind_user_is_no_name_and_an_address_without_a_role_is_only_related() -> None:
    event = read("%ASA-3-109999: User must authenticate before the server 10.1.2.3 and 10.1.2.4 answer")
    assert not [name for name in event if name.startswith(("user.", "source.", "destination."))]
    assert event["related.ip"] == ("10.1.2.3", "10.1.2.4")
