r"""The one door to pyshark: a capture file in, one row of cells a packet out, by way of `tshark -T tabs`.

pyshark handles the process and its parameters; its ways of reading are too slow (PDML: 550 packets a CPU second) or
broken (summaries), so `TabsCapture` reads `-T tabs` with custom columns instead, which also escapes control characters
in values (`\t`, `\n`, `\037`). A dissector is treated as hostile: no environment, no files, bounded memory, CPU time
and output, its own event loop in its own thread, and any end but a clean one is a problem that the reader reports.
"""

import asyncio
import gzip
import os
import queue
import re
import shutil
import signal
import threading
import zlib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pyshark.capture.file_capture import FileCapture

from sentinel.core.errors import ConfigError, UsageError

__all__ = ["LINE_BYTES_MAX", "CaptureError", "Column", "Reader", "TsharkMissingError", "find_tshark"]

LINE_BYTES_MAX = 128 * 1024
_BLOCK_BYTES = 64 * 1024
_BLOCKS_MAX = 16
_WORDS_BYTES_MAX = 4096
_SESSION_PACKETS = 100_000
_MEMORY_BYTES_MAX = 2_500_000_000
_CPU_SECONDS_MAX = 3_600
_STALL_SECONDS = 120.0

_MAGIC = frozenset(
    bytes.fromhex(magic)
    for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1", "0a0d0d0a")
)
_PREFERENCES = {
    # reassembly of bodies is of no use here; that of TCP and TLS stays on, or certificates would be missed
    "http.desegment_body": "FALSE",
    "tcp.calculate_timestamps": "FALSE",
    "tcp.track_bytes_in_flight": "FALSE",
}
_QUIET = re.compile(r"Running as user .* This could be dangerous\.")


class CaptureError(UsageError):
    """A capture file of which nothing could be read; the message says why."""


class TsharkMissingError(ConfigError):
    """There is no tshark on this machine."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a packet; `every` asks for all its values joined by commas, else the first alone is given."""

    field: str
    every: bool = False

    @property
    def format(self) -> str:
        """The column as tshark's preference `gui.column.format` writes it, values unresolved."""
        return f'"{self.field}","%Cus:{self.field}:{0 if self.every else 1}:U"'


def find_tshark(path: Path | None = None) -> Path:
    """Return the tshark to use, `path` if given; raises TsharkMissingError."""
    found = shutil.which(path or "tshark")
    if found is None:
        where = f"at {path}" if path else "on this machine"
        raise TsharkMissingError(f"there is no tshark {where}: install it with `apt install tshark`")
    return Path(found)


def _require_capture(path: Path) -> None:
    # tshark takes any file at all for a capture (text, pictures, nothing): the beginning has to be one we know
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                magic = file.read(4)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CaptureError(f"{path}: damaged gzip file, nothing could be read") from error
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror or error}") from error
    if magic not in _MAGIC:
        raise CaptureError(f"{path}: not a capture file (pcap or pcapng, plain or gzip)")


class TabsCapture(FileCapture):  # type: ignore[misc]  # pyshark ships no types
    """pyshark's FileCapture, reading blocks of tab-separated rows instead of packets."""

    def __init__(self, path: Path, tshark: Path, columns: Sequence[Column], loop: asyncio.AbstractEventLoop) -> None:
        formats = ",".join(column.format for column in columns)
        super().__init__(
            input_file=path,
            keep_packets=False,
            eventloop=loop,
            override_prefs=_PREFERENCES,
            custom_parameters=["-M", str(_SESSION_PACKETS), "-o", f"gui.column.format:{formats}"],
        )
        self._tshark = tshark
        self.returncode: int | None = None
        self.words = bytearray()

    def _get_tshark_path(self) -> str:
        # pyshark's own search would believe a config.ini in the current directory
        return str(self._tshark)

    async def _get_tshark_process(self, packet_count: int | None = None, stdin: int | None = None) -> Process:
        # pyshark's own passes -l, which costs a quarter of the speed, and our whole environment
        arguments = [
            *_limits(),
            self._get_tshark_path(),
            *("-n", "-T", "tabs"),
            *self.get_parameters(packet_count=packet_count),
        ]
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=DEVNULL if stdin is None else stdin,
            stdout=PIPE,
            stderr=PIPE,
            limit=_BLOCK_BYTES,
            env={"LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "PATH": os.defpath},
        )
        self._create_stderr_handling_task(process.stderr)
        # not by pyshark's _created_new_process: it raises, unread, if tshark has ended already
        self._running_processes.add(process)
        return process

    async def _handle_process_stderr_forever(self, stderr: asyncio.StreamReader) -> None:
        # pyshark's own dies of a long or undecodable line; then the pipe fills and tshark stands still
        while block := await stderr.read(4096):
            self.words += block[: _WORDS_BYTES_MAX - len(self.words)]

    async def _cleanup_subprocess(self, process: Process) -> None:
        # pyshark's own takes an end by a signal for a clean one
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()

    async def blocks(self, stall_seconds: float) -> AsyncGenerator[bytes]:
        """Yield what tshark writes; afterwards `returncode` and `words` say how it ended.

        Raises TimeoutError if nothing comes for `stall_seconds`. No process is left, however this is left.
        """
        process = await self._get_tshark_process()
        try:
            while process.stdout and (block := await self._block(process.stdout, stall_seconds)):
                yield block
            self.returncode = await asyncio.wait_for(process.wait(), stall_seconds)
        finally:
            await self.close_async()

    @staticmethod
    async def _block(stdout: asyncio.StreamReader, stall_seconds: float) -> bytes:
        # tshark writes 4 KiB at a time: waking up for more of it at once is a fifth of our own time
        try:
            return await asyncio.wait_for(stdout.readexactly(_BLOCK_BYTES), stall_seconds)
        except asyncio.IncompleteReadError as end:
            return end.partial
        except TimeoutError:
            with suppress(TimeoutError):
                return await asyncio.wait_for(stdout.read(_BLOCK_BYTES), 0.1)
            raise


