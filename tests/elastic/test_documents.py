"""What goes into the index comes out as it was, however awkward, and is found by what it is."""

import json
import random
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.core import ecs
from sentinel.core.event import Event, Scalar, Value
from sentinel.core.ports import Kept, Span
from sentinel.core.where import (
    ALWAYS,
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
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
from sentinel.store import es_mapping
from sentinel.store.elastic import ElasticStore

pytestmark = pytest.mark.elastic

Make = Callable[..., Event]
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def found(store: ElasticStore, where: Where) -> list[int]:
    return sorted(event.seq for event in store.search(where, EVER, 10_000))


# -- folding


@pytest.mark.parametrize("field", ["user.name", "custom.field"])
def test_every_code_point_folds_as_in_python(store: ElasticStore, make: Make, field: str) -> None:
    changed = [chr(point) for point in range(sys.maxunicode + 1) if chr(point).casefold() != chr(point)]
    assert len(changed) > 1_500
    # what folds to it, and it itself: `ß` and `ẞ` and `ss` are one
    texts = sorted({text for char in changed for text in (char, char.casefold(), char.swapcase(), char.upper())})
    events = [make(number, {field: f"x{text}y"}) for number, text in enumerate(texts, 1)]
    assert store.append(events).stored == len(events)
    by_fold: dict[str, list[int]] = {}
    for number, text in enumerate(texts, 1):
        by_fold.setdefault(text.casefold(), []).append(number)
    assert all(len(numbers) > 1 for numbers in by_fold.values())
    every = list(by_fold.items())
    # several in one question: by each spelling, and by pattern
    for at in range(0, len(every), 100):
        some = every[at : at + 100]
        want = sorted(n for _, numbers in some for n in numbers)
        spelled = [texts[numbers[-1] - 1] for _, numbers in some]
        assert found(store, AnyOf(tuple(Is(field, f"X{text}Y") for text in spelled))) == want
    for at in range(0, len(every), 30):
        some = every[at : at + 30]
        want = sorted(n for _, numbers in some for n in numbers)
        spelled = [texts[numbers[0] - 1] for _, numbers in some]
        assert found(store, AnyOf(tuple(Like(field, f"X{text}Y*") for text in spelled))) == want


def test_every_code_point_stands_in_the_line_as_it_folds(store: ElasticStore, make: Make) -> None:
    changed = [chr(point) for point in range(sys.maxunicode + 1) if chr(point).casefold() != chr(point)]
    store.append([make(number, {"message": f"before x{text}y behind"}) for number, text in enumerate(changed, 1)])
    chance = random.Random(7)  # noqa: S311  chosen by a seed
    for char in [*chance.sample(changed, 20), "ß", "ẞ", "\u212a", "İ", "ﬃ"]:
        want = [n for n, other in enumerate(changed, 1) if other.casefold() == char.casefold()]
        assert found(store, Keyword(f"X{char}Y")) == want
        assert found(store, Keyword(f"E x{char}y B")) == want


# -- awkward values in fields that have a type

NAMES = [
    "user.name", "source.port", "source.bytes", "host.cpu.usage", "tls.established", "event.created", "source.ip",
    "related.ip", "tags", "message", "event.original", "winlog.event_data.Odd", "sensor.syn", "_id", "sentinel_seq",
]  # fmt: skip
VALUES: list[Scalar] = [
    "", "a", "A", "ß", "SS", "a b", "a*b", "?", "\\", "443", "443.0", "-1", "0", "-0", "1e3", "true", "True", "FALSE",
    "no", "2026-11-23T08:00:00.000000Z", "2026-11-23t08:00:00.000000z", "2026-11-23", "2026-02-30T08:00:00.000000Z",
    "yesterday", "0001-01-01T00:00:00.000001Z", "2026-11-23T08:00:00.000001Z", "192.0.2.7", "192.0.2.07",
    "::ffff:192.0.2.7", "2001:DB8::7", "2001:db8::7", "2001:db8:0::7", "fe80::1%eth0", "192.0.2.0/24", "x" * 3_999,
    "x" * 4_000, "x" * 4_001, "X" * 9_000, "ﬃ" * 4_000, "wordß " * 50, "a" * 199 + "ß", "a" * 201, "\x00", "a\x00b",
    "🚒", "\u2028", "a\u00a0b", "name=value", 0, 1, -1, 443, 2.0, 2.5, -0.0, 0.5, 1e22, 1e-7, 1 << 53, (1 << 53) + 1,
    -(1 << 53) - 1, (1 << 63) - 1, 1 << 63, -(1 << 63), (1 << 64) - 1, True, False,
]  # fmt: skip
NETWORKS = ["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "::/0", "2001:db8::/32", "fe80::/10", "::/1", "8000::/1"]
NUMBERS: list[int | float] = [
    0, 1, -1, 442.5, 443, 2.5, 0.0, -0.0, 1e22, 1e300, 1 << 53, (1 << 53) + 1, 1 << 63, 1 << 70, -(1 << 70), 1e-7,
]  # fmt: skip
PATTERNS = [
    "*", "?", "a*", "*a", "*a*", "?b", "s?", "4*", "*3", "2026-*", "*z", "192.0.*", "2001:*", "*7", "x*", "*x",
    "?" * 40, "*??????????*", "*a*?*?*?*?*?*?*?*b*", "x" * 300 + "*", "*" + "x" * 300, "*" + "x?" * 100, r"\*",
    r"*\**", "*ß*", "*SS*", "word*", "*word", "*word* word", "*a\x00*", "name=*", "*=*", "t*", "*e", "*\u00a0*",
    "*\ud800*",
]  # fmt: skip
names = st.sampled_from(NAMES)
leaf: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, names, st.sampled_from([*VALUES, None, "\udfff"]), st.booleans()),
    st.builds(Like, names, st.sampled_from(PATTERNS), st.booleans()),
    st.builds(Matches, names, st.sampled_from(["a", "^$", r"\d", "(?i)x{3}", "true", r"\.", "^2026"])),
    st.builds(Within, names, st.sampled_from(NETWORKS)),
    st.builds(Compare, names, st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from(NUMBERS)),
    st.builds(Exists, names),
    st.builds(Same, names, names, st.booleans()),
    st.builds(Keyword, st.sampled_from([*PATTERNS, "word", "wordß word", "b", "Ordss", "b\\*", "a b"]), st.booleans()),
)
wheres: st.SearchStrategy[Where] = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)


