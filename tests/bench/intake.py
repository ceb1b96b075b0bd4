"""How many messages a second an entrance takes onto disk on one core, and how many Debian's rsyslog takes of the same.

    python tests/bench/intake.py --entrance relp,lumberjack,tcp -n 200000

The entrance writes into a real spool in a process that is bound to one core; the sender has another. A message counts
when it was answered, without an answer in the protocol when it is in the spool. rsyslog writes the same lines to a file
(omfile, sync on, behind a disk-assisted queue with synced files), from the first line sent to the last one written; its
RELP answers before that. It reads no Lumberjack and no HTTP, and its TLS is another package: beside these stands its
plain TCP. UDP is sent as fast as one sender can; what was kept and what was counted as lost have to be what was sent
(`unaccounted`). One JSON line an entrance.
"""

import argparse
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from struct import pack

import trustme

from sentinel.collect.relp_frames import frame
from sentinel.spool.disk import DiskSpool
from tests.collect.serving import TOKEN

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 300
WINDOW = 2048
BLOCK = 512
_NUMBER = re.compile(rb"number (\d{8}) ")
_RSYSLOG = """
global(workDirectory="%(folder)s" maxMessageSize="64k")
module(load="%(module)s")
input(type="%(module)s" port="%(port)d" ruleset="in")
template(name="raw" type="string" string="%%rawmsg%%\\n")
ruleset(name="in") {
  action(type="omfile" file="%(folder)s/out.log" template="raw" sync="on"
         queue.type="LinkedList" queue.filename="q" queue.syncqueuefiles="on" queue.checkpointinterval="1"
         queue.size="100000" queue.timeoutEnqueue="60000" queue.dequeueBatchSize="1024")
}
"""


SENDERS = 4
"""So many connections post at once: one would wait for each answer before it sends more."""
QUIET_SECONDS = 1.5

Sending = Callable[[int], None]
"""Sends what was made ready to a port and returns when all has been answered, or sent if nothing answers."""


@dataclass(frozen=True)
class Way:
    """How lines get in: the entrance's kind in serving.py, rsyslog's module, and who makes the senders to each."""

    kind: str
    module: str
    sender: Callable[[Sequence[bytes]], Sending]
    rsyslog_sender: Callable[[Sequence[bytes]], Sending]
    tls: bool = False
    lossy: bool = False


def lines_of(count: int) -> list[bytes]:
    """Return distinct messages of 300 bytes."""
    heads = (b"<13>1 2026-11-23T08:15:00Z web1 app - - - number %08d " % number for number in range(count))
    return [head + b"x" * (LENGTH - len(head)) for head in heads]


