"""A machine that judges as long as it is the one that does: `python -m tests.elastic.machine URL INDEX FOLDER SECONDS`.

It says what it does, a line each: `waits for …`, `judges`, `fenced: …`, and the cursor after each finding.
"""

import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, TextIO, cast

from sentinel.alert.book import Book
from sentinel.alert.file import open_file
from sentinel.core.clock import SystemClock
from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import FencedError
from sentinel.core.reached import Reached
from sentinel.core.where import ALWAYS
from sentinel.lease import Lease, name
from sentinel.store.es_journal import ElasticJournal

if TYPE_CHECKING:
    from sentinel.core.replica import Replica

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
RULE = Detection("rule-1", "Too many failures", "high", ALWAYS, "v1", "x.yml", author="Somebody")


def found(number: int) -> Finding:
    """Return a finding about one thing of seven, with one event."""
    at = START + timedelta(minutes=number)
    return Finding(RULE, (("host.name", f"srv-{number % 7}"),), at, at, (f"event-{number}",), 1, "a summary", (at,))


def judge(url: str, index: str, folder: Path, seconds: float, out: TextIO) -> None:
    """Judge until killed: each run finds one thing more than there was."""

    def say(text: str) -> None:
        out.write(f"{text}\n")
        out.flush()

    journal = ElasticJournal(url, index, "state")
    path = folder / "state.db"
    with Book(path, SystemClock(), journal=journal) as book, closing(cast("Replica", open_file(path, journal))) as db:
        lease = Lease(db, name(folder), seconds)
        told = ""
        while True:
            holder = lease.take()
            if holder:
                if holder != told:
                    say(f"waits for {holder}")
                told = holder
                sleep(0.1)
                continue
            say("judges")
            book.guard(lease.check)
            try:
                with lease.kept(lambda _: None):
                    while True:
                        cursor = book.judged().top
                        book.record([found(cursor + 1)], cursor + 1, after=Reached.of(cursor))
                        say(str(cursor + 1))
            except FencedError as error:
                say(f"fenced: {error}")


if __name__ == "__main__":
    judge(sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]), sys.stdout)
