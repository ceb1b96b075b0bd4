"""`sentinel rules test --sigmahq`: whether SigmaHQ's event files raise the rules they were recorded for."""

from collections import Counter
from pathlib import Path

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, emit, show, talk
from sentinel.core.errors import Exit
from sentinel.testing import sigmahq
from sentinel.testing.sigmahq import Outcome
from sentinel.ui import tables


def regression(app: App, checkout: Path, *, json: bool) -> None:
    """Run the regression data of a checkout; ends with 1 if a rule was not raised as often as is stated."""
    rules = app.rules_in(sigmahq.folders(checkout))
    outcomes, wrong = sigmahq.run(checkout, rules, app.reader, app.clock)
    for error in wrong:
        talk(str(error), "red")
    if json:
        emit(*(_said(checkout, one) for one in outcomes))
    else:
        for one in outcomes:
            if not one.found:
                path = one.sample.path.relative_to(checkout)
                talk(f"{path}: {one.sample.title}: raised {one.raised} times: {one.kind}: {one.why}", "red")
        by_format = Counter((one.sample.path.suffix, one.found) for one in outcomes)
        endings = sorted({one.sample.path.suffix for one in outcomes})
        rows = [(end, str(by_format[end, True]), str(by_format[end, False])) for end in endings]
        show(tables.plain_table(("files", "found", "missed"), rows))
    found, more = sum(one.found for one in outcomes), [one for one in outcomes if one.raised > (one.sample.count or 0)]
    more = [one for one in more if one.sample.count is not None]
    for one in more if not json else ():
        talk(f"{one.sample.path.relative_to(checkout)}: raised {one.raised} times, {one.sample.count} are stated")
    named = len({one.sample.rule_id for one in outcomes})
    talk(f"{found} of {len(outcomes)} event files raise their rule, of {named} rules; {len(rules.detections)} load")
    if found < len(outcomes) or wrong:
        raise typer.Exit(Exit.FINDING)


def _said(checkout: Path, one: Outcome) -> dict[str, object]:
    sample = one.sample
    said = {"schema": SCHEMA, "file": str(sample.path.relative_to(checkout)), "id": sample.rule_id}
    counts = {"title": sample.title, "events": one.events, "raised": one.raised, "stated": sample.count}
    return {**said, **counts, "found": one.found, "kind": one.kind, "why": one.why}
