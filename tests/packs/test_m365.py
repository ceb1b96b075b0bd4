"""Microsoft 365 and Entra ID: what their records mean, whoever hands them on and however addresses are written."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.record import Reader, Reading
from sentinel.parse.route import Router

PARSERS = Path(__file__).resolve().parents[2] / "parsers"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
READER = Reader(Router(load([PARSERS], shipped=PARSERS)), {"berlin": Reading(None, "Europe/Berlin")})
RECORD = {
    "CreationTime": "2026-11-23T07:15:00",
    "Operation": "Set-Mailbox",
    "RecordType": 1,
    "Workload": "Exchange",
    "UserId": "admin@city.example",
}


def read(body: bytes, via: str = "pull") -> Event:
    (event,) = READER.read(Entry(1, NOW, Raw(body, "berlin", NOW, Origin(via, "manage.office.com"))))
    return event


def audit(**more: object) -> Event:
    return read(json.dumps(RECORD | more).encode())


def test_times_are_utc_whatever_zone_the_source_has() -> None:
    assert audit().timestamp == datetime(2026, 11, 23, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "address", "port"),
    [
        ("192.0.2.1:5555", "192.0.2.1", 5555),
        ("192.0.2.1", "192.0.2.1", None),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("2001:db8:0:0::1", "2001:db8::1", None),
        ("::ffff:192.0.2.1", "192.0.2.1", None),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1", 80),
        ("<null>", None, None),
        ("192.0.2.1:99999999", "192.0.2.1", None),
    ],
)
def test_a_client_is_read_however_it_is_written(said: str, address: str | None, port: int | None) -> None:
    fields = audit(ClientIP=said).fields
    assert (fields.get("source.ip"), fields.get("source.port")) == (address, port)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("New-InboxRule", {"ForwardTo": "Sammler <x@mail.example.net>"}),
        ("Set-InboxRule", {"RedirectTo": '"x@mail.example.net" [SMTP:x@mail.example.net]'}),
        ("Set-Mailbox", {"ForwardingSmtpAddress": "smtp:x@mail.example.net"}),
    ],
)
def test_where_mail_is_forwarded_is_one_field_for_every_way(operation: str, parameters: dict[str, str]) -> None:
    pairs = [{"Name": name, "Value": value} for name, value in parameters.items()]
    fields = audit(Operation=operation, Parameters=pairs).fields
    assert fields["m365.forwarded_to"] == ("x@mail.example.net",) or fields["m365.forwarded_to"] == "x@mail.example.net"
    assert fields["event.category"] == ("configuration",)


def test_a_failed_login_is_a_failure_though_the_request_succeeded() -> None:
    fields = audit(Operation="UserLoginFailed", ResultStatus="Success", Workload="AzureActiveDirectory").fields
    assert fields["event.outcome"] == "failure"


def test_an_operation_nobody_knows_still_says_who_when_and_from_where() -> None:
    fields = audit(Operation="SomethingNew", Workload="NewThing", ClientIP="192.0.2.9", Detail={"a": [1, 2]}).fields
    assert fields["user.name"] == "admin"
    assert fields["source.ip"] == "192.0.2.9"
    assert fields["observer.product"] == "NewThing"
    assert fields["m365.Detail.a"] == ("1", "2")
    assert "event.category" not in fields


def test_inside_syslog_and_an_export_it_is_the_same_record() -> None:
    plain = audit(ClientIP="192.0.2.1:5555").fields
    record = json.dumps(RECORD | {"ClientIP": "192.0.2.1:5555"})
    exported = json.dumps({"RecordType": "ExchangeAdmin", "UserIds": "admin@city.example", "AuditData": record})
    relayed = b"<13>1 2026-11-23T07:16:00Z relay o365 - - - " + record.encode()
    for body in (exported.encode(), relayed):
        fields = read(body).fields
        assert {
            name: fields.get(name) for name in plain if not name.startswith(("event.hash", "event.id", "event.o"))
        } == {
            name: value for name, value in plain.items() if not name.startswith(("event.hash", "event.id", "event.o"))
        }


def test_graphs_sign_in_and_the_same_in_azure_monitors_envelope_say_the_same() -> None:
    sign_in = {
        "id": "1", "createdDateTime": "2026-11-23T07:15:00Z", "userPrincipalName": "anna@city.example",
        "appDisplayName": "Office", "ipAddress": "203.0.113.5", "status": {"errorCode": 50126},
    }  # fmt: skip
    around = {
        "time": "2026-11-23T07:15:00Z", "resourceId": "/tenants/t/providers/Microsoft.aadiam",
        "operationName": "Sign-in activity", "category": "SignInLogs", "properties": sign_in,
    }  # fmt: skip
    for said in (sign_in, around):
        event = read(json.dumps(said).encode())
        assert event.timestamp == datetime(2026, 11, 23, 7, 15, tzinfo=UTC)
        assert event.fields["event.dataset"] == "entra.signin"
        assert event.fields["event.outcome"] == "failure"
        assert event.fields["user.name"] == "anna"
        assert event.fields["source.ip"] == "203.0.113.5"
