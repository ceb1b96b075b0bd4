"""The door to tshark: whatever tshark or the file does, the reader says so and leaves nothing behind."""

import asyncio
import gzip
import os
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import ConfigError, Exit, UsageError
from sentinel.sense.capture import LINE_BYTES_MAX, CaptureError, Column, Reader, TsharkMissingError
from sentinel.testing.packets import SECOND, Frame, Story, udp, write_pcap

COLUMNS = (Column("frame.time_epoch"), Column("ip.src", every=True), Column("udp.srcport"), Column("dns.qry.name"))
START = 1_780_000_000 * SECOND
Write = Callable[[Iterable[Frame]], Path]
Script = Callable[[str], Path]


def datagrams(count: int) -> list[Frame]:
    return [(START + number, udp("192.0.2.1", "192.0.2.2", 1000 + number % 5000, 9, b"x")) for number in range(count)]


def children() -> list[str]:
    """Return the command lines of processes this one has started and not waited for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append((stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [line for line in found if "tshark" in line or "sleep" in line or not line]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Make a shell script that stands where tshark is expected."""

    def make(text: str) -> Path:
        path = tmp_path / "tshark"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterable[None]:
    before = set(Path(tempfile.gettempdir()).glob("wireshark*"))
    yield
    assert children() == []
    assert set(Path(tempfile.gettempdir()).glob("wireshark*")) == before


def test_every_packet_is_a_row_with_every_cell(capture: Write) -> None:
    reader = Reader(capture(datagrams(3)), COLUMNS)
    assert list(reader.rows()) == [
        ["1780000000.000000000", "192.0.2.1", "1000", ""],
        ["1780000000.000000001", "192.0.2.1", "1001", ""],
        ["1780000000.000000002", "192.0.2.1", "1002", ""],
    ]
    assert reader.problems == []


def test_a_capture_without_packets_is_read_without_complaint(capture: Write) -> None:
    reader = Reader(capture([]), COLUMNS)
    assert (list(reader.rows()), reader.problems) == ([], [])


def test_it_reads_inside_a_running_event_loop(capture: Write) -> None:
    path = capture(datagrams(3))

    async def main() -> int:
        return len(list(Reader(path, COLUMNS).rows()))

    assert asyncio.run(main()) == 3


def test_it_reads_in_another_thread(capture: Write) -> None:
    path = capture(datagrams(3))
    assert asyncio.run(asyncio.to_thread(lambda: len(list(Reader(path, COLUMNS).rows())))) == 3


def test_a_gzipped_capture_is_read_too(capture: Write, tmp_path: Path) -> None:
    packed = tmp_path / "capture.pcap.gz"
    packed.write_bytes(gzip.compress(capture(datagrams(5)).read_bytes()))
    assert len(list(Reader(packed, COLUMNS).rows())) == 5


