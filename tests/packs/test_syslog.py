"""Lines of programs nobody knows: what may be said of them, and what not."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.pack import stamps
from sentinel.parse.packs import load_one
from sentinel.testing import packs as harness

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "syslog", trusted=True)
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


def read(line: str, zone: str = "UTC") -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "syslog", NOW, Origin("test"), zone))
    return event


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-12-31 23:59:59,250", "2025-12-31T22:59:59.250000+00:00"),
        ("2025-12-31T23:59:59.25 -05:00", "2026-01-01T04:59:59.250000+00:00"),
        ("31/Dec/2025:23:59:59 +0100", "2025-12-31T22:59:59+00:00"),
        ("Wed Dec 31 23:59:59 CET 2025", "2025-12-31T22:59:59+00:00"),
        ("Wed, 31 Dec 2025 23:59:59 GMT", "2025-12-31T23:59:59+00:00"),
        ("31.12.2025 23:59:59", "2025-12-31T22:59:59+00:00"),
        ("12/31/2025, 11:59:59 PM", "2025-12-31T22:59:59+00:00"),
        ("12/31/25 12:00:00 AM", "2025-12-30T23:00:00+00:00"),
        ("[Dec 31 23:59:59]", "2025-12-31T22:59:59+00:00"),
        ("E1231 23:59:59.000001", "2025-12-31T22:59:59.000001+00:00"),
        ("1767221999.5", "2025-12-31T22:59:59.500000+00:00"),
        ("2025-07-01 12:00:00", "2025-07-01T10:00:00+00:00"),
        ("03/04/2025 12:00:00", None),
        ("2025-13-01 12:00:00", None),
        ("12:00:00", None),
    ],
)
def test_times_as_programs_write_them(written: str, meant: str | None) -> None:
    found = stamps.find(f"{written} something happened", NOW, "Europe/Berlin")
    assert (found.moment.isoformat() if found else None) == meant


def test_a_level_after_the_time_is_no_host() -> None:
    event = read("2025-12-12 12:32:23 WARNING server: request from 203.0.113.7")
    assert "host.name" not in event
    assert (event["log.level"], event["source.ip"]) == ("warning", "203.0.113.7")
    assert read("2025-12-12T12:32:23+01:00 web01 server: x")["host.name"] == "web01"


def test_what_somebody_waits_for_is_no_user() -> None:
    line = "<86>Nov 23 08:15:00 host systemd-logind[801]: Session 12 logged out. Waiting for processes to exit."
    assert "user.name" not in read(line)
    assert read("<86>Nov 23 08:15:00 host app: login failed for anna from 192.0.2.7")["user.name"] == "anna"


def test_an_address_is_a_source_only_where_a_word_says_so() -> None:
    for line in ("listening on 192.0.2.10:80", "route to 192.0.2.10 changed", "updates fetched from 192.0.2.10",
                 "server 192.0.2.10 does not answer", "version 1.2.3.4 installed", "time 10:50:10"):  # fmt: skip
        assert "source.ip" not in read(f"<13>Nov 23 08:15:00 host app: {line}")
    assert read("<13>Nov 23 08:15:00 host app: request from [2001:db8::7]:443 done")["source.port"] == 443


def test_where_a_stranger_may_have_imitated_the_line_no_address_is_the_source() -> None:
    event = read('<13>Nov 23 08:15:00 host app: login failed for user "x from 198.51.100.1" from 203.0.113.7')
    assert "source.ip" not in event
    assert event["related.ip"] == ("198.51.100.1", "203.0.113.7")
    assert event["event.outcome"] == "failure"


def test_the_header_decides_the_time_unless_the_message_begins_with_one() -> None:
    event = read("<13>Dec 31 23:59:59 host app: certificate expires 2027-01-01 00:00:00")
    assert event["@timestamp"] == "2025-12-31T23:59:59.000000Z"
    event = read("<13>Dec 31 23:59:59 host app: [2025-12-31 23:59:58] x")
    assert event["@timestamp"] == "2025-12-31T23:59:58.000000Z"


def test_the_general_pack_says_nothing_that_the_pack_for_sshd_denies() -> None:
    known_better = load_one(SHIPPED / "sshd", trusted=True)
    agreed = 0
    for raw in harness.records(SHIPPED / "sshd" / "samples" / "openssh.log"):
        (general,), (known,) = PACK.parse(raw), known_better.parse(raw)
        for field in ("source.ip", "source.port", "user.name"):
            if field in general and field in known:
                assert general[field] == known[field], raw.body
                agreed += 1
    assert agreed > 20


@pytest.mark.parametrize("piece", ["from ", "1.", "a:", "user ", "login failed ", "=", '"', "[", "::", "fail " * 3])
def test_hostile_text_costs_no_time(piece: str) -> None:
    """Each would take minutes if any expression were exponential."""
    assert read("<13>Nov 23 08:15:00 host app: " + piece * 20_000)["host.name"] == "host"
