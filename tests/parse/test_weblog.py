"""Lines of web servers: who asked whom for what, whatever else the server was told to log and the client sent."""

import pytest

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields
from sentinel.pack import weblog, when

LINE = '198.51.100.7 - - [23/Nov/2026:08:15:00 +0100] "GET /a?b=1 HTTP/1.1" 404 153 "https://example.org/" "curl/8.5.0"'


def read(line: str) -> Fields:
    found = weblog.access(line)
    assert found is not None
    fields: Fields = {}
    weblog.fill(fields, found)
    return fields


def test_a_line_of_the_combined_format() -> None:
    fields = read(LINE)
    assert (fields["source.ip"], fields["http.request.method"], fields["url.path"]) == ("198.51.100.7", "GET", "/a")
    assert (fields["http.response.status_code"], fields["event.outcome"]) == (404, "failure")
    assert (fields["http.request.referrer"], fields["user_agent.original"]) == ("https://example.org/", "curl/8.5.0")
    assert "user.name" not in fields


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("198.51.100.7 - anna", {"source.ip": "198.51.100.7", "user.name": "anna"}),
        ("198.51.100.7 - anna of it", {"user.name": "anna of it"}),
        ("198.51.100.7:4711 - CITY\\anna", {"source.port": 4711, "user.name": "anna", "user.domain": "CITY"}),
        ("198.51.100.7 - CITY\\x5Canna", {"user.name": "anna", "user.domain": "CITY"}),
        ("198.51.100.7 - CITY\\\\anna", {"user.name": "anna", "user.domain": "CITY"}),
        ("[2001:db8::7]:4711 - -", {"source.ip": "2001:db8::7", "source.port": 4711}),
        ("www.example.org:443 198.51.100.7 - -", {"url.domain": "www.example.org", "destination.port": 443}),
        ("www.example.org 198.51.100.7 - req-1 -", {"http.request.id": "req-1", "source.ip": "198.51.100.7"}),
        ("pc7.example.org - -", {"source.domain": "pc7.example.org"}),
        ("www.example.org pc7.example.org - -", {"url.domain": "www.example.org", "source.domain": "pc7.example.org"}),
        ('"198.51.100.7, 10.0.0.1" - anna', {"source.ip": "198.51.100.7", "user.name": "anna"}),
        ("198.51.100.7, 10.0.0.1 - anna", {"source.ip": "198.51.100.7", "user.name": "anna"}),
    ],
)
def test_who_asked_stands_before_the_time(before: str, told: Fields) -> None:
    fields = read(LINE.replace("198.51.100.7 - -", before))
    assert told.items() <= fields.items()


def test_a_user_name_that_imitates_a_line_stays_a_user_name() -> None:
    name = 'x [01/Jan/2026:00:00:00 +0000] \\"GET / HTTP/1.1\\" 200 5'
    fields = read(LINE.replace("- -", f"- {name}", 1))
    assert fields["user.name"] == name
    assert (fields["url.path"], fields["http.response.status_code"]) == ("/a", 404)


@pytest.mark.parametrize("sent", ["\\x16\\x03\\x01", "HELP", "lv|'|'|x", "GET", "1 2 3"])
def test_what_is_no_request_is_what_was_asked_for(sent: str) -> None:
    fields = read(LINE.replace("GET /a?b=1 HTTP/1.1", sent))
    assert fields["url.original"] == sent
    assert "http.request.method" not in fields


def test_a_proxy_is_asked_for_a_host_and_a_port() -> None:
    fields = read(LINE.replace("GET /a?b=1", "CONNECT www.example.org:443"))
    assert (fields["url.domain"], fields["url.port"]) == ("www.example.org", 443)


def test_quotes_that_no_server_escaped_stay_within_their_column() -> None:
    fields = read(LINE.replace("curl/8.5.0", 'a"b" "c').replace('" "c', '"c'))
    assert fields["user_agent.original"] == 'a"b"c'


@pytest.mark.parametrize(
    "line", ["", "words", LINE[:60], '[23/Nov/2026:08:15:00 +0100] "GET', "[" * 5_000, '"' * 5_000]
)
def test_what_is_no_such_line_is_none(line: str) -> None:
    assert weblog.access(line) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("23/Nov/2026:08:15:00 +0100", "2026-11-23T07:15:00.000000Z"),
        ("23/Nov/2026:08:15:00.885", "2026-11-23T07:15:00.885000Z"),
        ("03/Mai/2026:08:15:00 -0330", "2026-05-03T11:45:00.000000Z"),
    ],
)
def test_a_time_of_the_common_log_format(text: str, moment: str) -> None:
    assert when.iso(when.clf(text, "Europe/Berlin")) == moment


@pytest.mark.parametrize("text", ["", "23/Foo/2026:08:15:00", "32/Nov/2026:08:15:00 +0100", "23/Nov/2026:08:15:00 +99"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        when.clf(text)


def test_modsecurity_says_which_rule_and_whether_it_blocked() -> None:
    fields: Fields = {}
    weblog.modsecurity(
        fields,
        'ModSecurity: Access denied with code 403 (phase 2). Matched phrase "x" at ARGS:a. [file "/etc/crs/930.conf"] '
        '[id "930120"] [msg "OS File Access Attempt"] [tag "attack-lfi"] [tag "OWASP_CRS"] [uri "/a"]',
    )
    assert (fields["event.kind"], fields["event.type"]) == ("alert", ("denied",))
    assert (fields["rule.id"], fields["rule.name"], fields["url.path"]) == ("930120", "OS File Access Attempt", "/a")
    assert fields["modsecurity.tags"] == ("attack-lfi", "OWASP_CRS")
