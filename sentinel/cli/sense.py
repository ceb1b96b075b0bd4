"""`sentinel sense`: packets become records in the spool, as any log."""

import signal
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sentinel import metrics, sensing
from sentinel.app import App
from sentinel.cli import policy as policies
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, talk
from sentinel.core.errors import Exit, UsageError
from sentinel.core.event import Raw
from sentinel.sense.findings import Finding
from sentinel.sense.live import Live, LiveSettings
from sentinel.sense.memory import FILE as MEMORY_FILE
from sentinel.sense.sensor import read_pcap, sense_file
from sentinel.sense.settings import SenseSettings
from sentinel.sense.writing import shown

EXAMPLE = """
sentinel sense --interface eth1 --interface eth2
sentinel sense --pcap capture.pcapng
sentinel sense --pcap capture.pcapng --segments segments.yaml --findings --json
sentinel sense policy check segments.yaml
sentinel sense policy learn --segments segments.yaml --last 7d > proposal.yaml
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)
verb.add_typer(policies.policy, name="policy", help="The segments file: check it, or have one proposed.")


@verb.callback(invoke_without_command=True)
def sense(  # noqa: PLR0913, PLR0917  options of a command
    context: typer.Context,
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", help="An interface to listen to; may be given again.")
    ] = None,
    pcap: Annotated[Path | None, typer.Option("--pcap", help="A capture file (pcap or pcapng).")] = None,
    segments: Annotated[Path | None, typer.Option("--segments", help="The segments file: networks and policy.")] = None,
    learn: Annotated[Path | None, typer.Option("--learn", help="A capture to learn first what is normal.")] = None,
    findings: Annotated[
        bool, typer.Option("--findings", help="Only print what was found; nothing enters the spool.")
    ] = False,
    ring: Annotated[
        Path | None, typer.Option("--ring", help="Keep a ring of capture files in this folder (tmpfs, mode 0700).")
    ] = None,
    ring_megabytes: Annotated[
        int, typer.Option("--ring-megabytes", min=8, help="The ring's size, an interface.")
    ] = 256,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read packets: their records go into the spool, and so does what is found in them."""
    if context.invoked_subcommand:
        return
    app = application(config)
    settings = sensing.settings(app, segments, learn)
    if pcap is not None:
        if interface or ring:
            raise UsageError("--pcap is of a file: leave out --interface and --ring")
        _file(app, pcap, settings, findings=findings, json=json)
        return
    names = interface or app.config.sense.interfaces
    if not names:
        raise UsageError("what is to be read? Give --interface NAME, --pcap FILE, or [sense] interfaces")
    if learn:
        raise UsageError("--learn goes with --pcap; on an interface the sensor learns for [sense] learn_days")
    chosen = LiveSettings(
        sense=settings,
        bpf=app.config.sense.filter,
        memory=None if findings else app.config.data / MEMORY_FILE,
        learn_days=app.config.sense.learn_days,
        ring=ring,
        ring_megabytes=ring_megabytes,
    )
    _listen(app, names, chosen, findings=findings, json=json)


def _file(app: App, pcap: Path, settings: SenseSettings, *, findings: bool, json: bool) -> None:
    if findings:
        reading = read_pcap(pcap, "sensor", app.clock, settings)
        reading.skim()
        report = reading.report
    else:
        with app.spool() as spool:
            report = sense_file(pcap, spool.put, app.clock, settings)
    for finding in report.findings:
        _tell(finding, json=json)
    for problem in report.problems:
        talk(problem, "yellow")
    talk(f"{report.packets:,} packets, {report.flows:,} flows, {len(report.findings)} findings")
    if report.problems:
        raise typer.Exit(Exit.PARTIAL)


def _listen(app: App, names: Sequence[str], settings: LiveSettings, *, findings: bool, json: bool) -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with nullcontext() if findings else app.spool() as spool:

        def put(raws: Sequence[Raw]) -> None:
            if spool is not None:
                spool.put(list(raws))

        live = Live(names, settings, put, app.clock, told=lambda found: _tell(found, json=json))
        port = app.config.sense.metrics_port
        with metrics.sensing(port, live.wires) if port else nullcontext():
            talk(f"listening to {', '.join(names)}; Ctrl+C ends it")
            live.run(ended.is_set)
    seen = sum(wire.sifter.packets for wire in live.wires)
    dropped = sum(wire.dropped for wire in live.wires)
    talk(f"{seen:,} packets, {dropped:,} dropped by the kernel, {live.lost:,} records lost")
    if dropped or live.lost:
        raise typer.Exit(Exit.PARTIAL)


def _tell(finding: Finding, *, json: bool) -> None:
    if json:
        emit({"schema": SCHEMA, **shown(finding)})
    else:
        talk(f"found: {finding.kind}: {finding.explanation}")
