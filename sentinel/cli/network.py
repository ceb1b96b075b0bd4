"""`sentinel network`: which segments speak to which, and where the sensor has found something."""

from typing import Annotated

import typer

from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LastOption,
    application,
    emit,
    lasting,
    show,
    talk,
)
from sentinel.core.ports import Span
from sentinel.respond.network import between, matrix
from sentinel.respond.writing import written
from sentinel.ui import tables

EXAMPLE = """
sentinel network
sentinel network --last 7d --each --json
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def network(
    last: LastOption = "24h",
    each: Annotated[bool, typer.Option("--each", help="Numbered segments (school-01, school-02) one by one.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Count the events between each two segments of the inventory; those with findings first, then the busiest."""
    app = application(config)
    now = app.clock.now()
    with app.reading() as store:
        found = matrix(store, Span(now - lasting(last), now))
    pairs = (found if each else found.folded()).pairs
    if json:
        for pair, traffic in pairs.items():
            said = {"schema": SCHEMA, "from": pair[0], "to": pair[1]}
            emit({**said, "events": traffic.events, "findings": traffic.findings, "query": written(between(pair))})
    elif pairs:
        rows = [
            (source or "(outside)", to or "(outside)", f"{one.findings:,}", f"{one.events:,}")
            for (source, to), one in pairs.items()
        ]
        show(tables.plain_table(("from", "to", "findings", "events"), rows))
    else:
        talk("no event of this time has two ends; the inventory (assets.toml) names the segments")
