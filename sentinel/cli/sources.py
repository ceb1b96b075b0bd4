"""`sentinel sources`: who sends, how often and how late, whose it is, and who has fallen silent."""

from typing import Any

import typer

from sentinel import status, surveys
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.ui import tables
from sentinel.ui.senders import SenderSurvey, noted, rough

EXAMPLE = """
sentinel sources
sentinel sources --json
"""
COLUMNS = (
    "source", "sender", "host", "loss", "site", "owner", "last heard", "every", "lag p50", "lag p95", "zone", "notes",
)  # fmt: skip

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def sources(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every sender that has been heard. Ends with 1 if one is silent."""
    app = application(config)
    found = status.look(app)
    senders = surveys.senders(app, found)
    if json:
        emit(*map(_as_json, senders))
    elif senders:
        show(tables.plain_table(COLUMNS, map(_row, senders)))
    for name in surveys.unheard(app, found):
        talk(f"source {name}: nothing has been heard of it yet")
    if any(one.silent for one in senders):
        raise typer.Exit(Exit.FINDING)


def _row(one: SenderSurvey) -> tuple[str, ...]:
    source, via, peer, host = one.identity
    return (
        source, f"{via} {peer}".strip(), host, one.loss, one.site, one.owner, tables.local(one.last), rough(one.usual),
        rough(one.lag_p50), rough(one.lag_p95), one.zone, "; ".join(map(noted, one.notes)),
    )  # fmt: skip


def _as_json(one: SenderSurvey) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        **one.identity._asdict(),
        "loss_class": one.loss,
        "site": one.site,
        "owner": one.owner,
        "zone": one.zone,
        "first_heard": iso(one.first),
        "last_heard": iso(one.last),
        "records": one.records,
        "bytes": one.bytes,
        "cadence_seconds": one.usual,
        "silent_after_seconds": one.patience,
        "lag_p50_seconds": one.lag_p50,
        "lag_p95_seconds": one.lag_p95,
        "skew_seconds": one.skew,
        "silent_since": iso(one.last) if one.silent else None,
        "notes": list(map(noted, one.notes)),
    }
