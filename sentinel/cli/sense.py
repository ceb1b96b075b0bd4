"""`sentinel sense`: packets become records in the spool, as any log."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, talk
from sentinel.core.errors import Exit
from sentinel.sense.segments import Segments, read_segments
from sentinel.sense.sensor import read_pcap, sense_file
from sentinel.sense.settings import SenseSettings
from sentinel.sense.writing import shown

EXAMPLE = """
sentinel sense --pcap capture.pcapng
sentinel sense --pcap capture.pcapng --segments segments.yaml --findings --json
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def sense(
    pcap: Annotated[Path, typer.Option("--pcap", help="A capture file (pcap or pcapng).")],
    segments: Annotated[Path | None, typer.Option("--segments", help="The segments file: networks and policy.")] = None,
    learn: Annotated[Path | None, typer.Option("--learn", help="A capture to learn first what is normal.")] = None,
    findings: Annotated[
        bool, typer.Option("--findings", help="Only print what was found; nothing enters the spool.")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a capture: its records go into the spool, and so does what is found in them."""
    app = application(config)
    policy = segments or app.config.sense.segments
    settings = SenseSettings(
        tuning=app.config.sense.detections, segments=read_segments(policy) if policy else Segments(), learn=learn
    )
    if findings:
        reading = read_pcap(pcap, "sensor", app.clock, settings)
        for _ in reading:
            continue
        report = reading.report
    else:
        with app.spool() as spool:
            report = sense_file(pcap, spool.put, app.clock, settings)
    for finding in report.findings:
        if json:
            emit({"schema": SCHEMA, **shown(finding)})
        else:
            talk(f"found: {finding.kind}: {finding.explanation}")
    for problem in report.problems:
        talk(problem, "yellow")
    talk(f"{report.packets:,} packets, {report.flows:,} flows, {len(report.findings)} findings")
    if report.problems:
        raise typer.Exit(Exit.PARTIAL)
