"""Capture formats: packets come out as they went in, however the stream is cut, and damage is said."""

import gzip
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import Exit
from sentinel.sense.filepass import CaptureError, FilePass
from sentinel.sense.formats import FormatError, Stream
from sentinel.sense.records import Flow
from sentinel.sense.settings import SenseSettings
from sentinel.testing.packets import SECOND, Frame, udp, write_pcap

START = 1_780_000_000 * SECOND
Write = Callable[[Iterable[Frame]], Path]


def datagrams(count: int) -> list[Frame]:
    return [(START + number, udp("192.0.2.1", "192.0.2.2", 1000 + number % 5000, 9, b"x")) for number in range(count)]


def read(data: bytes, *cuts: int) -> tuple[list[tuple[int, int, int, bytes]], str]:
    """Return every packet with its link type, and what is wrong with the end."""
    stream = Stream()
    found = []
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in pairwise(edges):
        for batch in stream.feed(data[start:end]):
            found += [(batch.link, *packet) for packet in batch.packets]
    return found, stream.end()


def pcap(packets: list[tuple[int, bytes]], order: str = "<", magic: int = 0xA1B2C3D4, tick: int = 1000) -> bytes:
    data = pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262_144, 1)
    for time, body in packets:
        data += pack(f"{order}IIII", time // SECOND, time % SECOND // tick, len(body), len(body) + 5) + body
    return data


def block(order: str, kind: int, body: bytes) -> bytes:
    length = 12 + len(body) + -len(body) % 4
    return pack(f"{order}II", kind, length) + body + bytes(-len(body) % 4) + pack(f"{order}I", length)


def pcapng(packets: list[tuple[int, bytes]], order: str = "<") -> bytes:
    # two interfaces: Ethernet with µs, raw IP with ns; an obsolete and a simple packet, and a block to be skipped
    data = block(order, 0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(order, 1, pack(f"{order}HHI", 1, 0, 0))
    data += block(order, 1, pack(f"{order}HHI", 101, 0, 0) + pack(f"{order}HHB3xHH", 9, 1, 9, 0, 0))
    data += block(order, 4, b"names")
    for number, (time, body) in enumerate(packets):
        ticks = time if number % 2 else time // 1000
        head = pack(f"{order}IIIII", number % 2, ticks >> 32, ticks & 0xFFFFFFFF, len(body), len(body) + 5)
        data += block(order, 6, head + body)
    return data


PACKETS = [(START + number * 1000, bytes(40 + number)) for number in range(5)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_a_pcap_of_either_order_and_precision_is_read(order: str, magic: int, tick: int) -> None:
    found, end = read(pcap(PACKETS, order, magic, tick))
    assert found == [(1, time, len(body) + 5, body) for time, body in PACKETS]
    assert end == ""


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_with_two_interfaces_is_read(order: str) -> None:
    found, end = read(pcapng(PACKETS, order))
    assert found == [(101 if at % 2 else 1, time, len(body) + 5, body) for at, (time, body) in enumerate(PACKETS)]
    assert end == ""


@given(cuts=st.lists(st.integers(0, 700), max_size=12), new=st.booleans())
def test_packets_are_the_same_however_the_stream_is_cut(cuts: list[int], *, new: bool) -> None:
    data = pcapng(PACKETS) if new else pcap(PACKETS)
    assert read(data, *cuts) == read(data)


@given(at=st.integers(28, 400), noise=st.binary(min_size=1, max_size=30), new=st.booleans())
def test_damage_never_breaks_it_and_what_was_read_before_it_stays(at: int, noise: bytes, *, new: bool) -> None:
    data = pcapng(PACKETS) if new else pcap(PACKETS)
    before = [packet for _, *packet in read(data[:at])[0]]
    found: list[list[object]] = []
    try:
        for batch in Stream().feed(data[:at] + noise + data[at + len(noise) :]):
            found += [[*packet] for packet in batch.packets]
    except FormatError:
        pass
    assert found[: len(before)] == before


def test_a_packet_that_is_cut_off_is_said() -> None:
    for data in (pcap(PACKETS), pcapng(PACKETS)):
        found, end = read(data[:-7])
        assert (len(found), end) == (4, "cut short in the middle of a packet")


def test_a_capture_without_packets_is_one() -> None:
    assert read(pcap([])) == ([], "")
    assert read(pcapng([])) == ([], "")


def reading(path: Path) -> tuple[int, list[str]]:
    whole = FilePass(path, SenseSettings())
    flows = [record for record in whole if isinstance(record, Flow)]
    return sum(flow.packets_out + flow.packets_in for flow in flows), whole.problems


def test_a_gzipped_capture_is_read_too(capture: Write, tmp_path: Path) -> None:
    packed = tmp_path / "capture.pcap.gz"
    packed.write_bytes(gzip.compress(capture(datagrams(5)).read_bytes()))
    assert reading(packed) == (5, [])
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(CaptureError, match="damaged gzip"):
        reading(packed)


def test_a_file_called_like_an_option_is_a_file(
    capture: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-", "-w", "a b;c$(d)"):
        capture(datagrams(2)).rename(tmp_path / name)
        assert reading(Path(name)) == (2, [])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _huge_packet(path: Path) -> None:
    path.write_bytes(path.read_bytes() + pack("<IIII", 1, 0, 0x7FFFFFFF, 0x7FFFFFFF) + b"x" * 50)


@pytest.mark.parametrize(
    ("damage", "words"), [(_cut, "cut short in the middle of a packet"), (_huge_packet, "2147483647 bytes is damage")]
)
def test_a_damaged_capture_gives_what_can_be_read_and_says_so(
    capture: Write, damage: Callable[[Path], None], words: str
) -> None:
    path = capture(datagrams(20))
    damage(path)
    count, (problem,) = reading(path)
    assert count >= 19
    assert words in problem
    assert f"{count} packets, is kept" in problem


def test_a_link_type_that_is_not_known_is_an_error_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    write_pcap(path, datagrams(1), link=9999)
    with pytest.raises(CaptureError, match="link type 9999 cannot be read") as error:
        reading(path)
    assert error.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    "content", [b"", b"x", b"GET / HTTP/1.1\r\n\r\n", b'{"a": 1}' * 9, b"\x1f\x8b", b"\x1f\x8b\x08" + b"x" * 50]
)
def test_what_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"file\.pcap"):
        reading(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CaptureError, match="directory"):
            reading(path)
