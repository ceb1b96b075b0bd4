"""What `sentinel run` tells whoever watches it: systemd, that it moves; everybody else, what its store is short of.

systemd is told of progress, never by a timer alone: of a process that only keeps breathing it hears nothing any more.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sentinel.core.durable import write_file

_TELL_SECONDS = 1.0


class Service:
    """Tells systemd (where it began this process) and writes `path`, from a thread of its own.

    `moved` returns numbers that grow as long as their part of the work goes on, be it that there is nothing to do;
    `short` what the store is short of, a sentence each.
    """

    def __init__(self, path: Path, moved: Callable[[], Sequence[int]], short: Callable[[], Sequence[str]]) -> None:
        self._path, self._moved, self._short = path, moved, short
        self._fed: Sequence[int] | None = None
        self._said: Sequence[str] | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ready(self) -> None:
        """Say that everything is at work."""
        _notify("READY=1")

    def stopping(self) -> None:
        """Say that an orderly end has begun, and end."""
        _notify("STOPPING=1")
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def tell(self) -> None:
        """Tell once what is to be told by now."""
        now = tuple(self._moved())
        if self._fed is None or all(new > old for new, old in zip(now, self._fed, strict=True)):
            _notify("WATCHDOG=1")
            self._fed = now
        said = tuple(self._short())
        if said != self._said:
            with suppress(OSError):  # a full disk: it is tried again in a second
                write_file(self._path, json.dumps(said).encode())
                self._said = said

    def _run(self) -> None:
        while not self._end.wait(_TELL_SECONDS):
            self.tell()


def short_of(path: Path) -> tuple[str, ...]:
    """Return what the store is short of, as the process that stores said last."""
    with suppress(OSError, ValueError):
        return tuple(str(one) for one in json.loads(path.read_bytes()))
    return ()


def _notify(said: str) -> None:
    # sd_notify(3): a datagram to the socket that systemd names; one that begins with @ has an abstract name
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.connect(f"\0{name[1:]}" if name.startswith("@") else name)
        told.send(said.encode())
