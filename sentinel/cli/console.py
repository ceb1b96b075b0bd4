"""`sentinel console`: the whole of it on a screen."""

import sys
from typing import Annotated

import typer

from sentinel.cli.common import ConfigOption, application, operator
from sentinel.core.errors import UsageError

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
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the console needs a terminal; for programs there is --json: sentinel alerts list --json")
    from sentinel.console import services
    from sentinel.ui.console.app import Console
    from sentinel.ui.console.screens import screens

    if screen and screen not in screens():
        raise UsageError(f"there is no screen {screen!r}; there are {', '.join(screens())}")
    with services(application(config), operator()) as given:
        Console(given, screen, subject).run()
