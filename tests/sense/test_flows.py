"""The flow table: nothing is lost, nothing counted twice, and it never grows beyond its bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.sense.flows import Live
from sentinel.sense.formats import Batch
from sentinel.sense.records import ACK, FIN, ICMP, PSH, RST, SECOND, SYN, TCP, URG, Flow, OpenFlow, State
from sentinel.sense.sift import Sifter
from sentinel.testing.packets import Frame, ethernet, icmp_echo, ip, tcp, udp

CLIENT, SERVER = "10.10.1.50", "192.0.2.9"
START = 1_780_000_000 * SECOND


def there(flags: int, *, at: float = 0, data: int = 0, sport: int = 50_000, dport: int = 443, vlan: int = 0) -> Frame:
    return START + int(at * SECOND), tagged(tcp(CLIENT, SERVER, sport, dport, flags, b"x" * data), vlan)


def back(flags: int, *, at: float = 0, data: int = 0, sport: int = 50_000, dport: int = 443) -> Frame:
    return START + int(at * SECOND), tcp(SERVER, CLIENT, dport, sport, flags, b"x" * data)


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\0" + vlan.to_bytes(2, "big") + frame[12:] if vlan else frame


class Table:
    """A sifter, one frame at a time, and the flows that came out of it."""

    def __init__(self, flows_max: int = 1000) -> None:
        self.sifter = Sifter(flows_max)
        self.found: list[Flow] = []
        self.hourly: list[OpenFlow] = []

    def add(self, frame: Frame) -> None:
        time, data = frame
        self.sifter.feed(Batch(1, [(time, len(data), data)]))

    def drain(self) -> None:
        for item in self.sifter.out:
            if isinstance(item, Live):
                self.found.append(item.told())
            elif isinstance(item, OpenFlow):
                self.hourly.append(item)
        self.sifter.out.clear()

    def close(self) -> list[Flow]:
        self.sifter.table.close()
        self.drain()
        return self.found


def flows(*frames: Frame, flows_max: int = 1000) -> list[Flow]:
    table = Table(flows_max)
    for frame in frames:
        table.add(frame)
    return table.close()


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
def test_how_far_a_connection_came(packets: list[Frame], state: State) -> None:
    assert [flow.state for flow in flows(*packets)] == [state]


def test_the_source_is_who_sent_the_syn_even_if_the_answer_is_seen_first() -> None:
    (flow,) = flows(back(SYN | ACK), there(ACK))
    assert (flow.src, flow.sport, flow.dst, flow.dport) == (CLIENT, 50_000, SERVER, 443)
    assert (flow.packets_out, flow.packets_in) == (1, 1)


def test_without_a_beginning_the_well_known_port_is_the_service() -> None:
    (flow,) = flows(back(ACK, data=100), there(ACK))
    assert (flow.src, flow.dport, flow.state) == (CLIENT, 443, "midstream")


def test_an_answer_from_port_53_belongs_to_the_client_that_asked() -> None:
    (flow,) = flows((START, udp(SERVER, CLIENT, 53, 40_000, b"x" * 48)))
    assert (flow.src, flow.dport, flow.packets_in, flow.payload_in) == (CLIENT, 53, 1, 48)


def test_what_goes_to_everybody_is_never_taken_for_an_answer() -> None:
    (flow,) = flows((START, udp(SERVER, "239.255.255.250", 900, 1900, b"x")))
    assert flow.src == SERVER


def test_echo_and_reply_are_one_flow() -> None:
    request = START, icmp_echo(CLIENT, SERVER, 1)
    reply = START + 1, icmp_echo(SERVER, CLIENT, 1, reply=True)
    for packets in ((request, reply), (reply, request)):
        (flow,) = flows(*packets)
        assert (flow.src, flow.sport, flow.packets_out, flow.packets_in) == (CLIENT, 8, 1, 1)


def test_an_unreachable_message_is_a_flow_of_its_own() -> None:
    found = flows(there(SYN), (START, ethernet(SERVER, CLIENT, ip(SERVER, CLIENT, 1, b"\3\1" + bytes(34)))))
    assert sorted((flow.proto, flow.src) for flow in found) == [(ICMP, SERVER), (TCP, CLIENT)]


def test_a_host_that_talks_to_itself_has_two_sides() -> None:
    one = START, tcp("127.0.0.1", "127.0.0.1", 50_000, 80, SYN)
    two = START, tcp("127.0.0.1", "127.0.0.1", 80, 50_000, SYN | ACK)
    (flow,) = flows(one, two)
    assert (flow.sport, flow.packets_out, flow.packets_in) == (50_000, 1, 1)


def test_the_same_addresses_in_another_vlan_are_another_flow() -> None:
    assert len(flows(there(SYN), there(SYN, vlan=42))) == 2


def test_a_new_connection_on_the_ports_of_a_closed_one_is_a_new_flow() -> None:
    whole = [there(SYN), back(SYN | ACK), there(ACK), there(FIN | ACK), back(FIN | ACK), there(ACK)]
    found = flows(*whole, there(SYN, at=2), back(SYN | ACK, at=2))
    assert [(flow.packets_out + flow.packets_in, flow.ending) for flow in found] == [(6, "closed"), (2, "capture_end")]


def test_after_the_time_out_it_is_a_new_flow_and_just_before_it_is_not() -> None:
    talk = [there(SYN), back(SYN | ACK), there(ACK)]
    assert len(flows(*talk, there(ACK, at=299))) == 1
    assert [flow.ending for flow in flows(*talk, there(ACK, at=301))] == ["idle", "capture_end"]


def test_idle_flows_leave_by_themselves() -> None:
    table = Table()
    for port in range(100):
        table.add(there(SYN, sport=1000 + port))
    table.add(there(SYN, at=62, sport=5000))
    table.drain()
    assert len(table.sifter.table) == 1
    assert len(table.found) == 100


def test_a_packet_out_of_the_future_does_not_stop_the_sweep() -> None:
    table = Table()
    table.add(there(SYN, at=1_000_000, sport=1))
    for number in range(100):
        table.add(there(SYN, at=number * 100, sport=1000 + number, dport=number + 1))
    assert len(table.sifter.table) < 100
    assert sum(flow.packets_out for flow in table.close()) == 101


def test_the_table_never_grows_beyond_its_bound_and_counts_what_it_cuts_short() -> None:
    table = Table(flows_max=50)
    for frame in (there(SYN), back(SYN | ACK), there(ACK), there(ACK, data=5)):
        table.add(frame)
    for number in range(500):
        table.add(there(SYN, sport=1024 + number, dport=9))
        assert len(table.sifter.table) <= 50
    assert table.sifter.table.evicted == 451
    found = table.close()
    assert len(found) == 501
    # the flood has pushed out its own attempts, not the conversation
    assert [flow.ending for flow in found if flow.state == "established"] == ["capture_end"]


def test_a_flow_that_goes_on_is_told_every_hour_and_once_more_when_it_ends() -> None:
    table = Table()
    for frame in (there(SYN), back(SYN | ACK), there(ACK)):
        table.add(frame)
    for at in range(0, 7_300, 100):
        table.add(there(ACK, at=at + 1, data=10))
    (whole,) = table.close()
    assert [(one.ending, one.time, one.payload_out) for one in table.hourly] == [
        ("open", START, 360),
        ("open", START, 720),
    ]
    assert (whole.ending, whole.payload_out, whole.frame) == ("capture_end", 730, 1)


def test_the_first_bytes_and_the_cards_of_both_sides_are_known() -> None:
    said = tcp(CLIENT, SERVER, 50_000, 22, ACK, b"SSH-2.0-x" + b"y" * 90)
    (flow,) = flows(
        there(SYN, dport=22),
        back(SYN | ACK, dport=22),
        there(ACK, dport=22),
        (START, said),
        back(ACK, data=3, dport=22),
    )
    assert flow.head_out[:9] == b"SSH-2.0-x"
    assert (len(flow.head_out), flow.head_in) == (64, b"xxx")
    assert (flow.src_mac, flow.dst_mac) == ("02:00:0a:0a:01:32", "02:00:c0:00:02:09")


def pieces(src: str, dst: str, payload: bytes, size: int) -> list[Frame]:
    """Return one UDP datagram in fragments of IPv4."""
    whole = udp(src, dst, 40_000, 53, payload)[34:]
    frames = []
    for at in range(0, len(whole), size):
        more = 0x2000 if at + size < len(whole) else 0
        packet = bytearray(ip(src, dst, 17, whole[at : at + size]))
        packet[4:8] = b"\x12\x34" + (more | at // 8).to_bytes(2, "big")
        frames.append((START + at, ethernet(src, dst, bytes(packet))))
    return frames


def test_fragments_belong_to_the_flow_of_their_first() -> None:
    found = flows(*pieces(CLIENT, SERVER, b"x" * 100, 48))
    assert [(flow.dport, flow.packets_out, flow.payload_out) for flow in found] == [(53, 3, 100)]


def test_what_a_tunnel_carries_is_a_flow_of_its_ends() -> None:
    inner = tcp(CLIENT, SERVER, 50_000, 443, SYN)
    ends = ("203.0.113.1", "203.0.113.2")
    packet = inner[14:]
    carried = [
        ip(*ends, 4, packet),
        ip(*ends, 47, b"\0\0\x08\0" + packet),
        ip(*ends, 47, b"\x10\0\x88\xbe\0\0\0\1" + bytes(8) + inner),
        udp(*ends, 5000, 6081, b"\1\0\x65\x58" + bytes(8) + inner)[14:],
        udp(*ends, 5000, 6081, b"\0\0\x08\0" + bytes(4) + packet)[14:],
        udp(*ends, 5000, 4789, b"\x08" + bytes(7) + inner)[14:],
    ]
    for one in carried:
        (flow,) = flows((START, ethernet(*ends, one)))
        assert (flow.src, flow.dst, flow.dport, flow.proto) == (CLIENT, SERVER, 443, TCP)
        assert flow.bytes_out == len(ethernet(*ends, one))


@pytest.mark.parametrize("head", [b"", b"\0\0" + bytes(6), b"\0\1\1\1kv" + bytes(9) + b"\0\0" + bytes(6)])
@pytest.mark.parametrize("ports", [(50_000, 3544), (3544, 50_000)])
def test_what_teredo_carries_is_a_flow_of_ipv6(head: bytes, ports: tuple[int, int]) -> None:
    one, other = "2001:db8::1", "2001:db8::2"
    inner = tcp(one, other, 50_000, 443, SYN)[14:]
    (flow,) = flows((START, udp("203.0.113.1", "203.0.113.2", *ports, head + inner)))
    assert (flow.src, flow.dst, flow.dport, flow.proto) == (one, other, 443, TCP)


def test_what_only_uses_a_tunnels_port_is_a_flow_itself() -> None:
    for port in (3544, 4789, 6081):
        (flow,) = flows((START, udp(CLIENT, SERVER, 50_000, port, b"\xc0\xa8 no tunnel")))
        assert (flow.src, flow.dport) == (CLIENT, port)


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (113, b"\0\0\0\1\0\6" + b"\2\0\x0a\x0a\1\x32" + b"\0\0\x08\0"),
        (276, b"\x08\0\0\0\0\0\0\1\0\1\0\6" + b"\2\0\x0a\x0a\1\x32\0\0"),
        (101, b""),
        (228, b""),
        (0, b"\2\0\0\0"),
        (9, b"\xff\3\0\x21"),
    ],
)
def test_a_packet_is_the_same_whatever_link_carried_it(link: int, head: bytes) -> None:
    sifter = Sifter(10)
    data = head + tcp(CLIENT, SERVER, 50_000, 443, SYN)[14:]
    sifter.feed(Batch(link, [(START, len(data), data)]))
    sifter.table.close()
    (flow,) = [item.told() for item in sifter.out if isinstance(item, Live)]
    assert (flow.src, flow.dst, flow.dport, flow.state, flow.bytes_out) == (
        CLIENT,
        SERVER,
        443,
        "unanswered",
        len(data),
    )


def test_extension_headers_and_two_tags_are_stepped_over() -> None:
    one, other = "2001:db8::1", "2001:db8::2"
    plain = tcp(one, other, 50_000, 443, SYN)
    packet = bytearray(plain[14:])
    packet[6] = 0
    packet[4:6] = (int.from_bytes(packet[4:6], "big") + 8).to_bytes(2, "big")
    packet[40:40] = b"\x06\0" + bytes(6)
    frame = plain[:12] + b"\x88\xa8\0\x07\x81\0\0\x2a\x86\xdd" + bytes(packet)
    (flow,) = flows((START, frame))
    assert (flow.src, flow.dst, flow.dport, flow.vlan, flow.state) == (one, other, 443, 7, "unanswered")


def _ends(src: str, dst: str) -> bool:
    return (":" in src) == (":" in dst)


hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "224.0.0.251"])
ports = st.sampled_from([0, 3, 8, 53, 80, 1024, 50_000])
flags = st.sampled_from([0, SYN, SYN | ACK, ACK, PSH | ACK, FIN, FIN | ACK, RST, FIN | PSH | URG])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    src, dst = draw(hosts), draw(hosts)
    if not _ends(src, dst):
        dst = src
    data = draw(st.sampled_from([b"", b"x" * 100]))
    kind = draw(st.sampled_from([1, 2, 6, 17, 58]))
    if kind == 6:
        whole = tcp(src, dst, draw(ports), draw(ports), draw(flags), data)
    elif kind == 17:
        whole = udp(src, dst, draw(ports), draw(ports), data)
    else:
        whole = ethernet(
            src, dst, ip(src, dst, kind, bytes((draw(st.sampled_from([0, 3, 8, 128, 129])), 1)) + bytes(6))
        )
    time = START + draw(st.integers(0, 20_000)) * SECOND // 2
    return time, tagged(whole, draw(st.sampled_from([0, 7])))


@given(seen=st.lists(frames(), max_size=60), flows_max=st.integers(1, 8))
def test_every_packet_and_byte_is_counted_exactly_once(seen: list[Frame], flows_max: int) -> None:
    table = Table(flows_max)
    for frame in seen:
        table.add(frame)
        assert len(table.sifter.table) <= flows_max
    found = table.close()
    assert sum(flow.packets_out + flow.packets_in for flow in found) == len(seen)
    assert sum(flow.bytes_out + flow.bytes_in for flow in found) == sum(len(data) for _, data in seen)
    assert all(flow.time <= flow.end for flow in found)
    assert len(table.sifter.table) == 0


@given(seen=st.lists(frames(), max_size=60), cuts=st.lists(st.integers(1, 9), max_size=20))
def test_what_comes_out_does_not_depend_on_how_packets_come_in_batches(seen: list[Frame], cuts: list[int]) -> None:
    one, other = Sifter(5), Sifter(5)
    packets = [(time, len(data), data) for time, data in seen]
    one.feed(Batch(1, packets))
    at = 0
    for cut in [*cuts, len(packets)]:
        other.feed(Batch(1, packets[at : at + cut]))
        at += cut
    one.table.close()
    other.table.close()
    assert one.stream == other.stream
    told = [[item.told() for item in sifter.out if isinstance(item, Live)] for sifter in (one, other)]
    assert told[0] == told[1]


@given(data=st.binary(max_size=90), link=st.sampled_from([0, 1, 9, 101, 113, 276, 9999]), kind=st.integers(0, 3))
def test_no_packet_breaks_it(data: bytes, link: int, kind: int) -> None:
    if kind:
        data = bytes(12) + (b"\x08\0\x45\0", b"\x86\xdd\x60\0", b"\x81\0\0\1\x08\0\x45\0")[kind - 1] + data
    sifter = Sifter(10)
    sifter.feed(Batch(link, [(START, len(data), data)]))
    assert sifter.packets == 1
    assert sifter.not_ip + len(sifter.table) == 1
