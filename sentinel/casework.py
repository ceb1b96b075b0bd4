"""What is done with cases beyond their own book: alerts bring their evidence, and a case is written out for others."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel.app import App
from sentinel.core.alert import Alert
from sentinel.core.audit import Deed, entered
from sentinel.core.case import AddAlerts, AddEvidence, Case, Exported
from sentinel.core.clock import iso
from sentinel.core.detection import EVIDENCE_MAX, events_of
from sentinel.core.slip import Slip
from sentinel.excepting import evidence
from sentinel.respond.writing import written
from sentinel.ui import report

AROUND = timedelta(hours=1)
"""So long before the first and after the last thing in a case is looked for what could not be seen."""


def take(app: App, number: int, alerts: Sequence[Alert], who: str) -> Case:
    """Take alerts into a case, with their evidence as far as it is still stored."""
    from sentinel.cases.book import copied

    now = app.clock.now()
    with app.reading() as store:
        kept = [
            copied(event, f"evidence of alert {alert.id}", who, now)
            for alert in alerts
            for event in evidence(app, store, alert, EVIDENCE_MAX)
        ]
    with app.cases() as book:
        book.change(number, AddAlerts(tuple(one.id for one in alerts)), who)
        return book.change(number, AddEvidence(tuple(kept)), who)


def export(app: App, number: int, to: Path, who: str) -> Exported:
    """Write a case out, its report in the language that is spoken; raises UsageError, StoreError, AuditError."""
    from sentinel.cases import export as exporting

    with app.cases() as book:
        case, held = book.case(number), book.evidence(number)
    with app.desk() as desk:
        alerts = [desk.alert(one) for one in case.alerts]
    slip = _slip(app, case, alerts, [one.at for one in held])
    document = list(report.blocks(case, alerts, held, slip))
    made = {"made": iso(app.clock.now()), "by": who}
    files = {
        "report.md": report.markdown(document).encode("utf-8"),
        "report.html": report.page(document, case.title).encode("utf-8"),
        **exporting.files_of(held),
        exporting.MANIFEST: exporting.manifest(case, held, slip, _questions(app, alerts), made),
    }
    with entered(app.audit, Deed("case.export", who, str(number), {"to": str(to)})):
        digest = exporting.write(to, files)
    return Exported(to, exporting.MANIFEST, digest, len(held), len(alerts), len(slip.gaps), complete=slip.complete)


def _slip(app: App, case: Case, alerts: Sequence[Alert], at: Sequence[datetime]) -> Slip:
    from sentinel.slip import slip

    times = [*at, *(one.first_seen for one in alerts), *(one.last_seen for one in alerts)] or [case.opened]
    return slip(app, min(times) - AROUND, max(times) + AROUND)


def _questions(app: App, alerts: Sequence[Alert]) -> list[str]:
    found = []
    for alert in alerts:
        rule = app.rules.get(alert.rule_id)
        question = None if rule is None else written(events_of(rule, alert.key))
        if question is not None:
            until = alert.last_seen.astimezone(UTC) + timedelta(microseconds=1)
            found.append(f"{question} since {iso(alert.first_seen)} until {iso(until)}")
    return found
