"""Real exporters: softflowd and nfreplay send to a real Sentinel, and it says of each flow what nfcapd says of it."""

import json
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel.testing.packets import demo_capture
from tests.collect.exporting import v5

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
Seen = Counter[tuple[str, ...]]
VERSIONS = {"5": "5", "9": "9", "ipfix": "10"}


@pytest.fixture
def exporting(city: "Running") -> "Running":
    with city.config.open("a", encoding="utf-8") as file:
        file.write("[[netflow]]\nport = 0\n")
    return city.start()


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "town.pcap"
    demo_capture(path, datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10))
    return path


@contextmanager
def nfcapd(folder: Path, repeat_to: int, patiently: Patiently) -> Iterator[int]:
    """Let nfcapd keep what it gets in `folder` and pass each datagram on; yields its port."""
    folder.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [
        "nfcapd",
        "-w",
        str(folder),
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "-t",
        "3600",
        "-R",
        f"127.0.0.1/{repeat_to}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            patiently(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text("ascii"))
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def softflowd(capture: Path, port: int, *options: str) -> int:
    """Export the flows of a capture; return how many records it says it has sent.

    Its control socket may keep it from ending, so it gets none.
    """
    command = ["softflowd", "-d", "-a", "-r", str(capture), "-n", f"127.0.0.1:{port}", "-c", "none"]
    command += ["-p", str(capture.with_suffix(".pid")), *options]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    found = re.search(rb"\((\d+) records\)", done.stdout)
    assert found, done.stdout
    return int(found[1])


def nfdump(folder: Path) -> Seen:
    """Return what nfdump says of each flow that nfcapd has kept."""
    form = "fmt:%pr,%sa,%sp,%da,%dp,%pkt,%byt"
    done = subprocess.run(["nfdump", "-q", "-N", "-6", "-R", folder, "-o", form], check=True, capture_output=True)
    return Counter(tuple(word.strip() for word in line.split(",")) for line in done.stdout.decode().splitlines())


def seen(events: list[dict[str, Any]]) -> Seen:
    """Return the same of events."""
    return Counter(
        (
            one["network.iana_number"],
            one["source.ip"],
            str(one.get("source.port", 0)),
            one["destination.ip"],
            str(one["destination.port"]) if "destination.port" in one else _icmp(one),
            str(one["network.packets"]),
            str(one["network.bytes"]),
        )
        for one in events
    )


def _icmp(event: dict[str, Any]) -> str:
    return f"{event['netflow.icmp.type']}.{event['netflow.icmp.code']}"


def flows(city: "Running", patiently: Patiently, asked: str, number: int) -> list[dict[str, Any]]:
    """Return the flows once there are so many."""

    def look() -> list[dict[str, Any]]:
        found = city.json("query", f"event.dataset:netflow.flow {asked} last 1h", "--limit", "1000")
        return found if len(found) >= number else []

    return list(patiently(look))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_softflowd_exports_is_stored_as_nfcapd_keeps_it(
    exporting: "Running", capture: Path, tmp_path: Path, patiently: Patiently, version: str
) -> None:
    kept, number = tmp_path / "kept", VERSIONS[version]
    with nfcapd(kept, exporting.ports["netflow"], patiently) as middle:
        sent = softflowd(capture, middle, "-v", number, *(["-A", "milli"] if version == "ipfix" else []))
        events = flows(exporting, patiently, f"netflow.version:{number}", sent)
    assert len(events) == sent > 250
    assert seen(events) == nfdump(kept)
    assert {one["observer.ip"][0] for one in events} == {"127.0.0.1"}
    assert not exporting.json("query", "event.action:records_lost last 1h")
    exporting.sentinel("status")


def test_sampling_biflows_and_what_nfreplay_sends_agree_too(
    exporting: "Running", capture: Path, tmp_path: Path, patiently: Patiently
) -> None:
    port, kept = exporting.ports["netflow"], tmp_path / "kept"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in (v5(3), v5(3), v5(3, sequence=3)):  # the network doubled the first
            sock.sendto(data, ("127.0.0.1", port))
    sent = softflowd(capture, port, "-v", "10", "-b", "-A", "micro", "-s", "2")
    biflows = flows(exporting, patiently, "netflow.version:10", sent)
    assert len(biflows) == sent
    assert {one["netflow.sampling.interval"] for one in biflows} == {2.0}
    assert any(one["destination.packets"] > 0 for one in biflows)
    with nfcapd(kept, port, patiently) as middle:
        flows(exporting, patiently, "netflow.version:9", softflowd(capture, middle, "-v", "9"))
    wanted = nfdump(kept)
    for file in kept.glob("nfcapd.*"):
        replay = ["nfreplay", "-r", str(file), "-H", "127.0.0.1", "-p", str(port), "-v", "9"]
        subprocess.run(replay, check=True, capture_output=True, timeout=60)
    again = flows(exporting, patiently, "netflow.version:9 netflow.domain:1", wanted.total())  # nfreplay's own
    assert _sums(seen(again)) == _sums(wanted)
    assert len(exporting.json("query", "netflow.version:5 since 2026-11-01")) == 6
    patiently(lambda: json.loads(exporting.sentinel("status", "--json").stdout)["duplicate"] == 3)
    (sender,) = [one for one in exporting.json("sources") if one["source"] == "netflow"]
    assert (sender["peer"], sender["loss_class"], sender["notes"]) == ("127.0.0.1", "best effort", [])
    assert sender["lag_p50_seconds"] > 60  # a flow is told when it is over: no clock is wrong


def _sums(flows: Seen) -> tuple[int, ...]:
    """Return flows, packets and bytes; nfreplay does not send the type of ICMP."""
    return flows.total(), *(sum(int(row[at]) * count for row, count in flows.items()) for at in (5, 6))
