"""The judge: after a trial, with the faults healed, compares what the oracle knows with what Sentinel has stored."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sentinel.app import App
from sentinel.config import load
from sentinel.testing.balance import balanced
from tests.faults import payload
from tests.faults.oracle import Known

PAGE = 5_000


@dataclass(frozen=True)
class Verdict:
    """What was issued, acknowledged, stored; which ids are wrong in which way; faults that really happened, by kind."""

    issued: int
    acked: int
    stored: int
    lost: frozenset[int]
    doubled: frozenset[int]
    foreign: frozenset[int]
    altered: frozenset[int]
    faults: Mapping[str, int]

    @property
    def complaints(self) -> list[str]:
        """Return what Sentinel, or the trial itself, has to answer for; nothing if all is well."""
        wrong = {
            "acknowledged and not stored": self.lost,
            "stored more than once": self.doubled,
            "stored and never issued": self.foreign,
            "stored with other words than were sent": self.altered,
        }
        found = [f"{len(ids)} ids {what}: {sorted(ids)[:10]}" for what, ids in wrong.items() if ids]
        if not any(self.faults.values()):
            found.append("no fault happened: this proves nothing")
        if not self.acked:
            found.append("nothing was acknowledged: this proves nothing")
        return found


def verdict(known: Known, stored: Counter[int], altered: frozenset[int], faults: Mapping[str, int]) -> Verdict:
    """Judge ids that were `stored` so often, some of them `altered`."""
    return Verdict(
        issued=len(known.issued),
        acked=len(known.acked),
        stored=len(stored),
        lost=known.acked - frozenset(stored),
        doubled=frozenset(number for number, count in stored.items() if count > 1),
        foreign=frozenset(stored) - frozenset(known.issued),
        altered=altered,
        faults=dict(faults),
    )


def stored(config: Path) -> tuple[Counter[int], frozenset[int]]:
    """Return how often each id is in the store, and which ids are there with other words than were sent."""
    found: Counter[int] = Counter()
    altered: set[int] = set()
    for text in _originals(config):
        number = payload.number_of(text)
        if number is None:
            continue
        found[number] += 1
        if not payload.holds(text, number):
            altered.add(number)
    return found, frozenset(altered)


def _originals(config: Path) -> Iterator[str]:
    with App(load(config)).reading() as store:
        cursor, newest = 0, store.newest()
        while events := store.since(cursor, newest, PAGE):
            cursor = events[-1].seq
            yield from (str(event.fields.get("event.original", "")) for event in events)


def unbalanced(config: Path) -> list[str]:
    """Return what the books say that is not so; Sentinel must not be running."""
    app = App(load(config))
    with app.books() as books, app.spool() as spool, app.reading() as store:
        return balanced(books, spool, store)


def waiting(config: Path) -> int:
    """Return how many records are in the spool and not booked yet."""
    app = App(load(config))
    with app.books() as books, app.spool() as spool:
        through = books.progress().through
        return max(0, spool.last - through)
