"""How many packets a CPU second the sensor reads, beside raw tshark and pyshark on the same packets in the same run.

    python tests/bench/sense.py --captures FOLDER -n 300000
    python tests/bench/sense.py --captures FOLDER --lost

FOLDER holds captures; those of Ethernet are put one behind the other, each by at most so many packets, until there are
enough: the mix. The bulk mix is one fifth of that and four fifths downloads: the largest TCP packets of one capture
(`--bulk`) again and again, with sequence numbers that go on, 5,000 packets a connection. Measured is
the CPU time of all processes together: `raw` is `tshark -T fields` with 27 fields, `records` our two tiers, `findings`
the same with all detections (`sentinel sense --pcap FILE --findings`), `sense` with all detections and every record
made into a line for the spool, `pyshark` its default on the first packets of the mix. Medians of the rounds, one JSON
line a mix. `--lost` counts distinct values that full dissection finds in the mix and the sensor's selection does not.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from struct import pack
from time import monotonic

from pyshark import FileCapture

from sentinel.core.clock import SystemClock
from sentinel.sense.applications import Http, Kerberos, Smb, Ssh, Tls
from sentinel.sense.filepass import FilePass
from sentinel.sense.formats import FormatError, Stream
from sentinel.sense.protocols.common import TEXT_MAX
from sentinel.sense.records import SECOND, Dns
from sentinel.sense.sensor import read_pcap
from sentinel.sense.settings import SenseSettings
from sentinel.sense.sift import PCAP_HEADER

SHARE_MAX = 3_000
PYSHARK_PACKETS = 4_000
CONNECTION_PACKETS = 5_000
START = 1_780_000_000 * SECOND
FIELDS = (
    "frame.time_epoch", "frame.len", "frame.protocols", "eth.src", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
    "ip.proto", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "udp.srcport", "udp.dstport", "icmp.type",
    "dns.qry.name", "dns.flags.rcode", "dns.a", "tls.handshake.extensions_server_name", "tls.handshake.ja3",
    "http.host", "http.request.uri", "smb2.filename", "kerberos.CNameString", "ssh.protocol", "dhcp.option.dhcp",
)  # fmt: skip
Packet = tuple[int, bytes]


def packets(path: Path) -> list[Packet]:
    """Return the packets of a capture of Ethernet with their times from 0 on; none if it is of something else."""
    found: list[Packet] = []
    stream = Stream()
    try:
        for batch in stream.feed(path.read_bytes()):
            if batch.link != 1:
                return []
            found += [(time, data) for time, _, data in batch.packets]
    except FormatError:
        return []
    begin = min((time for time, _ in found), default=0)
    return [(time - begin, data) for time, data in found]


def elsewhere(data: bytes, again: int) -> bytes:
    """Return the frame with other IPv4 addresses on both sides, so that the same packets are other conversations."""
    if not again or data[12:14] != b"\x08\0" or len(data) < 34:
        return data
    return data[:28] + bytes((data[28] ^ again & 0xFF,)) + data[29:32] + bytes((data[32] ^ again & 0xFF,)) + data[33:]


def mixed(captures: Sequence[list[Packet]], count: int) -> Iterator[Packet]:
    """Yield so many packets: each capture in turn, two minutes apart, its own times at most ten minutes long."""
    now, again = START, 0
    while count > 0:
        for capture in captures:
            share = capture[: min(SHARE_MAX, count)]
            count -= len(share)
            end = now
            for time, data in share:
                end = max(end, now + min(time, 600 * SECOND))
                yield now + min(time, 600 * SECOND), elsewhere(data, again)
            now = end + 120 * SECOND
            if count <= 0:
                return
        again += 1


def write(path: Path, frames: Iterator[Packet]) -> int:
    """Write a capture and return how many packets it has."""
    count = 0
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        for time, data in frames:
            file.write(pack("<IIII", time // SECOND, time % SECOND, len(data), len(data)) + data)
            count += 1
    return count


def cost(work: Callable[[Path], object], path: Path) -> tuple[float, float]:
    """Return the CPU seconds of all processes and the seconds that `work` takes, run in a process of its own."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic()
    child = os.fork()
    if child == 0:
        work(path)
        os._exit(0)
    os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, monotonic() - begun


def raw(path: Path) -> None:
    """Let tshark write 27 fields of every packet."""
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *fields]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def records(path: Path) -> None:
    """Read every packet with the two tiers."""
    for _ in FilePass(path, SenseSettings()):
        pass


def findings(path: Path) -> None:
    """Read every packet and look for everything."""
    read_pcap(path, "bench", SystemClock()).skim()


def sense(path: Path) -> None:
    """Read every packet, look for everything, and make lines of all."""
    for _ in read_pcap(path, "bench", SystemClock()):
        pass


def pyshark(path: Path) -> None:
    """Read every packet as pyshark does by default."""
    with FileCapture(str(path), keep_packets=False) as capture:
        for _ in capture:
            pass