def population(make: Make) -> list[Event]:
    """Return events with values where they belong and where they do not, alone and in company."""
    chance = random.Random(3)  # noqa: S311  chosen by a seed
    short = [value for value in VALUES if not isinstance(value, str) or len(value) < 1_000]
    rows: list[dict[str, Value]] = [{chance.choice(NAMES): value} for value in VALUES for _ in range(3)]
    rows += [{name: value} for value in chance.sample(short, 12) for name in NAMES]
    for _ in range(150):
        row: dict[str, Value] = {}
        for name in chance.sample(NAMES, 4):
            several = tuple(chance.choice(short) for _ in range(chance.randrange(4)))
            row[name] = several if chance.random() < 0.4 else chance.choice(short)
        rows.append(row)
    return [make(number, row) for number, row in enumerate(rows, 1)]


def test_any_value_in_any_field_is_found_by_what_it_is(store: ElasticStore, make: Make) -> None:
    events = population(make)
    assert store.append(events).stored == len(events)
    assert repr(store.since(0, 1 << 40, 10_000)) == repr(events)  # types and order of fields too

    @settings(database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(wheres)
    def agree(where: Where) -> None:
        want = [event.seq for event in events if holds(where, event)]
        assert found(store, where) == want
        assert sum(count for _, count in store.tally(where, EVER, (), 10)) == len(want)

    agree()


@pytest.mark.parametrize("by", [(name,) for name in NAMES] + [("user.name", "source.port"), ("source.ip", "tags")])
def test_a_tally_counts_awkward_values_as_they_are(
    tallied: tuple[ElasticStore, list[Event]], by: tuple[str, ...]
) -> None:
    store, events = tallied
    want: dict[str, int] = {}
    for event in events:
        key = repr(tuple(event.fields.get(name) for name in by))
        want[key] = want.get(key, 0) + 1
    assert {repr(key): count for key, count in store.tally(ALWAYS, EVER, by, 10_000)} == want


@pytest.fixture(scope="session")
def tallied(elastic_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ElasticStore, list[Event]]]:
    """Return a store with the awkward population in it; made once."""
    prefix = f"tallied{random.Random().randrange(1 << 40)}"  # noqa: S311  a name
    store = ElasticStore(elastic_url, prefix=prefix)
    begin = datetime(2026, 11, 23, 8, tzinfo=UTC)
    events = population(lambda number, row: Event(f"{number:032x}", number, begin, begin, row))
    assert store.append(events).stored == len(events)
    yield store, events
    for one in store.kept():
        store.drop(one)
    store.close()
    request = urllib.request.Request(f"{elastic_url}/_index_template/{prefix}*", method="DELETE")  # noqa: S310  as above
    _NO_PROXY.open(request, timeout=60).close()


# -- appending


def test_a_poisoned_event_is_set_apart_and_its_neighbours_are_stored(store: ElasticStore, make: Make) -> None:
    batch = [make(n) for n in range(1, 501)]
    batch[250] = make(251, ident="x" * 600)  # longer than an id may be
    batch[251] = make(252, {"user.name": "half a \ud83d pair"})
    batch[252] = make(253, {"source.bytes": 1 << 64})
    batch[253] = make(254, {"custom.number": float("nan")})
    done = store.append(batch)
    assert done.stored == 496
    assert sorted(one.seq for one in done.rejected) == [251, 252, 253, 254]
    assert all(one.reason for one in done.rejected)
    assert "512 bytes" in next(one.reason for one in done.rejected if one.seq == 251)
    assert len(store.since(0, 1000, 1000)) == 496


