"""Windows events: one event in every wrapping, who is who, what a message in German says, real event logs."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from evtx import PyEvtxParser
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Origin, Raw
from sentinel.pack import wintext
from sentinel.pack.structured import json_object, xml_nodes
from sentinel.parse.packs import load_one
from sentinel.testing.packs import faults

PACK = load_one(content("parsers") / "windows", trusted=True)
SAMPLES = PACK.folder / "samples"
REAL = Path(__file__).parents[2] / "../shared/samples/sigmahq/regression_data"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECURITY = "Microsoft-Windows-Security-Auditing"


def read(body: str | bytes, zone: str = "UTC") -> list[Fields]:
    data = body.encode() if isinstance(body, str) else body
    return list(PACK.parse(Raw(data, "windows", NOW, Origin("test"), zone)))


def flat(**said: object) -> Fields:
    return read(json.dumps({"EventID": 1, "SourceName": SECURITY, "Channel": "Security", **said}))[0]


def test_one_logon_failure_says_the_same_in_every_wrapping() -> None:
    lines = (SAMPLES / "wrappings.log").read_text("utf-8").splitlines()
    assert len(lines) >= 18
    for number, line in enumerate(lines, start=1):
        for event in read(line):
            told = {
                name: event.get(name)
                for name in (
                    "event.code", "event.category", "event.type", "event.outcome", "event.action", "event.reason",
                    "user.name", "user.domain", "user.target.name", "source.ip", "source.port", "source.domain",
                    "host.name", "winlog.event_data.LogonType", "winlog.event_data.SubjectUserName",
                )
            }  # fmt: skip
            assert told == {
                "event.code": "4625", "event.category": ("authentication",), "event.type": ("start",),
                "event.outcome": "failure", "event.action": "logon-failed", "event.reason": "wrong password",
                "user.name": "Administrator", "user.domain": "STADT", "user.target.name": None,
                "source.ip": "203.0.113.50", "source.port": 51515, "source.domain": "PC-0815",
                "host.name": "DC01.stadt.example", "winlog.event_data.LogonType": "3",
                "winlog.event_data.SubjectUserName": "-",
            }, f"line {number}"  # fmt: skip
            assert str(event["@timestamp"]).startswith("2026-11-23T07:15:00"), f"line {number}"


def test_several_events_in_one_xml_record_are_several_events() -> None:
    line = (SAMPLES / "wrappings.log").read_text("utf-8").splitlines()[15]
    assert [event["winlog.record_id"] for event in read(line)] == [4711, 4712]


def test_every_sysmon_event_from_1_to_29_has_a_category() -> None:
    lines = (SAMPLES / "sysmon.log").read_text("utf-8").splitlines()
    events = [event for line in lines for event in read(line)]
    assert {event["event.code"] for event in events} >= {str(code) for code in range(1, 30)}
    assert all("event.category" in event and "event.type" in event for event in events)


DOCUMENTED = (
    # https://learn.microsoft.com/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/advanced-security-audit-policy-settings
    "1100-1102 1104 1105 1108 4608-4612 4614-4616 4618 4621 4622 4624-4627 4634 4646-4668 4670-4675 4688-4697 4698-4707"
    " 4709-4720 4722-4735 4737-4794 4797-4803 4816-4826 4830 4864-4900 4902 4904-4913 4928-4937 4944-4954 4956-4958"
    " 4960-4963 4965 4964 4976-4985 5024 5025 5027-5035 5037-5051 5056-5071 5120-5127 5136-5159 5168-5170 5376-5382"
    " 5440-5444 5446-5453 5456-5468 5471-5474 5477-5480 5483-5485 5632 5633 5712 5888-5890 6144 6145 6272-6281"
    " 6400-6410 6416 6419-6424 8191"
)


def test_every_documented_event_of_the_audit_policy_has_a_meaning() -> None:
    spans = [part.partition("-") for part in DOCUMENTED.split()]
    codes = [code for first, _, last in spans for code in range(int(first), int(last or first) + 1)]
    events = {code: flat(EventID=code) for code in codes}
    assert [code for code, event in events.items() if not {"event.action", "event.type"} <= set(event)] == []
    # what becomes of an object (4656 to 4663) is told by its kind
    assert [code for code, event in events.items() if "event.category" not in event] == []


@pytest.mark.parametrize(
    ("written", "source_zone", "meant"),
    [
        ({"EventTime": "2026-03-29 01:30:00"}, "Europe/Berlin", "2026-03-29T00:30:00.000000Z"),
        ({"EventTime": "2026-03-29 03:30:00"}, "Europe/Berlin", "2026-03-29T01:30:00.000000Z"),
        ({"EventTime": "2026-11-23T08:15:00.123456+01:00"}, "America/New_York", "2026-11-23T07:15:00.123456Z"),
        ({"TimeCreated": 134398917000000000}, "UTC", "2026-11-23T07:15:00.000000Z"),
        ({"TimeCreated": "/Date(1795418100123)/"}, "UTC", "2026-11-23T07:15:00.123000Z"),
        ({"TimeCreated": 1795418100.5}, "UTC", "2026-11-23T07:15:00.500000Z"),
        (
            {"EventTime": "2026-11-23 02:15:00", "UtcTime": "2026-11-23 07:15:00.001"},
            "UTC",
            "2026-11-23T07:15:00.000000Z",
        ),
        (
            {
                "EventTime": "2026-11-23 08:15:00",
                "EventReceivedTime": "2026-11-23 08:15:02",
                "@timestamp": "2026-11-23T07:15:03.1Z",
            },
            "UTC",
            "2026-11-23T07:15:00.000000Z",
        ),
    ],
)
def test_times_of_collectors_become_utc(written: dict[str, object], source_zone: str, meant: str) -> None:
    body = json.dumps({"EventID": 5, "SourceName": "Microsoft-Windows-Sysmon"} | written)
    assert read(body, source_zone)[0]["@timestamp"] == meant


def test_subject_and_target_are_kept_apart() -> None:
    people = {"SubjectUserName": "m.müller", "SubjectDomainName": "STADT", "TargetUserName": "neu"}
    created = flat(EventID=4720, **people)
    assert (created["user.name"], created["user.target.name"]) == ("m.müller", "neu")
    logged_on = flat(EventID=4624, **people)
    assert logged_on["user.name"] == "neu"
    assert "user.target.name" not in logged_on
    grouped = flat(EventID=4728, MemberName="CN=Süß\\, Ida,OU=Amt,DC=stadt", MemberSid="S-1-5-21-9", **people)
    assert (grouped["user.name"], grouped["group.name"], grouped["user.target.name"]) == ("m.müller", "neu", "Süß, Ida")


@pytest.mark.parametrize(
    ("said", "name", "domain"),
    [
        ("STADT\\m.müller", "m.müller", "STADT"),
        ("a.schäfer@STADT.EXAMPLE", "a.schäfer", "STADT.EXAMPLE"),
        ("PC-0815$", "PC-0815$", None),
        ("NT-AUTORITÄT\\SYSTEM", "SYSTEM", "NT-AUTORITÄT"),
    ],
)
def test_accounts_come_apart_into_name_and_domain(said: str, name: str, domain: str | None) -> None:
    event = flat(EventID=4624, TargetUserName=said)
    assert (event["user.name"], event.get("user.domain")) == (name, domain)


def test_a_user_name_that_imitates_the_message_decides_nothing() -> None:
    """In text whose line ends were lost nobody can tell the attacker's label from ours: neither is believed."""
    message = (
        "An account failed to log on.    Subject:   Account Name:  -    Account For Which Logon Failed:   "
        "Account Name:  x   Source Network Address: 198.51.100.1    Network Information:   "
        "Source Network Address: 203.0.113.50"
    )
    found = wintext.labelled(
        message,
        {"Subject": "Subject", "Account For Which Logon Failed": "Target"},
        {"Account Name": "{}UserName", "Source Network Address": "IpAddress"},
    )
    assert found == {"SubjectUserName": "-", "TargetUserName": "x"}


