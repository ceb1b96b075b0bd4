"""`sentinel rules prove`: the conversion proof of every rule on the store that is configured."""

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, talk
from sentinel.core.errors import Exit


def prove(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all configured.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Prove rules on the store that is configured: definition, matcher and the store's query must agree.

    Each rule is tried on the events beside it and on near misses made from it. What loads has to be proven before it
    is judged; here it is done whatever was proven before. Ends with 1 if a rule is not proven.
    """
    app = application(config)
    rules = app.rules_in(paths) if paths else app.rules
    begun = perf_counter()
    failed = events = 0
    for verdict in app.proving.verdicts(rules.detections):
        events += verdict.events
        failed += bool(verdict.reason)
        if json:
            said = {"path": verdict.detection.path, "id": verdict.detection.id, "reason": verdict.reason}
            emit({"schema": SCHEMA, **said, "events": verdict.events, "held": verdict.held})
        elif verdict.reason:
            talk(f"{verdict.detection.path}: {verdict.reason}", "red")
    proven, seconds = len(rules.detections) - failed, perf_counter() - begun
    talk(f"{proven} of {len(rules.detections)} rules are proven, on {events:,} events in {seconds:.1f} s")
    if failed:
        raise typer.Exit(Exit.FINDING)
