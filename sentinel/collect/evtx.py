"""Files that are read once: Windows event logs (.evtx, XML), and log files as text or compressed.

A Windows record is known by channel, computer, record number and time, a line by what comes before it in its file
(see `identity`): importing the same thing twice stores it once. Damage is reported, counted and passed over.
"""

import asyncio
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import orjson
from evtx import PyEvtxParser

from sentinel.collect.identity import START, begun, chained, family, position
from sentinel.collect.lines import Line
from sentinel.collect.records import LINE_BY_LINE, Cutting
from sentinel.core.errors import UsageError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

if TYPE_CHECKING:
    from io import BufferedReader

BATCH_MAX = 5000
BATCH_BYTES = 4 << 20
READ_BYTES = 256 * 1024
PROBLEMS_MAX = 1000
"""After so many damaged places the rest of a file is given up."""

_IDENTITY = re.compile(
    r'"SystemTime":"([^"\\]*)".*?"EventRecordID":(\d+)[,}].*?"Channel":"([^"\\]*)","Computer":"([^"\\]*)"'
)
"""Time, number, channel and computer in the order in which Windows writes them; JSON costs three times as much."""
_HEADER_BYTES, _CHUNK_BYTES, _CHUNKS = 4096, 65_536, slice(42, 44)
_EVTX, _GZIP = b"ElfFile\0", b"\x1f\x8b"
_XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*(?:<\?xml[^>]*\?>\s*)?<Events?[\s>]")
_XML_WITHIN = 2048
"""Windows events in XML are told by how the file begins, in UTF-8 or UTF-16."""
_JSON = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*\{[ \t]*\r?\n")
"""So are objects of JSON that have more than one line."""


@dataclass(slots=True)
class ImportReport:
    """What became of a file: records written, and what was wrong with it in words (`damaged` counts them)."""

    records: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def damaged(self) -> int:
        """How many places could not be read."""
        return len(self.problems)


def read_evtx(path: Path, source: str, clock: Clock, problems: list[str] | None = None) -> Iterator[Raw]:
    """Yield every record that can be read; what cannot is described in `problems`. Raises UsageError, OSError."""
    problems = [] if problems is None else problems
    with path.open("rb") as file:
        try:
            records = cast("Iterator[dict[str, object]]", PyEvtxParser(file, number_of_threads=1).records_json())
        except BaseException as error:
            _report(error, problems)
            raise UsageError(f"{path}: no event log that can be read: {problems[-1]}") from error
        for record in _readable(records, problems):
            yield _raw(record, source, clock)
        file.seek(0)
        problems += _cut_off(file.read(_HEADER_BYTES), path.stat().st_size)


def _cut_off(header: bytes, size: int) -> list[str]:
    # the library ends silently where the file does
    said = int.from_bytes(header[_CHUNKS], "little")
    whole, rest = divmod(size - _HEADER_BYTES, _CHUNK_BYTES)
    if whole < said or rest:
        return [f"the file was cut off, what follows is lost: {whole} blocks of {max(said, whole + 1)} are there"]
    return []


def _readable(records: Iterator[dict[str, object]], problems: list[str]) -> Iterator[dict[str, object]]:
    while len(problems) < PROBLEMS_MAX:
        try:
            record = next(records)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001  others' code; `_report` passes on what is not its own
            _report(error, problems)
        else:
            yield record
    problems.append("too much damage: the rest of the file was not read")


def _report(error: BaseException, problems: list[str]) -> None:
    # a failed assertion in the library comes as PanicException, which is no Exception
    if not isinstance(error, RuntimeError | OSError) and type(error).__name__ != "PanicException":
        raise error
    problems.append(" ".join(str(error).split())[:300])


def _raw(record: dict[str, object], source: str, clock: Clock) -> Raw:
    data = str(record["data"])
    body = data.encode("utf-8", "surrogatepass")
    if found := _IDENTITY.search(data):
        stamp, number, channel, computer = found.groups()
        return Raw(body, source, clock.now(), Origin("evtx", computer, f"{channel}/{computer}/{number}/{stamp}"))
    channel = computer = ""
    number, stamp = str(record.get("event_record_id", "")), str(record.get("timestamp", ""))
    try:
        system = orjson.loads(body)["Event"]["System"]
        channel, computer = _text(system["Channel"]), _text(system["Computer"])
        number = _text(system["EventRecordID"])
        stamp = _text(system["TimeCreated"]["#attributes"]["SystemTime"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass  # a record of a shape of its own is known by what the file says of it
    return Raw(body, source, clock.now(), Origin("evtx", computer, f"{channel}/{computer}/{number}/{stamp}"))


def _text(value: object) -> str:
    return str(value["#text"]) if isinstance(value, dict) else str(value)


def read_text(
    path: Path, source: str, clock: Clock, problems: list[str] | None = None, cutting: Cutting = LINE_BY_LINE
) -> Iterator[Raw]:
    """Yield every record of a text file, plain or gzip; Windows events in XML are known as such. Raises OSError."""
    problems = [] if problems is None else problems
    peer = str(family(path.resolve()))
    with path.open("rb") as plain:
        file: BufferedReader | gzip.GzipFile = plain
        if plain.read(2) == _GZIP:
            file = gzip.GzipFile(fileobj=plain)
        plain.seek(0)
        chain, offset = START, 0
        for line in _records(_blocks(file, problems), cutting):
            if line.body:
                place = position(begun(chain, line), offset)
                yield Raw(line.body, source, clock.now(), Origin("file", peer, place, line.note))
            chain = chained(chain, line)
            offset += line.size


def _blocks(file: "BufferedReader | gzip.GzipFile", problems: list[str]) -> Iterator[bytes]:
    try:
        while data := file.read1(READ_BYTES):
            yield data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        problems.append(f"the compressed data is damaged, what follows is lost: {error}")


def _records(blocks: Iterator[bytes], cutting: Cutting) -> Iterator[Line]:
    first = next(blocks, b"")
    head = first[:_XML_WITHIN].replace(b"\0", b"")
    if cutting.kind == "lines" and _XML.match(head):
        cutting = replace(cutting, kind="xml-events")
    elif cutting == LINE_BY_LINE and _JSON.match(head):
        cutting = replace(cutting, kind="json")
    cutter = cutting.cutter(first)
    yield from cutter.feed(first)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.end()


async def import_file(
    path: Path, source: str, sink: Sink, clock: Clock, cutting: Cutting = LINE_BY_LINE
) -> ImportReport:
    """Write every record of the file, an event log or text by its content; raises UsageError if it cannot be read."""
    report = ImportReport()
    try:
        records = await asyncio.to_thread(read_file, path, source, clock, report.problems, cutting)
        batch = await asyncio.to_thread(_batch, records)
        while batch:
            following, _ = await asyncio.gather(asyncio.to_thread(_batch, records), sink.write(batch))
            report.records += len(batch)
            batch = following
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return report


def read_file(
    path: Path, source: str, clock: Clock, problems: list[str], cutting: Cutting = LINE_BY_LINE
) -> Iterator[Raw]:
    """Yield every record of a file, an event log or text by its content; raises UsageError, OSError."""
    with path.open("rb") as file:
        start = file.read(len(_EVTX))
    if start == _EVTX:
        return read_evtx(path, source, clock, problems)
    return read_text(path, source, clock, problems, cutting)


def _batch(records: Iterable[Raw]) -> list[Raw]:
    batch: list[Raw] = []
    size = 0
    for raw in islice(records, BATCH_MAX):
        batch.append(raw)
        size += len(raw.body)
        if size >= BATCH_BYTES:
            break
    return batch