def figures(path: Path, count: int, rounds: int) -> dict[str, object]:
    """Return packets a CPU second of each way, in turn, and their ratios."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for work in (raw, records, findings, sense):
            taken.setdefault(work.__name__, []).append(cost(work, path))
    speed = {name: count / median(cpu for cpu, _ in times) for name, times in taken.items()}
    wall = {name: count / median(seconds for _, seconds in times) for name, times in taken.items()}
    whole = FilePass(path, SenseSettings())
    for _ in whole:
        pass
    return {
        "packets": count,
        "shown_percent": round(100 * whole.selected / count, 1),
        **{f"{name}_per_cpu_second": round(value) for name, value in speed.items()},
        "records_to_raw": round(speed["records"] / speed["raw"], 2),
        "findings_to_raw": round(speed["findings"] / speed["raw"], 2),
        "sense_to_raw": round(speed["sense"] / speed["raw"], 2),
        "records_to_raw_by_the_clock": round(wall["records"] / wall["raw"], 2),
    }


VALUES: dict[str, tuple[str, ...]] = {
    "DNS names": ("dns.qry.name",),
    "SNI": ("tls.handshake.extensions_server_name",),
    "JA3": ("tls.handshake.ja3",),
    "JA3S": ("tls.handshake.ja3s",),
    "HTTP URIs": ("http.request.uri",),
    "HTTP hosts": ("http.host",),
    "SMB trees": ("smb2.tree",),
    "SMB files": ("smb2.filename",),
    "SSH": ("ssh.protocol",),
    "Kerberos services": ("kerberos.SNameString",),
    "certificates": ("x509af.serialNumber", "tls.handshake.certificate_length"),
}


def full(path: Path) -> dict[str, set[str]]:
    """Return the distinct values that full dissection finds."""
    fields = [field for some in VALUES.values() for field in some]
    words = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-n", "-r", str(path), "-o", "http.desegment_body:FALSE", "-T", "fields", "-E", "occurrence=f"]
    out = subprocess.check_output([*command, *words], stderr=subprocess.DEVNULL, text=True)
    found: dict[str, set[str]] = {name: set() for name in VALUES}
    for line in out.splitlines():
        cells = iter(line.split("\t"))
        for name, wanted in VALUES.items():
            given = [next(cells, "") for _ in wanted]
            if all(given):
                found[name].add(given[0][:TEXT_MAX])
    return found


def ours(path: Path) -> dict[str, set[str]]:
    """Return the distinct values in the sensor's records."""
    found: dict[str, set[str]] = {name: set() for name in VALUES}
    for one in FilePass(path, SenseSettings()):
        match one:
            case Dns(service="nbns"):
                pass
            case Dns():
                found["DNS names"].add(one.name)
            case Tls():
                for name, value in (("SNI", one.sni), ("JA3", one.ja3), ("JA3S", one.ja3s)):
                    found[name].add(value)
                found["certificates"].update(certificate.serial for certificate in one.certificates)
            case Http(kind="request"):
                found["HTTP URIs"].add(one.uri)
                found["HTTP hosts"].add(one.host)
            case Smb():
                found["SMB trees"].add(one.tree)
                found["SMB files"].add(one.file)
            case Ssh():
                found["SSH"] |= {one.client, one.server}
            case Kerberos():
                found["Kerberos services"].update(one.service.split("/"))
            case _:
                pass
    return found


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Build the mixes, measure, print."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--captures", type=Path, required=True)
    given.add_argument("--bulk", default="zk_http__bro.org.pcap", help="the capture with a download, in the folder")
    given.add_argument("-n", type=int, default=300_000)
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--lost", action="store_true")
    options = given.parse_args()
    captures = [found for path in sorted(options.captures.glob("*.pcap*")) if (found := packets(path))]
    heavy = [data for _, data in packets(options.captures / options.bulk) if len(data) > 1400 and data[23] == 6]
    with tempfile.TemporaryDirectory() as folder:
        mix, bulk, little = (Path(folder) / f"{name}.pcap" for name in ("mix", "bulk", "little"))
        count = write(mix, mixed(captures, options.n))
        if options.lost:
            whole, selected = full(mix), ours(mix)
            kept = {name: f"{len(whole[name] & selected[name])}/{len(whole[name])}" for name in VALUES}
            say(json.dumps(kept))
            return
        fifth = list(mixed(captures, options.n // 5))
        write(bulk, _bulk(fifth, heavy, options.n))
        say(json.dumps({"mix": "mix", **figures(mix, count, options.rounds)}))
        say(json.dumps({"mix": "bulk", **figures(bulk, options.n, options.rounds)}))
        write(little, mixed(captures, PYSHARK_PACKETS))
        slow = PYSHARK_PACKETS / cost(pyshark, little)[0]
        fast = count / cost(records, mix)[0]
        told = {"pyshark_per_cpu_second": round(slow), "records_to_pyshark": round(fast / slow, 1)}
        say(json.dumps(told))


def _bulk(fifth: list[Packet], heavy: list[bytes], count: int) -> Iterator[Packet]:
    # four packets of a download behind each of the others
    at, sequence = 0, 1
    for time, data in fifth:
        yield time, data
        for _ in range(count // len(fifth) - 1):
            frame = heavy[0][:38] + pack("!I", sequence & 0xFFFFFFFF) + heavy[at % len(heavy)][42:]
            sequence += len(frame) - 54
            yield time, elsewhere(frame, at // CONNECTION_PACKETS)
            at += 1


if __name__ == "__main__":
    main()
