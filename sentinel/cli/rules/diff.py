"""`sentinel rules diff`: what another set of rules would change, in rules and in alerts."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.alerts import as_json as alert_json
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, LastOption, application, emit, lasting, show, talk
from sentinel.cli.rules.targets import beside, folding
from sentinel.core.detection import Detection
from sentinel.core.errors import Exit, UsageError
from sentinel.core.ports import Span
from sentinel.detect.rules import Rules
from sentinel.testing.backtest import Outcome
from sentinel.testing.difference import Difference, Effect, difference, effect
from sentinel.ui import tables

ALERTS_SHOWN = 30
ON = "on"


def diff(
    before: Annotated[str, typer.Argument(help="A file or folder of rules; on: all that are on.")],
    after: Annotated[str, typer.Argument(help="The other one.")],
    last: LastOption = "7d",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which rules differ, and which alerts appear and vanish on what arrived lately. Ends with 1 if rules do."""
    app = application(config)
    now = app.clock.now()
    one, two = _set(app, before), _set(app, after)
    found = difference(one.detections, two.detections)
    with app.reading() as store:
        does = effect(store, found, Span(now - lasting(last), now, "ingested"), folding(app))
    if json:
        emit(as_json(found, does))
    else:
        _shown(found, does)
    for name, rules in ((before, one), (after, two)):
        if rules.refused:
            talk(f"{name}: {len(rules.refused)} rules are refused: sentinel rules check {name}", "yellow")
    if found.before or found.after:
        raise typer.Exit(Exit.FINDING)


def as_json(found: Difference, does: Effect) -> dict[str, object]:
    """Return the difference of two sets of rules as `--json` prints it."""
    return {
        "schema": SCHEMA,
        "added": [_rule(one) for one in found.added],
        "removed": [_rule(one) for one in found.removed],
        "changed": [_rule(one.after) | {"what": one.what} for one in found.changed],
        "same": found.same,
        "appear": [alert_json(one) for one in does.appear],
        "vanish": [alert_json(one) for one in does.vanish],
        "differ": [{"before": alert_json(one), "after": alert_json(two)} for one, two in does.differ],
        "cut": [bool(one and one.through) for one in (does.before, does.after)],
    }


def _set(app: App, said: str) -> Rules:
    if said == ON:
        return app.rules
    path = Path(said)
    if not path.exists():
        raise UsageError(f"there is no {said}; say a file or folder of rules, or {ON} for all that are on")
    return beside(app, path)


def _rule(one: Detection) -> dict[str, object]:
    return {"id": one.id, "title": one.title, "level": one.level, "path": one.path}


def _shown(found: Difference, does: Effect) -> None:
    rows = [
        *(("added", one.title, "", one.path) for one in found.added),
        *(("removed", one.title, "", one.path) for one in found.removed),
        *(("changed", one.after.title, ", ".join(one.what), one.after.path) for one in found.changed),
    ]
    if rows:
        show(tables.plain_table(("", "rule", "what", "file"), rows))
    for title, alerts in (("Appear", does.appear), ("Vanish", does.vanish)):
        if alerts:
            show(tables.alerts_table(alerts[:ALERTS_SHOWN], title))
    if does.differ:
        pairs = ((two.title, tables.key_text(two.key), f"{one.count:,} → {two.count:,}") for one, two in does.differ)
        show(tables.plain_table(("rule", "about", "events"), pairs, "Count differently"))
    talk(
        f"{len(found.added)} rules added, {len(found.removed)} removed, {len(found.changed)} changed, "
        f"{found.same} the same; "
        f"{len(does.appear)} alerts appear, {len(does.vanish)} vanish, {len(does.differ)} count differently"
    )
    for outcome in (does.before, does.after):
        _told(outcome)


def _told(outcome: Outcome | None) -> None:
    if outcome is None:
        return
    if outcome.through is not None:
        talk(f"too many: only {outcome.judged:,} of {outcome.matched:,} events were judged", "yellow")
    for problem in outcome.problems:
        talk(problem, "red")
