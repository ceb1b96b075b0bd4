"""On labelled captures: every port scan is found, and none where there is none."""

import csv
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.sense.sensor import read_pcap

SCANS = [
    ("cs_synscan.pcapng", "scan.vertical"),
    ("gen_dev_nmap_sS_vertical.pcap", "scan.vertical"),
    ("gen_dev_nmap_sweep445.pcap", "scan.horizontal"),
    ("gen_dev_nmap_xmas.pcap", "scan.stealth"),
    ("nd_tcp_scan.pcapng", "scan.stealth"),
]


def kinds(path: Path, clock: ManualClock) -> set[str]:
    reading = read_pcap(path, "sensor", clock)
    assert list(reading)
    return {found.kind for found in reading.report.findings}


@pytest.mark.parametrize(("name", "kind"), SCANS)
def test_a_labelled_scan_is_found(samples: Path, clock: ManualClock, name: str, kind: str) -> None:
    assert kinds(samples / name, clock) == {kind}


def test_no_capture_labelled_benign_holds_a_scan(samples: Path, clock: ManualClock) -> None:
    with (samples / "labels.csv").open(encoding="utf-8", newline="") as file:
        benign = [row["file"] for row in csv.DictReader(file) if row["benign"] == "1"]
    assert len(benign) > 30
    assert {name: found for name in benign if (found := kinds(samples / name, clock))} == {}
