"""`sentinel backup`: copies all that Sentinel knows while it works, and brings it back on an empty machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sentinel import backup
from sentinel import config as configuration
from sentinel.backup import Made
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, recorded, talk
from sentinel.cli.who import operator
from sentinel.core.errors import Exit

EXAMPLE = """
sentinel backup make /srv/backup/2027-01-31
sentinel backup verify /srv/backup/2027-01-31
sentinel backup restore /srv/backup/2027-01-31 --config /srv/backup/2027-01-31/content/sentinel.toml
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
FromArgument = Annotated[Path, typer.Argument(help="The folder of the backup.")]


@verb.command()
def make(
    to: Annotated[Path, typer.Argument(help="A new folder, on another disk; nobody else may read it.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a backup; Sentinel may be at work meanwhile. It holds keys: keep it as you keep these."""
    app = application(config)
    with recorded(app, "backup.make", str(to)):
        made = backup.make(app, to, configuration.find(config))
    _told(made, json=json)


@verb.command()
def verify(folder: FromArgument, json: JsonOption = False) -> None:
    """Say whether every file of a backup is as it was written. Ends with 1 if not."""
    made, problems = backup.verify(folder)
    _told(made, json=json)
    for problem in problems[:20]:
        talk(problem, "red")
    if problems:
        talk(f"{len(problems)} problems: NOT as it was written", "red")
        raise typer.Exit(Exit.FINDING)


@verb.command()
def restore(
    folder: FromArgument,
    admin: Annotated[
        Path | None, typer.Option(help="Elasticsearch: a file with an administrator's API key, or user:password.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring a backup back into an empty data folder and an empty cluster; then begin `sentinel run`."""
    _told(backup.restore(application(config), folder, operator(), admin), json=json)
    talk("restored; begin `sentinel run`, then `sentinel status` says whether the books balance")


def _told(made: Made, *, json: bool) -> None:
    if json:
        emit({"schema": SCHEMA, **asdict(made)})
    else:
        snapshot = f", snapshot {made.snapshot} in {made.repository}" if made.snapshot else ""
        talk(
            f"of {made.at}, Sentinel {made.version}: {made.files:,} files{snapshot}; record {made.through:,} is booked"
        )
