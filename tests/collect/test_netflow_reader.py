"""Datagrams of NetFlow become flows, whatever order they come in, and bad ones hurt only themselves."""

import socket
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import pack
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.collect import netflow_exporters as bounds
from sentinel.collect.netflow_exporters import Exporters
from sentinel.collect.netflow_packets import RECORDS_MAX
from sentinel.collect.netflow_reader import RELEASED_MAX, Reader
from tests.collect.exporting import FLOW, SECONDS, UPTIME, Specifier, block, flow, ipfix, options, templates, v5, v9

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HOST = "192.0.2.1"
Fields = Sequence[Specifier]


class Collecting:
    """A reader, the flows it has found and what it has lost."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()
        self.exporters = Exporters(self._lose)
        self.reader = Reader(self.exporters, self._lose)
        self.records: list[dict[str, Any]] = []
        self.positions: list[str] = []
        self.now = NOW

    def _lose(self, address: str, reason: str, count: int) -> None:
        assert address
        self.lost[reason] += count

    def feed(self, data: bytes, host: str = HOST, port: int = 50_000) -> int:
        """Read a datagram; return how many records it gave."""
        found = self.reader.read(data, host, port, self.now)
        self.records += [orjson.loads(one.body) for one in found]
        self.positions += [one.position for one in found]
        return len(found)

    def flows(self) -> list[dict[str, Any]]:
        """Return the flows found."""
        return [record["flow"] for record in self.records if "flow" in record]

    def restarted(self, *, orderly: bool = True) -> "Collecting":
        """Return one that knows what this one wrote down."""
        if orderly:
            self.exporters.close(self.now)
        again = Collecting()
        again.exporters.load(orjson.loads(orjson.dumps(self.exporters.dump(orderly=orderly))))
        return again


@pytest.fixture
def collecting() -> Collecting:
    return Collecting()


def weighed(exporters: Exporters) -> tuple[int, int]:
    """Return what is remembered and what is held, counted anew."""
    weight = held = 0
    for host in exporters._hosts.values():
        weight += sum(bounds._DOMAIN_WEIGHT + domain.weight for domain in host.domains.values())
        waiting = (one for domain in host.domains.values() for each in domain.held.values() for one in each)
        held += sum(len(one.data) + bounds._HELD_COST for one in waiting)
    return weight, held


def sources(collecting: Collecting) -> list[str]:
    return [one["sourceIPv4Address"] for one in collecting.flows()]


def test_v5_flows_are_read_with_their_sampling(collecting: Collecting) -> None:
    assert collecting.feed(v5(2, sequence=7, sampling=(1 << 14) | 100)) == 2
    first, second = collecting.records
    assert {name: first[name] for name in ("version", "domain", "sequence", "uptime", "exported")} == {
        "version": 5, "domain": 0x102, "sequence": 7, "uptime": UPTIME, "exported": SECONDS * 1000 + 500,
    }  # fmt: skip
    assert first["sampling"] == {"interval": 100, "algorithm": 1}
    assert second["flow"] == {
        "sourceIPv4Address": "10.0.0.2", "destinationIPv4Address": "198.51.100.7", "ipNextHopIPv4Address": "192.0.2.1",
        "ingressInterface": 3, "egressInterface": 4, "packetDeltaCount": 2, "octetDeltaCount": 200,
        "flowStartSysUpTime": UPTIME - 5000, "flowEndSysUpTime": UPTIME - 1000, "sourceTransportPort": 40_000,
        "destinationTransportPort": 443, "tcpControlBits": 0x1B, "protocolIdentifier": 6, "ipClassOfService": 8,
        "bgpSourceAsNumber": 64_500, "bgpDestinationAsNumber": 64_501, "sourceIPv4PrefixLength": 24,
        "destinationIPv4PrefixLength": 25,
    }  # fmt: skip
    assert not collecting.lost


@pytest.mark.parametrize("version", [9, 10])
def test_flows_that_come_before_their_template_wait_for_it(collecting: Collecting, version: int) -> None:
    datagram = v9 if version == 9 else ipfix
    assert collecting.feed(datagram(block(256, flow(1) + flow(2)), sequence=0)) == 0
    assert collecting.feed(datagram(templates(version, (256, FLOW)), block(256, flow(3)), sequence=1)) == 3
    assert sources(collecting) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [one["sequence"] for one in collecting.records] == [0, 0, 1]
    assert len(set(collecting.positions)) == 3
    assert not collecting.lost


def test_a_flow_has_the_same_identity_whether_it_waited_or_came_twice(collecting: Collecting) -> None:
    data = v9(block(256, flow(1) + flow(2)), sequence=5)
    collecting.feed(data)
    collecting.feed(v9(templates(9, (256, FLOW)), sequence=6))
    collecting.feed(data)
    assert collecting.positions[:2] == collecting.positions[2:]
    collecting.feed(v9(block(256, flow(1) + flow(2)), sequence=7))
    assert len(set(collecting.positions)) == 4


def test_what_waits_in_vain_is_counted(collecting: Collecting) -> None:
    collecting.feed(v9(block(256, flow(1)), block(257, flow(1))))
    collecting.exporters.expire(NOW + timedelta(minutes=10))
    assert not collecting.lost
    collecting.exporters.expire(NOW + timedelta(minutes=31))
    assert collecting.lost == {"no_template": 2}
    assert collecting.feed(v9(templates(9, (256, FLOW)), sequence=1)) == 0


def test_what_waits_is_bounded_and_the_rest_is_counted(collecting: Collecting) -> None:
    for number in range(200):
        collecting.feed(v9(block(256, flow(1) * 100), sequence=number))
    held = collecting.feed(v9(templates(9, (256, FLOW)), sequence=200))
    assert held == min(RELEASED_MAX, held)
    assert held + 100 * collecting.lost["no_template"] == 20_000
    assert 0 < held < 20_000


def test_a_template_that_changes_counts_from_then_on(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW)), block(256, flow(1))))
    collecting.feed(v9(templates(9, (256, ((12, 4), (8, 4)))), block(256, flow(2)[:8]), sequence=1))
    assert sources(collecting) == ["10.0.0.1", "198.51.100.7"]


def test_a_template_of_flows_may_become_one_of_options(collecting: Collecting) -> None:
    data = block(256, pack("!II", 0, 7))
    collecting.feed(v9(templates(9, (256, ((1, 4), (2, 4)))), data))
    collecting.feed(v9(options(9, 256, (), ((1, 4), (2, 4))), data, sequence=1))
    assert len(collecting.flows()) == 1
    assert collecting.reader.options == 1


def test_a_withdrawal_is_ignored_as_udp_wants_it(collecting: Collecting) -> None:
    collecting.feed(ipfix(templates(10, (256, FLOW))))
    collecting.feed(ipfix(block(2, pack("!HH", 256, 0))))
    collecting.feed(ipfix(block(2, pack("!HH", 2, 0))))
    assert collecting.feed(ipfix(block(256, flow(1)))) == 1
    assert not collecting.lost


def test_templates_belong_to_an_exporter_and_a_domain(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW)), domain=1))
    assert collecting.feed(v9(block(256, flow(1)), domain=2)) == 0
    assert collecting.feed(v9(block(256, flow(1)), domain=1), host="192.0.2.2") == 0
    assert collecting.feed(ipfix(block(256, flow(1)), domain=1)) == 0
    assert collecting.feed(v9(block(256, flow(1)), domain=1, sequence=1)) == 1


def test_ipfix_fields_of_all_kinds_are_read(collecting: Collecting) -> None:
    fields = (
        *((27, 16), (1, 3), (56, 6), (460, 65_535), (154, 8), (311, 8), (12, 4), (210, 2), (999, 3)),
        *((42, 2, 32_473), (1, 4, 29_305), (61, 1), (61, 1)),
    )
    record = (
        socket.inet_pton(socket.AF_INET6, "2001:db8::7")
        + (70_000).to_bytes(3, "big")
        + bytes.fromhex("00005e005323")
        + b"\xff\x00\x0bexample.org"
        + pack("!II", SECONDS + 2_208_988_800, 1 << 31)
        + pack("!d", 0.25)
        + socket.inet_aton("198.51.100.7")
        + b"\0\0"
        + b"\x01\x02\x03"
        + b"\xca\xfe"
        + pack("!I", 900)
        + b"\x00\x01"
    )
    assert collecting.feed(ipfix(templates(10, (400, fields)), block(400, record * 2))) == 2
    assert collecting.flows()[1] == {
        "sourceIPv6Address": "2001:db8::7", "octetDeltaCount": 70_000, "sourceMacAddress": "00-00-5E-00-53-23",
        "httpRequestHost": "example.org", "flowStartMicroseconds": SECONDS * 10**9 + 500_000_000,
        "samplingProbability": 0.25, "destinationIPv4Address": "198.51.100.7", "999": "010203", "32473.42": "cafe",
        "reverseOctetDeltaCount": 900, "flowDirection": 0, "flowDirection#2": 1,
    }  # fmt: skip
    assert not collecting.lost


@pytest.mark.parametrize(
    ("scopes", "fields", "record", "sampling"),
    [
        (((1, 4),), ((34, 4), (35, 1)), pack("!IIB", 0, 100, 2), {"interval": 100, "algorithm": 2}),
        (((149, 4),), ((50, 4), (49, 1)), pack("!IIB", 0, 5, 2), {"interval": 5, "algorithm": 2}),
        (
            ((149, 4),),
            ((305, 4), (306, 4), (304, 2)),
            pack("!IIIH", 0, 1, 99, 1),
            {"interval": 100.0, "selector": 1},
        ),
        (((149, 4),), ((309, 4), (310, 4)), pack("!III", 0, 5, 1000), {"interval": 200.0, "algorithm": 0}),
        (((149, 4),), ((311, 8),), pack("!Id", 0, 0.01), {"interval": 100.0, "algorithm": 0}),
    ],
)
def test_the_sampling_of_an_exporter_stands_in_its_flows(
    collecting: Collecting, scopes: Fields, fields: Fields, record: bytes, sampling: dict[str, float]
) -> None:
    version = 9 if scopes[0][0] == 1 else 10
    datagram = v9 if version == 9 else ipfix
    collecting.feed(datagram(options(version, 300, scopes, fields), block(300, record)))
    collecting.feed(datagram(templates(version, (256, FLOW)), block(256, flow(1)), sequence=1))
    assert collecting.records[0]["sampling"] == sampling
    assert collecting.reader.options == 1


def test_samplers_and_names_of_interfaces_are_told_apart(collecting: Collecting) -> None:
    named = ((10, 4),), ((82, 8),)
    collecting.feed(v9(options(9, 300, ((1, 4),), ((48, 1), (50, 4))), block(300, pack("!IBIIBI", 0, 1, 10, 0, 2, 50))))
    collecting.feed(v9(options(9, 301, *named), block(301, pack("!I8s", 7, b"wan")), sequence=1))
    fields = ((8, 4), (48, 1), (10, 4))
    rows = b"".join(socket.inet_aton("10.0.0.1") + pack("!BI", sampler, 7) for sampler in (2, 1, 0))
    collecting.feed(v9(templates(9, (256, fields)), block(256, rows), sequence=2))
    assert [one.get("sampling", {}).get("interval") for one in collecting.records] == [50, 10, None]
    assert {one["ingress"] for one in collecting.records} == {"wan"}


def test_what_an_exporter_says_about_itself_is_a_record(collecting: Collecting) -> None:
    collecting.feed(v9(options(9, 300, ((1, 4),), ((42, 4), (41, 4))), block(300, pack("!III", 0, 1200, 60))))
    (record,) = collecting.records
    assert record["options"] == {
        "scopeSystem": 0,
        "exportedFlowRecordTotalCount": 1200,
        "exportedMessageTotalCount": 60,
    }


def numbered(version: int, sequence: int, flows: int = 1, seconds: int = SECONDS) -> bytes:
    if version == 5:
        return v5(flows, sequence=sequence, seconds=seconds)
    sets = templates(version, (256, FLOW)), block(256, flow(1) * flows)
    if version == 9:
        return v9(*sets, sequence=sequence, seconds=seconds, uptime=UPTIME)
    return ipfix(*sets, sequence=sequence, seconds=seconds)


UNITS = {5: "missing_flows", 9: "missing_datagrams", 10: "missing_flows"}


@pytest.mark.parametrize("version", [5, 9, 10])
def test_what_never_comes_is_counted_and_what_comes_late_is_not(collecting: Collecting, version: int) -> None:
    step = 1 if version == 9 else 3
    for turn in (0, 1, 2, 5, 4, 6, 6, 9):  # 3, 7 and 8 are missing; 4 is late, 6 comes twice
        collecting.feed(numbered(version, turn * step, flows=3))
    assert not collecting.lost
    collecting.now += timedelta(seconds=3)
    collecting.feed(numbered(version, 10 * step, flows=3))
    assert collecting.lost == {UNITS[version]: 3 * step}


def test_what_is_missing_at_a_stop_is_counted(collecting: Collecting) -> None:
    collecting.feed(v5(1, sequence=0))
    collecting.feed(v5(1, sequence=11))
    collecting.exporters.close(NOW)
    assert collecting.lost == {"missing_flows": 10}


@pytest.mark.parametrize("version", [5, 9, 10])
def test_an_exporter_that_begins_to_count_anew_has_lost_nothing(collecting: Collecting, version: int) -> None:
    collecting.feed(numbered(version, 500))
    collecting.feed(numbered(version, 0, seconds=SECONDS + 60))
    collecting.feed(numbered(version, 1, seconds=SECONDS + 61))
    collecting.exporters.close(NOW)
    assert not collecting.lost


def test_the_sequence_goes_round_at_32_bits(collecting: Collecting) -> None:
    for number in ((1 << 32) - 2, (1 << 32) - 1, 0, 2):
        collecting.feed(v9(sequence=number))
    collecting.exporters.close(NOW)
    assert collecting.lost == {"missing_datagrams": 1}


def test_numbers_that_count_their_own_datagram_are_understood(collecting: Collecting) -> None:
    """So softflowd 1.1 numbers its IPFIX messages."""
    total = 0
    for flows in (24, 30, 28, 3):
        total += flows
        collecting.feed(numbered(10, total, flows))
    total += 5 + 7
    collecting.feed(numbered(10, total, 7))  # five flows did not come
    collecting.exporters.close(NOW)
    assert collecting.lost == {"missing_flows": 5}


def test_templates_survive_a_restart_of_ours_and_what_came_meanwhile_is_missing(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW)), block(256, flow(1)), sequence=8))
    again = collecting.restarted()
    assert again.feed(v9(block(256, flow(2)), sequence=12, seconds=SECONDS + 60, uptime=UPTIME + 60_000)) == 1
    again.exporters.close(NOW)
    assert again.lost == {"missing_datagrams": 3}


def test_sampling_and_names_survive_a_restart_of_ours(collecting: Collecting) -> None:
    sampling = options(9, 300, ((1, 4),), ((34, 4), (35, 1)))
    named = options(9, 301, ((2, 4),), ((82, 8),))
    fields = ((8, 4), (14, 4))
    collecting.feed(v9(sampling, block(300, pack("!IIB", 0, 100, 2)), named, block(301, pack("!I8s", 7, b"wan"))))
    collecting.feed(v9(templates(9, (256, fields)), sequence=1))
    again = collecting.restarted()
    again.feed(v9(block(256, socket.inet_aton("10.0.0.1") + pack("!I", 7)), sequence=2))
    (record,) = again.records
    assert (record["sampling"], record["egress"]) == ({"interval": 100, "algorithm": 2}, "wan")
    assert (again.exporters._weight, again.exporters._held) == weighed(again.exporters)


def test_after_a_crash_nothing_is_called_missing_that_was_received(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW)), sequence=8))
    again = collecting.restarted(orderly=False)
    assert again.feed(v9(block(256, flow(2)), sequence=12, seconds=SECONDS + 60, uptime=UPTIME + 60_000)) == 1
    again.exporters.close(NOW)
    assert not again.lost


@pytest.mark.parametrize("version", [9, 10])
def test_templates_do_not_survive_a_restart_of_the_exporter(collecting: Collecting, version: int) -> None:
    collecting.feed(numbered(version, 5000))
    again = collecting.restarted()
    data = block(256, flow(2))
    datagram = v9(data, seconds=SECONDS + 600, uptime=3000) if version == 9 else ipfix(data, seconds=SECONDS + 600)
    assert again.feed(datagram) == 0
    assert again.feed(numbered(version, 1, seconds=SECONDS + 601)) == 2


def test_an_exporter_that_restarts_while_we_run_says_its_templates_anew(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW)), block(256, flow(1))))
    assert collecting.feed(v9(block(256, flow(2)), seconds=SECONDS + 60, uptime=1000)) == 0
    assert collecting.feed(v9(templates(9, (256, FLOW)), seconds=SECONDS + 61, uptime=2000, sequence=1)) == 1


BAD = {
    "empty": b"",
    "another version": pack("!HH", 7, 1) + bytes(40),
    "half a header": v9()[:10],
    "v5 of fewer flows": v5(3)[:-1],
    "v5 of 65535 flows": pack("!HH", 5, 65_535) + v5(1)[4:],
    "a set of length 0": v9(pack("!HHI", 256, 0, 1)),
    "a set longer than all": v9(pack("!HHI", 256, 900, 1)),
    "a message longer than itself": pack("!HH", 10, 900) + ipfix()[4:],
    "a template of 65535 fields": v9(block(0, pack("!HH", 256, 65_535) + bytes(900))),
    "a template of no field": v9(block(0, pack("!HH", 256, 0))),
    "a template of no byte": v9(templates(9, (256, ((1, 0), (2, 0))))),
    "a template called 5": v9(templates(9, (5, FLOW))),
    "a template cut off": v9(templates(9, (256, FLOW))[:-8]),
    "a record longer than its set": ipfix(templates(10, (256, ((460, 65_535),))), block(256, b"\xff\xff\xff1")),
    "a set shorter than its record": v9(templates(9, (256, FLOW)), block(256, bytes(8))),
    "a reserved set": v9(block(77, bytes(8))),
    "options of no fields": v9(block(1, pack("!HHH", 256, 0, 0))),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_datagram_is_counted_and_hurts_no_other(collecting: Collecting, name: str) -> None:
    collecting.feed(v9(templates(9, (300, FLOW)), sequence=0, domain=9))
    assert collecting.feed(BAD[name]) == 0
    assert collecting.lost == {"malformed": 1}
    assert collecting.feed(v9(block(300, flow(1)), sequence=1, domain=9)) == 1


def test_what_stands_before_the_damage_is_read(collecting: Collecting) -> None:
    assert collecting.feed(v9(templates(9, (256, FLOW)), block(256, flow(1)), pack("!HHI", 256, 0, 1))) == 1
    assert collecting.lost == {"malformed": 1}


def test_a_datagram_of_a_host_of_tiny_records_is_cut(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, ((4, 1),)))))
    assert collecting.feed(v9(block(256, b"\x06" * 60_000), sequence=1)) == RECORDS_MAX
    assert collecting.lost == {"too_many": 1}


def test_a_flood_of_templates_pushes_out_only_its_senders_own(collecting: Collecting) -> None:
    collecting.feed(v9(templates(9, (256, FLOW))))
    wide = templates(9, *((256 + at, [(1, 4)] * 100) for at in range(10)))
    for number in range(300):
        collecting.feed(v9(wide, domain=number, sequence=number), host="203.0.113.9")
    assert collecting.exporters._weight <= bounds.WEIGHT_PER_HOST + 100
    assert len(collecting.exporters._hosts["203.0.113.9"].domains) <= bounds.DOMAINS_MAX
    assert collecting.feed(v9(block(256, flow(1)), sequence=1)) == 1


def test_forged_exporters_are_bounded_in_all_and_the_busy_one_stays(collecting: Collecting) -> None:
    data = v9(templates(9, *((256 + at, [(1, 4)] * 90) for at in range(10))), block(999, bytes(200)))
    for number in range(1500):
        collecting.feed(data, host=f"203.0.{number // 256}.{number % 256}")
        if number % 50 == 0:
            collecting.feed(v9(templates(9, (256, FLOW)), block(256, flow(1)), sequence=number // 50))
    assert len(collecting.exporters._hosts) <= bounds.HOSTS_MAX
    assert collecting.exporters._weight <= bounds.WEIGHT_IN_ALL
    assert collecting.exporters._held <= bounds.HELD_IN_ALL
    assert len(collecting.flows()) == 30


def test_names_and_samplers_are_bounded_like_all_else(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WEIGHT_PER_HOST", 900)
    monkeypatch.setattr(bounds, "WEIGHT_IN_ALL", 4000)
    told = options(9, 300, ((1, 4),), ((10, 4), (82, 8), (48, 1), (34, 4)))
    rows = b"".join(pack("!II8sBI", 0, number, b"if", number % 256, 10) for number in range(200))
    for host in range(10):
        for domain in range(30):
            collecting.feed(v9(told, block(300, rows), block(301, bytes(60)), domain=domain), host=f"192.0.2.{host}")
            exporters = collecting.exporters
            assert (exporters._weight, exporters._held) == weighed(exporters)
            assert exporters._weight <= 4000
    assert max(host.weight for host in collecting.exporters._hosts.values()) <= 900
    assert len(collecting.exporters._hosts) < 10


GOOD = (
    v5(3), v9(templates(9, (256, FLOW)), block(256, flow(1) * 2)), v9(block(256, flow(3))),
    ipfix(templates(10, (256, FLOW), (257, ((460, 65_535), (1, 4, 29_305)))), block(257, b"\x03abc\0\0\0\1" * 3)),
    v9(options(9, 300, ((1, 4),), ((34, 4), (35, 1))), block(300, pack("!IIB", 0, 100, 2))),
    ipfix(options(10, 300, ((149, 4),), ((305, 4), (306, 4))), block(300, pack("!III", 0, 1, 99))),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a datagram with bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        until = draw(st.integers(at, min(len(data), at + 8)))
        data[at:until] = draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"\0\0", b"\xff\xff", b"\x01\0"])))
    return bytes(data)


@given(st.lists(st.one_of(damaged(), st.binary(max_size=80)), max_size=8))
def test_no_bytes_raise_anything_and_every_flow_has_its_own_identity(datagrams: list[bytes]) -> None:
    collecting = Collecting()
    for data in dict.fromkeys(datagrams):
        before = len(collecting.positions)
        collecting.feed(data)
        fresh = collecting.positions[before:]
        assert len(set(fresh)) == len(fresh)
        assert (collecting.exporters._weight, collecting.exporters._held) == weighed(collecting.exporters)
    again = collecting.restarted()
    again.feed(v9(templates(9, (256, FLOW)), block(256, flow(1)), domain=77))
    assert sources(again)[-1:] == ["10.0.0.1"]


@given(st.binary(max_size=300))
def test_what_a_file_says_is_known_again_or_refused(data: bytes) -> None:
    first = Collecting()
    first.feed(v9(templates(9, (256, FLOW)), sequence=1))
    written = orjson.dumps(first.exporters.dump(orderly=True))
    at = len(data) % len(written)
    try:
        said = orjson.loads(written[:at] + data[:3] + written[at + 3 :])
        Collecting().exporters.load(said)
    except (KeyError, TypeError, ValueError):
        pass
