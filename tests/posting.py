"""Numbered lines posted to a real Sentinel, which of them it acknowledged, and which its store holds in the end."""

import threading
import time
import urllib.error
import urllib.request
from itertools import count
from pathlib import Path
from typing import Any, Self

from sentinel.app import App
from sentinel.config import load
from sentinel.core.ports import Span
from sentinel.core.where import Is
from sentinel.respond.language import EARLIEST
from sentinel.testing.balance import balanced
from tests.running import Running

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def lines(start: int, end: int) -> list[bytes]:
    return [b"<13>Nov 23 09:00:00 pc1 load: number=%d %s" % (number, b"." * 200) for number in range(start, end)]


def stored(city: Running) -> list[int]:
    """Return the numbers of all lines that the store holds, in order."""
    app = App(load(city.config))
    span = Span(EARLIEST, app.clock.now() + app.margin, "ingested")
    with app.reading() as store:
        found = store.search(Is("process.name", "load"), span, 1_000_000)
        return sorted(int(str(event.fields["message"]).split("=")[1].split()[0]) for event in found)


def unbalanced(city: Running) -> list[str]:
    app = App(load(city.config))
    with app.books() as books, app.spool() as spool, app.reading() as store:
        return balanced(books, spool, store)


def status(city: Running) -> dict[str, Any]:
    (found,) = city.json("status")
    return found


class Poster:
    """Posts numbered lines as long as it is open; remembers which were acknowledged and how often it was put off."""

    def __init__(self, city: Running) -> None:
        self.acknowledged: set[int] = set()
        self.put_off = 0
        self.last = self.slowest = 0.0
        self._city = city
        self._numbers = count(step=20)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        first = next(self._numbers)
        while not self._end.wait(0.01):
            try:
                began = time.monotonic()
                self._post(first)
            except urllib.error.HTTPError as error:
                with error:
                    self.put_off += error.code == 429 and int(error.headers["Retry-After"]) > 0
                time.sleep(0.1)
            except OSError:  # no answer: nobody promised anything, so what comes next is something else
                first = next(self._numbers)
            else:
                self.acknowledged |= set(range(first, first + 20))
                self.last = time.monotonic()
                self.slowest = max(self.slowest, self.last - began)
                first = next(self._numbers)

    def _post(self, first: int) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._city.ports['http']}/",
            b"\n".join(lines(first, first + 20)),
            {"Authorization": "Bearer " + "t" * 32, "Content-Type": "text/plain"},
        )
        _NO_PROXY.open(request, timeout=2).close()


def with_http(city: Running, *, data: Path | None = None, more: str = "") -> None:
    token = city.folder / "token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    text = city.config.read_text()
    if data is not None:
        text = text.replace(f'data = "{city.folder}/data"', f'data = "{data}"')
    city.config.write_text(text + f'[[http]]\nname = "web"\nport = 0\ntoken_file = "{token}"\n' + more)
