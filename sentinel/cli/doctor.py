"""`sentinel doctor`: what keeps Sentinel from working on this machine, and what to do about it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from sentinel import config as configuration
from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, emit, show
from sentinel.config.calendar import problems
from sentinel.core.check import Check, State
from sentinel.core.errors import Exit, SentinelError
from sentinel.entrances import makers
from sentinel.notify.guard import reached
from sentinel.sense.checks import checks, learning
from sentinel.sense.memory import FILE as MEMORY_FILE
from sentinel.ui.visible import safe

EXAMPLE = """
sentinel doctor
sentinel doctor --json
"""

FREE_WANTED = 2 << 30
ANCHOR_EXPECTED = timedelta(days=2)
EXPIRES_SOON = timedelta(days=14)

verb = typer.Typer(add_completion=False, rich_markup_mode=None)
STYLES: dict[State, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@verb.command()
def doctor(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Look at configuration, disk, ports, tools, content, places, spool and store. Ends with 1 if anything fails."""
    checks = list(_checks(config))
    if json:
        emit(
            *(
                {"schema": SCHEMA, "check": one.name, "state": one.state, "found": one.found, "advice": one.advice}
                for one in checks
            )
        )
    else:
        table = Table()
        for column in ("", "check", "found", "what to do"):
            table.add_column(safe(column))
        for one in checks:
            table.add_row(Text(one.state, style=STYLES[one.state]), safe(one.name), safe(one.found), safe(one.advice))
        show(table)
    if any(one.state == "fail" for one in checks):
        raise typer.Exit(Exit.FINDING)


def _checks(given: Path | None) -> Iterator[Check]:
    try:
        app = App(configuration.load(given))
    except SentinelError as error:
        yield Check(
            "configuration", "fail", str(error), "mend it; sentinel config explain KEY says what an option means"
        )
        return
    yield Check("configuration", "ok", str(configuration.find(given) or "no file: every option at its default"))
    looks: tuple[Callable[[App], Iterator[Check]], ...] = (
        _disk,
        _entrances,
        _tools,
        _audit,
        _channels,
        _content,
        _enrichment,
        _calendar,
        _sensor,
        _spool,
        _store,
    )
    for look in looks:
        try:
            yield from look(app)
        except SentinelError as error:
            yield Check(look.__name__.strip("_"), "fail", str(error))


def _disk(app: App) -> Iterator[Check]:
    folder = app.config.data
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    enough = free >= FREE_WANTED
    yield Check("free disk", "ok" if enough else "warn", f"{free / (1 << 30):.1f} GiB at {app.config.data}",
                "" if enough else "make room or choose another folder with `data = …`")  # fmt: skip
    if not os.access(folder, os.W_OK):
        yield Check("data folder", "fail", f"{folder} may not be written", "run as root or choose with `data = …`")
        return
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        begin = time.monotonic()
        for _ in range(10):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        took = (time.monotonic() - begin) / 10 * 1000
    slow = took > 50
    yield Check("disk flush", "warn" if slow else "ok", f"{took:.1f} ms",
                "a slow disk bounds how many records a second are acknowledged" if slow else "")  # fmt: skip


def _entrances(app: App) -> Iterator[Check]:
    seen: set[Check] = set()  # two entrances may have the same to say
    for make in makers(app.config, app.clock):
        try:
            checks = list(make().checks())
        except SentinelError as error:
            checks = [Check("entrances", "fail", str(error))]
        for check in checks:
            if check not in seen:
                yield check
            seen.add(check)


def _tools(app: App) -> Iterator[Check]:
    del app
    tshark = shutil.which("tshark")
    if tshark is None:
        yield Check("tshark", "warn", "not installed", "apt install tshark; only the packet sensor needs it")
    else:
        said = subprocess.check_output([tshark, "--version"], text=True)  # noqa: S603  found on PATH
        yield Check("tshark", "ok", said.splitlines()[0])
    try:
        from sentinel.collect.evtx import read_evtx  # noqa: F401  whether it can be loaded is the question
    except ImportError as error:
        advice = "run deploy/setup again; only `sentinel import` of .evtx files needs it"
        yield Check("event logs", "warn", f"the evtx library cannot be loaded: {error}", advice)
    else:
        yield Check("event logs", "ok", f"evtx {version('evtx')}")
    synced = Path("/run/systemd/timesync/synchronized").exists() or shutil.which("chronyc") is not None
    if synced:
        yield Check("clock", "ok", "synchronised")
    else:
        advice = "run chrony or systemd-timesyncd: events of many machines are put in order by time"
        yield Check("clock", "warn", "no sign of synchronisation", advice)


