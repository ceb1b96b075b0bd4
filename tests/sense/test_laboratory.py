"""Three segments and a router, attacked by real tools while `sentinel sense` listens: each attack is found, no other.

One laboratory for all. A town hall, a school and works are namespaces, cabled to a fourth that routes and has the
sensor. Somebody at school fetches pages meanwhile and is never told of; somebody else scans, floods and tunnels. What a
flow gives away that nobody answers is known when the flow is idle for a minute, or, as here, when the sensor ends. A
scan that takes a night is one of nmap's whose capture is read as if each second had been eight hours.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sentinel.core.clock import SystemClock
from sentinel.sense.findings import Finding
from sentinel.sense.formats import Stream
from sentinel.sense.segments import read_segments
from sentinel.sense.sensor import read_pcap
from sentinel.sense.settings import SenseSettings
from sentinel.testing.packets import write_pcap
from tests.sense.namespaces import PATIENCE_SECONDS, Namespace, wait

SEGMENTS = {"hall": "10.10.1", "school": "10.20.1", "works": "10.30.1"}
SERVER, QUIET, ATTACKER, RELAY = "10.10.1.20", "10.20.1.50", "10.20.1.66", "10.30.1.5"
PATIENT, PATIENT_PORTS, PATIENCE = "10.20.1.67", 30, 30_000
HOSTS = {"hall": (SERVER,), "school": (ATTACKER, QUIET, PATIENT), "works": (RELAY,)}
ZONE = "t.stadt.example"
IODINE = "/usr/sbin/iodine"
Told = dict[str, object]

ATTACKS = {
    "scan.vertical": f"nmap -sS -n -Pn -p 1-200 --max-retries 1 {SERVER}",
    "scan.arp": "nmap -sn -PR -n --max-retries 0 10.20.1.100-140",
    "flood.syn": f"nping --tcp-connect -q -p 81 --rate 1000 -c 2000 {SERVER}",
    "scan.udp": f"nmap -sU -n -Pn -p 4000-4040 --max-retries 0 --min-rate 100 {SERVER}",
    "scan.ping": "nmap -sn -PE -n --disable-arp-ping --max-retries 0 10.10.1.100-130",
}
SLOWLY = f"nmap -sS -n -Pn -S {PATIENT} -e eth0 -p 101-{100 + PATIENT_PORTS} --max-retries 0 --scan-delay 20ms {SERVER}"
AT_ONCE = ("scan.vertical", "scan.arp", "flood.syn", "dns.tunnel")


@dataclass(slots=True)
class Seen:
    """What was told: before the first attack, while the sensor listened, in all, and of a night; `tunnel`: why none."""

    before: list[Told] = field(default_factory=list)
    listening: list[Told] = field(default_factory=list)
    all: list[Told] = field(default_factory=list)
    night: tuple[Finding, ...] = ()
    tunnel: str = ""


class Laboratory:
    """The namespaces, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / "findings"
        self.router = Namespace()
        self.hosts = {name: Namespace(beside=self.router) for name in SEGMENTS}
        self._running: list[subprocess.Popen[bytes]] = []
        for name, net in SEGMENTS.items():
            host = self.hosts[name]
            self.router.ip(
                f"link add {name} type veth peer name eth0 netns {host.pid}",
                f"addr add {net}.1/24 dev {name}",
                f"link set {name} up",
            )
            host.ip(*(f"addr add {address}/24 dev eth0" for address in HOSTS[name]))
            host.ip("link set eth0 up", f"route add default via {net}.1")
        routes = self.router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        if routes.returncode:
            pytest.skip(f"nothing may be routed on this machine: {routes.stderr.strip()}")

    def begin(self, where: Namespace, *words: str) -> subprocess.Popen[bytes]:
        """Begin a program that runs until it ends, or the laboratory does."""
        program = subprocess.Popen(where.inside(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._running.append(program)
        return program

    def listen(self, segments: Path) -> subprocess.Popen[bytes]:
        """Begin the sensor on the router's side of the school."""
        command = [str(Path(sys.executable).parent / "sentinel"), "sense", "--interface", "school", "--findings"]
        words = self.router.inside(*command, "--json", "--segments", str(segments))
        with self._out.open("wb") as out:
            sensor = subprocess.Popen(words, stdout=out, stderr=subprocess.DEVNULL)
        self._running.append(sensor)
        self._capturing()
        return sensor

    def _capturing(self) -> None:
        # a dumpcap has a socket for packets
        wait(lambda: self.router.run("cat", "/proc/net/packet").stdout.count("\n") > 1)

    def told(self) -> list[Told]:
        """Return the findings told by now."""
        return [json.loads(line) for line in self._out.read_bytes().split(b"\n")[:-1]]

    def fetch(self) -> bool:
        """Have the quiet one fetch a page and look who is there; say whether it got it."""
        school = self.hosts["school"]
        page = school.run("curl", "-s", "-m", "2", "--interface", QUIET, f"http://{SERVER}/")
        echo = school.run("ping", "-c", "1", "-W", "2", "-I", QUIET, RELAY)
        return page.returncode == echo.returncode == 0

    def tunnel(self) -> str:
        """Begin a tunnel through the relay's name server and send through it; return why there is none."""
        works, school = self.hosts["works"], self.hosts["school"]
        server = self.begin(works, f"{IODINE}d", "-f", "-c", "-P", "geheim", "-l", RELAY, "10.99.0.1/27", ZONE)
        wait(lambda: server.poll() is not None or works.run("ip", "link", "show", "dns0").returncode == 0)
        if server.poll() is not None:
            return "iodined cannot open /dev/net/tun here"
        self.begin(school, IODINE, "-f", "-r", "-P", "geheim", RELAY, ZONE)
        wait(lambda: school.run("ping", "-c", "1", "-W", "1", "-s", "400", "10.99.0.1").returncode == 0)
        return ""

    def night(self, capture: Path) -> None:
        """Have the patient one scan ports that are closed, and write what the router sees of it, slowed down."""
        words = (
            "-q",
            "-i",
            "school",
            "-f",
            f"tcp and host {PATIENT}",
            "-c",
            str(2 * PATIENT_PORTS),
            "-w",
            str(capture),
        )
        dumpcap = self.begin(self.router, "dumpcap", *words)
        self._capturing()
        assert self.hosts["school"].run(*SLOWLY.split()).returncode == 0
        assert dumpcap.wait(PATIENCE_SECONDS) == 0
        seen = [one for batch in Stream().feed(capture.read_bytes()) for one in batch.packets]
        begin = seen[0][0]
        write_pcap(capture, [(begin + (time - begin) * PATIENCE, data) for time, _, data in seen])

    def close(self) -> None:
        """Leave nothing behind."""
        for program in self._running:
            program.kill()
            program.wait()
        for space in (*self.hosts.values(), self.router):
            space.close()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Return what the sensor told of one morning in the laboratory."""
    missing = [one for one in ("nmap", "nping", IODINE, "curl", "ping") if not shutil.which(one)]
    assert not missing, f"deploy/setup test installs them: {missing}"
    if subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], check=False).returncode:
        pytest.skip("this machine allows no namespaces")
    folder = tmp_path_factory.mktemp("laboratory")
    segments = folder / "segments.yaml"
    nets = ", ".join(f"{name}: {net}.0/24" for name, net in SEGMENTS.items())
    segments.write_text(f"segments: {{{nets}}}\nallow: [{{from: school, to: '*'}}]\n")
    laboratory = Laboratory(folder)
    try:
        yield _morning(laboratory, segments)
    finally:
        laboratory.close()


def _morning(laboratory: Laboratory, segments: Path) -> Seen:
    found = Seen()
    site = segments.parent / "site"
    site.mkdir()
    laboratory.begin(laboratory.hosts["hall"], sys.executable, "-m", "http.server", "-d", str(site), "80")
    sensor = laboratory.listen(segments)
    wait(laboratory.fetch)
    assert all(laboratory.fetch() for _ in range(10))
    found.before = laboratory.told()
    attacks = [laboratory.begin(laboratory.hosts["school"], *line.split()) for line in ATTACKS.values()]
    found.tunnel = laboratory.tunnel()
    at_once = set(AT_ONCE) - ({"dns.tunnel"} if found.tunnel else set())

    def all_told() -> bool:
        laboratory.fetch()
        return at_once <= {str(one["kind"]) for one in laboratory.told()}

    wait(all_told)
    found.listening = laboratory.told()
    assert [attack.wait(PATIENCE_SECONDS) for attack in attacks] == [0] * len(attacks)
    sensor.terminate()
    assert sensor.wait(PATIENCE_SECONDS) == 0
    found.all = laboratory.told()
    capture = segments.parent / "night"
    laboratory.night(capture)
    reading = read_pcap(capture, "laboratory", SystemClock(), SenseSettings(segments=read_segments(segments)))
    assert [*reading]
    found.night = reading.report.findings
    return found


def test_a_quiet_segment_raises_nothing(seen: Seen) -> None:
    assert seen.before == []
    assert [one for one in seen.all if QUIET in {one.get("src"), one.get("dst")}] == []


@pytest.mark.parametrize("kind", ["scan.vertical", "scan.arp", "flood.syn"])
def test_what_a_tool_does_is_found_while_it_goes_on(seen: Seen, kind: str) -> None:
    (told, *_) = (one for one in seen.listening if one["kind"] == kind)
    assert told["src"] == ATTACKER
    assert told["src_segment"] == "school"


@pytest.mark.parametrize("kind", ["scan.udp", "scan.ping"])
def test_what_nobody_answers_is_found_when_its_flows_are_over(seen: Seen, kind: str) -> None:
    assert {one["src"] for one in seen.all if one["kind"] == kind} == {ATTACKER}


def test_a_tunnel_of_iodine_is_found_while_it_goes_on(seen: Seen) -> None:
    if seen.tunnel:
        pytest.skip(seen.tunnel)
    (told, *_) = (one for one in seen.listening if one["kind"] == "dns.tunnel")
    assert (told["src"], told["dst"], told["name"]) == (ATTACKER, RELAY, "stadt.example")


def test_a_scan_that_takes_a_night_is_a_slow_one_and_no_other(seen: Seen) -> None:
    assert {(one.kind, one.src, one.dst) for one in seen.night} == {("scan.vertical.slow", PATIENT, SERVER)}
    assert seen.night[-1].numbers["distinct"] == PATIENT_PORTS


def test_nothing_else_is_found(seen: Seen) -> None:
    # nmap's and iodine's own ways are found under several names
    also = {"scan.horizontal", "scan.stealth", "icmp.tunnel"}
    assert {str(one["kind"]) for one in seen.all} - also <= {*ATTACKS, "dns.tunnel"}
