"""What it costs that machines share alerts: `python -m tests.bench.shared`, which starts a node of its own.

Each figure is a ratio to the same book in a file of this machine alone, in the same run.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from sentinel.alert.book import Book
from sentinel.core.clock import SystemClock
from sentinel.store.es_journal import ElasticJournal
from tests import shared
from tests.elastic.machine import found

if TYPE_CHECKING:
    from sentinel.core.replica import Replica

SMALL, LARGE = 200, 10
BATCH = 2_000


def measured(work: Callable[[int], None], times: int) -> tuple[float, float]:
    """Return milliseconds of this process's processor, and on the wall, for each time."""
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(times):
        work(number)
    return (time.process_time() - cpu) * 1000 / times, (time.perf_counter() - wall) * 1000 / times


def acknowledging(book: Book) -> Callable[[int], None]:
    """Return what takes an alert over, again and again."""
    (raised,) = book.record([found(0)], 1)
    return lambda number: cast("None", book.acknowledge(raised, f"anna-{number}"))


def judging(book: Book) -> Callable[[int], None]:
    """Return what records a batch in which every event raises the rule."""
    return lambda number: cast(
        "None", book.record([found(one) for one in range(number * BATCH, (number + 1) * BATCH)], number + 2)
    )


def main() -> None:
    """Measure and print."""
    shared.begin()
    out = sys.stdout
    try:
        url = shared.node()
        with tempfile.TemporaryDirectory() as folder:
            journal = ElasticJournal(url, f"b{uuid4().hex[:8]}-state", "state")
            alone = Book(Path(folder) / "alone.db", SystemClock())
            several = Book(Path(folder) / "several.db", SystemClock(), journal=journal)
            with closing(Book(Path(folder) / "other.db", SystemClock(), journal=journal)._db) as other:
                for name, make, times in (("one change", acknowledging, SMALL), ("a batch", judging, LARGE)):
                    here, there = (measured(make(book), times) for book in (alone, several))
                    out.write(
                        f"{name}: {here[0]:.2f} ms of processor and {here[1]:.2f} ms alone; shared "
                        f"{there[0] / here[0]:.2f} and {there[1] / here[1]:.2f} times as much\n"
                    )
                follower = cast("Replica", other)
                cpu, _ = measured(lambda _: follower.catch_up(), 1)
                entries = SMALL + LARGE + 2
                out.write(f"taking in {entries} entries of another machine: {cpu / entries:.2f} ms of processor each\n")
                idle, wall = measured(lambda _: follower.catch_up(), 100)
                out.write(f"looking in vain: {idle:.2f} ms of processor, {wall:.2f} ms\n")
                sizes = [len(one.body) for one in journal.tail(follower._mark()[1] - 5).entries]  # type: ignore[index]
                out.write(f"a batch of {BATCH} findings is an entry of {max(sizes):,} bytes\n")
            alone.shut()
            several.shut()
    finally:
        shared.end()


if __name__ == "__main__":
    main()
