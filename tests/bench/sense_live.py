"""How the sensor keeps pace with an interface: packets lost, how late records come, how much memory it takes.

    python tests/bench/sense_live.py --captures FOLDER -n 1500000 --pace 50000

Runs in a network namespace of its own. The mix of `tests/bench/sense.py` is sent on one end of a cable, so many packets
a second, and the sensor listens at the other. One JSON line: what was sent, seen and dropped by the kernel; how long
after its packet a record that tshark made was written (p50, p95, s); the greatest memory of all processes (MB).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import monotonic, sleep

from sentinel.core.clock import SystemClock
from sentinel.core.event import Raw
from sentinel.sense.live import Live, LiveSettings
from tests.bench.sense import mixed, packets, say, write

SENDER = Path(__file__).parents[1] / "sense" / "replay.py"
DISSECTED = (b'"type":"dns"', b'"type":"http"', b'"type":"smb"', b'"type":"kerberos"', b'"type":"mail"')


def memory(pid: int) -> int:
    """Return the resident bytes of a process and all below it."""
    total = 0
    try:
        words = Path(f"/proc/{pid}/statm").read_text().split()
        total = int(words[1]) * os.sysconf("SC_PAGE_SIZE")
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return total
    return total + sum(memory(int(child)) for child in below)


def inside() -> None:
    """Begin anew in a namespace of our own, unless that has been done."""
    if os.environ.get("SENTINEL_BENCH") != "inside":
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.environ["SENTINEL_BENCH"] = "inside"
        os.execvp("unshare", ["unshare", *user, "--net", sys.executable, *sys.argv])  # noqa: S606  ourselves
    for words in (
        "link set lo up", "link add va type veth peer name vb", "link set va up", "link set vb up",
        "link set va txqueuelen 10000",
    ):  # fmt: skip
        subprocess.run(["ip", *words.split()], check=True)


def main() -> None:
    """Listen, send, say."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--captures", type=Path, required=True)
    given.add_argument("-n", type=int, default=1_500_000)
    given.add_argument("--pace", type=int, default=50_000)
    options = given.parse_args()
    inside()
    late: list[float] = []
    written = 0
    most = 0

    def put(raws: Sequence[Raw]) -> None:
        nonlocal written
        written += len(raws)
        now = datetime.now(UTC).timestamp()
        for raw in raws[::10]:
            if any(kind in raw.body[:40] for kind in DISSECTED):
                stamp = json.loads(raw.body)["time"]
                late.append(now - datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mix.pcap"
        captures = [found for one in sorted(options.captures.glob("*.pcap*")) if (found := packets(one))]
        write(path, mixed(captures, 100_000))
        live = Live(["vb"], LiveSettings(), put, SystemClock())
        ended = threading.Event()
        listening = threading.Thread(target=live.run, args=(ended.is_set,))
        listening.start()
        sleep(2)
        begun = monotonic()
        sender = subprocess.Popen(
            [sys.executable, str(SENDER), "va", str(path), str(options.pace), str(options.n)],
            stdout=subprocess.PIPE,
            text=True,
        )
        while sender.poll() is None:
            most = max(most, memory(os.getpid()) - memory(sender.pid))
            sleep(0.5)
        took = monotonic() - begun
        sent = int(sender.communicate()[0])
        sleep(3)
        ended.set()
        listening.join()
    (wire,) = live.wires
    marks = quantiles(late, n=100) if len(late) > 1 else [0.0] * 99
    say(
        json.dumps(
            {
                "sent": sent,
                "sent_per_second": round(sent / took),
                "seen": wire.sifter.packets,
                "dropped": wire.dropped,
                "shown": wire.sifter.shown,
                "missed": wire.missed,
                "records": written,
                "lag_p50_seconds": round(marks[49], 3),
                "lag_p95_seconds": round(marks[94], 3),
                "depth": wire.per_flow,
                "memory_megabytes": round(most / 1e6),
            }
        )
    )


if __name__ == "__main__":
    main()
