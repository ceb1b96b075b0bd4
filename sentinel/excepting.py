"""Makes an exception to a rule out of what an alert or an event is about, and tries it before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from sentinel.app import App
from sentinel.core.alert import Alert
from sentinel.core.audit import Deed, entered
from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import UsageError
from sentinel.core.event import Event, Scalar, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, Not, values
from sentinel.detect.exceptions import Terms
from sentinel.detect.exempting import FOLDER, exception, file_name, put
from sentinel.respond.language import EARLIEST

VALUES_MAX = 20
"""An exception lists so many values of a field at most; more are no exception any more."""
EVIDENCE_MAX = 100
EFFECT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Draft:
    """An exception that has been tried: the file's place and text, the rule as it would be."""

    path: Path
    text: str
    terms: Terms
    detection: Detection
    changed: Detection


def draft(app: App, detection: Detection, conditions: Mapping[str, Sequence[Scalar]], terms: Terms) -> Draft:
    """Return the exception of a rule under these conditions; raises UsageError if it would be refused."""
    text = exception(f"Exception to: {detection.title}", app.rules.origins[detection.id], conditions, terms)
    folder = next((one for one in app.config.content.rules if one.is_dir()), app.config.content.rules[0]) / FOLDER
    path = folder / file_name(detection.path, conditions)
    return Draft(path, text, terms, detection, _tried(app, detection, text))


def write(app: App, made: Draft, who: str) -> Path:
    """Write it, and before that into the audit log; raises UsageError if it is there, AuditError, ForbiddenError."""
    said = {
        "rule": made.detection.id,
        "until": iso(made.terms.expires),
        "owner": made.terms.owner,
        "sha256": sha256(made.text.encode()).hexdigest(),
    }
    with entered(app.audit, Deed("rule.except", who, str(made.path), said)):
        return put(made.path.parent, made.path.name, made.text)


def of_alert(app: App, store: Store, alert: Alert) -> list[Mapping[str, Value]]:
    """Return the events that an alert is about, as far as they are stored; else what its key says."""
    return [event.fields for event in evidence(app, store, alert, EVIDENCE_MAX)] or [dict(alert.key)]


def evidence(app: App, store: Store, alert: Alert, limit: int) -> list[Event]:
    """Return the events that an alert names as its evidence, latest first, as far as they are still stored."""
    ids = AnyOf(tuple(Is("event.id", one, cased=True) for one in alert.evidence))
    span = Span(max(alert.first_seen - app.margin, EARLIEST), alert.last_seen + app.margin)
    return store.search(ids, span, limit)


def conditions(fields: Sequence[str], there: Sequence[Mapping[str, Value]]) -> dict[str, tuple[Scalar, ...]]:
    """Return what an exception asks for: fields of the events `there` with their values, or `NAME=VALUE`.

    Raises UsageError.
    """
    if not fields:
        known = sorted({name for event in there for name in event})
        hint = f"; the event has {', '.join(known)}" if known else ""
        raise UsageError(
            f"say which fields make it an exception: --field NAME of an event (--from), or NAME=VALUE{hint}"
        )
    found: dict[str, tuple[Scalar, ...]] = {}
    for one in fields:
        name, given, value = one.partition("=")
        if given:
            found[name] = (*found.get(name, ()), value)
            continue
        own = tuple(dict.fromkeys(value for event in there for value in values(event.get(name))))
        if not own:
            raise UsageError(f"no event it is about has a field {name}; say --field {name}=VALUE")
        if len(own) > VALUES_MAX:
            raise UsageError(f"{name} has {len(own)} different values in the alert's events; say --field {name}=VALUE")
        found[name] = own
    return found


def _tried(app: App, detection: Detection, text: str) -> Detection:
    """Return the rule with the exception; raises UsageError if it would be refused."""
    with TemporaryDirectory(prefix="sentinel-exception-") as folder:
        path = Path(folder) / "exception.yml"
        path.write_text(text, "utf-8")
        rules = app.rules_in([*app.rule_folders, path])
    wrong = [one.reason for one in rules.refused if one.path == str(path)]
    if wrong:
        raise UsageError(f"such an exception would be refused: {wrong[0]}")
    return next(one for one in rules.detections if one.id == detection.id)


def effect(app: App, made: Draft) -> tuple[int, int]:
    """Return how many events met the rule in the last EFFECT_DAYS days, and how many would have with the exception."""
    now = app.clock.now()
    span = Span(now - timedelta(days=EFFECT_DAYS), now)
    with app.reading() as store:
        before = _count(store.tally(made.detection.where, span, (), 1))
        gone = _count(store.tally(AllOf((made.detection.where, Not(made.changed.where))), span, (), 1))
    return before, before - gone


def _count(rows: Sequence[tuple[tuple[Value | None, ...], int]]) -> int:
    return rows[0][1] if rows else 0
