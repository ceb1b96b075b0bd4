"""`sentinel check`: say whether it would start, and with what."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel import config as configuration
from sentinel import notifying
from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, emit, talk
from sentinel.config import duty
from sentinel.config.calendar import problems
from sentinel.core.errors import Exit

EXAMPLE = """
sentinel check
sentinel check --config new.toml && systemctl restart sentinel
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="A configuration file; nothing checks the one in use.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Check the configuration, every pack and every rule, without starting anything."""
    path = configuration.find(file or config)
    app = App(configuration.load(path))
    sources = [source.name for source in (*app.config.syslog, *app.config.files)]
    if not sources:
        talk("no source is configured: nothing would ever arrive", "yellow")
    app.reader  # noqa: B018  refuses a source whose pack does not exist
    inventory = app.inventory
    if inventory is None and "inventory" in app.config.model_fields_set:
        talk(f"{app.config.inventory}: there is no such inventory: no event will say whose it is", "yellow")
    for sender in inventory.source if inventory is not None else ():
        if sender.source is not None and app.config.source(sender.source) is None:
            talk(f"{app.config.inventory}: [[source]] speaks of {sender.source!r}, which is no source here", "yellow")
    for one in problems(app.calendars, inventory, app.clock.now().date()):
        talk(f"{one.name}: {one.found}; {one.advice}", "yellow")
    for problem in app.enricher.problems if app.enricher is not None else ():
        talk(problem, "yellow")
    duty.load(app.config.duty)
    channels = [notifying.target(one) for one in app.config.channels]
    for channel in channels:
        channel.secret()
    refused = [f"pack {one.folder}: {one.reason}" for one in app.packs.refused]
    refused += [f"rule {one.path}: {one.reason}" for one in app.rules.refused]
    if json:
        emit(
            {
                "schema": SCHEMA,
                "config": str(path) if path else None,
                "sources": sources,
                "channels": [one.name for one in app.config.channels],
                "packs": len(app.packs.by_name),
                "rules": len(app.rules.detections),
                "networks": len(inventory.network) if inventory is not None else 0,
                "hosts": len(inventory.host) if inventory is not None else 0,
                "indicators": {
                    name: list_.held.count if list_.held is not None else None
                    for name, list_ in (app.enricher.threats.lists if app.enricher is not None else ())
                },
                "refused": refused,
            }
        )
    for line in refused:
        talk(line, "red")
    if app.enricher is not None:
        talk(app.enricher.summary)
    talk(
        f"{path or 'no configuration file, all defaults'}: {len(sources)} sources, {len(app.packs.by_name)} packs, "
        f"{len(app.rules.detections)} rules; {len(refused)} refused"
    )
    if refused:
        raise typer.Exit(Exit.CONFIG)
