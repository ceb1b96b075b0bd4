"""Bytes to messages: RFC 6587, lines, long messages, and that the pieces make no difference."""

import tracemalloc
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.collect.framing import Framing
from sentinel.collect.lines import MESSAGE_MAX, UTF16_MARKS, Cutter, Line, Lines, Utf16Lines

MB = 1024 * 1024


def feed(cutter: Cutter | Framing, *pieces: bytes) -> list[Line]:
    found = [line for piece in pieces for line in cutter.feed(piece)]
    return found + cutter.end()


def bodies(*pieces: bytes) -> list[bytes]:
    return [line.body for line in feed(Framing(), *pieces)]


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


def test_lines_end_with_lf_or_cr_lf() -> None:
    assert bodies(b"<13>one\r\n<13>two\n<13>three") == [b"<13>one", b"<13>two", b"<13>three"]


def test_a_line_feed_inside_a_counted_frame_belongs_to_the_message() -> None:
    assert bodies(b"11 <13>a\n<13>b7 <13>end") == [b"<13>a\n<13>b", b"<13>end"]


def test_a_line_that_begins_with_digits_is_a_line() -> None:
    assert bodies(b"2026 was a year\n17 more\n") == [b"2026 was a year", b"17 more"]


def test_framing_cannot_change_within_a_connection() -> None:
    assert bodies(b"<13>first\n9 <13>a\n<13>b\n") == [b"<13>first", b"9 <13>a", b"<13>b"]


def test_a_counted_sender_may_end_frames_with_a_line_feed_it_did_not_count() -> None:
    assert bodies(b"5 <13>a\n5 <13>b\n") == [b"<13>a", b"<13>b"]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"0 <13>x", "bad_count"),
        (b"-1 <13>x", "bad_count"),
        (b"05 <13>x", "bad_count"),
        (b"999999999 <13>x", "count_too_large"),
        (b"123456789012 <13>x", "count_too_large"),
        (b"10485761 <13>x", "count_too_large"),
        (b"5 <13>a0 <13>x", "bad_count"),
        (b"5 <13>a-1 <13>x", "bad_count"),
        (b"5 <13>a123456789012", "count_too_large"),
        (b"5 <13>a<13>x", "bad_count"),
    ],
)
def test_a_count_that_cannot_be_ends_the_stream_after_what_was_good(stream: bytes, reason: str) -> None:
    framing = Framing()
    found = [line.body for line in feed(framing, stream, b"<13>smuggled\n5 <13>b")]
    assert framing.broken == reason
    assert found == ([b"<13>a"] if stream.startswith(b"5 ") else [])


def test_a_large_number_without_a_message_behind_it_is_a_line() -> None:
    framing = Framing()
    assert [line.body for line in feed(framing, b"999999999 AAAA\n")] == [b"999999999 AAAA"]
    assert not framing.broken


def test_an_unfinished_message_at_the_end_is_a_record_and_says_so() -> None:
    assert feed(Framing(), b"<13>one\n<13>tw") == [Line(b"<13>one", 8), Line(b"<13>tw", 6, "unfinished")]
    assert feed(Framing(), b"12 <13>on") == [Line(b"<13>on", 15, "unfinished")]
    assert feed(Framing(), b"12 ") == [Line(b"12 ", 3, "unfinished")]


