"""Sweeps, floods, false neighbours and forbidden paths: just enough is one, and what a city does every day is none."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from sentinel.sense.detections.neighbours import RogueDhcp
from sentinel.sense.detections.neighbours import Settings as Neighbours
from sentinel.sense.detections.paths import News
from sentinel.sense.detections.paths import Settings as Paths
from sentinel.sense.findings import Scene
from sentinel.sense.records import SECOND, Arp, Dhcp, Dhcpv6, Dns, Flow, Record, State
from sentinel.sense.segments import Segments, read_segments
from tests.sense.judging import found

PC, GATEWAY, OTHER, HALL = "10.20.1.50", "10.20.1.1", "10.20.1.66", "10.10.1.20"
MAC = {PC: "02:00:00:00:00:50", GATEWAY: "02:00:00:00:00:01", OTHER: "02:00:00:00:00:66"}
START = 494_424 * 3_600 * SECOND
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def kinds(records: Iterable[Record], segments: Segments | None = None) -> set[str]:
    return {one.kind for one in found(records, segments=segments)}


def asks(src: str, dst: str, *, at: float = 0, mac: str = "") -> Arp:
    return Arp(time=START + int(at * SECOND), src=src, dst=dst, src_mac=mac or MAC[src], dst_mac=EVERYBODY)


def tells(src: str, dst: str, *, at: float = 0, mac: str = "", to: str = "") -> Arp:
    time = START + int(at * SECOND)
    return Arp(
        time=time, kind="reply", src=src, dst=dst, src_mac=mac or MAC[src], dst_mac=to or MAC.get(dst, EVERYBODY)
    )


def flow(
    dst: str,
    port: int,
    *,
    at: float = 0,
    src: str = PC,
    state: State = "established",
    proto: int = 6,
    sport: int = 50_000,
) -> Flow:
    begin = START + int(at * SECOND)
    answered = state in {"established", "answered"}
    return Flow(
        time=begin, end=begin + SECOND // 10, src=src, dst=dst, sport=sport, dport=port, proto=proto, state=state,
        packets_out=2, packets_in=2 if answered else 0, syn=2 if proto == 6 else 0,
    )  # fmt: skip


def test_twenty_addresses_nobody_heard_of_are_an_arp_scan_and_nineteen_are_none() -> None:
    def sweep(count: int) -> list[Arp]:
        return [asks(PC, f"10.20.1.{host}", at=host / 10) for host in range(100, 100 + count)]

    assert kinds(sweep(19)) == set()
    (told,) = [one for one in found(sweep(20)) if one.kind == "scan.arp"]
    assert (told.src, told.numbers["distinct"]) == (PC, 20)


def test_a_gateway_that_asks_for_those_who_are_there_scans_nothing() -> None:
    hosts = [f"10.20.1.{host}" for host in range(100, 200)]
    there = [asks(host, GATEWAY, mac=f"02:00:00:00:01:{number:02x}") for number, host in enumerate(hosts)]
    assert kinds([*there, *(asks(GATEWAY, host, at=5) for host in hosts)]) == set()
    assert kinds(asks(PC, f"10.20.1.{host}", at=host * 3) for host in range(100, 200)) == set()


def test_pings_without_an_answer_are_a_sweep_and_monitoring_is_none() -> None:
    def pings(count: int, state: State = "unanswered") -> list[Flow]:
        return [flow(f"10.10.2.{host}", 0, sport=8, proto=1, state=state) for host in range(1, count + 1)]

    assert kinds(pings(9)) == set()
    assert kinds(pings(10)) == {"scan.ping"}
    assert kinds(pings(200, "answered")) == set()


def test_udp_ports_without_an_answer_are_a_scan_and_a_traceroute_is_none() -> None:
    assert kinds(flow(HALL, port, proto=17, state="unanswered") for port in range(1, 15)) == set()
    assert kinds(flow(HALL, port, proto=17, state="unanswered") for port in range(1, 16)) == {"scan.udp"}
    assert kinds(flow(HALL, port, proto=17, state="unanswered") for port in range(33_434, 33_500)) == set()
    assert kinds(flow(f"10.10.2.{host}", 161, proto=17, state="unanswered") for host in range(1, 20)) == set()
    assert kinds(flow(f"10.10.2.{host}", 161, proto=17, state="unanswered") for host in range(1, 21)) == {"scan.udp"}
    assert kinds(flow("239.255.255.250", port, proto=17, state="unanswered") for port in range(1, 60)) == set()


def test_a_scan_of_a_day_is_a_slow_one_and_a_fast_one_is_told_once() -> None:
    slow = [flow(HALL, port, at=port * 600, state="refused") for port in range(1, 26)]
    assert kinds(slow[:24]) == set()
    assert kinds(slow) == {"scan.vertical.slow"}
    assert kinds(flow(HALL, port, at=port, state="refused") for port in range(1, 60)) == {"scan.vertical"}


def test_a_hundred_attempts_a_second_that_come_to_nothing_are_a_flood() -> None:
    def flood(count: int, state: State = "half_open") -> list[Flow]:
        return [
            flow(HALL, 80, at=number / 1_000, src=f"198.51.100.{number % 250}", state=state) for number in range(count)
        ]

    assert "flood.syn" not in kinds(flood(99))
    (told, *_) = [one for one in found(flood(100)) if one.kind == "flood.syn"]
    assert (told.src, told.dst, told.dport) == ("", HALL, 80)
    assert "flood.syn" not in kinds(flood(500, "established"))


def test_a_hundred_dhcp_messages_within_five_seconds_are_a_flood() -> None:
    def messages(count: int, apart: float) -> list[Dhcp]:
        return [
            Dhcp(
                time=START + int(at * apart * SECOND),
                frame=at,
                message="DISCOVER",
                client_mac=f"02:00:00:01:00:{at:02x}",
            )
            for at in range(count)
        ]

    assert kinds(messages(99, 0.01)) == set()
    assert kinds(messages(100, 0.01)) == {"flood.dhcp"}
    assert kinds(messages(200, 0.1)) == set()


def test_two_cards_that_both_go_on_with_one_address_are_a_spoof() -> None:
    two = [tells(GATEWAY, PC, to=EVERYBODY), tells(GATEWAY, PC, at=5, mac=MAC[OTHER], to=EVERYBODY)]
    assert kinds(two) == set()
    (told,) = found([*two, tells(GATEWAY, PC, at=9, to=EVERYBODY)])
    assert (told.kind, told.src, told.technique) == ("arp.spoof", GATEWAY, "T1557.002")
    assert "both go on" in told.explanation


def test_telling_one_host_that_never_asked_is_a_spoof() -> None:
    gateway = asks(GATEWAY, PC)
    lie = tells(GATEWAY, PC, at=9, mac=MAC[OTHER])
    assert kinds([gateway, lie]) == {"arp.spoof"}
    assert kinds([gateway, asks(PC, GATEWAY, at=8), lie]) == set()
    assert kinds([gateway, tells(GATEWAY, PC, at=700, mac=MAC[OTHER])]) == set()


def test_who_claims_an_address_and_asks_for_it_under_another_is_a_spoofer() -> None:
    assert kinds([tells(GATEWAY, PC, mac=MAC[OTHER]), asks(OTHER, GATEWAY, at=9)]) == {"arp.spoof"}


def test_a_fail_over_of_a_virtual_card_and_an_address_leased_anew_are_none() -> None:
    virtual = "00:00:5e:00:01:0a"
    assert kinds(tells(GATEWAY, PC, at=at, mac=MAC[OTHER] if at % 2 else virtual) for at in range(20)) == set()
    assert (
        kinds([asks(PC, GATEWAY), asks(PC, GATEWAY, at=60, mac=MAC[OTHER]), asks(PC, GATEWAY, at=90, mac=MAC[OTHER])])
        == set()
    )


def offers(server: str, *, at: float = 0, relay: str = "") -> Dhcp:
    return Dhcp(
        time=START + int(at * SECOND), src=server, message="OFFER", server_id=server, src_mac=MAC.get(server, ""),
        client_mac=MAC[PC], address="10.20.1.77", routers=(server,), relay=relay,
    )  # fmt: skip


def test_a_second_dhcp_server_is_rogue_and_a_known_one_is_none(tmp_path: Path) -> None:
    (told,) = found([offers(GATEWAY), offers(GATEWAY, at=1), offers(OTHER, at=2)])
    assert (told.kind, told.src, told.name) == ("dhcp.rogue", OTHER, MAC[OTHER])
    assert f"with the gateway {OTHER}" in told.explanation
    server = RogueDhcp(Neighbours(dhcp_servers=(GATEWAY, OTHER)), Scene())
    assert [*server.take(offers(GATEWAY)), *server.take(offers(OTHER))] == []
    learned = RogueDhcp(Neighbours(), Scene())
    for one in (offers(GATEWAY), offers(OTHER)):
        learned.learn(one)
    again = RogueDhcp(Neighbours(), Scene())
    again.recall(learned.memory())
    assert [*again.take(offers(OTHER)), *again.take(offers(GATEWAY))] == []
    assert [one.kind for one in again.take(offers(PC))] == ["dhcp.rogue"]
    with pytest.raises(ValueError, match="no table"):
        again.recall({"a": 3})


def gives(server: str, duid: str, *, at: float = 0, relay: str = "", message: str = "ADVERTISE") -> Dhcpv6:
    return Dhcpv6(
        time=START + int(at * SECOND), frame=int(at * 100), src=server, message=message, server_id=duid,
        src_mac=MAC[OTHER], client_mac=MAC[PC], addresses=("2001:db8:1::77",), name_servers=(server,), relay=relay,
    )  # fmt: skip


def test_a_second_server_of_dhcpv6_is_rogue_and_one_behind_two_relays_is_none() -> None:
    usual = [gives("fe80::1", "0003aa"), gives("fe80::2", "0003aa", relay="2001:db8:1::1"), offers(GATEWAY)]
    assert kinds(usual) == set()
    (told,) = found([*usual, gives("fe80::66", "0003bb", at=2)])
    assert (told.kind, told.src, told.name) == ("dhcp.rogue", "fe80::66", MAC[OTHER])
    assert "fe80::66 (DUID 0003bb)" in told.explanation
    assert "gives 2001:db8:1::77; here addresses come from 0003aa" in told.explanation
    assert told.examples == ("fe80::66",)
    for own in ("0003bb", "fe80::66"):
        server = RogueDhcp(Neighbours(dhcp_servers=("0003aa", own)), Scene())
        assert list(server.take(gives("fe80::66", "0003bb"))) == []


def test_a_hundred_messages_of_dhcpv6_clients_within_five_seconds_are_a_flood() -> None:
    assert kinds(gives("fe80::50", "", at=at / 100, message="SOLICIT") for at in range(99)) == set()
    assert kinds(gives("fe80::50", "", at=at / 100, message="SOLICIT") for at in range(100)) == {"flood.dhcp"}


def answers(name: str, *, at: float = 0, service: str = "llmnr", dst: str = "224.0.0.252") -> Dns:
    return Dns(
        time=START + int(at * SECOND), src=PC, dst=dst, dport=5355, proto=17, kind="answer", service=service, name=name,
        answers=(OTHER,), responder=OTHER,
    )  # fmt: skip


def test_who_answers_for_three_names_or_for_wpad_poisons_and_who_answers_for_himself_does_not() -> None:
    assert kinds(answers("drucker", at=at) for at in range(50)) == set()
    assert kinds([answers("drucker"), answers("DRUCKER"), answers("fileserver")]) == set()
    (told,) = found(answers(name) for name in ("drucker", "fileserver", "intranett"))
    assert (told.kind, told.src, told.count) == ("name.poison", OTHER, 3)
    assert kinds([answers("wpad")]) == {"name.poison"}
    wins = [answers(f"pc{number}", service="nbns", dst=OTHER) for number in range(30)]
    assert kinds(wins) == set()
    assert kinds([answers("wpad", service="nbns", dst="10.20.1.255")]) == {"name.poison"}


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    path = tmp_path / "segments.yaml"
    path.write_text(
        "segments: {townhall: [10.10.1.0/24], schools: [10.20.0.0/16]}\n"
        "allow: [{from: schools, to: townhall, ports: [443]}]"
    )
    return read_segments(path)


def test_what_policy_does_not_allow_is_told_once_a_pair_and_hour(segments: Segments) -> None:
    told = found(
        [flow(HALL, 445), flow(HALL, 3_389, at=1, state="unanswered"), flow(HALL, 443, at=2)], segments=segments
    )
    assert {one.kind for one in told} == {"segment.violation"}
    assert len({one.key for one in told}) == 1
    assert told[-1].examples == ("445/tcp", "3389/tcp")
    assert "10.20.1.50 in schools spoke to 10.10.1.20 in townhall" in told[-1].explanation
    assert told[-1].explanation.endswith("(2 flows, 1 were answered)")


def test_the_answer_of_an_allowed_flow_is_no_violation(segments: Segments) -> None:
    assert kinds([flow(PC, 50_000, src=HALL, sport=443, state="midstream")], segments) == set()
    assert kinds([flow(PC, 50_000, src=HALL, sport=4_444, state="midstream")], segments) == {"segment.violation"}
    assert kinds([flow(HALL, 445)]) == set()


def test_a_service_that_was_not_there_is_new_and_nothing_is_before_something_was_learned() -> None:
    news = News(Paths(), Scene())
    assert list(news.take(flow(HALL, 4_444))) == []
    for port in (80, 443):
        news.learn(flow(HALL, port))
    assert list(news.take(flow(HALL, 443))) == []
    again = News(Paths(), Scene())
    again.recall(news.memory())
    (told,) = again.take(flow(HALL, 4_444))
    assert (told.kind, told.src, told.dst, told.dport) == ("new.service", PC, HALL, 4_444)
    assert list(again.take(flow(HALL, 4_444))) == []
    assert [one.kind for one in again.take(flow(OTHER, 80))] == ["new.service", "new.host"]
    assert list(again.take(flow("10.20.1.99", 50_001, state="refused"))) == []
    with pytest.raises(ValueError, match="no lists"):
        again.recall(["10.1.1.1"])


def test_dynamic_ports_and_two_clients_of_one_protocol_are_no_service() -> None:
    news = News(Paths(), Scene())
    for src in (PC, HALL):
        news.learn(flow(HALL, 443, src=src))
    assert list(news.take(flow(HALL, 50_000))) == []
    assert list(news.take(flow(HALL, 123, sport=123, proto=17, state="answered"))) == []
    assert [one.kind for one in news.take(flow(HALL, 53, proto=17, state="answered"))] == ["new.service"]
