"""dumpcap on an interface: the only process with rights to capture, its stream read without waiting.

dumpcap ends with exit code 0 when its interface vanishes, so any end is a fault; how many packets the kernel dropped it
says only when it ends, so a fresh one takes over from time to time without losing or doubling a packet.
"""

import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import select

from sentinel.sense.formats import Batch, FormatError, Stream
from sentinel.sense.sandbox import ENVIRONMENT

__all__ = ["Ended", "Tap"]

SNAP_BYTES = 1600
_BUFFER_MEGABYTES = 64
_READ_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_WORDS_BYTES_MAX = 8192
_PATIENCE_SECONDS = 5.0
_COUNTS = re.compile(r"received/dropped on interface .*: (\d+)/(\d+)")
_NOISE = re.compile(r"^(Capturing on|File:|Packets (captured|received/dropped)|\d+ packets?)\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a dumpcap ended: its own words, and what it counted (-1: it did not say)."""

    why: str
    received: int
    dropped: int


class Tap:
    """One dumpcap. `fd` becomes readable when there is something; `ended` is set once it is gone and all is read.

    `waiting`: it waits for the one before it to end; what it captured before `since` was that one's.
    """

    def __init__(self, interface: str, dumpcap: Path, bpf: str = "") -> None:
        self.ended: Ended | None = None
        self.waiting = False
        self._until = self.since = 0
        self._held: list[Batch] = []
        self._stream = Stream()
        self._words = bytearray()
        command = [str(dumpcap), "-q", "-P", "-s", str(SNAP_BYTES), "-B", str(_BUFFER_MEGABYTES), "-i", interface]
        command += ["-f", bpf] if bpf else []
        self._process = subprocess.Popen(  # noqa: S603  our own command; the interface is one argument of it
            [*command, "-w", "-"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert self._process.stdout is not None  # noqa: S101  both are pipes
        assert self._process.stderr is not None  # noqa: S101  both are pipes
        self.fd = self._process.stdout.fileno()
        self._errors = self._process.stderr.fileno()
        for one in (self.fd, self._errors):
            os.set_blocking(one, False)
        with suppress(OSError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def first(self) -> int:
        """The time of the first packet that is held (see `look`), 0 if none is."""
        return self._held[0].packets[0][0] if self._held else 0

    def read(self) -> Iterator[Batch]:
        """Yield what has come, at most a MiB of it; sets `ended` at the end of the stream."""
        self.look()
        held, self._held = self._held, []
        for batch in held:
            if not self._until and not self.since:
                yield batch
                continue
            until = self._until or batch.packets[-1][0] + 1
            kept = [packet for packet in batch.packets if self.since <= packet[0] < until]
            if kept:
                yield Batch(batch.link, kept)
            if batch.packets[-1][0] >= until:
                # all before has been read, or dumpcap would lose what it still has to read itself
                self._interrupt()
            if batch.packets[0][0] >= self.since:
                self.since = 0

    def look(self) -> None:
        """Fetch what has come and hold it for `read`."""
        self._hear()
        try:
            data = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._wait()
            return
        try:
            self._held += self._stream.feed(data)
        except FormatError as error:
            self.stop(f"its stream makes no sense: {error}")

    def rest(self) -> Iterator[Batch]:
        """End it, and yield what it has captured until then."""
        self._interrupt()
        for _ in range(int(_PATIENCE_SECONDS * 10)):
            yield from self.read()
            if self.ended is not None:
                return
            select([self.fd], [], [], 0.1)
        self.stop()

    def give_way(self, following: "Tap", seen: int) -> None:
        """Have it end where `following` begins, but behind `seen`, the time of its own last packet that was read.

        Times in ns since 1970; the packets of each are those of its side of that border.
        """
        border = max(following.first, seen + 1)
        self._until = following.since = border
        following.waiting = True

    def _interrupt(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def stop(self, why: str = "stopped") -> None:
        """End it now; what it had captured and nobody has read is lost."""
        if self.ended is None:
            self._process.kill()
            self._wait(why)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while words := os.read(self._errors, 4096):
                self._words += words[: _WORDS_BYTES_MAX - len(self._words)]

    def _wait(self, why: str = "") -> None:
        try:
            code = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._hear()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        said = "".join(
            char if char.isprintable() or char == "\n" else "?" for char in self._words.decode("utf-8", "replace")
        )
        counts = _COUNTS.search(said)
        words = " ".join(_NOISE.sub("", said).split())
        end = f"signal {-code}" if code < 0 else f"exit {code}"
        received, dropped = (int(counts[1]), int(counts[2])) if counts else (-1, -1)
        self.ended = Ended(why or f"dumpcap ended ({end}): {words or 'without a word'}", received, dropped)
