"""Records of several lines, in every encoding: whole, in order, once, whatever happens to their file."""

import asyncio
import gzip
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.collect.evtx import import_file, read_text
from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.records import LINES_MAX, Cutting, Kind, Patterns, Records, XmlEvents
from sentinel.core.clock import ManualClock, SystemClock
from sentinel.core.regex import compile_regex
from tests.collect.following import HEADER, Follower, Writer

if TYPE_CHECKING:
    from sentinel.core.event import Raw
    from tests.collect.conftest import DiskSink

Follow = Callable[..., Follower]
TRACE = (
    b"2026-11-23 08:15:00,%03d ERROR [http-nio-8080-exec-3] de.stadt.Amt - Anfrage %06d gescheitert\n"
    b"org.postgresql.util.PSQLException: ERROR: relation is missing\n  Position: 35\n"
    b"\tat org.postgresql.core.v3.QueryExecutorImpl.receive(QueryExecutorImpl.java:2713)\n\n"
    b"Caused by: java.net.ConnectException: refused\n\t... 12 more"
)


class Traces(Writer):
    """A Java program: records of one line and records of seven, with a blank one among them."""

    def line(self, number: int, at: int) -> bytes:
        return TRACE % (number % 1000, number) if at % 3 else b"2026-11-23 08:15:00,000 INFO number %06d" % number


class Table(Writer):
    """A program that writes CSV with line ends and quotes within quotes, below a header."""

    def line(self, number: int, at: int) -> bytes:
        return b'%06d,"Betreff:\n""eilig"", 2026-11-23\n",ende' % number if at % 2 else b"%06d,kurz,ende" % number


WRITERS = pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("java", Traces),
        ("csv-quoted", Table),
        ("csv-quoted", lambda folder: Table(folder, header=HEADER)),
    ],
    ids=["java", "csv", "csv with a header"],
)
Made = Callable[[Path], Writer]


def following(follow: Follow, kind: Kind, **options: str) -> Follower:
    """Follow a folder as `kind` says."""
    follower = follow()
    follower.cutting = Cutting(kind, **options)  # type: ignore[arg-type]  # an encoding, spelt in the test
    follower.fresh()
    return follower


def quiet(follower: Follower) -> None:
    """Let so much time go by that the last record is over."""
    follower.poll(3)
    follower.clock.advance(timedelta(seconds=6))
    follower.poll(2)


def settled(follower: Follower, writer: Writer) -> None:
    """Every record is there, whole, in order and once."""
    quiet(follower)
    ids = follower.sink.ids()
    assert len(ids) == len(set(ids)), "an id occurs twice"
    assert sorted(follower.sink.bodies()) == sorted(writer.sent)


@WRITERS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate", "recreate"])
@pytest.mark.parametrize("seen", ["all", "some", "held"])
def test_records_survive_every_rotation(follow: Follow, kind: Kind, made: Made, rotate: str, seen: str) -> None:
    follower = following(follow, kind)
    writer = made(follower.logs)
    for _ in range(4):
        writer.log(40)
        follower.poll()
        if seen == "all":
            quiet(follower)
        elif seen == "some" and rotate != "recreate":
            writer.log()
        getattr(writer, rotate)()
        writer.log(5)
        follower.poll()
    settled(follower, writer)


@WRITERS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate"])
def test_two_rotations_between_two_looks(follow: Follow, kind: Kind, made: Made, rotate: str) -> None:
    follower = following(follow, kind)
    writer = made(follower.logs)
    for _ in range(3):
        writer.log()
        follower.poll()
        for _ in range(2):
            writer.log(15)
            getattr(writer, rotate)()
            writer.log(3)
    settled(follower, writer)


@WRITERS
@pytest.mark.parametrize("rotate", ["rename", "copytruncate", "compressed"])
def test_rotation_while_down(follow: Follow, kind: Kind, made: Made, rotate: str) -> None:
    follower = following(follow, kind)
    writer = made(follower.logs)
    for _ in range(3):
        writer.log(30)
        follower.poll()
        follower.stop()
        writer.log(10)
        if rotate == "copytruncate":
            writer.copytruncate()
            writer.log(50)
        else:
            writer.rename()
            writer.log(12)
        if rotate == "compressed":
            writer.compress(1)
        follower.fresh()
    settled(follower, writer)


STEPS = ["log", "log", "one", "poll", "quiet", "rename", "copytruncate", "compress", "restart"]


