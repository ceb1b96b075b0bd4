"""One pass over a capture file: its records in order, afterwards how much was read and what could not be."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from sentinel.core.errors import UsageError
from sentinel.sense.capture import Dissector
from sentinel.sense.collector import calm
from sentinel.sense.columns import COLUMNS
from sentinel.sense.dissect import Dissection
from sentinel.sense.formats import FormatError, Stream
from sentinel.sense.links import KNOWN
from sentinel.sense.records import Record
from sentinel.sense.sandbox import find_tool
from sentinel.sense.settings import SenseSettings
from sentinel.sense.sift import Sifter

__all__ = ["CaptureError", "FilePass"]

_BLOCK_BYTES = 256 * 1024
_FAILURES_MAX = 10
_WAIT_SECONDS = 0.05


class CaptureError(UsageError):
    """A capture file of which nothing could be read; the message says why."""


class FilePass:
    """The records of a capture: iterate once, then ask for the numbers.

    Raises CaptureError if it is no capture, ToolMissingError if there is no tshark. A tshark that fails is replaced
    ten times at most; what comes then has flows only, and a problem says so.
    """

    def __init__(self, path: Path, settings: SenseSettings) -> None:
        self.problems: list[str] = []
        self._path = path
        self._settings = settings
        self._sifter = Sifter(settings.flows_max)
        self._stream = Stream()
        self._dissection = Dissection(self._sifter, self._start, settings.stall_seconds, patient=True)

    @property
    def packets(self) -> int:
        """How many packets were read."""
        return self._sifter.packets

    @property
    def not_ip(self) -> int:
        """How many of them belong to no flow."""
        return self._sifter.not_ip

    @property
    def selected(self) -> int:
        """How many of them tshark was shown."""
        return self._sifter.shown

    @property
    def evicted(self) -> int:
        """How many flows were cut short."""
        return self._sifter.table.evicted

    @property
    def last(self) -> int:
        """The time of the last packet."""
        return self._sifter.last

    def __iter__(self) -> Iterator[Record]:
        """Yield the records."""
        self._tshark = find_tool("tshark", self._settings.tshark)
        try:
            with calm():
                yield from self._read()
        finally:
            self._dissection.stop()
        self._sum_up()

    def _read(self) -> Iterator[Record]:
        sifter, dissection = self._sifter, self._dissection
        try:
            for block in self._blocks():
                for batch in self._stream.feed(block):
                    if batch.link not in KNOWN and not sifter.packets:
                        raise CaptureError(f"{self._path}: packets of link type {batch.link} cannot be read")
                    sifter.feed(batch)
                yield from dissection.records()
                while dissection.busy:
                    yield from dissection.records(_WAIT_SECONDS)
            self._note(self._stream.end())
        except FormatError as error:
            self._note(str(error))
        sifter.table.close()
        yield from dissection.close()

    def _start(self) -> Dissector | None:
        if self._dissection.failures >= _FAILURES_MAX:
            return None
        return Dissector(COLUMNS, self._tshark)

    def _blocks(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                packed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                source = gzip.GzipFile(fileobj=file) if packed else file
                while block := source.read(_BLOCK_BYTES):
                    yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            if not self._sifter.packets:
                raise CaptureError(f"{self._path}: damaged gzip file, nothing could be read") from error
            self._note("damaged gzip file")
        except OSError as error:
            raise CaptureError(f"{self._path}: {error.strerror or error}") from error

    def _note(self, problem: str) -> None:
        if not problem:
            return
        if not self._sifter.packets:
            raise CaptureError(f"{self._path}: {problem}")
        self.problems.append(f"{problem}; what was read up to there, {self._sifter.packets} packets, is kept")

    def _sum_up(self) -> None:
        dissection, sifter = self._dissection, self._sifter
        self.problems += dissection.problems
        if dissection.wrong:
            self.problems.append(f"{dissection.wrong} rows of tshark could not be understood and were left out")
        if dissection.failures >= _FAILURES_MAX:
            self.problems.append(
                f"tshark failed {dissection.failures} times: {dissection.missed} packets were not shown to it"
            )
        if self._stream.bad_times:
            count = self._stream.bad_times
            self.problems.append(f"{count} packets without a usable time were given the one before theirs")
        for link, count in sorted(sifter.unread.items()):
            self.problems.append(f"{count} packets of link type {link} cannot be read")
        if self.evicted:
            limit = self._settings.flows_max
            self.problems.append(f"{self.evicted} flows were cut short: more than {limit} at once")