def _limits() -> list[str]:
    # prlimit replaces itself by tshark, so pid and exit are tshark's; no core file may ever hold payload
    prlimit = shutil.which("prlimit", path=os.defpath)
    if prlimit is None:
        return []
    limits = ("--core=0", "--fsize=0", "--nofile=64", f"--as={_MEMORY_BYTES_MAX}", f"--cpu={_CPU_SECONDS_MAX}")
    return [prlimit, *limits]


class Reader:
    """Reads one capture file once: `rows` yields its packets, then `problems` says what went wrong.

    Usable from any thread, with or without a running event loop.
    """

    def __init__(
        self, path: Path, columns: Sequence[Column], tshark: Path | None = None, stall_seconds: float = _STALL_SECONDS
    ) -> None:
        self.problems: list[str] = []
        self._path = path.absolute()
        self._columns = tuple(columns)
        self._tshark = find_tshark(tshark)
        self._stall_seconds = stall_seconds
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_BLOCKS_MAX)
        self._stop = threading.Event()
        self._end: str | None = None

    def rows(self) -> Iterator[list[str]]:
        """Yield one list of cells a packet, as many as there are columns.

        Raises CaptureError if not a single packet could be read from what should hold some.
        """
        _require_capture(self._path)
        thread = threading.Thread(target=self._run, name="tshark", daemon=True)
        thread.start()
        wrong = count = 0
        width = len(self._columns)
        try:
            with closing(self._lines()) as lines:
                for line in lines:
                    cells = line.split("\t")
                    if len(cells) == width:
                        count += 1
                        yield cells
                    else:
                        wrong += 1
        finally:
            self._stop.set()
            self._drain()
            thread.join()
        if wrong:
            self.problems.append(f"{wrong} rows of tshark could not be understood and were left out")
        if self._end is not None:
            if not count:
                raise CaptureError(f"{self._path}: {self._end}")
            self.problems.append(f"{self._end}; what was read up to there, {count} packets, is kept")

    def _lines(self) -> Generator[str]:
        rest = b""
        skipping = False
        while (block := self._blocks.get()) is not None:
            whole, end, rest = (rest + block).rpartition(b"\n")
            if end:
                # blocks are shorter than the limit, so none but the first line can be beyond it
                first = whole.find(b"\n") if b"\n" in whole else len(whole)
                if not skipping and first > LINE_BYTES_MAX:
                    self._too_long()
                    skipping = True
                lines = whole.decode("utf-8", "replace").split("\n")
                yield from lines[1:] if skipping else lines
                skipping = False
            if len(rest) > LINE_BYTES_MAX:
                if not skipping:
                    self._too_long()
                rest, skipping = b"", True
        # a row without its end is cut in the middle of a value: it tells nothing that could be believed

    def _too_long(self) -> None:
        self.problems.append(f"a packet's row of more than {LINE_BYTES_MAX} bytes was left out")

    def _drain(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._blocks.get_nowait()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            self._end = loop.run_until_complete(self._read(loop))
        except Exception as error:  # noqa: BLE001  pyshark's and asyncio's code: whatever it was, the reader must hear
            self._end = f"reading it failed: {type(error).__name__}: {_plain(str(error))}"
        finally:
            with suppress(Exception):
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            self._hand_over(None)

    def _hand_over(self, block: bytes | None) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._blocks.put(block, timeout=0.2)
                return True
        return False

    async def _read(self, loop: asyncio.AbstractEventLoop) -> str | None:
        capture = TabsCapture(self._path, self._tshark, self._columns, loop)
        blocks = capture.blocks(self._stall_seconds)
        try:
            async for block in blocks:
                if not self._hand_over(block):
                    return None
        except TimeoutError:
            return f"tshark said nothing for {self._stall_seconds:.0f} s and was stopped"
        finally:
            await blocks.aclose()
        return _verdict(capture.returncode, bytes(capture.words))


def _verdict(code: int | None, words: bytes) -> str | None:
    said = " ".join(
        line.removeprefix("tshark: ") for line in _plain(words.decode("ascii", "replace")).split("\n") if line
    )
    said = _QUIET.sub("", said).strip()
    if code == 0:
        return None
    if code is not None and code < 0:
        name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        return f"tshark was killed ({name})" + (f": {said}" if said else "")
    return f"tshark gave up (exit {code}): {said or 'without a word'}"


def _plain(text: str) -> str:
    return "".join(char if char == "\n" or char.isprintable() else "?" for char in text)[:500]