@settings(max_examples=max(30, settings().max_examples // 4), deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
def test_whatever_order_things_happen_in_records_stay_whole_and_one(steps: list[str]) -> None:
    kept: list[tuple[str, bytes]] = []

    class Memory:
        path = Path()

        async def write(self, raws: "Sequence[Raw]", /) -> int:
            kept.extend((raw.origin.position, raw.body) for raw in raws)
            return len(kept)

    with TemporaryDirectory() as folder:
        clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
        follower = Follower(Path(folder), Memory(), clock)  # type: ignore[arg-type]  # a sink
        follower.cutting = Cutting("java")
        follower.fresh()
        writer = Traces(follower.logs)
        try:
            for step in steps:
                match step:
                    case "log" | "one":
                        writer.log(7 if step == "log" else 1)
                    case "poll":
                        follower.poll()
                    case "quiet":
                        quiet(follower)
                    case "restart":
                        follower.stop()
                        follower.fresh()
                    case "compress":
                        if writer.old(1).exists():
                            writer.compress(1)
                    case rotate:
                        getattr(writer, rotate)()
            quiet(follower)
        finally:
            follower.stop()
    assert sorted(dict(kept).values()) == sorted(writer.sent)  # by position, as a store keeps them


def test_from_the_end_on_a_record_that_was_begun_before_is_read_whole(follow: Follow) -> None:
    follower = following(follow, "java")
    path = follower.logs / "app.log"
    begun = TRACE % (1, 1)
    path.write_bytes(TRACE % (0, 0) + b"\n" + begun[:150])
    follower.start = "end"
    follower.fresh()
    follower.poll()
    with path.open("ab") as file:
        file.write(begun[150:] + b"\n" + TRACE % (2, 2) + b"\n")
    quiet(follower)
    assert follower.sink.bodies() == [begun, TRACE % (2, 2)]


def test_a_record_that_was_begun_before_a_restart_is_read_again_whole(follow: Follow) -> None:
    follower = following(follow, "java")
    path = follower.logs / "app.log"
    content = b"\n".join(TRACE % (at, at) for at in range(3)) + b"\n"
    for end in range(50, len(content), 50):
        path.write_bytes(content[:end])  # the same inode, as if it had been appended to
        follower.poll()
        follower.stop()
        follower.fresh()
    path.write_bytes(content)
    quiet(follower)
    assert follower.sink.bodies() == [TRACE % (at, at) for at in range(3)]


def test_the_last_record_is_over_after_a_quiet_time(follow: Follow, clock: ManualClock) -> None:
    follower = following(follow, "java")
    path = follower.logs / "app.log"
    path.write_bytes(TRACE % (1, 1) + b"\n")
    follower.poll(2)
    clock.advance(timedelta(seconds=4))
    with path.open("ab") as file:
        file.write(b"\t... and more\n")
    follower.poll(2)
    clock.advance(timedelta(seconds=4))
    follower.poll()
    assert follower.sink.bodies() == []
    clock.advance(timedelta(seconds=1))
    follower.poll()
    assert [(raw.body, raw.origin.note) for raw in follower.sink.raws()] == [(TRACE % (1, 1) + b"\n\t... and more", "")]


def test_a_line_without_its_end_keeps_a_record_waiting_longer(follow: Follow, clock: ManualClock) -> None:
    follower = following(follow, "java")
    (follower.logs / "app.log").write_bytes(TRACE % (1, 1))
    follower.poll()
    clock.advance(timedelta(seconds=29))
    follower.poll()
    assert follower.sink.bodies() == []
    clock.advance(timedelta(seconds=1))
    follower.poll()
    assert [(raw.body, raw.origin.note) for raw in follower.sink.raws()] == [(TRACE % (1, 1), "unfinished")]


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_what_was_held_of_a_file_that_was_emptied_is_kept(follow: Follow, pattern: str) -> None:
    follower = follow(pattern)
    follower.cutting = Cutting("java")
    follower.fresh()
    writer = Traces(follower.logs)
    for count in (1, 2, 8):
        writer.log(count)
        follower.poll()
        os.truncate(writer.path, 0)  # without a copy
        follower.poll(2)
    writer.log(20)
    settled(follower, writer)


def test_identity_does_not_depend_on_how_much_of_a_record_was_there(follow: Follow, clock: ManualClock) -> None:
    follower = following(follow, "java")
    writer = Traces(follower.logs)
    for _ in range(5):
        writer.log(5)
        with writer.path.open("ab") as file:
            file.write(b"\tat once\n")
        quiet(follower)
        with writer.path.open("ab") as file:
            file.write(b"\tand late\n")  # after a quiet time: a record of its own
        quiet(follower)
    first = dict(zip(follower.sink.ids(), follower.sink.bodies(), strict=True))
    assert len(first) == 30
    follower.checkpoint.unlink()
    follower.fresh()
    quiet(follower)
    assert len(set(follower.sink.ids())) == 30, "a record was stored twice"


def test_hundreds_of_files_with_held_records_and_few_open_are_all_finished(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.collect.files.OPEN_MAX", 5)
    follower = follow("*.log")
    follower.cutting = Cutting("java")
    follower.fresh()
    for number in range(40):
        (follower.logs / f"{number:02}.log").write_bytes(TRACE % (0, number) + b"\n")
    quiet(follower)
    assert sorted(follower.sink.bodies()) == [TRACE % (0, number) for number in range(40)]


def test_at_a_limit_a_record_is_split_and_nothing_is_lost(follow: Follow) -> None:
    follower = following(follow, "java")
    head = b"2026-11-23 08:15:00 ERROR deep recursion"
    lines = [b"\tat a.b.C.d(C.java:%d)" % number for number in range(LINES_MAX * 2 + 10)]
    wide = [b"\t" + b"x" * 100_000 for _ in range(5)]
    long = b"\t" + b"y" * (MESSAGE_MAX + 5)
    everything = [head, *lines, head, *wide, head, b"\tshort", long, b"\tafter", head]
    (follower.logs / "app.log").write_bytes(b"\n".join(everything) + b"\n")
    quiet(follower)
    raws = follower.sink.raws()
    assert b"\n".join(raw.body for raw in raws) == b"\n".join(everything).replace(long, long[:MESSAGE_MAX])
    assert all(len(raw.body) <= MESSAGE_MAX for raw in raws)
    assert [raw.origin.note for raw in raws][:3] == ["split", "split", ""]
    assert sum(raw.origin.note.startswith(f"cut:{len(long)}:") for raw in raws) == 1
    assert len(set(follower.sink.ids())) == len(raws)


def test_a_start_and_an_end_of_ones_own(follow: Follow) -> None:
    follower = follow()
    follower.cutting = Cutting(start=r"^# Time:", end=r";\s*$")
    follower.fresh()
    slow = b"# Time: 2026-11-23T08:15:00Z\n# Query_time: 12.1\nSELECT *\nFROM einwohner;"
    aborted = b"# Time: 2026-11-23T08:16:00Z\n# Query_time: 1.0"
    (follower.logs / "app.log").write_bytes(b"\n".join([b"mysqld, Version: 10", slow, aborted, slow, slow]) + b"\n")
    follower.poll()
    assert follower.sink.bodies() == [b"mysqld, Version: 10", slow, aborted, slow, slow]


def test_indented_lines_belong_to_the_one_above(follow: Follow) -> None:
    follower = following(follow, "indented")
    (follower.logs / "app.log").write_bytes(b"one\r\n  more\r\n\tand more\r\ntwo\r\nthree\r\n")
    follower.poll()
    assert follower.sink.bodies() == [b"one\n  more\n\tand more", b"two"]


JAVA_BEGINS = [
    "2026-11-23 08:15:00,123 ERROR x", "2026-11-23T08:15:00.123+01:00 INFO 1 --- [main] x", "[2026-11-23 08:15] x",
    "23-Nov-2026 08:15:00.123 SEVERE [main] x", "Nov 23, 2026 8:15:00 AM org.apache.catalina.x start", "08:15:00.123 x",
    "23.11.2026 08:15:00 x", "2026/11/23 08:15:00 x", "INFO  [main] x", "[ERROR] x", '{"@timestamp":"x"}',
    "1795418100123 x", "<14>2026-11-23 08:15:00 x",
]  # fmt: skip
JAVA_GOES_ON = [
    "java.lang.IllegalStateException: x", "\tat a.b(C.java:1)", "Caused by: java.io.IOException", "\t... 12 more",
    "Suppressed: x", "SEVERE: Servlet.service() threw", "INFO: Server startup in 12 ms", "", "  Position: 35",
    "Description:", "The bean could not be registered.",
]  # fmt: skip


def test_the_beginnings_of_the_usual_java_layouts_are_known(follow: Follow) -> None:
    follower = following(follow, "java")
    records = ["\n".join([begin, *JAVA_GOES_ON]) for begin in JAVA_BEGINS]
    (follower.logs / "app.log").write_text("\n".join(records) + "\n")
    quiet(follower)
    assert follower.sink.bodies() == [record.encode() for record in records]


@given(
    lines=st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"S")), max_size=30),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_the_pieces_in_which_a_file_is_read_make_no_difference(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    def records(pieces: list[bytes]) -> list[tuple[bytes, int]]:
        from sentinel.collect.lines import Lines  # noqa: PLC0415  for this function only

        cutter = Records(Lines(), Patterns(compile_regex("S"), compile_regex("E$")), limit=40, lines_max=5)
        found = [record for piece in pieces for record in cutter.feed(piece)] + cutter.end()
        return [(record.body, record.size) for record in found]

    whole = records([data])
    assert records([data[a:b] for a, b in pairwise(bounds)]) == whole
    assert sum(size for _, size in whole) == len(data)
    kept = b"\n".join(body for body, _ in whole).replace(b"\r", b"").split(b"\n")
    assert [line for line in kept if line] == [one for line in lines if (one := line.replace(b"\r", b""))]


EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Müller'/>"
    "<EventID>{n}</EventID></System>\r\n<EventData><Data Name='ScriptBlockText'>Zeile 1\nZeile 2</Data></EventData>"
    "</Event>"
)
EVENTS = [EVENT.format(n=number) for number in range(300)]
XML = {
    "one line": '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n<Events>' + "".join(EVENTS) + "</Events>",
    "a line each": "\r\n".join(EVENTS) + "\r\n",
    "no wrapping": "".join(EVENTS),
}


@pytest.mark.parametrize("shape", XML)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_event_of_an_xml_file_is_a_record(follow: Follow, shape: str, coding: str) -> None:
    options = {"encoding": "cp1252"} if coding == "cp1252" else {}
    follower = following(follow, "xml-events", **options)
    content = XML[shape].encode(coding)
    path = follower.logs / "app.log"
    for end in (1, 3, 100, 1001, len(content) // 2 + 1):
        path.write_bytes(content[:end])
        follower.poll()
        follower.stop()
        follower.fresh()
    path.write_bytes(content)
    quiet(follower)
    follower.clock.advance(timedelta(seconds=31))
    follower.poll()
    assert [raw.body.decode() for raw in follower.sink.raws()] == EVENTS
    assert len(set(follower.sink.ids())) == len(EVENTS)


@pytest.mark.parametrize("shape", XML)
@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_xml_file_that_is_imported_is_known_by_its_content(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, shape: str, coding: str, *, packed: bool
) -> None:
    content = XML[shape].encode(coding)
    path = tmp_path / "Security.xml"
    path.write_bytes(gzip.compress(content) if packed else content)
    report = asyncio.run(import_file(path, "import", sink, clock))
    assert (report.records, report.problems) == (len(EVENTS), [])
    assert [body.decode() for body in sink.bodies()] == EVENTS


def test_what_stands_between_events_is_a_record_of_its_own() -> None:
    cutter = XmlEvents()
    found = cutter.feed(b"<!DOCTYPE x [<!ENTITY a 'b'>]><Events><Event><a/></Event>junk<Event >") + cutter.end()
    assert [(line.body, line.note) for line in found] == [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]>", ""), (b"<Event><a/></Event>", ""), (b"junk", ""),
        (b"<Event >", "unfinished"),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["<Event>", "</Event>", "<Events>", "x", "\n", "</Ev", "ü"]), max_size=20))
