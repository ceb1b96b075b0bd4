"""Do the books say what is really there? To be asked after every fault, against the store and the spool themselves."""

from collections import Counter
from datetime import UTC, datetime

from sentinel.core.event import arrival
from sentinel.core.ports import Span, Spool, Store
from sentinel.core.source import ENDS, UNSPOOLED, Tally
from sentinel.core.where import AllOf, Compare
from sentinel.sources.book import Progress, SourceBook

_ALWAYS = Span(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC), "ingested")
_GROUPS_MAX = 100_000
Kept = Counter[tuple[str, str]]
"""Events by source and outcome, `stored` or `deadletter`."""


def balanced(books: SourceBook, spool: Spool, store: Store) -> list[str]:
    """Return what does not agree, nothing if all does; nothing may be at work meanwhile.

    Per source and hour received + split = stored + duplicate + deadletter + filtered + dropped, as many records are
    booked as the spool has given sequences to, and of those the store holds exactly the events booked as kept.
    """
    progress, tally = books.accounts()
    problems = [f"{place}: {number:+,} received but not accounted for" for place, number in _open(tally).items()]
    given = sum(number for one, number in tally.items() if one.outcome == "received" and one.reason != UNSPOOLED)
    if given != progress.booked:
        problems.append(f"{given:,} records are booked, the spool gave out {progress.booked:,}")
    if progress.carried:
        problems.append("the spool was begun anew: the store's sequences say nothing about this book")
    if progress.skipped:
        problems.append(f"{progress.skipped:,} records were dealt with and never booked")
    in_spool = _count(spool, progress.through)
    if in_spool != max(0, spool.last - progress.through):
        problems.append(f"{in_spool:,} records are in the spool, its sequences say {spool.last - progress.through:,}")
    booked: Kept = Counter()
    for (_, source, outcome, _), number in tally.items():
        if outcome in {"stored", "deadletter"}:
            booked[source, outcome] += number
    there = _kept(store, progress)
    problems += [
        f"{place}: {booked[place]:,} booked, {there[place]:,} in the store"
        for place in sorted({*booked, *there})
        if booked[place] != there[place]
    ]
    return problems


def _open(tally: Tally) -> dict[tuple[str, int], int]:
    sides: Counter[tuple[str, int]] = Counter()
    for (hour, source, outcome, _), number in tally.items():
        if outcome in {"received", "split"}:
            sides[source, hour] += number
        elif outcome in ENDS:
            sides[source, hour] -= number
    return {place: number for place, number in sides.items() if number}


def _count(spool: Spool, after: int) -> int:
    found = 0
    while entries := spool.read(after, 1_000):
        found += len(entries)
        after = entries[-1].seq
    return found


def _kept(store: Store, progress: Progress) -> Kept:
    low, high = arrival(progress.first + 1, 0), arrival(progress.through + 1, 0)
    mine = AllOf((Compare("event.sequence", "gte", low), Compare("event.sequence", "lt", high)))
    kept: Kept = Counter()
    for (source, kind), number in store.tally(mine, _ALWAYS, ("sentinel.source", "event.kind"), _GROUPS_MAX):
        kept[str(source), "deadletter" if kind == "pipeline_error" else "stored"] += number
    return kept
