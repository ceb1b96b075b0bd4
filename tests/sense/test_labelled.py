"""On labelled captures: what is in them is found, and nothing where there is nothing.

A capture of each kind is read here; all of them are scored by the tool that comes with the captures.
"""

import csv
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.sense.segments import read_segments
from sentinel.sense.sensor import read_pcap
from sentinel.sense.settings import SenseSettings

NOTED = ("tls.weak", "smb.v1", "krb.rc4_ticket", "long.connection.info")
FILES = [
    "cs_synscan.pcapng", "gen_dev_nmap_sweep445.pcap", "gen_dev_nmap_xmas.pcap", "gen_dev_arpscan.pcap",
    "zk_dhcp__dhcp_flood.pcap", "cs_arppoison.pcapng", "gen_dev_rogue_dhcp.pcap", "gen_dev_llmnr_poison.pcap",
    "nd_dns-tunnel-iodine.pcap", "gen_dev_dga_random.pcap", "cs_dns_axfr.pcapng", "nd_icmp-tunnel.pcap",
    "sl_test-cc__test-cc-capture-1.pcap", "gen_dev_exfil_18MB.pcap", "gen_dev_longconn_14h.pcap",
    "gen_dev_segment_school_to_hr_tax.pcap", "gen_dev_newservice_test.pcap", "gen_dev_brute_rdp.pcap",
    "zk_ftp__bruteforce.pcap", "zk_ssh__sshguess.pcap", "sv_krb5-kerberoasting__kerberoast.pcap",
    "sv_smb2-07__20171220_smb_psexec_add_user.pcap", "nd_log4j-webapp-exploit.pcap", "nd_WebattackSQLinj.pcap",
    "zk_tls__heartbleed.pcap", "nd_emotet.pcap", "nd_selfsigned.pcap", "zk_ssh__ssh-on-port-80.pcap",
    "cs_http_dvwa_clearlogin.pcapng", "nd_telnet.pcap", "nd_imap.pcap", "zk_ldap__simpleauth.pcap", "nd_rsh.pcap",
    "nd_tor.pcap", "nd_anydesk.pcapng",
    # nothing is wrong in these, though it looks so
    "zk_smb__SMBGhost.pcap", "nd_teams.pcap", "nd_windowsupdate_over_http.pcap", "nd_kerberos-login.pcap",
    "zk_krb__kinit.pcap", "nd_tls_false_positives.pcapng", "nd_rsh-syslog-false-positive.pcap",
    "gen_dev_benign_periodic.pcap", "gen_dev_benign_dhcp.pcap", "gen_dev_benign_arp_vrrp_dhcpreuse.pcap",
    "gen_dev_benign_dns_avcloud.pcap", "gen_dev_benign_browse_burst.pcap", "gen_dev_benign_dead_printer.pcap",
]  # fmt: skip


def fits(kind: str, *wanted: str) -> bool:
    return any(kind == one or kind.startswith(f"{one}.") for one in wanted)


@pytest.mark.parametrize("name", FILES)
def test_what_is_in_a_capture_is_found_and_nothing_else(samples: Path, clock: ManualClock, name: str) -> None:
    with (samples / "labels.csv").open(encoding="utf-8", newline="") as file:
        (label,) = (row for row in csv.DictReader(file) if row["file"] == name)
    before = label["needs"].removeprefix("baseline:") if label["needs"].startswith("baseline:") else ""
    settings = SenseSettings(
        segments=read_segments(samples / "segments.yaml"), learn=samples / "baseline" / before if before else None
    )
    reading = read_pcap(samples / name, "sensor", clock, settings)
    assert list(reading)
    kinds = {found.kind for found in reading.report.findings}
    groups = [group.split("|") for group in label["expect"].split(";") if group]
    assert [group for group in groups if not any(fits(kind, *group) for kind in kinds)] == []
    if label["benign"] == "1":
        allowed = [one for one in label["allow"].replace(";", "|").split("|") if one]
        assert {kind for kind in kinds if not fits(kind, *allowed, *NOTED)} == set()
