"""`sentinel rules except`, `exceptions`: what a rule shall not raise, why, who answers for it and until when."""

from collections.abc import Mapping
from typing import Annotated

import typer

from sentinel import excepting
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
    moment,
    show,
    stdout,
    talk,
)
from sentinel.cli.who import operator
from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import Exit, NotThereError, UsageError
from sentinel.core.event import Value
from sentinel.detect.exceptions import Exemption, Terms
from sentinel.detect.rules import chosen
from sentinel.ui import tables
from sentinel.ui.visible import safe

RuleName = Annotated[str, typer.Argument(help="The rule's id or a beginning of it, its file's name or its title.")]


def except_(  # noqa: PLR0913, PLR0917  options of a command
    rule: RuleName,
    reason: Annotated[str, typer.Option(help="Why it is no finding.")],
    until: Annotated[str, typer.Option(help="When it ends: 14d, 2027-01-31.")],
    origin: Annotated[str | None, typer.Option("--from", help="The alert or the event that it is about.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="A field of it, or FIELD=VALUE; all must be met.")] = None,
    owner: Annotated[str, typer.Option(help="Who answers for it; nothing: you.")] = "",
    yes: YesOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write an exception to a rule: a Sigma filter file among your own rules. It is shown first."""
    app = application(config)
    detection = chosen(app.rules.detections, rule)
    there, default = _origin(app, detection, origin)
    terms = Terms(reason.strip(), (owner or operator()).strip(), moment(until, app.clock.now()))
    made = excepting.draft(app, detection, excepting.conditions(field or default, there), terms)
    if not json:
        stdout().print(safe(made.text.rstrip("\n")), soft_wrap=True)
    before, after = excepting.effect(app, made)
    days = excepting.EFFECT_DAYS
    talk(f"of {before:,} events that met the rule in the last {days} days {before - after:,} would not have")
    writes = agreed(f"write it to {made.path.parent}?", yes=yes)
    path = excepting.write(app, made, operator()) if writes else made.path
    if json:
        counted = {"days": days, "met": before, "met_then": after}
        emit({"schema": SCHEMA, "written": writes, "path": path, "text": made.text, **counted})
    if not writes:
        talk("nothing is written; --yes writes it", "yellow")
        return
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
    with app.reading() as store:
        return excepting.of_alert(app, store, alert), [name for name, _ in alert.key]
