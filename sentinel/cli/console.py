"""`sentinel console`: the whole of it on a screen."""

from typing import Annotated

import typer

from sentinel.cli.common import ConfigOption
from sentinel.cli.terminal import opened

EXAMPLE = """
sentinel console
sentinel console alerts
sentinel
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def console(
    screen: Annotated[str, typer.Argument(help="Which screen to begin with; as last time without it.")] = "",
    subject: Annotated[str, typer.Argument(help="What it shall show: an alert's id, a host.")] = "",
    config: ConfigOption = None,
) -> None:
    """Open the console; ends with q."""
    opened(screen, subject, config)