def _content(app: App) -> Iterator[Check]:
    for name, good, bad, command in (
        ("packs", len(app.packs.by_name), len(app.packs.refused), "sentinel packs list"),
        ("rules", len(app.rules.detections), len(app.rules.refused), "sentinel rules check"),
    ):
        found = f"{good} load, {bad} are refused"
        yield Check(name, "fail" if bad else "ok", found, f"{command} says why" if bad else "")
    now = app.clock.now()
    for one in app.rules.exceptions:
        ends = one.terms.expires
        if one.expired or ends <= now + EXPIRES_SOON:
            state = "has expired" if one.expired else f"expires {ends:%d.%m. %H:%M} UTC"
            found = f"{one.title} ({one.terms.owner}): {state}"
            yield Check("exception", "warn", found, f"remove {one.path}, or give it a new reason and end")


def _audit(app: App) -> Iterator[Check]:
    last = app.audit.last_anchor()
    old = last is not None and app.clock.now() - datetime.fromisoformat(last.at) > ANCHOR_EXPECTED
    found = "no anchor yet" if last is None else f"anchored up to entry {last.number} at {last.at[:16]}"
    advice = "`sentinel run` anchors it once a day: see what it says" if old else ""
    yield Check("audit log", "warn" if old else "ok", found, advice)


def _calendar(app: App) -> Iterator[Check]:
    wrong = list(problems(app.calendars, app.inventory, app.clock.now().date()))
    known = ", ".join(app.calendars.by_name) if app.calendars else f"none: there is no {app.config.calendar}"
    yield from wrong or [Check("calendars", "ok", known)]


def _channels(app: App) -> Iterator[Check]:
    for one in app.config.channels:
        error = reached(one.host, one.port, one.networks)
        advice = f"then: sentinel notify test {one.name}" if not error else "mend the channel, or what is between"
        yield Check(f"channel {one.name}", "fail" if error else "ok", error or f"{one.host}:{one.port} answers", advice)


def _enrichment(app: App) -> Iterator[Check]:
    enricher = app.enricher
    if enricher is None:
        yield Check("inventory", "ok", f"none: there is no {app.config.inventory}")
        return
    yield Check("enrichment", "ok", enricher.summary)
    for problem in enricher.problems:
        yield Check("enrichment", "warn", problem, "mend or fetch the file; it is read again when it changes")
    now = app.clock.now().timestamp()
    for name, file in enricher.threats.lists:
        if file.held is not None and file.held.expired(now) == file.held.count:
            advice = "fetch it again, or raise its days_valid"
            yield Check(f"indicators {name}", "warn", "none of them is valid any more", advice)


def _sensor(app: App) -> Iterator[Check]:
    sensor = app.config.sense
    if sensor.interfaces:
        yield from checks(sensor.interfaces, sensor.segments, sensor.detections)
        yield from learning(app.config.data / MEMORY_FILE, sensor.learn_days, app.clock.now())


def _spool(app: App) -> Iterator[Check]:
    with app.spool() as spool:
        stats = spool.stats()
    waiting = stats.last_seq - stats.committed
    yield Check("spool", "ok", f"{stats.bytes:,} bytes, {waiting:,} records wait for the store")
    if stats.full:
        yield Check("spool room", "fail", stats.full, "make room; records are accepted again by themselves")
    if stats.quarantined_bytes:
        yield Check("spool damage", "warn", f"{stats.quarantined_bytes:,} bytes in quarantine", "sentinel spool fsck")


def _store(app: App) -> Iterator[Check]:
    with app.reading() as store:
        yield Check("store", "ok", f"{app.config.store.kind}, newest event {store.newest():,}")
        for trouble in store.troubles():
            yield Check("store", "warn", trouble)
