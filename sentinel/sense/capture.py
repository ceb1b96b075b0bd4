r"""The one door to pyshark: packets in through a pipe, one row of cells a packet out, by way of `tshark -T tabs`.

pyshark handles the process and its parameters; its ways of reading are too slow (PDML: 550 packets a CPU second) or
broken (summaries), so `TabsCapture` reads `-T tabs` with custom columns instead, which also escapes control characters
in values (`\t`, `\n`, `\037`). A dissector is treated as hostile: it sits behind walls (`sandbox`), its own event loop
in its own thread, and any end but the one it was asked for is reported, a signal too.
"""

import asyncio
import fcntl
import os
import queue
import re
import signal
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path

from pyshark.capture.pipe_capture import PipeCapture

from sentinel.sense.columns import Cells, Column
from sentinel.sense.sandbox import ENVIRONMENT, walls

__all__ = ["LINE_BYTES_MAX", "Dissector"]

LINE_BYTES_MAX = 128 * 1024
_BLOCK_BYTES = 64 * 1024
_PIPE_BYTES = 1 << 20
_BLOCKS_MAX = 64
_WORDS_BYTES_MAX = 4096

_PREFERENCES = {
    # reassembly of bodies is of no use here; that of TCP and TLS stays on, or certificates would be missed
    "http.desegment_body": "FALSE",
    "tcp.calculate_timestamps": "FALSE",
    "tcp.track_bytes_in_flight": "FALSE",
}
_QUIET = re.compile(r"Running as user .* This could be dangerous\.")


