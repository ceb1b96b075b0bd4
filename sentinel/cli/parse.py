"""`sentinel parse`: log lines in, ECS out, one object a line; nothing is stored."""

import sys
from typing import Annotated

import typer

from sentinel.cli.common import ConfigOption, JsonOption, application, emit, show
from sentinel.parse import lines
from sentinel.ui import tables
from sentinel.ui.visible import safe

EXAMPLE = """
sentinel parse --json < /var/log/auth.log
sentinel parse --source fortigate --json < fortigate.log
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def parse(
    source: Annotated[str, typer.Option("--source", help="The pack to use; empty recognises each line.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="Time zone of times that name none.")] = "UTC",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read log lines from standard input and print exactly one ECS object for each, in order."""
    app = application(config)
    for document in lines.objects(sys.stdin.buffer, source or None, app.packs, app.clock, zone):
        if json:
            emit(document)
        else:
            show(*(safe(f"{name} = {tables.value_text(value)}") for name, value in sorted(document.items())), "")
