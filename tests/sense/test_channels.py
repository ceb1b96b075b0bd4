"""Hidden ways out: just enough is one, just too little is none, and what a city does every day is none either."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domains import registered
from sentinel.sense.detections.beacons import rhythm
from sentinel.sense.detections.names import entropy
from sentinel.sense.detections.volumes import Exfiltration, Settings
from sentinel.sense.findings import Finding, Scene
from sentinel.sense.records import SECOND, Dns, Flow, Icmp, OpenFlow, Record
from sentinel.sense.segments import Segments, read_segments
from tests.sense.judging import found

CLIENT, SERVER, OUTSIDE = "10.20.17.23", "10.10.1.20", "203.0.113.9"
START = 494_424 * 3_600 * SECOND  # the beginning of a day
HOUR, DAY = 3_600, 86_400


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  the same numbers every time are what is wanted


def kinds(records: Iterable[Record], **tuning: dict[str, object]) -> set[str]:
    return {one.kind for one in found(records, tuning)}


def question(name: str, *, at: float = 0, src: str = CLIENT, qtype: str = "A", **more: object) -> Dns:
    time = START + int(at * SECOND)
    return Dns(time=time, src=src, dst=SERVER, dport=53, proto=17, name=name, qtype=qtype, **more)  # type: ignore[arg-type]


def flow(at: float, *, src: str = CLIENT, dst: str = OUTSIDE, port: int = 443, **more: object) -> Flow:
    begin = START + int(at * SECOND)
    values = {"packets_out": 5, "packets_in": 5, "bytes_out": 900, "bytes_in": 2_000, "state": "established", **more}
    end = begin + int(float(str(values.pop("seconds", 1))) * SECOND)
    return Flow(time=begin, end=end, src=src, dst=dst, sport=50_000, dport=port, proto=6, **values)  # type: ignore[arg-type]


def hidden(count: int, domain: str = "tunnel.example", length: int = 50, **more: object) -> Iterator[Dns]:
    throw = dice(4)
    for at in range(count):
        label = "".join(throw.choices("abcdefghijklmnopqrstuvwxyz234567", k=length))
        yield question(f"{label}.{domain}", at=at, **more)  # type: ignore[arg-type]


def test_data_in_names_is_a_tunnel_and_too_little_of_it_is_none() -> None:
    assert kinds(hidden(11)) == set()
    assert kinds(hidden(12, qtype="TXT")) == {"dns.tunnel"}
    assert kinds(hidden(40)) == {"dns.tunnel"}
    (last,) = [one for one in found(hidden(12, qtype="TXT")) if one.kind == "dns.tunnel"]
    assert (last.src, last.name, last.technique) == (CLIENT, "tunnel.example", "T1071.004")
    assert "12 different names below tunnel.example" in last.explanation
    assert last.numbers["carriers"] == 12


def test_the_same_names_again_and_short_ones_are_no_tunnel() -> None:
    assert kinds(record for record in hidden(30) for _ in range(3)) == set()
    assert kinds(question(f"www{number}.shop.example", at=number) for number in range(300)) == set()


def test_a_zone_that_many_ask_in_that_way_is_no_tunnel() -> None:
    clients = [f"10.20.17.{host}" for host in range(1, 9)]
    told = found(record for group in zip(*(hidden(40, src=one) for one in clients), strict=True) for record in group)
    assert len({one.src for one in told}) <= 4
    assert kinds(hidden(40, domain="dnsbl.spamhaus.org")) == set()
    assert kinds(hidden(40, domain="2.0.192.in-addr.arpa")) == set()


def test_fifteen_domains_that_do_not_exist_are_a_machines_and_fourteen_are_none() -> None:
    def missing(count: int, apart: float = 1) -> Iterator[Dns]:
        for at in range(count):
            yield question(f"www.name{at}.example", at=at * apart, kind="answer", rcode="NXDOMAIN")

    assert kinds(missing(14)) == set()
    assert kinds(missing(15)) == {"dns.dga"}
    assert kinds(missing(30, apart=300)) == set()  # twelve in an hour


def test_hosts_of_one_domain_and_bare_labels_that_do_not_exist_are_nobodys_machine() -> None:
    names = [*(f"pc{number}.rathaus.example" for number in range(40)), *(f"xkqzv{number}" for number in range(40))]
    assert kinds(question(name, kind="answer", rcode="NXDOMAIN") for name in names) == set()


def test_a_question_for_a_whole_zone_is_told() -> None:
    (told,) = found([question("city.example", qtype="AXFR")])
    assert (told.kind, told.name) == ("dns.axfr", "city.example")
    assert found([question("city.example", qtype="AXFR", kind="answer")]) == []


def beacon(count: int, every: float = 60, jitter: float = 0.1, **more: object) -> list[Flow]:
    throw = dice(7)
    at, flows = 0.0, []
    for _ in range(count):
        flows.append(flow(at, bytes_out=900 + throw.randrange(40), **more))  # type: ignore[arg-type]
        at += every * throw.uniform(1 - jitter, 1 + jitter)
    return flows


def test_eight_regular_connections_are_a_beacon_and_seven_are_none() -> None:
    assert kinds(beacon(7)) == set()
    (told,) = found(beacon(8))
    assert (told.kind, told.src, told.dst, told.dport, told.count) == ("beacon", CLIENT, OUTSIDE, 443, 8)
    assert "no other host does it" in told.explanation


def test_fast_ones_have_to_be_many() -> None:
    assert kinds(beacon(59, every=4.9, jitter=0)) == set()
    assert kinds(beacon(63, every=4.9, jitter=0)) == {"beacon"}


def test_what_lasts_two_minutes_is_no_beacon() -> None:
    assert kinds(beacon(15, every=10)) == set()
    assert kinds(beacon(40, every=10)) == {"beacon"}


def test_a_person_is_no_beacon() -> None:
    throw = dice(11)
    times = sorted(throw.paretovariate(0.6) % 3 * HOUR for _ in range(60))
    assert kinds(flow(at, bytes_out=int(throw.paretovariate(0.7) * 500)) for at in times) == set()


def test_what_a_fleet_does_and_what_fails_is_no_beacon() -> None:
    hosts = [f"10.20.17.{host}" for host in range(1, 6)]
    assert kinds(one for src in hosts for one in beacon(30, src=src)) == set()
    assert len({one.src for one in found(one for src in hosts[:4] for one in beacon(30, src=src))}) == 4
    assert kinds(beacon(30, state="refused")) == set()


def test_a_fleet_is_known_by_the_name_where_addresses_change() -> None:
    hosts = [f"10.20.17.{host}" for host in range(1, 6)]
    servers = [f"203.0.113.{host}" for host in range(1, 6)]
    named = [question("update.example", kind="answer", answers=tuple(servers))]
    polls = [one for src, dst in zip(hosts, servers, strict=True) for one in beacon(30, src=src, dst=dst)]
    assert kinds(polls) == {"beacon"}
    assert kinds([*named, *polls]) == set()


def test_services_that_are_regular_by_design_are_none_and_inside_the_city_more_are() -> None:
    assert kinds(beacon(30, port=53)) == set()
    assert kinds(beacon(30, dst=SERVER, port=445)) == set()
    assert kinds(beacon(30, dst=SERVER, port=4444)) == {"beacon"}
    assert kinds(beacon(30, port=445)) == {"beacon"}


@given(every=st.floats(1, 3_600), jitter=st.floats(0, 0.3), count=st.integers(8, 60), seed=st.integers(0, 1_000))
def test_what_jitters_little_scores_high_and_no_score_leaves_its_bounds(
    every: float, jitter: float, count: int, seed: int
) -> None:
    throw = dice(seed)
    at, seen = 0.0, []
    for _ in range(count):
        seen.append((int(at * SECOND), 500))
        at += every * throw.uniform(1 - jitter, 1 + jitter)
    judged = rhythm(seen, 0)
    assert judged is not None
    assert 0 <= judged.score <= 1
    assert judged.score > (0.75 if jitter <= 0.1 else 0.45)


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**9)), max_size=40))
def test_any_connections_can_be_judged(seen: list[tuple[int, int]]) -> None:
    judged = rhythm(sorted(seen))
    assert judged is None or 0 <= judged.score <= 1


def test_much_to_one_address_outside_is_told_and_what_came_back_counts() -> None:
    assert kinds([flow(0, bytes_out=9_000_000)]) == set()
    assert kinds([flow(at, bytes_out=4_000_000) for at in (0, 600, 1_200)]) == {"exfil.volume"}
    assert kinds([flow(0, bytes_out=20_000_000, bytes_in=15_000_000)]) == set()
    assert kinds([flow(0, bytes_out=20_000_000, dst=SERVER)]) == set()
    assert kinds([flow(0, bytes_out=20_000_000, src="198.51.100.7")]) == set()


def test_a_flow_that_goes_on_is_counted_once() -> None:
    names = [one.name for one in fields(Flow)]
    told = (flow(0, bytes_out=size, packets_in=0) for size in (3_000_000, 6_000_000, 9_000_000))
    going = [OpenFlow(**{name: getattr(one, name) for name in names}) for one in told]
    assert kinds([*going, flow(0, bytes_out=9_500_000)]) == set()
    assert kinds([*going, flow(0, bytes_out=10_500_000)]) == {"exfil.volume"}


def test_what_a_host_does_every_day_is_told_no_more_but_ten_times_as_much_is() -> None:
    throw = dice(3)
    usual = [flow(day * DAY, bytes_out=int(30_000_000 * throw.uniform(0.7, 1.4))) for day in range(14)]

    def told(flows: list[Flow]) -> list[Finding]:
        return [one for one in found(flows) if one.kind == "exfil.volume"]

    assert max(one.start for one in told(usual)) < START + 6 * DAY * SECOND
    *before, last = told([*usual, flow(14 * DAY, bytes_out=400_000_000)])
    assert before == told(usual)
    assert "on 10 workdays before it was" in last.explanation


def test_what_hosts_usually_send_is_kept_over_a_restart_and_nonsense_refused() -> None:
    usual = [flow(day * DAY, bytes_out=30_000_000) for day in range(8)]

    def exfiltration() -> Exfiltration:
        return Exfiltration(Settings(), Scene())

    first, second = exfiltration(), exfiltration()
    for one in usual:
        first.learn(one)
    second.recall(first.memory())
    again = flow(8 * DAY, bytes_out=30_000_000)
    assert list(second.take(again)) == [] == list(first.take(again))
    assert list(exfiltration().take(again)) != []
    nothings: tuple[object, ...] = (
        [],
        {"10.1.1.1": [1, 2]},
        {"10.1.1.1": ["a", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
        {"10.1.1.1": [-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
    )
    for nonsense in nothings:
        with pytest.raises(ValueError, match=r"understood|no table"):
            second.recall(nonsense)


def test_a_connection_of_half_a_day_is_told_and_one_of_four_hours_noted() -> None:
    assert kinds([flow(0, seconds=3.9 * HOUR)]) == set()
    assert kinds([flow(0, seconds=4 * HOUR)]) == {"long.connection.info"}
    assert kinds([flow(0, seconds=12 * HOUR)]) == {"long.connection"}
    assert kinds([flow(0, seconds=30 * HOUR, dst=SERVER)]) == set()


def echo(at: int, body: bytes, *, reply: bool = False, size: int = 120) -> Icmp:
    ends = (SERVER, CLIENT) if reply else (CLIENT, SERVER)
    return Icmp(
        time=START + at * SECOND, src=ends[0], dst=ends[1], proto=1, kind=0 if reply else 8, size=size, body=body
    )


def test_echoes_that_always_carry_something_else_are_a_tunnel_and_a_ping_is_none() -> None:
    def asked(count: int) -> list[Icmp]:
        return [echo(at, b"%016d%d" % (0, at * 7_919)) for at in range(count)]

    assert kinds(asked(19)) == set()
    assert kinds(asked(20)) == {"icmp.tunnel"}
    ping = [echo(at, b"%016d0123456789" % at, reply=reply) for at in range(500) for reply in (False, True)]
    assert kinds(ping) == set()
    assert kinds(echo(at, b"%016d%d" % (0, at), size=56) for at in range(500)) == set()


def test_answers_that_are_not_what_was_asked_are_a_tunnel() -> None:
    asked = [echo(at, b"%016dpoll" % 0) for at in range(40)]
    answers = [echo(at, b"%016ddata%d" % (0, at), reply=True) for at in range(40)]
    assert kinds(one for pair in zip(asked, answers, strict=True) for one in pair) == {"icmp.tunnel"}


@given(st.text())
def test_entropy_is_that_of_its_letters(text: str) -> None:
    assert 0 <= entropy(text) <= 24
    assert entropy(text * 2) == pytest.approx(entropy(text))


def test_a_registered_domain_is_what_somebody_registered() -> None:
    names = {
        "www.stadt.example": "stadt.example", "a.b.Stadt.de.": "stadt.de", "x.y.co.uk": "y.co.uk", "co.uk": "",
        "localhost": "", "": "", "q.tunnel.sea": "tunnel.sea",
    }  # fmt: skip
    assert {name: registered(name) for name in names} == names


def test_a_segment_with_public_addresses_is_not_outside(tmp_path: Path) -> None:
    path = tmp_path / "segments.yaml"
    path.write_text("segments: {portal: [203.0.113.0/28]}")
    segments = read_segments(path)
    addresses = ("203.0.113.9", "203.0.113.99", "10.1.1.1", "224.0.0.1", "fe80::1", "2001:db8::1", "")
    assert [segments.outside(one) for one in addresses] == [False, True, False, False, False, True, False]
    assert Segments().outside("203.0.113.9")
