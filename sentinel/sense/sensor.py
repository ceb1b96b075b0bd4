"""Reads a capture file through once and turns it into records: flows, DNS, TLS, findings and one line on its health."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path

from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock
from sentinel.sense import records, rows
from sentinel.sense.capture import CaptureError, Reader
from sentinel.sense.flows import Done, FlowTable
from sentinel.sense.records import Record
from sentinel.sense.scan import ScanLimits, ScanWatch

__all__ = ["Put", "Reading", "Report", "SenseSettings", "read_pcap", "sense_file"]

Put = Callable[[Sequence[Raw]], object]
"""Where records go, a batch at a time: `Spool.put`, which returns once they survive a crash."""


@dataclass(frozen=True, slots=True)
class SenseSettings:
    """What may be chosen. `tshark` None: found on PATH; `stall_seconds`: silence after which tshark is stopped."""

    scan: ScanLimits = field(default_factory=ScanLimits)
    flows_max: int = 200_000
    batch: int = 500
    tshark: Path | None = None
    stall_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a capture: `packets` counts all, `not_ip` those that belong to no flow.

    `findings` are the records themselves, as they were written; `problems` is empty if everything was read.
    """

    packets: int
    not_ip: int
    flows: int
    evicted: int
    records: dict[str, int]
    findings: tuple[Record, ...]
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> Exit:
        """OK, or PARTIAL if something could not be read."""
        return Exit.PARTIAL if self.problems else Exit.OK


class Reading:
    """One pass over a capture: iterate for its records, then ask for the `report`.

    The same capture gives the same records with the same identities, whatever it is called and whenever it is read: a
    record's position is `<beginning of the file's sha256>:<number of its first packet>:<hash of the record>`. The hash
    keeps a record cut short in a reading that broke off apart from the whole one of a later reading.
    """

    def __init__(self, path: Path, source: str, clock: Clock, settings: SenseSettings | None = None) -> None:
        self._settings = settings or SenseSettings()
        self._path = path
        self._source = source
        self._clock = clock
        self._table = FlowTable(self._settings.flows_max)
        self._watch = ScanWatch(self._settings.scan)
        self._counts: Counter[str] = Counter()
        self._findings: list[Record] = []
        self._problems: list[str] = []
        self._packets = self._not_ip = self._bad_times = 0
        self._last = 0

    @property
    def report(self) -> Report:
        """What has been read so far; complete once the iteration has ended."""
        return Report(
            packets=self._packets,
            not_ip=self._not_ip,
            flows=self._counts["flow"],
            evicted=self._table.evicted,
            records=dict(self._counts),
            findings=tuple(self._findings),
            problems=tuple(self._problems),
        )

    def __iter__(self) -> Iterator[Raw]:
        """Yield the capture's records; raises CaptureError, TsharkMissingError."""
        digest = _digest(self._path)
        received = self._clock.now()
        for record in self._records():
            body = records.encode(record)
            self._counts[str(record["type"])] += 1
            position = f"{digest}:{record.get('frame', 0)}:{blake2b(body, digest_size=12).hexdigest()}"
            yield Raw(body, self._source, received, Origin("pcap", f"sha256:{digest}", position))

    def _records(self) -> Iterator[Record]:
        reader = Reader(self._path, rows.COLUMNS, self._settings.tshark, self._settings.stall_seconds)
        yield from self._packet_records(reader.rows())
        yield from self._flow_records(self._table.close())
        for scan in self._watch.close():
            yield self._finding(records.finding_record(scan))
        self._problems += reader.problems
        if self._bad_times:
            self._problems.append(f"{self._bad_times} packets without a usable time were given the one before theirs")
        if self._table.evicted:
            limit = self._settings.flows_max
            self._problems.append(f"{self._table.evicted} flows were cut short: more than {limit} at once")
        yield self._health()

    def _packet_records(self, packets: Iterable[list[str]]) -> Iterator[Record]:
        add, drain = self._table.add, self._table.drain
        time = 0
        for cells in packets:
            self._packets += 1
            stamp = rows.time_of(cells[0])
            if stamp is None:
                self._bad_times += 1
            else:
                time = stamp
            packet = rows.packet_of(cells, time, self._packets)
            if packet is None:
                self._not_ip += 1
                continue
            flow = add(packet)
            if rows.has_dns(cells):
                yield records.dns_record(cells, packet, flow)
            elif rows.has_tls(cells):
                records.note_tls(cells, flow.notes)
            if self._table.waiting >= self._settings.batch:
                yield from self._flow_records(drain())
        self._last = time

    def _flow_records(self, ended: list[Done]) -> Iterator[Record]:
        for flow, notes in ended:
            if notes:
                yield records.tls_record(flow, notes)
            yield records.flow_record(flow)
            for scan in self._watch.see(flow):
                yield self._finding(records.finding_record(scan))

    def _finding(self, record: Record) -> Record:
        self._findings.append(record)
        return record

    def _health(self) -> Record:
        return {
            "type": "health",
            "time": records.when(self._last) if self._last else iso(self._clock.now()),
            "file": self._path.name,
            "packets": self._packets,
            "not_ip": self._not_ip,
            "flows": self._counts["flow"],
            "evicted": self._table.evicted,
            "problems": list(self._problems),
        }


def read_pcap(path: Path, source: str, clock: Clock, settings: SenseSettings | None = None) -> Reading:
    """Return a reading of the capture at `path`; nothing happens before it is iterated."""
    return Reading(path, source, clock, settings)


def sense_file(
    path: Path, put: Put, clock: Clock, settings: SenseSettings | None = None, source: str = "sensor"
) -> Report:
    """Read the capture at `path` and hand its records to `put`, a batch at a time; blocks until all are handed over.

    Raises CaptureError if nothing could be read, TsharkMissingError if there is no tshark, and what `put` raises.
    A capture read only in part gives what was read, with `problems` in the report.
    """
    reading = read_pcap(path, source, clock, settings)
    limit = (settings or SenseSettings()).batch
    batch: list[Raw] = []
    for raw in reading:
        batch.append(raw)
        if len(batch) >= limit:
            put(batch)
            batch = []
    if batch:
        put(batch)
    return reading.report


def _digest(path: Path) -> str:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror or error}") from error
    return digest.hexdigest()[:32]
