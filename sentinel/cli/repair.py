"""`sentinel repair`: after a pack or a rule has changed, puts right what was read or judged before."""

from collections.abc import Sequence
from contextlib import nullcontext
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
from sentinel.core.detection import Detection
from sentinel.core.errors import UsageError
from sentinel.detect.rules import chosen
from sentinel.repair.report import Report
from sentinel.repair.work import Repair, Scope
from sentinel.ui import tables

EXAMPLE = """
sentinel repair
sentinel repair --pack fortigate --last 7d --apply
sentinel repair --dead-letters --apply
sentinel repair --rule ssh_bruteforce --last 30d --apply
"""
verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def repair(  # noqa: PLR0913, PLR0917  an option each
    packs: Annotated[list[str] | None, typer.Option("--pack", help="Only what this pack had read.")] = None,
    rules: Annotated[list[str] | None, typer.Option("--rule", help="Judge anew by this rule (its id).")] = None,
    source: Annotated[str, typer.Option("--source", help="Only what this source sent.")] = "",
    last: LastOption = "30d",
    letters: Annotated[bool, typer.Option("--dead-letters", help="Try every dead letter too.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, say what would be done.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read again what packs that have changed had read, and judge it; or judge anew by rules that have changed.

    Says what would be done; --apply does it. New alerts say that a repair found them, and how late.
    """
    app = application(config)
    if rules and (packs or source or letters):
        raise UsageError("--rule judges what is stored: it goes with --last only")
    work = Repair(app, talk)
    with (
        recorded(app, "repair", source, packs=tuple(packs or ()), rules=tuple(rules or ()), last=last, letters=letters)
        if apply
        else nullcontext()
    ):
        if rules:
            report = work.rejudge(_rules(app, rules), back(app, last, "timestamp"), apply=apply)
        else:
            scope = Scope(back(app, last, "ingested"), tuple(packs or ()), source, letters)
            report = work.reread(scope, apply=apply)
    if json:
        emit({"schema": SCHEMA, **report.as_json()})
    else:
        _show(report)


def _rules(app: App, wanted: Sequence[str]) -> list[Detection]:
    return [chosen(app.rules.detections, name) for name in wanted]


def _show(report: Report) -> None:
    if report.versions:
        rows = [(pack, version or "not known", f"{n:,}") for (pack, version), n in sorted(report.versions.items())]
        show(tables.plain_table(("pack", "had read as version", "events"), rows))
    if report.rules:
        show(
            tables.plain_table(
                ("rule", "events it is about", "no longer"),
                [(title, f"{report.hits[one]:,}", f"{report.no_longer[one]:,}") for one, title in report.rules.items()],
            )
        )
    if report.raised:
        rows = [(one["id"][: tables.ID_SHOWN], one["title"], one["summary"]) for one in report.raised]
        show(tables.plain_table(("alert", "title", "what"), rows))
    for problem, number in report.problems.most_common():
        talk(f"{number:,}: {problem}", "yellow")
    talk(
        f"{report.records:,} records read again: {report.changed:,} events change, {report.added:,} come, "
        f"{report.removed:,} go, {report.letters:,} dead letters can be read"
    )
    if report.applied:
        talk(f"done; {len(report.raised):,} new alerts; what it was before is in {report.folder}")
    else:
        talk("nothing has been changed: --apply does it")
