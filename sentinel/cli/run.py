"""`sentinel run`: everything at work, parsing and rules in processes of their own."""

import logging
import os
import sys
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated

import typer

from sentinel import __version__, notifying, running
from sentinel import config as configuration
from sentinel.app import App
from sentinel.audit.daily import entered_by_itself
from sentinel.cli.common import ConfigOption, application, talk
from sentinel.cli.who import operator
from sentinel.core.audit import Deed
from sentinel.entrances import entrances
from sentinel.roles import Role, roles_of

EXAMPLE = """
sentinel run
sentinel run --config /etc/sentinel/sentinel.toml
sentinel run --role collect
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def run(
    role: Annotated[
        list[Role] | None,
        typer.Option(help="What this machine does; may be given again. Several machines share one Elasticsearch."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Receive, parse, store and judge until Ctrl+C or SIGTERM; SIGHUP begins anew with the options as they are then.

    With --role collect it receives and stores only, with sensor it listens to [sense] interfaces, with detect it judges
    what all machines have stored, notifies and removes what is due.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)r")
    app = application(config)
    roles = roles_of(role or (), app.config)
    path = configuration.find(config)
    said = {"config_sha256": sha256(path.read_bytes()).hexdigest() if path else "", "version": __version__}
    entered_by_itself(app.audit, Deed("run.begin", operator(), str(path or ""), said), talk)
    again = running.run(app, talk, lambda: _proven(application(config), role or ()), roles)
    entered_by_itself(app.audit, Deed("config.reload" if again else "run.end", operator(), str(path or "")), talk)
    if again:
        # the same process to whoever began it, and nothing is left of the old options
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  as it was begun


def _proven(app: App, given: Iterable[Role]) -> None:
    """Raise SentinelError if Sentinel would not begin with these options."""
    roles_of(given, app.config)
    app.reader  # noqa: B018  refuses a source whose pack does not exist
    app.inventory  # noqa: B018  as above
    list(entrances(app.config, app.clock))
    for channel in app.config.channels:
        notifying.target(channel).secret()