def test_a_file_called_like_an_option_is_a_file(
    capture: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-", "-w", "a b;c$(d)"):
        capture(datagrams(2)).rename(tmp_path / name)
        assert len(list(Reader(Path(name), COLUMNS).rows())) == 2


def test_a_config_file_in_the_current_folder_does_not_choose_the_tshark(
    capture: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.ini").write_text("[tshark]\ntshark_path = /bin/false\n")
    monkeypatch.chdir(tmp_path)
    assert len(list(Reader(capture(datagrams(2)), COLUMNS).rows())) == 2


@pytest.mark.kill
@pytest.mark.parametrize(("signal", "name"), [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV")])
def test_a_tshark_killed_half_way_is_reported_and_what_it_read_is_kept(
    capture: Write, script: Script, signal: str, name: str
) -> None:
    tshark = script(f'/usr/bin/tshark "$@" | head -c 20000\nkill -{signal} $$')
    reader = Reader(capture(datagrams(2000)), COLUMNS, tshark)
    rows = list(reader.rows())
    assert 100 < len(rows) < 2000
    assert all(len(row) == len(COLUMNS) for row in rows)
    (problem,) = reader.problems
    assert f"killed ({name})" in problem
    assert f"{len(rows)} packets" in problem


@pytest.mark.kill
def test_a_tshark_killed_before_its_first_row_is_an_error(capture: Write, script: Script) -> None:
    reader = Reader(capture(datagrams(10)), COLUMNS, script("kill -SEGV $$"))
    with pytest.raises(CaptureError, match="SIGSEGV"):
        list(reader.rows())


def test_a_tshark_that_falls_silent_is_stopped_and_what_it_read_is_kept(capture: Write, script: Script) -> None:
    rows = "a\\tb\\tc\\td\\n" * 100
    reader = Reader(capture(datagrams(1)), COLUMNS, script(f"printf '{rows}'\nexec sleep 600"), stall_seconds=3)
    assert list(reader.rows()) == [["a", "b", "c", "d"]] * 100
    assert "said nothing for 3 s" in reader.problems[0]


def test_a_tshark_that_writes_rubbish_is_reported(capture: Write, script: Script) -> None:
    tshark = script('head -c 2000 /dev/urandom; echo; head -c 100000 /dev/zero >&2; exec /usr/bin/tshark "$@"')
    reader = Reader(capture(datagrams(10)), COLUMNS, tshark)
    assert len(list(reader.rows())) >= 10
    assert "could not be understood" in reader.problems[0]


def test_a_row_beyond_the_limit_is_left_out_and_said(capture: Write, script: Script) -> None:
    tshark = script(f"head -c {3 * LINE_BYTES_MAX} /dev/zero | tr '\\0' x; echo; exec /usr/bin/tshark \"$@\"")
    reader = Reader(capture(datagrams(10)), COLUMNS, tshark)
    assert len(list(reader.rows())) == 10
    assert reader.problems == [f"a packet's row of more than {LINE_BYTES_MAX} bytes was left out"]


def test_a_reader_that_is_let_go_leaves_no_process(capture: Write) -> None:
    rows = Reader(capture(datagrams(30_000)), COLUMNS).rows()
    next(rows)
    rows.close()  # type: ignore[attr-defined]  # it is a generator
    assert children() == []


def test_a_machine_without_tshark_is_told_what_to_install(capture: Write, tmp_path: Path) -> None:
    with pytest.raises(TsharkMissingError, match="apt install tshark") as error:
        Reader(capture(datagrams(1)), COLUMNS, tmp_path / "nowhere")
    assert isinstance(error.value, ConfigError)


def test_what_tshark_may_do_is_limited(capture: Write, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    # the script answers with its own limits and environment as if they were cells
    lines = script(
        "printf '%s\\t%s\\t%s\\t%s\\n' $(ulimit -c) $(ulimit -f) $(ulimit -n) \"$TZ$LC_ALL$HOME$USER$SECRET\""
    )
    monkeypatch.setenv("SECRET", "not for tshark")
    assert list(Reader(capture(datagrams(1)), COLUMNS, lines).rows()) == [["0", "0", "64", "UTCC/nonexistent"]]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _foreign_link(path: Path) -> None:
    write_pcap(path, datagrams(1), link=9999)


def _huge_packet(path: Path) -> None:
    path.write_bytes(path.read_bytes() + pack("<IIII", 1, 0, 0x7FFFFFFF, 0x7FFFFFFF) + b"x" * 50)


@pytest.mark.parametrize("damage", [_cut, _huge_packet])
def test_a_damaged_capture_gives_what_can_be_read_and_says_so(capture: Write, damage: Callable[[Path], None]) -> None:
    path = capture(datagrams(20))
    damage(path)
    reader = Reader(path, COLUMNS)
    assert len(list(reader.rows())) >= 19
    assert len(reader.problems) == 1
    assert "tshark gave up (exit 2)" in reader.problems[0]


def test_a_link_type_tshark_does_not_know_is_an_error_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    _foreign_link(path)
    with pytest.raises(CaptureError, match="network type 9999 unknown or unsupported") as error:
        list(Reader(path, COLUMNS).rows())
    assert error.value.exit_code == Exit.USAGE
    assert isinstance(error.value, UsageError)
    assert "dangerous" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"GET / HTTP/1.1\r\n\r\n", b'{"a": 1}', b"\x1f\x8b", b"\x1f\x8b\x08" + b"x" * 50]
)
def test_what_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"file\.pcap"):
        list(Reader(path, COLUMNS).rows())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CaptureError, match="directory"):
            list(Reader(path, COLUMNS).rows())


def test_captures_with_random_damage_never_break_the_reader(capture: Write, rng: Random, story: Story) -> None:
    story.browse(START, "10.10.1.50", "192.0.2.9", "www.example.org")
    whole = bytearray(capture(story.frames).read_bytes())
    for _ in range(12):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 40)):
            damaged[rng.randrange(24, len(damaged))] = rng.randrange(256)
        path = capture([])
        path.write_bytes(damaged)
        reader = Reader(path, COLUMNS)
        try:
            rows = list(reader.rows())
        except CaptureError:
            continue
        assert rows


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=30), max_size=20),
    cuts=st.lists(st.integers(0, 700), max_size=12),
)
def test_rows_are_the_same_however_the_pipe_cuts_them(lines: list[str], cuts: list[int]) -> None:
    data = "".join(line + "\n" for line in lines).encode() + b"a row without its en"
    reader = Reader(Path("unused"), COLUMNS)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in pairwise(edges):
        reader._blocks.put(data[start:end])
    reader._blocks.put(None)
    assert list(reader._lines()) == lines
