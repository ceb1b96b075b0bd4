"""`sentinel deadletter`: what no pack could read; list, show, and bring in again after a pack was mended."""

from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    application,
    emit,
    emit_events,
    recorded,
    show,
    talk,
)
from sentinel.core.errors import UsageError
from sentinel.core.event import Event
from sentinel.core.ports import Store
from sentinel.core.where import Like
from sentinel.letters import REPLAYED_MAX, bring_in, everywhere, letters, unread
from sentinel.ui import tables

EXAMPLE = """
sentinel deadletter list
sentinel deadletter show 3f2a
sentinel deadletter replay --all
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(limit: LimitOption = 100, json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the records that are still unread, latest first."""
    app = application(config)
    with recorded(app, "deadletter.list", limit=limit), app.reading() as store:
        found = unread(app, store, limit)
    if json:
        emit_events(found)
    elif found:
        rows = (
            (
                one.id[: tables.ID_SHOWN],
                tables.local(one.ingested),
                tables.value_text(one.fields.get("sentinel.source")),
                tables.value_text(one.fields.get("error.message")),
                tables.value_text(one.fields.get("event.original"))[:120],
            )
            for one in found
        )
        show(tables.plain_table(("id", "arrived", "source", "reason", "record"), rows))
    else:
        talk("no dead letters: every record could be read")


@verb.command("show")
def show_(
    letter_id: Annotated[str, typer.Argument(help="The dead letter's id, or the beginning of it.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one dead letter in full, the original included."""
    app = application(config)
    with recorded(app, "deadletter.show", letter_id), app.reading() as store:
        letter = _one(app, store, letter_id)
    if json:
        emit(dict(letter.fields))
    else:
        rows = ((name, tables.value_text(value)) for name, value in sorted(letter.fields.items()))
        show(tables.plain_table(("field", "value"), rows))


@verb.command()
def replay(
    letter_id: Annotated[str, typer.Argument(help="The dead letter's id, or the beginning of it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that are still unread.")] = False,
    source: Annotated[str, typer.Option("--source", help="With --all: only those of this source.")] = "",
    limit: LimitOption = REPLAYED_MAX,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring records in again; those that can be read now become the events they should have been, once."""
    if bool(letter_id) == every or (source and not every):
        raise UsageError("name one dead letter, or say --all, or --all --source NAME")
    app = application(config)
    with recorded(app, "deadletter.replay", letter_id, source=source), app.reading() as store:
        found = [_one(app, store, letter_id)] if letter_id else unread(app, store, limit, source)
        number = bring_in(app, found)
    if json:
        emit({"schema": SCHEMA, "records": number, "dead_letters": [one.id for one in found]})
    talk(f"{number} records are in the spool again; `sentinel run` reads them, then: sentinel deadletter list")


def _one(app: App, store: Store, letter_id: str) -> Event:
    if not letter_id.isalnum():
        raise UsageError(f"{letter_id!r} is no id; see: sentinel deadletter list")
    found = store.search(letters(Like("event.id", f"{letter_id}*")), everywhere(app), 2)
    if len(found) != 1:
        what = "several dead letters begin" if found else "no dead letter begins"
        raise UsageError(f"{what} with {letter_id!r}; see: sentinel deadletter list")
    return found[0]
