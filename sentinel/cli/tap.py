"""`sentinel tap`: watch records go by, without disturbing them."""

import time
from typing import Annotated

import typer

from sentinel.cli.common import ConfigOption, JsonOption, application, emit, recorded, show, talk
from sentinel.cli.spool import as_json
from sentinel.core.event import Entry
from sentinel.parse.record import Reader
from sentinel.ui import tables
from sentinel.ui.visible import safe

EXAMPLE = """
sentinel tap
sentinel tap --parsed --source fw-rathaus --json
"""
BATCH = 500

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def tap(
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    parsed: Annotated[bool, typer.Option("--parsed", help="Show what a record becomes instead of the record.")] = False,
    seconds: Annotated[float, typer.Option(help="End by itself after so long; 0: with Ctrl+C.")] = 0.0,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Watch records as they reach the spool; ends with Ctrl+C."""
    app = application(config)
    deadline = time.monotonic() + seconds if seconds else None
    with recorded(app, "tap", source), app.spool() as spool:
        at = spool.stats().last_seq
        talk("waiting for records; Ctrl+C ends")
        while deadline is None or time.monotonic() < deadline:
            spool.wait(at, 0.2)
            for entry in spool.read(at, BATCH):
                at = entry.seq
                if not source or entry.raw.source == source:
                    _shown(entry, app.reader if parsed else None, json=json)


def _shown(entry: Entry, reader: Reader | None, *, json: bool) -> None:
    if reader is None:
        if json:
            emit(as_json(entry))
        else:
            text = entry.raw.body.decode("utf-8", "replace")
            show(safe(f"{tables.local(entry.written)} {entry.raw.source} {entry.raw.origin.peer} {text}"))
        return
    for event in reader.read(entry):
        if json:
            emit(dict(event.fields))
        else:
            show(safe(f"{tables.local(event.timestamp)} {' '.join(f'{k}={v}' for k, v in event.fields.items())}"))
