"""A stored past, read again in order of arrival as if it came just now: only what some rules are about, and a clock."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Formed, Plan, Span, Store
from sentinel.core.where import AllOf, Compare, Where

AT_ONCE = timedelta(minutes=10)
"""What arrived within so long is judged in one go; live it is judged every few seconds."""
PAGE = 2_000


class Narrowed:
    """The events of `store` for which `where` holds and that arrived within `span`, at most `events_max` of them.

    `since` moves `clock` on to when its events arrived; what is asked else is asked of the store as it is. `through` is
    when the last arrived that was read; `cut` says whether there were more than `events_max`.
    """

    def __init__(self, store: Store, where: Where, span: Span, clock: ManualClock, events_max: int) -> None:
        self._store = store
        self._where = where
        self._span = Span(span.start, span.end, "ingested")
        self._clock = clock
        self._left = events_max
        self._end = store.newest()
        self._read = 0
        self._step = 0
        self._ahead: deque[Event] = deque()
        self.through: datetime | None = None
        self.cut = False

    def matched(self) -> int:
        """Return how many events there are."""
        rows = self._store.tally(self._where, self._span, (), 1)
        return rows[0][1] if rows else 0

    def first(self) -> int | None:
        """Return the sequence of the first event, None if there is none."""
        self._fill()
        return self._ahead[0].seq if self._ahead else None

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the next events, those of AT_ONCE at most."""
        while self._ahead and self._ahead[0].seq <= cursor:
            self._ahead.popleft()
        self._fill()
        found: list[Event] = []
        while self._ahead and len(found) < limit and self._ahead[0].seq <= until:
            if found and self._ahead[0].ingested - found[0].ingested > AT_ONCE:
                break
            if self._left <= 0:
                self.cut = True
                break
            self._left -= 1
            found.append(self._ahead.popleft())
        if found:
            self.through = self._clock.moment = max(self._clock.moment, found[-1].ingested)
        return found

    def _fill(self) -> None:
        # stretches of arrival as long as hold up to a page of what is looked for
        if not self._step:
            self._step = max(1, self._end * PAGE // (2 * max(PAGE, self.matched())))
        while not self._ahead and self._read < self._end:
            top = min(self._read + self._step, self._end)
            stretch = (Compare("event.sequence", "gt", self._read), Compare("event.sequence", "lte", top))
            found = self._store.search(AllOf((*stretch, self._where)), self._span, PAGE + 1)
            if len(found) > PAGE:
                self._step = max(1, (top - self._read) // 2)
                continue
            if len(found) < PAGE // 4:
                self._step *= 2
            self._read = top
            self._ahead.extend(sorted(found, key=lambda event: event.seq))

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Search the store."""
        return self._store.search(where, span, limit)

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count in the store."""
        return self._store.tally(where, span, by, limit)

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        """Count along time in the store."""
        return self._store.spread(where, span, width)

    def plan(self, where: Where, span: Span) -> Plan:
        """Say what the store runs."""
        return self._store.plan(where, span)

    def newest(self) -> int:
        """Return the highest sequence stored when it was made."""
        return self._end

    def keep(self, *formed: Formed) -> Appended:
        """Refuse: the past is only read."""
        del formed
        raise StoreError("the past is only read")

    def append(self, events: Sequence[Event], /) -> Appended:
        """Refuse, as `keep` does."""
        del events
        raise StoreError("the past is only read")

    def amend(self, gone: Sequence[Event], new: Sequence[Event], /) -> None:
        """Refuse, as `keep` does."""
        del gone, new
        raise StoreError("the past is only read")

    def give_up(self) -> None:
        """Let whoever waits for the store have an error."""
        self._store.give_up()

    def close(self) -> None:
        """Leave the store to whoever opened it."""
