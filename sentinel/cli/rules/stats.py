"""`sentinel rules stats`: how each rule has fared with the people who work its alerts."""

from typing import Annotated

import typer

from sentinel.cli.alerts import record_json
from sentinel.cli.common import ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.alert import Record
from sentinel.detect.rules import chosen
from sentinel.ui import tables


def stats(
    rule: Annotated[str | None, typer.Argument(help="One rule: its id, file's name or title; nothing: all.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say how many alerts each rule has raised, what people said of them, and how long that took them.

    The part of false positives is that among verdicts, with its 95 % interval: of few verdicts little is known.
    """
    app = application(config)
    wanted = chosen(app.rules.detections, rule).id if rule else None
    with app.desk() as desk:
        found = desk.records(wanted)
    if json:
        emit(*map(record_json, found))
        return
    found.sort(key=lambda one: (-one.false_positive, -one.alerts, one.rule_id))
    if found:
        show(
            tables.plain_table(
                ("alerts", "open", "true", "false", "benign", "false positives", "median", "events", "rule"),
                ([*_cells(one)] for one in found),
            )
        )
    silent = {one.id for one in app.rules.detections} - {one.rule_id for one in found}
    if wanted is None:
        talk(f"{len(silent)} rules that are on have never raised an alert")
    elif not found:
        talk("it has never raised an alert")


def _cells(one: Record) -> list[object]:
    ratio = one.false_positive_ratio
    words = "no verdict"
    if ratio is not None:
        part, low, high = (f"{100 * each:.0f}" for each in ratio)
        words = f"{part} % of {one.verdicts} ({low} to {high} %)"
    took = "–" if one.median_time is None else tables.span_text(one.median_time)
    numbers = [one.alerts, one.open, one.true_positive, one.false_positive, one.benign]
    return [*numbers, words, took, f"{one.events:,}", one.title]
