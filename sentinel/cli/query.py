"""`sentinel query`: a responder's question."""

from typing import Annotated

import typer

from sentinel.cli.common import (
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
from sentinel.core.clock import local_zone
from sentinel.respond import language, search
from sentinel.ui import tables

EXAMPLE = """
sentinel query 'source.ip:192.0.2.7 and event.outcome:failure last 24h'
sentinel query 'event.dataset:sshd.log last 7d' --by source.ip --by user.name
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def query(
    text: Annotated[list[str] | None, typer.Argument(help="The question; nothing finds the last 24 hours.")] = None,
    by: Annotated[list[str] | None, typer.Option("--by", help="Count by this field (may be repeated).")] = None,
    limit: LimitOption = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Find events, latest first, or count them by their values of some fields."""
    app = application(config)
    now = app.clock.now()
    asked = " ".join(text or ())
    question = language.read(asked, now, local_zone(now))
    with recorded(app, "query", question=asked, by=tuple(by or ()), limit=limit), app.reading() as store:
        if by:
            rows = search.counts(store, question, by, limit)
            if json:
                emit(*({"count": count, **dict(zip(by, key, strict=True))} for key, count in rows))
            else:
                cells = ([f"{count:,}", *(tables.value_text(value) or "–" for value in key)] for key, count in rows)
                show(tables.plain_table(["count", *by], cells))
            return
        found = search.answer(store, question, limit)
    if json:
        emit_events(found.events)
    elif found.events:
        show(tables.events_table(found.events))
    for hint in search.misspelt(question):
        talk(hint, "yellow")
    if not found.events:
        talk("nothing found" if question.spoken else "nothing found in the last 24 hours; a longer span: last 7d")
    elif found.more:
        talk(f"there are more: these are the latest {limit}; see more with --limit")
