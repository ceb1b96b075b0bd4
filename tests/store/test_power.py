"""What the store, the books and the alerts acknowledge has been synchronised: seen in the system calls themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

VICTIM = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from sentinel.alert.book import Book
from sentinel.core.clock import SystemClock
from sentinel.core.database import writing
from sentinel.core.event import Event
from sentinel.core.source import Account, Entering
from sentinel.sources.book import SourceBook
from sentinel.store.embedded import EmbeddedStore

folder, lax = Path(sys.argv[1]), sys.argv[2] == "lax"
now = datetime(2026, 11, 23, tzinfo=UTC)
store, books = EmbeddedStore(folder / "store"), SourceBook(folder / "sources.db", SystemClock(), writer=True)
book = Book(folder / "state.db", SystemClock())
if lax:
    for one in (books, book):
        one._db.execute("PRAGMA synchronous=OFF")
books.begin(0, 0)
for number in range(1, 6):
    store.append([Event(f"{number:032x}", number, now, now, {"message": "x"})])
    os.write(1, b"acked\\n")
    books.enter(Entering(number, now, now, {Account(1, "city", "received"): 1}, {}))
    os.write(1, b"acked\\n")
    book.record([], number)
    os.write(1, b"acked\\n")
"""
CALL = re.compile(r"\d+ +(\w+)\((?:AT_FDCWD(?:<[^>]*>)?, \"([^\"]*)\"|\d+<([^>]*)>)(.*)")


def unsynchronised(folder: Path, how: str) -> list[str]:
    """Run the victim; return what was written, or made, and not synchronised when something was acknowledged."""
    trace = folder / "trace"
    calls = "trace=write,pwrite64,fdatasync,fsync,openat,rename"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", calls, sys.executable, "-c", VICTIM, folder / "data", how],
        capture_output=True,
        check=False,
    )
    if b"Operation not permitted" in done.stderr:
        pytest.skip("strace may not look into a process here")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.count(b"acked") == 15
    dirty: set[str] = set()
    found: list[str] = []
    for line in trace.read_text(errors="replace").splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        kind, path = call[1], call[2] or call[3]
        ours = path.startswith(str(folder / "data")) and not path.endswith(("-shm", ".lock"))
        if kind in {"write", "pwrite64"} and ours:
            dirty.add(path)
        elif kind == "openat" and ours and "O_CREAT" in call[4] and path.endswith((".ndjson", "-wal")):
            dirty.add(str(Path(path).parent))
        elif kind in {"fdatasync", "fsync"}:
            dirty.discard(path)
        elif kind == "write" and '"acked' in call[4]:
            found += sorted(dirty)
    return found


def test_nothing_is_acknowledged_before_it_is_synchronised(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert not unsynchronised(tmp_path, "strict")
    synchronised = re.findall(r"f(?:data)?sync\(\d+<[^>]*?([^/>]*)>", (tmp_path / "trace").read_text(errors="replace"))
    assert sum(name.endswith(".ndjson") for name in synchronised) == 5
    assert {"sources.db-wal", "state.db-wal", "store"} <= set(synchronised)


def test_databases_that_are_not_synchronised_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found = unsynchronised(tmp_path, "lax")
    assert any(path.endswith("sources.db-wal") for path in found)
    assert any(path.endswith("state.db-wal") for path in found)
