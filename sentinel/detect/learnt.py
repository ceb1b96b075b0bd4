"""What the kinds of history share: the state of one rule's learning, its past in the store, names of groups."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sentinel.core.detection import Key
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Where, plain
from sentinel.core.wildcard import fold

PAGE = 5_000
STORED_MAX = 500_000
"""So many events of its past a rule reads from the store; what lies before them it has not learnt."""
_TICK = timedelta(milliseconds=1)
_BEGIN_WITHIN = timedelta(minutes=1)
_WIDTH = timedelta(hours=1)


@dataclass(slots=True)
class Learnt:
    """One rule's learning; times in µs since 1970.

    Its log began at `begun`; before `since` nothing is known any more. `held` counts what is remembered (combinations,
    windows), `remark` says what it could not do last.
    """

    number: int
    version: str
    begun: int
    since: int
    held: int = 0
    remark: str = ""


def named(key: Key) -> bytes:
    """Return what a combination or a group is remembered by; values that compare equal have the same name."""
    digest = blake2b(digest_size=16)
    for _, value in key:
        text = fold(plain(value)).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return digest.digest()


def stored(
    store: Store, where: Where, span: Span, after: Reached, events_max: int | None = None
) -> Iterator[tuple[datetime, list[Event]]]:
    """Yield what has arrived up to `after` in slices, the latest first, each with its beginning.

    Ends after `events_max` events (STORED_MAX); a slice is as wide as makes it a page.
    """
    most = STORED_MAX if events_max is None else events_max
    asked = AllOf((where, after.within()))
    end, width, count = span.end, _WIDTH, 0
    while end > span.start and count < most:
        begin = max(span.start, end - width)
        narrow = end - begin <= _TICK
        page = store.search(asked, Span(begin, end, span.axis), most if narrow else PAGE)
        if len(page) >= PAGE and not narrow:
            width = max(_TICK, (end - begin) / 8)
            continue
        count += len(page)
        yield begin, page
        end = begin
        if len(page) < PAGE // 8:
            width *= 4


def beginning(store: Store, where: Where, span: Span, until: Reached) -> datetime | None:
    """Return when the first event of `span` happened for which `where` holds; None: there is none.

    If there is more than a page of them in the first minute it is at most that minute later.
    """
    asked = AllOf((where, until.within()))
    if not store.search(asked, span, 1):
        return None
    low, high = span.start, span.end
    while high - low > _BEGIN_WITHIN:
        middle = low + (high - low) / 2
        if store.search(asked, Span(low, middle), 1):
            high = middle
        else:
            low = middle
    return min(one.timestamp for one in store.search(asked, Span(low, high), PAGE))


def source_of(where: Where) -> Where:
    """Return the log source of a rule's `where`: its first part."""
    return where.items[0] if isinstance(where, AllOf) and where.items else where


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events in order of arrival."""
    return sorted(events, key=lambda one: one.seq)
