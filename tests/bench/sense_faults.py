"""How many seconds pass between a fault of the sensor's parts and the event that tells of it, and what is left behind.

    python tests/bench/sense_faults.py

Runs in a network namespace of its own, on a cable through which names are looked up all the time. One JSON line a
fault: tshark killed (SIGSEGV), tshark that stands still with its pipe full (SIGSTOP), dumpcap killed, the interface
removed; the event, the seconds until it was written, and those until names are told again. The last line: the sensor's
exit code, and files of Wireshark's and processes left behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from sentinel.testing.packets import write_pcap
from tests.bench.sense import say
from tests.sense.namespaces import Cable, look_ups, wait

PATIENCE_SECONDS = 120.0
PACE = 50


def left() -> set[Path]:
    """Return Wireshark's files in the folder for temporary ones."""
    return set(Path(tempfile.gettempdir()).glob("wireshark*"))


def main() -> None:
    """Do all faults in turn, print."""
    faults: dict[str, tuple[str, Callable[[Cable, int], object]]] = {
        "tshark killed": (
            "dissector_restarted",
            lambda lab, on: os.kill(lab.children(on, "tshark")[0], signal.SIGSEGV),
        ),
        "tshark stands still": ("narrowed", lambda lab, on: os.kill(lab.children(on, "tshark")[0], signal.SIGSTOP)),
        "dumpcap killed": ("interface_down", lambda lab, on: os.kill(lab.children(on, "dumpcap")[0], signal.SIGKILL)),
        "interface removed": ("interface_down", lambda lab, _: lab.unplug()),
    }
    before = left()
    with tempfile.TemporaryDirectory() as folder:
        lab = Cable(Path(folder))
        names = Path(folder) / "names.pcap"
        write_pcap(names, look_ups(1_000))
        over = threading.Event()

        def talk() -> None:
            while not over.is_set():
                # without an interface there is nowhere to send
                with suppress(subprocess.CalledProcessError):
                    lab.send(names, PACE, 10 * PACE)

        talking = threading.Thread(target=talk)
        try:
            sensor = lab.listen("--stall", "20")
            talking.start()
            wait(lambda: lab.told(sensor, "dns"), PATIENCE_SECONDS)
            for fault, (event, do) in faults.items():
                say(json.dumps({"fault": fault, **_measured(lab, sensor, event, do)}))
            over.set()
            talking.join()
            code = lab.end(sensor)
            alive = [name for name in ("tshark", "dumpcap") if lab.children(sensor, name)]
        finally:
            over.set()
            lab.close()
    say(json.dumps({"exit_code": code, "files_left": sorted(map(str, left() - before)), "processes_left": alive}))
    sys.exit(bool(left() - before or alive))


def _measured(lab: Cable, sensor: int, event: str, do: Callable[[Cable, int], object]) -> dict[str, object]:
    known, told = len(lab.health(sensor, event)), len(lab.told(sensor, "dns"))
    begun = monotonic()
    do(lab, sensor)
    wait(lambda: len(lab.health(sensor, event)) > known, PATIENCE_SECONDS)
    seconds = monotonic() - begun
    if event == "interface_down" and not lab.plugged:
        lab.plug()
    seen = len(lab.told(sensor, "dns")) + PACE // 10
    wait(lambda: len(lab.told(sensor, "dns")) > max(seen, told), PATIENCE_SECONDS)
    return {"event": event, "seconds": round(seconds, 2), "seconds_until_names_again": round(monotonic() - begun, 2)}


if __name__ == "__main__":
    main()