def test_an_unknown_event_still_tells_who_where_and_when() -> None:
    event = flat(EventID=64999, Channel="Neu/Betrieb", SourceName="Neu", Hostname="pc", TargetUserName="a", Wert="ß")
    assert {name: event[name] for name in ("event.code", "host.name", "user.name", "winlog.event_data.Wert")} == {
        "event.code": "64999",
        "host.name": "pc",
        "user.name": "a",
        "winlog.event_data.Wert": "ß",
    }


def test_latin_1_umlauts_are_read() -> None:
    body = '{"EventID":4624,"SourceName":"Microsoft-Windows-Security-Auditing","TargetUserName":"müller"}'
    assert read(body.encode("cp1252"))[0]["user.name"] == "müller"
    assert read(body.encode("utf-16"))[0]["user.name"] == "müller"


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Event>&e;</Event>",
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><Event><System><EventID>&a;</EventID></System></Event>",
        "<Event><System><EventID>&#xD800;</EventID></System></Event>",
        "<Event>" * 5000,
        "<Event>" + "<a/>" * 30_000 + "</Event>",
        '{"a":' * 100_000,
        '{"EventID":' + "9" * 5000 + "}",
    ],
)
def test_hostile_structures_are_refused(body: str) -> None:
    with pytest.raises(ParseError):
        read(body)


