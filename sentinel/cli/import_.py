"""`sentinel import`: files and standard input enter as any record does; a file that comes twice is stored once."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import ConfigOption, application, talk
from sentinel.collect.imports import Ledger
from sentinel.core.errors import Exit
from sentinel.entrances import cutting

EXAMPLE = """
sentinel import Security.evtx
sentinel import --source fw-rathaus fortigate.log.1.gz
journalctl -o short-iso | sentinel import -
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command("import")
def import_(
    paths: Annotated[list[str], typer.Argument(help="Log files, .gz, .evtx; `-` is standard input.")],
    source: Annotated[str, typer.Option("--source", help="The source these records belong to.")] = "import",
    config: ConfigOption = None,
) -> None:
    """Bring in log files (text, .gz), event logs (.evtx, XML) or standard input.

    Files of a source that `[[files]]` names are read as its records and encoding say.
    """
    problems = asyncio.run(_all(application(config), paths, source))
    for problem in problems:
        talk(problem, "red")
    if problems:
        raise typer.Exit(Exit.PARTIAL)


async def _all(app: App, paths: list[str], source: str) -> list[str]:
    from sentinel.collect.evtx import import_file
    from sentinel.collect.records import LINE_BY_LINE
    from sentinel.collect.stdin import StdinCollector

    problems: list[str] = []
    how = next((cutting(one) for one in app.config.files if one.name == source), LINE_BY_LINE)
    ledger = Ledger(app.config.data / "imports.json", app.clock)
    with app.spool() as spool:
        for path in paths:
            if path == "-":
                collector = StdinCollector(source, app.clock, sys.stdin.buffer)
                await collector.run(spool)
                talk(f"standard input: {collector.counters.written:,} records")
                continue
            sink = ledger.sink(Path(path), source, spool)
            report = await import_file(Path(path), source, sink, app.clock, how)
            talk(f"{path}: {report.records:,} records")
            problems += [f"{path}: {problem}" for problem in report.problems]
    return problems
