"""`sentinel run`: everything at work, the rules in a process of their own."""

import logging

import typer

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
    application(config).run(talk)
