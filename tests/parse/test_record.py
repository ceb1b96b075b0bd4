"""One record in, its events out: complete, put right, and never an exception."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core import ecs
from sentinel.core.content import content
from sentinel.core.event import PARTS_MAX, Entry, Event, Origin, Raw, arrival, event_id
from sentinel.core.where import FIELD
from sentinel.parse import build, deadletter
from sentinel.parse.packs import load
from sentinel.parse.record import Reader, Reading, parse_one
from sentinel.parse.route import Router
from sentinel.testing.packs import RECEIVED, faults

MakePack = Callable[..., Path]
MakeEntry = Callable[..., Entry]
SHIPPED = Router(load([content("parsers")], shipped=content("parsers")))
SSHD = "<38>Nov 23 11:59:58 bastion01 sshd[77]: Failed password for root from 192.0.2.66 port 4022 ssh2"


def read(folder: Path, entry: Entry, hint: str | None = "oven", zone: str = "UTC") -> list[Event]:
    return parse_one(entry, Router(load([folder])), hint, zone)


def test_an_event_carries_everything_it_must(make_entry: MakeEntry) -> None:
    entry = make_entry(SSHD, seq=7, source="bastion")
    (event,) = parse_one(entry, SHIPPED)
    fields = event.fields
    assert event.id == fields["event.id"] == event_id(entry)
    assert event.seq == fields["event.sequence"] == arrival(7, 0)
    assert fields["@timestamp"] == "2026-11-23T11:59:58.000000Z"
    assert event.timestamp == RECEIVED - timedelta(seconds=2)
    assert fields["event.created"] == fields["event.ingested"] == "2026-11-23T12:00:00.000000Z"
    assert event.ingested == entry.written
    assert fields["event.original"] == SSHD
    assert fields["event.hash"] == sha256(SSHD.encode()).hexdigest()
    assert fields["event.kind"] == "event"
    assert (fields["event.dataset"], fields["event.module"]) == ("sshd.log", "sshd")
    assert fields["ecs.version"] == ecs.VERSION
    assert fields["sentinel.source"] == "bastion"
    assert fields["log.source.address"] == "192.0.2.7:514"
    assert fields["related.ip"] == ("192.0.2.66",)
    assert fields["related.user"] == ("root",)
    assert fields["related.hosts"] == ("bastion01",)
    assert fields["event.category"] == ("authentication",)
    assert "sentinel.original_b64" not in fields


def test_a_line_nobody_knows_is_still_an_event(make_entry: MakeEntry) -> None:
    (event,) = parse_one(make_entry("<13>Nov 23 11:00:00 host tea[9]: kettle boils"), SHIPPED)
    assert event.fields["event.dataset"] == "syslog.log"
    assert event.fields["event.kind"] == "event"
    assert event.fields["message"] == "kettle boils"
    assert event.fields["process.name"] == "tea"
    (event,) = parse_one(make_entry("no header here"), SHIPPED)
    assert event.fields["event.dataset"] == "generic.log"
    assert event.fields["@timestamp"] == "2026-11-23T12:00:00.000000Z"


def test_times_without_a_zone_are_read_in_the_sources(make_entry: MakeEntry) -> None:
    reader = Reader(SHIPPED, {"berlin": Reading(None, "Europe/Berlin")})
    (event,) = reader.read(make_entry(SSHD, source="berlin"))
    assert event.fields["@timestamp"] == "2026-11-23T10:59:58.000000Z"
    (event,) = reader.read(make_entry(SSHD, source="other"))
    assert event.fields["@timestamp"] == "2026-11-23T11:59:58.000000Z"
    (event,) = Reader(SHIPPED, {"nowhere": Reading(None, "Mars/Base")}).read(make_entry(SSHD, source="nowhere"))
    assert event.fields["event.kind"] == "pipeline_error" or event.fields["@timestamp"]


@pytest.mark.parametrize(
    ("said", "name", "expected", "tag"),
    [
        ("{'source.port': '443'}", "source.port", 443, None),
        ("{'source.port': 443.0}", "source.port", 443, None),
        ("{'source.port': 'https'}", "labels.source_port", "https", build.TYPE_ERROR),
        ("{'source.port': True}", "labels.source_port", "true", build.TYPE_ERROR),
        ("{'source.bytes': 1 << 70}", "labels.source_bytes", str(1 << 70), build.TYPE_ERROR),
        ("{'source.ip': '::ffff:192.0.2.1'}", "source.ip", "192.0.2.1", None),
        ("{'source.ip': '2001:DB8:0::1'}", "source.ip", "2001:db8::1", None),
        ("{'source.ip': 'not.an.ip'}", "labels.source_ip", "not.an.ip", build.TYPE_ERROR),
        ("{'event.code': 4625}", "event.code", "4625", None),
        ("{'event.code': True}", "event.code", "true", None),
        ("{'event.severity': 3.5}", "labels.event_severity", "3.5", build.TYPE_ERROR),
        ("{'event.risk_score': '3.5'}", "event.risk_score", 3.5, None),
        ("{'event.risk_score': float('nan')}", "event.risk_score", None, build.TYPE_ERROR),
        ("{'tls.established': 'TRUE'}", "tls.established", True, None),
        ("{'event.category': 'file'}", "event.category", ("file",), None),
        ("{'event.category': ['file', None, '']}", "event.category", ("file",), None),
        ("{'user.name': ''}", "user.name", None, None),
        ("{'user.name': None}", "user.name", None, None),
        ("{'user.name': ()}", "user.name", None, None),
        ("{'event.start': '2026-11-23T13:00:00+01:00'}", "event.start", "2026-11-23T12:00:00.000000Z", None),
        ("{'event.start': 'yesterday'}", "labels.event_start", "yesterday", build.TYPE_ERROR),
        ("{'event.start': '2026-11-23T13:00:00'}", "labels.event_start", "2026-11-23T13:00:00", build.TYPE_ERROR),
        ("{'colour of tea': 'green'}", "labels.colour_of_tea", "green", build.TYPE_ERROR),
        ("{'user.name': 'a\\ud800b'}", "user.name", "a\ufffdb", None),
        ("{'event.id': 'mine', 'event.sequence': 1}", "event.sequence", 1024, None),
        ("{'sentinel.source': 'forged'}", "sentinel.source", "test", None),
        ("{'event.dataset': 'oven.flow'}", "event.dataset", "oven.flow", None),
        ("{'user.name': 'ä' * 70000}", "user.name", "ä" * build.ORIGINAL_MAX, "value_cut"),
    ],
)
def test_values_are_put_right_or_set_aside(  # noqa: PLR0917  fixtures and cases
    folder: Path, make_pack: MakePack, make_entry: MakeEntry, said: str, name: str, expected: object, tag: str | None
) -> None:
    make_pack("oven", f"yield {said}")
    (event,) = read(folder, make_entry("x"))
    assert event.fields["event.kind"] == "event"
    assert event.fields.get(name) == expected
    assert event.fields.get("tags") == ((tag,) if tag else None)
    orjson.dumps(dict(event.fields))


def test_a_time_in_the_future_is_kept_and_tagged(folder: Path, make_pack: MakePack, make_entry: MakeEntry) -> None:
    make_pack("oven", "yield {'@timestamp': raw.body.decode()}")
    (event,) = read(folder, make_entry("2026-11-24T12:00:01.000000Z"))
    assert event.fields["@timestamp"] == "2026-11-24T12:00:01.000000Z"
    assert event.fields["tags"] == (build.FUTURE,)
    (event,) = read(folder, make_entry("2026-11-24T12:00:00.000000Z"))
    assert "tags" not in event.fields


def test_a_record_may_become_several_events_but_not_without_end(
    folder: Path, make_pack: MakePack, make_entry: MakeEntry
) -> None:
    make_pack("oven", "for number in range(int(raw.body)):\n    yield {'event.code': str(number)}")
    events = read(folder, make_entry("3", seq=5))
    assert [event.seq for event in events] == [arrival(5, 0), arrival(5, 1), arrival(5, 2)]
    assert len({event.id for event in events}) == 3
    events = read(folder, make_entry("5000"))
    assert len(events) == PARTS_MAX
    assert len({event.seq for event in events}) == len({event.id for event in events}) == PARTS_MAX
    assert events[-1].fields["error.type"] == "TooManyEvents"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("raise ParseError('no number')\nyield", "ParseError", "no number"),
        ("1 / 0\nyield", "ZeroDivisionError", "the pack failed: division by zero"),
        ("return iter(())", "NoEvent", "the pack made nothing of the record"),
        ("yield {'user.name': {'first': 'x'}}", "TypeError", "the pack failed: the value of 'user.name' is a dict"),
        ("yield 17", "TypeError", "the pack failed: 'int' object is not iterable"),
        ("return 17", "TypeError", "the pack failed: 'int' object is not iterable"),
        ("def deeper(): return deeper()\ndeeper()\nyield", "RecursionError", "the pack failed: maximum recursion"),
    ],
)
def test_what_a_pack_cannot_read_becomes_a_dead_letter(
    folder: Path, make_pack: MakePack, make_entry: MakeEntry, body: str, kind: str, reason: str
) -> None:
    make_pack("oven", body)
    entry = make_entry("the original")
    (event,) = read(folder, entry)
    fields = event.fields
    assert fields["event.kind"] == "pipeline_error"
    assert fields["event.dataset"] == deadletter.DATASET
    assert fields["error.type"] == kind
    assert str(fields["error.message"]).startswith(reason)
    assert fields["event.original"] == "the original"
    assert fields["sentinel.pack"] == "oven"
    assert fields["event.reference"] == "https://example.org/oven"
    assert fields["sentinel.event_id"] == event_id(entry)
    assert event.id == fields["event.id"] != event_id(entry)
    assert fields["sentinel.origin.via"] == "syslog-udp"
    assert list(faults(dict(fields))) == []


@pytest.mark.parametrize("body", [b"", b"  ", b"\r\n"])
def test_an_empty_record_becomes_a_dead_letter(make_entry: MakeEntry, body: bytes) -> None:
    (event,) = parse_one(make_entry(body), SHIPPED)
    assert event.fields["error.type"] == "EmptyRecord"
    assert deadletter.raw_of(event).body == body


def test_a_replayed_dead_letter_becomes_the_event_it_should_have_been(
    folder: Path, make_pack: MakePack, make_entry: MakeEntry
) -> None:
    pack = make_pack("oven", "raise ParseError('not yet')\nyield")
    body = b"gr\xfc\xdfe \x00\xff"
    for origin in (Origin("syslog-tcp", "192.0.2.1:9"), Origin("file", "/var/log/x", "print:17")):
        first = make_entry(body, seq=3, origin=origin)
        (letter,) = read(folder, first)
        raw = deadletter.raw_of(letter)
        assert (raw.body, raw.source, raw.received) == (body, "test", first.raw.received)
        again = Entry(99, first.written + timedelta(hours=1), raw)
        (second,) = read(folder, again)
        third = Entry(200, again.written, deadletter.raw_of(second))
        assert read(folder, third)[0].id == second.id
        assert second.fields["sentinel.event_id"] == letter.fields["sentinel.event_id"] == event_id(first)
        (pack / "parser.py").write_text("def parse(raw):\n    yield {'message': 'read'}\n")
        (healed,) = read(folder, again)
        assert healed.fields["event.kind"] == "event"
        assert healed.id == event_id(first)
        assert healed.ingested == letter.ingested == first.written
        assert healed.seq > letter.seq
        (pack / "parser.py").write_text("from sentinel.pack import ParseError\ndef parse(raw): raise ParseError('x')\n")


def test_bytes_that_are_no_utf8_survive(make_entry: MakeEntry) -> None:
    body = "Grüße aus Würzburg".encode("latin-1")
    (event,) = parse_one(make_entry(body), SHIPPED)
    assert event.fields["event.original"] == "Grüße aus Würzburg"
    assert b64decode(str(event.fields["sentinel.original_b64"])) == body


@pytest.mark.parametrize(
    ("body", "note", "tagged"),
    [
        ("Grüße".encode(), "", False), ("Grüße – €".encode("cp1252"), "", False), ("Grüße".encode("utf-16"), "", False),
        (b"\x81\x8d \xff", "", True), (b"\xff\xfe\x00\xd8a\x00", "", True), (b"ab", "utf-16 decode_error", True),
    ],
)  # fmt: skip
def test_bytes_of_no_encoding_are_kept_and_tagged(
    make_entry: MakeEntry, body: bytes, note: str, *, tagged: bool
) -> None:
    entry = make_entry(body)
    raw = replace(entry.raw, origin=replace(entry.raw.origin, note=note))
    (event,) = parse_one(replace(entry, raw=raw), SHIPPED)
    assert (build.UNDECODED in build.several(event.fields.get("tags"))) == tagged
    kept = event.fields.get("sentinel.original_b64")
    assert (b64decode(str(kept)) if kept else str(event.fields["event.original"]).encode()) == body


def test_a_long_original_is_cut_and_tagged_and_survives_in_a_dead_letter(make_entry: MakeEntry) -> None:
    body = b"x" * 70_000
    (event,) = parse_one(make_entry(body), SHIPPED)
    assert event.fields["event.original"] == "x" * build.ORIGINAL_MAX
    assert build.CUT in event.fields["tags"]  # type: ignore[operator]  # tags are texts
    assert b64decode(str(event.fields["sentinel.original_b64"])) == body


@given(body=st.binary(max_size=300), hint=st.sampled_from([None, "sshd", "postfix", "nothing"]), seq=st.integers(1, 9))
def test_whatever_arrives_becomes_at_least_one_whole_event(body: bytes, hint: str | None, seq: int) -> None:
    entry = Entry(seq, RECEIVED, Raw(body, "any", RECEIVED, Origin("syslog-udp", "192.0.2.1:5")))
    events = parse_one(entry, SHIPPED, hint)
    assert events
    for event in events:
        assert list(faults(dict(event.fields))) == []
        assert orjson.loads(orjson.dumps(dict(event.fields)))["event.id"] == event.id


VALUES = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=3),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none()), max_size=3),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(sorted(ecs.table())), st.text(max_size=12), st.just("fortinet.x y"), st.just("@timestamp")
)


@given(said=st.dictionaries(NAMES, VALUES, max_size=8))
def test_whatever_a_pack_says_the_event_is_whole(said: dict[str, object]) -> None:
    entry = Entry(1, RECEIVED, Raw(b"x", "any", RECEIVED, Origin("stdin")))
    try:
        event = build.complete(entry, 0, said, build.common(entry), "oven.log", "oven")
    except TypeError:
        assert any(isinstance(one, bytes) for one in said.values())
        return
    assert all(FIELD.fullmatch(name) for name in event.fields)
    for name, value in event.fields.items():
        assert ecs.type_of(name) is not None
        assert value is not None
        assert value not in ("", ())
    assert event.timestamp.tzinfo is not None
    orjson.dumps(dict(event.fields))
