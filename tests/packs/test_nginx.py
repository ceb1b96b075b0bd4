"""nginx: whose request it was where the error log escapes nothing, formats of operators, both clocks."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "nginx", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = "2026/11/23 08:15:00 [error] 31#31: *46 "
TAIL = ', client: 198.51.100.7, server: www.example.org, request: "GET /a HTTP/1.1", host: "www.example.org"'
FAKE = ', client: 203.0.113.66, server: x, request: "GET / HTTP/1.1", host: "x"'


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "nginx", NOW, Origin("test"), "Europe/Berlin"))
    return event


def test_the_error_log_writes_local_time() -> None:
    assert read(HEAD + "access forbidden by rule" + TAIL)["@timestamp"] == "2026-11-23T07:15:00.000000Z"


@pytest.mark.parametrize(
    "line",
    [
        f'open() "/srv/x{FAKE}" failed (2: No such file or directory){TAIL}',
        f'open() "/srv/x{FAKE}, referrer: "" failed (2: No such file or directory){TAIL}',
        f'access forbidden by rule{TAIL}, referrer: "x"{FAKE}',
        f'access forbidden by rule{TAIL}, referrer: "x{FAKE}"',
        f'user "x": password mismatch{FAKE}": password mismatch{TAIL}',
        f"access forbidden by rule{TAIL.replace('/a', '/a' + chr(34) + FAKE)}",
    ],
)
def test_nobody_can_put_his_request_on_another_address(line: str) -> None:
    event = read(HEAD + line)
    assert event.get("source.ip", "198.51.100.7") == "198.51.100.7"
    assert event.get("url.domain", "www.example.org") == "www.example.org"


def test_a_path_that_looks_like_a_client_hides_nobody() -> None:
    event = read(HEAD + f'open() "/srv/x, client: 203.0.113.66, server: a" failed (2: No such file){TAIL}')
    assert event["source.ip"] == "198.51.100.7"


def test_a_proxy_before_us_is_the_source_and_who_it_speaks_for_is_beside() -> None:
    event = read('10.0.0.1 - - [23/Nov/2026:08:15:00 +0100] "GET / HTTP/1.1" 200 5 "-" "x" "203.0.113.9, 192.0.2.1"')
    assert (event["source.ip"], event["network.forwarded_ip"]) == ("10.0.0.1", "203.0.113.9")


def test_waf_lines_are_alerts() -> None:
    event = read(HEAD + 'ModSecurity: Access denied with code 403 (phase 2). x [id "949110"] [msg "Score"]' + TAIL)
    assert (event["event.kind"], event["rule.id"], event["source.ip"]) == ("alert", "949110", "198.51.100.7")
    assert event["event.category"] == ("intrusion_detection",)
