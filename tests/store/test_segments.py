"""Growing, sealing, and finding again, whatever the fields, the folder and the clock are like."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Event, Value
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS, AllOf, AnyOf, Compare, Exists, Is, Keyword, Like, Not, Where
from sentinel.store import catalogue
from sentinel.store.codec import Census, Encoder, decode, micros, moment_of
from sentinel.store.embedded import EmbeddedStore
from sentinel.store.ids import DayIds, Sidecar, key_of, pack
from sentinel.store.segments import Extent, parse_name, sealed_name

EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
Make = Callable[..., Event]


def test_what_was_appended_before_closing_is_there_afterwards_and_known(tmp_path: Path, make: Make) -> None:
    for turn in range(4):
        store = EmbeddedStore(tmp_path, segment_events=15)
        done = store.append([make(number) for number in range(1, 11 + turn * 10)])
        assert (done.stored, done.duplicates) == (10, turn * 10)
        if turn == 2:
            store.seal()
        store.close()
    store = EmbeddedStore(tmp_path, readonly=True)
    assert [event.seq for event in store.since(0, 1000, 1000)] == list(range(1, 41))
    store.close()


def test_a_segment_that_began_after_all_that_is_asked_for_is_not_read(tmp_path: Path, make: Make) -> None:
    """Correlations ask so: of each of their parts only what arrived before they began to remember."""
    store = EmbeddedStore(tmp_path)
    store.append([make(number) for number in range(10, 20)])
    before = Compare("event.sequence", "lte", 9)
    within = AllOf((Compare("event.sequence", "lte", 10), Exists("event.sequence")))
    parts = AnyOf((AllOf((before, Exists("user.name"))), AllOf((before, Exists("host.name")))))
    asked = (parts, AnyOf((before, within)), AnyOf((before, Exists("user.name"))), AnyOf(()))
    said = [store.plan(where, EVER).over.split(" of ")[0] for where in asked]
    assert said == ["0", "1", "1", "0"]
    store.close()


def test_what_is_being_written_is_read_only_as_far_as_it_happened_when_asked(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def counting(line: str) -> Event:
        decoded.append(line)
        return decode(line)

    monkeypatch.setattr(catalogue, "decode", counting)
    store = EmbeddedStore(tmp_path)
    store.append([make(number) for number in range(1, 101)])
    found = store.search(ALWAYS, EVER, 100)
    decoded.clear()
    span = Span(found[59].timestamp, found[49].timestamp)
    assert store.search(ALWAYS, span, 100) == found[50:60]
    assert len(decoded) == 2 * len(found[50:60])  # once to judge it, once to return it
    store.close()


def test_schemas_that_grow_and_differ_are_searched_together(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path, segment_events=50)
    number = 0
    for turn in range(5):
        fields: list[dict[str, Value]] = [
            {f"labels.turn{turn}": "ja", "user.name": "anna", "labels.mixed": turn if turn % 2 else f"{turn}"}
            for _ in range(49)
        ]
        fields.append({"labels.turn0": "ja", "labels.rare": "Größe", "related.user": ("a", "b")})
        store.append([make(number := number + 1, one) for one in fields])
    assert len(store.search(Exists("labels.turn0"), EVER, 1000)) == 49 + 5
    assert len(store.search(Exists("labels.turn3"), EVER, 1000)) == 49
    assert len(store.search(Is("labels.rare", "GRÖSSE"), EVER, 1000)) == 5
    assert len(store.search(Is("labels.mixed", 3), EVER, 1000)) == 49
    assert store.tally(ALWAYS, EVER, ("labels.mixed",), 9)[:2] == [(("0",), 49), (("2",), 49)]
    store.seal()
    assert len(store.search(AnyOf((Exists("labels.turn4"), Is("related.user", "B"))), EVER, 1000)) == 49 + 5
    assert store.tally(ALWAYS, EVER, ("labels.mixed",), 9)[2:] == [(("4",), 49), ((1,), 49), ((3,), 49), ((None,), 5)]
    store.close()


def test_a_segment_of_very_wide_events_is_sealed_too(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path)
    wide: list[dict[str, Value]] = [
        {f"labels.w{at}": f"value {number} of {at}, and more" for at in range(300)} for number in range(2400)
    ]
    store.append([make(number, one) for number, one in enumerate(wide, start=1)])
    store.seal()
    assert store.problems == ()
    assert [event.seq for event in store.search(Is("labels.w299", "VALUE 77 of 299, and more"), EVER, 9)] == [78]
    store.close()


def test_five_thousand_field_names_are_kept_sealed_and_found(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path)
    events = [
        make(number, {f"winlog.event_data.Key{number * 10 + more}": f"Wert {more}" for more in range(10)})
        for number in range(500)
    ]
    assert store.append(events).stored == 500
    store.seal()
    assert [event.seq for event in store.search(Is("winlog.event_data.Key4321", "WERT 1"), EVER, 9)] == [432]
    assert store.search(Exists("winlog.event_data.Key5000"), EVER, 9) == []
    assert store.since(-1, 1000, 1000) == events
    store.close()


@pytest.mark.parametrize(
    "name", ["with space", "it's", 'double"quote', "br[ack]et", "st*r", "que?tion", "ümläut", "a%20b"]
)
def test_the_folder_may_be_called_anything(tmp_path: Path, make: Make, name: str) -> None:
    store = EmbeddedStore(tmp_path / name, segment_events=5)
    for number in range(1, 13):
        store.append([make(number)])
    store.seal()
    store.append([make(13)])
    assert [event.seq for event in store.search(ALWAYS, EVER, 100)] == list(range(13, 0, -1))
    store.close()
    store = EmbeddedStore(tmp_path / name, readonly=True)
    assert len(store.since(0, 100, 100)) == 13
    assert store.problems == ()
    store.close()


def test_a_clock_that_goes_back_costs_nothing(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path, segment_events=4)
    moments = [
        START + timedelta(days=day, hours=number) for number, day in enumerate([0, 1, 0, -1, 2, 0, 1, -1, 0] * 3)
    ]
    for number, moment in enumerate(moments, 1):
        store.append([make(number, ingested=moment)])
    assert [event.seq for event in store.since(0, 100, 100)] == list(range(1, 28))
    again = store.append([make(number, ingested=moment) for number, moment in enumerate(moments, 1)])
    assert (again.stored, again.duplicates) == (0, 27)
    store.close()


def test_several_hundred_small_segments_are_answered(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path, segment_events=1)
    for number in range(1, 151):
        store.append([make(number, {"user.name": f"user{number % 7}"})])
    store.seal()
    assert len(list(tmp_path.glob("*.parquet"))) == 150
    assert len(store.search(Is("user.name", "user3"), EVER, 1000)) == 22
    assert [event.seq for event in store.search(ALWAYS, EVER, 3)] == [150, 149, 148]
    assert len(store.since(0, 1000, 1000)) == 150
    store.close()


def test_very_long_values_are_kept_and_found(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path)
    long = "ä" * 300_000 + "Nadel" + "ö" * 300_000
    assert store.append([make(1, {"event.original": long}), make(2, {"event.original": "x" * (5 << 20)})]).stored == 1
    for _ in range(2):
        assert store.search(Keyword("nadel"), EVER, 9)[0].fields["event.original"] == long
        assert store.search(Like("event.original", "Ä*Ö"), EVER, 9)[0].seq == 1
        store.seal()
    store.close()


@pytest.mark.parametrize(
    ("sought", "one", "several"),
    [
        (lambda text: Like("labels.rare", f"*{text}*"), "Add-Word, invoke-word93", ("a", "invoke-WORD9", "b")),
        (lambda text: Is("labels.rare", text), "INVOKE-word93", ("a", "invoke-WORD9", "b")),
        (lambda text: Like("labels.rare", f"{text}.*"), "invoke-word93.example", ("a", "invoke-WORD9.example", "b")),
        (lambda text: Like("labels.rare", f"*.{text}"), "www.invoke-word93", ("a", "www.invoke-WORD9", "b")),
    ],
    ids=["anywhere", "as the whole", "at the beginning", "at the end"],
)
def test_however_many_texts_are_looked_for_the_same_memory_does(
    tmp_path: Path, make: Make, sought: Callable[[str], Where], one: Value, several: Value
) -> None:
    store = EmbeddedStore(tmp_path, memory_bytes=96 << 20)
    fields: list[dict[str, Value]] = [{"message": f"nothing of interest in {number}; " * 150} for number in range(1600)]
    fields[77]["labels.rare"], fields[78]["labels.rare"], fields[79]["labels.rare"] = one, several, "word93"
    store.append([make(number, one) for number, one in enumerate(fields, start=1)])
    store.seal()
    where = AnyOf(tuple(sought(f"Invoke-Word{number}") for number in range(100)))
    assert [event.seq for event in store.search(where, EVER, 9)] == [79, 78]
    assert store.tally(Not(where), EVER, (), 9) == [((), 1598)]
    store.close()


scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["\x1e", "\x1f", "\0", "a\x1eb", "ß", "\u0130"]),
)
values: st.SearchStrategy[Value] = st.one_of(scalars, st.lists(scalars, max_size=4).map(tuple))
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  the strategy wants them naive


@given(st.text(st.characters(exclude_categories=["Cs"])), moments, moments, st.dictionaries(st.text(max_size=9).filter(
    lambda name: name.isprintable()), values, max_size=6))  # fmt: skip
def test_every_event_comes_back_from_its_line(
    ident: str, happened: datetime, arrived: datetime, fields: dict[str, Value]
) -> None:
    event = Event(ident, 7, happened, arrived, fields)
    line = Encoder().encode(event, micros(happened), micros(arrived), Census())
    assert line.count(b"\n") == 1
    back = decode(line)
    assert back == event
    assert repr(dict(back.fields)) == repr(fields)


@given(moments)
def test_moments_come_back_from_microseconds(moment: datetime) -> None:
    assert moment_of(micros(moment)) == moment


@given(st.tuples(st.integers(0, 1 << 62), st.integers(0, 1 << 62)), st.integers(0, 99_999), st.tuples(moments, moments))
def test_a_name_says_what_the_segment_spans(
    seqs: tuple[int, int], count: int, times: tuple[datetime, datetime]
) -> None:
    extent = Extent(seqs, count, (micros(times[0]), micros(times[1])), (micros(times[1]), micros(times[0])))
    name = sealed_name(20_780, 42, extent, 0xFFFFFFFF)
    parsed = parse_name(name)
    assert parsed is not None
    assert (parsed.day, parsed.number, parsed.extent, parsed.crc) == (20_780, 42, extent, 0xFFFFFFFF)
    assert len(name) < 200


def test_known_ids_are_known_and_others_are_not(tmp_path: Path) -> None:
    keys = [key_of(f"{number:032x}") for number in range(5000)]
    same_half = [(7 << 64) | number for number in range(100)]
    (tmp_path / "x.ids").write_bytes(pack([*keys, *same_half]))
    day = DayIds()
    assert keys[0] not in day
    day.add(Sidecar(tmp_path / "x.ids", 5100))
    assert all(key in day for key in [*keys, *same_half])
    assert not any(key_of(f"{number:032x}") in day for number in range(5000, 15_000))
    assert (7 << 64) | 100 not in day


def test_ids_that_look_alike_have_keys_of_their_own() -> None:
    alike = [
        "a" * 32,
        "A" * 32,
        "a" * 31,
        " " + "a" * 31,
        "0x" + "a" * 30,
        "a" * 15 + "_" + "a" * 16,
        "+" + "a" * 31,
        "",
        "٣" * 32,
    ]
    assert len({key_of(ident) for ident in alike}) == len(alike)


def test_of_many_values_asked_for_some_may_drop_out(tmp_path: Path, make: Make) -> None:
    store = EmbeddedStore(tmp_path)
    store.append([make(number, {"user.name": f"user-{number}"}) for number in range(98, 104)])
    store.seal()
    absent = tuple(Is("custom.none", f"none-{number}") for number in range(5))
    where = AnyOf((*absent, *(Is("user.name", f"user-{number}") for number in range(100))))
    assert [event.seq for event in store.search(where, EVER, 10)] == [99, 98]
    store.close()
