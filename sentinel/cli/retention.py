"""`sentinel retention`: what is older than it may be, removed with a receipt."""

import time
from datetime import timedelta

import typer

from sentinel import retention
from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.cli.who import operator
from sentinel.core.errors import Exit, StoreBusyError, StoreError
from sentinel.core.ports import Kept
from sentinel.ui import tables

EXAMPLE = """
sentinel retention check
sentinel retention run
sentinel audit list --what retention.drop
"""
PATIENCE = timedelta(hours=1)
"""So long is waited for the process that stores."""
_LOOK_SECONDS = 0.2

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command()
def check(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say what is due and what is wrong with where events are kept. Ends with 1 if anything is."""
    app = application(config)
    with app.reading() as archive:
        found, troubles = retention.due(app, archive), archive.troubles()
    if json:
        emit({"schema": SCHEMA, "due": [_plain(one) for one in found], "troubles": troubles})
    else:
        show(tables.plain_table(("class", "day of arrival"), [(one.name, str(one.day)) for one in found]))
    for trouble in troubles:
        talk(trouble, "yellow")
    if found or troubles:
        raise typer.Exit(Exit.FINDING)


@verb.command("run")
def run_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Remove what is due now, with a receipt in the audit log for each class and day; `sentinel run` does so daily."""
    app = application(config)
    before = sum(1 for _ in app.audit.entries())
    problems: list[str] = []
    try:
        with app.keeping() as archive:
            problems = retention.run(app, archive, operator()).problems
    except StoreBusyError:
        _asked(app)
    receipts = [one for one in list(app.audit.entries())[before:] if one["what"] == retention.DEED]
    if json:
        emit({"schema": SCHEMA, "receipts": receipts, "problems": problems})
    for problem in problems:
        talk(problem, "red")
    talk(f"{len(receipts):,} receipts; sentinel audit list --what {retention.DEED} shows them")
    if problems:
        raise typer.Exit(Exit.PARTIAL)


def _asked(app: App) -> None:
    # the process that stores has the store to itself: it does the work
    path = app.config.data / retention.ASKED
    path.touch()
    end = time.monotonic() + PATIENCE.total_seconds()
    while path.exists():
        if time.monotonic() > end:
            path.unlink(missing_ok=True)
            raise StoreError(f"`sentinel run` has not got to it within {PATIENCE}; see what it says")
        time.sleep(_LOOK_SECONDS)


def _plain(kept: Kept) -> dict[str, str]:
    return {"class": kept.name, "day": kept.day.isoformat()}
