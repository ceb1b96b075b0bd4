"""`sentinel demo`: a small model city under attack, from the wire to an alert on the screen."""

import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import show, stdout, talk
from sentinel.config import load
from sentinel.core.errors import Exit, SentinelError
from sentinel.detect.choosing import Switch, switch
from sentinel.testing import demo as city
from sentinel.ui import live, tables

EXAMPLE = """
sentinel demo
sentinel demo --seconds 60
sentinel demo | cat
"""

START_SECONDS = 30
ALERTS_SECONDS = 90
CONFIG = """\
data = "{folder}/data"
[[syslog]]
name = "city"
port = 0
[[files]]
name = "mailroom"
paths = ["{folder}/mail.log"]
[spool]
ballast_bytes = 0
[content]
rules = ["{folder}/rules"]
[detect]
every_seconds = 1.0
[[indicators]]
name = "demo"
path = "{folder}/known-bad.txt"
"""
_LISTENING = re.compile(r"listening: city (udp|tcp) \S+:(\d+)")

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def demo(
    seconds: Annotated[float, typer.Option(help="On a terminal: end by itself after so long; 0: with Ctrl+C.")] = 0.0,
) -> None:
    """Start Sentinel for a model city, let an attack in through its real entrances, show the alerts."""
    with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as name:
        folder = Path(name)
        config = folder / "sentinel.toml"
        config.write_text(CONFIG.format(folder=folder), "utf-8")
        (folder / "known-bad.txt").write_text(f"{city.ATTACKER}\n", "utf-8")
        _choose(App(load(config)))
        app = App(load(config))
        talk("demo: starting Sentinel for the model city (embedded store, everything in a temporary folder)")
        with _running(config) as ports:
            attack = threading.Thread(target=_attack, args=(config, folder, ports, app), daemon=True)
            if stdout().is_terminal:
                talk(f"demo: to work with the alerts, in a second terminal: sentinel console --config {config}")
                attack.start()
                with app.desk() as desk:
                    live.watch(desk, "The model city this morning  (Ctrl+C ends the demo)", seconds=seconds or None)
                attack.join(ALERTS_SECONDS)
                _end(app)
            else:
                attack.start()
                attack.join()
                _end(app, patient=True)


def _choose(app: App) -> None:
    # only what the attack breaks is on, so that nobody waits for the proof of all others
    day, why = app.clock.now().date().isoformat(), "the demo shows what its attack breaks"
    every = (*app.rules.detections, *(one.detection for one in app.rules.off))
    wanted = {one.id: Path(one.path).stem in city.BREAKS for one in every}
    switch(app.switches_file, {one: Switch(one, on=on, reason=why, who="demo", at=day) for one, on in wanted.items()})


def _end(app: App, *, patient: bool = False) -> None:
    """Show the alerts; without a terminal wait until every rule that the attack breaks has been heard."""
    wanted = {rule.id: rule.title for rule in app.rules.detections if Path(rule.path).stem in city.BREAKS}
    deadline = time.monotonic() + ALERTS_SECONDS
    with app.desk() as desk:
        found = desk.alerts()
        while patient and time.monotonic() < deadline and set(wanted) - {alert.rule_id for alert in found}:
            time.sleep(0.5)
            found = desk.alerts()
    show(tables.alerts_table(found))
    silent = sorted(title for rule, title in wanted.items() if rule not in {alert.rule_id for alert in found})
    if patient and silent:
        for title in silent:
            talk(f"demo: no alert from: {title}", "red")
        raise typer.Exit(Exit.FINDING)
    talk(f"demo: {len(found)} alerts out of log lines, an event log and a capture that entered through real entrances")


@contextmanager
def _running(config: Path) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "sentinel", "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  our own command
    said: list[str] = []
    ports: dict[str, int] = {}
    ready = threading.Event()

    def listen() -> None:
        for line in process.stderr or ():
            said.append(line)
            found = _LISTENING.match(line)
            if found:
                ports[found[1]] = int(found[2])
            if line.strip() == "ready":
                ready.set()
        ready.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        if not ready.wait(START_SECONDS) or process.poll() is not None or len(ports) < 2:
            raise SentinelError("sentinel run did not start:\n" + "".join(said))
        yield ports
    except typer.Exit:
        talk("demo: sentinel run said:\n" + "".join(said), "yellow")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        listener.join(5)


def _attack(config: Path, folder: Path, ports: dict[str, int], app: App) -> None:
    now = app.clock.now()
    scene = city.scene(now)
    sent = city.send_udp(scene.udp, ports["udp"])
    sent += city.send_tcp(scene.tcp, ports["tcp"])
    with (folder / "mail.log").open("a", encoding="utf-8") as mail:
        mail.writelines(f"{line}\n" for line in scene.mail)
    files = city.write_files(folder, now)
    quietly = not stdout().is_terminal
    senses = [["sense", "--pcap", str(capture)] for capture in files.captures]
    for command in (["import", "--source", "dc1", str(files.event_log)], *senses):
        whole = [sys.executable, "-m", "sentinel", *command, "--config", str(config)]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode and quietly:
            talk(f"demo: sentinel {command[0]}: {done.stderr.strip()}", "red")
    if quietly:
        talk(f"demo: sent {sent} syslog lines over UDP and TCP, {len(scene.mail)} lines into a followed file,")
        talk(f"demo: imported {files.event_log.name}, read {len(files.captures)} captures; rules run every second")
