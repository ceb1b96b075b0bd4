"""Runs the sensor on an interface and prints its records as they come; for tests, in a namespace of its own."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from sentinel import metrics
from sentinel.core.clock import SystemClock
from sentinel.core.event import Raw
from sentinel.sense.live import Live, LiveSettings
from sentinel.sense.settings import SenseSettings
from sentinel.sense.wire import Pace


def main() -> None:
    """Listen until SIGTERM."""
    given = argparse.ArgumentParser()
    given.add_argument("interfaces", nargs="+")
    given.add_argument("--fresh", type=float, default=300)
    given.add_argument("--lag", type=float, default=5)
    given.add_argument("--recovered", type=float, default=30)
    given.add_argument("--stall", type=float, default=120)
    given.add_argument("--tshark", type=Path)
    given.add_argument("--dumpcap", type=Path)
    given.add_argument("--memory", type=Path)
    given.add_argument("--ring", type=Path)
    given.add_argument("--metrics", type=int, default=0)
    options = given.parse_args()

    def put(raws: Sequence[Raw]) -> None:
        for raw in raws:
            sys.stdout.buffer.write(raw.body + b"\n")
        sys.stdout.buffer.flush()

    settings = LiveSettings(
        sense=SenseSettings(tshark=options.tshark, stall_seconds=options.stall),
        pace=Pace(lag=options.lag, recovered=options.recovered, fresh=options.fresh, report=1, back_off=(0.2, 1)),
        dumpcap=options.dumpcap,
        memory=options.memory,
        ring=options.ring,
        ring_megabytes=8,
    )
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    live = Live(options.interfaces, settings, put, SystemClock())
    with metrics.sensing(options.metrics, live.wires) if options.metrics else nullcontext():
        live.run(ended.is_set)


if __name__ == "__main__":
    main()
