"""Followed files: every rotation, every restart, nothing lost and nothing twice."""

import asyncio
import gzip
import json
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.collect.files import FollowedFiles
from sentinel.collect.identity import family
from sentinel.collect.lines import MESSAGE_MAX
from sentinel.core.clock import ManualClock
from sentinel.core.errors import SpoolError
from tests.collect.following import HEADER, Follower, Writer, once, settle

if TYPE_CHECKING:
    from sentinel.core.event import Raw
    from tests.collect.conftest import DiskSink, Until

Follow = Callable[..., Follower]


HEADERS = pytest.mark.parametrize("header", [b"", HEADER], ids=["no header", "the same header"])
PATTERNS = pytest.mark.parametrize("pattern", ["app.log", "app.log*"])


@HEADERS
@PATTERNS
@pytest.mark.parametrize("seen", [True, False], ids=["all read", "some unread"])
def test_rename_and_create(follow: Follow, header: bytes, pattern: str, seen: bool) -> None:  # noqa: FBT001  a parameter
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(4):
        writer.log()
        follower.poll()
        if not seen:
            writer.log()
        writer.rename()
    writer.log()
    settle(follower, writer)


@HEADERS
@PATTERNS
@pytest.mark.parametrize("seen", [True, False], ids=["all read", "some unread"])
def test_copy_and_truncate(follow: Follow, header: bytes, pattern: str, seen: bool) -> None:  # noqa: FBT001  a parameter
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(4):
        writer.log(40)
        follower.poll()
        if not seen:
            writer.log()
        writer.copytruncate()
        writer.log(5)
        follower.poll()
    settle(follower, writer)


@HEADERS
@PATTERNS
@pytest.mark.parametrize("more", [20, 21, 200])
def test_copy_and_truncate_and_filled_again_past_the_old_offset(
    follow: Follow, header: bytes, pattern: str, more: int
) -> None:
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(3):
        writer.log(20)
        follower.poll()
        writer.copytruncate()
        writer.log(more)
    settle(follower, writer)


@HEADERS
@PATTERNS
def test_delete_and_create_with_the_same_inode(follow: Follow, header: bytes, pattern: str) -> None:
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    reused = 0
    for _ in range(6):
        writer.log(30)
        follower.poll()
        inode = writer.path.stat().st_ino
        follower.stop()  # an open file keeps its inode from being given away
        follower.files._tails.clear()
        writer.recreate()
        writer.log(40)
        reused += writer.path.stat().st_ino == inode
    settle(follower, writer)


