"""The disk below a real Sentinel is damaged, full or refuses: what was acknowledged is stored, and somebody is told."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel.app import App
from sentinel.beat import last_beat
from sentinel.config import load
from sentinel.core.errors import Exit
from sentinel.core.event import Origin, Raw
from sentinel.judge import judge
from sentinel.processes import begun
from tests.posting import Poster, lines, status, stored, unbalanced, with_http
from tests.running import PATIENCE_SECONDS, eventually
from tests.shared import known

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
DAMAGED = "The spool is damaged"


def test_damage_in_the_spool_is_one_alert_and_costs_what_it_hit(city: "Running", patiently: Patiently) -> None:
    app = App(load(city.config))
    with app.spool() as spool:
        moment = app.clock.now()
        spool.put([Raw(line, "city", moment, Origin("syslog-tcp", "192.0.2.7:514")) for line in lines(0, 300)])
    (segment,) = app.config.spool_dir.glob("*.seg")
    data = bytearray(segment.read_bytes())
    for number in (100, 200):
        data[data.index(b"number=%d " % number)] ^= 0x20
    segment.write_bytes(data)
    city.start()
    (alert,) = patiently(lambda: [one for one in city.json("alerts", "list") if one["title"] == DAMAGED])
    assert alert["level"] == "high"
    patiently(lambda: stored(city) == [number for number in range(300) if number not in {100, 200}])
    (alert,) = patiently(lambda: [one for one in city.json("alerts", "list") if one["count"] == 2])
    assert alert["title"] == DAMAGED
    (first, _) = city.json("query", "event.action:spool_problem")
    assert "are damaged; copied to quarantine/" in first["event.reason"]
    said = patiently(lambda: [one for one in [status(city)] if not one["in_spool"]])[0]
    assert (said["dropped"], said["balanced"]) == (2, True)
    assert said["spool_quarantined_bytes"] > 400
    assert b"lie in quarantine/" in city.sentinel("status").stdout
    city.stop()
    assert not unbalanced(city)


def fill(folder: Path, percent: float) -> Path:
    """Fill the file system of `folder` so far, as somebody else might; return the file that does it."""
    blocker = folder / "somebody.else"
    room = os.statvfs(folder)
    wanted = room.f_bfree - int(room.f_blocks * (1 - percent / 100))
    with blocker.open("wb", buffering=0) as file:
        for _ in range(wanted):
            try:
                file.write(bytes(room.f_frsize))
            except OSError:  # somebody was faster with the last block
                break
    return blocker


@pytest.mark.parametrize("small_disk", ["4m"], indirect=True)
def test_a_full_disk_below_the_spool_holds_senders_back_until_there_is_room(
    city: "Running", small_disk: Path, patiently: Patiently
) -> None:
    (city.folder / "data").mkdir()
    (city.folder / "data/spool").symlink_to(small_disk)
    with_http(city)
    city.start()
    with Poster(city) as sender:
        patiently(lambda: len(sender.acknowledged) > 100)
        blocker = fill(small_disk, 95.5)
        patiently(lambda: sender.put_off > 3)
        said = patiently(lambda: status(city)["spool_full"])
        assert "96 % full; records are accepted below 95 %" in said
        assert b"spool is full" in city.sentinel("status").stdout
        assert city.sentinel("doctor", code=1).stdout
        before = len(sender.acknowledged)
        city.udp(*(line.decode() for line in lines(10_000_000, 10_000_100)))
        blocker.unlink()
        removed = time.monotonic()
        patiently(lambda: len(sender.acknowledged) > before)
        assert sender.last - removed < 30  # five seconds are promised, of a machine that has nothing else to do
        patiently(lambda: not status(city)["spool_full"])
    patiently(lambda: not status(city)["in_spool"])
    assert any("senders wait: the disk" in line for line in city.said)
    assert any("accepted again" in line for line in city.said)
    assert city.stop() == 0
    held = stored(city)
    assert len(set(held)) == len(held)
    assert sender.acknowledged | set(range(10_000_000, 10_000_100)) <= set(held)
    assert not unbalanced(city)


@pytest.mark.parametrize("small_disk", ["24m"], indirect=True)
def test_a_disk_without_a_byte_left_for_anything_costs_nothing_that_was_acknowledged(
    city: "Running", small_disk: Path, patiently: Patiently
) -> None:
    with_http(city, data=small_disk / "data")
    city.start()
    with Poster(city) as sender:
        patiently(lambda: len(sender.acknowledged) > 100)
        blocker = fill(small_disk, 100)
        assert os.statvfs(small_disk).f_bavail < 16
        patiently(lambda: sender.put_off > 3)
        beat = patiently(lambda: last_beat(small_disk / "data/judge.beat"))
        os.kill(beat.pid, signal.SIGKILL)  # the next one has to begin on the full disk
        patiently(lambda: any("waiting for room" in line for line in city.said))
        before = len(sender.acknowledged)
        blocker.unlink()
        patiently(lambda: len(sender.acknowledged) > before + 100)
    patiently(lambda: not any(map(status(city).get, ("in_spool", "detect_lag_seconds"))), 2 * PATIENCE_SECONDS)
    assert city.stop() == 0
    held = stored(city)
    assert len(set(held)) == len(held)
    assert sender.acknowledged <= set(held)
    assert not unbalanced(city)


def write(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


@pytest.mark.parametrize("small_disk", ["1m"], indirect=True)
def test_a_judge_that_begins_on_a_full_disk_waits_for_room(
    city: "Running", small_disk: Path, tmp_path: Path, patiently: Patiently
) -> None:
    with_http(city, data=small_disk / "data")
    known(small_disk / "data")
    blocker = fill(small_disk, 100)
    said = tmp_path / "said"
    process, link = begun(judge, "judge", load(city.config), partial(write, said), "")
    try:
        assert link.recv_bytes() == b"ready"  # what arrives meanwhile waits
        assert "state.db: database or disk is full" in said.read_text()
        blocker.unlink()
        patiently(lambda: "refused: 0" in said.read_text())
    finally:
        link.close()
        process.join()
    assert process.exitcode == Exit.OK


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Callable[[int, Path], None]]:
    """Return what makes the next synchronisation but one of a file fail in a process, once, as a dying disk does."""
    tracers: list[subprocess.Popen[bytes]] = []

    def begin(pid: int, path: Path) -> None:
        fault = "inject=fdatasync:error=EIO:when=2"
        command = [
            "strace",
            "-f",
            "-p",
            str(pid),
            "-P",
            str(path),
            "-e",
            "trace=fdatasync",
            "-e",
            fault,
            "-o",
            "/dev/null",
        ]
        tracers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        eventually(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text() or tracers[-1].poll())
        if tracers[-1].poll() is not None:
            pytest.skip("strace may not look into a process here")

    yield begin
    for tracer in tracers:
        tracer.terminate()
        tracer.wait()


def test_a_failed_fsync_ends_the_process_and_nothing_is_acknowledged_falsely(
    city: "Running", failing: Callable[[int, Path], None]
) -> None:
    with_http(city)
    city.start()
    process = city.process
    assert process is not None
    with Poster(city) as sender:
        eventually(lambda: len(sender.acknowledged) > 100)
        (segment,) = (city.folder / "data/spool").glob("*.seg")
        failing(process.pid, segment)
        eventually(lambda: process.poll() is not None)
    assert process.returncode == Exit.STORE
    assert any("could not be made durable (Input/output error)" in line for line in city.said)
    city.start()
    eventually(lambda: not status(city)["in_spool"])
    city.stop()
    held = stored(city)
    assert len(set(held)) == len(held)
    assert sender.acknowledged <= set(held)
    assert not unbalanced(city)
