"""Parts are put together whatever comes between them; every part is in one whole, every whole ends, within bounds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Entry, Event, Fields, Origin, Raw, Value, event_id
from sentinel.core.join import Join, packed, unpacked
from sentinel.join import assembly as bounds
from sentinel.join.assembly import Assembly

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)


def key(event: Mapping[str, Value]) -> str | None:
    found = event.get("email.local_id")
    if found == "broken":
        raise ValueError(found)
    return None if found is None else str(found)


def whole(parts: Sequence[Fields]) -> Fields:
    return {"sentinel.joined": len(parts)}


JOIN = Join(key, lambda event: event.get("event.action") == "end", whole, timedelta(minutes=5), frozenset({"mail"}))


def event(number: int, name: str | None, action: str = "", *, module: str = "mail", after: int = 0) -> Event:
    raw = Raw(b"line %d" % number, "s", START, Origin("syslog-tcp", "192.0.2.1:514"))
    entry = Entry(number, START + timedelta(seconds=after or number), raw)
    fields: dict[str, Value] = {
        "event.module": module, "event.original": raw.body.decode(), "event.created": START.isoformat(),
        "sentinel.source": "s", "event.action": action,
    }  # fmt: skip
    if name is not None:
        fields["email.local_id"] = name
    return Event(event_id(entry), number * 1024, START, entry.written, fields)


def lines(raws: Iterable[Raw]) -> list[list[bytes]]:
    return [unpacked(raw.body) for raw in raws]


def test_what_comes_between_the_parts_is_left_out() -> None:
    mixed = [event(1, "a"), event(2, "b"), event(3, None), event(4, "a", module="sshd"), event(5, "a", "end")]
    assembly = Assembly({"mail": JOIN})
    assert lines(assembly.add(mixed)) == [[b"line 1", b"line 5"]]
    assert lines(assembly.quiet(START + timedelta(seconds=301))) == []
    assert lines(assembly.quiet(START + timedelta(seconds=302))) == [[b"line 2"]]
    assert not assembly.open
    assert assembly.bytes == 0


def test_a_function_of_a_pack_that_fails_costs_that_event_alone(caplog: pytest.LogCaptureFixture) -> None:
    assembly = Assembly({"mail": JOIN})
    assert lines(assembly.add([event(1, "a"), event(2, "broken"), event(3, "a", "end")])) == [[b"line 1", b"line 3"]]
    assert "the pack mail cannot say" in caplog.text


def test_a_joined_event_is_no_part_of_anything() -> None:
    again = event(1, "a", "end")
    joined = Event(again.id, again.seq, again.timestamp, again.ingested, {**again.fields, "sentinel.joined": 2})
    assert list(Assembly({"mail": JOIN}).add([joined])) == []


def test_a_whole_beyond_bounds_goes_on_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "JOINED_MAX", 3)
    monkeypatch.setattr(bounds, "OPEN_MAX", 2)
    assembly = Assembly({"mail": JOIN})
    many = lines(assembly.add(event(number, "a") for number in range(1, 8)))
    assert many == [[b"line 1", b"line 2", b"line 3"], [b"line 4", b"line 5", b"line 6"]]
    assert lines(assembly.add([event(8, "b"), event(9, "c")])) == [[b"line 7"]]
    assert [name for _, name in assembly.open] == ["b", "c"]


def test_what_was_said_of_a_connection_goes_to_each_mail_that_came_by_it() -> None:
    def link(said: Mapping[str, Value]) -> str:
        return str(said["sentinel.source"])

    linking = Join(JOIN.key, JOIN.ends, whole, JOIN.quiet, JOIN.modules, link)
    assembly = Assembly({"mail": linking})
    said = [event(1, None), event(2, None), event(3, "a"), event(4, "b"), event(5, "a", "end"), event(6, "b", "end")]
    assert lines(assembly.add(said)) == [[b"line 2", b"line 3", b"line 5"], [b"line 2", b"line 4", b"line 6"]]


names = st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=40)


@given(parts=names, cuts=st.lists(st.integers(1, 7), min_size=1))
def test_every_part_is_in_one_whole_however_the_events_come(parts: list[tuple[str, bool]], cuts: list[int]) -> None:
    events = [event(at, name, "end" if ends else "") for at, (name, ends) in enumerate(parts, start=1)]

    def pieces() -> Iterator[list[Event]]:
        rest, turn = events, 0
        while rest:
            size = cuts[turn % len(cuts)]
            yield rest[:size]
            rest, turn = rest[size:], turn + 1

    assembly = Assembly({"mail": JOIN})
    ended = [raw for piece in pieces() for raw in assembly.add(piece)]
    ended += assembly.quiet(FOREVER)
    found = Counter(part for raw in ended for part in unpacked(raw.body))
    assert found == Counter(str(one.fields["event.original"]).encode() for one in events)
    assert len({raw.origin.position for raw in ended}) == len(ended)
    at_once = Assembly({"mail": JOIN})
    assert [*at_once.add(events), *at_once.quiet(FOREVER)] == ended


@given(parts=st.lists(st.binary(max_size=8).filter(lambda part: b"\x1e" not in part), min_size=1))
def test_parts_come_out_as_they_went_in(parts: list[bytes]) -> None:
    assert unpacked(packed(parts)) == parts
