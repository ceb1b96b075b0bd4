"""The flow table: nothing is lost, nothing counted twice, and it never grows beyond its bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.sense.flows import FlowTable
from sentinel.sense.records import ACK, FIN, ICMP, PSH, RST, SECOND, SYN, TCP, UDP, URG, Flow, State
from sentinel.sense.rows import Packet

CLIENT, SERVER = "10.10.1.50", "192.0.2.9"
START = 1_780_000_000 * SECOND


def there(flags: int, *, at: float = 0, data: int = 0, sport: int = 50_000, dport: int = 443) -> Packet:
    time = START + int(at * SECOND)
    return Packet(time, 60 + data, CLIENT, SERVER, TCP, sport, dport, flags, data, 0, "", 1)


def back(flags: int, *, at: float = 0, data: int = 0, sport: int = 50_000, dport: int = 443) -> Packet:
    time = START + int(at * SECOND)
    return Packet(time, 60 + data, SERVER, CLIENT, TCP, dport, sport, flags, data, 0, "", 1)


def flows(*packets: Packet, flows_max: int = 1000) -> list[Flow]:
    table = FlowTable(flows_max)
    for packet in packets:
        table.add(packet)
    return [flow for flow, _ in table.close()]


@pytest.mark.parametrize(
    ("packets", "state"),
    [
        ([there(SYN)], "unanswered"),
        ([there(SYN), there(SYN, at=1), there(SYN, at=3)], "unanswered"),
        ([there(SYN), back(RST | ACK)], "refused"),
        ([there(SYN), back(SYN | ACK)], "half_open"),
        ([there(SYN), back(SYN | ACK), there(RST)], "aborted"),
        ([there(SYN), back(SYN | ACK), there(ACK), there(RST | ACK)], "aborted"),
        ([there(SYN), back(SYN | ACK), there(ACK), there(PSH | ACK, data=9)], "established"),
        ([there(SYN), back(SYN | ACK), there(ACK), there(PSH | ACK, data=9), back(RST)], "established"),
        ([there(SYN), there(ACK), there(ACK, data=10)], "established"),
        ([there(ACK, data=10), back(ACK)], "midstream"),
        ([there(RST | ACK)], "midstream"),
        ([there(FIN)], "probe"),
        ([there(0), back(RST | ACK)], "probe"),
        ([there(FIN | PSH | URG), there(FIN | PSH | URG, at=1)], "probe"),
        ([there(FIN), there(ACK)], "midstream"),
    ],
)
def test_how_far_a_connection_came(packets: list[Packet], state: State) -> None:
    assert [flow.state for flow in flows(*packets)] == [state]


def test_the_source_is_who_sent_the_syn_even_if_the_answer_is_seen_first() -> None:
    (flow,) = flows(back(SYN | ACK), there(ACK))
    assert (flow.src, flow.sport, flow.dst, flow.dport) == (CLIENT, 50_000, SERVER, 443)
    assert (flow.packets_out, flow.packets_in) == (1, 1)


def test_without_a_beginning_the_well_known_port_is_the_service() -> None:
    (flow,) = flows(back(ACK, data=100), there(ACK))
    assert (flow.src, flow.dport, flow.state) == (CLIENT, 443, "midstream")


def test_an_answer_from_port_53_belongs_to_the_client_that_asked() -> None:
    (flow,) = flows(Packet(START, 90, SERVER, CLIENT, UDP, 53, 40_000, 0, 48, 0, "dns", 1))
    assert (flow.src, flow.dport, flow.packets_in, flow.service) == (CLIENT, 53, 1, "dns")


def test_what_goes_to_everybody_is_never_taken_for_an_answer() -> None:
    (flow,) = flows(Packet(START, 90, SERVER, "239.255.255.250", UDP, 900, 1900, 0, 48, 0, "", 1))
    assert flow.src == SERVER


def test_echo_and_reply_are_one_flow() -> None:
    request = Packet(START, 98, CLIENT, SERVER, ICMP, 8, 0, 0, 0, 0, "", 1)
    reply = Packet(START + 1, 98, SERVER, CLIENT, ICMP, 0, 0, 0, 0, 0, "", 2)
    for packets in ((request, reply), (reply, request)):
        (flow,) = flows(*packets)
        assert (flow.src, flow.sport, flow.packets_out, flow.packets_in) == (CLIENT, 8, 1, 1)


def test_an_unreachable_message_is_a_flow_of_its_own() -> None:
    found = flows(there(SYN), Packet(START, 70, SERVER, CLIENT, ICMP, 3, 1, 0, 0, 0, "", 2))
    assert sorted((flow.proto, flow.src) for flow in found) == [(ICMP, SERVER), (TCP, CLIENT)]


def test_a_host_that_talks_to_itself_has_two_sides() -> None:
    one = Packet(START, 60, "127.0.0.1", "127.0.0.1", TCP, 50_000, 80, SYN, 0, 0, "", 1)
    two = Packet(START, 60, "127.0.0.1", "127.0.0.1", TCP, 80, 50_000, SYN | ACK, 0, 0, "", 2)
    (flow,) = flows(one, two)
    assert (flow.sport, flow.packets_out, flow.packets_in) == (50_000, 1, 1)


def test_the_same_addresses_in_another_vlan_are_another_flow() -> None:
    assert len(flows(there(SYN), there(SYN)._replace(vlan=42))) == 2


def test_a_new_connection_on_the_ports_of_a_closed_one_is_a_new_flow() -> None:
    whole = [there(SYN), back(SYN | ACK), there(ACK), there(FIN | ACK), back(FIN | ACK), there(ACK)]
    found = flows(*whole, there(SYN, at=2), back(SYN | ACK, at=2))
    assert [(flow.packets_out + flow.packets_in, flow.ending) for flow in found] == [(6, "closed"), (2, "capture_end")]


def test_after_the_time_out_it_is_a_new_flow_and_just_before_it_is_not() -> None:
    talk = [there(SYN), back(SYN | ACK), there(ACK)]
    assert len(flows(*talk, there(ACK, at=299))) == 1
    assert [flow.ending for flow in flows(*talk, there(ACK, at=301))] == ["idle", "capture_end"]


def test_idle_flows_leave_by_themselves() -> None:
    table = FlowTable()
    for port in range(100):
        table.add(there(SYN, sport=1000 + port))
    table.add(there(SYN, at=62, sport=5000))
    assert len(table) == 1
    assert table.waiting == 100


def test_a_packet_out_of_the_future_does_not_stop_the_sweep() -> None:
    table = FlowTable()
    table.add(there(SYN, at=1_000_000, sport=1))
    for number in range(100):
        table.add(there(SYN, at=number * 100, sport=1000 + number, dport=number + 1))
    assert table.waiting == 0 or len(table) < 100
    assert sum(flow.packets_out for flow, _ in table.close()) == 101


def test_the_table_never_grows_beyond_its_bound_and_counts_what_it_cuts_short() -> None:
    table = FlowTable(flows_max=50)
    kept = [there(SYN), back(SYN | ACK), there(ACK), there(ACK, data=5)]
    for packet in kept:
        table.add(packet)
    for number in range(500):
        table.add(there(SYN, sport=1024 + number, dport=9))
        assert len(table) <= 50
    assert table.evicted == 451
    found = [flow for flow, _ in table.close()]
    assert len(found) == 501
    # the flood has pushed out its own attempts, not the conversation
    assert [flow.ending for flow in found if flow.state == "established"] == ["capture_end"]


hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "224.0.0.251"])
ports = st.sampled_from([0, 3, 8, 53, 80, 1024, 50_000])
packets = st.builds(
    Packet,
    time=st.integers(0, 2000).map(lambda seconds: START + seconds * SECOND // 2),
    length=st.integers(40, 1500),
    src=hosts,
    dst=hosts,
    proto=st.sampled_from([1, 2, 6, 17, 58]),
    sport=ports,
    dport=ports,
    flags=st.sampled_from([0, SYN, SYN | ACK, ACK, PSH | ACK, FIN, FIN | ACK, RST, FIN | PSH | URG]),
    data=st.sampled_from([0, 100]),
    vlan=st.sampled_from([0, 7]),
    service=st.sampled_from(["", "tls"]),
    frame=st.integers(1, 99),
)


@given(seen=st.lists(packets, max_size=60), flows_max=st.integers(1, 8), drain_every=st.integers(1, 9))
def test_every_packet_and_byte_is_counted_exactly_once(seen: list[Packet], flows_max: int, drain_every: int) -> None:
    table = FlowTable(flows_max)
    found: list[Flow] = []
    for number, packet in enumerate(seen):
        table.add(packet)
        assert len(table) <= flows_max
        if number % drain_every == 0:
            found += [flow for flow, _ in table.drain()]
    found += [flow for flow, _ in table.close()]
    assert sum(flow.packets_out + flow.packets_in for flow in found) == len(seen)
    assert sum(flow.bytes_out + flow.bytes_in for flow in found) == sum(packet.length for packet in seen)
    assert sum(flow.data_out + flow.data_in for flow in found) == sum(packet.data > 0 for packet in seen)
    assert all(flow.time <= flow.end for flow in found)
    assert len(table) == 0


@given(seen=st.lists(packets, max_size=60), drain_every=st.integers(1, 9))
def test_what_comes_out_does_not_depend_on_how_often_it_is_fetched(seen: list[Packet], drain_every: int) -> None:
    one, other = FlowTable(5), FlowTable(5)
    often: list[Flow] = []
    for number, packet in enumerate(seen):
        one.add(packet)
        other.add(packet)
        if number % drain_every == 0:
            often += [flow for flow, _ in other.drain()]
    often += [flow for flow, _ in other.close()]
    assert [flow for flow, _ in one.close()] == often
