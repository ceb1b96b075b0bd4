"""The stage at work: takes events in order of arrival, and writes what has ended into the spool."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from sentinel.core.errors import SentinelError
from sentinel.core.event import Event, Raw, node_of
from sentinel.core.join import Join
from sentinel.core.kill import point
from sentinel.core.ports import Clock, Store
from sentinel.core.reached import Reached
from sentinel.join.assembly import Assembly
from sentinel.join.book import JoinBook

BATCH = 2_000


class Outlet(Protocol):
    """The spool, as far as it is needed here."""

    def try_put(self, raws: Sequence[Raw], /) -> int:
        """Return once the records survive a crash; raises SpoolFullError, with nothing written, if there is no room."""


class Joiner:
    """Joins what `joins` (by pack) say belongs together; goes on where the book stands.

    A book that is new begins at `start`. A whole is in the spool before the book lets it go: a crash between the two
    writes it again, with the identity it had, and it is stored once.
    """

    def __init__(
        self,
        joins: Mapping[str, Join],
        book: JoinBook,
        store: Store,
        outlet: Outlet,
        clock: Clock,
        *,
        start: Reached,
    ) -> None:
        self._joins, self._book, self._store, self._outlet, self._clock = joins, book, store, outlet, clock
        joined = book.joined()
        self._joined = self._entered = start if joined is None else joined
        self._assembly = self._opened()

    def see(self, after: int, events: Sequence[Event]) -> None:
        """Take events that somebody has read already, if they go on where we stand; if not, `run` will read them."""
        if after <= self._joined.at(node_of(after)):
            with suppress(SentinelError):
                self._take([event for event in events if not self._joined.holds(event.seq)])

    def run(self, until: Reached) -> None:
        """Take what has arrived up to `until`, and end what has been quiet for long; raises StoreError or SpoolError.

        Nothing is lost then; the next run does it again. The store is asked only for what `see` was not shown.
        """
        for node, last in until.by_node.items():
            while self._joined.at(node) < last and (events := self._store.since(self._joined.at(node), last, BATCH)):
                self._take(events)
        self._keep(self._assembly.quiet(self._clock.now()), self._joined)
        if self._joined != self._entered:
            self._book.enter(self._joined, (), ())
            self._entered = self._joined

    def _take(self, events: Sequence[Event]) -> None:
        if events:
            self._keep(self._assembly.add(events), self._joined.to(events[-1].seq))

    def _keep(self, ended: Iterable[Raw], joined: Reached) -> None:
        assembly = self._assembly
        try:
            records = list(ended)
            if records:
                self._outlet.try_put(records)  # judging, which goes on behind us, must not wait for room
                point("join.durable")
            if assembly.changed or assembly.gone:
                self._book.enter(joined, [(name, assembly.open[name]) for name in assembly.changed], assembly.gone)
                self._entered = joined
                point("join.entered")
        except BaseException:
            self._assembly = self._opened()
            raise
        assembly.changed.clear()
        assembly.gone.clear()
        self._joined = joined

    def _opened(self) -> Assembly:
        assembly = Assembly(self._joins)
        for name, whole in self._book.open():
            assembly.put(name, whole)
        return assembly
