"""`sentinel rules explain`: which condition of a rule held for an event, which did not, and why."""

import dataclasses
import sys
from datetime import datetime
from typing import Annotated

import orjson
import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, event_of, show, talk
from sentinel.cli.rules.targets import RuleOrFile, meant_with
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.core.event import Event, Fields
from sentinel.core.explain import Step
from sentinel.detect.explaining import Why, why
from sentinel.ui import explaining, tables

EVENT_MAX = 1 << 20
_NOWHERE = "0" * 32


def explain(
    rule: RuleOrFile,
    event: Annotated[str, typer.Argument(help="A stored event's id, or - for one flat JSON event on standard input.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say why a rule fires on an event, or why it does not. Ends with 1 if it does not."""
    app = application(config)
    given = _given(app) if event == "-" else event_of(app, event)
    fires = False
    for detection, origins in meant_with(app, rule):
        with app.reading() as store:
            found = why(store, detection, origins, given)
        fires = fires or found.fires
        if json:
            emit(as_json(found))
        else:
            _shown(found)
    if not fires:
        raise typer.Exit(Exit.FINDING)


def as_json(found: Why) -> dict[str, object]:
    """Return an explanation as `--json` prints it."""
    groups = [
        {
            "key": dict(one.key),
            "events": [{"id": each.id, "timestamp": iso(each.timestamp)} for each in one.events],
            "more": one.more,
            "findings": [{"summary": each.summary, "count": each.count} for each in one.findings],
        }
        for one in found.groups
    ]
    return {
        "schema": SCHEMA,
        "id": found.detection.id,
        "title": found.detection.title,
        "fires": found.fires,
        "history_decides": found.detection.history is not None,
        "rules": [{"rule": one.name, "why": step_json(one.step)} for one in found.asked],
        "groups": groups,
        "names": found.names,
    }


def step_json(step: Step) -> dict[str, object]:
    """Return one condition as `--json` prints it."""
    said: dict[str, object] = {"kind": step.kind, "held": step.held}
    if step.leaf is not None:
        said["asks"] = {"what": type(step.leaf).__name__, **dataclasses.asdict(step.leaf)}
        said["found"] = [dataclasses.asdict(one) for one in step.found]
    else:
        said["steps"] = [step_json(one) for one in step.steps]
    return said


def _shown(found: Why) -> None:
    for one in found.asked:
        show(explaining.tree(one.name, one.step, found.names))
    for group in found.groups:
        fired = "; ".join(one.summary for one in group.findings) or "no window stands"
        more = ", and more" if group.more else ""
        talk(f"{tables.key_text(group.key)}: {len(group.events)} events around it{more}; {fired}")
        show(tables.events_table(group.events))
    does = "fires" if found.detection.history is None else "looks at its history, which decides,"
    talk(f"{found.detection.title}: {does if found.fires else 'does not fire'} on this event")


def _given(app: App) -> Event:
    body = sys.stdin.buffer.read(EVENT_MAX + 1)
    if len(body) > EVENT_MAX:
        raise UsageError(f"an event has at most {EVENT_MAX} bytes")
    try:
        said = orjson.loads(body)
        fields: Fields = {
            str(name): tuple(value) if isinstance(value, list) else value for name, value in dict(said).items()
        }
        at = datetime.fromisoformat(str(fields["@timestamp"])) if "@timestamp" in fields else app.clock.now()
    except (ValueError, TypeError) as error:
        raise UsageError(f"standard input is no flat JSON event: {error}; see sentinel parse --json") from error
    if at.tzinfo is None:
        raise UsageError("@timestamp needs its zone")
    return Event(_NOWHERE, 0, at, at, fields)
