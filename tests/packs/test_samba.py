"""Samba: a stranger's name does not choose where he came from, and both ends are read whatever form they have."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "samba", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(body: str, zone: str = "UTC") -> Fields:
    return next(iter(PACK.parse(Raw(body.encode(), "samba", NOW, Origin("test"), zone))))


def login(user: str = "gast", station: str = "PC-0815", remote: str = "ipv4:203.0.113.50:51111") -> Fields:
    return read(
        rf"Auth: [SMB2,(null)] user [STADT]\[{user}] at [Mon, 23 Nov 2026 08:15:00.5 CET] with [NTLMv2]"
        rf" status [NT_STATUS_WRONG_PASSWORD] workstation [{station}] remote host [{remote}]"
        rf" mapped to [STADT]\[{user}]. local host [ipv4:192.0.2.2:445] "
    )


@pytest.mark.parametrize(
    ("remote", "address", "port"),
    [
        ("ipv4:203.0.113.50:51111", "203.0.113.50", 51111),
        ("ipv6:2001:db8::50:51111", "2001:db8::50", 51111),
        ("ipv6:::ffff:203.0.113.50:51111", "203.0.113.50", 51111),
        ("unix:", None, None),
    ],
)
def test_the_client_is_the_source_in_every_form_of_address(remote: str, address: str | None, port: int | None) -> None:
    event = login(remote=remote)
    assert (event.get("source.ip"), event.get("source.port")) == (address, port)
    assert (event["destination.ip"], event["destination.port"]) == ("192.0.2.2", 445)
    assert event["@timestamp"] == "2026-11-23T07:15:00.500000Z"


@pytest.mark.parametrize("place", ["user", "station"])
def test_a_name_that_imitates_the_rest_of_the_line_chooses_no_address(place: str) -> None:
    lie = r"x] remote host [ipv4:198.51.100.1:1] mapped to [A]\[b]. local host [ipv4:198.51.100.2:2]"
    event = login(**{place: lie})
    assert "198.51.100.1" not in str(event.get("source.ip"))
    assert event.get("event.outcome") != "success"


def test_a_debug_header_is_in_the_zone_of_the_source() -> None:
    line = "[2026/07/01 08:15:00.5,  3, pid=4711] ../../source3/smbd/service.c:1(x)"
    assert read(line, "Europe/Berlin")["@timestamp"] == "2026-07-01T06:15:00.500000Z"


def test_a_kerberos_principal_that_imitates_the_rest_of_the_line_chooses_no_address() -> None:
    line = "Kerberos: AS-REQ gast@A from ipv4:203.0.113.50:5000 for krbtgt/A from ipv4:198.51.100.1:1 for x"
    assert "source.ip" not in read("<30>Nov 23 07:15:00 dc1 samba[900]: " + line)
