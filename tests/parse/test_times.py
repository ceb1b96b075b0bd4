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
        assert when.bsd(text, received, zone) == fresh
        assert fresh <= received + timedelta(days=1) or " 20" in text