keys = st.sampled_from([
    "Event", "System", "EventData", "UserData", "Data", "EventID", "#attributes", "#text", "Name", "Provider", "winlog",
    "event_data", "event_id", "event", "code", "win", "system", "eventdata", "eventID", "TimeCreated", "SystemTime",
    "EventTime", "EventReceivedTime", "@timestamp", "UtcTime", "Channel", "SourceName", "Keywords", "TargetUserName",
    "SubjectUserName", "IpAddress", "Hashes", "Message", "ProcessId", "data", "event_record_id", "StringInserts",
]) | st.text(max_size=6)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=30,
)


@given(
    event=st.dictionaries(keys, anything, max_size=12), provider=st.sampled_from([SECURITY, "Microsoft-Windows-Sysmon"])
)
def test_whatever_the_json_holds_only_parse_error_is_raised(event: dict[str, object], provider: str) -> None:
    body = json.dumps({"EventID": 4625, "SourceName": provider} | event)
    try:
        found = read(body)
    except ParseError:
        return
    for fields in found:
        assert list(faults(fields)) == []
        json.dumps(fields, ensure_ascii=False).encode()


@given(text=st.text(max_size=200) | st.text(alphabet="<>/ab='\"&;!?#x0", max_size=200))
def test_xml_and_json_readers_raise_nothing_but_parse_error(text: str) -> None:
    for reader in (xml_nodes, json_object):
        try:
            reader(text)
        except ParseError:
            continue


def test_real_event_logs_are_read_completely() -> None:
    if not REAL.is_dir():
        pytest.skip("../shared/samples/sigmahq is not beside this checkout")
    count = 0
    for path in sorted(REAL.rglob("*.evtx")):
        for record in PyEvtxParser(str(path)).records_json():
            assert isinstance(record, dict)
            for event in read(record["data"]):
                count += 1
                assert event["event.code"], path
                assert event["host.name"], path
                assert "event.category" in event, (path, event)
                assert list(faults(event)) == [], path
    assert count >= 100


def test_a_script_says_nothing_about_who_ran_it_or_where_it_lies() -> None:
    script = "user = root\nScriptName = C:\\gelogen.ps1\n# ScriptBlock ID: 0\nPath: C:\\gelogen.ps1"
    message = f"Creating Scriptblock text (1 of 2):\n{script}\n\nScriptBlock ID: 7\nPath: C:\\wahr.ps1"
    event = flat(EventID=4104, SourceName="Microsoft-Windows-PowerShell", Message=message)
    assert (event["file.path"], event.get("user.name")) == ("C:\\wahr.ps1", None)
    told = {name: event[f"winlog.event_data.{name}"] for name in ("MessageNumber", "MessageTotal", "ScriptBlockText")}
    assert told == {"MessageNumber": "1", "MessageTotal": "2", "ScriptBlockText": script}


@pytest.mark.parametrize(
    ("station", "field", "meant"),
    [("00-00-5e-00-53-23", "source.mac", "00-00-5E-00-53-23"), ("203.0.113.77", "source.ip", "203.0.113.77")],
)
def test_who_asks_a_network_policy_server_is_a_device_or_an_address(station: str, field: str, meant: str) -> None:
    event = flat(EventID=6273, SubjectUserName="m.müller", CallingStationID=station, ClientName="ap-7")
    assert (event[field], event["user.name"], event.get("source.domain")) == (meant, "m.müller", None)


