"""The sensor on an interface, in a network namespace of its own: what happens to it is survived, and said."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from sentinel.core.errors import ConfigError
from sentinel.sense.ring import require_ring
from sentinel.testing.packets import SECOND, Frame, Story
from tests.sense.namespaces import Cable, look_ups, wait

START = 1_780_000_000 * SECOND
Write = Callable[[Iterable[Frame]], Path]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Cable]:
    """Return a laboratory, closed afterwards."""
    lab = Cable(tmp_path)
    yield lab
    lab.close()


@pytest.mark.kill
def test_interfaces_that_go_and_come_back_are_survived_and_said(lab: Cable, capture: Write) -> None:
    names = capture(look_ups(50))
    sensor = lab.listen("va", "--metrics", "9478")
    wait(lambda: len(lab.children(sensor, "dumpcap")) == 2)
    wait(lambda: lab.send(names, 1000, 50) and lab.told(sensor, "dns"))
    lab.unplug()
    wait(lambda: len(lab.health(sensor, "interface_down")) >= 2)
    gone = lab.figures(9478)
    seen = len(lab.told(sensor, "dns"))
    lab.plug()
    wait(lambda: lab.send(names, 1000, 50) and len(lab.told(sensor, "dns")) > seen)
    wait(lambda: all(f'sentinel_sensor_up{{interface="{one}"}} 1.0' in lab.figures(9478) for one in ("va", "vb")))
    assert lab.end(sensor) == 0
    # dumpcap itself ends with 0 when its interface is gone: that is a fault too
    assert "dumpcap ended (exit " in str(lab.health(sensor, "interface_down")[0]["message"])
    for one in ("va", "vb"):
        assert f'sentinel_sensor_up{{interface="{one}"}} 0.0' in gone
        assert any(word["interface"] == one and word["packets"] for word in lab.health(sensor, "report"))
        assert [word["interface"] for word in lab.health(sensor, "interface_up")].count(one) >= 2
    assert lab.told(sensor, "flow")


@pytest.mark.kill
def test_a_tshark_that_is_killed_is_replaced_and_said_and_nothing_stays(lab: Cable, capture: Write) -> None:
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
def test_a_fresh_dumpcap_takes_over_without_losing_or_doubling_a_packet(lab: Cable, capture: Write) -> None:
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
    lab: Cable, story: Story, capture: Write, script: Callable[[str], Path]
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
    lab: Cable, capture: Write, tmp_path: Path
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
def test_an_interface_that_is_not_there_is_tried_again_and_said_once(lab: Cable) -> None:
    lab.unplug()
    sensor = lab.listen()
    wait(lambda: len(lab.health(sensor, "report")) > 2)
    assert lab.end(sensor) == 0
    (word,) = lab.health(sensor, "interface_down")
    assert "vb" in str(word["message"])
    assert lab.health(sensor, "report")[-1]["restarts"] != 0
