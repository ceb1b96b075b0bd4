"""Followed and imported files on a real Sentinel: new files, stack traces, encodings, XML, and kills between."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.eventlogs import write_evtx
from tests.packs.test_wrappings import LOGON

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
FILES = """
[[files]]
name = "tomcat"
paths = ["{0}/tomcat/**/*.log*"]
records = "java"
record_seconds = 3

[[files]]
name = "dos"
paths = ["{0}/dos/*.log"]
encoding = "cp850"

[[files]]
name = "archive"
paths = ["{0}/archive/*.xml"]
records = "xml-events"
"""
TRACE = (
    "2026-11-23 08:15:00,{:03} ERROR [main] de.stadt.Amt - {}\njava.lang.IllegalStateException: weg\n\tat a.b(C.java:1)"
)
EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider "
    "Name='Microsoft-Windows-Security-Auditing'/><EventID>4625</EventID><Channel>Security</Channel><EventRecordID>{}"
    "</EventRecordID><TimeCreated SystemTime='2026-11-23T07:15:00Z'/><Computer>dc01</Computer></System>\n<EventData>"
    "<Data Name='TargetUserName'>müller</Data></EventData></Event>"
)


def configured(city: "Running") -> Path:
    city.config.write_text(city.config.read_text() + FILES.format(city.folder))
    for name in ("tomcat", "dos", "archive"):
        (city.folder / name).mkdir()
    return city.folder


def found(city: "Running", source: str) -> list[dict[str, Any]]:
    return city.json("query", f"sentinel.source:{source} last 10000d", "--limit", "10000")


def originals(city: "Running", source: str) -> list[str]:
    return sorted(str(one["event.original"]) for one in found(city, source))


def test_new_files_traces_umlauts_and_xml_are_found_while_it_runs(city: "Running", patiently: Patiently) -> None:
    folder = configured(city)
    city.start()
    (folder / "tomcat/new/deep").mkdir(parents=True)
    (folder / "tomcat/new/deep/app.log").write_text(TRACE.format(1, "eins") + "\n" + TRACE.format(2, "zwei") + "\n")
    (folder / "dos/fach.log").write_bytes("Gebühr für Straße\r\n".encode("cp850"))
    events = "".join(EVENT.format(number) for number in range(5))
    (folder / "archive/Security.xml").write_text(f"<?xml version='1.0'?><Events>{events}</Events>", "utf-16")
    patiently(lambda: len(found(city, "archive")) == 5)
    assert {(one["user.name"], one["event.code"]) for one in found(city, "archive")} == {("müller", "4625")}
    patiently(lambda: len(found(city, "tomcat")) == 2)
    assert originals(city, "tomcat") == [TRACE.format(1, "eins"), TRACE.format(2, "zwei")]
    (folder / "dos/packed.log").write_bytes(b"\xfd7zXZ\0" + b"no\ntext\n" * 100)
    patiently(lambda: any("packed.log" in line and "xz" in line for line in city.said))
    (dos,) = found(city, "dos")
    assert (dos["event.original"], dos["sentinel.origin.note"]) == ("Gebühr für Straße", "cp850")
    city.stop()
    assert city.json("status")[0]["balanced"]


def test_a_file_is_imported_as_its_source_says_and_stored_once(city: "Running", patiently: Patiently) -> None:
    folder = configured(city)
    path = folder / "old.log"
    path.write_text("".join(TRACE.format(number, "alt") + "\n" for number in range(4)))
    for _ in range(2):
        said = city.sentinel("import", "--source", "tomcat", str(path)).stderr.decode()
        assert "4 records" in said
    xml = folder / "Security.xml"
    xml.write_text("\n".join(EVENT.format(number) for number in range(3)))
    assert "3 records" in city.sentinel("import", str(xml)).stderr.decode()
    write_evtx(folder / "Security.evtx", [replace(LOGON, record=number) for number in range(10, 14)])
    for _ in range(2):
        assert "4 records" in city.sentinel("import", "--source", "dc01", str(folder / "Security.evtx")).stderr.decode()
    city.start()
    patiently(lambda: len(found(city, "import")) == 3 and len(found(city, "dc01")) == 4)
    city.stop()
    assert originals(city, "tomcat") == [TRACE.format(number, "alt") for number in range(4)]
    assert {one["winlog.record_id"] for one in found(city, "import")} == {0, 1, 2}
    assert {one["user.name"] for one in found(city, "dc01")} == {"jürgen.weiß"}
    assert city.json("status")[0]["balanced"]


@pytest.mark.kill
def test_traces_survive_kills_and_rotation_whole_and_once(city: "Running", patiently: Patiently) -> None:
    folder = configured(city)
    chance = random.Random(int(os.environ.get("SENTINEL_KILL_SEED", "11")))  # noqa: S311  repeatable on purpose
    path, sent = folder / "tomcat/app.log", list[str]()
    for turn in range(4):
        city.start()
        for at in range(30):
            record = TRACE.format(at, f"{turn}-{at}")
            with path.open("a") as file:
                for line in record.splitlines():  # a record is never written at once
                    file.write(line + "\n")
                    file.flush()
            sent.append(record)
            time.sleep(chance.random() / 100)
            if at == 15 and turn % 2:
                path.rename(path.with_name(f"app.log.{9 - turn}"))
        city.stop(signal.SIGKILL)
    city.start()
    patiently(lambda: len(found(city, "tomcat")) >= len(sent))
    city.stop()
    assert originals(city, "tomcat") == sorted(sent)
    assert city.json("status")[0]["balanced"]
