"""`sentinel sense`: packets become records in the spool, as any log."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, talk
from sentinel.core.errors import Exit
from sentinel.sense.sensor import read_pcap, sense_file

EXAMPLE = """
sentinel sense --pcap capture.pcapng
sentinel sense --pcap capture.pcapng --findings --json
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def sense(
    pcap: Annotated[Path, typer.Option("--pcap", help="A capture file (pcap or pcapng).")],
    findings: Annotated[
        bool, typer.Option("--findings", help="Only print what was found; nothing enters the spool.")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a capture: flows, DNS and TLS go into the spool, and what looks like a scan is found."""
    app = application(config)
    if findings:
        reading = read_pcap(pcap, "sensor", app.clock)
        for _ in reading:
            continue
        report = reading.report
    else:
        with app.spool() as spool:
            report = sense_file(pcap, spool.put, app.clock)
    for finding in report.findings:
        if json:
            emit({"schema": SCHEMA, **finding})
        else:
            talk(f"found: {finding.get('kind')}: {finding.get('message', '')}")
    for problem in report.problems:
        talk(problem, "yellow")
    talk(f"{report.packets:,} packets, {report.flows:,} flows, {len(report.findings)} findings")
    if report.problems:
        raise typer.Exit(Exit.PARTIAL)