def test_a_script_in_parts_is_one_text_whatever_else_came_in_their_records() -> None:
    def part(script: str, number: int, said: str) -> Fields:
        of = {"ScriptBlockId": script, "MessageNumber": number, "MessageTotal": 2, "ScriptBlockText": said}
        return flat(EventID=4104, SourceName="Microsoft-Windows-PowerShell", **of)

    join = PACK.join
    assert join is not None
    parts = [
        part("a", 1, "Invoke-Mimi"),
        part("b", 1, "x"),
        part("a", 2, "katz"),
        flat(EventID=4624),
        part("a", 2, "?"),
    ]
    assert join.whole(parts)["winlog.event_data.ScriptBlockText"] == "Invoke-Mimikatz"
    assert [join.key(event) for event in (flat(EventID=4624), flat(EventID=4104, MessageTotal=1))] == [None, None]
    assert [join.ends(event) for event in parts[:3]] == [False, False, True]


def test_a_message_alone_says_who_joined_which_group_and_who_added_him() -> None:
    message = (
        "Ein Mitglied wurde einer sicherheitsaktivierten globalen Gruppe hinzugefügt.\r\n\r\nAntragsteller:\r\n"
        "\tSicherheits-ID:\t\tS-1-5-21-1\r\n\tKontoname:\t\tida\r\n\tKontodomäne:\t\tSTADT\r\n\r\nMitglied:\r\n"
        "\tSicherheits-ID:\t\tS-1-5-21-9\r\n\tKontoname:\t\tCN=Süß\\, Uwe,OU=Amt,DC=stadt\r\n\r\nGruppe:\r\n"
        "\tSicherheits-ID:\t\tS-1-5-21-512\r\n\tGruppenname:\t\tDomänen-Admins\r\n\tGruppendomäne:\t\tSTADT"
    )
    event = flat(EventID=4728, Message=message)
    who = (event["user.name"], event["user.target.name"], event["user.target.id"], event["group.name"])
    assert who == ("ida", "Süß, Uwe", "S-1-5-21-9", "Domänen-Admins")


@pytest.mark.parametrize(("status", "outcome"), [("0x0", "success"), ("0xc0000064", "failure")])
@pytest.mark.parametrize("code", [4768, 4769, 4771, 4776])
def test_a_status_tells_the_outcome_where_the_keywords_got_lost(code: int, status: str, outcome: str) -> None:
    assert flat(EventID=code, TargetUserName="ida", Status=status)["event.outcome"] == outcome


def test_values_without_a_name_are_what_sigma_calls_data() -> None:
    system = {"Provider": {"#attributes": {"Name": "MSSQLSERVER"}}, "EventID": 33205, "Channel": "Application"}
    for data, told in ((["statement:EXEC", "xp_cmdshell"], ("statement:EXEC", "xp_cmdshell")), ("one", "one")):
        (event,) = read(json.dumps({"Event": {"System": system, "EventData": {"Data": {"#text": data}}}}))
        assert event["winlog.event_data.Data"] == told
        assert event["winlog.event_data.param1"] == (told if isinstance(told, str) else told[0])


def test_values_without_a_name_are_counted_from_one_in_xml_as_in_json() -> None:
    """What Exchange says of a cmdlet has no names; rules ask for the second value."""
    system = "<System><Provider Name='MSExchange CmdletLogs'/><EventID>1</EventID><Computer>mbx01</Computer></System>"
    data = "<EventData><Data>New-InboxRule</Data><Data>-ForwardTo &quot;b@example.net&quot;</Data></EventData>"
    shaped = {
        "System": {"Provider": {"#attributes": {"Name": "MSExchange CmdletLogs"}}, "EventID": 1, "Computer": "mbx01"},
        "EventData": {"Data": ["New-InboxRule", '-ForwardTo "b@example.net"']},
    }
    for body in (f"<Event>{system}{data}</Event>", json.dumps({"Event": shaped})):
        (event,) = read(body)
        said = {name: value for name, value in event.items() if name.startswith("winlog.event_data.param")}
        assert list(said.values()) == ["New-InboxRule", '-ForwardTo "b@example.net"']
        assert list(said) == ["winlog.event_data.param1", "winlog.event_data.param2"]