def test_xml_is_cut_the_same_byte_by_byte(pieces: list[str]) -> None:
    for coding in ("", "utf-16-le"):
        data = "".join(pieces).encode(coding or "utf-8")
        whole, slow = XmlEvents(coding), XmlEvents(coding)
        expected = whole.feed(data) + whole.end()
        assert [line for at in range(len(data)) for line in slow.feed(data[at : at + 1])] + slow.end() == expected
        assert sum(line.size for line in expected) == len(data)


@pytest.mark.parametrize("coding", ["latin-1", "iso-8859-15", "cp1252", "cp850"])
def test_a_source_says_what_its_bytes_mean(follow: Follow, coding: str) -> None:
    follower = following(follow, "lines", encoding=coding)
    lines = ["Grüße aus dem Bürgerbüro", "plain", "Straße"]
    (follower.logs / "app.log").write_bytes("\r\n".join([*lines, ""]).encode(coding))
    follower.poll()
    assert [(raw.body.decode(), raw.origin.note) for raw in follower.sink.raws()] == [
        (lines[0], coding), (lines[1], ""), (lines[2], coding),
    ]  # fmt: skip


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read_if_the_source_says_so(follow: Follow, coding: str) -> None:
    follower = following(follow, "java", encoding=coding)
    records = [TRACE.decode() % (0, number) + " Ċ Ü" for number in range(20)]
    content = "\r\n".join([*records, ""]).encode(coding)
    path = follower.logs / "app.log"
    for end in (1, 51, 1001, len(content)):
        path.write_bytes(content[:end])
        follower.poll()
    quiet(follower)
    assert [raw.body.decode() for raw in follower.sink.raws()] == records


