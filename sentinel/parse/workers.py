"""Processes in which records are read and formed, and the one end from which the pipeline takes what they made.

Packs read what strangers wrote. One that ends its process, or never returns, costs the record it was reading and
nothing else: the stretch is asked for again in halves, by a process begun anew, until that record stands alone and
becomes a dead letter without having been read.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from sentinel.core.errors import SentinelError
from sentinel.parse.prepare import Prepared, Preparer, Stretch

DEPTH = 2
"""So many stretches a process has before it: it begins the next one while the last is being stored."""
PATIENCE_SECONDS = (10.0, 0.02)
"""How long an answer may take: so long, and so much longer for each record."""

BEGIN_TRIES = 3
"""So often a process is begun instead of a lost one: it may be killed while it begins, and that is no fault of ours."""

_GREETING_RECORDS = 5_000
"""To begin takes no longer than reading so many."""

Begin = Callable[[], tuple[BaseProcess, Connection]]
"""Begins a process that runs `serve` at the other end of the connection."""


def serve(link: Connection, make: Callable[[], tuple[Preparer, str]]) -> None:
    """Send the greeting that `make` returns, then prepare what is asked for; an error of ours is an answer too.

    Returns when the other end is closed.
    """
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            preparer, greeting = make()
        except SentinelError as error:
            link.send(error)
            return
        link.send(greeting)
        while True:
            stretch: Stretch = link.recv()
            try:
                answer: Prepared | SentinelError = preparer.prepare(stretch)
            except SentinelError as error:
                answer = error
            link.send(answer)


class _LostError(Exception):
    """The process ended, or does not answer."""


class _UnbegunError(SentinelError):
    """The process was lost before it could read anything."""


@dataclass(eq=False, slots=True)
class _Worker:
    process: BaseProcess
    link: Connection
    asked: deque[Stretch] = field(default_factory=deque)

    def ask(self, stretch: Stretch) -> None:
        self.asked.append(stretch)
        with suppress(OSError):  # a process that has ended is found when its answer is missing
            self.link.send(stretch)

    def answer(self, records: int) -> Any:  # noqa: ANN401  what `serve` sends
        """Return what the process says next; it has so many records to read for it. Raises _LostError."""
        first, each = PATIENCE_SECONDS
        try:
            if self.link.poll(first + each * records):
                return self.link.recv()
        except (EOFError, OSError) as error:
            raise _LostError from error
        raise _LostError

    def end(self) -> str:
        """End the process if it still runs; return how it ended."""
        self.link.close()
        if self.process.is_alive():
            self.process.join(0.5)
        silent = self.process.is_alive()
        if silent:
            self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        return "it did not answer" if silent else f"signal {-code}" if code < 0 else f"exit code {code}"


class Workers:
    """`count` processes; see `Preparing`. Raises what they say if they cannot even begin."""

    def __init__(self, begin: Begin, count: int, report: Callable[[str], None]) -> None:
        self._begin = begin
        self._report = report
        self._order: deque[_Worker] = deque()
        self._all = [_Worker(*begin()) for _ in range(count)]
        try:
            self.greeting, *_ = [self._greeted(one) for one in self._all]
        except BaseException:
            self.close()
            raise

    @property
    def wants(self) -> bool:
        """Say whether one more stretch may be asked for."""
        return any(len(one.asked) < DEPTH for one in self._all)

    def ask(self, stretch: Stretch, /) -> None:
        """Have a stretch prepared by whoever has least to do."""
        worker = min(self._all, key=lambda one: len(one.asked))
        worker.ask(stretch)
        self._order.append(worker)

    @property
    def ready(self) -> bool:
        """Say whether `take` would return something without waiting."""
        return bool(self._order) and self._order[0].link.poll()

    def take(self) -> Prepared | None:
        """Return what is next in order; see `Preparing`."""
        while self._order:
            worker = self._order[0]
            stretch = worker.asked[0]
            try:
                answer = worker.answer(stretch.through - stretch.after)
            except _LostError:
                self._begin_anew(worker)
                continue
            if isinstance(answer, SentinelError):
                worker.end()
                self._replace(worker, list(worker.asked))  # what it made of the rest is not worth keeping apart
                raise answer
            worker.asked.popleft()
            self._order.popleft()
            return answer  # type: ignore[no-any-return]  # the answer to a stretch
        return None

    def close(self) -> None:
        """End all processes."""
        for one in self._all:
            one.link.close()
        for one in self._all:
            one.end()

    def _begin_anew(self, worker: _Worker) -> None:
        stretch, *others = worker.asked
        how = worker.end()
        again = list(_parts(stretch, how))
        if len(again) > 1:
            self._order.appendleft(worker)
        self._report(f"a parser ended over the records {stretch.after + 1} to {stretch.through} ({how}): read again")
        self._replace(worker, [*again, *others])

    def _replace(self, worker: _Worker, asked: Sequence[Stretch]) -> None:
        worker.asked.clear()
        for left in reversed(range(BEGIN_TRIES)):
            worker.process, worker.link = self._begin()
            try:
                self._greeted(worker)
                break
            except _UnbegunError as error:
                if not left:
                    raise
                self._report(f"{error}: tried again")
        for stretch in asked:
            worker.ask(stretch)

    def _greeted(self, worker: _Worker) -> str:
        try:
            said = worker.answer(_GREETING_RECORDS)
        except _LostError as error:
            raise _UnbegunError(f"a process that parses could not begin ({worker.end()})") from error
        if isinstance(said, SentinelError):
            raise said
        return str(said)


def _parts(stretch: Stretch, how: str) -> Iterator[Stretch]:
    """Yield what is asked for instead of a stretch over which a process was lost (`how`).

    A record is blamed only if a second process was lost over it: the first may have been killed by somebody.
    """
    middle = (stretch.after + stretch.through) // 2
    if stretch.after < middle:
        yield Stretch(stretch.after, middle, again=True)
        yield Stretch(middle, stretch.through, again=True)
    elif stretch.again:
        yield replace(stretch, unread=f"the parser ended over this record ({how})")
    else:
        yield replace(stretch, again=True)
