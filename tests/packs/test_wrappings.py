"""One Windows event says the same in whatever wrapping it comes: written by us, read by the shipped pack."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.collect.evtx import read_evtx
from sentinel.collect.http_requests import lines_of
from sentinel.core.clock import ManualClock
from sentinel.core.content import content
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.record import parse_one
from sentinel.parse.route import Router
from tests.eventlogs import Happened, in_3164, in_5424, nxlog, nxlog_5424, snare, winlogbeat, write_evtx, xml

SHIPPED = Router(load([content("parsers")], shipped=content("parsers")))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WHEN = datetime(2026, 11, 23, 7, 15, 0, 123456, tzinfo=UTC)
AUDITING = ("Microsoft-Windows-Security-Auditing", "54849625-5478-4994-a5ba-3e3b0328c30d", "Security")
FAILED = 0x8010000000000000
SUCCEEDED = 0x8020000000000000

LOGON = Happened(
    4625, *AUDITING, FAILED, 12544, WHEN,
    {
        "SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0",
        "TargetUserSid": "S-1-0-0", "TargetUserName": "jürgen.weiß", "TargetDomainName": "STADT",
        "Status": "0xc000006d", "FailureReason": "%%2313", "SubStatus": "0xc000006a", "LogonType": "3",
        "LogonProcessName": "NtLmSsp", "AuthenticationPackageName": "NTLM", "WorkstationName": "PC-0815",
        "ProcessId": "0x0", "ProcessName": "-", "IpAddress": "203.0.113.50", "IpPort": "51515",
    },
    "Fehler beim Anmelden eines Kontos.\r\n\r\nAntragsteller:\r\n\tSicherheits-ID:\t\tS-1-0-0\r\n\tKontoname:\t\t-\r\n"
    "\tKontodomäne:\t\t-\r\n\tAnmelde-ID:\t\t0x0\r\n\r\nAnmeldetyp:\t\t\t3\r\n\r\nKonto, für das die Anmeldung "
    "fehlgeschlagen ist:\r\n\tSicherheits-ID:\t\tS-1-0-0\r\n\tKontoname:\t\tjürgen.weiß\r\n"
    "\tKontodomäne:\t\tSTADT\r\n\r\n"
    "Fehlerinformationen:\r\n\tFehlerursache:\t\tUnbekannter Benutzername oder ungültiges Kennwort.\r\n"
    "\tStatus:\t\t\t0xC000006D\r\n\tUnterstatus:\t\t0xC000006A\r\n\r\nProzessinformationen:\r\n"
    "\tAufrufprozess-ID:\t0x0\r\n\tAufrufprozessname:\t-\r\n\r\nNetzwerkinformationen:\r\n"
    "\tArbeitsstationsname:\tPC-0815\r\n\tQuellnetzwerkadresse:\t203.0.113.50\r\n\tQuellport:\t\t51515\r\n\r\n"
    "Detaillierte Authentifizierungsinformationen:\r\n\tAnmeldeprozess:\t\tNtLmSsp\r\n\tAuthentifizierungspaket:\tNTLM",
    audit="failure",
)  # fmt: skip
CREATED = Happened(
    4688, *AUDITING, SUCCEEDED, 13312, WHEN,
    {
        "SubjectUserSid": "S-1-5-21-1-2-3-1104", "SubjectUserName": "m.müller", "SubjectDomainName": "STADT",
        "SubjectLogonId": "0x3e7a1", "NewProcessId": "0x1a2c", "NewProcessName": r"C:\Windows\System32\cmd.exe",
        "TokenElevationType": "%%1938", "ProcessId": "0x11c8", "CommandLine": 'cmd.exe /c "whoami /all" [x]',
        "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-", "TargetLogonId": "0x0",
        "ParentProcessName": r"C:\Program Files\Büro\winword.exe",
    },
    "Ein neuer Prozess wurde erstellt.\r\n\r\nErstellersubjekt:\r\n\tSicherheits-ID:\t\tS-1-5-21-1-2-3-1104\r\n"
    "\tKontoname:\t\tm.müller\r\n\tKontodomäne:\t\tSTADT\r\n\tAnmelde-ID:\t\t0x3E7A1\r\n\r\nZielbetreff:\r\n"
    "\tSicherheits-ID:\t\tS-1-0-0\r\n\tKontoname:\t\t-\r\n\tKontodomäne:\t\t-\r\n\tAnmelde-ID:\t\t0x0\r\n\r\n"
    "Prozessinformationen:\r\n\tNeue Prozess-ID:\t\t0x1a2c\r\n"
    "\tNeuer Prozessname:\tC:\\Windows\\System32\\cmd.exe\r\n\tTokenberechtigungstyp:\t%%1938\r\n"
    "\tErstellerprozess-ID:\t0x11c8\r\n\tErstellerprozessname:\tC:\\Program Files\\Büro\\winword.exe\r\n"
    '\tProzessbefehlszeile:\tcmd.exe /c "whoami /all" [x]',
    version=2, audit="success",
)  # fmt: skip
STARTED = {
    "RuleName": "-", "UtcTime": "2026-11-23 07:15:00.120", "ProcessGuid": "{b3c1a2d4-0001-6920-0010-000000001f00}",
    "ProcessId": "6700", "Image": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    "FileVersion": "10.0.20348.1", "Description": "Windows PowerShell", "Company": "Microsoft Corporation",
    "OriginalFileName": "PowerShell.EXE", "CommandLine": "powershell.exe -enc SQBFAFgA", "User": r"STADT\m.müller",
    "CurrentDirectory": "C:\\Büro\\", "IntegrityLevel": "High",
    "Hashes": "SHA256=" + "AB" * 32, "ParentProcessId": "4552", "ParentImage": r"C:\Program Files\Büro\winword.exe",
    "ParentCommandLine": r'"C:\Program Files\Büro\winword.exe" Rechnung.docm', "ParentUser": r"STADT\m.müller",
}  # fmt: skip
SYSMON = Happened(
    1, "Microsoft-Windows-Sysmon", "5770385f-c22a-43e0-bf4c-06f5698ffbd9", "Microsoft-Windows-Sysmon/Operational",
    0x8000000000000000, 1, WHEN, STARTED,
    "Process Create:\r\n" + "\r\n".join(f"{name}: {value}" for name, value in STARTED.items()),
    version=5, level=4, sid="S-1-5-18",
)  # fmt: skip
EVENTS = pytest.mark.parametrize("one", [LOGON, CREATED, SYSMON], ids=["4625", "4688", "Sysmon 1"])

WHOLE: dict[str, Callable[[Happened], str]] = {
    "rendered XML": xml,
    "XML": lambda one: xml(one, rendered=False),
    "XML in RFC 5424": lambda one: in_5424(xml(one), one),
    "XML in RFC 3164": lambda one: in_3164(xml(one), one),
    "Winlogbeat": winlogbeat,
    "Winlogbeat in RFC 5424": lambda one: in_5424(winlogbeat(one), one),
    "NXLog JSON": nxlog,
    "NXLog JSON in RFC 3164": lambda one: in_3164(nxlog(one), one),
    "NXLog JSON in RFC 5424": lambda one: in_5424(nxlog(one), one),
    "NXLog's elements in RFC 5424": nxlog_5424,
}
"""Wrappings that hold the event's own data by name."""

