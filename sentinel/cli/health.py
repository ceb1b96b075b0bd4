"""`sentinel health`: for monitoring; whether events are stored and judged, and no minute is forgotten."""

import typer

from sentinel import health as looking
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, talk
from sentinel.core.errors import Exit

EXAMPLE = """
sentinel health
sentinel health --json
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def health(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say whether Sentinel moves events, from outside. Ends with 0 if all is well, with 1 if somebody should look."""
    found = looking.look(application(config))
    if json:
        emit(
            {
                "schema": SCHEMA,
                "well": found.well,
                "problems": [{"what": one.what, "text": one.text} for one in found.problems],
                "running": found.running,
                "role": str(found.roles),
                "judge_pid": found.judge,
                "judge_still_seconds": None if found.still is None else found.still.total_seconds(),
                "judge_doing": found.doing,
                "store_lag_seconds": found.store_lag.total_seconds(),
                "detect_lag_seconds": found.detect_lag.total_seconds(),
                "windows_unaccounted": found.unaccounted,
                "windows_skipped": found.skipped,
                "rules_aside": found.aside,
            }
        )
    for problem in found.problems:
        talk(f"{problem.what}: {problem.text}", "red")
    if found.well and not json:
        talk("all is well: events are stored and judged, and every minute is accounted for")
    if not found.well:
        raise typer.Exit(Exit.FINDING)