def test_lines_written_before_a_deletion_are_still_read(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    writer.log()
    follower.poll()
    writer.log()
    writer.recreate()
    writer.log()
    settle(follower, writer)


@HEADERS
@PATTERNS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate"])
def test_two_rotations_between_two_looks(follow: Follow, header: bytes, pattern: str, rotate: str) -> None:
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(3):
        writer.log()
        follower.poll()
        for _ in range(2):
            writer.log(15)
            getattr(writer, rotate)()
            writer.log(3)
    settle(follower, writer)


@HEADERS
@PATTERNS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate", "both", "compressed"])
def test_rotation_while_down(follow: Follow, header: bytes, pattern: str, rotate: str) -> None:
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(3):
        writer.log(30)
        follower.poll()
        follower.stop()
        writer.log(10)
        if rotate in {"copytruncate", "both"}:
            writer.copytruncate()
            writer.log(50)
        if rotate in {"rename", "both", "compressed"}:
            writer.rename()
            writer.log(12)
        if rotate == "compressed":
            writer.compress(1)
        follower.fresh()
    settle(follower, writer)


@HEADERS
@PATTERNS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate"])
def test_compressed_files_are_not_read_again(follow: Follow, header: bytes, pattern: str, rotate: str) -> None:
    follower = follow(pattern)
    writer = Writer(follower.logs, header=header)
    for _ in range(3):
        writer.log(30)
        follower.poll()
        writer.log(7)
        getattr(writer, rotate)()
        writer.log(5)
        follower.poll()
        writer.compress(1)
        follower.poll()
    settle(follower, writer)


def test_a_file_compressed_before_it_was_read_is_finished_from_the_compressed_one(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    writer.log(30)
    follower.poll()
    follower.stop()
    follower.files._tails.clear()
    writer.log(30)
    writer.rename()
    writer.compress(1)
    settle(follower, writer)


def test_compressed_files_that_were_never_seen_are_read_once(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    for _ in range(3):
        writer.log(2000)
        writer.shift()
        writer.path.rename(writer.old(1))
        writer.create()
        writer.compress(1)
    writer.log()
    settle(follower, writer)
    follower.fresh()
    settle(follower, writer)
    writer.shift()
    settle(follower, writer)


def test_a_compressed_file_is_read_when_it_is_whole(follow: Follow, clock: ManualClock) -> None:
    follower = follow("*.gz")
    packed = gzip.compress(b"".join(b"%d\n" % number for number in range(5000)))
    path = follower.logs / "old.log.1.gz"
    path.write_bytes(packed[:3000])
    os.utime(path, (clock.now().timestamp(),) * 2)
    follower.poll(3)
    assert follower.sink.bodies() == []
    path.write_bytes(packed)
    follower.poll(2)
    assert follower.sink.bodies() == [b"%d" % number for number in range(5000)]


def test_of_a_compressed_file_that_stays_cut_off_is_read_what_is_there(follow: Follow, clock: ManualClock) -> None:
    follower = follow("*.gz")
    packed = gzip.compress(b"".join(b"%d\n" % number for number in range(50_000)))
    path = follower.logs / "old.log.1.gz"
    path.write_bytes(packed[: len(packed) // 2])
    os.utime(path, (clock.now().timestamp(),) * 2)
    follower.poll()
    clock.advance(timedelta(minutes=1))
    follower.poll(2)
    bodies = follower.sink.bodies()
    assert len(bodies) > 10_000
    assert bodies[:-1] == [b"%d" % number for number in range(len(bodies) - 1)]
    assert follower.files.counters.damaged == 1
    assert "damaged" in follower.files.counters.problems[str(path)]


def test_a_copy_in_the_making_is_not_read(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    writer.log(100)
    follower.poll()
    content = writer.path.read_bytes()
    for part in (0, 1, 500, len(content) // 2, len(content)):
        writer.old(1).write_bytes(content[:part])
        follower.poll()
    writer.log(10)  # lost to the copy, but not to us
    follower.poll()
    os.truncate(writer.path, 0)
    writer.log(10)
    settle(follower, writer)
    assert follower.files.counters.received == 120


def test_a_new_file_with_the_inode_of_an_empty_relative_is_read(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    writer.log(14)
    writer.rename()
    writer.rename()
    follower.poll(2)
    empty = writer.old(1)
    assert empty.stat().st_size == 0
    writer.path.unlink()
    empty.rename(writer.path)  # the same inode, for certain
    writer.log(7)
    settle(follower, writer)


def test_identical_lines_of_identical_files_are_all_kept(follow: Follow) -> None:
    follower = follow()
    path = follower.logs / "app.log"
    for generation in range(3):
        path.write_bytes(b"same\n" * 100)
        follower.poll()
        path.rename(follower.logs / f"app.log.{3 - generation}")
    follower.poll(2)
    assert len(set(follower.sink.ids())) == 300


def test_files_of_the_same_content_in_two_places_are_two_files(follow: Follow) -> None:
    follower = follow("**/*.log")
    for host in ("a", "b"):
        (follower.logs / host).mkdir()
        (follower.logs / host / "app.log").write_bytes(HEADER + b"one\ntwo\n")
    follower.poll(2)
    assert len(set(follower.sink.ids())) == 2 * 42


def test_the_identity_of_a_line_does_not_change_while_the_file_grows(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    for _ in range(80):
        writer.log(1)
        follower.poll()
    first = set(follower.sink.ids())
    follower.checkpoint.unlink()
    follower.fresh().counters.received = 0
    once(follower, writer)
    assert follower.files.counters.received == 80
    assert set(follower.sink.ids()) == first


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"{", b'{"version": 1, "streams": [{}]}', b"\xff", None])
def test_a_lost_checkpoint_reads_again_and_stores_nothing_twice(follow: Follow, damage: bytes | None) -> None:
    follower = follow()
    follower.start = "end"
    follower.fresh()
    writer = Writer(follower.logs)
    follower.poll()
    for rotate in (writer.rename, writer.copytruncate, writer.rename):
        writer.log(40)
        follower.poll()
        rotate()
    writer.log()
    writer.compress(1)
    settle(follower, writer)
    if damage is None:
        follower.start = "beginning"
        follower.checkpoint.unlink()
    else:
        follower.checkpoint.write_bytes(damage)
    follower.fresh()
    once(follower, writer)


def test_from_the_end_on_only_what_is_new_is_read(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs, header=HEADER)
    writer.log(3000)
    writer.rename()
    writer.compress(1)
    writer.log(10)
    follower.start = "end"
    follower.fresh()
    follower.poll()
    assert follower.sink.bodies() == []
    writer.sent.clear()
    writer.log(5)
    follower.poll()
    writer.rename()
    writer.log(5)
    settle(follower, writer)


def test_old_relatives_of_a_plain_path_are_not_read(follow: Follow) -> None:
    follower = follow("app.log")
    writer = Writer(follower.logs)
    for _ in range(3):
        writer.log(10)
        writer.rename()
    writer.compress(2)
    writer.sent.clear()
    writer.log(10)
    settle(follower, writer)


def test_the_mark_moves_only_after_the_sink_has_kept_what_was_read(follow: Follow) -> None:
    follower = follow()
    writer = Writer(follower.logs)
    writer.log(10)
    follower.poll()
    kept = follower.checkpoint.read_bytes()
    writer.log(10)
    follower.sink.failure = SpoolError("the disk is gone")
    with pytest.raises(SpoolError):
        follower.poll()
    follower.files._settle()
    offset = json.loads(kept)["streams"][0]["offset"]
    assert json.loads(follower.checkpoint.read_bytes())["streams"][0]["offset"] == offset
    follower.sink.failure = None
    follower.stop()
    follower.fresh()
    settle(follower, writer)


def test_an_unfinished_line_waits_and_is_then_taken(follow: Follow, clock: ManualClock) -> None:
    follower = follow()
    path = follower.logs / "app.log"
    path.write_bytes(b"whole\npart")
    follower.poll(2)
    clock.advance(timedelta(seconds=29))
    follower.poll()
    assert follower.sink.bodies() == [b"whole"]
    clock.advance(timedelta(seconds=1))
    follower.poll(2)
    with path.open("ab") as file:
        file.write(b"ly\nnext\n")
    follower.poll(2)
    assert [(raw.body, raw.origin.note) for raw in follower.sink.raws()] == [
        (b"whole", ""), (b"part", "unfinished"), (b"ly", ""), (b"next", ""),
    ]  # fmt: skip
    assert len(set(follower.sink.ids())) == 4


def test_bytes_stay_as_they_are(follow: Follow) -> None:
    follower = follow()
    lines = [b"caf\xe9 \xfcber", b"nul\0nul", b"\xff\xfe\x80", "grüße".encode(), b"\x1b[31mred", b" \t "]
    (follower.logs / "app.log").write_bytes(b"\n\r\n" + b"\r\n".join(lines) + b"\r\n\n")
    follower.poll()
    assert follower.sink.bodies() == lines


@pytest.mark.parametrize(("mark", "coding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_becomes_utf_8_through_growth_restart_and_rotation(follow: Follow, mark: bytes, coding: str) -> None:
    follower = follow()
    path = follower.logs / "app.log"
    content = mark + "".join(f"{n}: Bürgerbüro Ċ 😀\r\n" for n in range(100)).encode(coding)
    for end in (1, 2, 3, 50, 51, 1000, 1001, 2500):
        path.write_bytes(content[:end])  # the same inode, as if it had been appended to
        follower.poll()
        follower.stop()
        follower.fresh()
    path.write_bytes(content)
    path.rename(follower.logs / "app.log.1")
    follower.poll(2)
    assert [raw.body.decode() for raw in follower.sink.raws()] == [f"{n}: Bürgerbüro Ċ 😀" for n in range(100)]
    assert {raw.origin.note for raw in follower.sink.raws()} == {"utf-16"}


def test_a_long_line_is_cut_and_what_follows_is_read(follow: Follow) -> None:
    follower = follow()
    long = bytes(range(32, 127)) * (10 * 1024 * 1024 // 95)
    (follower.logs / "app.log").write_bytes(b"before\n" + long + b"\nafter\n")
    follower.poll()
    before, cut, after = follower.sink.raws()
    assert (before.body, after.body) == (b"before", b"after")
    assert cut.body == long[:MESSAGE_MAX]
    assert cut.origin.note == f"cut:{len(long)}:sha256={sha256(long).hexdigest()}"
    follower.checkpoint.unlink()
    follower.fresh()
    follower.poll()
    assert len(set(follower.sink.ids())) == 3


def test_many_files_are_followed_with_few_open(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.collect.files.OPEN_MAX", 5)
    follower = follow("*.log")
    writers = [Writer(follower.logs, f"{number:02}.log") for number in range(20)]
    for at in range(4):
        for number, writer in enumerate(writers):
            writer.number = number * 1000 + at * 100
            writer.log(3)
        follower.poll()
        assert len(follower.files._tails) <= 5
    follower.poll(2)
    assert sorted(follower.sink.bodies()) == sorted(line for writer in writers for line in writer.sent)


def test_files_that_cannot_be_read_are_reported_and_hurt_no_other(follow: Follow) -> None:
    follower = follow("*")
    (follower.logs / "folder").mkdir()
    os.mkfifo(follower.logs / "pipe")
    (follower.logs / "dangling").symlink_to(follower.logs / "nowhere")
    (follower.logs / "app.log").write_bytes(b"one\n")
    (follower.logs / "same.log").symlink_to(follower.logs / "app.log")
    follower.poll(2)
    assert follower.sink.bodies() == [b"one"]


def test_a_mark_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, until: "Until"
) -> None:
    writer = Writer(tmp_path)
    mark = tmp_path / "nowhere" / "checkpoint.json"

    async def scenario() -> None:
        files = FollowedFiles("logs", clock, [str(writer.path)], checkpoint=mark, poll_seconds=0.01)
        task = asyncio.create_task(files.run(sink))
        writer.log(10)
        await until(lambda: str(mark) in files.counters.problems)
        mark.parent.mkdir()
        writer.log(10)
        await until(mark.exists)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert sink.bodies() == writer.sent


def test_it_runs_polls_and_stops(tmp_path: Path, sink: "DiskSink", clock: ManualClock, until: "Until") -> None:
    writer = Writer(tmp_path)

    async def scenario() -> None:
        files = FollowedFiles(
            "logs", clock, [str(tmp_path / "app.log*")], checkpoint=tmp_path / "checkpoint.json", poll_seconds=0.01
        )
        task = asyncio.create_task(files.run(sink))
        await files.ready.wait()
        for rotate in (writer.rename, writer.copytruncate, writer.rename):
            writer.log(100)
            await until(lambda: files.counters.written == len(writer.sent))
            rotate()
        writer.log(100)
        await until(lambda: files.counters.written == len(writer.sent))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files._tails == {}

    asyncio.run(scenario())
    assert sink.bodies() == writer.sent
    marks = json.loads((tmp_path / "checkpoint.json").read_text("utf-8"))["streams"]
    assert sum(mark["offset"] for mark in marks) == sum(len(line) + 1 for line in writer.sent)


@settings(max_examples=max(30, settings().max_examples // 4))
@given(st.lists(st.sampled_from(["log", "log", "poll", "rename", "copytruncate", "compress", "restart"]), max_size=25))
def test_whatever_order_things_happen_in_nothing_is_lost_or_doubled(steps: list[str]) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415  fixtures cannot be used with examples
    from tempfile import TemporaryDirectory  # noqa: PLC0415  as above

    kept: list[tuple[str, bytes]] = []

    class Memory:
        path = Path()

        async def write(self, raws: "Sequence[Raw]", /) -> int:
            kept.extend((raw.origin.position, raw.body) for raw in raws)
            return len(kept)

    with TemporaryDirectory() as folder:
        follower = Follower(Path(folder), Memory(), ManualClock(datetime(2026, 11, 23, tzinfo=UTC)))  # type: ignore[arg-type]  # a sink
        writer = Writer(follower.logs, header=HEADER)
        try:
            for step in steps:
                match step:
                    case "log":
                        writer.log(7)
                    case "poll":
                        follower.poll()
                    case "restart":
                        follower.stop()
                        follower.fresh()
                    case "compress":
                        if writer.old(1).exists():
                            writer.compress(1)
                    case rotate:
                        getattr(writer, rotate)()
            follower.poll(3)
        finally:
            follower.stop()
    header = set(HEADER.splitlines())  # a file filled again with nothing but the same header has not changed
    assert sorted(body for _, body in kept if body not in header) == sorted(set(writer.sent) - header)
    assert header <= {body for _, body in kept}
    assert len({position for position, _ in kept}) == len(kept)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("auth.log", "auth.log"), ("auth.log.1", "auth.log"), ("auth.log.12.gz", "auth.log"),
        ("auth.log-20261123", "auth.log"), ("auth.log-20261123.gz", "auth.log"),
        ("auth.log-2026-11-23T081500", "auth.log"), ("app-2026-11-23.log", "app.log"),
        ("app.2026-11-23.log.gz", "app.log"), ("u_ex261123.log", "u_ex261123.log"), ("fw.1.log", "fw.1.log"),
        (".1", ".1"), (".gz", ".gz"), ("1", "1"),
    ],
)  # fmt: skip
def test_rotation_leaves_the_family_of_a_name(name: str, plain: str) -> None:
    assert family(Path("/var/log") / name) == Path("/var/log") / plain
