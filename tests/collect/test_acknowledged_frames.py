"""Frames of Lumberjack and RELP: any cutting gives the same, and whatever arrives is a frame or a reason."""

import zlib
from itertools import pairwise
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from sentinel.collect import lumberjack_frames as lumberjack
from sentinel.collect import relp_frames as relp
from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.lumberjack_frames import Sent, Window

NUMBERS = st.integers(0, 2**32 - 1)
BODIES = st.binary(max_size=40) | st.binary(min_size=1, max_size=3).map(lambda some: some * 5000)


def window(size: int) -> bytes:
    return pack(">2sI", b"2W", size)


def event(seq: int, body: bytes) -> bytes:
    return pack(">2sII", b"2J", seq, len(body)) + body


def compressed(frames: bytes, level: int = 6) -> bytes:
    data = zlib.compress(frames, level)
    return pack(">2sI", b"2C", len(data)) + data


PLAIN = st.one_of(
    st.integers(1, 1000).map(lambda size: (window(size), [Window(size)])),
    st.tuples(NUMBERS, BODIES).map(lambda one: (event(*one), [Sent(*one)])),
)
PACKED = st.lists(PLAIN, max_size=5).map(
    lambda some: (compressed(b"".join(one for one, _ in some)), [frame for _, frames in some for frame in frames])
)
RELP = st.tuples(st.integers(0, relp.TXNR_MAX), st.from_regex(rb"\A[A-Za-z]{1,32}\Z"), BODIES)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(at)]


def fed(frames: lumberjack.Frames, parts: list[bytes]) -> list[lumberjack.Frame]:
    return [one for part in parts for one in frames.feed(part)]


@given(st.lists(PLAIN | PACKED, max_size=8), st.lists(st.integers(0, 1 << 20), max_size=30))
def test_lumberjack_is_the_same_however_it_is_cut(some: list[tuple[bytes, list[object]]], cuts: list[int]) -> None:
    frames = lumberjack.Frames()
    found = fed(frames, pieces(b"".join(data for data, _ in some), cuts))
    assert found == [frame for _, meant in some for frame in meant]
    assert (frames.broken, frames.held) == ("", 0)


@given(st.lists(PLAIN, max_size=3))
def test_lumberjack_byte_by_byte_is_the_same(some: list[tuple[bytes, list[object]]]) -> None:
    data = compressed(b"".join(data for data, _ in some))
    found = fed(lumberjack.Frames(), [data[at : at + 1] for at in range(len(data))])
    assert found == [frame for _, meant in some for frame in meant]


@given(
    st.sampled_from([b"", b"2", b"2J", b"2W", b"2C", compressed(event(1, b"{}"))[:-3]]), st.binary(max_size=300),
    st.lists(st.integers(0, 300), max_size=5),
)  # fmt: skip
def test_lumberjack_says_what_is_wrong_and_raises_nothing(start: bytes, rest: bytes, cuts: list[int]) -> None:
    frames = lumberjack.Frames()
    fed(frames, pieces(start + rest, cuts))
    assert frames.held <= len(start + rest)
    assert fed(frames, [b""]) == []
    if frames.broken:
        assert frames.feed(event(1, b"{}")) == []


def test_lumberjack_refuses_what_its_limits_forbid() -> None:
    bomb = compressed(event(1, bytes(lumberjack.FRAME_MAX)), 9)
    many = b"".join(event(seq, b"1") for seq in range(lumberjack.WINDOW_MAX + 1))
    cases = {
        b"1D": "version", b"2D": "frame_kind", b"GET / HTTP/1.1": "version", b"2A\0\0\0\1": "frame_kind",
        window(0): "window", window(lumberjack.WINDOW_MAX + 1): "window",
        pack(">2sII", b"2J", 1, lumberjack.FRAME_MAX + 1): "frame_too_large",
        pack(">2sI", b"2C", lumberjack.FRAME_MAX + 1): "frame_too_large", pack(">2sI", b"2C", 0): "compression",
        compressed(compressed(event(1, b"{}"))): "nested", compressed(event(1, b"{}")[:-1]): "compression",
        pack(">2sI", b"2C", 9) + b"not zlib!": "compression", bomb: "ratio", many: "unanswered",
        compressed(many): "unanswered",
    }  # fmt: skip
    for data, reason in cases.items():
        frames = lumberjack.Frames()
        frames.feed(data)
        assert frames.broken == reason, data[:20]
        assert frames.held < 2 * MESSAGE_MAX


def test_logs_that_repeat_may_become_a_hundred_times_as_long() -> None:
    body = b'{"message":"' + b"the same again " * 160 + b'"}'
    data = compressed(b"".join(event(seq, body) for seq in range(2048)), 9)
    frames = lumberjack.Frames()
    assert len(frames.feed(data)) == 2048
    assert 2048 * len(body) > 100 * len(data)


def test_of_a_very_long_event_the_beginning_is_kept() -> None:
    frames = lumberjack.Frames()
    body = b"x" * (MESSAGE_MAX + 1)
    (sent,) = fed(frames, pieces(event(7, body), list(range(0, len(body), 60_000))))
    assert isinstance(sent, Sent)
    assert len(sent.body) == MESSAGE_MAX
    assert sent.note.startswith(f"cut:{len(body)}:sha256=")


def test_answered_events_make_room_for_others() -> None:
    frames = lumberjack.Frames()
    for _ in range(5):
        sent = frames.feed(b"".join(event(seq, b"12") for seq in range(lumberjack.WINDOW_MAX)))
        assert len(sent) == lumberjack.WINDOW_MAX
        frames.answered(len(sent), 2 * len(sent))
    assert not frames.broken


@given(st.lists(RELP, max_size=12), st.lists(st.integers(0, 1 << 18), max_size=30))
def test_relp_is_the_same_however_it_is_cut(some: list[tuple[int, bytes, bytes]], cuts: list[int]) -> None:
    frames = relp.Frames()
    data = b"".join(relp.frame(*one) for one in some)
    assert [one for part in pieces(data, cuts) for one in frames.feed(part)] == [relp.Frame(*one) for one in some]
    assert (frames.broken, frames.held) == ("", 0)


@given(st.lists(RELP, max_size=5), st.binary(max_size=80))
def test_relp_byte_by_byte_is_the_same_as_at_once(some: list[tuple[int, bytes, bytes]], rest: bytes) -> None:
    data = b"".join(relp.frame(txnr, command, body[:40]) for txnr, command, body in some) + rest
    whole, single = relp.Frames(), relp.Frames()
    at_once = whole.feed(data)
    assert [one for at in range(len(data)) for one in single.feed(data[at : at + 1])] == at_once
    assert single.broken == whole.broken


def test_relp_refuses_what_cannot_be_a_frame() -> None:
    cases = {
        b"x": "bad_frame", b"-1 syslog 1 x": "bad_frame", b"1234567890 syslog": "bad_frame", b"1  syslog": "bad_frame",
        b"1 sys1og": "bad_frame", b"1 syslog 3\n": "bad_frame", b"1 syslog 1 xy": "bad_frame",
        b"1 syslog 10485761 ": "frame_too_large", b"1 " + b"a" * 33: "bad_frame", b"\x16\x03\x01": "bad_frame",
    }  # fmt: skip
    for data, reason in cases.items():
        frames = relp.Frames()
        assert frames.feed(data) == []
        assert frames.broken == reason, data


def test_relp_counts_round() -> None:
    assert (relp.after(1), relp.after(relp.TXNR_MAX)) == (2, 1)
