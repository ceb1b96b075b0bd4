"""`sentinel incidents`: alerts that belong together, and how much there is to fear from them."""

from typing import Annotated

import typer
from rich.text import Text

from sentinel.cli.alerts import as_json as alert_json
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, LimitOption, application, emit, show, talk
from sentinel.core.clock import iso
from sentinel.core.incident import Incident
from sentinel.ui import tables

EXAMPLE = """
sentinel incidents list
sentinel incidents show 7be0
sentinel alerts close 3f2a 9b01 --verdict benign
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(
    closed: Annotated[bool, typer.Option("--all", help="Those too of which every alert is closed.")] = False,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List incidents, those with the highest risk first."""
    with application(config).incidents() as book:
        book.refresh()
        found = book.incidents(closed=closed, limit=limit)
    if json:
        emit(*map(as_json, found))
    elif found:
        show(tables.incidents_table(found))
    else:
        talk("no open alerts belong together: sentinel alerts list")


@verb.command("show")
def show_(
    incident_id: Annotated[str, typer.Argument(help="The incident's id, or the beginning of it.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one incident: what its risk is made of, what joins its alerts, and how it came to be."""
    with application(config).incidents() as book:
        book.refresh()
        found = book.incident(incident_id)
    if json:
        emit(as_json(found))
        return
    show(Text(f"Incident {found.id[: tables.ID_SHOWN]}, risk {found.score} of 100", style="bold"))
    show(
        tables.plain_table(("points", "part", "why"), [(f"{one.points:+d}", one.name, one.why) for one in found.parts])
    )
    shared = ", ".join(f"{one.kind} {one.value}" for one in found.shared)
    talk(f"joined by: {shared}")
    show(tables.alerts_table(found.alerts))
    rows = [(tables.local(one.at), one.what, one.note) for one in found.history]
    show(tables.plain_table(("When", "What", "Note"), rows, "History"))


def as_json(one: Incident) -> dict[str, object]:
    """Return an incident as `--json` prints it."""
    return {
        "schema": SCHEMA,
        "id": one.id,
        "score": one.score,
        "parts": [part._asdict() for part in one.parts],
        "open": one.open,
        "began": iso(one.began),
        "first_seen": iso(one.first_seen),
        "last_seen": iso(one.last_seen),
        "shared": [entity._asdict() for entity in one.shared],
        "alerts": [alert_json(alert) for alert in one.alerts],
        "history": [{"at": iso(change.at), "what": change.what, "note": change.note} for change in one.history],
    }
