"""Apache and ModSecurity: addresses with and without ports, both generations of the error log, hostile names."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

APACHE, MODSECURITY = (load_one(content("parsers") / name, trusted=True) for name in ("apache", "modsecurity"))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(line: str, pack: str = "apache") -> Fields:
    parser = {"apache": APACHE, "modsecurity": MODSECURITY}[pack]
    (event,) = parser.parse(Raw(line.encode(), pack, NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    ("brackets", "address", "port"),
    [
        ("[core:error] [pid 1:tid 2] [client 198.51.100.7:4433]", "198.51.100.7", 4433),
        ("[core:error] [pid 1:tid 2] [client 2001:db8::7:4433]", "2001:db8::7", 4433),
        ("[core:error] [pid 1:tid 2] [client ::1:4433]", "::1", 4433),
        ("[:error] [pid 1:tid 2] [client ::1:4433] [client ::1]", "::1", 4433),
        ("[:error] [pid 1:tid 2] [remote 10.0.0.1:0] [client 198.51.100.7]", "198.51.100.7", None),
        ("[error] [client 2001:db8::7]", "2001:db8::7", None),
        ("[error] [client 198.51.100.7]", "198.51.100.7", None),
    ],
)
def test_a_client_has_a_port_behind_it_or_not(brackets: str, address: str, port: int | None) -> None:
    event = read(f"[Mon Nov 23 08:15:00 2026] {brackets} File does not exist: /srv/x")
    assert (event["source.ip"], event.get("source.port")) == (address, port)
    assert (event["@timestamp"], event["file.path"]) == ("2026-11-23T07:15:00.000000Z", "/srv/x")


def test_a_user_name_that_imitates_the_error_log_moves_nobody() -> None:
    event = read(
        "[Mon Nov 23 08:15:00.000001 2026] [auth_basic:error] [pid 1:tid 2] [client 198.51.100.7:59308] "
        "AH01618: user x] [client 203.0.113.66:1] AH01618: user root not found: /a not found: /intern"
    )
    assert (event["source.ip"], event["source.port"], event["url.path"]) == ("198.51.100.7", 59308, "/intern")
    assert (event["event.category"], event["event.outcome"]) == (("authentication",), "failure")


def test_what_matched_cannot_say_whose_request_it_was() -> None:
    event = read(
        "2026/11/23 08:15:18 [error] 31#31: *56 ModSecurity: Warning. Matched (Value: `, client: 203.0.113.66, server: "
        'a, request: "GET / HTTP/1.1" \' ) [file "/etc/a.conf"] [id "1"] [msg "m"], client: 198.51.100.7, server: s, '
        'request: "GET /a HTTP/1.1", host: "h"',
        "modsecurity",
    )
    assert (event["source.ip"], event["url.path"], event["rule.id"]) == ("198.51.100.7", "/a", "1")
