"""`sentinel assets`: what the inventory says."""

from collections.abc import Iterator
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.config.inventory import Belongs, Inventory
from sentinel.core.errors import Exit
from sentinel.pack.text import address
from sentinel.ui import tables

EXAMPLE = """
sentinel assets list
sentinel assets show 10.20.42.17
sentinel assets show srv-ad-01
"""
COLUMNS = ("table", "name", "is", "site", "owner", "criticality", "calendar")

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List networks, hosts and senders as the inventory has them; what is empty comes from the network around."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in _rows(_inventory(application(config)))]
    if json:
        emit(*({"schema": SCHEMA, **row} for row in rows))
    else:
        show(tables.plain_table(COLUMNS, (tuple(row.values()) for row in rows)))


@verb.command("show")
def show_(
    what: Annotated[str, typer.Argument(help="An address, or the name of a host.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what would be added to an event with this source address or host name. Ends with 1 if that is nothing."""
    app = application(config)
    app.inventory  # noqa: B018  says what is wrong with it
    known = address(what)
    for problem in app.enricher.problems if app.enricher is not None else ():
        talk(problem, "yellow")
    if app.enricher is None:
        found = {}
    else:
        found = app.enricher.of_address("source", known) if known else app.enricher.of_machine("host", what)
    if json:
        emit({"schema": SCHEMA, "asked": what, "fields": found})
    elif found:
        show(tables.plain_table(("field", "value"), ((name, tables.value_text(one)) for name, one in found.items())))
    if not found:
        talk(f"nothing is known of {what}")
        raise typer.Exit(Exit.FINDING)


def _inventory(app: App) -> Inventory:
    if app.inventory is None:
        talk(f"there is no {app.config.inventory}", "yellow")
        raise typer.Exit(Exit.FINDING)
    return app.inventory


def _rows(inventory: Inventory) -> Iterator[tuple[str, ...]]:
    for network in inventory.network:
        yield "network", network.name, ", ".join(network.cidr), *_belongs(network)
    for host in inventory.host:
        yield "host", host.name, ", ".join((*host.addresses, *host.aliases)), *_belongs(host)
    for sender in inventory.source:
        yield (
            "source",
            sender.name,
            ", ".join(filter(None, (sender.source, *sender.peer, *sender.identity))),
            *_belongs(sender),
        )


def _belongs(one: Belongs) -> tuple[str, ...]:
    return one.site, one.owner, one.criticality or "", one.calendar or ""
