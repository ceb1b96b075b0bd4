"""The door to tshark: whatever tshark does, we hear of it, and it leaves nothing behind."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import ConfigError
from sentinel.sense.capture import LINE_BYTES_MAX, Dissector
from sentinel.sense.columns import Cells, Column
from sentinel.sense.filepass import FilePass
from sentinel.sense.records import Dns, Flow, Record
from sentinel.sense.sandbox import ToolMissingError, find_tool, walls
from sentinel.sense.settings import SenseSettings
from sentinel.sense.sift import PCAP_HEADER
from sentinel.testing.packets import SECOND, Frame, dns_query, udp

COLUMNS = (
    Column(("frame.time_epoch",)),
    Column(("ip.src",), every=True),
    Column(("udp.srcport",)),
    Column(("dns.qry.name", "tcp.port")),
)
START = 1_780_000_000 * SECOND
Write = Callable[[Iterable[Frame]], Path]
Script = Callable[[str], Path]


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


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterable[None]:
    before = set(Path(tempfile.gettempdir()).glob("wireshark*"))
    pipes = open_files()
    yield
    assert children() == []
    assert set(Path(tempfile.gettempdir()).glob("wireshark*")) == before
    assert open_files() == pipes


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def stream(count: int) -> bytearray:
    data = bytearray(PCAP_HEADER)
    for number in range(count):
        frame = udp("192.0.2.1", "192.0.2.2", 1000 + number % 5000, 9, b"x")
        data += pack("<IIII", START // SECOND, number, len(frame), len(frame)) + frame
    return data


def dissect(count: int, tshark: Path | None = None, *, live: bool = False) -> tuple[list[Cells], str, int]:
    """Show tshark so many datagrams; return its rows, how it ended, and how many rows were wrong."""
    dissector = Dissector(COLUMNS, find_tool("tshark", tshark), live=live)
    try:
        waiting, rows = stream(count), []
        while dissector.end is None:
            del waiting[: dissector.offer(waiting)]
            if not waiting:
                dissector.finish()
            rows += dissector.rows(0.05)
        return rows, dissector.end, dissector.wrong
    finally:
        dissector.close()


@pytest.mark.parametrize("live", [False, True])
def test_every_packet_is_a_row_with_every_cell(*, live: bool) -> None:
    assert dissect(3, live=live)[:2] == (
        [
            ["1780000000.000000000", "192.0.2.1", "1000", ""],
            ["1780000000.000000001", "192.0.2.1", "1001", ""],
            ["1780000000.000000002", "192.0.2.1", "1002", ""],
        ],
        "",
    )


def test_no_packets_are_no_complaint() -> None:
    assert dissect(0) == ([], "", 0)


def test_a_live_row_comes_while_the_stream_goes_on() -> None:
    dissector = Dissector(COLUMNS, find_tool("tshark"), live=True)
    try:
        dissector.offer(stream(1))
        rows: list[Cells] = []
        while not rows:
            rows += dissector.rows(0.1)
        assert rows[0][2] == "1000"
        assert dissector.end is None
    finally:
        dissector.close()


def test_it_works_inside_a_running_event_loop_and_in_another_thread() -> None:
    async def main() -> tuple[int, int]:
        return len(dissect(3)[0]), len((await asyncio.to_thread(dissect, 4))[0])

    assert asyncio.run(main()) == (3, 4)


def test_a_config_file_in_the_current_folder_does_not_choose_the_tshark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.ini").write_text("[tshark]\ntshark_path = /bin/false\n")
    monkeypatch.chdir(tmp_path)
    assert len(dissect(2)[0]) == 2


@pytest.mark.kill
@pytest.mark.parametrize(("signal", "name"), [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV")])
def test_a_tshark_killed_half_way_is_reported_and_what_it_said_is_kept(script: Script, signal: str, name: str) -> None:
    rows, end, _ = dissect(2000, script(f'/usr/bin/tshark "$@" | head -c 20000\nkill -{signal} $$'))
    assert 100 < len(rows) < 2000
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert f"killed ({name})" in end


def test_a_tshark_that_gives_up_is_quoted(script: Script) -> None:
    _, end, _ = dissect(10, script("echo 'tshark: no more of this' >&2; exit 2"))
    assert end == "tshark gave up (exit 2): no more of this"


def test_a_tshark_that_writes_rubbish_is_reported(script: Script) -> None:
    tshark = script('head -c 2000 /dev/urandom; echo; head -c 100000 /dev/zero >&2; exec /usr/bin/tshark "$@"')
    rows, _, wrong = dissect(10, tshark)
    assert len(rows) >= 10
    assert wrong >= 1


def test_a_row_beyond_the_limit_is_left_out_and_counted(script: Script) -> None:
    tshark = script(f"head -c {3 * LINE_BYTES_MAX} /dev/zero | tr '\\0' x; echo; exec /usr/bin/tshark \"$@\"")
    rows, end, wrong = dissect(10, tshark)
    assert (len(rows), end, wrong) == (10, "", 1)


def test_one_that_is_let_go_leaves_no_process() -> None:
    dissector = Dissector(COLUMNS, find_tool("tshark"))
    dissector.offer(stream(5000))
    dissector.close()
    assert children() == []


def test_a_machine_without_tshark_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match="apt install tshark") as error:
        find_tool("tshark", tmp_path / "nowhere")
    assert isinstance(error.value, ConfigError)


def test_what_tshark_may_do_is_limited(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    # the script answers with its own limits, rights and surroundings as if they were cells
    tshark = script(
        """cat > /dev/null
        rights=$(grep -h -e NoNewPrivs -e CapBnd -e CapEff /proc/self/status | tr -dc 0-9a-f:)
        printf '%s\\t%s\\t%s\\t\\n' "$(ulimit -c) $(ulimit -f) $(ulimit -n)" "$TZ$LC_ALL$HOME$USER$SECRET" "$rights" """
    )
    monkeypatch.setenv("SECRET", "not for tshark")
    ((limits, surroundings, rights, _),) = dissect(1, tshark)[0]
    assert (limits, surroundings) == ("0 0 64", "UTCC/nonexistent")
    assert set(rights.split(":")) >= {"1"}
    assert rights.count("0000000000000000") == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_tshark_is_nobody_without_a_network(script: Script) -> None:
    assert walls(root=True).missing == ()
    tshark = script(
        """cat > /dev/null
        printf '%s\\t%s\\t\\t\\n' "$(id -un)" "$(tail -n +3 /proc/net/dev | cut -d: -f1)" """
    )
    ((who, cards, _, _),) = dissect(1, tshark)[0]
    assert (who, cards.strip()) == ("nobody", "lo")


def look_ups(count: int) -> list[Frame]:
    return [
        (START + at * 1000, udp("10.10.1.50", "10.10.1.10", 40_000 + at % 9, 53, dns_query(at, f"h{at}.example")))
        for at in range(count)
    ]


def sensed(path: Path, settings: SenseSettings) -> tuple[list[Record], FilePass]:
    whole = FilePass(path, settings)
    return list(whole), whole


@pytest.mark.kill
def test_a_tshark_that_dies_is_replaced_and_flows_lose_nothing(capture: Write, script: Script) -> None:
    # the first to start dies in the middle, the others are whole
    tshark = script(
        'if mkdir "${0%/*}/first" 2>/dev/null; then /usr/bin/tshark "$@" | head -c 6000; kill -SEGV $$; fi\n'
        'exec /usr/bin/tshark "$@"'
    )
    tshark.parent.chmod(0o777)
    records, whole = sensed(capture(look_ups(6_000)), SenseSettings(tshark=tshark))
    flows = [one for one in records if isinstance(one, Flow)]
    assert sum(flow.packets_out for flow in flows) == 6_000
    names = [one.name for one in records if isinstance(one, Dns)]
    assert 0 < len(names) < 6_000
    assert names == sorted(names, key=lambda name: int(name[1 : name.index(".")]))
    (problem,) = whole.problems
    assert "SIGSEGV" in problem
    assert f"; {6_000 - len(names)} packets" in problem


@pytest.mark.kill
def test_a_tshark_that_always_dies_leaves_the_flows_and_is_said(capture: Write, script: Script) -> None:
    records, whole = sensed(capture(look_ups(30)), SenseSettings(tshark=script("kill -SEGV $$")))
    assert {type(one) for one in records} == {Flow}
    assert "SIGSEGV" in whole.problems[0]


def test_a_tshark_that_falls_silent_is_stopped_and_the_flows_are_whole(capture: Write, script: Script) -> None:
    settings = SenseSettings(tshark=script("exec sleep 600"), stall_seconds=0.4)
    records, whole = sensed(capture(look_ups(30)), settings)
    assert sum(one.packets_out for one in records if isinstance(one, Flow)) == 30
    assert whole.problems == [
        "tshark said nothing for 0 s and was stopped; 30 packets it had been shown are without their protocols"
    ]


@given(
    rows=st.lists(
        st.lists(st.text(st.characters(exclude_characters="\n\t", codec="utf-8"), max_size=9), min_size=4, max_size=4),
        max_size=20,
    ),
    cuts=st.lists(st.integers(0, 700), max_size=12),
)
def test_rows_are_the_same_however_the_pipe_cuts_them(rows: list[Cells], cuts: list[int]) -> None:
    data = "".join("\t".join(row) + "\n" for row in rows).encode() + b"a row without its en"
    dissector = object.__new__(Dissector)
    dissector.wrong, dissector._columns, dissector._rest, dissector._skipping = 0, COLUMNS, b"", False
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found: list[Cells] = []
    for start, end in pairwise(edges):
        dissector._split(data[start:end], found)
    assert (found, dissector.wrong) == (rows, 0)
