"""A stored past, read again in order of arrival as if it came just now: only what some rules are about, and a clock."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value, node_of
from sentinel.core.ports import Appended, Formed, Plan, Span, Store
from sentinel.core.reached import beginning_of, everything
from sentinel.core.where import AllOf, Compare, Where

AT_ONCE = timedelta(minutes=10)
"""What arrived within so long is judged in one go; live it is judged every few seconds."""
PAGE = 2_000


@dataclass(slots=True)
class _Lane:
    """What is read of one node: up to `read`, in stretches of `step`, until `end`."""

    read: int
    end: int
    step: int
    ahead: deque[Event] = field(default_factory=deque)


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
        self._lanes: dict[int, _Lane] = {}
        self.through: datetime | None = None
        self.cut = False

    def matched(self) -> int:
        """Return how many events there are."""
        rows = self._store.tally(self._where, self._span, (), 1)
        return rows[0][1] if rows else 0

    def first(self) -> list[int]:
        """Return the sequence of the first event of each node that has one."""
        for lane in self._each().values():
            self._fill(lane)
        return [lane.ahead[0].seq for lane in self._each().values() if lane.ahead]

    def ends(self) -> list[int]:
        """Return the last sequence to be read of each node."""
        return [lane.end for lane in self._each().values()]

    def _each(self) -> dict[int, _Lane]:
        if not self._lanes:
            part = 2 * max(PAGE, self.matched())
            for node, end in everything(self._store).by_node.items():
                low, last = beginning_of(node), min(end, self._end)
                self._lanes[node] = _Lane(low, last, max(1, (last - low) * PAGE // part))
        return self._lanes

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the next events, those of AT_ONCE at most."""
        lane = self._each().get(node_of(until))
        if lane is None:
            return []
        while lane.ahead and lane.ahead[0].seq <= cursor:
            lane.ahead.popleft()
        self._fill(lane)
        found: list[Event] = []
        while lane.ahead and len(found) < limit and lane.ahead[0].seq <= until:
            if found and lane.ahead[0].ingested - found[0].ingested > AT_ONCE:
                break
            if self._left <= 0:
                self.cut = True
                break
            self._left -= 1
            found.append(lane.ahead.popleft())
        if found:
            self.through = self._clock.moment = max(self._clock.moment, found[-1].ingested)
        return found

    def _fill(self, lane: _Lane) -> None:
        # stretches of arrival as long as hold up to a page of what is looked for
        while not lane.ahead and lane.read < lane.end:
            top = min(lane.read + lane.step, lane.end)
            stretch = (Compare("event.sequence", "gt", lane.read), Compare("event.sequence", "lte", top))
            found = self._store.search(AllOf((*stretch, self._where)), self._span, PAGE + 1)
            if len(found) > PAGE:
                lane.step = max(1, (top - lane.read) // 2)
                continue
            if len(found) < PAGE // 4:
                lane.step *= 2
            lane.read = top
            lane.ahead.extend(sorted(found, key=lambda event: event.seq))

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