class TabsCapture(PipeCapture):  # type: ignore[misc]  # pyshark ships no types
    """pyshark's PipeCapture, reading blocks of tab-separated rows instead of packets."""

    def __init__(
        self, pipe: int, tshark: Path, columns: Sequence[Column], loop: asyncio.AbstractEventLoop, *, live: bool
    ) -> None:
        formats = ",".join(column.format for column in columns)
        super().__init__(
            pipe,
            eventloop=loop,
            override_prefs=_PREFERENCES,
            custom_parameters=["-o", f"gui.column.format:{formats}"],
        )
        self._tshark = tshark
        self._live = live
        self.returncode: int | None = None
        self.words = bytearray()

    def _get_tshark_path(self) -> str:
        # pyshark's own search would believe a config.ini in the current directory
        return str(self._tshark)

    async def _get_tshark_process(self, packet_count: int | None = None) -> Process:
        # pyshark's own always passes -l, which costs a quarter of the speed, and our whole environment
        process = await asyncio.create_subprocess_exec(
            *walls(root=os.geteuid() == 0).prefix,
            self._get_tshark_path(),
            *("-n", "-T", "tabs", *(("-l",) if self._live else ())),
            *self.get_parameters(packet_count=packet_count),
            stdin=self._pipe,
            stdout=PIPE,
            stderr=PIPE,
            limit=_BLOCK_BYTES,
            env=ENVIRONMENT,
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

    async def blocks(self, stop: asyncio.Event) -> AsyncGenerator[bytes]:
        """Yield what tshark writes until it ends or `stop` is set; then `returncode` and `words` say how it ended.

        No process is left, however this is left.
        """
        try:
            process = await self._get_tshark_process()
        finally:
            os.close(self._pipe)
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while process.stdout:
                reading = asyncio.ensure_future(self._block(process.stdout))
                await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    break
                if not (block := reading.result()):
                    break
                yield block
            if not stopped.done():
                self.returncode = await process.wait()
        finally:
            stopped.cancel()
            await self.close_async()

    async def _block(self, stdout: asyncio.StreamReader) -> bytes:
        if self._live:
            return await stdout.read(_BLOCK_BYTES)
        # tshark writes 4 KiB at a time: waking up for more of it at once is a fifth of our own time
        try:
            return await stdout.readexactly(_BLOCK_BYTES)
        except asyncio.IncompleteReadError as end:
            return end.partial


class Dissector:
    """One tshark at work: `offer` gives it packets, `rows` returns what it has said since, `end` how it ended.

    Usable from one thread, with or without a running event loop; `close` leaves no process, pipe or thread behind.
    `wrong` counts rows that could not be understood.
    """

    def __init__(self, columns: Sequence[Column], tshark: Path, *, live: bool = False) -> None:
        self.wrong = 0
        self._columns = tuple(columns)
        self._tshark = tshark
        self._live = live
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_BLOCKS_MAX)
        self._rest = b""
        self._skipping = False
        self._over = False
        self._verdict: str | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._let_go = threading.Event()
        reading, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        with suppress(OSError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._thread = threading.Thread(target=self._run, args=(reading,), name="tshark", daemon=True)
        self._thread.start()

    def offer(self, data: bytes | bytearray | memoryview) -> int:
        """Give it bytes of a pcap stream and return how many it took; never waits. What it has ended takes all."""
        if self._pipe < 0:
            return len(data)
        try:
            return os.write(self._pipe, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self.finish()
            return len(data)

    def finish(self) -> None:
        """Say that no more packets come; it ends once it has dissected those it has."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def rows(self, wait_seconds: float = 0.0) -> list[Cells]:
        """Return the rows it has said since, waiting for the first of them no longer than `wait_seconds`."""
        found: list[Cells] = []
        try:
            while not self._over:
                block = self._blocks.get(timeout=wait_seconds) if wait_seconds else self._blocks.get_nowait()
                wait_seconds = 0.0
                if block is None:
                    self._over = True
                else:
                    self._split(block, found)
        except queue.Empty:
            pass
        return found

    @property
    def end(self) -> str | None:
        """None while it works or has rows to be fetched; then what went wrong, empty if nothing did."""
        return (self._verdict or "") if self._over else None

    def close(self) -> None:
        """End it now, whatever it does."""
        self.finish()
        self._let_go.set()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        with suppress(queue.Empty):
            while True:
                self._blocks.get_nowait()
        self._thread.join()

    def _split(self, block: bytes, found: list[Cells]) -> None:
        # blocks are shorter than the limit, so none but the first line can be beyond it; a row without its end is cut
        # in the middle of a value and tells nothing that could be believed
        whole, end, self._rest = (self._rest + block).rpartition(b"\n")
        width = len(self._columns)
        if end:
            lines = whole.decode("utf-8", "replace").split("\n")
            if self._skipping or len(lines[0]) > LINE_BYTES_MAX:
                self.wrong += 1
                del lines[0]
            self._skipping = False
            for line in lines:
                cells = line.split("\t")
                if len(cells) == width:
                    found.append(cells)
                else:
                    self.wrong += 1
        if len(self._rest) > LINE_BYTES_MAX:
            self._rest, self._skipping = b"", True

    def _run(self, reading: int) -> None:
        try:
            self._verdict = self._loop.run_until_complete(self._read(reading))
        except Exception as error:  # noqa: BLE001  pyshark's and asyncio's code: whatever it was, we must hear of it
            self._verdict = f"reading it failed: {type(error).__name__}: {_plain(str(error))}"
        finally:
            with suppress(Exception):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._hand_over(None)

    def _hand_over(self, block: bytes | None) -> bool:
        while not self._let_go.is_set():
            with suppress(queue.Full):
                self._blocks.put(block, timeout=0.2)
                return True
        return False

    async def _read(self, reading: int) -> str:
        capture = TabsCapture(reading, self._tshark, self._columns, self._loop, live=self._live)
        blocks = capture.blocks(self._stop)
        try:
            async for block in blocks:
                if not self._hand_over(block):
                    return ""
        finally:
            await blocks.aclose()
        return _verdict(capture.returncode, bytes(capture.words))


def _verdict(code: int | None, words: bytes) -> str:
    said = " ".join(
        line.removeprefix("tshark: ") for line in _plain(words.decode("ascii", "replace")).split("\n") if line
    )
    said = _QUIET.sub("", said).strip()
    if code == 0:
        return ""
    if code is not None and code < 0:
        name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        return f"tshark was killed ({name})" + (f": {said}" if said else "")
    return f"tshark gave up (exit {code}): {said or 'without a word'}"


def _plain(text: str) -> str:
    return "".join(char if char == "\n" or char.isprintable() else "?" for char in text)[:500]
