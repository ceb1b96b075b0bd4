"""Community IDs are those of the specification's reference implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.pack.community import community_id, counterpart

# https://github.com/corelight/community-id-spec, baseline/baseline_deflt.json and the README
VECTORS = [
    ("128.232.110.120", "66.35.250.204", 6, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("192.168.1.52", "8.8.8.8", 17, 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    ("192.168.0.89", "192.168.0.1", 1, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    ("192.168.170.8", "192.168.170.56", 132, 7, 80, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
]


@pytest.mark.parametrize(("src", "dst", "proto", "sport", "dport", "expected"), VECTORS)
def test_the_specifications_examples_come_out(
    src: str, dst: str, proto: int, sport: int, dport: int, expected: str
) -> None:
    assert community_id(src, dst, proto, sport, dport) == expected


@given(
    ends=st.tuples(st.ip_addresses(v=4).map(str), st.ip_addresses(v=4).map(str)),
    ports=st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
    proto=st.sampled_from([6, 17]),
)
def test_both_directions_have_one_id(ends: tuple[str, str], ports: tuple[int, int], proto: int) -> None:
    there = community_id(ends[0], ends[1], proto, ports[0], ports[1])
    assert there == community_id(ends[1], ends[0], proto, ports[1], ports[0])


def test_an_echo_and_its_reply_have_one_id() -> None:
    there = community_id("192.0.2.1", "192.0.2.2", 1, 8, 0)
    assert there == community_id("192.0.2.2", "192.0.2.1", 1, 0, 0)
    assert counterpart(1, 8) == 0


def test_what_goes_one_way_keeps_its_direction() -> None:
    there = community_id("192.0.2.1", "192.0.2.2", 1, 3, 1)
    assert there != community_id("192.0.2.2", "192.0.2.1", 1, 3, 1)


def test_another_seed_gives_another_id() -> None:
    assert community_id("192.0.2.1", "192.0.2.2", 6, 1, 2, seed=1) != community_id("192.0.2.1", "192.0.2.2", 6, 1, 2)
