"""Machines that each do a part: two receive, one judges what both have stored, and one that is killed comes back."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sentinel.app import App
from sentinel.config import load
from sentinel.core.event import Event, node_of
from sentinel.core.where import Is, holds
from tests.posting import status
from tests.running import Running, eventually

pytestmark = pytest.mark.elastic

MANY, ROOT = "Many failed SSH logins from one address", "Root logged in over SSH from the Internet"
ATTACKER = "203.0.113.66"
PATIENCE_SECONDS = 180.0
"""Three machines and a server begin on this one."""


class Machines:
    """Two that collect and one that detects, each with a folder of its own."""

    def __init__(self, folder: Path, url: str, prefix: str) -> None:
        self.folder = folder
        self._store = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\n'
        self.one, self.two, self.judge = self.all = [
            self.made(name, node, role)
            for node, (name, role) in enumerate((("one", "collect"), ("two", "collect"), ("judge", "detect")))
        ]

    def made(self, name: str, node: int, role: str, more: str = "") -> Running:
        folder = self.folder / name
        folder.mkdir()
        config = folder / "sentinel.toml"
        config.write_text(
            f'data = "{folder}/data"\nnode = {node}\n[[syslog]]\nname = "city"\nport = 0\n[metrics]\nport = 0\n'
            f"[spool]\nballast_bytes = 0\n[detect]\nevery_seconds = 0.5\n{self._store}{more}"
        )
        return Running(folder, config, roles=(role,))

    def alerts(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for one in self.judge.json("alerts", "list"):
            found.setdefault(one["title"], []).append(one)
        return found

    def stored(self) -> list[Event]:
        with App(load(self.judge.config)).reading() as store:
            return store.since(0, (1 << 63) - 1, 10_000)

    def judged(self) -> set[str]:
        """Return the ids of the events that the alert about many failed logins counts."""
        with App(load(self.judge.config)).book() as book, book.looking() as db:
            rows = db.execute("SELECT event FROM evidence JOIN alerts ON alert = number WHERE title = ?", (MANY,))
            return {str(name) for (name,) in rows}


def line(machine: str, number: int, what: str) -> str:
    stamp = datetime.now().astimezone().isoformat()
    return f"<86>1 {stamp} {machine} sshd {number} - - {what} for root from {ATTACKER} port {40000 + number} ssh2"


def failed(machine: Running, start: int, end: int) -> None:
    machine.tcp(*(line(machine.folder.name, number, "Failed password") for number in range(start, end)))


@pytest.fixture
def machines(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> Iterator[Machines]:
    made = Machines(tmp_path, elastic_url, elastic_prefix)
    with ExitStack() as stack:
        for one in made.all:
            stack.callback(one.stop, signal.SIGKILL)
        yield made


def test_what_two_machines_receive_is_judged_by_a_third_and_nothing_is_lost_when_one_is_killed(
    machines: Machines,
) -> None:
    one, two, judge = machines.all
    one.start()
    own = two.config.read_text("utf-8")
    two.config.write_text(own.replace("node = 1", "node = 0").replace("/two/data", "/two/other"))
    refused = two.sentinel("run", "--role", "collect", code=3).stderr.decode()
    assert "give this machine a `node` that nobody has" in " ".join(refused.split())
    two.config.write_text(own)
    two.start()
    judge.start()
    assert not judge.ports, "who only detects opens no entrance"
    for machine in (one, two):
        machine.tcp(line(machine.folder.name, 1, "Accepted password"))
        failed(machine, 0, 5)  # ten make an alert
    eventually(lambda: machines.alerts().keys() >= {MANY, ROOT}, PATIENCE_SECONDS)
    assert {one["key"]["host.name"] for one in machines.alerts()[ROOT]} == {"one", "two"}
    said = status(one)
    assert (said["role"], said["judging"], said["detect_lag_seconds"]) == ("collect", "", 0)
    assert one.json("health")[0]["well"]

    failed(two, 100, 500)
    two.stop(signal.SIGKILL)
    failed(one, 1000, 1050)
    two.start()
    failed(two, 2000, 2050)

    def all_judged() -> bool:
        failures = {event.id for event in machines.stored() if holds(Is("event.outcome", "failure"), event)}
        last = {str(event.fields.get("process.pid")) for event in machines.stored()}
        return {"1049", "2049"} <= last and not status(two)["in_spool"] and machines.judged() == failures

    eventually(all_judged, PATIENCE_SECONDS)
    for machine, node in ((one, 0), (two, 1)):
        accepted = status(machine)["received"]
        mine = [event for event in machines.stored() if node_of(event.seq) == node]
        assert len({event.id for event in mine}) == len(mine) == accepted, "none lost, none doubled"
    for machine in machines.all:
        assert machine.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may listen to an interface")
def test_a_port_scan_that_a_sensor_sees_is_an_alert_where_it_is_judged(machines: Machines) -> None:
    ports = range(20_000, 20_060)
    heard = f'[sense]\ninterfaces = ["lo"]\nfilter = "tcp portrange {ports[0]}-{ports[-1]}"\n'
    ear, judge = machines.made("ear", 3, "sensor", heard), machines.judge
    with ExitStack() as stack:
        stack.callback(ear.stop, signal.SIGKILL)
        ear.start()
        judge.start()
        assert not ear.ports, "who only listens opens no entrance"
        assert status(ear)["role"] == "sensor"

        def alert() -> dict[str, Any] | None:
            for port in ports:
                with socket.socket() as probe:
                    probe.connect_ex(("127.0.0.1", port))
            return next((one for titled in machines.alerts().values() for one in titled), None)

        found = eventually(alert, PATIENCE_SECONDS)
        assert found is not None
        assert found["key"]["source.ip"] == "127.0.0.1"
        assert {node_of(event.seq) for event in machines.stored()} == {3}
        assert ear.stop() == judge.stop() == 0


def test_the_embedded_store_knows_no_roles(tmp_path: Path) -> None:
    config = tmp_path / "sentinel.toml"
    config.write_text(f'data = "{tmp_path}/data"\n')
    done = Running(tmp_path, config).sentinel("run", "--role", "detect", code=3)
    assert 'wants [store] kind = "elasticsearch"' in " ".join(done.stderr.decode().split())
