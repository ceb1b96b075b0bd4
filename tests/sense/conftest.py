"""What the sensor's tests share: a clock, captures made on the spot, and the labelled samples beside the checkout."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.event import Raw
from sentinel.testing.packets import Frame, Story, write_pcap

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    """Noon of a day in November."""
    return ManualClock(NOW)


@pytest.fixture
def rng() -> Random:
    """Return the same chance in every run."""
    return Random(11)  # noqa: S311  repeatable, not secret


@pytest.fixture
def story(rng: Random) -> Story:
    """Frames to be made."""
    return Story(rng)


@pytest.fixture(scope="session", autouse=True)
def _tshark() -> None:
    assert shutil.which("tshark"), "the sensor is tested with the real tshark: apt install tshark"


@pytest.fixture
def capture(tmp_path: Path) -> Callable[[Iterable[Frame]], Path]:
    """Write frames into a new capture file and return its path."""
    count = iter(range(1000))

    def write(frames: Iterable[Frame]) -> Path:
        path = tmp_path / f"capture-{next(count)}.pcap"
        write_pcap(path, frames)
        return path

    return write


@pytest.fixture
def script() -> Iterable[Callable[[str], Path]]:
    """Make a shell script, to be run by nobody, that stands where tshark is expected."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)

    def make(text: str) -> Path:
        path = folder / "tshark"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    yield make
    shutil.rmtree(folder)


@pytest.fixture
def told() -> Callable[[Iterable[Raw], str], list[dict[str, object]]]:
    """Return the records of one type out of what a sensor wrote."""

    def of(raws: Iterable[Raw], kind: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = [json.loads(raw.body) for raw in raws]
        return [record for record in found if record["type"] == kind]

    return of


@pytest.fixture(scope="session")
def samples() -> Path:
    """Return the folder of labelled captures; tests that need it are skipped where it is not there."""
    folder = (Path(__file__).parents[2] / "../shared/samples/pcaps").resolve()
    if not (folder / "labels.csv").is_file():
        pytest.skip("the labelled captures in ../shared/samples/pcaps are not on this machine")
    return folder
