"""`sentinel run`: everything at work, parsing and rules in processes of their own."""

import logging

import typer

from sentinel import running
from sentinel.cli.common import ConfigOption, application, talk

EXAMPLE = """
sentinel run
sentinel run --config /etc/sentinel/sentinel.toml
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def run(config: ConfigOption = None) -> None:
    """Receive, parse, store and judge until Ctrl+C or SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)r")
    running.run(application(config), talk)