@pytest.mark.parametrize("length", [MESSAGE_MAX - 1, MESSAGE_MAX, MESSAGE_MAX + 1, 10 * MB])
@pytest.mark.parametrize("piece", [65_536, 10 * MB + 100])
@pytest.mark.parametrize("counted", [False, True])
def test_a_long_message_is_cut_and_says_how_long_it_was(length: int, piece: int, counted: bool) -> None:  # noqa: FBT001  a parameter
    message = b"<13>" + b"0123456789abcdef" * (length // 16 + 1)
    message = message[:length]
    stream = b"%d %s5 <13>x" % (length, message) if counted else b"<1>a\n" + message + b"\n<13>x\n"
    lines = feed(Framing(), *(stream[at : at + piece] for at in range(0, len(stream), piece)))
    long = lines[0 if counted else 1]
    assert lines[-1].body == b"<13>x"
    assert len(lines) == (2 if counted else 3)
    assert long.body == message[:MESSAGE_MAX]
    assert long.size == length + (1 + len(str(length)) if counted else 1)
    if length <= MESSAGE_MAX:
        assert long.note == ""
    else:
        assert long.note == f"cut:{length}:sha256={sha256(message).hexdigest()}"


def test_a_hundred_megabytes_without_a_line_end_cost_less_than_one() -> None:
    piece = bytes(64 * 1024).replace(b"\0", b"a")
    framing = Framing()
    tracemalloc.start()
    try:
        for _ in range(100 * MB // len(piece)):
            assert framing.feed(piece) == []
            assert framing.held <= MESSAGE_MAX
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MB
    assert framing.end()[0].note.startswith(f"cut:{100 * MB}:sha256=")


MESSAGES = st.lists(st.binary(max_size=60), max_size=12)
PLACES = st.lists(st.integers(0, 2000), max_size=20)
SMALL = 16


@given(MESSAGES, PLACES)
def test_any_pieces_of_counted_frames_give_the_messages_that_were_sent(
    messages: list[bytes], places: list[int]
) -> None:
    sent = [b"<13>" + message for message in messages]
    stream = b"".join(b"%d %s" % (len(message), message) for message in sent)
    assert bodies(*cut_at(stream, places)) == [message.rstrip(b"\r\n\0") for message in sent]


@given(MESSAGES, PLACES)
def test_any_pieces_of_lines_give_the_messages_that_were_sent(messages: list[bytes], places: list[int]) -> None:
    sent = [b"<13>" + message.replace(b"\n", b"").replace(b"\r", b"") for message in messages]
    assert bodies(*cut_at(b"".join(message + b"\n" for message in sent), places)) == sent


ALPHABET = st.sampled_from([b"<", b"\n", b"\r", b" ", b"0", b"1", b"7", b"-", b"a", b"\0", b"<13>", b"5 <1>a", b"12 <"])


@given(st.lists(ALPHABET, max_size=60).map(b"".join), PLACES)
def test_whatever_comes_the_pieces_make_no_difference(stream: bytes, places: list[int]) -> None:
    whole, pieces = Framing(), Framing()
    assert feed(whole, stream) == feed(pieces, *cut_at(stream, places))
    assert (whole.broken, whole.counted) == (pieces.broken, pieces.counted)


@given(st.lists(st.sampled_from([b"\n", b"\r", b"a", b"bcd", b"x" * 15]), max_size=60).map(b"".join), PLACES)
def test_lines_account_for_every_byte_and_the_pieces_make_no_difference(stream: bytes, places: list[int]) -> None:
    lines = feed(Lines(SMALL), *cut_at(stream, places))
    assert lines == feed(Lines(SMALL), stream)
    assert sum(line.size for line in lines) == len(stream)
    assert all(len(line.body) <= SMALL for line in lines)


TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1, max_size=20), max_size=8
)


@given(TEXTS, st.sampled_from(sorted(UTF16_MARKS)), PLACES)
def test_utf_16_lines_become_utf_8_in_any_pieces(texts: list[str], mark: bytes, places: list[int]) -> None:
    stream = mark + "".join(text + "\r\n" for text in texts).encode(UTF16_MARKS[mark])
    lines = feed(Utf16Lines(mark), *cut_at(stream, places))
    found = [line.body.decode() for line in lines if line.body]

    assert found == texts
    assert sum(line.size for line in lines) == len(stream)


@given(st.binary(max_size=200), st.sampled_from(sorted(UTF16_MARKS)), PLACES)
def test_bytes_that_are_no_utf_16_are_kept_and_the_pieces_make_no_difference(
    data: bytes, mark: bytes, places: list[int]
) -> None:
    stream = mark + data
    lines = feed(Utf16Lines(mark, limit=SMALL), *cut_at(stream, places))
    assert lines == feed(Utf16Lines(mark, limit=SMALL), stream)
    assert sum(line.size for line in lines) == len(stream)


def test_a_lone_half_of_a_character_keeps_its_line_as_it_was() -> None:
    (line,) = feed(Utf16Lines(b"\xff\xfe"), b"\xff\xfea\0\x00\xd8b\0\n\0")
    assert line == Line(b"\xff\xfea\0\x00\xd8b\0", 10, "utf-16 decode_error")
