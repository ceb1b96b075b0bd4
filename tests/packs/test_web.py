"""Web servers and what is around a network: recognised without a hint, in containers, whatever stands around a line."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.route import Router

PARSERS = content("parsers")
PACKS = load([PARSERS], shipped=PARSERS)
ROUTER = Router(PACKS)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINE = '198.51.100.7 - - [23/Nov/2026:08:15:00 +0100] "GET /a HTTP/1.1" 404 5 "-" "curl/8.5.0"'


def raw(line: str) -> Raw:
    return Raw(line.encode(), "unknown", NOW, Origin("test"))


def read(pack: str, line: str) -> Fields:
    (event,) = PACKS.by_name[pack].parse(raw(line))
    return event


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("web", LINE),
        ("web", '{":authority":"a.example","method":"GET","path":"/","response_code":200}'),
        ("nginx", "2026/11/23 08:15:00 [error] 31#31: *46 x, client: 198.51.100.7, server: a"),
        ("nginx", f"<190>Nov 23 08:15:00 web1 nginx: {LINE}"),
        ("apache", "[Mon Nov 23 08:15:00.1 2026] [core:error] [pid 8:tid 8] [client 198.51.100.7:5] AH00126: x"),
        ("modsecurity", '[Mon Nov 23 08:15:00 2026] [:error] [client 198.51.100.7] ModSecurity: Warning. [id "1"]'),
        ("iis", "2026-11-23 07:15:00 192.0.2.80 GET /a - 443 - 198.51.100.7 curl/8.5.0 - 200 0 0 46"),
        ("haproxy", "198.51.100.7:5 [23/Nov/2026:08:15:00.1] f/1: SSL handshake failure"),
        ("squid", "1795418100.556      3 10.1.7.20 TCP_MISS/200 2014 GET http://a.example/ - HIER_DIRECT/192.0.2.1 -"),
        ("bind", "23-Nov-2026 08:15:00.123 xfer-in: info: transfer of 'a/IN' from 192.0.2.1#53: x"),
        ("unbound", "[1795418100] unbound[812:0] info: 10.1.7.20 a.example. A IN"),
        ("dnsmasq", "Nov 23 08:15:00 dnsmasq[812]: query[A] a.example from 10.1.7.20"),
        ("dhcp", "10,11/23/26,08:15:00,Assign,10.1.7.20,pc7,00005E005323,,1,0,,,,,,,,,0"),
        ("dhcp", "2026-11-23 08:15:00.1 INFO  [kea-dhcp4.leases/8.1] DHCP4_LEASE_ALLOC x"),
        ("adguardhome", '{"T":"2026-11-23T08:15:00Z","QH":"a.example","QT":"A","IP":"10.1.7.20"}'),
        ("traefik", f'{LINE} 242 "web@docker" "http://172.17.0.3:80" 12ms'),
        ("caddy", '{"level":"info","ts":1,"logger":"http.log.access","msg":"x","request":{"uri":"/"}}'),
        (
            "windows_dns",
            "23.11.2026 08:15:00 0E98 PACKET  000001D7 UDP Rcv 10.1.7.20 e9b1   Q [0001   D   NOERROR] A (0)",
        ),
    ],
)
def test_a_line_is_recognised_without_being_told(name: str, line: str) -> None:
    pack = ROUTER.route(raw(line))
    assert pack is not None
    assert pack.name == name


@pytest.mark.parametrize("pack", ["nginx", "apache", "haproxy", "traefik", "web"])
@pytest.mark.parametrize(
    "wrapped",
    [
        f"2026-11-23T07:15:01.000000000+00:00 stdout F {LINE}",
        json.dumps({"log": LINE + "\n", "stream": "stdout", "time": "2026-11-23T07:15:01Z"}, separators=(",", ":")),
        f"<190>Nov 23 07:15:01 web1 server[7]: {LINE}",
        f"<190>1 2026-11-23T07:15:01Z web1 server 7 - - {LINE}",
    ],
)
def test_what_stands_around_a_line_changes_nothing_of_it(pack: str, wrapped: str) -> None:
    around = {"message", "host.name", "process.name", "process.pid"}
    bare, event = (
        {name: value for name, value in read(pack, line).items() if name not in around and name[:4] != "log."}
        for line in (LINE, wrapped)
    )
    assert event == bare


def test_a_load_balancer_writes_the_whole_url_of_what_was_a_path() -> None:
    event = read(
        "web",
        "https 2026-11-23T07:15:06.420982Z app/a/1 198.51.100.7:44760 10.0.0.66:9000 0.000 0.002 0.000 404 404 204 167 "
        '"GET https://a.example:443/b?c=1 HTTP/1.1" "curl" - TLSv1.3 - "Root=1" "a.example" "-" 0 '
        '2026-11-23T07:15:06.419000Z "waf" "-" "-"',
    )
    assert (event["url.original"], event["url.domain"], event["url.port"]) == ("/b?c=1", "a.example", 443)
    assert (event["@timestamp"], event["source.port"]) == ("2026-11-23T07:15:06.419000Z", 44760)


AUDIT = """--c7036611-A--
[23/Nov/2026:08:15:00 +0100] OSD4l1BEUOkAAHZ8Y3QAAAAH 203.0.113.64 64995 192.0.2.80 443
--c7036611-B--
POST /suche?q=1 HTTP/1.1
Host: www.stadt.example
User-Agent: libwww-perl/5.808

