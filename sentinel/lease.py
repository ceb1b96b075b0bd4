"""Who does what only one machine may: a row in what machines share, whose token grows whenever it changes hands.

Who holds it writes a pulse; who waits counts, on its own clock that nobody sets, how long there was none. A holder that
slept or was cut off is not trusted to know: each of its transactions looks, behind all that others have written,
whether the token is still its own, and changes nothing if not.
"""

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from uuid import uuid4

from sentinel.core.durable import write_file
from sentinel.core.errors import FencedError, OvertakenError, StoreError
from sentinel.core.replica import Replica

_ASKED_SECONDS = 0.5
_BEATS = 3
"""So many beats a lease has time for."""


class Lease:
    """The lease in the file of `db`, for a machine called `holder`; it falls after `seconds` without a pulse."""

    def __init__(self, db: Replica, holder: str, seconds: float, timer: Callable[[], float] = monotonic) -> None:
        self._db, self._holder, self._seconds, self._timer = db, holder, seconds, timer
        self._token = 0
        self._seen: object = None
        self._since = timer()
        self._beats = 0
        self.lost = threading.Event()
        """Set once another machine has it."""

    def take(self) -> str:
        """Take it if it is free, or whoever has it shows no sign of life; return who has it, nothing if it is ours.

        Raises StoreError if what machines share cannot be read now; that time does not count.
        """
        self._db.look()
        if self._db.sight.why:
            self._seen = None
            raise StoreError(self._db.sight.why)
        holder, token = held(self._db)
        seen = (token, pulse := self._db.sight.pulse)
        if seen != self._seen:
            self._seen, self._since = seen, self._timer()
        if holder not in {"", self._holder} and self._timer() - self._since < self._seconds:
            return holder
        with suppress(OvertakenError), self._db.turn():
            if held(self._db) == (holder, token) and self._db.sight.pulse == pulse:
                self._db.execute("UPDATE lease SET holder = ?, token = token + 1", (self._holder,))
                self._token = token + 1
                return ""
        # of the other that was faster nothing may be here yet
        return held(self._db)[0] or "another machine"

    def awaited(self, ended: Callable[[float], bool], talk: Callable[[str], None], waits: Callable[[], None]) -> bool:
        """Take it as soon as that can be, and say what is waited for; False if `ended` (within seconds) came first.

        `waits` is called at each look in vain.
        """
        told = ""
        while True:
            try:
                holder = self.take()
                said = f"{holder} does this; this machine waits, and takes over when that one gives no sign of life"
            except StoreError as error:
                holder, said = "nobody", f"{error}: waiting for what machines share"
            if not holder:
                return True
            if said != told:
                talk(said)
                told = said
            waits()
            if ended(_ASKED_SECONDS):
                return False

    def check(self, db: sqlite3.Connection) -> None:
        """Raise FencedError if it is another's by now."""
        holder, token = held(db)
        if token != self._token:
            self.lost.set()
            raise FencedError(f"{holder or 'another machine'} has taken this over: nothing more is written here")

    @contextmanager
    def kept(self, talk: Callable[[str], None]) -> Iterator[None]:
        """Show signs of life, and let go of it at the end."""
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, name="lease", args=(ended, talk))
        self.lost.clear()
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
            with suppress(StoreError), self._db.turn():
                if held(self._db)[1] == self._token:
                    self._db.execute("UPDATE lease SET holder = ''")

    def _beat(self, ended: threading.Event, talk: Callable[[str], None]) -> None:
        told = ""
        while not self.lost.is_set():
            try:
                self._db.look()
                self.check(self._db)
                self._beats += 1
                self._db.beat(self._token, self._beats)
                self._db.tidy()
                told = ""
            except FencedError as error:
                talk(str(error))
            except (StoreError, sqlite3.Error) as error:
                if str(error) != told:
                    talk(f"what machines share cannot be reached: {error}")
                told = str(error)
            if ended.wait(self._seconds / _BEATS):
                return


def held(db: sqlite3.Connection) -> tuple[str, int]:
    """Return who has the lease, nothing if nobody has, and its token."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lease'").fetchone():
        return "", 0  # nothing is shared yet
    row = db.execute("SELECT holder, token FROM lease").fetchone()
    return str(row[0]), int(row[1])


def name(data: Path) -> str:
    """Return what tells this machine's data folder from every other, after the name people know it by."""
    path = data / "machine"
    try:
        mine = path.read_text("ascii").strip()
    except FileNotFoundError:
        mine = uuid4().hex[:8]
        write_file(path, mine.encode())
    return f"{socket.gethostname()} ({mine})"
