"""The journal: real journal files, followed by the real journalctl, each entry once whatever is killed."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.app import App
from sentinel.collect.journald import Journald
from sentinel.config.options import Config
from sentinel.core.clock import SystemClock
from sentinel.core.event import Entry, Origin, Raw
from sentinel.pack.journal import message_of
from sentinel.spool.disk import DiskSpool

REMOTE = "/lib/systemd/systemd-journal-remote"
BOOT = "1" * 32
FAILED = "Failed password for invalid user admin from 203.0.113.9 port 40001 ssh2"


def entry(number: int, message: str, app: str = "app") -> bytes:
    """Return one entry of the journal's export format (https://systemd.io/JOURNAL_EXPORT_FORMATS/)."""
    micros = 1_795_500_000_000_000 + number
    texts = {
        "__REALTIME_TIMESTAMP": str(micros),
        "__MONOTONIC_TIMESTAMP": str(number + 1),
        "_BOOT_ID": BOOT,
        "_HOSTNAME": "srv-web-01",
        "SYSLOG_IDENTIFIER": app,
        "PRIORITY": "5",
        "SYSLOG_FACILITY": "4",
        "_PID": "4711",
        "_SYSTEMD_UNIT": f"{app}.service",
    }
    body = "".join(f"{name}={value}\n" for name, value in texts.items()).encode()
    data = message.encode()
    return body + b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n\n"


def write(folder: Path, entries: bytes) -> None:
    folder.mkdir(exist_ok=True)
    command = [REMOTE, "-o", str(folder / "remote.journal"), "-"]
    subprocess.run(command, input=entries, check=True, capture_output=True)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1500):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to pass")


def followed(tmp_path: Path, scenario: Callable[[Journald], Awaitable[None]]) -> Journald:
    """Run `scenario` while the journal in `tmp_path` is followed into a real spool."""
    journal = Journald("j", SystemClock(), mark=tmp_path / "j.cursor", folder=tmp_path / "journal", start="beginning")

    async def run() -> None:
        with DiskSpool(tmp_path / "spool", ballast_bytes=0) as spool:
            task = asyncio.create_task(journal.run(spool))
            try:
                await scenario(journal)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return journal


def _journalctls(folder: Path) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"journalctl.*{folder}"], capture_output=True, text=True, check=True)
    return [int(number) for number in found.stdout.split()]


def kept(tmp_path: Path) -> list[Entry]:
    with DiskSpool(tmp_path / "spool", ballast_bytes=0) as spool:
        return spool.read(0, 5000)


def test_entries_are_read_once_through_restarts_and_a_killed_journalctl(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    write(folder, b"".join(entry(n, f"message {n}") for n in range(100)))

    async def first(journal: Journald) -> None:
        await until(lambda: journal.counters.written == 100)
        await asyncio.to_thread(write, folder, b"".join(entry(n, f"message {n}") for n in range(100, 150)))
        await until(lambda: journal.counters.written == 150)
        for process in _journalctls(folder):
            os.kill(process, signal.SIGKILL)
        await asyncio.to_thread(write, folder, entry(150, "message 150"))
        await until(lambda: journal.counters.written == 151)

    assert followed(tmp_path, first).counters.restarts == 1
    write(folder, entry(151, "message 151"))

    async def second(journal: Journald) -> None:
        await until(lambda: journal.counters.written == 1)

    followed(tmp_path, second)
    records = kept(tmp_path)
    assert [one.raw.body.rpartition(b" ")[2] for one in records] == [b"%d" % n for n in range(152)]
    assert len({one.raw.origin.position for one in records}) == 152


def test_a_stop_right_behind_what_was_kept_reads_nothing_again(tmp_path: Path) -> None:
    write(tmp_path / "journal", b"".join(entry(n, f"message {n}") for n in range(3)))
    journal = Journald("j", SystemClock(), mark=tmp_path / "j.cursor", folder=tmp_path / "journal", start="beginning")

    class StoppedOnceKept:
        full = False

        async def write(self, raws: Sequence[Raw], /) -> int:
            asyncio.get_running_loop().call_soon(tasks[0].cancel)
            return len(raws)

    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        tasks.append(asyncio.create_task(journal.run(StoppedOnceKept())))
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert journal.counters.written == 3
    marked = (tmp_path / "j.cursor").read_text().strip()
    command = ["journalctl", f"--directory={tmp_path / 'journal'}", f"--after-cursor={marked}", "--output=cat", "-q"]
    assert marked
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""


def test_a_mark_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path / "journal", entry(0, "message 0"))
    mark = tmp_path / "nowhere" / "j.cursor"
    journal = Journald("j", SystemClock(), mark=mark, folder=tmp_path / "journal", start="beginning")

    async def run() -> None:
        with DiskSpool(tmp_path / "spool", ballast_bytes=0) as spool:
            task = asyncio.create_task(journal.run(spool))
            await until(lambda: journal.counters.problem != "")
            assert "cannot be written" in journal.counters.problem
            mark.parent.mkdir()
            await asyncio.to_thread(write, tmp_path / "journal", entry(1, "message 1"))
            await until(mark.exists)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert [one.raw.body.rpartition(b" ")[2] for one in kept(tmp_path)] == [b"0", b"1"]


def test_a_login_in_the_journal_says_what_it_says_over_syslog(tmp_path: Path) -> None:
    write(tmp_path / "journal", entry(7, FAILED, "sshd"))

    async def scenario(journal: Journald) -> None:
        await until(lambda: journal.counters.written == 1)

    followed(tmp_path, scenario)
    reader = App(Config()).reader
    (record,) = kept(tmp_path)
    by_journal = reader.read(record)[0].fields
    line = f"<37>1 {by_journal['@timestamp']} srv-web-01 sshd 4711 - - {FAILED}".encode()
    sent = Raw(line, "syslog", record.raw.received, Origin("syslog-udp", "192.0.2.7:514"))
    by_syslog = reader.read(Entry(1, record.written, sent))[0].fields
    ours = (
        "sentinel.",
        "event.id",
        "event.hash",
        "event.original",
        "event.sequence",
        "log.source",
        "log.syslog.structured",
    )
    assert by_journal["event.action"] == "ssh_login"
    assert {k: v for k, v in by_journal.items() if not k.startswith(ours)} == {
        k: v for k, v in by_syslog.items() if not k.startswith(ours)
    }


def test_bytes_that_are_no_text_and_several_values_are_read() -> None:
    said = {
        "__REALTIME_TIMESTAMP": "1795500000000000",
        "MESSAGE": list(b"caf\xe9"),
        "_HOSTNAME": "srv 1",
        "_COMM": "app",
        "X": ["one", "two"],
        "QUOTE": 'a"b]c\\',
        "_PID": None,
    }
    assert message_of(said) == (
        b"<14>1 2026-11-24T06:00:00.000000Z srv_1 app - - "
        b'[journald@32473 __REALTIME_TIMESTAMP="1795500000000000" _COMM="app" X="one" QUOTE="a\\"b\\]c\\\\"] caf\xe9'
    )


VALUES = st.one_of(
    st.none(), st.text(max_size=20), st.lists(st.integers(-1, 300), max_size=5), st.lists(st.text(max_size=4))
)


@given(said=st.dictionaries(st.text(max_size=12), VALUES, max_size=6), time=st.text(max_size=20))
def test_no_entry_raises_anything(said: dict[str, object], time: str) -> None:
    message = message_of(orjson.loads(orjson.dumps(said | {"__REALTIME_TIMESTAMP": time})))
    assert message.startswith(b"<")
