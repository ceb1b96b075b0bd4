"""`sentinel rules backtest`: what a rule would have raised on what is stored, before it is on."""

import typer

from sentinel.cli.alerts import as_json as alert_json
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, LastOption, application, emit, lasting, show, talk
from sentinel.cli.rules.targets import RuleOrFile, folding, meant
from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import Exit
from sentinel.core.ports import Span
from sentinel.testing.backtest import Outcome
from sentinel.testing.backtest import backtest as played
from sentinel.ui import tables
from sentinel.ui.visible import safe

ALERTS_SHOWN = 15


def backtest(rule: RuleOrFile, last: LastOption = "30d", json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say what a rule would have raised on what arrived lately: matches over time, top values, alerts.

    Exceptions, folding, budget and suppressions are those of every day. Ends with 6 if there was too much to judge all.
    """
    app = application(config)
    now = app.clock.now()
    span, options = Span(now - lasting(last), now, "ingested"), folding(app)
    cut = False
    for detection in meant(app, rule):
        with app.reading() as store:
            found = played(store, [detection], span, options)
        cut = cut or found.through is not None
        if json:
            emit(as_json(detection, found))
        else:
            _shown(detection, found)
    if cut:
        raise typer.Exit(Exit.PARTIAL)


def as_json(detection: Detection, found: Outcome) -> dict[str, object]:
    """Return an outcome as `--json` prints it."""
    return {
        "schema": SCHEMA,
        "id": detection.id,
        "title": detection.title,
        "from": iso(found.span.start),
        "to": iso(found.span.end),
        "matched": found.matched,
        "judged": found.judged,
        "judged_through": None if found.through is None else iso(found.through),
        "alerts": len(found.alerts),
        "floods": sum(one.flood for one in found.alerts),
        "suppressed_events": found.suppressed,
        "over_time": [{"from": iso(b.start), "events": b.events, "alerts": b.alerts} for b in found.buckets],
        "top": {field: dict(rows) for field, rows in found.top.items()},
        "problems": found.problems,
        "list": [alert_json(one) for one in found.alerts],
    }


def _shown(detection: Detection, found: Outcome) -> None:
    show(tables.level_text(detection.level).append(f"  {safe(detection.title)}"))
    most = max((one.events for one in found.buckets), default=0)
    rows = (
        (tables.local(one.start), f"{one.events:,}", one.alerts or "", tables.bar(one.events, most))
        for one in found.buckets
        if one.events
    )
    if most:
        show(tables.plain_table(("from", "events", "alerts", ""), rows))
        top = ((field, f"{count:,}", value) for field, each in found.top.items() for value, count in each)
        show(tables.plain_table(("field", "events", "value"), top))
    if found.alerts:
        show(tables.alerts_table(found.alerts[:ALERTS_SHOWN]))
    days = max((found.span.end - found.span.start).total_seconds() / 86_400, 1e-9)
    floods = sum(one.flood for one in found.alerts)
    talk(
        f"{found.matched:,} events match; {len(found.alerts):,} alerts would have come of them, "
        f"{len(found.alerts) / days:.1f} a day{f', {floods} of them floods' if floods else ''}"
    )
    if found.suppressed:
        talk(f"{found.suppressed:,} of the events would have been held back by suppressions")
    if found.through is not None:
        talk(f"too many: only {found.judged:,}, arrived until {tables.local(found.through)}, were judged", "yellow")
    for problem in found.problems:
        talk(problem, "red")
