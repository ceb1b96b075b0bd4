"""`sentinel spool`: what waits on disk between the network and the store."""

import base64
import dataclasses
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, LimitOption, application, emit, recorded, show, talk
from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.core.event import Entry, replayed
from sentinel.ui import tables

EXAMPLE = """
sentinel spool stats
sentinel spool cat --json > records.jsonl
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command()
def stats(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say how much is in the spool and how much of it is still to be stored."""
    with application(config).spool() as spool:
        found = dataclasses.asdict(spool.stats())
    if json:
        emit({"schema": SCHEMA, **{name: _plain(value) for name, value in found.items()}})
    else:
        show(tables.plain_table(("what", "value"), ((name.replace("_", " "), _plain(found[name])) for name in found)))


@verb.command()
def cat(
    after: Annotated[int, typer.Option(help="Begin after this sequence.")] = 0,
    limit: LimitOption = 1000,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print records; --json prints what `sentinel replay` reads."""
    app = application(config)
    with recorded(app, "spool.cat", after=after, limit=limit), app.spool() as spool:
        entries = spool.read(after, limit)
    if json:
        emit(*(as_json(entry) for entry in entries))
    else:
        show(tables.plain_table(("seq", "written", "source", "entrance", "record"), map(_row, entries)))


@verb.command()
def fsck(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Read every record; damage is moved aside and reported. Ends with 1 if there was any."""
    with application(config).spool() as spool:
        report = spool.fsck()
    problems = [str(problem) for problem in report.problems]
    if json:
        emit({"schema": SCHEMA, "records": report.records, "problems": problems})
    for problem in problems:
        talk(problem, "red")
    talk(f"{report.records:,} records can be read; {len(problems)} problems")
    if problems:
        raise typer.Exit(Exit.FINDING)


def as_json(entry: Entry) -> dict[str, object]:
    """Return a record so that `sentinel replay` can bring it in again as the same one."""
    raw = replayed(entry)
    return {
        "schema": SCHEMA,
        "seq": entry.seq,
        "written": iso(entry.written),
        "source": raw.source,
        "received": iso(raw.received),
        "origin": dataclasses.asdict(raw.origin),
        "body_base64": base64.b64encode(raw.body).decode(),
        "text": raw.body.decode("utf-8", "replace"),
    }


def _row(entry: Entry) -> tuple[object, ...]:
    raw = entry.raw
    return entry.seq, tables.local(entry.written), raw.source, raw.origin.via, raw.body.decode("utf-8", "replace")[:200]


def _plain(value: object) -> object:
    return iso(value) if hasattr(value, "tzinfo") else value  # type: ignore[arg-type]
