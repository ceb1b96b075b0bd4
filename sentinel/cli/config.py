"""`sentinel config`: what the options mean."""

from typing import Annotated

import typer

from sentinel.cli.common import talk
from sentinel.config import explaining

EXAMPLE = """
sentinel config explain syslog.port
sentinel config example > /etc/sentinel/sentinel.toml
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command()
def explain(key: Annotated[str, typer.Argument(help="An option, such as store.url; nothing lists all.")] = "") -> None:
    """Say what an option means and what its default is."""
    if key:
        typer.echo(explaining.explain(key))
        return
    for name, words in explaining.options():
        typer.echo(f"{name}\n    {words.splitlines()[0]}")


@verb.command()
def example() -> None:
    """Print a configuration file with every option at its default, explained."""
    typer.echo(explaining.example())
    talk("every option above is at its default; uncomment what you change")
