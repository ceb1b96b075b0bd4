"""What `sentinel doctor` says of the sensor: may it capture, is tshark behind walls, can its files be used."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sentinel.core.check import Check
from sentinel.core.errors import ConfigError
from sentinel.sense import detections
from sentinel.sense.findings import Scene
from sentinel.sense.memory import read_memory
from sentinel.sense.sandbox import find_tool, walls
from sentinel.sense.segments import Segments, read_segments

__all__ = ["checks", "learning"]

_PATIENCE_SECONDS = 10.0


def learning(path: Path, days: float, now: datetime) -> Iterator[Check]:
    """Yield how far the sensor has come with learning, as its memory in the file `path` has it."""
    memory = read_memory(path, now)
    if memory.problem:
        yield Check("learning", "warn", memory.problem, "nothing, if it was not you who changed it")
    elif not memory.learned:
        yield Check("learning", "ok", "the sensor has not learned anything yet")
    else:
        yield Check("learning", "ok", memory.standing(days, now))


def checks(interfaces: Sequence[str], policy: Path | None, tuning: detections.Tuning) -> Iterator[Check]:
    """Yield what is found out about the sensor on these interfaces."""
    try:
        segments = read_segments(policy) if policy else Segments()
        found = len(detections.load(tuning, Scene(segments)))
        where = f"{len(segments.networks)} segments" if policy else "no segments file"
        yield Check("detections", "ok", f"{found} at work, {where}")
    except ConfigError as error:
        yield Check("detections", "fail", str(error), "mend [sense] segments or [sense.detections]")
    missing = walls(root=os.geteuid() == 0).missing
    advice = "let unshare, prlimit and setpriv (util-linux) make namespaces; tshark reads what strangers send"
    yield Check("walls", "warn" if missing else "ok", f"tshark has not: {', '.join(missing)}" if missing else "whole",
                advice if missing else "")  # fmt: skip
    yield from _capturing(interfaces)


def _capturing(interfaces: Sequence[str]) -> Iterator[Check]:
    try:
        dumpcap = find_tool("dumpcap")
        listed = subprocess.run(  # noqa: S603  our own command
            [str(dumpcap), "-D", "-M"], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        ).stdout
    except (ConfigError, OSError, subprocess.TimeoutExpired) as error:
        yield Check("dumpcap", "fail", str(error), "apt install tshark")
        return
    known = {line.partition("\t")[0].partition(". ")[2] for line in listed.splitlines()}
    for name in interfaces:
        if name in known:
            yield Check(f"interface {name}", "ok", "may be captured")
        else:
            advice = "dpkg-reconfigure wireshark-common, and Sentinel's user into the group wireshark; or mend the name"
            yield Check(f"interface {name}", "fail", "not there, or not for us to capture", advice)
