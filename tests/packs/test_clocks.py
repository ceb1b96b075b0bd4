"""Clocks of every kind, as the shipped packs read them: years that are not said, zones, gaps, counts since an epoch."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.route import Router

SHIPPED = Router(load([content("parsers")], shipped=content("parsers")))
SECOND = datetime(2026, 11, 23, 7, 15, 1, tzinfo=UTC)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
TICKS = 116_444_736_000_000_000  # from 1601, FILETIME's epoch, to 1970, in units of 100 ns


def read(line: str, received: datetime = SECOND, zone: str = "UTC", hint: str | None = None) -> str:
    raw = Raw(line.encode(), "source", received, Origin("test"), zone)
    pack = SHIPPED.route(raw, hint)
    assert pack is not None
    return str(next(iter(pack.parse(raw)))["@timestamp"])


@pytest.mark.parametrize(
    ("written", "zone", "received", "meant"),
    [
        ("Dec 31 23:59:59", "UTC", datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC), "2026-12-31T23:59:59"),
        ("Dec 31 23:59:59", "UTC", datetime(2027, 1, 9, 8, tzinfo=UTC), "2026-12-31T23:59:59"),
        ("Jan  1 00:00:10", "UTC", datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC), "2027-01-01T00:00:10"),
        ("Jan  1 00:00:10", BERLIN, datetime(2026, 12, 31, 23, 0, 11, tzinfo=UTC), "2026-12-31T23:00:10"),
        ("Dec 31 18:59:59", NEW_YORK, datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC), "2026-12-31T23:59:59"),
        ("Feb 29 10:00:00", "UTC", datetime(2028, 2, 29, 10, 0, 5, tzinfo=UTC), "2028-02-29T10:00:00"),
        ("Feb 29 10:00:00", "UTC", datetime(2028, 2, 28, 23, 0, 0, tzinfo=UTC), "2028-02-29T10:00:00"),
        ("Feb 29 10:00:00", "UTC", datetime(2029, 1, 1, 10, 0, 5, tzinfo=UTC), "2028-02-29T10:00:00"),
        ("Feb 29 10:00:00", "UTC", datetime(2026, 11, 23, 12, tzinfo=UTC), "2024-02-29T10:00:00"),
    ],
)
def test_a_day_without_a_year_belongs_to_the_year_in_which_it_was(
    written: str, zone: str, received: datetime, meant: str
) -> None:
    line = f"<86>{written} srv sshd[1]: Server listening on :: port 22."
    assert read(line, received, zone) == f"{meant}.000000Z"


@pytest.mark.parametrize(
    ("clock", "meant"), [("01:59:59", "00:59:59"), ("02:30:00", "01:30:00"), ("03:00:00", "01:00:00")]
)
def test_an_hour_that_the_clocks_leave_out_is_counted_as_if_they_had_not_been_set(clock: str, meant: str) -> None:
    received = datetime(2026, 3, 29, 2, tzinfo=UTC)
    syslog = f"<86>Mar 29 {clock} srv sshd[1]: Server listening on :: port 22."
    nxlog = f'{{"EventID":4624,"SourceName":"x","Channel":"Security","EventTime":"2026-03-29 {clock}"}}'
    assert {read(syslog, received, BERLIN), read(nxlog, received, BERLIN)} == {f"2026-03-29T{meant}.000000Z"}


@pytest.mark.parametrize(
    ("digits", "fraction"),
    [(10, "000000"), (13, "123000"), (16, "123456"), (19, "123456")],
    ids=["s", "ms", "µs", "ns"],
)
def test_a_count_since_1970_is_told_by_its_size(digits: int, fraction: str) -> None:
    line = f'{{"ts":{"1795418100123456789"[:digits]},"msg":"x"}}'
    assert read(line, zone=BERLIN) == f"2026-11-23T07:15:00.{fraction}Z"


@pytest.mark.parametrize(("more", "fraction"), [(0, "000000"), (10, "000001"), (1_234_567, "123456")])
def test_filetime_counts_tenths_of_microseconds_since_1601(more: int, fraction: str) -> None:
    ticks = TICKS + 1_795_418_100 * 10_000_000 + more
    line = f'{{"EventID":4624,"SourceName":"x","Channel":"Security","TimeCreated":{ticks}}}'
    assert read(line, zone=BERLIN) == f"2026-11-23T07:15:00.{fraction}Z"


@pytest.mark.parametrize(
    ("hint", "line"),
    [
        ("iis", "2026-11-23 07:15:00 192.0.2.80 GET /a - 443 - 203.0.113.9 Mozilla/5.0 - 200 0 0 15"),
        ("exchange", "2026-11-23T07:15:00.000Z," + "," * 7 + "RECEIVE" + "," * 12),
        (
            "fortigate",
            'date=2026-11-23 time=08:15:00 eventtime=1795418100000000000 tz="+0100" logid="0000000013" type="traffic"',
        ),
        ("cisco_ios", "<189>45: *Nov 23 08:15:00.000 CET: %SYS-5-CONFIG_I: Configured from console by admin"),
    ],
)
def test_what_says_its_zone_or_has_one_by_its_makers_word_is_not_in_the_zone_of_the_source(
    hint: str, line: str
) -> None:
    assert {read(line, zone=zone, hint=hint) for zone in ("UTC", BERLIN, NEW_YORK)} == {"2026-11-23T07:15:00.000000Z"}


@pytest.mark.parametrize("mark", ["", "*", "."], ids=["set", "not set", "set once"])
def test_marks_of_a_clock_that_is_not_in_step_do_not_hide_its_time(mark: str) -> None:
    line = f"<189>45: {mark}Nov 23 08:15:00.123: %SYS-5-CONFIG_I: Configured from console by admin"
    assert read(line, zone=BERLIN, hint="cisco_ios") == "2026-11-23T07:15:00.123000Z"