def test_bytes_that_an_encoding_does_not_know_stay_as_they_are(follow: Follow) -> None:
    follower = following(follow, "lines", encoding="cp1252")
    (follower.logs / "app.log").write_bytes(b"\x81\x8d\nm\xfcller\n")
    follower.poll()
    assert [(raw.body, raw.origin.note) for raw in follower.sink.raws()] == [
        (b"\x81\x8d", "cp1252 decode_error"), ("müller".encode(), "cp1252"),
    ]  # fmt: skip


@pytest.mark.parametrize("reuse", [False, True], ids=["a new inode", "the same inode"])
def test_iis_logs_with_the_same_header_and_few_lines_are_told_apart(follow: Follow, *, reuse: bool) -> None:
    """A new file a day, all beginning alike, all below a kilobyte: nothing but what follows the header differs."""
    follower = follow("u_ex*.log")
    header = b"#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Fields: date time c-ip\r\n"
    sent: list[bytes] = []
    for day in range(1, 8):
        path = follower.logs / f"u_ex2611{day:02}.log"
        if reuse and day > 1:  # what deletes the old file and writes the new one in its place
            (follower.logs / f"u_ex2611{day - 1:02}.log").rename(path)
        for hit in range(3):
            lines = [b"2026-11-%02d 08:15:%02d 192.0.2.7" % (day, hit)]
            path.write_bytes(header + b"".join(line + b"\r\n" for line in lines)) if hit == 0 else None
            if hit:
                with path.open("ab") as file:
                    file.write(lines[0] + b"\r\n")
            sent += lines
            follower.poll()
    follower.poll(2)
    bodies = [body for body in follower.sink.bodies() if not body.startswith(b"#")]
    assert bodies == sent
    assert len(set(follower.sink.ids())) == len(follower.sink.ids()) == len(sent) + 7 * 3


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xfd7zXZ\0", "xz"), (b"BZh91AY&SY", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"),
        (b"ElfFile\0", "event log"),
    ],
)  # fmt: skip
def test_files_that_hold_no_text_are_reported_and_not_read(follow: Follow, head: bytes, said: str) -> None:
    follower = follow()
    (follower.logs / "app.log.1").write_bytes(head + b"\0\1\n\2\3\n" * 100)
    (follower.logs / "app.log").write_bytes(b"text\n")
    follower.poll(2)
    assert follower.sink.bodies() == [b"text"]
    assert said in follower.files.counters.problems[str(follower.logs / "app.log.1")]


