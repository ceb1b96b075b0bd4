"""What every store promises about appending, order, spans, counting and reading on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from sentinel.core.errors import UsageError
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.where import ALWAYS, Exists, Is, Like, Matches, Where

Factory = Callable[[], Store]
Make = Callable[..., Event]
START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
SECOND = timedelta(seconds=1)


def test_an_empty_store_answers(store_factory: Factory) -> None:
    store = store_factory()
    assert store.newest() == 0
    assert store.search(ALWAYS, EVER, 10) == []
    assert store.since(0, 1000, 10) == []
    assert store.tally(ALWAYS, EVER, ("user.name",), 10) == []
    assert store.append([]).stored == 0


def test_appending_twice_stores_once(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    events = [make(number) for number in range(1, 11)]
    assert store.append(events).stored == 10
    again = store.append(events)
    assert (again.stored, again.duplicates, again.rejected) == (0, 10, ())
    assert store.append([*events[5:], make(11)]).stored == 1
    assert [event.seq for event in store.since(0, 100, 100)] == list(range(1, 12))


def test_twice_in_one_batch_is_stored_once(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    done = store.append([make(1), make(1), make(2), make(1)])
    assert (done.stored, done.duplicates) == (2, 2)
    assert [event.seq for event in store.since(0, 100, 100)] == [1, 2]


def test_the_first_one_stays(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(1, {"message": "first"}, ident="a" * 32)])
    store.append([make(2, {"message": "second"}, ident="a" * 32)])
    assert [event.fields["message"] for event in store.since(0, 100, 100)] == ["first"]


def test_an_id_is_unique_within_its_day_of_arrival(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    before, after = midnight - timedelta(microseconds=1), midnight
    batch = [
        make(1, ident="c" * 32, ingested=before),
        make(2, ident="c" * 32, ingested=after),
        make(3, ident="c" * 32, ingested=midnight - timedelta(hours=23)),
        make(4, ident="c" * 32, ingested=midnight + timedelta(hours=23)),
    ]
    done = store.append(batch)
    assert (done.stored, done.duplicates) == (2, 2)
    assert [event.seq for event in store.since(0, 100, 100)] == [1, 2]


@pytest.mark.parametrize("ident", ["a" * 31, "A" * 32, "0x" + "a" * 30, "Überlänge-" * 20, "a b", "1_0" + "0" * 29])
def test_ids_are_text_of_any_kind(store_factory: Factory, make: Make, ident: str) -> None:
    store = store_factory()
    event = make(1, ident=ident)
    assert store.append([event, make(2, ident=ident), make(3, ident="a" * 32)]).stored == 2
    assert store.append([event]).duplicates == 1
    assert store.since(0, 1, 10)[0].id == ident


def test_equal_lines_with_ids_of_their_own_all_stay(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    now = START
    store.append([make(number, {"message": "the same"}, timestamp=now, ingested=now) for number in range(1, 1001)])
    assert store.tally(ALWAYS, EVER, (), 1) == [((), 1000)]
    assert [event.seq for event in store.search(ALWAYS, EVER, 3)] == [1000, 999, 998]


@pytest.mark.parametrize("axis", ["timestamp", "ingested"])
def test_a_span_holds_its_start_and_not_its_end(
    store_factory: Factory, make: Make, axis: Literal["timestamp", "ingested"]
) -> None:
    store = store_factory()
    micro = timedelta(microseconds=1)
    moments = [START - micro, START, START + micro, START + SECOND - micro, START + SECOND, START + SECOND + micro]
    elsewhere = START - timedelta(days=3)
    if axis == "timestamp":
        store.append([make(n, timestamp=m, ingested=elsewhere) for n, m in enumerate(moments, 1)])
    else:
        store.append([make(n, timestamp=elsewhere, ingested=m) for n, m in enumerate(moments, 1)])
    span = Span(START, START + SECOND, axis)
    assert [event.seq for event in store.search(ALWAYS, span, 10)] == [4, 3, 2]
    assert store.tally(ALWAYS, span, (), 10) == [((), 3)]
    assert store.search(ALWAYS, Span(START, START, axis), 10) == []
    assert store.search(ALWAYS, Span(START + SECOND, START, axis), 10) == []


@pytest.mark.parametrize("axis", ["timestamp", "ingested"])
@pytest.mark.parametrize("where", [ALWAYS, Matches("event.id", ".")], ids=["the index knows", "read to be sure"])
def test_events_are_counted_in_the_stretch_they_lie_in(
    store_factory: Factory, make: Make, axis: Literal["timestamp", "ingested"], where: Where
) -> None:
    store = store_factory()
    micro, width = timedelta(microseconds=1), timedelta(microseconds=333_333)
    ends = [START + width * number for number in range(5)]
    moments = [moment for end in ends for moment in (end - micro, end, end, end + micro)]
    times = ({axis: moment} for moment in moments)
    store.append([make(number, **time) for number, time in enumerate(times, 1)])
    span = Span(START, ends[-1] + micro, axis)
    assert store.spread(where, span, width) == [4, 4, 4, 4, 2]
    assert store.spread(where, Span(START - width, START, axis), width) == [1]
    assert store.spread(where, span, width * 9) == [18]
    for wrong in (timedelta(), -width, micro):
        with pytest.raises(UsageError, match="1 to 2000 stretches"):
            store.spread(where, span, wrong)


def test_the_latest_come_first_by_the_axis_asked_for(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    happened = [5, 3, 9, 3, 1]
    arrived = [1, 2, 3, 4, 4]
    for number, (one, two) in enumerate(zip(happened, arrived, strict=True), 1):
        store.append([make(number, timestamp=START + one * SECOND, ingested=START + two * SECOND)])
    by_time = store.search(ALWAYS, EVER, 10)
    by_arrival = store.search(ALWAYS, Span(EVER.start, EVER.end, "ingested"), 10)
    assert [event.seq for event in by_time] == [3, 1, 4, 2, 5]
    assert [event.seq for event in by_arrival] == [5, 4, 3, 2, 1]
    for limit in range(6):
        assert store.search(ALWAYS, EVER, limit) == by_time[:limit]
        assert store.search(Matches("event.id", "."), EVER, limit) == by_time[:limit]


def test_late_and_future_events_are_found_where_they_belong(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(number) for number in range(1, 8)])
    store.append([make(8, timestamp=START - timedelta(hours=6)), make(9, timestamp=START + timedelta(days=1))])
    store.append([make(10, timestamp=datetime(1985, 1, 1, tzinfo=UTC), ingested=START)])
    assert [event.seq for event in store.search(ALWAYS, Span(START - timedelta(days=1), START), 10)] == [8]
    assert store.search(ALWAYS, EVER, 1)[0].seq == 9
    assert store.search(ALWAYS, EVER, 100)[-1].seq == 10


def test_a_tally_counts_whole_values_most_frequent_first(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    names = ["anna", "bernd", "anna", "Anna", "Jürgen", "bernd", "anna"]
    store.append([make(number, {"user.name": name}) for number, name in enumerate(names, 1)])
    store.append([make(20), make(21), make(22, {"user.name": ""})])
    everyone = store.tally(ALWAYS, EVER, ("user.name",), 100)
    assert everyone == [
        (("anna",), 3),
        (("bernd",), 2),
        ((None,), 2),
        (("",), 1),
        (("Anna",), 1),
        (("Jürgen",), 1),
    ]
    assert store.tally(ALWAYS, EVER, ("user.name",), 2) == everyone[:2]
    assert store.tally(Like("user.name", "*n*"), EVER, ("user.name",), 2) == everyone[:2]
    assert store.tally(Matches("user.name", "^[ab]"), EVER, ("user.name",), 9) == everyone[:2]


def test_a_tally_keeps_several_values_together(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    rows = [("anna", "bernd"), ("bernd", "anna"), ("anna", "bernd"), ("anna",), "anna"]
    store.append([make(number, {"related.user": row}) for number, row in enumerate(rows, 1)])
    assert store.tally(Exists("related.user"), EVER, ("related.user",), 100) == [
        ((("anna", "bernd"),), 2),
        (("anna",), 1),
        ((("anna",),), 1),
        ((("bernd", "anna"),), 1),
    ]


def test_a_tally_by_several_fields(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    rows = [("192.0.2.1", 22), ("192.0.2.1", 443), ("192.0.2.1", 22), ("192.0.2.2", 22)]
    store.append([make(n, {"source.ip": ip, "destination.port": port}) for n, (ip, port) in enumerate(rows, 1)])
    store.append([make(9, {"source.ip": "192.0.2.2"})])
    assert store.tally(ALWAYS, EVER, ("source.ip", "destination.port"), 100) == [
        (("192.0.2.1", 22), 2),
        (("192.0.2.1", 443), 1),
        (("192.0.2.2", 22), 1),
        (("192.0.2.2", None), 1),
    ]
    assert store.tally(Is("source.ip", "192.0.2.2"), EVER, ("destination.port",), 1) == [((22,), 1)]
    assert store.tally(ALWAYS, EVER, ("nobody.has",), 10) == [((None,), 5)]


def test_a_tally_tells_numbers_from_text(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    rows = [443, "443", 443, "443", 443, 1.5]
    store.append([make(number, {"labels.mixed": row}) for number, row in enumerate(rows, 1)])
    got = store.tally(ALWAYS, EVER, ("labels.mixed",), 10)
    assert got == [((443,), 3), (("443",), 2), ((1.5,), 1)]
    assert [type(key[0]) for key, _ in got] == [int, str, float]


def test_reading_on_by_sequence(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(number) for number in range(10, 60)])
    assert [event.seq for event in store.since(0, 1000, 5)] == [10, 11, 12, 13, 14]
    assert [event.seq for event in store.since(14, 1000, 3)] == [15, 16, 17]
    assert [event.seq for event in store.since(14, 16, 30)] == [15, 16]
    assert store.since(14, 14, 30) == []
    assert store.since(59, 1000, 30) == []
    assert [event.seq for event in store.since(57, 1000, 30)] == [58, 59]
    store.append([make(60)])
    assert [event.seq for event in store.since(59, 1000, 30)] == [60]
    cursor, seen = 0, []
    while batch := store.since(cursor, 1000, 7):
        cursor = batch[-1].seq
        seen += [event.seq for event in batch]
    assert seen == list(range(10, 61))


def test_reading_on_is_in_order_however_they_were_appended(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    order = [50, 3, 47, 12, 1, 30, 31, 2, 49, 48, 13, 20]
    for number in order[:6]:
        store.append([make(number)])
    store.append([make(number) for number in order[6:]])
    want = sorted(order)
    assert [event.seq for event in store.since(0, 1000, 100)] == want
    cursor, seen = 0, []
    while batch := store.since(cursor, 1000, 2):
        cursor = batch[-1].seq
        seen += [event.seq for event in batch]
    assert seen == want
    assert store.newest() == 50


def test_newest_is_the_highest_sequence(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(7)])
    assert store.newest() == 7
    store.append([make(5)])
    assert store.newest() == 7
    store.append([make(1 << 50, timestamp=START, ingested=START + timedelta(days=2))])
    assert store.newest() == 1 << 50


def test_many_new_field_names_are_kept_and_found(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(number, {f"custom.key{number}": f"value {number}"}) for number in range(1, 1001)])
    assert [event.seq for event in store.search(Is("custom.key777", "VALUE 777"), EVER, 10)] == [777]
    assert [event.seq for event in store.search(Exists("custom.key1"), EVER, 10)] == [1]
    assert len(store.since(0, 10_000, 10_000)) == 1000


def test_what_can_never_be_stored_is_refused_and_the_rest_kept(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    bad = make(2, {"user.name": "lone \ud800 surrogate"})
    done = store.append([make(1), bad, make(3)])
    assert done.stored == 2
    assert [rejected.seq for rejected in done.rejected] == [2]
    assert done.rejected[0].reason
    assert [event.seq for event in store.since(0, 100, 100)] == [1, 3]


def test_what_is_amended_is_there_instead(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(number, {"message": f"first {number}", "user.name": "a"}) for number in range(1, 9)])
    old = [make(3), make(7)]
    new = [make(3, {"message": "second 3", "user.name": "ä"}), make(7, {"message": "second 7", "error.code": "x"})]
    for _ in range(2):  # done again it changes nothing
        store.amend(old, new)
        events = store.since(0, 100, 100)
        assert [event.seq for event in events] == list(range(1, 9))
        assert [event.fields["message"] for event in events if event.seq in {3, 7}] == ["second 3", "second 7"]
        assert [event.seq for event in store.search(Like("message", "second*"), EVER, 10)] == [7, 3]
        assert store.tally(Exists("user.name"), EVER, ("user.name",), 10) == [(("a",), 6), (("ä",), 1)]
    assert store.append([make(3, {"message": "third"}), make(9)]).duplicates == 1


def test_events_may_go_and_further_ones_come(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    letters = [make(number * 1024, {"message": "unread"}, ident=f"{number:032x}") for number in range(1, 6)]
    store.append(letters)
    read = [make(2048, {"message": "read"}, ident="a" * 32), make(2049, {"message": "too"}, ident="b" * 32)]
    store.amend([letters[1], letters[3]], [_as_arrived(one, letters[1]) for one in read])
    found = store.since(0, 10_000, 100)
    assert [(event.seq, event.fields["message"]) for event in found] == [
        (1024, "unread"), (2048, "read"), (2049, "too"), (3072, "unread"), (5120, "unread")
    ]  # fmt: skip
    assert store.append([letters[1]]).stored == 1  # its id is free again
    assert store.append([_as_arrived(read[1], letters[1])]).stored == 0


def _as_arrived(event: Event, other: Event) -> Event:
    return Event(event.id, event.seq, other.timestamp, other.ingested, event.fields)


def test_amending_days_that_are_not_there_does_nothing(store_factory: Factory, make: Make) -> None:
    store = store_factory()
    store.append([make(1)])
    store.amend([make(2, ingested=START - timedelta(days=3))], [])
    assert [event.seq for event in store.since(0, 100, 100)] == [1]