def parts_of(lines: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    """Return the lines in parts of `size`."""
    return [lines[at : at + size] for at in range(0, len(lines), size)]


def over_tcp(lines: Sequence[bytes]) -> Sending:
    """Send lines, each ended by a line feed."""
    blocks = [b"\n".join(part) + b"\n" for part in parts_of(lines, BLOCK)]

    def send(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            for block in blocks:
                sock.sendall(block)

    return send


def over_tls(lines: Sequence[bytes]) -> Sending:
    """Send lines over TLS, each ended by a line feed."""
    blocks = [b"\n".join(part) + b"\n" for part in parts_of(lines, BLOCK)]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # what is measured is the other side

    def send(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as sock:
            for block in blocks:
                sock.sendall(block)

    return send


def over_udp(lines: Sequence[bytes]) -> Sending:
    """Send lines, a datagram each, as fast as can be."""

    def send(port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            for line in lines:
                sock.send(line)

    return send


def over_http(lines: Sequence[bytes]) -> Sending:
    """Post lines, WINDOW a request, by several connections at once."""
    bodies = [b"\n".join(part) + b"\n" for part in parts_of(lines, WINDOW)]
    headers = {"Content-Type": "text/plain", "Authorization": f"Bearer {TOKEN}"}

    def post(port: int, share: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for body in share:
            connection.request("POST", "/v1/events", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise ConnectionError(said)
        connection.close()

    def send(port: int) -> None:
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(lambda at: post(port, bodies[at::SENDERS]), range(SENDERS)))

    return send


def over_relp(lines: Sequence[bytes]) -> Sending:
    """Send lines over RELP."""
    frames = [frame(txnr, b"syslog", line) for txnr, line in enumerate(lines, start=2)]
    blocks = [(b"".join(part), len(part)) for part in parts_of(frames, BLOCK)]

    def send(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(frame(1, b"open", b"relp_version=0\nrelp_software=bench\ncommands=syslog"))
            data = b""
            while not data.endswith(b"commands=syslog\n"):
                data += sock.recv(4096)
            _answered(sock, blocks, lambda data: data.count(b"\n"), WINDOW)

    return send


def over_lumberjack(lines: Sequence[bytes]) -> Sending:
    """Send lines as Filebeat does: compressed windows of 2048, two on the way."""
    parts = parts_of([_document(number, line) for number, line in enumerate(lines)], WINDOW)
    windows = [(_window(part), len(part)) for part in parts]

    def send(port: int) -> None:
        left, rest = [len(part) for part in parts], bytearray()

        def answers(data: bytes) -> int:
            rest.extend(data)
            done = 0
            while len(rest) >= 6:
                if int.from_bytes(rest[2:6], "big") == left[0]:  # anything less only says: still alive
                    done += left.pop(0)
                del rest[:6]
            return done

        with socket.create_connection(("127.0.0.1", port)) as sock:
            _answered(sock, windows, answers, 2 * WINDOW)

    return send


def _answered(
    sock: socket.socket, blocks: Sequence[tuple[bytes, int]], answers: Callable[[bytes], int], most: int
) -> None:
    """Send blocks of so many messages, at most `most` on the way; `answers` counts the messages some bytes answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    way, changed, total = 0, threading.Condition(), sum(size for _, size in blocks)

    def hear() -> None:
        nonlocal way
        done = 0
        while done < total:
            data = sock.recv(1 << 16)
            if not data:
                raise ConnectionError("the other side has ended the connection")
            count = answers(data)
            done += count
            with changed:
                way -= count
                changed.notify()

    listener = threading.Thread(target=hear)
    listener.start()
    for block, size in blocks:
        with changed:
            while way + size > most:
                changed.wait()
            way += size
        sock.sendall(block)
    listener.join()


def _document(number: int, line: bytes) -> bytes:
    return (
        b'{"@timestamp":"2026-11-23T08:15:00.%03dZ","@metadata":{"beat":"filebeat","type":"_doc","version":"8.15.0"},'
        b'"agent":{"id":"0b3ec0de-0000-4000-8000-000000000001","type":"filebeat","version":"8.15.0"},"log":{"offset":%d,'
        b'"file":{"path":"/var/log/app.log","inode":"131","device_id":"2049"}},"host":{"name":"web1"},"message":"%b"}'
    ) % (number % 1000, number * (LENGTH + 1), line)


def _window(documents: Sequence[bytes]) -> bytes:
    inner = b"".join(pack(">2sII", b"2J", seq, len(one)) + one for seq, one in enumerate(documents, start=1))
    packed = zlib.compress(inner, 3)
    return pack(">2sI", b"2W", len(documents)) + pack(">2sI", b"2C", len(packed)) + packed


WAYS = {
    "tcp": Way("tcp", "imtcp", over_tcp, over_tcp),
    "relp": Way("relp", "imrelp", over_relp, over_relp),
    "lumberjack": Way("beats", "imtcp", over_lumberjack, over_tcp),
    "http": Way("http", "imtcp", over_http, over_tcp),
    "tls": Way("tcp", "imtcp", over_tls, over_tcp, tls=True),
    "udp": Way("udp", "imudp", over_udp, over_udp, lossy=True),
}


@contextmanager
def running(command: Sequence[str], core: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on one core; end it orderly."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def waited(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until it holds; say whether it came to pass."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def sentinel(way: Way, send: Sending, count: int, folder: Path, core: int) -> tuple[float, int, int]:
    """Return how long the entrance took, how many lines it lost, and how many of these it does not account for."""
    if way.tls:
        issued = trustme.CA().issue_cert("localhost")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        for pem in issued.cert_chain_pems:
            pem.write_to_path(folder / "cert.pem", append=True)
    serving = str(ROOT / "tests/collect/serving.py")
    with running([sys.executable, serving, way.kind, "0", str(folder)], core) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with DiskSpool(folder / "spool", ballast_bytes=0) as spool:
            took = _timed(lambda: send(port), lambda: spool.last, count, lossy=way.lossy)
            found: set[bytes] = set()
            after = 0
            while entries := spool.read(after, 10_000):
                after = entries[-1].seq
                found.update(_NUMBER.findall(entry.raw.body)[0] for entry in entries)
        process.terminate()
        counted = json.loads(process.stdout.readline())
    lost = count - len(found)
    return took, lost, lost - sum(number for name, number in counted.items() if name.startswith("dropped_"))


def _timed(send: Callable[[], None], kept: Callable[[], int], count: int, *, lossy: bool) -> float:
    """Return the seconds from the first line sent to the last one kept; where some get lost, until nothing comes."""
    start = last = time.monotonic()
    send()
    have = -1
    while have < count and time.monotonic() - last < (QUIET_SECONDS if lossy else 60):
        now = kept()
        if now != have:
            have, last = now, time.monotonic()
        time.sleep(0.01)
    return last - start


def rsyslog(way: Way, send: Sending, count: int, folder: Path, core: int) -> tuple[float, int, int]:
    """Return how long rsyslog took, how many lines it lost, and the same again: it accounts for none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    conf, out = folder / "rsyslog.conf", folder / "out.log"
    conf.write_text(_RSYSLOG % {"folder": folder, "module": way.module, "port": port}, "utf-8")
    with running(["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(folder / "pid")], core):
        if not waited(lambda: _answers(port, udp=way.module == "imudp"), 10):
            raise ConnectionError("rsyslog does not listen")
        written = lambda: out.stat().st_size // (LENGTH + 1) if out.exists() else 0  # noqa: E731  used once, here
        took = _timed(lambda: send(port), written, count, lossy=way.lossy)
    lost = count - len(set(_NUMBER.findall(out.read_bytes())))
    return took, lost, lost


def _answers(port: int, *, udp: bool) -> bool:
    if udp:
        return f":{port:04X} " in Path("/proc/net/udp").read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entrance", default=",".join(WAYS), help=f"some of {','.join(WAYS)}")
    parser.add_argument("-n", type=int, default=200_000, help="how many messages")
    parser.add_argument("--core", type=int, default=0, help="the core of the receiver; the sender has the others")
    parser.add_argument("--rounds", type=int, default=1, help="how often; the median counts")
    asked = parser.parse_args()
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {asked.core} or {asked.core})
    lines = lines_of(asked.n)
    for name in asked.entrance.split(","):
        way = WAYS[name]
        figures: dict[str, list[float]] = {"per_second": [], "rsyslog_per_second": []}
        lost, unaccounted = [0, 0], [0, 0]
        senders = way.sender(lines), way.rsyslog_sender(lines)
        for _ in range(asked.rounds):
            for at, (measure, figure) in enumerate(((sentinel, "per_second"), (rsyslog, "rsyslog_per_second"))):
                with tempfile.TemporaryDirectory(prefix="intake-", dir="/var/tmp") as folder:
                    took, missing, unknown = measure(way, senders[at], asked.n, Path(folder), asked.core)
                figures[figure].append((asked.n - missing) / took)
                lost[at] += missing
                unaccounted[at] += unknown
        ours, theirs = (round(median(rates)) for rates in figures.values())
        row = {
            "entrance": name, "messages": asked.n * asked.rounds, "per_second": ours, "lost": lost[0],
            "unaccounted": unaccounted[0], "rsyslog": way.module, "rsyslog_per_second": theirs, "rsyslog_lost": lost[1],
            "ratio": round(ours / theirs, 2),
        }  # fmt: skip
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
