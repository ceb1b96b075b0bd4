"""`sentinel rules list`, `check`, `test`: what is judged, what is refused and why, and the proof of each rule."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.cli.rules.exceptions import as_json
from sentinel.core.content import content
from sentinel.core.detection import Detection
from sentinel.core.errors import Exit
from sentinel.detect import attack
from sentinel.ui import tables

DOUBTS_SHOWN = 40


def list_(
    off: Annotated[bool, typer.Option("--off", help="Those that are off, and why.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the rules that are on, or with --off those that are not."""
    app = application(config)
    if off:
        _off(app, json=json)
        return
    rules = app.proving.live(app.rules, talk)
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
                    "license": one.license,
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
    if rules.off and not json:
        talk(f"{len(rules.off)} rules are off: sentinel rules list --off")


def _off(app: App, *, json: bool) -> None:
    if json:
        emit(
            *(
                {"schema": SCHEMA, "id": one.id, "title": one.title, "level": one.level, "path": one.path, "why": why}
                for one, why in ((each.detection, each.why) for each in app.rules.off)
            )
        )
        return
    rows = [(each.detection.level, each.detection.title, each.why) for each in app.rules.off]
    show(tables.plain_table(("level", "rule", "off because"), rows))


def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all configured.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which rules load and are proven, and which are refused, with path and reason. Ends with 1 if any is."""
    app = application(config)
    rules = app.proving.live(app.rules_in(paths) if paths else app.rules, talk)
    if json:
        emit(*({"schema": SCHEMA, "path": one.path, "reason": one.reason} for one in rules.refused))
        emit(*(as_json(one) for one in rules.exceptions if one.expired))
    for refused in rules.refused:
        talk(f"{refused.path}: {refused.reason}", "red")
    for one in rules.exceptions:
        if one.expired:
            talk(f"{one.path}: has expired and holds no more; {one.terms.owner} answers for it", "yellow")
    _doubts(rules.detections, json=json)
    reasons = Counter(one.reason.split(":")[0] for one in rules.refused)
    if len(reasons) > 1 and not json:
        show(tables.plain_table(("rules", "refused because"), [(n, reason) for reason, n in reasons.most_common()]))
    talk(f"{len(rules.detections)} rules load, {len(rules.refused)} are refused")
    if rules.refused:
        raise typer.Exit(Exit.FINDING)


def _doubts(detections: Iterable[Detection], *, json: bool) -> None:
    # a rule that names a technique nobody knows fires all the same: told, not refused
    found = [(one.path, doubt) for one in detections for doubt in attack.doubts(one.attack)]
    if json:
        emit(*({"schema": SCHEMA, "path": path, "doubt": doubt} for path, doubt in found))
        return
    for path, doubt in found[:DOUBTS_SHOWN]:
        talk(f"{path}: {doubt}", "yellow")
    if len(found) > DOUBTS_SHOWN:
        talk(f"{len(found) - DOUBTS_SHOWN} more techniques in doubt: --json lists each", "yellow")


def prove(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all shipped.")] = None,
    checkout: Annotated[
        Path | None, typer.Option("--sigmahq", help="A checkout of SigmaHQ/sigma: run its regression data instead.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Prove rules on the events beside them: x.fires.jsonl must raise the rule, x.quiet.jsonl must not.

    Or those of SigmaHQ on its own event files, which come in as imported files do. Ends with 1 if a rule fails.
    """
    app = application(config)
    if checkout is not None:
        from sentinel.cli.rules.regression import regression

        regression(app, checkout, json=json)
        return
    from sentinel.testing import rules as harness

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