AROUND = {
    "event.created", "event.ingested", "event.hash", "event.id", "event.original", "event.sequence", "message",
    "winlog.task", "winlog.opcode", "log.level", "related.hosts", "event.reason", "winlog.user.name",
    "winlog.user.domain",
}  # fmt: skip
"""What belongs to the wrapping, is said by some of them only, or in the words of a language."""


def routed(body: bytes, via: str = "syslog-tcp") -> Event:
    """Read one record as it would be read on its way, without being told the pack."""
    (event,) = parse_one(Entry(1, NOW, Raw(body, "windows", NOW, Origin(via, "192.0.2.7:514"))), SHIPPED)
    assert event.fields["event.dataset"] == "windows.eventlog", event.fields.get("error.message")
    return event


def in_evtx(one: Happened, tmp_path: Path) -> Event:
    """Read the event out of a real event log."""
    path = tmp_path / "one.evtx"
    write_evtx(path, [one])
    (raw,) = read_evtx(path, "windows", ManualClock(NOW))
    (event,) = parse_one(Entry(1, NOW, raw), SHIPPED)
    return event


def told(event: Event) -> dict[str, object]:
    """Return what the event says, less what its wrapping adds; a name that a collector looked up counts for nothing."""
    said: dict[str, object] = {
        name: value
        for name, value in event.fields.items()
        if name not in AROUND and not name.startswith(("sentinel.", "log.sys", "log.source", "log.file"))
    }
    users = event.fields.get("related.user", ())
    assert isinstance(users, tuple)
    said["related.user"] = {user for user in users if user != "SYSTEM"}
    return said


