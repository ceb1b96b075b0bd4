"""A process for the spool's tests to kill: writes numbered records, reads and commits them, and says what it did.

Arguments: folder, name, whether to commit. Every record's body is `name:number`. Lines on standard output, each
written by one system call: `acked NUMBER`, `stored SEQ BODY`.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from sentinel.core.event import Origin, Raw
from sentinel.spool.disk import DiskSpool


def say(text: str) -> None:
    """Write one line at once."""
    os.write(1, text.encode() + b"\n")


def main(folder: Path, name: str, *, committing: bool) -> None:
    """Write, read and commit until killed."""
    spool = DiskSpool(folder, segment_bytes=4096, ballast_bytes=0, checkpoint_seconds=0.005)
    number, done = 0, spool.committed
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    while number < 100_000:
        batch = [
            Raw(b"%s:%d" % (name.encode(), number + n), "s", moment, Origin("stdin")) for n in range(1 + number % 7)
        ]
        spool.put(batch)
        number += len(batch)
        say(f"acked {number}")
        if committing and (entries := spool.read(done, 50)):
            done = entries[-1].seq
            say("\n".join(f"stored {entry.seq} {entry.raw.body.decode()}" for entry in entries))
            spool.commit(done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], committing=sys.argv[3] == "commit")
