"""`sentinel rules`: what is judged, what is refused and why, and the proof of each rule."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.content import content
from sentinel.core.errors import Exit
from sentinel.testing import rules as harness
from sentinel.ui import tables

EXAMPLE = """
sentinel rules list
sentinel rules check /etc/sentinel/rules
sentinel rules test /etc/sentinel/rules
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the rules that are on."""
    rules = application(config).rules
    if json:
        emit(
            *(
                {
                    "schema": SCHEMA,
                    "id": one.id,
                    "title": one.title,
                    "level": one.level,
                    "attack": one.attack,
                    "author": one.author,
                    "path": one.path,
                    "version": one.version,
                }
                for one in rules.detections
            )
        )
    else:
        show(tables.rules_table(rules.detections))
    if rules.refused:
        talk(f"{len(rules.refused)} rules are refused: sentinel rules check says why", "yellow")


@verb.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all configured.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which rules load and which are refused, with path and reason. Ends with 1 if any is."""
    app = application(config)
    rules = app.rules_in(paths) if paths else app.rules
    if json:
        emit(*({"schema": SCHEMA, "path": one.path, "reason": one.reason} for one in rules.refused))
    for one in rules.refused:
        talk(f"{one.path}: {one.reason}", "red")
    reasons = Counter(one.reason.split(":")[0] for one in rules.refused)
    if len(reasons) > 1 and not json:
        show(tables.plain_table(("rules", "refused because"), [(n, reason) for reason, n in reasons.most_common()]))
    talk(f"{len(rules.detections)} rules load, {len(rules.refused)} are refused")
    if rules.refused:
        raise typer.Exit(Exit.FINDING)


@verb.command("test")
def prove(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all shipped.")] = None,
    config: ConfigOption = None,
) -> None:
    """Prove rules on the events beside them: x.fires.jsonl must raise the rule, x.quiet.jsonl must not."""
    app = application(config)
    files = sorted(harness.rule_files(paths or [content("rules")]))
    failed = 0
    for path in files:
        problems = harness.check(path, app.supplied)
        for problem in problems:
            talk(str(problem), "red")
        failed += bool(problems)
    talk(f"{len(files) - failed} of {len(files)} rules keep their promises")
    if failed:
        raise typer.Exit(Exit.FINDING)
