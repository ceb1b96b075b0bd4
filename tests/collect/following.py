"""A program that logs and rotates, and a followed folder that is looked at when the test says so."""

import asyncio
import gzip
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sentinel.collect.files import FollowedFiles
from sentinel.collect.records import LINE_BY_LINE, Cutting

if TYPE_CHECKING:
    from sentinel.core.clock import ManualClock
    from tests.collect.conftest import DiskSink

HEADER = b"".join(b"#Field%03d: the same in every file of this kind\n" % number for number in range(40))
assert len(HEADER) > 1024


class Writer:
    """A program that logs: numbered lines, and the ways in which logs are rotated."""

    def __init__(self, folder: Path, name: str = "app.log", header: bytes = b"") -> None:
        self.path = folder / name
        self.header = header
        self.sent: list[bytes] = []
        self.number = 0
        self.path.write_bytes(header)
        self.sent += header.splitlines()

    def log(self, count: int = 20) -> None:
        """Append lines to the file at the plain path."""
        lines = [self.line(self.number + at, at) for at in range(count)]
        self.number += count
        self.sent += lines
        with self.path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def line(self, number: int, at: int) -> bytes:
        """Return the text of one record, the `at`-th of those written at once."""
        return b"%06d %s" % (number, b"m" * (at % 50))

    def old(self, number: int, suffix: str = "") -> Path:
        """Return the path of an older file."""
        return self.path.with_name(f"{self.path.name}.{number}{suffix}")

    def shift(self) -> None:
        """Make room for a new `.1`."""
        for number in range(30, 0, -1):  # more than any test rotates: nothing is deleted
            for suffix in ("", ".gz"):
                if self.old(number, suffix).exists():
                    self.old(number, suffix).rename(self.old(number + 1, suffix))

    def create(self) -> None:
        """Begin a new file at the plain path."""
        self.path.write_bytes(self.header)
        self.sent += self.header.splitlines()

    def rename(self) -> None:
        """Rename and create."""
        self.shift()
        self.path.rename(self.old(1))
        self.create()

    def copytruncate(self) -> None:
        """Copy and truncate."""
        self.shift()
        shutil.copy2(self.path, self.old(1))
        os.truncate(self.path, 0)
        with self.path.open("ab") as file:
            file.write(self.header)
        self.sent += self.header.splitlines()

    def recreate(self) -> None:
        """Delete and create, with the same inode if the file system gives it."""
        self.path.unlink()
        self.create()

    def compress(self, number: int) -> None:
        """Do as gzip does."""
        plain = self.old(number)
        state = plain.stat()
        self.old(number, ".gz").write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(self.old(number, ".gz"), ns=(state.st_atime_ns, state.st_mtime_ns))
        plain.unlink()


class Follower:
    """A followed folder, polled when the test says so."""

    def __init__(self, tmp_path: Path, sink: "DiskSink", clock: "ManualClock", *patterns: str) -> None:
        self.logs = tmp_path / "logs"
        self.logs.mkdir(exist_ok=True)
        self.checkpoint = tmp_path / "checkpoint.json"
        self.sink = sink
        self.clock = clock
        self.patterns = [str(self.logs / pattern) for pattern in patterns or ("app.log*",)]
        self.start: Literal["beginning", "end"] = "beginning"
        self.cutting: Cutting = LINE_BY_LINE
        self.files = FollowedFiles("none", clock, [], checkpoint=self.checkpoint)
        self.fresh()

    def fresh(self) -> FollowedFiles:
        """Begin anew, as after a restart."""
        self.stop()
        self.files = FollowedFiles(
            "logs",
            self.clock,
            self.patterns,
            checkpoint=self.checkpoint,
            cutting=self.cutting,
            start=self.start,
            poll_seconds=0,
        )
        self.files._streams, state = self.files._checkpoint.load()
        self.files._skip = state == "first" and self.start == "end"
        return self.files

    def poll(self, times: int = 1) -> None:
        """Look at the files and read what they hold."""
        asyncio.run(self._poll(times))

    async def _poll(self, times: int) -> None:
        for _ in range(times):
            more = True
            while more:
                self.files._scan()
                more = False
                for stream in list(self.files._streams):
                    more |= await self.files._follow(stream, self.sink)
                self.files._settle()

    def stop(self) -> None:
        """Let go of the files."""
        for stream in self.files._streams:
            self.files._drop(stream)


def settle(follower: Follower, writer: Writer) -> None:
    """Everything that was logged is there, in order and once."""
    follower.poll(3)
    ids = follower.sink.ids()
    assert len(ids) == len(set(ids)), "an id occurs twice"
    assert sorted(follower.sink.bodies()) == sorted(writer.sent)


def once(follower: Follower, writer: Writer) -> None:
    """Everything that was logged is there; what was read twice has the same id."""
    follower.poll(3)
    assert follower.sink.distinct() == sorted(writer.sent)
