"""Any predicate over any events is answered as `holds` does; both are drawn from one small pool, so that they meet."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.core.event import Event, Scalar, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import (
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
    holds,
)

EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
LATELY = Span(datetime(2026, 11, 23, 7, 59, 58, tzinfo=UTC), datetime(2026, 11, 23, 8, 2, tzinfo=UTC))
WIDTH = timedelta(seconds=7)
EVENTS = 60
BATCHES = (9, 20, 30, 60)
"""So many events at a time each store is given: where they are sealed, in many small segments or in a large one."""

TEXT = [
    "anna",
    "ANNA",
    "An",
    "",
    "straße",
    "STRASSE",
    "ſs",
    "ß",
    "Ä",
    "ä",
    "\u212a",
    "k",
    "\u0130",
    "i",
    "i\u0307",
    "Σ",
    "ς",
    "a*b",
    "a?b",
    "a\\b",
    "a%b",
    "a_b",
    "a\nb",
    "a\x00b",
    "a\x1eb",
    "\x1f",
    "443",
    "443.0",
    "true",
    "2.5",
    "1e-07",
    "192.0.2.7",
    "::ffff:192.0.2.7",
    "2001:db8::7",
    "192.0.2.256",
    "🚒",
    "Failed for anna",
    "failed FOR Ä",
    "null",
    '"',
]
NUMBERS: list[int | float] = [443, 443.0, 0, -7, 2.5, 1, 1e22, 1e-7, 9007199254740993, 9007199254740992.0]
POOL: list[Scalar] = [*TEXT, *NUMBERS, True, False]
ADDRESSES = ["192.0.2.7", "192.0.2.8", "198.51.100.1", "2001:db8::7", "::ffff:198.51.100.1"]
NETWORKS = ["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32", "::ffff:198.51.100.0/120", "::/0"]
REGEXES = ["a", "^a", "n+a$", "(?i)STRASSE", "ß", r"\d", "a.b", "^$", "[^a-z]", r"\w+ \w+", "k", r"\x00", "true|443"]
FREE = ["user.name", "labels.mixed", "related.user", "custom.thing", "message", "event.original"]
FIELDS = [*FREE, "source.ip", "source.port", "nobody.has"]


def population(seed: int, make: Callable[..., Event]) -> list[Event]:
    """Return events with values out of the pool."""
    chance = random.Random(seed)  # noqa: S311  chosen by a seed, nothing secret
    events: list[Event] = []
    for number in range(1, EVENTS + 1):
        fields: dict[str, Value] = {}
        for name in FREE:
            kind = chance.random()
            if kind < 0.4:
                fields[name] = chance.choice(POOL)
            elif kind < 0.55:
                fields[name] = tuple(chance.choice(POOL) for _ in range(chance.randrange(4)))
        if chance.random() < 0.3:
            fields["source.ip"] = chance.choice(ADDRESSES)
        if chance.random() < 0.3:
            fields["source.port"] = chance.choice([443, 0, 22])
        events.append(make(number, fields))
    return events


names = st.sampled_from(FIELDS)
SIXTY = st.integers(0, 60)
pieces = st.lists(st.sampled_from([*TEXT, "*", "?", "a", "n", "s", "\\*", "\\?", "\\\\"]), max_size=4).map("".join)
leaf: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, names, st.sampled_from([*POOL, None]), st.booleans()),
    st.builds(Like, names, pieces, st.booleans()),
    st.builds(Matches, names, st.sampled_from(REGEXES), st.sampled_from(["", "i", "s", "m"])),
    st.builds(Within, names, st.sampled_from(NETWORKS)),
    st.builds(Compare, names, st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from(NUMBERS)),
    st.builds(Dated, st.sampled_from([*FIELDS, "@timestamp"]), st.just("minute"), st.sampled_from(["eq", "lt"]), SIXTY),
    st.builds(Exists, names),
    st.builds(Same, names, names, st.booleans(), st.sampled_from(["is", "startswith", "endswith", "contains"])),
    st.builds(Keyword, pieces, st.booleans()),
)
predicates: st.SearchStrategy[Where] = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


def test_any_predicate_is_answered_as_holds_would(
    store_factory: Callable[[], Store], make: Callable[..., Event], examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.store.where_sql.MANY", 1)  # so that few texts are looked for as many are
    stores: list[tuple[Store, list[Event]]] = []
    for seed, batch in enumerate(BATCHES):
        store, events = store_factory(), population(seed, make)
        assert sum(store.append(events[at : at + batch]).stored for at in range(0, EVENTS, batch)) == EVENTS
        stores.append((store, events))

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
    )  # the stores stand outside: an example changes nothing in them
    @given(st.integers(0, len(BATCHES) - 1), predicates)
    def agree(which: int, where: Where) -> None:
        store, events = stores[which]
        want = [event.seq for event in reversed(events) if holds(where, event)]
        assert [event.seq for event in store.search(where, EVER, 1000)] == want
        assert sum(count for _, count in store.tally(where, EVER, (), 10)) == len(want)
        lies = Counter((event.timestamp - LATELY.start) // WIDTH for event in events if holds(where, event))
        assert store.spread(where, LATELY, WIDTH) == [lies[at] for at in range(LATELY.stretches(WIDTH))]

    agree()