--c7036611-C--
--c7036612-H--
Message: Access denied with code 403 (phase 2). imitated [file "x"] [id "1"] [msg "x"]
--c7036611-F--
HTTP/1.1 {status} Forbidden

--c7036611-H--
Message: Warning. Pattern match at ARGS:q. [file "/crs/942.conf"] [line "1"] [id "942100"] [msg "SQL Injection"]
{message}
Action: {action}
Producer: ModSecurity for Apache/2.9.7 (http://www.modsecurity.org/); OWASP_CRS/4.0.
Server: Apache

--c7036611-Z--"""


def test_the_sections_of_modsecuritys_audit_log_are_one_transaction() -> None:
    denied = 'Message: Access denied with code 403 (phase 2). [file "/crs/949.conf"] [id "949110"] [msg "Score"]'
    event = read("modsecurity", AUDIT.format(status=403, message=denied, action="Intercepted (phase 2)"))
    assert ROUTER.route(raw(AUDIT)) is PACKS.by_name["modsecurity"]
    assert (event["source.ip"], event["source.port"], event["destination.port"]) == ("203.0.113.64", 64995, 443)
    assert (event["@timestamp"], event["url.domain"]) == ("2026-11-23T07:15:00.000000Z", "www.stadt.example")
    assert (event["http.response.status_code"], event["event.type"]) == (403, ("denied",))
    assert event["modsecurity.rules"] == ("942100", "949110")  # a body that imitates a section adds none
    passed = read("modsecurity", AUDIT.format(status=200, message="", action="none"))
    assert (passed["event.type"], passed["modsecurity.rules"]) == (("info",), ("942100",))
    beginning = AUDIT.partition("--c7036611-F--")[0]  # cut off at a limit
    assert read("modsecurity", beginning)["event.kind"] == "event"


def test_a_packet_with_details_says_the_clients_port_and_what_was_answered() -> None:
    packet = (
        "11/23/2026 8:15:00 AM 0E98 PACKET  00000000028657F0 UDP Snd 10.1.7.20       e9b1 R Q [8081   DR  NOERROR] A   "
        "   (3)www(7)example(3)org(0)\nUDP response info at 00000000028657F0\n  Socket = 812\n"
        "  Remote addr 10.1.7.20, port 50012\n    ANSWER SECTION:\n      TTL    300\n"
        "      DATA   (1)a(7)example(3)org(0)\n      DATA   192.0.2.10\n"
    )
    event = read("windows_dns", packet)
    assert (event["source.ip"], event["source.port"], event["dns.question.name"]) == (
        "10.1.7.20",
        50012,
        "www.example.org",
    )
    assert (event["windows_dns.answers"], event["dns.resolved_ip"]) == (
        ("a.example.org", "192.0.2.10"),
        ("192.0.2.10",),
    )
