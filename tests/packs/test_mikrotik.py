"""MikroTik: both sides of NAT, prefixes, hostile names, headers with and without a name."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
PACK = load_one(SHIPPED / "mikrotik", trusted=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = "<30>Nov 23 08:15:00 gw1 firewall,info "


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "gw", NOW, Origin("test")))
    return event


@pytest.mark.parametrize(
    ("nat", "expected"),
    [
        ("NAT (10.1.1.20:51772->198.51.100.1:31772)->203.0.113.80:443", ("198.51.100.1", 31772, None, None)),
        ("NAT 10.1.1.20:51772->(203.0.113.80:443->10.2.2.5:8443)", (None, None, "10.2.2.5", 8443)),
        ("NAT (10.1.1.20:51772->198.51.100.1:31772)->(203.0.113.80:443->10.2.2.5:8443)",
         ("198.51.100.1", 31772, "10.2.2.5", 8443)),
    ],
)  # fmt: skip
def test_what_nat_makes_of_both_ends(nat: str, expected: tuple[object, ...]) -> None:
    event = read(HEAD + f"forward: in:a out:b, proto TCP (ACK), 10.1.1.20:51772->203.0.113.80:443, {nat}, len 52")
    names = ("source.nat.ip", "source.nat.port", "destination.nat.ip", "destination.nat.port")
    assert tuple(map(event.get, names)) == expected
    assert (event["source.ip"], event["source.port"]) == ("10.1.1.20", 51772)
    assert (event["destination.ip"], event["destination.port"]) == ("203.0.113.80", 443)


@pytest.mark.parametrize(
    ("prefix", "rule", "verdict"),
    [
        ("", None, None), ("drop-tcp ", "drop-tcp", "denied"), ("DROP: ", "DROP", "denied"),
        ("log web ", "log web", None), ("accept: ", "accept", "allowed"),
    ],
)  # fmt: skip
def test_only_the_prefix_says_what_became_of_a_packet(prefix: str, rule: str | None, verdict: str | None) -> None:
    event = read(HEAD + prefix + "input: in:ether1 out:(unknown 0), proto UDP, 192.0.2.1:53->192.0.2.2:53, len 60")
    assert event.get("rule.name") == rule
    assert event["event.type"] == (("connection", verdict) if verdict else ("connection",))
    assert (event["rule.ruleset"], event["network.direction"]) == ("input", "inbound")


def test_a_user_name_that_imitates_the_line_stays_a_user_name() -> None:
    event = read("<30>Nov 23 08:15:00 gw1 system,error,critical login failure for user x from 192.0.2.66 via web from "
                 "203.0.113.9 via ssh")  # fmt: skip
    assert (event["source.ip"], event["user.name"]) == ("203.0.113.9", "x from 192.0.2.66 via web")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("<30>Nov 23 08:15:00 gw1 system,info,account ", "gw1"),
        ("<30>system,info,account ", None),
        ("system,info,account ", None),
        ("<30>system,info,account MikroTik: ", "MikroTik"),
        ("2026-11-23T08:15:00+01:00 gw1 system,info,account: ", "gw1"),
    ],
)
def test_its_lines_are_known_under_every_header(head: str, name: str | None) -> None:
    raw = Raw((head + "user admin logged in from 10.1.1.20 via winbox").encode(), "x", NOW, Origin("test"))
    pack = Router(load([SHIPPED], shipped=SHIPPED)).route(raw)
    assert pack is not None
    assert pack.name == "mikrotik"
    (event,) = pack.parse(raw)
    assert (event["user.name"], event["source.ip"], event.get("observer.name")) == ("admin", "10.1.1.20", name)
