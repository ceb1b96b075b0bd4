"""Lines of pairs: a layout that is known is read to the same values as pair by pair."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.pack import kv

PAIR = re.compile(r'(?:^|[\s,])([A-Za-z_]\w*)=(?:"([^"]*)"|([^\s,"]*))')
BARE = st.text("ab0=.:\\-ä", max_size=5)
QUOTED = st.text("ab0=., :\\-ä\n", max_size=8)
SHAPE = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.booleans()), min_size=1, max_size=6, unique_by=lambda one: one[0]
)


def line(shape: list[tuple[str, bool]], values: list[tuple[str, str]]) -> str:
    pairs = zip(shape, values, strict=False)
    return " ".join(f'{name}="{long}"' if quoted else f"{name}={short}" for (name, quoted), (short, long) in pairs)


@given(SHAPE, *(st.lists(st.tuples(BARE, QUOTED), min_size=6, max_size=6) for _ in range(2)))
def test_a_known_layout_gives_what_pair_by_pair_gives(
    shape: list[tuple[str, bool]], learned: list[tuple[str, str]], asked: list[tuple[str, str]]
) -> None:
    layouts = kv.Layouts(PAIR, lambda names: names)
    for _ in range(20):
        layouts.read(line(shape, learned))
    assert layouts.read(line(shape, learned)) is not None
    for text in (line(shape, asked), line(shape, asked) + " z=1", line(shape, learned).replace("a=", 'a="')):
        found = layouts.read(text)
        if found is not None:
            assert [*zip(*found, strict=True)] == [(one[1], one[2] or one[3] or "") for one in PAIR.finditer(text)]


def test_a_layout_has_to_come_again_and_again() -> None:
    layouts = kv.Layouts(PAIR, lambda names: names)
    text = 'a=1 b="x y"'
    assert layouts.read(text) is None
    for _ in range(20):
        layouts.read(text)
    assert layouts.read('a=2 b="z"') == (("a", "b"), ("2", "z"))
    assert layouts.read('b="z" a=2') is None
    assert layouts.read("a=2 b=z") is None
    for _ in range(20):
        layouts.read("a=1 a=2")
    assert layouts.read("a=1 a=2") is None


@pytest.mark.parametrize("piece", ["time=", ",a=", "a.", 'a="', "a=\\", ' a="b', "=a"])
def test_what_imitates_pairs_does_not_slow_reading_down(piece: str) -> None:
    """Each of these once took seconds; under ten times as much the test would be stopped."""
    assert len(kv.pairs(piece * (30_000 // len(piece)) + '"')) <= kv.PAIRS_MAX


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ("--user=root x=y;z=1", {"user": "root", "x": "y;z=1"}),
        ('msg="a \\"b\\" c" url=/x?y=z', {"msg": 'a "b" c', "url": "/x?y=z"}),
        ("a==b a=c", {"a": "=b"}),
        ('a=b"c" d=e', {"d": "e"}),
    ],
)
def test_pairs_are_read_as_they_are_written(text: str, found: dict[str, str]) -> None:
    assert kv.pairs(text) == found


def test_a_careless_device_is_read_as_it_was_meant() -> None:
    line = 'device="SFW" mac=00: 0:00: 0 part=Rule One user="" text="User "x" failed a=1 " src=192.0.2.1 e= last="open'
    assert kv.loose(line) == {
        "device": "SFW", "mac": "00: 0:00: 0", "part": "Rule One", "user": "", "text": 'User "x" failed a=1',
        "src": "192.0.2.1", "e": "", "last": "open",
    }  # fmt: skip


def test_what_a_stranger_quotes_correctly_sets_no_pair_of_a_careless_device() -> None:
    assert kv.loose(r'user="x\" src=203.0.113.1 y=\"" src=192.0.2.1 src=203.0.113.2')["src"] == "192.0.2.1"
