"""A capture becomes records: flows, DNS, TLS, findings and one line on the sensor's health."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from socket import AF_INET6, inet_pton
from struct import pack

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.errors import Exit
from sentinel.core.event import Entry, Raw, event_id
from sentinel.parse.packs import load_one
from sentinel.sense.filepass import CaptureError
from sentinel.sense.formats import Stream
from sentinel.sense.sensor import Report, read_pcap, sense_file
from sentinel.sense.settings import SenseSettings
from sentinel.testing.packets import (
    ACK,
    PSH,
    RST,
    SECOND,
    SYN,
    Frame,
    Story,
    certificate,
    demo_capture,
    dns_answer,
    dns_query,
    ethernet,
    icmp_echo,
    ip,
    tcp,
    udp,
    write_pcap,
)

START = 1_780_000_000 * SECOND
PC, WEB, DNS = "10.10.1.50", "192.0.2.9", "10.10.1.10"
Write = Callable[[Iterable[Frame]], Path]
Told = Callable[[Iterable[Raw], str], list[dict[str, object]]]


@pytest.fixture
def sense(clock: ManualClock) -> Callable[[Path], tuple[list[Raw], Report]]:
    """Read a capture and return what would have entered the spool, and the report."""

    def read(path: Path, settings: SenseSettings | None = None) -> tuple[list[Raw], Report]:
        raws: list[Raw] = []
        report = sense_file(path, raws.extend, clock, settings)
        return raws, report

    return read


Sense = Callable[..., tuple[list[Raw], Report]]


def test_a_visit_becomes_dns_tls_and_flow_records_of_one_client(
    capture: Write, rng: Random, story: Story, sense: Sense, told: Told
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    shown = certificate("www.example.org", "Musterstadt CA", start, start + timedelta(days=90), rng)
    story.browse(START, PC, WEB, "www.example.org", [shown])
    raws, report = sense(capture(story.frames))
    query, answer = told(raws, "dns")
    assert (query["kind"], query["name"], query["qtype"], query["src"]) == ("query", "www.example.org", "A", PC)
    assert (answer["rcode"], answer["answers"], answer["src"], answer["id"]) == ("NOERROR", [WEB], PC, query["id"])
    (tls,) = told(raws, "tls")
    assert tls["sni"] == "www.example.org"
    assert (tls["subject"], tls["issuer"]) == ("www.example.org", "Musterstadt CA")
    assert (tls["not_before"], tls["not_after"]) == ("2026-01-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z")
    assert (tls["version"], tls["cipher"], tls["alpn"], tls["established"]) == ("1.2", "0xc02f", "http/1.1", True)
    assert len(str(tls["ja3"])) == len(str(tls["ja3s"])) == 32
    flows = told(raws, "flow")
    assert [(flow["dst"], flow["dport"], flow["service"]) for flow in flows] == [(DNS, 53, "dns"), (WEB, 443, "tls")]
    assert flows[1]["cid"] == tls["cid"]
    assert (report.packets, report.flows, report.problems) == (len(story.frames), 2, ())
    assert report.exit_code == Exit.OK


def test_bytes_and_packets_of_the_flows_are_those_of_the_capture(tmp_path: Path, sense: Sense, told: Told) -> None:
    path = tmp_path / "demo.pcap"
    count = demo_capture(path, datetime(2026, 11, 23, 8, tzinfo=UTC))
    raws, report = sense(path)
    flows = told(raws, "flow")
    assert sum(int(str(flow["packets_out"])) + int(str(flow["packets_in"])) for flow in flows) == count
    size = path.stat().st_size - 24 - 16 * count
    assert sum(int(str(flow["bytes_out"])) + int(str(flow["bytes_in"])) for flow in flows) == size
    assert (report.packets, report.not_ip) == (count, 0)


def test_the_demo_capture_holds_a_scan_and_an_old_certificate_and_is_the_same_for_the_same_seed(
    tmp_path: Path, sense: Sense
) -> None:
    one, two, three = (tmp_path / f"{name}.pcap" for name in "abc")
    start = datetime(2026, 11, 23, 8, tzinfo=UTC)
    demo_capture(one, start)
    demo_capture(two, start)
    demo_capture(three, start, seed=4)
    assert one.read_bytes() == two.read_bytes() != three.read_bytes()
    for path in (one, three):
        _, report = sense(path)
        expired, found = sorted(report.findings, key=lambda one: one.kind, reverse=True)
        assert (expired.kind, expired.name) == ("tls.expired", "lernplattform.example.org")
        assert (found.kind, found.src, found.dst) == ("scan.vertical", "10.20.17.23", "10.10.1.20")
        assert (found.technique, found.numbers["distinct"]) == ("T1046", 40)
        assert "tried 40 ports of 10.10.1.20 within 300 s" in found.explanation


def test_the_same_capture_gives_the_same_identities_whatever_it_is_called(
    tmp_path: Path, sense: Sense, clock: ManualClock
) -> None:
    one, other = tmp_path / "one.pcap", tmp_path / "two.pcap"
    demo_capture(one, datetime(2026, 11, 23, 8, tzinfo=UTC))
    other.write_bytes(one.read_bytes())
    first, _ = sense(one)
    clock.advance(timedelta(hours=5))
    again, _ = sense(one)
    renamed, _ = sense(other)
    ids = [event_id(Entry(seq, clock.now(), raw)) for seq, raw in enumerate(first)]
    assert len(set(ids)) == len(ids)
    assert ids == [event_id(Entry(seq + 900, clock.now(), raw)) for seq, raw in enumerate(again)]
    # only the record about the reading itself names the file
    assert ids[:-1] == [event_id(Entry(0, clock.now(), raw)) for raw in renamed[:-1]]


@pytest.mark.kill
def test_what_a_broken_reading_gave_is_not_taken_for_the_whole_later(
    tmp_path: Path, sense: Sense, told: Told, clock: ManualClock, script: Callable[[str], Path]
) -> None:
    path = tmp_path / "demo.pcap"
    demo_capture(path, datetime(2026, 11, 23, 8, tzinfo=UTC))
    tshark = script('/usr/bin/tshark "$@" | head -c 15000\nkill -SEGV $$')
    part, report = sense(path, SenseSettings(tshark=tshark))
    assert report.exit_code == Exit.PARTIAL
    assert "SIGSEGV" in report.problems[0]
    (health,) = told(part, "health")
    assert health["problems"] == list(report.problems)
    whole, later = sense(path)
    assert report.packets == later.packets
    assert report.records["flow"] == later.records["flow"]
    assert 0 < report.records["dns"] < later.records["dns"]
    seen = {event_id(Entry(1, clock.now(), raw)): raw.body for raw in part}
    both = {event_id(Entry(1, clock.now(), raw)): raw.body for raw in whole}
    assert len(seen.keys() & both.keys()) > 10
    assert all(both[one] == body for one, body in seen.items() if one in both)


def test_nothing_is_put_when_nothing_could_be_read(tmp_path: Path, sense: Sense) -> None:
    path = tmp_path / "odd.pcap"
    write_pcap(path, [(START, b"x" * 60)], link=9999)
    with pytest.raises(CaptureError):
        sense(path)


def test_records_are_put_in_batches(capture: Write, story: Story, clock: ManualClock) -> None:
    for number in range(30):
        story.look_up(START + number * SECOND, PC, DNS, f"h{number}.example", [])
    sizes: list[int] = []
    report = sense_file(
        capture(story.frames), lambda raws: sizes.append(len(raws)), clock, SenseSettings(batch=20), source="netz"
    )
    assert sum(sizes) == sum(report.records.values())
    assert max(sizes) == 20


def test_every_record_is_read_by_the_shipped_pack(tmp_path: Path, sense: Sense) -> None:
    pack = load_one(Path(__file__).parents[2] / "parsers" / "sensor", trusted=True)
    path = tmp_path / "demo.pcap"
    demo_capture(path, datetime(2026, 11, 23, 8, tzinfo=UTC))
    raws, _ = sense(path)
    datasets = {event["event.dataset"] for raw in raws for event in pack.parse(raw)}
    assert datasets == {"sensor.flow", "sensor.dns", "sensor.tls", "sensor.mail", "sensor.finding", "sensor.health"}


def test_what_is_found_is_the_same_where_nothing_is_written(capture: Write, story: Story, clock: ManualClock) -> None:
    for port in range(1, 40):
        story.knock(START + port * SECOND, PC, WEB, port)
    story.frames.append((START, icmp_echo(PC, WEB, 1)))
    path = capture(story.frames)
    whole, skimmed = (read_pcap(path, "netz", clock) for _ in range(2))
    assert [*whole]
    skimmed.skim()
    assert skimmed.report == whole.report
    assert [one.kind for one in skimmed.report.findings] == ["scan.vertical"]


def test_captures_with_bytes_changed_break_nothing(
    tmp_path: Path, samples: Path, rng: Random, sense: Sense, told: Told
) -> None:
    pack = load_one(Path(__file__).parents[2] / "parsers" / "sensor", trusted=True)
    frames: list[Frame] = []
    for file in sorted(samples.glob("*.pcap*")):
        batches = [batch for batch in Stream().feed(file.read_bytes()[:40_000]) if batch.link == 1]
        for _, _, data in [one for batch in batches for one in batch.packets][:60]:
            changed = bytearray(data[: rng.choice((len(data), len(data), rng.randrange(1, len(data) + 1)))])
            # behind the ports, so that it reaches a protocol's reader
            for _ in range(rng.randrange(1, 6)):
                changed[rng.randrange(min(36, len(changed) - 1), len(changed))] = rng.randrange(256)
            frames.append((START + len(frames) * SECOND // 50, bytes(changed)))
    path = tmp_path / "changed.pcap"
    write_pcap(path, frames)
    raws, report = sense(path)
    assert report.packets == len(frames) > 2_000
    assert all(told(raws, kind) for kind in ("dns", "smb", "tls"))
    assert all("event.dataset" in event for raw in raws for event in pack.parse(raw))


HOSTILE = [
    [b"a\tb\nc\rd", b"example"],
    [b"\x1b[2J\x1b]0;owned\x07", b"example"],
    [b"tab\\t", b'quote"', b"comma,comma", b"example"],
    [bytes(range(0x20)), bytes(range(0x7F, 0xBE)), b"example"],
    ["\u202eumgekehrt".encode(), b"\xff\xfe\xc3", b"example"],
    [b"x" * 63] * 3 + [b"y" * 60],
]


@pytest.mark.parametrize("labels", HOSTILE)
def test_a_hostile_name_stays_inside_its_own_field(
    capture: Write, sense: Sense, told: Told, labels: list[bytes]
) -> None:
    frames = [
        (START, udp(PC, DNS, 40_000, 53, dns_query(7, labels))),
        (START + 1, udp(DNS, PC, 53, 40_000, dns_answer(7, labels, "A", [WEB]))),
        (START + 2, udp(PC, DNS, 40_001, 53, dns_query(8, "harmless.example"))),
    ]
    raws, report = sense(capture(frames))
    records = told(raws, "dns")
    assert report.packets == 3
    assert report.problems == ()
    assert [record["id"] for record in records] == [7, 7, 8]
    assert records[1]["answers"] == [WEB]
    assert records[2]["name"] == "harmless.example"
    for raw in raws:
        assert b"\n" not in raw.body
        text = json.dumps(json.loads(raw.body), ensure_ascii=False)
        assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text)


def test_no_payload_and_no_password_is_written(capture: Write, story: Story, sense: Sense, told: Told) -> None:
    story.talk(START, PC, WEB, 21, [(b"USER amt\r\n", b"331 ok\r\n"), (b"PASS Geheim-4711\r\n", b"230 ok\r\n")])
    basic = b"POST /x?pwd=4711 HTTP/1.1\r\nAuthorization: Basic YW10OkdlaGVpbQ==\r\n\r\npass=4711"
    odd = b"GET /y HTTP/1.1\r\nAuthorization: Basic R2VoZWlt\r\nCookie: s=4711\r\n\r\n"
    story.talk(START, PC, WEB, 80, [(basic, b"HTTP/1.1 200 ok\r\n\r\n"), (odd, b"HTTP/1.1 401 no\r\n\r\n")])
    form = b"POST /l HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n\r\n"
    login = b"user=amt&password=4711"
    story.talk(START, PC, WEB, 80, [(form, b""), (login, b"HTTP/1.1 302 ok\r\n\r\n")])
    story.talk(START, PC, WEB, 110, [(b"PASS Geheim-4711\r\n", b"+OK\r\n")])
    raws, _ = sense(capture(story.frames))
    everything = b"".join(raw.body for raw in raws)
    for secret in (b"Geheim", b"4711", b"R2Vo", b"aGVpbQ"):
        assert secret not in everything
    (posted,) = [record for record in told(raws, "http") if record.get("form")]
    assert posted["form"] == ["user", "password"]
    assert [record["user"] for record in told(raws, "http") if "auth" in record] == ["amt"]
    assert {record.get("user") for record in told(raws, "ftp")} == {"amt"}


def test_the_inner_packet_of_a_tunnel_counts_but_not_what_an_error_quotes(
    capture: Write, sense: Sense, told: Told
) -> None:
    inner = tcp(PC, WEB, 50_000, 443, SYN)[14:54]
    tunnel = ethernet("203.0.113.1", "203.0.113.2", ip("203.0.113.1", "203.0.113.2", 47, b"\0\0\x08\0" + inner))
    unreachable = ethernet("203.0.113.9", PC, ip("203.0.113.9", PC, 1, b"\x03\x01\0\0\0\0\0\0" + inner))
    tagged = ethernet(PC, WEB, tcp(PC, WEB, 50_001, 443, PSH | ACK, b"x")[14:], vlan=42)
    raws, _ = sense(capture([(START, tunnel), (START + 1, unreachable), (START + 2, tagged)]))
    flows = told(raws, "flow")
    assert [(flow["src"], flow["dst"], flow["proto"], flow.get("dport"), flow.get("vlan")) for flow in flows] == [
        (PC, WEB, 6, 443, None),
        ("203.0.113.9", PC, 1, None, None),
        (PC, WEB, 6, 443, 42),
    ]


def test_ip_version_6_is_read_like_version_4(capture: Write, story: Story, sense: Sense, told: Told) -> None:
    story.knock(START, "2001:db8:1::1", "2001:db8:2::2", 445)
    story.look_up(START, "2001:db8:1::1", "2001:db8:1::53", "www.example.org", ["2001:db8::9"], "AAAA")
    raws, _ = sense(capture(story.frames))
    assert {flow["state"] for flow in told(raws, "flow")} == {"refused", "answered"}
    assert told(raws, "dns")[1]["answers"] == ["2001:db8::9"]


def option(kind: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return pack("!HH", kind, len(data)) + data


def test_dhcpv6_tells_who_is_given_what_by_whom_through_relays_too(capture: Write, sense: Sense, told: Told) -> None:
    client = option(1, bytes.fromhex("0001000129b92700 020000000050"))
    server = option(2, bytes.fromhex("00030001 020000000001"))
    address = option(3, bytes(12), option(5, inet_pton(AF_INET6, "2001:db8:1::77"), bytes(8)))
    prefix = option(25, bytes(12), option(26, bytes(8), b"\x38", inet_pton(AF_INET6, "2001:db8:2::")))
    asked = b"\1\0\0\7" + client + option(39, b"\0\4pc17\7example\0")
    given = b"\7\0\0\7" + server + client + address + prefix + option(23, inet_pton(AF_INET6, "2001:db8::53"))
    relayed = b"\x0d\0" + inet_pton(AF_INET6, "2001:db8:1::1") + bytes(16) + option(18, b"eth1") + option(9, given)
    renewed = b"\7\0\0\x08" + client + server + option(13, b"\0\2no")
    ways = (
        ("fe80::50", "ff02::1:2", 546, 547, asked),
        ("fe80::1", "fe80::50", 547, 546, given),
        ("2001:db8::10", "2001:db8:1::1", 547, 547, relayed),
        ("2001:db8:1::77", "2001:db8::10", 546, 547, b"\5\0\0\x08" + client + server),
        ("2001:db8::10", "2001:db8:1::77", 547, 546, renewed),
    )
    raws, _ = sense(capture((START + at, udp(*way)) for at, way in enumerate(ways)))
    solicit, reply, relay, renew, refusal = told(raws, "dhcpv6")
    assert (solicit["message"], solicit["client_mac"]) == ("SOLICIT", "02:00:00:00:00:50")
    assert (solicit["hostname"], solicit["dst"]) == ("pc17.example", "ff02::1:2")
    assert (reply["message"], reply["src"], reply["server_id"]) == ("REPLY", "fe80::1", "00030001020000000001")
    assert reply["client_id"] == solicit["client_id"] == "0001000129b92700020000000050"
    assert (reply["addresses"], reply["prefixes"]) == (["2001:db8:1::77"], ["2001:db8:2::/56"])
    assert reply["name_servers"] == ["2001:db8::53"]
    assert (relay["message"], relay["relay"], relay["addresses"]) == ("REPLY", "2001:db8:1::1", ["2001:db8:1::77"])
    assert (renew["message"], refusal["src"], refusal["sport"]) == ("RENEW", "2001:db8::10", 547)
    assert refusal["status"] == 2


def test_packets_that_are_no_ip_are_counted_and_cut_ones_do_no_harm(capture: Write, sense: Sense) -> None:
    arp = b"\xff" * 6 + b"\x02\0\x0a\x0a\x01\x32" + b"\x08\x06" + bytes(46)
    whole = tcp(PC, WEB, 50_000, 443, SYN)
    cuts = [(START + at, whole[:at]) for at in range(1, len(whole))]
    _, report = sense(capture([(START, arp), *cuts]))
    assert report.packets == len(cuts) + 1
    assert 1 <= report.not_ip < 40


def test_a_flood_of_flows_is_cut_short_and_said(capture: Write, story: Story, sense: Sense) -> None:
    for port in range(1, 300):
        story.knock(START + port, PC, WEB, port, answer=None)
    raws, report = sense(capture(story.frames), SenseSettings(flows_max=100))
    assert report.evicted == 199
    assert report.problems == ("199 flows were cut short: more than 100 at once",)
    assert report.flows == 299
    assert [found.kind for found in report.findings] == ["scan.vertical"]
    # the scan is told at once and with its last numbers
    assert len(raws) == 299 + 2 + 1


def test_all_three_kinds_of_scan_are_told_apart(capture: Write, story: Story, sense: Sense) -> None:
    for number in range(25):
        story.knock(START + number * SECOND, PC, f"10.10.2.{number + 1}", 445, answer=None)
        story.knock(START + number * SECOND, "10.20.1.1", WEB, 20 + number, answer=RST | ACK)
    for port in range(4):
        story.frames.append((START + port, tcp("10.20.1.2", WEB, 61_000, port + 1, 0x29)))
    _, report = sense(capture(story.frames))
    assert sorted((found.kind, found.dst, found.dport) for found in report.findings) == [
        ("scan.horizontal", "", 445),
        ("scan.stealth", WEB, 0),
        ("scan.vertical", WEB, 0),
    ]


def test_nothing_happens_before_a_reading_is_iterated(tmp_path: Path, clock: ManualClock) -> None:
    reading = read_pcap(tmp_path / "none.pcap", "sensor", clock)
    assert reading.report.packets == 0
    with pytest.raises(CaptureError, match=r"none\.pcap"):
        list(reading)
