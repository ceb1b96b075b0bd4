"""Reads a capture file through once: records of what is seen, findings of what is wrong, one line on its health."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path

from sentinel.core.errors import Exit
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock
from sentinel.sense import detections
from sentinel.sense.filepass import CaptureError, FilePass
from sentinel.sense.findings import Finding
from sentinel.sense.judge import Judge
from sentinel.sense.records import Health, Record
from sentinel.sense.settings import SenseSettings
from sentinel.sense.writing import encode, is_written

__all__ = ["Put", "Reading", "Report", "read_pcap", "sense_file"]

Put = Callable[[Sequence[Raw]], object]
"""Where records go, a batch at a time: `Spool.put`, which returns once they survive a crash."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a capture: `packets` counts all, `not_ip` those that belong to no flow.

    `findings` holds the latest of each; `problems` is empty if everything was read.
    """

    packets: int
    not_ip: int
    flows: int
    evicted: int
    records: Mapping[str, int]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> Exit:
        """OK, or PARTIAL if something could not be read."""
        return Exit.PARTIAL if self.problems else Exit.OK


class Reading:
    """One pass over a capture: iterate for its records, or `skim` for what is found alone; then ask for the `report`.

    The same capture gives the same records with the same identities, whatever it is called and whenever it is read: a
    record's position is `<beginning of the file's sha256>:<number of its first packet>:<hash of the record>`. The hash
    keeps a record cut short in a reading that broke off apart from the whole one of a later reading.
    """

    def __init__(self, path: Path, source: str, clock: Clock, settings: SenseSettings | None = None) -> None:
        self._settings = settings or SenseSettings()
        self._path = path
        self._source = source
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._findings: dict[object, Finding] = {}
        self._problems: tuple[str, ...] = ()
        self._pass = FilePass(path, self._settings)

    @property
    def report(self) -> Report:
        """What has been read so far; complete once the pass has ended."""
        return Report(
            packets=self._pass.packets,
            not_ip=self._pass.not_ip,
            flows=self._counts["flow"],
            evicted=self._pass.evicted,
            records=dict(self._counts),
            findings=tuple(self._findings.values()),
            problems=self._problems,
        )

    def __iter__(self) -> Iterator[Raw]:
        """Yield the capture's records; raises CaptureError, ToolMissingError, ConfigError."""
        digest = _digest(self._path)
        received = self._clock.now()
        for record in self._told():
            body = encode(record)
            if body is None:
                continue
            self._counts[_kind(record)] += 1
            place = 0 if isinstance(record, Finding) else record.frame
            position = f"{digest}:{place}:{blake2b(body, digest_size=12).hexdigest()}"
            yield Raw(body, self._source, received, Origin("pcap", f"sha256:{digest}", position))

    def skim(self) -> None:
        """Read it for the report alone; raises as iterating does. No record is made into a line, so it costs less."""
        for record in filter(is_written, self._told()):
            self._counts[_kind(record)] += 1

    def _told(self) -> Iterator[Record | Finding]:
        settings = self._settings
        judge = Judge(detections.load(settings.tuning, settings.scene), settings.segments)
        if settings.learn:
            for record in FilePass(settings.learn, settings):
                judge.learn(record)
        for record in self._pass:
            yield record
            if found := judge.take(record):
                yield from self._noted(found)
        yield from self._noted(judge.close())
        self._problems = tuple(self._pass.problems)
        yield self._health()

    def _noted(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        for found in findings:
            self._findings[found.key] = found
            yield found

    def _health(self) -> Health:
        last = self._pass.last or int(self._clock.now().timestamp()) * 1_000_000_000
        return Health(
            time=last,
            file=self._path.name,
            packets=self._pass.packets,
            not_ip=self._pass.not_ip,
            flows=self._counts["flow"],
            evicted=self._pass.evicted,
            problems=self._problems,
        )


def _kind(record: Record | Finding) -> str:
    return "finding" if isinstance(record, Finding) else record.type


def read_pcap(path: Path, source: str, clock: Clock, settings: SenseSettings | None = None) -> Reading:
    """Return a reading of the capture at `path`; nothing happens before it is iterated."""
    return Reading(path, source, clock, settings)


def sense_file(
    path: Path, put: Put, clock: Clock, settings: SenseSettings | None = None, source: str = "sensor"
) -> Report:
    """Read the capture at `path` and hand its records to `put`, a batch at a time; blocks until all are handed over.

    Raises CaptureError if nothing could be read, ToolMissingError if there is no tshark, and what `put` raises.
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
