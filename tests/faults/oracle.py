"""The oracle: a process of its own, never faulted, that hands out ids and writes down which were acknowledged.

Run as `oracle.py DATABASE` it reads one JSON request a line from standard input and answers each when it is durable
(SQLite, synchronous FULL): `{"issue": 50, "to": "relp"}` → `{"first": 101}`, `{"acked": [101, 102]}` → `{}`.
"""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Known:
    """What the oracle knows: to whom each id was issued, and which were acknowledged."""

    issued: dict[int, str]
    acked: frozenset[int]


class Oracle:
    """Speaks with the process; any number of threads may."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self._process.communicate(timeout=30)

    def issue(self, count: int, to: str) -> range:
        """Return ids that were never given to anybody."""
        first = int(self._ask(issue=count, to=to)["first"])
        return range(first, first + count)

    def acked(self, numbers: Sequence[int]) -> None:
        """Write down that these were acknowledged."""
        self._ask(acked=list(numbers))

    def known(self) -> Known:
        """Return everything known, read from the disk."""
        with sqlite3.connect(self._database) as db:
            issued = {
                first + at: to
                for first, count, to in db.execute("SELECT first, count, entrance FROM issued")
                for at in range(count)
            }
            acked = frozenset(number for (number,) in db.execute("SELECT number FROM acked"))
        db.close()
        return Known(issued, acked)

    def _ask(self, **request: object) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._turn:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
        return answer


def _serve(database: str) -> None:
    db = sqlite3.connect(database)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE IF NOT EXISTS issued (first INTEGER PRIMARY KEY, count INTEGER, entrance TEXT)")
    db.execute("CREATE TABLE IF NOT EXISTS acked (number INTEGER PRIMARY KEY)")
    for text in sys.stdin:
        request = json.loads(text)
        answer = {}
        with db:
            if "issue" in request:
                (first,) = db.execute("SELECT coalesce(max(first + count), 1) FROM issued").fetchone()
                db.execute("INSERT INTO issued VALUES (?, ?, ?)", (first, request["issue"], request["to"]))
                answer = {"first": first}
            else:
                rows = [(number,) for number in request["acked"]]
                db.executemany("INSERT OR IGNORE INTO acked VALUES (?)", rows)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    db.close()


if __name__ == "__main__":
    _serve(sys.argv[1])
