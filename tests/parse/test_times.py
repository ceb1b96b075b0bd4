"""What is remembered between lines never changes what a line means."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import ParseError
from sentinel.pack import when

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2029, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001  the zone follows
TEXTS = st.one_of(
    st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 31)).map(lambda one: f"{one:%b %d %H:%M:%S}"),  # noqa: DTZ001  a text without a zone
    st.sampled_from(["Feb 29 10:00:00", "Dec 31 23:59:59", "Mar 29 02:30:00", "Nov 23 2025 10:00:00", "Foo 1 1:1:1"]),
)


@given(st.lists(st.tuples(TEXTS, MOMENTS, st.sampled_from(["UTC", "Europe/Berlin"])), max_size=6), st.integers(-9, 9))
def test_a_time_without_a_year_means_the_same_whatever_was_read_before(
    lines: list[tuple[str, datetime, str]], hours: int
) -> None:
    for text, received, zone in [*lines, *((text, at + timedelta(days=365, hours=hours), z) for text, at, z in lines)]:
        try:
            fresh = when._bsd(text, received + timedelta(days=1), zone)
        except ParseError:
            continue
        assert when.bsd(text, received, zone) in {fresh, when._again(fresh, zone)}
        assert fresh <= received + timedelta(days=1) or " 20" in text


def test_the_hour_that_comes_twice_is_the_one_in_which_a_line_comes() -> None:
    for received, happened in [
        (datetime(2026, 10, 25, 0, 30, 1, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 29, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),  # a minute ahead
        (datetime(2026, 10, 25, 0, 45, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # a little late
        (datetime(2026, 10, 25, 6, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ]:
        assert when.bsd("Oct 25 02:30:00", received, "Europe/Berlin") == happened
    for text, received, happened in [
        ("Oct 25 01:59:59", datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        ("Oct 25 03:00:00", datetime(2026, 10, 25, 2, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)),
        ("Mar 28 01:59:59", datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC)),
        ("Mar 28 03:00:00", datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC)),
    ]:
        assert when.bsd(text, received, "Europe/Berlin") == happened