def test_the_mark_stands_before_a_record_that_is_not_over(follow: Follow) -> None:
    follower = following(follow, "java")
    writer = Traces(follower.logs)
    writer.log(2)
    follower.poll()
    (mark,) = json.loads(follower.checkpoint.read_bytes())["streams"]
    assert mark["offset"] == len(writer.sent[0]) + 1


OBJECTS = ['{\n  "a": "}{ \\" }",\n  "b": {\n    "c": []\n  }\n}', '{"one": {"line": 1}}', '{\n  "d": "{"\n}']


def test_every_object_of_a_json_file_is_a_record(follow: Follow) -> None:
    follower = following(follow, "json")
    content = "\n".join(OBJECTS).encode() + b"\n"
    path = follower.logs / "app.log"
    for end in (1, 3, 20, len(content) // 2 + 1, len(content)):
        path.write_bytes(content[:end])
        follower.poll()
        follower.stop()
        follower.fresh()
    quiet(follower)
    assert [raw.body.decode() for raw in follower.sink.raws()] == OBJECTS
    assert len(set(follower.sink.ids())) == len(OBJECTS)


def test_a_damaged_object_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text('{\n  "torn": {\n' + "\n".join(OBJECTS) + "\n")
    told = [raw.body.decode() for raw in read_text(path, "test", SystemClock())]
    assert told == ['{\n  "torn": {', *OBJECTS]
