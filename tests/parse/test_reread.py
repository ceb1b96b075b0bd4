"""What was read before is read again as if it had been read so when it came, and only what differs is a change."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Entry, Event, Fields, Origin, Raw
from sentinel.parse.packs import Pack, load
from sentinel.parse.record import Reader, Reading
from sentinel.parse.reread import Reread, entry_of, reread
from sentinel.parse.route import Router

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
Parse = Callable[[Raw], Iterator[Fields]]


def reader(parse: Parse, version: str = "1") -> Reader:
    pack = Pack("own", Path("own"), "Own", "own.log", "https://example.org", "own", (), (), parse, None, version)
    packs = replace(load([]), by_name={"own": pack})
    return Reader(Router(packs), {"city": Reading("own")})


def entry(body: bytes, seq: int = 7, **origin: str) -> Entry:
    where = Origin(**{"via": "syslog-udp", "peer": "192.0.2.1", **origin})
    return Entry(seq, NOW, Raw(body, "city", NOW - timedelta(seconds=1), where))


def words(raw: Raw) -> Iterator[Fields]:
    for word in raw.body.decode().split():
        yield {"user.name": word}


def louder(raw: Raw) -> Iterator[Fields]:
    for word in raw.body.decode().split():
        yield {"user.name": word, "event.action": "said"}


def refusing(raw: Raw) -> Iterator[Fields]:
    raise ParseError("not mine")


def again(parse: Parse, events: list[Event]) -> Reread:
    (one,) = reread(events, reader(parse, "2"))
    return one


def test_what_reads_the_same_is_no_change_whatever_is_known_beside_it() -> None:
    (event,) = reader(words).read(entry(b"anna"))
    known = replace(event, fields={**event.fields, "source.geo.city_name": "Ulm", "sentinel.repaired.by": "x"})
    assert again(words, [known]) == Reread()


def test_an_event_that_changes_keeps_its_id_and_its_arrival() -> None:
    old = reader(words).read(entry(b"anna ben"))
    change = again(louder, old)
    assert [one.id for one in change.new] == [one.id for one in old] == [one.id for one in change.gone]
    assert [one.seq for one in change.new] == [one.seq for one in old]
    first = change.new[0].fields
    assert {name: first[name] for name in ("event.action", "sentinel.pack_version", "log.source.address")} == {
        "event.action": "said", "sentinel.pack_version": "2", "log.source.address": "192.0.2.1"
    }  # fmt: skip
    assert {name: first[name] for name in old[0].fields if name.startswith(("event.in", "event.cr", "event.or"))} == {
        name: value for name, value in old[0].fields.items() if name.startswith(("event.in", "event.cr", "event.or"))
    }


def test_a_record_that_becomes_more_events_or_fewer() -> None:
    old = reader(words).read(entry(b"anna ben"))
    fewer = again(lambda raw: iter([*words(raw)][:1]), old)
    assert ([one.id for one in fewer.gone], fewer.new) == ([old[1].id], ())
    more = again(lambda raw: iter([*words(raw), {"user.name": "carl"}]), old)
    assert more.gone == ()
    assert [one.fields["user.name"] for one in more.new] == ["carl"]
    assert again(lambda raw: iter([*words(raw), {"user.name": "carl"}]), [*old, *more.new]) == Reread()


def test_a_dead_letter_becomes_the_event_it_should_have_been() -> None:
    record = entry(b"anna")
    letters = reader(refusing).read(record)
    change = again(words, letters)
    assert [one.id for one in change.new] == [one.id for one in reader(words).read(record)]
    assert change.gone == tuple(letters)
    assert again(refusing, letters) == Reread()


def test_what_cannot_be_read_any_more_stays_as_it_was_read() -> None:
    events = reader(words).read(entry(b"anna"))
    assert "cannot read it any more" in again(refusing, events).problem


def test_an_original_that_was_cut_cannot_be_read_again() -> None:
    (event, *_) = reader(words).read(entry(b"anna " + b"x" * (2 << 20)))
    assert "not there whole" in again(louder, [event]).problem


@pytest.mark.parametrize("body", [b"anna", "anna \u00e4".encode("latin-1"), b"anna\x00\xff"])
def test_the_record_is_the_one_that_came(body: bytes) -> None:
    (event, *_) = reader(words).read(entry(b"anna")) if body == b"anna" else _generic(entry(body))
    found = entry_of(event)
    assert isinstance(found, Entry)
    assert (found.seq, found.raw.body, found.raw.source, found.raw.received) == (
        7,
        body,
        "city",
        NOW - timedelta(seconds=1),
    )
    assert (found.raw.origin.via, found.raw.origin.peer) == ("syslog-udp", "192.0.2.1")


def _generic(record: Entry) -> list[Event]:
    folder = content("parsers")
    return Reader(Router(load([folder], shipped=folder))).read(record)
