"""RELP: a real rsyslog believes us, and what was answered is on disk whatever is killed."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.relp import FRAME_MAX, Frame, Frames, Relp
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool

_OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"
OPEN = b"1 open %d %b\n" % (len(_OFFER), _OFFER)
VICTIM = """
import asyncio, sys
from pathlib import Path
from sentinel.collect.relp import Relp
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool
asyncio.run(Relp("relp", SystemClock(), port=int(sys.argv[2])).run(DiskSpool(Path(sys.argv[1]), ballast_bytes=0)))
"""
CONF = """
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omrelp")
global(workDirectory="{folder}")
template(name="line" type="string" string="%msg%\\n")
input(type="imfile" file="{folder}/lines" tag="app:" ruleset="out" readMode="0")
ruleset(name="out") {{
    action(type="omrelp" target="127.0.0.1" port="{port}" template="line" timeout="5" action.resumeInterval="1"
           action.resumeRetryCount="-1" queue.type="LinkedList" queue.filename="q" queue.size="50000")
}}
"""


def served(spool: DiskSpool, scenario: Callable[[Relp], Awaitable[None]]) -> Relp:
    """Run `scenario` against an entrance that writes into a real spool."""
    relp = Relp("relp", SystemClock(), port=0)

    async def run() -> None:
        task = asyncio.create_task(relp.run(spool))
        await relp.ready.wait()
        try:
            await scenario(relp)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return relp


async def said(relp: Relp, data: bytes) -> bytes:
    """Send `data` and return everything that is answered before the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relp.port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(-1), 10)
    writer.close()
    return answer


def syslog(txnr: int, body: bytes) -> bytes:
    return b"%d syslog %d %b\n" % (txnr, len(body), body)


def test_each_message_is_answered_once_it_is_on_disk(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool", ballast_bytes=0)
    long = b"x" * (MESSAGE_MAX + 5)

    async def scenario(relp: Relp) -> None:
        session = OPEN + syslog(2, b"<13>one\n") + syslog(3, b"<13>two\nlines") + syslog(4, long) + b"5 close 0\n"
        answer = await said(relp, session)
        begun, *rest = answer.split(b"commands=syslog\n")
        assert begun.startswith(b"1 rsp ")
        assert b"".join(rest) == b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n5 rsp 0\n0 serverclose 0\n"
        bodies = [one.raw.body for one in spool.read(0, 10)]
        assert bodies == [b"<13>one", b"<13>two\nlines", long[:MESSAGE_MAX]]
        assert spool.read(0, 10)[2].raw.origin.note.startswith(f"cut:{MESSAGE_MAX + 5}:sha256=")

    assert served(spool, scenario).counters.written == 3


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OPEN + b"2 syslog %d " % (FRAME_MAX + 1), "frame_too_large"),
        (OPEN + b"2 syslog 3 abcd\n", "bad_frame"),
        (OPEN + b"x syslog 3 abc\n", "bad_frame"),
        (b"<13>Nov 24 10:00:00 no relp at all\n", "bad_frame"),
    ],
)
def test_what_is_no_relp_ends_its_connection_and_is_counted(tmp_path: Path, data: bytes, why: str) -> None:
    spool = DiskSpool(tmp_path / "spool", ballast_bytes=0)

    async def scenario(relp: Relp) -> None:
        await said(relp, data)
        answer = await said(relp, OPEN + syslog(2, b"fine") + b"3 close 0\n")
        assert b"2 rsp 6 200 OK" in answer

    assert served(spool, scenario).counters.closed[why] == 1


def test_a_message_before_open_is_refused(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool", ballast_bytes=0)

    async def scenario(relp: Relp) -> None:
        assert (await said(relp, syslog(1, b"early"))).startswith(b"1 rsp 29 500 not expected here: syslog")
        assert spool.last == 0

    served(spool, scenario)


@given(
    bodies=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 500), max_size=10),
)
def test_however_the_bytes_are_cut_the_frames_are_the_same(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%d syslog %d%b%b\n" % (n, len(one), b" " if one else b"", one) for n, one in enumerate(bodies))
    frames, found, at = Frames(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += frames.feed(data[at : max(at, cut)])
        at = max(at, cut)
    assert not frames.broken
    assert found == [Frame(b"%d" % n, b"syslog", one) for n, one in enumerate(bodies)]


@given(data=st.lists(st.binary(max_size=80), max_size=6))
def test_no_bytes_raise_anything(data: list[bytes]) -> None:
    frames = Frames()
    for piece in data:
        frames.feed(piece)
    assert frames.broken in {"", "bad_frame", "frame_too_large"}
    assert frames.held < FRAME_MAX


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _victim(spool: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", VICTIM, str(spool), str(port)])
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.kill
def test_rsyslog_loses_nothing_while_the_entrance_is_killed_again_and_again(tmp_path: Path) -> None:
    port, count, kills, interrupted = _free_port(), 60_000, 6, 0
    (tmp_path / "lines").write_bytes(b"".join(b"line %06d of the file\n" % n for n in range(count)))
    conf = tmp_path / "rsyslog.conf"
    conf.write_text(CONF.format(folder=tmp_path, port=port))
    sender = subprocess.Popen(["rsyslogd", "-n", "-f", str(conf), "-i", str(tmp_path / "pid")])
    seen: set[int] = set()
    try:
        for _ in range(kills):
            with _victim(tmp_path / "spool", port):
                _grown(tmp_path / "spool", _size(tmp_path / "spool"))
            seen = _lines(tmp_path / "spool")
            interrupted += 0 < len(seen) < count
        with _victim(tmp_path / "spool", port):
            _until(lambda: _lines(tmp_path / "spool") == set(range(count)), 60, 0.5)
    finally:
        sender.terminate()
        sender.wait(20)
    assert interrupted


def _grown(spool: Path, size: int) -> None:
    with suppress(AssertionError):  # it grows no more when all have come
        _until(lambda: _size(spool) > size, 5)


def _until(holds: Callable[[], bool], seconds: float = 30, pause: float = 0.002) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end, "it did not come to pass"
        sleep(pause)


def _size(spool: Path) -> int:
    return sum(path.stat().st_size for path in spool.glob("*.seg")) if spool.exists() else 0


def _lines(folder: Path) -> set[int]:
    with DiskSpool(folder, ballast_bytes=0) as spool:
        found, after = set(), 0
        while batch := spool.read(after, 5000):
            after = batch[-1].seq
            for entry in batch:
                number = re.search(rb"line (\d{6})", entry.raw.body)
                assert number is not None, entry.raw.body
                found.add(int(number[1]))
    return found
