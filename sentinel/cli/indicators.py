"""`sentinel indicators`: what the lists hold, and whether a value is among it."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LastOption,
    application,
    back,
    emit,
    recorded,
    show,
    talk,
)
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.parse.indicators import Terms, refanged
from sentinel.repair.retro import Retro
from sentinel.ui import tables

EXAMPLE = """
sentinel indicators list
sentinel indicators match mail.evil.example
sentinel indicators retro --last 30d --apply
sentinel indicators match 'hxxps://evil[.]example/login'
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the lists: how many indicators, how many expired, what was passed over and why. Ends with 1 on a problem."""
    rows = list(_lists(application(config)))
    if json:
        emit(*({"schema": SCHEMA, **row} for row in rows))
    else:
        columns = ("name", "count", "expired", "passed over", "path")
        cells = [(row["name"], row["count"], row["expired"], sum(_skipped(row).values()), row["path"]) for row in rows]
        show(tables.plain_table(columns, cells))
        for row in rows:
            for why, count in sorted(_skipped(row).items(), key=lambda one: -one[1]):
                talk(f"{row['name']}: {count:,} passed over: {why}")
    problems = [str(row["problem"]) for row in rows if row["problem"]]
    for problem in problems:
        talk(problem, "red")
    if problems:
        raise typer.Exit(Exit.FINDING)


@verb.command()
def match(
    value: Annotated[str, typer.Argument(help="An address, domain, digest, mail address or URL.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which indicators stand for a value, the expired ones too. Ends with 1 if none that is valid does."""
    app = application(config)
    now = app.clock.now().timestamp()
    hits = list(app.enricher.threats.about(refanged(value))) if app.enricher is not None else []
    rows = [
        {
            "list": hit.feed,
            "type": hit.one.kind,
            "indicator": hit.written,
            "state": _state(hit.terms, now),
            "until": _moment(hit.terms.until),
            "id": hit.terms.id,
            "about": hit.terms.about,
        }
        for hit in hits
    ]
    if json:
        emit(*({"schema": SCHEMA, **row} for row in rows))
    elif rows:
        show(tables.plain_table(tuple(rows[0]), (tuple(row.values()) for row in rows)))
    if not any(row["state"] == "valid" for row in rows):
        talk(f"no list has a valid indicator for {value}")
        raise typer.Exit(Exit.FINDING)


@verb.command()
def retro(
    last: LastOption = "30d",
    lists: Annotated[list[str] | None, typer.Option("--list", help="Only this list (may be repeated).")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Raise the alerts; without, say what there is.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Compare what is stored with the lists as they are now. Ends with 1 if they are not all there."""
    app = application(config)
    known = {one.name for one in app.config.indicators}
    if unknown := sorted(set(lists or ()) - known):
        raise UsageError(f"there is no list {unknown[0]!r}; there are: {', '.join(sorted(known)) or 'none'}")
    with recorded(app, "indicators.retro", last=last, lists=tuple(lists or ())) if apply else nullcontext():
        report = Retro(app).look(back(app, last, "ingested"), set(lists or ()), apply=apply)
    if json:
        emit({"schema": SCHEMA, **report.as_json()})
    elif report.raised:
        rows = [(one["id"][: tables.ID_SHOWN], one["title"], one["summary"]) for one in report.raised]
        show(tables.plain_table(("alert", "title", "what"), rows))
    for problem, number in report.problems.most_common():
        talk(f"{number:,}: {problem}", "yellow")
    about = ", ".join(f"{title} ({report.hits[one]:,})" for one, title in report.rules.items()) or "none"
    talk(f"{report.records:,} stored events hold what the lists name now and did not when they came; rules: {about}")
    talk(f"{len(report.raised):,} new alerts" if apply else "no alert has been raised: --apply does it")
    problems = app.enricher.problems if app.enricher is not None else []
    for problem in problems:
        talk(problem, "red")
    if problems:
        raise typer.Exit(Exit.FINDING)


def _lists(app: App) -> Iterator[dict[str, object]]:
    now = app.clock.now().timestamp()
    for name, file in app.enricher.threats.lists if app.enricher is not None else ():
        held = file.held
        yield {
            "name": name,
            "path": str(file.path),
            "count": held.count if held is not None else 0,
            "expired": held.expired(now) if held is not None else 0,
            "skipped": dict(held.skipped) if held is not None else {},
            "problem": file.problem,
        }


def _skipped(row: dict[str, object]) -> dict[str, int]:
    return row["skipped"] if isinstance(row["skipped"], dict) else {}


def _state(terms: Terms, now: float) -> str:
    if now >= terms.until:
        return "expired"
    return "valid" if now >= terms.since else "not yet valid"


def _moment(posix: float) -> str:
    try:
        return iso(datetime.fromtimestamp(posix, UTC))
    except (ValueError, OverflowError, OSError):
        return "never"
