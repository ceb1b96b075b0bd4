"""The systemd journal, as `journalctl -o json --follow` exports it: an entry is read once, known by its cursor.

An entry becomes the RFC 5424 message it would have been over syslog, so the packs for sshd, Postfix and all others
read it; every other field of the entry stands in its structured data. The cursor moves forward only after the sink
has kept what came before it. journalctl is started again whenever it ends: a journal that was rotated away under it,
or a kill, costs a pause and no entry.
"""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import which
from typing import Literal

import orjson

from sentinel.collect.lines import MESSAGE_MAX, Line, Lines
from sentinel.collect.marks import remember, remembered
from sentinel.core.check import Check
from sentinel.core.errors import ConfigError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink
from sentinel.pack.journal import message_of

READ_BYTES = 256 * 1024
PAUSE_SECONDS = (0.5, 30.0)
_ENTRY_MAX = 1 << 20


@dataclass(slots=True)
class Counters:
    """Entries read and kept, what was none; how often the cursor was lost and journalctl begun anew; what it said."""

    received: int = 0
    written: int = 0
    cut: int = 0
    restarts: int = 0
    problem: str = ""
    dropped_no_entry: int = 0
    cursor_lost: int = 0


class Journald:
    """This machine's journal, or the journal files in `folder`. `start` is where to begin the first time."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        mark: Path,
        folder: Path | None = None,
        start: Literal["beginning", "end"] = "end",
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self._clock, self._mark, self._folder, self._start = clock, mark, folder, start
        self._cursor = self._marked = ""

    async def run(self, sink: Sink, /) -> None:
        """Follow until cancelled; the mark stands behind the last entry that was kept."""
        if which("journalctl") is None:
            raise ConfigError("journalctl is missing: apt install systemd, or take the [[journald]] table out")
        self._cursor = self._marked = remembered(self._mark).strip()
        pause, longest = PAUSE_SECONDS
        try:
            while True:
                before = self.counters.written
                await self._follow(sink)
                self.counters.restarts += 1
                pause = PAUSE_SECONDS[0] if self.counters.written > before else min(pause * 2, longest)
                await asyncio.sleep(pause)
        finally:
            self._remember()

    def _remember(self) -> None:
        if self._cursor and self._cursor != self._marked:
            try:
                remember(self._mark, self._cursor + "\n")
            except ConfigError as error:  # a full disk is no reason to read nothing: it is tried again
                self.counters.problem = str(error)
                return
            self._marked = self._cursor

    def _command(self) -> list[str]:
        command = ["journalctl", "--output=json", "--follow", "--all", "--no-pager", "--quiet"]
        if self._folder is not None:
            command.append(f"--directory={self._folder}")
        if self._cursor:
            return [*command, "--no-tail", f"--after-cursor={self._cursor}"]
        return [*command, "--no-tail" if self._start == "beginning" else "--lines=0"]

    async def _follow(self, sink: Sink) -> None:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*self._command(), stdout=pipe, stderr=pipe)
        assert child.stdout is not None  # noqa: S101  for the type checker: both are pipes
        assert child.stderr is not None  # noqa: S101  as above
        complaining = asyncio.create_task(child.stderr.read(4096))
        lines = Lines(_ENTRY_MAX)
        try:
            self.ready.set()
            while data := await child.stdout.read(READ_BYTES):
                await self._keep(lines.feed(data), sink)
            said = (await complaining).decode("utf-8", "replace").strip()
            self.counters.problem = said[:500]
            if self._cursor and "seek to cursor" in said:  # the journal it points into is gone
                self.counters.cursor_lost += 1
                self._cursor, self._start = "", "beginning"
        finally:
            complaining.cancel()
            if child.returncode is None:
                child.kill()
            await child.wait()

    async def _keep(self, lines: list[Line], sink: Sink) -> None:
        raws, cursor = [], ""
        for line in lines:
            raw = self._raw(line)
            if raw is not None:
                raws.append(raw)
                cursor = raw.origin.position
        if not raws:
            return
        self.counters.received += len(raws)
        await sink.write(raws)
        self.counters.written += len(raws)
        self._cursor = cursor
        await asyncio.to_thread(self._remember)

    def _raw(self, line: Line) -> Raw | None:
        try:
            entry = orjson.loads(line.body)
            cursor = entry["__CURSOR"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self.counters.dropped_no_entry += 1
            return None
        body = message_of(entry)
        note = ""
        if len(body) > MESSAGE_MAX:
            self.counters.cut += 1
            body, note = body[:MESSAGE_MAX], f"cut:{len(body)}:sha256={sha256(body).hexdigest()}"
        return Raw(body, self.name, self._clock.now(), Origin("syslog-journald", "", str(cursor), note))


def check() -> Check:
    """Say whether journalctl is there."""
    found = which("journalctl")
    if found is None:
        return Check("journalctl", "fail", "not installed", "apt install systemd, or take [[journald]] out")
    return Check("journalctl", "ok", found)