def alike(found: dict[str, object], expected: dict[str, object]) -> None:
    names = sorted(found | expected)
    assert {name: found.get(name) for name in names} == {name: expected.get(name) for name in names}


@EVENTS
@pytest.mark.parametrize("wrapping", WHOLE)
def test_every_field_is_that_of_the_event_log(one: Happened, wrapping: str, tmp_path: Path) -> None:
    expected, found = told(in_evtx(one, tmp_path)), told(routed(WHOLE[wrapping](one).encode()))
    if "Winlogbeat" in wrapping:  # it keeps milliseconds, and of keywords only those that have a name
        expected["@timestamp"] = str(expected["@timestamp"])[:23] + "000Z"
        if not one.audit:
            del expected["winlog.keywords"]
    alike(found, expected)


@EVENTS
@pytest.mark.parametrize("tab", ["\t", "#011"], ids=["tabs", "tabs that rsyslog escaped"])
def test_snare_says_in_a_german_message_what_the_event_log_says_by_name(
    one: Happened, tab: str, tmp_path: Path
) -> None:
    found = told(routed(snare(one).replace("\t", tab).encode()))
    expected = {
        name: value
        for name, value in told(in_evtx(one, tmp_path)).items()
        if name.startswith(("event.", "user.", "source.", "process.", "host.", "related.", "winlog.logon"))
        and not (one.code == 4625 and name == "event.reason")
    }
    assert {name: found.get(name) for name in expected} == expected
    assert str(found["@timestamp"]) == "2026-11-23T07:15:00.000000Z"


@EVENTS
def test_posted_xml_and_a_whole_xml_export_say_the_same(one: Happened, tmp_path: Path) -> None:
    several = [replace(one, record=number) for number in (1, 2, 3)]
    body = f"<?xml version='1.0'?>\r\n<Events>{''.join(xml(each) for each in several)}</Events>"
    lines = lines_of("application/xml; charset=utf-8", body.encode())
    assert len(lines) == 3
    for each, line in zip(several, lines, strict=True):
        alike(told(routed(line.body, "http")), told(in_evtx(each, tmp_path)))


def test_a_command_line_that_imitates_snares_flat_message_decides_nothing() -> None:
    forged = replace(SYSMON, message=SYSMON.message.replace("-enc SQBFAFgA", "x  User: STADT\\unschuldig  Foo: 1  2"))
    found = routed(snare(forged).encode()).fields
    assert "user.name" not in found or found["user.name"] == "SYSTEM"
    assert found["process.command_line"] == "powershell.exe x"
    honest = replace(SYSMON, message=SYSMON.message.replace("-enc SQBFAFgA", "a  b  Foo: 1  2"))
    assert routed(snare(honest).encode()).fields["process.command_line"] == "powershell.exe a  b  Foo: 1  2"


HOSTILE = {
    "an external entity": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
    "a billion laughs": "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;'><!ENTITY e '&b;&b;&b;&b;'>]>",
    "quadratic growth": f"<!DOCTYPE x [<!ENTITY e '{'a' * 50_000}'>]>",
    "a parameter entity": "<!DOCTYPE x [<!ENTITY % e SYSTEM 'http://192.0.2.1/x.dtd'> %e;]>",
    "an external subset": "<!DOCTYPE x SYSTEM 'http://192.0.2.1/x.dtd'>",
}


@pytest.mark.parametrize("head", HOSTILE.values(), ids=HOSTILE)
def test_entities_and_document_types_are_refused_and_become_dead_letters(head: str) -> None:
    event = xml(LOGON).replace("jürgen.weiß", "&e;" * 1000)
    bodies = [line.body for line in lines_of("text/xml", (head + event).encode())]
    for body in [*bodies, (head + event).encode(), in_5424(head + event, LOGON).encode()]:
        (found,) = parse_one(Entry(1, NOW, Raw(body, "windows", NOW, Origin("http"))), SHIPPED, "windows")
        assert found.fields["event.kind"] == "pipeline_error"
        assert "root:" not in str(found.fields)
        assert len(str(found.fields)) < 300_000
