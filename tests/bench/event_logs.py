"""How many records a second come out of an event log: the bare library, our reading, and the whole import onto disk.

    python tests/bench/event_logs.py -n 200000
    python tests/bench/event_logs.py --file Security.evtx

Without a file one is written: logons, processes and Sysmon's events in turn, by the templates that Windows uses. All
three read the same file one after the other in one process bound to one core, three times; medians, and one JSON line.
`library` is what the `evtx` library takes to give each record as JSON; `reading` adds identity and place; `import` is
`sentinel import` with its spool, every batch of 1,000 records durable.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median

from evtx import PyEvtxParser

from sentinel.collect.evtx import import_file, read_evtx
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool
from tests.eventlogs import Happened, write_evtx
from tests.packs.test_wrappings import CREATED, LOGON, SYSMON

ROUNDS = 3


def events(count: int) -> Iterator[Happened]:
    """Yield events that differ in number, time and one value."""
    for number in range(count):
        one = (LOGON, CREATED, SYSMON)[number % 3]
        data = one.data | {"SubjectUserName": f"user{number % 500}"} if one is not SYSMON else one.data
        yield replace(one, record=number + 1, time=one.time + timedelta(milliseconds=number), data=data)


def library(path: Path) -> None:
    """Read every record with nothing but the library."""
    with path.open("rb") as file:
        deque(PyEvtxParser(file, number_of_threads=1).records_json(), maxlen=0)


def reading(path: Path) -> None:
    """Read every record as the import does."""
    deque(read_evtx(path, "bench", SystemClock()), maxlen=0)


def imported(path: Path) -> None:
    """Bring the file into a fresh spool."""
    with tempfile.TemporaryDirectory() as folder, DiskSpool(Path(folder) / "spool", ballast_bytes=0) as spool:
        asyncio.run(import_file(path, "bench", spool, SystemClock()))


def seconds(work: Callable[[Path], None], path: Path) -> float:
    """Return how long `work` takes."""
    begin = time.perf_counter()
    work(path)
    return time.perf_counter() - begin


def main() -> None:
    """Measure, and say so on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=200_000, help="records to write and read")
    parser.add_argument("--file", type=Path, help="an event log to read instead")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "bench.evtx"
        if options.file is None:
            write_evtx(path, events(options.n))
        count = sum(1 for _ in read_evtx(path, "bench", SystemClock()))
        rounds = [[seconds(work, path) for work in (library, reading, imported)] for _ in range(ROUNDS)]
        rates = [round(count / median(took)) for took in zip(*rounds, strict=True)]
        row = dict(zip(("library_per_second", "reading_per_second", "import_per_second"), rates, strict=True))
        megabytes = round(path.stat().st_size / 1e6, 1)
        sys.stdout.write(json.dumps({"records": count, "megabytes": megabytes, **row}) + "\n")


if __name__ == "__main__":
    main()
