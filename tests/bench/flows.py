"""How many datagrams and flows a second the NetFlow entrance reads, and the pack makes events of, on one core.

    python tests/bench/flows.py -n 2000

Datagrams of v5 (30 flows) and v9 (22 flows of 17 fields) with addresses that differ; CPU seconds, no disk and no
network. One JSON line a version.
"""

import argparse
import json
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from struct import pack
from time import process_time

from sentinel.collect.datagrams import Datagram, _Receiver
from sentinel.collect.netflow import Netflow
from sentinel.core.clock import SystemClock
from sentinel.core.event import Raw
from sentinel.parse.packs import load_one
from tests.collect.exporting import block, templates, v5, v9

PACK = Path(__file__).resolve().parents[2] / "parsers/netflow"
FIELDS = (
    (8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 8), (2, 8), (22, 4), (21, 4), (10, 4), (14, 4), (5, 1),
    (16, 4), (17, 4), (15, 4), (61, 1),
)  # fmt: skip
PARSED_MAX = 20_000


def flow(rng: Random) -> bytes:
    """Return a record of FIELDS."""
    ends = pack("!BBBB", 10, *rng.randbytes(3)) + socket.inet_aton(f"203.0.113.{rng.randrange(256)}")
    counted = pack("!HHBBQQ", rng.randrange(65_536), 443, 6, 0x1B, rng.randrange(1 << 20), 14)
    where = pack("!IIIIBII", 540_000, 590_000, 2, 7, 0, 64_500, 64_501)
    return ends + counted + where + socket.inet_aton("192.0.2.1") + b"\0"


def read(datagrams: Sequence[bytes], folder: Path) -> tuple[list[Raw], float]:
    """Return the records of datagrams that wait in the entrance's queue, and the seconds it took."""
    clock = SystemClock()
    entrance = Netflow("bench", clock, mark=folder / "templates")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        entrance._receivers = [_Receiver(sock, clock, (0, 0), lambda _: True)]
    entrance._receivers[0].queue.extend(Datagram(data, ("192.0.2.1", 2055), clock.now()) for data in datagrams)
    records: list[Raw] = []
    began = process_time()
    while entrance.queued:
        records += entrance._batch()
    return records, process_time() - began


def main() -> None:
    """Measure both versions."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("-n", type=int, default=2000, help="datagrams")
    count = options.parse_args().n
    rng = Random(17)  # noqa: S311  repeatable, not secret
    sets = [block(256, b"".join(flow(rng) for _ in range(22))) for _ in range(count)]
    nine = [v9(templates(9, (256, FIELDS))), *(v9(one, sequence=at) for at, one in enumerate(sets, start=1))]
    parser = load_one(PACK, trusted=True)
    for version, datagrams in (("v5", [v5(30, sequence=30 * at) for at in range(count)]), ("v9", nine)):
        with tempfile.TemporaryDirectory() as folder:
            records, seconds = read(datagrams, Path(folder))
        began = process_time()
        events = sum(len(list(parser.parse(raw))) for raw in records[:PARSED_MAX])
        said = {
            "version": version,
            "datagrams_per_second": round(len(datagrams) / seconds),
            "flows_per_second": round(len(records) / seconds),
            "events_per_second": round(events / (process_time() - began)),
        }
        sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
