"""The sensor on an interface, in a network namespace of its own: what happens to it is survived, and said."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from sentinel.core.errors import ConfigError
from sentinel.sense.ring import require_ring
from sentinel.testing.packets import SECOND, Frame, Story, dns_query, udp
from tests.sense.namespaces import PATIENCE_SECONDS, Namespace, wait

HERE = Path(__file__).parent
START = 1_780_000_000 * SECOND
Write = Callable[[Iterable[Frame]], Path]
Told = dict[str, object]


class Lab:
    """A namespace with the two ends of a cable, `va` and `vb`, and the sensors begun in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._space = Namespace()
        self._sensors: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.plug()

    def plug(self) -> None:
        """Lay the cable."""
        self._space.ip("link add va type veth peer name vb", "link set va up", "link set vb up")

    def unplug(self) -> None:
        """Take the cable away: both interfaces are gone."""
        self._space.ip("link del va")

    def listen(self, *options: str) -> int:
        """Begin a sensor on vb and return its number, once it has a dumpcap."""
        out = self._folder / f"records-{len(self._sensors)}"
        with out.open("wb") as file:
            command = self._space.inside(sys.executable, str(HERE / "listen.py"), "vb", *options)
            sensor = subprocess.Popen(command, stdout=file, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])})
        self._sensors.append((sensor, out))
        return len(self._sensors) - 1

    def send(self, capture: Path, pace: float, count: int) -> int:
        """Send so many packets into va and return how many went."""
        command = self._space.inside(sys.executable, str(HERE / "replay.py"), "va", str(capture), str(pace), str(count))
        environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
        return int(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

    def told(self, sensor: int, kind: str) -> list[Told]:
        """Return the records of a type that a sensor has written by now."""
        lines = self._sensors[sensor][1].read_bytes().split(b"\n")[:-1]
        return [record for line in lines if (record := json.loads(line))["type"] == kind]

    def health(self, sensor: int, event: str) -> list[Told]:
        """Return its words on its own health of one kind."""
        return [record for record in self.told(sensor, "health") if record["event"] == event]

    def children(self, sensor: int, name: str) -> list[int]:
        """Return the pids of a sensor's own processes of that name."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"({name})" in text and int(text.rpartition(")")[2].split()[1]) == self._sensors[sensor][0].pid:
                found.append(int(stat.parent.name))
        return found

    def end(self, sensor: int) -> int:
        """Ask a sensor to end and return its exit code."""
        self._sensors[sensor][0].send_signal(signal.SIGTERM)
        return self._sensors[sensor][0].wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Leave nothing behind."""
        for sensor, _ in self._sensors:
            sensor.kill()
            sensor.wait()
        self._space.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Return a laboratory, closed afterwards."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()


def look_ups(count: int) -> list[Frame]:
    return [
        (START + at * 1000, udp("10.10.1.50", "10.10.1.10", 40_000 + at % 99, 53, dns_query(at, f"h{at}.example")))
        for at in range(count)
    ]


@pytest.mark.kill
def test_an_interface_that_goes_and_comes_back_is_survived_and_said(lab: Lab, capture: Write) -> None:
    names = capture(look_ups(50))
    sensor = lab.listen()
    wait(lambda: lab.children(sensor, "dumpcap"))
    wait(lambda: lab.send(names, 1000, 50) and lab.told(sensor, "dns"))
    lab.unplug()
    wait(lambda: lab.health(sensor, "interface_down"))
    seen = len(lab.told(sensor, "dns"))
    lab.plug()
    wait(lambda: lab.send(names, 1000, 50) and len(lab.told(sensor, "dns")) > seen)
    assert lab.end(sensor) == 0
    # dumpcap itself ends with 0 when its interface is gone: that is a fault too
    assert "dumpcap ended (exit " in str(lab.health(sensor, "interface_down")[0]["message"])
    assert len(lab.health(sensor, "interface_up")) >= 2
    assert lab.told(sensor, "flow")


@pytest.mark.kill
def test_a_tshark_that_is_killed_is_replaced_and_said_and_nothing_stays(lab: Lab, capture: Write) -> None:
    names = capture(look_ups(100))
    temporary = set(Path("/tmp").glob("wireshark*"))  # noqa: S108  where tshark would leave its files
    sensor = lab.listen()
    wait(lambda: lab.send(names, 1000, 50) and lab.told(sensor, "dns"))
    (tshark,) = lab.children(sensor, "tshark")
    os.kill(tshark, signal.SIGSEGV)
    wait(lambda: lab.health(sensor, "dissector_restarted"))
    seen = len(lab.told(sensor, "dns"))
    wait(lambda: lab.send(names, 1000, 50) and len(lab.told(sensor, "dns")) > seen)
    assert lab.end(sensor) == 0
    assert "killed (SIGSEGV)" in str(lab.health(sensor, "dissector_restarted")[0]["message"])
    assert lab.children(sensor, "tshark") == lab.children(sensor, "dumpcap") == []
    assert set(Path("/tmp").glob("wireshark*")) == temporary  # noqa: S108  as above


@pytest.mark.kill
def test_a_fresh_dumpcap_takes_over_without_losing_or_doubling_a_packet(lab: Lab, capture: Write) -> None:
    names = capture(look_ups(4_000))
    sensor = lab.listen("--fresh", "0.5")
    wait(lambda: lab.send(names, 1000, 20) and lab.health(sensor, "interface_up"))
    wait(lambda: lab.told(sensor, "dns"))
    (first,) = lab.children(sensor, "dumpcap")[:1]
    assert lab.send(names, 1500, 4_000) == 4_000
    wait(lambda: lab.told(sensor, "dns")[-1]["name"] == "h3999.example")
    assert first not in lab.children(sensor, "dumpcap")
    assert lab.end(sensor) == 0
    asked = [str(record["name"]) for record in lab.told(sensor, "dns")]
    assert asked[-4_000:] == [f"h{at}.example" for at in range(4_000)]
    assert lab.health(sensor, "interface_down") == lab.health(sensor, "drops") == []


@pytest.mark.kill
def test_a_tshark_that_is_too_slow_sees_less_and_flows_go_on(
    lab: Lab, story: Story, capture: Write, script: Callable[[str], Path]
) -> None:
    for number in range(200):
        story.talk(START + number, f"10.10.1.{number}", "192.0.2.9", 443, [(b"x" * 40, b"y" * 40)] * 12)
    sensor = lab.listen("--lag", "0.5", "--stall", "3", "--tshark", str(script("exec sleep 600")))
    path = capture(story.frames)
    wait(lambda: lab.send(path, 2000, 600) and lab.health(sensor, "narrowed"))
    wait(lambda: lab.send(path, 2000, 600) and lab.health(sensor, "narrowed")[-1]["per_flow"] == 0)
    wait(lambda: lab.send(path, 2000, 600) and lab.health(sensor, "dissector_restarted"))
    assert lab.end(sensor) == 0
    assert [word["per_flow"] for word in lab.health(sensor, "narrowed")] == [4, 0]
    assert lab.told(sensor, "flow")
    assert lab.health(sensor, "report")[-1]["missed"]


@pytest.mark.kill
def test_a_ring_of_captures_is_for_us_alone_and_what_was_learned_stays(
    lab: Lab, capture: Write, tmp_path: Path
) -> None:
    ring = Path("/dev/shm") / f"sentinel-test-{os.getpid()}"  # noqa: S108  a tmpfs is what it has to be
    memory = tmp_path / "sense.json"
    try:
        sensor = lab.listen("--ring", str(ring), "--memory", str(memory))
        wait(lambda: lab.send(capture(look_ups(50)), 1000, 50) and lab.told(sensor, "dns"))
        assert lab.end(sensor) == 0
        files = [*ring.iterdir()]
        assert files
        assert {file.stat().st_mode & 0o777 for file in [*files, memory]} == {0o600}
        assert ring.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(ring, ignore_errors=True)
    assert "begun" in json.loads(memory.read_bytes())


def test_a_ring_on_a_disk_or_open_to_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="in memory only"):
        require_ring(tmp_path / "ring")
    shared = Path("/dev/shm") / f"sentinel-open-{os.getpid()}"  # noqa: S108  as above
    shared.mkdir()
    shared.chmod(0o755)
    try:
        with pytest.raises(ConfigError, match="others may enter it"):
            require_ring(shared)
    finally:
        shared.rmdir()


@pytest.mark.kill
def test_an_interface_that_is_not_there_is_tried_again_and_said_once(lab: Lab) -> None:
    lab.unplug()
    sensor = lab.listen()
    wait(lambda: len(lab.health(sensor, "report")) > 2)
    assert lab.end(sensor) == 0
    (word,) = lab.health(sensor, "interface_down")
    assert "vb" in str(word["message"])
    assert lab.health(sensor, "report")[-1]["restarts"] != 0