def test_the_same_again_is_counted_and_changes_nothing(store: ElasticStore, make: Make) -> None:
    store.append([make(n, {"message": "first"}) for n in range(1, 11)])
    done = store.append([make(n, {"message": "second"}) for n in range(6, 16)])
    assert (done.stored, done.duplicates) == (5, 5)
    assert {event.fields["message"] for event in store.since(0, 10, 100)} == {"first"}


def test_a_day_ends_at_midnight_utc(store: ElasticStore, make: Make) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=24)]
    store.append([make(n, ingested=moment) for n, moment in enumerate(moments, 1)])
    assert store.kept() == [Kept("standard", date(2026, 11, day)) for day in (23, 24, 25)]
    assert store.drop(Kept("standard", date(2026, 11, 24))).count == 1
    assert store.drop(Kept("standard", date(1999, 1, 1))).count == 0
    assert store.kept() == [Kept("standard", date(2026, 11, 23)), Kept("standard", date(2026, 11, 25))]
    assert [event.seq for event in store.since(0, 10, 10)] == [1, 3]


def test_five_thousand_new_names_change_no_mapping(
    store: ElasticStore, make: Make, elastic_url: str, elastic_prefix: str
) -> None:
    store.append([make(n, {f"custom.key{n}.{k}": f"Value {k}" for k in range(50)}) for n in range(1, 101)])
    store.append([make(n, {"custom.key7": "a parent with a value"}) for n in range(101, 102)])
    with _NO_PROXY.open(f"{elastic_url}/{elastic_prefix}-events-*/_mapping", timeout=30) as answer:
        (index,) = json.load(answer).values()
    assert index["mappings"]["properties"].keys() == es_mapping.mappings()["properties"].keys()  # type: ignore[attr-defined]
    assert len(index["mappings"]["properties"]) < 700
    assert found(store, Is("custom.key77.49", "VALUE 49")) == [77]
    assert found(store, Like("custom.key77.*".replace(".*", ".4"), "v*4")) == [77]
    assert found(store, Exists("custom.key7")) == [101]


def test_a_template_that_was_changed_is_noticed_and_mended(
    opened: Callable[..., ElasticStore], store: ElasticStore, elastic_url: str, elastic_prefix: str, make: Make
) -> None:
    store.setup()
    assert store.setup(check=True) == []
    body = es_mapping.template(elastic_prefix, shards=3, replicas=2)
    del body["template"]["mappings"]["properties"]["user.name"]
    request = urllib.request.Request(  # noqa: S310  the node's own address
        f"{elastic_url}/_index_template/{elastic_prefix}-events",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    _NO_PROXY.open(request, timeout=30).close()
    different = store.setup(check=True)
    assert "template.settings.index.number_of_shards is 3, wanted 1" in different
    assert "template.mappings.properties.user.name is missing" in different
    assert len(different) == 3
    other = opened()
    other.append([make(1)])
    assert other.setup(check=True) == []


# -- what the mapping rests on


def test_what_has_a_place_of_its_own_is_in_ecs_and_few_enough() -> None:
    places = es_mapping.places()
    assert {"message", "event.original", "source.ip", "user.name", "process.parent.command_line"} <= places.keys()
    assert len(places) < 600
    spelled = {"float": "double"}
    for name, place in places.items():
        kind = ecs.table()[name][0]
        assert place.kind == ("line" if name in KEYWORD_FIELDS else spelled.get(kind, kind)), name
        assert 1 <= place.since <= es_mapping.VERSION


def test_folding_twice_is_folding_once() -> None:
    for point in range(sys.maxunicode + 1):
        folded = chr(point).casefold()
        assert folded.casefold() == folded


def test_what_is_stored_lies_in_order_of_arrival_however_it_came(
    store: ElasticStore, make: Make, elastic_url: str, elastic_prefix: str
) -> None:
    numbers = random.Random(1).sample(range(1, 301), 300)  # noqa: S311  an order
    for begin in range(0, 300, 100):
        store.append([make(number) for number in numbers[begin : begin + 100]])
    indices = f"{elastic_url}/{elastic_prefix}-events-*"
    _NO_PROXY.open(f"{indices}/_forcemerge?max_num_segments=1", b"").close()
    with _NO_PROXY.open(f"{indices}/_search?sort=_doc&size=300&_source=sentinel_seq") as told:
        lying = [hit["_source"]["sentinel_seq"] for hit in json.load(told)["hits"]["hits"]]
    assert lying == sorted(numbers)
