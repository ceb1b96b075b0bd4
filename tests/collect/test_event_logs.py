"""Event logs (.evtx) are imported whole and once; what is damaged is reported, and hurts nothing else."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from sentinel.collect import evtx
from sentinel.collect.evtx import ImportReport, import_file
from sentinel.core.clock import ManualClock
from sentinel.core.errors import SpoolError, UsageError
from tests.eventlogs import CHUNK, Happened, write_evtx

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink

ONE = Happened(
    4625, "Microsoft-Windows-Security-Auditing", "54849625-5478-4994-a5ba-3e3b0328c30d", "Security", 0x8010000000000000,
    12544, datetime(2026, 11, 23, 7, 15, tzinfo=UTC), {"TargetUserName": "müller", "LogonType": "3"}, "",
)  # fmt: skip
HEAD = 4096


def events(first: int, last: int) -> list[Happened]:
    return [replace(ONE, record=number, time=ONE.time + timedelta(seconds=number)) for number in range(first, last + 1)]


def imported(path: Path, sink: "DiskSink", clock: ManualClock) -> ImportReport:
    return asyncio.run(import_file(path, "dc01", sink, clock))


def numbers(sink: "DiskSink") -> list[int]:
    return [orjson.loads(body)["Event"]["System"]["EventRecordID"] for body in sink.bodies()]


def test_every_record_is_imported_in_order_with_where_it_came_from(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock
) -> None:
    path = tmp_path / "Security.evtx"
    assert write_evtx(path, events(1, 12_000)) == 12_000
    assert path.stat().st_size > 20 * CHUNK
    report = imported(path, sink, clock)
    assert (report.records, report.problems) == (12_000, [])
    assert numbers(sink) == list(range(1, 12_001))
    first = sink.raws()[0]
    assert orjson.loads(first.body)["Event"]["EventData"] == {"TargetUserName": "müller", "LogonType": "3"}
    assert (first.origin.via, first.origin.peer) == ("evtx", "DC01.stadt.example")
    assert first.origin.position == "Security/DC01.stadt.example/1/2026-11-23T07:15:01.000000Z"


def test_two_exports_that_overlap_store_each_record_once(tmp_path: Path, sink: "DiskSink", clock: ManualClock) -> None:
    for name, first, last in (("monday", 1, 700), ("tuesday", 400, 1100), ("monday", 1, 700)):
        write_evtx(tmp_path / name, events(first, last))
        imported(tmp_path / name, sink, clock)
    assert len(sink.ids()) == 700 + 701 + 700
    assert len(set(sink.ids())) == 1100


def test_identity_is_the_same_whether_it_is_found_or_parsed(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = replace(ONE, data={"Channel": 'x","Computer":"forged', "EventRecordID": "9", "SystemTime": '"'})
    write_evtx(tmp_path / "log.evtx", [ONE, odd, replace(ONE, computer='a"b', channel="Süd\\West")])
    imported(tmp_path / "log.evtx", sink, clock)
    monkeypatch.setattr(evtx, "_IDENTITY", re.compile("never to be found"))
    imported(tmp_path / "log.evtx", sink, clock)
    ids = sink.ids()
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 2  # the first two are one record of one computer: its number and time are the same


def test_a_damaged_chunk_is_reported_and_the_others_are_read(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock
) -> None:
    path = tmp_path / "Security.evtx"
    write_evtx(path, events(1, 3000))
    data = bytearray(path.read_bytes())
    data[HEAD + CHUNK : HEAD + CHUNK + 8] = b"\xff" * 8
    path.write_bytes(data)
    report = imported(path, sink, clock)
    found = numbers(sink)
    assert report.damaged
    assert report.records == len(found) < 3000
    assert (found[0], found[-1]) == (1, 3000)
    gaps = [after for before, after in pairwise(found) if after != before + 1]
    assert len(gaps) == 1, "only one chunk is missing"


@pytest.mark.parametrize("rest", [0, 1000])
def test_of_a_log_that_was_cut_off_is_read_what_is_there_and_the_rest_is_told(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, rest: int
) -> None:
    path = tmp_path / "Security.evtx"
    write_evtx(path, events(1, 3000))
    data = path.read_bytes()
    path.write_bytes(data[: HEAD + 2 * CHUNK + rest])
    report = imported(path, sink, clock)
    found = numbers(sink)
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 300
    (problem,) = report.problems
    assert re.fullmatch(r"the file was cut off, what follows is lost: 2 blocks of \d+ are there", problem)


@pytest.mark.parametrize("content", [b"ElfFile\0", b"ElfFile\0" + b"\xff" * 5000], ids=["short", "nonsense"])
def test_what_only_begins_like_an_event_log_is_refused_with_the_reason(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, content: bytes
) -> None:
    (tmp_path / "x.evtx").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.evtx: no event log that can be read"):
        imported(tmp_path / "x.evtx", sink, clock)


def test_a_spool_that_fails_ends_the_import(tmp_path: Path, sink: "DiskSink", clock: ManualClock) -> None:
    write_evtx(tmp_path / "log.evtx", events(1, 12_000))
    sink.failure = SpoolError("the disk is gone")
    with pytest.raises(SpoolError):
        imported(tmp_path / "log.evtx", sink, clock)
