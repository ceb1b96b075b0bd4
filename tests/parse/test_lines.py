"""One object for each line, in order."""

from hashlib import sha256
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.clock import ManualClock
from sentinel.core.content import content
from sentinel.parse.lines import LINE_MAX, objects
from sentinel.parse.packs import load
from sentinel.testing.packs import RECEIVED

PACKS = load([content("parsers")], shipped=content("parsers"))
CLOCK = ManualClock(RECEIVED)


@given(lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" ")), max_size=12))
def test_there_are_as_many_objects_as_lines_in_their_order(lines: list[bytes]) -> None:
    told = list(objects(BytesIO(b"".join(line + b"\n" for line in lines)), None, PACKS, CLOCK))
    assert [one["event.sequence"] for one in told] == [1024 * number for number in range(1, len(lines) + 1)]


def test_the_last_line_needs_no_end_and_windows_ends_are_no_part_of_a_line() -> None:
    told = list(objects(BytesIO(b"first\r\n\r\nlast"), "linux_sshd", PACKS, CLOCK))
    assert [one.get("event.original") for one in told] == ["first", None, "last"]
    assert {one["event.kind"] for one in told} == {"pipeline_error"}


def test_a_line_without_end_is_cut_and_says_so() -> None:
    body = b"y" * (2 * LINE_MAX + 7)
    told = list(objects(BytesIO(b"a\n" + body + b"\nb\n"), None, PACKS, CLOCK))
    assert [str(one["event.original"])[:1] for one in told] == ["a", "y", "b"]
    assert told[1]["sentinel.origin.note"] == f"cut:{len(body)}:sha256={sha256(body).hexdigest()}"


def test_a_hint_is_used_and_an_unknown_one_recognised() -> None:
    line = b"Nov 23 11:00:00 bastion01 sshd[1]: Invalid user x from 192.0.2.9 port 22\n"
    for hint in ("linux_sshd", "cs_nobody_knows", None):
        (one,) = objects(BytesIO(line), hint, PACKS, CLOCK, "Europe/Berlin")
        assert one["source.ip"] == "192.0.2.9"
        assert one["@timestamp"] == "2026-11-23T10:00:00.000000Z"
