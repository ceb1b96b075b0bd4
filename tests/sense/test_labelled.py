"""On labelled captures: what is in them is found, and nothing where there is nothing."""

import csv
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.sense.sensor import read_pcap

FOUND = [
    ("cs_synscan.pcapng", "scan.vertical"),
    ("gen_dev_nmap_sS_vertical.pcap", "scan.vertical"),
    ("gen_dev_nmap_sweep445.pcap", "scan.horizontal"),
    ("gen_dev_nmap_xmas.pcap", "scan.stealth"),
    ("nd_tcp_scan.pcapng", "scan.stealth"),
    ("gen_dev_beacon_60s_j10.pcap", "beacon"),
    ("sl_test-cc__test-cc-capture-1.pcap", "beacon"),
    ("nd_bad-dns-traffic.pcap", "dns.tunnel"),
    ("nd_dns-tunnel-iodine.pcap", "dns.tunnel"),
    ("gen_dev_dga_random.pcap", "dns.dga"),
    ("cs_dns_axfr.pcapng", "dns.axfr"),
    ("gen_dev_exfil_18MB.pcap", "exfil.volume"),
    ("gen_dev_longconn_14h.pcap", "long.connection"),
]


def kinds(path: Path, clock: ManualClock) -> set[str]:
    reading = read_pcap(path, "sensor", clock)
    assert list(reading)
    return {found.kind for found in reading.report.findings}


@pytest.mark.parametrize(("name", "kind"), FOUND)
def test_what_is_labelled_is_found(samples: Path, clock: ManualClock, name: str, kind: str) -> None:
    assert kind in kinds(samples / name, clock)


def test_in_no_capture_labelled_benign_is_anything_found(samples: Path, clock: ManualClock) -> None:
    with (samples / "labels.csv").open(encoding="utf-8", newline="") as file:
        benign = [row["file"] for row in csv.DictReader(file) if row["benign"] == "1"]
    assert len(benign) > 30
    assert {name: found for name in benign if (found := kinds(samples / name, clock))} == {}
