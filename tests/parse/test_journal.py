"""A journal entry as JSON says what the same message says over syslog."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.core.join import VIA, packed
from sentinel.pack.journal import unwrapped
from sentinel.parse.packs import load
from sentinel.parse.record import parse_one
from sentinel.parse.route import Router

REMOTE = "/lib/systemd/systemd-journal-remote"
SHIPPED = Router(load([content("parsers")], shipped=content("parsers")))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FAILED = "Failed password for invalid user jürgen from 203.0.113.9 port 40001 ssh2"
QUEUED = "4F1A2B3C4D: from=<a@example.org>, size=1024, nrcpt=1 (queue active)"
FRAMED = frozenset({"event.original", "event.id", "event.hash"})


def read(body: bytes, hint: str | None = None) -> Event:
    raw = Raw(body, "srv", NOW, Origin("file", "192.0.2.80", "1"))
    (event,) = parse_one(Entry(1, NOW, raw), SHIPPED, hint)
    return event


def entry(app: str, message: object, **more: object) -> bytes:
    said = {
        "__CURSOR": "s=1;i=1", "__REALTIME_TIMESTAMP": "1795500000123456", "_HOSTNAME": "srv-web-01",
        "SYSLOG_IDENTIFIER": app, "PRIORITY": "6", "SYSLOG_FACILITY": "10", "_PID": "4711", "MESSAGE": message, **more,
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False).encode()


def told(event: Event) -> dict[str, object]:
    return {name: value for name, value in event.fields.items() if name not in FRAMED}


@pytest.mark.parametrize(("app", "message"), [("sshd", FAILED), ("postfix/qmgr", QUEUED), ("meinding", "läuft")])
@pytest.mark.parametrize("hint", [None, "journald"])
def test_an_entry_says_what_its_message_says_over_syslog(app: str, message: str, hint: str | None) -> None:
    line = f"<86>1 2026-11-24T06:00:00.123456Z srv-web-01 {app} 4711 - - {message}"
    as_json, as_syslog = read(entry(app, message), hint), read(line.encode())
    assert told(as_json) == told(as_syslog) | {
        name: value for name, value in told(as_json).items() if name.startswith("labels.journald")
    }
    assert as_json.fields["event.original"] == entry(app, message).decode()


def test_what_belongs_together_is_joined_whether_it_came_as_json_or_not() -> None:
    messages = [
        QUEUED,
        "4F1A2B3C4D: to=<b@example.net>, relay=none, delay=1, status=bounced (no)",
        "4F1A2B3C4D: removed",
    ]
    apps = ["postfix/qmgr", "postfix/smtp", "postfix/qmgr"]
    lines = [
        f"<86>1 2026-11-24T06:00:00.123456Z srv-web-01 {app} 4711 - - {said}".encode()
        for app, said in zip(apps, messages, strict=True)
    ]
    entries = [entry(app, said) for app, said in zip(apps, messages, strict=True)]
    as_json, as_syslog = (
        parse_one(Entry(1, NOW, Raw(packed(parts), "srv", NOW, Origin(VIA, "postfix", "1"))), SHIPPED)[0]
        for parts in (entries, lines)
    )
    assert as_json.fields["email.to.address"] == ("b@example.net",)
    assert told(as_json) == told(as_syslog)


def test_a_message_of_bytes_is_read_as_text() -> None:
    event = read(entry("sshd", list(FAILED.encode("latin-1"))))
    assert (event.fields["user.name"], event.fields["source.ip"]) == ("jürgen", "203.0.113.9")


def test_what_journalctl_prints_is_read(tmp_path: Path) -> None:
    texts = {
        "__REALTIME_TIMESTAMP": "1795500000123456", "__MONOTONIC_TIMESTAMP": "1", "_BOOT_ID": "1" * 32,
        "_HOSTNAME": "srv-web-01", "SYSLOG_IDENTIFIER": "sshd", "PRIORITY": "6", "_PID": "4711", "MESSAGE": FAILED,
    }  # fmt: skip
    exported = "".join(f"{name}={value}\n" for name, value in texts.items()) + "\n"
    journal = tmp_path / "remote.journal"
    subprocess.run([REMOTE, "-o", str(journal), "-"], input=exported.encode(), check=True, capture_output=True)
    printed = subprocess.run(["journalctl", "-o", "json", f"--file={journal}"], check=True, capture_output=True).stdout
    event = read(printed.strip())
    assert event.fields["event.dataset"] == "sshd.log"
    assert event.fields["@timestamp"] == "2026-11-24T06:00:00.123456Z"
    assert (event.fields["user.name"], event.fields["source.ip"]) == ("jürgen", "203.0.113.9")


@given(
    st.binary(max_size=60), st.sampled_from([b"", b'"MESSAGE":[[[[1]]]],', b'"MESSAGE":null,', b'"_PID":"\xc2\xb2",'])
)
def test_what_only_looks_like_an_entry_costs_nothing_but_itself(rest: bytes, field: bytes) -> None:
    body = b"{" + field + b'"__REALTIME_TIMESTAMP":"' + rest
    assert unwrapped(Raw(body + b'"}', "srv", NOW, Origin("file"))).body
