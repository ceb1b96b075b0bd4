"""What the pipeline has to tell the books of sources, gathered until it is written together."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from sentinel.core.source import UNSPOOLED, Account, Entering, Heard, Identity, Ledger, Lost, Tally, hour_of, sender_of
from sentinel.parse.numbering import Numbering
from sentinel.parse.prepare import Count, Place, Prepared

REFUSED = "refused by the store"
DAMAGED = "damaged in the spool"
IDENTITIES_MAX = 10_000
"""So many identities are told apart between two writings; the others are counted together."""
OTHERS = "(others)"

NUMBERED_MAX = 1_000
"""So many senders' numbers are watched; who comes later may lose what he likes unseen."""

Losses = Callable[[], Mapping[tuple[str, Lost], int]]
"""What the entrances have lost since they began, by source."""


def none_lost() -> Mapping[tuple[str, Lost], int]:
    """Say that there are no entrances."""
    return {}


class Booking:
    """Gathers; `through` is what the books will say once it is entered."""

    def __init__(self, ledger: Ledger, losses: Losses) -> None:
        self.through = ledger.through
        self._ledger = ledger
        self._losses = losses
        self._lost_before: dict[tuple[str, Lost], int] = {}
        self._numbering: dict[Identity, Numbering] = {}
        self._clear()

    def _clear(self) -> None:
        self._tally: Tally = Counter()
        self._heard: dict[Identity, Heard] = {}
        self._written: datetime | None = None

    @property
    def pending(self) -> bool:
        """Say whether there is anything that the books do not have yet."""
        return self.through > self._ledger.through

    def add(self, prepared: Prepared, counts: Mapping[Place, Count], letters_known: Mapping[Place, int]) -> None:
        """Take a stretch that has been stored; one that the books have already changes nothing.

        `letters_known` says how many of the duplicates are dead letters.
        """
        stretch = prepared.stretch
        if stretch.through <= self.through:
            return
        tally = self._tally
        for place, count in counts.items():
            source, hour = place
            letters = count.deadletter - count.dropped - letters_known.get(place, 0)
            tally[Account(hour, source, "received")] += count.received
            tally[Account(hour, source, "split")] += count.events - count.received
            tally[Account(hour, source, "stored")] += count.stored - letters
            tally[Account(hour, source, "deadletter")] += letters
            tally[Account(hour, source, "duplicate")] += count.duplicates
            tally[Account(hour, source, "dropped", REFUSED)] += count.dropped
        missing = stretch.through - stretch.after - len(prepared.places)
        if missing:
            hour = max((place[1] for place in prepared.places.values()), default=0)
            tally[Account(hour, "", "received")] += missing
            tally[Account(hour, "", "dropped", DAMAGED)] += missing
        for identity, heard in prepared.heard.items():
            if heard.numbers:
                self._number(identity, heard)
            self._hear(identity, heard)
        self._written = prepared.written or self._written
        self.through = stretch.through

    def _number(self, identity: Identity, heard: Heard) -> None:
        numbering = self._numbering.get(identity)
        if numbering is None:
            if len(self._numbering) >= NUMBERED_MAX:
                return
            numbering = self._numbering[identity] = Numbering(heard.numbers[0])
        missing = sum([numbering.came(number) for number in heard.numbers])
        heard.numbers.clear()
        if missing:
            self._tally[Account(hour_of(heard.last), identity.source, "missing", sender_of(identity))] += missing

    def _hear(self, identity: Identity, heard: Heard) -> None:
        known = self._heard.get(identity)
        if known is None and len(self._heard) >= IDENTITIES_MAX:
            identity = Identity(identity.source, identity.via, OTHERS, "")
            known = self._heard.get(identity)
        if known is None:
            self._heard[identity] = heard
        else:
            known.add(heard)

    def enter(self, now: datetime, *, caught_up: bool) -> None:
        """Have it booked, with what the entrances lost meanwhile; raises StoreError, and may be tried again."""
        tally = Counter(self._tally)
        lost = dict(self._losses())
        for (source, (outcome, reason)), total in lost.items():
            new = total - self._lost_before.get((source, (outcome, reason)), 0)
            tally[Account(hour_of(now), source, outcome, reason)] += new
            if outcome in {"dropped", "filtered"}:
                tally[Account(hour_of(now), source, "received", UNSPOOLED)] += new
        booked = {account: number for account, number in tally.items() if number}
        known = now if caught_up else self._written
        self._ledger.enter(Entering(self.through, self._written, known, booked, self._heard))
        self._lost_before = lost
        self._clear()
