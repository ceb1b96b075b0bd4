"""What is known of a host, a user, an address, a mail address or a file: since when, with whom, how much, in what."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from sentinel.core.alert import Alert
from sentinel.core.entity import FIELDS, Entity, EntityKind, concerns, entity_of
from sentinel.core.errors import UsageError
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, values
from sentinel.respond.hunting import Histogram, histogram
from sentinel.respond.language import Question

PEERS_MAX = 20
"""So many peers of each kind are told, the most frequent."""
ALERTS_MAX = 200
"""The evidence of so many alerts, the latest, is looked at."""
EVIDENCE_READ = 20
_BARS = 48
_FINE = timedelta(seconds=1)
_IDS_AT_ONCE = 500
_PEER_FIELDS = (
    "host.name", "user.name", "user.target.name", "source.ip", "destination.ip", "email.from.address",
    "email.to.address", "process.hash.sha256", "file.hash.sha256",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """What the store knows of an entity within `over.span`; both times are None if it knows nothing.

    `peers` are entities named by the same events, with the number of events, most frequent first; `datasets` likewise.
    """

    entity: Entity
    first: datetime | None
    last: datetime | None
    over: Histogram
    peers: tuple[tuple[Entity, int], ...]
    datasets: tuple[tuple[str, int], ...]


def named(kind: str, value: str) -> Entity:
    """Return the entity that somebody means; raises UsageError if it is none, or nobody in particular."""
    known = next((one for one in get_args(EntityKind) if one == kind), None)
    if known is None:
        raise UsageError(f"no kind {kind!r}: say {', '.join(get_args(EntityKind))}")
    found = entity_of(FIELDS[known][0], value)
    if found is None:
        raise UsageError(
            f"{value[:200]!r} as a {kind} is nobody in particular: every machine has it, or it is no {kind}"
        )
    return found


def profile(store: Store, entity: Entity, span: Span, now: datetime) -> Profile:
    """Return what the store knows of an entity within `span` (event time); raises StoreError."""
    where = concerns(entity)
    latest = store.search(where, span, 1)
    over = histogram(store, Question(where, span, spoken=True), _BARS, now)
    peers: Counter[Entity] = Counter()
    for field in _PEER_FIELDS if latest else ():
        own: Counter[Entity] = Counter()
        for (value,), number in store.tally(where, span, (field,), PEERS_MAX + 1):
            own.update({found: number for one in values(value) if (found := entity_of(field, one)) is not None})
        for found, number in own.items():
            # named in two fields of one event it is still one event: never counted more often than there are
            peers[found] = max(peers[found], number)
    peers.pop(entity, None)
    datasets = store.tally(where, span, ("event.dataset",), PEERS_MAX) if latest else []
    return Profile(
        entity,
        _first(store, entity, over),
        latest[0].timestamp if latest else None,
        over,
        tuple(sorted(peers.items(), key=lambda pair: (-pair[1], pair[0]))),
        tuple((str(value), number) for (value,), number in datasets if value is not None),
    )


def alerts_about(store: Store, entity: Entity, alerts: Sequence[Alert]) -> list[Alert]:
    """Return those of the alerts that name the entity, in their key or in an event of theirs; raises StoreError."""
    named = {one.id for one in alerts if any(entity_of(field, value) == entity for field, value in one.key)}
    rest = [one for one in alerts[:ALERTS_MAX] if one.id not in named and one.evidence]
    pairs = [(event, one) for one in rest for event in one.evidence[:EVIDENCE_READ]]
    for begin in range(0, len(pairs), _IDS_AT_ONCE):
        some = pairs[begin : begin + _IDS_AT_ONCE]
        ids = AnyOf(tuple(Is("event.id", event, cased=True) for event, _ in some))
        start = min(one.first_seen for _, one in some) - timedelta(days=1)
        span = Span(start, max(one.last_seen for _, one in some) + timedelta(days=1))
        found = {event.id for event in store.search(AllOf((concerns(entity), ids)), span, len(some))}
        named |= {one.id for event, one in some if event in found}
    return [one for one in alerts if one.id in named]


def _first(store: Store, entity: Entity, over: Histogram) -> datetime | None:
    # the first stretch in which there is something, taken apart until it is narrow
    where, earliest = concerns(entity), None
    for number, count in enumerate(over.counts):
        if count:
            earliest = over.stretch(number)
            break
    if earliest is None:
        return None
    while earliest.end - earliest.start > _FINE:
        width = max((earliest.end - earliest.start) / _BARS, _FINE)
        counts = store.spread(where, earliest, width)
        number = next(at for at, count in enumerate(counts) if count)
        begin = earliest.start + number * width
        earliest = Span(begin, min(begin + width, earliest.end))
    found = list(_all(store, entity, earliest))
    return min(found) if found else earliest.start


def _all(store: Store, entity: Entity, span: Span) -> Iterator[datetime]:
    return (event.timestamp for event in store.search(concerns(entity), span, 1000))
