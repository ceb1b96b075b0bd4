"""IIS: columns without a line that names them, both clocks, what a stranger may put into a column."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "iis", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIME = "2026-11-23 07:15:00 "


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "iis", NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    "columns",
    [
        "192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B https://r/ 404 0 2 15",
        "192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B 404 0 2 15",
        "192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B 404 0 2",
        "W3SVC1 192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B 404 0 2 15",
        "W3SVC1 WEB3 192.0.2.80 GET /a x=1 443 anna 198.51.100.7 HTTP/1.1 A+B c=1 https://r/ h 404 0 2 1477 403 15",
        "192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B https://r/ 404 0 2 15 203.0.113.9",
        "192.0.2.80 GET /a x=1 443 anna 198.51.100.7 A+B c=1 https://r/ h 404 0 2 1477 403 15 some+custom -",
    ],
)
def test_a_line_is_read_without_the_line_that_names_its_fields(columns: str) -> None:
    event = read(TIME + columns)
    assert (event["source.ip"], event["destination.ip"], event["destination.port"]) == (
        "198.51.100.7",
        "192.0.2.80",
        443,
    )
    assert (event["url.original"], event["user.name"], event["user_agent.original"]) == ("/a?x=1", "anna", "A B")
    assert (event["http.response.status_code"], event["iis.win32_status"]) == (404, "2")


def test_w3c_is_utc_and_the_other_formats_are_local() -> None:
    assert (
        read(TIME + "192.0.2.80 GET /a - 443 - 198.51.100.7 - 200 0 0 1")["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    )
    line = "198.51.100.7, -, 11/23/26, 8:15:00, W3SVC2, WEB3, 192.0.2.80, 31, 163, 3223, 200, 0, GET, /a, -,"
    assert read(line)["@timestamp"] == "2026-11-23T07:15:00.000000Z"
    assert read(line.replace("11/23/26", "23.11.2026"))["@timestamp"] == "2026-11-23T07:15:00.000000Z"


def test_an_agent_of_numbers_is_no_status_and_a_user_named_by_an_address_no_client() -> None:
    event = read(TIME + "192.0.2.80 GET /a - 443 203.0.113.66 198.51.100.7 200 0 404 0 2 15")
    assert (event["http.response.status_code"], event["user_agent.original"]) == (404, "200")
    assert (event["source.ip"], event["user.name"]) == ("198.51.100.7", "203.0.113.66")
