"""`sentinel rules except`, `exceptions`: what a rule shall not raise, why, who answers for it and until when."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    YesOption,
    agreed,
    application,
    emit,
    event_of,
    evidence,
    moment,
    operator,
    recorded,
    show,
    stdout,
    talk,
)
from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import Exit, NotThereError, UsageError
from sentinel.core.event import Scalar, Value
from sentinel.core.ports import Span
from sentinel.core.where import AllOf, Not, values
from sentinel.detect.exceptions import Exemption, Terms
from sentinel.detect.exempting import FOLDER, exception, file_name, put
from sentinel.detect.rules import chosen
from sentinel.ui import tables
from sentinel.ui.visible import safe

VALUES_MAX = 20
"""An exception lists so many values of a field at most; more are no exception any more."""
EVIDENCE_MAX = 100
EFFECT_DAYS = 7

RuleName = Annotated[str, typer.Argument(help="The rule's id or a beginning of it, its file's name or its title.")]


def except_(  # noqa: PLR0913, PLR0917  options of a command
    rule: RuleName,
    reason: Annotated[str, typer.Option(help="Why it is no finding.")],
    until: Annotated[str, typer.Option(help="When it ends: 14d, 2027-01-31.")],
    origin: Annotated[str | None, typer.Option("--from", help="The alert or the event that it is about.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="A field of it, or FIELD=VALUE; all must be met.")] = None,
    owner: Annotated[str, typer.Option(help="Who answers for it; nothing: you.")] = "",
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Write an exception to a rule: a Sigma filter file among your own rules. It is shown first."""
    app = application(config)
    detection = chosen(app.rules.detections, rule)
    there, default = _origin(app, detection, origin)
    conditions = _conditions(field or default, there)
    terms = Terms(reason.strip(), (owner or operator()).strip(), moment(until, app.clock.now()))
    text = exception(f"Exception to: {detection.title}", app.rules.origins[detection.id], conditions, terms)
    changed = _tried(app, detection, text)
    stdout().print(safe(text.rstrip("\n")), soft_wrap=True)
    before, after = _effect(app, detection, changed)
    talk(f"of {before:,} events that met the rule in the last {EFFECT_DAYS} days {before - after:,} would not have")
    folder = next((one for one in app.config.content.rules if one.is_dir()), app.config.content.rules[0]) / FOLDER
    if not agreed(f"write it to {folder}?", yes=yes):
        talk("nothing is written; --yes writes it", "yellow")
        return
    said = {
        "rule": detection.id,
        "until": iso(terms.expires),
        "owner": terms.owner,
        "sha256": sha256(text.encode()).hexdigest(),
    }
    with recorded(app, "rule.except", str(folder / file_name(detection.path, conditions)), **said):
        path = put(folder, file_name(detection.path, conditions), text)
    talk(f"{path}: a Sentinel at work reads it within {2 * app.config.detect.every_seconds:g} seconds")


def exceptions(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List exceptions with reason, owner and end. Ends with 1 if one has expired."""
    app = application(config)
    found = sorted(app.rules.exceptions, key=lambda one: one.terms.expires)
    if json:
        emit(*map(as_json, found))
    elif found:
        rows = (
            (tables.local(one.terms.expires), "expired" if one.expired else "holds", one.title, one.terms.reason,
             one.terms.owner, one.path)
            for one in found
        )  # fmt: skip
        show(tables.plain_table(("until", "state", "exception", "reason", "owner", "file"), rows))
    else:
        talk("no exceptions")
    if any(one.expired for one in found):
        raise typer.Exit(Exit.FINDING)


def as_json(one: Exemption) -> dict[str, object]:
    """Return an exception as `--json` prints it."""
    terms = one.terms
    said = {"schema": SCHEMA, "path": one.path, "title": one.title, "rules": one.rules, "expired": one.expired}
    return {**said, "reason": terms.reason, "owner": terms.owner, "expires": iso(terms.expires)}


def _origin(app: App, detection: Detection, said: str | None) -> tuple[list[Mapping[str, Value]], list[str]]:
    # the events it is about, and the fields that are meant if none is said: those of the alert's key
    if said is None:
        return [], []
    with app.desk() as desk:
        try:
            alert = desk.alert(said)
        except NotThereError:
            return [event_of(app, said).fields], []
    if alert.rule_id != detection.id:
        raise UsageError(f"alert {alert.id} is one of the rule {alert.title!r} ({alert.rule_id})")
    return [event.fields for event in evidence(app, alert, EVIDENCE_MAX)] or [dict(alert.key)], [
        n for n, _ in alert.key
    ]


def _conditions(fields: Sequence[str], there: Sequence[Mapping[str, Value]]) -> dict[str, tuple[Scalar, ...]]:
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


def _effect(app: App, detection: Detection, changed: Detection) -> tuple[int, int]:
    now = app.clock.now()
    span = Span(now - timedelta(days=EFFECT_DAYS), now)
    with app.reading() as store:
        before = _count(store.tally(detection.where, span, (), 1))
        gone = _count(store.tally(AllOf((detection.where, Not(changed.where))), span, (), 1))
    return before, before - gone


def _count(rows: Sequence[tuple[tuple[Value | None, ...], int]]) -> int:
    return rows[0][1] if rows else 0
