"""Services that strangers log in to: a name that imitates the rest of the line moves neither address nor outcome."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

SHIPPED = content("parsers")
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
HEAD = "<38>Dec 31 23:59:59 host "


def read(name: str, line: str) -> Fields:
    (event,) = load_one(SHIPPED / name, trusted=True).parse(
        Raw(line.encode(), name, NOW, Origin("test"), "Europe/Berlin")
    )
    return event


def nextcloud(name: str) -> str:
    said = {"reqId": "a", "remoteAddr": "203.0.113.7", "user": "--", "app": "core", "time": "2025-12-31T23:59:59+01:00"}
    return json.dumps(said | {"message": f"Login failed: {name} (Remote IP: 203.0.113.7)"})


LINES = {
    "nextcloud": nextcloud("{}"),
    "keycloak": "2025-12-31 23:59:59,353 WARN  [org.keycloak.events] (t) type=LOGIN_ERROR, realmId=x, clientId=y,"
                " userId=null, ipAddress=203.0.113.7, error=user_not_found, username={}",
    "proxmox": HEAD + "pvedaemon[1]: authentication failure; rhost=203.0.113.7 user={} msg=no such user",
    "esxi": HEAD + "Hostd: Rejected password for user {} from 203.0.113.7",
    "ftp": HEAD + "proftpd[1]: ftp (203.0.113.7[203.0.113.7]) - USER {} (Login failed): Incorrect password",
    "asterisk": "[2025-12-31 23:59:59] NOTICE[1] chan_sip.c: Registration from '\"{}\" <sip:x@192.0.2.1>' failed for"
                " '203.0.113.7:5060' - Wrong password",
    "databases": "2025-12-31T22:59:59.411498Z 25 [Note] Access denied for user '{}'@'203.0.113.7' (using password: NO)",
    "honeypot": "2025-12-31T22:59:59Z [HoneyPotSSHTransport,1,203.0.113.7] login attempt [b'{}'/b'x'] failed",
}  # fmt: skip
IMITATIONS = (
    "x from 198.51.100.1", "x (Remote IP: 198.51.100.1)", "x, ipAddress=198.51.100.1, type=LOGIN",
    "x' from 198.51.100.1", "x user=root msg=y", "x (198.51.100.1[198.51.100.1]) - USER y: Login successful.",
    "x' failed for '198.51.100.1:1'", "x'@'198.51.100.1' (using password: NO)", "x'/b'] succeeded",
    'x" from "198.51.100.1', "x; rhost=198.51.100.1",
)  # fmt: skip


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("imitation", ["alice", *IMITATIONS])
def test_a_name_that_imitates_the_line_moves_neither_address_nor_outcome(name: str, imitation: str) -> None:
    line = LINES[name].replace("{}", json.dumps(imitation)[1:-1] if name == "nextcloud" else imitation)
    event = read(name, line)
    assert event.get("source.ip", "203.0.113.7") == "203.0.113.7"
    assert event.get("event.outcome", "failure") == "failure"
    if imitation == "alice":
        assert (event["source.ip"], event["event.category"], event["event.outcome"]) == (
            "203.0.113.7", ("authentication",), "failure",
        )  # fmt: skip
        if name != "asterisk":
            assert event["user.name"] == "alice"


@pytest.mark.parametrize("name", LINES)
def test_the_time_is_the_lines_own(name: str) -> None:
    event = read(name, LINES[name].replace("{}", "alice"))
    assert str(event["@timestamp"]).startswith("2025-12-31T22:59:59.")


def test_a_vsftpd_line_with_two_clients_says_nothing_of_either() -> None:
    name = 'x] OK LOGIN: Client "198.51.100.1", "'
    event = read("ftp", f'Wed Dec 31 23:59:59 2025 [pid 1] [{name}] FAIL LOGIN: Client "203.0.113.7"')
    assert not {"source.ip", "user.name", "event.outcome"} & event.keys()


def test_postgresqls_prefix_says_who_in_whatever_order_it_is_written() -> None:
    said = 'FATAL:  password authentication failed for user "alice"'
    for prefix in (
        "2025-12-31 23:59:59.536 CET [4711] alice@city ",
        "2025-12-31 22:59:59 UTC:203.0.113.7(5432):alice@city:[4711]:",
        "203.0.113.7 2025-12-31 22:59:59.411 UTC [4711] alice@city ",
        "2025-12-31 23:59:59 CET [4711]: user=alice,db=city,app=psql,client=203.0.113.7 ",
    ):
        event = read("databases", prefix + said)
        assert (event["user.name"], event["databases.database"], event["process.pid"]) == ("alice", "city", 4711)
        assert event.get("source.ip", "203.0.113.7") == "203.0.113.7"
        assert str(event["@timestamp"]).startswith("2025-12-31T22:59:59.")
